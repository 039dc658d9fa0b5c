//! What policy asks of the stores while a session is being answered.

use std::net::IpAddr;
use std::sync::Arc;

use super::stores::Stores;
use crate::model::directory::RecipientId;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::Tallies;
use crate::model::policy::limits::Received;
use crate::model::policy::quota::Usage;
use crate::model::policy::restricted::Submitter;
use crate::model::policy::traffic::{Kind, Rules};
use crate::store::mailbox::MailboxStore;
use crate::store::restrictions::RestrictionStore;
use crate::store::tally::Tally;
use crate::store::traffic::TrafficStore;

/// The counts of a running server.
#[derive(Clone)]
pub(super) struct Counters {
    pub(super) mailboxes: Arc<MailboxStore>,
    pub(super) tally: Arc<Tally>,
    pub(super) restrictions: Arc<RestrictionStore>,
    pub(super) traffic: Arc<TrafficStore>,
}

impl Counters {
    /// Those of these stores.
    pub(super) fn of(stores: &Stores) -> Self {
        Self {
            mailboxes: Arc::clone(&stores.mailboxes),
            tally: Arc::clone(&stores.tally),
            restrictions: Arc::clone(&stores.restrictions),
            traffic: Arc::clone(&stores.traffic),
        }
    }
}

impl Tallies for Counters {
    fn usage(&self, mailbox: RecipientId) -> Option<Usage> {
        self.mailboxes.usage(mailbox)
    }

    fn doubt(&self, mailbox: RecipientId) {
        self.mailboxes.attend(mailbox);
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

    fn is_restricted(&self, submitter: &Submitter) -> bool {
        self.restrictions.is_restricted(submitter)
    }

    fn is_used_up(&self, rules: &Rules, kind: Kind, peer: IpAddr) -> bool {
        self.traffic.is_used_up(rules, kind, peer)
    }
}
