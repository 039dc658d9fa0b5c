//! TLS towards hosts whose certificate the DNS vouches for (RFC 7672).
//!
//! The handshake's signatures are always checked: the peer holds the key of the certificate it shows. What is asked of
//! the certificate is what the TLSA records say, and nothing of any authority of the web.

use std::sync::Arc;

use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::judged::{CertificateRule, judged_by};
use super::{TlsSetupError, provider, server_name};
use crate::model::transport_security::Tlsa;

/// The names under which a host may prove itself to an authority of its own (RFC 7672 section 3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaneNames {
    /// The name below which its TLSA records stand; it is also what the host is asked for.
    pub base: String,
    /// Other names that the DNS has authenticated: the exchanger's before aliases, the recipient's domain.
    pub others: Vec<String>,
}

/// For a host with these TLSA records, of which at least one must be usable. An end-entity record is all the proof:
/// neither name nor dates count (RFC 7672 section 3.1.1). A record for an authority asks for a chain up to it, within
/// the certificates' dates, and one of `names`. Sessions are never resumed, since resumption asks for no certificate.
///
/// # Errors
/// `Provider`, which does not happen with the provider that is built in.
pub fn dane(records: &[Tlsa], names: &DaneNames) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let all = core::iter::once(&names.base).chain(&names.others);
    let rule = TlsaRule::new(records, all.filter_map(|name| server_name(name)).collect());
    let mut config = judged_by(rule)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct TlsaRule {
    records: Vec<Tlsa>,
    names: Vec<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TlsaRule {
    fn new(records: &[Tlsa], names: Vec<ServerName<'static>>) -> Self {
        Self { records: records.to_vec(), names, algorithms: provider().signature_verification_algorithms }
    }

    fn fits(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
        // What cannot be read still fits a record of the whole certificate.
        let parsed = X509Certificate::from_der(certificate);
        let key = parsed.as_ref().map(|(_, certificate)| certificate.tbs_certificate.subject_pki.raw);
        record.fits(certificate, key.unwrap_or_default())
    }

    /// The authorities that the records name: those among the certificates that were shown, and those in the records.
    fn anchors(&self, shown: &[CertificateDer<'_>]) -> RootCertStore {
        let mut anchors = RootCertStore::empty();
        for record in self.records.iter().filter(|record| !record.is_end_entity()) {
            let own = record.anchor().map(CertificateDer::from);
            for certificate in shown.iter().filter(|certificate| Self::fits(record, certificate)).chain(&own) {
                // What is no certificate can be no anchor.
                let _ = anchors.add(certificate.clone().into_owned());
            }
        }
        anchors
    }

    /// By an authority that the records name.
    fn verify_chain(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        anchors: &RootCertStore,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(own)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, anchors, intermediates, now, algorithms)?;
        let mut last = Error::InvalidCertificate(CertificateError::NotValidForName);
        for name in &self.names {
            match verify_server_name(&certificate, name) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl CertificateRule for TlsaRule {
    fn judge(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut records = self.records.iter().filter(|record| record.is_end_entity());
        if records.any(|record| Self::fits(record, own)) {
            return Ok(());
        }
        let anchors = self.anchors(intermediates);
        if anchors.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        self.verify_chain(own, intermediates, &anchors, now)
    }
}

#[cfg(test)]
mod tests;
