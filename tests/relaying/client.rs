//! A client that says what it is told to, from an address and with a certificate of the test's choice.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use franking::world::tls::server_name;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Socket, Type};

use crate::support::PATIENCE;

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// One session.
pub(super) struct Client {
    wire: Box<dyn Wire>,
    /// The connection under TLS.
    socket: TcpStream,
    pending: Vec<u8>,
}

/// A certificate chain with its key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// How to speak TLS to a server of the authority in `place`.
pub(super) fn tls(
    place: &Path,
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(place.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_root_certificates(roots);
    Arc::new(match identity {
        Some(own) => config.with_client_auth_cert(own.chain.clone(), own.key.clone_key()).unwrap(),
        None => config.with_no_client_auth(),
    })
}

impl Client {
    /// Connects from an address of this machine; the banner is the first reply.
    pub(super) fn connect(address: SocketAddr, from: IpAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire: Box::new(stream.try_clone().unwrap()), socket: stream, pending: Vec::new() }
    }

    /// The handshake at once. Whether it succeeds shows at the first word.
    pub(super) fn shake(mut self, config: &Arc<ClientConfig>) -> Self {
        let name = server_name("mx.contoso.example").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        self.wire = Box::new(StreamOwned::new(connection, self.socket.try_clone().unwrap()));
        self
    }

    /// Reads the banner, says EHLO, and goes on over TLS.
    pub(super) fn start_tls(mut self, config: &Arc<ClientConfig>) -> Self {
        assert!(self.reply().starts_with("220 "));
        assert!(self.say("EHLO device.contoso.example").contains("STARTTLS"));
        assert!(self.say("STARTTLS").starts_with("220 "));
        self.shake(config)
    }

    /// Says a line and reads the reply to it.
    pub(super) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    pub(super) fn send(&mut self, octets: &[u8]) {
        self.wire.write_all(octets).unwrap();
        self.wire.flush().unwrap();
    }

    /// Reads one reply, all its lines.
    pub(super) fn reply(&mut self) -> String {
        loop {
            if let Some(end) = end_of_reply(&self.pending) {
                let reply: Vec<u8> = self.pending.drain(..end).collect();
                return String::from_utf8(reply).unwrap();
            }
            let mut piece = [0; 4096];
            let count = self.wire.read(&mut piece).unwrap_or_else(|error| panic!("no reply: {error}"));
            assert!(count > 0, "the server left after {:?}", String::from_utf8_lossy(&self.pending));
            self.pending.extend_from_slice(&piece[..count]);
        }
    }

    /// AUTH PLAIN; the reply.
    pub(super) fn sign_in(&mut self, login: &str, secret: &str) -> String {
        let response = BASE64_STANDARD.encode(format!("\0{login}\0{secret}"));
        self.say(&format!("AUTH PLAIN {response}"))
    }

    /// One message to one recipient, each path as it stands in its command; the first reply that refuses it, or the
    /// last.
    pub(super) fn send_message(&mut self, from: &str, to: &str, message_id: &str) -> String {
        let author = from.trim_matches(['<', '>']);
        for line in [&format!("MAIL FROM:{from} SMTPUTF8"), &format!("RCPT TO:{to}"), "DATA"] {
            let reply = self.say(line);
            if !reply.starts_with(['2', '3']) {
                self.say("RSET");
                return reply;
            }
        }
        let author = if author.is_empty() { "alice@contoso.example" } else { author };
        self.say(&format!("From: {author}\r\nMessage-ID: <{message_id}>\r\n\r\nHello\r\n."))
    }
}

/// Where the first whole reply ends: after the first line whose code is followed by a blank.
fn end_of_reply(bytes: &[u8]) -> Option<usize> {
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
