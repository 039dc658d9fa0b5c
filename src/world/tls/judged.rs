//! TLS towards hosts whose certificates are judged by rules of our own.
//!
//! The rules say what is asked of a certificate. That the peer holds its key is checked here, for all of them: the
//! signatures of the handshake are always real.

use core::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{TlsSetupError, provider};

/// What is asked of a host's certificate.
pub(super) trait CertificateRule: Send + Sync + fmt::Debug + 'static {
    /// Judges the host's own certificate and those it showed with it.
    fn judge(&self, own: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], now: UnixTime)
    -> Result<(), Error>;
}

/// A configuration for hosts whose certificates `rule` judges.
pub(super) fn judged_by(rule: impl CertificateRule) -> Result<ClientConfig, TlsSetupError> {
    let verifier = Arc::new(Verifier::new(rule));
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// A rule as the library asks it. The name that the host was asked for is the rule's affair, if it is anybody's.
#[derive(Debug)]
pub(super) struct Verifier<R> {
    rule: R,
    provider: Arc<CryptoProvider>,
}

impl<R: CertificateRule> Verifier<R> {
    pub(super) fn new(rule: R) -> Self {
        Self { rule, provider: provider() }
    }
}

impl<R: CertificateRule> ServerCertVerifier for Verifier<R> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.rule.judge(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
