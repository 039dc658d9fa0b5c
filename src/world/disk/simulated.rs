//! A disk in memory that tells page cache and platter apart, for tests of what survives a power cut.
//!
//! The same seed and the same calls give the same outcome. The model is harsher than most file systems: at a power cut
//! each un-synchronised name survives or not on its own, an un-synchronised tail survives as a random prefix, which may
//! end in zeros, of what was written over each small piece survives or not on its own, and a failed synchronisation
//! makes the pages clean without writing them all.

use core::ops::ControlFlow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::Content;

use super::{
    AppendFile, DirectoryLock, DirectoryStamp, Disk, Entry, Facts, Kind, ReadFile, Space, WriteFile, in_context,
};

pub use lies::Lie;

/// A disk in memory. Clones share the same content.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

type Inode = u64;

/// A directory is the same one wherever it is moved, as on a real disk.
type DirectoryId = u64;

/// The name of a file: its directory, and what it is called there.
type Name = (DirectoryId, OsString);

#[derive(Debug)]
struct State {
    random: u64,
    /// Counts power cuts; a file opened before the last one is dead.
    life: u64,
    files: BTreeMap<Inode, Content>,
    directories: BTreeMap<PathBuf, DirectoryId>,
    durable_directories: BTreeMap<PathBuf, DirectoryId>,
    pending_directories: Vec<DirectoryChange>,
    directories_made: DirectoryId,
    seen: BTreeMap<Name, Inode>,
    /// How often the names in a directory were changed.
    changes: BTreeMap<DirectoryId, u64>,
    durable: BTreeMap<Name, Inode>,
    pending: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    faults: Faults,
    counts: Counts,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create { name: Name, inode: Inode },
    Remove { name: Name },
    Rename { from: Name, to: Name, inode: Inode },
}

#[derive(Clone, Debug)]
enum DirectoryChange {
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

#[derive(Debug, Default)]
struct Faults {
    failing_write: Option<u64>,
    failing_synchronization: Option<u64>,
    room_bytes: Option<u64>,
    read_only: bool,
    linkless: bool,
    healed_after: Option<u64>,
    power_until: Option<u64>,
    astray: Option<lies::Astray>,
    skipped_synchronization: Option<(PathBuf, u64)>,
}

#[derive(Debug, Default)]
struct Counts {
    operations: u64,
    writes: u64,
    synchronizations: u64,
    lies: u64,
}

/// What an operation does to the disk, for the faults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Look,
    Change,
}

impl SimulatedDisk {
    /// An empty disk with a root directory; `seed` decides everything random.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed,
            life: 0,
            files: BTreeMap::new(),
            directories: BTreeMap::from([(PathBuf::from("/"), 0)]),
            durable_directories: BTreeMap::from([(PathBuf::from("/"), 0)]),
            pending_directories: Vec::new(),
            directories_made: 0,
            seen: BTreeMap::new(),
            changes: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            locks: BTreeSet::new(),
            faults: Faults::default(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Makes the `nth` write from now (1 is the next) fail with an input/output error after a random part of it.
    pub fn fail_write(&self, nth: u64) {
        let mut state = self.state();
        state.faults.failing_write = Some(state.counts.writes.saturating_add(nth));
    }

    /// Makes the `nth` synchronisation from now (1 is the next), of a file or a directory, fail with an input/output
    /// error.
    pub fn fail_synchronization(&self, nth: u64) {
        let mut state = self.state();
        state.faults.failing_synchronization = Some(state.counts.synchronizations.saturating_add(nth));
    }

    /// Leaves room for `bytes` octets, after which writes fail with "storage full"; `None` takes the bound away.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().faults.room_bytes = bytes;
    }

    /// Makes every change fail with "read-only file system", or allows changes again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().faults.read_only = read_only;
    }

    /// Makes it a file system on which a file has one name, or one with any number of them again.
    pub fn set_linkless(&self, linkless: bool) {
        self.state().faults.linkless = linkless;
    }

    /// Takes the power away after `operations` more operations: all later ones fail until [`Self::crash`] restarts.
    pub fn cut_power_after(&self, operations: u64) {
        let mut state = self.state();
        state.faults.power_until = Some(state.counts.operations.saturating_add(operations));
    }

    /// Power cut and restart: forgets what was not synchronised (as the seed decides), closes every open file, gives
    /// locks up and takes all faults away.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// The process ends and another one begins while the machine runs on: open files and locks go, faults too; what
    /// was written is still seen, and still not durable.
    pub fn restart(&self) {
        self.state().restart();
    }

    /// Whether operations are still possible, as far as power goes.
    pub fn has_power(&self) -> bool {
        let state = self.state();
        state.faults.power_until.is_none_or(|last| state.counts.operations <= last)
    }

    /// Ends a lack of room, and a read-only state, once `operations` more operations were tried.
    pub fn heal_after(&self, operations: u64) {
        let mut state = self.state();
        state.faults.healed_after = Some(state.counts.operations.saturating_add(operations));
    }

    /// How many operations this disk has seen; with [`Self::cut_power_after`] a test can stop at each of them.
    pub fn operations(&self) -> u64 {
        self.state().counts.operations
    }

    /// How many synchronisations this disk has seen, of files and directories.
    pub fn synchronizations(&self) -> u64 {
        self.state().counts.synchronizations
    }

    /// Flips the bits of `mask` in one stored octet, as a decaying medium does; nothing when the file is shorter.
    pub fn damage(&self, path: &Path, offset: usize, mask: u8) {
        let mut state = self.state();
        let Ok(inode) = state.inode(path) else { return };
        let Some(content) = state.files.get_mut(&inode) else { return };
        for bytes in [&mut content.seen, &mut content.durable] {
            if let Some(octet) = bytes.get_mut(offset) {
                *octet ^= mask;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, access: Access, operation: &'static str, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.begin(access).map_err(|error| in_context(operation, path, error))?;
        Ok(state)
    }
}

fn failure(kind: io::ErrorKind, text: &'static str) -> io::Error {
    io::Error::new(kind, text)
}

fn input_output_error() -> io::Error {
    failure(io::ErrorKind::Other, "simulated input/output error")
}

fn not_found() -> io::Error {
    failure(io::ErrorKind::NotFound, "no such file or directory")
}

impl State {
    /// SplitMix64: small, and good enough to choose cut points.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, both included.
    fn random_up_to(&mut self, bound: usize) -> usize {
        let choices = (bound as u64).saturating_add(1);
        usize::try_from(self.random() % choices).unwrap_or(bound)
    }

    fn begin(&mut self, access: Access) -> io::Result<()> {
        self.counts.operations = self.counts.operations.saturating_add(1);
        if self.faults.healed_after.is_some_and(|last| self.counts.operations > last) {
            (self.faults.room_bytes, self.faults.read_only, self.faults.healed_after) = (None, false, None);
        }
        if self.faults.power_until.is_some_and(|last| self.counts.operations > last) {
            return Err(failure(io::ErrorKind::Other, "the simulated machine has no power"));
        }
        if access == Access::Change && self.faults.read_only {
            return Err(failure(io::ErrorKind::ReadOnlyFilesystem, "read-only file system"));
        }
        Ok(())
    }

    fn begin_on(&mut self, life: u64, access: Access) -> io::Result<()> {
        self.begin(access)?;
        if life != self.life {
            return Err(failure(io::ErrorKind::Other, "this file was opened before the power cut"));
        }
        Ok(())
    }

    fn directory(&self, path: &Path) -> io::Result<DirectoryId> {
        self.directories.get(path).copied().ok_or_else(not_found)
    }

    /// The name that a path stands for, whether or not there is a file of this name.
    fn name(&self, path: &Path) -> io::Result<Name> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(not_found()) };
        Ok((self.directory(parent)?, name.to_owned()))
    }

    /// The names in the directory of this path are others now.
    fn renamed(&mut self, path: &Path) {
        if let Some(directory) = path.parent().and_then(|parent| self.directories.get(parent)) {
            let count = self.changes.entry(*directory).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.seen.get(&self.name(path)?).copied().ok_or_else(not_found)
    }

    fn content(&mut self, inode: Inode) -> io::Result<&mut Content> {
        self.files.get_mut(&inode).ok_or_else(not_found)
    }

    fn next_synchronization_fails(&mut self) -> bool {
        self.counts.synchronizations = self.counts.synchronizations.saturating_add(1);
        self.faults.failing_synchronization == Some(self.counts.synchronizations)
    }

    fn synchronize(&mut self, inode: Inode, path: &Path) -> io::Result<()> {
        if self.next_synchronization_fails() {
            // Some pages were written; the rest is forgotten, and counts as clean from now on.
            self.settle_some(inode);
            return Err(input_output_error());
        }
        if self.synchronization_is_skipped(path) {
            return Ok(());
        }
        self.content(inode)?.settle();
        Ok(())
    }

    /// The content of all files; names stay as pending as they were.
    fn synchronize_everything(&mut self, path: &Path) -> io::Result<()> {
        if self.next_synchronization_fails() {
            let files: Vec<Inode> = self.files.keys().copied().collect();
            files.into_iter().for_each(|inode| self.settle_some(inode));
            return Err(input_output_error());
        }
        if !self.synchronization_is_skipped(path) {
            self.files.values_mut().for_each(Content::settle);
        }
        Ok(())
    }

    fn synchronize_directory(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directory(path)?;
        if self.next_synchronization_fails() {
            return Err(input_output_error());
        }
        if self.synchronization_is_skipped(path) {
            return Ok(());
        }
        self.settle_directories(|change| change.paths().any(|changed| changed.parent() == Some(path)));
        let (due, later): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.pending).into_iter().partition(|change| change.touches(directory));
        // A rename out of another directory settles what is pending for its old name there.
        self.pending = later;
        for change in due {
            if let NameChange::Rename { from, .. } = &change {
                let durable = &mut self.durable;
                self.pending.retain(|other| match other {
                    NameChange::Create { name, .. } => name != from,
                    NameChange::Rename { from: first, to, .. } if to == from => {
                        durable.remove(first);
                        false
                    }
                    NameChange::Remove { .. } | NameChange::Rename { .. } => true,
                });
            }
            change.apply(&mut self.durable);
        }
        Ok(())
    }

    fn crash(&mut self) {
        let inodes: Vec<Inode> = self.files.keys().copied().collect();
        for inode in inodes {
            self.settle_some(inode);
        }
        for change in core::mem::take(&mut self.pending) {
            if self.random().is_multiple_of(2) {
                change.apply(&mut self.durable);
            }
        }
        for change in core::mem::take(&mut self.pending_directories) {
            if self.random().is_multiple_of(2) {
                change.apply(&mut self.durable_directories);
            }
        }
        self.directories = self.durable_directories.clone();
        let left: BTreeSet<DirectoryId> = self.directories.values().copied().collect();
        self.durable.retain(|(directory, _), _| left.contains(directory));
        self.seen = self.durable.clone();
        // Any change may have been undone, so every directory counts as another one.
        for directory in left {
            let count = self.changes.entry(directory).or_default();
            *count = count.saturating_add(1);
        }
        let linked: BTreeSet<Inode> = self.durable.values().copied().collect();
        self.files.retain(|inode, _| linked.contains(inode));
        for content in self.files.values_mut() {
            content.seen = content.durable.clone();
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.locks.clear();
        self.faults = Faults::default();
        self.life = self.life.saturating_add(1);
    }
}

impl NameChange {
    fn touches(&self, directory: DirectoryId) -> bool {
        match self {
            Self::Create { name, .. } | Self::Remove { name } => name.0 == directory,
            Self::Rename { from, to, .. } => from.0 == directory || to.0 == directory,
        }
    }

    fn apply(&self, names: &mut BTreeMap<Name, Inode>) {
        match self {
            Self::Create { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
            Self::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

mod content;
mod directories;
mod lies;
mod operations;
#[cfg(test)]
mod tests;
mod writing;
