//! Deactivation, reconnection and recovery of mailboxes, and the deletion of users (spec section 7.3).

use std::sync::Arc;

use super::failure::Failure;
use super::mailboxes::beyond_unlicensed;
use super::orders::LifeOrder;
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, accounts, change, doubts, holds, identity, licences, life};
use crate::model::directory::lifecycle::life::{Said, Surroundings};
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::provisioning::Provisioning;
use crate::model::directory::{Account, Change, Recipient, RecipientType, Snapshot};

pub(super) fn obey(office: &Office, actor: &str, order: LifeOrder) -> Result<Response, Failure> {
    match order {
        LifeOrder::Disable { identity, permanently } => disable(office, actor, &identity, permanently),
        LifeOrder::Enable { identity } => enable(office, actor, &identity),
        LifeOrder::ForgetPrevious { identity } => forget_previous(office, actor, &identity),
        LifeOrder::Migrated { identity, clear_guid } => migrated(office, actor, &identity, clear_guid),
        LifeOrder::Recover { identity, address, licence } => recover(office, actor, &identity, (&address, &licence)),
        LifeOrder::UserRemove { identity } => user_remove(office, actor, &identity),
        LifeOrder::UserRestore { identity } => user_restore(office, actor, &identity),
        LifeOrder::Expedite { identity } => licences::expedite(office, actor, &identity),
        LifeOrder::Retry { identity } => retry(office, actor, &identity),
        LifeOrder::Hold(order) => holds::obey(office, actor, &order),
        LifeOrder::Plan(edit) => licences::set_plan(office, actor, &edit),
        LifeOrder::LicenseAll { label } => licences::assign_to_all(office, actor, &label),
        LifeOrder::CountUnseenTime => Ok(doubts::count_unseen_time(office, actor)),
        LifeOrder::Confirm { cause } => Ok(doubts::confirm(office, actor, cause)),
    }
}

/// What a plan for one object gives: the object as it is to be, a sentence and notes.
type Planned = (Recipient, String, Vec<String>);

/// How the object that is meant is found.
type Find = for<'snapshot> fn(&'snapshot Snapshot, &str) -> Result<&'snapshot Arc<Recipient>, Failure>;

/// Changes one object as `plan` says, and answers with its sentence.
pub(super) fn one(
    office: &Office,
    actor: &str,
    identity: &str,
    plan: impl FnMut(&Snapshot, &Recipient, Surroundings<'_>) -> Result<Planned, Failure>,
) -> Result<Response, Failure> {
    one_of(office, actor, (identity::find, identity), plan)
}

fn one_of(
    office: &Office,
    actor: &str,
    (find, identity): (Find, &str),
    mut plan: impl FnMut(&Snapshot, &Recipient, Surroundings<'_>) -> Result<Planned, Failure>,
) -> Result<Response, Failure> {
    let moment = Moment::of(office);
    let (_, (message, notes)) = change(office, actor, |snapshot| {
        let former = find(snapshot, identity)?;
        let (next, message, notes) = plan(snapshot, former, around(office, &moment, snapshot))?;
        let changes = if next == **former { Vec::new() } else { vec![Change::PutRecipient(Box::new(next))] };
        Ok((changes, (message, notes)))
    })?;
    Ok(Response::Done { message, notes, password: None })
}

fn disable(office: &Office, actor: &str, identity: &str, permanently: bool) -> Result<Response, Failure> {
    let mut held = None;
    let done = one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        let trigger = if permanently { Trigger::DisablePermanently } else { Trigger::Disable };
        let advanced = life::step(former, trigger, around, Said::default())?;
        // The refusal is recorded, and told as one.
        held = advanced.error.map(|error| {
            Failure::refused(error)
                .cured_by(format!("take the holds away: franking hold list {primary}"))
                .cured_by(format!("or leave it in use: franking lifecycle retry {primary}"))
        });
        let notes = if permanently {
            Vec::new()
        } else {
            let days = life::days(around.periods.disconnected);
            vec![format!("It is kept for {days}: franking mailbox enable {primary} reconnects it.")]
        };
        let message = if permanently {
            format!("The mailbox of {primary} is disabled for good, with all it held.")
        } else {
            format!("The mailbox of {primary} is disconnected: it can neither sign in nor receive.")
        };
        Ok((advanced.recipient, message, notes))
    })?;
    held.map_or(Ok(done), Err)
}

fn enable(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    // Counted before the directory is held for the change: it may take a while.
    let beyond = beyond_unlicensed(office, identity::find(&office.directory.snapshot(), identity)?)?;
    one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        let kind = former.recipient_type;
        if !kind.is_mailbox() && kind != RecipientType::MailUser {
            return Err(Failure::refused(format!("{primary} is a {kind}, which cannot have a mailbox.")));
        }
        let said = Said { beyond_unlicensed: beyond.is_some(), ..Said::default() };
        let advanced = life::step(former, Trigger::Enable, around, said)?;
        if let Some(error) = &advanced.error {
            let message = format!("{primary} waits for its mailbox.");
            return Ok((advanced.recipient, message, vec![error.to_string()]));
        }
        let message = match former.state() {
            State::Disconnected => format!("The mailbox of {primary} is reconnected, with its mail."),
            _ => format!("{primary} has a new, empty mailbox."),
        };
        Ok((advanced.recipient, message, Vec::new()))
    })
}

fn forget_previous(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let recipient = identity::find(&snapshot, identity)?;
    let mut cleanup = None;
    if recipient.state() == State::StaleAttributes {
        cleanup = office.steward.custody.clean_up(recipient.id).err();
    }
    let done = one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        let said = Said { cleanup_fails: cleanup.is_some(), ..Said::default() };
        let trigger = Trigger::ClearPreviousInfo;
        let advanced = super::steward::advance(former, trigger, around, said, cleanup.as_deref())
            .map_err(|error| life::refused(former, trigger, error))?;
        let message = match advanced.step.to {
            State::Purging => format!("The previous mailbox of {primary} is deleted and forgotten."),
            _ => format!("The previous mailbox of {primary} is forgotten."),
        };
        Ok((advanced.recipient, message, Vec::new()))
    })?;
    if let Some(error) = cleanup {
        let failure = Failure::unavailable(format!("The previous mailbox could not be cleared: {error}"));
        return Err(failure.cured_by("franking lifecycle errors"));
    }
    Ok(done)
}

fn migrated(office: &Office, actor: &str, identity: &str, clear_guid: bool) -> Result<Response, Failure> {
    one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        let mut next = life::step(former, Trigger::MigrationCompleted, around, Said::default())?.recipient;
        if clear_guid && let Some(own) = next.provisioning.as_deref_mut() {
            own.exchange_guid = None;
        }
        if next.lifecycle.is_active() {
            // It is reached here now, and no longer at its old place.
            next.external_address = None;
            return Ok((next, format!("{primary} has its mailbox here now."), Vec::new()));
        }
        let note = format!("It has no licence, so it has no mailbox: franking licence assign {primary}");
        Ok((next, format!("{primary} no longer waits for its mailbox."), vec![note]))
    })
}

/// The mailbox of somebody who is gone becomes that of a new user, whose address, login and licence are given (spec
/// T15). Its former addresses stay with it, but for those that somebody else has by now.
fn recover(office: &Office, actor: &str, identity: &str, new: (&str, &str)) -> Result<Response, Failure> {
    let (address, label) = (identity::address("--as", new.0)?, new.1);
    let made = accounts::hashed(office, None, None)?;
    let done = one_of(office, actor, (identity::find_deleted_first, identity), |snapshot, former, around| {
        let primary = former.primary();
        let has_another = |id| id != former.id;
        let mut next = former.clone();
        let mut new_label = None;
        if former.recipient_type.may_have_account() && former.recipient_type == RecipientType::UserMailbox {
            new_label = licences::judge_new(snapshot, label)?;
            licences::seat(snapshot, label)?;
            let mut account = Account::new(address.clone());
            account.password = Some(made.hash.clone());
            account.licences.push(label.into());
            next.account = Some(Box::new(account));
        }
        next.set_primary(address.clone());
        let taken: Vec<_> = former
            .addresses
            .smtp()
            .filter(|own| snapshot.find_by_address(own).is_some_and(|holder| has_another(holder.id)))
            .map(crate::model::mail::Address::key)
            .collect();
        for key in taken {
            next.addresses.remove(&key);
        }
        if snapshot.find_by_name(&next.name).is_some_and(|holder| has_another(holder.id)) {
            next.name = address.to_string().chars().take(64).collect::<String>().as_str().into();
        }
        let conflicts = snapshot.find_by_address(&address).is_some_and(|holder| has_another(holder.id));
        let said = Said { conflicts, ..Said::default() };
        // What is refused is told of what there is, which has not got the new address.
        let next = super::steward::advance(&next, Trigger::Recover, around, said, None)
            .map_err(|error| life::refused(former, Trigger::Recover, error))?
            .recipient;
        // Exchange warns so.
        let mut notes = vec![
            "Single item recovery and retention hold are on for 30 days; litigation hold is not carried over."
                .to_owned(),
            format!("It keeps its former addresses, names, groups and permissions: franking recipient show {address}"),
        ];
        notes.extend(new_label);
        Ok((next, format!("The mailbox of {primary} is that of {address} now."), notes))
    })?;
    Ok(match done {
        Response::Done { message, notes, .. } => Response::Done { message, notes, password: made.generated },
        other => other,
    })
}

/// Deletes the user: the mailbox goes with it as when it is removed, and its addresses and login are free.
fn user_remove(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        if !former.recipient_type.may_have_account() {
            let kind = former.recipient_type;
            let failure = Failure::refused(format!("{primary} is a {kind}, which is no user."));
            return Err(failure.cured_by(format!("franking recipient remove {primary}")));
        }
        deleted(former, around)
    })
}

/// A user that is deleted, and what is told of it.
pub(super) fn deleted(former: &Recipient, around: Surroundings<'_>) -> Result<Planned, Failure> {
    let primary = former.primary();
    if let Some(since) = former.provisioning.as_deref().and_then(|own| own.user_deleted) {
        let failure = Failure::refused(format!("The user {primary} was already deleted at {since}."));
        return Err(failure.cured_by(format!("franking user restore {primary}")));
    }
    let mut next = match former.state() {
        // There is no mailbox to remove; the user can be restored as long as any other.
        State::NoMailbox => former.clone(),
        State::Active | State::ActiveWithError | State::Disconnected => {
            life::step(former, Trigger::Remove, around, Said::default())?.recipient
        }
        // Removed before: the user follows.
        State::SoftDeleted | State::Inactive => former.clone(),
        State::AwaitingMigration | State::Purging | State::StaleAttributes | State::Purged => {
            match life::step(former, Trigger::Remove, around, Said::default()) {
                Ok(advanced) => advanced.recipient,
                Err(_) => former.clone(),
            }
        }
    };
    next.provisioning.get_or_insert_default().user_deleted = Some(around.now);
    let note = if next.state() == State::Inactive {
        format!(
            "Its mailbox is on hold and inactive: it is kept until the last hold ends: franking hold list {primary}"
        )
    } else {
        let days = life::days(around.periods.soft_deleted.min(around.periods.deleted_user));
        format!("It is kept for {days}: franking user restore {primary}")
    };
    let notes = [note].into_iter().chain(life::taken_licences(former, &next)).collect();
    Ok((next, format!("The user {primary} is deleted: it can neither sign in nor receive."), notes))
}

fn user_restore(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    one_of(office, actor, (identity::find_deleted_first, identity), |snapshot, former, around| {
        let primary = former.primary();
        if former.provisioning.as_deref().is_none_or(|own| own.user_deleted.is_none()) {
            let failure = Failure::refused(format!("The user {primary} is not deleted."));
            return Err(failure.cured_by(format!("franking recipient restore {primary}")));
        }
        restored(snapshot, former, around)
    })
}

/// A removed mailbox or a deleted user that comes back.
pub(super) fn restored(snapshot: &Snapshot, former: &Recipient, around: Surroundings<'_>) -> Result<Planned, Failure> {
    let primary = former.primary();
    let conflicts = snapshot.conflict(former).map(|error| {
        let failure = Failure::from(error);
        let failure = Failure { message: format!("{primary} cannot be restored: {}", failure.message), ..failure };
        despite(snapshot, former, failure)
    });
    let said = Said { conflicts: conflicts.is_some(), ..Said::default() };
    let mut next = if former.state() == State::NoMailbox {
        match conflicts {
            None => former.clone(),
            Some(failure) => return Err(failure),
        }
    } else {
        let step = life::step(former, Trigger::Undo, around, said);
        step.map_err(|failure| conflicts.unwrap_or(failure))?.recipient
    };
    if let Some(own) = next.provisioning.as_deref_mut() {
        own.user_deleted = None;
    }
    next.tidy_provisioning();
    if next.lifecycle.is_active() {
        return Ok((next, format!("{primary} is back, with its mail."), Vec::new()));
    }
    let note = if next.state() == State::Disconnected {
        let days = life::days(around.periods.disconnected);
        format!("Its mailbox waits for a licence, and is kept for {days}: franking licence assign {primary}")
    } else {
        format!("It has no mailbox: franking licence assign {primary}")
    };
    Ok((next, format!("{primary} is back."), vec![note]))
}

/// What can be done with a mailbox whose addresses, login or name are somebody else's by now.
fn despite(snapshot: &Snapshot, former: &Recipient, mut failure: Failure) -> Failure {
    let (primary, guid) = (former.primary(), former.exchange_guid());
    let holder = snapshot.find_by_address(primary).filter(|holder| holder.id != former.id);
    if let Some(holder) = holder {
        failure = failure.cured_by(format!("see who has its address: franking recipient show {}", holder.primary()));
    }
    match former.state() {
        State::Inactive => failure
            .cured_by(format!("or give its mailbox another address: franking mailbox recover {guid} --as ADDRESS"))
            .cured_by(format!("or copy what it holds: franking mailbox copy {guid} --to MAILBOX")),
        State::SoftDeleted => {
            failure.cured_by(format!("or copy what it holds: franking mailbox copy {guid} --to MAILBOX"))
        }
        State::NoMailbox
        | State::Active
        | State::ActiveWithError
        | State::AwaitingMigration
        | State::Disconnected
        | State::Purging
        | State::StaleAttributes
        | State::Purged => failure,
    }
}

/// Tries again what an error on the object has stopped (spec S2-10).
fn retry(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    let state = identity::find(&office.directory.snapshot(), identity)?.state();
    if state == State::StaleAttributes {
        return forget_previous(office, actor, identity);
    }
    let mut stands = None;
    let done = one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        let mut next = former.clone();
        let mut notes = Vec::new();
        match state {
            State::ActiveWithError => {
                // What stopped it may be gone; if not, the same is recorded again.
                if let Some(own) = next.provisioning.as_deref_mut() {
                    own.error = None;
                }
                next.tidy_provisioning();
                life::follow(&mut next, around, &mut notes);
            }
            State::AwaitingMigration => {
                let again = life::step(former, Trigger::LicenceAssigned, around, Said::default())?;
                notes.extend(again.error.map(|error| error.to_string()));
                next = again.recipient;
            }
            State::NoMailbox
            | State::Active
            | State::Disconnected
            | State::SoftDeleted
            | State::Inactive
            | State::Purging
            | State::StaleAttributes
            | State::Purged => life::follow(&mut next, around, &mut notes),
        }
        let has_error = former.provisioning.as_deref().is_some_and(|own| own.error.is_some());
        // It is recorded anew, and told as a failure.
        stands = next.provisioning.as_deref().and_then(Provisioning::error_text).map(|error| {
            let failure = Failure::refused(format!("{primary} was tried again, and the error stands: {error}"));
            life::cures(&next).into_iter().fold(failure, Failure::cured_by)
        });
        let is_now = match next.state() {
            State::NoMailbox => "it has no mailbox".to_owned(),
            _ => format!("its mailbox is {}", next.lifecycle),
        };
        let message = if has_error {
            format!("The error of {primary} is gone: {is_now}.")
        } else {
            format!("{primary} has no error: {is_now}.")
        };
        Ok((next, message, notes))
    })?;
    stands.map_or(Ok(done), Err)
}
