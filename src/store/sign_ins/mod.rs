//! What is remembered about signing in: small tables that may lose their last moments, and are written as wholes.

pub(super) mod kept;
mod last_use;
mod lockouts;

pub use last_use::{LastUse, LastUses};
pub use lockouts::LockoutStore;
