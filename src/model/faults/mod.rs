//! Scripted faults: what a server does wrong on purpose, so that an application can be tested against it.
//!
//! A script is a list of rules. A rule names a step, conditions on who talks about what, and what happens there. These
//! promises hold for every script:
//!
//! - A fault strikes only where the server would have said yes: policy is asked first, and no fault lets through what
//!   policy refuses.
//! - No fault says yes: replies of a script refuse. `250` after a message still means that it is durable; the one
//!   exception is named [`Deed::Discard`].
//! - Rules are asked in their order, and the first that is due strikes. The same occasions meet the same faults.
//! - Time and memory are bounded, whatever the script says.
//!
//! Only a rehearsal (`franking demo`, `franking serve --ephemeral`) has a script; see
//! [`Rehearsal`](crate::store::rehearsal::Rehearsal).

mod named;
mod pattern;
mod state;

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use named::{Circumstances, NAMED, Named, Worded, named, named_reply, own_reply};
pub use pattern::{PATTERN_CHARACTERS_MAX, Pattern};
pub use state::{Count, Faults, LOG_MAX, Struck, iso};

use crate::model::mail::{Network, Reply, Timestamp};

/// What the names of rules begin with that were given none; a number follows.
pub const NAMELESS: &str = "fault-";
/// Rules of one script; more are refused.
pub const RULES_MAX: usize = 200;
/// Lines of one scripted reply.
pub const REPLY_LINES_MAX: usize = 20;
/// The longest delay and stall of one fault.
pub const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// The longest pause between two octets of a reply that trickles.
pub const TRICKLE_MAX: Duration = Duration::from_secs(1);

/// Where in a conversation, or after it, a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The connection was taken; nothing was said.
    Connect,
    /// The TLS handshake, after STARTTLS or from the first octet.
    Tls,
    /// Instead of the banner.
    Banner,
    /// The answer to EHLO or HELO.
    Ehlo,
    /// The answer to STARTTLS.
    Starttls,
    /// The end of AUTH, after the credentials proved right.
    Auth,
    /// The answer to MAIL.
    Mail,
    /// The answer to RCPT.
    Rcpt,
    /// The answer to DATA; BDAT has none of its own.
    Data,
    /// While the content comes.
    Content,
    /// The content is there, and nothing is stored.
    EndOfData,
    /// The message is durable, and the client has not heard so.
    Accepted,
    /// The answer to QUIT.
    Quit,
    /// An accepted message is about to be delivered to a mailbox or the outbox.
    Delivery,
}

/// Every step, in the order of the conversation.
pub const STEPS: [Step; 14] = [
    Step::Connect,
    Step::Tls,
    Step::Banner,
    Step::Ehlo,
    Step::Starttls,
    Step::Auth,
    Step::Mail,
    Step::Rcpt,
    Step::Data,
    Step::Content,
    Step::EndOfData,
    Step::Accepted,
    Step::Quit,
    Step::Delivery,
];

impl Step {
    /// Its name in scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Banner => "banner",
            Self::Ehlo => "ehlo",
            Self::Starttls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Content => "content",
            Self::EndOfData => "end-of-data",
            Self::Accepted => "accepted",
            Self::Quit => "quit",
            Self::Delivery => "delivery",
        }
    }

    /// Whether a client is there to be told, slowed down or left alone.
    pub const fn has_client(self) -> bool {
        !matches!(self, Self::Delivery)
    }

    /// Whether the sender is known by then.
    pub const fn knows_sender(self) -> bool {
        match self {
            Self::Mail
            | Self::Rcpt
            | Self::Data
            | Self::Content
            | Self::EndOfData
            | Self::Accepted
            | Self::Delivery => true,
            Self::Connect | Self::Tls | Self::Banner | Self::Ehlo | Self::Starttls | Self::Auth | Self::Quit => false,
        }
    }

    /// Whether recipients are.
    pub const fn knows_recipients(self) -> bool {
        self.knows_sender() && !matches!(self, Self::Mail)
    }

    /// Whether a login can be; on port 25 there never is one.
    pub const fn knows_login(self) -> bool {
        self.has_client() && !matches!(self, Self::Connect | Self::Tls | Self::Banner | Self::Starttls)
    }

    /// Whether a reply may be said there, or stand in a report of failure.
    pub const fn takes_reply(self) -> bool {
        !matches!(self, Self::Connect | Self::Tls | Self::Accepted)
    }

    /// Whether the server says something there that can trickle.
    pub const fn takes_trickle(self) -> bool {
        !matches!(self, Self::Connect | Self::Tls | Self::Content | Self::Delivery)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// By which listener a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Submission with STARTTLS or without TLS (port 587 elsewhere).
    Submission,
    /// Submission with TLS from the first octet (port 465).
    Submissions,
    /// Mail from other servers (port 25).
    Inbound,
}

/// What is wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFault {
    /// The handshake ends with a fatal alert, `handshake_failure`.
    Alert,
    /// The certificate ran out yesterday; the authority is the right one.
    Expired,
    /// The certificate is for another host; the authority is the right one.
    WrongName,
    /// The certificate is signed by an authority that nobody knows.
    UnknownAuthority,
}

/// What a fault does, besides being slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: things take their course, late or slowly.
    Slow,
    /// Says this instead.
    Reply(Words),
    /// Ends the connection without a word.
    Close,
    /// Ends it by a TCP reset.
    Reset,
    /// Says nothing until the client leaves, or this long.
    Stall(Duration),
    /// Spoils the handshake.
    Tls(TlsFault),
    /// Leaves these keywords out of the answer to EHLO.
    Hide(Vec<Box<str>>),
    /// Says `250` and forgets the message.
    Discard,
}

impl Deed {
    /// Its name in scripts, for lists and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Reply(Words::Named(_)) => "refuse",
            Self::Reply(Words::Own(_)) => "reply",
            Self::Close => "drop-close",
            Self::Reset => "drop-reset",
            Self::Stall(_) => "stall",
            Self::Tls(_) => "tls",
            Self::Hide(_) => "hide",
            Self::Discard => "discard",
        }
    }

    /// Whether it can be done at `step`.
    pub const fn fits(&self, step: Step) -> bool {
        match self {
            Self::Slow => true,
            Self::Reply(_) => step.takes_reply(),
            Self::Close | Self::Reset | Self::Stall(_) => step.has_client(),
            Self::Tls(_) => matches!(step, Step::Tls),
            Self::Hide(_) => matches!(step, Step::Ehlo),
            Self::Discard => matches!(step, Step::EndOfData),
        }
    }
}

/// The words of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// Those of this server or of Exchange, by their name.
    Named(&'static Named),
    /// The script's own; it refuses.
    Own(Reply),
}

/// When a rule applies. What is unset applies always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The reverse-path without brackets; `<>` is the null one.
    pub sender: Option<Pattern>,
    /// One of the recipients.
    pub recipient: Option<Pattern>,
    /// The login of the account.
    pub login: Option<Pattern>,
    /// Where the client is.
    pub client: Option<Network>,
    /// The listener's port.
    pub port: Option<u16>,
    /// The listener's kind.
    pub listener: Option<Door>,
    /// The session of this number, counted from when the script was set.
    pub session: Option<u64>,
    /// Each session whose number this divides.
    pub every_session: Option<u64>,
    /// The message of this number in its session.
    pub message: Option<u64>,
    /// Each message whose number this divides.
    pub every_message: Option<u64>,
    /// The piece of the content with the octet of this number.
    pub octets: Option<u64>,
    /// Each piece with an octet whose number this divides.
    pub every_octets: Option<u64>,
}

/// A rule of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in lists and the log.
    pub name: Box<str>,
    /// Where it strikes.
    pub step: Step,
    /// When.
    pub when: Conditions,
    /// So many occasions go by first.
    pub skip: u64,
    /// Then each occasion of so many is struck, beginning with the first; at least 1.
    pub every: u64,
    /// After so many strikes it is exhausted.
    pub times: Option<u64>,
    /// How long everything is held back first.
    pub delay: Duration,
    /// The pause between two octets of what is said next.
    pub trickle: Option<Duration>,
    /// What happens then.
    pub deed: Deed,
}

/// A session, for the conditions on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The number of the session, from when the server began.
    pub session: u64,
    /// The client's network address.
    pub client: IpAddr,
    /// The listener's port.
    pub port: u16,
    /// Its kind.
    pub door: Door,
}

/// A moment at which a fault may strike.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The step.
    pub step: Step,
    /// The session; `None` at a delivery.
    pub visit: Option<Visit>,
    /// The number of the message in its session; 0 where there is none.
    pub message: u64,
    /// The login of the account, where one is signed in.
    pub login: Option<&'a str>,
    /// The reverse-path without brackets, `<>` for the null one.
    pub sender: Option<&'a str>,
    /// The recipients so far; at RCPT the one that it names.
    pub recipients: &'a [String],
    /// Octets of the content before this piece and with it.
    pub octets: (u64, u64),
}

/// Says what goes wrong at an occasion, and counts it.
pub trait FaultSource: fmt::Debug + Send + Sync {
    /// The rule that strikes. Must be quick: the session waits.
    fn strike(&self, now: Timestamp, occasion: &Occasion<'_>) -> Option<std::sync::Arc<Rule>>;
}

impl Conditions {
    /// Whether they hold; `session` is the number that conditions count by.
    fn hold(&self, occasion: &Occasion<'_>, session: u64) -> bool {
        let fits = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.matches(text)))
        };
        let is_in = |wanted: Option<u64>, number: u64| wanted.is_none_or(|wanted| wanted == number);
        let divides = |wanted: Option<u64>, number: u64| {
            wanted.is_none_or(|wanted| number > 0 && number.checked_rem(wanted) == Some(0))
        };
        let of_visit = |holds: &dyn Fn(&Visit) -> bool| occasion.visit.as_ref().is_some_and(holds);
        fits(&self.sender, occasion.sender)
            && fits(&self.login, occasion.login)
            && self.recipient.as_ref().is_none_or(|wanted| occasion.recipients.iter().any(|own| wanted.matches(own)))
            && self.client.is_none_or(|network| of_visit(&|visit| network.contains(visit.client)))
            && self.port.is_none_or(|port| of_visit(&|visit| visit.port == port))
            && self.listener.is_none_or(|door| of_visit(&|visit| visit.door == door))
            && is_in(self.session, session)
            && divides(self.every_session, session)
            && is_in(self.message, occasion.message)
            && divides(self.every_message, occasion.message)
            && self.octets_hold(occasion)
    }

    /// Without a word about octets a rule is asked once, when the first comes.
    fn octets_hold(&self, occasion: &Occasion<'_>) -> bool {
        if occasion.step != Step::Content {
            return true;
        }
        let (before, after) = occasion.octets;
        let has = |octet: u64| before < octet && octet <= after;
        match (self.octets, self.every_octets) {
            (None, None) => has(1),
            (wanted, every) => {
                let passes = |every: u64| before.checked_div(every) < after.checked_div(every);
                wanted.is_none_or(has) && every.is_none_or(passes)
            }
        }
    }
}

#[cfg(test)]
mod tests;
