//! The server's side of SMTP as a state machine without input or output: lines, grammar, session, transaction.

pub mod interface;
pub mod limits;
pub mod session;

pub use interface::{
    Action, CommitFailure, Credentials, Input, QueuedAs, Role, SessionOptions, Submission, TlsFacts, TlsState, Verdict,
    Waiting,
};
pub use limits::Limits;
pub use session::Session;
