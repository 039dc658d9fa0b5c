//! Fetches one small text over HTTPS, as the policies of other domains need it (RFC 8461 section 3.3), and gets
//! from and posts to web servers that the operator named.
//!
//! It promises an answer within a bounded time and from bounded memory, whatever the other side sends; that the host
//! has proved its name; that no redirect is followed and no cache believed; and that a stranger's DNS cannot send us to
//! this machine's loopback interface.

mod get;
mod post;
mod send;
mod url;

use core::future::Future;
use core::pin::{Pin, pin};
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use self::get::Documents;
pub use self::post::{Post, PostAnswer, Posting, Posts};
pub use self::url::{HttpsUrl, UrlError, encoded};
use super::network::{Dialer, Stream};
use super::resolver::Resolver;
use super::tls::server_name;

/// Addresses of one host that are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// How long one address may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest header of an answer, in octets.
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// Why a text could not be fetched, in words for a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("https://{host}{path}: {reason}")]
pub struct FetchError {
    /// The host that was asked.
    pub host: String,
    /// What it was asked for.
    pub path: String,
    /// What went wrong.
    pub reason: String,
}

/// A fetch in progress. Boxed, so that a source can be chosen at run time.
pub type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// Gives small texts of other hosts.
pub trait Texts: Send + Sync {
    /// The text that `host` has under `path`, which begins with a slash.
    fn fetch<'a>(&'a self, host: &'a str, path: &'a str) -> Fetch<'a>;
}

/// How far a fetch may go.
#[derive(Clone, Debug)]
pub struct HttpsOptions {
    /// The port where texts are fetched: 443, but in tests. What is posted goes to the port of its address.
    pub port: u16,
    /// Whether loopback addresses may be asked, as tests need.
    pub loopback_allowed: bool,
    /// The longest text, in octets; a longer one is an error.
    pub bytes_max: usize,
    /// How long all of it may take, the lookup of the host included.
    pub timeout: Duration,
}

/// Fetches over the network.
pub struct HttpsClient {
    resolver: Arc<dyn Resolver>,
    dialer: Arc<dyn Dialer>,
    tls: Arc<ClientConfig>,
    options: HttpsOptions,
}

impl HttpsClient {
    /// A client that believes hosts as `tls` says, which should be [`verified`](super::tls::verified).
    pub fn new(
        resolver: Arc<dyn Resolver>,
        dialer: Arc<dyn Dialer>,
        tls: Arc<ClientConfig>,
        options: HttpsOptions,
    ) -> Self {
        Self { resolver, dialer, tls, options }
    }

    async fn get(&self, host: &str, path: &str) -> Result<Vec<u8>, String> {
        let stream = self.connect(host, None, self.options.port).await?;
        let request = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "text/plain")
            .header(header::CONNECTION, "close")
            .body(Full::default())
            .map_err(words)?;
        let answer = self.exchange(stream, request, is_text).await?;
        Ok(answer.into_body().to_vec())
    }

    /// One request on a connection of its own, and the answer. What `is_welcome` refuses by its head is not read on.
    async fn exchange(
        &self,
        stream: Box<dyn Stream>,
        request: Request<Full<Bytes>>,
        is_welcome: impl Fn(&Parts) -> Result<(), String>,
    ) -> Result<Response<Bytes>, String> {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEADER_BYTES_MAX).max_headers(HEADERS_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(words)?;
        let mut exchange = pin!(async {
            let (head, body) = sender.send_request(request).await.map_err(words)?.into_parts();
            is_welcome(&head)?;
            let body = Limited::new(body, self.options.bytes_max).collect().await.map_err(words)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        tokio::select! {
            biased;
            outcome = &mut exchange => return outcome,
            _ = connection => {}
        }
        // The other side has hung up; what it said before is still there.
        exchange.await
    }

    /// A connection to a host that has proved its name; `address` where the host is one.
    async fn connect(&self, host: &str, address: Option<IpAddr>, port: u16) -> Result<Box<dyn Stream>, String> {
        let name = server_name(host).ok_or("it is no host name")?;
        let addresses = match address {
            Some(address) => vec![address],
            None => self.resolver.addresses(host).await.map_err(words)?,
        };
        let mut reason = "it has no address".to_owned();
        for address in addresses.into_iter().filter(|address| self.may_ask(*address)).take(ADDRESSES_TRIED_MAX) {
            let attempt = async {
                let address = SocketAddr::new(address, port);
                let stream = self.dialer.dial(address, None, CONNECT_TIMEOUT).await.map_err(words)?;
                TlsConnector::from(Arc::clone(&self.tls)).connect(name.clone(), stream).await.map_err(words)
            };
            match timeout(CONNECT_TIMEOUT, attempt).await {
                Ok(Ok(stream)) => return Ok(Box::new(stream)),
                Ok(Err(error)) => reason = error,
                Err(_) => "the TLS handshake took too long".clone_into(&mut reason),
            }
        }
        Err(reason)
    }

    fn may_ask(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let nobody = address.is_unspecified() || address.is_multicast();
        !nobody && (self.options.loopback_allowed || !address.is_loopback())
    }
}

impl Texts for HttpsClient {
    fn fetch<'a>(&'a self, host: &'a str, path: &'a str) -> Fetch<'a> {
        Box::pin(async move {
            let outcome = timeout(self.options.timeout, self.get(host, path)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            outcome.map_err(|reason| FetchError { host: host.to_owned(), path: path.to_owned(), reason })
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn words(error: impl ToString) -> String {
    error.to_string()
}

/// Whether an answer is plain 200.
fn is_ok(head: &Parts) -> Result<(), String> {
    match head.status {
        StatusCode::OK => Ok(()),
        other => Err(format!("it answered {}", other.as_u16())),
    }
}

/// Whether an answer is plain 200 and says that it is text.
fn is_text(head: &Parts) -> Result<(), String> {
    // RFC 8461 section 3.3: no redirects, and nothing but 200 counts.
    is_ok(head)?;
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/plain") { Ok(()) } else { Err("it is not text/plain".to_owned()) }
}

#[cfg(test)]
mod tests;
