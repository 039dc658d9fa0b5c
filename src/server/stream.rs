//! A connection's octets, in clear text or TLS, and what to say of its TLS.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::model::smtp::TlsFacts;

/// A client's stream.
#[derive(Debug)]
pub(super) enum Stream {
    /// Clear text.
    Plain(TcpStream),
    /// TLS; boxed, since its buffers are large and most listeners begin without.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes the handshake as server within `timeout`.
///
/// # Errors
/// `TimedOut`, or whatever was wrong with the handshake; the connection is then of no more use.
pub(super) async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    timeout: Duration,
) -> io::Result<(Stream, TlsFacts)> {
    let attempt = TlsAcceptor::from(config).accept(stream);
    let stream =
        tokio::time::timeout(timeout, attempt).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let facts = facts(stream.get_ref().1);
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
