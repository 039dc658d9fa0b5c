//! Says that the server is ready, as one line of JSON for programs that started it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::serve::Bound;
use crate::config::{ListenerRole, ListenerTls};

/// What is said.
pub(super) struct Ready<'a> {
    /// Where it listens.
    pub(super) listeners: &'a [Bound],
    /// Where its data are.
    pub(super) data: &'a Path,
    /// Where its mailboxes are.
    pub(super) mailboxes: &'a Path,
    /// Where mail goes that leaves, in a demonstration.
    pub(super) outbox: Option<&'a Path>,
    /// The administrators' socket.
    pub(super) socket: &'a Path,
    /// The development authority's certificate, should it be in use.
    pub(super) authority: PathBuf,
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    listeners: Vec<ListenerLine>,
    data: &'a Path,
    mailboxes: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<&'a Path>,
    socket: &'a Path,
    authority: &'a Path,
}

#[derive(Serialize)]
struct ListenerLine {
    role: &'static str,
    tls: &'static str,
    address: SocketAddr,
}

/// Writes the line to standard output.
pub(super) fn announce(ready: &Ready<'_>) -> std::io::Result<()> {
    let line = Line {
        event: "ready",
        listeners: ready.listeners.iter().map(listener).collect(),
        data: ready.data,
        mailboxes: ready.mailboxes,
        outbox: ready.outbox,
        socket: ready.socket,
        authority: &ready.authority,
    };
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, &line)?;
    writeln!(output)?;
    output.flush()
}

fn listener(bound: &Bound) -> ListenerLine {
    ListenerLine {
        role: match bound.role {
            ListenerRole::Submission => "submission",
            ListenerRole::Inbound => "inbound",
        },
        tls: match bound.tls {
            ListenerTls::Starttls => "starttls",
            ListenerTls::Implicit => "implicit",
            ListenerTls::None => "none",
        },
        address: bound.address,
    }
}
