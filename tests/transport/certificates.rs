//! Certificates of every sort, made on the spot.

use franking::model::transport_security::Tlsa;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What is right or wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// For the host, from the authority.
    Good,
    /// From the authority, for nobody that is asked for.
    OtherName,
    /// For the host, from the authority, and over.
    Expired,
    /// For the host, and from nobody.
    SelfSigned,
}

/// An authority, as the only one that this server trusts.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pub(super) pem: String,
}

/// A certificate with its key, ready to be shown.
pub(super) struct Shown {
    pub(super) acceptor: TlsAcceptor,
    pub(super) end_entity: Tlsa,
}

fn params(names: &[&str], until: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = params(&[], 2090);
        params.distinguished_name.push(DnType::CommonName, "Authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem }
    }

    /// A record that names this authority by the whole of its certificate, hashed.
    pub(super) fn anchor(&self) -> Tlsa {
        Tlsa { usage: 2, selector: 0, matching: 1, data: Sha256::digest(&self.certificate).to_vec() }
    }

    pub(super) fn show(&self, host: &str, kind: Kind) -> Shown {
        let key = KeyPair::generate().unwrap();
        let params = match kind {
            Kind::Good | Kind::SelfSigned => params(&[host], 2090),
            Kind::OtherName => params(&["nobody.example"], 2090),
            Kind::Expired => params(&[host], 2021),
        };
        let own = match kind {
            Kind::SelfSigned => params.self_signed(&key).unwrap(),
            Kind::Good | Kind::OtherName | Kind::Expired => params.signed_by(&key, &self.issuer).unwrap(),
        };
        let data = Sha256::digest(key.subject_public_key_info()).to_vec();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![own.der().clone(), self.certificate.clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .unwrap();
        let end_entity = Tlsa { usage: 3, selector: 1, matching: 1, data };
        Shown { acceptor: TlsAcceptor::from(Arc::new(config)), end_entity }
    }
}
