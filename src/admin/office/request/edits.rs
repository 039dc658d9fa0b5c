//! Changes of rights, of single members, and of domains.

use serde::{Deserialize, Serialize};

use crate::model::directory::{DomainType, Right};

/// A permission to grant or to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionEdit {
    /// The recipient it is about.
    pub owner: String,
    /// Who gets or loses it.
    pub trustee: String,
    /// The right.
    pub right: Right,
    /// A deny entry.
    pub deny: bool,
    /// Whether Outlook opens the mailbox by itself; unset leaves it as it is, which at first is yes. FullAccess only.
    #[serde(default)]
    pub automapping: Option<bool>,
    /// True grants, false revokes.
    pub grant: bool,
}

/// What becomes of one member of a group by the group's own rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipOrder {
    /// The group.
    pub group: String,
    /// Who joins or leaves.
    pub member: String,
    /// What is asked.
    pub step: MembershipStep,
    /// The owner who decides on a request; nobody means the administrator.
    pub owner: Option<String>,
}

/// A step of [`MembershipOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipStep {
    /// The member asks to join.
    Join,
    /// The member leaves.
    Leave,
    /// Its request is granted.
    Approve,
    /// Its request is refused.
    Refuse,
}

/// Properties of an accepted domain; what is not given stays, or is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DomainEdit {
    /// Its name.
    pub domain: String,
    /// What happens to an unknown local part.
    pub domain_type: Option<DomainType>,
    /// Subdomains count as this domain.
    pub match_subdomains: Option<bool>,
    /// The organisation's default domain. It is taken from a domain by giving it to another.
    pub default: Option<bool>,
    /// The organisation sends from it, and its mail is received elsewhere.
    pub outbound_only: Option<bool>,
    /// Nobody may send from it.
    pub sending_from_disabled: Option<bool>,
    /// Nobody may send to it.
    pub sending_to_disabled: Option<bool>,
    /// `host` or `host:port` for unknown recipients of a relay; empty goes by MX.
    pub next_host: Option<String>,
}
