//! The journal's octets: segment headers and records. Pure, so that every damage can be tested without a disk.
//!
//! A segment is a header (magic, version, checksum, number, first sequence, salt), then records without padding, then
//! zeros to its end where its writer made headroom for more. A record is a header of 24 octets and its payload; all
//! numbers are little-endian:
//!
//! ```text
//! length u32 | checksum u32 | kind u8 | flags u8 | header check u16 | position in group u32 | sequence u64 | payload
//! ```
//!
//! The checksum (CRC-32) covers the salt of the segment, every header field but itself, and the payload. The salt is
//! secret: payloads come from strangers, and without it a mail could carry octets that look like a record once the
//! true ones before it are damaged. The header check, half of the checksum of the salt and the other header fields,
//! keeps the search for records in damaged octets linear: without it, made-up lengths would cost a checksum of the
//! rest of the file each. The flags mark the first and last record of a batch, which counts whole or not at
//! all. The position within the group of one synchronisation tells a torn tail from decay: a group is begun only
//! after the one before it is durable, so a damaged record followed by one of a *later* group was durable once.

use core::fmt;

/// Octets of a segment header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 40;
/// Octets of a record header.
pub(in crate::store) const RECORD_HEADER_BYTES: usize = 24;
/// The kind of the record that a repair puts where sequences are missing; its payload is the next sequence.
pub(super) const GAP_KIND: u8 = u8::MAX;

const MAGIC: [u8; 8] = *b"FRNKJRNL";
const VERSION: u32 = 1;
const FIRST_OF_BATCH: u8 = 1;
const LAST_OF_BATCH: u8 = 2;

/// Why octets are not a segment header or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The file ends inside it.
    Incomplete,
    /// It is not a journal segment at all.
    Magic,
    /// Written in another version of the format.
    Version,
    /// A field has a value that is never written.
    Field,
    /// The checksum does not fit.
    Checksum,
    /// A sound record in the wrong place.
    Sequence,
    /// The last batch lacks its end.
    Batch,
    /// The file is so long that no writer of segments made it.
    Length,
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Incomplete => "the file ends inside it",
            Self::Magic => "it is no journal segment",
            Self::Version => "it has another format version",
            Self::Field => "a field has an impossible value",
            Self::Checksum => "the checksum does not fit",
            Self::Sequence => "it is out of sequence",
            Self::Batch => "a batch lacks its end",
            Self::Length => "the file is longer than any segment",
        })
    }
}

/// The first octets of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) first_sequence: u64,
    pub(super) salt: u64,
}

/// What a record says about itself, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Label {
    pub(in crate::store) kind: u8,
    pub(in crate::store) first_of_batch: bool,
    pub(in crate::store) last_of_batch: bool,
    pub(in crate::store) group_position: u32,
    pub(in crate::store) sequence: u64,
}

/// A sound record within a segment's octets.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Found<'a> {
    pub(in crate::store) offset: usize,
    pub(in crate::store) label: Label,
    pub(in crate::store) payload: &'a [u8],
}

impl Found<'_> {
    /// Where the next record begins.
    pub(in crate::store) const fn end(&self) -> usize {
        self.offset + RECORD_HEADER_BYTES + self.payload.len()
    }

    /// The sequence with which the group of this record began.
    pub(super) const fn group_start(&self) -> u64 {
        self.label.sequence.saturating_sub(self.label.group_position as u64)
    }

    /// The sequence that must follow.
    pub(super) fn next_sequence(&self) -> u64 {
        let gap = (self.label.kind == GAP_KIND).then(|| u64_at(self.payload, 0)).flatten();
        gap.unwrap_or_else(|| self.label.sequence.saturating_add(1))
    }
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

fn checksum(parts: &[&[u8]]) -> u32 {
    checksum_of(parts.iter().copied())
}

fn checksum_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.into_iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        for field in [self.number, self.first_sequence, self.salt] {
            fields.extend_from_slice(&field.to_le_bytes());
        }
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&checksum(&[&bytes, &fields]).to_le_bytes());
        bytes.extend_from_slice(&fields);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let header = bytes.get(..SEGMENT_HEADER_BYTES).ok_or(Flaw::Incomplete)?;
        let (start, fields) = header.split_at_checked(16).ok_or(Flaw::Incomplete)?;
        if !start.starts_with(&MAGIC) {
            return Err(Flaw::Magic);
        }
        if u32_at(start, 8) != Some(VERSION) {
            return Err(Flaw::Version);
        }
        if u32_at(start, 12) != Some(checksum(&[start.get(..12).unwrap_or_default(), fields])) {
            return Err(Flaw::Checksum);
        }
        let field = |offset| u64_at(fields, offset).ok_or(Flaw::Incomplete);
        Ok(Self { number: field(0)?, first_sequence: field(8)?, salt: field(16)? })
    }
}

fn header_check(salt: u64, length: [u8; 4], kind: u8, flags: u8, position: u32, sequence: u64) -> [u8; 2] {
    let parts: [&[u8]; 5] =
        [&salt.to_le_bytes(), &length, &[kind, flags], &position.to_le_bytes(), &sequence.to_le_bytes()];
    let [first, second, ..] = checksum(&parts).to_le_bytes();
    [first, second]
}

/// The octets of a payload in parts.
pub(super) fn payload_bytes(parts: &[&[u8]]) -> usize {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.len()))
}

/// Adds one record to `buffer`. The parts of the payload are at most `u32::MAX` octets together: the journal's bounds
/// see to that.
pub(in crate::store) fn encode_record(buffer: &mut Vec<u8>, salt: u64, label: &Label, payload: &[&[u8]]) {
    let length = u32::try_from(payload_bytes(payload)).unwrap_or(u32::MAX).to_le_bytes();
    let flags =
        if label.first_of_batch { FIRST_OF_BATCH } else { 0 } | if label.last_of_batch { LAST_OF_BATCH } else { 0 };
    let check = header_check(salt, length, label.kind, flags, label.group_position, label.sequence);
    let mut fields = [0; 16];
    let (kind_and_flags, rest) = fields.split_at_mut(2);
    let (header_check, rest) = rest.split_at_mut(2);
    let (position, sequence) = rest.split_at_mut(4);
    kind_and_flags.copy_from_slice(&[label.kind, flags]);
    header_check.copy_from_slice(&check);
    position.copy_from_slice(&label.group_position.to_le_bytes());
    sequence.copy_from_slice(&label.sequence.to_le_bytes());
    let (salt, payload_parts) = (salt.to_le_bytes(), payload.iter().copied());
    let sum = checksum_of([&salt[..], &length, &fields].into_iter().chain(payload_parts));
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(&sum.to_le_bytes());
    buffer.extend_from_slice(&fields);
    payload.iter().for_each(|part| buffer.extend_from_slice(part));
}

/// The record that says that `sequence` up to before `next` are missing and known to be.
pub(super) fn encode_gap(buffer: &mut Vec<u8>, salt: u64, sequence: u64, next: u64) {
    let label = Label { kind: GAP_KIND, first_of_batch: true, last_of_batch: true, group_position: 0, sequence };
    encode_record(buffer, salt, &label, &[&next.to_le_bytes()]);
}

/// Reads the record at `offset`.
pub(in crate::store) fn decode_record(bytes: &[u8], salt: u64, offset: usize) -> Result<Found<'_>, Flaw> {
    let rest = bytes.get(offset..).ok_or(Flaw::Incomplete)?;
    let (header, rest) = rest.split_at_checked(RECORD_HEADER_BYTES).ok_or(Flaw::Incomplete)?;
    let fields = header.get(8..).ok_or(Flaw::Incomplete)?;
    let [kind, flags, check @ ..] = fields else { return Err(Flaw::Incomplete) };
    let (kind, flags) = (*kind, *flags);
    let length: [u8; 4] = array_at(header, 0).ok_or(Flaw::Incomplete)?;
    let group_position = u32_at(fields, 4).ok_or(Flaw::Incomplete)?;
    let sequence = u64_at(fields, 8).ok_or(Flaw::Incomplete)?;
    if flags & !(FIRST_OF_BATCH | LAST_OF_BATCH) != 0 {
        return Err(Flaw::Field);
    }
    if !check.starts_with(&header_check(salt, length, kind, flags, group_position, sequence)) {
        return Err(Flaw::Checksum);
    }
    let payload_bytes = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Flaw::Field)?;
    let payload = rest.get(..payload_bytes).ok_or(Flaw::Incomplete)?;
    if u32_at(header, 4) != Some(checksum(&[&salt.to_le_bytes(), &length, fields, payload])) {
        return Err(Flaw::Checksum);
    }
    let label = Label {
        kind,
        first_of_batch: flags & FIRST_OF_BATCH != 0,
        last_of_batch: flags & LAST_OF_BATCH != 0,
        group_position,
        sequence,
    };
    Ok(Found { offset, label, payload })
}

/// What the octets of a segment hold, read from its header on.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// The records of whole batches, in order.
    pub(super) records: Vec<Found<'a>>,
    /// Where the last whole batch ends.
    pub(super) end: usize,
    /// The sequence that follows the last whole batch.
    pub(super) next_sequence: u64,
    /// What stopped the reading before the end of the file, and where.
    pub(super) flaw: Option<(usize, Flaw)>,
}

/// Where the headroom begins: the zeros to the end of the segment, as far as they are behind `from`.
pub(super) fn headroom_start(bytes: &[u8], from: usize) -> usize {
    bytes.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1).max(from).min(bytes.len())
}

/// Reads records until the end, the headroom, or the first flaw; `expected` is the sequence of the first.
pub(super) fn scan(bytes: &[u8], salt: u64, expected: u64) -> Scan<'_> {
    let mut records: Vec<Found<'_>> = Vec::new();
    let (mut whole, mut offset, mut sequence) = (0, SEGMENT_HEADER_BYTES, expected);
    let (mut end, mut next_sequence) = (offset, expected);
    let mut flaw = None;
    while offset < bytes.len() {
        let found = match decode_record(bytes, salt, offset) {
            Ok(found) if found.label.sequence != sequence => Err(Flaw::Sequence),
            Ok(found) if found.label.first_of_batch != (records.len() == whole) => Err(Flaw::Batch),
            result => result,
        };
        let found = match found {
            Ok(found) => found,
            Err(reason) => {
                // Half a batch before the headroom is one that was not written whole.
                if whole < records.len() || headroom_start(bytes, offset) > offset {
                    flaw = Some((offset, reason));
                }
                break;
            }
        };
        offset = found.end();
        sequence = found.next_sequence();
        records.push(found);
        if found.label.last_of_batch {
            (whole, end, next_sequence) = (records.len(), offset, sequence);
        }
    }
    if flaw.is_none() && whole < records.len() {
        flaw = Some((end, Flaw::Batch));
    }
    records.truncate(whole);
    Scan { records, end, next_sequence, flaw }
}

/// Every sound record from `offset` on, whatever lies between them.
pub(super) fn salvage(bytes: &[u8], salt: u64, mut offset: usize) -> Vec<Found<'_>> {
    let mut records = Vec::new();
    while offset < bytes.len() {
        match decode_record(bytes, salt, offset) {
            Ok(found) => {
                offset = found.end();
                records.push(found);
            }
            Err(_) => offset += 1,
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { kind: 3, first_of_batch: true, last_of_batch: false, group_position: 5, sequence: 77 };

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut bytes = SegmentHeader { number: 9, first_sequence: 77, salt: 4 }.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(SegmentHeader { number: 9, first_sequence: 77, salt: 4 }));
        encode_record(&mut bytes, 4, &LABEL, &[b"pay", b"", b"load"]);
        let found = decode_record(&bytes, 4, SEGMENT_HEADER_BYTES).unwrap();
        assert_eq!((found.label, found.payload, found.group_start()), (LABEL, b"payload".as_slice(), 72));
    }

    #[test]
    fn no_changed_octet_and_no_other_salt_passes() {
        let mut whole = Vec::new();
        encode_record(&mut whole, 4, &LABEL, &[b"pay", b"", b"load"]);
        assert_eq!(decode_record(&whole, 5, 0).unwrap_err(), Flaw::Checksum);
        let header = SegmentHeader { number: 9, first_sequence: 77, salt: 4 }.encode();
        for bit in 0..8 {
            for place in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                decode_record(&bytes, 4, 0).unwrap_err();
            }
            for place in 0..header.len() {
                let mut bytes = header.clone();
                bytes[place] ^= 1 << bit;
                SegmentHeader::decode(&bytes).unwrap_err();
            }
        }
    }

    #[test]
    fn a_search_through_made_up_headers_is_linear() {
        // Each of these claims to reach to the end of the file; a checksum for each would read gigabytes.
        let file_bytes = 1_usize << 20;
        let mut bytes = Vec::with_capacity(file_bytes);
        while bytes.len() < file_bytes {
            let length = (file_bytes - bytes.len() - RECORD_HEADER_BYTES.min(file_bytes - bytes.len())) as u32;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&[0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert!(salvage(&bytes, 0x5a17, 0).is_empty());
    }
}
