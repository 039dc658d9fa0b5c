//! The reconciler on the sample organisation, with a clock that the tests move and contents that can be in the way.

mod brake;
mod clock;
mod cures;
mod holds;
mod twins;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::admin::office::tests::{contoso, office};
use crate::admin::office::{
    DirectoryDesk, HoldOrder, LifeOrder, LifeQuestion, MemoryDirectory, Planner, Request, Response, handle, identity,
};
use crate::model::directory::Lifecycle;
use crate::model::directory::lifecycle::hold::{Hold, HoldKind};
use crate::world::{Clock as _, ManualClock};

/// Contents that are purged, unless something is in the way.
#[derive(Default)]
struct Keeper {
    purged: Mutex<Vec<RecipientId>>,
    held: Mutex<Arc<BTreeSet<RecipientId>>>,
    kept: Mutex<Vec<RecipientId>>,
    disk_fails: AtomicBool,
    keeping_fails: AtomicBool,
    cleanup_fails: AtomicBool,
}

impl Custody for Keeper {
    fn purge(&self, mailbox: RecipientId) -> Result<(), String> {
        if self.disk_fails.load(Ordering::Relaxed) {
            return Err("the disk is full".to_owned());
        }
        if self.held.lock().unwrap().contains(&mailbox) {
            return Err("the mailbox is on hold".to_owned());
        }
        self.purged.lock().unwrap().push(mailbox);
        Ok(())
    }

    fn clean_up(&self, _: RecipientId) -> Result<(), String> {
        if self.cleanup_fails.load(Ordering::Relaxed) { Err("no reply".to_owned()) } else { Ok(()) }
    }

    fn hold(&self, who: &Arc<BTreeSet<RecipientId>>) {
        *self.held.lock().unwrap() = Arc::clone(who);
    }

    fn keep(&self, mailbox: RecipientId) -> Result<(), String> {
        if self.keeping_fails.load(Ordering::Relaxed) {
            return Err("the disk is full".to_owned());
        }
        self.kept.lock().unwrap().push(mailbox);
        Ok(())
    }

    fn release(&self, mailbox: RecipientId) -> Result<(), String> {
        if self.keeping_fails.load(Ordering::Relaxed) {
            return Err("the disk is read-only".to_owned());
        }
        self.kept.lock().unwrap().retain(|kept| *kept != mailbox);
        Ok(())
    }

    fn kept(&self) -> Option<BTreeSet<RecipientId>> {
        let is_readable = !self.keeping_fails.load(Ordering::Relaxed);
        is_readable.then(|| self.kept.lock().unwrap().iter().copied().collect())
    }
}

/// A directory that notes who changes it, and that fails when told to.
struct Watched {
    directory: MemoryDirectory,
    actors: Mutex<Vec<String>>,
    fails: AtomicBool,
}

impl DirectoryDesk for Watched {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.directory.snapshot()
    }

    fn change(&self, actor: &str, plan: Planner<'_>) -> Result<Arc<Snapshot>, DeskFailure> {
        let version = self.directory.snapshot().version();
        if self.fails.load(Ordering::Relaxed) && actor == ACTOR {
            return Err(DeskFailure::Store("power cut".to_owned()));
        }
        let next = self.directory.change(actor, plan)?;
        if next.version() != version {
            self.actors.lock().unwrap().push(actor.to_owned());
        }
        Ok(next)
    }

    fn history(&self) -> Option<crate::store::directory::History> {
        None
    }
}

struct Scene {
    office: Office,
    clock: Arc<ManualClock>,
    keeper: Arc<Keeper>,
    watched: Arc<Watched>,
}

impl Scene {
    fn new() -> Self {
        let keeper = Arc::new(Keeper::default());
        let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()));
        let watched = Arc::new(Watched {
            directory: MemoryDirectory::new(contoso()),
            actors: Mutex::default(),
            fails: AtomicBool::new(false),
        });
        let office = Office {
            directory: Arc::<Watched>::clone(&watched),
            clock: Arc::<ManualClock>::clone(&clock),
            steward: Arc::new(Steward::new("mx.contoso.example", Arc::<Keeper>::clone(&keeper) as Arc<dyn Custody>)),
            ..office()
        };
        Self { office, clock, keeper, watched }
    }

    fn ask(&self, request: Request) -> Response {
        handle(&self.office, "root", request, &mut |_| {})
    }

    fn licence(&self, who: &str, assign: bool) -> Response {
        let (identity, licence) = (who.to_owned(), "ExchangeOnlinePlan1".to_owned());
        self.ask(Request::Licence { identity, licence, assign })
    }

    fn days(&self, days: u64) -> Vec<Moved> {
        self.clock.advance(Duration::from_secs(days * 86_400));
        reconcile(&self.office)
    }

    fn state(&self, who: &str) -> State {
        identity::find(&self.watched.snapshot(), who).unwrap().state()
    }

    fn id(&self, who: &str) -> RecipientId {
        identity::find(&self.watched.snapshot(), who).unwrap().id
    }

    fn hold(&self, who: &str) {
        let mut plan = |snapshot: &Snapshot| {
            let mut held = Recipient::clone(identity::find(snapshot, who).unwrap());
            let hold = Hold { kind: HoldKind::LitigationHold, name: "".into(), since: self.clock.now(), days: None };
            held.provisioning.get_or_insert_default().holds.placed.push(hold);
            Ok(vec![Change::PutRecipient(Box::new(held))])
        };
        self.watched.change("root", &mut plan).unwrap();
    }
}

#[test]
fn a_mailbox_whose_licence_was_taken_is_purged_after_thirty_days_and_not_before() {
    let scene = Scene::new();
    scene.licence("alice", false);
    assert_eq!(scene.days(29), []);
    assert_eq!(scene.state("alice"), State::Disconnected);
    let moved = scene.days(1);
    assert_eq!(
        moved.iter().map(|step| step.state).collect::<Vec<_>>(),
        [
            // Dora is from the sample: her time began on the same day.
            State::Purging,
            State::Purging,
            State::Purged,
            State::Purged
        ]
    );
    assert_eq!(scene.state("alice"), State::Purged);
    assert!(scene.keeper.purged.lock().unwrap().contains(&scene.id("alice")));
    let actors = scene.watched.actors.lock().unwrap().clone();
    assert_eq!(actors, ["root", ACTOR, ACTOR], "one change for all whose time has come");
    // Once is enough.
    assert_eq!(reconcile(&scene.office), []);
    assert_eq!(next_due(&scene.office), None);
}

#[test]
fn the_time_of_what_comes_next_is_known_without_looking_at_everybody() {
    let scene = Scene::new();
    let dora = scene.clock.now().plus(Duration::from_secs(30 * 86_400));
    reconcile(&scene.office);
    assert_eq!(next_due(&scene.office), Some(dora));
    scene.licence("dora", true);
    assert_eq!(next_due(&scene.office), None);
    scene.clock.advance(Duration::from_secs(60));
    scene.licence("bob", false);
    assert_eq!(next_due(&scene.office), Some(dora.plus(Duration::from_secs(60))));
}

#[test]
fn contents_that_cannot_be_deleted_are_tried_again_and_the_object_waits() {
    let scene = Scene::new();
    scene.licence("dora", true);
    scene.licence("alice", false);
    scene.keeper.disk_fails.store(true, Ordering::Relaxed);
    scene.days(30);
    assert_eq!(scene.state("alice"), State::Purging);
    // Nobody turns back, and nobody hammers the disk.
    assert!(matches!(scene.ask(Request::RecipientRestore { identity: "alice".to_owned() }), Response::Failed(_)));
    scene.keeper.disk_fails.store(false, Ordering::Relaxed);
    assert_eq!(reconcile(&scene.office), []);
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    assert_eq!(scene.state("alice"), State::Purged);
}

#[test]
fn a_crash_between_deleting_and_saying_so_is_made_good_at_the_next_start() {
    let scene = Scene::new();
    scene.licence("dora", true);
    scene.licence("alice", false);
    scene.keeper.disk_fails.store(true, Ordering::Relaxed);
    scene.days(30);
    scene.keeper.disk_fails.store(false, Ordering::Relaxed);
    scene.watched.fails.store(true, Ordering::Relaxed);
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    let before = scene.keeper.purged.lock().unwrap().len();
    assert_eq!((scene.state("alice"), before), (State::Purging, 1));
    scene.watched.fails.store(false, Ordering::Relaxed);
    // Another process knows nothing of the first one's agenda.
    let steward = Steward::new("mx.contoso.example", Arc::<Keeper>::clone(&scene.keeper) as Arc<dyn Custody>);
    let restarted = Office { steward: Arc::new(steward), ..scene.office.clone() };
    reconcile(&restarted);
    assert_eq!(scene.state("alice"), State::Purged);
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 2, "what is deleted is deleted again, to no effect");
}

#[test]
fn a_clean_up_that_fails_leaves_stale_attributes_and_an_error_until_somebody_clears_them() {
    let scene = Scene::new();
    scene.licence("dora", true);
    scene.licence("alice", false);
    scene.keeper.cleanup_fails.store(true, Ordering::Relaxed);
    scene.days(30);
    assert_eq!(scene.state("alice"), State::StaleAttributes);
    let error = || {
        let snapshot = scene.watched.snapshot();
        let alice = identity::find(&snapshot, "alice").unwrap();
        alice.provisioning.as_deref().and_then(|own| own.error_text())
    };
    assert!(error().unwrap().contains("could not be cleared: no reply"));
    let forget = || scene.ask(Request::Life(LifeOrder::ForgetPrevious { identity: "alice".to_owned() }));
    assert!(matches!(forget(), Response::Failed(_)));
    assert_eq!(scene.state("alice"), State::StaleAttributes);
    scene.keeper.cleanup_fails.store(false, Ordering::Relaxed);
    assert!(matches!(forget(), Response::Done { .. }));
    assert_eq!((scene.state("alice"), error()), (State::NoMailbox, None));
    let snapshot = scene.watched.snapshot();
    assert_eq!(identity::find(&snapshot, "alice").unwrap().provisioning, None);
}

#[test]
fn what_is_on_hold_is_never_purged_however_long_it_lies() {
    let scene = Scene::new();
    scene.licence("alice", false);
    scene.hold("alice");
    scene.days(9_000);
    assert_eq!(scene.state("alice"), State::Disconnected);
    assert!(!scene.keeper.purged.lock().unwrap().contains(&scene.id("alice")));
    let remove = Request::RecipientRemove { identity: "alice".to_owned(), permanently: true };
    let Response::Failed(failure) = scene.ask(remove) else { panic!("it is on hold") };
    assert_eq!(
        failure.message,
        "The mailbox of alice@contoso.example is not removed for good: it is on hold (litigation-hold)."
    );
}

#[test]
fn an_object_that_is_gone_for_good_goes_when_nothing_is_left_of_its_mailbox() {
    let scene = Scene::new();
    let id = scene.id("bob");
    scene.keeper.disk_fails.store(true, Ordering::Relaxed);
    let remove = || scene.ask(Request::RecipientRemove { identity: "bob".to_owned(), permanently: true });
    let Response::Failed(failure) = remove() else { panic!("something is in the way") };
    assert!(failure.message.contains("is tried again"), "{failure}");
    assert!(scene.watched.snapshot().recipient(id).is_some());
    scene.keeper.disk_fails.store(false, Ordering::Relaxed);
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    assert!(scene.watched.snapshot().recipient(id).is_none());
    assert_eq!(*scene.keeper.purged.lock().unwrap(), [id]);
    // Nobody comes back to it: it would be the first of all for ever.
    reconcile(&scene.office);
    let now = scene.clock.now();
    assert!(next_due(&scene.office).is_none_or(|at| at > now), "what is gone is due still");
}

#[test]
fn many_whose_time_comes_at_once_go_in_changes_of_many() {
    let scene = Scene::new();
    let mut plan = |snapshot: &Snapshot| {
        let since = scene.clock.now();
        let first = snapshot.next_id().0;
        Ok((0..300)
            .map(|number| {
                let address = crate::model::mail::Address::parse(&format!("u{number}@contoso.example")).unwrap();
                let kind = crate::model::directory::RecipientType::UserMailbox;
                let mut user = Recipient::new(RecipientId(first + number), kind, format!("u{number}"), address);
                user.lifecycle = Lifecycle::Disconnected { since };
                Change::PutRecipient(Box::new(user))
            })
            .collect())
    };
    scene.watched.change("root", &mut plan).unwrap();
    scene.days(30);
    assert_eq!(scene.state("u299"), State::Purged);
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 301);
    let changes = scene.watched.actors.lock().unwrap().iter().filter(|actor| *actor == ACTOR).count();
    assert!(changes <= 6, "{changes}");
}

#[test]
fn an_object_that_a_hold_has_frozen_is_altered_by_what_resolves_that_only() {
    let scene = Scene::new();
    scene.hold("alice");
    let Response::Done { notes, .. } = scene.licence("alice", false) else { panic!("the licence is gone") };
    let text = "Exchange can't disable the mailbox \"mx.contoso.example/Microsoft Exchange Hosted \
                Organizations/Contoso/alice\" because it is on litigation hold.";
    assert_eq!(notes[0], text);
    assert_eq!(scene.state("alice"), State::ActiveWithError);
    let edit = crate::admin::office::RecipientEdit { display_name: Some("Al".to_owned()), ..Default::default() };
    let set = || scene.ask(Request::RecipientSet { identity: "alice".to_owned(), edit: Box::new(edit.clone()) });
    let Response::Failed(failure) = set() else { panic!("it is frozen") };
    assert!(failure.message.contains(text) && failure.cures.len() == 3, "{failure:?}");
    // An account in wrong hands must not wait.
    let block = Request::AccountBlock { identity: "alice".to_owned(), blocked: true };
    assert!(matches!(scene.ask(block), Response::Done { .. }));
    scene.licence("alice", true);
    assert_eq!(scene.state("alice"), State::Active);
    assert!(matches!(set(), Response::Done { .. }));
}

#[test]
fn who_keeps_contents_hears_who_is_on_hold_and_when_the_delay_after_the_last_hold_is_over() {
    let scene = Scene::new();
    let (alice, held) = (scene.id("alice"), || scene.keeper.held.lock().unwrap().contains(&scene.id("alice")));
    let order = |order| scene.ask(Request::Life(LifeOrder::Hold(order)));
    let (identity, kind, name) = (|| "alice".to_owned(), HoldKind::LitigationHold, String::new);
    order(HoldOrder::Place { identity: identity(), kind, name: name(), days: None });
    assert!(held() && *scene.keeper.kept.lock().unwrap() == [alice]);
    order(HoldOrder::Lift { identity: identity(), kind, name: name() });
    scene.days(29);
    assert!(held(), "a delay hold follows");
    scene.days(1);
    assert!(!held() && scene.keeper.kept.lock().unwrap().is_empty());
    assert_eq!(next_due(&scene.office), None);
}
