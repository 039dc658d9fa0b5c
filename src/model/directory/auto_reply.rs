//! What a mailbox answers by itself while its owner is away (spec section 6.1, `Set-MailboxAutoReplyConfiguration`).
//!
//! Texts have LF line ends. One that begins with a tag is HTML, as Exchange keeps it; any other is plain text. Whoever
//! changes state or texts begins a new history of answered senders: the revision names it, and
//! [`Snapshot::apply`](super::Snapshot::apply) gives it, so that no way of changing a recipient can forget to.

use serde::{Deserialize, Serialize};

use super::change::ChangeError;
use super::recipient::Recipient;
use super::recipient_type::RecipientType;
use crate::model::mail::Timestamp;

/// One text has at most this many octets: both of a mailbox are in memory with the directory.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// The most senders that a mailbox can be told to remember.
pub const SENDERS_MAX: u32 = 100_000;
/// Spec section 6.1: how many senders Exchange remembers.
pub const SENDERS_DEFAULT: u32 = 10_000;

/// `AutoReplyState`, with the period where one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoReplyState {
    /// Nobody is answered.
    #[default]
    Disabled,
    /// Senders are answered until somebody ends it.
    Enabled,
    /// Senders are answered in a period.
    Scheduled {
        /// `StartTime`: the first instant.
        start: Timestamp,
        /// `EndTime`: the first instant after it.
        end: Timestamp,
    },
}

/// `ExternalAudience`: who outside the organisation is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalAudience {
    /// Nobody.
    None,
    /// Senders whom the directory knows: mail contacts, mail users and guests. Exchange asks the contacts folder of the
    /// mailbox, which only its mail client knows; a server of SMTP and Maildirs has no such folder. So this answers
    /// those whom an administrator made known to everybody, which is fewer, and never a stranger.
    Known,
    /// Everybody.
    #[default]
    All,
}

/// `ExternalOofOptions`: what an administrator permits the mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalOofOptions {
    /// Answers to the inside and to the outside.
    #[default]
    External,
    /// Answers to the inside only, whatever the audience says.
    InternalOnly,
}

/// The automatic replies of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoReply {
    /// Whether, and when.
    pub state: AutoReplyState,
    /// `InternalMessage`: to senders of the organisation, plain or HTML; empty answers none of them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub internal_message: Box<str>,
    /// `ExternalMessage`: to senders outside; empty answers none of them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub external_message: Box<str>,
    /// Who outside is answered.
    pub external_audience: ExternalAudience,
    /// What the administrator permits.
    pub external_oof_options: ExternalOofOptions,
    /// The version of the directory in which state or texts were changed last: the name of the history of answered
    /// senders. Not for people, and not exported.
    pub revision: u64,
}

impl AutoReply {
    /// Whether senders are answered at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        match self.state {
            AutoReplyState::Disabled => false,
            AutoReplyState::Enabled => true,
            AutoReplyState::Scheduled { start, end } => start <= now && now < end,
        }
    }

    /// Whether it is what a mailbox has that was never told anything.
    pub fn is_default(&self) -> bool {
        *self == Self { revision: self.revision, ..Self::default() }
    }

    /// Whether a sender who was answered by the one need not be answered by the other: state and texts are the same.
    fn tells_the_same(&self, other: &Self) -> bool {
        self.state == other.state
            && self.internal_message == other.internal_message
            && self.external_message == other.external_message
    }
}

/// A text as it is kept: LF line ends, nothing blank at its end.
pub fn plain_text(given: &str) -> Box<str> {
    given.replace("\r\n", "\n").replace('\r', "\n").trim_end().into()
}

/// Names the history of a recipient that is about to be put in: the former one's as long as state and texts stay.
pub(super) fn date(former: Option<&Recipient>, recipient: &mut Recipient, version: u64) {
    let former = former.and_then(|former| former.auto_reply.as_deref());
    if let Some(next) = recipient.auto_reply.as_deref_mut() {
        let same = former.filter(|former| former.tells_the_same(next));
        next.revision = same.map_or(version, |former| former.revision);
    }
}

/// Judges the automatic replies of a recipient that is about to be put in.
pub(super) fn judge(recipient: &Recipient) -> Result<(), ChangeError> {
    let Some(set) = &recipient.auto_reply else {
        return Ok(());
    };
    let kind = recipient.recipient_type;
    if !may_reply(kind) {
        return Err(ChangeError::NotForThisType { kind: kind.name(), what: "automatic replies" });
    }
    if let AutoReplyState::Scheduled { start, end } = set.state
        && start >= end
    {
        return Err(ChangeError::AutoReplyPeriod);
    }
    for text in [&set.internal_message, &set.external_message] {
        judge_text(text)?;
    }
    // Spec S3-8: the screen for shared mailboxes asks for the internal text first.
    let shared = kind == RecipientType::SharedMailbox;
    if shared && set.internal_message.is_empty() && !set.external_message.is_empty() {
        return Err(ChangeError::AutoReplyInternalMissing);
    }
    Ok(())
}

/// Mailboxes that somebody, or some thing, has: a Microsoft 365 group answers nobody.
pub(super) const fn may_reply(kind: RecipientType) -> bool {
    kind.is_mailbox() && !matches!(kind, RecipientType::GroupMailbox)
}

/// Whether a text can go out: not too long, and without controls but tabs and line ends. What of its markup readers get
/// is decided when a reply is written.
///
/// # Errors
/// `AutoReplyTooLong` and `AutoReplyControls`.
pub fn judge_text(text: &str) -> Result<(), ChangeError> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(ChangeError::AutoReplyTooLong { bytes: text.len(), max: MESSAGE_BYTES_MAX });
    }
    let controls = text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t'));
    if controls { Err(ChangeError::AutoReplyControls) } else { Ok(()) }
}

/// Whether a text is HTML: it begins with a tag. `Set-MailboxAutoReplyConfiguration` takes both and asks for no kind
/// either.
pub fn is_html(text: &str) -> bool {
    const BEGINNINGS: [&str; 21] = [
        "!doctype", "html", "head", "body", "div", "p", "span", "table", "br", "h1", "h2", "h3", "font", "b", "i", "u",
        "strong", "em", "ul", "ol", "center",
    ];
    let Some(tag) = text.trim_start().strip_prefix('<') else { return false };
    if tag.starts_with("!--") {
        return true;
    }
    let name: String = tag.chars().take(9).take_while(|one| one.is_ascii_alphanumeric() || *one == '!').collect();
    let ends = tag.get(name.len()..).is_some_and(|rest| rest.starts_with(['>', '/', ' ', '\t', '\n']));
    ends && BEGINNINGS.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::{AcceptedDomain, Change, DomainType, RecipientId, Snapshot};
    use crate::model::mail::{Address, Domain};

    fn instant(text: &str) -> Timestamp {
        Timestamp::parse_iso8601(text).unwrap()
    }

    fn mailbox(kind: RecipientType, set: AutoReply) -> Change {
        let mut recipient = Recipient::new(RecipientId(1), kind, "ann", Address::parse("ann@contoso.example").unwrap());
        recipient.auto_reply = Some(Box::new(set));
        Change::PutRecipient(Box::new(recipient))
    }

    fn empty() -> Snapshot {
        let domain =
            AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative).as_default();
        Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap()
    }

    fn away(text: &str) -> AutoReply {
        AutoReply { state: AutoReplyState::Enabled, internal_message: text.into(), ..AutoReply::default() }
    }

    #[test]
    fn a_period_has_its_first_instant_and_not_its_last() {
        // Offsets are part of the text and gone from the instant.
        let (start, end) = (instant("2026-12-24T12:00:00+01:00"), instant("2026-12-28T08:00:00Z"));
        let set = AutoReply { state: AutoReplyState::Scheduled { start, end }, ..AutoReply::default() };
        assert!(!set.is_active(instant("2026-12-24T10:59:59.999Z")));
        assert!(set.is_active(instant("2026-12-24T11:00:00Z")));
        assert!(set.is_active(instant("2026-12-28T07:59:59.999Z")));
        assert!(!set.is_active(end));
    }

    #[test]
    fn only_a_change_of_state_or_texts_begins_a_new_history() {
        let revision = |snapshot: &Snapshot| {
            snapshot.recipient(RecipientId(1)).and_then(|found| found.auto_reply.as_ref().map(|set| set.revision))
        };
        let put = |snapshot: &Snapshot, set| snapshot.apply(&[mailbox(RecipientType::UserMailbox, set)]).unwrap();
        let first = put(&empty(), away("Back on Monday."));
        assert_eq!(revision(&first), Some(2));
        // Whatever revision a change claims, the directory gives its own.
        let same = put(&first, AutoReply { revision: 77, ..away("Back on Monday.") });
        assert_eq!(revision(&same), Some(2));
        let audience = AutoReply { external_audience: ExternalAudience::None, ..away("Back on Monday.") };
        assert_eq!(revision(&put(&same, audience)), Some(2));
        assert_eq!(revision(&put(&same, away("Back on Tuesday."))), Some(4));
        let off = put(&same, AutoReply { state: AutoReplyState::Disabled, ..away("Back on Monday.") });
        let on = put(&off, away("Back on Monday."));
        assert_eq!((revision(&off), revision(&on)), (Some(4), Some(5)));
    }

    #[test]
    fn what_cannot_go_out_is_refused() {
        use RecipientType::{GroupMailbox, MailContact, RoomMailbox, SharedMailbox, UserMailbox};
        let refused = |kind, set| empty().apply(&[mailbox(kind, set)]).unwrap_err();
        let external = AutoReply { external_message: "Closed.".into(), ..AutoReply::default() };
        assert_eq!(refused(SharedMailbox, external.clone()), ChangeError::AutoReplyInternalMissing);
        assert!(empty().apply(&[mailbox(UserMailbox, external.clone())]).is_ok());
        let both = AutoReply { internal_message: "Closed.".into(), ..external };
        assert!(empty().apply(&[mailbox(SharedMailbox, both)]).is_ok());
        assert!(empty().apply(&[mailbox(RoomMailbox, away("x"))]).is_ok());
        for text in ["a\u{1b}b", "a\0", "<html>\u{7f}</html>"] {
            assert_eq!(refused(UserMailbox, away(text)), ChangeError::AutoReplyControls, "{text}");
        }
        assert!(empty().apply(&[mailbox(UserMailbox, away("<html><body>Away</body></html>"))]).is_ok());
        let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
        assert!(matches!(refused(UserMailbox, away(&long)), ChangeError::AutoReplyTooLong { .. }));
        let (start, end) = (instant("2026-12-24T12:00:00Z"), instant("2026-12-24T12:00:00Z"));
        let never = AutoReply { state: AutoReplyState::Scheduled { start, end }, ..away("x") };
        assert_eq!(refused(UserMailbox, never), ChangeError::AutoReplyPeriod);
        for kind in [GroupMailbox, MailContact] {
            assert!(matches!(
                refused(kind, away("x")),
                ChangeError::NotForThisType { .. } | ChangeError::ExternalAddressMissing { .. }
            ));
        }
    }

    #[test]
    fn a_text_that_begins_with_a_tag_is_html() {
        for text in ["<html>\n<body>Away", "  <!DOCTYPE html><p>", "<P class=x>Away</P>", "<!-- x -->Away", "<br/>x"] {
            assert!(is_html(text), "{text}");
        }
        for text in ["Away <b>now</b>", "<away>", "<3", "< p>", "<pepper>", "<p", "", "<", "<bob@contoso.example>"] {
            assert!(!is_html(text), "{text}");
        }
    }

    #[test]
    fn texts_are_kept_with_one_kind_of_line_end() {
        assert_eq!(&*plain_text("a\r\nb\rc\n\n \n"), "a\nb\nc");
    }
}
