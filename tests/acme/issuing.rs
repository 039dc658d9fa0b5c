//! The authority's own keys and the certificates that it gives.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::jws;
use franking::model::mail::Timestamp;

/// A key from a request.
struct Requested(Vec<u8>);

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Signs what was ordered.
pub(super) struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    own: CertificateDer<'static>,
    /// What clients trust, of the authority's web server as well.
    pub(super) root: String,
}

fn params(names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(names.to_vec()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

/// A request as it was read.
pub(super) struct Request {
    pub(super) names: Vec<String>,
    pub(super) point: Vec<u8>,
}

/// Reads a request (RFC 2986) and judges its signature.
pub(super) fn request(der: &[u8]) -> Result<Request, String> {
    let (_, parsed) = X509CertificationRequest::from_der(der).map_err(|error| error.to_string())?;
    let info = &parsed.certification_request_info;
    let point = info.subject_pki.subject_public_key.data.to_vec();
    jws::verify_der(&point, info.raw, &parsed.signature_value.data)?;
    let mut names = Vec::new();
    for extension in parsed.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(found) = extension {
            names.extend(found.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            }));
        }
    }
    Ok(Request { names, point })
}

impl Issuing {
    pub(super) fn new() -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (root, own) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), own, root }
    }

    /// What the authority's web server shows.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params(&["127.0.0.1".to_owned()]).signed_by(&key, &self.issuer).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone(), self.own.clone()], private)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A certificate that begins an hour before `now`, as the great authority does it, and its chain.
    pub(super) fn certificate(&self, names: &[String], point: &[u8], now: Timestamp, lifetime: Duration) -> String {
        let hour = Duration::from_secs(3_600);
        let instant = |at: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_secs(at.unix_seconds());
        let mut params = params(names);
        let begin = Timestamp::from_unix_milliseconds(now.unix_milliseconds().saturating_sub(3_600_000));
        params.not_before = instant(begin);
        params.not_after = instant(begin.plus(lifetime.max(hour)));
        params.use_authority_key_identifier_extension = true;
        let own = params.signed_by(&Requested(point.to_vec()), &self.issuer).unwrap();
        own.pem() + &self.root
    }
}
