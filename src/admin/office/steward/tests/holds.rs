//! What holds keep is brought up to date in the end, whatever fails and whenever the server runs.

use super::*;

fn kept(scene: &Scene) -> Vec<RecipientId> {
    scene.keeper.kept.lock().unwrap().clone()
}

/// Another life of the process, with the same contents and directory.
fn restarted(scene: &Scene) -> Office {
    let custody = Arc::<Keeper>::clone(&scene.keeper) as Arc<dyn Custody>;
    Office { steward: Arc::new(Steward::new("mx.contoso.example", custody)), ..scene.office.clone() }
}

fn lift(scene: &Scene, who: &str) {
    let mut plan = |snapshot: &Snapshot| {
        let mut free = Recipient::clone(identity::find(snapshot, who).unwrap());
        free.provisioning = None;
        Ok(vec![Change::PutRecipient(Box::new(free))])
    };
    scene.watched.change("root", &mut plan).unwrap();
}

#[test]
fn what_could_not_be_kept_or_given_up_is_tried_again_and_not_at_once() {
    let scene = Scene::new();
    let alice = scene.id("alice");
    scene.keeper.keeping_fails.store(true, Ordering::Relaxed);
    scene.hold("alice");
    reconcile(&scene.office);
    assert_eq!(kept(&scene), []);
    scene.keeper.keeping_fails.store(false, Ordering::Relaxed);
    reconcile(&scene.office);
    assert_eq!(kept(&scene), [], "the disk is not hammered");
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    assert_eq!(kept(&scene), [alice]);

    scene.keeper.keeping_fails.store(true, Ordering::Relaxed);
    lift(&scene, "alice");
    reconcile(&scene.office);
    scene.keeper.keeping_fails.store(false, Ordering::Relaxed);
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    assert_eq!(kept(&scene), []);
    // Once is enough.
    scene.clock.advance(PATIENCE);
    reconcile(&scene.office);
    assert_eq!(kept(&scene), []);
}

#[test]
fn a_hold_that_ended_while_no_server_ran_leaves_nothing_behind() {
    let scene = Scene::new();
    let (alice, bob) = (scene.id("alice"), scene.id("bob"));
    scene.hold("alice");
    scene.hold("bob");
    reconcile(&scene.office);
    assert_eq!(kept(&scene), [alice, bob]);
    lift(&scene, "alice");
    // Of what the directory does not know nobody can say that it may go.
    scene.keeper.kept.lock().unwrap().push(RecipientId(999));
    // At first the disk cannot even be read.
    let next = restarted(&scene);
    scene.keeper.keeping_fails.store(true, Ordering::Relaxed);
    reconcile(&next);
    scene.keeper.keeping_fails.store(false, Ordering::Relaxed);
    scene.clock.advance(PATIENCE);
    reconcile(&next);
    let kept: BTreeSet<RecipientId> = kept(&scene).into_iter().collect();
    assert_eq!(kept, [bob, RecipientId(999)].into());
}

#[test]
fn who_is_on_hold_is_told_before_anything_is_deleted() {
    let scene = Scene::new();
    scene.hold("bob");
    scene.licence("alice", false);
    reconcile(&scene.office);
    // Alice was on hold in an earlier life, as far as those know who keep contents.
    *scene.keeper.held.lock().unwrap() = Arc::new([scene.id("alice")].into());
    scene.clock.advance(Duration::from_secs(30 * 86_400));
    reconcile(&restarted(&scene));
    assert_eq!(scene.state("alice"), State::Purged);
    assert_eq!(**scene.keeper.held.lock().unwrap(), [scene.id("bob")].into());
}
