//! Where an authority looks for proofs: a listener that answers its question and no other.
//!
//! One request or one handshake on a connection, a few kilobytes, a few seconds, and few connections at once: whatever
//! a stranger sends, it costs next to nothing. A port that cannot be had is tried again each minute, since it is needed
//! only now and then.

use core::fmt::Write as _;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::super::Stop;
use crate::world::acme::{AcmeChallenge, Challenges, challenge_config};
use crate::world::network::{self, NetworkError};
use crate::world::tls::TlsSetupError;

/// The longest head of a request, in octets.
const HEAD_BYTES_MAX: usize = 4_096;
/// How long a visitor may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Visitors at once; an authority comes from a handful of places.
const VISITORS_MAX: usize = 64;
/// How long to wait before a port is tried again.
const PAUSE: Duration = Duration::from_secs(60);
/// The place of proofs (RFC 8555 section 8.3).
const PLACE: &str = "/.well-known/acme-challenge/";

/// Listeners for an authority's questions.
#[derive(Debug)]
pub struct Responder {
    places: Vec<(SocketAddr, Option<TcpListener>)>,
    challenges: Challenges,
    /// For TLS-ALPN-01.
    tls: Option<Arc<ServerConfig>>,
}

impl Responder {
    /// Listens on `addresses`, and says in the log where that cannot be. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `Provider`, which does not happen with the provider that is built in.
    pub fn open(
        addresses: &[SocketAddr],
        challenge: AcmeChallenge,
        challenges: &Challenges,
    ) -> Result<Self, TlsSetupError> {
        let places = addresses.iter().map(|address| match network::listen(*address) {
            Ok(listener) => (*address, Some(listener)),
            Err(error) => {
                complain(&error);
                (*address, None)
            }
        });
        let tls = match challenge {
            AcmeChallenge::Http01 => None,
            AcmeChallenge::TlsAlpn01 => Some(challenge_config(challenges)?),
        };
        Ok(Self { places: places.collect(), challenges: challenges.clone(), tls })
    }

    /// Where it listens now, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.places.iter().filter_map(|(_, listener)| listener.as_ref()?.local_addr().ok()).collect()
    }

    /// Answers until it is told to stop.
    pub async fn run(self, stop: Stop) {
        let mut tasks = JoinSet::new();
        for (address, listener) in self.places {
            let (challenges, tls) = (self.challenges.clone(), self.tls.clone().map(TlsAcceptor::from));
            let mut stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.asked() => {}
                    () = listen(address, listener, challenges, tls) => {}
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

fn complain(error: &NetworkError) {
    tracing::error!(%error, "an authority cannot look for proofs there until this is cured; it is tried each minute");
}

async fn listen(
    address: SocketAddr,
    mut listener: Option<TcpListener>,
    challenges: Challenges,
    tls: Option<TlsAcceptor>,
) {
    let listener = loop {
        match listener.take() {
            Some(listener) => break listener,
            None => {
                sleep(PAUSE).await;
                listener = network::listen(address).inspect_err(|error| tracing::debug!(%error, "still not")).ok();
            }
        }
    };
    let shown = listener.local_addr().unwrap_or(address);
    let kind = if tls.is_some() { AcmeChallenge::TlsAlpn01 } else { AcmeChallenge::Http01 };
    tracing::info!(address = %shown, challenge = kind.name(), "listening for the authority");
    let places = Arc::new(Semaphore::new(VISITORS_MAX));
    // Dropped with this future, and every visit with it.
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = visits.join_next(), if !visits.is_empty() => {}
            accepted = network::accept(&listener) => match accepted {
                Ok((stream, peer)) => {
                    // Whoever is too many is hung up on.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (challenges, tls) = (challenges.clone(), tls.clone());
                    visits.spawn(async move {
                        let visit = async {
                            match tls {
                                Some(tls) => shake(stream, &tls).await,
                                None => answer(stream, &challenges).await,
                            }
                        };
                        let found = timeout(PATIENCE, visit).await.unwrap_or("nothing in time");
                        tracing::debug!(%peer, found, "somebody looked for a proof");
                        drop(place);
                    });
                }
                // Out of file descriptors, for example.
                Err(error) => {
                    tracing::debug!(%error, "cannot take a connection");
                    sleep(Duration::from_secs(1)).await;
                }
            },
        }
    }
}

/// The handshake is the answer (RFC 8737 section 3).
async fn shake(stream: TcpStream, tls: &TlsAcceptor) -> &'static str {
    match tls.accept(stream).await {
        Ok(mut stream) => {
            let _ = stream.shutdown().await;
            "a proof"
        }
        Err(_) => "no proof",
    }
}

async fn answer(mut stream: TcpStream, challenges: &Challenges) -> &'static str {
    let mut head = Vec::new();
    let mut piece = [0; 1_024];
    while !is_whole(&head) {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 && head.len() < HEAD_BYTES_MAX => {
                head.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
            // Gone, or none of ours.
            Ok(_) | Err(_) => return "no request",
        }
    }
    let text = asked(&head).and_then(|token| challenges.text(token));
    let (status, body, found) = match &text {
        Some(text) => ("200 OK", text.as_str(), "a proof"),
        None => ("404 Not Found", "", "nothing"),
    };
    let mut reply = format!("HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n");
    // Writing to a String never fails.
    let _ = write!(reply, "Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
    found
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|window| window == b"\r\n\r\n") || head.windows(2).any(|window| window == b"\n\n")
}

/// The token that a request asks for: `GET` and its place, and nothing else.
fn asked(head: &[u8]) -> Option<&str> {
    let line = head.split(|octet| *octet == b'\n').next()?;
    let line = core::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let (target, version) = line.strip_prefix("GET ")?.split_once(' ')?;
    version.starts_with("HTTP/1.").then(|| target.strip_prefix(PLACE))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_question_of_an_authority_is_understood() {
        let of = |text: &str| asked(text.as_bytes()).map(str::to_owned);
        let good = "GET /.well-known/acme-challenge/a-_1 HTTP/1.1\r\nHost: mx.contoso.example\r\n\r\n";
        assert_eq!(of(good).as_deref(), Some("a-_1"));
        for odd in [
            "",
            "GET / HTTP/1.1\r\n\r\n",
            "POST /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n",
            "HEAD /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n",
            "GET http://a/.well-known/acme-challenge/a HTTP/1.1\r\n\r\n",
            "GET /.well-known/acme-challenge/a HTTP/2.0\r\n\r\n",
            "GET /.well-known/acme-challenge/a\r\n\r\n",
            "get /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(asked(b"GET \xff HTTP/1.1\r\n\r\n"), None);
    }

    async fn visit(address: SocketAddr, octets: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(octets).await.unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8(reply).unwrap()
    }

    #[tokio::test]
    async fn strangers_learn_nothing_and_hold_nothing_up() {
        let challenges = Challenges::default();
        let addresses = ["127.0.0.1:0".parse().unwrap()];
        let responder = Responder::open(&addresses, AcmeChallenge::Http01, &challenges).unwrap();
        let [address] = responder.addresses()[..] else { panic!("not listening") };
        let (handle, stop) = super::super::super::StopHandle::new();
        let running = tokio::spawn(responder.run(stop));
        for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x", "/../../etc/passwd"] {
            let reply = visit(address, format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await;
            assert!(reply.starts_with("HTTP/1.1 404 Not Found\r\n") && reply.ends_with("\r\n\r\n"), "{reply}");
        }
        assert_eq!(visit(address, &[b'x'; HEAD_BYTES_MAX + 2_000]).await, "");
        // As many silent visitors as there are places: one more is hung up on at once, and all can be stopped.
        let mut silent = Vec::new();
        for _ in 0..VISITORS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut one_more = TcpStream::connect(address).await.unwrap();
        assert!(matches!(one_more.read(&mut [0]).await, Ok(0) | Err(_)));
        handle.stop();
        running.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_stops_nobody() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [taken.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap()];
        let responder = Responder::open(&addresses, AcmeChallenge::TlsAlpn01, &Challenges::default()).unwrap();
        assert_eq!(responder.addresses().len(), 1);
    }
}
