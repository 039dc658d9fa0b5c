//! TLS: which certificates we show, how we are spoken to and how we speak to others.
//!
//! The cryptography comes from one provider, named in one function and passed to everything explicitly, so that nothing
//! depends on a process-wide default and another provider can take its place by changing one line.

pub mod authorities;
pub mod chain;
pub mod client;
pub mod client_certificate;
pub mod dane;
pub mod development;
pub mod server;
pub mod spoilt;
pub mod store;

mod judged;
mod pair;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;

pub use authorities::Authorities;
pub use chain::{Chain, chain};
pub use client::{Identity, Roots, opportunistic, server_name, verified};
pub use client_certificate::{ClientAuthorities, Shown};
pub use dane::{DaneNames, dane};
pub use development::{DevelopmentOutcome, ensure_development_certificates};
pub use server::{asking_server_config, challenge_server, server_config};
pub use spoilt::SpoiltTls;
pub use store::{
    CertificateError, CertificateInfo, CertificatePaths, CertificateStore, PairFacts, ReloadReport, inspect,
};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The provider and the protocol versions do not fit, or it has no randomness.
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
    /// A file with authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}: {reason}; give a PEM file with CERTIFICATE sections")]
    Authorities {
        /// The file.
        path: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The system has no certificate authorities.
    #[error("this system has no certificate authorities: install the package ca-certificates, or give a file of them")]
    NoSystemAuthorities,
}

/// A private key as handshakes need it.
///
/// # Errors
/// When the provider cannot use such a key.
pub fn usable_key(key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    provider().key_provider.load_private_key(key)
}

/// The one cryptography provider of the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
