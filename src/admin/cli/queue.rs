//! `franking queue`.

use clap::{Args, Subcommand};

use crate::admin::office::Request;

/// Messages that wait.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking queue list")]
pub enum QueueCommand {
    /// List messages, the oldest first
    #[command(after_help = "\
Exchange: Get-Queue, Get-Message

Examples:
  franking queue list
  franking queue list --limit 0 --json")]
    List(QueueListArgs),
    /// Show one message with its recipients and their last answers
    #[command(after_help = "\
Exchange: Get-Message -Identity, Get-MessageTraceDetail

Examples:
  franking queue show 0019B8E2A4C00000")]
    Show(QueueIdArgs),
    /// Try again now, one message or all
    #[command(after_help = "\
Exchange: Retry-Queue

Examples:
  franking queue retry 0019B8E2A4C00000
  franking queue retry --all")]
    Retry(QueueRetryArgs),
    /// Give a message up; its sender gets a report
    #[command(after_help = "\
Exchange: Remove-Message

Examples:
  franking queue remove 0019B8E2A4C00000
  franking queue remove 0019B8E2A4C00000 --silently")]
    Remove(QueueRemoveArgs),
}

/// `queue list`.
#[derive(Debug, Args)]
pub struct QueueListArgs {
    /// How many at most; 0 means all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// One message.
#[derive(Debug, Args)]
pub struct QueueIdArgs {
    /// The message's id: 16 hexadecimal digits, as in the reply that accepted it
    #[arg(value_name = "ID")]
    id: String,
}

/// `queue retry`.
#[derive(Debug, Args)]
pub struct QueueRetryArgs {
    /// The message's id
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// Every message that waits
    #[arg(long)]
    all: bool,
}

/// `queue remove`.
#[derive(Debug, Args)]
pub struct QueueRemoveArgs {
    /// The message's id
    #[arg(value_name = "ID")]
    id: String,
    /// Send no report
    #[arg(long)]
    silently: bool,
}

impl QueueCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List(args) => Request::QueueList { limit: args.limit },
            Self::Show(args) => Request::QueueShow { id: args.id },
            Self::Retry(args) => Request::QueueRetry { id: args.id },
            Self::Remove(args) => Request::QueueRemove { id: args.id, silently: args.silently },
        }
    }
}
