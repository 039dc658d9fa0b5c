//! Who is refused for a full mailbox, and when it is looked at again.

use core::net::IpAddr;
use core::sync::atomic::{AtomicUsize, Ordering};

use franking::model::directory::RecipientId;
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::limits::{self, Received};
use franking::model::policy::quota::Usage;
use franking::model::policy::restricted::Submitter;
use franking::model::policy::traffic::{Kind, Rules};
use franking::model::policy::{DsnRequest, Posting, Refusal, Sender, Settings, Tallies, Unrecorded, admit};

use crate::dialogues::directory;

/// Every mailbox holds so much.
#[derive(Default)]
struct Held {
    bytes: u64,
    doubts: AtomicUsize,
}

impl Tallies for Held {
    fn usage(&self, _: RecipientId) -> Option<Usage> {
        Some(Usage { bytes: self.bytes, messages: 1 })
    }

    fn doubt(&self, _: RecipientId) {
        self.doubts.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&self, _: RecipientId, _: &ReversePath, _: Timestamp) -> Received {
        Received::default()
    }

    fn submitted(&self, _: RecipientId) -> u32 {
        0
    }

    fn addressed(&self, _: RecipientId) -> u32 {
        0
    }

    fn is_restricted(&self, _: &Submitter) -> bool {
        false
    }

    fn is_used_up(&self, _: &Rules, _: Kind, _: IpAddr) -> bool {
        false
    }
}

/// What a stranger hears who has mail for alice, and how often her mailbox is doubted.
fn receive(bytes: u64) -> (Result<(), Refusal>, usize) {
    let (snapshot, settings) = (directory("contoso"), Settings::default());
    let alice = ForwardPath::Mailbox(Address::parse("alice@contoso.example").unwrap());
    let posting = Posting::own();
    let permit = admit(&snapshot, &settings, &posting, alice, DsnRequest::default(), &mut Unrecorded).unwrap();
    let held = Held { bytes, ..Held::default() };
    let (sender, nobody) = (Sender::Anonymous, ReversePath::Null);
    let heard = limits::receive(&snapshot, &settings, &held, &sender, &nobody, &permit, Timestamp::EPOCH);
    (heard, held.doubts.into_inner())
}

#[test]
fn a_mailbox_is_looked_at_again_when_mail_is_refused_for_what_it_holds_and_not_for_each_recipient() {
    // Counting a large mailbox for every message that comes would cost more than the message.
    assert_eq!(receive(1), (Ok(()), 0));
    let (heard, doubts) = receive(u64::MAX);
    assert!(matches!(heard, Err(Refusal::RecipientMailboxFull)), "{heard:?}");
    assert_eq!(doubts, 1);
}
