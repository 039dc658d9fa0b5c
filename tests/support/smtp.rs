//! A small SMTP client over plain TCP, for tests that have to know exactly what was acknowledged.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::PATIENCE;

/// One session. Every error is returned: the server may be killed at any moment.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and says EHLO.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_saying("", address)
    }

    /// The same as a proxy that speaks for a client on this machine.
    pub(crate) fn connect_by_proxy(address: SocketAddr) -> io::Result<Self> {
        Self::connect_saying("PROXY TCP4 127.0.0.1 127.0.0.1 1 1\r\n", address)
    }

    fn connect_saying(header: &str, address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.say(header.as_bytes())?;
        client.expect('2')?;
        client.command("EHLO mail.fabrikam.example", '2')?;
        Ok(client)
    }

    /// Sends one message; `Ok` means that the server answered 250 to all of it. `content` has CRLF line ends, ends
    /// with one, and no line of it begins with a dot.
    pub(crate) fn send(&mut self, from: &str, recipients: &[&str], content: &str) -> io::Result<()> {
        let recipients: Vec<String> = recipients.iter().map(|recipient| format!("<{recipient}>")).collect();
        self.send_with(&format!("<{from}>"), &recipients, content)
    }

    /// The same with paths as they stand in the commands, with angle brackets and parameters.
    pub(crate) fn send_with(&mut self, from: &str, recipients: &[String], content: &str) -> io::Result<()> {
        self.command(&format!("MAIL FROM:{from}"), '2')?;
        for recipient in recipients {
            self.command(&format!("RCPT TO:{recipient}"), '2')?;
        }
        self.command("DATA", '3')?;
        self.command(&format!("{content}."), '2')
    }

    /// Signs an account of the sample organisation in, on a session that is, or counts as, one over TLS.
    pub(crate) fn sign_in(&mut self, local: &str) -> io::Result<()> {
        let response = BASE64_STANDARD.encode(format!("\0{local}@contoso.example\0demo-{local}"));
        self.command(&format!("AUTH PLAIN {response}"), '2')
    }

    /// Writes without waiting for a reply.
    pub(crate) fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// Says something; the error is the reply when it is not of this class.
    pub(crate) fn command(&mut self, line: &str, class: char) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.expect(class)
    }

    /// Reads one reply, of as many lines as it has.
    fn expect(&mut self, class: char) -> io::Result<()> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.get(3..4) == Some("-") {
                continue;
            }
            return if line.starts_with(class) { Ok(()) } else { Err(io::Error::other(line)) };
        }
    }
}
