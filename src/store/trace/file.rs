//! The trace's files: their names, their first octets, and reading what is sound in them.
//!
//! A file is called after its number, which grows, and the day (UTC) on which it was begun:
//! `0000000007-2026-01-05.trace`. It begins with magic, version, checksum, number, the sequence up to which earlier
//! files hold everything, and a secret salt; records in the journal's form follow (see `journal/format`). There, the
//! flag of a batch's first record says that a record was told for the first time, and the position in a group is the
//! part.

use std::io;
use std::path::{Path, PathBuf};

use super::inbox::Item;
use super::record::MARK;
use crate::model::mail::Timestamp;
use crate::store::journal::format::{Found, Label, RECORD_HEADER_BYTES, decode_record, encode_record};
use crate::world::disk::Disk;

const MAGIC: [u8; 8] = *b"FRNKTRCE";
const VERSION: u32 = 1;
/// Octets before the first record.
pub(super) const HEADER_BYTES: usize = 40;
const ENDING: &str = ".trace";
/// What other programs make of a file can be larger than any of ours; it is not read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A day since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub(super) u64);

const DAY_SECONDS: u64 = 86_400;

impl Day {
    pub(super) const fn of(at: Timestamp) -> Self {
        Self(at.unix_seconds() / DAY_SECONDS)
    }

    pub(super) const fn back(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    pub(super) const fn on(self, days: u64) -> Self {
        Self(self.0.saturating_add(days))
    }

    fn start(self) -> Timestamp {
        Timestamp::from_unix_milliseconds(self.0.saturating_mul(DAY_SECONDS * 1_000))
    }
}

/// The name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) number: u64,
    pub(super) day: Day,
}

impl Name {
    /// `None` for what is no file of the trace.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, day) = text.strip_suffix(ENDING)?.split_once('-')?;
        let digits = number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| number.parse().ok()).flatten()?;
        let day = Day::of(Timestamp::parse_iso8601(&format!("{day}T00:00:00Z"))?);
        let name = Self { number, day };
        (name.text() == text).then_some(name)
    }

    fn text(self) -> String {
        let day: String = self.day.start().to_string().chars().take(10).collect();
        format!("{:010}-{day}{ENDING}", self.number)
    }

    pub(super) fn within(self, directory: &Path) -> PathBuf {
        directory.join(self.text())
    }
}

/// The trace's files, oldest first; none when the directory does not exist.
///
/// # Errors
/// The system's.
pub(super) fn list(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<Name>> {
    let names = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    let mut found: Vec<Name> = names.iter().filter_map(|name| Name::parse(name.to_str()?)).collect();
    found.sort_unstable();
    Ok(found)
}

/// The first octets of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// Everything up to here is in earlier files.
    pub(super) seen: u64,
    pub(super) salt: u64,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let fields = [self.number, self.seen, self.salt].map(u64::to_le_bytes).concat();
        let start = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
        let sum = checksum(&start, &fields).to_le_bytes();
        [start.as_slice(), &sum, &fields].concat()
    }

    /// `None` for anything else, and for a later version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_at_checked(12)?;
        let (sum, rest) = rest.split_at_checked(4)?;
        let fields = rest.get(..24)?;
        let field = |place: usize| Some(u64::from_le_bytes(*fields.get(place.checked_mul(8)?..)?.first_chunk::<8>()?));
        let sound = sum == checksum(start, fields).to_le_bytes() && start.starts_with(&MAGIC);
        (sound && start.ends_with(&VERSION.to_le_bytes())).then_some(())?;
        Some(Self { number: field(0)?, seen: field(1)?, salt: field(2)? })
    }
}

fn checksum(start: &[u8], fields: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(start);
    hasher.update(fields);
    hasher.finalize()
}

/// Adds a record to `buffer`.
pub(super) fn encode(buffer: &mut Vec<u8>, salt: u64, item: &Item) {
    let label = Label {
        kind: item.kind,
        first_of_batch: !item.retold,
        last_of_batch: true,
        group_position: item.part,
        sequence: item.sequence,
    };
    encode_record(buffer, salt, &label, &[&item.payload]);
}

/// Adds the record that says that everything up to `sequence` is in the trace.
pub(super) fn encode_mark(buffer: &mut Vec<u8>, salt: u64, sequence: u64) {
    encode(buffer, salt, &Item { kind: MARK, part: 0, sequence, retold: false, payload: Vec::new() });
}

/// Octets that an item takes in a file.
pub(super) const fn bytes_of(item: &Item) -> u64 {
    (RECORD_HEADER_BYTES as u64).saturating_add(item.payload.len() as u64)
}

/// The content of a file.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) header: Option<Header>,
}

/// What is sound in a file.
#[derive(Debug)]
pub(super) struct Sound<'content> {
    pub(super) records: Vec<Found<'content>>,
    /// How many places in the middle are damaged.
    pub(super) damaged: usize,
    /// Where the last sound record ends, if something else follows.
    pub(super) torn_at: Option<usize>,
}

/// Reads a file.
///
/// # Errors
/// The system's; `InvalidData` for one that is larger than any of the trace.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Content> {
    if disk.length(path)? > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is larger than any of the trace"));
    }
    let bytes = disk.read(path)?;
    let header = Header::decode(&bytes);
    Ok(Content { bytes, header })
}

impl Content {
    /// Every sound record, whatever lies between them. Takes time in proportion to the length.
    pub(super) fn sound(&self) -> Sound<'_> {
        let mut sound = Sound { records: Vec::new(), damaged: 0, torn_at: None };
        let Some(header) = self.header else {
            sound.torn_at = Some(0);
            return sound;
        };
        let mut offset = HEADER_BYTES;
        while offset < self.bytes.len() {
            let (begin, mut found) = (offset, decode_record(&self.bytes, header.salt, offset));
            while found.is_err() && offset < self.bytes.len() {
                offset = offset.saturating_add(1);
                found = decode_record(&self.bytes, header.salt, offset);
            }
            match found {
                Ok(found) => {
                    sound.damaged = sound.damaged.saturating_add(usize::from(begin != offset));
                    offset = found.end();
                    sound.records.push(found);
                }
                Err(_) => sound.torn_at = Some(begin),
            }
        }
        sound
    }

    /// Everything up to here was in the trace when this file ended; `None` when its header is damaged.
    pub(super) fn seen(&self) -> Option<u64> {
        let header = self.header?;
        let marks = self.sound().records.into_iter().rev().find(|found| found.label.kind == MARK);
        Some(marks.map_or(header.seen, |mark| mark.label.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_and_day() {
        let name = Name { number: 7, day: Day::of(Timestamp::parse_iso8601("2026-01-05T23:59:59Z").unwrap()) };
        assert_eq!(name.text(), "0000000007-2026-01-05.trace");
        assert_eq!(Name::parse(&name.text()), Some(name));
        for other in
            ["7-2026-01-05.trace", "0000000007-2026-1-5.trace", "0000000007-2026-13-05.trace", "x.trace", "lock"]
        {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn no_changed_octet_of_a_header_passes() {
        let header = Header { number: 9, seen: 77, salt: 4 };
        let whole = header.encode();
        assert_eq!((Header::decode(&whole), whole.len()), (Some(header), HEADER_BYTES));
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                assert_eq!(Header::decode(&bytes), None);
            }
        }
        assert_eq!(Header::decode(&whole[..39]), None);
    }

    #[test]
    fn damage_costs_the_damaged_records_alone() {
        let header = Header { number: 1, seen: 5, salt: 4 };
        let mut bytes = header.encode();
        let mut begins = Vec::new();
        for sequence in 0..20 {
            begins.push(bytes.len());
            let payload = vec![b'x'; 10 + usize::try_from(sequence).unwrap()];
            encode(&mut bytes, 4, &Item { kind: 3, part: 0, sequence, retold: false, payload });
        }
        begins.push(bytes.len());
        for place in HEADER_BYTES..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            let content = Content { header: Header::decode(&damaged), bytes: damaged };
            let sound = content.sound();
            let hit = u64::try_from(begins.iter().filter(|begin| **begin <= place).count() - 1).unwrap();
            let left: Vec<u64> = sound.records.iter().map(|found| found.label.sequence).collect();
            assert_eq!(left, (0..20).filter(|sequence| *sequence != hit).collect::<Vec<_>>(), "{place}");
            let last = hit == 19;
            assert_eq!((sound.damaged, sound.torn_at.is_some()), (usize::from(!last), last));
        }
        for end in HEADER_BYTES..bytes.len() {
            let content = Content { header: Some(header), bytes: bytes[..end].to_vec() };
            let whole = begins.iter().filter(|begin| **begin <= end).count() - 1;
            let sound = content.sound();
            assert_eq!((sound.records.len(), sound.damaged), (whole, 0));
            assert_eq!(sound.torn_at, (begins[whole] != end).then_some(begins[whole]));
        }
    }
}
