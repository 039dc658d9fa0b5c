//! Every fault that has a name, said over a socket at its step.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use franking::admin::office::{CapturedOrder, FaultOrder, Request, Response};
use franking::admin::socket;

use super::Double;
use crate::support::{PATIENCE, Place, wait_for};

/// A conversation by hand.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn with(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// The last line of the next reply; empty when the connection ended.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.get(3..4) != Some("-") {
                return line;
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }
}

/// The lines that lead to the answer at `step`, after the banner.
fn lines(step: &str, from: &str, secret: &str) -> Vec<String> {
    let auth = BASE64_STANDARD.encode(format!("\0alice@contoso.example\0{secret}"));
    let message = format!("From: {from}\r\nSubject: named\r\n\r\nx\r\n.");
    let (mail, rcpt) = (format!("MAIL FROM:<{from}>"), "RCPT TO:<bob@contoso.example>".to_owned());
    let order = ["banner", "ehlo", "mail", "rcpt", "data", "end-of-data"];
    let all = ["EHLO application".to_owned(), mail, rcpt, "DATA".to_owned(), message];
    match step {
        "starttls" => vec![all[0].clone(), "STARTTLS".to_owned()],
        "auth" => vec![all[0].clone(), format!("AUTH PLAIN {auth}")],
        "delivery" => all.to_vec(),
        _ => {
            let place = order.iter().position(|own| *own == step).unwrap_or_else(|| panic!("{step}"));
            all[..place].to_vec()
        }
    }
}

#[test]
fn every_named_fault_is_said_over_a_socket() {
    let place = Place::new();
    let double = Double::start(&place);
    let ask = |order| match socket::ask(&double.socket, Request::Faults(order), &mut |_| {}).unwrap() {
        Response::Failed(failure) => panic!("{failure}"),
        other => other,
    };
    // Without TLS nothing but the secret of a bound device is looked at.
    let bounds = ["--network", "127.0.0.0/8", "--sender", "alice@contoso.example", "--recipient", "inside"];
    let device = double.ask(&[&["device", "add", "alice", "application"], &bounds[..]].concat());
    let secret = device["password"].as_str().unwrap();
    let names = double.ask(&["faults", "names"]);
    let names = names.as_array().unwrap();
    assert!(names.len() > 100, "{} names", names.len());
    for (number, named) in names.iter().enumerate() {
        let text = |key: &str| named[key].as_str().unwrap();
        let (name, step, words) = (text("name"), text("step"), text("reply"));
        let script = format!("[[fault]]\nrefuse = \"{name}\"\ntimes = 1\n");
        ask(FaultOrder::Set { name: "test".to_owned(), script });
        let door = if step == "auth" { double.server.submission() } else { double.server.inbound() };
        let mut talk = Talk::with(door);
        let from = format!("eve-{number}@fabrikam.example");
        let said = lines(step, &from, secret).iter().fold(talk.reply(), |_, line| talk.say(line));
        let beginning = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        if step != "delivery" {
            assert_eq!(beginning(&said), beginning(words), "{name}: {said}");
            // What names an address of the conversation reads differently from the table.
            let names_something = words.contains('[') || name == "SendAsDenied" || name.ends_with("DomainDisabled");
            assert!(names_something || said.len() > 500 || said.starts_with(words), "{name}: {said}");
            continue;
        }
        assert!(said.starts_with("250 2.6.0 "), "{name}: {said}");
        // For good: the sender gets a report. For now: the message waits, and its rule is used up.
        if words.starts_with('5') {
            let status = words.split(' ').nth(1).unwrap();
            let report = double.server.wait_for_departure("Action: failed", &from);
            assert!(report.message.contains(&format!("Status: {status}")), "{name}: {}", report.message.text());
        } else {
            wait_for(name, || {
                let Response::Strikes { total, .. } = ask(FaultOrder::Log { after: 0 }) else { panic!() };
                (total == number as u64 + 1).then_some(())
            });
        }
    }
    let Response::Faults { strikes, .. } = ask(FaultOrder::List) else { panic!() };
    assert_eq!(strikes, names.len() as u64);
    // Whatever was refused is not among what came in.
    let captured = socket::ask(
        &double.socket,
        Request::Captured(CapturedOrder::List { sender: None, recipient: None, limit: 0 }),
        &mut |_| {},
    );
    let Response::Captured { total, .. } = captured.unwrap() else { panic!() };
    assert_eq!(total, names.iter().filter(|named| named["step"] == "delivery").count() as u64);
    double.server.stop();
}
