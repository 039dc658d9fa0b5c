//! One life of the server, from its start to its end: sessions, administrators, the hands that turn its stores.
//!
//! A life has a runtime of its own with paused time, so that everything in it is gone at its end and time passes only
//! when nobody has anything to do. Before time passes, the hands look whether the stores have work.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use franking::delivery::worker;
use franking::model::mail::{EnhancedStatus, Reply};
use franking::model::policy::Route;
use franking::model::queue::{Attempt, Decision, QueueId, Selection, Suspendable, Verdict};
use franking::store::mailbox::MailboxName;
use franking::store::queue::{self, Decided, OpenError};
use franking::world::clock::Clock as _;
use franking::world::disk::Disk as _;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::organisation::MAILBOXES;
use super::plan::{Ailment, End, Life, Order};
use super::scenario::{Draft, FILLERS_FROM, filler};
use super::world::{House, MAIL, World};

/// What is still to be sent, in order.
pub(super) type Pending = Arc<Mutex<VecDeque<Draft>>>;

/// How a life came to its end.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It did not begin; the power may have gone.
    NotOpened { error: OpenError, dark: bool },
    /// It ended as planned, or by a power cut while it was ending otherwise.
    Ended(End),
    /// Something is not delivered after days without trouble.
    Stuck(String),
}

/// How long deliveries under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Tells the hands that everybody else waits.
#[derive(Debug, Default)]
struct Quiet {
    looked: AtomicBool,
    look: Notify,
}

impl Quiet {
    /// The runtime is about to let time pass: let the hands look first, once.
    fn parking(&self) {
        if !self.looked.swap(true, Ordering::Relaxed) {
            self.look.notify_one();
        } else {
            self.looked.store(false, Ordering::Relaxed);
        }
    }
}

/// Lets the server live.
pub(super) fn live(world: &Arc<World>, life: &Life, pending: &Pending) -> Outcome {
    let quiet = Arc::new(Quiet::default());
    let parking = Arc::clone(&quiet);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(move || parking.parking())
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        world.clock.begin();
        life.arm(&world.disk);
        let outcome = inside(world, life, pending, quiet).await;
        world.clock.end();
        outcome
    });
    // Nothing that is dropped now may still write.
    world.disk.cut_power_after(0);
    drop(runtime);
    outcome
}

async fn inside(world: &Arc<World>, life: &Life, pending: &Pending, quiet: Arc<Quiet>) -> Outcome {
    world.ledger.books().replaying = true;
    let opened = House::open(world, life.lost_workers);
    world.ledger.books().replaying = false;
    let (house, opened) = match opened {
        Ok(opened) => opened,
        Err(error) => return Outcome::NotOpened { error, dark: !world.disk.has_power() },
    };
    world.ledger.books().forget_what_never_was();
    world.chronicle.note(&format!("open, {} messages, {:?}", opened.messages, opened.recovery));
    if world.disk.lies() > 0 && opened.recovery.cut.is_some() {
        world.ledger.books().damage_known = true;
    }
    let house = Arc::new(house);
    let dark = Arc::new(Notify::new());
    let hands = tokio::spawn(turn(Arc::clone(world), Arc::clone(&house), quiet, life.clone(), Arc::clone(&dark)));
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async {
        let _ = stopped.await;
    };
    let delivery = tokio::spawn(worker::run(Arc::clone(&house.agents), stopping, DRAIN));
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(tokio::spawn(sessions(Arc::clone(world), Arc::clone(&house), Arc::clone(pending))));
    }
    others.extend(life.orders.iter().map(|order| tokio::spawn(obey(Arc::clone(world), Arc::clone(&house), *order))));
    others.push(tokio::spawn(moderate(Arc::clone(world), Arc::clone(&house))));
    others.extend(life.readings.iter().map(|at| tokio::spawn(read_later(Arc::clone(world), *at))));
    others.extend(life.clock.iter().map(|(at, by)| tokio::spawn(set_clock(Arc::clone(world), *at, *by))));
    others.extend(life.ailment.map(|ailment| tokio::spawn(fall_ill(Arc::clone(world), ailment))));
    if life.end == End::Done {
        resume(world, &house);
    }
    let end = tokio::select! {
        biased;
        () = dark.notified() => Outcome::Ended(life.end),
        outcome = until_the_end(world, life, &house, pending) => outcome,
    };
    if !matches!(end, Outcome::Ended(End::Stop | End::Done)) || !world.disk.has_power() {
        return end;
    }
    others.iter().for_each(JoinHandle::abort);
    let _ = stop.send(());
    let _ = delivery.await;
    // What was handed over is written.
    sleep(Duration::from_secs(10)).await;
    let cut_off = house.queue.running() > 0;
    hands.abort();
    let _ = hands.await;
    drop(house);
    world.chronicle.note(&format!("stopped, deliveries cut off: {cut_off}"));
    if cut_off || !world.disk.has_power() {
        let mut books = world.ledger.books();
        let life = books.life;
        books.broken_off.insert(life);
    }
    end
}

/// Turns the stores in an order that the dice draw, and tells when the power is gone.
async fn turn(world: Arc<World>, house: Arc<House>, quiet: Arc<Quiet>, life: Life, dark: Arc<Notify>) {
    let dice = &world.hands;
    let mailboxes = || {
        let worked = house.mailboxes.turn();
        if worked && life.keen_reader {
            read(&world);
        }
        worked
    };
    loop {
        quiet.look.notified().await;
        if dice.chance(life.slow) {
            sleep(Duration::from_millis(dice.scale(2_000))).await;
        }
        let queue_first = dice.chance(2);
        let mut worked = if queue_first { house.queue.turn() } else { mailboxes() };
        if worked && dice.chance(life.slow) {
            sleep(Duration::from_millis(dice.scale(500))).await;
        }
        worked |= if queue_first { mailboxes() } else { house.queue.turn() };
        if !world.disk.has_power() {
            world.chronicle.note("no power");
            dark.notify_one();
            return;
        }
        if worked {
            quiet.looked.store(false, Ordering::Relaxed);
        }
    }
}

async fn until_the_end(world: &Arc<World>, life: &Life, house: &Arc<House>, pending: &Pending) -> Outcome {
    match life.end {
        End::Done => tokio::select! {
            biased;
            () = delivered(world, life, house, pending) => Outcome::Ended(End::Done),
            () = sleep(life.lasts) => {
                let left = house.queue.list(&Selection::default(), QueueId(0), 10).messages;
                let left: Vec<String> = left.iter().map(|left| format!("{left:?}")).collect();
                Outcome::Stuck(format!("after days without trouble there is still {left:?}"))
            }
        },
        end if life.lie.is_some() || life.skipped_synchronization.is_some() => {
            let followed = tokio::select! {
                biased;
                () = lied(world, life) => life.lie.is_some(),
                () = sleep(life.lasts) => false,
            };
            if !followed && world.disk.lies() > 0 {
                // What came last and never reached the platter leaves no trace: nobody can find that.
                world.ledger.books().damage_known = true;
            }
            Outcome::Ended(end)
        }
        end => {
            sleep(life.lasts).await;
            Outcome::Ended(end)
        }
    }
}

/// Waits until a lie is followed by so much that it can be found.
async fn lied(world: &World, life: &Life) {
    loop {
        sleep(Duration::from_secs(1)).await;
        let followed = match life.lie {
            Some(_) => world.disk.writes_since_lie().is_some_and(|writes| writes > 12),
            None => world.disk.lies() > 0,
        };
        if followed {
            return;
        }
    }
}

/// Waits until nothing is left, sends what makes the journal go on, and waits again.
async fn delivered(world: &Arc<World>, life: &Life, house: &Arc<House>, pending: &Pending) {
    let count = 4 + usize::try_from(world.journal.segment_bytes).unwrap() * 3 / 2_500;
    // What the many leave goes with the one after them.
    let mut fillers = vec![FILLERS_FROM + count..FILLERS_FROM + count + 1, FILLERS_FROM..FILLERS_FROM + count];
    loop {
        while !pending.lock().unwrap().is_empty() || house.queue.count() > 0 {
            sleep(Duration::from_secs(20)).await;
        }
        let Some(next) = fillers.pop().filter(|_| life.fills) else { break };
        let at = world.clock.elapsed();
        pending.lock().unwrap().extend(next.map(|token| filler(token, at, &world.snapshot, &world.settings.current())));
        sessions(Arc::clone(world), Arc::clone(house), Arc::clone(pending)).await;
    }
    if !life.fills {
        return;
    }
    let (usage, oldest) = (house.queue.usage(), super::oracle::oldest_segment(world));
    world.chronicle.note(&format!("at the end {usage:?}, oldest segment {oldest:?}"));
    if usage.segments > 3 || oldest == Some(1) {
        world.ledger.violation(format!("the journal keeps what nobody needs: {usage:?}, oldest segment {oldest:?}"));
    }
}

/// Sends what is pending, each message at its time.
async fn sessions(world: Arc<World>, house: Arc<House>, pending: Pending) {
    loop {
        let Some(draft) = pending.lock().unwrap().pop_front() else { return };
        let now = world.clock.elapsed();
        if draft.at > now {
            let wait = draft.at - now;
            pending.lock().unwrap().push_front(draft);
            sleep(wait).await;
            continue;
        }
        submit(&world, &house, draft).await;
    }
}

/// One message, as a session hands it over.
async fn submit(world: &World, house: &House, draft: Draft) {
    let bytes = (draft.head.len() + draft.body.len()) as u64;
    let mut tries = 0;
    while !house.queue.has_room(bytes) {
        tries += 1;
        if tries > 3 {
            return world.chronicle.note(&format!("452 token {}", draft.token));
        }
        sleep(Duration::from_secs(60)).await;
    }
    let mut spool = house.spool.begin(u64::MAX);
    let mut written = Ok(());
    for part in draft.body.chunks(2_000) {
        written = spool.write(part.to_vec());
        if written.is_err() {
            break;
        }
    }
    let body = match written.map(|()| spool.finish()) {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return world.chronicle.note(&format!("451 token {}: {error}", draft.token)),
        Err(error) => return world.chronicle.note(&format!("451 token {}: {error}", draft.token)),
    };
    let id = house.queue.reserve_id();
    world.ledger.submitted(id, &draft);
    let committed = house.queue.commit(id, draft.envelope.clone(), draft.head.clone(), body).await;
    match committed {
        Ok(id) if world.disk.has_power() => world.ledger.acknowledged(id),
        Ok(_) => {}
        Err(failure) => world.chronicle.note(&format!("451 {id}: {failure}")),
    }
}

async fn obey(world: Arc<World>, house: Arc<House>, (at, order): (Duration, Order)) {
    sleep(at).await;
    let known = house.queue.list(&Selection::default(), QueueId(0), 100).messages;
    let dice = &world.administrator;
    let destination = || dice.pick(&["fabrikam.example", "slow.example", "dead.example"]).parse().unwrap();
    let selection = match known.as_slice() {
        [] => Selection::default(),
        // One message, or all for a destination.
        some if !dice.chance(4) => Selection::of(dice.pick(some).id.parse().unwrap()),
        _ => Selection { destination: Some(destination()), ..Selection::default() },
    };
    let (name, given) = match order {
        Order::Retry => ("retry", queue::Order::Retry),
        Order::Hold => ("hold", queue::Order::Hold),
        Order::Release => ("release", queue::Order::Release),
        Order::Remove => ("remove", queue::Order::Remove),
        Order::Move => ("move", queue::Order::Move(Route::NextHost("mx2.fabrikam.example".into()))),
        Order::GiveUp => {
            let reply = Reply::new(550, EnhancedStatus(5, 0, 0), "given up by an administrator");
            ("give up", queue::Order::GiveUp(Attempt { at: world.clock.now(), host: None, reply }))
        }
        Order::Suspend => {
            let what = Suspendable::Destination(destination());
            let suspended = house.queue.suspend(what.clone(), "for a while");
            return world.chronicle.note(&format!("administrator: suspend {what:?}: {suspended:?}"));
        }
        Order::Resume => return resume(&world, &house),
    };
    let meant = house.queue.list(&selection, QueueId(0), 100).messages;
    // Before it is obeyed: the power may go in the middle.
    for one in &meant {
        world.ledger.books().letters.entry(one.id.parse().unwrap()).or_default().commands.insert(name);
    }
    let obeyed = house.queue.order(&selection, &given, false, &mut |_, _| {});
    world.chronicle.note(&format!("administrator: {name} {:?} {:?}: {obeyed:?}", selection.ids, selection.destination));
}

/// Decides, sooner or later, about what waits for a moderator.
async fn moderate(world: Arc<World>, house: Arc<House>) {
    loop {
        sleep(Duration::from_secs(600)).await;
        for one in house.queue.moderations(10).0.into_iter().filter(|one| one.target.noticed) {
            let verdict = match world.moderator.below(4) {
                0 => continue,
                1 => Verdict::Reject,
                _ => Verdict::Approve,
            };
            let decision = Decision::new(world.clock.now(), "info@contoso.example", "moderator", "");
            let decided = house.queue.decide(one.id(), verdict, &decision);
            let is_own = matches!(decided, Ok(Decided::Now(_))) && world.disk.has_power();
            world.chronicle.note(&format!("moderator: {verdict:?} {}: answered {is_own}", one.id()));
            if is_own {
                let mut books = world.ledger.books();
                books.letters.entry(one.message).or_default().decided.insert(one.place, verdict);
            }
        }
    }
}

/// Lets every destination go on.
fn resume(world: &World, house: &House) {
    let suspended: Vec<Suspendable> = house.queue.suspensions().all().map(|(what, _)| what).collect();
    for what in suspended {
        let resumed = house.queue.resume(&what);
        world.chronicle.note(&format!("administrator: resume {what:?}: {resumed:?}"));
    }
}

async fn read_later(world: Arc<World>, at: Duration) {
    sleep(at).await;
    read(&world);
}

/// Somebody reads: as IMAP servers do, without waiting for the disk.
fn read(world: &World) {
    for id in MAILBOXES {
        let mailbox = Path::new(MAIL).join(MailboxName::of_recipient(id).as_str());
        for name in world.disk.list(&mailbox.join("new")).unwrap_or_default() {
            let seen = format!("{}:2,S", name.to_string_lossy());
            let moved = world.disk.rename(&mailbox.join("new").join(&name), &mailbox.join("cur").join(seen));
            world.chronicle.note(&format!("{name:?} is read: {moved:?}"));
        }
    }
}

async fn set_clock(world: Arc<World>, at: Duration, seconds: i64) {
    sleep(at).await;
    world.chronicle.note(&format!("the clock is set by {seconds} seconds"));
    world.clock.set(seconds);
}

async fn fall_ill(world: Arc<World>, ailment: Ailment) {
    sleep(ailment.at).await;
    world.chronicle.note(&format!("the disk falls ill: {ailment:?}"));
    match ailment.room_bytes {
        Some(bytes) => world.disk.set_room(Some(bytes)),
        None => world.disk.set_read_only(true),
    }
    world.disk.heal_after(ailment.operations);
}
