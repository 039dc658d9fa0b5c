//! A sign-in as the shell sees it: the check of what was shown, past locks, and what the log says of it.
//!
//! Whatever the reason, an attempt that fails costs one verification and its answer comes late by the same rule: a
//! wrong secret, a login that nobody has, a right secret of a blocked account, of a device in the wrong network, or of
//! whoever is locked out. A token costs a signature instead, before anybody looks whose it is, and its failures are
//! answered as late; a proof of SCRAM some microseconds, whoever it is. The log has the reason, which the reply
//! conceals.

use core::time::Duration;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::authenticator::{Authenticator, Memory};
use super::super::tokens::{TokenRefused, TokenVerifier};
use super::super::visible::Visible;
use crate::model::directory::Snapshot;
use crate::model::mail::Network;
use crate::model::policy::device::{device_of, passes_locks};
use crate::model::policy::lockout::{Attempt, Claimed};
use crate::model::policy::scram::ScramProof;
use crate::model::policy::sign_in::find_account;
use crate::model::policy::token::is_for;
use crate::model::policy::{Evidence, Proof, Refusal, Rule, Settings, Whence, sign_in};
use crate::model::smtp::{Credentials, Presented, Verdict};
use crate::store::sign_ins::{LastUses, LockoutStore};

/// What a sign-in needs.
pub(super) struct Gate<'services> {
    pub(super) authenticator: &'services Authenticator,
    pub(super) tokens: &'services TokenVerifier,
    pub(super) lockouts: &'services LockoutStore,
    pub(super) last_uses: &'services LastUses,
}

impl Gate<'_> {
    /// Checks `credentials` that were shown `whence`; the verdict for the session, and how long it is held back.
    pub(super) async fn check(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        credentials: Credentials,
        whence: Whence,
    ) -> (Verdict, Duration) {
        let Credentials { login, presented } = credentials;
        match presented {
            Presented::Password(password) => self.check_password(snapshot, settings, (&login, password), whence).await,
            Presented::Token(token) => self.check_token(snapshot, settings, (&login, &token), whence).await,
            Presented::Scram(shown) => self.check_proof(snapshot, settings, (&login, &shown), whence),
        }
    }

    async fn check_password(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        (login, password): (&str, Zeroizing<String>),
        whence: Whence,
    ) -> (Verdict, Duration) {
        let attempt = self.attempt(snapshot, login, password.as_bytes(), whence);
        let is_locked = self.lockouts.is_locked(&settings.lockout, &attempt);
        // A right secret that is refused all the same must not come back sooner than a wrong one.
        let memory = if is_locked { Memory::Ignored } else { Memory::Asked };
        let verdict = self.authenticator.check(snapshot, (login, password), whence, memory).await;
        let Verdict::Judged(evidence) = verdict else {
            tracing::warn!(login = %Visible(login), "credentials could not be checked");
            return (verdict, Duration::ZERO);
        };
        self.weigh(snapshot, settings, is_locked, Ending { login, attempt, whence, evidence, why: None })
    }

    /// A proof of SCRAM is another one each time, so a wrong password that is shown again is not known to be the same.
    fn check_proof(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        (login, shown): (&str, &ScramProof),
        whence: Whence,
    ) -> (Verdict, Duration) {
        let attempt = self.attempt(snapshot, login, &shown.proof, whence);
        let is_locked = self.lockouts.is_locked(&settings.lockout, &attempt);
        let account = find_account(snapshot, login).and_then(|found| found.account.as_deref());
        let evidence = self.authenticator.prove(account, shown, whence);
        self.weigh(snapshot, settings, is_locked, Ending { login, attempt, whence, evidence, why: None })
    }

    fn attempt(&self, snapshot: &Snapshot, login: &str, shown: &[u8], whence: Whence) -> Attempt {
        let account = find_account(snapshot, login);
        Attempt {
            who: account.map_or_else(|| Claimed::Nobody(number_of(login)), |found| Claimed::Account(found.id)),
            source: Network::of_client(whence.peer),
            shown: self.authenticator.number_of(shown),
        }
    }

    /// What is shown while a lock lasts is wrong, whatever it is, but for what passes every lock.
    fn weigh(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        is_locked: bool,
        mut ending: Ending<'_>,
    ) -> (Verdict, Duration) {
        let account = find_account(snapshot, ending.login).and_then(|found| found.account.as_deref());
        if is_locked && !passes_locks(account, ending.evidence) {
            ending.evidence = Evidence::Wrong;
            ending.why = Some("the account, or the client's address, is locked out".to_owned());
        }
        (Verdict::Judged(ending.evidence), self.conclude(snapshot, settings, &ending))
    }

    async fn check_token(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        (login, token): (&str, &str),
        whence: Whence,
    ) -> (Verdict, Duration) {
        let named = match self.tokens.check(token).await {
            Ok(named) => Ok(named),
            Err(TokenRefused::Wrong(fault)) => Err(fault),
            Err(TokenRefused::Unverifiable(issuer)) => {
                tracing::warn!(login = %Visible(login), %issuer, "a token could not be checked: there are no keys");
                return (Verdict::TemporaryFailure, Duration::ZERO);
            }
        };
        // The account is looked at when the token is right, and not before. A client that names none means its owner's.
        let verified = named.and_then(|named| match login {
            "" => Ok(named.to_string()),
            login => is_for(snapshot, login, &named).map(|()| login.to_owned()),
        });
        let (source, shown) = (Network::of_client(whence.peer), self.authenticator.number_of(token.as_bytes()));
        let attempt = Attempt { who: Claimed::Token, source, shown };
        let (verdict, evidence, login, why) = match verified {
            Ok(login) => {
                let verdict = Verdict::Identified { proof: Proof::Token, login: login.clone() };
                (verdict, Evidence::Right(Proof::Token), login, None)
            }
            Err(fault) => {
                (Verdict::Judged(Evidence::Wrong), Evidence::Wrong, login.to_owned(), Some(fault.to_string()))
            }
        };
        let ending = Ending { login: &login, attempt, whence, evidence, why };
        (verdict, self.conclude(snapshot, settings, &ending))
    }

    /// Notes how it ended, in the log too. Judged once more for that, so that a session need not write its reasons
    /// down.
    fn conclude(&self, snapshot: &Snapshot, settings: &Settings, ending: &Ending<'_>) -> Duration {
        let (login, proof, attempt) = (Visible(ending.login), name_of(ending.evidence), &ending.attempt);
        let mut trail: Vec<Rule> = Vec::new();
        match sign_in(snapshot, settings, ending.login, ending.evidence, &mut trail) {
            Ok(signed_in) => {
                // A token and the secret of a device say nothing of who guesses at the password beside them.
                if ending.evidence == Evidence::Right(Proof::Password) {
                    self.lockouts.succeeded(attempt);
                }
                let device = device_of(snapshot, &signed_in).map(|device| &*device.name);
                if let Some(device) = device {
                    self.last_uses.note(signed_in.account(), device, ending.whence.peer);
                }
                match ending.whence.in_clear {
                    false => tracing::info!(%login, proof, device, "credentials checked"),
                    true => {
                        tracing::warn!(%login, proof, device, "credentials checked; anybody between could read them")
                    }
                }
                Duration::ZERO
            }
            Err(refusal) => {
                let why = ending.why.clone().or_else(|| trail.last().map(in_words)).unwrap_or_default();
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
    whence: Whence,
    evidence: Evidence,
    /// Why it is wrong, where no rule says so.
    why: Option<String>,
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
