//! The life of a mailbox: its table as a document, and its laws.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

mod administrator;
mod books;
mod clock;
mod model;
mod walk;

use std::collections::BTreeSet;

use franking::model::directory::lifecycle::document::document;
use franking::model::directory::lifecycle::machine::{
    Effect, Facts, LifecycleError, Outcome, Row, State, Step, Trigger, step,
};
use franking::model::directory::lifecycle::table::ROWS;

use model::Expected;

const DOCUMENT: &str = "fixtures/lifecycle.md";

#[test]
fn the_document_is_printed_from_the_table() {
    let printed = document();
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(DOCUMENT, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(printed == kept, "{DOCUMENT} differs; review and run again with BLESS=1. It is now:\n{printed}");
}

/// Every combination of what guards ask.
fn all_facts() -> impl Iterator<Item = Facts> {
    (0_u32..1 << 15).map(|bits| {
        let bit = |position: u32| bits & (1 << position) != 0;
        Facts {
            on_hold: bit(0),
            licensed: bit(1),
            needs_licence: bit(2),
            delicensing_delayed: bit(3),
            synchronised: bit(4),
            previous_found: bit(5),
            guid_synchronised: bit(6),
            beyond_unlicensed: bit(7),
            conflicts: bit(8),
            has_shards: bit(9),
            identity_gone: bit(10),
            cleanup_fails: bit(11),
            legacy_dn_agrees: bit(12),
            user_deleted: bit(13),
            remote_unprepared: bit(14),
        }
    })
}

#[test]
fn every_row_decides_something_and_every_transition_has_one() {
    let mut used = BTreeSet::new();
    let facts: Vec<Facts> = all_facts().collect();
    for (number, row) in ROWS.iter().enumerate() {
        let decides = |state: &&State| {
            facts.iter().any(|facts| {
                let fits = |other: &&Row| {
                    other.trigger == row.trigger
                        && other.from.contains(state)
                        && other.guards.iter().all(|guard| (guard.holds)(facts))
                };
                ROWS.iter().position(|other| fits(&other)) == Some(number)
            })
        };
        let silent: Vec<&State> = row.from.iter().filter(|state| !decides(state)).collect();
        assert!(silent.is_empty(), "row {number}, {} {:?}, never decides from {silent:?}", row.id, row.trigger);
        used.insert(row.id);
    }
    let all: BTreeSet<String> = (1..=25).map(|number| format!("T{number}")).collect();
    assert_eq!(all.iter().filter(|id| !used.contains(id.as_str())).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_step_is_the_specifications_and_no_step_loses_what_is_kept() {
    for facts in all_facts() {
        for state in State::ALL {
            for trigger in Trigger::ALL {
                let taken = step(state, trigger, &facts);
                let known =
                    taken.map(|step| Expected { to: step.to, error: step.error, effects: model::bits(step.effects) });
                let expected = model::expected(state, trigger, &facts);
                assert!(known == expected, "{state:?} {trigger:?} {facts:?}\nis {taken:?}\nnot {expected:?}");
                if let Ok(step) = taken {
                    obeys(state, step, &facts);
                }
            }
        }
    }
}

/// Contents on hold are never deleted, what is purged never comes back, and contents are given up in one way only.
fn obeys(state: State, step: Step, facts: &Facts) {
    let deletes = step.effects.contains(&Effect::DeleteContents);
    assert!(!(deletes && facts.on_hold), "{} deletes what is on hold", step.id);
    assert_eq!(deletes, step.to == State::Purging && state != State::Purging, "{}", step.id);
    let gone = matches!(state, State::Purging | State::Purged | State::StaleAttributes | State::NoMailbox);
    assert!(!(gone && step.effects.contains(&Effect::Reconnect)), "{} brings a purged mailbox back", step.id);
    let has = |state| matches!(state, State::Active | State::ActiveWithError);
    let brings = step.effects.iter().any(|effect| matches!(effect, Effect::Reconnect | Effect::CreateMailbox));
    assert!(!has(step.to) || has(state) || brings, "{} has a mailbox from nowhere", step.id);
    let kept = |state| has(state) || matches!(state, State::Disconnected | State::SoftDeleted | State::Inactive);
    let given_up = step.to == State::Purging;
    assert!(kept(step.to) || !kept(state) || given_up, "{} loses contents", step.id);
}

/// The table without one of its rows, or with one that refuses, is found out: no row is there in vain, and none could
/// be lost unnoticed.
#[test]
fn the_specification_misses_every_row_that_is_taken_away() {
    let facts: Vec<Facts> = all_facts().collect();
    for (number, row) in ROWS.iter().enumerate() {
        let noticed = row.from.iter().all(|state| {
            facts.iter().any(|facts| {
                let fits = |other: &&Row| {
                    other.trigger == row.trigger
                        && other.from.contains(state)
                        && other.guards.iter().all(|guard| (guard.holds)(facts))
                };
                let others = ROWS.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, other)| other);
                let without = others.into_iter().find(fits);
                let expected = model::expected(*state, row.trigger, facts);
                // Two transitions that lead to the same have their names in the document.
                let other_name = fits(&row) && without.is_some_and(|other| other.id != row.id);
                let without = without.map_or(Outcome::Refused(LifecycleError::NotFromHere), |other| other.outcome);
                other_name || expected != answer(without)
            })
        });
        assert!(noticed, "nobody misses row {number}, {} {:?}", row.id, row.trigger);
    }
}

fn answer(outcome: Outcome) -> Result<Expected, LifecycleError> {
    match outcome {
        Outcome::To(to, effects) => Ok(Expected { to, error: None, effects: model::bits(effects) }),
        Outcome::ToWithError(to, error, effects) => {
            Ok(Expected { to, error: Some(error), effects: model::bits(effects) })
        }
        Outcome::Refused(error) => Err(error),
    }
}

#[test]
fn errors_are_recorded_where_they_are_told_and_nowhere_else() {
    for row in ROWS {
        match row.outcome {
            Outcome::ToWithError(_, _, effects) => assert!(effects.contains(&Effect::RecordError), "{}", row.id),
            Outcome::To(_, effects) => assert!(!effects.contains(&Effect::RecordError), "{}", row.id),
            Outcome::Refused(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
