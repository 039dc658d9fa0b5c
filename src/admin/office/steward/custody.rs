//! What the reconciler asks of those who keep the contents of mailboxes.

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
}
