//! Where messages go: what a session needs of the queue, and nothing more.

use core::future::Future;

use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
use crate::store::spool::SpooledBody;

/// Takes messages in. The queue is one; tests bring their own.
pub trait Acceptor: Send + Sync + 'static {
    /// Whether disk and memory have room for another message. Asked before each input: it must be cheap.
    fn has_room(&self) -> bool;

    /// Makes message and envelope durable; only then it returns `Ok`, and only then the client hears so (law 5).
    ///
    /// The future may be dropped when the session's patience ends: the message is then either whole in the queue or
    /// not there at all.
    fn commit(
        &self,
        submission: Submission,
        body: SpooledBody,
    ) -> impl Future<Output = Result<QueuedAs, CommitFailure>> + Send;
}
