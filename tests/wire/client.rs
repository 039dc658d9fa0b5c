//! A client that waits for replies, but never for long.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use franking::world::tls::{Roots, server_name, verified};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than anything takes on a machine that is busy with other tests, shorter than a person's patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(super) struct Client<S> {
    pub(super) stream: S,
    pending: Vec<u8>,
}

impl Client<TcpStream> {
    /// Connects and says nothing; the banner is the first reply.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("connecting in time").unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, pending: Vec::new() }
    }

    /// Connects and reads the banner.
    pub(super) async fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        let banner = client.reply().await;
        assert!(banner.starts_with("220 "), "{banner}");
        client
    }

    /// What has come and was not read yet, without any time passing for the runtime; a tenth of a second of real time
    /// is given to what is on its way.
    #[expect(clippy::disallowed_methods, reason = "the runtime's own clock may stand")]
    pub(super) async fn heard_by_now(&mut self) -> String {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            let mut piece = [0; 4096];
            if let Ok(count) = self.stream.try_read(&mut piece) {
                self.pending.extend_from_slice(&piece[..count]);
            }
            tokio::task::yield_now().await;
        }
        String::from_utf8(self.pending.clone()).unwrap()
    }

    /// STARTTLS with the host's name checked against the authority of `certificates`.
    pub(super) async fn start_tls(mut self, certificates: &Path) -> Client<TlsStream<TcpStream>> {
        assert!(self.say("EHLO client.fabrikam.example").await.contains("STARTTLS"));
        assert!(self.say("STARTTLS").await.starts_with("220 "));
        self.shake(certificates).await
    }

    /// The handshake at once.
    pub(super) async fn shake(self, certificates: &Path) -> Client<TlsStream<TcpStream>> {
        assert_eq!(String::from_utf8_lossy(&self.pending), "");
        let config = verified(&Roots::File(certificates.join("ca.pem"))).unwrap();
        let connecting = TlsConnector::from(config).connect(server_name("mx.contoso.example").unwrap(), self.stream);
        let stream = timeout(PATIENCE, connecting).await.expect("a handshake in time").unwrap();
        Client { stream, pending: Vec::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Writes octets as they are.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// The same where the server may have left already.
    pub(super) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let writing = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, writing).await.expect("writing in time")
    }

    /// Sends a line and reads the reply to it.
    pub(super) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Sends lines one after another; each must get a reply that starts with what stands beside it.
    pub(super) async fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (line, start) in dialogue {
            let reply = self.say(line).await;
            assert!(reply.starts_with(start), "{line}: {reply}");
        }
    }

    /// Reads one reply, all its lines; empty when the connection ended before one.
    pub(super) async fn reply(&mut self) -> String {
        timeout(PATIENCE, self.read_reply()).await.expect("a reply in time")
    }

    async fn read_reply(&mut self) -> String {
        loop {
            if let Some(end) = whole_reply(&self.pending) {
                let reply: Vec<u8> = self.pending.drain(..end).collect();
                return String::from_utf8(reply).unwrap();
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => return String::new(),
                Ok(count) => self.pending.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Reads until the server closes the connection, and returns what it said.
    pub(super) async fn rest(&mut self) -> String {
        let reading = async {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = self.stream.read(&mut piece).await {
                self.pending.extend_from_slice(&piece[..count]);
            }
        };
        timeout(PATIENCE, reading).await.expect("the end in time");
        String::from_utf8(core::mem::take(&mut self.pending)).unwrap()
    }

    /// EHLO and AUTH PLAIN; the reply to AUTH.
    pub(super) async fn sign_in(&mut self, login: &str, password: &str) -> String {
        assert!(self.say("EHLO client.fabrikam.example").await.contains("AUTH "));
        self.say(&format!("AUTH PLAIN {}", encoded(&format!("\0{login}\0{password}")))).await
    }

    /// MAIL, RCPT and DATA; `message` is sent as it is, its end included.
    pub(super) async fn submit(&mut self, from: &str, to: &str, message: &str) -> String {
        self.expect(&[
            (&format!("MAIL FROM:<{from}>"), "250 "),
            (&format!("RCPT TO:<{to}>"), "250 "),
            ("DATA", "354 "),
        ])
        .await;
        self.send(message).await;
        self.reply().await
    }
}

/// Where the first whole reply ends: after the first line whose code is followed by a blank.
fn whole_reply(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = bytes[start..].windows(2).position(|pair| pair == b"\r\n") {
        let line = &bytes[start..start + length];
        start += length + 2;
        if line.get(3) != Some(&b'-') {
            return Some(start);
        }
    }
    None
}

/// base64, as AUTH wants it.
pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}
