//! The demonstration: a working server with a small organisation, on loopback only, that sends nothing outside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::guide;
use super::rehearse::{self, Production, RehearsalError, Running};
use crate::config::{Config, ConfigErrors};

/// This server's name in the demonstration.
pub(super) const HOSTNAME: &str = "mail.contoso.example";

/// What the command line says.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where to listen; only loopback addresses are taken.
    pub address: IpAddr,
    /// Port for mail from other servers, 0 for any.
    pub inbound_port: u16,
    /// Port for submission with STARTTLS, 0 for any.
    pub submission_port: u16,
    /// Port for submission with TLS from the first byte, 0 for any.
    pub submissions_port: u16,
    /// Where to keep state; a temporary directory when unset.
    pub data: Option<PathBuf>,
    /// Where to keep the development certificates.
    pub certificates: PathBuf,
    /// A script of faults.
    pub faults: Option<PathBuf>,
    /// End when standard input does.
    pub until_stdin_closes: bool,
    /// Say what was started as one line of JSON.
    pub json: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            inbound_port: 2525,
            submission_port: 2587,
            submissions_port: 2465,
            data: None,
            certificates: PathBuf::from("certs"),
            faults: None,
            until_stdin_closes: false,
            json: false,
        }
    }
}

/// Runs the demonstration until it is told to stop.
///
/// # Errors
/// [`RehearsalError`], before anything is served.
pub fn run(options: &DemoOptions) -> Result<(), RehearsalError> {
    let temporary = match &options.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("franking-demo-").tempdir()?),
    };
    let data = match (&options.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().join("data"),
        (None, None) => return Ok(()),
    };
    let production = Production {
        config: configuration(options, &data)?,
        socket: None,
        certificates: &options.certificates,
        directory: None,
        faults: options.faults.as_deref(),
        anywhere: false,
        until_stdin_closes: options.until_stdin_closes,
        json: options.json,
    };
    rehearse::run(&production, |Running { ready }| guide::text(options.address, ready))
}

fn configuration(options: &DemoOptions, data: &Path) -> Result<Config, ConfigErrors> {
    let ports = [options.inbound_port, options.submission_port, options.submissions_port];
    sample_configuration(options.address, ports, data)
}

/// Three listeners at `address`: for other servers, for submission, for submission with TLS from the first byte.
pub(super) fn sample_configuration(address: IpAddr, ports: [u16; 3], data: &Path) -> Result<Config, ConfigErrors> {
    let listener = |port: u16, role: &str, tls: &str| {
        let address = SocketAddr::new(address, port);
        format!("[[listener]]\naddress = \"{address}\"\nrole = \"{role}\"\ntls = \"{tls}\"\n\n")
    };
    let [inbound, submission, submissions] = ports;
    // Written as an operator would write it, and read by the same reader.
    let quoted = toml::Value::from(data.to_string_lossy().into_owned());
    let text = format!(
        "hostname = \"{HOSTNAME}\"\ndata = {quoted}\n\n{}{}{}",
        listener(inbound, "inbound", "starttls"),
        listener(submission, "submission", "starttls"),
        listener(submissions, "submission", "implicit"),
    );
    Config::parse(&text, Path::new("the settings of a server for tests"))
}
