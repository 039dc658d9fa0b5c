//! The laws of the times of certificates.

use super::*;
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(86_400);

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..300_000_000_000_000_u64).prop_map(Timestamp::from_unix_milliseconds)
}

fn refused() -> impl Strategy<Value = Refused> {
    prop_oneof![Just(Refused::ByAuthority), Just(Refused::Unreachable)]
}

fn attempts() -> impl Strategy<Value = Attempts> {
    (1..u32::MAX, refused(), instant(), proptest::option::of(instant()))
        .prop_map(|(failures, refused, last, not_before)| Attempts { failures, refused, last, not_before })
}

proptest! {
    #[test]
    fn a_certificate_is_renewed_in_its_last_two_fifths_and_before_its_end(
        not_before in instant(), seconds in 3_600..400_000_000_u64, chance in any::<u32>(),
    ) {
        let lifetime = Duration::from_secs(seconds);
        let validity = Validity { not_before, not_after: not_before.plus(lifetime) };
        let lifetime = validity.not_after.since(not_before);
        let renewal = renewal(validity, None, Chance(chance)).since(not_before);
        prop_assert!(renewal <= lifetime * 2 / 3 && renewal * 5 >= lifetime * 3, "{renewal:?} of {lifetime:?}");
    }

    #[test]
    fn the_word_of_the_authority_counts_and_never_leads_past_the_end(
        not_before in instant(), start in instant(), end in instant(), chance in any::<u32>(),
    ) {
        let validity = Validity { not_before, not_after: not_before.plus(DAY * 90) };
        let at = renewal(validity, Some(Window { start, end }), Chance(chance));
        prop_assert!(at <= validity.not_after);
        if start <= end && start < validity.not_after {
            prop_assert!(start <= at && (at <= end || at == validity.not_after));
        } else {
            prop_assert_eq!(at, renewal(validity, None, Chance(chance)));
        }
    }

    #[test]
    fn no_attempt_lies_in_the_past_or_out_of_reach(
        due in instant(), attempts in proptest::option::of(attempts()), chance in any::<u32>(), now in instant(),
    ) {
        let at = attempt(due, attempts, Chance(chance), now);
        prop_assert!(at >= now && at >= due);
        prop_assert!(at <= due.max(now).plus(LONGEST_WAIT));
    }

    #[test]
    fn attempts_in_a_row_are_a_minute_apart_and_ever_farther(
        refused in refused(), failures in 1..u32::MAX - 1, chance in any::<u32>(), start in instant(),
    ) {
        let wait = |failures| back_off(failures, refused, Chance(chance));
        prop_assert!(wait(failures) >= SHORTEST_WAIT && wait(failures) <= wait(failures + 1));
        let attempts = Attempts { failures, refused, last: start, not_before: None };
        // As many attempts as a loop could make within the wait: none.
        let next = attempt(Timestamp::EPOCH, Some(attempts), Chance(chance), start);
        prop_assert_eq!(next, start.plus(wait(failures)).max(start));
    }

    #[test]
    fn what_is_waited_for_comes(attempts in attempts(), chance in any::<u32>(), now in instant()) {
        let within_reach = attempts.not_before.is_none_or(|demanded| demanded <= now.plus(LONGEST_WAIT));
        prop_assume!(within_reach);
        let next = attempt(Timestamp::EPOCH, Some(attempts), Chance(chance), now);
        prop_assert_eq!(attempt(Timestamp::EPOCH, Some(attempts), Chance(chance), next), next);
    }

    #[test]
    fn what_the_authority_demands_is_waited_for(
        failures in 1..100_u32, chance in any::<u32>(), start in 0..1_000_000_000_000_u64, seconds in 0..604_800_u64,
    ) {
        let now = Timestamp::from_unix_milliseconds(start);
        let demanded = now.plus(Duration::from_secs(seconds));
        let refused = Refused::ByAuthority;
        let attempts = Attempts { failures, refused, last: now, not_before: Some(demanded) };
        prop_assert!(attempt(Timestamp::EPOCH, Some(attempts), Chance(chance), now) >= demanded);
    }

    #[test]
    fn a_warning_comes_before_the_end_and_stays(not_after in instant(), now in instant()) {
        let (left, standing) = (days_left(not_after, now), standing(not_after, now));
        prop_assert_eq!(standing == Standing::Ended, now > not_after);
        prop_assert_eq!(standing == Standing::Good, left >= WARNING_DAYS);
        let later = super::standing(not_after, now.plus(DAY));
        prop_assert!(later as u8 >= standing as u8);
    }
}

#[test]
fn waits_are_those_that_the_head_of_the_room_promises() {
    let minutes = |refused, failures| back_off(failures, refused, Chance(0)).as_secs() / 60;
    let of = |refused| [1, 2, 3, 4, 8, 1_000_000].map(|failures| minutes(refused, failures));
    assert_eq!(of(Refused::ByAuthority), [10, 20, 40, 80, 720, 720]);
    assert_eq!(of(Refused::Unreachable), [1, 2, 4, 8, 60, 60]);
}

#[test]
fn a_certificate_of_ninety_days_is_renewed_a_month_before_its_end() {
    let not_before = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    let validity = Validity { not_before, not_after: not_before.plus(DAY * 90) };
    assert_eq!(renewal(validity, None, Chance(0)), not_before.plus(DAY * 60));
    assert_eq!(renewal(validity, None, Chance(u32::MAX)), not_before.plus(DAY * 57));
}

#[test]
fn a_wildcard_covers_one_label() {
    assert!(covers("*.contoso.example", "mail.contoso.example") && covers("a.example", "a.example"));
    for other in ["a.mail.contoso.example", "contoso.example", ".contoso.example", ""] {
        assert!(!covers("*.contoso.example", other), "{other}");
    }
}
