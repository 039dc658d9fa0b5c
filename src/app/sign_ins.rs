//! Gives the administrators' office what is remembered about signing in.

use std::sync::Arc;

use crate::admin::office::{LastUse, SignInDesk};
use crate::model::directory::RecipientId;
use crate::model::mail::Network;
use crate::model::policy::lockout::{Entry, Rules};
use crate::store::sign_ins::{LastUses, LockoutStore};

/// What a server remembers, running or at rest.
pub(super) struct SignInCounter {
    pub(super) last_uses: Arc<LastUses>,
    pub(super) lockouts: Arc<LockoutStore>,
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
        self.lockouts.clear_sources(network)
    }
}
