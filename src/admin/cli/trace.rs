//! `franking trace`.

use clap::Args;

use crate::admin::office::{LINES_MAX, Moment, Request, TraceQuery};
use crate::model::queue::{Party, QueueId};
use crate::store::trace::Status;

/// `trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each message and recipient with its last status, the newest first; with --id, everything that happened to \
one message. Times are those of acceptance, in UTC. [trace] in the configuration says how long messages are traced \
(90 days unless it says otherwise). It works with and without a running server.

Exchange: Get-MessageTraceV2, Get-MessageTraceDetailV2, Get-MessageTrackingLog

Examples:
  franking trace
  franking trace --sender alice@contoso.example --since 2h
  franking trace --recipient @fabrikam.example --status deferred --since 7d
  franking trace --subject invoice --since 2026-01-05 --until 2026-01-06T12:00 --json
  franking trace --id 0019B8E2A4C00000
  franking trace --id 0019B8E2A4C00000 --recipient bob@contoso.example")]
pub struct TraceArgs {
    /// Everything that happened to this message: 16 hexadecimal digits, as in the reply that accepted it
    #[arg(long, value_name = "ID")]
    #[arg(conflicts_with_all = ["since", "until", "sender", "subject", "status"])]
    id: Option<QueueId>,
    /// Only from this address, this domain (@contoso.example), or the null path (<>)
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<Party>,
    /// Only to this address or domain (@fabrikam.example), as given or after expansion
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Party>,
    /// Only with this text in the subject, letter case aside
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Only accepted since this time: 2h, 3d, 2026-01-05 or 2026-01-05T09:00:00Z [default: 48h]
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only accepted until this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only with this last status: accepted, expanded, due, deferred, held, delivered, relayed, failed or removed
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// How many lines at most
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = limit)]
    limit: usize,
}

fn limit(text: &str) -> Result<usize, String> {
    let count = text.trim().parse().ok().filter(|count| (1..=LINES_MAX).contains(count));
    count.ok_or_else(|| format!("write a number from 1 to {LINES_MAX}"))
}

impl TraceArgs {
    pub(super) fn request(self) -> Request {
        let Self { id, sender, recipient, subject, since, until, status, limit } = self;
        match id {
            Some(id) => Request::TraceMessage { id, recipient },
            None => Request::Trace(Box::new(TraceQuery { since, until, sender, recipient, subject, status, limit })),
        }
    }
}
