//! `franking group`.

use clap::{Args, Subcommand, ValueHint};

use crate::admin::office::{MembershipOrder, MembershipStep, Request};

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
    /// Join a group as its rules permit; where an owner decides, ask for it
    #[command(after_help = "\
Exchange: \"Join group\" in Outlook; the rule: Set-DistributionGroup -MemberJoinRestriction

Who may join is the group's MemberJoinRestriction: franking recipient set GROUP --join-restriction RULE

Examples:
  franking group join hikers@contoso.example --as alice@contoso.example")]
    Join(SelfArgs),
    /// Leave a group as its rules permit
    #[command(after_help = "\
Exchange: \"Leave group\" in Outlook; the rule: Set-DistributionGroup -MemberDepartRestriction

Who may leave is the group's MemberDepartRestriction: franking recipient set GROUP --depart-restriction RULE

Examples:
  franking group leave hikers@contoso.example --as alice@contoso.example")]
    Leave(SelfArgs),
    /// List who asked to join and waits for an owner
    #[command(after_help = "\
Exchange: the requests in an owner's inbox

Examples:
  franking group list-requests hikers@contoso.example")]
    ListRequests(GroupArgs),
    /// Grant a request to join
    #[command(after_help = "\
Exchange: \"Approve\" in the owner's inbox; Add-DistributionGroupMember

Examples:
  franking group approve-member hikers alice@contoso.example --as bob@contoso.example")]
    ApproveMember(DecisionArgs),
    /// Refuse a request to join
    #[command(after_help = "\
Exchange: \"Reject\" in the owner's inbox

Examples:
  franking group refuse-member hikers@contoso.example alice@contoso.example")]
    RefuseMember(DecisionArgs),
}

/// `group join` and `group leave`.
#[derive(Debug, Args)]
pub struct SelfArgs {
    /// The group: an address or a name
    #[arg(value_name = "GROUP", value_hint = ValueHint::EmailAddress)]
    group: String,
    /// Who joins or leaves
    #[arg(long = "as", value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    member: String,
}

/// `group approve-member` and `group refuse-member`.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// The group: an address or a name
    #[arg(value_name = "GROUP", value_hint = ValueHint::EmailAddress)]
    group: String,
    /// Who asked to join
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    member: String,
    /// The owner who decides; without one the administrator does
    #[arg(long = "as", value_name = "OWNER", value_hint = ValueHint::EmailAddress)]
    owner: Option<String>,
}

impl SelfArgs {
    fn request(self, step: MembershipStep) -> Request {
        let Self { group, member } = self;
        Request::GroupMembership(MembershipOrder { group, member, step, owner: None })
    }
}

impl DecisionArgs {
    fn request(self, step: MembershipStep) -> Request {
        let Self { group, member, owner } = self;
        Request::GroupMembership(MembershipOrder { group, member, step, owner })
    }
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
            Self::ListRequests(args) => Request::GroupRequests { group: args.group },
            Self::Join(args) => args.request(MembershipStep::Join),
            Self::Leave(args) => args.request(MembershipStep::Leave),
            Self::ApproveMember(args) => args.request(MembershipStep::Approve),
            Self::RefuseMember(args) => args.request(MembershipStep::Refuse),
        }
    }
}
