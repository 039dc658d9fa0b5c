//! A recipient that waits for a moderator: what was decided, and which recipients an approval led to.
//!
//! It stands in the place of one recipient, from expansion on. Rejected or not decided in time, it ends there.
//! Approved, the expansion goes on below it, and those who are found come after all recipients known before.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::entry::{QueueId, QueueIdError};
use super::target::{Addressee, Hop, Target};
use crate::model::mail::Timestamp;
use crate::model::policy::{Known, Moderated, Waiting};

/// A longer comment is cut, in characters.
pub const COMMENT_CHARACTERS_MAX: usize = 2_000;

/// What a moderator decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Whose decision it is: a moderator's address, or the administrator.
    pub by: Box<str>,
    /// Who entered it: an account of the operating system, or how else it came.
    pub actor: Box<str>,
    /// Words for the sender; may be empty.
    pub comment: Box<str>,
}

impl Decision {
    /// A decision; a comment that is too long is cut.
    pub fn new(at: Timestamp, by: &str, actor: &str, comment: &str) -> Self {
        let comment: String = comment.trim().chars().take(COMMENT_CHARACTERS_MAX).collect();
        Self { at, by: by.into(), actor: actor.into(), comment: comment.into() }
    }
}

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The message goes on to the recipient.
    Approve,
    /// It does not.
    Reject,
}

impl Verdict {
    /// What has happened then.
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }
}

/// What a moderator answered by mail: the beginning of the subject says which way it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which way.
    pub verdict: Verdict,
    /// Words for the sender: what follows a colon, unless it is the request's own subject; may be empty.
    pub comment: Box<str>,
}

impl Answer {
    /// Reads a decoded subject: `Approve`, `Reject: to sales, please`, letter case aside. None for every other, the
    /// `Re:` of an ordinary reply included: what decides is written on purpose.
    pub fn parse(subject: &str) -> Option<Self> {
        let subject = subject.trim();
        let words = [("approve", Verdict::Approve), ("reject", Verdict::Reject)];
        words.into_iter().find_map(|(word, verdict)| {
            let (begin, rest) = subject.split_at_checked(word.len())?;
            let ends = rest.is_empty() || rest.starts_with(':') || rest.starts_with(char::is_whitespace);
            if !begin.eq_ignore_ascii_case(word) || !ends {
                return None;
            }
            let comment = rest.split_once(':').map_or("", |(_, comment)| comment).trim();
            let own = comment.starts_with(REQUEST_SUBJECT);
            Some(Self { verdict, comment: if own { "" } else { comment }.into() })
        })
    }
}

/// How the subject of a request to moderators begins.
pub const REQUEST_SUBJECT: &str = "Approval required:";

/// What is known of a moderated recipient besides its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who moderates, and what expansion needs to go on.
    pub waiting: Waiting,
    /// Since when it waits.
    pub since: Timestamp,
    /// It is given up when nobody has decided by then.
    pub until: Timestamp,
    /// The decision, once there is one.
    pub decision: Option<(Verdict, Decision)>,
    /// The place of the first recipient that the approval led to, once they are known; there may be none.
    pub first_below: Option<u32>,
}

impl Addressee {
    /// The approval that this recipient stands for, if it is moderated.
    pub fn approval(&self) -> Option<&Approval> {
        match &self.hop {
            Hop::Approval(approval) => Some(approval),
            Hop::Mailbox(_) | Hop::Postmaster | Hop::SentItems(_) | Hop::Relay { .. } | Hop::Nowhere => None,
        }
    }

    /// What policy needs to go on below a recipient that was approved.
    pub fn approved(&self) -> Option<Moderated> {
        let waiting = self.approval()?.waiting.clone();
        Some(Moderated {
            path: self.path.clone(),
            address: self.address.clone(),
            reverse_path: self.reverse_path.clone(),
            dsn: self.dsn.clone(),
            resent_from: self.resent_from.clone(),
            waiting,
        })
    }
}

impl Target {
    /// What this recipient comes to, for the expansion below another one; none where that does not matter.
    pub fn known(&self) -> Option<Known> {
        match &self.addressee.hop {
            Hop::Mailbox(id) => Some(Known::Object(*id)),
            Hop::Approval(approval) => Some(Known::Object(approval.waiting.recipient)),
            Hop::Relay { address, .. } => Some(Known::Outside(address.key())),
            Hop::Postmaster => Some(Known::Postmaster),
            Hop::SentItems(_) | Hop::Nowhere => None,
        }
    }
}

/// Names a recipient that waits for a moderator: its message and its place there, as `0019B8E2A4C00000.2`. The id of
/// the message alone names the only one of its recipients that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ApprovalId {
    /// The message.
    pub message: QueueId,
    /// The place; none when there is only one that waits.
    pub place: Option<u32>,
}

/// A text that names no such recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 16 hexadecimal digits, a dot and a number, as `franking moderation list` shows them")]
pub struct ApprovalIdError;

impl From<QueueIdError> for ApprovalIdError {
    fn from(_: QueueIdError) -> Self {
        Self
    }
}

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;

    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let Some((message, place)) = text.split_once('.') else {
            return Ok(Self { message: text.parse()?, place: None });
        };
        let digits = place.bytes().all(|byte| byte.is_ascii_digit());
        let place = if digits { place.parse().ok() } else { None };
        Ok(Self { message: message.parse()?, place: Some(place.ok_or(ApprovalIdError)?) })
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = ApprovalIdError;

    fn try_from(text: String) -> Result<Self, ApprovalIdError> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(formatter, "{}.{place}", self.message),
            None => self.message.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_begins_with_a_decision_and_nothing_else() {
        use Verdict::{Approve, Reject};
        for (subject, expected) in [
            ("Approve", Some((Approve, ""))),
            (" APPROVE: Approval required: Quarterly figures", Some((Approve, ""))),
            ("approve it", Some((Approve, ""))),
            ("Reject:", Some((Reject, ""))),
            ("reject: To sales: please.", Some((Reject, "To sales: please."))),
            ("Re: Approval required: Quarterly figures", None),
            ("Re: Approve", None),
            ("Approved", None),
            ("Rejects: x", None),
            ("", None),
            ("\u{fc}pprove", None),
        ] {
            let found = Answer::parse(subject);
            let found = found.as_ref().map(|answer| (answer.verdict, &*answer.comment));
            assert_eq!(found, expected, "{subject:?}");
        }
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        for text in ["0019B8E2A4C00000.0", "0019B8E2A4C00000.4294967295", "0019B8E2A4C00000"] {
            assert_eq!(text.parse::<ApprovalId>().unwrap().to_string(), text);
        }
        for text in ["", ".", "0019B8E2A4C00000.", "0019B8E2A4C00000.+1", "0019B8E2A4C00000.4294967296", "12.1"] {
            assert_eq!(text.parse::<ApprovalId>(), Err(ApprovalIdError), "{text}");
        }
    }
}
