//! Certificates of every sort, made on the spot.

use franking::model::transport_security::Tlsa;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

use crate::support::authority::{Root, params, private};

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
pub(super) struct Authority(Root);

/// A certificate with its key, ready to be shown.
pub(super) struct Shown {
    pub(super) acceptor: TlsAcceptor,
    pub(super) end_entity: Tlsa,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self(Root::new("Authority of a test"))
    }

    /// Itself, for those who are to trust it.
    pub(super) fn pem(&self) -> &str {
        &self.0.pem
    }

    /// A record that names this authority by the whole of its certificate, hashed.
    pub(super) fn anchor(&self) -> Tlsa {
        Tlsa { usage: 2, selector: 0, matching: 1, data: Sha256::digest(&self.0.certificate).to_vec() }
    }

    pub(super) fn show(&self, host: &str, kind: Kind) -> Shown {
        let (own, key) = match kind {
            Kind::Good => self.0.sign(&[host], 2090),
            Kind::OtherName => self.0.sign(&["nobody.example"], 2090),
            Kind::Expired => self.0.sign(&[host], 2021),
            Kind::SelfSigned => {
                let key = KeyPair::generate().unwrap();
                (params(&[host], 2090).self_signed(&key).unwrap(), key)
            }
        };
        let data = Sha256::digest(key.subject_public_key_info()).to_vec();
        let chain = vec![own.der().clone(), self.0.certificate.clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, private(&key))
            .unwrap();
        let end_entity = Tlsa { usage: 3, selector: 1, matching: 1, data };
        Shown { acceptor: TlsAcceptor::from(Arc::new(config)), end_entity }
    }
}
