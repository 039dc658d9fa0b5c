//! Clocks that jump, and servers that were off: a mailbox is kept for days that the server was there to see.

use super::*;
use crate::model::directory::document::Document;
use crate::world::disk::{Disk, RealDisk};

const DAY: Duration = Duration::from_secs(86_400);

fn preview(scene: &Scene, who: &str) -> (Option<String>, Vec<String>) {
    let days = 3_000;
    match scene.ask(Request::LifeQuestion(LifeQuestion::Preview { days })) {
        Response::Lives { lives, notes, .. } => {
            let view = lives.iter().find(|view| view.name == who).expect("it is listed");
            (view.at.clone(), notes)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_that_jumps_ahead_purges_nothing_and_the_jump_does_not_count() {
    let scene = Scene::new();
    let start = scene.clock.now();
    scene.licence("alice", false);
    scene.days(10);
    scene.clock.set(start.plus(DAY * 1_000));
    assert_eq!(reconcile(&scene.office), []);
    let (at, notes) = preview(&scene, "alice");
    assert_eq!(at, Some(start.plus(DAY * 1_020).to_string()));
    assert!(notes[0].starts_with("990 days passed while the server was off, or its clock was set ahead"), "{notes:?}");
    assert_eq!(scene.days(19), []);
    scene.days(1);
    assert_eq!(scene.state("alice"), State::Purged);
    assert_eq!(preview(&Scene::new(), "dora").1, Vec::<String>::new());
}

#[test]
fn a_clock_that_goes_back_neither_undoes_nor_repeats() {
    let scene = Scene::new();
    let start = scene.clock.now();
    scene.licence("alice", false);
    scene.days(30);
    assert_eq!((scene.state("alice"), scene.keeper.purged.lock().unwrap().len()), (State::Purged, 2));
    scene.licence("bob", false);
    scene.clock.set(start);
    assert_eq!(reconcile(&scene.office), []);
    assert_eq!((scene.state("alice"), scene.state("bob")), (State::Purged, State::Disconnected));
    assert_eq!(scene.days(59), []);
    scene.days(1);
    assert_eq!((scene.state("bob"), scene.keeper.purged.lock().unwrap().len()), (State::Purged, 3));
    // A jump that was a mistake leaves nothing behind but the time that nobody saw.
    let scene = Scene::new();
    scene.licence("alice", false);
    scene.days(10);
    scene.clock.set(start.plus(DAY * 4_000));
    reconcile(&scene.office);
    scene.clock.set(start.plus(DAY * 10));
    assert_eq!(scene.days(19), []);
    scene.days(1);
    assert_eq!(scene.state("alice"), State::Purged);
}

#[test]
fn a_server_that_was_off_for_months_purges_what_is_over_when_somebody_says_so() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let restarted = || {
        let custody = Arc::<Keeper>::clone(&scene.keeper) as Arc<dyn Custody>;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let steward = Steward::new("mx.contoso.example", custody).remembering(disk, place.path());
        Office { steward: Arc::new(steward), ..scene.office.clone() }
    };
    let first = restarted();
    reconcile(&first);
    scene.clock.advance(DAY * 20);
    reconcile(&first);
    scene.clock.advance(DAY * 200);
    let second = restarted();
    assert_eq!(reconcile(&second), [], "dora had twenty of her thirty days");
    // It is remembered, and the next start takes nothing back.
    let third = restarted();
    assert_eq!(reconcile(&third), []);
    scene.clock.advance(DAY * 9);
    assert_eq!(reconcile(&third), []);
    let ask = |order| handle(&third, "root", Request::Life(order), &mut |_| {});
    let Response::Done { message, .. } = ask(LifeOrder::CountUnseenTime) else { panic!("it is time") };
    // What began with the last start counts by itself.
    assert_eq!(message, "200 days that passed unseen count now.");
    assert_eq!(scene.state("dora"), State::Purged);
    let Response::Done { message, .. } = ask(LifeOrder::CountUnseenTime) else { panic!("nothing is left") };
    assert_eq!(message, "No time has passed unseen.");
}

#[test]
fn holds_and_delays_count_in_days_that_were_seen_as_well() {
    let scene = Scene::new();
    let start = scene.clock.now();
    let text = "[organisation]\ndelayed_delicensing_enabled = true\n";
    let import = Request::Import {
        name: "organisation.toml".to_owned(),
        form: "TOML".to_owned(),
        text: text.to_owned(),
        licence: None,
        all_or_nothing: true,
        dry_run: false,
    };
    toml::from_str::<Document>(text).unwrap();
    assert!(matches!(scene.ask(import), Response::Imported(_)));
    let order = |order| scene.ask(Request::Life(LifeOrder::Hold(order)));
    let (identity, kind, name) = (|| "bob".to_owned(), HoldKind::LitigationHold, String::new);
    order(HoldOrder::Place { identity: identity(), kind, name: name(), days: None });
    order(HoldOrder::Lift { identity: identity(), kind, name: name() });
    scene.licence("alice", false);
    scene.days(10);
    scene.clock.set(start.plus(DAY * 100));
    reconcile(&scene.office);
    let is_held = || scene.keeper.held.lock().unwrap().contains(&scene.id("bob"));
    assert!(is_held() && scene.state("alice") == State::Active);
    scene.days(19);
    assert!(is_held() && scene.state("alice") == State::Active);
    scene.days(1);
    assert!(!is_held() && scene.state("alice") == State::Disconnected);
}
