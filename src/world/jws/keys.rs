//! The public keys of an issuer (RFC 7517, 7518, 8037).
//!
//! Keys of other types, for other uses, or too weak are passed over: a set may hold them for other readers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::json::Json;
use crate::model::policy::token::Algorithm;

/// The longest set of keys, in octets. Entra's has some 20,000.
pub const KEYS_BYTES_MAX: usize = 256 * 1_024;
/// Keys that are kept of a set.
const KEYS_MAX: usize = 200;
/// Keys that one token is tried with: those of one name, or all where the token has none.
const TRIED_MAX: usize = 4;
/// The bits of a modulus that can be trusted, and that ring takes.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Why a text is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No JSON object with a list `keys`.
    #[error("it is no set of keys (a JSON object with a list \"keys\")")]
    NoSet,
    /// None of them can verify anything.
    #[error("none of its keys can verify a signature: RSA from 2048 bits, P-256, P-384 and Ed25519 are understood")]
    NoKey,
}

/// The keys of an issuer. Public, and nothing to hide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, where it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(octets: &[u8]) -> Result<Self, KeysError> {
        let set = Json::object(octets).map_err(|()| KeysError::NoSet)?;
        let Some(Json::List(_)) = set.get("keys") else { return Err(KeysError::NoSet) };
        let listed = set.get("keys").map_or(&[][..], Json::list);
        let keys: Vec<Key> = listed.iter().filter_map(Key::read).take(KEYS_MAX).collect();
        if keys.is_empty() { Err(KeysError::NoKey) } else { Ok(Self(keys)) }
    }

    /// How many keys there are; at least one.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the keys can verify that.
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.is_for(algorithm))
    }

    /// The keys that a token can be signed with. Without a name that is any that fits.
    pub(super) fn find<'set>(
        &'set self,
        id: Option<&'set str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'set Key> {
        let is_it = move |key: &&Key| key.is_for(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id));
        self.0.iter().filter(is_it).take(TRIED_MAX)
    }
}

impl Key {
    fn read(key: &Json) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Json::text);
        let octets = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        // RFC 7517 sections 4.2 and 4.3: a key for encryption verifies nothing.
        let operations = key.get("key_ops");
        let verifies = |operations: &Json| operations.list().iter().any(|own| own.text() == Some("verify"));
        if key.get("use").is_some_and(|purpose| purpose.text() != Some("sig"))
            || operations.is_some_and(|own| !verifies(own))
        {
            return None;
        }
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { modulus: modulus(octets("n")?)?, exponent: trimmed(octets("e")?) },
            ("EC", Some("P-256")) => Material::P256(point(&octets("x")?, &octets("y")?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&octets("x")?, &octets("y")?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(octets("x").filter(|own| own.len() == 32)?),
            _ => return None,
        };
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm, material })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let fits = match (&self.material, algorithm) {
            (
                Material::Rsa { .. },
                Algorithm::Rs256
                | Algorithm::Rs384
                | Algorithm::Rs512
                | Algorithm::Ps256
                | Algorithm::Ps384
                | Algorithm::Ps512,
            )
            | (Material::P256(_), Algorithm::Es256)
            | (Material::P384(_), Algorithm::Es384)
            | (Material::Ed25519(_), Algorithm::EdDsa) => true,
            (Material::Rsa { .. } | Material::P256(_) | Material::P384(_) | Material::Ed25519(_), _) => false,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether the holder of this key has signed that.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let by = |key: &[u8], how: &'static dyn signature::VerificationAlgorithm| {
            UnparsedPublicKey::new(how, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { modulus, exponent } => rsa(algorithm).is_some_and(|how| {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(how, signed, signature).is_ok()
            }),
            Material::P256(point) => algorithm == Algorithm::Es256 && by(point, &signature::ECDSA_P256_SHA256_FIXED),
            Material::P384(point) => algorithm == Algorithm::Es384 && by(point, &signature::ECDSA_P384_SHA384_FIXED),
            Material::Ed25519(point) => algorithm == Algorithm::EdDsa && by(point, &signature::ED25519),
        }
    }
}

const fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

/// Some issuers write a leading zero, which RFC 7518 section 6.3.1.1 warns of and ring refuses.
fn trimmed(octets: Vec<u8>) -> Vec<u8> {
    octets.into_iter().skip_while(|octet| *octet == 0).collect()
}

fn modulus(octets: Vec<u8>) -> Option<Vec<u8>> {
    let octets = trimmed(octets);
    let unused = octets.first()?.leading_zeros();
    let bits = octets.len().saturating_mul(8).saturating_sub(usize::try_from(unused).ok()?);
    RSA_BITS.contains(&bits).then_some(octets)
}

/// RFC 7518 section 6.2.1.2: each coordinate has its full length.
fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}
