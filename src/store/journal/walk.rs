//! Reading along: shows what a journal holds while its owner goes on writing to it.

use core::ops::ControlFlow;
use std::path::Path;

use super::format::{self, Flaw, SegmentHeader};
use super::replay::{bytes_max, segment_numbers, segment_path};
use super::{JournalError, JournalOptions, Record};
use crate::world::disk::Disk;

/// Shows every record in `directory`, oldest first, until `show` has seen enough. Takes no lock and alters nothing, so
/// the end may hold records that are not durable yet: the caller must know how far it believes what it sees. One
/// segment is in memory at a time. `read` hears how many octets of how many were read. Blocks.
///
/// # Errors
/// `Damaged`, `Missing` and `Io`, as at opening; an unfinished end is none.
pub fn walk(
    disk: &dyn Disk,
    directory: &Path,
    options: &JournalOptions,
    show: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    read: &mut dyn FnMut(u64, u64),
) -> Result<(), JournalError> {
    if !disk.exists(directory)? {
        return Ok(());
    }
    let numbers = segment_numbers(disk, directory)?;
    let mut total = 0_u64;
    for number in &numbers {
        total = total.saturating_add(disk.length(&segment_path(directory, *number))?);
    }
    let (mut done, last) = (0_u64, numbers.last().copied());
    for (place, number) in numbers.iter().enumerate() {
        let path = segment_path(directory, *number);
        let damaged = |offset: usize, flaw| JournalError::Damaged { file: path.clone(), offset: offset as u64, flaw };
        if place > 0 && numbers.get(place - 1).is_some_and(|before| before.saturating_add(1) != *number) {
            return Err(JournalError::Missing { file: segment_path(directory, number.saturating_sub(1)) });
        }
        if disk.length(&path)? > bytes_max(options) {
            return Err(damaged(0, Flaw::Length));
        }
        let bytes = disk.read(&path)?;
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            // It is being begun.
            Err(_) if last == Some(*number) => break,
            Err(flaw) => return Err(damaged(0, flaw)),
        };
        let scan = format::scan(&bytes, header.salt, header.first_sequence);
        if let Some((offset, flaw)) = scan.flaw.filter(|_| last != Some(*number)) {
            return Err(damaged(offset, flaw));
        }
        for found in scan.records.iter().filter(|found| found.label.kind != format::GAP_KIND) {
            let record = Record { kind: found.label.kind, sequence: found.label.sequence, payload: found.payload };
            if show(record).is_break() {
                return Ok(());
            }
        }
        done = done.saturating_add(bytes.len() as u64);
        read(done, total.max(done));
    }
    Ok(())
}
