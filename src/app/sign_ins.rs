//! Gives the administrators' office what is remembered about signing in, and who is restricted.

use std::sync::Arc;

use crate::admin::office::{LastUse, RestrictionDesk, SignInDesk};
use crate::model::directory::RecipientId;
use crate::model::mail::Network;
use crate::model::policy::lockout::{Entry, Rules};
use crate::model::policy::restricted::Submitter;
use crate::model::policy::traffic;
use crate::store::queue::Queue;
use crate::store::restrictions::{Restriction, RestrictionStore};
use crate::store::sign_ins::{LastUses, LockoutStore};
use crate::store::tally::Tally;
use crate::store::traffic::TrafficStore;

/// What a server remembers, running or at rest.
pub(super) struct SignInCounter {
    pub(super) last_uses: Arc<LastUses>,
    pub(super) lockouts: Arc<LockoutStore>,
    pub(super) traffic: Arc<TrafficStore>,
}

impl SignInDesk for SignInCounter {
    fn last_use(&self, account: RecipientId, device: &str) -> Option<LastUse> {
        self.last_uses.last(account, device)
    }

    fn lockouts(&self, rules: &Rules) -> Vec<Entry> {
        self.lockouts.entries(rules)
    }

    fn clear_account(&self, account: RecipientId) -> usize {
        self.lockouts.clear_account(account)
    }

    fn clear_sources(&self, network: &Network) -> usize {
        self.lockouts.clear_sources(network).saturating_add(self.traffic.clear(network))
    }

    fn traffic(&self, rules: &traffic::Rules) -> Vec<traffic::Entry> {
        self.traffic.entries(rules)
    }
}

/// Who is restricted, on a server that runs or is at rest.
pub(super) struct RestrictionCounter {
    pub(super) restrictions: Arc<RestrictionStore>,
    /// The counts; opened when somebody asks, where no server runs.
    pub(super) tally: Box<dyn Fn() -> Arc<Tally> + Send + Sync>,
    /// Whose mail waits; none where nothing is delivered.
    pub(super) queue: Option<Arc<Queue>>,
}

impl RestrictionDesk for RestrictionCounter {
    fn restricted(&self) -> Vec<Restriction> {
        self.restrictions.all()
    }

    fn sent_outside(&self, submitter: &Submitter) -> (u32, u32) {
        let sent = (self.tally)().sent_outside(submitter);
        (sent.of_hour, sent.of_day)
    }

    fn release(&self, submitter: &Submitter) -> Result<Option<Restriction>, String> {
        // Before it may send again, or its first message would restrict it anew.
        (self.tally)().forget_outside(submitter);
        let released = self.restrictions.release(submitter).map_err(|error| error.to_string())?;
        if let Some(queue) = &self.queue {
            queue.restrict(|| self.restrictions.submitters());
        }
        Ok(released)
    }
}
