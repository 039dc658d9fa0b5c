//! Who may join and leave a group, as `franking recipient` sets it.

use clap::{Args, ValueEnum};

use super::values::Toggle;
use crate::admin::office::MembershipEdit;
use crate::model::directory::{DepartRestriction, JoinRestriction};

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Groups")]
pub(super) struct MembershipProperties {
    /// Who may join by themselves (`MemberJoinRestriction`) [default: closed]
    #[arg(long, value_name = "RULE")]
    join_restriction: Option<Join>,
    /// Who may leave by themselves (`MemberDepartRestriction`) [default: open, security groups: closed]
    #[arg(long, value_name = "RULE")]
    depart_restriction: Option<Depart>,
    /// Address lists do not show the members
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    hidden_membership: Option<Toggle>,
    /// New members of a Microsoft 365 group get copies
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    auto_subscribe_new_members: Option<Toggle>,
}

/// `MemberJoinRestriction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Join {
    /// Everybody
    Open,
    /// Nobody: owners and administrators add members
    Closed,
    /// Everybody whom an owner approves
    ApprovalRequired,
}

/// `MemberDepartRestriction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Depart {
    /// Everybody
    Open,
    /// Nobody: owners and administrators remove members
    Closed,
}

impl MembershipProperties {
    pub(super) fn edit(self) -> MembershipEdit {
        MembershipEdit {
            join: self.join_restriction.map(|rule| match rule {
                Join::Open => JoinRestriction::Open,
                Join::Closed => JoinRestriction::Closed,
                Join::ApprovalRequired => JoinRestriction::ApprovalRequired,
            }),
            depart: self.depart_restriction.map(|rule| match rule {
                Depart::Open => DepartRestriction::Open,
                Depart::Closed => DepartRestriction::Closed,
            }),
            hidden: self.hidden_membership.map(Toggle::is_on),
            auto_subscribe: self.auto_subscribe_new_members.map(Toggle::is_on),
        }
    }
}
