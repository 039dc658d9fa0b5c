//! Deliveries that are counted when a message is expanded, before the queue has recorded that.

use super::{Delivered, Hour, Tally, pair_of};
use crate::model::directory::RecipientId;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::limits::Received;
use crate::model::queue::QueueId;
use crate::store::intake::locked;

/// The deliveries of one message that are being counted.
#[derive(Debug)]
pub struct Taken<'tally> {
    tally: &'tally Tally,
    id: QueueId,
    hour: Hour,
    accepted_at: Timestamp,
}

impl Tally {
    /// Begins to count the deliveries of a message; what an earlier attempt to expand it counted is taken back. They
    /// stay counted when the queue tells of the expansion, or until the next attempt.
    pub fn take(&self, id: QueueId, accepted_at: Timestamp) -> Taken<'_> {
        let former = locked(&self.taken).insert(id, Vec::new());
        former.into_iter().flatten().for_each(|one| self.take_back_one(one));
        Taken { tally: self, id, hour: Hour::of(accepted_at), accepted_at }
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
        judge(self.tally.received(mailbox, sender, self.accepted_at))?;
        let one = Delivered { mailbox, pair: pair_of(mailbox, sender), hour: self.hour };
        self.tally.received_one(one);
        locked(&self.tally.taken).entry(self.id).or_default().push(one);
        Ok(())
    }
}
