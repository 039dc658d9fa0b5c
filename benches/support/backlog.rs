//! A queue that is full of deferred messages.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// Commits that are under way at once.
const WINDOW: u64 = 4_000;
/// As many domains share the messages.
const DOMAINS: u64 = 1_000;
const BODY_BYTES: usize = 1_000;
/// After a failed attempt; no measurement takes so long.
const PAUSE: Duration = Duration::from_secs(3 * 3600);

/// Opens the queue in `place` by a clock that stands still.
pub(crate) fn queue(place: &Path, now: Timestamp) -> Queue {
    let options = QueueOptions {
        journal: JournalOptions { free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) },
        schedule: Schedule { delays: vec![PAUSE], ..Schedule::exchange_online() },
        limits: Limits::default(),
        expired: Refusal::MessageExpired.bare_reply(&Settings::default()),
        witness: Arc::new(Unwitnessed),
    };
    Queue::open(Arc::new(RealDisk), place, options, Arc::new(ManualClock::new(now))).unwrap().0
}

fn contoso() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let alice = Address::parse("alice@contoso.example").unwrap();
    let mut alice = Recipient::new(RecipientId(1), RecipientType::UserMailbox, "alice", alice);
    alice.account.as_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
    Snapshot::default().apply(&[Change::PutDomain(domain), Change::PutRecipient(Box::new(alice))]).unwrap()
}

/// `count` messages to other domains, accepted at `now`, each tried once in vain.
pub(crate) fn fill(place: &Path, count: u64, now: Timestamp) {
    let (snapshot, settings) = (contoso(), Settings::default());
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
