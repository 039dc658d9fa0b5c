//! What can be asked about the life of mailboxes, users and licences, and what is answered.

use serde::{Deserialize, Serialize};

use super::steward::Cause;
use crate::model::directory::lifecycle::hold::HoldKind;
use crate::model::directory::lifecycle::life::Periods;
use crate::model::directory::{Cap, OwnLimit};

/// Something that alters a life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LifeOrder {
    /// `Disable-Mailbox`.
    Disable {
        /// Whose.
        identity: String,
        /// `-PermanentlyDisable`: contents go at once.
        permanently: bool,
    },
    /// `Enable-Mailbox`.
    Enable {
        /// Whose.
        identity: String,
    },
    /// `Set-User -PermanentlyClearPreviousMailboxInfo`.
    ForgetPrevious {
        /// Whose.
        identity: String,
    },
    /// The mailbox has come from the other system.
    Migrated {
        /// Whose.
        identity: String,
        /// Its `ExchangeGuid` is cleared, so that it gets a new mailbox.
        clear_guid: bool,
    },
    /// `New-Mailbox -InactiveMailbox`.
    Recover {
        /// The inactive mailbox.
        identity: String,
        /// The address and login of its new user.
        address: String,
        /// Its licence.
        licence: String,
    },
    /// Deletes a user.
    UserRemove {
        /// Which.
        identity: String,
    },
    /// Restores one.
    UserRestore {
        /// Which.
        identity: String,
    },
    /// `Expedite-Delicensing`.
    Expedite {
        /// Whose.
        identity: String,
    },
    /// `Redo-MsolProvisionUser`.
    Retry {
        /// Whose.
        identity: String,
    },
    /// Alters what keeps contents.
    Hold(HoldOrder),
    /// Says how many accounts may have a licence, and what it gives.
    Plan(PlanEdit),
    /// Assigns a licence to every user whose mailbox is in use without one.
    LicenseAll {
        /// Its label.
        label: String,
    },
    /// Lets go on what waits because it is about many.
    Confirm {
        /// What.
        cause: Cause,
    },
    /// Lets time count that passed while the server was off, or by which its clock was set ahead.
    CountUnseenTime,
}

/// What is to be said of a licence; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanEdit {
    /// Its label.
    pub label: String,
    /// First all that was said is forgotten.
    pub forget: bool,
    /// How many accounts may have it.
    pub seats: Option<Cap>,
    /// What a mailbox may hold with it; `default` leaves it to its name.
    pub quota: Option<OwnLimit>,
    /// What it gives besides, for people.
    pub features: Option<String>,
}

/// Something that alters holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldOrder {
    /// Places a hold.
    Place {
        /// On which mailbox.
        identity: String,
        /// What kind.
        kind: HoldKind,
        /// Which one, of several; empty for those of which there is one.
        name: String,
        /// For how many days it keeps things; none for ever.
        days: Option<u32>,
    },
    /// Lifts a hold.
    Lift {
        /// Of which mailbox.
        identity: String,
        /// What kind.
        kind: HoldKind,
        /// Which one.
        name: String,
    },
    /// `-RemoveDelayHoldApplied`.
    DropDelay {
        /// Of which mailbox.
        identity: String,
    },
    /// Excludes a mailbox from a policy of the organisation.
    Exclude {
        /// Which mailbox.
        identity: String,
        /// Which policy.
        policy: String,
    },
    /// Ends that.
    Include {
        /// Which mailbox.
        identity: String,
        /// Which policy.
        policy: String,
    },
    /// Adds a policy of the organisation, or alters one.
    PolicyAdd {
        /// Its name.
        name: String,
        /// For how many days it keeps things; none for ever.
        days: Option<u32>,
    },
    /// Removes one.
    PolicyRemove {
        /// Its name.
        name: String,
    },
}

/// Something that is only looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LifeQuestion {
    /// Mailboxes that are in this state.
    Mailboxes {
        /// Which.
        which: Kept,
    },
    /// `Get-PendingDelicenseUser`.
    Pending,
    /// What happens by itself within so many days.
    Preview {
        /// How many.
        days: u32,
    },
    /// Objects with a recorded error.
    Errors,
    /// Who would lose what, were this licence taken.
    Report {
        /// The licence.
        label: String,
        /// From whom; empty means from everybody.
        identities: Vec<String>,
        /// The lines of the file that names them, where they are from one.
        #[serde(default)]
        lines: Vec<usize>,
    },
    /// The holds of a mailbox.
    Holds {
        /// Which.
        identity: String,
    },
    /// The retention policies of the organisation.
    Policies,
    /// Licences and their seats.
    Plans,
    /// The state machine.
    Table,
    /// What would happen to how many at once, and may be a mistake.
    Doubts {
        /// With these settings; with those in force unless given.
        supposed: Option<Supposed>,
    },
}

/// Settings that are not in force, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supposed {
    /// A user's mailbox needs a licence.
    pub licences_count: bool,
    /// How long things are kept.
    pub periods: Periods,
}

/// What many objects have before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtView {
    /// What.
    pub cause: Cause,
    /// How many.
    pub objects: usize,
    /// Whether that waits for somebody's word; else it happens at once.
    pub waits: bool,
}

/// Mailboxes that are not in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// `-SoftDeletedMailbox`: removed, without hold or with.
    Deleted,
    /// `-InactiveMailboxOnly`.
    Inactive,
    /// Deactivated.
    Disconnected,
}

/// One object in a list about lives. Exchange's columns have Exchange's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeView {
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its primary address.
    pub address: String,
    /// Of a removed mailbox, whose address somebody else may have by now: `ExchangeGuid`, by which it is named.
    #[serde(rename = "ExchangeGuid", default, skip_serializing_if = "Option::is_none")]
    pub exchange_guid: Option<String>,
    /// Where its mailbox stands.
    pub state: String,
    /// Deleted while on hold.
    #[serde(rename = "IsInactiveMailbox")]
    pub is_inactive: bool,
    /// Removed, as opposed to deactivated.
    #[serde(rename = "IsSoftDeletedByRemove")]
    pub is_soft_deleted_by_remove: bool,
    /// Since when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When something happens to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What happens then, or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The recorded error (`ErrorRecord`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Something that keeps contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// What kind.
    pub kind: String,
    /// Which one; empty where there is one at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When it was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// For how many days it keeps things; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// When it ends by itself, of one that does although nobody deletes the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A licence and what it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Its label.
    pub label: String,
    /// What a user's mailbox may hold with it, in octets; none for an add-on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// What it gives besides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub features: String,
    /// How many accounts may have it; none without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// How many have it.
    pub assigned: u32,
}
