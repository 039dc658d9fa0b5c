//! Issuers of tokens that clients sign in with (RFC 7628).

use std::path::PathBuf;

use crate::model::policy::token::Issuer;
use crate::world::https::HttpsUrl;

/// One `[[issuer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// What its tokens must say.
    pub rules: Issuer,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where the public keys of an issuer are, a JWK set (RFC 7517 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file that the operator keeps.
    File(PathBuf),
    /// Where the issuer publishes them.
    Url(HttpsUrl),
}
