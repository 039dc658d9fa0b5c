//! The index: every object of the newest snapshot in the engine, in pieces that fit its values.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{OpenEngine, form};
use crate::model::directory::address_policy::POLICIES_MAX;
use crate::model::directory::{AddressPolicy, AuthenticationPolicy, Change, Recipient, RecipientId, Snapshot};
use crate::model::mail::DomainPattern;
use crate::store::engine::{BATCH_CHANGES_MAX, Batch, Engine, EngineError, KeyRange, Tree, VALUE_BYTES_MAX};
use crate::world::disk::Disk;

/// Facts about the index itself: `version` (with the next identity behind it) and `building`.
pub(super) const ABOUT: Tree = Tree(0);
/// Objects: a kind, an identity and the number of the piece.
pub(super) const OBJECTS: Tree = Tree(1);
pub(super) const VERSION: &[u8] = b"version";
pub(super) const BUILDING: &[u8] = b"building";
pub(super) const ORGANISATION: u8 = b'o';
pub(super) const DOMAIN: u8 = b'd';
pub(super) const REMOTE_DOMAIN: u8 = b'm';
pub(super) const AUTHENTICATION_POLICY: u8 = b'a';
pub(super) const ADDRESS_POLICY: u8 = b'p';
pub(super) const RECIPIENT: u8 = b'r';
/// Entries taken away at a time.
const PAGE: usize = 1000;

pub(super) struct Index {
    engine: Box<dyn Engine>,
}

impl Index {
    /// Opens the engine. One that cannot be opened is set aside, and an empty one opened; says where it was put.
    pub(super) fn open(
        disk: &dyn Disk,
        place: &Path,
        open_engine: OpenEngine<'_>,
    ) -> Result<(Self, Option<PathBuf>), EngineError> {
        match open_engine(place) {
            Ok(engine) => Ok((Self { engine }, None)),
            Err(EngineError::Corrupt { reason, .. }) => {
                let (index, aside) = Self::open_anew(disk, place, open_engine, &reason)?;
                Ok((index, Some(aside)))
            }
            Err(error) => Err(error),
        }
    }

    /// Sets aside what is there, which nobody has open any more, for a reason, and opens an empty one.
    pub(super) fn open_anew(
        disk: &dyn Disk,
        place: &Path,
        open_engine: OpenEngine<'_>,
        reason: &str,
    ) -> Result<(Self, PathBuf), EngineError> {
        let aside = free_name(disk, place)?;
        tracing::warn!(%reason, aside = %aside.display(), "the directory's index is damaged and is built anew");
        disk.rename(place, &aside).map_err(|error| EngineError::Io { reason: error.to_string().into() })?;
        Ok((Self { engine: open_engine(place)? }, aside))
    }

    /// The engine, to load from.
    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
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
            writing.put_recipient(recipient)?;
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
                writing.put_recipient(recipient)?;
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
        let encoded = serde_json::to_vec(object).map_err(|error| unwritable(&error.to_string()))?;
        self.put_encoded(identity, &encoded)
    }

    fn put_recipient(&mut self, recipient: &Recipient) -> Result<(), EngineError> {
        let encoded = form::encode(recipient).map_err(|error| unwritable(&error))?;
        self.put_encoded(&recipient_key(recipient.id), &encoded)
    }

    fn put_encoded(&mut self, identity: &[u8], encoded: &[u8]) -> Result<(), EngineError> {
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

pub(super) fn recipient_key(id: RecipientId) -> Vec<u8> {
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

fn unwritable(error: &str) -> EngineError {
    EngineError::Io { reason: format!("cannot encode: {error}").into() }
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
