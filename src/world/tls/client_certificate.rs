//! Certificates of clients: asked for, never demanded, and judged after the handshake.
//!
//! A handshake fails for no certificate, however bad it is: whoever showed none would have been let in as a stranger,
//! and so is who showed one that counts for nothing. The signature of the handshake is always real, so a client does
//! hold the key of what it shows. What cannot be read well enough to check that (X.509 before version 3) is no
//! certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::EndEntityCert;

use super::client::{Roots, root_store};
use super::pair::facts_of_der;
use super::{TlsSetupError, provider};
use crate::model::mail::{DomainPattern, Timestamp};
use crate::model::policy::connector::{Authorities, ClientCertificate, Fingerprint};

/// More names than this no host has; each is compared with those of every connector.
const NAMES_MAX: usize = 100;

/// Everybody whose word counts about the certificates of clients.
#[derive(Clone, Debug, Default)]
pub struct ClientAuthorities {
    known: Vec<(Authorities, Arc<dyn ClientCertVerifier>)>,
}

/// What became of a certificate that a client showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It counts, for what its authorities, if any, vouch for. And why others do not, in words for a log.
    Counts(Box<ClientCertificate>, String),
    /// It is as if there were none, for this reason.
    CountsForNothing(String),
}

impl ClientAuthorities {
    /// Reads the files of all authorities that are `wanted`.
    ///
    /// # Errors
    /// `Authorities` when a file holds no certificate, `NoSystemAuthorities` when the system has none.
    pub fn open<'a>(wanted: impl IntoIterator<Item = &'a Authorities>) -> Result<Self, TlsSetupError> {
        let mut known: Vec<(Authorities, Arc<dyn ClientCertVerifier>)> = Vec::new();
        for authorities in wanted {
            if known.iter().any(|(own, _)| own == authorities) {
                continue;
            }
            let roots = match authorities {
                Authorities::System => Roots::System,
                Authorities::File(path) => Roots::File(path.to_path_buf()),
            };
            let store = Arc::new(root_store(&roots)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(store, provider()).build().map_err(|error| {
                // Without revocation lists, an empty store is all that can be wrong, and `root_store` gives none.
                TlsSetupError::Provider(Error::General(error.to_string()))
            })?;
            known.push((authorities.clone(), verifier));
        }
        Ok(Self { known })
    }

    /// Judges `chain`, the client's own certificate first, at `now`.
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Shown {
        let Some((own, rest)) = chain.split_first() else {
            return Shown::CountsForNothing("there is none".to_owned());
        };
        if EndEntityCert::try_from(own).is_err() {
            return Shown::CountsForNothing("it cannot be read, or is older than X.509 version 3".to_owned());
        }
        let facts = match facts_of_der(own) {
            Ok(facts) => facts,
            Err(reason) => return Shown::CountsForNothing(format!("it cannot be read: {reason}")),
        };
        if now > facts.not_after {
            return Shown::CountsForNothing(format!("it expired at {}", facts.not_after));
        }
        if now < facts.not_before {
            return Shown::CountsForNothing(format!("it is not valid before {}", facts.not_before));
        }
        let time = UnixTime::since_unix_epoch(core::time::Duration::from_millis(now.unix_milliseconds()));
        let (mut vouched_by, mut doubts) = (Vec::new(), Vec::new());
        for (authorities, verifier) in &self.known {
            match verifier.verify_client_cert(own, rest, time) {
                Ok(_) => vouched_by.push(authorities.clone()),
                Err(error) => doubts.push(format!("{authorities} do not vouch for it: {error}")),
            }
        }
        let names = facts.names.iter().filter_map(|name| name.parse().ok());
        let names = names.filter(|name| *name != DomainPattern::All).take(NAMES_MAX).collect();
        let fingerprint = Fingerprint(Sha256::digest(own).into());
        Shown::Counts(Box::new(ClientCertificate { fingerprint, names, vouched_by }), doubts.join("; "))
    }
}

/// Asks every client for a certificate and takes whatever comes, for [`ClientAuthorities`] to judge.
#[derive(Debug)]
pub(super) struct AnyClient {
    provider: Arc<CryptoProvider>,
}

impl AnyClient {
    pub(super) fn new() -> Self {
        Self { provider: provider() }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: a client shows what it has, also what nobody here knows.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // What is asked here is asked again by `judge`, which takes it for no certificate.
        if EndEntityCert::try_from(certificate).is_err() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if EndEntityCert::try_from(certificate).is_err() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate() -> CertificateDer<'static> {
        let names = ["p7.contoso.example", "*.contoso.example"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2027, 1, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn judged(chain: &[CertificateDer<'_>], year: u32) -> Shown {
        let now = Timestamp::parse_iso8601(&format!("{year}-06-01T00:00:00Z")).unwrap();
        ClientAuthorities::default().judge(chain, now)
    }

    #[test]
    fn a_certificate_counts_within_its_time() {
        let own = certificate();
        for (year, counts) in [(2024, false), (2025, true), (2026, true), (2027, false)] {
            let judged = judged(core::slice::from_ref(&own), year);
            assert_eq!(matches!(judged, Shown::Counts(..)), counts, "{year}: {judged:?}");
        }
        let Shown::Counts(found, _) = judged(core::slice::from_ref(&own), 2026) else { panic!("it counts") };
        assert_eq!(found.fingerprint, Fingerprint(Sha256::digest(&own).into()));
        let names: Vec<String> = found.names.iter().map(ToString::to_string).collect();
        assert_eq!((names.join(" ").as_str(), found.vouched_by.len()), ("p7.contoso.example *.contoso.example", 0));
    }

    #[test]
    fn what_is_no_certificate_counts_for_nothing() {
        let own = certificate();
        let halves = (0..own.len()).step_by(7).map(|end| own[..end].to_vec());
        for octets in halves.chain([vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0; 70_000]]) {
            assert!(matches!(judged(&[CertificateDer::from(octets)], 2026), Shown::CountsForNothing(_)));
        }
        assert!(matches!(judged(&[], 2026), Shown::CountsForNothing(_)));
    }
}
