//! `franking hold`.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::recipient::IdentityArgs;
use crate::admin::office::{HoldOrder, LifeOrder, LifeQuestion, Request};
use crate::model::directory::lifecycle::hold::HoldKind;

/// What keeps contents of mailboxes from being lost.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking hold list alice@contoso.example")]
pub enum HoldCommand {
    /// Place a hold: while it stands, nothing of the mailbox is deleted for good
    #[command(after_help = "\
Exchange: Set-Mailbox -LitigationHoldEnabled $true, New-CaseHoldPolicy, New-RetentionCompliancePolicy

Examples:
  franking hold place alice@contoso.example
  franking hold place alice@contoso.example --kind litigation-hold --days 365
  franking hold place alice@contoso.example --kind ediscovery-hold --name \"Case 17\"")]
    Place(PlaceArgs),
    /// Lift a hold; the last one leaves a delay hold of 30 days
    #[command(after_help = "\
Exchange: Set-Mailbox -LitigationHoldEnabled $false, Remove-CaseHoldPolicy

Examples:
  franking hold lift alice@contoso.example
  franking hold lift alice@contoso.example --kind ediscovery-hold --name \"Case 17\"")]
    Lift(LiftArgs),
    /// List what keeps a mailbox, and until when
    #[command(after_help = "\
Exchange: Get-Mailbox (LitigationHoldEnabled, InPlaceHolds, DelayHoldApplied), Get-OrganizationConfig (InPlaceHolds)

Examples:
  franking hold list alice@contoso.example
  franking hold list alice@contoso.example --json")]
    List(IdentityArgs),
    /// Take away what is left for 30 days after the last hold
    #[command(after_help = "\
Exchange: Set-Mailbox -RemoveDelayHoldApplied

Examples:
  franking hold drop-delay alice@contoso.example")]
    DropDelay(IdentityArgs),
    /// Exclude a mailbox from a retention policy of the organisation
    #[command(after_help = "\
Exchange: Set-RetentionCompliancePolicy -AddExchangeLocationException, Set-Mailbox -ExcludeFromOrgHolds

Examples:
  franking hold exclude alice@contoso.example \"Seven years\"")]
    Exclude(PolicyOfArgs),
    /// End such an exclusion
    #[command(after_help = "\
Exchange: Set-RetentionCompliancePolicy -RemoveExchangeLocationException

Examples:
  franking hold include alice@contoso.example \"Seven years\"")]
    Include(PolicyOfArgs),
    /// Retention policies for every mailbox
    #[command(subcommand)]
    #[command(after_help = "\
Exchange: Get-RetentionCompliancePolicy

Examples:
  franking hold policy list")]
    Policy(PolicyCommand),
}

/// Retention policies of the organisation.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Add a policy, or change its days
    #[command(after_help = "\
Exchange: New-RetentionCompliancePolicy -ExchangeLocation All, New-RetentionComplianceRule

Examples:
  franking hold policy add \"Seven years\" --days 2555")]
    Add(PolicyAddArgs),
    /// Remove a policy
    #[command(after_help = "\
Exchange: Remove-RetentionCompliancePolicy

Examples:
  franking hold policy remove \"Seven years\"")]
    Remove(PolicyArgs),
    /// List the policies
    #[command(after_help = "\
Exchange: Get-RetentionCompliancePolicy

Examples:
  franking hold policy list --json")]
    List,
}

/// Kinds of holds that a command makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The whole mailbox.
    LitigationHold,
    /// Of an eDiscovery case.
    EdiscoveryHold,
    /// Of a retention policy that names this mailbox.
    RetentionPolicy,
    /// Of a retention label on something in it.
    RetentionLabel,
    /// Of an old In-Place Hold, which can be lifted and no longer placed.
    InPlaceHold,
    /// What a recovered mailbox has for 30 days.
    RecoveryHold,
}

impl Kind {
    const fn stored(self) -> HoldKind {
        match self {
            Self::LitigationHold => HoldKind::LitigationHold,
            Self::EdiscoveryHold => HoldKind::EDiscoveryHold,
            Self::RetentionPolicy => HoldKind::RetentionPolicy,
            Self::RetentionLabel => HoldKind::RetentionLabel,
            Self::InPlaceHold => HoldKind::InPlaceHold,
            Self::RecoveryHold => HoldKind::RecoveryHold,
        }
    }
}

/// `hold place`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[command(flatten)]
    hold: LiftArgs,
    /// For how many days it keeps what it keeps [default: until it is lifted]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
}

/// `hold lift`.
#[derive(Debug, Args)]
pub struct LiftArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// What kind of hold
    #[arg(long, value_name = "KIND", default_value = "litigation-hold")]
    kind: Kind,
    /// Which one, where there can be several
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
}

/// A mailbox and a policy.
#[derive(Debug, Args)]
pub struct PolicyOfArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// The policy
    #[arg(value_name = "POLICY")]
    policy: String,
}

/// `hold policy add`.
#[derive(Debug, Args)]
pub struct PolicyAddArgs {
    /// Its name
    #[arg(value_name = "POLICY")]
    name: String,
    /// For how many days it keeps things [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
}

/// `hold policy remove`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Its name
    #[arg(value_name = "POLICY")]
    name: String,
}

impl HoldCommand {
    pub(super) fn request(self) -> Request {
        Request::Life(LifeOrder::Hold(match self {
            Self::Place(PlaceArgs { hold: LiftArgs { identity, kind, name }, days }) => {
                HoldOrder::Place { identity, kind: kind.stored(), name, days }
            }
            Self::Lift(LiftArgs { identity, kind, name }) => HoldOrder::Lift { identity, kind: kind.stored(), name },
            Self::DropDelay(args) => HoldOrder::DropDelay { identity: args.identity },
            Self::Exclude(args) => HoldOrder::Exclude { identity: args.identity, policy: args.policy },
            Self::Include(args) => HoldOrder::Include { identity: args.identity, policy: args.policy },
            Self::List(args) => return Request::LifeQuestion(LifeQuestion::Holds { identity: args.identity }),
            Self::Policy(PolicyCommand::List) => return Request::LifeQuestion(LifeQuestion::Policies),
            Self::Policy(PolicyCommand::Add(args)) => HoldOrder::PolicyAdd { name: args.name, days: args.days },
            Self::Policy(PolicyCommand::Remove(args)) => HoldOrder::PolicyRemove { name: args.name },
        }))
    }
}
