//! Which records of which segment are still needed.
//!
//! A segment goes when it is closed, nothing in it is needed, and it is the *oldest*. That last condition is what
//! makes it safe to release a fact ("delivered to bob") together with what it is about: a fact is always younger, so
//! it leaves after what it is about, and a replay can never see the message without the fact.

use std::collections::BTreeMap;

use super::Location;

/// How full the oldest segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentUsage {
    /// The number of the segment.
    pub segment: u64,
    /// Its size in octets.
    pub bytes: u64,
    /// The octets of records not yet released.
    pub live_bytes: u64,
    /// How many of them there are.
    pub live_records: usize,
}

/// The journal as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalUsage {
    /// How many segments there are.
    pub segments: usize,
    /// Their size in octets.
    pub bytes: u64,
    /// The octets of records not yet released.
    pub live_bytes: u64,
}

/// A million messages have several million records, so each takes four octets and a bit.
#[derive(Debug)]
struct Segment {
    salt: u64,
    bytes: u64,
    live_bytes: u64,
    live_records: usize,
    closed: bool,
    /// Where each record begins, ascending.
    offsets: Vec<u32>,
    /// A bit for each record that was released, in words of 64.
    released: Vec<u64>,
}

impl Segment {
    const fn new(salt: u64, bytes: u64) -> Self {
        Self { salt, bytes, live_bytes: 0, live_records: 0, closed: false, offsets: Vec::new(), released: Vec::new() }
    }

    /// Marks the record at `offset` as released; false when it is not there, or was before.
    fn release(&mut self, offset: u32) -> bool {
        let Ok(index) = self.offsets.binary_search(&offset) else { return false };
        let (word, bit) = (index / 64, 1_u64 << (index % 64));
        if self.released.len() <= word {
            self.released.resize(word.saturating_add(1), 0);
        }
        match self.released.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// The table of segments.
#[derive(Debug, Default)]
pub(super) struct Usage {
    segments: BTreeMap<u64, Segment>,
}

impl Usage {
    pub(super) fn begin(&mut self, number: u64, salt: u64, bytes: u64) {
        for segment in self.segments.values_mut() {
            segment.closed = true;
        }
        self.segments.insert(number, Segment::new(salt, bytes));
    }

    /// Notes a record; those of a segment come in the order of their offsets.
    pub(super) fn record(&mut self, location: Location) {
        let Some(segment) = self.segments.get_mut(&location.segment) else { return };
        segment.live_bytes = segment.live_bytes.saturating_add(location.record_bytes());
        segment.live_records = segment.live_records.saturating_add(1);
        segment.offsets.push(location.offset);
    }

    pub(super) fn set_bytes(&mut self, number: u64, bytes: u64) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes = bytes;
        }
    }

    /// Forgets a record; a second release of the same one changes nothing. Says whether a segment can go.
    pub(super) fn release(&mut self, location: Location) -> bool {
        if let Some(segment) = self.segments.get_mut(&location.segment)
            && segment.release(location.offset)
        {
            segment.live_bytes = segment.live_bytes.saturating_sub(location.record_bytes());
            segment.live_records = segment.live_records.saturating_sub(1);
            if segment.live_records == 0 && segment.closed {
                (segment.offsets, segment.released) = (Vec::new(), Vec::new());
            }
        }
        self.removable().is_some()
    }

    /// The oldest segment, when it is closed and not needed.
    pub(super) fn removable(&self) -> Option<u64> {
        let (number, segment) = self.segments.first_key_value()?;
        (segment.closed && segment.live_records == 0).then_some(*number)
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.segments.remove(&number);
    }

    pub(super) fn salt(&self, number: u64) -> Option<u64> {
        self.segments.get(&number).map(|segment| segment.salt)
    }

    pub(super) fn oldest(&self) -> Option<SegmentUsage> {
        let (number, segment) = self.segments.iter().find(|(_, segment)| segment.live_records > 0)?;
        segment.closed.then_some(SegmentUsage {
            segment: *number,
            bytes: segment.bytes,
            live_bytes: segment.live_bytes,
            live_records: segment.live_records,
        })
    }

    /// The segment that is written to.
    pub(super) fn newest(&self) -> Option<u64> {
        self.segments.last_key_value().map(|(number, _)| *number)
    }

    pub(super) fn total(&self) -> JournalUsage {
        self.segments.values().fold(JournalUsage::default(), |total, segment| JournalUsage {
            segments: total.segments.saturating_add(1),
            bytes: total.bytes.saturating_add(segment.bytes),
            live_bytes: total.live_bytes.saturating_add(segment.live_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(offset: u32) -> Location {
        Location { segment: 1, offset, payload_bytes: 10, sequence: u64::from(offset) }
    }

    #[test]
    fn a_record_is_released_once_however_often_it_is_said() {
        let mut usage = Usage::default();
        usage.begin(1, 7, 24);
        let all: Vec<Location> = (0..200).map(|number| location(24 + number * 50)).collect();
        all.iter().for_each(|location| usage.record(*location));
        let each = all[0].record_bytes();
        for (released, location) in (1_u64..).zip(&all) {
            for said in [*location, *location, Location { offset: location.offset + 1, ..*location }] {
                assert!(!usage.release(said), "the segment is not closed");
            }
            assert_eq!(usage.total().live_bytes, (200 - released) * each);
        }
        usage.begin(2, 7, 24);
        assert_eq!(usage.removable(), Some(1));
        assert_eq!(usage.oldest(), None, "nothing in it is needed, and the next one is open");
    }

    #[test]
    fn a_closed_segment_goes_with_its_last_record_and_not_before() {
        let mut usage = Usage::default();
        usage.begin(1, 7, 24);
        usage.record(location(24));
        usage.record(location(90));
        usage.begin(2, 7, 24);
        assert!(!usage.release(location(90)) && !usage.release(location(90)));
        assert!(usage.release(location(24)));
    }
}
