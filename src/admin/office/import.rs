//! Directory documents in and out.

use super::failure::Failure;
use super::response::{ImportReport, RejectedRow, Response};
use super::{Office, change};
use crate::admin::transfer::{self, Form};
use crate::model::directory::Snapshot;
use crate::model::directory::document::{Document, Entry, Plan, Secrets};
use crate::world::password;

/// A document as text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) form: String,
    pub(super) text: String,
}

pub(super) fn import(
    office: &Office,
    actor: &str,
    source: &Source,
    all_or_nothing: bool,
    dry_run: bool,
) -> Result<Response, Failure> {
    let form = if source.form.eq_ignore_ascii_case("json") { Form::Json } else { Form::Toml };
    let document = transfer::parse(form, source.text.as_bytes(), &source.name)
        .map_err(|error| Failure::refused(error.to_string()))?;
    let hash = |text: &str| password::hash(text, &*office.random).map_err(|error| error.to_string().into());
    if dry_run {
        // Hashing a thousand passwords takes a minute and would tell nothing.
        let unhashed = |_: &str| Ok(password::decoy().clone());
        let plan = document.plan(&office.directory.snapshot(), &unhashed);
        return Ok(Response::Imported(report(&plan, &document, false, true)));
    }
    let (_, report) = change(office, actor, |snapshot| {
        let mut plan = document.plan(snapshot, &hash);
        let applied = plan.rejected.is_empty() || !all_or_nothing;
        let report = report(&plan, &document, applied, false);
        let changes = if applied { core::mem::take(&mut plan.changes) } else { Vec::new() };
        Ok((changes, report))
    })?;
    Ok(Response::Imported(report))
}

fn report(plan: &Plan, document: &Document, applied: bool, dry_run: bool) -> ImportReport {
    let rejected = plan.rejected.iter().map(|rejected| RejectedRow {
        place: match rejected.entry {
            Entry::Domain(place) => format!("domain {} of {}", place + 1, document.domains.len()),
            Entry::Recipient(place) => format!("recipient {} of {}", place + 1, document.recipients.len()),
        },
        address: rejected.address.to_string(),
        reason: rejected.reason.to_string(),
    });
    ImportReport {
        dry_run,
        applied,
        created: plan.counts.created,
        updated: plan.counts.updated,
        unchanged: plan.counts.unchanged,
        rejected: rejected.collect(),
    }
}

pub(super) fn export(snapshot: &Snapshot, hashes: bool) -> Response {
    let secrets = if hashes { Secrets::Include } else { Secrets::Hide };
    Response::Directory { document: Box::new(Document::of(snapshot, secrets)) }
}
