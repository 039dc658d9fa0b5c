//! What mailboxes hold, as administrators ask for it: exactly, against what they may hold.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, Progress, Used, identity};
use crate::model::directory::{Recipient, RecipientId};
use crate::model::policy::Settings;
use crate::model::policy::quota::{Stage, Thresholds, Usage, thresholds};

/// Mailboxes that can be counted. Everything blocks.
pub trait MailboxDesk: Send + Sync {
    /// What a mailbox holds, after a look at its directories; nothing when it was never made.
    ///
    /// # Errors
    /// A text that says why it cannot be counted.
    fn usage(&self, mailbox: RecipientId) -> Result<Usage, String>;

    /// Counts a mailbox anew, and gives what was known before and what is there.
    ///
    /// # Errors
    /// As [`Self::usage`].
    fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String>;

    /// What a recipient has used up of its limits.
    ///
    /// # Errors
    /// As [`Self::usage`].
    fn used(&self, recipient: RecipientId) -> Result<Used, String>;
}

/// Mailboxes in which there never is anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyMailboxes;

impl MailboxDesk for EmptyMailboxes {
    fn usage(&self, _: RecipientId) -> Result<Usage, String> {
        Ok(Usage::default())
    }

    fn recount(&self, _: RecipientId) -> Result<(Option<Usage>, Usage), String> {
        Ok((Some(Usage::default()), Usage::default()))
    }

    fn used(&self, _: RecipientId) -> Result<Used, String> {
        Ok(Used::default())
    }
}

/// What a mailbox holds and may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxView {
    /// Whose, by primary address.
    pub address: String,
    /// `TotalItemSize` and `ItemCount`.
    #[serde(flatten)]
    pub usage: Usage,
    /// The thresholds that apply, in octets: its own, else those of its licence or of the configuration.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// What follows.
    pub stage: Stage,
    /// What was known before it was counted, where that was something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Usage>,
}

impl MailboxView {
    fn of(recipient: &Recipient, settings: &Settings, usage: Usage, was: Option<Usage>) -> Self {
        let thresholds = thresholds(recipient, settings);
        let stage = thresholds.stage(usage.bytes);
        let was = was.filter(|was| *was != usage);
        Self { address: recipient.primary().to_string(), usage, thresholds, stage, was }
    }
}

/// What the mailbox of a recipient holds; none for a recipient that has none.
///
/// # Errors
/// `Unavailable` when it cannot be counted.
pub(super) fn view(office: &Office, recipient: &Recipient) -> Result<Option<MailboxView>, Failure> {
    if !recipient.recipient_type.is_mailbox() {
        return Ok(None);
    }
    let usage = office.mailboxes.usage(recipient.id).map_err(|error| uncounted(recipient, &error))?;
    Ok(Some(MailboxView::of(recipient, &office.settings, usage, None)))
}

pub(super) fn show(office: &Office, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let recipient = identity::find(&snapshot, identity)?;
    let Some(view) = view(office, recipient)? else {
        return Err(Failure::refused(format!("{} is no mailbox.", recipient.primary())));
    };
    Ok(Response::Mailboxes { mailboxes: vec![view] })
}

/// Counts one mailbox, or all of them, and shows those of which something else was known.
pub(super) fn recount(
    office: &Office,
    identity: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let chosen: Vec<_> = match identity {
        Some(identity) => vec![identity::find(&snapshot, identity)?],
        None => snapshot.recipients().filter(|recipient| recipient.recipient_type.is_mailbox()).collect(),
    };
    let total = chosen.len() as u64;
    let mut mailboxes = Vec::new();
    for (done, recipient) in chosen.into_iter().enumerate() {
        if !recipient.recipient_type.is_mailbox() {
            return Err(Failure::refused(format!("{} is no mailbox.", recipient.primary())));
        }
        progress(Progress { what: format!("counting {}", recipient.primary()), done: done as u64, total });
        let (was, usage) = office.mailboxes.recount(recipient.id).map_err(|error| uncounted(recipient, &error))?;
        let view = MailboxView::of(recipient, &office.settings, usage, Some(was.unwrap_or_default()));
        if identity.is_some() || view.was.is_some() {
            mailboxes.push(view);
        }
    }
    mailboxes.sort_unstable_by(|left, right| left.address.cmp(&right.address));
    Ok(Response::Recounted { counted: total, mailboxes })
}

fn uncounted(recipient: &Recipient, error: &str) -> Failure {
    let failure = Failure::unavailable(format!("The mailbox of {} cannot be counted: {error}", recipient.primary()));
    failure.cured_by("franking check")
}
