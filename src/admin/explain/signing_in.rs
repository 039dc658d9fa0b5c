//! May this login sign in? The rule that decides, in words (decision D2, spec section 3.5).

use core::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{RuleView, cure, rule};
use crate::model::directory::{Account, Snapshot};
use crate::model::mail::{Network, Timestamp};
use crate::model::policy::sign_in::{find_account, may_submit};
use crate::model::policy::{AppPassword, Evidence, Proof, Refusal, Rule, Settings, SignedIn, Whence, sign_in};
use crate::model::smtp::replies::Answer;

/// What the client shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// The right password.
    #[default]
    PasswordRight,
    /// A wrong password.
    PasswordWrong,
    /// A token that would be right.
    Token,
}

impl Shown {
    const fn in_words(self) -> &'static str {
        match self {
            Self::PasswordRight => "with the right password",
            Self::PasswordWrong => "with a wrong password",
            Self::Token => "with a token",
        }
    }
}

/// What to explain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInQuery {
    /// Who signs in.
    pub login: String,
    /// What the client shows.
    pub shown: Shown,
    /// The device whose secret is shown instead of the account's password.
    #[serde(default)]
    pub device: Option<String>,
    /// Where the client is; in the first network of the device unless given.
    #[serde(default)]
    pub peer: Option<IpAddr>,
    /// On a listener where devices sign in without TLS, and without it.
    #[serde(default)]
    pub without_tls: bool,
}

/// A login with the right secret.
pub(super) struct Claim<'query> {
    pub(super) login: &'query str,
    pub(super) device: Option<&'query str>,
    pub(super) peer: Option<IpAddr>,
    pub(super) without_tls: bool,
    pub(super) at: Timestamp,
}

impl Claim<'_> {
    /// What is shown, in words.
    pub(super) fn secret(&self) -> String {
        self.device.map_or_else(|| "password".to_owned(), |device| format!("secret of {device}"))
    }

    /// The rules of AUTH. Without a password, or a secret of the device, none is right.
    pub(super) fn judge(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        trail: &mut Vec<Rule>,
    ) -> Result<SignedIn, Refusal> {
        let account = find_account(snapshot, self.login).and_then(|found| found.account.as_deref());
        let proof = match (self.device, account) {
            (Some(name), Some(account)) => self.proof_of_device(account, name, trail)?,
            (None, _) if self.without_tls => {
                let detail = "without TLS only the secret of a device is, since others can read it".to_owned();
                trail.push(rule("the account's password is looked at", false, detail));
                return Err(Refusal::DeviceSecretRequired);
            }
            (Some(_), None) | (None, _) => Proof::Password,
        };
        let signed_in = sign_in(snapshot, settings, self.login, Evidence::Right(proof), trail)?;
        if proof == Proof::Password && account.is_some_and(|account| account.password.is_none()) {
            trail.push(rule("the account has a password", false, "so no password is right".to_owned()));
            return Err(Refusal::AuthenticationUnsuccessful);
        }
        Ok(signed_in)
    }

    fn proof_of_device(&self, account: &Account, name: &str, trail: &mut Vec<Rule>) -> Result<Proof, Refusal> {
        let found = account.devices.iter().find(|device| device.is_called(name));
        trail.push(rule("the account has this device", found.is_some(), name.to_owned()));
        let device = found.ok_or(Refusal::AuthenticationUnsuccessful)?;
        let Some(verifier) = &device.verifier else {
            trail.push(rule("the device has a secret", false, "so no secret is right".to_owned()));
            return Err(Refusal::AuthenticationUnsuccessful);
        };
        let usual = device.networks.first().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Network::address);
        let peer = self.peer.unwrap_or(usual);
        let whence = Whence { peer, in_clear: self.without_tls };
        Ok(Proof::AppPassword(AppPassword { selector: verifier.selector, whence, at: self.at }))
    }
}

impl SignInQuery {
    fn in_words(&self) -> String {
        let shown = match (&self.device, self.shown) {
            (Some(device), Shown::PasswordRight) => format!("with the right secret of {device}"),
            (_, shown) => shown.in_words().to_owned(),
        };
        if self.without_tls { format!("{shown}, without TLS") } else { shown }
    }
}

/// How signing in turns out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInExplanation {
    /// What is asked, in words.
    pub question: String,
    /// The account that the login names, by the primary address of its recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the account may submit mail then.
    pub accepted: bool,
    /// The rule that decided, in words.
    pub decided_by: String,
    /// Every rule that was consulted, in order; the last one decided, unless none forbids.
    pub rules: Vec<RuleView>,
    /// The reply as the server words it, without the trailer that names time and session.
    pub reply: String,
    /// Commands and settings that would change a refusal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cures: Vec<String>,
}

/// Explains `query`. Total: whatever is asked has an answer.
pub fn explain_sign_in(
    snapshot: &Snapshot,
    settings: &Settings,
    query: &SignInQuery,
    now: Timestamp,
) -> SignInExplanation {
    let mut trail = Vec::new();
    let judged = judge(snapshot, settings, query, now, &mut trail);
    let by_device = || cure::device(find_account(snapshot, &query.login)?, query.device.as_deref()?, &trail, None);
    let account = find_account(snapshot, &query.login);
    let (accepted, reply, cures) = match &judged {
        Ok(()) => (true, Answer::SignedIn.reply().to_string(), Vec::new()),
        Err(refusal) => {
            let cures = match query.shown {
                // Nothing that an administrator sets makes a wrong password right.
                Shown::PasswordWrong if account.is_some() => {
                    let address = account.map_or_else(String::new, |account| account.primary().to_string());
                    vec![format!("franking account password {address}")]
                }
                Shown::Token if trail.last().is_some_and(|last| last.question == ISSUER_RULE) => {
                    vec!["add an [[issuer]] to franking.toml: README, \"Signing in with a token\"".to_owned()]
                }
                Shown::PasswordRight | Shown::PasswordWrong | Shown::Token => {
                    by_device().unwrap_or_else(|| cure::sign_in(snapshot, refusal, account, &query.login))
                }
            };
            (false, refusal.bare_reply(settings).to_string(), cures)
        }
    };
    let decided_by = trail.last().filter(|_| !accepted).map_or_else(|| permitted(&trail), in_words);
    SignInExplanation {
        question: format!("May {} sign in {}?", query.login, query.in_words()),
        account: account.map(|account| account.primary().to_string()),
        accepted,
        decided_by,
        rules: trail.into_iter().map(RuleView::from).collect(),
        reply,
        cures,
    }
}

/// The rules of AUTH and of MAIL FROM after it, which ask again and where some of them are judged only then.
fn judge(
    snapshot: &Snapshot,
    settings: &Settings,
    query: &SignInQuery,
    now: Timestamp,
    trail: &mut Vec<Rule>,
) -> Result<(), Refusal> {
    let (login, device) = (&query.login, query.device.as_deref());
    let signed_in = match query.shown {
        Shown::PasswordRight => {
            let (peer, without_tls) = (query.peer, query.without_tls);
            Claim { login, device, peer, without_tls, at: now }.judge(snapshot, settings, trail)?
        }
        Shown::PasswordWrong => sign_in(snapshot, settings, login, Evidence::Wrong, trail)?,
        Shown::Token => {
            // Last, though the server asks it first: it is the one thing that is not about this account.
            let signed_in = sign_in(snapshot, settings, login, Evidence::Right(Proof::Token), trail)?;
            let issuers: Vec<&str> = settings.issuers.iter().map(|issuer| &*issuer.name).collect();
            trail.push(rule(ISSUER_RULE, !issuers.is_empty(), issuers.join(", ")));
            if issuers.is_empty() {
                return Err(Refusal::AuthenticationUnsuccessful);
            }
            signed_in
        }
    };
    let mut again = Vec::new();
    let judged = may_submit(snapshot, settings, &signed_in, now, &mut again);
    trail.extend(again.into_iter().filter(|later| !trail.contains(later)).collect::<Vec<_>>());
    judged
}

fn in_words(rule: &Rule) -> String {
    let detail = if rule.detail.is_empty() { String::new() } else { format!(" ({})", rule.detail) };
    let not = if rule.held { "" } else { "it is not so that " };
    format!("{not}{}{detail}", rule.question)
}

/// No rule forbids it; where one rule overrides another, that is what to know.
fn permitted(trail: &[Rule]) -> String {
    let overriding = trail.iter().find(|rule| rule.question == ORGANISATION_RULE && !rule.detail.is_empty());
    overriding.map_or_else(
        || "no rule forbids it".to_owned(),
        |rule| format!("no rule forbids it: {}? {}", rule.question, rule.detail),
    )
}

/// Without one there is nothing that a token could be verified by.
const ISSUER_RULE: &str = "this server believes an issuer of tokens";
/// The question of spec section 3.5, rows 5 and 6.
const ORGANISATION_RULE: &str = "SmtpClientAuthenticationDisabled is set on the organisation";
