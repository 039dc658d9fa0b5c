//! Where messages go: what a session needs of the queue and the spool, and nothing more.

use core::future::Future;
use std::io;

use crate::model::smtp::{CommitFailure, QueuedAs, Submission};

/// The body of a message that is ready to be made durable.
#[derive(Debug)]
pub enum Body<S> {
    /// Small enough to have stayed in memory.
    Memory(Vec<u8>),
    /// In a spool file.
    Spooled(S),
}

/// Takes messages in. The queue is one; tests bring their own.
pub trait Acceptor: Send + Sync + 'static {
    /// A body in a file. Dropped before the commit, it removes itself; dropping may block.
    type Spool: Send + 'static;

    /// Whether disk and memory have room for another message. Asked before each input: it must be cheap.
    fn has_room(&self) -> bool;

    /// Begins a spool file. Blocks; called off the async workers.
    ///
    /// # Errors
    /// The system's; the message is then refused for now.
    fn begin(&self) -> io::Result<Self::Spool>;

    /// Appends to a spool file. Blocks; called off the async workers.
    ///
    /// # Errors
    /// The system's; the message is then refused for now.
    fn append(&self, spool: &mut Self::Spool, bytes: &[u8]) -> io::Result<()>;

    /// Makes message and envelope durable; only then it returns `Ok`, and only then the client hears so (law 5).
    ///
    /// The future may be dropped when the client's patience ends: the message is then either whole in the queue or not
    /// there at all.
    fn commit(
        &self,
        submission: Submission,
        body: Body<Self::Spool>,
    ) -> impl Future<Output = Result<QueuedAs, CommitFailure>> + Send;
}
