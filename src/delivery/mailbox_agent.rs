//! The MDA: puts one copy into one local mailbox and says what became of it.
//!
//! The recipient is judged again, since it may have been disabled since the message was expanded. A copy counts as
//! delivered only once its file is durable. Whether the mailbox is full is judged where it is written, one message
//! after another. Its name is a function of queue id and place, so a second delivery changes nothing, and what an
//! earlier attempt has left can be found without one.

use std::sync::Arc;

use crate::model::directory::Snapshot;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::quota::thresholds;
use crate::model::policy::{Refusal, Settings};
use crate::model::queue::{Addressee, Attempt, Finding, Hop, Outcome, QueueId, Sight};
use crate::store::mailbox::{
    Delivery, DeliveryName, Flags, Folder, MailboxFailure, MailboxName, MailboxStore, Message, NameError, Repeat,
    Sought,
};
use crate::store::queue::{StoredBody, StoredMessage};

/// The folder of sent mail, as Exchange and Outlook call it. An IMAP server over these mailboxes tells its clients:
/// Dovecot by `mailbox "Sent Items" { special_use = \Sent }`.
pub const SENT_FOLDER: &str = "Sent Items";

/// Delivers to local mailboxes.
pub struct MailboxAgent {
    mailboxes: Arc<MailboxStore>,
}

/// One copy on its way into a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// The message.
    pub message: &'a StoredMessage,
    /// The recipient's place in the message.
    pub place: u32,
    /// The recipient.
    pub addressee: &'a Addressee,
    /// It may have been delivered before.
    pub repeat_possible: bool,
}

impl MailboxAgent {
    /// An agent for these mailboxes.
    pub const fn new(mailboxes: Arc<MailboxStore>) -> Self {
        Self { mailboxes }
    }

    /// Delivers one copy; the answer comes when its file is durable, or when it is known that it will not be.
    pub async fn deliver(&self, copy: Copy<'_>, snapshot: &Snapshot, settings: &Settings, now: Timestamp) -> Outcome {
        let attempt = |reply| Attempt { at: now, host: None, reply };
        let full_at = match judge(copy.addressee, snapshot, settings) {
            Ok(full_at) => full_at,
            Err(refusal) => return self.refuse(copy, attempt(refusal.bare_reply(settings))).await,
        };
        let delivery = match delivery_of(copy, full_at) {
            Ok(Some(delivery)) => delivery,
            Ok(None) => {
                let gone = Refusal::RecipientNotFound(copy.addressee.address.clone());
                return Outcome::Failed(attempt(gone.bare_reply(settings)));
            }
            Err(error) => {
                tracing::error!(queue_id = %copy.message.id, %error, "a mailbox has no name");
                return Outcome::Deferred(attempt(Finding::MailboxFailed.reply()));
            }
        };
        let delivered = match self.mailboxes.deliver(delivery).await {
            Ok(ticket) => ticket.await,
            Err(failure) => Err(failure),
        };
        match delivered {
            Ok(_) => Outcome::Delivered(attempt(Finding::Delivered.reply())),
            Err(MailboxFailure::Full) => Outcome::Failed(attempt(Refusal::RecipientMailboxFull.bare_reply(settings))),
            Err(failure) => {
                tracing::warn!(queue_id = %copy.message.id, %failure, "a mailbox cannot be written");
                Outcome::Deferred(attempt(refused_by_disk(&failure).reply()))
            }
        }
    }

    /// The outcome for a mailbox that is refused now. It may have been disabled after it got the message.
    async fn refuse(&self, copy: Copy<'_>, refused: Attempt) -> Outcome {
        if !copy.repeat_possible {
            return Outcome::Failed(refused);
        }
        let Copy { message, place, addressee, .. } = copy;
        match self.look(message.id, message.accepted_at, place, addressee, refused.at).await {
            Sight::There(delivered) | Sight::ThereReplyDue(delivered) => Outcome::Delivered(delivered),
            Sight::NotThere => Outcome::Failed(refused),
            Sight::Unclear => Outcome::Deferred(Attempt { reply: Finding::MailboxFailed.reply(), ..refused }),
        }
    }

    /// Looks whether an earlier attempt has put a copy of message `id` into its mailbox, whoever may deliver there now.
    pub async fn look(
        &self,
        id: QueueId,
        accepted_at: Timestamp,
        place: u32,
        addressee: &Addressee,
        now: Timestamp,
    ) -> Sight {
        let found = match sought(id, accepted_at, place, addressee) {
            Ok(Some(sought)) => self.mailboxes.find(sought).await,
            Ok(None) | Err(_) => Ok(None),
        };
        match found {
            Ok(Some(_)) => Sight::There(Attempt { at: now, host: None, reply: Finding::Delivered.reply() }),
            Ok(None) => Sight::NotThere,
            Err(failure) => {
                tracing::error!(queue_id = %id, %failure, "whether a mailbox has a message cannot be seen");
                Sight::Unclear
            }
        }
    }
}

/// With how many octets the mailbox is full.
fn judge(addressee: &Addressee, snapshot: &Snapshot, settings: &Settings) -> Result<Option<u64>, Refusal> {
    let gone = || Refusal::RecipientNotFound(addressee.address.clone());
    match &addressee.hop {
        Hop::Mailbox(id) | Hop::SentItems(id) => {
            let recipient = snapshot.recipient(*id).ok_or_else(gone)?;
            if !recipient.has_open_mailbox(settings.licensing()) {
                return Err(gone());
            }
            Ok(thresholds(recipient, snapshot.organisation(), settings).prohibit_send_receive)
        }
        Hop::Postmaster => Ok(None),
        Hop::Relay { .. } | Hop::Nowhere | Hop::Approval(_) => Err(gone()),
    }
}

/// Where the file of a copy is or will be; none for what does not go into a mailbox.
fn sought(id: QueueId, accepted_at: Timestamp, place: u32, addressee: &Addressee) -> Result<Option<Sought>, NameError> {
    let (mailbox, folder) = match &addressee.hop {
        Hop::Mailbox(id) => (MailboxName::of_recipient(*id), Folder::Inbox),
        Hop::SentItems(id) => (MailboxName::of_recipient(*id), Folder::named(SENT_FOLDER)?),
        Hop::Postmaster => (MailboxName::postmaster(), Folder::Inbox),
        Hop::Relay { .. } | Hop::Nowhere | Hop::Approval(_) => return Ok(None),
    };
    let name = DeliveryName::new(&id.to_string(), place, accepted_at.unix_seconds())?;
    Ok(Some(Sought { mailbox, folder, name }))
}

fn delivery_of(copy: Copy<'_>, full_at: Option<u64>) -> Result<Option<Delivery>, NameError> {
    let Copy { message, place, addressee, repeat_possible } = copy;
    let Some(Sought { mailbox, folder, name }) = sought(message.id, message.accepted_at, place, addressee)? else {
        return Ok(None);
    };
    let sent = matches!(addressee.hop, Hop::SentItems(_));
    // The author's own copy tells who else got the message.
    let mut head = if sent { message.envelope.sent_items().blind().to_vec() } else { trace_lines(addressee) };
    let content = match &message.body {
        StoredBody::Memory(bytes) => Message::Bytes(bytes.clone()),
        StoredBody::File { path, checksum, .. } => Message::File { path: path.clone(), checksum: *checksum },
    };
    head.extend_from_slice(&message.head);
    let flags = if sent { Flags::SEEN } else { Flags::NONE };
    let repeat = if repeat_possible { Repeat::Possible } else { Repeat::Never };
    Ok(Some(Delivery { mailbox, folder, name, head, message: content, flags, repeat, full_at }))
}

/// RFC 5321 section 4.4: the last server writes the reverse-path into the message. The addresses were parsed, so none
/// of them can hold a line end.
fn trace_lines(addressee: &Addressee) -> Vec<u8> {
    let mut lines = match &addressee.reverse_path {
        ReversePath::Null => "Return-Path: <>\r\n".to_owned(),
        ReversePath::Mailbox(address) => format!("Return-Path: <{address}>\r\n"),
    };
    lines.push_str(&format!("Delivered-To: {}\r\n", addressee.address));
    lines.push_str(&resent_line(addressee));
    lines.into_bytes()
}

/// The line that names the mailbox which forwarded a message (spec section 5.1); empty when none did.
pub(super) fn resent_line(addressee: &Addressee) -> String {
    addressee.resent_from.as_ref().map_or_else(String::new, |mailbox| format!("Resent-From: <{mailbox}>\r\n"))
}

/// What the disk said names paths of this machine: it goes to the log, not into reports.
const fn refused_by_disk(failure: &MailboxFailure) -> Finding {
    match failure {
        MailboxFailure::NoRoom { .. } | MailboxFailure::Full => Finding::NoRoom,
        MailboxFailure::Disk { .. } | MailboxFailure::Closed => Finding::MailboxFailed,
        MailboxFailure::Message { .. } => Finding::MessageUnreadable,
    }
}
