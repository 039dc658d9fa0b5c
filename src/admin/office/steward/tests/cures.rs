//! What is refused or stands still is told with what resolves it, and about whom it is.

use super::*;
use crate::admin::office::Failure;
use crate::admin::office::LifeView;
use crate::admin::office::orders::Kept;

fn refused(scene: &Scene, order: LifeOrder) -> Failure {
    match scene.ask(Request::Life(order)) {
        Response::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// The sentence and the notes.
fn done(scene: &Scene, order: LifeOrder) -> String {
    match scene.ask(Request::Life(order)) {
        Response::Done { message, notes, .. } => format!("{message} {}", notes.join(" ")),
        other => panic!("{other:?}"),
    }
}

fn lives(scene: &Scene, question: LifeQuestion) -> (Vec<LifeView>, Vec<String>) {
    match scene.ask(Request::LifeQuestion(question)) {
        Response::Lives { lives, notes, .. } => (lives, notes),
        other => panic!("{other:?}"),
    }
}

fn recover(who: &str, address: &str) -> LifeOrder {
    let licence = "ExchangeOnlinePlan1".to_owned();
    LifeOrder::Recover { identity: who.to_owned(), address: address.to_owned(), licence }
}

fn remove(who: &str) -> LifeOrder {
    LifeOrder::UserRemove { identity: who.to_owned() }
}

fn restore(who: &str) -> LifeOrder {
    LifeOrder::UserRestore { identity: who.to_owned() }
}

fn retry(who: &str) -> LifeOrder {
    LifeOrder::Retry { identity: who.to_owned() }
}

#[test]
fn what_cannot_be_recovered_is_told_of_itself_and_with_what_comes_first() {
    let scene = Scene::new();
    let failure = refused(&scene, recover("bob", "robert@contoso.example"));
    assert_eq!(failure.message, "The mailbox of bob@contoso.example is not recovered: it is active.");
    assert!(failure.cures[0].ends_with("franking user remove bob@contoso.example"), "{failure:?}");
    done(&scene, remove("bob"));
    let failure = refused(&scene, recover("bob", "robert@contoso.example"));
    assert_eq!(failure.cures, ["franking user restore bob@contoso.example"]);
    // One on hold is, and whoever has it now hears what came along.
    scene.hold("alice");
    done(&scene, remove("alice"));
    let told = done(&scene, recover("alice", "robert@contoso.example"));
    assert!(told.contains("former addresses, names, groups and permissions"), "{told}");
}

#[test]
fn a_hold_is_called_by_its_name() {
    let scene = Scene::new();
    let place = |kind, name: &str, days| {
        let (identity, name) = ("alice".to_owned(), name.to_owned());
        done(&scene, LifeOrder::Hold(HoldOrder::Place { identity, kind, name, days }))
    };
    let told = place(HoldKind::EDiscoveryHold, "Case 17", Some(5));
    assert!(told.contains("until somebody lifts the hold, and for 5 days from when it is deleted."), "{told}");
    let request = Request::RecipientRemove { identity: "alice".to_owned(), permanently: true };
    let Response::Failed(failure) = scene.ask(request) else { panic!("it is on hold") };
    assert!(failure.message.ends_with("it is on hold (ediscovery-hold \"Case 17\")."), "{failure}");
    let told = place(HoldKind::LitigationHold, "", None);
    assert!(told.ends_with("until somebody lifts the hold."), "{told}");

    // What a recovery leaves behind has an end, and says which.
    done(&scene, remove("alice"));
    done(&scene, recover("alice", "robert@contoso.example"));
    let question = LifeQuestion::Holds { identity: "robert".to_owned() };
    let Response::Holds { holds, .. } = scene.ask(Request::LifeQuestion(question)) else { panic!("holds") };
    let hold = holds.iter().find(|hold| hold.kind == "recovery-hold").unwrap();
    assert_eq!(hold.until.as_deref(), Some("2026-02-04T09:00:00.000Z"));
}

#[test]
fn a_mailbox_whose_address_is_taken_can_be_named_and_copied() {
    let scene = Scene::new();
    done(&scene, remove("bob"));
    let guid = lives(&scene, LifeQuestion::Mailboxes { which: Kept::Deleted }).0[0].exchange_guid.clone().unwrap();
    let snapshot = scene.watched.snapshot();
    assert_eq!(identity::find(&snapshot, &guid).unwrap().primary().to_string(), "bob@contoso.example");
    let mut plan = |snapshot: &Snapshot| {
        let mut carol = Recipient::clone(identity::find(snapshot, "alice").unwrap());
        carol.set_primary(crate::model::mail::Address::parse("bob@contoso.example").unwrap());
        Ok(vec![Change::PutRecipient(Box::new(carol))])
    };
    scene.watched.change("root", &mut plan).unwrap();
    let failure = refused(&scene, restore(&guid));
    assert!(failure.message.contains("cannot be restored"), "{failure}");
    assert!(failure.cures.iter().any(|cure| cure.contains(&format!("mailbox copy {guid} --to"))), "{failure:?}");
}

#[test]
fn an_error_is_told_with_its_cure_and_fails_again_until_it_is_gone() {
    let scene = Scene::new();
    scene.hold("alice");
    scene.licence("alice", false);
    let assign = "leave it in use: franking licence assign alice@contoso.example".to_owned();
    let (_, notes) = lives(&scene, LifeQuestion::Errors);
    assert!(notes.contains(&assign), "{notes:?}");
    let failure = refused(&scene, retry("alice"));
    assert!(failure.message.contains("the error stands: Exchange can't disable"), "{failure}");
    assert!(failure.cures.contains(&assign), "{failure:?}");
    assert_eq!(scene.state("alice"), State::ActiveWithError);

    scene.hold("info");
    refused(&scene, LifeOrder::Disable { identity: "info".to_owned(), permanently: false });
    let told = done(&scene, retry("info"));
    assert!(told.starts_with("The error of info@contoso.example is gone: its mailbox is active."), "{told}");
    let told = done(&scene, retry("info"));
    assert!(told.starts_with("info@contoso.example has no error: its mailbox is active."), "{told}");
}

#[test]
fn a_mailbox_that_is_not_in_use_says_so_rather_than_how_full_it_is() {
    let scene = Scene::new();
    let state = |who: &str| match scene.ask(Request::MailboxShow { identity: who.to_owned() }) {
        Response::Mailboxes { mut mailboxes } => mailboxes.remove(0).lifecycle,
        other => panic!("{other:?}"),
    };
    assert_eq!(state("alice"), None);
    scene.licence("alice", false);
    assert_eq!(state("alice").as_deref(), Some("disconnected since 2026-01-05T09:00:00.000Z"));
    scene.days(30);
    let told = done(&scene, retry("alice"));
    assert!(!told.contains("is no mailbox"), "{told}");
}
