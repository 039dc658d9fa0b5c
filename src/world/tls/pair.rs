//! One certificate chain with its key, read from two PEM files and judged before anything uses it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::provider;
use crate::model::mail::Timestamp;
use crate::model::transport_security::certificate::Validity;
use crate::world::disk::read_regular;

/// PEM files longer than this are not certificates or keys of anybody.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a certificate and its key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePaths {
    /// PEM: the server's certificate first, then the intermediates.
    pub certificate: PathBuf,
    /// PEM: the private key, without a passphrase.
    pub key: PathBuf,
}

/// What is wrong with a certificate or its key; the text names the file and the cure.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The configuration lists no certificate at all.
    #[error("no certificate is configured: give at least one pair of `certificate` and `key`")]
    NonePresent,
    /// A file cannot be read.
    #[error("cannot read {}: {source}; check the path and that the server's user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate file is not what it should be.
    #[error("{} is no PEM certificate chain: {reason}; put the server certificate first, then the intermediates",
        path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// A key file is not what it should be.
    #[error("{} holds no usable private key: {reason}; give an RSA, ECDSA P-256/P-384 or Ed25519 key in PEM, without \
        a passphrase (`openssl pkey -in old.key -out new.key` takes it off)", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The key is another certificate's.
    #[error("the key in {} does not belong to the first certificate in {}; were only half of the files replaced, or \
        is an intermediate first?", key.display(), certificate.display())]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The certificate was good until the past.
    #[error("the certificate in {} expired at {not_after}; renew it", path.display())]
    Expired {
        /// The certificate file.
        path: PathBuf,
        /// Its last instant.
        not_after: Timestamp,
    },
    /// The certificate is good from the future.
    #[error("the certificate in {} is not valid before {not_before}; check the system clock", path.display())]
    NotYetValid {
        /// The certificate file.
        path: PathBuf,
        /// Its first instant.
        not_before: Timestamp,
    },
}

/// A certificate and key that belong together.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) paths: CertificatePaths,
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) facts: Facts,
    digest: [u8; 32],
}

/// What a certificate says about itself.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Names in lower case and IP addresses; the common name where there is no alternative name.
    pub(super) names: Vec<String>,
    pub(super) issuer: String,
    /// Which key signed it, where it says so.
    pub(super) authority_key: Option<Vec<u8>>,
    /// Which key it is for, where it says so.
    pub(super) subject_key: Option<Vec<u8>>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// The octets of both files, read but not yet judged.
pub(super) struct RawPair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl RawPair {
    pub(super) fn read(paths: &CertificatePaths) -> Result<Self, CertificateError> {
        Ok(Self { certificate: read(&paths.certificate)?, key: read(&paths.key)? })
    }

    /// Whether these are other octets than `pair` was made of.
    pub(super) fn differs_from(&self, pair: &Pair) -> bool {
        self.digest() != pair.digest
    }

    fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update((self.certificate.len() as u64).to_le_bytes());
        hasher.update(&self.certificate);
        hasher.update(&self.key);
        hasher.finalize().into()
    }

    /// Parses both files and checks that they belong together. Says nothing about dates.
    pub(super) fn parse(self, paths: &CertificatePaths) -> Result<Pair, CertificateError> {
        let chain = chain(&self.certificate, &paths.certificate)?;
        let first = chain.first().ok_or_else(|| certificate_error(&paths.certificate, "it has no certificate"))?;
        let facts = facts(first, &paths.certificate)?;
        let key_error = |reason: String| CertificateError::Key { path: paths.key.clone(), reason };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| key_error(error.to_string()))?;
        let key = provider().key_provider.load_private_key(key).map_err(|error| key_error(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| CertificateError::Mismatch {
            certificate: paths.certificate.clone(),
            key: paths.key.clone(),
        })?;
        Ok(Pair { paths: paths.clone(), certified: Arc::new(certified), facts, digest: self.digest() })
    }
}

impl Pair {
    /// Whether the certificate may be shown at `now`.
    pub(super) fn check_dates(&self, now: Timestamp) -> Result<(), CertificateError> {
        let path = || self.paths.certificate.clone();
        if now > self.facts.not_after {
            return Err(CertificateError::Expired { path: path(), not_after: self.facts.not_after });
        }
        if now < self.facts.not_before {
            return Err(CertificateError::NotYetValid { path: path(), not_before: self.facts.not_before });
        }
        Ok(())
    }
}

/// What one certificate says about itself.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn facts_of_der(certificate: &CertificateDer<'_>) -> Result<Facts, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    Ok(facts_of(&parsed))
}

/// What one file with a certificate chain and its key says. `path` is for errors only.
///
/// # Errors
/// When there is no chain or no key in it, or they do not belong together. Dates are not judged.
pub fn inspect(octets: &[u8], path: &Path) -> Result<PairFacts, CertificateError> {
    let paths = CertificatePaths { certificate: path.to_owned(), key: path.to_owned() };
    let pair = RawPair { certificate: octets.to_vec(), key: octets.to_vec() }.parse(&paths)?;
    let Facts { names, not_before, not_after, .. } = pair.facts;
    Ok(PairFacts { names, validity: Validity { not_before, not_after } })
}

/// What a certificate is for, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFacts {
    /// The host names and addresses it is for, in small letters.
    pub names: Vec<String>,
    /// From when to when it is good.
    pub validity: Validity,
}

/// What the first certificate of the PEM text says about itself.
pub(super) fn facts_of_pem(pem: &[u8], path: &Path) -> Result<Facts, CertificateError> {
    let chain = chain(pem, path)?;
    facts(chain.first().ok_or_else(|| certificate_error(path, "it has no certificate"))?, path)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let error = |source| CertificateError::Read { path: path.to_owned(), source };
    read_regular(path, FILE_BYTES_MAX).map_err(error)
}

fn chain(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| certificate_error(path, &error.to_string()))
}

fn facts(certificate: &CertificateDer<'_>, path: &Path) -> Result<Facts, CertificateError> {
    facts_of_der(certificate).map_err(|error| certificate_error(path, &error))
}

fn facts_of(parsed: &X509Certificate<'_>) -> Facts {
    let validity = parsed.validity();
    let key_named = |pick: fn(&ParsedExtension<'_>) -> Option<Vec<u8>>| {
        parsed.iter_extensions().find_map(|extension| pick(extension.parsed_extension()))
    };
    Facts {
        names: names(parsed),
        issuer: parsed.issuer().to_string(),
        authority_key: key_named(|extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref().map(|key| key.0.to_vec()),
            _ => None,
        }),
        subject_key: key_named(|extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0.to_vec()),
            _ => None,
        }),
        not_before: timestamp(validity.not_before.timestamp()),
        not_after: timestamp(validity.not_after.timestamp()),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<String> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(str::to_ascii_lowercase).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into());
    v4().or_else(|_| v6()).ok()
}

fn timestamp(unix_seconds: i64) -> Timestamp {
    Timestamp::from_unix_milliseconds(u64::try_from(unix_seconds).unwrap_or(0).saturating_mul(1000))
}

pub(super) fn certificate_error(path: &Path, reason: &str) -> CertificateError {
    CertificateError::Certificate { path: path.to_owned(), reason: reason.to_owned() }
}
