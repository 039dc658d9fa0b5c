//! Repair of a damaged journal: keeps every whole batch that can still be read and says what is missing.
//!
//! A damaged segment is first copied aside (`….damaged`), then replaced by one with what is sound and with records that
//! mark the gaps, so that opening the journal afterwards needs no special mode and nothing is passed over in silence.

use std::path::Path;
use std::sync::Arc;

use super::format::{self, Found, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::replay::{replace, segment_numbers, segment_path, take_directory};
use super::{JournalError, JournalOptions};
use crate::world::disk::Disk;

/// Something that a repair could not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The segment.
    pub segment: u64,
    /// The sequences that are missing now, the last one excluded; empty when only octets without meaning went.
    pub sequences: core::ops::Range<u64>,
    /// How many octets of the segment were not kept, over all its damages.
    pub bytes: u64,
}

/// A segment as far as it can be read.
struct Remains {
    number: u64,
    bytes: Vec<u8>,
    header: Option<SegmentHeader>,
}

/// Repairs the journal in `directory`, which nobody may have open, and reports what was skipped. A sound journal is
/// left as it is.
///
/// # Errors
/// `InUse`, or `Io` when the disk fails; the repair can then be started again.
pub fn repair(disk: &Arc<dyn Disk>, directory: &Path, options: &JournalOptions) -> Result<Vec<Skipped>, JournalError> {
    let disk = &**disk;
    let _lock = take_directory(disk, directory)?;
    let numbers = segment_numbers(disk, directory)?;
    let (Some(first), Some(last)) = (numbers.first().copied(), numbers.last().copied()) else {
        return Ok(Vec::new());
    };
    // Segments are read one at a time, twice: first for their headers, since a neighbour's helps where one is damaged.
    let mut salts = vec![options.salt];
    for number in &numbers {
        if let Ok(header) = SegmentHeader::decode(&disk.read(&segment_path(directory, *number))?)
            && !salts.contains(&header.salt)
        {
            salts.push(header.salt);
        }
    }
    let mut repair = Repair { disk, directory, salts, expected: None, skipped: Vec::new() };
    let mut next = repair.remains(first)?;
    for number in first..=last {
        let current = next;
        next = if number < last { repair.remains(number.saturating_add(1))? } else { Remains::none(last) };
        repair.segment(&current, &next)?;
    }
    Ok(repair.skipped)
}

impl Remains {
    const fn none(number: u64) -> Self {
        Self { number, bytes: Vec::new(), header: None }
    }
}

struct Repair<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    salts: Vec<u64>,
    expected: Option<u64>,
    skipped: Vec<Skipped>,
}

/// Groups sound records into whole batches.
fn whole_batches<'a>(found: Vec<Found<'a>>) -> Vec<Vec<Found<'a>>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Found<'a>> = Vec::new();
    for record in found {
        let follows = batch.last().is_some_and(|previous| previous.next_sequence() == record.label.sequence);
        if record.label.first_of_batch || !follows {
            batch.clear();
        }
        if batch.is_empty() && !record.label.first_of_batch {
            continue;
        }
        batch.push(record);
        if record.label.last_of_batch {
            batches.push(core::mem::take(&mut batch));
        }
    }
    batches
}

impl Repair<'_> {
    fn remains(&self, number: u64) -> Result<Remains, JournalError> {
        let path = segment_path(self.directory, number);
        if !self.disk.exists(&path)? {
            return Ok(Remains::none(number));
        }
        let bytes = self.disk.read(&path)?;
        let header = SegmentHeader::decode(&bytes).ok().filter(|header| header.number == number);
        Ok(Remains { number, bytes, header })
    }

    /// The whole batches of a segment and the salt under which they can be read.
    fn sound<'b>(&self, remains: &'b Remains) -> (u64, Vec<Vec<Found<'b>>>) {
        let salts = remains.header.map_or_else(|| self.salts.clone(), |header| vec![header.salt]);
        let read = |salt| (salt, whole_batches(format::salvage(&remains.bytes, salt, SEGMENT_HEADER_BYTES)));
        let best = salts.into_iter().map(read).max_by_key(|(_, batches)| batches.len());
        best.unwrap_or((0, Vec::new()))
    }

    /// The sequence with which a segment begins, if that can still be told.
    fn first_sequence(&self, remains: &Remains) -> Option<u64> {
        remains.header.map(|header| header.first_sequence).or_else(|| {
            let (_, batches) = self.sound(remains);
            batches.first().and_then(|batch| batch.first()).map(|found| found.label.sequence)
        })
    }

    fn segment(&mut self, remains: &Remains, next: &Remains) -> Result<(), JournalError> {
        let (salt, batches) = self.sound(remains);
        let begin = self.expected.or_else(|| self.first_sequence(remains)).unwrap_or(1);
        let mut content = SegmentHeader { number: remains.number, first_sequence: begin, salt }.encode();
        let (mut sequence, mut kept_bytes) = (begin, 0_u64);
        for batch in batches {
            let (Some(first), Some(last)) = (batch.first(), batch.last()) else { continue };
            if first.label.sequence < sequence || last.next_sequence() <= sequence {
                continue;
            }
            self.mark_gap(&mut content, remains.number, salt, sequence, first.label.sequence);
            let octets = remains.bytes.get(first.offset..last.end()).unwrap_or_default();
            content.extend_from_slice(octets);
            kept_bytes = kept_bytes.saturating_add(octets.len() as u64);
            sequence = last.next_sequence();
        }
        if let Some(following) = self.first_sequence(next).filter(|following| *following > sequence) {
            self.mark_gap(&mut content, remains.number, salt, sequence, following);
            sequence = following;
        }
        self.expected = Some(sequence);
        // Behind the records may be headroom for more.
        let written = format::headroom_start(&remains.bytes, content.len());
        if remains.bytes.get(..written) != Some(content.as_slice()) {
            self.put(remains, &content, kept_bytes, sequence)?;
        }
        Ok(())
    }

    fn mark_gap(&mut self, content: &mut Vec<u8>, segment: u64, salt: u64, from: u64, to: u64) {
        if from < to {
            format::encode_gap(content, salt, from, to);
            self.skipped.push(Skipped { segment, sequences: from..to, bytes: 0 });
        }
    }

    fn put(&mut self, remains: &Remains, content: &[u8], kept: u64, sequence: u64) -> Result<(), JournalError> {
        let path = segment_path(self.directory, remains.number);
        if !remains.bytes.is_empty() {
            // Copied, not renamed: a crash in between must not leave the segment missing.
            replace(self.disk, &path.with_extension("damaged"), &remains.bytes)?;
        }
        replace(self.disk, &path, content)?;
        let written = format::headroom_start(&remains.bytes, 0) as u64;
        let bytes = written.saturating_sub(kept.saturating_add(SEGMENT_HEADER_BYTES as u64));
        match self.skipped.iter_mut().find(|skipped| skipped.segment == remains.number) {
            Some(skipped) => skipped.bytes = bytes,
            None => {
                self.skipped.push(Skipped { segment: remains.number, sequences: sequence..sequence, bytes });
            }
        }
        Ok(())
    }
}
