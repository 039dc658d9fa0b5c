//! A sign-in as the shell sees it: the check of what was shown, past locks, and what the log says of it.
//!
//! Whatever the reason, an attempt that fails costs one verification and its answer comes late by the same rule: a
//! wrong secret, a login that nobody has, a right secret of a blocked account, of a device in the wrong network, or of
//! whoever is locked out. The log has the reason, which the reply conceals.

use core::net::IpAddr;
use core::time::Duration;

use sha2::{Digest as _, Sha256};

use super::super::authenticator::{Authenticator, Memory};
use super::super::visible::Visible;
use crate::model::directory::Snapshot;
use crate::model::mail::Network;
use crate::model::policy::device::{device_of, passes_locks};
use crate::model::policy::lockout::{Attempt, Claimed};
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{Evidence, Proof, Refusal, Rule, Settings, sign_in};
use crate::model::smtp::{Credentials, Verdict};
use crate::store::sign_ins::{LastUses, LockoutStore};

/// What a sign-in needs.
pub(super) struct Gate<'services> {
    pub(super) authenticator: &'services Authenticator,
    pub(super) lockouts: &'services LockoutStore,
    pub(super) last_uses: &'services LastUses,
}

impl Gate<'_> {
    /// Checks `credentials` that were shown from `peer`; the verdict for the session, and how long it is held back.
    pub(super) async fn check(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        credentials: Credentials,
        peer: IpAddr,
    ) -> (Verdict, Duration) {
        let (login, rules) = (credentials.login.clone(), &settings.lockout);
        let account = find_account(snapshot, &login);
        let attempt = Attempt {
            who: account.map_or_else(|| Claimed::Nobody(number_of(&login)), |found| Claimed::Account(found.id)),
            source: Network::of_client(peer),
            shown: self.authenticator.number_of(&credentials),
        };
        let is_locked = self.lockouts.is_locked(rules, &attempt);
        // A right secret that is refused all the same must not come back sooner than a wrong one.
        let memory = if is_locked { Memory::Ignored } else { Memory::Asked };
        let verdict = self.authenticator.check(snapshot, credentials, peer, memory).await;
        let Verdict::Judged(evidence) = verdict else {
            tracing::warn!(login = %Visible(&login), "credentials could not be checked");
            return (verdict, Duration::ZERO);
        };
        let is_let_past = passes_locks(account.and_then(|found| found.account.as_deref()), evidence);
        let evidence = if is_locked && !is_let_past { Evidence::Wrong } else { evidence };
        let ending = Ending { login: &login, attempt, peer, evidence, is_locked: is_locked && !is_let_past };
        (Verdict::Judged(evidence), self.conclude(snapshot, settings, &ending))
    }

    /// Notes how it ended, in the log too. Judged once more for that, so that a session need not write its reasons
    /// down.
    fn conclude(&self, snapshot: &Snapshot, settings: &Settings, ending: &Ending<'_>) -> Duration {
        let (login, proof, attempt) = (Visible(ending.login), name_of(ending.evidence), &ending.attempt);
        let mut trail: Vec<Rule> = Vec::new();
        match sign_in(snapshot, settings, ending.login, ending.evidence, &mut trail) {
            Ok(signed_in) => {
                // The secret of a device says nothing of who guesses at the password beside it.
                if signed_in.selector().is_none() {
                    self.lockouts.succeeded(attempt);
                }
                let device = device_of(snapshot, &signed_in).map(|device| &*device.name);
                if let Some(device) = device {
                    self.last_uses.note(signed_in.account(), device, ending.peer);
                }
                tracing::info!(%login, proof, device, "credentials checked");
                Duration::ZERO
            }
            Err(refusal) => {
                let why = match (ending.is_locked, trail.last()) {
                    (true, _) => "the account, or the client's address, is locked out".to_owned(),
                    (false, rule) => rule.map_or_else(String::new, in_words),
                };
                tracing::info!(%login, proof, why = %Visible(&why), "credentials checked");
                // What is answered in words of its own was no guess.
                if refusal != Refusal::AuthenticationUnsuccessful {
                    return Duration::ZERO;
                }
                let consequence = self.lockouts.failed(&settings.lockout, attempt);
                let source = attempt.source;
                if consequence.locks_pair {
                    tracing::warn!(%login, %source, "locked out: too many failures to sign in");
                }
                if consequence.locks_source {
                    tracing::warn!(%source, "locked out for every account: too many failures to sign in");
                }
                consequence.delay
            }
        }
    }
}

/// How an attempt ended.
struct Ending<'login> {
    login: &'login str,
    attempt: Attempt,
    peer: IpAddr,
    evidence: Evidence,
    is_locked: bool,
}

/// A number that stands for a login that nobody has, letter case aside, and is the same after a restart.
fn number_of(login: &str) -> u64 {
    let digest = Sha256::digest(login.to_lowercase().as_bytes());
    digest.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
}

/// What proved what, for the log.
const fn name_of(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Wrong => "wrong",
        Evidence::Right(Proof::Password) => "password",
        Evidence::Right(Proof::Token) => "token",
        Evidence::Right(Proof::AppPassword(_)) => "app-password",
    }
}

fn in_words(rule: &Rule) -> String {
    let not = if rule.held { "" } else { "it is not so that " };
    let detail = if rule.detail.is_empty() { String::new() } else { format!(" ({})", rule.detail) };
    format!("{not}{}{detail}", rule.question)
}

#[cfg(test)]
mod tests;
