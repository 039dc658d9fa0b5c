//! A long trace: what a search holds in memory does not grow with it.

use std::path::Path;
use std::sync::Arc;

use franking::model::directory::Snapshot;
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::{
    DsnRequest, Envelope, MessageParameters, Passage, Posting, Route, Sender as From, Settings, Unrecorded, admit,
};
use franking::model::queue::{Addressee, Attempt, EntryFacts, Event, Hop, QueueId, Target};
use franking::store::queue::{Happened, Witness as _};
use franking::store::trace::{Query, Status, Trace, TraceOptions, history, search};
use franking::world::disk::RealDisk;
use franking::world::{Clock as _, ManualClock};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope(to: &Address) -> Envelope {
    let (snapshot, settings) = (Snapshot::default(), Settings::default());
    let path = ForwardPath::Mailbox(to.clone());
    let permit = admit(&snapshot, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap();
    let reverse_path = ReversePath::Mailbox(address("alice@contoso.example"));
    Envelope::new(&From::System, reverse_path, MessageParameters::default(), vec![permit]).unwrap()
}

/// Messages of four events each.
fn messages() -> u32 {
    if std::env::var_os("FRANKING_LONG").is_some() { 250_000 } else { 10_000 }
}

/// A trace of that many messages, half a second apart. Gives the id of the one in the middle.
fn fill(place: &Path, clock: &Arc<ManualClock>, count: u32) -> QueueId {
    let options = TraceOptions { free_bytes_floor: 0, ..TraceOptions::new(7) };
    let own_clock = Arc::<ManualClock>::clone(clock);
    let trace = Trace::open(Arc::new(RealDisk), place, options, own_clock).unwrap();
    trace.settled(0);
    let to = address("partner@fabrikam.example");
    let envelope = envelope(&to);
    let addressee = Addressee {
        hop: Hop::Relay { address: to.clone(), route: Route::Domain },
        address: to.clone(),
        passage: Arc::new(Passage {
            path: ForwardPath::Mailbox(to),
            reverse_path: ReversePath::Null,
            dsn: DsnRequest::default(),
            resent_from: None,
            automatic_replies: true,
        }),
    };
    let targets = [Target::new(addressee.clone())];
    let addressee = Arc::new(addressee);
    let attempt = |code: u16| Attempt {
        at: clock.now(),
        host: Some("mx.fabrikam.example".into()),
        reply: Reply::new(code, EnhancedStatus(u8::try_from(code / 100).unwrap(), 1, 1), "said so"),
    };
    let (mut id, mut sequence) = (QueueId(0), 0);
    let mut middle = id;
    for number in 0..count {
        clock.advance(std::time::Duration::from_millis(500));
        id = QueueId::after(id, clock.now());
        let facts = EntryFacts::new(id, clock.now(), &envelope, 1_000);
        trace.committed(sequence + 1, &facts, &envelope, format!("Subject: number {number}\r\n\r\n").as_bytes());
        trace.expanded(sequence + 2, &facts, &targets);
        let deferred = Event::Deferred { attempt: attempt(451), next_attempt: clock.now() };
        let relayed = Event::Relayed { attempt: attempt(250), dsn_passed_on: false };
        for event in [deferred, relayed] {
            sequence += 1;
            trace.moved(sequence + 2, &facts, &[Happened { place: 0, addressee: Arc::clone(&addressee), event }]);
        }
        sequence += 2;
        trace.settled(sequence);
        // The writer is never asked for more than it can do at once: what is lost here would be lost to the count.
        if number % 5_000 == 0 {
            assert!(trace.flush());
        }
        middle = if number == count / 2 { id } else { middle };
    }
    assert!(trace.flush());
    middle
}

#[test]
fn a_million_events_are_searched_in_the_memory_of_a_few() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()));
    let count = messages();
    let middle = fill(place.path(), &clock, count);
    let query = |subject: Option<&str>, status| Query {
        since: Timestamp::EPOCH,
        until: clock.now(),
        sender: "@contoso.example".parse().ok(),
        recipient: "@fabrikam.example".parse().ok(),
        subject: subject.map(str::to_owned),
        status,
        limit: 100,
    };
    let mut steps = Vec::new();
    let mut told = |done, total| steps.push((done, total));
    let (page, scanned) = search(&RealDisk, place.path(), &query(None, Some(Status::Failed)), &mut told).unwrap();
    eprintln!("searched: {scanned:?}");
    assert_eq!((page.lines.len(), page.lost, page.damaged), (0, 0, 0));
    // Marks of the writer come on top of four for each message.
    assert!(scanned.records >= u64::from(count) * 4, "{scanned:?}");
    assert!(scanned.held_max <= 2, "{scanned:?}");
    let total = steps[0].1;
    assert!(
        steps.iter().all(|(done, of)| *of == total && done < of) && scanned.bytes == total,
        "{steps:?} {scanned:?}"
    );
    // The newest are found without reading the rest.
    let (page, scanned) = search(&RealDisk, place.path(), &query(Some("NUMBER"), None), &mut |_, _| {}).unwrap();
    assert_eq!((page.lines.len(), page.more, scanned.files), (100, true, 1));
    assert_eq!(page.lines[0].subject, format!("number {}", count - 1));
    let found = history(&RealDisk, place.path(), middle, None, &mut |_, _| {}).unwrap().unwrap();
    assert_eq!((found.subject, found.events.len()), (format!("number {}", count / 2), 4));
    let nowhere = search(&RealDisk, Path::new("/nonexistent"), &query(None, None), &mut |_, _| {}).unwrap();
    assert!(nowhere.0.lines.is_empty());
}
