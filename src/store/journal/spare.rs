//! The file of zeros that will be the next segment: made beside the writer, so that no group waits for headroom.
//!
//! A busy writer uses a MiB of headroom up every two hundred messages, and each time a group would wait until another
//! one is durable, ten times as long as for its own octets. Until the file is ready, and where none can be made, the
//! writer makes headroom as it goes.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::JournalOptions;
use super::format::SegmentHeader;
use super::replay::segment_path;
use super::room::shortage;
use super::writer::{Position, write_zeros};
use crate::store::hands::Hands;
use crate::world::disk::{Disk, remove_if_there};

/// Not the name of a segment, and one that a backup passes over.
const NAME: &str = "spare.new";
/// So much is made durable at a time: a disk that is given everything at once has no time for the groups.
const PART_BYTES: u64 = 512 << 10;

/// The file, from when it is wanted to when it becomes a segment.
#[derive(Debug)]
pub(super) struct Spare {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    hands: Hands,
    /// How long it is to be, in octets.
    bytes: u64,
    /// What has to be free before it is made, in octets.
    free_bytes_min: u64,
    /// The same in files.
    free_files_min: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nobody asked for it yet.
    Unwanted,
    Making {
        maker: JoinHandle<io::Result<()>>,
        unwanted: Arc<AtomicBool>,
    },
    /// All of it is durable.
    Ready,
    /// It could not be made, perhaps for want of room; nobody tries again before the next segment.
    Failed,
}

impl Spare {
    /// None yet; what a former writer left of one goes. None is ever made that would leave less than the floors of
    /// `options` free, with a segment more.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn none(disk: Arc<dyn Disk>, directory: &Path, options: &JournalOptions) -> io::Result<Self> {
        let path = directory.join(NAME);
        remove_if_there(&*disk, &path)?;
        let bytes = u64::from(options.segment_bytes);
        let free_bytes_min = options.free_bytes_floor.saturating_add(bytes.saturating_mul(2));
        let free_files_min = options.free_inodes_floor.saturating_add(1);
        Ok(Self { disk, path, hands: options.hands, bytes, free_bytes_min, free_files_min, state: State::Unwanted })
    }

    /// Asks for the file, unless it was asked for before.
    pub(super) fn want(&mut self) {
        if !matches!(self.state, State::Unwanted) {
            return;
        }
        let unwanted = Arc::new(AtomicBool::new(false));
        let (disk, path, told) = (Arc::clone(&self.disk), self.path.clone(), Arc::clone(&unwanted));
        let Self { bytes, free_bytes_min, free_files_min, .. } = *self;
        let make = move || {
            let directory = path.with_file_name("");
            match shortage(&directory, disk.space(&directory), free_bytes_min, free_files_min) {
                Some(shortage) => Err(io::Error::new(io::ErrorKind::StorageFull, shortage)),
                // What there is of it takes room that others may need.
                None => fill(&*disk, &path, bytes, &told).inspect_err(|_| discard(&*disk, &path)),
            }
        };
        self.state = match self.hands {
            Hands::Caller => make().map_or(State::Failed, |()| State::Ready),
            Hands::Threads => match std::thread::Builder::new().name("spare".to_owned()).spawn(make) {
                Ok(maker) => State::Making { maker, unwanted },
                Err(_) => State::Failed,
            },
        };
    }

    /// Whether there is one; does not wait for it.
    pub(super) fn is_ready(&mut self) -> bool {
        if let State::Making { maker, .. } = &self.state
            && maker.is_finished()
        {
            self.settle();
        }
        matches!(self.state, State::Ready)
    }

    /// Makes the file the segment of `header`, durable with its name before any record goes into it. `None` when there
    /// is no file, or it cannot be had; in any case another may be asked for.
    pub(super) fn take(&mut self, header: SegmentHeader) -> Option<Position> {
        if !self.is_ready() {
            if matches!(self.state, State::Failed) {
                self.state = State::Unwanted;
            }
            return None;
        }
        self.state = State::Unwanted;
        let begun = self.begin(header);
        begun.inspect_err(|_| discard(&*self.disk, &self.path)).ok()
    }

    fn begin(&self, header: SegmentHeader) -> io::Result<Position> {
        let mut file = self.disk.open_write(&self.path)?;
        file.write_at(0, &header.encode())?;
        file.synchronize()?;
        let directory = self.path.parent().unwrap_or(&self.path);
        self.disk.rename(&self.path, &segment_path(directory, header.number))?;
        self.disk.synchronize_directory(directory)?;
        Ok(Position::in_headroom(file, header, self.bytes))
    }

    /// Waits for whoever makes it.
    fn settle(&mut self) {
        self.state = match core::mem::replace(&mut self.state, State::Failed) {
            State::Making { maker, .. } => match maker.join() {
                Ok(Ok(())) => State::Ready,
                Ok(Err(_)) | Err(_) => State::Failed,
            },
            other => other,
        };
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let State::Making { unwanted, .. } = &self.state {
            unwanted.store(true, Ordering::Relaxed);
        }
        self.settle();
        discard(&*self.disk, &self.path);
    }
}

/// Removes the file. One that stays is in nobody's way: the next writer removes it.
fn discard(disk: &dyn Disk, path: &Path) {
    let _ = remove_if_there(disk, path);
}

/// Makes a file of `bytes` zeros, durable but for its name.
fn fill(disk: &dyn Disk, path: &Path, bytes: u64, unwanted: &AtomicBool) -> io::Result<()> {
    remove_if_there(disk, path)?;
    let mut file = disk.create_new(path)?;
    let mut at = 0_u64;
    while at < bytes {
        let until = at.saturating_add(PART_BYTES).min(bytes);
        let (reached, written) = write_zeros(at, until, |_, zeros| file.append(zeros));
        written?;
        at = reached;
        if unwanted.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        file.synchronize()?;
    }
    Ok(())
}
