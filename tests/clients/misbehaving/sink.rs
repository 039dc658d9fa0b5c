//! smtp-sink refuses, hangs and hangs up at each step of the dialogue, as its options say.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{End, IMPATIENT, content, report_about, reports, wait_for_answers};
use crate::clients::relay::Sink;
use crate::support::maildir::{Stored, files};
use crate::support::site::Site;
use crate::support::{Place, free_port, parts, wait_for};

const NOT_IN_TIME: &str = "the host did not answer in time";
const CLOSED: &str = "the connection was closed by the other side";

/// Name, options, end. RFC 5321 section 3.8 for 421, section 4.2.1 for classes of replies; 5xx before MAIL is about the
/// host and not the message, so it waits.
const CASES: [(&str, &[&str], End); 31] = [
    ("soft-connect", &["-r", "CONNECT"], End::Mended("450 4.3.0 Error: command failed")),
    ("soft-helo", &["-r", "EHLO,HELO"], End::Mended("450 4.3.0 Error: command failed")),
    ("soft-mail", &["-r", "MAIL"], End::Mended("450 4.3.0 Error: command failed")),
    ("soft-rcpt", &["-r", "RCPT"], End::Mended("450 4.3.0 Error: command failed")),
    ("soft-data", &["-r", "DATA"], End::Mended("450 4.3.0 Error: command failed")),
    ("soft-dot", &["-r", "."], End::Mended("450 4.3.0 Error: command failed")),
    ("greylist", &["-r", "RCPT", "-b", "451 4.7.1 Greylisted, come back"], End::Mended("451 4.7.1 Greylisted")),
    ("hard-connect", &["-f", "CONNECT"], End::Mended("451 4.3.0 127.0.0.1 said 500 5.3.0 Error: command failed")),
    ("hard-ehlo", &["-f", "EHLO"], End::Delivered),
    ("hard-helo", &["-f", "EHLO,HELO"], End::Mended("Error: command failed")),
    ("hard-mail", &["-f", "MAIL"], End::Reported("5.3.0")),
    ("hard-rcpt", &["-f", "RCPT", "-B", "550 5.1.1 No such user"], End::Reported("5.1.1")),
    ("hard-data", &["-f", "DATA", "-B", "554 5.7.1 Not from you"], End::Reported("5.7.1")),
    ("hard-dot", &["-f", ".", "-B", "554 5.6.0 Bad content"], End::Reported("5.6.0")),
    ("no-status", &["-f", "RCPT", "-B", "550 Nobody"], End::Reported("5.0.0")),
    ("leave-connect", &["-Q", "CONNECT"], End::Mended("421")),
    ("leave-helo", &["-Q", "EHLO"], End::Mended("421")),
    ("leave-mail", &["-Q", "MAIL"], End::Mended("421")),
    ("leave-rcpt", &["-Q", "RCPT"], End::Mended("421")),
    ("leave-data", &["-Q", "DATA"], End::Mended("421")),
    ("leave-dot", &["-Q", "."], End::Mended("421")),
    ("gone-connect", &["-q", "CONNECT"], End::Mended(CLOSED)),
    ("gone-helo", &["-q", "EHLO"], End::Mended(CLOSED)),
    ("gone-mail", &["-q", "MAIL"], End::Mended(CLOSED)),
    ("gone-rcpt", &["-q", "RCPT"], End::Mended(CLOSED)),
    ("gone-data", &["-q", "DATA"], End::Mended(CLOSED)),
    ("hang-connect", &["-W", "CONNECT:600"], End::Mended(NOT_IN_TIME)),
    ("hang-rcpt", &["-p", "-W", "RCPT:600"], End::Mended(NOT_IN_TIME)),
    ("hang-data", &["-w", "600"], End::Mended(NOT_IN_TIME)),
    ("abort-data", &["-A", "0"], End::Reported("5.0.0")),
    ("plain-old", &["-e", "-8", "-N", "-p", "-E"], End::Delivered),
];

/// A host that runs, and where its mail goes.
struct Peer {
    sink: Option<Sink>,
    port: u16,
    mail: PathBuf,
}

/// Where a host that has given up its rights may write.
fn directory(place: &Place, name: &str) -> PathBuf {
    let mail = place.directory(name);
    std::fs::set_permissions(&mail, Permissions::from_mode(0o777)).unwrap();
    mail
}

#[test]
fn refusals_silence_and_hanging_up_at_every_step_end_as_documented() {
    if parts::find("smtp-sink").is_none() {
        return;
    }
    let place = Place::new();
    let mut peers = BTreeMap::new();
    for (name, options, _) in CASES {
        let (mail, port) = (directory(&place, name), free_port());
        let Some(sink) = Sink::start_with(&mail, port, options) else { return };
        peers.insert(name, Peer { sink: Some(sink), port, mail });
    }
    let domains: Vec<String> = CASES.iter().map(|(name, ..)| format!("{name}.example")).collect();
    let routes: Vec<(&str, u16)> =
        domains.iter().zip(CASES).map(|(domain, (name, ..))| (domain.as_str(), peers[name].port)).collect();
    let site = Site::set_up(&place, &routes, IMPATIENT);
    let server = site.start(&place);
    let mut alice = site.alice();
    for ((name, ..), domain) in CASES.iter().zip(&domains) {
        let to = format!("user@{domain}");
        alice.send("alice@contoso.example", &[&to], &content(name, "Hello.")).unwrap();
    }
    drop(alice);
    let waiting = CASES.iter().filter_map(|(name, _, end)| match end {
        End::Mended(words) => Some((*name, peers[name].port, *words)),
        End::Delivered | End::Reported(_) => None,
    });
    wait_for_answers(&site, waiting.collect());
    for (name, _, end) in CASES {
        if let (End::Mended(_), Some(peer)) = (end, peers.get_mut(name)) {
            drop(peer.sink.take());
            // In the other directory is what it refused.
            peer.mail = directory(&place, &format!("{name}-mended"));
            peer.sink = Sink::start_with(&peer.mail, peer.port, &[]);
        }
    }
    for (name, _, end) in CASES {
        if let End::Reported(status) = end {
            let report = report_about(&server, &format!("{name}.example"), "user");
            assert!(report.contains(&format!("Status: {status}")), "{name}: {}", report.text());
            assert!(report.contains("Remote-MTA: dns;127.0.0.1"), "{name}: {}", report.text());
        }
    }
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for (name, _, end) in CASES {
        let taken = files(&peers[name].mail);
        let whole = taken.iter().filter(|message| message.contains("\nHello.\n")).count();
        // What it reported it had not taken, though smtp-sink writes it down.
        if !matches!(end, End::Reported(_)) {
            assert_eq!(whole, 1, "{name}: {:?}", taken.iter().map(Stored::text).collect::<Vec<_>>());
        }
    }
    let reported = CASES.iter().filter(|(.., end)| matches!(end, End::Reported(_))).count();
    assert_eq!(reports(&server), reported, "every failure is reported once, and nothing else");
    server.stop();
}
