//! A shelf is a map, whatever of it is packed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

impl Shelved for String {}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, String),
    Remove(u64),
    Append(u64),
    Relieve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60_u64, "[a-c]{0,300}").prop_map(|(id, value)| Step::Insert(id, value)),
        2 => (0..60_u64).prop_map(Step::Remove),
        3 => (0..60_u64).prop_map(Step::Append),
        6 => (0..30_usize).prop_map(Step::Relieve),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_shelf_is_a_map(steps in proptest::collection::vec(step(), 0..300)) {
        let (mut shelf, mut map) = (Shelf::<String>::default(), BTreeMap::<QueueId, String>::new());
        for step in steps {
            match step {
                Step::Insert(id, value) => {
                    shelf.insert(QueueId(id), value.clone());
                    map.insert(QueueId(id), value);
                }
                Step::Remove(id) => prop_assert_eq!(shelf.remove(QueueId(id)), map.remove(&QueueId(id))),
                Step::Append(id) => {
                    let (one, other) = (shelf.get_mut(QueueId(id)), map.get_mut(&QueueId(id)));
                    prop_assert_eq!(one.is_some(), other.is_some());
                    one.into_iter().chain(other).for_each(|value| value.push('+'));
                }
                // Every third is in use.
                Step::Relieve(awake_max) => shelf.relieve(awake_max, |id, _| id.0 % 3 != 0),
            }
            prop_assert_eq!(shelf.len(), map.len());
            prop_assert_eq!(shelf.ids(), map.keys().copied().collect::<Vec<_>>());
            for first in [0, 30] {
                let seen = shelf.iter_from(QueueId(first)).map(|(id, value)| (id, value.into_owned()));
                let known = map.range(QueueId(first)..).map(|(id, value)| (*id, value.clone()));
                prop_assert_eq!(seen.collect::<Vec<_>>(), known.collect::<Vec<_>>());
            }
            for id in 0..60 {
                let seen = shelf.get(QueueId(id)).map(Seen::into_owned);
                prop_assert_eq!(seen, map.get(&QueueId(id)).cloned());
            }
        }
    }
}

#[test]
fn what_is_not_in_use_is_packed_and_takes_little() {
    let mut shelf = Shelf::default();
    for id in 0..10_000_u64 {
        let value = format!("{id} for user{id}@fabrikam.example, mx.fabrikam.example: connection refused").repeat(3);
        shelf.insert(QueueId(id), value);
        shelf.relieve(100, |_, _| true);
    }
    assert_eq!((shelf.awake.len(), shelf.len()), (100, 10_000));
    assert!(shelf.packs.bytes() < 10_000 * 40, "{} octets", shelf.packs.bytes());
    // Nine of ten come to hand and go: what they leave behind does not stay.
    for id in (0..10_000).filter(|id| id % 10 != 0) {
        assert!(shelf.remove(QueueId(id)).is_some());
    }
    assert!(shelf.packs.bytes() < 1_000 * 120, "{} octets", shelf.packs.bytes());
    assert_eq!(shelf.iter_from(QueueId(0)).count(), 1_000);
}

#[test]
fn names_of_what_has_gone_are_forgotten() {
    let mut shelf = Shelf::default();
    for id in 0..10_000_u64 {
        shelf.insert(QueueId(id), String::new());
        shelf.remove(QueueId(id));
    }
    assert!(shelf.order.len() <= 2 * STALE_MIN, "{} names", shelf.order.len());
}
