//! `franking queue`.

use clap::{Args, Subcommand};

use super::values::seconds;
use crate::admin::office::{QueueOrder, Request};
use crate::model::queue::{DestinationName, Party, QueueId, Selection, State, Suspendable};

/// Messages that wait.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking queue list\n  franking queue destinations")]
pub enum QueueCommand {
    /// List messages, the oldest first
    #[command(after_help = "\
Exchange: Get-Message

Examples:
  franking queue list
  franking queue list --destination fabrikam.example --older-than 2h
  franking queue list --limit 0 --json")]
    List(QueueListArgs),
    /// Show one message with its recipients and their last answers
    #[command(after_help = "\
Exchange: Get-Message -Identity, Get-MessageTraceDetail

Examples:
  franking queue show 0019B8E2A4C00000")]
    Show(QueueIdArgs),
    /// Try again now what waits for another attempt
    #[command(after_help = "\
A destination that waits since none of its hosts could be used is asked at once, too. \
Mail that waits for a moderator is decided with franking moderation.

Exchange: Retry-Queue

Examples:
  franking queue retry 0019B8E2A4C00000
  franking queue retry --destination fabrikam.example
  franking queue retry --all")]
    Retry(QueueOrderArgs),
    /// Stop messages until they are released; they still expire
    #[command(after_help = "\
An attempt under way is not interrupted. --recipient, --destination and --state hold only those recipients.

Exchange: Suspend-Message

Examples:
  franking queue hold 0019B8E2A4C00000
  franking queue hold --sender bob@contoso.example --dry-run
  franking queue hold --sender @contoso.example --older-than 1h")]
    Hold(QueueOrderArgs),
    /// Let held messages go on
    #[command(after_help = "\
Exchange: Resume-Message

Examples:
  franking queue release 0019B8E2A4C00000
  franking queue release --all")]
    Release(QueueOrderArgs),
    /// Give messages up; their senders get reports
    #[command(after_help = "\
An attempt under way is not interrupted; what it delivers stays delivered.

Exchange: Remove-Message -WithNDR

Examples:
  franking queue remove 0019B8E2A4C00000
  franking queue remove --sender eve@fabrikam.example --silently
  franking queue remove --destination fabrikam.example --older-than 1d --dry-run")]
    Remove(QueueRemoveArgs),
    /// Send messages for other systems on another way, now
    #[command(after_help = "\
Mail for mailboxes here stays where it is.

Exchange: Redirect-Message

Examples:
  franking queue move --destination fabrikam.example --to backup.fabrikam.example
  franking queue move 0019B8E2A4C00000 --to 192.0.2.25:2525
  franking queue move --all --to mx")]
    Move(QueueMoveArgs),
    /// List where mail waits to go, and what is suspended
    #[command(after_help = "\
Exchange: Get-Queue

Examples:
  franking queue destinations
  franking queue destinations --json")]
    Destinations,
    /// Stop everything to a destination or from a sender; mail is still accepted, and expires as ever
    #[command(after_help = "\
Exchange: Suspend-Queue

Examples:
  franking queue suspend --destination fabrikam.example --reason 'they asked us to wait'
  franking queue suspend --sender bob@contoso.example")]
    Suspend(QueueSuspendArgs),
    /// Let a destination or a sender go on
    #[command(after_help = "\
Exchange: Resume-Queue

Examples:
  franking queue resume --destination fabrikam.example
  franking queue resume --sender bob@contoso.example")]
    Resume(QueueSuspendableArgs),
}

/// Which messages; everything that is given must hold.
#[derive(Debug, Args)]
struct SelectionArgs {
    /// Messages by id: 16 hexadecimal digits, as in the reply that accepted them
    #[arg(value_name = "ID")]
    ids: Vec<QueueId>,
    /// Only from this address, this domain (@contoso.example), or the null path (<>)
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<Party>,
    /// Only to this address or domain (@fabrikam.example), as given or after expansion
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Party>,
    /// Only on the way to this domain or next host
    #[arg(long, value_name = "NAME")]
    destination: Option<DestinationName>,
    /// Only what was accepted so long ago, for example 90s, 30m, 2h or 3d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    older_than: Option<u64>,
    /// Only recipients in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
}

impl From<SelectionArgs> for Box<Selection> {
    fn from(args: SelectionArgs) -> Self {
        let SelectionArgs { ids, sender, recipient, destination, older_than, state } = args;
        let (older_than_seconds, submitter) = (older_than, None);
        Self::new(Selection { ids, sender, recipient, destination, older_than_seconds, state, submitter })
    }
}

/// `queue list`.
#[derive(Debug, Args)]
pub struct QueueListArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// How many at most; 0 means all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Only messages after this one: the next page
    #[arg(long, value_name = "ID")]
    after: Option<QueueId>,
}

/// One message.
#[derive(Debug, Args)]
pub struct QueueIdArgs {
    /// The message's id: 16 hexadecimal digits, as in the reply that accepted it
    #[arg(value_name = "ID")]
    id: String,
}

/// An order on messages.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true, args = [
    "ids", "sender", "recipient", "destination", "older_than", "state", "all",
])]
pub struct QueueOrderArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Every message
    #[arg(long, conflicts_with_all = ["ids", "sender", "recipient", "destination", "older_than", "state"])]
    all: bool,
    /// Change nothing; say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl QueueOrderArgs {
    fn request(self, order: QueueOrder) -> Request {
        Request::QueueOrder { selection: self.selection.into(), order, dry_run: self.dry_run }
    }
}

/// `queue remove`.
#[derive(Debug, Args)]
pub struct QueueRemoveArgs {
    #[command(flatten)]
    which: QueueOrderArgs,
    /// Send no report
    #[arg(long)]
    silently: bool,
}

/// `queue move`.
#[derive(Debug, Args)]
pub struct QueueMoveArgs {
    #[command(flatten)]
    which: QueueOrderArgs,
    /// The next host, with a port if it is not 25; or mx: by the domain's own way again
    #[arg(long, value_name = "HOST", value_parser = next_host)]
    to: NextHost,
}

/// A host, or none for the domain's own way.
#[derive(Clone, Debug)]
struct NextHost(Option<DestinationName>);

fn next_host(text: &str) -> Result<NextHost, String> {
    if text.eq_ignore_ascii_case("mx") {
        return Ok(NextHost(None));
    }
    text.parse().map(|host| NextHost(Some(host))).map_err(|_| "write a host, host:port, or mx".to_owned())
}

/// A destination or a sender.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
pub struct QueueSuspendableArgs {
    /// A domain or next host
    #[arg(long, value_name = "NAME")]
    destination: Option<DestinationName>,
    /// An address, or a domain with @ before it
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<Party>,
}

impl QueueSuspendableArgs {
    /// The parser sees to it that there is exactly one of the two; the null path stands in for none.
    fn what(self) -> Suspendable {
        match (self.destination, self.sender) {
            (Some(name), _) => Suspendable::Destination(name),
            (None, sender) => Suspendable::Sender(sender.unwrap_or(Party::Null)),
        }
    }
}

/// `queue suspend`.
#[derive(Debug, Args)]
pub struct QueueSuspendArgs {
    #[command(flatten)]
    what: QueueSuspendableArgs,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

impl QueueCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List(args) => {
                Request::QueueList { selection: args.selection.into(), after: args.after, limit: args.limit }
            }
            Self::Show(args) => Request::QueueShow { id: args.id },
            Self::Retry(args) => args.request(QueueOrder::Retry),
            Self::Hold(args) => args.request(QueueOrder::Hold),
            Self::Release(args) => args.request(QueueOrder::Release),
            Self::Remove(args) => args.which.request(QueueOrder::Remove { silently: args.silently }),
            Self::Move(args) => args.which.request(QueueOrder::Move { to: args.to.0 }),
            Self::Destinations => Request::QueueDestinations,
            Self::Suspend(args) => Request::QueueSuspend { what: args.what.what(), reason: args.reason },
            Self::Resume(args) => Request::QueueResume { what: args.what() },
        }
    }
}
