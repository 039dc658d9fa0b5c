//! The server as a client: everything for outside goes to a smart host, and hundreds of messages come in at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::postfix::Postfix;
use super::swaks::{Swaks, Tls};
use crate::support::maildir::{Stored, files};
use crate::support::process::{Running, run};
use crate::support::server::{LISTENERS, PROGRAM, Server};
use crate::support::{Place, free_port, parts, wait_for, wait_for_port};

/// A server with the sample organisation that hands mail for outside to a port of 127.0.0.1.
pub(super) struct Relaying {
    pub(super) config: PathBuf,
    ports: [u16; 3],
}

impl Relaying {
    pub(super) fn set_up(place: &Place, smart_host: u16, tls: &str) -> Self {
        let data = place.path().join("data");
        let ports = [free_port(), free_port(), free_port()];
        let listeners = LISTENERS.iter().zip(ports).map(|((role, tls), port)| {
            format!("[[listener]]\naddress = \"127.0.0.1:{port}\"\nrole = \"{role}\"\ntls = \"{tls}\"\n\n")
        });
        let text = format!(
            "hostname = \"mx.contoso.example\"\ndata = \"{}\"\n\n{}[relay]\nsmart_host = \"127.0.0.1\"\n\
             port = {smart_host}\ntls = \"{tls}\"\n\n[queue]\nretry_seconds = [1]\n",
            data.display(),
            listeners.collect::<String>(),
        );
        let config = place.file("franking.toml", text);
        let contoso = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/directories/contoso.toml");
        let outcome = run(Command::new(PROGRAM).arg("import").arg(contoso).arg("--config").arg(&config), "");
        assert!(outcome.status.success(), "{}", outcome.text);
        Self { config, ports }
    }

    pub(super) fn start(&self, place: &Place) -> Server {
        Server::serve(place, &self.config, self.ports)
    }
}

/// smtp-sink, which takes everything and writes each message into a file of its own.
pub(super) struct Sink {
    _process: Running,
    pub(super) port: u16,
    pub(super) mail: PathBuf,
}

impl Sink {
    /// `None` after saying that the test is left out.
    pub(super) fn start(place: &Place) -> Option<Self> {
        Self::start_at(place, free_port())
    }

    /// The same at a port that it had before.
    fn start_at(place: &Place, port: u16) -> Option<Self> {
        Self::start_with(&place.directory("sink"), port, &[])
    }

    /// The same with options that make it misbehave, and a directory for what it takes.
    pub(super) fn start_with(mail: &Path, port: u16, options: &[&str]) -> Option<Self> {
        let program = parts::find("smtp-sink")?;
        let mail = mail.to_owned();
        std::fs::set_permissions(&mail, std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(["-d", "message."]).args(options).arg(format!("127.0.0.1:{port}")).arg("100");
        command.current_dir(&mail).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let sink = Self { _process: Running::start(&mut command), port, mail };
        wait_for_port("smtp-sink", port);
        Some(sink)
    }

    pub(super) fn wait_for(&self, token: &str) -> Stored {
        wait_for(token, || files(&self.mail).into_iter().find(|message| message.contains(token)))
    }
}

#[test]
fn mail_for_outside_goes_to_the_smart_host() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let Some(sink) = Sink::start(&place) else { return };
    let server = Relaying::set_up(&place, sink.port, "none").start(&place);
    let more = ["--header", "Subject: to-the-sink", "--body", "first\\n.\\nlast"];
    let to = "carol@fabrikam.example,partner@fabrikam.example,bob@contoso.example";
    swaks.submit(server.submission(), Tls::Starttls, "alice", to, &more).must_be_accepted();
    let relayed = sink.wait_for("to-the-sink");
    assert_eq!(relayed.header("X-Mail-Args").len(), 1, "{}", relayed.text());
    assert!(relayed.header("X-Mail-Args")[0].starts_with("<alice@contoso.example>"), "{}", relayed.text());
    let recipients = relayed.header("X-Rcpt-Args");
    for address in ["carol@fabrikam.example", "partner@fabrikam.example"] {
        assert!(recipients.iter().any(|own| own.starts_with(&format!("<{address}>"))), "{recipients:?}");
    }
    assert!(!recipients.iter().any(|own| own.contains("bob@")), "{recipients:?}");
    assert!(relayed.contains("\n\nfirst\n.\nlast\n"), "{}", relayed.text());
    server.mailbox("bob").wait_for("to-the-sink");
    server.stop();
}

#[test]
fn postfix_takes_what_is_relayed_and_what_was_forwarded() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let Some(postfix) = Postfix::start(&place, None) else { return };
    let server = Relaying::set_up(&place, postfix.port(), "opportunistic").start(&place);
    let more = ["--header", "Subject: to-postfix"];
    swaks.submit(server.submission(), Tls::Starttls, "alice", "partner@fabrikam.example", &more).must_be_accepted();
    let find = |local: &str, token: &str| {
        let what = format!("{token} at {local}");
        wait_for(&what, || postfix.messages(local).into_iter().find(|message| message.contains(token)))
    };
    let relayed = find("partner", "to-postfix");
    assert_eq!(relayed.header("Return-Path"), ["<alice@contoso.example>"]);
    // Its certificate is nobody's, and STARTTLS is used all the same.
    assert!(relayed.header("Received")[0].contains("using TLSv1"), "{}", relayed.text());
    let more = ["--header", "Subject: through-carol"];
    swaks.deliver(server.inbound(), "eve@fabrikam.example", "carol@contoso.example", &more).must_be_accepted();
    let forwarded = find("carol", "through-carol");
    assert!(forwarded.header("Return-Path")[0].starts_with("<carol+SRS="), "{}", forwarded.text());
    server.stop();
    postfix.stop();
}

#[test]
fn a_smart_host_that_is_away_gets_the_mail_once_it_is_back() {
    let (Some(swaks), Some(_)) = (Swaks::find(), parts::find("smtp-sink")) else { return };
    let (place, port) = (Place::new(), free_port());
    let relaying = Relaying::set_up(&place, port, "none");
    let server = relaying.start(&place);
    let more = ["--header", "Subject: while-away"];
    swaks.submit(server.submission(), Tls::Starttls, "alice", "carol@fabrikam.example", &more).must_be_accepted();
    // Killed in between, so that the attempt is made by the next life of the server.
    server.kill();
    let Some(sink) = Sink::start_at(&place, port) else { return };
    let server = relaying.start(&place);
    sink.wait_for("while-away");
    server.stop();
    assert_eq!(files(&sink.mail).len(), 1);
}

/// Stands before another server and takes down what is said to it, connection by connection.
struct Doorkeeper {
    port: u16,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Doorkeeper {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (own, said) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let notes = Arc::clone(&said);
        // Ends with the test program: nobody knocks any more.
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut back);
                    let _ = back.shutdown(Shutdown::Write);
                });
                let (notes, number) = (Arc::clone(&notes), notes.lock().unwrap().len());
                notes.lock().unwrap().push(Vec::new());
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = client.read(&mut buffer) {
                        notes.lock().unwrap()[number].extend(&buffer[..count]);
                        let _ = server.write_all(&buffer[..count]);
                    }
                    let _ = server.shutdown(Shutdown::Write);
                });
            }
        });
        Self { port: own, said }
    }

    /// How many connections there were, and how many of them ended with QUIT.
    fn connections(&self) -> (usize, usize) {
        let said = self.said.lock().unwrap();
        (said.len(), said.iter().filter(|octets| octets.ends_with(b"\r\nQUIT\r\n")).count())
    }
}

#[test]
fn fifty_messages_to_one_domain_share_few_connections() {
    let Some(source) = parts::find("smtp-source") else { return };
    let place = Place::new();
    let Some(sink) = Sink::start(&place) else { return };
    let door = Doorkeeper::before(sink.port);
    let server = Relaying::set_up(&place, door.port, "none").start(&place);
    // Carol's mailbox forwards to another system.
    flood(&source, server.inbound(), 50, 10, "carol@contoso.example");
    let relayed = wait_for("50 messages", || {
        let relayed = files(&sink.mail);
        // The sink makes a file when a message begins and writes the content at its end.
        (relayed.iter().filter(|message| message.contains("XXXXXXXX")).count() >= 50).then_some(relayed)
    });
    server.stop();
    let identities: BTreeSet<String> = relayed.iter().map(|message| message.header("Message-Id").concat()).collect();
    assert_eq!((relayed.len(), identities.len()), (50, 50));
    // Five at once to one domain, and none for more than twenty messages. Some may have been idle for too long.
    let (connections, with_goodbye) = door.connections();
    println!("50 messages went over {connections} connections");
    assert!((3..=15).contains(&connections), "{connections} connections");
    assert_eq!(with_goodbye, connections, "a host was left without a word");
}

/// Sends `count` messages over `sessions` sessions at once, each of which is used to the end: one address may not have
/// more than twenty, and one that was only just closed counts.
fn flood(source: &Path, target: SocketAddr, count: usize, sessions: usize, to: &str) {
    let mut command = Command::new(source);
    command.args(["-d", "-s", &sessions.to_string(), "-m", &count.to_string(), "-l", "4000", "-S", "flood"]);
    command.args(["-M", "mail.fabrikam.example", "-f", "eve@fabrikam.example", "-t", to]);
    let outcome = run(command.arg(format!("inet:{target}")), "");
    assert!(outcome.status.success(), "{}", outcome.text);
}

#[test]
fn two_hundred_messages_over_twenty_sessions_arrive_exactly_once() {
    let Some(source) = parts::find("smtp-source") else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    flood(&source, server.inbound(), 200, 20, "bob@contoso.example");
    let mailbox = server.mailbox("bob");
    let stored = wait_for("200 messages", || {
        let stored = mailbox.messages();
        (stored.len() >= 200).then_some(stored)
    });
    let mut identities = BTreeMap::new();
    for message in &stored {
        let identity = message.header("Message-Id").concat();
        *identities.entry(identity).or_insert(0) += 1;
        assert_eq!(message.text().lines().filter(|line| line.contains("XXXXXXXX")).count(), 50, "{}", message.text());
    }
    assert!(identities.values().all(|copies| *copies == 1), "{identities:?}");
    assert_eq!(identities.len(), 200);
    let directory = mailbox.directory().expect("a mailbox");
    server.stop();
    assert_eq!(files(&directory.join("tmp")).len(), 0, "something was left half-written");
    assert_eq!(mailbox.messages().len(), 200);
}
