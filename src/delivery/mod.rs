//! Carries out what the queue decides: expands messages, puts them into mailboxes, hands them to other servers,
//! reports.
//! Carries out what the queue decides: expands messages, fills mailboxes, hands over to other servers, reports.

mod answering;
pub mod content;
pub mod exchanger;
pub mod mailbox_agent;
mod moderation;
pub mod outbox;
pub mod outgoing;
mod rehearsed;
pub mod relay_agent;
mod replying;
mod reporting;
mod throttle;
pub mod tokens;
pub mod worker;
