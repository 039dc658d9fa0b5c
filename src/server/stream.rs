//! A connection's octets, in clear text or TLS, and what to say of its TLS.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::visible::Visible;
use super::wire::Wire;
use crate::model::mail::Timestamp;
use crate::model::policy::connector::ClientCertificate;
use crate::model::smtp::TlsFacts;
use crate::world::tls::{ClientAuthorities, Shown};

/// A client's stream.
#[derive(Debug)]
pub(super) enum Stream {
    /// Clear text.
    Plain(TcpStream),
    /// TLS; boxed, since its buffers are large and most listeners begin without.
    Tls(Box<TlsStream<Wire<TcpStream>>>),
}

impl Stream {
    /// The socket underneath.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0.socket(),
        }
    }

    /// Writes the last octets, and that there are no more. Under TLS both leave together.
    ///
    /// # Errors
    /// As writing does.
    pub(super) async fn finish(&mut self, octets: &[u8]) -> io::Result<()> {
        // What is sealed here is sent with the alert that ends it. What has no room goes first, as always.
        let sealed = match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.get_mut().1.writer().write(octets)?,
        };
        self.write_all(octets.get(sealed..).unwrap_or_default()).await?;
        self.shutdown().await
    }
}

/// Makes the handshake as server within `timeout`, and judges the certificate that the client may have shown at `now`.
///
/// # Errors
/// `TimedOut`, or whatever was wrong with the handshake; the connection is then of no more use.
pub(super) async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    timeout: Duration,
    (authorities, now): (&ClientAuthorities, Timestamp),
) -> io::Result<(Stream, TlsFacts)> {
    let attempt = async {
        let mut stream = TlsAcceptor::from(config).accept(Wire::new(stream)).await?;
        let (wire, connection) = stream.get_mut();
        // Before, the server has the last word in the handshake.
        wire.open(connection.protocol_version() == Some(ProtocolVersion::TLSv1_3));
        stream.flush().await?;
        Ok::<_, io::Error>(stream)
    };
    let attempt = tokio::time::timeout(timeout, attempt).await;
    let stream = attempt.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let mut facts = facts(stream.get_ref().1);
    let chain = stream.get_ref().1.peer_certificates();
    facts.client = chain.and_then(|chain| client_certificate(authorities.judge(chain, now)));
    Ok((Stream::Tls(Box::new(stream)), facts))
}

/// Version and cipher by their registered names, for example `TLS1_3` and `TLS_AES_256_GCM_SHA384`.
fn facts(connection: &ServerConnection) -> TlsFacts {
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    TlsFacts {
        version: version.replace("TLSv", "TLS").into_boxed_str(),
        cipher: suite.replace("TLS13_", "TLS_").into_boxed_str(),
        sni: connection.server_name().map(Box::from),
        client: None,
    }
}

/// Says in the log what becomes of a certificate: an administrator whose device is not known looks for the reason.
fn client_certificate(shown: Shown) -> Option<Box<ClientCertificate>> {
    match shown {
        Shown::Counts(certificate, doubts) => {
            let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
            let (names, doubts) = (names.join(" "), (!doubts.is_empty()).then_some(doubts));
            let vouched_by: Vec<String> = certificate.vouched_by.iter().map(ToString::to_string).collect();
            let doubts = doubts.as_deref().map(Visible).map(tracing::field::display);
            tracing::info!(fingerprint = %certificate.fingerprint, names = %Visible(&names),
                vouched_by = %Visible(&vouched_by.join(" ")), doubts, "the client showed a certificate");
            Some(certificate)
        }
        Shown::CountsForNothing(why) => {
            tracing::warn!(why = %Visible(&why), "the client showed a certificate that counts for nothing");
            None
        }
    }
}

impl AsyncRead for Stream {
    /// A peer that leaves without saying so under TLS has left all the same: the session knows where a message ends.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer).map(|outcome| match outcome {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                other => other,
            }),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::ServerName;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::model::mail::Domain;
    use crate::world::tls::{CertificateStore, ensure_development_certificates, opportunistic, server_config};
    use crate::world::{Clock as _, SeededRandom, SystemClock};

    fn config() -> Arc<ServerConfig> {
        let place = tempfile::tempdir().unwrap();
        let (hosts, now) = ([Domain::parse("mx.contoso.example").unwrap()], SystemClock::new().now());
        let (paths, _) = ensure_development_certificates(place.path(), &hosts, now, &SeededRandom::new(1)).unwrap();
        server_config(Arc::new(CertificateStore::open(&[paths]).unwrap())).unwrap()
    }

    /// Without an end that is said, reading to it would be an error.
    #[tokio::test]
    async fn the_last_words_arrive_whole_with_the_end_behind_them() {
        let (config, connector) = (config(), TlsConnector::from(opportunistic().unwrap()));
        for length in [0, 1, 40_000, 200_000] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (far, _) = listener.accept().await.unwrap();
            let words: Vec<u8> = (0..length).map(|place: u32| place as u8).collect();
            let (authorities, minute) = (ClientAuthorities::default(), Duration::from_secs(60));
            let server = async {
                let judges = (&authorities, SystemClock::new().now());
                let (mut stream, _) = handshake(far, Arc::clone(&config), minute, judges).await.unwrap();
                stream.finish(&words).await.unwrap();
                stream
            };
            let client = async {
                let name = ServerName::try_from("mx.contoso.example").unwrap();
                let mut stream = connector.connect(name, near).await.unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.map(|_| heard)
            };
            let (_server, heard) = tokio::join!(server, client);
            assert!(heard.unwrap() == words, "{length} octets");
        }
    }
}
