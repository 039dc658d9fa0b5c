//! Passwords, sign-in, licences and permissions.

use super::edit::account_of;
use super::failure::Failure;
use super::mailboxes::beyond_unlicensed;
use super::request::{PermissionEdit, Secret};
use super::response::{PermissionView, Response};
use super::steward::{Moment, around};
use super::{Office, change, doubts, identity, licences, life, secrets};
use crate::model::directory::{Account, Change, Grant, PasswordHash, Recipient, Right, Snapshot};
use crate::world::password::PASSWORD_BYTES_MAX;
use crate::world::random::{self, PASSWORD_ENTROPY_BITS_MIN};

/// Shorter passwords than this are refused: they are tried in seconds.
const PASSWORD_CHARACTERS_MIN: usize = 8;

pub(super) struct Hashed {
    pub(super) hash: PasswordHash,
    /// The password, when it was made here.
    pub(super) generated: Option<Secret>,
}

/// Hashes a given password, or a new one that devices can type, for an account, if there is one already.
pub(super) fn hashed(office: &Office, given: Option<Secret>, account: Option<&Account>) -> Result<Hashed, Failure> {
    if let Some(given) = &given {
        let characters = given.reveal().chars().count();
        if characters < PASSWORD_CHARACTERS_MIN || given.reveal().len() > PASSWORD_BYTES_MAX {
            let failure = Failure::refused(format!(
                "A password has {PASSWORD_CHARACTERS_MIN} characters or more, and at most {PASSWORD_BYTES_MAX} octets."
            ));
            return Err(failure.cured_by("leave --password-stdin out, and one is made that is easy to type"));
        }
        if given.reveal().chars().any(char::is_control) {
            return Err(Failure::refused("The password has a control character, which no client can type."));
        }
    }
    let generated = given.is_none().then(|| Secret::new(random::password(&*office.random, PASSWORD_ENTROPY_BITS_MIN)));
    let text = given.as_ref().or(generated.as_ref()).map_or("", Secret::reveal);
    let hash = secrets::hashed(office, (text, text), account)
        .map_err(|error| Failure::unavailable(format!("The password could not be hashed: {error}")))?;
    Ok(Hashed { hash, generated })
}

pub(super) fn password(
    office: &Office,
    actor: &str,
    identity: &str,
    given: Option<Secret>,
) -> Result<Response, Failure> {
    // Asked first, so that a misspelt name is not answered after the work of hashing.
    let snapshot = office.directory.snapshot();
    let made = hashed(office, given, identity::find(&snapshot, identity)?.account.as_deref())?;
    let (_, (login, blocked)) = change(office, actor, |snapshot| {
        let mut recipient = Recipient::clone(identity::find(snapshot, identity)?);
        let account = account_of(&mut recipient)?;
        account.password = Some(made.hash.clone());
        let facts = (account.login.clone(), account.sign_in_blocked || !account.enabled);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], facts))
    })?;
    let notes =
        if blocked { vec![format!("Sign-in is still blocked: franking account unblock {login}")] } else { Vec::new() };
    let message = format!("The password of {login} is changed.");
    Ok(Response::Done { message, notes, password: made.generated })
}

pub(super) fn block(office: &Office, actor: &str, identity: &str, blocked: bool) -> Result<Response, Failure> {
    let (_, (message, notes)) = change(office, actor, |snapshot| {
        let mut recipient = Recipient::clone(identity::find(snapshot, identity)?);
        let kind = recipient.recipient_type;
        let licensed = recipient.is_licensed();
        let account = account_of(&mut recipient)?;
        account.sign_in_blocked = blocked;
        // An unblocked account that stayed disabled would still be refused, without anybody seeing why.
        account.enabled |= !blocked;
        let mut notes = Vec::new();
        if !blocked && account.password.is_none() {
            notes.push(format!("It has no password yet: franking account password {}", account.login));
        }
        if !blocked && kind.is_born_blocked() && !licensed {
            notes.push(format!(
                "A {kind} without a licence is refused all the same, unless shared_sign_in is \"unblocked\": \
                 franking licence assign {}",
                account.login
            ));
        }
        let state = if blocked { "blocked" } else { "permitted" };
        let message = format!("Sign-in of {} is {state}.", account.login);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (message, notes)))
    })?;
    Ok(Response::Done { message, notes, password: None })
}

pub(super) fn licence(
    office: &Office,
    actor: &str,
    identity: &str,
    licence: &str,
    assign: bool,
) -> Result<Response, Failure> {
    let label = licence.trim();
    licences::judge_label(label)?;
    let moment = Moment::of(office);
    let beyond = match assign {
        true => None,
        false => beyond_unlicensed(office, identity::find(&office.directory.snapshot(), identity)?)?,
    };
    let (_, (message, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, identity)?;
        let mut recipient = Recipient::clone(former);
        let mut notes = Vec::new();
        let primary = recipient.primary().clone();
        let account = account_of(&mut recipient)?;
        let has = account.licences.iter().any(|own| own.eq_ignore_ascii_case(label));
        match (assign, has) {
            (true, true) => return Ok((Vec::new(), (format!("{primary} already has {label}."), Vec::new()))),
            (true, false) => {
                notes.extend(licences::judge_new(snapshot, label)?);
                licences::seat(snapshot, label)?;
                account.licences.push(label.into());
            }
            (false, true) => account.licences.retain(|own| !own.eq_ignore_ascii_case(label)),
            (false, false) => {
                let failure = Failure::not_found(format!("{primary} has no licence {label}."));
                return Err(failure.cured_by(format!("franking recipient show {primary}")));
            }
        }
        // A user's mailbox lives by its licence: without one it is disconnected (spec T1), with one it is reconnected
        // (spec T18) or made (spec T19). Other types keep their mailboxes.
        life::follow(&mut recipient, around(office, &moment, snapshot), &mut notes);
        notes.extend(doubts::superseded(snapshot, core::iter::once(&recipient)).filter(|_| assign));
        if let Some(size) = beyond.as_deref().filter(|_| recipient.lifecycle.is_active() && !recipient.is_licensed()) {
            notes.push(format!(
                "It holds {size}, and without a licence no more than 50 GB: it can neither send nor receive."
            ));
        }
        let done = if assign {
            format!("{label} is assigned to {primary}.")
        } else {
            format!("{label} is taken from {primary}.")
        };
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (done, notes)))
    })?;
    Ok(Response::Done { message, notes, password: None })
}

pub(super) fn permission(office: &Office, actor: &str, edit: &PermissionEdit) -> Result<Response, Failure> {
    if edit.automapping.is_some() && (edit.right != Right::FullAccess || edit.deny || !edit.grant) {
        return Err(Failure::refused(
            "Outlook opens a mailbox by itself for who is granted full-access, nothing else.",
        ));
    }
    let (_, (message, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, &edit.owner)?;
        let mut owner = Recipient::clone(former);
        let trustee = identity::find(snapshot, &edit.trustee)?;
        let (of, to) = (owner.primary().clone(), trustee.primary());
        let grant = Grant { right: edit.right, trustee: trustee.id, deny: edit.deny };
        let kind = if edit.deny { "deny " } else { "" };
        let has = owner.grants.contains(&grant);
        let message = match (edit.grant, has) {
            (true, true) => format!("{to} already has {kind}{} on {of}.", edit.right),
            (true, false) => {
                owner.grants.push(grant);
                owner.grants.sort_unstable();
                format!("{to} has {kind}{} on {of} now.", edit.right)
            }
            (false, true) => {
                owner.grants.retain(|own| *own != grant);
                format!("{to} no longer has {kind}{} on {of}.", edit.right)
            }
            (false, false) => {
                let failure = Failure::not_found(format!("{to} has no {kind}{} on {of}.", edit.right));
                return Err(failure.cured_by(format!("franking permission list {of}")));
            }
        };
        let notes = automapping(&mut owner, trustee, edit);
        if owner == **former {
            return Ok((Vec::new(), (message, notes)));
        }
        Ok((vec![Change::PutRecipient(Box::new(owner))], (message, notes)))
    })?;
    Ok(Response::Done { message, notes, password: None })
}

/// Keeps the list of those for whom Outlook does not open the mailbox by itself: as asked, and without those who hold
/// nothing any more, so that a later grant begins anew.
fn automapping(owner: &mut Recipient, trustee: &Recipient, edit: &PermissionEdit) -> Vec<String> {
    if edit.automapping == Some(false) && !owner.not_automapped.contains(&trustee.id) {
        owner.not_automapped.push(trustee.id);
        owner.not_automapped.sort_unstable();
    }
    let gone = !owner.trustees(Right::FullAccess, false).any(|holder| holder == trustee.id);
    if edit.automapping == Some(true) || gone {
        owner.not_automapped.retain(|excepted| *excepted != trustee.id);
    }
    let granted = edit.grant && !edit.deny && edit.right == Right::FullAccess;
    if granted && trustee.recipient_type.is_security_principal_group() {
        return vec![
            "Outlook opens the mailbox by itself for nobody in a group: grant full-access to each of them for that."
                .to_owned(),
        ];
    }
    Vec::new()
}

pub(super) fn permissions(snapshot: &Snapshot, identity: &str) -> Result<Response, Failure> {
    let recipient = identity::find(snapshot, identity)?;
    let view = |owner: &Recipient, grant: &Grant| {
        let trustee = snapshot.recipient(grant.trustee)?;
        Some(PermissionView {
            owner: owner.primary().to_string(),
            trustee: trustee.primary().to_string(),
            trustee_type: trustee.recipient_type,
            right: grant.right,
            deny: grant.deny,
            automapping: (grant.right == Right::FullAccess && !grant.deny).then(|| owner.automaps(trustee)),
        })
    };
    let granted = recipient.grants.iter().filter_map(|grant| view(recipient, grant)).collect();
    let owners = snapshot.referrers(recipient.id).iter().filter_map(|id| snapshot.recipient(*id));
    let mut held: Vec<PermissionView> = owners
        .flat_map(|owner| {
            let own = owner.grants.iter().filter(|grant| grant.trustee == recipient.id);
            own.filter_map(|grant| view(owner, grant)).collect::<Vec<_>>()
        })
        .collect();
    held.sort_by(|left, right| (&left.owner, left.right, left.deny).cmp(&(&right.owner, right.right, right.deny)));
    Ok(Response::Permissions { recipient: recipient.primary().to_string(), granted, held })
}
