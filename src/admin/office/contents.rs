//! What mailboxes hold, message by message, as administrators deal with it: copied into another mailbox, and what was
//! deleted from those on hold.

use core::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::recoverable::{self, RecoverableQuestion};
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, Progress, identity, life};
use crate::model::directory::lifecycle::life::Said;
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::{Recipient, RecipientId};
use crate::model::policy::quota::{ARCHIVE, Usage, thresholds};
use crate::store::accesses::{Access, AccessKind};
use crate::store::mailbox::{CustodyError, MailboxFailure, MailboxName, Progress as Done, RecoverableMessage, Watch};
use crate::world::disk::ReadFile;

/// Contents of mailboxes. Everything blocks.
pub trait ContentsDesk: Send + Sync {
    /// Copies all that one mailbox holds into another, durably; what is there already is left alone. With `full_at`,
    /// the target takes no more once it holds so many octets. Gives what was not there before.
    ///
    /// # Errors
    /// Those of [`MailboxStore::copy_contents`](crate::store::mailbox::MailboxStore::copy_contents).
    fn copy(
        &self,
        source: &MailboxName,
        target: &MailboxName,
        full_at: Option<u64>,
        watch: Watch<'_>,
    ) -> Result<Done, CustodyError>;

    /// Messages that were deleted from a mailbox on hold, by name: so many at most of those after `after`.
    ///
    /// # Errors
    /// Those of the disk.
    fn recoverable(
        &self,
        mailbox: &MailboxName,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<RecoverableMessage>, CustodyError>;

    /// What they hold in all.
    ///
    /// # Errors
    /// Those of the disk.
    fn recoverable_usage(&self, mailbox: &MailboxName) -> Result<Usage, CustodyError>;

    /// One of them, to be read in parts; none when there is no such.
    ///
    /// # Errors
    /// Those of the disk.
    fn recoverable_message(&self, mailbox: &MailboxName, name: &str)
    -> Result<Option<Box<dyn ReadFile>>, CustodyError>;

    /// Writes them into files of a directory: those that `only` names, or all. Gives what was not there before.
    ///
    /// # Errors
    /// `Interrupted`, and those of the disk.
    fn export_recoverable(
        &self,
        mailbox: &MailboxName,
        only: &[String],
        to: &Path,
        watch: Watch<'_>,
    ) -> Result<Done, CustodyError>;

    /// Adds an entry to the access log, durably.
    ///
    /// # Errors
    /// A text that says what is in the way; then nothing may be shown.
    fn record(&self, access: &Access) -> Result<(), String>;

    /// The newest entries of the access log that are meant, oldest first, and how many more there are.
    ///
    /// # Errors
    /// A text that says what is in the way.
    fn accesses(&self, count_max: usize, is_meant: &dyn Fn(&Access) -> bool) -> Result<(Vec<Access>, u64), String>;
}

/// Mailboxes in which there never is anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContents;

impl ContentsDesk for NoContents {
    fn copy(&self, _: &MailboxName, _: &MailboxName, _: Option<u64>, _: Watch<'_>) -> Result<Done, CustodyError> {
        Ok(Done::default())
    }

    fn recoverable(&self, _: &MailboxName, _: Option<&str>, _: usize) -> Result<Vec<RecoverableMessage>, CustodyError> {
        Ok(Vec::new())
    }

    fn recoverable_usage(&self, _: &MailboxName) -> Result<Usage, CustodyError> {
        Ok(Usage::default())
    }

    fn recoverable_message(&self, _: &MailboxName, _: &str) -> Result<Option<Box<dyn ReadFile>>, CustodyError> {
        Ok(None)
    }

    fn export_recoverable(&self, _: &MailboxName, _: &[String], _: &Path, _: Watch<'_>) -> Result<Done, CustodyError> {
        Ok(Done::default())
    }

    fn record(&self, _: &Access) -> Result<(), String> {
        Ok(())
    }

    fn accesses(&self, _: usize, _: &dyn Fn(&Access) -> bool) -> Result<(Vec<Access>, u64), String> {
        Ok((Vec::new(), 0))
    }
}

/// Something that is done with contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ContentsOrder {
    /// `New-MailboxRestoreRequest`.
    Copy {
        /// The mailbox that is not in use any more.
        source: String,
        /// `-SourceIsArchive`: its archive.
        source_is_archive: bool,
        /// The mailbox in use that gets what it holds.
        target: String,
        /// `-TargetIsArchive`: its archive.
        target_is_archive: bool,
        /// `-AllowLegacyDNMismatch`: they may belong to different users.
        allow_legacy_dn_mismatch: bool,
    },
    /// `Get-RecoverableItems`.
    Recoverable {
        /// The mailbox.
        identity: String,
        /// Its archive.
        is_archive: bool,
        /// What about them.
        question: RecoverableQuestion,
    },
    /// `Search-MailboxAuditLog`: which administrator has read or copied what is in whose mailbox.
    Accesses {
        /// Only of this mailbox.
        identity: Option<String>,
        /// Only the newest so many; 0 means as many as an answer holds.
        limit: usize,
    },
}

impl ContentsOrder {
    /// Whether no mailbox is altered.
    pub(super) const fn only_looks(&self) -> bool {
        match self {
            Self::Copy { .. } => false,
            Self::Recoverable { .. } | Self::Accesses { .. } => true,
        }
    }
}

/// What a copy came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// The mailbox that was copied, by primary address.
    pub source: String,
    /// The mailbox that holds the copies.
    pub target: String,
    /// Messages that were not there before.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
}

pub(super) fn obey(
    office: &Office,
    actor: &str,
    order: &ContentsOrder,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    match order {
        ContentsOrder::Copy {
            source,
            source_is_archive,
            target,
            target_is_archive,
            allow_legacy_dn_mismatch: mismatch_allowed,
        } => {
            let snapshot = office.directory.snapshot();
            let source = Side::of(identity::find_deleted_first(&snapshot, source)?, *source_is_archive)?;
            let target = Side::of(identity::find(&snapshot, target)?, *target_is_archive)?;
            judge(office, &source, &target, *mismatch_allowed)?;
            let into = target.recipient.primary().to_string();
            recoverable::record(office, actor, AccessKind::Copied, source.recipient, &into)?;
            copy(office, &source, &target, progress)
        }
        ContentsOrder::Recoverable { identity, is_archive, question } => {
            recoverable::answer(office, actor, (identity, *is_archive), question, progress)
        }
        ContentsOrder::Accesses { identity, limit } => recoverable::accesses(office, identity.as_deref(), *limit),
    }
}

/// A mailbox that is meant.
pub(super) struct Side<'a> {
    pub(super) recipient: &'a Recipient,
    is_archive: bool,
}

impl<'a> Side<'a> {
    pub(super) fn of(recipient: &'a Recipient, is_archive: bool) -> Result<Self, Failure> {
        let primary = recipient.primary();
        if !recipient.recipient_type.is_mailbox() {
            return Err(Failure::refused(format!("{primary} is no mailbox.")));
        }
        let archive = recipient.provisioning.as_deref().and_then(|own| own.archive);
        if is_archive && archive.is_none() {
            return Err(Failure::refused(format!("The mailbox of {primary} has no archive.")));
        }
        Ok(Self { recipient, is_archive })
    }

    pub(super) fn mailbox(&self) -> MailboxName {
        let id = self.recipient.id;
        if self.is_archive { MailboxName::of_archive(id) } else { MailboxName::of_recipient(id) }
    }
}

/// Whether both ends are what they must be (spec T16).
fn judge(office: &Office, source: &Side<'_>, target: &Side<'_>, mismatch_allowed: bool) -> Result<(), Failure> {
    let (from, to) = (source.recipient, target.recipient);
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let legacy_dn_differs = !mismatch_allowed && !is_the_same_user(from, to);
    let said = Said { legacy_dn_differs, ..Said::default() };
    let trigger = Trigger::CopyContents;
    life::step(from, trigger, around(office, &moment, &snapshot), said)?;
    if !to.has_open_mailbox(moment.settings.licensing()) {
        let primary = to.primary();
        let failure = Failure::refused(format!(
            "The mailbox of {primary} takes no copies: it is {}, and the target must be in use.",
            to.lifecycle
        ));
        return Err(failure.cured_by(format!("franking recipient show {primary}")));
    }
    Ok(())
}

/// Whether a mailbox belongs to the user that another one belonged to: Exchange looks for the legacy distinguished name
/// of the source among those of the target, which are X500 addresses here. Objects that were made here have none, so
/// any address or login that the source was reached by says the same.
fn is_the_same_user(source: &Recipient, target: &Recipient) -> bool {
    let login = source.account.as_deref().map(|account| account.login.key());
    let mut keys = source.addresses.smtp().map(crate::model::mail::Address::key).chain(login);
    let others = source.addresses.other();
    keys.any(|key| target.addresses.smtp().any(|own| own.key() == key))
        || others.iter().any(|other| target.addresses.other().iter().any(|own| own.is(other)))
}

/// Whether source and target are still what they were when the copy began.
fn still_stands(office: &Office, source: RecipientId, target: RecipientId) -> bool {
    let snapshot = office.directory.snapshot();
    let kept = [State::Disconnected, State::SoftDeleted, State::Inactive];
    let licensing = office.settings().licensing();
    snapshot.recipient(source).is_some_and(|source| kept.contains(&source.state()))
        && snapshot.recipient(target).is_some_and(|target| target.has_open_mailbox(licensing))
}

fn copy(
    office: &Office,
    source: &Side<'_>,
    target: &Side<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let (from, to) = (source.recipient, target.recipient);
    let (named, owner) = (from.primary(), to.primary());
    let usage =
        if source.is_archive { office.mailboxes.archive_usage(from.id) } else { office.mailboxes.usage(from.id) };
    let total = usage.map_or(0, |usage| usage.bytes);
    let (snapshot, settings) = (office.directory.snapshot(), office.settings());
    let usual = || thresholds(to, snapshot.organisation(), &settings);
    let thresholds = if target.is_archive { ARCHIVE } else { usual() };
    let full_at = thresholds.prohibit_send_receive;
    let what = format!("copying {named} into {owner}");
    let mut stands = true;
    let copied = office.contents.copy(&source.mailbox(), &target.mailbox(), full_at, &mut |done| {
        progress(Progress { what: what.clone(), done: done.bytes.min(total), total });
        stands = still_stands(office, from.id, to.id);
        if stands { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    stands = stands && still_stands(office, from.id, to.id);
    clear_away(office, to.id)?;
    let again = "the same command again: it goes on where it was";
    let done = match copied {
        Ok(done) if stands => done,
        Ok(_) | Err(CustodyError::Interrupted) if !stands => {
            let message = format!("{named} or {owner} was altered meanwhile, so that nothing more was copied.");
            return Err(Failure::unavailable(message).cured_by(format!("franking recipient show {named}")));
        }
        Err(CustodyError::Failed(MailboxFailure::Full)) => {
            let message = format!("The mailbox of {owner} is full. What was copied until then stays.");
            return Err(Failure::unavailable(message)
                .cured_by(format!("franking recipient set {owner} --quota-receive SIZE"))
                .cured_by(again));
        }
        Ok(done) => done,
        Err(error @ (CustodyError::Itself | CustodyError::OnHold | CustodyError::NotOnHold)) => {
            return Err(Failure::refused(format!("{named} is not copied: {error}.")));
        }
        Err(error @ (CustodyError::Interrupted | CustodyError::Failed(_))) => {
            return Err(Failure::unavailable(format!("{named} is not copied to its end: {error}")).cured_by(again));
        }
    };
    tracing::info!(source = %named, into = %owner, messages = done.files, "a mailbox was copied into another");
    let (source, target) = (named.to_string(), owner.to_string());
    Ok(Response::Copied(CopyReport { source, target, messages: done.files, bytes: done.bytes }))
}

/// A target that was purged while it was copied into may have got some messages after that.
fn clear_away(office: &Office, target: RecipientId) -> Result<(), Failure> {
    let snapshot = office.directory.snapshot();
    let state = snapshot.recipient(target).map_or(State::Purged, |target| target.state());
    match state {
        State::Purged | State::StaleAttributes | State::NoMailbox => {
            office.steward.custody.purge(target).map_err(Failure::unavailable)
        }
        // What is being purged is deleted in any case.
        State::Active
        | State::ActiveWithError
        | State::Disconnected
        | State::SoftDeleted
        | State::Inactive
        | State::AwaitingMigration
        | State::Purging => Ok(()),
    }
}
