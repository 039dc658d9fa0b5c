//! Authentication policies.

use super::failure::Failure;
use super::response::Response;
use super::{Office, change};
use crate::model::directory::document::{AuthenticationPolicyEntry, Document};
use crate::model::directory::{AuthenticationPolicy, Change, Snapshot};

fn unknown(snapshot: &Snapshot, name: &str) -> Failure {
    let shown: String = name.chars().take(80).collect();
    let failure = Failure::not_found(format!("There is no authentication policy \"{shown}\"."));
    let names: Vec<String> = snapshot.authentication_policies().map(|policy| format!("\"{}\"", policy.name)).collect();
    match names.as_slice() {
        [] => failure.cured_by(format!("franking authentication-policy add \"{shown}\"")),
        [..] => failure.cured_by(format!("one of {}", names.join(", "))),
    }
}

pub(super) fn put(
    office: &Office,
    actor: &str,
    entry: &AuthenticationPolicyEntry,
    new: bool,
) -> Result<Response, Failure> {
    let name = entry.name.trim();
    let document = Document {
        authentication_policies: vec![AuthenticationPolicyEntry { name: name.into(), ..entry.clone() }],
        ..Document::default()
    };
    let (snapshot, ()) = change(office, actor, |snapshot| {
        match (snapshot.authentication_policy(name), new) {
            (Some(policy), true) => {
                let failure =
                    Failure::refused(format!("There is an authentication policy \"{}\" already.", policy.name));
                return Err(failure.cured_by(format!("franking authentication-policy set \"{}\"", policy.name)));
            }
            (None, false) => return Err(unknown(snapshot, name)),
            (Some(_), false) | (None, true) => {}
        }
        let plan = document.plan(snapshot, &|_, _| Err("no passwords here".into()));
        let refused = plan.rejected.first().map(|rejected| rejected.reason.to_string());
        refused.map_or(Ok((plan.changes, ())), |reason| Err(Failure::refused(reason)))
    })?;
    let permits = snapshot.authentication_policy(name).is_some_and(|policy| policy.allow_basic_auth_smtp);
    let rule = if permits { "permits" } else { "forbids" };
    let message = format!("The authentication policy \"{name}\" {rule} passwords for SMTP.");
    let mut notes = Vec::new();
    if new {
        notes.push(format!("assign it: franking recipient set RECIPIENT --authentication-policy \"{name}\""));
    }
    Ok(Response::Done { message, notes, password: None })
}

pub(super) fn remove(office: &Office, actor: &str, name: &str) -> Result<Response, Failure> {
    let name = name.trim();
    change(office, actor, |snapshot| {
        let policy = snapshot.authentication_policy(name).ok_or_else(|| unknown(snapshot, name))?;
        Ok((vec![Change::RemoveAuthenticationPolicy(policy.name.clone())], ()))
    })?;
    let message = format!("The authentication policy \"{name}\" is removed.");
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

/// Every policy, with how many accounts it is assigned to.
pub(super) fn list(snapshot: &Snapshot) -> Response {
    let default = snapshot.organisation().default_authentication_policy.as_deref();
    let assigned =
        snapshot.recipients().filter_map(|recipient| recipient.account.as_deref()?.authentication_policy.as_deref());
    let mut counts = std::collections::HashMap::<Box<str>, usize>::new();
    for name in assigned {
        *counts.entry(AuthenticationPolicy::key(name)).or_default() += 1;
    }
    let view = |policy: &AuthenticationPolicy| super::response::AuthenticationPolicyView {
        name: policy.name.to_string(),
        allow_basic_auth_smtp: policy.allow_basic_auth_smtp,
        default: default.is_some_and(|name| AuthenticationPolicy::key(name) == AuthenticationPolicy::key(&policy.name)),
        accounts: counts.get(&AuthenticationPolicy::key(&policy.name)).copied().unwrap_or(0),
    };
    Response::AuthenticationPolicies { policies: snapshot.authentication_policies().map(view).collect() }
}
