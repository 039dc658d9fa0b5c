//! The one who writes: takes what has gathered, writes it, synchronises once, answers all.
//!
//! **Headroom**: a file that grows with every group makes each synchronisation write its new length and its new blocks
//! as well, which takes twice the time, and twice the work, of writing octets over others. So the writer makes headroom
//! of zeros, durable with the group before it; the groups that follow are written over it. A segment that begins in a
//! [`Spare`] consists of headroom.

use core::sync::atomic::Ordering;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::format::{self, Label, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::payload::Append;
use super::replay::segment_path;
use super::spare::Spare;
use super::{JournalFailure, Location, Shared};
use crate::store::hands::{Labour, Turned};
use crate::store::intake::{Bounds, Gathered, Patience, locked};
use crate::store::ticket::Promise;
use crate::world::disk::{Disk, WriteFile, remove_if_there};

/// What callers ask of the writer.
#[derive(Debug)]
pub(super) enum Work {
    Append(Append, Appended),
    Recover(Promise<(), JournalFailure>),
}

/// Whom to tell where the records are.
#[derive(Debug)]
pub(super) enum Appended {
    One(Promise<Location, JournalFailure>),
    All(Promise<Vec<Location>, JournalFailure>),
}

impl Appended {
    fn fulfil(self, outcome: Result<Vec<Location>, JournalFailure>) {
        match self {
            Self::One(promise) => {
                promise.fulfil(outcome.and_then(|all| all.first().copied().ok_or(JournalFailure::Refused)));
            }
            Self::All(promise) => promise.fulfil(outcome),
        }
    }
}

/// The end of the journal, where the next record goes.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) file: Box<dyn WriteFile>,
    pub(super) segment: SegmentHeader,
    /// What of the segment is durable, in octets.
    pub(super) durable_bytes: u64,
    /// The length of the file in octets: what is behind the durable ones is headroom.
    headroom_end: u64,
    pub(super) next_sequence: u64,
}

/// A journal that is hardly used has no need of more.
const HEADROOM_BYTES_MIN: u64 = 64 << 10;
/// Enough for some hundred messages, and written in less than a millisecond.
const HEADROOM_BYTES_MAX: u64 = 1 << 20;
/// A group so large costs more than what the file system notes about it, and would soon have used the headroom up, too:
/// everything would be written twice.
const GROUP_BYTES_LARGE: u64 = 256 << 10;
/// A journal that has filled this part of a segment will need the next one: it is made ready meanwhile.
const SPARE_WANTED_AT: u64 = 4;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Has zeros written from `at` until `end`, piece by piece; gives how far that came, and what ended it.
pub(super) fn write_zeros(
    mut at: u64,
    end: u64,
    mut write: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> (u64, io::Result<()>) {
    while at < end {
        let count = usize::try_from(end.saturating_sub(at)).unwrap_or(ZEROS.len()).min(ZEROS.len());
        if let Err(error) = write(at, ZEROS.get(..count).unwrap_or(&ZEROS)) {
            return (at, Err(error));
        }
        at = at.saturating_add(count as u64);
    }
    (at, Ok(()))
}

/// Creates a segment, durable with its name before any record goes into it.
pub(super) fn create_segment(disk: &dyn Disk, directory: &Path, header: SegmentHeader) -> io::Result<Position> {
    let path = segment_path(directory, header.number);
    let mut file = disk.create_new(&path)?;
    file.append(&header.encode())?;
    file.synchronize()?;
    disk.synchronize_directory(directory)?;
    Position::of(disk, &path, header, SEGMENT_HEADER_BYTES as u64, header.first_sequence)
}

impl Position {
    /// The end of the segment at `path`, which is durable as far as it goes.
    pub(super) fn of(
        disk: &dyn Disk,
        path: &Path,
        segment: SegmentHeader,
        durable_bytes: u64,
        next_sequence: u64,
    ) -> io::Result<Self> {
        let file = disk.open_write(path)?;
        Ok(Self { file, segment, durable_bytes, headroom_end: durable_bytes, next_sequence })
    }

    /// The beginning of the segment in `file`, which has `bytes` octets: its header, durable, and zeros.
    pub(super) fn in_headroom(file: Box<dyn WriteFile>, segment: SegmentHeader, bytes: u64) -> Self {
        let durable_bytes = SEGMENT_HEADER_BYTES as u64;
        Self { file, segment, durable_bytes, headroom_end: bytes, next_sequence: segment.first_sequence }
    }

    /// Whether headroom will have to be made for a group that ends at `end`, in a segment that others are in already.
    const fn lacks_headroom(&self, end: u64, segment_bytes: u64) -> bool {
        end > self.headroom_end && end < segment_bytes && self.durable_bytes > SEGMENT_HEADER_BYTES as u64
    }

    /// Makes headroom behind `end`, when that is beyond what there is: as much as the segment holds, within bounds, and
    /// not beyond `segment_bytes`, where the segment will be closed. A disk that has no room for it may still have some
    /// for the records.
    fn make_headroom(&mut self, end: u64, segment_bytes: u64) -> io::Result<()> {
        if end <= self.headroom_end {
            return Ok(());
        }
        if end.saturating_sub(self.durable_bytes) >= GROUP_BYTES_LARGE {
            self.headroom_end = end;
            return Ok(());
        }
        let headroom = end.clamp(HEADROOM_BYTES_MIN, HEADROOM_BYTES_MAX).min(segment_bytes.saturating_sub(end));
        let (reached, ended) =
            write_zeros(end, end.saturating_add(headroom), |at, zeros| self.file.write_at(at, zeros));
        self.headroom_end = reached;
        ended.or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    position: Position,
    spare: Spare,
    /// Kept between groups, so that a busy journal does not allocate for each.
    buffer: Vec<u8>,
    /// So many waited lately: where there were several, more will join them if they are given a moment.
    crowd: usize,
}

type Batch = (Append, Appended);

/// The crowd to reckon with after a group of `items`. It is forgotten slowly: one group that came alone, as the queue's
/// own facts do between those of sessions, says nothing about the next.
fn crowd_after(crowd: usize, items: usize) -> usize {
    items.max(crowd.saturating_mul(7) / 8)
}

impl Labour for Writer {
    fn turn(&mut self, patience: Patience) -> Turned {
        let options = &self.shared.options;
        if self.crowd > 1 && patience == Patience::Wait {
            self.shared.intake.linger(self.crowd);
        }
        let bounds = Bounds { items: options.queue_items_max, bytes: options.group_bytes_max };
        match self.shared.intake.gather(bounds, patience) {
            Gathered::Items(items) => {
                self.crowd = crowd_after(self.crowd, items.len());
                self.work(items);
            }
            Gathered::Nothing => return Turned::Idle,
            Gathered::Closed => return Turned::Ended,
        }
        Turned::Worked
    }
}

impl Writer {
    /// A writer that goes on at `position`.
    ///
    /// # Errors
    /// The disk's, which may hold what is left of another writer's spare.
    pub(super) fn new(shared: Arc<Shared>, position: Position) -> io::Result<Self> {
        let spare = Spare::none(Arc::clone(&shared.disk), &shared.directory, &shared.options)?;
        Ok(Self { shared, position, spare, buffer: Vec::new(), crowd: 0 })
    }

    fn work(&mut self, items: Vec<Work>) {
        self.reclaim();
        let mut group = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Work::Append(records, answer) => group.push((records, answer)),
                Work::Recover(promise) => {
                    self.commit(core::mem::take(&mut group));
                    promise.fulfil(self.recover());
                }
            }
        }
        self.commit(group);
    }

    fn commit(&mut self, group: Vec<Batch>) {
        if group.is_empty() {
            return;
        }
        // An earlier group may have failed while this one was waiting.
        let earlier = locked(&self.shared.failure).clone();
        let outcome = match earlier {
            Some(reason) => Err(JournalFailure::Failed { reason }),
            None => self.write(&group).map_err(|error| self.fail(&error)),
        };
        match outcome {
            Ok(locations) => {
                let mut locations = locations.into_iter();
                for (records, answer) in group {
                    answer.fulfil(Ok(locations.by_ref().take(records.len()).collect()));
                }
                self.look_ahead();
            }
            Err(failure) => {
                for (_, answer) in group {
                    answer.fulfil(Err(failure.clone()));
                }
            }
        }
    }

    /// Has the next segment made ready, when this one is filling up.
    fn look_ahead(&mut self) {
        let segment_bytes = u64::from(self.shared.options.segment_bytes);
        if self.position.durable_bytes >= segment_bytes / SPARE_WANTED_AT {
            self.spare.want();
        }
    }

    fn fail(&self, error: &io::Error) -> JournalFailure {
        let reason: Arc<str> = error.to_string().into();
        let former = locked(&self.shared.failure).replace(Arc::clone(&reason));
        // Tried every second while the disk fails: said once for each reason.
        if former.as_ref() != Some(&reason) {
            tracing::error!(%reason, "the journal accepts nothing until it is recovered");
        }
        JournalFailure::Failed { reason }
    }

    /// Writes the group, durable on return.
    fn write(&mut self, group: &[Batch]) -> io::Result<Vec<Location>> {
        let segment_bytes = u64::from(self.shared.options.segment_bytes);
        if self.position.durable_bytes >= segment_bytes {
            self.begin_segment()?;
        }
        let (mut locations, mut next_sequence) = self.encode(group)?;
        if self.position.lacks_headroom(self.end_of_group(), segment_bytes) && self.spare.is_ready() {
            self.begin_segment()?;
            (locations, next_sequence) = self.encode(group)?;
        }
        let end = self.end_of_group();
        let position = &mut self.position;
        position.file.write_at(position.durable_bytes, &self.buffer)?;
        position.make_headroom(end, segment_bytes)?;
        position.file.synchronize()?;
        position.durable_bytes = end;
        position.next_sequence = next_sequence;
        let mut usage = locked(&self.shared.usage);
        usage.set_bytes(self.position.segment.number, self.position.durable_bytes);
        locations.iter().for_each(|location| usage.record(*location));
        drop(usage);
        let counters = &self.shared.counters;
        counters.synchronizations.fetch_add(1, Ordering::Relaxed);
        counters.records.fetch_add(locations.len() as u64, Ordering::Relaxed);
        counters.bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        Ok(locations)
    }

    /// Where the group ends that is in the buffer.
    fn end_of_group(&self) -> u64 {
        self.position.durable_bytes.saturating_add(self.buffer.len() as u64)
    }

    /// Fills the buffer with the group; gives where each record will be, and the sequence after them.
    fn encode(&mut self, group: &[Batch]) -> io::Result<(Vec<Location>, u64)> {
        const BUFFER_BYTES_KEPT: usize = 8 << 20;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        let salt = self.position.segment.salt;
        let mut locations = Vec::with_capacity(group.len());
        let mut sequence = self.position.next_sequence;
        for (records, _) in group {
            for (number, (kind, payload)) in records.records().enumerate() {
                let offset = self.position.durable_bytes.saturating_add(self.buffer.len() as u64);
                let payload_bytes = u32::try_from(format::payload_bytes(&payload));
                let (Ok(offset), Ok(payload_bytes)) = (u32::try_from(offset), payload_bytes) else {
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a segment is at most 4 GiB"));
                };
                let label = Label {
                    kind,
                    first_of_batch: number == 0,
                    last_of_batch: number.saturating_add(1) == records.len(),
                    group_position: u32::try_from(locations.len()).unwrap_or(u32::MAX),
                    sequence,
                };
                format::encode_record(&mut self.buffer, salt, &label, &payload);
                locations.push(Location { segment: self.position.segment.number, offset, payload_bytes, sequence });
                sequence = sequence.saturating_add(1);
            }
        }
        Ok((locations, sequence))
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let header = SegmentHeader {
            number: self.position.segment.number.saturating_add(1),
            first_sequence: self.position.next_sequence,
            salt: self.shared.options.salt,
        };
        self.position = match self.spare.take(header) {
            Some(position) => position,
            None => create_segment(&*self.shared.disk, &self.shared.directory, header)?,
        };
        locked(&self.shared.usage).begin(header.number, header.salt, self.position.durable_bytes);
        Ok(())
    }

    fn recover(&mut self) -> Result<(), JournalFailure> {
        if locked(&self.shared.failure).is_none() {
            return Ok(());
        }
        self.continue_in_new_segment().map_err(|error| self.fail(&error))?;
        *locked(&self.shared.failure) = None;
        Ok(())
    }

    fn continue_in_new_segment(&mut self) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let number = self.position.segment.number;
        disk.truncate(&segment_path(&self.shared.directory, number), self.position.durable_bytes)?;
        // Beginning the next segment may be what failed; it holds no record yet.
        let unfinished = segment_path(&self.shared.directory, number.saturating_add(1));
        if disk.exists(&unfinished)? {
            disk.remove(&unfinished)?;
            disk.synchronize_directory(&self.shared.directory)?;
        }
        self.begin_segment()
    }

    /// Removes old segments that nobody needs, each durably before the next: facts must not go before what they are
    /// about.
    fn reclaim(&self) {
        loop {
            let removable = locked(&self.shared.usage).removable();
            let Some(number) = removable else { return };
            let path = segment_path(&self.shared.directory, number);
            let disk = &*self.shared.disk;
            // A removal whose synchronisation failed is taken up again.
            let gone = remove_if_there(disk, &path);
            if let Err(error) = gone.and_then(|()| disk.synchronize_directory(&self.shared.directory)) {
                tracing::warn!(%error, "a segment of the journal that is not needed stays for now");
                return;
            }
            locked(&self.shared.usage).remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_outlasts_a_group_that_came_alone_and_is_forgotten_after_some() {
        assert_eq!(crowd_after(0, 40), 40);
        assert_eq!(crowd_after(40, 1), 35, "nearly as many will come again");
        assert_eq!(crowd_after(3, 20), 20);
        let lonely = (0..48).fold(512, |crowd, _| crowd_after(crowd, 1));
        assert_eq!(lonely, 1, "one client alone does not wait for others");
        assert_eq!(crowd_after(lonely, 0), 0);
    }
}
