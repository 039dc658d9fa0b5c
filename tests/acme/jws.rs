//! Reads the signed requests of RFC 8555 section 6.2 as strictly as it is written.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A key of an account: an uncompressed point on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    x: String,
    y: String,
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// Somebody who shows the key.
    Key(PublicKey),
    /// Somebody who names an account.
    Account(String),
}

/// What a request says of itself.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) signer: Signer,
    pub(super) nonce: String,
    pub(super) url: String,
    /// `None` for the empty payload of a request that only reads.
    pub(super) payload: Option<Value>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

pub(super) fn decoded(text: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("{text:?} is not base64url: {error}"))
}

fn object(value: Value, what: &str, keys: &[&str]) -> Result<Map<String, Value>, String> {
    let Value::Object(object) = value else { return Err(format!("{what} is no object")) };
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(odd) => Err(format!("{what} has {odd}")),
        None => Ok(object),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no {key}"))
}

fn key(value: &Value) -> Result<PublicKey, String> {
    let jwk = object(value.clone(), "the key", &["alg", "crv", "kty", "use", "x", "y"])?;
    for (name, wanted) in [("kty", "EC"), ("crv", "P-256")] {
        if text(&jwk, name)? != wanted {
            return Err(format!("the key's {name} is not {wanted}"));
        }
    }
    let key = PublicKey { x: text(&jwk, "x")?, y: text(&jwk, "y")? };
    if key.point()?.len() != 65 {
        return Err("the key is no point".to_owned());
    }
    Ok(key)
}

impl PublicKey {
    pub(super) fn point(&self) -> Result<Vec<u8>, String> {
        Ok([&[4][..], &decoded(&self.x)?, &decoded(&self.y)?].concat())
    }

    /// RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
    }
}

/// Takes a request apart; its signature is not judged yet.
pub(super) fn read(body: &[u8]) -> Result<Signed, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let outer = object(value, "the request", &["protected", "payload", "signature"])?;
    let (protected, payload) = (text(&outer, "protected")?, text(&outer, "payload")?);
    let header: Value = serde_json::from_slice(&decoded(&protected)?).map_err(|error| error.to_string())?;
    let header = object(header, "the header", &["alg", "jwk", "kid", "nonce", "url"])?;
    if text(&header, "alg")? != "ES256" {
        return Err("the algorithm is not ES256".to_owned());
    }
    let signer = match (header.get("jwk"), header.get("kid")) {
        (Some(jwk), None) => Signer::Key(key(jwk)?),
        (None, Some(_)) => Signer::Account(text(&header, "kid")?),
        (Some(_), Some(_)) | (None, None) => return Err("not one of jwk and kid".to_owned()),
    };
    let octets = decoded(&payload)?;
    let payload_value = match octets.as_slice() {
        [] => None,
        octets => Some(serde_json::from_slice(octets).map_err(|error| error.to_string())?),
    };
    Ok(Signed {
        signer,
        nonce: text(&header, "nonce")?,
        url: text(&header, "url")?,
        payload: payload_value,
        message: format!("{protected}.{payload}").into_bytes(),
        signature: decoded(&text(&outer, "signature")?)?,
    })
}

impl Signed {
    /// Whether `key` signed it.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> Result<(), String> {
        verify(&key.point()?, &self.message, &self.signature)
    }
}

/// Judges an ECDSA signature that is two numbers of 32 octets (RFC 7518 section 3.4).
fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), String> {
    if signature.len() != 64 {
        return Err(format!("a signature of {} octets", signature.len()));
    }
    let integer = |octets: &[u8]| {
        let bare: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
        let padded = if bare.first().is_none_or(|first| *first >= 0x80) { [&[0][..], &bare].concat() } else { bare };
        [&[2, u8::try_from(padded.len()).unwrap()][..], &padded].concat()
    };
    let (r, s) = signature.split_at(32);
    let both = [integer(r), integer(s)].concat();
    verify_der(point, message, &[&[0x30, u8::try_from(both.len()).unwrap()][..], &both].concat())
}

/// The same for one that is written in DER.
pub(super) fn verify_der(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), String> {
    let algorithm = webpki::ring::ECDSA_P256_SHA256;
    algorithm.verify_signature(point, message, signature).map_err(|_| "a wrong signature".to_owned())
}

/// Judges the binding to another account (RFC 8555 section 7.3.4): its key identifier when it is good.
pub(super) fn binding(value: &Value, url: &str, bound: &PublicKey, hmac_key: &[u8]) -> Result<String, String> {
    let outer = object(value.clone(), "the binding", &["protected", "payload", "signature"])?;
    let (protected, payload) = (text(&outer, "protected")?, text(&outer, "payload")?);
    let header: Value = serde_json::from_slice(&decoded(&protected)?).map_err(|error| error.to_string())?;
    let header = object(header, "the binding's header", &["alg", "kid", "url"])?;
    if text(&header, "alg")? != "HS256" || text(&header, "url")? != url {
        return Err("the binding is for something else".to_owned());
    }
    let jwk: Value = serde_json::from_slice(&decoded(&payload)?).map_err(|error| error.to_string())?;
    if key(&jwk)? != *bound {
        return Err("the binding is of another key".to_owned());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(hmac_key).unwrap();
    mac.update(format!("{protected}.{payload}").as_bytes());
    mac.verify_slice(&decoded(&text(&outer, "signature")?)?).map_err(|_| "the binding's signature".to_owned())?;
    text(&header, "kid")
}

#[test]
fn what_is_not_signed_as_it_says_is_refused() {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let nowhere = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": nowhere, "y": nowhere});
    let signed = |header: Value| {
        let signature = BASE64_URL_SAFE_NO_PAD.encode([1; 64]);
        read(json!({"protected": part(header), "payload": "", "signature": signature}).to_string().as_bytes())
    };
    let good = signed(json!({"alg": "ES256", "jwk": jwk, "nonce": "n", "url": "u"})).unwrap();
    let Signer::Key(key) = good.signer.clone() else { panic!("no key") };
    assert!(good.is_signed_by(&key).is_err() && good.payload.is_none());
    for odd in [
        json!({"alg": "none", "jwk": jwk, "nonce": "n", "url": "u"}),
        json!({"alg": "ES256", "jwk": jwk, "kid": "k", "nonce": "n", "url": "u"}),
        json!({"alg": "ES256", "nonce": "n", "url": "u"}),
        json!({"alg": "ES256", "kid": "k", "url": "u"}),
        json!({"alg": "ES256", "kid": "k", "nonce": "n"}),
    ] {
        assert!(signed(odd.clone()).is_err(), "{odd}");
    }
}
