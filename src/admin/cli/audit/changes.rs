//! `franking audit changes`.

use clap::Args;
use serde_json::Value;

use super::super::Global;
use super::super::output::{printable_json, visible};
use super::super::run::Desk;
use crate::admin::office::{ChangeQuery, Failure, Moment, Request, Response};
use crate::store::directory::history::{Action, Alteration, Altered};

pub(super) const HELP: &str = "\
Oldest first: the time in UTC, who, what, and every property that altered, before → after. Properties have the names \
that exports have; passwords are never shown. The change log keeps everything for ever, so what was removed or purged \
has its history still, under any address or name that it ever had. Members and whoever has a permission are called as \
they are called now. With --json, each line is an object: write them to \
a file to export the history. It works with and without a running server.

The actor is who asked the running server by the operating system's account, such as \"uid 0\", \"command line\" when \
none ran, or the part of the server that acted by itself.

Exchange: Search-AdminAuditLog, New-AdminAuditLogSearch

Examples:
  franking audit changes --since 7d
  franking audit changes --object info@contoso.example
  franking audit changes --object organisation --actor \"uid 0\"
  franking audit changes --since 2026-01-01 --until 2026-02-01 --limit 0 --json";

/// `audit changes`.
#[derive(Clone, Debug, Args)]
pub struct ChangesArgs {
    /// Only of what has or had this address, login or name; #17 for an identity; a domain; organisation
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Only by this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only since this time: 2h, 3d, 2026-01-05 or 2026-01-05T09:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only until this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only the newest so many; 0 shows all
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    limit: usize,
}

impl Desk<'_> {
    pub(super) fn audit_changes(&mut self, global: &Global, args: ChangesArgs) -> Result<u8, Failure> {
        let ChangesArgs { object, actor, since, until, limit } = args;
        let mut query = ChangeQuery { object, actor, since, until, limit, from: None };
        let (mut left_out, mut shown) = (0, 0_usize);
        loop {
            let Response::ChangeAudit(part) = self.ask(global, Request::AuditChanges(Box::new(query.clone())))? else {
                return Err(Failure::unavailable("The server answered something else than was asked."));
            };
            left_out += part.older;
            shown += part.alterations.len();
            let text: String = part.alterations.iter().map(|altered| self.shown_as(altered)).collect();
            // Whoever reads may have seen enough and closed the pipe: then there is nobody to go on for.
            if self.stdout.write_all(text.as_bytes()).is_err() {
                return Ok(0);
            }
            query.from = part.next.map(|next| *next);
            if query.from.is_none() {
                break;
            }
        }
        // Beside the list, so that an export has nothing but changes in it.
        if left_out > 0 {
            self.complain(&format!("{left_out} older changes are not shown; --limit 0 shows all.\n"));
        } else if shown == 0 {
            self.complain("There is no such change.\n");
        }
        self.print("");
        Ok(0)
    }

    fn shown_as(&self, altered: &Alteration) -> String {
        if !self.json {
            return paragraph(altered);
        }
        // A value of our own always has a JSON form; without one it would be left out of the list.
        let json = serde_json::to_string(altered).unwrap_or_default();
        format!("{}\n", printable_json(&json))
    }
}

/// One change in words.
pub(in crate::admin::cli) fn paragraph(altered: &Alteration) -> String {
    let Alteration { version, at, actor, action, kind, object, id, properties } = altered;
    let action = match action {
        Action::Added => "added",
        Action::Changed => "changed",
        Action::Removed => "removed",
    };
    let id = id.map_or_else(String::new, |id| format!(" (#{id})"));
    let object = if kind == object { String::new() } else { format!(" {object}") };
    let mut text = format!("{at}  {}\n", visible(&format!("{actor}  {action} {kind}{object}{id}, version {version}")));
    for property in properties {
        let line = match &property.altered {
            Altered::Value { old, new } => format!("{} → {}", value(old), value(new)),
            Altered::List { added, removed } => {
                let signed = |sign: &'static str, of: &Value| format!("{sign}{}", value(of));
                let added = added.iter().map(|one| signed("+", one));
                added.chain(removed.iter().map(|one| signed("-", one))).collect::<Vec<_>>().join(", ")
            }
            Altered::Secret { .. } => "changed".to_owned(),
        };
        text.push_str(&format!("  {}\n", visible(&format!("{}: {line}", property.property))));
    }
    text
}

/// A value as people read it.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
