//! Remote domains: what domains outside are sent.

use super::failure::Failure;
use super::response::Response;
use super::{Office, change};
use crate::model::directory::document::{Document, RemoteDomainEntry};
use crate::model::directory::{Change, RemoteDomain, Snapshot};
use crate::model::mail::DomainPattern;

fn parse(text: &str) -> Result<DomainPattern, Failure> {
    text.trim().parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Failure::refused(format!("\"{shown}\" is no domain; write fabrikam.example, \"*.fabrikam.example\" or \"*\""))
    })
}

pub(super) fn put(office: &Office, actor: &str, entry: &RemoteDomainEntry, new: bool) -> Result<Response, Failure> {
    let pattern = parse(&entry.domain)?;
    let given = RemoteDomainEntry { domain: pattern.to_string().into(), ..entry.clone() };
    let plain = RemoteDomainEntry { domain: given.domain.clone(), ..RemoteDomainEntry::default() };
    if !new && given == plain {
        return Err(Failure::refused("Nothing to set.").cured_by("franking remote-domain set --help"));
    }
    let document = Document { remote_domains: vec![given], ..Document::default() };
    let (snapshot, changed) = change(office, actor, |snapshot| {
        let exists = snapshot.remote_domains().any(|remote| remote.domain == pattern);
        // What holds for every other domain is always there, made or not.
        match (exists, new) {
            (true, true) => {
                let failure = Failure::refused(format!("There is a remote domain {pattern} already."));
                return Err(failure.cured_by(format!("franking remote-domain set \"{pattern}\"")));
            }
            (false, false) if pattern != DomainPattern::All => {
                let failure = Failure::not_found(format!("There is no remote domain {pattern}."));
                return Err(failure.cured_by(format!("franking remote-domain add \"{pattern}\"")));
            }
            (true, false) | (false, true | false) => {}
        }
        let plan = document.plan(snapshot, &|_, _| Err("no passwords here".into()));
        let changed = !plan.changes.is_empty();
        Ok((plan.changes, changed))
    })?;
    let mut notes = Vec::new();
    if let DomainPattern::One(domain) = &pattern
        && snapshot.accepted_domain(domain).is_some()
    {
        notes.push(format!("{domain} is an accepted domain: what stays inside is not judged by remote domains."));
    }
    if !changed {
        notes.push("It already was so.".to_owned());
    }
    Ok(Response::Done { message: format!("The remote domain {pattern} is set."), notes, password: None })
}

pub(super) fn remove(office: &Office, actor: &str, domain: &str) -> Result<Response, Failure> {
    let pattern = parse(domain)?;
    let known = office.directory.snapshot().remote_domains().any(|remote| remote.domain == pattern);
    if !known {
        return Err(Failure::not_found(format!("There is no remote domain {pattern}.")));
    }
    change(office, actor, |_| Ok((vec![Change::RemoveRemoteDomain(pattern.clone())], ())))?;
    let message = format!("The remote domain {pattern} is removed; the next wider one, or the defaults, hold now.");
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

pub(super) fn list(snapshot: &Snapshot) -> Response {
    let made = snapshot.remote_domains();
    let for_all = snapshot.remote_domains().all(|remote| remote.domain != DomainPattern::All);
    let default = for_all.then(|| RemoteDomainEntry::of(&RemoteDomain::new(DomainPattern::All)));
    Response::RemoteDomains { remote_domains: default.into_iter().chain(made.map(RemoteDomainEntry::of)).collect() }
}
