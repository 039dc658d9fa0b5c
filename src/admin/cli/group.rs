//! `franking group`.

use clap::{Args, Subcommand, ValueHint};

use crate::admin::office::Request;

/// Members of groups. Groups are made and changed with `franking recipient`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking group list-members staff@contoso.example")]
pub enum GroupCommand {
    /// Add members
    #[command(after_help = "\
Exchange: Add-DistributionGroupMember, Add-UnifiedGroupLinks

Examples:
  franking group add-member staff@contoso.example alice@contoso.example bob@contoso.example")]
    AddMember(MemberArgs),
    /// Remove members
    #[command(after_help = "\
Exchange: Remove-DistributionGroupMember, Remove-UnifiedGroupLinks

Examples:
  franking group remove-member staff@contoso.example bob@contoso.example")]
    RemoveMember(MemberArgs),
    /// List members; of a dynamic group those that its filter matches now
    #[command(after_help = "\
Exchange: Get-DistributionGroupMember, Get-DynamicDistributionGroupMember, Get-UnifiedGroupLinks

Examples:
  franking group list-members staff@contoso.example --json")]
    ListMembers(GroupArgs),
}

/// One group.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// The group: an address or a name
    #[arg(value_name = "GROUP", value_hint = ValueHint::EmailAddress)]
    group: String,
}

/// `group add-member` and `group remove-member`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The group: an address or a name
    #[arg(value_name = "GROUP", value_hint = ValueHint::EmailAddress)]
    group: String,
    /// Who joins or leaves
    #[arg(value_name = "RECIPIENT", required = true, value_hint = ValueHint::EmailAddress)]
    members: Vec<String>,
}

impl GroupCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::AddMember(args) => Request::GroupMembers { group: args.group, add: args.members, remove: Vec::new() },
            Self::RemoveMember(args) => {
                Request::GroupMembers { group: args.group, add: Vec::new(), remove: args.members }
            }
            Self::ListMembers(args) => Request::GroupList { group: args.group },
        }
    }
}
