//! What was deleted from mailboxes on hold, as administrators read it: `Get-RecoverableItems`, and the export of a
//! search. Whoever reads has left an entry in the access log before anything is shown.

use core::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::Side;
use super::failure::Failure;
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, Progress, identity};
use crate::model::directory::Recipient;
use crate::model::directory::lifecycle::hold::Kept;
use crate::model::policy::quota::Usage;
use crate::store::accesses::{Access, AccessKind};
use crate::store::mailbox::{CustodyError, MailboxName};
use crate::world::disk::{Disk as _, RealDisk};

/// An answer lists so many at most, whatever is asked; the next one goes on.
const PAGE_MAX: usize = 5_000;
/// So much of a message is shown; all of it can be exported.
const SHOWN_BYTES_MAX: u64 = 256 << 10;
/// Entries of the access log that are told at once.
const ACCESSES_MAX: usize = 100_000;

/// What is asked about deleted messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecoverableQuestion {
    /// Which there are.
    List {
        /// Those after this one only, for the next page.
        after: Option<String>,
        /// How many at most; 0 means as many as an answer holds.
        limit: usize,
    },
    /// What one says.
    Show {
        /// Its name, as the list tells it.
        item: String,
    },
    /// All that they say, into files.
    Export {
        /// Only these, by name; none means all.
        items: Vec<String>,
        /// The directory, absolute.
        to: PathBuf,
    },
}

/// A message that was deleted from a mailbox on hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverableItem {
    /// What it is called there.
    pub name: String,
    /// When it came, ISO 8601, if its name tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<String>,
    /// Its size as stored, in octets.
    pub bytes: u64,
    /// Its decoded subject.
    pub subject: String,
}

/// Some of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverablePage {
    /// Whose, by primary address.
    pub mailbox: String,
    /// How many there are and what they hold; with the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Usage>,
    /// Some, by name.
    pub items: Vec<RecoverableItem>,
    /// Whether there are more.
    pub more: bool,
    /// Whether anything is kept of the mailbox at all.
    pub on_hold: bool,
}

/// One of them, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverableText {
    /// Whose, by primary address.
    pub mailbox: String,
    /// What it is called.
    pub name: String,
    /// Its size as stored, in octets.
    pub bytes: u64,
    /// Its text, with U+FFFD for octets that are none.
    pub text: String,
    /// Whether there is more of it.
    pub is_cut: bool,
}

/// What an export came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverableExport {
    /// Whose, by primary address.
    pub mailbox: String,
    /// Where the files are.
    pub directory: PathBuf,
    /// Messages that were not there before.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
}

/// Entries of the access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessAudit {
    /// The newest of them, oldest first.
    pub accesses: Vec<Access>,
    /// How many older ones there are.
    pub older: u64,
}

pub(super) fn answer(
    office: &Office,
    actor: &str,
    (identity, is_archive): (&str, bool),
    question: &RecoverableQuestion,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let side = Side::of(identity::find(&snapshot, identity)?, is_archive)?;
    let (recipient, mailbox) = (side.recipient, side.mailbox());
    match question {
        RecoverableQuestion::List { after, limit } => {
            // The later pages are of the same look.
            if after.is_none() {
                record(office, actor, AccessKind::RecoverableListed, recipient, "")?;
            }
            list(office, recipient, &mailbox, after.as_deref(), *limit)
        }
        RecoverableQuestion::Show { item } => {
            // What is not there is not read.
            opened(office, recipient, &mailbox, item)?;
            record(office, actor, AccessKind::RecoverableShown, recipient, item)?;
            show(office, recipient, &mailbox, item)
        }
        RecoverableQuestion::Export { items, to } => {
            outside_of_data(office, to)?;
            items.iter().try_for_each(|item| opened(office, recipient, &mailbox, item).map(drop))?;
            made(to)?;
            record(office, actor, AccessKind::RecoverableExported, recipient, &to.display().to_string())?;
            export(office, recipient, &mailbox, (items, to), progress)
        }
    }
}

/// Leaves an entry about what is going to be done.
pub(super) fn record(
    office: &Office,
    actor: &str,
    kind: AccessKind,
    recipient: &Recipient,
    detail: &str,
) -> Result<(), Failure> {
    let access = Access {
        at: office.clock.now().to_string().into(),
        actor: actor.into(),
        kind,
        mailbox: Some(recipient.id),
        address: recipient.primary().to_string().into(),
        detail: detail.chars().take(1_024).collect::<String>().into(),
    };
    tracing::info!(actor, mailbox = %access.address, detail, "an administrator {}", kind.words());
    office.contents.record(&access).map_err(|error| {
        let message = format!("Nothing is shown, for the access log cannot be written: {error}");
        Failure::unavailable(message).cured_by("franking check")
    })
}

/// The access log, newest entries last.
pub(super) fn accesses(office: &Office, identity: Option<&str>, limit: usize) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    // An object that is gone is still known by the address that it had.
    let found = identity.map(|text| (text.trim(), identity::find(&snapshot, text).ok().map(|found| found.id)));
    let is_meant = |access: &Access| {
        found.is_none_or(|(text, id)| {
            (id.is_some() && id == access.mailbox)
                || access.address.eq_ignore_ascii_case(text)
                || text
                    .strip_prefix('#')
                    .is_some_and(|number| access.mailbox.is_some_and(|own| number == own.to_string()))
        })
    };
    let count = if limit == 0 { ACCESSES_MAX } else { limit.min(ACCESSES_MAX) };
    let (accesses, older) = office.contents.accesses(count, &is_meant).map_err(Failure::unavailable)?;
    Ok(Response::AccessAudit(AccessAudit { accesses, older }))
}

fn list(
    office: &Office,
    recipient: &Recipient,
    mailbox: &MailboxName,
    after: Option<&str>,
    limit: usize,
) -> Result<Response, Failure> {
    let count = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
    let failed = |error: CustodyError| unread(recipient, &error);
    let mut items = office.contents.recoverable(mailbox, after, count.saturating_add(1)).map_err(failed)?;
    let more = items.len() > count;
    items.truncate(count);
    let total = match after {
        None => Some(office.contents.recoverable_usage(mailbox).map_err(failed)?),
        Some(_) => None,
    };
    let items = items.into_iter().map(|message| RecoverableItem {
        name: message.name.into(),
        received_at: message.received_at.map(|at| at.to_string()),
        bytes: message.bytes,
        subject: message.subject,
    });
    let (moment, snapshot) = (Moment::of(office), office.directory.snapshot());
    let on_hold = recipient.kept(around(office, &moment, &snapshot)) != Kept::NotAtAll;
    let mailbox = recipient.primary().to_string();
    Ok(Response::Recoverable(RecoverablePage { mailbox, total, items: items.collect(), more, on_hold }))
}

/// A message that is kept, to be read.
fn opened(
    office: &Office,
    recipient: &Recipient,
    mailbox: &MailboxName,
    item: &str,
) -> Result<Box<dyn crate::world::disk::ReadFile>, Failure> {
    let found = office.contents.recoverable_message(mailbox, item).map_err(|error| unread(recipient, &error))?;
    found.ok_or_else(|| {
        let primary = recipient.primary();
        let shown: String = item.chars().take(80).collect();
        Failure::not_found(format!("Nothing called \"{shown}\" is kept of the mailbox of {primary}."))
            .cured_by(format!("franking mailbox recoverable list {primary}"))
    })
}

fn show(office: &Office, recipient: &Recipient, mailbox: &MailboxName, item: &str) -> Result<Response, Failure> {
    let file = opened(office, recipient, mailbox, item)?;
    let failed = |error: std::io::Error| unread(recipient, &error.into());
    let bytes = file.length().map_err(failed)?;
    let mut octets = vec![0; usize::try_from(bytes.min(SHOWN_BYTES_MAX)).unwrap_or(0)];
    file.read_exact_at(&mut octets, 0).map_err(failed)?;
    let text = String::from_utf8_lossy(&octets).into_owned();
    let (mailbox, is_cut) = (recipient.primary().to_string(), bytes > SHOWN_BYTES_MAX);
    Ok(Response::RecoverableMessage(RecoverableText { mailbox, name: item.to_owned(), bytes, text, is_cut }))
}

fn export(
    office: &Office,
    recipient: &Recipient,
    mailbox: &MailboxName,
    (items, to): (&[String], &Path),
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let primary = recipient.primary();
    let what = format!("exporting what was deleted from {primary}");
    let exported = office.contents.export_recoverable(mailbox, items, to, &mut |done| {
        progress(Progress { what: what.clone(), done: done.bytes, total: 0 });
        ControlFlow::Continue(())
    });
    let done = exported.map_err(|error| {
        Failure::unavailable(format!("The export is not whole: {error}"))
            .cured_by("the same command again: it goes on where it was")
    })?;
    let (mailbox, directory) = (primary.to_string(), to.to_owned());
    Ok(Response::RecoverableExported(RecoverableExport { mailbox, directory, messages: done.files, bytes: done.bytes }))
}

/// Files among the server's own could be taken for such.
fn outside_of_data(office: &Office, to: &Path) -> Result<(), Failure> {
    // Also by way of a symbolic link; of what is not there yet its nearest ancestor tells.
    let real = to.ancestors().find_map(|ancestor| std::fs::canonicalize(ancestor).ok());
    let data = std::fs::canonicalize(&office.data).unwrap_or_else(|_| office.data.clone());
    if !to.is_absolute() || to.starts_with(&data) || real.is_some_and(|real| real.starts_with(&data)) {
        let message = format!("{} is no directory for an export: it is in the data directory.", to.display());
        return Err(Failure::refused(message).cured_by("name another directory: --to DIR"));
    }
    Ok(())
}

/// Nothing is exported where no directory can be, so the access log does not say so.
fn made(to: &Path) -> Result<(), Failure> {
    RealDisk.create_directories(to).map_err(|error| {
        Failure::refused(format!("{} cannot be used for an export: {error}.", to.display()))
            .cured_by("name another directory, in which the server may write: --to DIR")
    })
}

fn unread(recipient: &Recipient, error: &CustodyError) -> Failure {
    let primary = recipient.primary();
    Failure::unavailable(format!("What was deleted from the mailbox of {primary} cannot be read: {error}"))
}
