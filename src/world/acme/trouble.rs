//! What stands in the way of a certificate, in the authority's own words and with the cure.

use core::fmt;
use core::time::Duration;

use instant_acme::{Error, Problem};

use crate::model::transport_security::certificate::Refused;

/// The most of another's words that is repeated.
const WORDS_MAX: usize = 600;
/// What the names of errors begin with (RFC 8555 section 6.7).
const ERRORS: &str = "urn:ietf:params:acme:error:";

/// An obstacle that whoever called can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The authority does not know the account.
    AccountGone,
    /// The order, or what belongs to it, is no more.
    OrderGone,
    /// The authority takes its time; the order stands.
    Undecided,
    /// Something else.
    Other,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Who is to blame for it, which tells how long to wait.
    pub refused: Refused,
    /// What can be done about it here.
    pub obstacle: Obstacle,
    /// What happened; for a log, printable and bounded.
    pub what: String,
    /// What the operator can do; empty where nothing helps but waiting.
    pub cure: &'static str,
    /// How long the authority wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(formatter, "; {}", self.cure) }
    }
}

impl core::error::Error for Trouble {}

/// What to do about the errors of RFC 8555 section 6.7 and of its extensions, by the end of their names.
const CURES: &[(&str, &str)] = &[
    (
        "connection",
        "the authority could not connect to this server: let its port (80 for http-01, 443 for tls-alpn-01) through \
         every firewall and router, to the address of `listen`",
    ),
    (
        "dns",
        "the authority did not find the name: set its A or AAAA record to the public address of this server, and see \
         that all of the domain's name servers give it",
    ),
    (
        "unauthorized",
        "the authority came to another server, or was not shown the proof: point the name at this server, and remove \
         AAAA records that lead elsewhere; a web server before it must hand on /.well-known/acme-challenge/",
    ),
    (
        "incorrectResponse",
        "the authority came to another server, or was not shown the proof: point the name at this server, and remove \
         AAAA records that lead elsewhere; a web server before it must hand on /.well-known/acme-challenge/",
    ),
    ("tls", "something else than this server answers at the name's port 443: hand the port on to `listen`"),
    ("caa", "the domain's CAA records forbid this authority: add it to them, or take another"),
    (
        "rateLimited",
        "it is tried again when the authority permits; for trials use its staging directory, such as \
         https://acme-staging-v02.api.letsencrypt.org/directory",
    ),
    ("userActionRequired", "the authority's terms have changed: read them and agree, as it says"),
    (
        "externalAccountRequired",
        "give external_account_id and external_account_key_file, which your account at the authority shows",
    ),
    ("rejectedIdentifier", "the authority gives no certificate for this name: correct `names`"),
    ("unsupportedIdentifier", "the authority gives no certificate for this name: correct `names`"),
    ("invalidContact", "correct `contact`: the authority wants an address that it can write to"),
    ("unsupportedContact", "correct `contact`: the authority wants an address that it can write to"),
    ("invalidProfile", "the authority knows no such profile"),
    ("serverInternal", "the authority has a fault of its own; it is tried again"),
    ("orderNotReady", "it is tried again"),
    ("badNonce", "it is tried again"),
];

impl Trouble {
    /// Something that this server sees itself.
    pub fn here(what: impl Into<String>, cure: &'static str) -> Self {
        let what = printable(&what.into());
        Self { refused: Refused::ByAuthority, obstacle: Obstacle::Other, what, cure, retry_after: None }
    }

    /// Whether asking the same again would give the same.
    pub const fn is_final(&self) -> bool {
        matches!(self.refused, Refused::ByAuthority) && self.retry_after.is_none()
    }

    /// The authority has not come to a decision.
    pub(super) fn undecided(retry_after: Option<Duration>) -> Self {
        let what = "the authority has not decided yet".to_owned();
        let cure = "it is asked again";
        Self { refused: Refused::Unreachable, obstacle: Obstacle::Undecided, what, cure, retry_after }
    }

    /// What the library says, with what the last answer said of waiting.
    pub(super) fn of(error: Error, retry_after: Option<Duration>) -> Self {
        let unreachable = |what: String, cure| Self {
            refused: Refused::Unreachable,
            obstacle: Obstacle::Other,
            what: printable(&what),
            cure,
            retry_after,
        };
        match error {
            Error::Api(problem) => Self { retry_after, ..Self::said(&problem, None) },
            // What our own connections say.
            Error::Other(error) => unreachable(error.to_string(), "it is tried again; certificates in use stay"),
            Error::Json(error) => unreachable(
                format!("the authority's answer is none of ACME: {error}"),
                "directory_url must be that of an ACME directory, and no proxy may answer in its place",
            ),
            other => unreachable(format!("the authority's answer cannot be used: {other}"), "it is tried again"),
        }
    }

    /// A problem document (RFC 7807) of the authority, about `name` where it is about one.
    pub(super) fn said(problem: &Problem, name: Option<&str>) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix(ERRORS).unwrap_or(kind);
        let mut what = "the authority says".to_owned();
        if let Some(name) = name {
            what.push_str(&format!(" of {name}"));
        }
        what.push_str(&format!(": {}", problem.detail.as_deref().unwrap_or("no")));
        for part in &problem.subproblems {
            what.push_str(&format!("; {part}"));
        }
        if !kind.is_empty() {
            what.push_str(&format!(" ({kind})"));
        }
        let cure = CURES.iter().find(|(error, _)| *error == kind).map_or("", |(_, cure)| cure);
        let obstacle = match (kind, problem.status) {
            ("accountDoesNotExist", _) => Obstacle::AccountGone,
            (_, Some(404)) => Obstacle::OrderGone,
            (_, _) => Obstacle::Other,
        };
        let own_fault = kind == "serverInternal" || problem.status.is_some_and(|status| status >= 500);
        let refused = if own_fault { Refused::Unreachable } else { Refused::ByAuthority };
        Self { refused, obstacle, what: printable(&what), cure, retry_after: None }
    }
}

/// Others' words as they may stand in a log: on one line, printable, bounded.
fn printable(text: &str) -> String {
    let letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    letters.filter(|letter| !('\u{200b}'..='\u{202e}').contains(letter)).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Trouble {
        Trouble::of(Error::Api(serde_json::from_str(json).unwrap()), Some(Duration::from_secs(7)))
    }

    #[test]
    fn the_words_of_the_authority_come_with_their_cure() {
        let text = r#"{"type":"urn:ietf:params:acme:error:connection","status":400,
            "detail":"192.0.2.1: Fetching http://mx.contoso.example/: Timeout during connect"}"#;
        let trouble = said(text);
        let shown = trouble.to_string();
        assert!(
            shown.starts_with("the authority says: 192.0.2.1: Fetching") && shown.contains("(connection)"),
            "{shown}"
        );
        assert!(shown.contains("every firewall") && trouble.retry_after == Some(Duration::from_secs(7)), "{shown}");
        assert_eq!(trouble.refused, Refused::ByAuthority);
        let gone = said(r#"{"type":"urn:ietf:params:acme:error:accountDoesNotExist","detail":"no"}"#);
        assert_eq!(gone.obstacle, Obstacle::AccountGone);
        assert_eq!(said(r#"{"type":"about:blank","status":503}"#).refused, Refused::Unreachable);
        assert_eq!(said(r#"{"type":"x","status":404}"#).obstacle, Obstacle::OrderGone);
    }

    #[test]
    fn no_words_of_others_write_on_a_terminal_or_fill_a_log() {
        let detail = format!("a\\u001b[31m\\n\\u202e{}", "x".repeat(10_000));
        let shown = said(&format!(r#"{{"type":"b\u0007","detail":"{detail}"}}"#)).to_string();
        assert!(!shown.contains(|letter: char| letter.is_control() || letter == '\u{202e}') && shown.len() < 700);
    }

    #[test]
    fn every_error_of_the_rfc_that_an_operator_can_cure_has_its_cure() {
        for kind in [
            "caa",
            "connection",
            "dns",
            "externalAccountRequired",
            "incorrectResponse",
            "invalidContact",
            "rateLimited",
            "rejectedIdentifier",
            "serverInternal",
            "tls",
            "unauthorized",
            "unsupportedContact",
            "unsupportedIdentifier",
            "userActionRequired",
        ] {
            let text = format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}"}}"#);
            assert!(!said(&text).cure.is_empty(), "{kind}");
        }
    }
}
