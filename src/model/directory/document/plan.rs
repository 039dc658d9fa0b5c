//! Judges a document against a directory and says which changes it comes to.
//!
//! An entry goes in whole or not at all: a list of accepted senders that lost a name would open what it is there to
//! close. Entries may refer to each other in any order and in circles, so each is put without its references first and
//! with them second. An entry that refers to a new recipient which was refused is refused, too. The work is linear.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::shown::{printable, seats_taken};
use super::{
    AutoReplyError, DeviceEntryError, Document, ProvisioningEntryError, RecipientEntry, TemplatesError, address_policy,
    compose,
};
use crate::model::directory::account::{Account, PasswordHash};
use crate::model::directory::change::{Change, ChangeError};
use crate::model::directory::lifecycle::Lifecycle;
use crate::model::directory::provisioning::Provisioning;
use crate::model::directory::recipient::{Recipient, RecipientId};
use crate::model::directory::snapshot::Snapshot;
use crate::model::mail::{Address, AddressError};

/// Hashes a password in clear text for an account that may have other secrets, or says why it cannot.
pub type Hasher<'a> = &'a dyn Fn(&str, &Account) -> Result<PasswordHash, Box<str>>;

/// Refusals of one round can undo what another entry relied on; a document that needs more rounds is contrived.
const ROUNDS_MAX: usize = 8;

/// Which entry of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The domain at this place, counted from 0.
    Domain(usize),
    /// The organisation's settings.
    Organisation,
    /// The authentication policy at this place, counted from 0.
    AuthenticationPolicy(usize),
    /// The remote domain at this place, counted from 0.
    RemoteDomain(usize),
    /// The email address policy at this place, counted from 0.
    AddressPolicy(usize),
    /// The recipient at this place, counted from 0.
    Recipient(usize),
}

/// An entry that cannot go in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which one.
    pub entry: Entry,
    /// Its address or domain as given, shortened and without control characters.
    pub address: Box<str>,
    /// Why.
    pub reason: Reason,
}

/// Why an entry cannot go in. Texts given by the document appear shortened and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A value that should be an address (or a domain) is none.
    #[error("{key}: {value} is no address: {source}")]
    Address {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
        /// What is wrong with it.
        source: AddressError,
    },
    /// A reference leads nowhere.
    #[error("{key}: there is no recipient with the address {value}")]
    UnknownReference {
        /// The key of the document, or the right.
        key: &'static str,
        /// What was given.
        value: Box<str>,
    },
    /// A reference leads to an entry that was itself refused.
    #[error("it refers to {0}, which was refused")]
    RefusedReference(Box<str>),
    /// A text is empty, too long or has control characters.
    #[error("{key}: {value} is empty, too long or has control characters")]
    Text {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
    },
    /// A new recipient without type.
    #[error("there is no recipient with this address yet, so its type is needed: type = \"UserMailbox\"")]
    TypeMissing,
    /// `account = false` next to settings of an account.
    #[error("account = false contradicts the login, password, licences or sign-in settings given with it")]
    AccountContradiction,
    /// Two passwords.
    #[error("give either password or password_hash, not both")]
    TwoPasswords,
    /// The hasher refused the password.
    #[error("password: {0}")]
    Password(Box<str>),
    /// A point in time that cannot be read.
    #[error("since: {value} is no time; write it as 2026-01-05T09:00:00Z")]
    Time {
        /// What was given.
        value: Box<str>,
    },
    /// A state that needs its time.
    #[error("this lifecycle needs the time it began: since = \"2026-01-05T09:00:00Z\"")]
    SinceMissing,
    /// A time without a state that has one.
    #[error("since belongs to lifecycle = \"Disconnected\", \"SoftDeleted\", \"Inactive\" or \"Purging\" only")]
    SinceWithoutState,
    /// Custom attributes are numbered.
    #[error("custom attributes are numbered 1 to 15: custom_attributes = {{ 2 = \"sales\" }}")]
    CustomAttribute,
    /// Templates of addresses that make none.
    #[error("templates: {0}")]
    Templates(#[from] TemplatesError),
    /// Automatic replies that make no sense.
    #[error("auto_reply: {0}")]
    AutoReply(#[from] AutoReplyError),
    /// Holds, previous mailboxes and the like that make no sense.
    #[error("provisioning: {0}")]
    Provisioning(#[from] ProvisioningEntryError),
    /// Device credentials that make no sense.
    #[error("devices: {0}")]
    Devices(#[from] DeviceEntryError),
    /// The directory refuses it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Another account cannot have the licence.
    #[error(
        "licences: there is no seat left of {label}: {}; after buying more: franking licence plan set {label} --seats, \
         or licence_plans under [organisation]",
        seats_taken(*taken, *seats)
    )]
    NoSeat {
        /// Which licence.
        label: Box<str>,
        /// How many seats there are.
        seats: u32,
        /// How many are taken.
        taken: u32,
    },
    /// An error has frozen the object, and this would alter it without resolving that.
    #[error(
        "it is frozen until an error is resolved: {0} (franking licence assign RECIPIENT; or lift its holds: \
         franking hold list RECIPIENT)"
    )]
    Frozen(Box<str>),
    /// A document would delete what is used or kept.
    #[error(
        "lifecycle: it is {0}, and a document deletes no mailbox; remove it first: franking recipient remove, or \
         franking mailbox disable"
    )]
    LosesContents(Lifecycle),
    /// Entries depend on each other's refusals without end.
    #[error("it depends on other entries that were refused; cure those and import again")]
    Unsettled,
}

/// How many recipients a plan creates, updates, and leaves as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New recipients.
    pub created: usize,
    /// Recipients that alter.
    pub updated: usize,
    /// Recipients that are already as the document says.
    pub unchanged: usize,
}

/// What a document comes to.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The changes of all entries that can go in; they apply as a whole to the snapshot they were planned for.
    pub changes: Vec<Change>,
    /// The entries that cannot, in order.
    pub rejected: Vec<Rejected>,
    /// Counts over recipients.
    pub counts: Counts,
}

impl Plan {
    /// All or nothing: the changes, if every entry can go in.
    ///
    /// # Errors
    /// The refused entries.
    pub fn strict(self) -> Result<Vec<Change>, Vec<Rejected>> {
        if self.rejected.is_empty() { Ok(self.changes) } else { Err(self.rejected) }
    }
}

impl Document {
    /// Plans the changes that bring `snapshot` to what this document says. `hash` is called once for each password.
    pub fn plan(&self, snapshot: &Snapshot, hash: Hasher<'_>) -> Plan {
        let mut planner =
            Planner { document: self, ground: snapshot.clone(), header: Vec::new(), rejected: Vec::new() };
        planner.head();
        let drafts = planner.drafts(snapshot, hash);
        let mut plan = planner.settle(drafts);
        plan.rejected.sort_by_key(|rejected| rejected.entry);
        plan
    }
}

/// A recipient between its entry and its change.
struct Draft {
    entry: usize,
    base: Recipient,
    former: Option<Arc<Recipient>>,
}

struct Planner<'a> {
    document: &'a Document,
    /// The directory with the document's organisation and domains, before any recipient.
    ground: Snapshot,
    header: Vec<Change>,
    rejected: Vec<Rejected>,
}

impl Planner<'_> {
    fn reject(&mut self, entry: Entry, reason: Reason) {
        let address = match entry {
            Entry::Domain(place) => self.document.domains.get(place).map(|entry| &entry.domain),
            Entry::Organisation => self.document.organisation.as_ref().and_then(|entry| entry.name.as_ref()),
            Entry::AuthenticationPolicy(place) => {
                self.document.authentication_policies.get(place).map(|entry| &entry.name)
            }
            Entry::RemoteDomain(place) => self.document.remote_domains.get(place).map(|entry| &entry.domain),
            Entry::AddressPolicy(place) => self.document.address_policies.get(place).map(|entry| &entry.name),
            Entry::Recipient(place) => self.document.recipients.get(place).map(|entry| &entry.address),
        };
        let address = address.map_or_else(Box::default, |address| printable(address));
        self.rejected.push(Rejected { entry, address, reason });
    }

    fn put(&mut self, entry: Entry, change: Change) {
        match self.ground.apply_one(&change) {
            Ok(()) => self.header.push(change),
            Err(error) => self.reject(entry, error.into()),
        }
    }

    /// Everything but recipients.
    fn head(&mut self) {
        let document = self.document;
        // Before the organisation and the accounts, which refer to them.
        for (place, entry) in document.authentication_policies.iter().enumerate() {
            let policy = compose::authentication_policy(entry, &self.ground);
            if self.ground.authentication_policy(&policy.name) != Some(&policy) {
                self.put(Entry::AuthenticationPolicy(place), Change::PutAuthenticationPolicy(policy));
            }
        }
        if let Some(entry) = &document.organisation {
            match compose::organisation(entry, self.ground.organisation()) {
                Ok(next) if next == *self.ground.organisation() => {}
                Ok(next) => self.put(Entry::Organisation, Change::PutOrganisation(next)),
                Err(reason) => self.reject(Entry::Organisation, reason),
            }
        }
        for (place, entry) in document.domains.iter().enumerate() {
            match compose::domain(entry, &self.ground) {
                Ok(domain) if self.ground.domains().any(|former| *former == domain) => {}
                Ok(domain) => self.put(Entry::Domain(place), Change::PutDomain(domain)),
                Err(reason) => self.reject(Entry::Domain(place), reason),
            }
        }
        for (place, entry) in document.remote_domains.iter().enumerate() {
            match compose::remote_domain(entry, &self.ground) {
                Ok(remote) if self.ground.remote_domains().any(|former| *former == remote) => {}
                Ok(remote) => self.put(Entry::RemoteDomain(place), Change::PutRemoteDomain(remote)),
                Err(reason) => self.reject(Entry::RemoteDomain(place), reason),
            }
        }
        // After the domains, in which they make addresses.
        for (place, entry) in document.address_policies.iter().enumerate() {
            match address_policy::compose(entry, &self.ground) {
                Ok(policy) if self.ground.address_policies().contains(&policy) => {}
                Ok(policy) => self.put(Entry::AddressPolicy(place), Change::PutAddressPolicy(Box::new(policy))),
                Err(reason) => self.reject(Entry::AddressPolicy(place), reason),
            }
        }
    }

    /// Every entry that can be read, as a recipient without references.
    fn drafts(&mut self, snapshot: &Snapshot, hash: Hasher<'_>) -> Vec<Draft> {
        let document = self.document;
        let mut drafts = Vec::with_capacity(document.recipients.len());
        let mut next_id = snapshot.next_id().0;
        for (place, entry) in document.recipients.iter().enumerate() {
            match draft(place, entry, snapshot, RecipientId(next_id), hash) {
                Ok(draft) => {
                    next_id = next_id.saturating_add(u64::from(draft.former.is_none()));
                    drafts.push(draft);
                }
                Err(reason) => self.reject(Entry::Recipient(place), reason),
            }
        }
        self.reject_second_entries(drafts)
    }

    /// A document says twice what one existing recipient is: the second entry is refused like a second object.
    fn reject_second_entries(&mut self, drafts: Vec<Draft>) -> Vec<Draft> {
        let mut seen = HashSet::with_capacity(drafts.len());
        let (first, second): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|draft| seen.insert(draft.base.id));
        for draft in second {
            let address = draft.base.primary().clone();
            let reason = ChangeError::ProxyAddressInUse { address, holder: draft.base.name.as_str().into() };
            self.reject(Entry::Recipient(draft.entry), reason.into());
        }
        first
    }

    /// Puts drafts until no refusal of one touches another.
    fn settle(mut self, mut drafts: Vec<Draft>) -> Plan {
        for _ in 0..ROUNDS_MAX {
            let mut next = self.ground.clone();
            let mut changes = Vec::with_capacity(drafts.len());
            drafts = self.put_bases(drafts, &mut next, &mut changes);
            let (full, refused) = self.put_references(&drafts, &mut next, &mut changes);
            if refused.is_empty() {
                let (counts, unchanged) = count(&drafts, &full);
                changes.retain(|change| !matches!(change, Change::PutRecipient(put) if unchanged.contains(&put.id)));
                self.header.append(&mut changes);
                return Plan { changes: self.header, rejected: self.rejected, counts };
            }
            let refused = spread(&drafts, refused, &full);
            let mut kept = Vec::with_capacity(drafts.len());
            for (place, draft) in drafts.into_iter().enumerate() {
                match refused.get(&place) {
                    Some(reason) => self.reject(Entry::Recipient(draft.entry), reason.clone()),
                    None => kept.push(draft),
                }
            }
            drafts = kept;
        }
        for draft in drafts {
            self.reject(Entry::Recipient(draft.entry), Reason::Unsettled);
        }
        Plan { changes: self.header, rejected: self.rejected, counts: Counts::default() }
    }

    /// First pass. Gives the drafts that went in, in order.
    fn put_bases(&mut self, drafts: Vec<Draft>, next: &mut Snapshot, changes: &mut Vec<Change>) -> Vec<Draft> {
        let mut seated = Vec::with_capacity(drafts.len());
        let mut waiting = Vec::new();
        for draft in drafts {
            match put_base(&draft, next, changes) {
                Ok(()) => seated.push(draft),
                Err(_) => waiting.push(draft),
            }
        }
        // An address may move between two entries: what was taken a moment ago may be free by now.
        for draft in waiting {
            match put_base(&draft, next, changes) {
                Ok(()) => seated.push(draft),
                Err(reason) => self.reject(Entry::Recipient(draft.entry), reason),
            }
        }
        seated
    }

    /// Second pass. Gives each draft's recipient as it will be, and the drafts that were refused.
    fn put_references(
        &self,
        drafts: &[Draft],
        next: &mut Snapshot,
        changes: &mut Vec<Change>,
    ) -> (Vec<Option<Box<Recipient>>>, HashMap<usize, Reason>) {
        let mut refused = HashMap::new();
        let mut full = Vec::with_capacity(drafts.len());
        for (place, draft) in drafts.iter().enumerate() {
            let entry = self.document.recipients.get(draft.entry).filter(|entry| compose::has_references(entry));
            let Some(entry) = entry else {
                refused.extend(frozen(draft, &draft.base).map(|reason| (place, reason)));
                full.push(None);
                continue;
            };
            let mut recipient = Box::new(draft.base.clone());
            let judged = compose::link(entry, &mut recipient, next).and_then(|()| {
                if let Some(reason) = frozen(draft, &recipient) {
                    return Err(reason);
                }
                let change = Change::PutRecipient(recipient.clone());
                if *recipient != draft.base {
                    next.apply_one(&change)?;
                    changes.push(change);
                }
                Ok(())
            });
            if let Err(reason) = judged {
                refused.insert(place, reason);
            }
            full.push(Some(recipient));
        }
        (full, refused)
    }
}

fn draft(
    place: usize,
    entry: &RecipientEntry,
    snapshot: &Snapshot,
    id: RecipientId,
    hash: Hasher<'_>,
) -> Result<Draft, Reason> {
    let primary: Address = compose::address("address", &entry.address)?;
    let former = match entry.provisioning.as_deref().and_then(|own| own.deleted(snapshot, &primary)) {
        Some(deleted) => deleted?.cloned(),
        None => {
            let holder = snapshot.find_by_address(&primary);
            holder.filter(|holder| holder.primary().key() == primary.key()).cloned()
        }
    };
    let start = match &former {
        Some(former) => Recipient::clone(former),
        None => compose::fresh(entry, id, &primary)?,
    };
    let base = compose::base(entry, start, primary, snapshot.organisation(), hash)?;
    Ok(Draft { entry: place, base, former })
}

/// Why an object that an error has frozen cannot be so.
fn frozen(draft: &Draft, next: &Recipient) -> Option<Reason> {
    let former = draft.former.as_deref().filter(|former| former.is_frozen_against(next))?;
    let text = former.provisioning.as_deref().and_then(Provisioning::error_text).unwrap_or_default();
    Some(Reason::Frozen(text.into()))
}

fn put_base(draft: &Draft, next: &mut Snapshot, changes: &mut Vec<Change>) -> Result<(), Reason> {
    let former = draft.former.as_deref();
    if former == Some(&draft.base) {
        return Ok(());
    }
    if let Some(former) = former.filter(|former| former.has_contents() && draft.base.gives_contents_up()) {
        return Err(Reason::LosesContents(former.lifecycle));
    }
    // As of the entries before it: whose licence one of them takes has given a seat free.
    if let Some((label, seats, taken)) = next.missing_seat(former, &draft.base) {
        return Err(Reason::NoSeat { label: label.into(), seats, taken });
    }
    let change = Change::PutRecipient(Box::new(draft.base.clone()));
    next.apply_one(&change)?;
    changes.push(change);
    Ok(())
}

/// Extends refusals to everything that refers to a refused new recipient.
fn spread(
    drafts: &[Draft],
    mut refused: HashMap<usize, Reason>,
    full: &[Option<Box<Recipient>>],
) -> HashMap<usize, Reason> {
    let mut referrers: HashMap<RecipientId, Vec<usize>> = HashMap::new();
    for (place, recipient) in full.iter().enumerate() {
        for id in recipient.iter().flat_map(|recipient| recipient.references()) {
            referrers.entry(id).or_default().push(place);
        }
    }
    let mut open: Vec<usize> = refused.keys().copied().collect();
    while let Some(place) = open.pop() {
        // An existing recipient stays as it was, so references to it hold.
        let Some(draft) = drafts.get(place).filter(|draft| draft.former.is_none()) else {
            continue;
        };
        for referrer in referrers.remove(&draft.base.id).unwrap_or_default() {
            refused.entry(referrer).or_insert_with(|| {
                open.push(referrer);
                Reason::RefusedReference(printable(&draft.base.primary().to_string()))
            });
        }
    }
    refused
}

/// Counts, and the recipients that end as they began: their lists were emptied only to be filled again.
fn count(drafts: &[Draft], full: &[Option<Box<Recipient>>]) -> (Counts, HashSet<RecipientId>) {
    let mut counts = Counts::default();
    let mut unchanged = HashSet::new();
    for (draft, full) in drafts.iter().zip(full) {
        match &draft.former {
            None => counts.created += 1,
            Some(former) if **former == *full.as_deref().unwrap_or(&draft.base) => {
                counts.unchanged += 1;
                unchanged.insert(former.id);
            }
            Some(_) => counts.updated += 1,
        }
    }
    (counts, unchanged)
}
