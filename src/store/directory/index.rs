//! The index: every object of the newest snapshot in the engine, in pieces that fit its values.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::OpenEngine;
use crate::model::directory::address_policy::POLICIES_MAX;
use crate::model::directory::{
    AddressPolicy, AuthenticationPolicy, Change, Objects, Recipient, RecipientId, Restoration, Snapshot,
};
use crate::model::mail::DomainPattern;
use crate::store::engine::{BATCH_CHANGES_MAX, Batch, Engine, EngineError, Entry, KeyRange, Tree, VALUE_BYTES_MAX};
use crate::world::disk::Disk;

/// Facts about the index itself: `version` (with the next identity behind it) and `building`.
const ABOUT: Tree = Tree(0);
/// Objects: a kind, an identity and the number of the piece.
const OBJECTS: Tree = Tree(1);
const VERSION: &[u8] = b"version";
const BUILDING: &[u8] = b"building";
const ORGANISATION: u8 = b'o';
const DOMAIN: u8 = b'd';
const REMOTE_DOMAIN: u8 = b'm';
const AUTHENTICATION_POLICY: u8 = b'a';
const ADDRESS_POLICY: u8 = b'p';
const RECIPIENT: u8 = b'r';
/// Entries read at a time when loading.
const PAGE: usize = 1000;
/// Pages that may be read before they are needed.
const AHEAD: usize = 4;

/// Takes the key, without the number of a piece, and the encoding of one object.
type Show<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), EngineError>;

pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) snapshot: Snapshot,
    pub(super) set_aside: Option<PathBuf>,
}

pub(super) struct Index {
    engine: Box<dyn Engine>,
}

impl Index {
    /// Opens the engine and loads what it holds. One that cannot be opened or read is set aside, and an empty one
    /// opened.
    pub(super) fn open(disk: &dyn Disk, place: &Path, open_engine: OpenEngine<'_>) -> Result<Opened, EngineError> {
        let first = open_engine(place).and_then(|engine| {
            let index = Self { engine };
            let snapshot = index.load()?;
            Ok(Opened { index, snapshot, set_aside: None })
        });
        match first {
            Err(EngineError::Corrupt { reason, .. }) => {
                let aside = free_name(disk, place)?;
                tracing::warn!(%reason, aside = %aside.display(), "the directory's index is damaged and is built anew");
                disk.rename(place, &aside).map_err(|error| EngineError::Io { reason: error.to_string().into() })?;
                let index = Self { engine: open_engine(place)? };
                Ok(Opened { index, snapshot: Snapshot::default(), set_aside: Some(aside) })
            }
            other => other,
        }
    }

    /// The snapshot in the index; an empty one when the index is new or unfinished.
    fn load(&self) -> Result<Snapshot, EngineError> {
        let stamp = self.engine.read(ABOUT, VERSION)?.and_then(|value| value.try_into().ok()).map(u128::from_be_bytes);
        let unfinished = self.engine.read(ABOUT, BUILDING)?.is_some();
        let Some(stamp) = stamp.filter(|_| !unfinished) else {
            return Ok(Snapshot::default());
        };
        let mut objects = Objects::default();
        self.objects(&[], Some(&[RECIPIENT]), &mut |key, value| {
            match key.first().copied().unwrap_or(0) {
                ORGANISATION => objects.organisation = decode(value)?,
                DOMAIN => objects.domains.push(decode(value)?),
                REMOTE_DOMAIN => objects.remote_domains.push(decode(value)?),
                AUTHENTICATION_POLICY => objects.authentication_policies.push(decode(value)?),
                ADDRESS_POLICY => objects.address_policies.push(decode(value)?),
                kind => return Err(corrupt(&format!("there are no objects of the kind {kind}"))),
            }
            Ok(())
        })?;
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        let (version, next_id) = (half(stamp >> 64), RecipientId(half(stamp)));
        self.recipients(Restoration::new(version, next_id, objects))
    }

    /// Adds the recipients. One thread reads them while another puts them together.
    fn recipients(&self, mut restoration: Restoration) -> Result<Snapshot, EngineError> {
        let (sender, encoded) = sync_channel::<Vec<Entry>>(AHEAD);
        let read = move || {
            let mut read = Vec::with_capacity(PAGE);
            self.objects(&[RECIPIENT], None, &mut |key, value| {
                read.push((key.to_vec(), value.to_vec()));
                if read.len() < PAGE {
                    return Ok(());
                }
                let page = core::mem::replace(&mut read, Vec::with_capacity(PAGE));
                sender.send(page).map_err(|_| EngineError::Closed)
            })?;
            sender.send(read).map_err(|_| EngineError::Closed)
        };
        std::thread::scope(|scope| {
            let failed = |reason: &str| EngineError::Io { reason: reason.into() };
            let reader = std::thread::Builder::new().name("index".to_owned()).spawn_scoped(scope, read);
            let reader = reader.map_err(|error| failed(&error.to_string()))?;
            for (key, value) in encoded.into_iter().flatten() {
                let recipient: Recipient = decode(&value)?;
                if key != recipient_key(recipient.id) {
                    return Err(corrupt("a recipient has another identity than its key"));
                }
                restoration.take(recipient);
            }
            reader.join().unwrap_or_else(|_| Err(failed("the index could not be read")))
        })?;
        Ok(restoration.finish())
    }

    /// Shows every object from one key up to before another, its pieces joined.
    fn objects(&self, from: &[u8], until: Option<&[u8]>, show: Show<'_>) -> Result<(), EngineError> {
        let mut from = from.to_vec();
        let mut open: Option<(Vec<u8>, Vec<u8>)> = None;
        loop {
            let page = self.engine.scan(OBJECTS, KeyRange::Between { from: &from, until }, PAGE)?;
            let Some((last, _)) = page.last() else {
                break;
            };
            from.clone_from(last);
            from.push(0);
            for (mut key, value) in page {
                key.truncate(key.len().saturating_sub(2));
                match &mut open {
                    Some((of, joined)) if *of == key => joined.extend_from_slice(&value),
                    _ => {
                        if let Some((of, joined)) = open.replace((key, value)) {
                            show(&of, &joined)?;
                        }
                    }
                }
            }
        }
        open.map_or(Ok(()), |(of, joined)| show(&of, &joined))
    }

    /// Writes a whole snapshot over whatever is there.
    pub(super) fn write_all(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        let mut writing = Writing::begin(&*self.engine)?;
        let mut from = Vec::new();
        loop {
            let page = self.engine.scan(OBJECTS, KeyRange::Between { from: &from, until: None }, PAGE)?;
            let Some((last, _)) = page.last() else {
                break;
            };
            from.clone_from(last);
            from.push(0);
            for (key, _) in &page {
                writing.delete(key)?;
            }
        }
        writing.put(&[ORGANISATION], snapshot.organisation())?;
        for domain in snapshot.domains() {
            writing.put(&domain_key(&domain.domain.to_string()), domain)?;
        }
        for remote in snapshot.remote_domains() {
            writing.put(&remote_domain_key(&remote.domain), remote)?;
        }
        for policy in snapshot.authentication_policies() {
            writing.put(&policy_key(&policy.name), policy)?;
        }
        for policy in snapshot.address_policies() {
            writing.put(&address_policy_key(&policy.name), policy)?;
        }
        for recipient in snapshot.recipients() {
            writing.put(&recipient_key(recipient.id), &**recipient)?;
        }
        writing.finish(snapshot)
    }

    /// Writes what a list of changes has touched.
    pub(super) fn write_changes(
        &mut self,
        former: &Snapshot,
        next: &Snapshot,
        changes: &[Change],
    ) -> Result<(), EngineError> {
        let touched = Touched::by(former, changes);
        let objects = touched.recipients.len() + touched.domains.len() + touched.small();
        let mut writing = Writing::begin_small(&*self.engine, objects)?;
        if touched.organisation {
            writing.put(&[ORGANISATION], next.organisation())?;
        }
        for name in &touched.domains {
            writing.clear(&domain_key(name))?;
        }
        if !touched.domains.is_empty() {
            // A new default takes the mark from the others, so all are written; there are few.
            for domain in next.domains() {
                writing.put(&domain_key(&domain.domain.to_string()), domain)?;
            }
        }
        for pattern in &touched.remote_domains {
            writing.clear(&remote_domain_key(pattern))?;
            if let Some(remote) = next.remote_domains().find(|remote| remote.domain == *pattern) {
                writing.put(&remote_domain_key(pattern), remote)?;
            }
        }
        for name in &touched.authentication_policies {
            writing.clear(&policy_key(name))?;
            if let Some(policy) = next.authentication_policy(name) {
                writing.put(&policy_key(name), policy)?;
            }
        }
        for name in &touched.address_policies {
            writing.clear(&address_policy_key(name))?;
        }
        if !touched.address_policies.is_empty() {
            // Those behind it have another number, so all are written.
            for policy in next.address_policies() {
                writing.clear(&address_policy_key(&policy.name))?;
                writing.put(&address_policy_key(&policy.name), policy)?;
            }
        }
        for id in touched.recipients {
            writing.clear(&recipient_key(id))?;
            if let Some(recipient) = next.recipient(id) {
                writing.put(&recipient_key(id), &**recipient)?;
            }
        }
        writing.finish(next)
    }
}

/// Which objects a list of changes may have altered.
#[derive(Default)]
struct Touched {
    organisation: bool,
    domains: BTreeSet<String>,
    remote_domains: BTreeSet<DomainPattern>,
    authentication_policies: BTreeSet<Box<str>>,
    address_policies: BTreeSet<Box<str>>,
    recipients: BTreeSet<RecipientId>,
}

impl Touched {
    /// How many objects of the kinds of which there are few.
    fn small(&self) -> usize {
        self.remote_domains.len() + self.authentication_policies.len() + self.address_policies.len() * POLICIES_MAX
    }

    fn by(former: &Snapshot, changes: &[Change]) -> Self {
        let mut touched = Self::default();
        for change in changes {
            match change {
                Change::PutOrganisation(_) => touched.organisation = true,
                Change::PutDomain(domain) => {
                    touched.domains.insert(domain.domain.to_string());
                }
                Change::RemoveDomain(domain) => {
                    touched.domains.insert(domain.to_string());
                }
                Change::PutRecipient(recipient) => {
                    touched.recipients.insert(recipient.id);
                }
                Change::RemoveRecipient(id) => {
                    touched.recipients.insert(*id);
                    touched.recipients.extend(former.referrers(*id));
                }
                Change::AddMembers { group, .. }
                | Change::RemoveMembers { group, .. }
                | Change::RequestMembership { group, .. }
                | Change::DropRequest { group, .. } => {
                    touched.recipients.insert(*group);
                }
                Change::PutRemoteDomain(remote) => {
                    touched.remote_domains.insert(remote.domain.clone());
                }
                Change::RemoveRemoteDomain(pattern) => {
                    touched.remote_domains.insert(pattern.clone());
                }
                Change::PutAuthenticationPolicy(AuthenticationPolicy { name, .. })
                | Change::RemoveAuthenticationPolicy(name) => {
                    touched.authentication_policies.insert(name.clone());
                }
                Change::PutAddressPolicy(policy) => {
                    touched.address_policies.insert(policy.name.clone());
                }
                Change::RemoveAddressPolicy(name) => {
                    touched.address_policies.insert(name.clone());
                }
            }
        }
        touched
    }
}

/// A series of batches; more than one is marked as unfinished until the last.
struct Writing<'engine> {
    engine: &'engine dyn Engine,
    batch: Batch,
    waiting: usize,
    several: bool,
}

/// Leaves room in a batch for the marks.
const CHANGES_PER_BATCH: usize = BATCH_CHANGES_MAX - 8;

impl<'engine> Writing<'engine> {
    fn begin(engine: &'engine dyn Engine) -> Result<Self, EngineError> {
        engine.commit(Batch::new().put(ABOUT, BUILDING, b"1")).wait()?;
        Ok(Self { engine, batch: Batch::new(), waiting: 0, several: true })
    }

    /// For a handful of objects one batch will do, unless one of them turns out to be large.
    fn begin_small(engine: &'engine dyn Engine, objects: usize) -> Result<Self, EngineError> {
        if objects > CHANGES_PER_BATCH / 4 {
            return Self::begin(engine);
        }
        Ok(Self { engine, batch: Batch::new(), waiting: 0, several: false })
    }

    fn put(&mut self, identity: &[u8], object: &impl Serialize) -> Result<(), EngineError> {
        let encoded = serde_json::to_vec(object)
            .map_err(|error| EngineError::Io { reason: format!("cannot encode: {error}").into() })?;
        for (number, piece) in encoded.chunks(VALUE_BYTES_MAX).enumerate() {
            self.step()?;
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let key = [identity, &number.to_be_bytes()].concat();
            self.batch = core::mem::take(&mut self.batch).put(OBJECTS, &key, piece);
        }
        Ok(())
    }

    /// Removes every piece of an object that is there.
    fn clear(&mut self, identity: &[u8]) -> Result<(), EngineError> {
        for (key, _) in self.engine.scan(OBJECTS, KeyRange::Prefix(identity), usize::from(u16::MAX))? {
            // A longer identity can begin with the same octets.
            if key.len() == identity.len() + 2 {
                self.delete(&key)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.step()?;
        self.batch = core::mem::take(&mut self.batch).delete(OBJECTS, key);
        Ok(())
    }

    /// Makes room for one more change.
    fn step(&mut self) -> Result<(), EngineError> {
        if self.waiting == CHANGES_PER_BATCH {
            if !self.several {
                self.several = true;
                self.engine.commit(Batch::new().put(ABOUT, BUILDING, b"1")).wait()?;
            }
            self.engine.commit(core::mem::take(&mut self.batch)).wait()?;
            self.waiting = 0;
        }
        self.waiting += 1;
        Ok(())
    }

    fn finish(self, snapshot: &Snapshot) -> Result<(), EngineError> {
        let stamp = (u128::from(snapshot.version()) << 64) | u128::from(snapshot.next_id().0);
        let last = self.batch.put(ABOUT, VERSION, &stamp.to_be_bytes()).delete(ABOUT, BUILDING);
        self.engine.commit(last).wait()
    }
}

fn recipient_key(id: RecipientId) -> Vec<u8> {
    [&[RECIPIENT], id.0.to_be_bytes().as_slice()].concat()
}

fn domain_key(name: &str) -> Vec<u8> {
    [&[DOMAIN], name.as_bytes()].concat()
}

fn remote_domain_key(pattern: &DomainPattern) -> Vec<u8> {
    [&[REMOTE_DOMAIN], pattern.to_string().as_bytes()].concat()
}

fn policy_key(name: &str) -> Vec<u8> {
    [&[AUTHENTICATION_POLICY], AuthenticationPolicy::key(name).as_bytes()].concat()
}

fn address_policy_key(name: &str) -> Vec<u8> {
    [&[ADDRESS_POLICY], AddressPolicy::key(name).as_bytes()].concat()
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(value).map_err(|error| corrupt(&format!("an object cannot be read: {error}")))
}

fn corrupt(reason: &str) -> EngineError {
    EngineError::Corrupt { directory: PathBuf::new(), reason: reason.into() }
}

/// `index.damaged-1`, or the next number that is free.
fn free_name(disk: &dyn Disk, place: &Path) -> Result<PathBuf, EngineError> {
    for number in 1..=999_u32 {
        let name = place.with_extension(format!("damaged-{number}"));
        match disk.exists(&name) {
            Ok(false) => return Ok(name),
            Ok(true) => {}
            Err(error) => return Err(EngineError::Io { reason: error.to_string().into() }),
        }
    }
    Err(EngineError::Io { reason: "too many damaged indexes are set aside; delete them".into() })
}
