//! Locks and delays, by hand and over histories that chance draws.

use proptest::prelude::*;

use super::*;

const ALICE: Claimed = Claimed::Account(RecipientId(1));
const BOB: Claimed = Claimed::Account(RecipientId(2));

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_milliseconds((1_000_000 + seconds) * 1_000)
}

fn source(number: u32) -> Network {
    Network::of_client(core::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into())
}

fn attempt(who: Claimed, from: u32, shown: u64) -> Attempt {
    Attempt { who, source: source(from), shown }
}

/// Fails so often with something else each time; the last consequence.
fn fail(own: &mut Lockouts, who: Claimed, from: u32, times: u64, now: Timestamp) -> Consequence {
    let mut last = Consequence::default();
    for number in 0..times {
        last = own.failed(&Rules::USUAL, &attempt(who, from, now.unix_seconds() * 1_000 + number + 1), now);
    }
    last
}

fn locked(own: &Lockouts, who: Claimed, from: u32, now: Timestamp) -> bool {
    own.is_locked(&Rules::USUAL, &attempt(who, from, 0), now)
}

#[test]
fn ten_failures_lock_the_account_for_that_source_alone() {
    let mut own = Lockouts::default();
    assert!(!fail(&mut own, ALICE, 1, 9, at(0)).locks_pair);
    assert!(!locked(&own, ALICE, 1, at(0)));
    assert!(fail(&mut own, ALICE, 1, 1, at(1)).locks_pair);
    assert!(locked(&own, ALICE, 1, at(1)) && locked(&own, ALICE, 1, at(60)));
    assert!(!locked(&own, ALICE, 2, at(1)), "the owner is somewhere else");
    assert!(!locked(&own, BOB, 1, at(1)), "and so is everybody else there");
    assert!(!locked(&own, ALICE, 1, at(61)));
}

#[test]
fn each_further_lock_lasts_twice_as_long_up_to_the_longest() {
    let (mut own, mut now) = (Lockouts::default(), at(0));
    fail(&mut own, ALICE, 1, 10, now);
    for length in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        let just_before = now.plus(Duration::from_secs(length - 1));
        assert!(locked(&own, ALICE, 1, just_before), "{length}");
        now = now.plus(Duration::from_secs(length));
        assert!(!locked(&own, ALICE, 1, now), "{length}");
        assert!(fail(&mut own, ALICE, 1, 1, now).locks_pair, "one more is enough");
    }
    // A day of peace forgets everything.
    let later = now.plus(FORGOTTEN).plus(Rules::USUAL.longest);
    assert!(!fail(&mut own, ALICE, 1, 9, later).locks_pair);
}

#[test]
fn failures_far_apart_never_lock() {
    let mut own = Lockouts::default();
    for number in 0..100 {
        let now = at(number * Rules::USUAL.window.as_secs() / 9);
        fail(&mut own, ALICE, 1, 1, now);
        assert!(!locked(&own, ALICE, 1, now), "{number}");
    }
}

#[test]
fn one_password_tried_on_everybody_locks_the_source() {
    let mut own = Lockouts::default();
    for number in 0..99 {
        own.failed(&Rules::USUAL, &attempt(Claimed::Nobody(number), 1, 7), at(0));
    }
    assert!(!locked(&own, ALICE, 1, at(0)));
    // That one account signs in between gives the source no more.
    own.succeeded(&attempt(Claimed::Nobody(5), 1, 8));
    assert!(own.failed(&Rules::USUAL, &attempt(Claimed::Nobody(100), 1, 7), at(0)).locks_source);
    assert!(locked(&own, ALICE, 1, at(0)) && !locked(&own, ALICE, 2, at(0)));
}

#[test]
fn the_same_wrong_password_again_counts_once() {
    let mut own = Lockouts::default();
    for number in 0..10_000 {
        own.failed(&Rules::USUAL, &attempt(ALICE, 1, 7), at(number));
    }
    assert!(!locked(&own, ALICE, 1, at(10_000)));
    own.succeeded(&attempt(ALICE, 1, 8));
    assert!(!fail(&mut own, ALICE, 1, 9, at(10_000)).locks_pair);
}

#[test]
fn guesses_from_everywhere_slow_failures_down_and_lock_nobody_else() {
    let mut own = Lockouts::default();
    for from in 0..5_000 {
        fail(&mut own, ALICE, from, 2, at(0));
    }
    assert!(!locked(&own, ALICE, 9_999, at(0)));
    assert_eq!(fail(&mut own, ALICE, 9_999, 1, at(0)).delay, DELAY_MAX);
    assert_eq!(fail(&mut own, BOB, 9_999, 1, at(0)).delay, Duration::ZERO);
}

#[test]
fn answers_to_failures_come_later_each_time_and_have_a_bound() {
    let mut own = Lockouts::default();
    let delays: Vec<u64> = (0..9).map(|second| fail(&mut own, ALICE, 1, 1, at(second)).delay.as_secs()).collect();
    assert_eq!(delays, [0, 1, 3, 7, 15, 30, 30, 30, 30]);
}

#[test]
fn exempt_networks_are_never_locked_and_no_rule_locks_nobody() {
    let exempt = Rules { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..Rules::USUAL };
    let off = Rules { failures: None, source_failures: None, ..Rules::USUAL };
    for rules in [exempt, off] {
        let mut own = Lockouts::default();
        for number in 0..1_000 {
            let consequence = own.failed(&rules, &attempt(ALICE, 1, number), at(0));
            assert!(!consequence.locks_pair && !consequence.locks_source);
            assert_eq!(consequence.delay.is_zero(), number == 0);
        }
        assert!(!own.is_locked(&rules, &attempt(ALICE, 1, 0), at(0)));
    }
}

#[test]
fn a_flood_of_names_and_addresses_takes_bounded_memory_and_washes_no_lock_away() {
    let mut own = Lockouts::default();
    fail(&mut own, ALICE, u32::MAX >> 8, 10, at(0));
    for number in 0..200_000 {
        own.failed(&Rules::USUAL, &attempt(Claimed::Nobody(number.into()), number, 1), at(1));
    }
    assert!(own.len() <= 3 * ENTRIES_MAX, "{}", own.len());
    assert!(locked(&own, ALICE, u32::MAX >> 8, at(2)));
}

#[test]
fn clearing_forgets_an_account_or_a_network() {
    let mut own = Lockouts::default();
    fail(&mut own, ALICE, 1, 10, at(0));
    fail(&mut own, BOB, 1, 10, at(0));
    assert_eq!(own.clear_account(ALICE), 2);
    assert!(!locked(&own, ALICE, 1, at(0)) && locked(&own, BOB, 1, at(0)));
    assert_eq!(own.clear_sources(&"10.0.0.0/24".parse().unwrap()), 2);
    assert!(!locked(&own, BOB, 1, at(0)));
    assert_eq!(own.entries(&Rules::USUAL, at(0)).len(), 1, "bob as a whole");
}

#[test]
fn a_clock_that_was_set_back_prolongs_no_lock() {
    let mut own = Lockouts::default();
    fail(&mut own, ALICE, 1, 10, at(10_000_000));
    assert!(locked(&own, ALICE, 1, at(10_000_000)));
    assert!(!locked(&own, ALICE, 1, at(0)));
}

proptest! {
    #[test]
    fn nobody_is_locked_out_by_what_happens_elsewhere(
        guesses in prop::collection::vec((0_u32..50, 0_u64..3, 0_u64..2_000), 0..400),
    ) {
        let mut own = Lockouts::default();
        let mut guesses = guesses;
        guesses.sort_by_key(|(_, _, seconds)| *seconds);
        for (number, (from, who, seconds)) in guesses.into_iter().enumerate() {
            let who = Claimed::Account(RecipientId(who));
            own.failed(&Rules::USUAL, &attempt(who, from, number as u64), at(seconds));
        }
        for who in 0..3 {
            prop_assert!(!locked(&own, Claimed::Account(RecipientId(who)), 51, at(2_000)));
        }
    }

    #[test]
    fn what_is_remembered_survives_being_written_down(
        guesses in prop::collection::vec((0_u32..5, 0_u64..3, 0_u64..2_000), 0..100),
    ) {
        let mut own = Lockouts::default();
        for (number, (from, who, seconds)) in guesses.into_iter().enumerate() {
            own.failed(&Rules::USUAL, &attempt(Claimed::Nobody(who), from, number as u64), at(seconds));
        }
        prop_assert_eq!(own.entries(&Rules::USUAL, at(2_000)).len() <= own.len(), true);
    }
}
