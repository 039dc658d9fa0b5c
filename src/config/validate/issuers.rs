//! Judges `[[issuer]]`: whose tokens are as good as a password.

use core::ops::Range;

use toml::Spanned;

use super::Judge;
use crate::config::raw::RawIssuer;
use crate::config::{IssuerConfig, KeySource};
use crate::model::policy::token::{Algorithm, Issuer};

/// A tenant or two, and what they call themselves in tokens of two versions, are far fewer.
const ISSUERS_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 64;
/// A scope is told to clients in one line.
const WORD_BYTES_MAX: usize = 100;
const LIST_MAX: usize = 20;
/// Clocks of servers are right to a second; five minutes is what others forgive.
const SKEW_SECONDS_USUAL: u64 = 60;
const SKEW_SECONDS_MAX: u64 = 600;
/// As Entra names a user, then what others have.
const LOGIN_CLAIMS: [&str; 3] = ["preferred_username", "upn", "email"];
/// What issuers sign with today.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

impl Judge<'_> {
    /// All issuers; of two with one name, or with one `issuer`, the second is refused.
    pub(super) fn issuers(&mut self, raw: Vec<RawIssuer>) -> Vec<IssuerConfig> {
        if let Some(over) = raw.get(ISSUERS_MAX) {
            self.refuse(&over.name.span(), format!("more than {ISSUERS_MAX} issuers"), "remove some");
        }
        let mut issuers: Vec<IssuerConfig> = Vec::new();
        for issuer in raw.into_iter().take(ISSUERS_MAX) {
            let (name, own) = (issuer.name.span(), issuer.issuer.span());
            let Some(issuer) = self.issuer(issuer) else { continue };
            let is_known =
                |same: fn(&Issuer) -> &str| issuers.iter().any(|known| same(&known.rules) == same(&issuer.rules));
            if is_known(|rules| &rules.name) {
                self.refuse(
                    &name,
                    format!("there are two issuers \"{}\"", issuer.rules.name),
                    "give each its own name",
                );
            } else if is_known(|rules| &rules.issuer) {
                let cure = "its tokens would be judged by the other one; keep one of them, with both audiences";
                self.refuse(&own, "there are two issuers with this \"iss\"", cure);
            } else {
                issuers.push(issuer);
            }
        }
        issuers
    }

    fn issuer(&mut self, raw: RawIssuer) -> Option<IssuerConfig> {
        let (span, name) = (raw.name.span(), raw.name.into_inner());
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            let cure = format!("write at most {NAME_BYTES_MAX} small letters, digits and hyphens");
            self.refuse(&span, format!("\"{name}\" is no name for an issuer"), cure);
        }
        let keys = match (raw.jwks_file, raw.jwks_url) {
            (Some(file), None) => Some(KeySource::File(self.beside(file.get_ref()))),
            (None, Some(url)) => self.url(url).map(KeySource::Url),
            (Some(file), Some(_)) => {
                self.refuse(&file.span(), "the keys are in two places", "keep one of jwks_file and jwks_url");
                None
            }
            (None, None) => {
                let cure = "add jwks_url, the jwks_uri of its OpenID configuration, or jwks_file with a copy of it";
                self.refuse(&span, "an issuer without keys", cure);
                None
            }
        };
        let list = raw.audience.span();
        let audiences = self.texts(raw.audience.into_inner(), &list, "name whom its tokens are for (aud)");
        let login_claims = match raw.login_claim {
            Some(given) => {
                let list = given.span();
                self.texts(given.into_inner(), &list, "name the claim that has the login, such as \"upn\"")
            }
            None => LOGIN_CLAIMS.map(Into::into).into(),
        };
        let rules = Issuer {
            name: name.into(),
            issuer: self.text(raw.issuer).into(),
            audiences,
            algorithms: raw.algorithms.map_or_else(|| ALGORITHMS.to_vec(), |given| self.algorithms(given)),
            login_claims,
            scope: raw.scope.map(|scope| self.word(scope)),
            role: raw.role.map(|role| self.word(role)),
            skew: self.seconds(raw.skew_seconds, SKEW_SECONDS_USUAL, 0..=SKEW_SECONDS_MAX),
        };
        Some(IssuerConfig { rules, keys: keys? })
    }

    fn texts(&mut self, given: Vec<Spanned<String>>, span: &Range<usize>, cure: &str) -> Vec<Box<str>> {
        if given.is_empty() || given.len() > LIST_MAX {
            self.refuse(span, format!("give 1 to {LIST_MAX} of them"), cure);
        }
        given.into_iter().take(LIST_MAX).map(|text| self.text(text).into()).collect()
    }

    fn algorithms(&mut self, given: Spanned<Vec<Spanned<String>>>) -> Vec<Algorithm> {
        let names = Algorithm::ALL.map(Algorithm::name).join(", ");
        if given.get_ref().is_empty() {
            self.refuse(&given.span(), "no algorithm", format!("give some of {names}"));
        }
        let mut algorithms = Vec::new();
        for name in given.into_inner().into_iter().take(LIST_MAX) {
            match Algorithm::parse(name.get_ref()) {
                Some(algorithm) => algorithms.push(algorithm),
                None => {
                    let cure = format!("give some of {names}; unsigned tokens and shared secrets (HS256) never count");
                    self.refuse(&name.span(), format!("\"{}\" is no algorithm", name.get_ref()), cure);
                }
            }
        }
        algorithms
    }

    /// One word of printable ASCII (RFC 6749 section 3.3).
    fn word(&mut self, value: Spanned<String>) -> Box<str> {
        let (span, text) = (value.span(), value.into_inner());
        let fits = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\');
        if text.is_empty() || text.len() > WORD_BYTES_MAX || !text.bytes().all(fits) {
            let cure = format!("give one word of at most {WORD_BYTES_MAX} printable characters");
            self.refuse(&span, format!("\"{text}\" is no scope or role"), cure);
        }
        text.into()
    }
}
