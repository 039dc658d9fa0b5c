//! The configuration: one TOML file, few keys, each with a default that is right for most.
//!
//! [`Config::load`] reads text into a raw form and the raw form into [`Config`], where every value is judged and typed;
//! what comes out can be used as it is. Whatever is wrong is reported with file, line, key and cure, as much of it at
//! once as can be seen. No text makes it panic. Recipients are no configuration: they live in the directory.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod acme;
mod issuer;
mod listener;
mod outbound;
mod raw;
mod report;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod validate;

pub use acme::{AcmeChallenge, AcmeConfig, ExternalAccount};
pub use issuer::{IssuerConfig, KeySource};
pub use listener::{ListenerConfig, ListenerRole, ListenerTls, ProxyConfig};
pub use outbound::{
    GraphConfig, OutboundConfig, RelayAuth, RelayCredentials, RelayProof, RelayTls, RouteTls, RouteVia, RouteWay,
    SmartHost, TokenAuth,
};
pub use report::{ConfigError, ConfigErrors};
pub use token::{TokenConfig, TokenFlow};
pub use transport::TransportConfig;
pub use validate::{SCRIPT_BYTES_MAX, fault_script};

use crate::model::mail::Domain;
use crate::model::policy::{Profile, RouteTable, Settings};
use crate::model::smtp::client::Patience;
use crate::world::disk::open_regular;
use crate::world::tls::CertificatePaths;
use serde::Deserialize;

/// A configuration is read up to this many octets; a longer file is refused.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// Everything an operator decides, judged and typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name this server gives itself in greetings, replies and trace fields.
    pub hostname: Domain,
    /// Where everything durable lives.
    pub data: PathBuf,
    /// Whose semantics `settings` started from.
    pub profile: Profile,
    /// The profile with the operator's overrides. Keys of the Sender Rewriting Scheme are secrets and come from the
    /// data directory, so the list is empty here.
    pub settings: Settings,
    /// Whether banner, EHLO list and mechanisms imitate a real service, for test doubles (decision D8).
    pub emulate: Option<Emulate>,
    /// Where connections are taken, in the order of the file; never empty.
    pub listeners: Vec<ListenerConfig>,
    /// Certificates with their keys; empty means that development certificates are made, or stand in for one by ACME.
    pub certificates: Vec<CertificatePaths>,
    /// The certificate that an authority gives by itself.
    pub acme: Option<AcmeConfig>,
    /// What one client, one account and all of them together may use.
    pub limits: Limits,
    /// The ways that mail to other systems takes, the smart host of `[relay]` among them as the way for all domains.
    /// What has no way here goes to the mail exchangers of its domain.
    pub routes: RouteTable<RouteWay>,
    /// Access tokens, by which hosts on the way are signed in to; every name is there once.
    pub tokens: Vec<TokenConfig>,
    /// Who issues tokens that are as good as a password here; every name and every `iss` is there once. What their
    /// tokens must say stands in `settings`, too.
    pub issuers: Vec<IssuerConfig>,
    /// What is heeded of the demands of recipients' domains, and who is asked for them.
    pub transport: TransportConfig,
    /// How long other hosts may take.
    pub timeouts: Patience,
    /// When undelivered mail is tried again and given up.
    pub queue: QueueConfig,
    /// How long and in how much room messages are traced.
    pub trace: TraceConfig,
    /// What the log looks like.
    pub log: LogConfig,
    /// How long open sessions and deliveries may take to end when the server stops.
    pub drain: Duration,
    /// Of the text: tells whether another reader saw the same. No protection from who means to deceive.
    pub checksum: u32,
}

/// A service to imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Emulate {
    /// The cloud: its banner, its EHLO list, LOGIN and XOAUTH2 only.
    ExchangeOnline,
}

/// Bounds on what clients may use. Every one is at least 1, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open sessions in all.
    pub sessions_max: usize,
    /// Open sessions from one IPv4 address or one IPv6 network of 64 bits.
    pub sessions_per_address_max: usize,
    /// How long a client may be silent where a command is expected (RFC 5321 section 4.5.3.2.7: five minutes).
    pub command_timeout: Duration,
    /// How long a client may be silent within a message, and how long it may take to read a reply.
    pub data_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Refused recipients of one session of a stranger, each answered late; with the last the session ends.
    pub refused_recipients_max: usize,
    /// How late a refusal to a guess comes: an unknown recipient for a stranger, a failed AUTH. Zero is at once.
    pub tarpit: Duration,
}

/// When undelivered mail is tried again and given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Waits before the second, third, … attempt; the last repeats. Never empty, each from a second to a week.
    pub retry_delays: Vec<Duration>,
    /// When a message is given up and reported.
    pub expiry: Duration,
    /// When its sender is told that it is late; shorter than `expiry`.
    pub delay_notice: Duration,
    /// New mail is refused while the file system of the data has fewer octets free; from half of it on, what was
    /// accepted is not written into mailboxes either, so that the queue can still record what happens.
    pub free_bytes_min: u64,
    /// New mail is refused while fewer files can be created there.
    pub free_files_min: u64,
    /// What may be under way to other systems at once.
    pub outbound: OutboundConfig,
}

/// How long and in how much room messages are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceConfig {
    /// Days that an event is kept; 0 keeps nothing, and removes at the next start what was kept.
    pub days: u32,
    /// The most octets on disk; the oldest go first.
    pub bytes_max: u64,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The least important line that is still logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What somebody must look at.
    Error,
    /// What somebody should look at.
    Warn,
    /// One line for each connection, message and delivery.
    #[default]
    Info,
    /// Why each refusal was given.
    Debug,
    /// Everything.
    Trace,
}

/// What the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// The least important line that is still logged.
    pub level: LogLevel,
}

impl Config {
    /// Reads the file at `path`. Relative paths in it are relative to its directory. Blocks.
    ///
    /// # Errors
    /// Every problem that can be seen at once: the file cannot be read, is larger than [`CONFIG_BYTES_MAX`], is no
    /// UTF-8 or TOML, or has keys or values that are not known.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = read(path).map_err(|(problem, cure)| ConfigErrors::one(ConfigError::whole(path, problem, cure)))?;
        Self::parse(&text, path)
    }

    /// Reads `text` as the content of the file at `path`, which need not exist. Total: any text has an answer.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(ConfigErrors::one(too_large(path)));
        }
        let raw = toml::from_str(text).map_err(|error| ConfigErrors::one(report::of_toml(path, text, &error)))?;
        validate::config(raw, text, path)
    }
}

fn too_large(path: &Path) -> ConfigError {
    let problem = format!("larger than {CONFIG_BYTES_MAX} octets");
    ConfigError::whole(path, problem, "recipients belong in the directory, not in the configuration".to_owned())
}

fn read(path: &Path) -> Result<String, (String, String)> {
    let cannot = |error: std::io::Error| {
        let cure = "give the path of a readable file with --config";
        (format!("cannot be read: {error}"), cure.to_owned())
    };
    let file = open_regular(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    // One octet more than allowed tells a file that is too large from one that just fits.
    file.take(CONFIG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let line = bytes_before(error.as_bytes(), error.utf8_error().valid_up_to());
        (format!("is not UTF-8 (line {line})"), "save it as UTF-8 text".to_owned())
    })
}

fn bytes_before(bytes: &[u8], offset: usize) -> usize {
    1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count()
}
