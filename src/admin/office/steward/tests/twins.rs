//! Removed mailboxes whose place another object takes, by its ExchangeGuid (spec T24).

use super::*;
use crate::model::directory::RecipientType;
use crate::model::directory::provisioning::ExchangeGuid;
use crate::model::mail::Address;

/// Synchronised objects that share their GUIDs by number: `removed` with a mailbox that was removed, else without one.
fn synchronised(scene: &Scene, count: u64, name: &str, lifecycle: Lifecycle) {
    let mut plan = |snapshot: &Snapshot| {
        let first = snapshot.next_id().0;
        let object = |number: u64| {
            let address = Address::parse(&format!("{name}{number}@contoso.example")).unwrap();
            let (id, kind) = (RecipientId(first + number), RecipientType::UserMailbox);
            let mut object = Recipient::new(id, kind, format!("{name}{number}"), address);
            object.lifecycle = lifecycle;
            let own = object.provisioning.get_or_insert_default();
            (own.synchronised, own.exchange_guid) = (true, Some(ExchangeGuid(u128::from(number) + 7)));
            if lifecycle != Lifecycle::NoMailbox {
                own.user_deleted = Some(scene.clock.now());
            }
            Change::PutRecipient(Box::new(object))
        };
        Ok((0..count).map(object).collect())
    };
    scene.watched.change("root", &mut plan).unwrap();
}

fn old(scene: &Scene, number: u64) -> State {
    identity::find_deleted(&scene.watched.snapshot(), &format!("old{number}")).map_or(State::Purged, |old| old.state())
}

#[test]
fn a_removed_mailbox_goes_when_another_object_with_its_guid_is_licensed() {
    let scene = Scene::new();
    synchronised(&scene, 2, "old", Lifecycle::SoftDeleted { since: scene.clock.now() });
    synchronised(&scene, 1, "new", Lifecycle::NoMailbox);
    assert_eq!(reconcile(&scene.office), []);
    let Response::Done { notes, .. } = scene.licence("new0", true) else { panic!("it is assigned") };
    assert!(notes.iter().any(|note| note.starts_with("1 removed mailbox with the same ExchangeGuid")), "{notes:?}");
    assert_eq!((scene.state("new0"), old(&scene, 0)), (State::AwaitingMigration, State::Purged));
    assert_eq!(old(&scene, 1), State::SoftDeleted, "nobody has taken its place");
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 1);
}

#[test]
fn what_is_on_hold_stays_whoever_takes_its_place() {
    let scene = Scene::new();
    synchronised(&scene, 1, "old", Lifecycle::SoftDeleted { since: scene.clock.now() });
    let mut plan = |snapshot: &Snapshot| {
        let mut held = Recipient::clone(identity::find_deleted(snapshot, "old0").unwrap());
        let hold = Hold { kind: HoldKind::LitigationHold, name: "".into(), since: scene.clock.now(), days: None };
        held.provisioning.get_or_insert_default().holds.placed.push(hold);
        Ok(vec![Change::PutRecipient(Box::new(held))])
    };
    scene.watched.change("root", &mut plan).unwrap();
    synchronised(&scene, 1, "new", Lifecycle::NoMailbox);
    scene.licence("new0", true);
    scene.days(9_000);
    assert_eq!(old(&scene, 0), State::SoftDeleted);
}

#[test]
fn many_whose_places_are_taken_at_once_wait() {
    let scene = Scene::new();
    synchronised(&scene, 20, "old", Lifecycle::SoftDeleted { since: scene.clock.now() });
    synchronised(&scene, 20, "new", Lifecycle::NoMailbox);
    let mut plan = |snapshot: &Snapshot| {
        let licensed = |number: u64| {
            let mut new = Recipient::clone(identity::find(snapshot, &format!("new{number}")).unwrap());
            new.account.as_deref_mut().unwrap().licences = vec!["ExchangeOnlinePlan1".into()].into();
            Change::PutRecipient(Box::new(new))
        };
        Ok((0..20).map(licensed).collect())
    };
    scene.watched.change("root", &mut plan).unwrap();
    reconcile(&scene.office);
    assert_eq!((old(&scene, 3), scene.keeper.purged.lock().unwrap().len()), (State::SoftDeleted, 0));
    let confirm = Request::Life(LifeOrder::Confirm { cause: Cause::Deletions });
    assert!(matches!(scene.ask(confirm), Response::Done { .. }));
    assert_eq!(scene.keeper.purged.lock().unwrap().len(), 20);
}
