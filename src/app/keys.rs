//! The keys of the Sender Rewriting Scheme, in `keys/`.
//!
//! ```text
//! srs                      signs; made at the first start
//! srs.former.1767603600    signed until that second since 1970, and verifies for as long as what it signed counts
//! srs.former               one that somebody put there by hand: it verifies until it is taken away
//! ```
//!
//! **A new key** is made in an order that a crash cannot spoil: first the present one is written as a former one, then
//! the new one takes its place, each whole or not at all. In between both files hold one key, which harms nobody. A
//! former key is removed when a new one is made and its time is up, never by the clock alone: a clock that is wrong for
//! an hour must not cost a key.

use core::cmp::Reverse;
use core::time::Duration;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::data::{DataDirectory, DataError, FILE_BYTES_MAX, write_secret};
use super::stores::World;
use crate::admin::office::{FormerKey, KeyDesk, Rotation, SrsKeysView};
use crate::model::mail::Timestamp;
use crate::model::policy::settings::SrsKey;
use crate::model::policy::srs::DAYS_VALID;
use crate::store::live::LiveSettings;
use crate::world::disk::read_regular;
use crate::world::{Clock, Random};

/// More are made by a script that runs wild. Each costs a hash for whatever looks like a rewritten address.
const FORMER_MAX: usize = 16;
const FORMER: &str = "srs.former";

/// What a key file is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Former {
    path: PathBuf,
    /// The second since 1970 in which it signed last; none when nobody knows.
    until: Option<u64>,
}

impl Former {
    /// When nothing that it signed counts any more. The day stamp of an address is a day of the calendar.
    fn ends_at(&self) -> Option<Timestamp> {
        let signed = Timestamp::from_unix_milliseconds(self.until?.saturating_mul(1_000));
        Some(signed.plus(Duration::from_secs((DAYS_VALID + 1) * 86_400)))
    }

    fn counts(&self, now: Timestamp) -> bool {
        self.ends_at().is_none_or(|end| now < end)
    }
}

/// The keys of a data directory, the signing one first. It is made when there is none.
///
/// # Errors
/// `Io` and `Key`.
pub(super) fn srs_keys(data: &DataDirectory, random: &dyn Random, now: Timestamp) -> Result<Vec<SrsKey>, DataError> {
    let keys = data.keys();
    DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(|source| failed(&keys, source))?;
    let current = keys.join("srs");
    if !current.exists() {
        write_new(&current, random)?;
    }
    let mut found = vec![read(&current)?];
    for former in formers(&keys)?.iter().filter(|former| former.counts(now)) {
        found.push(read(&former.path)?);
    }
    Ok(found)
}

/// What the salts are made by that SCRAM tells of logins which have none (see `policy::scram`). It is made when there
/// is none; another one would tell those who remember such a salt that it was none.
///
/// # Errors
/// `Io` and `Key`.
pub(super) fn scram_salts(data: &DataDirectory, random: &dyn Random) -> Result<[u8; 32], DataError> {
    let keys = data.keys();
    DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(|source| failed(&keys, source))?;
    let path = keys.join("scram");
    if !path.exists() {
        write_new(&path, random)?;
    }
    read(&path).map(|key| key.0)
}

fn failed(path: &Path, source: io::Error) -> DataError {
    DataError::Io { path: path.to_owned(), source }
}

fn write_new(path: &Path, random: &dyn Random) -> Result<(), DataError> {
    let mut fresh = [0; 32];
    random.fill(&mut fresh);
    write_secret(path, &fresh).map_err(|source| failed(path, source))
}

fn read(path: &Path) -> Result<SrsKey, DataError> {
    let content = read_regular(path, FILE_BYTES_MAX).map_err(|source| failed(path, source))?;
    content.try_into().map(SrsKey).map_err(|_| DataError::Key { path: path.to_owned() })
}

/// The former keys, the newest first.
fn formers(keys: &Path) -> Result<Vec<Former>, DataError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(keys).map_err(|source| failed(keys, source))? {
        let path = entry.map_err(|source| failed(keys, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(rest) = name.strip_prefix(FORMER) else { continue };
        match rest.strip_prefix('.').map(str::parse) {
            Some(Ok(until)) => found.push(Former { path, until: Some(until) }),
            // A draft that a crash left.
            Some(Err(_)) => {}
            None if rest.is_empty() => found.push(Former { path, until: None }),
            None => {}
        }
    }
    found.sort_unstable_by_key(|former| Reverse(former.until));
    Ok(found)
}

/// Makes a new signing key; see the head of this file.
fn rotate(data: &DataDirectory, random: &dyn Random, now: Timestamp, rotation: Rotation) -> Result<(), String> {
    let keys = data.keys();
    let told = |error: DataError| error.to_string();
    let known = formers(&keys).map_err(told)?;
    let (counting, over): (Vec<_>, Vec<_>) = known.iter().partition(|former| former.counts(now));
    let current = keys.join("srs");
    match rotation {
        Rotation::KeepFormer if counting.len() >= FORMER_MAX => {
            return Err(format!(
                "{FORMER_MAX} former keys still verify addresses that they signed within {DAYS_VALID} days. Wait for \
                 the first of them to end, or give up reports to those addresses with --forget-former."
            ));
        }
        Rotation::KeepFormer => {
            let retired = read(&current).map_err(told)?;
            let mut second = now.unix_seconds();
            while known.iter().any(|former| former.until == Some(second)) {
                second = second.saturating_add(1);
            }
            let path = keys.join(format!("{FORMER}.{second}"));
            write_secret(&path, &retired.0).map_err(|source| told(failed(&path, source)))?;
            write_new(&current, random).map_err(told)?;
            over.iter().for_each(|former| remove(&former.path));
        }
        Rotation::ForgetFormer => {
            write_new(&current, random).map_err(told)?;
            for former in &known {
                fs::remove_file(&former.path).map_err(|source| told(failed(&former.path, source)))?;
            }
            let synchronized = fs::File::open(&keys).and_then(|directory| directory.sync_all());
            synchronized.map_err(|source| told(failed(&keys, source)))?;
        }
    }
    Ok(())
}

/// Nothing that it signed counts any more, so it is tried again next time.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a former key could not be removed");
    }
}

/// The keys as the office sees them. A new one is in force as soon as it is durable.
pub(super) struct KeyCounter {
    data: DataDirectory,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    settings: Arc<LiveSettings>,
    /// One at a time.
    turn: Mutex<()>,
}

impl KeyCounter {
    pub(super) fn new(world: &World, data: &DataDirectory, settings: &Arc<LiveSettings>) -> Self {
        let (random, clock) = (Arc::clone(&world.random), Arc::clone(&world.clock));
        Self { data: data.clone(), random, clock, settings: Arc::clone(settings), turn: Mutex::default() }
    }
}

impl KeyDesk for KeyCounter {
    fn srs(&self) -> Result<SrsKeysView, String> {
        let now = self.clock.now();
        let known = formers(&self.data.keys()).map_err(|error| error.to_string())?;
        let counting = known.iter().filter(|former| former.counts(now));
        let former = counting.map(|former| FormerKey {
            signed_until: former
                .until
                .map(|until| Timestamp::from_unix_milliseconds(until.saturating_mul(1_000)).iso8601().to_string()),
            verifies_until: former.ends_at().map(|end| end.iso8601().to_string()),
        });
        Ok(SrsKeysView { former: former.collect() })
    }

    fn rotate_srs(&self, rotation: Rotation) -> Result<(), String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        rotate(&self.data, &*self.random, now, rotation)?;
        let keys = srs_keys(&self.data, &*self.random, now).map_err(|error| error.to_string())?;
        self.settings.rekey(&keys);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::{Address, ReversePath};
    use crate::model::policy::srs;
    use crate::world::SeededRandom;

    const NOW: &str = "2026-01-05T09:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_iso8601(text).unwrap()
    }

    fn place() -> (tempfile::TempDir, DataDirectory) {
        let place = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&place.path().join("data")).unwrap();
        (place, data)
    }

    fn keys(data: &DataDirectory, now: &str) -> Vec<SrsKey> {
        srs_keys(data, &SeededRandom::new(1), at(now)).unwrap()
    }

    fn rotate_at(data: &DataDirectory, seed: u64, now: &str) {
        rotate(data, &SeededRandom::new(seed), at(now), Rotation::KeepFormer).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_stays() {
        let (_place, data) = place();
        let first = keys(&data, NOW);
        assert_eq!(srs_keys(&data, &SeededRandom::new(2), at(NOW)).unwrap(), first);
        assert_eq!(first.len(), 1);
    }

    #[test]
    fn the_salts_of_nobody_outlast_a_restart() {
        let (_place, data) = place();
        let first = scram_salts(&data, &SeededRandom::new(1)).unwrap();
        assert_eq!(scram_salts(&data, &SeededRandom::new(2)).unwrap(), first);
        fs::write(data.keys().join("scram"), "short").unwrap();
        assert!(matches!(scram_salts(&data, &SeededRandom::new(2)), Err(DataError::Key { .. })));
        assert_eq!(keys(&data, NOW).len(), 1, "it is no key of the Sender Rewriting Scheme");
    }

    #[test]
    fn what_a_former_key_signed_counts_until_its_time_is_up() {
        let (_place, data) = place();
        let [forwarder, sender] =
            ["info@contoso.example", "eve@fabrikam.example"].map(|text| text.parse::<Address>().unwrap());
        let sign = |keys: &[SrsKey], now: &str| {
            let path = ReversePath::Mailbox(sender.clone());
            let ReversePath::Mailbox(address) = srs::rewrite(keys, &forwarder, None, &path, at(now)) else { panic!() };
            address
        };
        let first = sign(&keys(&data, NOW), NOW);
        rotate_at(&data, 2, NOW);
        let second = sign(&keys(&data, NOW), NOW);
        rotate_at(&data, 3, "2026-01-06T09:00:00Z");
        assert_ne!(first, second);
        for (now, known) in [("2026-01-06T09:00:00Z", 3), ("2026-01-26T23:59:59Z", 3), ("2026-01-27T10:00:00Z", 2)] {
            let keys = keys(&data, now);
            assert_eq!(keys.len(), known, "{now}");
            assert!(srs::reverse(&keys, &second).is_some());
            let counts = srs::reverse(&keys, &first).is_some() && srs::is_current(&keys, &first, at(now));
            assert_eq!(counts, now < "2026-01-27", "{now}");
        }
        // The file of the first goes when the next key is made.
        rotate_at(&data, 4, "2026-01-28T12:00:00Z");
        assert_eq!(formers(&data.keys()).unwrap().len(), 1);
    }

    #[test]
    fn a_crash_between_the_steps_loses_no_key() {
        let (_place, data) = place();
        let before = keys(&data, NOW);
        // As far as it came: the former key is written, and a draft of the new one.
        fs::write(data.keys().join("srs.former.1767603600"), before[0].0).unwrap();
        fs::write(data.keys().join("srs.former.new"), "dra").unwrap();
        fs::write(data.keys().join("srs.new"), "draft").unwrap();
        assert_eq!(keys(&data, NOW), [before[0].clone(), before[0].clone()]);
        rotate_at(&data, 2, NOW);
        let after = keys(&data, NOW);
        assert!(after[0] != before[0] && after[1..].iter().all(|key| *key == before[0]), "{}", after.len());
    }

    #[test]
    fn former_keys_are_forgotten_on_demand_and_never_too_many() {
        let (_place, data) = place();
        keys(&data, NOW);
        fs::write(data.keys().join("srs.former"), [7; 32]).unwrap();
        (2..17).for_each(|seed| rotate_at(&data, seed, NOW));
        assert_eq!(keys(&data, NOW).len(), 17);
        let refused = rotate(&data, &SeededRandom::new(99), at(NOW), Rotation::KeepFormer).unwrap_err();
        assert!(refused.contains("--forget-former"), "{refused}");
        rotate(&data, &SeededRandom::new(99), at(NOW), Rotation::ForgetFormer).unwrap();
        assert_eq!(keys(&data, NOW).len(), 1);
    }

    #[test]
    fn a_key_file_that_is_none_is_named_and_never_waited_for() {
        let (_place, data) = place();
        fs::create_dir(data.keys()).unwrap();
        let path = data.keys().join("srs");
        fs::write(&path, "short").unwrap();
        let failed = srs_keys(&data, &SeededRandom::new(1), at(NOW)).unwrap_err();
        assert!(failed.to_string().contains("keys/srs must hold 32 octets. Restore it"), "{failed}");
        fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
        assert!(matches!(srs_keys(&data, &SeededRandom::new(1), at(NOW)), Err(DataError::Io { .. })));
    }
}
