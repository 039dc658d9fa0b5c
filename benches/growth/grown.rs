//! What grows: it is filled by the library that the program uses, while no server runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use franking::model::directory::{Change, Recipient, RecipientId, RecipientType, Snapshot};
use franking::model::mail::Address;
use franking::store::directory::DirectoryStore;
use franking::store::engine::EmbeddedEngine;
use franking::world::disk::RealDisk;
use franking::world::{Clock as _, SystemClock};

use crate::backlog;
use crate::support::subject::{Premises, Subject};

/// See the head of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grown {
    /// Licensed users, each with two addresses.
    Directory,
    /// Messages in one mailbox.
    Mailbox,
    /// Messages to elsewhere, which wait for their next attempt.
    Queue,
}

/// Messages go to so many users, at every size: more of them would be more mailboxes, and not a larger directory.
const CHOSEN: u64 = 10;
/// A list of changes has so many.
const PORTION: usize = 1_000;

impl Grown {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Directory => "recipients in the directory",
            Self::Mailbox => "messages in the mailbox",
            Self::Queue => "messages wait in the queue",
        }
    }

    /// Puts so many there, and gives the addresses to which messages go.
    pub(crate) fn fill(self, premises: &Arc<Premises>, count: u64) -> Vec<String> {
        let bob = vec!["bob@contoso.example".to_owned()];
        match self {
            Self::Directory => {
                directory(premises, count);
                // From the first to nearly the last, so that the caches of a large directory are not flattered.
                (0..CHOSEN).map(|number| address(number * count / CHOSEN).to_string()).collect()
            }
            Self::Mailbox => {
                mailbox(&premises.data().join("mailboxes").join("2").join("cur"), count);
                bob
            }
            Self::Queue => {
                queue(premises, count);
                bob
            }
        }
    }
}

fn address(number: u64) -> Address {
    Address::parse(&format!("user{number}@contoso.example")).unwrap()
}

fn user(number: u64, id: RecipientId) -> Change {
    let mut user = Recipient::new(id, RecipientType::UserMailbox, format!("user{number}"), address(number));
    user.addresses.add(Address::parse(&format!("first.last{number}@contoso.example")).unwrap());
    if let Some(account) = &mut user.account {
        account.licences.push("ExchangeOnlinePlan1".into());
    }
    Change::PutRecipient(Box::new(user))
}

fn directory(premises: &Premises, count: u64) {
    let open = |place: &Path| Ok(Box::new(EmbeddedEngine::open(place)?) as Box<_>);
    let place = premises.data().join("directory");
    let (store, _) = DirectoryStore::open(Arc::new(RealDisk), &place, &open, Arc::new(SystemClock::new()), 7).unwrap();
    let numbers: Vec<u64> = (0..count).collect();
    for portion in numbers.chunks(PORTION) {
        let plan = |snapshot: &Snapshot| {
            let ids = snapshot.next_id().0..;
            Ok(portion.iter().zip(ids).map(|(number, id)| user(*number, RecipientId(id))).collect())
        };
        store.change("bench", &mut { plan }).unwrap();
    }
}

/// Messages that a reader has seen.
fn mailbox(folder: &Path, count: u64) {
    fs::create_dir_all(folder).unwrap();
    let message = b"Subject: The minutes of Monday\n\nEverybody was there, nothing was decided.\n";
    for number in 0..count {
        fs::write(folder.join(format!("{number}.mx,S={0},W={0}:2,S", message.len())), message).unwrap();
    }
}

fn queue(premises: &Arc<Premises>, count: u64) {
    backlog::fill(&premises.data().join("queue"), count, SystemClock::new().now());
    // What the journal has not told yet goes into the message trace at the next start. That is no cost of the start,
    // since whoever accepted these messages would have told it.
    drop(Subject::start_in(premises).unwrap());
}
