//! An office with a clock that the tests move: what a jump of the clock, and months without power, do to what is kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use franking::admin::office::{
    Custody, EmptyMailboxes, EmptyQueue, EmptyTrace, LifeOrder, LifeQuestion, MemoryDirectory, NoCertificates,
    NoContents, NoKeys, NoRestrictions, NoSignIns, Office, Request, Response, Steward, handle, reconcile,
};
use franking::model::directory::document::Document;
use franking::model::directory::{PasswordHash, RecipientId, Snapshot};
use franking::model::mail::Timestamp;
use franking::world::disk::RealDisk;
use franking::world::{Clock as _, ManualClock, SeededRandom};

const DAY: Duration = Duration::from_secs(86_400);

/// Contents of which it is noted when they went.
struct Contents {
    clock: Arc<ManualClock>,
    purged: Mutex<Vec<(RecipientId, Timestamp)>>,
}

impl Custody for Contents {
    fn purge(&self, mailbox: RecipientId) -> Result<(), String> {
        self.purged.lock().unwrap().push((mailbox, self.clock.now()));
        Ok(())
    }

    fn clean_up(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn hold(&self, _: &Arc<BTreeSet<RecipientId>>) {}

    fn keep(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn release(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn kept(&self) -> Option<BTreeSet<RecipientId>> {
        Some(BTreeSet::new())
    }
}

fn office(data: &Path, directory: &Arc<MemoryDirectory>, contents: &Arc<Contents>) -> Office {
    let steward = Steward::new("mx.contoso.example", Arc::<Contents>::clone(contents));
    Office {
        directory: Arc::<MemoryDirectory>::clone(directory),
        settings: Arc::default(),
        keys: Arc::new(NoKeys),
        certificates: Arc::new(NoCertificates),
        queue: Arc::new(EmptyQueue),
        moderation: Arc::new(EmptyQueue),
        mailboxes: Arc::new(EmptyMailboxes),
        contents: Arc::new(NoContents),
        sign_ins: Arc::new(NoSignIns),
        restrictions: Arc::new(NoRestrictions),
        steward: Arc::new(steward.remembering(Arc::new(RealDisk), data)),
        trace: Arc::new(EmptyTrace),
        clock: Arc::<ManualClock>::clone(&contents.clock),
        random: Arc::new(SeededRandom::new(7)),
        data: data.to_owned(),
        configuration: None,
        in_force: Arc::default(),
        rehearsal: None,
    }
}

/// Servers one after the other in one data directory, with jumps of the clock and months without power between.
#[test]
fn no_mailbox_goes_before_its_server_has_seen_thirty_days_whatever_clocks_say() {
    let place = tempfile::tempdir().unwrap();
    let document: Document = toml::from_str(include_str!("../../fixtures/directories/contoso.toml")).unwrap();
    let plan = document.plan(&Snapshot::default(), &|_, _| Ok(PasswordHash::from_phc("$argon2id$sample")));
    let directory = Arc::new(MemoryDirectory::new(Snapshot::default().apply(&plan.changes).unwrap()));
    let start = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let contents = Arc::new(Contents { clock: Arc::clone(&clock), purged: Mutex::default() });
    let gone = || contents.purged.lock().unwrap().len();

    let server = office(place.path(), &directory, &contents);
    let licence = |assign| Request::Licence {
        identity: "alice@contoso.example".to_owned(),
        licence: "ExchangeOnlinePlan1".to_owned(),
        assign,
    };
    assert!(matches!(handle(&server, "root", licence(false), &mut |_| {}), Response::Done { .. }));
    let days = |server: &Office, count: u32| {
        for _ in 0..count {
            clock.advance(DAY);
            reconcile(server);
        }
    };
    days(&server, 10);
    // The battery of the clock is empty, and somebody sets it right an hour later.
    clock.set(start.plus(DAY * 4_000));
    reconcile(&server);
    clock.advance(Duration::from_secs(3_600));
    reconcile(&server);
    clock.set(start.plus(DAY * 10 + Duration::from_secs(3_600)));
    days(&server, 10);
    drop(server);
    // No power for half a year, and a new server.
    clock.advance(DAY * 180);
    let server = office(place.path(), &directory, &contents);
    reconcile(&server);
    assert_eq!(gone(), 0);
    days(&server, 9);
    assert_eq!(gone(), 0, "twenty-nine days and an hour");
    let question = Request::LifeQuestion(LifeQuestion::Preview { days: 2 });
    let Response::Lives { lives, notes, .. } = handle(&server, "root", question, &mut |_| {}) else { panic!("a list") };
    assert_eq!((lives.len(), notes.len()), (2, 1), "alice, and dora of the sample: {lives:?}");
    days(&server, 1);
    assert_eq!(gone(), 2);
    // Whoever knows that the time did pass says so.
    assert!(matches!(handle(&server, "root", licence(true), &mut |_| {}), Response::Done { .. }));
    assert!(matches!(handle(&server, "root", licence(false), &mut |_| {}), Response::Done { .. }));
    clock.set(clock.now().plus(DAY * 40));
    reconcile(&server);
    assert_eq!(gone(), 2);
    let confirm = Request::Life(LifeOrder::CountUnseenTime);
    assert!(matches!(handle(&server, "root", confirm, &mut |_| {}), Response::Done { .. }));
    assert_eq!(gone(), 3);
}
