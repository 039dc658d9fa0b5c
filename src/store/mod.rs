//! What must survive a crash: the journal, the engines that index it, mailboxes, the spool of incoming bodies,
//! whom mailboxes have answered by themselves, the message trace, who looked into whose mailbox, who is restricted, and
//! what is counted.
//!
//! All of it runs on threads of its own. Async code hands work over and awaits a [`Ticket`]; nothing here blocks an
//! async worker, except where a function says that it blocks.

pub mod accesses;
pub mod acme;
pub mod answered;
pub mod directory;
pub mod engine;
mod hands;
mod insisting;
mod intake;
pub mod journal;
pub mod live;
pub mod mailbox;
pub mod queue;
pub mod rehearsal;
pub mod restrictions;
pub mod sign_ins;
mod slip;
pub mod spool;
pub mod tally;
mod ticket;
pub mod trace;
pub mod traffic;

pub use hands::Hands;
pub use ticket::{Stopped, Ticket};
