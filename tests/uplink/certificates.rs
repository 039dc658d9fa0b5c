//! An authority of the test's own, with certificates for 127.0.0.1 and for a client.

use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::support::authority::{Root, private};

/// The only authority that server and stand-in trust.
pub(crate) struct Authority(Root);

impl Authority {
    pub(crate) fn new() -> Self {
        Self(Root::new("Authority of the uplink's tests"))
    }

    /// Writes `ca.pem`, and `client.pem` with `client.key` for a host of contoso.
    pub(crate) fn write(&self, place: &Path) {
        std::fs::write(place.join("ca.pem"), &self.0.pem).unwrap();
        let (own, key) = self.0.sign(&["mx.contoso.example"], 2090);
        std::fs::write(place.join("client.pem"), own.pem()).unwrap();
        std::fs::write(place.join("client.key"), key.serialize_pem()).unwrap();
    }

    /// What a server on 127.0.0.1 shows. It looks at the certificate of a client that has one.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let (own, key) = self.0.sign(&["127.0.0.1"], 2090);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.certificate.clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![own.der().clone(), self.0.certificate.clone()], private(&key))
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
