//! Gives the administrators' office what is remembered about signing in.

use std::sync::Arc;

use crate::admin::office::{LastUse, SignInDesk};
use crate::model::directory::RecipientId;
use crate::store::sign_ins::LastUses;

/// What a server remembers, running or at rest.
pub(super) struct SignInCounter {
    pub(super) last_uses: Arc<LastUses>,
}

impl SignInDesk for SignInCounter {
    fn last_use(&self, account: RecipientId, device: &str) -> Option<LastUse> {
        self.last_uses.last(account, device)
    }
}
