//! Directory documents in and out.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::failure::Failure;
use super::request::ExchangeFile;
use super::response::{ImportReport, RejectedRow, Response};
use super::steward::{Moment, around};
use super::{Office, change_freely, doubts, licences, secrets};
use crate::admin::exchange;
use crate::admin::transfer::{self, Form};
use crate::model::directory::document::{Document, Entry, Plan, Secrets};
use crate::model::directory::{Account, Change, Recipient, RecipientType, Snapshot};
use crate::model::mail::Address;
use crate::world::password;

/// A document as text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) form: String,
    pub(super) text: String,
    /// Of new user mailboxes whose entries say nothing of licences.
    pub(super) licence: Option<String>,
}

pub(super) fn import(
    office: &Office,
    actor: &str,
    source: &Source,
    all_or_nothing: bool,
    dry_run: bool,
) -> Result<Response, Failure> {
    let form = if source.form.eq_ignore_ascii_case("json") { Form::Json } else { Form::Toml };
    let mut document = transfer::parse(form, source.text.as_bytes(), &source.name)
        .map_err(|error| Failure::refused(error.to_string()))?;
    if let Some(label) = source.licence.as_deref().map(str::trim).filter(|label| !label.is_empty()) {
        licences::judge_label(label)?;
        license(&mut document, &office.directory.snapshot(), label);
    }
    let hash = |text: &str, account: &Account| {
        secrets::hashed(office, (text, text), Some(account)).map_err(|error| error.to_string().into())
    };
    if dry_run {
        // Hashing a thousand passwords takes a minute and would tell nothing.
        let unhashed = |_: &str, _: &Account| Ok(password::decoy().clone());
        let snapshot = office.directory.snapshot();
        let plan = document.plan(&snapshot, &unhashed);
        let mut report = report(&plan, &document, false, true);
        report.warnings = warnings(office, &snapshot, &plan.changes);
        return Ok(Response::Imported(report));
    }
    let (_, report) = change_freely(office, actor, |snapshot| {
        let mut plan = document.plan(snapshot, &hash);
        let applied = plan.rejected.is_empty() || !all_or_nothing;
        let mut report = report(&plan, &document, applied, false);
        report.warnings = warnings(office, snapshot, &plan.changes);
        let changes = if applied { core::mem::take(&mut plan.changes) } else { Vec::new() };
        Ok((changes, report))
    })?;
    Ok(Response::Imported(report))
}

/// Gives new user mailboxes a licence whose entries say nothing of licences.
fn license(document: &mut Document, snapshot: &Snapshot, label: &str) {
    for entry in &mut document.recipients {
        let user = entry.recipient_type == Some(RecipientType::UserMailbox) && entry.account != Some(false);
        let known = || Address::parse(&entry.address).is_ok_and(|address| snapshot.find_by_address(&address).is_some());
        if user && entry.licences.is_none() && !known() {
            entry.licences = Some(vec![label.into()]);
        }
    }
}

fn report(plan: &Plan, document: &Document, applied: bool, dry_run: bool) -> ImportReport {
    let rejected = plan.rejected.iter().map(|rejected| RejectedRow {
        place: match rejected.entry {
            Entry::Domain(place) => format!("domain {} of {}", place + 1, document.domains.len()),
            Entry::Organisation => "organisation".to_owned(),
            Entry::AuthenticationPolicy(place) => {
                format!("authentication policy {} of {}", place + 1, document.authentication_policies.len())
            }
            Entry::RemoteDomain(place) => {
                format!("remote domain {} of {}", place + 1, document.remote_domains.len())
            }
            Entry::AddressPolicy(place) => {
                format!("email address policy {} of {}", place + 1, document.address_policies.len())
            }
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
        notes: Vec::new(),
        warnings: Vec::new(),
    }
}

/// What follows from changes for the mailboxes that they bring.
fn warnings(office: &Office, snapshot: &Snapshot, changes: &[Change]) -> Vec<String> {
    let moment = Moment::of(office);
    let mut warnings = doubts::warnings(office, snapshot, around(office, &moment, snapshot), changes);
    warnings.extend(without_password(snapshot, changes));
    warnings
}

/// How many accounts come in that cannot sign in, since nobody gave them a password, and how they get one.
fn without_password(snapshot: &Snapshot, changes: &[Change]) -> Option<String> {
    let waits = |recipient: &Recipient| {
        let account = recipient.account.as_deref().filter(|account| account.enabled && !account.sign_in_blocked);
        account.is_some_and(|account| account.password.is_none() && account.devices.is_empty())
    };
    let mut waiting = BTreeSet::new();
    for change in changes {
        let Change::PutRecipient(recipient) = change else { continue };
        if snapshot.recipient(recipient.id).is_none() && waits(recipient) {
            waiting.insert(recipient.id);
        }
    }
    let first = changes.iter().find_map(|change| match change {
        Change::PutRecipient(recipient) if waiting.contains(&recipient.id) => Some(recipient.primary()),
        _ => None,
    })?;
    let (count, have) = match waiting.len() {
        1 => ("1 new account".to_owned(), "has"),
        count => (format!("{count} new accounts"), "have"),
    };
    Some(format!(
        "{count} {have} no password and cannot sign in yet: franking account password {first} makes one and shows it \
         once; in TOML and JSON, password or password_hash bring one along"
    ))
}

/// How exported files are to be read and judged.
pub(super) struct ExchangeOptions {
    pub(super) licence: Option<String>,
    pub(super) add_domains: bool,
    pub(super) all_or_nothing: bool,
    pub(super) dry_run: bool,
}

pub(super) fn import_exchange(
    office: &Office,
    actor: &str,
    files: &[ExchangeFile],
    options: &ExchangeOptions,
) -> Result<Response, Failure> {
    let decoded: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|file| {
            let octets = STANDARD.decode(&file.content);
            octets
                .map(|octets| (file.name.as_str(), octets))
                .map_err(|_| Failure::refused(format!("{}: the content did not arrive as base64", file.name)))
        })
        .collect::<Result<_, _>>()?;
    let sources: Vec<exchange::Source<'_>> =
        decoded.iter().map(|(name, bytes)| exchange::Source { name, bytes, kind: None }).collect();
    let reading = exchange::Options {
        licence: options.licence.as_deref().map(Into::into),
        add_domains: options.add_domains,
        recipients_max: office.settings().recipients_max,
        now: office.clock.now(),
    };
    // Exports hold no passwords.
    let hash = |_: &str, _: &Account| Err("an Exchange export holds no passwords".into());
    let judge = |snapshot: &Snapshot| exchange::read(&sources, snapshot, &reading).plan(snapshot, &hash);
    if options.dry_run {
        let snapshot = office.directory.snapshot();
        let judged = judge(&snapshot);
        let mut report = exchange_report(&judged, false, true);
        report.warnings = warnings(office, &snapshot, &judged.changes);
        return Ok(Response::Imported(report));
    }
    let (_, report) = change_freely(office, actor, |snapshot| {
        let mut judged = judge(snapshot);
        let applied = judged.refused.is_empty() || !options.all_or_nothing;
        let mut report = exchange_report(&judged, applied, false);
        report.warnings = warnings(office, snapshot, &judged.changes);
        let changes = if applied { core::mem::take(&mut judged.changes) } else { Vec::new() };
        Ok((changes, report))
    })?;
    Ok(Response::Imported(report))
}

fn exchange_report(judged: &exchange::Report, applied: bool, dry_run: bool) -> ImportReport {
    let rows = |findings: &[exchange::Finding]| {
        let row = |finding: &exchange::Finding| RejectedRow {
            place: if finding.row == 0 {
                finding.file.to_string()
            } else {
                format!("{}, row {}", finding.file, finding.row)
            },
            address: finding.identity.to_string(),
            reason: finding.reason.to_string(),
        };
        findings.iter().map(row).collect::<Vec<_>>()
    };
    ImportReport {
        dry_run,
        applied,
        created: judged.counts.created,
        updated: judged.counts.updated,
        unchanged: judged.counts.unchanged,
        rejected: rows(&judged.refused),
        notes: rows(&judged.notes),
        warnings: Vec::new(),
    }
}

pub(super) fn export(snapshot: &Snapshot, hashes: bool) -> Response {
    let secrets = if hashes { Secrets::Include } else { Secrets::Hide };
    Response::Directory { document: Box::new(Document::of(snapshot, secrets)) }
}

#[cfg(test)]
mod tests;
