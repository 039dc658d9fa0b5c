//! The MTA-STS policies of other domains, in memory and in a file for each, so that a restart forgets no promise.
//!
//! It promises that a policy is remembered while it lasts, whatever the disk does: one that cannot be written is kept
//! in memory, and a file that is damaged is thrown away. Number and size of the files are bounded. Nothing here is an
//! error for mail.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::mail::{Domain, Timestamp};
use crate::model::transport_security::{Policy, PolicyId};
use crate::world::disk::{Disk, replace};

/// Policies that are remembered; over that, the one that was fetched longest ago makes room.
pub const POLICIES_MAX: usize = 4_096;
/// The longest file, in octets: [`PATTERNS_MAX`](crate::model::transport_security::mta_sts::PATTERNS_MAX) hosts fit.
const FILE_BYTES_MAX: u64 = 32 << 10;
/// What a file begins with.
const FORMAT: &str = "mta-sts 1";
/// A policy on its way to its name. No domain begins with this sign.
const UNFINISHED: &str = "~unfinished.tmp";
/// A policy is fetched anew a day after it was fetched, or after half its life if that is shorter (RFC 8461 section
/// 5.1: before it ends, so that nobody who can hold up a fetch can make us forget).
const REFRESH_AFTER: Duration = Duration::from_secs(86_400);

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The id under which it was announced.
    pub id: PolicyId,
    /// When it was fetched.
    pub fetched: Timestamp,
}

impl Cached {
    fn is_valid(&self, now: Timestamp) -> bool {
        now.since(self.fetched) < self.policy.max_age()
    }

    /// Whether it should be fetched anew though its id is the same.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.fetched) >= REFRESH_AFTER.min(self.policy.max_age() / 2)
    }

    fn to_file(&self) -> Vec<u8> {
        let content = format!("{} {}\n{}", self.fetched.unix_milliseconds(), self.id, self.policy);
        format!("{FORMAT} {:08x}\n{content}", crc32fast::hash(content.as_bytes())).into_bytes()
    }

    /// `None` for what was not written by [`Self::to_file`], or was damaged since.
    fn from_file(octets: &[u8]) -> Option<Self> {
        let (head, content) = core::str::from_utf8(octets).ok()?.split_once('\n')?;
        let checksum = head.strip_prefix(FORMAT)?.strip_prefix(' ')?;
        if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(content.as_bytes()) {
            return None;
        }
        let (facts, policy) = content.split_once('\n')?;
        let (fetched, id) = facts.split_once(' ')?;
        Some(Self {
            policy: Arc::new(Policy::parse(policy.as_bytes()).ok()?),
            id: PolicyId::parse(id)?,
            fetched: Timestamp::from_unix_milliseconds(fetched.parse().ok()?),
        })
    }
}

/// The policies that are remembered. One for each directory: two would write over each other.
#[derive(Debug)]
pub struct PolicyCache {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    policies: Mutex<HashMap<String, Cached>>,
    /// Files are written one at a time.
    writing: Mutex<()>,
}

impl PolicyCache {
    /// The cache in `directory`, which is made if it is missing. Blocks. What cannot be used is logged and thrown away.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, now: Timestamp) -> Self {
        let policies = read_all(&*disk, directory, now).unwrap_or_else(|error| {
            tracing::warn!(%error, "MTA-STS policies are remembered until the next restart only");
            HashMap::new()
        });
        let policies = Mutex::new(policies);
        Self { disk, directory: directory.to_owned(), policies, writing: Mutex::new(()) }
    }

    fn policies(&self) -> MutexGuard<'_, HashMap<String, Cached>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy of `domain` that still lasts.
    pub fn find(&self, domain: &str, now: Timestamp) -> Option<Cached> {
        self.policies().get(domain).filter(|cached| cached.is_valid(now)).cloned()
    }

    /// Remembers a policy, also on disk. Blocks. A disk that fails costs only what a restart would remember.
    pub fn remember(&self, domain: &str, cached: &Cached) {
        let displaced = {
            let mut policies = self.policies();
            let displaced = if policies.contains_key(domain) || policies.len() < POLICIES_MAX {
                None
            } else {
                policies.iter().min_by_key(|(_, other)| other.fetched).map(|(name, _)| name.clone())
            };
            if let Some(name) = &displaced {
                policies.remove(name);
            }
            policies.insert(domain.to_owned(), cached.clone());
            displaced
        };
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = displaced {
            // What stays behind is found to be one too many at the next start.
            let _ = self.disk.remove(&self.directory.join(name));
        }
        if let Err(error) = self.write(domain, &cached.to_file()) {
            tracing::warn!(domain, %error, "an MTA-STS policy is remembered until the next restart only");
        }
    }

    /// The old policy or the new one, never half of one.
    fn write(&self, domain: &str, octets: &[u8]) -> io::Result<()> {
        let (path, unfinished) = (self.directory.join(domain), self.directory.join(UNFINISHED));
        replace(&*self.disk, &path, &unfinished, core::iter::once(octets)).map(drop)
    }
}

fn read_all(disk: &dyn Disk, directory: &Path, now: Timestamp) -> io::Result<HashMap<String, Cached>> {
    disk.create_directories(directory)?;
    let mut policies = HashMap::new();
    for name in disk.list(directory)? {
        let path = directory.join(&name);
        let domain = name.to_str().and_then(domain_of).filter(|_| policies.len() < POLICIES_MAX);
        let cached = domain.and_then(|domain| Some((domain, read(disk, &path)?)));
        match cached {
            Some((domain, cached)) if cached.is_valid(now) => {
                policies.insert(domain, cached);
            }
            Some(_) | None => {
                tracing::debug!(path = %path.display(), "an MTA-STS policy that is over or damaged is thrown away");
                // If that fails, it is tried again at the next start.
                let _ = disk.remove(&path);
            }
        }
    }
    Ok(policies)
}

/// The name itself, if it is one that a policy's file can have.
fn domain_of(name: &str) -> Option<String> {
    match Domain::parse(name) {
        Ok(Domain::Name(parsed)) if &*parsed == name => Some(name.to_owned()),
        Ok(Domain::Name(_) | Domain::Literal(_)) | Err(_) => None,
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Option<Cached> {
    if disk.length(path).ok()? > FILE_BYTES_MAX {
        return None;
    }
    Cached::from_file(&disk.read(path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::disk::SimulatedDisk;

    const PLACE: &str = "/data/mta-sts";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_milliseconds(1_767_600_000_000).plus(Duration::from_secs(seconds))
    }

    fn cached(id: &str, max_age: u64, fetched: u64) -> Cached {
        let text = format!("version: STSv1\nmode: enforce\nmx: *.fabrikam.example\nmax_age: {max_age}\n");
        let policy = Arc::new(Policy::parse(text.as_bytes()).unwrap());
        Cached { policy, id: PolicyId::parse(id).unwrap(), fetched: at(fetched) }
    }

    fn open(disk: &SimulatedDisk, seconds: u64) -> PolicyCache {
        PolicyCache::open(Arc::new(disk.clone()), Path::new(PLACE), at(seconds))
    }

    const DOMAIN: &str = "fabrikam.example";

    #[test]
    fn a_policy_lasts_as_long_as_it_says_and_is_due_before() {
        let cache = open(&SimulatedDisk::new(1), 0);
        let policy = cached("a", 1_000, 0);
        cache.remember(DOMAIN, &policy);
        assert_eq!(cache.find(DOMAIN, at(999)), Some(policy.clone()));
        assert_eq!(cache.find(DOMAIN, at(1_000)), None);
        assert_eq!(cache.find("contoso.example", at(0)), None);
        assert!(!policy.is_due(at(499)) && policy.is_due(at(500)));
        let long = cached("a", 1_000_000, 0);
        assert!(!long.is_due(at(86_399)) && long.is_due(at(86_400)));
    }

    #[test]
    fn a_restart_and_a_power_cut_forget_nothing_that_was_remembered() {
        let disk = SimulatedDisk::new(2);
        let cache = open(&disk, 0);
        cache.remember(DOMAIN, &cached("a", 1_000, 0));
        cache.remember("contoso.example", &cached("b", 10, 0));
        disk.crash();
        let cache = open(&disk, 20);
        assert_eq!(cache.find(DOMAIN, at(20)), Some(cached("a", 1_000, 0)));
        let left: Vec<_> = disk.list(Path::new(PLACE)).unwrap();
        assert_eq!(left, [DOMAIN], "what is over is taken away");
    }

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_old_policy_or_the_new_one() {
        for seed in 0..8 {
            for operations in 0..12 {
                let disk = SimulatedDisk::new(seed);
                let cache = open(&disk, 0);
                let (old, new) = (cached("old", 1_000, 0), cached("new", 2_000, 5));
                cache.remember(DOMAIN, &old);
                disk.cut_power_after(operations);
                cache.remember(DOMAIN, &new);
                assert_eq!(cache.find(DOMAIN, at(5)), Some(new.clone()), "mail goes on by the new one");
                disk.crash();
                let found = open(&disk, 6).find(DOMAIN, at(6));
                assert!(found.as_ref() == Some(&old) || found.as_ref() == Some(&new), "{seed} {operations} {found:?}");
            }
        }
    }

    #[test]
    fn a_full_or_failing_disk_costs_no_policy_before_the_restart() {
        for spoil in [
            (|disk: &SimulatedDisk| disk.set_room(Some(0))) as fn(&SimulatedDisk),
            |disk| disk.set_read_only(true),
            |disk| disk.fail_write(1),
            |disk| disk.fail_synchronization(1),
        ] {
            let disk = SimulatedDisk::new(3);
            let cache = open(&disk, 0);
            spoil(&disk);
            cache.remember(DOMAIN, &cached("a", 1_000, 0));
            assert_eq!(cache.find(DOMAIN, at(1)), Some(cached("a", 1_000, 0)));
            disk.set_room(None);
            disk.set_read_only(false);
            cache.remember(DOMAIN, &cached("b", 1_000, 1));
            assert_eq!(open(&disk, 2).find(DOMAIN, at(2)), Some(cached("b", 1_000, 1)));
        }
        let disk = SimulatedDisk::new(4);
        disk.set_read_only(true);
        let cache = open(&disk, 0);
        cache.remember(DOMAIN, &cached("a", 1_000, 0));
        assert_eq!(cache.find(DOMAIN, at(1)), Some(cached("a", 1_000, 0)));
    }

    #[test]
    fn damage_anywhere_throws_the_file_away() {
        let length = cached("a", 1_000, 0).to_file().len();
        for offset in 0..length {
            let disk = SimulatedDisk::new(5);
            open(&disk, 0).remember(DOMAIN, &cached("a", 1_000, 0));
            disk.damage(&Path::new(PLACE).join(DOMAIN), offset, 0x41);
            let found = open(&disk, 1).find(DOMAIN, at(1));
            assert_eq!(found, None, "{offset}");
            assert!(disk.list(Path::new(PLACE)).unwrap().is_empty(), "{offset}");
        }
    }

    #[test]
    fn what_is_no_policy_of_ours_is_taken_away() {
        let disk = SimulatedDisk::new(6);
        open(&disk, 0);
        for (name, content) in [
            ("fabrikam.example", vec![b'x'; 40 << 10]),
            ("Contoso.example", cached("a", 1_000, 0).to_file()),
            ("[192.0.2.1]", cached("a", 1_000, 0).to_file()),
            (UNFINISHED, cached("a", 1_000, 0).to_file()),
            ("empty.example", Vec::new()),
        ] {
            let mut file = disk.create_new(&Path::new(PLACE).join(name)).unwrap();
            file.append(&content).unwrap();
        }
        open(&disk, 1);
        assert!(disk.list(Path::new(PLACE)).unwrap().is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let disk = SimulatedDisk::new(7);
        let cache = open(&disk, 0);
        for number in 0..POLICIES_MAX {
            cache.policies().insert(format!("d{number}.example"), cached("a", 10_000, number as u64 + 1));
        }
        cache.remember("first.example", &cached("a", 100_000, 0));
        cache.remember("second.example", &cached("b", 100_000, 9_000));
        assert_eq!(cache.policies().len(), POLICIES_MAX);
        assert!(cache.find("first.example", at(1)).is_none() && cache.find("second.example", at(9_000)).is_some());
        assert_eq!(disk.list(Path::new(PLACE)).unwrap(), ["second.example"]);
    }
}
