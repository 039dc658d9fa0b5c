//! Holds on mailboxes and retention policies of the organisation (spec section 7.4).

use super::failure::Failure;
use super::orders::{HoldOrder, HoldView};
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, change, identity, life, lives};
use crate::model::directory::lifecycle::hold::{
    AfterLast, Hold, HoldError, HoldKind, Kept, OrganisationRetention, Origin,
};
use crate::model::directory::lifecycle::life::Said;
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::{Change, Organisation, Recipient};
use crate::model::mail::Timestamp;

/// More retention policies nobody could oversee.
const POLICIES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;

pub(super) fn obey(office: &Office, actor: &str, order: &HoldOrder) -> Result<Response, Failure> {
    match order {
        HoldOrder::Place { identity, kind, name, days } => {
            let hold = |since| Hold { kind: *kind, name: name.as_str().into(), since, days: *days };
            alter(office, actor, identity, "is on hold now", &|held, _, now| {
                held.provisioning.get_or_insert_default().holds.place(hold(now), Origin::Command)
            })
        }
        HoldOrder::Lift { identity, kind, name } => {
            alter(office, actor, identity, "is off that hold", &|held, _, now| {
                let holds = &mut held.provisioning.get_or_insert_default().holds;
                holds.lift(*kind, name, AfterLast::DelayHold, now).map(drop)
            })
        }
        HoldOrder::DropDelay { identity } => {
            alter(office, actor, identity, "has no delay hold any more", &|held, _, now| {
                let holds = &mut held.provisioning.get_or_insert_default().holds;
                holds.lift(HoldKind::DelayHold, "", AfterLast::Nothing, now).map(drop)
            })
        }
        HoldOrder::Exclude { identity, policy } => {
            alter(office, actor, identity, "is excluded from the policy", &|held, organisation, _| {
                held.provisioning.get_or_insert_default().holds.exclude(policy, &organisation.retention_policies)
            })
        }
        HoldOrder::Include { identity, policy } => {
            alter(office, actor, identity, "is under the policy again", &|held, _, _| {
                held.provisioning.get_or_insert_default().holds.include(policy)
            })
        }
        HoldOrder::PolicyAdd { name, days } => policy_add(office, actor, name, *days),
        HoldOrder::PolicyRemove { name } => policy_remove(office, actor, name),
    }
}

/// How the holds of an object are altered.
type Alteration<'a> = &'a dyn Fn(&mut Recipient, &Organisation, Timestamp) -> Result<(), HoldError>;

fn alter(office: &Office, actor: &str, identity: &str, done: &str, by: Alteration<'_>) -> Result<Response, Failure> {
    lives::one(office, actor, identity, |snapshot, former, around| {
        let primary = former.primary();
        if !former.recipient_type.is_mailbox() {
            return Err(Failure::refused(format!("{primary} is no mailbox, so nothing of it can be on hold.")));
        }
        if matches!(former.state(), State::Purging | State::Purged | State::StaleAttributes) {
            return Err(Failure::refused(format!("The contents of {primary} are gone: it is {}.", former.lifecycle)));
        }
        let mut next = former.clone();
        by(&mut next, snapshot.organisation(), around.now).map_err(|error| {
            Failure::refused(format!("{primary}: {error}.")).cured_by(format!("franking hold list {primary}"))
        })?;
        next.tidy_provisioning();
        let kept = next.kept(around);
        let mut notes = told(&next, snapshot.organisation(), kept);
        // Nothing keeps it from following its licence any more (spec T5), or from running out (spec T14).
        let waits = matches!(next.state(), State::ActiveWithError | State::Inactive);
        if waits && kept == Kept::NotAtAll {
            let advanced = life::step(&next, Trigger::HoldsEnded, around, Said::default())?;
            notes.extend(life::consequences(&next, &advanced, around));
            next = advanced.recipient;
        }
        Ok((next, format!("{primary} {done}."), notes))
    })
}

/// What keeps it now, for people.
fn told(recipient: &Recipient, organisation: &Organisation, kept: Kept) -> Vec<String> {
    let delay = recipient.provisioning.iter().flat_map(|own| own.holds.placed.iter());
    let delay = delay.into_iter().any(|hold| hold.kind == HoldKind::DelayHold);
    let after = days_after(recipient, organisation)
        .map(|days| format!(", and for {} from when it is deleted", counted_days(days)))
        .unwrap_or_default();
    let mut notes = vec![match kept {
        Kept::NotAtAll => "Nothing keeps its contents any more.".to_owned(),
        Kept::Until(end) => format!("Its contents are kept until {end}."),
        Kept::ForEver => format!("Its contents are kept until somebody lifts the hold{after}."),
    }];
    if delay {
        let primary = recipient.primary();
        notes.push(format!("A delay hold follows the last hold: franking hold drop-delay {primary} takes it away."));
    }
    notes
}

/// For how many days from its deletion a mailbox is kept that its holds keep as long as it is in use; none when one of
/// them keeps it for ever.
fn days_after(recipient: &Recipient, organisation: &Organisation) -> Option<u32> {
    let own = recipient.provisioning.as_deref()?;
    let placed = own.holds.placed.iter().filter(|hold| !hold.kind.is_consequence()).map(|hold| hold.days);
    let policies = organisation.retention_policies.iter();
    let policies = policies.filter(|policy| !own.holds.excluded.contains(&policy.name)).map(|policy| policy.days);
    placed.chain(policies).collect::<Option<Vec<u32>>>()?.into_iter().max()
}

fn counted_days(days: u32) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

pub(super) fn list(office: &Office, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let recipient = identity::find(&snapshot, identity)?;
    let organisation = snapshot.organisation();
    let own = recipient.provisioning.as_deref();
    let time = around(office, &moment, &snapshot).time();
    let placed = own.into_iter().flat_map(|own| own.holds.placed.iter()).map(|hold| HoldView {
        kind: hold.kind.name().to_owned(),
        name: hold.name.to_string(),
        since: Some(hold.since.to_string()),
        days: hold.days,
        until: hold.ends_at(None, time).map(|end| end.to_string()),
    });
    let excluded = |policy: &OrganisationRetention| own.is_some_and(|own| own.holds.excluded.contains(&policy.name));
    let policies = organisation.retention_policies.iter().filter(|_| recipient.recipient_type.is_mailbox());
    let policies = policies.map(|policy| HoldView {
        kind: if excluded(policy) { "excluded from" } else { "organisation policy" }.to_owned(),
        name: policy.name.to_string(),
        since: None,
        days: policy.days,
        until: None,
    });
    let until = match recipient.kept(around(office, &moment, &snapshot)) {
        Kept::NotAtAll => "not on hold".to_owned(),
        Kept::Until(end) => format!("on hold until {end}"),
        Kept::ForEver => "on hold until somebody lifts it".to_owned(),
    };
    Ok(Response::Holds { about: recipient.primary().to_string(), until, holds: placed.chain(policies).collect() })
}

pub(super) fn policies(office: &Office) -> Response {
    let snapshot = office.directory.snapshot();
    let organisation = snapshot.organisation();
    let policies = organisation.retention_policies.iter().map(|policy| HoldView {
        kind: "organisation policy".to_owned(),
        name: policy.name.to_string(),
        since: None,
        days: policy.days,
        until: None,
    });
    let until = "what every mailbox is kept by".to_owned();
    Response::Holds { about: organisation.name.to_string(), until, holds: policies.collect() }
}

fn policy_add(office: &Office, actor: &str, name: &str, days: Option<u32>) -> Result<Response, Failure> {
    let well_formed = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if !well_formed || days == Some(0) {
        return Err(Failure::refused(
            "A policy has a name of 1 to 64 printable characters, and keeps for a day at least.",
        ));
    }
    change(office, actor, |snapshot| {
        let mut organisation = snapshot.organisation().clone();
        let policies = &mut organisation.retention_policies;
        let full = policies.len() >= POLICIES_MAX;
        match policies.iter_mut().find(|policy| policy.name.eq_ignore_ascii_case(name)) {
            Some(policy) => policy.days = days,
            None if full => {
                return Err(Failure::refused(format!(
                    "An organisation has {POLICIES_MAX} retention policies at most."
                )));
            }
            None => policies.push(OrganisationRetention { name: name.into(), days }),
        }
        Ok((vec![Change::PutOrganisation(organisation)], ()))
    })?;
    let message = format!("Every mailbox is kept by \"{name}\" now, but those that are excluded from it.");
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

fn policy_remove(office: &Office, actor: &str, name: &str) -> Result<Response, Failure> {
    change(office, actor, |snapshot| {
        let mut organisation = snapshot.organisation().clone();
        let before = organisation.retention_policies.len();
        organisation.retention_policies.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
        if organisation.retention_policies.len() == before {
            let failure = Failure::not_found(format!("There is no retention policy \"{name}\"."));
            return Err(failure.cured_by("franking hold policy list"));
        }
        Ok((vec![Change::PutOrganisation(organisation)], ()))
    })?;
    let message = format!("Nothing is kept by \"{name}\" any more.");
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}
