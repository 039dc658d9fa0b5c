//! The table of positive replies; refusals have theirs in `policy::refusal`. `fixtures/replies.txt` prints both.
//!
//! The texts are Exchange's, as facts of the protocol (spec section 1.3). The product never calls itself Exchange
//! unless it was told to imitate it (decision D8).

use core::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::mail::{Domain, EnhancedStatus, Reply, Timestamp};

/// Everything the server says that is no refusal.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// On connection.
    Banner {
        /// This server's name.
        hostname: &'a str,
        /// The moment.
        at: Timestamp,
        /// The session's id.
        session_id: &'a str,
        /// In the words of Exchange Online.
        emulated: bool,
    },
    /// To EHLO.
    Extensions {
        /// This server's name.
        hostname: &'a str,
        /// The client's network address.
        peer: IpAddr,
        /// One line per extension.
        keywords: &'a [String],
    },
    /// To HELO.
    Hello {
        /// This server's name.
        hostname: &'a str,
        /// The client's network address.
        peer: IpAddr,
    },
    /// To STARTTLS: the handshake may begin.
    ReadyForTls,
    /// AUTH LOGIN asks for the user name.
    UserName,
    /// AUTH LOGIN asks for the password.
    Password,
    /// AUTH asks for the one response of a mechanism without challenge.
    GoOn,
    /// AUTH says something that the mechanism is to make of what it can.
    Challenge(&'a [u8]),
    /// AUTH succeeded.
    SignedIn,
    /// To MAIL.
    SenderOk,
    /// To RCPT.
    RecipientOk,
    /// To DATA.
    StartMailInput,
    /// To BDAT without LAST: octets of this chunk.
    ChunkReceived(u64),
    /// The message of an account is durable.
    Submitted {
        /// Its Message-ID without brackets.
        message_id: &'a str,
        /// This server's name.
        hostname: &'a str,
    },
    /// The message of another server is durable.
    Queued {
        /// Its Message-ID without brackets; empty when it has none.
        message_id: &'a str,
        /// The queue's name for it.
        queue_id: &'a str,
        /// This server's name.
        hostname: &'a str,
    },
    /// To RSET.
    Resetting,
    /// To NOOP.
    Ok,
    /// To VRFY: addresses are not revealed.
    CannotVerify,
    /// To HELP.
    Help,
    /// To QUIT.
    Closing,
}

impl Answer<'_> {
    /// The reply to send.
    pub fn reply(&self) -> Reply {
        let row = |code, (class, subject, detail), text: &'static str| {
            Reply::new(code, EnhancedStatus(class, subject, detail), text)
        };
        match self {
            Self::Banner { hostname, at, session_id, emulated } => {
                let service = if *emulated { "Microsoft ESMTP MAIL Service" } else { "Franking ESMTP" };
                Reply::plain(220, [format!("{hostname} {service} ready at {} [{session_id}]", at.rfc5322())])
            }
            Self::Extensions { hostname, peer, keywords } => {
                let first = format!("{hostname} Hello {}", literal(*peer));
                Reply::plain(250, core::iter::once(first).chain(keywords.iter().cloned()))
            }
            Self::Hello { hostname, peer } => Reply::plain(250, [format!("{hostname} Hello {}", literal(*peer))]),
            Self::ReadyForTls => row(220, (2, 0, 0), "SMTP server ready"),
            // Base64 of "Username:" and "Password:".
            Self::UserName => Reply::plain(334, ["VXNlcm5hbWU6"]),
            Self::Password => Reply::plain(334, ["UGFzc3dvcmQ6"]),
            Self::GoOn => Reply::plain(334, [""]),
            Self::Challenge(octets) => Reply::plain(334, [STANDARD.encode(octets)]),
            Self::SignedIn => row(235, (2, 7, 0), "Authentication successful"),
            Self::SenderOk => row(250, (2, 1, 0), "Sender OK"),
            Self::RecipientOk => row(250, (2, 1, 5), "Recipient OK"),
            Self::StartMailInput => Reply::plain(354, ["Start mail input; end with <CRLF>.<CRLF>"]),
            Self::ChunkReceived(bytes) => {
                Reply::new(250, EnhancedStatus(2, 6, 0), format!("CHUNK received OK, {bytes} octets"))
            }
            Self::Submitted { message_id, hostname } => {
                Reply::new(250, EnhancedStatus(2, 0, 0), format!("OK <{message_id}> [Hostname={hostname}]"))
            }
            Self::Queued { message_id, queue_id, hostname } => {
                let id = if message_id.is_empty() { String::new() } else { format!("<{message_id}> ") };
                let text = format!("{id}[InternalId={queue_id}, Hostname={hostname}] Queued mail for delivery");
                Reply::new(250, EnhancedStatus(2, 6, 0), text)
            }
            Self::Resetting => row(250, (2, 0, 0), "Resetting"),
            Self::Ok => row(250, (2, 0, 0), "OK"),
            Self::CannotVerify => row(252, (2, 1, 5), "Cannot VRFY user"),
            Self::Help => Reply::plain(
                214,
                [
                    "This server supports the following commands:",
                    "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT",
                ],
            ),
            Self::Closing => row(221, (2, 0, 0), "Service closing transmission channel"),
        }
    }
}

/// `[192.0.2.1]`, also for IPv4 addresses in their IPv6 form; IPv6 without the tag, as the cloud prints it.
fn literal(peer: IpAddr) -> String {
    match peer.to_canonical() {
        address @ IpAddr::V4(_) => Domain::from(address).to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
