//! What only a scripted host does: broken TLS, octets one by one, replies without end, a verdict that never comes.

use std::collections::BTreeMap;

use super::host::{Fault, Host, Step};
use super::{End, IMPATIENT, content, report_about, reports, wait_for_answers};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

const NOT_IN_TIME: &str = "the host did not answer in time";
const CLOSED: &str = "the connection was closed by the other side";

/// Name, fault, end, and how often the host has the message then.
const CASES: [(&str, Fault, End, usize); 20] = [
    ("silent", Fault::Silent, End::Mended(NOT_IN_TIME), 1),
    // It has judged nobody's message, so the message waits, whatever the class of its words.
    (
        "unwilling",
        Fault::Says(Step::Greeting, b"554 5.7.1 not for you\r\n"),
        End::Mended("451 4.7.1 127.0.0.1 said 554 5.7.1 not for you in reply to "),
        1,
    ),
    ("web", Fault::Says(Step::Greeting, b"HTTP/1.1 400 Bad Request\r\n\r\n"), End::Mended("it sent"), 1),
    ("binary", Fault::Says(Step::Greeting, b"\x16\x03\x01\x00\xff\x00\r\n"), End::Mended("it sent"), 1),
    ("drip-greeting", Fault::Drips(Step::Greeting), End::Mended(NOT_IN_TIME), 1),
    ("drip-rcpt", Fault::Drips(Step::Rcpt), End::Mended(NOT_IN_TIME), 1),
    ("drip-dot", Fault::Drips(Step::Dot), End::Mended(NOT_IN_TIME), 1),
    ("chatter-ehlo", Fault::Chatters(Step::Ehlo), End::Mended("it sent"), 1),
    ("chatter-dot", Fault::Chatters(Step::Dot), End::Mended("it sent"), 1),
    ("tls-garbage", Fault::BreaksTls(b"This is no handshake.\r\n"), End::Delivered, 1),
    ("tls-silence", Fault::BreaksTls(b""), End::Delivered, 1),
    ("tls-gone", Fault::LeavesTls, End::Delivered, 1),
    ("dropped", Fault::LeavesAfterDot { keeps: false }, End::Mended(CLOSED), 1),
    // The one duplicate that no sender can avoid (RFC 1047): the host had it and did not say so.
    ("kept", Fault::LeavesAfterDot { keeps: true }, End::Mended(CLOSED), 2),
    ("deaf", Fault::IsDeaf, End::Mended(NOT_IN_TIME), 1),
    ("interrupts", Fault::Interrupts, End::Reported("5.3.4"), 0),
    ("early-354", Fault::Says(Step::Mail, b"354 go on\r\n"), End::Mended("makes no sense"), 1),
    ("late-354", Fault::Says(Step::Dot, b"354 go on\r\n"), End::Mended("makes no sense"), 1),
    ("half-reply", Fault::Says(Step::Mail, b"250-2.1.0 and"), End::Mended(CLOSED), 1),
    ("hostile", Fault::Says(Step::Rcpt, b"450 4.2.1 \x1b[2J\x07\xe2\x80\xae\x00<b>busy\r\n"), End::Mended("busy"), 1),
];

/// More than sockets and pipes hold between two programs.
const LARGE_LINES: usize = 150_000;

#[test]
fn what_a_host_does_against_all_rules_costs_nothing_but_time() {
    let place = Place::new();
    let hosts: BTreeMap<&str, Host> = CASES.iter().map(|(name, fault, ..)| (*name, Host::start(*fault))).collect();
    let domains: Vec<String> = CASES.iter().map(|(name, ..)| format!("{name}.example")).collect();
    let routes: Vec<(&str, u16)> =
        domains.iter().zip(CASES).map(|(domain, (name, ..))| (domain.as_str(), hosts[name].port)).collect();
    let site = Site::set_up(&place, &routes, IMPATIENT);
    let server = site.start(&place);
    let mut alice = site.alice();
    let large = "seventy characters of nothing in particular, again and again and again.\r\n".repeat(LARGE_LINES);
    for ((name, ..), domain) in CASES.iter().zip(&domains) {
        let body = if *name == "deaf" { large.as_str() } else { "Hello." };
        let to = format!("user@{domain}");
        alice.send("alice@contoso.example", &[&to], &content(name, body)).unwrap();
    }
    drop(alice);
    let waiting = CASES.iter().filter_map(|(name, _, end, _)| match end {
        End::Mended(words) => Some((*name, hosts[name].port, *words)),
        End::Delivered | End::Reported(_) => None,
    });
    wait_for_answers(&site, waiting.collect());
    for (port, said) in site.answers() {
        assert!(said.chars().all(|character| (' '..='~').contains(&character)), "{port}: {said:?}");
    }
    // It keeps one copy for each attempt.
    let kept = hosts["kept"].taken().len();
    assert!(kept >= 1);
    CASES.iter().filter(|(_, _, end, _)| matches!(end, End::Mended(_))).for_each(|(name, ..)| hosts[name].mend());
    for (name, _, end, _) in CASES {
        if let End::Reported(status) = end {
            let report = report_about(&server, &format!("{name}.example"), "user");
            assert!(report.contains(&format!("Status: {status}")), "{name}: {}", report.text());
        }
    }
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for (name, _, _, expected) in CASES {
        let (taken, connections) = (hosts[name].taken(), hosts[name].connections());
        if name == "kept" {
            assert!((2..=connections).contains(&taken.len()), "{} copies in {connections} connections", taken.len());
        } else {
            assert_eq!(taken.len(), expected, "{name}, in {connections} connections");
        }
        let whole = |message: &String| message.contains(&format!("Subject: {name}\r\n"));
        assert!(taken.iter().all(whole), "{name}: {taken:?}");
    }
    assert_eq!(reports(&server), 1, "one failure, one report");
    server.stop();
}
