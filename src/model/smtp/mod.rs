//! SMTP as state machines without input or output: the server's session, and the client that relays.

pub mod client;
pub mod interface;
pub mod limits;
pub mod session;

pub use interface::{
    Action, CommitFailure, Credentials, Input, QueuedAs, Role, SessionOptions, Submission, TlsFacts, TlsState, Verdict,
    Waiting,
};
pub use limits::Limits;
pub use session::Session;
