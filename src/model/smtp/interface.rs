//! What goes into a session and what comes out: the whole contract between [`Session`](super::Session) and its shell.
//!
//! The shell owns the socket, the clock, the password check and the disk, and has no opinion about mail. It hands
//! [`Input`]s in, drains [`Action`]s, and does not hand bytes in while the session waits for something else.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::limits::Limits;
use crate::model::mail::Domain;
use crate::model::policy::connector::{Client, ClientCertificate};
use crate::model::policy::scram::{ScramProof, ScramSecrets};
use crate::model::policy::{Envelope, Evidence, Proof, Refusal, Settings, SubmitAs};

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Ports 587 and 465: accounts hand in mail.
    Submission,
    /// Port 25: other servers deliver mail for this organisation.
    Inbound,
}

/// What the handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The protocol version, for example `TLS1_3`; printed into the trace header after sanitising.
    pub version: Box<str>,
    /// The cipher suite, for example `TLS_AES_256_GCM_SHA384`; printed into the trace header after sanitising.
    pub cipher: Box<str>,
    /// The server name the client asked for.
    pub sni: Option<Box<str>>,
    /// The certificate that the client showed, when it was asked for one and it counts.
    pub client: Option<Box<ClientCertificate>>,
}

/// How a session begins as to TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsState {
    /// There is no certificate: STARTTLS is not offered.
    Unavailable,
    /// STARTTLS is offered.
    Offered,
    /// TLS is on: after the handshake, or from the start on port 465.
    Active(TlsFacts),
}

/// Everything a session is told when it begins.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the listener is for.
    pub role: Role,
    /// This server's name, in banner, EHLO answer, trailers and trace.
    pub hostname: Box<str>,
    /// 16 upper-case hexadecimal digits, unique per session: client and server logs meet in it.
    pub session_id: Box<str>,
    /// The client's network address.
    pub peer: IpAddr,
    /// The client's name as verified by forward and reverse lookup, when there is one.
    pub peer_name: Option<Domain>,
    /// Whether TLS can be, or is, in use.
    pub tls: TlsState,
    /// AUTH is offered in clear text, too: only for a named private network (decision D8).
    pub auth_without_tls: bool,
    /// Banner, EHLO list and mechanisms are those of Exchange Online (decision D8).
    pub emulate_exchange_online: bool,
    /// What SCRAM needs of this server.
    pub scram: ScramSecrets,
    /// The semantics profile with its overrides.
    pub settings: Arc<Settings>,
    /// Bounds of one session.
    pub limits: Limits,
}

impl SessionOptions {
    /// The client, as connectors see it.
    pub(super) fn client(&self) -> Client<'_> {
        let facts = match &self.tls {
            TlsState::Active(facts) => Some(facts),
            TlsState::Unavailable | TlsState::Offered => None,
        };
        let certificate = facts.and_then(|facts| facts.client.as_deref());
        Client { peer: self.peer, has_tls: facts.is_some(), certificate }
    }
}

/// What a client showed to sign in. Debug output hides what is secret; dropping it clears it.
pub struct Credentials {
    /// The login as the client typed it, at most 320 characters, without control characters. Empty when a token alone
    /// says who it is.
    pub login: String,
    /// The proof.
    pub presented: Presented,
}

/// What is to prove a login.
pub enum Presented {
    /// A password, or the secret of a device.
    Password(Zeroizing<String>),
    /// A bearer token (RFC 6750), without its scheme.
    Token(Zeroizing<String>),
    /// The proof of SCRAM-SHA-256, from which no password can be read.
    Scram(ScramProof),
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Password(_) => "Password(hidden)",
            Self::Token(_) => "Token(hidden)",
            Self::Scram(_) => "Scram(hidden)",
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}

/// How the check of credentials ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They were checked.
    Judged(Evidence),
    /// They were right, and said by themselves who it is.
    Identified {
        /// What they prove.
        proof: Proof,
        /// The login.
        login: String,
    },
    /// They could not be checked now: `454 4.7.0`.
    TemporaryFailure,
}

/// A message that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedAs {
    /// The queue's name for it.
    pub queue_id: String,
}

/// Why a message could not be made durable, or may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitFailure {
    /// The store failed in a way that may pass: `451 4.7.0`.
    Temporary,
    /// There is no room: `452 4.3.1`.
    NoRoom,
    /// A rule that only the store can count: quotas, rates, sessions of one account.
    Refused(Refusal),
}

/// What the shell tells the session.
#[derive(Debug)]
pub enum Input<'a> {
    /// Octets from the client. Only while [`Waiting::Bytes`].
    Received(&'a [u8]),
    /// The handshake after [`Action::StartTls`] is done. A failed handshake ends the connection instead.
    TlsEstablished(TlsFacts),
    /// The answer to [`Action::CheckCredentials`].
    CredentialsJudged(Verdict),
    /// The answer to [`Action::Commit`].
    Committed(Result<QueuedAs, CommitFailure>),
    /// The spool could not take a piece of the body; the message is refused at its end.
    BodyFailed,
    /// [`Session::deadline`](super::Session::deadline) has passed.
    TimedOut,
    /// The server is going down: the session ends at the next moment between two messages.
    Draining,
    /// Whether disk and memory have room for another message. Sessions begin with room.
    RoomChanged(bool),
}

/// A message that may be queued: everything was judged.
#[derive(Debug)]
pub struct Submission {
    /// Who sends what to whom.
    pub envelope: Envelope,
    /// In which capacity the account sends, which says whose quota counts; `None` for mail from other servers.
    pub submit_as: Option<SubmitAs>,
    /// The header with this server's trace field at its top, up to and including the empty line.
    pub head: Vec<u8>,
    /// Octets of the body: the sum of all [`Action::Body`] of this message.
    pub body_bytes: u64,
    /// The Message-ID without angle brackets, sanitised; empty when an inbound message has none.
    pub message_id: String,
}

/// What the shell is to do, in order.
#[derive(Debug)]
pub enum Action {
    /// Write these octets.
    Send(Vec<u8>),
    /// Begin the TLS handshake as server, then [`Input::TlsEstablished`]. Whatever was read before is void.
    StartTls,
    /// Check a password, a device's secret or a token, then [`Input::CredentialsJudged`]. Takes the same time whether
    /// or not the account exists.
    CheckCredentials(Credentials),
    /// Append to the spooled body of the current message.
    Body(Vec<u8>),
    /// The current message came to nothing: drop its spooled body.
    DiscardBody,
    /// Make message and envelope durable, then [`Input::Committed`].
    Commit(Box<Submission>),
    /// Wait this long before the next action (a tarpit for guesses and harvesting).
    Delay(Duration),
    /// Write what is pending and end the connection.
    Close,
    /// So many recipients were refused to a stranger: they count for the client's network.
    NoteRefusedRecipients(u32),
    /// Do what a script of faults wants; only in a rehearsal.
    Misbehave(Misbehaviour),
}

/// What a shell does for a script of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// The next [`Action::Send`] goes out an octet at a time, with this pause between two.
    Trickle(Duration),
    /// Say nothing and hear nothing until the client leaves, this long at most.
    Stall(Duration),
    /// End the connection by a TCP reset; what is pending is lost.
    Reset,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// [`Input::Received`].
    Bytes,
    /// [`Input::TlsEstablished`].
    Tls,
    /// [`Input::CredentialsJudged`].
    Verdict,
    /// [`Input::Committed`].
    Commit,
    /// Nothing: the session is over.
    Nothing,
}
