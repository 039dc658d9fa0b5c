//! The server as an operator runs it: a process with a data directory, on ports of 127.0.0.1.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::maildir::{Mailbox, Stored, files};
use super::process::Running;
use super::{PATIENCE, Place, wait_for, wait_for_port};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_franking");

/// Role and TLS of every listener, in the order of the demonstration.
pub(crate) const LISTENERS: [(&str, &str); 3] =
    [("inbound", "starttls"), ("submission", "starttls"), ("submission", "implicit")];

/// A running server. Dropping it drains and stops it; a failing test prints the end of its log first.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    ready: Value,
    log: PathBuf,
}

impl Server {
    /// Starts the demonstration, with the sample organisation, on ports that the kernel chooses. Run again at the same
    /// place, it goes on with the data that is there.
    pub(crate) fn demo(place: &Place) -> Self {
        Self::demo_at(place, "data", Command::new(PROGRAM))
    }

    /// The same with the data in `data` below `place`, started by `command`, which is the program or one that runs it.
    pub(crate) fn demo_at(place: &Place, data: &str, mut command: Command) -> Self {
        command.arg("demo").arg("--data").arg(place.directory(data)).arg("--certs").arg(place.directory("certs"));
        for port in ["--inbound-port", "--submission-port", "--submissions-port"] {
            command.args([port, "0"]);
        }
        Self::start(command.arg("--json"), place)
    }

    /// Starts a server for one run of tests, which keeps nothing, with these options.
    pub(crate) fn ephemeral(place: &Place, options: &[&str]) -> Self {
        Self::start(Command::new(PROGRAM).args(["serve", "--ephemeral", "--json"]).args(options), place)
    }

    /// Starts the server proper with a configuration file that says where it listens, in the order inbound, submission,
    /// submission with TLS from the first octet.
    pub(crate) fn serve(place: &Place, config: &Path, ports: [u16; 3]) -> Self {
        let mut command = Command::new(PROGRAM);
        let process = Self::spawn(command.arg("serve").arg("--config").arg(config).stdout(Stdio::null()), place);
        let listeners = LISTENERS
            .iter()
            .zip(ports)
            .map(|((role, tls), port)| json!({ "role": role, "tls": tls, "address": format!("127.0.0.1:{port}") }));
        let ready = json!({
            "listeners": listeners.collect::<Vec<_>>(),
            "mailboxes": place.path().join("data/mailboxes"),
            "authority": place.path().join("data/certs/ca.pem"),
        });
        let server = Self { process, ready, log: log_of(place) };
        ports.iter().for_each(|port| wait_for_port("the server", *port));
        server
    }

    fn spawn(command: &mut Command, place: &Place) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(log_of(place)).unwrap();
        Running::start(command.stdin(Stdio::null()).stderr(log))
    }

    fn start(command: &mut Command, place: &Place) -> Self {
        let mut process = Self::spawn(command.stdout(Stdio::piped()), place);
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(process.child().stdout.take().unwrap());
        // Reads on after the first line, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut server = Self { process, ready: Value::Null, log: log_of(place) };
        let line = lines.recv_timeout(PATIENCE).expect("the server did not say that it is ready");
        server.ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert_eq!(server.ready["event"], "ready", "{line}");
        server
    }

    fn listener(&self, role: &str, tls: &str) -> SocketAddr {
        let listeners = self.ready["listeners"].as_array().expect("listeners");
        let found = listeners.iter().find(|listener| listener["role"] == role && listener["tls"] == tls);
        let found = found.unwrap_or_else(|| panic!("no {role} listener with {tls} in {}", self.ready));
        let address: SocketAddr = found["address"].as_str().unwrap().parse().unwrap();
        assert!(address.ip().is_loopback(), "{address} can be reached from outside");
        address
    }

    /// Where other servers deliver (port 25 elsewhere).
    pub(crate) fn inbound(&self) -> SocketAddr {
        self.listener("inbound", "starttls")
    }

    /// Where accounts hand mail in after STARTTLS (port 587 elsewhere).
    pub(crate) fn submission(&self) -> SocketAddr {
        self.listener("submission", "starttls")
    }

    /// Where accounts hand mail in with TLS from the first octet (port 465 elsewhere).
    pub(crate) fn submissions(&self) -> SocketAddr {
        self.listener("submission", "implicit")
    }

    /// A place that it named when it was ready.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        PathBuf::from(self.ready[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.ready)))
    }

    /// The certificate authority that clients have to trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("authority")
    }

    /// The directory of all mailboxes.
    pub(crate) fn mailboxes(&self) -> PathBuf {
        self.path("mailboxes")
    }

    /// The mailbox of `local` at contoso.example.
    pub(crate) fn mailbox(&self, local: &str) -> Mailbox {
        Mailbox::new(self.mailboxes(), &format!("{local}@contoso.example"))
    }

    /// Mail that would have left for other domains.
    pub(crate) fn outbox(&self) -> Vec<Departed> {
        let stored = files(&self.path("outbox"));
        stored.into_iter().filter_map(Departed::new).collect()
    }

    /// Waits for the message in the outbox that contains `token` and goes to `recipient`.
    pub(crate) fn wait_for_departure(&self, token: &str, recipient: &str) -> Departed {
        let is_it = |departed: &Departed| departed.message.contains(token) && departed.goes_to(recipient);
        wait_for(&format!("{token} for {recipient} in the outbox"), || self.outbox().into_iter().find(is_it))
    }

    /// The log so far, one JSON object a line.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for its end, which something else brings about.
    pub(crate) fn wait_for_end(mut self) {
        wait_for("the end of the server", || self.process.ended());
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// The same while others still look at it. Its log can be read afterwards.
    pub(crate) fn kill_now(&self) {
        self.process.kill_now();
    }

    /// Its process number.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Has it read its configuration again; what it says of that in the log.
    pub(crate) fn reload(&self) -> Value {
        let before = self.log().len();
        kill_process(Pid::from_raw(self.process_id().cast_signed()).unwrap(), Signal::HUP).unwrap();
        wait_for("the configuration to be read", || {
            let is_it = |line: &Value| {
                let said = line["message"].as_str().unwrap_or_default();
                said.contains("configuration was read again") || said.contains("configuration has a fault")
            };
            self.log().into_iter().skip(before).find(is_it)
        })
    }

    /// Asks it to stop; it must drain and end well.
    pub(crate) fn stop(mut self) {
        let status = self.process.stop().expect("the server did not stop when asked to");
        assert!(status.success(), "the server ended with {status}");
    }
}

fn log_of(place: &Place) -> PathBuf {
    place.path().join("server.log")
}

/// A message that left, as the demonstration shows it.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) message: Stored,
    envelope: Value,
}

impl Departed {
    /// The message and the envelope beside it; `None` for other files and for one that is still being written.
    fn new(message: Stored) -> Option<Self> {
        if message.path.extension()? != "eml" {
            return None;
        }
        let envelope = std::fs::read(message.path.with_extension("json")).ok()?;
        Some(Self { envelope: serde_json::from_slice(&envelope).ok()?, message })
    }

    /// Where reports about it go, without angle brackets.
    pub(crate) fn reverse_path(&self) -> &str {
        self.envelope["reverse_path"].as_str().expect("a reverse-path").trim_matches(['<', '>'])
    }

    /// Whether `address` is one of its recipients.
    pub(crate) fn goes_to(&self, address: &str) -> bool {
        let recipients = self.envelope["recipients"].as_array().expect("recipients");
        recipients.iter().filter_map(Value::as_str).any(|own| own.trim_matches(['<', '>']) == address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("-- the end of the server's log:\n{}", tail.join("\n"));
        }
    }
}
