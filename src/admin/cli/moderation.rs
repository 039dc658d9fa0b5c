//! `franking moderation`.

use clap::{Args, Subcommand};

use crate::admin::office::Request;
use crate::model::queue::{ApprovalId, Verdict};

/// Mail that waits for a moderator. Moderators decide here, or answer the request by mail from their own accounts, with
/// a subject that begins with Approve or Reject. Who moderates is set with `franking recipient set --moderator`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking moderation list\n  franking moderation approve 0019B8E2A4C00000.0")]
pub enum ModerationCommand {
    /// List what waits for a moderator, the oldest first
    #[command(after_help = "\
Examples:
  franking moderation list
  franking moderation list --limit 0 --json")]
    List(ModerationListArgs),
    /// Show one message that waits, or what was decided about it
    #[command(after_help = "\
Examples:
  franking moderation show 0019B8E2A4C00000.0")]
    Show(ModerationIdArgs),
    /// Let a message go on to the moderated recipient
    #[command(after_help = "\
The decision is durable when it is answered. Everything else is judged again, moderated groups within a group too.

Exchange: Approve in the moderator's mailbox

Examples:
  franking moderation approve 0019B8E2A4C00000.0 --moderator alice")]
    Approve(ApproveArgs),
    /// Keep a message from the moderated recipient; its sender is told as SendModerationNotifications says
    #[command(after_help = "\
Exchange: Reject in the moderator's mailbox

Examples:
  franking moderation reject 0019B8E2A4C00000.0 --moderator alice --comment 'To sales, please.'")]
    Reject(RejectArgs),
}

/// `moderation list`.
#[derive(Debug, Args)]
pub struct ModerationListArgs {
    /// How many at most; 0 means all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// What is meant.
#[derive(Debug, Args)]
pub struct ModerationIdArgs {
    /// As `franking moderation list` shows it; the message's id alone when only one of its recipients waits
    #[arg(value_name = "ID")]
    id: ApprovalId,
}

/// `moderation approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    which: ModerationIdArgs,
    /// Whose decision it is [default: the administrator's]
    #[arg(long, value_name = "RECIPIENT")]
    moderator: Option<String>,
}

/// `moderation reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    #[command(flatten)]
    which: ModerationIdArgs,
    /// Whose decision it is [default: the administrator's]
    #[arg(long, value_name = "RECIPIENT")]
    moderator: Option<String>,
    /// Why, for the sender to read
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
}

impl ModerationCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List(args) => Request::ModerationList { limit: args.limit },
            Self::Show(args) => Request::ModerationShow { id: args.id },
            Self::Approve(ApproveArgs { which, moderator }) => {
                let (verdict, comment) = (Verdict::Approve, String::new());
                Request::ModerationDecide { id: which.id, verdict, moderator, comment }
            }
            Self::Reject(RejectArgs { which, moderator, comment }) => {
                Request::ModerationDecide { id: which.id, verdict: Verdict::Reject, moderator, comment }
            }
        }
    }
}
