//! How we are spoken to over TLS: versions 1.2 and 1.3, certificates by SNI from the store, sessions resumed by ticket.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};

use super::client_certificate::AnyClient;
use super::{CertificateStore, TlsSetupError, provider};

/// The configuration for TLS listeners. It lives as long as the process: a reload of `store` changes what new
/// handshakes see, and sessions that are open go on. No ALPN, since SMTP has no registered protocol name for it.
///
/// # Errors
/// `Provider` when the ticket key cannot be made for want of randomness.
pub fn server_config(store: Arc<CertificateStore>) -> Result<Arc<ServerConfig>, TlsSetupError> {
    with_verifier(store, WebPkiClientVerifier::no_client_auth())
}

/// The same, and clients are asked for their certificates. Only where a connector is for some of them: a mail program
/// could ask its user what to show.
///
/// # Errors
/// As [`server_config`].
pub fn asking_server_config(store: Arc<CertificateStore>) -> Result<Arc<ServerConfig>, TlsSetupError> {
    with_verifier(store, Arc::new(AnyClient::new()))
}

fn with_verifier(
    store: Arc<CertificateStore>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(store);
    // Devices that send every few minutes resume instead of paying for a whole handshake; the ticket key lives in
    // memory only and rotates, so a restart costs one handshake each.
    config.ticketer = Ticketer::new()?;
    // One ticket for the next session. A mail client does not open several at once, as a browser does, and each costs
    // us randomness, a derived secret and a seal.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// The configuration for a listener that speaks one protocol of its own, named by `protocol` (RFC 7301), and shows what
/// `resolver` gives.
///
/// # Errors
/// `Provider`, which does not happen with the provider that is built in.
pub fn challenge_server(
    resolver: Arc<dyn ResolvesServerCert>,
    protocol: &[u8],
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

    use crate::model::mail::{Domain, Timestamp};
    use crate::world::random::SeededRandom;
    use crate::world::tls::{Roots, ensure_development_certificates, opportunistic, server_name, verified};

    type Pair = (client::TlsStream<DuplexStream>, server::TlsStream<DuplexStream>);

    fn now() -> Timestamp {
        // Certificate dates are checked against the real clock by the client, so the test must be of today, too.
        crate::world::Clock::now(&crate::world::SystemClock::new())
    }

    fn store(directory: &Path, seed: u64) -> Arc<CertificateStore> {
        let hosts = [Domain::parse("mx.contoso.example").unwrap()];
        let random = SeededRandom::new(seed);
        let (paths, _) = ensure_development_certificates(directory, &hosts, now(), &random).unwrap();
        Arc::new(CertificateStore::open(&[paths]).unwrap())
    }

    async fn shake(
        server: &Arc<ServerConfig>,
        client: Arc<rustls::ClientConfig>,
        name: &str,
    ) -> (std::io::Result<client::TlsStream<DuplexStream>>, std::io::Result<server::TlsStream<DuplexStream>>) {
        let (near, far) = tokio::io::duplex(65_536);
        tokio::join!(
            TlsConnector::from(client).connect(server_name(name).unwrap(), near),
            TlsAcceptor::from(Arc::clone(server)).accept(far),
        )
    }

    async fn echo((client, server): &mut Pair) {
        client.write_all(b"NOOP\r\n").await.unwrap();
        client.flush().await.unwrap();
        let mut line = [0; 6];
        server.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"NOOP\r\n");
    }

    #[tokio::test]
    async fn a_verified_client_trusts_the_development_authority_for_its_names_only() {
        let directory = tempfile::TempDir::new().unwrap();
        let server = server_config(store(directory.path(), 1)).unwrap();
        let client = verified(&Roots::File(directory.path().join("ca.pem"))).unwrap();
        for name in ["mx.contoso.example", "localhost", "127.0.0.1", "::1"] {
            let (client, server) = shake(&server, Arc::clone(&client), name).await;
            echo(&mut (client.unwrap(), server.unwrap())).await;
        }
        assert!(shake(&server, client, "mx.fabrikam.example").await.0.is_err());
        let any = opportunistic().unwrap();
        let (client, server) = shake(&server, any, "mx.fabrikam.example").await;
        echo(&mut (client.unwrap(), server.unwrap())).await;
    }

    #[tokio::test]
    async fn an_open_session_outlives_a_reload() {
        let (directory, other) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        let store_before = store(directory.path(), 1);
        store(other.path(), 2);
        let server = server_config(Arc::clone(&store_before)).unwrap();
        let any = opportunistic().unwrap();
        let open = shake(&server, Arc::clone(&any), "mx.contoso.example").await;
        let mut open = (open.0.unwrap(), open.1.unwrap());
        for name in ["server.pem", "server.key"] {
            fs::copy(other.path().join(name), directory.path().join(name)).unwrap();
        }
        assert_eq!(store_before.reload(now()).replaced.len(), 1);
        echo(&mut open).await;
        let fresh = opportunistic().unwrap();
        let (client, _) = shake(&server, fresh, "mx.contoso.example").await;
        let shown =
            |stream: &client::TlsStream<DuplexStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        assert_ne!(shown(&client.unwrap()), shown(&open.0));
    }
}
