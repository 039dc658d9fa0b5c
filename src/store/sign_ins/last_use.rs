//! When each device's secret was last used, and from where: how an administrator finds those that nobody needs.
//!
//! Kept beside the directory and not in it, since it alters with every sign-in. The table is written at most once a
//! minute and at the end, so a kill or a power cut forgets what happened within the last minute before it, and nothing
//! older.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::kept::Kept;
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::store::intake::locked;
use crate::world::clock::Clock;
use crate::world::disk::Disk;

/// How often the table is written, at most.
const PERIOD: Duration = Duration::from_secs(60);
/// Devices that are remembered; of more, those that were used last.
const DEVICES_MAX: usize = 1_000_000;

/// The last time that a device's secret was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When somebody signed in with it.
    pub at: Timestamp,
    /// From where.
    pub peer: IpAddr,
}

type Uses = BTreeMap<(RecipientId, Box<str>), LastUse>;

/// When devices were last used.
pub struct LastUses {
    table: Mutex<Table>,
    clock: Arc<dyn Clock>,
}

struct Table {
    uses: Uses,
    kept: Option<Kept>,
    altered: bool,
    /// By the monotonic clock.
    written: Duration,
}

impl core::fmt::Debug for LastUses {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("LastUses").finish_non_exhaustive()
    }
}

impl LastUses {
    /// Reads what the last life noted in `directory`. A disk that fails is logged and keeps nobody from starting.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, clock: Arc<dyn Clock>) -> Self {
        let own = Self::unkept(clock);
        let opened = Kept::within(disk, directory, "devices").and_then(|kept| Ok((kept.read::<Uses>()?, kept)));
        match opened {
            Ok((uses, kept)) => {
                let mut table = locked(&own.table);
                (table.uses, table.kept) = (uses, Some(kept));
            }
            Err(error) => tracing::error!(%error, "when devices were last used is remembered in memory only"),
        }
        own
    }

    /// Remembers in memory only.
    pub fn unkept(clock: Arc<dyn Clock>) -> Self {
        let table = Table { uses: Uses::new(), kept: None, altered: false, written: clock.elapsed() };
        Self { table: Mutex::new(table), clock }
    }

    /// Notes that somebody signs in with the secret of a device now.
    pub fn note(&self, account: RecipientId, device: &str, peer: IpAddr) {
        let mut table = locked(&self.table);
        table.uses.insert((account, device.into()), LastUse { at: self.clock.now(), peer: peer.to_canonical() });
        table.altered = true;
    }

    /// When a device was last used; none when it never was.
    pub fn last(&self, account: RecipientId, device: &str) -> Option<LastUse> {
        locked(&self.table).uses.get(&(account, device.into())).copied()
    }

    /// Writes what is new, when it is time or `at_once`, without devices that are no more. Blocks.
    pub fn tend(&self, at_once: bool, exists: impl Fn(RecipientId, &str) -> bool) {
        let now = self.clock.elapsed();
        let (uses, kept) = {
            let mut table = locked(&self.table);
            let due = at_once || now.saturating_sub(table.written) >= PERIOD;
            let Some(kept) = table.kept.clone().filter(|_| due && table.altered) else { return };
            table.uses.retain(|(account, device), _| exists(*account, device));
            forget_oldest(&mut table.uses);
            (table.altered, table.written) = (false, now);
            (table.uses.clone(), kept)
        };
        if let Err(error) = kept.write(&uses) {
            tracing::warn!(%error, "when devices were last used could not be written; it is tried again");
            locked(&self.table).altered = true;
        }
    }
}

fn forget_oldest(uses: &mut Uses) {
    let Some(surplus) = uses.len().checked_sub(DEVICES_MAX).filter(|surplus| *surplus > 0) else { return };
    let mut times: Vec<Timestamp> = uses.values().map(|used| used.at).collect();
    let (_, bound, _) = times.select_nth_unstable(surplus.saturating_sub(1));
    let bound = *bound;
    uses.retain(|_, used| used.at > bound);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::ManualClock;
    use crate::world::disk::SimulatedDisk;

    const ALICE: RecipientId = RecipientId(1);

    fn open(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> LastUses {
        LastUses::open(
            Arc::new(disk.clone()),
            Path::new("/sign-ins"),
            Arc::<ManualClock>::clone(clock) as Arc<dyn Clock>,
        )
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_milliseconds(seconds * 1_000)
    }

    #[test]
    fn what_was_written_is_known_after_a_restart_and_a_kill_forgets_a_minute_at_most() {
        let (disk, clock) = (SimulatedDisk::new(1), Arc::new(ManualClock::new(at(1_000))));
        let uses = open(&disk, &clock);
        let peer: IpAddr = "192.168.10.7".parse().unwrap();
        uses.note(ALICE, "scanner-2", peer);
        uses.tend(false, |_, _| true);
        assert_eq!(open(&disk, &clock).last(ALICE, "scanner-2"), None, "not yet: at most once a minute");
        clock.advance(PERIOD);
        uses.tend(false, |_, _| true);
        uses.note(ALICE, "scanner-2", "::ffff:192.168.10.8".parse().unwrap());
        assert_eq!(uses.last(ALICE, "scanner-2").unwrap().peer.to_string(), "192.168.10.8");
        // Killed here: the second use is forgotten, the first is not.
        let later = open(&disk, &clock);
        assert_eq!(later.last(ALICE, "scanner-2"), Some(LastUse { at: at(1_000), peer }));
        assert_eq!(later.last(ALICE, "scanner-3"), None);
        later.note(ALICE, "scanner-3", peer);
        later.tend(true, |_, device| device != "scanner-2");
        let last = open(&disk, &clock);
        assert_eq!((last.last(ALICE, "scanner-2"), last.last(ALICE, "scanner-3").is_some()), (None, true));
    }

    #[test]
    fn a_damaged_file_is_none() {
        let (disk, clock) = (SimulatedDisk::new(1), Arc::new(ManualClock::new(at(1_000))));
        let uses = open(&disk, &clock);
        uses.note(ALICE, "scanner-2", "::1".parse().unwrap());
        uses.tend(true, |_, _| true);
        let path = Path::new("/sign-ins/devices");
        let whole = disk.read(path).unwrap();
        for end in 0..whole.len() {
            disk.truncate(path, end as u64).unwrap();
            assert_eq!(open(&disk, &clock).last(ALICE, "scanner-2"), None, "{end}");
            uses.note(ALICE, "scanner-2", "::1".parse().unwrap());
            uses.tend(true, |_, _| true);
        }
        assert!(open(&disk, &clock).last(ALICE, "scanner-2").is_some());
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut uses: Uses =
            (0..10).map(|id| ((RecipientId(id), "x".into()), LastUse { at: at(id), peer: [0; 4].into() })).collect();
        forget_oldest(&mut uses);
        assert_eq!(uses.len(), 10);
    }
}
