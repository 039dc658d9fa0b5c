//! swaks, as the devices and programs that hand mail in, and as a stranger who delivers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{parts, process};

mod inbound;
mod recipients;
mod sign_in;
mod submission;

/// The program, once found.
#[derive(Debug)]
pub(super) struct Swaks {
    program: PathBuf,
}

/// How TLS begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tls {
    /// Never.
    None,
    /// With the command STARTTLS.
    Starttls,
    /// With the connection.
    Implicit,
}

/// What was said.
#[derive(Debug)]
pub(super) struct Conversation {
    /// All replies, one line each, in order.
    pub(super) replies: Vec<String>,
    /// The whole transcript.
    pub(super) text: String,
    accepted: bool,
}

impl Swaks {
    /// `None` after saying that the test is left out.
    pub(super) fn find() -> Option<Self> {
        parts::find("swaks").map(|program| Self { program })
    }

    /// A message from `from` to `to`, without TLS and sign-in, from a stranger's host.
    pub(super) fn deliver(&self, server: SocketAddr, from: &str, to: &str, more: &[&str]) -> Conversation {
        let arguments = ["--helo", "mail.fabrikam.example", "--from", from, "--to", to];
        self.talk(server, Tls::None, &[&arguments, more].concat())
    }

    /// A message from the account `local` at contoso.example to `to`.
    pub(super) fn submit(&self, server: SocketAddr, tls: Tls, local: &str, to: &str, more: &[&str]) -> Conversation {
        let (login, password) = (format!("{local}@contoso.example"), format!("demo-{local}"));
        // The last of two equal options counts, so `more` can name other senders and mechanisms.
        let arguments = ["--helo", "device.contoso.example", "--auth", "LOGIN", "--auth-user", &login];
        let message = ["--auth-password", &password, "--from", &login, "--to", to];
        self.talk(server, tls, &[&arguments[..], &message, more].concat())
    }

    fn talk(&self, server: SocketAddr, tls: Tls, arguments: &[&str]) -> Conversation {
        let mut command = Command::new(&self.program);
        command.args(["--server", &server.ip().to_string(), "--port", &server.port().to_string()]);
        command.args(["--timeout", "30", "--suppress-data"]);
        match tls {
            Tls::None => {}
            Tls::Starttls => drop(command.arg("--tls")),
            Tls::Implicit => drop(command.arg("--tls-on-connect")),
        }
        let outcome = process::run(command.args(arguments), "");
        // A line that begins with `<`, two marks for TLS and failure, and two blanks at most is a reply.
        let replies = outcome.text.lines().filter(|line| line.starts_with('<'));
        let replies = replies.filter_map(|line| line.get(3..)).map(|reply| reply.trim().to_owned()).collect();
        Conversation { replies, accepted: outcome.status.success(), text: outcome.text }
    }
}

impl Conversation {
    /// Panics unless the whole message was accepted.
    pub(super) fn must_be_accepted(&self) -> &Self {
        assert!(self.accepted, "not accepted:\n{}", self.text);
        self
    }

    /// Panics unless the message was refused, and first of all with a reply that begins with `expected`.
    pub(super) fn must_be_refused(&self, expected: &str) -> &Self {
        assert!(!self.accepted, "accepted, not refused with {expected}:\n{}", self.text);
        let first = self.replies.iter().find(|reply| reply.starts_with(['4', '5']));
        let first = first.unwrap_or_else(|| panic!("no refusal:\n{}", self.text));
        assert!(first.starts_with(expected), "{first}, not {expected}:\n{}", self.text);
        self
    }

    /// Whether a reply begins with `text`.
    pub(super) fn has_reply(&self, text: &str) -> bool {
        self.replies.iter().any(|reply| reply.starts_with(text))
    }

    /// What the client had sent last when the first refusal came.
    pub(super) fn refused_step(&self) -> &str {
        let lines = self.text.lines();
        let before = lines.take_while(|line| !(line.starts_with("<*") || line.starts_with("<~*")));
        let sent = before.filter(|line| line.starts_with(" -") || line.starts_with(" ~"));
        sent.last().unwrap_or_default().get(3..).unwrap_or_default().trim()
    }
}
