//! A server for one run of tests: everything it has lies in a temporary directory, and is gone when it ends.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::demo::sample_configuration;
use super::guide;
use super::rehearse::{self, Production, RehearsalError, Running};
use crate::config::Config;

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct EphemeralOptions {
    /// The configuration; without one three listeners on loopback, at ports that the system chooses.
    pub config: Option<PathBuf>,
    /// The administrators' socket; in the temporary directory when unset.
    pub socket: Option<PathBuf>,
    /// The organisation; the sample when unset.
    pub directory: Option<PathBuf>,
    /// A script of faults.
    pub faults: Option<PathBuf>,
    /// Where development certificates are kept; in the temporary directory when unset.
    pub certificates: Option<PathBuf>,
    /// Listeners may be reached from outside.
    pub anywhere: bool,
    /// End when standard input does.
    pub until_stdin_closes: bool,
    /// Say what was started as one line of JSON.
    pub json: bool,
}

/// Runs the server until it is told to stop, then removes what it had.
///
/// # Errors
/// [`RehearsalError`], before anything is served.
pub fn run(options: &EphemeralOptions) -> Result<(), RehearsalError> {
    let place = tempfile::Builder::new().prefix("franking-").tempdir()?;
    let data = place.path().join("data");
    let mut config = match &options.config {
        Some(path) => Config::load(&std::path::absolute(path)?)?,
        None => sample_configuration(IpAddr::V4(Ipv4Addr::LOCALHOST), [0; 3], &data)?,
    };
    config.data = data;
    let certificates = options.certificates.clone().unwrap_or_else(|| place.path().join("certs"));
    let production = Production {
        config,
        socket: options.socket.clone(),
        certificates: &certificates,
        directory: options.directory.as_deref(),
        faults: options.faults.as_deref(),
        anywhere: options.anywhere,
        until_stdin_closes: options.until_stdin_closes,
        json: options.json,
    };
    rehearse::run(&production, |Running { ready }| guide::of_ephemeral(ready))
}
