//! What mailboxes hold, for those who ask: at once from memory, or exactly after a look at the directories.

use std::collections::BTreeSet;
use std::io;

use super::count::{Count, Stamps};
use super::name::MailboxName;
use super::writer::{Job, Look};
use super::{MailboxFailure, MailboxStore};
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::model::policy::quota::Usage;
use crate::store::hands::Hands;
use crate::store::ticket::{Ticket, ticket};

/// At a start so many mailboxes are counted before anybody is let in: those that the last life had no time to look at.
const COUNTED_AT_START_MAX: usize = 4_096;

impl MailboxStore {
    /// What a mailbox holds as far as this process knows; none when it was never counted. Does not wait for anything.
    /// It lags behind what readers of mail do, see [`Self::attend`] and [`Self::examine`].
    pub fn usage(&self, mailbox: RecipientId) -> Option<Usage> {
        self.occupancy.usage(mailbox)
    }

    /// Has the mailbox looked at in the next round of [`Self::tend`].
    pub fn attend(&self, mailbox: RecipientId) {
        self.occupancy.ask(mailbox);
    }

    /// What a mailbox holds, after a look at its directories.
    ///
    /// # Errors
    /// Those of the disk, and `Closed`.
    pub async fn examine(&self, mailbox: RecipientId) -> Result<Usage, MailboxFailure> {
        let (promise, ticket) = ticket();
        let look = Look { mailbox, anew: false, promise: Some(promise) };
        let intake = self.intake(&MailboxName::of_recipient(mailbox))?;
        intake.push(Job::Look(look), 0).await.map_err(|_| MailboxFailure::Closed)?;
        ticket.await
    }

    /// The same from a thread. Blocks.
    ///
    /// # Errors
    /// As [`Self::examine`].
    pub fn examine_blocking(&self, mailbox: RecipientId) -> Result<Usage, MailboxFailure> {
        self.look(mailbox, false)?.wait()
    }

    /// Counts a mailbox anew, every directory of it, whatever is known; nothing when it does not exist. Blocks.
    ///
    /// # Errors
    /// As [`Self::examine`].
    pub fn recount(&self, mailbox: &MailboxName) -> Result<Usage, MailboxFailure> {
        let Some(recipient) = mailbox.recipient() else {
            let path = self.path_of(mailbox);
            let stamps = Stamps::of(&*self.disk, &path);
            let count = stamps.and_then(|stamps| Count::of(&*self.disk, &path, &stamps, &Count::default()));
            return count.map(|count| count.usage()).map_err(|error| MailboxFailure::of_disk(&error));
        };
        self.look(recipient, true)?.wait()
    }

    fn look(&self, mailbox: RecipientId, anew: bool) -> Result<Ticket<Usage, MailboxFailure>, MailboxFailure> {
        let (promise, ticket) = ticket();
        let look = Look { mailbox, anew, promise: Some(promise) };
        let intake = self.intake(&MailboxName::of_recipient(mailbox))?;
        intake.push_blocking(Job::Look(look), 0).map_err(|_| MailboxFailure::Closed)?;
        if self.hands == Hands::Caller {
            self.turn();
        }
        Ok(ticket)
    }

    /// Looks at the mailboxes that are due, and at some others in turn: call it about once a second. Keeps what has
    /// come into some of those that are on hold, and deletes a part of what a crash has left of mailboxes that were
    /// purged. Blocks little: what finds no room before a writer waits for the next round.
    pub fn tend(&self) {
        for mailbox in self.occupancy.due() {
            let look = Look { mailbox, anew: false, promise: None };
            let Ok(intake) = self.intake(&MailboxName::of_recipient(mailbox)) else { return };
            if matches!(intake.try_push(Job::Look(look), 0), Ok(Some(_))) {
                self.occupancy.ask(mailbox);
            }
        }
        self.keep_in_turn();
        self.finish_purges();
    }

    /// Mailboxes that grew, or were looked at, since the last call: their owners may have to be warned.
    pub fn take_judged(&self) -> Vec<RecipientId> {
        self.occupancy.take_judged()
    }

    /// When the owner of a mailbox was last warned that it fills up.
    pub fn warned_at(&self, mailbox: RecipientId) -> Option<Timestamp> {
        self.occupancy.warned_at(mailbox)
    }

    /// Records that the owner of a mailbox is warned now; durable on return. Blocks.
    ///
    /// # Errors
    /// The system's; then it may have been recorded all the same.
    pub fn warn(&self, mailbox: RecipientId, at: Timestamp) -> io::Result<()> {
        self.occupancy.warn(mailbox, at)
    }

    /// Counts what the last life touched and did not look at again, and has every mailbox counted soon that is on the
    /// disk and unknown.
    pub(super) fn take_up(&self) {
        let touched = self.occupancy.touched();
        let mut tickets = Vec::new();
        for mailbox in touched.iter().take(COUNTED_AT_START_MAX) {
            tickets.extend(self.look(*mailbox, false));
        }
        // One that cannot be counted now is counted before the next delivery. A start is often within a runtime, which
        // does not let its threads block in the usual way.
        tickets.into_iter().for_each(|ticket| drop(ticket.wait_while(|| true)));
        let names = self.disk.list(&self.root).unwrap_or_else(|error| {
            // They are counted when they get mail.
            tracing::warn!(%error, "mailboxes whose size is not known cannot be listed");
            Vec::new()
        });
        let names: BTreeSet<RecipientId> = names
            .iter()
            .filter_map(|name| MailboxName::encode(name.to_str()?).ok()?.recipient())
            .filter(|mailbox| !self.occupancy.knows(*mailbox))
            .collect();
        names.into_iter().for_each(|mailbox| self.occupancy.ask(mailbox));
    }
}
