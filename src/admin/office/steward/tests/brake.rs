//! Mistakes that concern many mailboxes: nothing happens to them before somebody says so.

use super::*;
use crate::model::directory::lifecycle::life::Periods;
use crate::model::directory::{Licensing, RecipientType};
use crate::model::mail::Address;
use crate::model::policy::{Profile, Settings};
use crate::world::disk::{Disk, RealDisk};

/// So many users with a mailbox in use and, or without, a licence.
fn users(scene: &Scene, count: u64, licensed: bool, lifecycle: Lifecycle) {
    let mut plan = |snapshot: &Snapshot| {
        let first = snapshot.next_id().0;
        let user = |number: u64| {
            let address = Address::parse(&format!("u{}@contoso.example", first + number)).unwrap();
            let (id, kind) = (RecipientId(first + number), RecipientType::UserMailbox);
            let mut user = Recipient::new(id, kind, format!("u{}", id.0), address);
            user.lifecycle = lifecycle;
            if licensed {
                user.account.as_deref_mut().unwrap().licences = vec!["ExchangeOnlinePlan1".into()].into();
            }
            Change::PutRecipient(Box::new(user))
        };
        Ok((0..count).map(user).collect())
    };
    scene.watched.change("root", &mut plan).unwrap();
}

fn count(scene: &Scene, state: State) -> usize {
    scene.watched.snapshot().recipients().filter(|recipient| recipient.state() == state).count()
}

fn confirm(scene: &Scene, cause: Cause) -> String {
    match scene.ask(Request::Life(LifeOrder::Confirm { cause })) {
        Response::Done { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

fn list(scene: &Scene, question: LifeQuestion) -> Vec<crate::admin::office::LifeView> {
    match scene.ask(Request::LifeQuestion(question)) {
        Response::Lives { lives, .. } => lives,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_that_comes_to_the_cloud_without_licences_is_not_disconnected_before_somebody_says_so() {
    let scene = Scene::new();
    scene.office.settings.reload(&Settings::of(Profile::ExchangeServer));
    assert_eq!(scene.office.settings().licensing(), Licensing::Ignored);
    users(&scene, 40, false, Lifecycle::Active);
    let before = count(&scene, State::Active);
    scene.days(1);
    assert_eq!(count(&scene, State::Active), before);
    scene.office.settings.reload(&Settings::of(Profile::ExchangeOnline));
    let moved = scene.days(60);
    assert!(moved.iter().all(|step| step.address == "dora@contoso.example"), "forty at once wait: {moved:?}");
    assert_eq!(count(&scene, State::Active), before);
    let lives = list(&scene, LifeQuestion::Preview { days: 0 });
    assert!(
        lives.iter().filter(|view| view.what.as_deref().is_some_and(|what| what.contains("one of 40"))).count() == 40
    );
    assert_eq!(list(&scene, LifeQuestion::Errors).len(), 40);
    // Back again, and nothing has happened.
    scene.office.settings.reload(&Settings::of(Profile::ExchangeServer));
    reconcile(&scene.office);
    assert_eq!(count(&scene, State::Active), before);
    scene.office.settings.reload(&Settings::of(Profile::ExchangeOnline));
    assert_eq!(confirm(&scene, Cause::Disconnections), "40 users lost their mailboxes.");
    assert_eq!(count(&scene, State::Active), before - 40);
    assert_eq!(confirm(&scene, Cause::Disconnections), "Nothing waits for a confirmation.");
}

#[test]
fn few_go_at_once_and_what_a_command_names_goes_whatever_waits() {
    let scene = Scene::new();
    users(&scene, 1, false, Lifecycle::Active);
    assert_eq!(reconcile(&scene.office).len(), 1, "one alone");
    users(&scene, 40, false, Lifecycle::Active);
    assert_eq!(reconcile(&scene.office), []);
    scene.licence("alice", false);
    assert_eq!(scene.state("alice"), State::Disconnected);
    scene.licence("alice", true);
    assert_eq!(scene.state("alice"), State::Active);
}

#[test]
fn what_waits_does_so_until_nothing_is_left_of_it_over_restarts_as_well() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let restarted = || {
        let custody = Arc::<Keeper>::clone(&scene.keeper) as Arc<dyn Custody>;
        let steward = Steward::new("mx.contoso.example", custody);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Office { steward: Arc::new(steward.remembering(disk, place.path())), ..scene.office.clone() }
    };
    let first = scene.watched.snapshot().next_id().0;
    let assign = |office: &Office, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let (identity, licence) = (format!("u{number}"), "ExchangeOnlinePlan1".to_owned());
            let done = handle(office, "root", Request::Licence { identity, licence, assign: true }, &mut |_| {});
            assert!(matches!(done, Response::Done { .. }), "{done:?}");
        }
    };
    users(&scene, 40, false, Lifecycle::Active);
    let office = restarted();
    assert_eq!(reconcile(&office), []);
    assign(&office, first..first + 39);
    // One alone would go at once, but not the last of many.
    let office = restarted();
    assert_eq!(reconcile(&office), []);
    assert_eq!(scene.state(&format!("u{}", first + 39)), State::Active);
    assign(&office, first + 39..first + 40);
    users(&scene, 1, false, Lifecycle::Active);
    assert_eq!(reconcile(&restarted()).len(), 1, "nothing waits any more");
    // Of a memory that is lost nobody knows what it said.
    users(&scene, 1, false, Lifecycle::Active);
    std::fs::write(place.path().join("lifecycle.json"), "{").unwrap();
    assert_eq!(reconcile(&restarted()), []);
}

#[test]
fn mailboxes_whose_time_was_over_long_ago_are_not_deleted_before_somebody_says_so() {
    let scene = Scene::new();
    let long_ago = Timestamp::parse_iso8601("2020-01-05T09:00:00Z").unwrap();
    users(&scene, 1, false, Lifecycle::Disconnected { since: long_ago });
    reconcile(&scene.office);
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 1, "one alone");
    users(&scene, 20, false, Lifecycle::SoftDeleted { since: long_ago });
    assert_eq!(reconcile(&scene.office), []);
    assert_eq!((count(&scene, State::SoftDeleted), scene.keeper.purged.lock().unwrap().len()), (20, 1));
    assert_eq!(confirm(&scene, Cause::Deletions), "20 mailboxes and deleted users are deleted for good.");
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 21);
}

#[test]
fn a_period_that_somebody_made_shorter_deletes_nothing_that_was_not_due() {
    let scene = Scene::new();
    users(&scene, 20, false, Lifecycle::Disconnected { since: scene.clock.now() });
    scene.days(20);
    let day = Duration::from_secs(86_400);
    let usual = Settings::default();
    let periods = Periods { disconnected: day, ..usual.periods };
    scene.office.settings.reload(&Settings { periods, ..usual.clone() });
    assert_eq!(reconcile(&scene.office), []);
    scene.office.settings.reload(&usual);
    assert_eq!(scene.days(9), []);
    // In the ordinary course of things as many go as there are; dora is of the sample.
    scene.days(1);
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 21);
}

#[test]
fn on_premises_who_removes_a_mailbox_deletes_its_account_and_in_the_cloud_the_user_stays() {
    for (profile, deleted) in [(Profile::ExchangeServer, true), (Profile::ExchangeOnline, false)] {
        let scene = Scene::new();
        scene.office.settings.reload(&Settings::of(profile));
        let id = scene.id("alice");
        let remove = Request::RecipientRemove { identity: "alice".to_owned(), permanently: false };
        assert!(matches!(scene.ask(remove), Response::Done { .. }));
        let alice = Arc::clone(scene.watched.snapshot().recipient(id).unwrap());
        assert_eq!((alice.state(), alice.is_user_deleted()), (State::SoftDeleted, deleted));
        let identity = "alice".to_owned();
        let back = if deleted {
            Request::Life(LifeOrder::UserRestore { identity })
        } else {
            Request::RecipientRestore { identity }
        };
        assert!(matches!(scene.ask(back), Response::Done { .. }));
        assert!(!scene.watched.snapshot().recipient(id).unwrap().is_user_deleted());
    }
}
