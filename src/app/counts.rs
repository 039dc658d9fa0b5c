//! What policy asks of the stores while a session is being answered.

use std::sync::Arc;

use crate::model::directory::RecipientId;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::Tallies;
use crate::model::policy::limits::Received;
use crate::model::policy::quota::Usage;
use crate::store::mailbox::MailboxStore;
use crate::store::tally::Tally;

/// The counts of a running server.
#[derive(Clone)]
pub(super) struct Counters {
    pub(super) mailboxes: Arc<MailboxStore>,
    pub(super) tally: Arc<Tally>,
}

impl Tallies for Counters {
    fn usage(&self, mailbox: RecipientId) -> Option<Usage> {
        // Whoever asks now is likely to ask again, and a reader may have made room since.
        self.mailboxes.attend(mailbox);
        self.mailboxes.usage(mailbox)
    }

    fn received(&self, mailbox: RecipientId, sender: &ReversePath, now: Timestamp) -> Received {
        self.tally.received(mailbox, sender, now)
    }

    fn submitted(&self, account: RecipientId) -> u32 {
        self.tally.sent(account).messages_of_minute
    }

    fn addressed(&self, account: RecipientId) -> u32 {
        self.tally.sent(account).recipients_of_day
    }
}
