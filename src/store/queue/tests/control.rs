//! Orders and suspensions: durable when they are answered, whatever happens next.

use super::renewal::{by_hand, defer_all, entries, finish, turn, wait_with};
use super::*;
use crate::model::queue::{Entry, Party, Selection, Suspendable};

fn from(text: &str) -> Selection {
    Selection { sender: Some(text.parse::<Party>().unwrap()), ..Selection::default() }
}

fn states(queue: &Queue) -> Vec<State> {
    entries(queue).iter().flat_map(|entry| entry.targets().iter().map(|target| target.state)).collect()
}

#[test]
fn an_order_is_durable_when_it_is_answered_and_goes_in_slices() {
    let (disk, clock) = (SimulatedDisk::new(21), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let ids: Vec<QueueId> = (0..1_200).map(|_| wait_with(&queue, b"x")).collect();
    let mut told = Vec::new();
    let alice = from("alice@contoso.example");
    let counted = queue.order(&alice, &Order::Hold, true, &mut |_, _| {}).unwrap();
    assert_eq!(counted, Obeyed { messages: 1_200, recipients: 1_200 });
    assert!(states(&queue).iter().all(|state| *state == State::Due), "a dry run changed something");
    let obeyed = queue.order(&alice, &Order::Hold, false, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(obeyed, counted);
    assert_eq!(told, [(500, 1_200), (1_000, 1_200), (1_200, 1_200)]);
    assert_eq!(
        queue.order(&from("bob@contoso.example"), &Order::Release, false, &mut |_, _| {}),
        Ok(Obeyed::default())
    );
    // The power goes without a word.
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    assert!(states(&queue).len() == 1_200 && states(&queue).iter().all(|state| *state == State::Held));
    let one = Selection::of(ids[700]);
    assert_eq!(queue.order(&one, &Order::Release, false, &mut |_, _| {}).unwrap().recipients, 1);
    let page = queue.list(&Selection { state: Some(State::Due), ..Selection::default() }, QueueId(0), 10);
    assert_eq!((page.total, page.messages[0].id.clone()), (1, ids[700].to_string()));
    let page = queue.list(&Selection::default(), ids[1_195], 3);
    assert_eq!((page.total, page.messages.len(), page.messages[0].id.clone()), (1_200, 3, ids[1_195].to_string()));
}

#[test]
fn what_is_suspended_stays_so_after_a_crash_and_after_old_segments_went() {
    let (disk, clock) = (SimulatedDisk::new(22), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let what = || Suspendable::Destination("fabrikam.example".parse().unwrap());
    queue.suspend(what(), "they asked us to wait").unwrap();
    queue.suspend(Suspendable::Sender(Party::Null), "").unwrap();
    let first = queue.shared.journal.oldest_segment().map_or(1, |oldest| oldest.segment);
    for _ in 0..60 {
        let id = wait_with(&queue, &[b'y'; 800]);
        assert!(queue.command(crate::model::queue::Command::Remove(id)));
        turn(&queue);
    }
    let oldest = locked(&queue.shared.table).suspended.unwrap().segment;
    assert!(oldest > first, "the record was not taken along");
    wait_with(&queue, b"waits");
    assert_eq!(queue.take_work(), None, "it is suspended");
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    assert_eq!(queue.take_work(), None, "it is suspended");
    let [destination] = queue.destinations().try_into().unwrap();
    assert_eq!((destination.name.as_str(), destination.recipients), ("fabrikam.example", 1));
    assert_eq!(destination.reason.as_deref(), Some("they asked us to wait"));
    assert_eq!(queue.resume(&what()), Ok(true));
    assert_eq!(queue.resume(&what()), Ok(false));
    assert!(matches!(queue.take_work(), Some(Work::Attempt(_))));
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    assert_eq!(queue.suspensions().all().count(), 1, "the null path is still suspended");
}

#[test]
fn a_suspension_that_cannot_be_written_is_not_in_force() {
    let (disk, clock) = (SimulatedDisk::new(23), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    disk.set_read_only(true);
    let what = Suspendable::Destination("fabrikam.example".parse().unwrap());
    assert!(queue.suspend(what, "").is_err());
    assert_eq!(queue.suspensions().all().count(), 0);
}

#[test]
fn what_cannot_be_read_can_be_given_up_and_its_sender_hears_of_it() {
    let (disk, clock) = (SimulatedDisk::new(24), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let mut commit = Box::pin(
        queue.commit_own(OwnMessage { envelope: envelope(sender()), content: b"Subject: lost\r\n\r\nx\r\n".to_vec() }),
    );
    let id = runtime().block_on(async {
        let first = core::future::poll_fn(|context| core::task::Poll::Ready(commit.as_mut().poll(context))).await;
        assert!(first.is_pending());
        turn(&queue);
        commit.await.unwrap()
    });
    let segment =
        disk.list(Path::new(PLACE)).unwrap().into_iter().find(|name| name.to_string_lossy().ends_with("segment"));
    disk.damage(&Path::new(PLACE).join(segment.unwrap()), 80, 1);
    assert!(matches!(queue.take_work(), Some(Work::Expand(_))));
    queue.unexpanded(id);
    clock.advance(Duration::from_secs(61));
    assert!(matches!(queue.take_work(), Some(Work::Expand(_))), "it is asked for again soon");
    let obeyed = queue.order(&Selection::of(id), &Order::GiveUp(attempt(550)), false, &mut |_, _| {}).unwrap();
    assert_eq!(obeyed.messages, 1);
    let entry = queue.entry(id).unwrap();
    assert_eq!(entry.targets()[0].addressee.address.to_string(), "unknown@localhost");
    let Some(Work::Report(job)) = queue.take_work() else { panic!("its sender hears nothing") };
    assert_eq!(job.to.to_string(), "alice@contoso.example");
    drop(queue.reported(job, None));
    turn(&queue);
    assert_eq!(queue.count(), 0);
}

#[test]
fn a_message_written_by_an_older_program_is_read() {
    // Version, id, two events: Held (the fifth kind) of the first recipient, Noticed (the ninth) of the second.
    let mut octets = [2, 42, 2, 0, 4, 1, 8];
    let (moved, rest) = record::decode::<record::Moved>(&octets).unwrap();
    assert_eq!((moved.id, rest.len()), (QueueId(42), 0));
    assert!(matches!(moved.events.as_slice(), [(0, Event::Held), (1, Event::Noticed)]));
    let again = record::encode(&moved).unwrap();
    assert_eq!(again, octets);
    // Before version 2 a recipient said nothing of automatic replies.
    octets[0] = 1;
    let refused = record::decode::<record::Moved>(&octets).unwrap_err();
    assert_eq!(refused.to_string(), "written in version 1 of the format; this program reads version 2");
}

#[test]
fn every_order_and_every_crash_leave_what_the_replay_finds() {
    let orders = || {
        [
            Order::Hold,
            Order::Release,
            Order::Retry,
            Order::Move(Route::NextHost("mx.example:25".into())),
            Order::Move(Route::Domain),
            Order::GiveUp(attempt(550)),
            Order::Remove,
        ]
    };
    for order in orders() {
        for prepared in [State::Due, State::Deferred, State::Held] {
            let (disk, clock) = (SimulatedDisk::new(25), clock());
            let queue = by_hand(&disk, &clock).unwrap();
            wait_with(&queue, b"x");
            match prepared {
                State::Deferred => defer_all(&queue),
                State::Held => drop(queue.order(&Selection::default(), &Order::Hold, false, &mut |_, _| {})),
                _ => {}
            }
            queue.order(&Selection::default(), &order, false, &mut |_, _| {}).unwrap();
            let before: Vec<Entry> = entries(&queue);
            disk.cut_power_after(0);
            finish(queue);
            disk.crash();
            assert_eq!(entries(&by_hand(&disk, &clock).unwrap()), before, "{order:?} of what is {prepared:?}");
        }
    }
}
