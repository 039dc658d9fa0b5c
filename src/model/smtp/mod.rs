//! SMTP as state machines without input or output: the server's session, and the client that relays.
//!
//! Octets become lines ([`mod@line`]), lines become commands ([`grammar`]), and the [`Session`] judges commands with
//! the functions of `policy`. What it says comes from two tables: [`replies`] and `policy::refusal`.

pub mod client;
pub mod data;
pub mod grammar;
pub mod greeting;
pub mod interface;
pub mod limits;
pub mod line;
mod outbox;
pub mod replies;
mod sasl;
pub mod session;
pub mod trace;
mod transaction;

pub use interface::{
    Action, CommitFailure, Credentials, Input, Misbehaviour, Presented, QueuedAs, Role, SessionOptions, Submission,
    TlsFacts, TlsState, Verdict, Waiting,
};
pub use limits::Limits;
pub use session::Session;
