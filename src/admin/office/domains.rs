//! Accepted domains and the settings of the organisation.

use super::failure::Failure;
use super::request::DomainEdit;
use super::response::Response;
use super::{Office, change};
use crate::model::directory::document::{Document, DomainEntry, OrganisationEntry};
use crate::model::directory::{AcceptedDomain, Change, DomainType, Organisation, Snapshot};
use crate::model::mail::Domain;

fn parse(text: &str) -> Result<Domain, Failure> {
    Domain::parse(text.trim()).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Failure::refused(format!("\"{shown}\" is no domain; write contoso.example"))
    })
}

pub(super) fn put(office: &Office, actor: &str, edit: &DomainEdit, new: bool) -> Result<Response, Failure> {
    let name = parse(&edit.domain)?;
    change(office, actor, |snapshot| {
        let former = snapshot.domains().find(|domain| domain.domain == name);
        let base = match (former, new) {
            (Some(_), true) => {
                let failure = Failure::refused(format!("{name} is already an accepted domain."));
                return Err(failure.cured_by(format!("franking domain set {name}")));
            }
            (None, false) => {
                let failure = Failure::not_found(format!("{name} is no accepted domain."));
                return Err(failure.cured_by(format!("franking domain add {name}")));
            }
            (Some(former), false) => former.clone(),
            (None, true) => AcceptedDomain::new(name.clone(), DomainType::default()),
        };
        let next = edited(edit, base)?;
        Ok((vec![Change::PutDomain(next)], ()))
    })?;
    let done = if new { "accepted" } else { "set" };
    Ok(Response::Done { message: format!("The domain {name} is {done}."), notes: Vec::new(), password: None })
}

fn edited(edit: &DomainEdit, mut domain: AcceptedDomain) -> Result<AcceptedDomain, Failure> {
    if edit.default == Some(false) && domain.default {
        let failure = Failure::refused(format!("{} is the default domain; one must be.", domain.domain));
        return Err(failure.cured_by("make another one the default: franking domain set OTHER --default"));
    }
    domain.domain_type = edit.domain_type.unwrap_or(domain.domain_type);
    domain.match_subdomains = edit.match_subdomains.unwrap_or(domain.match_subdomains);
    domain.default = edit.default.unwrap_or(domain.default);
    domain.outbound_only = edit.outbound_only.unwrap_or(domain.outbound_only);
    domain.sending_from_disabled = edit.sending_from_disabled.unwrap_or(domain.sending_from_disabled);
    domain.sending_to_disabled = edit.sending_to_disabled.unwrap_or(domain.sending_to_disabled);
    if let Some(host) = &edit.next_host {
        let host = host.trim();
        let well_formed = host.chars().all(|character| character.is_ascii_graphic()) && host.len() <= 260;
        if !well_formed {
            return Err(Failure::refused("--next-host is a host name or address, with :PORT if it is not 25."));
        }
        domain.next_host = (!host.is_empty()).then(|| host.into());
    }
    if domain.next_host.is_some() && !domain.domain_type.is_relay() {
        let failure = Failure::refused("Only a relay domain has a next host.");
        return Err(failure.cured_by("add --type internal-relay"));
    }
    Ok(domain)
}

pub(super) fn remove(office: &Office, actor: &str, domain: &str) -> Result<Response, Failure> {
    let name = parse(domain)?;
    change(office, actor, |_| Ok((vec![Change::RemoveDomain(name.clone())], ())))?;
    let message = format!("Mail for {name} is no longer accepted.");
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

pub(super) fn list(snapshot: &Snapshot) -> Response {
    Response::Domains { domains: snapshot.domains().map(DomainEntry::of).collect() }
}

pub(super) fn organisation(snapshot: &Snapshot) -> Response {
    Response::Organisation(OrganisationEntry::of(snapshot.organisation()))
}

pub(super) fn set_organisation(office: &Office, actor: &str, entry: &OrganisationEntry) -> Result<Response, Failure> {
    if *entry == OrganisationEntry::default() {
        return Err(Failure::refused("Nothing to set.").cured_by("franking organisation set --help"));
    }
    let document = Document { organisation: Some(entry.clone()), ..Document::default() };
    let (_, changed) = change(office, actor, |snapshot| {
        let plan = document.plan(snapshot, &|_, _| Err("no passwords here".into()));
        if let Some(rejected) = plan.rejected.first() {
            return Err(Failure::refused(rejected.reason.to_string()));
        }
        let changed = !plan.changes.is_empty();
        Ok((plan.changes, changed))
    })?;
    let mut notes = Vec::new();
    let now: Organisation = office.directory.snapshot().organisation().clone();
    if now.security_defaults || !now.allow_basic_auth_smtp {
        notes.push("Passwords are not accepted for SMTP now; devices that use one are refused.".to_owned());
    }
    if !changed {
        notes.push("It already was so.".to_owned());
    }
    Ok(Response::Done { message: "The organisation is set.".to_owned(), notes, password: None })
}
