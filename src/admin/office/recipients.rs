//! New, set, show, list, remove, restore: what `franking recipient` does.

use super::edit::RecipientEdit;
use super::failure::Failure;
use super::mailboxes::beyond_unlicensed;
use super::request::{ListQuery, Secret};
use super::response::Response;
use super::steward::{Moment, around};
use super::view::{RecipientSummary, RecipientView};
use super::{Office, accounts, address_policies, change, identity, licences, life, lives, mailboxes, reconcile};
use crate::model::directory::lifecycle::life::{Said, Surroundings};
use crate::model::directory::lifecycle::machine::{LifecycleError, State, Trigger};
use crate::model::directory::{Change, ChangeError, Filter, Licensing, Lifecycle, Recipient, RecipientType, Snapshot};
use crate::model::policy::Settings;

pub(super) fn create(
    office: &Office,
    actor: &str,
    address: &str,
    kind: RecipientType,
    edit: &RecipientEdit,
    password: Option<Secret>,
) -> Result<Response, Failure> {
    let (primary, nickname) = identity::new_address(&office.directory.snapshot(), address)?;
    if password.is_some() && !kind.may_have_account() {
        return Err(Failure::refused(format!("A {kind} has no account, so it can have no password.")));
    }
    // Shared, room and equipment mailboxes are born without a password that anyone knows (spec S3-3).
    let wanted = password.is_some() || (kind.may_have_account() && !kind.is_born_blocked());
    // Hashed before the directory is locked: it takes tens of milliseconds.
    let made = wanted.then(|| accounts::hashed(office, password, None)).transpose()?;
    let (hash, shown) = made.map_or((None, None), |made| (Some(made.hash), made.generated));
    let moment = Moment::of(office);
    let settings = &moment.settings;
    let (_, (primary, notes)) = change(office, actor, |snapshot| {
        let name = free_name(snapshot, primary.local().as_str(), &primary.to_string());
        let mut recipient = Recipient::new(snapshot.next_id(), kind, name, primary.clone());
        recipient.mail_nickname = nickname.clone().map(Box::new);
        if let Some(account) = recipient.account.as_deref_mut() {
            account.password.clone_from(&hash);
        }
        let plain = recipient.clone();
        let mut notes = edit.apply(snapshot, &mut recipient)?;
        // Who names an address has it, as in Exchange; who names none has what a policy makes of the names.
        let named = address.contains('@') || edit.primary.is_some() || edit.email_address_policy_enabled == Some(false);
        let policy = if named { None } else { address_policies::first(office, snapshot, &mut recipient)? };
        match policy {
            Some(policy) => notes.push(format!("Its addresses are by the email address policy \"{policy}\".")),
            None => {
                unused(snapshot, &recipient)?;
                notes.extend(address_policies::follow(office, snapshot, &plain, &mut recipient, true)?);
            }
        }
        notes.extend(licences::judge_all(snapshot, None, &recipient)?);
        licences::seats(snapshot, None, &recipient)?;
        let around = around(office, &moment, snapshot);
        if kind == RecipientType::UserMailbox && around.licensing == Licensing::Counts {
            // Its mailbox comes with a licence (spec T19).
            recipient.lifecycle = Lifecycle::NoMailbox;
            life::follow(&mut recipient, around, &mut notes);
        }
        notes.extend(advice(&recipient, settings));
        let primary = recipient.primary().clone();
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (primary, notes)))
    })?;
    Ok(Response::Done { message: format!("{primary} is a {kind} now."), notes, password: shown })
}

/// The directory would say the same of an address that somebody has, and not where to look.
fn unused(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), Failure> {
    let address = recipient.primary();
    let Some(holder) = snapshot.find_by_address(address) else {
        return Ok(());
    };
    let (address, name) = (address.clone(), holder.name.clone());
    let failure =
        Failure::refused(ChangeError::ProxyAddressInUse { address, holder: name.as_str().into() }.to_string());
    Err(failure.cured_by(format!("franking recipient show {}", holder.primary())))
}

/// The local part, unless another object has that name: `info` of two domains needs two names (spec S3-14).
fn free_name(snapshot: &Snapshot, local: &str, whole: &str) -> Box<str> {
    let name = if snapshot.find_by_name(local).is_none() { local } else { whole };
    name.chars().take(64).collect::<String>().into()
}

/// What somebody who just made or changed this recipient should know.
fn advice(recipient: &Recipient, settings: &Settings) -> Vec<String> {
    let primary = recipient.primary();
    let mut notes = Vec::new();
    let counts = settings.licensing() == Licensing::Counts;
    if counts && recipient.recipient_type == RecipientType::UserMailbox && !recipient.is_licensed() {
        notes.push(format!(
            "It has no licence, so it can neither submit nor receive: franking licence assign {primary}"
        ));
    }
    if recipient.recipient_type == RecipientType::MailUser {
        notes.push(
            "A mail user has credentials but no mailbox: in the exchange-online profile it cannot submit mail."
                .to_owned(),
        );
    }
    notes
}

pub(super) fn set(office: &Office, actor: &str, identity: &str, edit: &RecipientEdit) -> Result<Response, Failure> {
    if edit.is_empty() {
        return Err(Failure::refused("Nothing to set.").cured_by("franking recipient set --help"));
    }
    let moment = Moment::of(office);
    let settings = &moment.settings;
    let beyond = match edit.recipient_type {
        Some(_) => beyond_unlicensed(office, identity::find(&office.directory.snapshot(), identity)?)?,
        None => None,
    };
    let (_, (primary, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, identity)?;
        let around = around(office, &moment, snapshot);
        let mut recipient = Recipient::clone(former);
        let mut notes = edit.apply(snapshot, &mut recipient)?;
        if former.recipient_type != recipient.recipient_type {
            retyped(former, &mut recipient, around, &mut notes)?;
        }
        if edit.licences.is_some() {
            notes.extend(licences::judge_all(snapshot, Some(former), &recipient)?);
            licences::seats(snapshot, Some(former), &recipient)?;
            life::follow(&mut recipient, around, &mut notes);
        }
        if edit.recipient_type.is_some() {
            licensed_enough(former, &recipient, settings)?;
            notes.extend(licence_of_the_former_user(former, &recipient, beyond.as_deref())?);
            notes.extend(advice(&recipient, settings));
        }
        notes.extend(address_policies::follow(office, snapshot, former, &mut recipient, edit.alters_names())?);
        let primary = recipient.primary().clone();
        if recipient == **former {
            return Ok((Vec::new(), (primary, vec!["It already was so.".to_owned()])));
        }
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (primary, notes)))
    })?;
    Ok(Response::Done { message: format!("{primary} is set."), notes, password: None })
}

/// What a change of type means for the mailbox: one that is in use is converted (spec T22), and whoever had none gets
/// one where no licence is wanting.
fn retyped(
    former: &Recipient,
    recipient: &mut Recipient,
    around: Surroundings<'_>,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let (was, kind) = (former.recipient_type, recipient.recipient_type);
    if was.is_mailbox() {
        in_use(former)?;
        if former.state() == State::ActiveWithError {
            return Err(life::refused(former, Trigger::Convert, LifecycleError::Frozen));
        }
    } else if kind.is_mailbox() && (kind != RecipientType::UserMailbox || around.licensing == Licensing::Ignored) {
        *recipient = life::step(recipient, Trigger::Enable, around, Said::default())?.recipient;
    }
    if kind.is_mailbox() && !was.is_mailbox() {
        life::follow(recipient, around, notes);
        if recipient.lifecycle.is_active() {
            notes.push("It has a mailbox of its own now; mail no longer goes to the external address.".to_owned());
        }
    }
    Ok(())
}

/// Only a mailbox in use becomes one of another type.
fn in_use(former: &Recipient) -> Result<(), Failure> {
    // A user without licence has nothing that could be converted, and nothing that could be lost.
    if former.lifecycle.is_active() || former.lifecycle == Lifecycle::NoMailbox {
        return Ok(());
    }
    let (primary, state) = (former.primary(), former.lifecycle);
    let failure = Failure::refused(format!("The mailbox of {primary} is not in use: it is {state}."));
    Err(failure.cured_by(format!("franking recipient show {primary}")))
}

/// Makes a mailbox one of another type, as `Set-Mailbox -Type` does (spec T22): contents, addresses, permissions and
/// forwarding stay as they are.
///
/// A user's mailbox that holds more than 50 GB keeps a licence whatever it becomes.
pub(super) fn convert(office: &Office, actor: &str, identity: &str, kind: RecipientType) -> Result<Response, Failure> {
    let moment = Moment::of(office);
    let settings = &moment.settings;
    // Counted before the directory is held for the change: it may take a while.
    let beyond = beyond_unlicensed(office, identity::find(&office.directory.snapshot(), identity)?)?;
    let (_, (primary, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, identity)?;
        let (primary, was) = (former.primary().clone(), former.recipient_type);
        if !was.is_mailbox() || was == RecipientType::GroupMailbox {
            return Err(Failure::refused(format!("{primary} is a {was}, and only mailboxes are converted.")));
        }
        if was == kind {
            return Ok((Vec::new(), (primary, vec!["It already was so.".to_owned()])));
        }
        let mut recipient = Recipient::clone(former);
        let edit = RecipientEdit { recipient_type: Some(kind), ..RecipientEdit::default() };
        let mut notes = edit.apply(snapshot, &mut recipient)?;
        retyped(former, &mut recipient, around(office, &moment, snapshot), &mut notes)?;
        licensed_enough(former, &recipient, settings)?;
        notes.extend(licence_of_the_former_user(former, &recipient, beyond.as_deref())?);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (primary, notes)))
    })?;
    Ok(Response::Done { message: format!("{primary} is a {kind} now."), notes, password: None })
}

/// What becomes of the licence of a mailbox that was a user's and is to be somebody's no more (spec T22).
fn licence_of_the_former_user(
    former: &Recipient,
    recipient: &Recipient,
    beyond: Option<&str>,
) -> Result<Option<String>, Failure> {
    let (primary, kind) = (recipient.primary(), recipient.recipient_type);
    if former.recipient_type != RecipientType::UserMailbox || kind == RecipientType::UserMailbox || !kind.is_mailbox() {
        return Ok(None);
    }
    Ok(match (beyond, recipient.is_licensed()) {
        (Some(size), true) => Some(format!(
            "It holds {size}, and beyond 50 GB a {kind} needs a licence as well: without one it could neither send nor \
             receive."
        )),
        (Some(size), false) => {
            let text = format!("{primary} holds {size}, and beyond 50 GB a {kind} needs a licence.");
            return Err(Failure::refused(text).cured_by(format!("franking licence assign {primary}")));
        }
        (None, true) => Some(format!(
            "Up to 50 GB it needs no licence: franking licence remove {primary} takes one away, and the mailbox stays."
        )),
        (None, false) => None,
    })
}

/// A mailbox that becomes a user's needs a licence first, where licences count: without one it would close (spec T22).
fn licensed_enough(former: &Recipient, recipient: &Recipient, settings: &Settings) -> Result<(), Failure> {
    let becomes_user = former.recipient_type.is_mailbox()
        && former.recipient_type != RecipientType::UserMailbox
        && recipient.recipient_type == RecipientType::UserMailbox;
    if !becomes_user || settings.licensing() == Licensing::Ignored || recipient.is_licensed() {
        return Ok(());
    }
    let primary = recipient.primary();
    let failure = Failure::refused(format!("{primary} needs a licence to become a UserMailbox."));
    Err(failure.cured_by(format!("franking licence assign {primary}")))
}

pub(super) fn show(office: &Office, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let recipient = identity::find(&snapshot, identity)?;
    let mailbox = mailboxes::view(office, recipient)?;
    Ok(Response::Recipient(Box::new(RecipientView::of(recipient, &snapshot, &office.settings(), mailbox))))
}

pub(super) fn list(snapshot: &Snapshot, settings: &Settings, query: &ListQuery) -> Result<Response, Failure> {
    let filter = query
        .filter
        .as_deref()
        .map(|text| Filter::parse(text).map_err(|error| Failure::refused(format!("--filter: {error}"))))
        .transpose()?;
    let text = query.text.as_deref().map(str::to_lowercase);
    let mut found: Vec<_> = snapshot
        .recipients()
        .filter(|recipient| query.recipient_type.is_none_or(|kind| kind == recipient.recipient_type))
        .filter(|recipient| filter.as_ref().is_none_or(|filter| filter.matches(recipient)))
        .filter(|recipient| text.as_deref().is_none_or(|text| mentions(recipient, text)))
        .map(|recipient| (recipient.primary().key(), recipient))
        .collect();
    found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let total = found.len();
    let limit = if query.limit == 0 { total } else { query.limit };
    let recipients =
        found.into_iter().take(limit).map(|(_, recipient)| RecipientSummary::of(recipient, settings)).collect();
    Ok(Response::Recipients { total, recipients })
}

/// Whether an address, a name or the login holds `text`, which is in lower case.
fn mentions(recipient: &Recipient, text: &str) -> bool {
    let holds = |own: &str| own.to_lowercase().contains(text);
    holds(&recipient.name)
        || recipient.display_name.as_deref().is_some_and(holds)
        || recipient.addresses.smtp().any(|address| holds(&address.to_string()))
        || recipient.account.as_deref().is_some_and(|account| holds(&account.login.to_string()))
}

/// What `recipient remove` does besides: the object of a user goes with the mailbox, or the mailbox goes for good.
pub(super) fn remove(office: &Office, actor: &str, identity: &str, permanently: bool) -> Result<Response, Failure> {
    let moment = Moment::of(office);
    let (_, (id, message, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, identity)?;
        let (id, primary) = (former.id, former.primary());
        let around = around(office, &moment, snapshot);
        if permanently || !former.recipient_type.is_mailbox() {
            let message = format!("{primary} is removed for good, with its permissions and memberships.");
            return Ok((vec![removed_for_good(former, around)?], (id, message, Vec::new())));
        }
        if let Lifecycle::SoftDeleted { since } = former.lifecycle {
            let failure = Failure::refused(format!("{primary} was already removed at {since}."));
            let failure = failure.cured_by(format!("franking recipient restore {primary}"));
            return Err(failure.cured_by(format!("or delete its mail now: {}", for_good(former))));
        }
        if former.state() == State::NoMailbox {
            let failure = Failure::refused(format!("{primary} has no mailbox that could be removed."));
            return Err(failure.cured_by(for_good(former)));
        }
        // In the cloud Exchange's own page has it so, and the vendor's other pages not (spec section 7.5, L1). A server
        // on premises deletes the account with the mailbox, and nobody signs in with a deleted account.
        let cascades = snapshot.organisation().remove_mailbox_deletes_user || around.licensing == Licensing::Ignored;
        if cascades && former.account.is_some() {
            let (next, message, notes) = lives::deleted(former, around)?;
            return Ok((vec![Change::PutRecipient(Box::new(next))], (id, message, notes)));
        }
        let next = life::step(former, Trigger::Remove, around, Said::default())?.recipient;
        let message = format!("{primary} is removed: it can neither sign in nor receive.");
        let notes = kept(former, &next, around);
        Ok((vec![Change::PutRecipient(Box::new(next))], (id, message, notes)))
    })?;
    if permanently {
        // What can be deleted is gone before this is answered.
        reconcile(office);
        if let Some(left) = office.directory.snapshot().recipient(id) {
            let failure = Failure::unavailable(format!(
                "The mailbox of {} is being purged, and something is in the way; it is tried again.",
                left.primary()
            ));
            return Err(failure.cured_by("franking lifecycle errors"));
        }
    }
    Ok(Response::Done { message, notes, password: None })
}

/// The change that ends an object: at once where it has no mailbox, else when its contents are deleted (spec T12).
fn removed_for_good(former: &Recipient, around: Surroundings<'_>) -> Result<Change, Failure> {
    if !former.recipient_type.is_mailbox() {
        return Ok(Change::RemoveRecipient(former.id));
    }
    let mut next = match former.state() {
        State::Purging => former.clone(),
        _ => life::step(former, Trigger::RemovePermanently, around, Said::default())?.recipient,
    };
    // With its user, so that the object goes as soon as nothing is left of the mailbox.
    next.provisioning.get_or_insert_default().user_deleted = Some(around.now);
    Ok(Change::PutRecipient(Box::new(next)))
}

fn for_good(recipient: &Recipient) -> String {
    format!("franking recipient remove {} --permanently", recipient.primary())
}

/// How long a removed mailbox is kept, and what can be done about it.
fn kept(former: &Recipient, next: &Recipient, around: Surroundings<'_>) -> Vec<String> {
    let primary = next.primary();
    let mut notes = if next.state() == State::Inactive {
        vec![
            format!("It is on hold: its contents are kept until the last hold ends: franking hold list {primary}"),
            format!("It is brought back with: franking recipient restore {primary}"),
        ]
    } else {
        let days = life::days(around.periods.soft_deleted);
        vec![
            format!("It is kept for {days}: franking recipient restore {primary}"),
            format!("Its addresses stay taken until then. To delete its mail and free them now: {}", for_good(next)),
        ]
    };
    notes.extend(life::taken_licences(former, next));
    notes
}

pub(super) fn restore(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    lives::one(office, actor, identity, |snapshot, former, around| {
        let primary = former.primary();
        if !life::is_deleted(former.state()) {
            return Err(Failure::refused(format!("{primary} is not removed, so there is nothing to restore.")));
        }
        lives::restored(snapshot, former, around)
    })
}
