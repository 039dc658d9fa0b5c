//! `franking audit access`.

use clap::{Args, ValueHint};

use crate::admin::cli::output::visible;
use crate::admin::office::{ContentsOrder, Request};
use crate::store::accesses::Access;

pub(super) const HELP: &str = "\
Which administrator has listed, read, exported or copied what is in somebody else's mailbox, oldest first. An entry is \
durable before anything is shown. The entries stand in audit/accesses.jsonl of the data directory, one a line.

Exchange: Search-MailboxAuditLog, Search-UnifiedAuditLog

Examples:
  franking audit access
  franking audit access --mailbox alice@contoso.example --json";

/// `audit access`.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// Only of this mailbox: an address, a name or #17
    #[arg(long, value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    mailbox: Option<String>,
    /// Only the newest so many; 0 shows all
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    limit: usize,
}

impl AccessArgs {
    pub(super) fn request(self) -> Request {
        Request::Contents(ContentsOrder::Accesses { identity: self.mailbox, limit: self.limit })
    }
}

/// One entry in words.
pub(in crate::admin::cli) fn line(access: &Access) -> String {
    let Access { at, actor, kind, mailbox, address, detail } = access;
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    let number = mailbox.map_or_else(String::new, |mailbox| format!(" (#{mailbox})"));
    visible(&format!("{at}  {actor}  {address}{number}  {}{detail}", kind.words()))
}
