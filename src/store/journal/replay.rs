//! Opening: reads every segment in order, cuts a torn tail, refuses damage.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::format::{self, Flaw, SEGMENT_HEADER_BYTES, Scan, SegmentHeader};
use super::usage::Usage;
use super::writer::{Position, create_segment};
use super::{JournalError, JournalOptions, Location, Record};
use crate::world::disk::{self, DirectoryLock, Disk};

/// What was cut at the end of the journal when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment that was cut.
    pub segment: u64,
    /// Where, in octets.
    pub offset: u64,
    /// How many octets went.
    pub bytes: u64,
    /// Sound records among them. They belong to the same group as the damage, so after a power cut they were never
    /// acknowledged; should the medium have decayed instead, they are in the file that `kept` names.
    pub sound_records: usize,
    /// Where the octets are kept, when there were sound records among them.
    pub kept: Option<PathBuf>,
}

/// What opening the journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many records were replayed.
    pub records: u64,
    /// What was cut, if anything was.
    pub cut: Option<Cut>,
}

pub(super) struct Replayed {
    pub(super) recovery: Recovery,
    pub(super) usage: Usage,
    pub(super) position: Position,
}

const SUFFIX: &str = ".segment";

pub(super) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}{SUFFIX}"))
}

fn segment_number(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(SUFFIX)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// Creates the directory if need be and takes it for this process.
pub(super) fn take_directory(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn DirectoryLock>, JournalError> {
    disk.create_directories(directory)?;
    disk.lock(directory).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => JournalError::InUse { directory: directory.to_owned() },
        _ => error.into(),
    })
}

/// The numbers of the segments, ascending.
pub(super) fn segment_numbers(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk.list(directory)?.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes a file under another name and puts it in the place of `path`, durably: whoever looks sees the old or the new.
pub(super) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    disk::replace(disk, path, &path.with_extension("new"), core::iter::once(content)).map(drop)
}

/// Replays all segments and finds where the next record goes.
pub(super) fn replay(
    disk: &dyn Disk,
    directory: &Path,
    options: &JournalOptions,
    show: &mut impl FnMut(Record<'_>, Location),
) -> Result<Replayed, JournalError> {
    let mut numbers = segment_numbers(disk, directory)?;
    remove_unfinished(disk, directory, &mut numbers)?;
    let (usage, recovery) = (Usage::default(), Recovery::default());
    let mut state = Replay { disk, directory, bytes_max: bytes_max(options), usage, recovery, expected: None };
    let Some((last, earlier)) = numbers.split_last() else {
        let header = SegmentHeader { number: 1, first_sequence: 1, salt: options.salt };
        let position = create_segment(disk, directory, header)?;
        state.usage.begin(header.number, header.salt, position.durable_bytes);
        return Ok(Replayed { recovery: state.recovery, usage: state.usage, position });
    };
    for (number, next) in earlier.iter().zip(numbers.iter().skip(1)) {
        state.earlier_segment(*number, show)?;
        if number.saturating_add(1) != *next {
            return Err(JournalError::Missing { file: segment_path(directory, number.saturating_add(1)) });
        }
    }
    let position = state.last_segment(*last, show)?;
    Ok(Replayed { recovery: state.recovery, usage: state.usage, position })
}

/// A crash while a segment was begun leaves one without a sound header. Its header is made durable before its first
/// record is written, so a file no longer than a header holds nothing.
fn remove_unfinished(disk: &dyn Disk, directory: &Path, numbers: &mut Vec<u64>) -> io::Result<()> {
    let Some(last) = numbers.last() else { return Ok(()) };
    let path = segment_path(directory, *last);
    if disk.length(&path)? <= SEGMENT_HEADER_BYTES as u64 && SegmentHeader::decode(&disk.read(&path)?).is_err() {
        disk.remove(&path)?;
        disk.synchronize_directory(directory)?;
        numbers.pop();
    }
    Ok(())
}

/// Four times what the writer puts into a segment now, since its bounds may have been wider once.
pub(super) fn bytes_max(options: &JournalOptions) -> u64 {
    let group = u64::try_from(options.group_bytes_max.max(options.record_bytes_max)).unwrap_or(u64::MAX);
    u64::from(options.segment_bytes).saturating_add(group).saturating_mul(4)
}

struct Replay<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    /// A longer file is not read: it would only fill the memory.
    bytes_max: u64,
    usage: Usage,
    recovery: Recovery,
    /// The sequence that must come next; none before the first segment.
    expected: Option<u64>,
}

impl Replay<'_> {
    fn damaged(&self, number: u64, offset: usize, flaw: Flaw) -> JournalError {
        JournalError::Damaged { file: segment_path(self.directory, number), offset: offset as u64, flaw }
    }

    fn bytes_of(&self, number: u64) -> Result<Vec<u8>, JournalError> {
        let path = segment_path(self.directory, number);
        if self.disk.length(&path)? > self.bytes_max {
            return Err(self.damaged(number, 0, Flaw::Length));
        }
        Ok(self.disk.read(&path)?)
    }

    fn header(&self, number: u64, bytes: &[u8]) -> Result<SegmentHeader, JournalError> {
        let header = SegmentHeader::decode(bytes).map_err(|flaw| self.damaged(number, 0, flaw))?;
        let fits = header.number == number && self.expected.is_none_or(|expected| expected == header.first_sequence);
        if fits { Ok(header) } else { Err(self.damaged(number, 0, Flaw::Sequence)) }
    }

    fn earlier_segment(
        &mut self,
        number: u64,
        show: &mut impl FnMut(Record<'_>, Location),
    ) -> Result<(), JournalError> {
        let bytes = self.bytes_of(number)?;
        let header = self.header(number, &bytes)?;
        let scan = format::scan(&bytes, header.salt, header.first_sequence);
        if let Some((offset, flaw)) = scan.flaw {
            return Err(self.damaged(number, offset, flaw));
        }
        self.accept(&header, &scan, show);
        Ok(())
    }

    fn last_segment(
        &mut self,
        number: u64,
        show: &mut impl FnMut(Record<'_>, Location),
    ) -> Result<Position, JournalError> {
        let path = segment_path(self.directory, number);
        let bytes = self.bytes_of(number)?;
        let header = self.header(number, &bytes)?;
        let scan = format::scan(&bytes, header.salt, header.first_sequence);
        if let Some((offset, flaw)) = scan.flaw {
            self.recovery.cut = Some(self.judge_tail(&header, &bytes, &scan, offset, flaw)?);
        }
        // Copied even when all is sound: see the head of `journal`.
        let sound = bytes.get(..scan.end).unwrap_or(&bytes);
        replace(self.disk, &path, sound)?;
        self.accept(&header, &scan, show);
        Ok(Position::of(self.disk, &path, header, sound.len() as u64, scan.next_sequence)?)
    }

    /// Tells a torn tail from decay. Only the last group can be torn; a sound record of a later group proves that the
    /// damaged one was durable once.
    fn judge_tail(
        &self,
        header: &SegmentHeader,
        bytes: &[u8],
        scan: &Scan<'_>,
        offset: usize,
        flaw: Flaw,
    ) -> Result<Cut, JournalError> {
        let beyond = format::salvage(bytes, header.salt, offset);
        if beyond.iter().any(|found| found.group_start() > scan.next_sequence) {
            return Err(self.damaged(header.number, offset, flaw));
        }
        let written = format::headroom_start(bytes, beyond.last().map_or(scan.end, format::Found::end));
        let tail = bytes.get(scan.end..written).unwrap_or_default();
        let kept = if beyond.is_empty() {
            None
        } else {
            let path = self.directory.join(format!("{:016x}-{:08x}.torn", header.number, scan.end));
            replace(self.disk, &path, tail)?;
            Some(path)
        };
        Ok(Cut {
            segment: header.number,
            offset: scan.end as u64,
            bytes: tail.len() as u64,
            sound_records: beyond.len(),
            kept,
        })
    }

    fn accept(&mut self, header: &SegmentHeader, scan: &Scan<'_>, show: &mut impl FnMut(Record<'_>, Location)) {
        self.usage.begin(header.number, header.salt, scan.end as u64);
        for found in &scan.records {
            if found.label.kind == format::GAP_KIND {
                continue;
            }
            // The sizes fit: the writer and the repair keep segments below 4 GiB.
            let (Ok(offset), Ok(payload_bytes)) = (u32::try_from(found.offset), u32::try_from(found.payload.len()))
            else {
                continue;
            };
            let sequence = found.label.sequence;
            let location = Location { segment: header.number, offset, payload_bytes, sequence };
            self.usage.record(location);
            self.recovery.records = self.recovery.records.saturating_add(1);
            show(Record { kind: found.label.kind, sequence, payload: found.payload }, location);
        }
        self.expected = Some(scan.next_sequence);
    }
}
