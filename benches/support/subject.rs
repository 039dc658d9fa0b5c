//! The server as an operator runs it: a process with a configuration, a directory of two, and data of its own.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::meter::Meter;

const PROGRAM: &str = env!("CARGO_BIN_EXE_franking");
/// How long it may take to stop before it is killed.
const FAREWELL: Duration = Duration::from_secs(40);

/// Limits that protect a server in service would only measure themselves here.
const CONFIGURATION: &str = "\
hostname = \"mail.contoso.example\"
data = \"data\"

[[listener]]
address = \"127.0.0.1:0\"
role = \"inbound\"
tls = \"starttls\"

[[listener]]
address = \"127.0.0.1:0\"
role = \"submission\"
tls = \"starttls\"

[[listener]]
address = \"127.0.0.1:0\"
role = \"submission\"
tls = \"implicit\"

[policy]
message_bytes_max = 200000000

[limits]
sessions_max = 20000
sessions_per_address_max = 20000
sessions_per_account_max = 0
messages_per_minute = 0
recipients_per_day = 0
received_per_hour = 0
received_from_one_per_hour = 0
refused_recipients_max = 1000000
tarpit_seconds = 0
";

const DIRECTORY: &str = "\
[[domain]]
domain = \"contoso.example\"
type = \"Authoritative\"
default = true

[[recipient]]
type = \"UserMailbox\"
address = \"alice@contoso.example\"
display_name = \"Alice\"
licences = [\"ExchangeOnlinePlan1\"]
password = \"demo-alice\"

[[recipient]]
type = \"UserMailbox\"
address = \"bob@contoso.example\"
display_name = \"Bob\"
licences = [\"ExchangeOnlinePlan1\"]
password = \"demo-bob\"
";

/// Where a server runs: a configuration, a directory of two, and data of its own, which stay when it stops.
pub(crate) struct Premises {
    place: tempfile::TempDir,
}

impl Premises {
    /// Nothing was ever delivered here.
    pub(crate) fn new() -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("franking-bench-").tempdir()?;
        let premises = Self { place };
        fs::write(premises.configuration(), CONFIGURATION)?;
        premises.import(DIRECTORY)?;
        Ok(premises)
    }

    /// Imports a directory in TOML.
    pub(crate) fn import(&self, directory: &str) -> io::Result<()> {
        let file = self.path().join("contoso.toml");
        fs::write(&file, directory)?;
        let imported = self.program().arg("import").arg(&file).output()?;
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        Ok(())
    }

    /// The program, which knows its configuration.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(self.configuration()).stdin(Stdio::null());
        command
    }

    /// A directory for whatever belongs to this server.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Leaves everything where it is.
    pub(crate) fn keep(self) -> PathBuf {
        self.place.keep()
    }

    fn configuration(&self) -> PathBuf {
        self.path().join("franking.toml")
    }
}

/// A running server; dropping it stops it.
pub(crate) struct Subject {
    child: Child,
    ready: Value,
    premises: Arc<Premises>,
}

impl Subject {
    /// Starts one with an empty queue and empty mailboxes.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_in(&Arc::new(Premises::new()?))
    }

    /// Starts one on what is there, and returns when it is ready.
    pub(crate) fn start_in(premises: &Arc<Premises>) -> io::Result<Self> {
        let log = fs::File::create(premises.path().join("log"))?;
        let mut child = premises.program().args(["--json", "serve"]).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready = serde_json::from_str(&line).map_err(io::Error::other);
        match ready {
            Ok(ready) => Ok(Self { child, ready, premises: Arc::clone(premises) }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// Where `role` listens, with STARTTLS.
    pub(crate) fn address(&self, role: &str) -> SocketAddr {
        self.listener("role", role)
    }

    /// Where submission is taken over TLS from the first octet.
    pub(crate) fn address_over_tls(&self) -> SocketAddr {
        self.listener("tls", "implicit")
    }

    /// The first listener of which the announcement says so.
    fn listener(&self, key: &str, value: &str) -> SocketAddr {
        let listeners = self.ready["listeners"].as_array().into_iter().flatten();
        let found =
            listeners.filter(|listener| listener[key] == value).find_map(|listener| listener["address"].as_str());
        found.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no {value} in {}", self.ready))
    }

    /// The directory of all mailboxes.
    pub(crate) fn mailboxes(&self) -> PathBuf {
        PathBuf::from(self.ready["mailboxes"].as_str().unwrap_or_default())
    }

    /// A directory for whatever belongs to this server.
    pub(crate) fn place(&self) -> &Path {
        self.premises.path()
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.child.id())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // The child has not been waited for, so its number cannot have gone to another process.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < FAREWELL {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
