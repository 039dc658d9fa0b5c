//! What SCRAM-SHA-256 needs to know of a password (RFC 5802, RFC 7677): keys by which a proof is verified and this
//! server proves itself, and from which nobody can sign in.
//!
//! They stand beside the argon2 hash of the same password, in one text with it ([`PasswordHash`]): whoever replaces the
//! password replaces both, and what was never known in clear text has none. All secrets of one account, its own and its
//! devices', share one salt: a client is told the salt before it says which of them it has.
//!
//! [`PasswordHash`]: super::PasswordHash

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The name of the mechanism, with which the text form begins (RFC 5803 section 3).
const SCHEME: &str = "SCRAM-SHA-256";
/// What sets the keys apart from the hash before them.
const SEPARATOR: &str = " SCRAM-SHA-256$";
/// Of a hash function with 256 bits.
const KEY_BYTES: usize = 32;
const SALT_BYTES: core::ops::RangeInclusive<usize> = 8..=64;
/// The least that RFC 7677 section 4 permits, and the most that a client can be asked to compute.
const ITERATIONS: core::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// What a client makes its keys of besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramSalt {
    /// The salt: 8 to 64 octets.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
}

/// The keys of one password. They never show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// How they were made.
    pub salt: ScramSalt,
    /// Verifies a client's proof.
    pub stored: [u8; KEY_BYTES],
    /// Proves that this server knows the password.
    pub server: [u8; KEY_BYTES],
}

impl ScramKeys {
    /// Reads `SCRAM-SHA-256$15000:salt$StoredKey:ServerKey`, the form of RFC 5803, PostgreSQL and others; `None` for
    /// anything else, and for what no client could be asked to compute.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME)?.strip_prefix('$')?;
        let (parameters, keys) = rest.split_once('$')?;
        let ((iterations, salt), (stored, server)) = (parameters.split_once(':')?, keys.split_once(':')?);
        let iterations = iterations.parse().ok().filter(|count| ITERATIONS.contains(count))?;
        let salt = STANDARD.decode(salt).ok().filter(|salt| SALT_BYTES.contains(&salt.len()))?;
        let key = |text| STANDARD.decode(text).ok()?.try_into().ok();
        Some(Self { salt: ScramSalt { salt, iterations }, stored: key(stored)?, server: key(server)? })
    }

    /// The text that [`Self::parse`] reads.
    pub fn text(&self) -> String {
        let [salt, stored, server] =
            [&self.salt.salt[..], &self.stored, &self.server].map(|octets| STANDARD.encode(octets));
        format!("{SCHEME}${}:{salt}${stored}:{server}", self.salt.iterations)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ScramKeys(hidden)")
    }
}

/// A hash, and the keys that stand behind it.
pub(super) fn divide(text: &str) -> (&str, Option<&str>) {
    match text.find(SEPARATOR) {
        Some(end) => (text.get(..end).unwrap_or(text), text.get(end + 1..)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::PasswordHash;
    use proptest::prelude::*;

    fn keys() -> ScramKeys {
        ScramKeys { salt: ScramSalt { salt: vec![1; 16], iterations: 4_096 }, stored: [2; 32], server: [3; 32] }
    }

    #[test]
    fn keys_stand_behind_the_hash_and_go_with_it() {
        let hash = PasswordHash::from_phc("$argon2id$x y");
        assert_eq!((hash.phc(), hash.scram()), ("$argon2id$x y", None));
        let both = hash.with_scram(&keys());
        assert_eq!((both.phc(), both.scram()), ("$argon2id$x y", Some(keys())));
        let renewed = both.with_scram(&ScramKeys { stored: [9; 32], ..keys() });
        assert_eq!((renewed.phc(), renewed.scram().unwrap().stored), ("$argon2id$x y", [9; 32]));
        let read: PasswordHash = serde_json::from_str(&serde_json::to_string(&both).unwrap()).unwrap();
        assert_eq!(read, both);
        assert!(!format!("{both:?} {:?}", keys()).contains("AgIC"));
    }

    #[test]
    fn what_no_client_could_be_asked_is_no_key() {
        let good = keys().text();
        assert_eq!(ScramKeys::parse(&good), Some(keys()));
        for (part, other) in [
            ("$4096:", "$4095:"),
            ("$4096:", "$1000001:"),
            ("$4096:", "$-1:"),
            ("SHA-256", "SHA-1"),
            ("AQEBAQEBAQEBAQEBAQEBAQ==", "AQE="),
            ("AgICAgIC", "AgIC"),
            (":AwMD", ":AwM"),
            (":AwMD", "AwMD"),
        ] {
            assert_eq!(ScramKeys::parse(&good.replace(part, other)), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), middle in "(SCRAM-SHA-256)?[$:0-9A-Za-z+/= ]{0,60}") {
            for text in [text, middle] {
                let _ = ScramKeys::parse(&text);
                let hash = PasswordHash::from_phc(text.as_str());
                let _ = (hash.phc().len(), hash.scram());
            }
        }
    }
}
