//! Where messages go: what a session needs of the queue, and nothing more.

use core::future::Future;

use crate::model::policy::{Refusal, Tallies};
use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
use crate::store::spool::SpooledBody;

/// Takes messages in. The queue is one; tests bring their own.
pub trait Acceptor: Send + Sync + 'static {
    /// What a message that was admitted brings along to its commit; dropping it gives back what is held for it.
    type Admitted: Send;

    /// Whether disk and memory have room for another message. Asked before each input: it must be cheap.
    fn has_room(&self) -> bool;

    /// What is counted at this moment. Asked before each input: it must be cheap.
    fn tallies(&self) -> &dyn Tallies;

    /// Judges what can only be counted: sessions of the account (so many began before this one and are open still), its
    /// quota, its recipients of the day. Then waits until the rate of the account permits the message (decision D6).
    /// Dropping the future gives the place in the line back.
    fn admit(
        &self,
        submission: &Submission,
        earlier_sessions: usize,
    ) -> impl Future<Output = Result<Self::Admitted, Refusal>> + Send;

    /// Makes message and envelope durable; only then it returns `Ok`, and only then the client hears so (law 5).
    ///
    /// The future may be dropped when the session's patience ends: the message is then either whole in the queue or
    /// not there at all.
    fn commit(
        &self,
        admitted: Self::Admitted,
        submission: Submission,
        body: SpooledBody,
    ) -> impl Future<Output = Result<QueuedAs, CommitFailure>> + Send;
}
