//! Who changed what and when: the change log, read as a list of what every change altered, property by property.
//!
//! The log keeps every accepted list of changes for ever: nothing of it is released, so the history of an object
//! outlives the object. It grows by about the size of an object for each change: a million changes of mailboxes take
//! some 400 MB. A backup has it, too.
//!
//! A change holds an object as it became, and what it was before lies anywhere earlier in the log. A page of the
//! history therefore reads the log twice: first only to see which objects the page is about, then with the state of
//! those objects in memory and of no others. So the memory that it takes follows from the size of a page, not from the
//! number of changes or objects, and no lock is held: changes go on meanwhile.

mod altered;
mod outline;
#[cfg(test)]
mod tests;

use core::ops::ControlFlow;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::{Entry, LogError};
use super::{OpenError, log_options};
use crate::model::directory::{AddressPolicy, AuthenticationPolicy, RecipientId};
use crate::model::mail::{Domain, DomainPattern, Timestamp};
use crate::store::journal;
use crate::world::disk::Disk;

pub use altered::{Action, Alteration, Altered, Names, Property};

use altered::Ledger;
use outline::{Addressed, Description, Outline, Touch};

/// Alterations of one page.
const PAGE_ALTERATIONS_MAX: usize = 20_000;
/// Octets of one page, about.
const PAGE_BYTES_MAX: usize = 16 << 20;
/// More objects are not searched for at once.
const SUBJECTS_MAX: usize = 10_000;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The settings of the organisation.
    Organisation,
    /// An accepted domain.
    Domain(Domain),
    /// A remote domain.
    RemoteDomain(DomainPattern),
    /// An authentication policy, by its key.
    AuthenticationPolicy(Box<str>),
    /// An email address policy, by its key.
    AddressPolicy(Box<str>),
    /// A recipient.
    Recipient(RecipientId),
}

/// Which changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Only of these objects.
    pub subjects: Option<BTreeSet<Subject>>,
    /// Only by this actor, letter case aside.
    pub actor: Option<String>,
    /// Only at this time or later.
    pub since: Option<Timestamp>,
    /// Only at this time or earlier.
    pub until: Option<Timestamp>,
}

impl Selection {
    fn has_entry(&self, at: Timestamp, actor: &str) -> bool {
        let by = self.actor.as_ref().is_none_or(|wanted| wanted.to_lowercase() == actor.to_lowercase());
        by && self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }

    fn has_subject(&self, subject: &Subject) -> bool {
        self.subjects.as_ref().is_none_or(|subjects| subjects.contains(subject))
    }
}

/// A change of the log: the version that its list led to, and its place in that list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The version.
    pub version: u64,
    /// The place, from 0.
    pub change: usize,
}

/// A part of the history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What was altered.
    pub alterations: Vec<Alteration>,
    /// Where the next part begins; none after the last.
    pub next: Option<Place>,
}

/// The history of a directory up to one version.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: PathBuf,
    pub(super) newest: u64,
}

/// Hears how many octets of how many were read.
pub type Reading<'a> = &'a mut dyn FnMut(u64, u64);

/// Takes a record and its place in the log, and says whether there is more to see.
type Show<'a> = &'a mut dyn FnMut(&[u8], u64) -> Result<bool, LogError>;

impl History {
    /// Objects that have, or ever had, this address, login, name or identity (`#17`). Reads the whole log.
    ///
    /// # Errors
    /// When the log cannot be read or understood.
    pub fn subjects_named(&self, text: &str, read: Reading<'_>) -> Result<BTreeSet<Subject>, OpenError> {
        let mut found = BTreeSet::new();
        let wanted = outline::Wanted::new(text);
        self.walk(read, &mut |payload, sequence| {
            let entry: Outline<Description> = decode(payload, sequence)?;
            found.extend(entry.changes.iter().filter_map(|change| wanted.subject(change)));
            Ok(found.len() < SUBJECTS_MAX)
        })?;
        Ok(found)
    }

    /// Where the newest `limit` of what is selected begin, and how much is older; 0 is no limit. Reads the whole log.
    ///
    /// # Errors
    /// As [`Self::subjects_named`].
    pub fn newest(&self, selection: &Selection, limit: usize, read: Reading<'_>) -> Result<(Place, u64), OpenError> {
        if limit == 0 {
            return Ok((Place::default(), 0));
        }
        let (mut kept, mut older) = (VecDeque::new(), 0_u64);
        self.walk(read, &mut |payload, sequence| {
            let entry: Outline = decode(payload, sequence)?;
            for place in entry.selected(selection).map(|(place, _)| place) {
                if kept.len() == limit {
                    kept.pop_front();
                    older += 1;
                }
                kept.push_back(place);
            }
            Ok(true)
        })?;
        Ok((kept.front().copied().unwrap_or_default(), older))
    }

    /// What is selected, from a place on. Recipients are called what they were then; `names` says what they are called
    /// now, so that those with another name are all that has to be remembered.
    ///
    /// # Errors
    /// As [`Self::subjects_named`].
    pub fn page(
        &self,
        selection: &Selection,
        from: Place,
        names: Names<'_>,
        read: Reading<'_>,
    ) -> Result<Page, OpenError> {
        let mut halves = Halves { read, second: false };
        let (interest, end) = self.interest(selection, from, &mut |done, total| halves.hear(done, total))?;
        halves.second = true;
        let mut page = Page { alterations: Vec::new(), next: end };
        if interest.is_empty() {
            return Ok(page);
        }
        let (mut ledger, mut bytes) = (Ledger::default(), 0);
        self.walk(&mut |done, total| halves.hear(done, total), &mut |payload, sequence| {
            let outline: Outline<Addressed> = decode(payload, sequence)?;
            for touch in &outline.changes {
                if let Touch::PutRecipient(recipient) = touch {
                    let now = names(recipient.id);
                    ledger.call(recipient.id, &recipient.addresses.primary, now.as_deref());
                }
            }
            let concerns = |subject: &Subject| interest.contains(subject);
            if !outline.changes.iter().any(|touch| touch.removes() || concerns(&touch.subject())) {
                return Ok(true);
            }
            let entry = Entry::decode(payload, sequence)?;
            let selected: BTreeSet<usize> = outline.selected(selection).map(|(place, _)| place.change).collect();
            for (number, (change, touch)) in entry.changes.iter().zip(&outline.changes).enumerate() {
                let place = Place { version: entry.version, change: number };
                // The end was found before; the bound of octets may be met earlier.
                if end.is_some_and(|end| place >= end) || (bytes > PAGE_BYTES_MAX && place >= from) {
                    page.next = Some(place);
                    return Ok(false);
                }
                let subject = touch.subject();
                if !concerns(&subject) && !touch.removes() {
                    continue;
                }
                if place >= from && selected.contains(&number) {
                    let alteration = ledger.alteration(&entry, change, &subject, names);
                    bytes += alteration.bytes();
                    page.alterations.push(alteration);
                }
                ledger.remember(change, &subject, concerns(&subject));
            }
            Ok(true)
        })?;
        Ok(page)
    }

    /// The objects that a page is about, and where the next begins.
    fn interest(
        &self,
        selection: &Selection,
        from: Place,
        read: Reading<'_>,
    ) -> Result<(BTreeSet<Subject>, Option<Place>), OpenError> {
        let (mut interest, mut count, mut end) = (BTreeSet::new(), 0, None);
        self.walk(read, &mut |payload, sequence| {
            if outline::version(payload).is_some_and(|version| version < from.version) {
                return Ok(true);
            }
            let entry: Outline = decode(payload, sequence)?;
            for (place, subject) in entry.selected(selection).filter(|(place, _)| *place >= from) {
                if count == PAGE_ALTERATIONS_MAX {
                    end = Some(place);
                    return Ok(false);
                }
                count += 1;
                interest.insert(subject);
            }
            Ok(true)
        })?;
        Ok((interest, end))
    }

    /// Shows every record up to the newest version, until one says that it was the last.
    fn walk(&self, read: Reading<'_>, show: Show<'_>) -> Result<(), OpenError> {
        let mut failed = None;
        journal::walk(
            &*self.disk,
            &self.log,
            &log_options(0),
            &mut |record| {
                // What is beyond may never have become durable.
                if outline::version(record.payload).is_some_and(|version| version > self.newest) {
                    return ControlFlow::Break(());
                }
                match show(record.payload, record.sequence) {
                    Ok(true) => ControlFlow::Continue(()),
                    Ok(false) => ControlFlow::Break(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            },
            read,
        )?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Two readings as one.
struct Halves<'a> {
    read: Reading<'a>,
    second: bool,
}

impl Halves<'_> {
    fn hear(&mut self, done: u64, total: u64) {
        let before = if self.second { total } else { 0 };
        (self.read)(done.saturating_add(before), total.saturating_mul(2));
    }
}

fn decode<T: serde::de::DeserializeOwned>(payload: &[u8], sequence: u64) -> Result<T, LogError> {
    serde_json::from_slice(payload).map_err(|error| LogError::Unreadable { sequence, reason: error.to_string() })
}

/// The key of an email address policy as a subject.
fn address_policy(name: &str) -> Subject {
    Subject::AddressPolicy(AddressPolicy::key(name))
}

/// The key of an authentication policy as a subject.
fn policy(name: &str) -> Subject {
    Subject::AuthenticationPolicy(AuthenticationPolicy::key(name))
}
