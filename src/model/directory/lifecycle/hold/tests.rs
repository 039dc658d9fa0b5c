//! Holds and how long they last, one rule after the other.

use super::*;

fn at(day: u32) -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap().plus(days(day))
}

fn now(day: u32) -> Time<'static> {
    let delay_hold = Duration::from_secs(30 * DAY_SECONDS);
    Time { now: at(day), calendar: super::super::calendar::Calendar::WITHOUT_GAPS, delay_hold }
}

fn hold(kind: HoldKind, days: Option<u32>) -> Hold {
    Hold { kind, name: "".into(), since: at(0), days }
}

#[test]
fn the_longest_hold_wins_and_one_without_days_stands_for_ever() {
    let with = |placed: Vec<Hold>| Holds { placed, excluded: Vec::new() };
    let policy = |days| Hold { name: "mbx1".into(), ..hold(HoldKind::RetentionPolicy, Some(days)) };
    assert_eq!(with(Vec::new()).keep(&[], None, now(1)), Kept::NotAtAll);
    // In use it stands, whatever its days.
    assert_eq!(with(vec![policy(7)]).keep(&[], None, now(900)), Kept::ForEver);
    let two = with(vec![policy(7), hold(HoldKind::LitigationHold, Some(90))]);
    assert_eq!(two.keep(&[], Some(at(10)), now(11)), Kept::Until(at(100)));
    assert_eq!(two.keep(&[], Some(at(10)), now(100)), Kept::NotAtAll);
    let ever = with(vec![policy(7), hold(HoldKind::EDiscoveryHold, None)]);
    assert_eq!(ever.keep(&[], Some(at(10)), now(9_000)), Kept::ForEver);
}

#[test]
fn an_organisations_policy_holds_all_but_those_it_excludes() {
    let all = [OrganisationRetention { name: "Seven years".into(), days: Some(2_555) }];
    assert_eq!(Holds::default().keep(&all, None, now(1)), Kept::ForEver);
    assert_eq!(Holds::default().keep(&all, Some(at(1)), now(2)), Kept::Until(at(2_556)));
    let excluded = Holds { excluded: vec!["Seven years".into()], ..Holds::default() };
    assert_eq!(excluded.keep(&all, None, now(1)), Kept::NotAtAll);
}

#[test]
fn what_follows_a_hold_ends_by_itself() {
    for kind in [HoldKind::DelayHold, HoldKind::RecoveryHold] {
        let holds = Holds { placed: vec![hold(kind, None)], excluded: Vec::new() };
        assert_eq!(holds.keep(&[], None, now(29)), Kept::Until(at(30)));
        assert_eq!(holds.keep(&[], None, now(30)), Kept::NotAtAll);
        assert!(kind.is_consequence());
    }
}

#[test]
fn every_hold_is_placed_once_and_only_what_somebody_places() {
    let mut holds = Holds::default();
    let named = |kind, name: &str| Hold { name: name.into(), ..hold(kind, None) };
    holds.place(hold(HoldKind::LitigationHold, Some(90)), Origin::Command).unwrap();
    let second = holds.place(hold(HoldKind::LitigationHold, None), Origin::Command).unwrap_err();
    assert_eq!(second.to_string(), "a litigation-hold stands already; lift it first to alter it");
    holds.place(named(HoldKind::EDiscoveryHold, "UniH1"), Origin::Command).unwrap();
    holds.place(named(HoldKind::EDiscoveryHold, "UniH2"), Origin::Command).unwrap();
    let again = holds.place(named(HoldKind::EDiscoveryHold, "UniH1"), Origin::Command).unwrap_err();
    let told = "the ediscovery-hold \"UniH1\" stands already; another one needs another name";
    assert_eq!(again.to_string(), told);
    let in_place = named(HoldKind::InPlaceHold, "c0ba3ce8");
    assert_eq!(holds.place(in_place.clone(), Origin::Command), Err(HoldError::NoLongerMade));
    holds.place(in_place, Origin::Import).unwrap();
    for kind in [HoldKind::DelayHold, HoldKind::RecoveryHold] {
        assert_eq!(holds.place(hold(kind, None), Origin::Command), Err(HoldError::Consequence(kind)));
    }
    assert_eq!(holds.judge(), Ok(()));
    assert_eq!(holds.placed.len(), 4);
}

#[test]
fn names_and_numbers_of_holds_have_an_end() {
    let mut holds = Holds::default();
    let policy = |name: String| Hold { name: name.into(), ..hold(HoldKind::RetentionPolicy, Some(7)) };
    for wrong in ["a\nb".to_owned(), "x".repeat(HOLD_NAME_BYTES_MAX + 1)] {
        assert_eq!(holds.place(policy(wrong), Origin::Import), Err(HoldError::BadName));
    }
    let nameless = holds.place(policy(String::new()), Origin::Command);
    assert_eq!(nameless, Err(HoldError::NameMissing(HoldKind::RetentionPolicy)));
    let named = Hold { name: "a".into(), ..hold(HoldKind::LitigationHold, None) };
    let told = HoldError::NameNotForThisKind(HoldKind::LitigationHold);
    assert_eq!(holds.place(named, Origin::Command), Err(told));
    assert_eq!(holds.place(hold(HoldKind::LitigationHold, Some(0)), Origin::Command), Err(HoldError::NoDays));
    for number in 0..HOLDS_MAX {
        holds.place(policy(format!("mbx{number}")), Origin::Command).unwrap();
    }
    assert_eq!(holds.place(policy("one".to_owned()), Origin::Command), Err(HoldError::TooMany));
    // What follows by itself comes on top.
    holds.place(hold(HoldKind::RecoveryHold, None), Origin::Import).unwrap();
    assert_eq!(holds.judge(), Ok(()));
    holds.placed.push(policy("one".to_owned()));
    assert_eq!(holds.judge(), Err(HoldError::TooMany));
    let twice = Holds { placed: vec![hold(HoldKind::LitigationHold, None); 2], excluded: Vec::new() };
    assert!(matches!(twice.judge(), Err(HoldError::Placed { .. })));
}

#[test]
fn the_last_hold_that_is_lifted_leaves_a_delay_hold() {
    let mut holds = Holds::default();
    holds.place(hold(HoldKind::LitigationHold, None), Origin::Command).unwrap();
    let policy = Hold { name: "mbx1".into(), ..hold(HoldKind::RetentionPolicy, Some(7)) };
    holds.place(policy.clone(), Origin::Command).unwrap();
    holds.lift(HoldKind::LitigationHold, "", AfterLast::DelayHold, at(1)).unwrap();
    assert_eq!(holds.placed, std::slice::from_ref(&policy), "another one stands");
    let lifted = holds.lift(HoldKind::RetentionPolicy, "mbx1", AfterLast::DelayHold, at(2)).unwrap();
    assert_eq!(lifted, policy);
    assert_eq!(holds.keep(&[], None, now(3)), Kept::Until(at(32)));
    let gone = holds.lift(HoldKind::RetentionPolicy, "mbx1", AfterLast::DelayHold, at(3)).unwrap_err();
    assert_eq!(gone.to_string(), "the retention-policy \"mbx1\" does not stand");
    // Another mistake begins the delay again; there is one.
    holds.place(Hold { since: at(4), ..policy.clone() }, Origin::Command).unwrap();
    holds.lift(HoldKind::RetentionPolicy, "mbx1", AfterLast::DelayHold, at(5)).unwrap();
    assert_eq!((holds.placed.len(), holds.keep(&[], None, now(6))), (1, Kept::Until(at(35))));
    holds.lift(HoldKind::DelayHold, "", AfterLast::DelayHold, at(7)).unwrap();
    assert!(holds.is_empty());
    holds.place(policy.clone(), Origin::Command).unwrap();
    holds.lift(HoldKind::RetentionPolicy, "mbx1", AfterLast::Nothing, at(8)).unwrap();
    assert!(holds.is_empty());
    // What is over gives way to what follows the next one.
    holds.placed.push(hold(HoldKind::DelayHold, None));
    holds.place(Hold { since: at(30), ..policy }, Origin::Command).unwrap();
    holds.lift(HoldKind::RetentionPolicy, "mbx1", AfterLast::DelayHold, at(31)).unwrap();
    assert_eq!(holds.placed, [Hold { since: at(31), ..hold(HoldKind::DelayHold, None) }]);
    let longer = Time { delay_hold: Duration::from_secs(60 * DAY_SECONDS), ..now(90) };
    assert_eq!(holds.keep(&[], None, longer), Kept::Until(at(91)));
}

#[test]
fn a_mailbox_is_excluded_from_policies_that_there_are() {
    let all = [OrganisationRetention { name: "Seven years".into(), days: Some(2_555) }];
    let mut holds = Holds::default();
    assert_eq!(holds.exclude("Eight", &all), Err(HoldError::UnknownPolicy("Eight".into())));
    assert_eq!(holds.include("Seven years"), Err(HoldError::UnknownPolicy("Seven years".into())));
    holds.exclude("Seven years", &all).unwrap();
    holds.exclude("Seven years", &all).unwrap();
    assert_eq!(holds.keep(&all, None, now(1)), Kept::NotAtAll);
    holds.include("Seven years").unwrap();
    assert_eq!(holds.keep(&all, None, now(1)), Kept::ForEver);
    holds.excluded = vec!["gone".into(); HOLDS_MAX];
    holds.exclude("Seven years", &all).unwrap();
    assert_eq!(holds.excluded, ["Seven years".into()], "what is gone makes room");
}
