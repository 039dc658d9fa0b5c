//! How we speak TLS to other hosts: opportunistically, where any certificate beats clear text, or verified.

use core::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::judged::{CertificateRule, judged_by};
use super::{CertificateStore, TlsSetupError, provider};
use crate::model::mail::Domain;

/// Whose signature makes a server's certificate good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that the operating system trusts.
    System,
    /// The authorities in this PEM file only.
    File(PathBuf),
}

/// For opportunistic TLS (RFC 7435): takes any certificate, since the alternative is clear text. The handshake's
/// signature is still checked, so the peer does hold the key of the certificate it shows.
///
/// # Errors
/// `Provider`, which does not happen with the provider that is built in.
pub fn opportunistic() -> Result<Arc<ClientConfig>, TlsSetupError> {
    judged_by(AnyCertificate).map(Arc::new)
}

/// For hosts whose name must be proved: the certificate must be for that name and lead to one of `roots`.
///
/// # Errors
/// `Authorities` when a given file holds no certificate, `NoSystemAuthorities` when the system has none.
pub fn verified(roots: &Roots) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(root_store(roots)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// How to speak TLS with a certificate of our own, so that the other side knows who we are. Two are equal when they are
/// the same one.
#[derive(Clone)]
pub struct Identity(Arc<ClientConfig>);

impl Identity {
    /// As [`verified`], and with the first certificate of `store`, as it is at the moment of the handshake.
    ///
    /// # Errors
    /// As [`verified`].
    pub fn new(roots: &Roots, store: Arc<CertificateStore>) -> Result<Self, TlsSetupError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(root_store(roots)?)
            .with_client_cert_resolver(store);
        Ok(Self(Arc::new(config)))
    }

    /// What a handshake needs.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity")
    }
}

/// The authorities by which certificates are judged.
pub(super) fn root_store(roots: &Roots) -> Result<RootCertStore, TlsSetupError> {
    let mut store = RootCertStore::empty();
    let added = match roots {
        Roots::System => store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs).0,
        Roots::File(path) => store.add_parsable_certificates(certificates_in(path)?).0,
    };
    if added == 0 {
        return Err(match roots {
            Roots::System => TlsSetupError::NoSystemAuthorities,
            Roots::File(path) => authorities_error(path, "no usable certificate in it"),
        });
    }
    Ok(store)
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| authorities_error(path, &error.to_string()))
}

fn authorities_error(path: &Path, reason: &str) -> TlsSetupError {
    TlsSetupError::Authorities { path: path.display().to_string(), reason: reason.to_owned() }
}

/// The name to ask a server for and to check its certificate against; `None` when `host` is no host name and no IP
/// address. International names become A-labels, a final dot is dropped, an IP address is asked for without SNI.
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(ServerName::from(address));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    // Names with an underscore are no mail domains, but hosts do have them.
    let ascii = match Domain::parse(host) {
        Ok(Domain::Literal(address)) => return Some(ServerName::from(*address)),
        Ok(Domain::Name(name)) => name.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    };
    ServerName::try_from(ascii).ok()
}

/// Takes every certificate; see [`opportunistic`].
#[derive(Debug)]
struct AnyCertificate;

impl CertificateRule for AnyCertificate {
    fn judge(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_server_names_are_none_and_never_a_panic() {
        for host in ["", ".", "a\0b", "a b", &"a".repeat(70_000), "-", "\u{202e}", "a..b", "[", "xn--\u{fc}", "a\r\nb"]
        {
            assert_eq!(server_name(host), None, "{:?}", &host[..host.len().min(20)]);
        }
    }

    #[test]
    fn names_are_asked_for_in_their_wire_form() {
        let text = |host: &str| server_name(host).unwrap().to_str().into_owned();
        assert_eq!(text("MX.Contoso.example."), "mx.contoso.example");
        assert_eq!(text("b\u{fc}cher.example"), "xn--bcher-kva.example");
        assert_eq!(text("mail_1.contoso.example"), "mail_1.contoso.example");
        assert_eq!(text("192.0.2.1"), "192.0.2.1");
        assert_eq!(text("[IPv6:2001:db8::1]"), "2001:db8::1");
    }

    #[test]
    fn a_file_without_authorities_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = verified(&Roots::File(file.path().to_owned())).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
        assert!(verified(&Roots::File("/nonexistent/ca.pem".into())).is_err());
        assert!(opportunistic().is_ok());
    }
}
