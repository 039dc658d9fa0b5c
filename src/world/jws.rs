//! Signed tokens (JWS in its compact form, RFC 7515, with the claims of RFC 7519): read, and verified with an issuer's
//! keys. What the claims must say is `model::policy::token`'s to judge.
//!
//! It promises that no text makes it panic or costs more than its length and one signature; that nothing of a token is
//! handed out before its signature proved right, but the issuer it claims, by which its keys are found; and that a key
//! is used with the algorithms of its own type only, never with what the token says of it.
//!
//! Read by hand over ring, the provider of our TLS: the usual library (jsonwebtoken) takes its cryptography from
//! aws-lc, or from the `rsa` crate, both of which `.deny.toml` bans, and behind a provider of our own all that is left
//! of it is JSON, of which it takes doubled claims and passes over `crit`.

mod json;
mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::json::Json;
pub use self::keys::{KEYS_BYTES_MAX, KeySet, KeysError};
use crate::model::policy::token::{Algorithm, Claims, Fault};

/// The longest token, in octets; Entra's have some two thousand. With the client's name it fits into one response of
/// AUTH.
pub const TOKEN_BYTES_MAX: usize = 8 * 1_024;
/// The types of tokens for us (RFC 7519 section 5.1, RFC 9068 section 2.1); a token may have none.
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// A token whose signature is not verified yet.
#[derive(Debug)]
pub struct Token<'text> {
    algorithm: Algorithm,
    key_id: Option<String>,
    claims: Claims,
    signed: &'text str,
    signature: Vec<u8>,
}

impl<'text> Token<'text> {
    /// Reads a token.
    ///
    /// # Errors
    /// `TooLong`, `Malformed`, `Algorithm`, `Critical` and `Type`.
    pub fn read(text: &'text str) -> Result<Self, Fault> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed("it has not three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Malformed("it has not three parts"))?;
        if claims.contains('.') {
            return Err(Fault::Malformed("it has not three parts"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed("it is no base64url"));
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let object = |octets: &[u8]| {
            Json::object(octets).map_err(|()| Fault::Malformed("it is no JSON object, or names something twice"))
        };
        let (header, claims) = (object(&header)?, object(&claims)?);
        let (algorithm, key_id) = judge_header(&header)?;
        Ok(Self { algorithm, key_id, claims: claims_of(claims), signed, signature })
    }

    /// Whose it says it is. Anybody can write that; it tells with whose keys to verify it.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.issuer.as_deref()
    }

    /// Whether `keys` have what it says it is signed with.
    pub fn is_known_to(&self, keys: &KeySet) -> bool {
        keys.find(self.key_id.as_deref(), self.algorithm).next().is_some()
    }

    /// What it says, if one of `keys` has signed it in one of the ways that are `allowed`.
    ///
    /// # Errors
    /// `Algorithm`, `NoKey` and `Signature`.
    pub fn verify(self, keys: &KeySet, allowed: &[Algorithm]) -> Result<Claims, Fault> {
        if !allowed.contains(&self.algorithm) {
            return Err(Fault::Algorithm(self.algorithm.name().to_owned()));
        }
        if !self.is_known_to(keys) {
            return Err(Fault::NoKey(self.key_id.unwrap_or_default()));
        }
        let mut found = keys.find(self.key_id.as_deref(), self.algorithm);
        let signed = self.signed.as_bytes();
        if found.any(|key| key.verifies(self.algorithm, signed, &self.signature)) {
            Ok(self.claims)
        } else {
            Err(Fault::Signature)
        }
    }
}

/// The algorithm and the key's name. Where to find a key (`jku`, `x5u`) or the key itself (`jwk`, `x5c`) is nothing
/// that a token may say: such fields are passed over.
fn judge_header(header: &Json) -> Result<(Algorithm, Option<String>), Fault> {
    if header.get("crit").is_some() {
        return Err(Fault::Critical);
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.text().unwrap_or_default();
        if !TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err(Fault::Type(kind.to_owned()));
        }
    }
    let name = header.get("alg").and_then(Json::text).unwrap_or_default();
    let algorithm = Algorithm::parse(name).ok_or_else(|| Fault::Algorithm(name.to_owned()))?;
    let key_id = match header.get("kid") {
        None => None,
        Some(Json::Text(name)) => Some(name.clone()),
        Some(_) => return Err(Fault::Malformed("its kid is no text")),
    };
    Ok((algorithm, key_id))
}

fn claims_of(claims: Json) -> Claims {
    let texts = |name: &str| match claims.get(name) {
        Some(Json::Text(text)) => vec![text.clone()],
        Some(Json::List(items)) => items.iter().filter_map(Json::text).map(str::to_owned).collect(),
        Some(_) | None => Vec::new(),
    };
    let seconds = |name: &str| claims.get(name).and_then(Json::number);
    let words = |name: &str| texts(name).iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect::<Vec<_>>();
    Claims {
        issuer: claims.get("iss").and_then(Json::text).map(str::to_owned),
        audiences: texts("aud"),
        expires: seconds("exp").map(whole),
        // What cannot be read must not count as absent: the token would begin too early.
        not_before: claims.get("nbf").map(|other| other.number().map_or(u64::MAX, |seconds| whole(seconds.ceil()))),
        scopes: [words("scp"), words("scope")].concat(),
        roles: texts("roles"),
        email_verified: match claims.get("email_verified") {
            Some(Json::Boolean(verified)) => Some(*verified),
            // Some issuers write it as a text; what says anything but yes says no.
            Some(other) => Some(other.text() == Some("true")),
            None => None,
        },
        texts: claims.into_texts(),
    }
}

/// Seconds since 1970 without their fraction. What is before that or no number is 0, what is far in the future the most
/// there is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such a cast keeps within bounds")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
pub(crate) mod tests;
