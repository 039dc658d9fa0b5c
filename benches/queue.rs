//! What a full queue costs: `cargo bench --bench queue` fills a queue with deferred messages, stops it, and opens it
//! again in a process of its own.
//!
//! Counted are the processor time of the start, the memory that each message takes, and what the journal takes on disk.
//! Processor time and not wall time, since a shared machine's clock measures the neighbours.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use franking::model::directory::{AcceptedDomain, Change, DomainType, Recipient, RecipientId, RecipientType, Snapshot};
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::{
    DsnRequest, Envelope, Evidence, MessageParameters, Posting, Proof, Refusal, Sender, Settings, Unrecorded, admit,
    expand, sign_in,
};
use franking::model::queue::{Attempt, Limits, Outcome, Schedule, Target};
use franking::store::journal::JournalOptions;
use franking::store::queue::{OwnMessage, Queue, QueueOptions, Unwitnessed, Work};
use franking::world::clock::ManualClock;
use franking::world::disk::RealDisk;
use rustix::time::{ClockId, clock_gettime};

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// The names of the two ways in which this program calls itself.
const FILL: &str = "fill";
const OPEN: &str = "open";
/// Commits that are under way at once.
const WINDOW: u64 = 4_000;
/// As many domains share the messages.
const DOMAINS: u64 = 1_000;
const BODY_BYTES: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [FILL, place, count] => fill(Path::new(place), count.parse().unwrap()),
        [OPEN, place] => open(Path::new(place)),
        arguments => compare(arguments.contains(&"--bench")),
    }
}

/// Without `--bench` one small round shows that everything runs.
fn compare(full: bool) {
    let sizes = if full { &SIZES[..] } else { &SIZES[..1] };
    println!(
        "{:>12}{:>16}{:>16}{:>18}{:>18}{:>18}",
        "deferred", "journal MiB", "start CPU s", "start CPU us each", "memory MiB", "octets each"
    );
    for count in sizes {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_str().unwrap();
        call(&[FILL, path, &count.to_string()]);
        let opened = call(&[OPEN, path]);
        let figures: Vec<f64> = opened.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [messages, seconds, octets, journal] = figures.try_into().unwrap();
        assert_eq!(messages as u64, *count, "a message is missing");
        let mebibyte = f64::from(1 << 20);
        println!(
            "{count:>12}{:>16.0}{seconds:>16.2}{:>18.2}{:>18.0}{:>18.0}",
            journal / mebibyte,
            seconds * 1e6 / messages,
            octets / mebibyte,
            octets / messages
        );
    }
}

fn call(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    resident * 4096.0
}

fn queue(place: &Path, now: Timestamp) -> Queue {
    let options = QueueOptions {
        journal: JournalOptions { free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) },
        schedule: Schedule::exchange_online(),
        limits: Limits::default(),
        expired: Refusal::MessageExpired.bare_reply(&Settings::default()),
        witness: Arc::new(Unwitnessed),
    };
    Queue::open(Arc::new(RealDisk), place, options, Arc::new(ManualClock::new(now))).unwrap().0
}

fn start() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

fn open(place: &Path) {
    let (resident, begun) = (resident_bytes(), cpu_seconds());
    let queue = queue(place, start());
    let (seconds, octets) = (cpu_seconds() - begun, resident_bytes() - resident);
    println!("{} {seconds} {octets} {}", queue.count(), queue.usage().bytes);
}

fn contoso() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let alice = Address::parse("alice@contoso.example").unwrap();
    let mut alice = Recipient::new(RecipientId(1), RecipientType::UserMailbox, "alice", alice);
    alice.account.as_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
    Snapshot::default().apply(&[Change::PutDomain(domain), Change::PutRecipient(Box::new(alice))]).unwrap()
}

/// `count` messages to other domains, each tried once in vain.
fn fill(place: &Path, count: u64) {
    let (snapshot, settings, now) = (contoso(), Settings::default(), start());
    let queue = queue(place, now);
    let right = Evidence::Right(Proof::Password);
    let alice = sign_in(&snapshot, &settings, "alice@contoso.example", right, &mut Unrecorded).unwrap();
    let sender = Sender::Account(alice);
    let message = |number: u64| {
        let to = Address::parse(&format!("user{number}@domain{}.example", number % DOMAINS)).unwrap();
        let path = ForwardPath::Mailbox(to);
        let reverse_path = ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap());
        let posting = Posting::announced(&snapshot, sender.origin(), &reverse_path, 0);
        let permit = admit(&snapshot, &settings, &posting, path, DsnRequest::default(), &mut Unrecorded).unwrap();
        let parameters = MessageParameters { session: Some("EB0347E32CAC5892".into()), ..MessageParameters::default() };
        let envelope = Envelope::new(&sender, reverse_path, parameters, vec![permit]).unwrap();
        let content = format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(BODY_BYTES)).into_bytes();
        OwnMessage { envelope, content }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut number = 0;
    while number < count {
        let window: Vec<OwnMessage> = (number..count.min(number + WINDOW)).map(&message).collect();
        number += window.len() as u64;
        runtime.block_on(async {
            let mut under_way = Vec::new();
            for message in window {
                let mut commit = Box::pin(queue.commit_own(message));
                // Handed over at the first look, so that many share one batch.
                let first = std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context))).await;
                if first.is_pending() {
                    under_way.push(commit);
                }
            }
            for commit in under_way {
                commit.await.unwrap();
            }
            settle(&queue, &snapshot, &settings, now).await;
        });
    }
}

/// Expands what was committed and lets every attempt fail.
async fn settle(queue: &Queue, snapshot: &Snapshot, settings: &Settings, now: Timestamp) {
    let reply = Reply::new(451, EnhancedStatus(4, 4, 1), "mx.fabrikam.example: connection refused");
    let deferred = Outcome::Deferred(Attempt { at: now, host: None, reply });
    loop {
        let mut expanded = Vec::new();
        let mut idle = true;
        while let Some(work) = queue.take_work() {
            idle = false;
            match work {
                Work::Expand(id) => {
                    let message = queue.message(id).await.unwrap();
                    let envelope = &message.envelope;
                    let posting = Posting::of(snapshot, envelope, &message.head, message.bytes());
                    let found = expand(snapshot, settings, &posting, envelope.permits(), now, &mut Unrecorded);
                    let targets = found.into_iter().map(|one| Target::of(one, snapshot, settings, now)).collect();
                    expanded.push(queue.expanded(id, targets));
                }
                Work::Attempt(job) => {
                    let outcomes = job.targets.iter().map(|(place, _)| (*place, deferred.clone())).collect();
                    queue.outcomes(job.lease, outcomes, job.id.0);
                }
                Work::Report(_) | Work::Reply(_) | Work::Request(..) | Work::Branch(..) | Work::Find(_) => {}
            }
        }
        let waited = !expanded.is_empty();
        for ticket in expanded {
            ticket.await.unwrap();
        }
        if idle && !waited && queue.running() == 0 {
            return;
        }
    }
}
