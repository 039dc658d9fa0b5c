//! Tokens in place of passwords: which issuers are believed, what a token must say, and whose it is.
//!
//! The signature is another's business (`world::jws`); what stands here is judged on claims whose signature proved
//! right. Strict: what a token must say and does not is a refusal, and so is what this server does not understand
//! (RFC 7519, RFC 8725, RFC 9068).
//!
//! **Whose it is.** One claim names a login: the first of [`Issuer::login_claims`] that the token has. It must be an
//! address, by which an account signs in, and the account must be the one that the client names. Nothing else that a
//! token says counts: no token of one account opens another, whatever rights the one has on the other. Who may use
//! another's address in From is for permissions, as with a password.

use core::fmt;
use core::time::Duration;

use super::sign_in::find_account;
use crate::model::directory::Snapshot;
use crate::model::mail::{Address, Timestamp};

/// How tokens may be signed (RFC 7518 section 3.1, RFC 8037). There is none for unsigned tokens, and none with a shared
/// secret: such a secret would have to be here, and a public key that is taken for one is the classic forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; Entra's.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, which is written exactly so (RFC 7515 section 4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// Somebody whose tokens are believed, and what they must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What the operator calls it.
    pub name: Box<str>,
    /// The `iss` of its tokens, octet by octet.
    pub issuer: Box<str>,
    /// Of these a token must have at least one as `aud`; never empty.
    pub audiences: Vec<Box<str>>,
    /// How its tokens may be signed; never empty.
    pub algorithms: Vec<Algorithm>,
    /// The claims that name a login, the first that a token has; never empty.
    pub login_claims: Vec<Box<str>>,
    /// A scope that a token must have: in `scp`, as Entra writes it, or in `scope` (RFC 9068 section 2.2.3).
    pub scope: Option<Box<str>>,
    /// A role that it must have in `roles`.
    pub role: Option<Box<str>>,
    /// How far its clock and ours may be apart.
    pub skew: Duration,
}

/// What a token says, as far as anybody here asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`, which may be one or a list.
    pub audiences: Vec<String>,
    /// `exp`, in seconds since 1970, any fraction cut off.
    pub expires: Option<u64>,
    /// `nbf`, in seconds since 1970, a fraction counted as a whole one.
    pub not_before: Option<u64>,
    /// The words of `scp` and `scope`.
    pub scopes: Vec<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `email_verified`.
    pub email_verified: Option<bool>,
    /// Every claim at the top that is a text, by its name.
    pub texts: Vec<(String, String)>,
}

/// Why a token is refused. For the log and never for the client, who hears the same of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Longer than anybody's.
    TooLong,
    /// No signed token at all.
    Malformed(&'static str),
    /// Signed in a way that is not permitted, or not at all.
    Algorithm(String),
    /// Its header demands something that must be understood (RFC 7515 section 4.1.11).
    Critical,
    /// A token for something else (RFC 8725 section 3.11).
    Type(String),
    /// Nobody whose tokens are believed.
    UnknownIssuer(String),
    /// The issuer has no such key.
    NoKey(String),
    /// Not signed by that key.
    Signature,
    /// For somebody else.
    Audience(Vec<String>),
    /// It never ends.
    NoExpiry,
    /// Its time is over.
    Expired(Timestamp),
    /// Its time has not come.
    NotYet(Timestamp),
    /// Nothing in it names a login.
    NoLogin(String),
    /// What names the login is no address.
    NoAddress(String, String),
    /// The issuer has not verified that the address is its user's.
    Unverified,
    /// It lacks the scope.
    Scope(Box<str>),
    /// It lacks the role.
    Role(Box<str>),
    /// It is another account's.
    OtherAccount(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => formatter.write_str("the token is too long"),
            Self::Malformed(what) => write!(formatter, "the token cannot be read: {what}"),
            Self::Algorithm(name) => write!(formatter, "the token is signed with {name:?}, which is not permitted"),
            Self::Critical => formatter.write_str("the token demands an extension (crit), and none is understood"),
            Self::Type(name) => write!(formatter, "the token is of type {name:?}, which is for something else"),
            Self::UnknownIssuer(name) => write!(formatter, "the token is of {name:?}, who is no [[issuer]]"),
            Self::NoKey(id) => write!(formatter, "the token is signed with the key {id:?}, which its issuer has not"),
            Self::Signature => formatter.write_str("the signature of the token is wrong"),
            Self::Audience(names) => write!(formatter, "the token is for {names:?}, which is not us"),
            Self::NoExpiry => formatter.write_str("the token has no end (exp)"),
            Self::Expired(at) => write!(formatter, "the token ended at {at}"),
            Self::NotYet(at) => write!(formatter, "the token begins at {at}: is one of the clocks wrong?"),
            Self::NoLogin(claims) => write!(formatter, "the token names no login: it has none of {claims}"),
            Self::NoAddress(claim, value) => {
                write!(formatter, "{claim} of the token is {value:?}, which is no address")
            }
            Self::Unverified => formatter.write_str("the token's issuer has not verified email (email_verified)"),
            Self::Scope(scope) => write!(formatter, "the token lacks the scope {scope:?}"),
            Self::Role(role) => write!(formatter, "the token lacks the role {role:?}"),
            Self::OtherAccount(login) => write!(formatter, "the token is of {login:?}, which is another account"),
        }
    }
}

/// Judges what a token says whose signature is right; the login that it names.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn judge(issuer: &Issuer, claims: &Claims, now: Timestamp) -> Result<Address, Fault> {
    if claims.issuer.as_deref() != Some(&*issuer.issuer) {
        return Err(Fault::UnknownIssuer(claims.issuer.clone().unwrap_or_default()));
    }
    if !claims.audiences.iter().any(|named| issuer.audiences.iter().any(|own| **own == **named)) {
        return Err(Fault::Audience(claims.audiences.clone()));
    }
    let (seconds, skew) = (now.unix_seconds(), issuer.skew.as_secs());
    let at = |seconds: u64| Timestamp::from_unix_milliseconds(seconds.saturating_mul(1_000));
    // RFC 7519 section 4.1.4: on or after this moment it counts no more.
    let end = claims.expires.ok_or(Fault::NoExpiry)?;
    if seconds >= end.saturating_add(skew) {
        return Err(Fault::Expired(at(end)));
    }
    if let Some(begin) = claims.not_before.filter(|begin| seconds.saturating_add(skew) < *begin) {
        return Err(Fault::NotYet(at(begin)));
    }
    if let Some(scope) = issuer.scope.as_ref().filter(|scope| !claims.scopes.iter().any(|own| **own == ***scope)) {
        return Err(Fault::Scope(scope.clone()));
    }
    if let Some(role) = issuer.role.as_ref().filter(|role| !claims.roles.iter().any(|own| **own == ***role)) {
        return Err(Fault::Role(role.clone()));
    }
    login(issuer, claims)
}

fn login(issuer: &Issuer, claims: &Claims) -> Result<Address, Fault> {
    let named = issuer.login_claims.iter().find_map(|wanted| claims.texts.iter().find(|(name, _)| **name == **wanted));
    let Some((name, value)) = named else {
        return Err(Fault::NoLogin(issuer.login_claims.join(", ")));
    };
    // OpenID Connect Core section 5.1. Where it is not said, the issuer's administrator gives addresses out.
    if name == "email" && claims.email_verified == Some(false) {
        return Err(Fault::Unverified);
    }
    Address::parse(value).map_err(|_| Fault::NoAddress(name.clone(), value.clone()))
}

/// Whether the login that a client names is that of the account that its token names.
///
/// # Errors
/// `OtherAccount`, also when nobody has the login.
pub fn is_for(snapshot: &Snapshot, login: &str, named: &Address) -> Result<(), Fault> {
    let account = find_account(snapshot, login).map(|found| found.id);
    let own = snapshot.find_by_login(named).filter(|found| found.account.is_some()).map(|found| found.id);
    if account.is_some() && account == own { Ok(()) } else { Err(Fault::OtherAccount(named.to_string())) }
}

#[cfg(test)]
mod tests;
