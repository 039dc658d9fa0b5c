//! Where a mailbox stands between creation and purge (spec section 7.2).
//!
//! Here are the states that mail flow and sign-in obey. [`machine`] has the transitions and their guards, [`table`]
//! their rows, [`life`] lets objects take them, [`hold`] has what keeps contents, [`calendar`] counts the days,
//! [`document`] prints it all.

pub mod calendar;
pub mod document;
pub mod hold;
pub mod life;
pub mod machine;
pub mod table;

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::mail::Timestamp;

/// The state of a recipient's mailbox data. A recipient that never had a mailbox is `NoMailbox`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lifecycle {
    /// No mailbox: mail users, contacts and groups.
    #[default]
    NoMailbox,
    /// In use.
    Active,
    /// The mailbox still lives in another system (spec T20).
    AwaitingMigration,
    /// Deactivated: kept for 30 days, can be reconnected (spec T1, T2).
    Disconnected {
        /// When it was deactivated.
        since: Timestamp,
    },
    /// Deleted without hold: kept for 30 days (spec T8).
    SoftDeleted {
        /// When it was deleted.
        since: Timestamp,
    },
    /// Deleted while on hold: contents are kept until the last hold ends (spec T10).
    Inactive {
        /// When it was deleted.
        since: Timestamp,
    },
    /// Contents are gone, but the memory of the previous mailbox could not be cleared (spec T6).
    StaleAttributes,
    /// Contents are gone for good.
    Purged,
    /// Contents are being deleted; there is no way back.
    Purging {
        /// Since when.
        since: Timestamp,
    },
}

/// In words, as explanations show it.
impl fmt::Display for Lifecycle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMailbox => formatter.write_str("no mailbox"),
            Self::Active => formatter.write_str("active"),
            Self::AwaitingMigration => formatter.write_str("awaiting migration"),
            Self::Disconnected { since } => write!(formatter, "disconnected since {since}"),
            Self::SoftDeleted { since } => write!(formatter, "deleted {since}"),
            Self::Inactive { since } => write!(formatter, "inactive since {since}"),
            Self::StaleAttributes => formatter.write_str("stale attributes"),
            Self::Purged => formatter.write_str("purged"),
            Self::Purging { since } => write!(formatter, "being purged since {since}"),
        }
    }
}

impl Lifecycle {
    /// Whether the mailbox can be opened and receives mail.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Whether there was a mailbox that nobody can use any more: its addresses speak for nobody (spec section 3.2).
    pub const fn is_gone(self) -> bool {
        match self {
            Self::NoMailbox | Self::Active | Self::AwaitingMigration => false,
            Self::Disconnected { .. }
            | Self::SoftDeleted { .. }
            | Self::Inactive { .. }
            | Self::StaleAttributes
            | Self::Purged
            | Self::Purging { .. } => true,
        }
    }
}
