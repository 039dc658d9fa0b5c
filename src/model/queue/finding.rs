//! What this server says of its own about a delivery: the table of its answers, beside those that other hosts give.
//!
//! They stand in lists, reports and the log. What a disk said names paths of this machine and goes to the log only.

use super::approval::Verdict;
use crate::model::mail::{EnhancedStatus, Reply};

/// An answer of this server about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The copy is durable in its mailbox.
    Delivered,
    /// The copy is durable in the outbox, under this name.
    InOutbox(String),
    /// The file system of the mailboxes is full.
    NoRoom,
    /// The mailbox cannot be written.
    MailboxFailed,
    /// The outbox cannot be written.
    OutboxFailed,
    /// The message cannot be read.
    MessageUnreadable,
    /// The agent gave no answer about the recipient.
    Unsaid,
    /// The copy was forwarded by a mailbox to a remote domain that takes no such mail: it is dropped without a report.
    AutoForwardSuppressed,
    /// Its moderators rejected the message.
    Rejected,
    /// None of its moderators decided in time (spec section 1.5).
    Unapproved,
    /// A moderator's answer by mail is carried out.
    Answered(Verdict),
    /// Such an answer to what does not wait, or not any more.
    AnswerTooLate,
    /// Such an answer by somebody else.
    AnswerOfNoModerator,
    /// Such an answer that decides nothing.
    AnswerUnclear,
    /// No host could be asked, or we noticed ourselves why one cannot take the message; it may pass.
    HostTrouble(EnhancedStatus, String),
    /// The same, for good.
    HostUnfit(EnhancedStatus, String),
    /// A service that does not speak SMTP has taken the message, which it says in these words.
    HostAccepted(String),
}

impl Finding {
    /// The row of the table.
    pub fn reply(self) -> Reply {
        let row = |code, (class, subject, detail), text: &'static str| {
            Reply::new(code, EnhancedStatus(class, subject, detail), text)
        };
        match self {
            Self::Delivered => row(250, (2, 1, 5), "Delivered to the mailbox"),
            Self::InOutbox(name) => {
                Reply::new(250, EnhancedStatus(2, 0, 0), format!("Written to the outbox as {name}"))
            }
            Self::NoRoom => row(452, (4, 3, 1), "There is no room for the mailbox at the moment"),
            Self::MailboxFailed => row(451, (4, 3, 0), "The mailbox cannot be written at the moment"),
            Self::OutboxFailed => row(451, (4, 3, 0), "The outbox cannot be written at the moment"),
            Self::MessageUnreadable => row(451, (4, 3, 0), "The message cannot be read at the moment"),
            Self::Unsaid => row(451, (4, 3, 0), "The delivery ended without an answer for this recipient"),
            // Exchange's words for it; the message trace is where they are read.
            Self::AutoForwardSuppressed => {
                row(250, (2, 1, 5), "RESOLVER.MSGTYPE.AF; handled AutoForward addressed to external recipient")
            }
            Self::Rejected => row(550, (5, 7, 1), "APPROVAL.Rejected; The message was rejected by a moderator"),
            Self::Unapproved => row(550, (5, 6, 0), "APPROVAL.InvalidExpiry; Cannot read expiry policy"),
            Self::Answered(Verdict::Approve) => row(250, (2, 1, 5), "APPROVAL.Approved; The message goes on"),
            Self::Answered(Verdict::Reject) => row(250, (2, 1, 5), "APPROVAL.Rejected; The message is rejected"),
            Self::AnswerTooLate => {
                row(550, (5, 7, 1), "APPROVAL.NotWaiting; The message was decided before, or its time is up")
            }
            Self::AnswerOfNoModerator => row(
                550,
                (5, 7, 1),
                "APPROVAL.NotModerator; Only a moderator of the recipient decides about the message",
            ),
            Self::AnswerUnclear => row(
                550,
                (5, 6, 0),
                "APPROVAL.NoDecision; Begin the subject with Approve or Reject, such as Reject: why",
            ),
            Self::HostTrouble(status, text) => Reply::new(451, status, text),
            Self::HostUnfit(status, text) => Reply::new(550, status, text),
            Self::HostAccepted(text) => Reply::new(250, EnhancedStatus(2, 0, 0), text),
        }
    }
}
