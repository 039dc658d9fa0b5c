//! The sending side of SMTP: hands messages to another host, one recipient's fate at a time.
//!
//! [`ClientSession`] is a state machine without input or output. The shell around it gives it what the socket gave
//! (`receive`, `closed`, `timed_out`), does what [`ClientSession::poll_action`] says, and passes on blocks of the
//! message when asked. It promises that
//!
//! - every message ends in exactly one [`Action::Finished`] with one [`Outcome`] for each recipient, whatever the peer
//!   sends or withholds;
//! - nothing leaves but strict CRLF lines, dots doubled (RFC 5321 section 4.5.2), and no body is ever completed that
//!   was not whole;
//! - a parameter is sent only if its extension was offered, a password only over TLS unless plain text was chosen, and
//!   a token only over TLS;
//! - a peer's octets are bounded in number and appear in outcomes as printable ASCII.

mod body;
mod command;
mod credentials;
mod extensions;
mod outcome;
mod patience;
mod reply_reader;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

use core::time::Duration;

pub use crate::model::policy::{BodyKind, DsnRequest, Notify, Ret};
pub use body::{BodyEncoder, Framing};
pub use credentials::{Credentials, Secret, TokenMechanism};
pub use outcome::{Cause, Outcome, Trouble};
pub use patience::Patience;
pub use reply_reader::RemoteReply;
pub use session::ClientSession;

use crate::model::mail::{Domain, EnhancedStatus, ForwardPath, ReversePath};

/// What to do about STARTTLS (RFC 3207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Never: clear text was chosen, also for passwords.
    Off,
    /// If it is offered.
    Opportunistic,
    /// Or no mail.
    Required,
    /// The same, because the recipient's domain demands it.
    Demanded {
        /// The status when it is not offered.
        missing: EnhancedStatus,
    },
}

/// How to speak to one host.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The name by which that host appears in outcomes.
    pub host: String,
    /// The name we give in EHLO.
    pub own_name: Domain,
    /// What to do about STARTTLS; without meaning when `implicit_tls` is set.
    pub tls: TlsPolicy,
    /// The stream is encrypted from its first byte (RFC 8314 section 3.3).
    pub implicit_tls: bool,
    /// What to sign in with, where the host wants that.
    pub credentials: Option<Credentials>,
    /// A host that greets with our own name is ourselves, and mail would go round in circles. Not for hosts that the
    /// operator named: a filter on the same machine may go by the same name.
    pub own_loop: bool,
}

/// One message on its way out. The content follows in blocks when the session asks for it.
#[derive(Clone, Debug)]
pub struct OutboundMessage {
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// How long the message is, in octets with CRLF line ends and before dots are doubled.
    pub bytes: u64,
    /// What the content needs of the way.
    pub body: BodyKind,
    /// The header has UTF-8 (RFC 6532). Addresses with UTF-8 are noticed without it.
    pub smtputf8: bool,
    /// How much of the message a report should carry.
    pub ret: Option<Ret>,
    /// ENVID, decoded.
    pub envelope_id: Option<Box<str>>,
    /// The recipients, in the order of the outcomes.
    pub recipients: Vec<OutboundRecipient>,
}

/// One recipient of an outbound message.
#[derive(Clone, Debug)]
pub struct OutboundRecipient {
    /// Where it goes.
    pub path: ForwardPath,
    /// Which reports its sender asked for.
    pub dsn: DsnRequest,
}

/// What the shell has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Write these octets.
    Send(Vec<u8>),
    /// Do the TLS handshake, then call `tls_established` or `tls_failed`.
    StartTls,
    /// Call `body` with the next octets of the message, at most this many.
    NeedBody {
        /// The most octets to give at once.
        bytes_max: usize,
    },
    /// The message is settled.
    Finished(Settlement),
    /// Close the connection: nothing more can be done with it.
    Close,
}

/// What became of one message.
#[derive(Debug, PartialEq, Eq)]
pub struct Settlement {
    /// One for each recipient, in order.
    pub outcomes: Vec<Outcome>,
    /// The host failed before it judged the message: another one may take what is deferred, right now.
    pub another_host: bool,
    /// MAIL was refused, for now or for good.
    pub sender_refused: bool,
    /// What we sign in with was refused for good: the host has not judged the message, and other credentials may do.
    pub sign_in_refused: bool,
}

impl Settlement {
    /// Whether it may be the connection that was refused and not the message: the host gave no verdict, or none but on
    /// MAIL. Some hosts refuse MAIL when they have had enough messages on one connection. Never after a whole message.
    pub const fn is_about_connection(&self) -> bool {
        self.another_host || self.sender_refused
    }
}

/// What the session waits for; each has its own patience (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The greeting.
    Greeting,
    /// The reply to EHLO or HELO.
    Hello,
    /// The reply to STARTTLS, or the handshake.
    Tls,
    /// A reply in the AUTH dialogue.
    Auth,
    /// The reply to MAIL.
    Mail,
    /// The reply to RCPT.
    Rcpt,
    /// The reply to DATA.
    DataStart,
    /// A block of the message to be taken.
    DataBlock,
    /// The reply to the whole message.
    DataEnd,
    /// Nothing: the connection is idle.
    Idle,
    /// The reply to QUIT.
    Quit,
}

impl Step {
    /// How long to wait before giving up, unless an operator says otherwise.
    pub const fn patience(self) -> Duration {
        Patience::USUAL.of(self)
    }

    /// The step in words, for diagnostics: `in reply to …`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Greeting => "connecting",
            Self::Hello => "EHLO",
            Self::Tls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::DataStart => "DATA",
            Self::DataBlock => "sending the message",
            Self::DataEnd => "the end of the message",
            Self::Idle => "nothing",
            Self::Quit => "QUIT",
        }
    }
}
