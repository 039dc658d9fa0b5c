//! What is remembered about signing in besides the directory: when a device was last used, and from where.

use crate::model::directory::RecipientId;

pub use crate::store::sign_ins::LastUse;

/// A place that remembers.
pub trait SignInDesk: Send + Sync {
    /// When a device of an account was last used; none when it never was, or nobody remembers.
    fn last_use(&self, account: RecipientId, device: &str) -> Option<LastUse>;
}

/// A server on which nobody ever signed in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSignIns;

impl SignInDesk for NoSignIns {
    fn last_use(&self, _: RecipientId, _: &str) -> Option<LastUse> {
        None
    }
}
