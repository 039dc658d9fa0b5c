//! Licences that the organisation has bought: how many seats of each label, and what a mailbox may hold with it.
//!
//! A licence is a label on an account. What its plan gives is read from the label where nobody said otherwise (quotas);
//! a label without seats can be assigned as often as anybody likes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::limit::Limit;
use super::recipient::Recipient;
use super::snapshot::Snapshot;

/// Of more plans nothing is said.
pub const PLANS_MAX: usize = 256;
/// The longest label, in octets.
pub const LABEL_BYTES_MAX: usize = 64;
/// The longest description, in octets.
pub const FEATURES_BYTES_MAX: usize = 200;

/// What is said of a licence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicencePlan {
    /// Its label, compared without letter case.
    pub label: Box<str>,
    /// How many accounts may have it; any number unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// What a mailbox may hold with it (`ProhibitSendReceiveQuota`); what its label says unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Limit>,
    /// What it gives besides, for people.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub features: Box<str>,
}

impl LicencePlan {
    /// Whether anything is said but the label.
    pub fn is_empty(&self) -> bool {
        self.seats.is_none() && self.quota.is_none() && self.features.is_empty()
    }

    /// Whether it can be kept.
    pub(super) fn is_sound(&self) -> bool {
        let features = &self.features;
        is_label(&self.label) && features.len() <= FEATURES_BYTES_MAX && !features.chars().any(char::is_control)
    }
}

/// Whether a text can name a licence.
pub fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
}

impl Snapshot {
    /// How many accounts have the licence of this label. Kept up with every change, so that nobody has to count.
    pub fn licence_count(&self, label: &str) -> u32 {
        self.licences.get(label.to_ascii_lowercase().as_str()).copied().unwrap_or(0)
    }

    /// Counts the licences of an account that comes, or goes.
    pub(super) fn count_licences(&mut self, recipient: &Recipient, comes: bool) {
        if let Some(account) = &recipient.account {
            self.count_accounts(&account.licences, 1, comes);
        }
    }

    /// Counts the licences of so many accounts, all of which have these.
    pub(super) fn count_accounts(&mut self, licences: &[Box<str>], accounts: u32, come: bool) {
        let labels: BTreeSet<String> = licences.iter().map(|label| label.to_ascii_lowercase()).collect();
        for label in labels {
            let count = self.licences.get(label.as_str()).copied().unwrap_or(0);
            match if come { count.saturating_add(accounts) } else { count.saturating_sub(accounts) } {
                0 => drop(self.licences.remove_mut(label.as_str())),
                count => self.licences.insert_mut(label.into(), count),
            }
        }
    }

    /// The first licence that an object is to have and had not, of which no seat is left: its label, and how many there
    /// are and how many of them are taken.
    pub fn missing_seat<'next>(
        &self,
        former: Option<&Recipient>,
        next: &'next Recipient,
    ) -> Option<(&'next str, u32, u32)> {
        let labels = next.account.iter().flat_map(|account| account.licences.iter());
        let mut fresh = labels.filter(|label| !former.is_some_and(|former| former.has_licence(label)));
        fresh.find_map(|label| {
            let (seats, taken) = (self.organisation().seats(label)?, self.licence_count(label));
            (taken >= seats).then_some((&**label, seats, taken))
        })
    }
}

impl Recipient {
    /// Whether its account has the licence of this label.
    pub fn has_licence(&self, label: &str) -> bool {
        self.account
            .as_deref()
            .is_some_and(|account| account.licences.iter().any(|own| own.eq_ignore_ascii_case(label)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::directory::{
        AcceptedDomain, Change, DomainType, Objects, Organisation, RecipientId, RecipientType,
    };
    use crate::model::mail::Timestamp;

    #[test]
    fn what_was_kept_of_seats_before_there_was_more_to_say_is_still_read() {
        let older = r#"{"licence_seats":[{"label":"ExchangeOnlinePlan1","seats":7}]}"#;
        let read: Organisation = serde_json::from_str(older).unwrap();
        assert_eq!((read.seats("EXCHANGEONLINEPLAN1"), read.licence_plans.len()), (Some(7), 1));
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Organisation>(&written).unwrap(), read);
    }

    const LABELS: [&str; 4] = ["ExchangeOnlinePlan1", "EXCHANGEONLINEPLAN1", "E3", "f3"];

    proptest! {
        #[test]
        fn licences_are_counted_as_whoever_looks_at_everybody_counts_them(
            steps in prop::collection::vec((1_u64..6, prop::collection::vec(0_usize..4, 0..4), 0_u8..6), 1..40),
        ) {
            let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative);
            let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain.as_default())]).unwrap();
            for (id, labels, kind) in steps {
                let deleted = kind == 1;
                let change = if kind == 0 {
                    if snapshot.recipient(RecipientId(id)).is_none() {
                        continue;
                    }
                    Change::RemoveRecipient(RecipientId(id))
                } else {
                    let address = format!("u{id}@contoso.example").parse().unwrap();
                    let kind = RecipientType::UserMailbox;
                    let mut user = Recipient::new(RecipientId(id), kind, format!("u{id}"), address);
                    let account = user.account.as_deref_mut().unwrap();
                    account.licences = labels.iter().map(|place| LABELS[*place].into()).collect::<Vec<_>>().into();
                    if deleted {
                        user.provisioning.get_or_insert_default().user_deleted = Some(Timestamp::EPOCH);
                    }
                    Change::PutRecipient(Box::new(user))
                };
                snapshot = snapshot.apply(&[change]).unwrap();
                let objects = Objects {
                    recipients: snapshot.recipients().map(|found| Recipient::clone(found)).collect(),
                    ..Objects::default()
                };
                let restored = Snapshot::restore(snapshot.version(), snapshot.next_id(), objects);
                let mut all: BTreeMap<&str, u32> = BTreeMap::new();
                for label in LABELS {
                    let count = snapshot.recipients().filter(|found| found.has_licence(label)).count();
                    all.insert(label, u32::try_from(count).unwrap());
                }
                for (label, count) in all {
                    prop_assert_eq!((snapshot.licence_count(label), restored.licence_count(label)), (count, count));
                }
            }
        }
    }
}
