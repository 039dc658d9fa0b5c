//! What is remembered about signing in besides the directory: when devices were last used, and who failed.

use crate::model::directory::RecipientId;
use crate::model::mail::Network;
use crate::model::policy::lockout::{Entry, Rules};
use crate::model::policy::traffic;

pub use crate::store::sign_ins::LastUse;

/// A place that remembers.
pub trait SignInDesk: Send + Sync {
    /// When a device of an account was last used; none when it never was, or nobody remembers.
    fn last_use(&self, account: RecipientId, device: &str) -> Option<LastUse>;

    /// Failures and the locks they led to, locks first.
    fn lockouts(&self, rules: &Rules) -> Vec<Entry>;

    /// Forgets the failures of an account; how many entries that were. Durable when it returns. Blocks.
    fn clear_account(&self, account: RecipientId) -> usize;

    /// The same for clients within a network, and what they have used of their budgets.
    fn clear_sources(&self, network: &Network) -> usize;

    /// What networks have used of their budgets, what is used up first; nothing where no server runs.
    fn traffic(&self, rules: &traffic::Rules) -> Vec<traffic::Entry>;
}

/// A server on which nobody ever signed in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSignIns;

impl SignInDesk for NoSignIns {
    fn last_use(&self, _: RecipientId, _: &str) -> Option<LastUse> {
        None
    }

    fn lockouts(&self, _: &Rules) -> Vec<Entry> {
        Vec::new()
    }

    fn clear_account(&self, _: RecipientId) -> usize {
        0
    }

    fn clear_sources(&self, _: &Network) -> usize {
        0
    }

    fn traffic(&self, _: &traffic::Rules) -> Vec<traffic::Entry> {
        Vec::new()
    }
}
