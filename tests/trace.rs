//! The message trace of the whole server: a message that waits and then arrives is followed, through `kill -9` as well,
//! with a running server and without one. And a long trace is searched in little memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::process::run;
use crate::support::server::{LISTENERS, PROGRAM, Server};
use crate::support::smtp::Client;
use crate::support::{Place, free_port, wait_for};

mod long;

/// The next host: refuses every recipient for now until it is told to take them.
struct NextHost {
    port: u16,
    takes: Arc<AtomicBool>,
}

impl NextHost {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = Self { port: listener.local_addr().unwrap().port(), takes: Arc::default() };
        let takes = Arc::clone(&host.takes);
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = Self::talk(stream, &takes);
            }
        });
        host
    }

    fn talk(mut stream: TcpStream, takes: &AtomicBool) -> std::io::Result<()> {
        stream.write_all(b"220 mx.fabrikam.example ESMTP\r\n")?;
        let lines = BufReader::new(stream.try_clone()?).lines();
        let mut in_data = false;
        for line in lines {
            let line = line?;
            let answer: &[u8] = match line.get(..4).unwrap_or_default() {
                "." if in_data => b"250 2.0.0 Taken\r\n",
                _ if in_data && line != "." => continue,
                "RCPT" if !takes.load(Ordering::SeqCst) => b"451 4.7.1 Greylisted\r\n",
                "DATA" => b"354 Go ahead\r\n",
                "QUIT" => b"221 2.0.0 Bye\r\n",
                _ => b"250 2.1.0 Good\r\n",
            };
            in_data = answer.starts_with(b"354");
            stream.write_all(answer)?;
        }
        Ok(())
    }
}

/// A server with the sample organisation, and its commands.
struct Office {
    config: PathBuf,
    ports: [u16; 3],
}

impl Office {
    fn set_up(place: &Place, next_host: u16) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let listeners = LISTENERS.iter().zip(ports).map(|((role, tls), port)| {
            format!("[[listener]]\naddress = \"127.0.0.1:{port}\"\nrole = \"{role}\"\ntls = \"{tls}\"\n\n")
        });
        let text = format!(
            "hostname = \"mx.contoso.example\"\ndata = \"{}\"\n\n{}[relay]\nsmart_host = \"127.0.0.1\"\n\
             port = {next_host}\ntls = \"none\"\n\n[queue]\nretry_seconds = [1]\n",
            place.path().join("data").display(),
            listeners.collect::<String>(),
        );
        let office = Self { config: place.file("franking.toml", text), ports };
        let contoso = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/directories/contoso.toml");
        office.typed(&["import", contoso.to_str().unwrap()]);
        office
    }

    fn start(&self, place: &Place) -> Server {
        Server::serve(place, &self.config, self.ports)
    }

    /// What a command says.
    fn typed(&self, arguments: &[&str]) -> String {
        let outcome = run(Command::new(PROGRAM).args(arguments).arg("--config").arg(&self.config), "");
        assert!(outcome.status.success(), "{arguments:?}: {}", outcome.text);
        outcome.text
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.typed(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Recipient and status of each line, sorted.
    fn outcomes(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let found = self.json(&[&["trace"], arguments].concat());
        let lines = found["lines"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut outcomes: Vec<_> = lines.map(|line| (text(&line["recipient"]), text(&line["status"]))).collect();
        outcomes.sort();
        outcomes
    }
}

fn outcome(recipient: &str, status: &str) -> (String, String) {
    (recipient.to_owned(), status.to_owned())
}

const HOSTILE: &str = "=?utf-8?B?YQ0KYhtbMkpjwpszMW3igK5k?=";

#[test]
fn a_message_that_waits_and_arrives_is_followed_through_a_kill() {
    let (place, next_host) = (Place::new(), NextHost::start());
    let office = Office::set_up(&place, next_host.port);
    let server = office.start(&place);
    let mut client = Client::connect(server.inbound()).unwrap();
    let recipients = ["partner@contoso.example", "bob@contoso.example"];
    let subject = format!("Quarterly {HOSTILE} figures");
    client.send("eve@fabrikam.example", &recipients, &format!("Subject: {subject}\r\n\r\nx\r\n")).unwrap();
    // What was answered 250 is found at once.
    assert_eq!(office.outcomes(&["--subject", "quarterly"]).len(), 2);
    let waiting = [outcome("bob@contoso.example", "delivered"), outcome("partner@fabrikam.example", "deferred")];
    wait_for("the first attempts in the trace", || {
        (office.outcomes(&["--sender", "eve@fabrikam.example"]) == waiting).then_some(())
    });

    let found = office.json(&["trace", "--subject", "QUARTERLY", "--recipient", "partner@contoso.example"]);
    let line = &found["lines"][0];
    assert_eq!(found["lines"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&line["given"], &line["from"]), (&"partner@contoso.example".into(), &"eve@fabrikam.example".into()));
    assert!(line["reply"].as_str().unwrap().starts_with("451 4.7.1 Greylisted"), "{line}");
    let id = line["id"].as_str().unwrap().to_owned();
    for arguments in [vec!["trace"], vec!["trace", "--id", &id], vec!["trace", "--json"], vec!["queue", "show", &id]] {
        let shown = office.typed(&arguments);
        assert!(shown.contains("451 4.7.1 Greylisted") && shown.contains(&id), "{shown}");
        let harmless = |character: char| character == '\n' || !character.is_control() && character != '\u{202e}';
        assert!(shown.chars().all(harmless), "{shown:?}");
    }
    let attempts = office.json(&["queue", "show", &id])["attempts"].as_array().unwrap().clone();
    assert!(attempts.iter().any(|own| own["event"] == "deferred" && own["host"].is_string()), "{attempts:?}");

    server.kill();
    // Nobody runs: the command reads the files itself.
    assert_eq!(office.outcomes(&["--since", "1h"]), waiting);
    next_host.takes.store(true, Ordering::SeqCst);
    let server = office.start(&place);
    let arrived = [outcome("bob@contoso.example", "delivered"), outcome("partner@fabrikam.example", "relayed")];
    wait_for("the delivery in the trace", || (office.outcomes(&[]) == arrived).then_some(()));
    let history = office.json(&["trace", "--id", &id]);
    let events: Vec<&str> =
        history["events"].as_array().unwrap().iter().map(|own| own["event"].as_str().unwrap()).collect();
    assert_eq!(events.iter().filter(|event| **event == "accepted").count(), 1, "{events:?}");
    assert_eq!(events.iter().filter(|event| **event == "delivered").count(), 1, "{events:?}");
    assert_eq!((events.first(), events.last()), (Some(&"accepted"), Some(&"relayed")), "{events:?}");
    assert!(events.contains(&"deferred"), "{events:?}");
    assert!(history["origin"].as_str().unwrap().starts_with("peer mail.fabrikam.example ("), "{history}");
    assert!(history["session"].as_str().is_some_and(|session| !session.is_empty()), "{history}");
    assert_eq!(office.outcomes(&["--status", "deferred"]), []);
    server.stop();
    assert_eq!(office.outcomes(&[]), arrived);
    let outcome =
        run(Command::new(PROGRAM).args(["trace", "--id", "0000000000000000", "--config"]).arg(&office.config), "");
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.text);
    office.typed(&["verify"]);
}

#[test]
fn a_server_that_is_to_trace_nothing_keeps_nothing() {
    let (place, next_host) = (Place::new(), NextHost::start());
    let office = Office::set_up(&place, next_host.port);
    let send = |server: &Server| {
        let mut client = Client::connect(server.inbound()).unwrap();
        client.send("eve@fabrikam.example", &["bob@contoso.example"], "Subject: x\r\n\r\nx\r\n").unwrap();
        server.mailbox("bob").wait_for("Subject: x");
    };
    let server = office.start(&place);
    send(&server);
    wait_for("the trace", || (office.outcomes(&[]).len() == 1).then_some(()));
    server.stop();
    let text = std::fs::read_to_string(&office.config).unwrap();
    std::fs::write(&office.config, format!("{text}\n[trace]\ndays = 0\n")).unwrap();
    let server = office.start(&place);
    send(&server);
    assert_eq!(office.outcomes(&[]), []);
    server.stop();
    let left = std::fs::read_dir(place.path().join("data/trace")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).filter(|name| name != "lock").collect();
    assert!(names.is_empty(), "{names:?}");
}
