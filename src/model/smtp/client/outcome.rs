//! What became of one recipient at another host, with all that a report, a log and a retry need to know.

use core::fmt;

use super::Step;
use super::reply_reader::RemoteReply;
use crate::model::mail::EnhancedStatus;

/// The fate of one recipient in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host has taken responsibility.
    Delivered {
        /// Which host.
        host: Box<str>,
        /// What it said at the end of the message; its text often has the host's own queue id.
        reply: RemoteReply,
        /// Whether the message went over TLS.
        secured: bool,
        /// Whether the report requests were handed on. If not, a wanted report of success is ours to send, with the
        /// action `relayed`.
        dsn_handed_on: bool,
    },
    /// Not now: try again later.
    Deferred(Trouble),
    /// Never: report it.
    Failed(Trouble),
}

impl Outcome {
    /// The outcome that a refusing reply means: 5xx failed, anything else deferred.
    pub(super) fn refused(host: &str, step: Step, reply: RemoteReply) -> Self {
        let failed = reply.is_permanent() && !(step == Step::Rcpt && is_too_many_recipients(&reply));
        let trouble = Trouble::remote(host, step, reply, failed);
        if failed { Self::Failed(trouble) } else { Self::Deferred(trouble) }
    }

    /// Whether the host turned this recipient away only because it had taken enough others: it may take it in a second
    /// transaction at once.
    pub fn is_over_recipient_limit(&self) -> bool {
        match self {
            Self::Deferred(Trouble { cause: Cause::Reply { step: Step::Rcpt, reply }, .. }) => {
                is_too_many_recipients(reply)
            }
            Self::Deferred(_) | Self::Failed(_) | Self::Delivered { .. } => false,
        }
    }
}

/// RFC 5321 section 4.5.3.1.10: 452 says so, and 552 from old hosts means 452. An enhanced status tells a full mailbox
/// (5.2.2) or a size limit (5.3.4) from it.
fn is_too_many_recipients(reply: &RemoteReply) -> bool {
    let said = reply.enhanced().map(|EnhancedStatus(_, subject, detail)| (subject, detail));
    matches!(reply.code(), 452 | 552) && matches!(said, None | Some((5, 3)))
}

/// Why a recipient was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The status for a report; class 4 in what is deferred, class 5 in what failed.
    pub status: EnhancedStatus,
    /// The host that refused or could not be used; `None` when it did not come to a host.
    pub host: Option<Box<str>>,
    /// Who found what.
    pub cause: Cause,
    /// How far the dialogue had come; `None` when it had not begun.
    pub step: Option<Step>,
}

/// Who found what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The host said so.
    Reply {
        /// What it replied to.
        step: Step,
        /// Its words.
        reply: RemoteReply,
    },
    /// We noticed ourselves.
    Local(Box<str>),
}

impl Trouble {
    /// Something we noticed ourselves, at `host` or before it came to one.
    pub fn local(status: EnhancedStatus, host: Option<&str>, text: impl Into<Box<str>>) -> Self {
        Self { status, host: host.map(Into::into), cause: Cause::Local(text.into()), step: None }
    }

    /// The same, noticed at this step of the dialogue.
    #[must_use]
    pub(super) fn at(self, step: Step) -> Self {
        Self { step: Some(step), ..self }
    }

    /// Whether it would have befallen any message: the host could not be found, reached, secured or signed in to.
    pub fn is_of_the_host(&self) -> bool {
        match self.step {
            None | Some(Step::Greeting | Step::Hello | Step::Tls | Step::Auth) => true,
            Some(
                Step::Mail | Step::Rcpt | Step::DataStart | Step::DataBlock | Step::DataEnd | Step::Idle | Step::Quit,
            ) => false,
        }
    }

    /// Whether the host asks to be spared for a while, whatever the message: 421 (RFC 5321 section 3.8), 432 (Exchange:
    /// too many connections of one mailbox), 4.3.2 (RFC 3463: the system accepts no messages now), and of the statuses
    /// below 4.7 those by which large providers throttle: 4.7.0, 4.7.28 (Gmail), 4.7.500 to 4.7.699 (Exchange Online).
    /// 4.7.1 is not among them: that is greylisting, which is about one sender and one recipient.
    pub fn is_throttling(&self) -> bool {
        let Cause::Reply { reply, .. } = &self.cause else { return false };
        let said = reply.enhanced().map(|said| (said.1, said.2));
        let by_status = matches!(said, Some((3, 2) | (7, 0 | 28 | 500..=699)));
        matches!(reply.code(), 421 | 432) || (reply.is_transient() && by_status)
    }

    /// A refusing reply. Its own status is kept, in the class of what we make of it: a host that turns every message
    /// away with 5.7.1 at its greeting gives 4.7.1, since the message waits.
    pub(super) fn remote(host: &str, step: Step, reply: RemoteReply, failed: bool) -> Self {
        let class = if failed { 5 } else { 4 };
        let said = reply.enhanced().filter(|_| !reply.is_success());
        let status = said.map_or(EnhancedStatus(class, 0, 0), |said| EnhancedStatus(class, said.1, said.2));
        let cause = Cause::Reply { step, reply: reply.shortened() };
        Self { status, host: Some(host.into()), cause, step: Some(step) }
    }

    /// The Diagnostic-Code of a report (RFC 3464 section 2.3.6): only what another host really said.
    pub fn diagnostic(&self) -> Option<String> {
        match &self.cause {
            Cause::Reply { reply, .. } => Some(format!("smtp; {reply}")),
            Cause::Local(_) => None,
        }
    }
}

impl fmt::Display for Trouble {
    /// One line for logs and the human part of a report.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(formatter, "{host}: ")?;
        }
        match &self.cause {
            Cause::Reply { step, reply } => write!(formatter, "{reply} (in reply to {})", step.words()),
            Cause::Local(text) => write!(formatter, "{} {text}", self.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusing_reply_keeps_its_own_status_in_the_class_of_what_we_make_of_it() {
        let status = |step, code, text: &str| match Outcome::refused("mx", step, RemoteReply::of(code, text)) {
            Outcome::Failed(trouble) | Outcome::Deferred(trouble) => trouble.status,
            Outcome::Delivered { .. } => panic!(),
        };
        assert_eq!(status(Step::Rcpt, 550, "5.1.1 unknown"), EnhancedStatus(5, 1, 1));
        assert_eq!(status(Step::Rcpt, 550, "unknown"), EnhancedStatus(5, 0, 0));
        assert_eq!(status(Step::Mail, 451, "4.7.1 greylisted"), EnhancedStatus(4, 7, 1));
        assert_eq!(status(Step::DataEnd, 250, "2.6.0 in the wrong place"), EnhancedStatus(4, 0, 0));
        assert_eq!(status(Step::Rcpt, 552, "5.5.3 too many"), EnhancedStatus(4, 5, 3));
    }

    #[test]
    fn a_host_that_asks_for_less_is_told_from_one_that_judges_a_message() {
        let throttles = |step, code, text: &str| match Outcome::refused("mx", step, RemoteReply::of(code, text)) {
            Outcome::Failed(trouble) | Outcome::Deferred(trouble) => trouble.is_throttling(),
            Outcome::Delivered { .. } => panic!(),
        };
        for (code, text) in [
            (421, "too many"),
            (432, "4.3.2 Concurrent connections limit exceeded"),
            (451, "4.7.500 Server busy. Please try again later from [192.0.2.1]."),
            (451, "4.7.0 Temporary server error. Please try again later. PRX4"),
            (450, "4.7.28 unusual rate"),
        ] {
            assert!(throttles(Step::DataEnd, code, text) && throttles(Step::Rcpt, code, text), "{code} {text}");
        }
        for (code, text) in [
            (451, "4.7.1 greylisted"),
            (452, "4.2.2 mailbox full"),
            (450, "busy"),
            (550, "5.7.0 never"),
            (554, "5.7.509 DMARC"),
        ] {
            assert!(!throttles(Step::Rcpt, code, text), "{code} {text}");
        }
    }

    #[test]
    fn too_many_recipients_is_never_final_and_a_full_mailbox_is() {
        let of = |code, text: &str| Outcome::refused("mx", Step::Rcpt, RemoteReply::of(code, text));
        for (code, text) in [(452, "Too many"), (452, "4.5.3 Too many"), (552, "Too many"), (552, "5.5.3 Too many")] {
            let outcome = of(code, text);
            assert!(matches!(outcome, Outcome::Deferred(_)) && outcome.is_over_recipient_limit(), "{code} {text}");
        }
        assert!(matches!(of(552, "5.2.2 mailbox full"), Outcome::Failed(_)));
        assert!(!of(452, "4.2.2 mailbox full").is_over_recipient_limit());
        let at_the_end = Outcome::refused("mx", Step::DataEnd, RemoteReply::of(552, "too large"));
        assert!(matches!(at_the_end, Outcome::Failed(_)));
    }
}
