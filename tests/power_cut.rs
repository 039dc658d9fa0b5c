//! A power cut under the real server: what a client was told is accepted is found in every image of the disk.
//!
//! The program runs under strace, which writes down each write, each synchronisation and each word to a client in the
//! order of the kernel. From that log images of the disk are rebuilt as a power cut would have left them at chosen
//! points: what was synchronised is there, of everything else a part by chance. On each image the program starts again,
//! and everything acknowledged before the point must be there, once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests may stop at the first surprise, and read settings of their own"
)]

mod calls;
mod image;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use franking::world::random::{Random as _, SeededRandom};
use rustix::process::{Pid, Signal, kill_process};

use self::calls::{Call, TRACED, is_below};
use crate::crash::{ROUTES, STRANGER, copies};
use crate::support::process::run;
use crate::support::server::{PROGRAM, Server};
use crate::support::smtp::Client;
use crate::support::{PATIENCE, Place, parts, within};

const SESSIONS: usize = 6;
const MESSAGES: usize = 12;
/// Every shared mailbox made while mail comes in.
const CHANGES: usize = 6;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How many images are rebuilt.
fn images() -> u64 {
    if std::env::var_os("FRANKING_LONG").is_some() { 200 } else { setting("FRANKING_IMAGES", 12) }
}

/// A message that says who it is in its Message-ID, which the acknowledgement repeats. Every sixth is too large for the
/// journal itself.
fn content(token: &str, number: usize) -> String {
    let lines = if number % 6 == 5 { 4_500 } else { 10 + number * 3 };
    let body = "seventy characters of nothing in particular, again and again and again.\r\n".repeat(lines);
    format!("From: {STRANGER}\r\nMessage-ID: <{token}@x>\r\nSubject: {token}\r\n\r\n{body}end of {token}\r\n")
}

fn route_of(token: &str) -> usize {
    token.split('-').nth(1).and_then(|number| number.parse().ok()).unwrap()
}

fn load(address: SocketAddr, session: usize) {
    let mut client = Client::connect(address).unwrap();
    for number in 0..MESSAGES {
        let route = (session + number) % ROUTES.len();
        let token = format!("power-{route}-{session}-{number}-end");
        client.send(STRANGER, ROUTES[route].0, &content(&token, number)).unwrap();
    }
}

fn make_mailbox(data: &Path, number: usize) {
    let mut command = Command::new(PROGRAM);
    command.arg("--data").arg(data).args(["recipient", "new", &format!("shared{number}@contoso.example")]);
    let outcome = run(command.args(["--type", "SharedMailbox"]), "");
    assert!(outcome.status.success(), "{}", outcome.text);
}

/// Runs the server under load and gives what it did; `None` after saying why that cannot be watched here.
fn watch(place: &Place) -> Option<Vec<Call>> {
    let strace = parts::find("strace")?;
    let log = place.path().join("calls");
    let probe = run(Command::new(&strace).args(["-f", "-o"]).arg(place.path().join("probe")).arg("true"), "");
    if !probe.status.success() {
        parts::left_out("no process may be traced here");
        return None;
    }
    let mut command = Command::new(strace);
    command.args(["-f", "-q", "-y", "-xx", "-s", "4000000", "--seccomp-bpf", "-o"]).arg(&log);
    command.args(["-e", &format!("trace={TRACED}")]).arg(PROGRAM);
    let server = Server::demo_at(place, "data", command);
    let (address, data) = (server.inbound(), place.path().join("data"));
    std::thread::scope(|scope| {
        for session in 0..SESSIONS {
            scope.spawn(move || load(address, session));
        }
        (0..CHANGES).for_each(|number| make_mailbox(&data, number));
    });
    let process = std::fs::read_to_string(&log).unwrap().split(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::TERM).unwrap();
    server.wait_for_end();
    Some(calls::read(&std::fs::read_to_string(&log).unwrap()))
}

/// What was acknowledged before each call: tokens of messages, and local parts of new mailboxes.
#[derive(Clone, Debug, Default)]
struct Acknowledged {
    messages: Vec<String>,
    mailboxes: Vec<String>,
}

impl Acknowledged {
    fn hear(&mut self, octets: &[u8]) {
        let text = String::from_utf8_lossy(octets);
        for reply in text.split("250 2.6.0 <").skip(1) {
            self.messages.extend(reply.split_once("@x>").map(|(token, _)| token.to_owned()));
        }
        if text.contains("\"result\":\"done\"") {
            let name =
                text.split_once("shared").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
            self.mailboxes.extend(name.map(|digits: String| format!("shared{digits}")));
        }
    }
}

/// Starts the server on an image and lets it finish. Everything acknowledged must be there once.
fn examine(place: &Place, name: &str, acknowledged: &Acknowledged, what: &str) {
    let server = Server::demo_at(place, name, Command::new(PROGRAM));
    let expected: Vec<(String, String)> = acknowledged
        .messages
        .iter()
        .flat_map(|token| ROUTES[route_of(token)].1.iter().map(move |at| (token.clone(), (*at).to_owned())))
        .collect();
    let mut missing = Vec::new();
    within(PATIENCE, || {
        let found = copies(&server);
        missing = expected.iter().filter(|copy| !found.contains_key(*copy)).cloned().collect();
        missing.is_empty().then_some(())
    });
    assert!(missing.is_empty(), "{what}: of {} acknowledged, lost: {missing:?}", acknowledged.messages.len());
    let local: BTreeMap<_, _> =
        copies(&server).into_iter().filter(|((_, at), count)| *count > 1 && !at.contains('@')).collect();
    assert!(local.is_empty(), "{what}: delivered more than once: {local:?}");
    let data = place.path().join(name);
    for mailbox in &acknowledged.mailboxes {
        let mut command = Command::new(PROGRAM);
        let outcome = run(command.arg("--data").arg(&data).args(["recipient", "show", mailbox]), "");
        assert!(outcome.status.success(), "{what}: {mailbox} is lost: {}", outcome.text);
    }
    server.stop();
    std::fs::remove_dir_all(data).unwrap();
}

/// Where the power goes: right after words to clients, right after synchronisations, and anywhere.
fn cut_points(calls: &[Call], first: usize, random: &SeededRandom) -> Vec<usize> {
    let any = |of: &[usize]| of[usize::try_from(random.below(of.len() as u64)).unwrap()];
    let after = |wanted: &dyn Fn(&Call) -> bool| -> Vec<usize> {
        let ends = calls.iter().enumerate().skip(first).filter(|(_, call)| wanted(call)).map(|(index, _)| index + 1);
        ends.collect()
    };
    let acknowledgements = after(&|call| matches!(call, Call::Say(octets) if octets.starts_with(b"250 2.6.0")));
    let synchronizations = after(&|call| matches!(call, Call::Synchronize(_) | Call::EndEverything(_)));
    let all: Vec<usize> = (first + 1..=calls.len()).collect();
    assert!(!acknowledgements.is_empty() && !synchronizations.is_empty());
    (0..images())
        .map(|number| match number % 3 {
            0 => any(&acknowledgements),
            1 => any(&synchronizations),
            _ => any(&all),
        })
        .collect()
}

#[test]
fn whatever_was_acknowledged_is_found_in_every_image_of_the_disk() {
    let place = Place::new();
    let Some(calls) = watch(&place) else { return };
    let data: PathBuf = place.path().join("data").canonicalize().unwrap();
    let mut all = Acknowledged::default();
    let mut heard = |call: &Call| {
        if let Call::Say(octets) = call {
            all.hear(octets);
        }
        (all.messages.len(), all.mailboxes.len())
    };
    let counts: Vec<(usize, usize)> = calls.iter().map(&mut heard).collect();
    assert_eq!(all.messages.len(), SESSIONS * MESSAGES, "the log does not show every acknowledgement");
    assert_eq!(all.mailboxes.len(), CHANGES, "the log does not show every change");
    assert!(calls.iter().any(|call| matches!(call, Call::WriteAt(path, ..) if is_below(path, &data.join("queue")))));
    // The sample organisation comes before everything else.
    let first = calls.iter().position(|call| matches!(call, Call::Say(_))).unwrap();
    let seed = setting("FRANKING_SEED", u64::from(std::process::id()));
    let random = SeededRandom::new(seed);
    for (number, cut) in cut_points(&calls, first, &random).into_iter().enumerate() {
        let (messages, mailboxes) = counts[cut - 1];
        let acknowledged = Acknowledged {
            messages: all.messages[..messages].to_vec(),
            mailboxes: all.mailboxes[..mailboxes].to_vec(),
        };
        let name = format!("image-{number}");
        image::rebuild(&calls[..cut], &data, random.next_u64(), &place.path().join(&name));
        let what = format!("seed {seed}, image {number}, power cut after call {cut} of {}", calls.len());
        examine(&place, &name, &acknowledged, &what);
    }
    eprintln!("{} images, {} calls, {} acknowledged; seed {seed}", images(), calls.len(), all.messages.len());
}
