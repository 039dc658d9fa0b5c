//! The proofs that are shown to an authority at this moment: texts for HTTP-01, certificates for TLS-ALPN-01.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::world::tls::{TlsSetupError, challenge_server, usable_key};

/// What a client offers that wants to see such a certificate (RFC 8737 section 6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";
/// RFC 8555 asks for at least 128 bits; nobody sends more than this many octets.
const TOKEN_BYTES_MAX: usize = 256;

#[derive(Default)]
struct State {
    texts: BTreeMap<String, String>,
    certificates: BTreeMap<String, Arc<CertifiedKey>>,
}

/// The proofs of this moment; clones show the same.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Mutex<State>>);

impl fmt::Debug for Challenges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Challenges")
    }
}

/// A proof that is shown; dropping it takes it away.
#[derive(Debug)]
pub struct Shown {
    challenges: Challenges,
    key: Proof,
}

#[derive(Debug)]
enum Proof {
    Text(String),
    Certificate(String),
}

impl Challenges {
    /// What to answer to a request for `token`; nothing for any other.
    pub fn text(&self, token: &str) -> Option<String> {
        self.locked(|state| state.texts.get(token).cloned())
    }

    /// Shows `text` under `token`; `None` for a token that no authority would send.
    pub(super) fn show_text(&self, token: &str, text: &str) -> Option<Shown> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(fits) {
            return None;
        }
        self.locked(|state| state.texts.insert(token.to_owned(), text.to_owned()));
        Some(Shown { challenges: self.clone(), key: Proof::Text(token.to_owned()) })
    }

    /// Shows a certificate for `name` with `digest`, the hash of the proof (RFC 8737 section 3).
    pub(super) fn show_certificate(&self, name: &str, digest: &[u8; 32]) -> Result<Shown, rcgen::Error> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let private = usable_key(private).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], private));
        self.locked(|state| state.certificates.insert(name.to_ascii_lowercase(), certified));
        Ok(Shown { challenges: self.clone(), key: Proof::Certificate(name.to_ascii_lowercase()) })
    }

    /// Every change is whole, so what is there is good even after a panic elsewhere.
    fn locked<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.challenges.locked(|state| match &self.key {
            Proof::Text(token) => drop(state.texts.remove(token)),
            Proof::Certificate(name) => drop(state.certificates.remove(name)),
        });
    }
}

impl ResolvesServerCert for Challenges {
    /// Only for who says the protocol's name and the very name that is to be proved.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if !hello.alpn()?.any(|protocol| protocol == PROTOCOL) {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.locked(|state| state.certificates.get(&name).map(Arc::clone))
    }
}

/// TLS for a listener where authorities look for proofs, and for nothing else.
///
/// # Errors
/// `Provider`, which does not happen with the provider that is built in.
pub fn challenge_config(challenges: &Challenges) -> Result<Arc<ServerConfig>, TlsSetupError> {
    challenge_server(Arc::new(challenges.clone()), PROTOCOL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_shown_as_long_as_it_is_held_and_for_its_own_token() {
        let challenges = Challenges::default();
        let shown = challenges.show_text("token-1_A", "proof").unwrap();
        assert_eq!(challenges.text("token-1_A").as_deref(), Some("proof"));
        for other in ["", "token", "token-1_a", "token-1_A/", "../token-1_A"] {
            assert_eq!(challenges.text(other), None, "{other}");
        }
        drop(shown);
        assert_eq!(challenges.text("token-1_A"), None);
    }

    #[test]
    fn a_token_that_is_none_is_not_shown() {
        let challenges = Challenges::default();
        for odd in ["", "a b", "../../etc/passwd", "a\r\nb", "\u{e9}", &"x".repeat(257)] {
            assert!(challenges.show_text(odd, "proof").is_none(), "{odd}");
        }
    }
}
