//! Deliveries that are counted when a message is expanded, before the queue has recorded that.

use super::{Branch, Delivered, Slot, Tally, pair_of};
use crate::model::directory::RecipientId;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::limits::Received;
use crate::store::intake::locked;

/// The deliveries of one expansion that are being counted.
#[derive(Debug)]
pub struct Taken<'tally> {
    tally: &'tally Tally,
    branch: Branch,
    at: Timestamp,
}

impl Tally {
    /// Begins to count the deliveries of a message, `at` the time at which it was accepted, or below a moderated
    /// recipient that of the approval. What an earlier attempt to expand it counted is taken back. They stay counted
    /// when the queue tells of the expansion, or until the next attempt.
    pub fn take(&self, branch: Branch, at: Timestamp) -> Taken<'_> {
        let former = locked(&self.taken).insert(branch, Vec::new());
        former.into_iter().flatten().for_each(|one| self.take_back_one(one));
        Taken { tally: self, branch, at }
    }
}

impl Taken<'_> {
    /// Counts one more message for a mailbox, if `judge` permits it with what was counted before. Whoever counts at the
    /// same time may be let through as well: as many as expansions run at once.
    ///
    /// # Errors
    /// That of `judge`; then nothing is counted.
    pub fn one<E>(
        &self,
        mailbox: RecipientId,
        sender: &ReversePath,
        judge: impl FnOnce(Received) -> Result<(), E>,
    ) -> Result<(), E> {
        judge(self.tally.received(mailbox, sender, self.at))?;
        let one = Delivered { mailbox, pair: pair_of(mailbox, sender), slot: Slot::of(self.at) };
        self.tally.received_one(one);
        locked(&self.tally.taken).entry(self.branch).or_default().push(one);
        Ok(())
    }
}
