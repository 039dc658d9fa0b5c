//! A small IMAP client: as much of RFC 3501 as reading a mailbox takes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::support::PATIENCE;

/// One session.
#[derive(Debug)]
pub(super) struct Imap {
    stream: BufReader<TcpStream>,
    commands: usize,
}

/// One untagged response: its lines, with literals taken out in the order in which they stood.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) line: String,
    pub(super) literals: Vec<Vec<u8>>,
}

impl Imap {
    /// Connects to a port of 127.0.0.1 and signs in.
    pub(super) fn sign_in(port: u16, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut imap = Self { stream: BufReader::new(stream), commands: 0 };
        let greeting = imap.response().line;
        assert!(greeting.starts_with("* OK"), "{greeting}");
        imap.command(&format!("LOGIN {user} {password}"));
        imap
    }

    /// Sends a command and gives what was answered; panics unless it ends with OK.
    pub(super) fn command(&mut self, command: &str) -> Vec<Response> {
        self.commands += 1;
        let tag = format!("t{} ", self.commands);
        self.stream.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes()).unwrap();
        let mut responses = Vec::new();
        loop {
            let response = self.response();
            if let Some(end) = response.line.strip_prefix(&tag) {
                assert!(end.starts_with("OK"), "{command}: {end}");
                return responses;
            }
            responses.push(response);
        }
    }

    /// Opens a folder and says how many messages it holds.
    pub(super) fn select(&mut self, folder: &str) -> usize {
        let responses = self.command(&format!("SELECT \"{folder}\""));
        let exists = responses.iter().find_map(|response| response.line.strip_suffix(" EXISTS"));
        exists.and_then(|count| count.strip_prefix("* ")).expect("a count").parse().unwrap()
    }

    /// The message with this number in the open folder, and the size that the server gives for it.
    pub(super) fn fetch(&mut self, number: usize) -> (Vec<u8>, usize) {
        let mut responses = self.command(&format!("FETCH {number} (RFC822.SIZE BODY.PEEK[])"));
        let response = responses.iter_mut().find(|response| !response.literals.is_empty()).expect("a message");
        let (_, size) = response.line.split_once("RFC822.SIZE ").expect("a size");
        let digits = size.split(|character: char| !character.is_ascii_digit()).next().unwrap();
        (response.literals.remove(0), digits.parse().unwrap())
    }

    fn response(&mut self) -> Response {
        let mut response = Response::default();
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the session was closed");
            let line = line.trim_end_matches(['\r', '\n']);
            response.line.push_str(line);
            let Some(bytes) = literal_bytes(line) else { return response };
            let mut literal = vec![0; bytes];
            self.stream.read_exact(&mut literal).unwrap();
            response.literals.push(literal);
        }
    }
}

/// The length of the literal that a line announces at its end: `{310}`.
fn literal_bytes(line: &str) -> Option<usize> {
    let (_, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    number.parse().ok()
}
