//! What the queue tells: at its start everything in its journal, some of which the files have already; then each
//! message once.

use std::collections::{HashMap, HashSet};

use super::files::Record;
use super::outbound::Key;
use super::{Branch, Delivered, Hour, Slot, Tally, pair_of};
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::model::policy::restricted::{Submitter, external_recipients};
use crate::model::policy::{Envelope, Origin};
use crate::model::queue::{EntryFacts, Event, Hop, QueueId, Target};
use crate::store::intake::locked;
use crate::store::queue::{Happened, Witness};

/// The messages that the files have.
#[derive(Debug, Default)]
pub(super) struct Replay {
    sent: HashMap<Hour, HashSet<QueueId>>,
    /// One by one: a power cut may have taken some of the slips of an expansion.
    received: HashSet<(QueueId, RecipientId)>,
    /// Hours that were summed up when all of their messages had been counted.
    summed: HashSet<Hour>,
}

impl Replay {
    pub(super) fn note(&mut self, hour: Hour, record: &Record) {
        match record {
            Record::Sent { id, .. } | Record::Outbound { id: Some(id), .. } => {
                self.sent.entry(hour).or_default().insert(*id);
            }
            Record::Sum { .. } | Record::Outbound { id: None, .. } => {
                self.summed.insert(hour);
            }
            Record::Received { id, mailbox, .. } => {
                self.received.insert((*id, *mailbox));
            }
            // With the hour.
            Record::Pardon { .. } => {}
        }
    }

    fn has_sent(&self, hour: Hour, id: QueueId) -> bool {
        self.summed.contains(&hour) || self.sent.get(&hour).is_some_and(|ids| ids.contains(&id))
    }
}

impl Tally {
    /// The deliveries of an expansion.
    fn deliveries(facts: &EntryFacts, slot: Slot, targets: &[Target]) -> Vec<Delivered> {
        if facts.origin == Origin::System {
            return Vec::new();
        }
        let mailboxes = targets.iter().filter_map(|target| match &target.addressee.hop {
            Hop::Mailbox(mailbox) => Some((*mailbox, pair_of(*mailbox, &facts.reverse_path))),
            Hop::SentItems(_) | Hop::Postmaster | Hop::Relay { .. } | Hop::Nowhere | Hop::Approval(_) => None,
        });
        mailboxes.map(|(mailbox, pair)| Delivered { mailbox, pair, slot }).collect()
    }

    /// Counts the recipients outside of a message that was accepted; none when there are none.
    fn count_outside(&self, facts: &EntryFacts, envelope: &Envelope) -> Option<Record> {
        let (submitter, recipients) = (Submitter::of(envelope)?, external_recipients(envelope));
        let (key, slot) = (Key::of(&submitter), Slot::of(facts.accepted_at));
        if recipients == 0 {
            return None;
        }
        let mut shard = self.shard(key.0);
        shard.outbound.entry(key).or_default().accepted(facts.id, slot, recipients);
        Some(Record::Outbound { id: Some(facts.id), submitter: key.0, recipients, slot })
    }

    /// Counts an expansion that was made at a time, unless that was done when it was made, or is over.
    fn told(&self, branch: Branch, facts: &EntryFacts, at: Timestamp, targets: &[Target]) {
        let slot = Slot::of(at);
        let taken = locked(&self.taken).remove(&branch);
        if !slot.is_within_hour_of(Slot::of(self.clock.now())) {
            return;
        }
        let deliveries = taken.unwrap_or_else(|| {
            let mut deliveries = Self::deliveries(facts, slot, targets);
            if let Some(replay) = locked(&self.replay).as_ref() {
                deliveries.retain(|one| !replay.received.contains(&(facts.id, one.mailbox)));
            }
            deliveries.iter().for_each(|one| self.received_one(*one));
            deliveries
        });
        let of = |one: &Delivered| {
            let (mailbox, pair, slot) = (one.mailbox, one.pair, Some(one.slot));
            Record::Received { id: facts.id, mailbox, pair, slot }
        };
        locked(&self.files).gather(slot.hour(), deliveries.iter().map(of));
    }
}

impl Witness for Tally {
    /// Everything is told again: what is known is found by its id.
    fn seen(&self) -> u64 {
        0
    }

    fn committed(&self, _: u64, facts: &EntryFacts, envelope: &Envelope, _: &[u8]) {
        let account = match envelope.origin() {
            Origin::Account(account) => Some(account),
            // A connector's clients count for what they send outside alone.
            Origin::Anonymous | Origin::Connector { .. } if envelope.connector().is_some() => None,
            Origin::Anonymous | Origin::System | Origin::Connector { .. } => return,
        };
        let hour = Hour::of(facts.accepted_at);
        let known = locked(&self.replay).as_ref().is_some_and(|replay| replay.has_sent(hour, facts.id));
        if known || !hour.is_within_day_of(Hour::of(self.clock.now())) {
            return;
        }
        let sent = account.map(|account| {
            let recipients = u32::try_from(envelope.permits().len()).unwrap_or(u32::MAX);
            let mut shard = self.shard(account.0);
            let sender = shard.senders.entry(account).or_default();
            // At once, so that nobody sees it held and counted, or neither.
            sender.held.retain(|held| held.id != Some(facts.id));
            sender.recipients.add(hour, recipients);
            Record::Sent { id: facts.id, account, recipients }
        });
        let records: Vec<Record> = sent.into_iter().chain(self.count_outside(facts, envelope)).collect();
        if !records.is_empty() {
            locked(&self.files).append_sent(hour, &records);
        }
    }

    fn expanded(&self, _: u64, facts: &EntryFacts, targets: &[Target]) {
        self.told(Branch { id: facts.id, below: None }, facts, facts.accepted_at, targets);
    }

    /// One who approves a hundred messages at once is no slower than a hundred senders, so what moderators let pass is
    /// counted at that time.
    fn branched(&self, _: u64, facts: &EntryFacts, place: u32, _: u32, targets: &[Target]) {
        let branch = Branch { id: facts.id, below: Some(place) };
        let approved_at = locked(&self.approved).remove(&branch);
        self.told(branch, facts, approved_at.unwrap_or(facts.accepted_at), targets);
    }

    fn moved(&self, _: u64, facts: &EntryFacts, happened: &[Happened]) {
        for one in happened {
            if let Event::Approved(decision) = &one.event {
                locked(&self.approved).insert(Branch { id: facts.id, below: Some(one.place) }, decision.at);
            }
        }
    }

    fn settled(&self, _: u64) {
        // Said first when the queue has told all that it has.
        *locked(&self.replay) = None;
        self.paused();
    }

    fn paused(&self) {
        locked(&self.files).write_gathered();
    }
}
