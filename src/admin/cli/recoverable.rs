//! `franking mailbox recoverable`: shown page by page while it is read, so that its length does not matter.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Global;
use super::output::{printable_json, size, visible};
use super::run::Desk;
use crate::admin::office::{
    ContentsOrder, Failure, RecoverableItem, RecoverablePage, RecoverableQuestion, Request, Response, counted,
};

/// What was deleted from mailboxes on hold.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
While a mailbox is on hold, nothing of it is deleted for good. Every look is entered in the access log: franking audit \
access

Exchange: Get-RecoverableItems, New-ComplianceSearch

Examples:
  franking mailbox recoverable list alice@contoso.example")]
pub enum RecoverableCommand {
    /// List what was deleted from a mailbox on hold and is kept
    #[command(after_help = "\
Exchange: Get-RecoverableItems

Examples:
  franking mailbox recoverable list alice@contoso.example
  franking mailbox recoverable list alice@contoso.example --limit 0 --json")]
    List(ListArgs),
    /// Show one deleted message
    #[command(after_help = "\
Exchange: Get-RecoverableItems, New-ComplianceSearchAction -Preview

Examples:
  franking mailbox recoverable show alice@contoso.example 1767603600.Q1R0.mx.contoso.example")]
    Show(ShowArgs),
    /// Write deleted messages into a directory, one file each
    #[command(after_help = "\
Each file is the message as it was stored, called NAME.eml, and readable by its owner only. The server writes them, so \
its user must be able to. A file that is there already is left alone: an export that was cut off goes on when the \
command is repeated.

Exchange: New-ComplianceSearchAction -Export, New-MailboxExportRequest

Examples:
  franking mailbox recoverable export alice@contoso.example --to /var/tmp/alice
  franking mailbox recoverable export alice --to /var/tmp/alice 1767603600.Q1R0.mx.contoso.example")]
    Export(ExportArgs),
}

/// Whose.
#[derive(Debug, Args)]
pub(super) struct WhoseArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Its archive
    #[arg(long)]
    archive: bool,
}

/// `mailbox recoverable list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// Only those after this one, as an earlier list ended
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// How many at most; 0 shows all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// `mailbox recoverable show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// The message, as the list calls it
    #[arg(value_name = "NAME")]
    item: String,
}

/// `mailbox recoverable export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// Only these messages, as the list calls them
    #[arg(value_name = "NAME")]
    items: Vec<String>,
    /// The directory; it is made if it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: PathBuf,
}

fn request(whose: &WhoseArgs, question: RecoverableQuestion) -> Request {
    let (identity, is_archive) = (whose.identity.clone(), whose.archive);
    Request::Contents(ContentsOrder::Recoverable { identity, is_archive, question })
}

impl Desk<'_> {
    pub(super) fn recoverable(&mut self, global: &Global, command: RecoverableCommand) -> Result<u8, Failure> {
        match command {
            RecoverableCommand::List(args) => self.recoverable_list(global, args),
            RecoverableCommand::Show(ShowArgs { whose, item }) => {
                self.ask_and_show(global, request(&whose, RecoverableQuestion::Show { item }))
            }
            RecoverableCommand::Export(ExportArgs { whose, items, to }) => {
                // The server writes it, and has another directory to start from.
                let to = std::path::absolute(&to).unwrap_or(to);
                self.ask_and_show(global, request(&whose, RecoverableQuestion::Export { items, to }))
            }
        }
    }

    fn recoverable_list(&mut self, global: &Global, args: ListArgs) -> Result<u8, Failure> {
        let ListArgs { whose, mut after, limit } = args;
        let (mut shown, mut begun) = (0_usize, false);
        loop {
            let limit_left = if limit == 0 { 0 } else { limit.saturating_sub(shown) };
            let question = RecoverableQuestion::List { after: after.clone(), limit: limit_left };
            let Response::Recoverable(page) = self.ask(global, request(&whose, question))? else {
                return Err(Failure::unavailable("The server answered something else than was asked."));
            };
            let mut text = if core::mem::replace(&mut begun, true) { String::new() } else { self.heading(&page) };
            for item in &page.items {
                text.push_str(&self.item(item, shown == 0));
                shown = shown.saturating_add(1);
            }
            // Whoever reads may have seen enough and closed the pipe: then there is nobody to go on for.
            if self.stdout.write_all(text.as_bytes()).is_err() {
                return Ok(0);
            }
            after = page.items.last().map(|item| item.name.clone());
            if !page.more || after.is_none() || (limit > 0 && shown >= limit) {
                self.ending(page.more, after.as_deref());
                return Ok(0);
            }
        }
    }

    fn heading(&self, page: &RecoverablePage) -> String {
        if self.json {
            let [mailbox, total] = [serde_json::to_string(&page.mailbox), serde_json::to_string(&page.total)];
            // Values of our own always have a JSON form.
            let (mailbox, total) = (mailbox.unwrap_or_default(), total.unwrap_or_default());
            let on_hold = page.on_hold;
            let text = format!(
                "{{\"result\":\"recoverable\",\"mailbox\":{mailbox},\"on_hold\":{on_hold},\"total\":{total},\"items\":["
            );
            return printable_json(&text);
        }
        let total = page.total.unwrap_or_default();
        let hold = if page.on_hold { "" } else { "; it is not on hold, so what is deleted is gone" };
        let (messages, bytes) =
            (counted(total.messages.try_into().unwrap_or(usize::MAX), "deleted message"), size(total.bytes));
        let are = if total.messages == 1 { "is" } else { "are" };
        format!("{}: {messages}, {bytes}, {are} kept{hold}.\n", visible(&page.mailbox))
    }

    fn item(&self, item: &RecoverableItem, is_first: bool) -> String {
        if self.json {
            let json = serde_json::to_string(item).unwrap_or_default();
            return format!("{}{}", if is_first { "\n" } else { ",\n" }, printable_json(&json));
        }
        let RecoverableItem { name, received_at, bytes, subject } = item;
        let at = received_at.as_deref().unwrap_or("-");
        format!("{}\n", visible(&format!("{at}  {}  {name}  {subject}", size(*bytes))))
    }

    fn ending(&mut self, more: bool, last: Option<&str>) {
        if self.json {
            let next = serde_json::to_string(&last.filter(|_| more)).unwrap_or_default();
            return self.print(&printable_json(&format!("\n],\"next\":{next}}}\n")));
        }
        if let Some(last) = last.filter(|_| more) {
            self.complain(&format!("There are more: --limit 0 shows all, --after {} the next.\n", visible(last)));
        }
        self.print("");
    }
}
