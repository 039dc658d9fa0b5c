//! A client of our own, as small as can be: it measures the server, so it must cost little itself.
//!
//! It runs on one thread with all the others (see [load](super::load)), keeps its connection, and writes what it was
//! given in one piece.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server that is silent for longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "mx.fabrikam.example";
/// Replies to a pipelined batch come in one piece.
const READ_BYTES: usize = 4 * 1024;

/// Whether and when TLS begins.
#[derive(Clone)]
pub(crate) enum Tls {
    None,
    Starttls(Arc<ClientConfig>),
    Implicit(Arc<ClientConfig>),
}

/// How a session begins.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) address: SocketAddr,
    /// From where; wherever the system likes when unset.
    pub(crate) source: Option<IpAddr>,
    pub(crate) tls: Tls,
    /// Login and password of AUTH PLAIN.
    pub(crate) credentials: Option<(String, String)>,
}

/// Why a conversation did not go on as meant.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server said something else: its code, and all of its words.
    Refused(u16, String),
    Broken(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(..) => Self::other(trouble.to_string()),
            Trouble::Broken(error) => error,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_, text) => write!(formatter, "the server said: {}", text.trim_end()),
            Self::Broken(error) => error.fmt(formatter),
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that is ready for the next transaction.
pub(crate) struct Client {
    stream: Stream,
    /// What was read and belongs to replies that nobody asked about yet, from `begin` on.
    pending: Vec<u8>,
    begin: usize,
}

impl Client {
    /// Connects and says EHLO; then STARTTLS and AUTH PLAIN as `opening` says.
    pub(crate) async fn open(opening: &Opening) -> Result<Self, Trouble> {
        let Opening { address, source, tls, credentials } = opening;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(*source, 0))?;
        }
        let stream = patiently(socket.connect(*address)).await?;
        stream.set_nodelay(true)?;
        let stream = match tls {
            Tls::Implicit(config) => Stream::Tls(shake(config, stream).await?),
            Tls::None | Tls::Starttls(_) => Stream::Plain(stream),
        };
        let mut client = Self { stream, pending: Vec::new(), begin: 0 };
        client.expect(220).await?;
        client.hello().await?;
        if let Tls::Starttls(config) = tls {
            client = client.start_tls(config).await?;
            client.hello().await?;
        }
        if let Some((login, password)) = credentials {
            let response = STANDARD.encode(format!("\0{login}\0{password}"));
            client.command(format!("AUTH PLAIN {response}\r\n").as_bytes(), 235).await?;
        }
        Ok(client)
    }

    async fn hello(&mut self) -> Result<(), Trouble> {
        self.command(format!("EHLO {NAME}\r\n").as_bytes(), 250).await
    }

    async fn start_tls(mut self, config: &Arc<ClientConfig>) -> Result<Self, Trouble> {
        self.command(b"STARTTLS\r\n", 220).await?;
        if let Stream::Plain(stream) = self.stream {
            self.stream = Stream::Tls(shake(config, stream).await?);
        }
        Ok(self)
    }

    /// Whether its TLS took up a session of before.
    pub(crate) fn is_resumed(&self) -> bool {
        let Stream::Tls(stream) = &self.stream else { return false };
        stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Writes in one piece.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let writing = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(bytes).await,
                Stream::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
            }
        };
        // A message in pieces would need a clock for each. The reply has one.
        Ok(writing.await?)
    }

    /// One command with its CRLF, and the reply that it must have.
    pub(crate) async fn command(&mut self, command: &[u8], code: u16) -> Result<(), Trouble> {
        self.say(command).await?;
        self.expect(code).await
    }

    /// The next reply, which must have this code.
    pub(crate) async fn expect(&mut self, code: u16) -> Result<(), Trouble> {
        let end = self.reply().await?;
        let reply = &self.pending[self.begin..end];
        let digits = reply.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let said = digits.map_or(0, |digits| digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')));
        let judged = match said == code {
            true => Ok(()),
            false => Err(Trouble::Refused(said, String::from_utf8_lossy(reply).into_owned())),
        };
        self.begin = end;
        judged
    }

    /// Says goodbye and hears the answer.
    pub(crate) async fn quit(mut self) -> Result<(), Trouble> {
        self.command(b"QUIT\r\n", 221).await
    }

    /// Where the next reply, which may have several lines, ends.
    async fn reply(&mut self) -> Result<usize, Trouble> {
        loop {
            if let Some(length) = end_of_reply(&self.pending[self.begin..]) {
                return Ok(self.begin + length);
            }
            self.pending.drain(..self.begin);
            self.begin = 0;
            self.pending.reserve(READ_BYTES);
            let reading = async {
                match &mut self.stream {
                    Stream::Plain(stream) => stream.read_buf(&mut self.pending).await,
                    Stream::Tls(stream) => stream.read_buf(&mut self.pending).await,
                }
            };
            if patiently(reading).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

async fn shake(config: &Arc<ClientConfig>, stream: TcpStream) -> Result<Box<TlsStream<TcpStream>>, Trouble> {
    let name = "mail.contoso.example".try_into().map_err(io::Error::other)?;
    Ok(Box::new(patiently(TlsConnector::from(Arc::clone(config)).connect(name, stream)).await?))
}

async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Where the first complete reply ends: after the line whose code is followed by a space.
fn end_of_reply(bytes: &[u8]) -> Option<usize> {
    let mut begin = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[begin..]) {
        let line = &bytes[begin..begin + length];
        begin += length + 1;
        if line.get(3) != Some(&b'-') {
            return Some(begin);
        }
    }
    None
}
