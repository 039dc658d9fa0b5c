//! What the reconciler asks of those who keep the contents of mailboxes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::directory::RecipientId;

/// Contents of mailboxes: in use, kept, and what is to go. Everything blocks and can be done again after a crash.
pub trait Custody: Send + Sync {
    /// Deletes a mailbox with its archive and what was kept for holds, durably.
    ///
    /// # Errors
    /// A text that says what is in the way. What is gone stays gone; it is asked for again.
    fn purge(&self, mailbox: RecipientId) -> Result<(), String>;

    /// Forgets what was remembered about a mailbox whose contents are gone (spec T6).
    ///
    /// # Errors
    /// A text that says what is in the way.
    fn clean_up(&self, mailbox: RecipientId) -> Result<(), String>;

    /// Says who is on hold from now on: what is removed from their mailboxes stays recoverable. Cheap.
    fn hold(&self, who: &Arc<BTreeSet<RecipientId>>);

    /// Keeps all that a mailbox holds which is on hold since lately.
    ///
    /// # Errors
    /// A text that says what is in the way; it is asked for again.
    fn keep(&self, mailbox: RecipientId) -> Result<(), String>;

    /// Gives up what was kept of a mailbox that is on hold no longer.
    ///
    /// # Errors
    /// A text that says what is in the way; it is asked for again, and what was kept goes with the mailbox at the
    /// latest.
    fn release(&self, mailbox: RecipientId) -> Result<(), String>;

    /// Those of whose mailboxes anything is kept, on hold or not any more; none when that cannot be told now.
    fn kept(&self) -> Option<BTreeSet<RecipientId>>;
}

/// Mailboxes in which there never is anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCustody;

impl Custody for NoCustody {
    fn purge(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn clean_up(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn hold(&self, _: &Arc<BTreeSet<RecipientId>>) {}

    fn keep(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn release(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn kept(&self) -> Option<BTreeSet<RecipientId>> {
        Some(BTreeSet::new())
    }
}
