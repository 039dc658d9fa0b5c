//! May this login sign in? The rule that decides, in words (decision D2, spec section 3.5).

use serde::{Deserialize, Serialize};

use super::{RuleView, cure, rule};
use crate::model::directory::Snapshot;
use crate::model::policy::sign_in::{find_account, may_submit};
use crate::model::policy::{Evidence, Proof, Refusal, Rule, Settings, sign_in};
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
pub fn explain_sign_in(snapshot: &Snapshot, settings: &Settings, query: &SignInQuery) -> SignInExplanation {
    let mut trail = Vec::new();
    let judged = judge(snapshot, settings, query, &mut trail);
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
                Shown::PasswordRight | Shown::PasswordWrong | Shown::Token => {
                    cure::sign_in(snapshot, refusal, account, &query.login)
                }
            };
            (false, refusal.bare_reply(settings).to_string(), cures)
        }
    };
    let decided_by = trail.last().filter(|_| !accepted).map_or_else(|| permitted(&trail), in_words);
    SignInExplanation {
        question: format!("May {} sign in {}?", query.login, query.shown.in_words()),
        account: account.map(|account| account.primary().to_string()),
        accepted,
        decided_by,
        rules: trail.into_iter().map(RuleView::from).collect(),
        reply,
        cures,
    }
}

/// The rules of AUTH and of MAIL FROM after it, which ask again and where some of them are judged only then.
fn judge(snapshot: &Snapshot, settings: &Settings, query: &SignInQuery, trail: &mut Vec<Rule>) -> Result<(), Refusal> {
    let evidence = match query.shown {
        Shown::PasswordRight => Evidence::Right(Proof::Password),
        Shown::PasswordWrong => Evidence::Wrong,
        Shown::Token => Evidence::Right(Proof::Token),
    };
    let signed_in = sign_in(snapshot, settings, &query.login, evidence, trail)?;
    let account = find_account(snapshot, &query.login).and_then(|recipient| recipient.account.as_deref());
    if query.shown == Shown::PasswordRight && account.is_some_and(|account| account.password.is_none()) {
        trail.push(rule("the account has a password", false, "so no password is right".to_owned()));
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    if query.shown == Shown::Token {
        trail.push(rule("this server can verify tokens", false, "it knows passwords only".to_owned()));
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    let mut again = Vec::new();
    let judged = may_submit(snapshot, settings, &signed_in, &mut again);
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

/// The question of spec section 3.5, rows 5 and 6.
const ORGANISATION_RULE: &str = "SmtpClientAuthenticationDisabled is set on the organisation";
