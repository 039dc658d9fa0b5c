//! Destinations and senders whose mail an administrator has stopped.
//!
//! Mail is still accepted and expanded; what is suspended is not attempted until it is resumed. Its time runs on:
//! notices and expiry come as if an attempt had failed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::EntryFacts;
use super::lane::LaneKey;
use super::selection::{DestinationName, Party};
use crate::model::mail::Timestamp;

/// More suspensions than this at once are refused: they are looked at for every attempt.
pub const SUSPENSIONS_MAX: usize = 1_000;
/// A longer reason is cut, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// Why and since when something is suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// The administrator's words; may be empty.
    pub reason: Box<str>,
}

/// What is to be suspended or resumed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suspendable {
    /// Everything that goes to a domain or next host.
    Destination(DestinationName),
    /// Everything from an address or a domain.
    Sender(Party),
}

/// Everything that is suspended. It is recorded as a whole whenever it alters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspensions {
    destinations: BTreeMap<DestinationName, Suspension>,
    senders: BTreeMap<Party, Suspension>,
}

impl Suspensions {
    /// Suspends; the reason given last stands. False, and no change, when there are [`SUSPENSIONS_MAX`] already.
    pub fn suspend(&mut self, what: Suspendable, suspension: Suspension) -> bool {
        let known = match &what {
            Suspendable::Destination(name) => self.destinations.contains_key(name),
            Suspendable::Sender(party) => self.senders.contains_key(party),
        };
        if !known && self.destinations.len().saturating_add(self.senders.len()) >= SUSPENSIONS_MAX {
            return false;
        }
        match what {
            Suspendable::Destination(name) => drop(self.destinations.insert(name, suspension)),
            Suspendable::Sender(party) => drop(self.senders.insert(party, suspension)),
        }
        true
    }

    /// Resumes; false when it was not suspended.
    pub fn resume(&mut self, what: &Suspendable) -> bool {
        match what {
            Suspendable::Destination(name) => self.destinations.remove(name).is_some(),
            Suspendable::Sender(party) => self.senders.remove(party).is_some(),
        }
    }

    /// Whether any sender is suspended.
    pub(super) fn has_senders(&self) -> bool {
        !self.senders.is_empty()
    }

    /// Whether the same senders are suspended.
    pub(super) fn has_senders_of(&self, other: &Self) -> bool {
        self.senders.keys().eq(other.senders.keys())
    }

    /// Everything, in order.
    pub fn all(&self) -> impl Iterator<Item = (Suspendable, &Suspension)> {
        let destinations = self.destinations.iter().map(|(name, own)| (Suspendable::Destination(name.clone()), own));
        let senders = self.senders.iter().map(|(party, own)| (Suspendable::Sender(party.clone()), own));
        destinations.chain(senders)
    }

    /// The suspension that holds the lane, if one does.
    pub fn of_lane(&self, lane: &LaneKey) -> Option<&Suspension> {
        if self.destinations.is_empty() {
            return None;
        }
        let is_meant = |name: &DestinationName| match lane {
            LaneKey::Domain(domain) => name.is_domain(domain),
            LaneKey::Host(host) => name.is_host(host),
            LaneKey::Mailbox(_) | LaneKey::Postmaster => false,
        };
        self.destinations.iter().find(|(name, _)| is_meant(name)).map(|(_, own)| own)
    }

    /// The suspension of the sender of a message, if there is one.
    pub fn of_sender(&self, facts: &EntryFacts) -> Option<&Suspension> {
        if self.senders.is_empty() {
            return None;
        }
        self.senders.iter().find(|(party, _)| party.is_reverse_path(&facts.reverse_path)).map(|(_, own)| own)
    }
}
