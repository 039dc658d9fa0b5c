//! A client of our own, as small as can be: it measures the server, so it must cost little itself.
//!
//! It blocks, keeps its connection, and panics at a reply that it did not want: a benchmark of failures says nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A server that is silent for longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "mx.fabrikam.example";

/// Who signs in, and how TLS is spoken to get there.
#[derive(Clone)]
pub(crate) struct SignIn {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) login: String,
    pub(crate) password: String,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A connection that is ready for the next transaction.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    /// What was read and belongs to replies that nobody asked about yet.
    pending: Vec<u8>,
}

impl Client {
    /// Connects and says EHLO; with `sign_in` after STARTTLS, and then AUTH PLAIN.
    pub(crate) fn open(address: SocketAddr, sign_in: Option<&SignIn>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream: Box::new(stream.try_clone()?), pending: Vec::new() };
        client.expect(220)?;
        client.command(&format!("EHLO {NAME}"), 250)?;
        let Some(SignIn { tls, login, password }) = sign_in else { return Ok(client) };
        client.command("STARTTLS", 220)?;
        let name = "mail.contoso.example".try_into().map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        client.stream = Box::new(StreamOwned::new(connection, stream));
        client.command(&format!("EHLO {NAME}"), 250)?;
        let response = STANDARD.encode(format!("\0{login}\0{password}"));
        client.command(&format!("AUTH PLAIN {response}"), 235)?;
        Ok(client)
    }

    /// Writes in one piece.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// One command, and the reply that it must have.
    pub(crate) fn command(&mut self, command: &str, code: u16) -> io::Result<()> {
        self.say(format!("{command}\r\n").as_bytes())?;
        self.expect(code)
    }

    /// The next reply, which must have this code.
    pub(crate) fn expect(&mut self, code: u16) -> io::Result<()> {
        let reply = self.reply()?;
        assert_eq!(reply.0, code, "the server said: {}", reply.1);
        Ok(())
    }

    /// The next reply: its code, and all of its lines.
    fn reply(&mut self) -> io::Result<(u16, String)> {
        loop {
            if let Some(end) = end_of_reply(&self.pending) {
                let text = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end);
                return Ok((text.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0), text));
            }
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.pending.extend_from_slice(&piece[..count]);
        }
    }
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
