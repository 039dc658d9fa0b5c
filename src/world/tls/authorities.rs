//! Judges a chain of certificates after the handshake, where the judgement is wanted and not the refusal.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::client::{Roots, root_store};
use super::{TlsSetupError, provider};

/// Authorities that vouch for the names of hosts.
#[derive(Clone, Debug)]
pub struct Authorities {
    verifier: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    /// The authorities of `roots`. Reads files.
    ///
    /// # Errors
    /// As [`verified`](super::verified).
    pub fn open(roots: &Roots) -> Result<Self, TlsSetupError> {
        let store = Arc::new(root_store(roots)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(store, provider()).build().map_err(|error| {
            // Without revocation lists, an empty store is all that can be wrong, and `root_store` gives none.
            TlsSetupError::Provider(rustls::Error::General(error.to_string()))
        })?;
        Ok(Self { verifier })
    }

    /// Whether `chain`, the host's own certificate first, is for `name` and leads to one of the authorities now.
    ///
    /// # Errors
    /// Why not, in words for a log.
    pub fn judge(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Result<(), String> {
        let (own, rest) = chain.split_first().ok_or("it showed no certificate")?;
        let judged = self.verifier.verify_server_cert(own, rest, name, &[], UnixTime::now());
        judged.map(|_| ()).map_err(|error| error.to_string())
    }
}
