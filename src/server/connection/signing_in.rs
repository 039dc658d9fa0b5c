//! What the log says of a sign-in: the inward reason, which the reply conceals.

use super::super::visible::Visible;
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::policy::device::device_of;
use crate::model::policy::{Evidence, Proof, Rule, Settings, sign_in};
use crate::model::smtp::Verdict;

/// Logs how the check of credentials ended, which device it was, and the rule that refuses it all the same. Judged once
/// more for that, so that a session need not write its reasons down. The device whose secret is used, if it may be.
pub(super) fn device_used<'snapshot>(
    snapshot: &'snapshot Snapshot,
    settings: &Settings,
    login: &str,
    verdict: Verdict,
) -> Option<(RecipientId, &'snapshot str)> {
    let shown = Visible(login);
    let Verdict::Judged(evidence) = verdict else {
        tracing::warn!(login = %shown, "credentials could not be checked");
        return None;
    };
    let proof = match evidence {
        Evidence::Wrong => "wrong",
        Evidence::Right(Proof::Password) => "password",
        Evidence::Right(Proof::Token) => "token",
        Evidence::Right(Proof::AppPassword(_)) => "app-password",
    };
    let mut trail: Vec<Rule> = Vec::new();
    let Ok(signed_in) = sign_in(snapshot, settings, login, evidence, &mut trail) else {
        let why = trail.last().map_or_else(String::new, in_words);
        tracing::info!(login = %shown, proof, why = %Visible(&why), "credentials checked");
        return None;
    };
    let Some(device) = device_of(snapshot, &signed_in) else {
        tracing::info!(login = %shown, proof, "credentials checked");
        return None;
    };
    tracing::info!(login = %shown, proof, device = %device.name, "credentials checked");
    Some((signed_in.account(), &device.name))
}

fn in_words(rule: &Rule) -> String {
    let not = if rule.held { "" } else { "it is not so that " };
    let detail = if rule.detail.is_empty() { String::new() } else { format!(" ({})", rule.detail) };
    format!("{not}{}{detail}", rule.question)
}
