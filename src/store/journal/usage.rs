//! Which records of which segment are still needed.
//!
//! A segment goes when it is closed, nothing in it is needed, and it is the *oldest*. That last condition is what
//! makes it safe to release a fact ("delivered to bob") together with what it is about: a fact is always younger, so
//! it leaves after what it is about, and a replay can never see the message without the fact.

use std::collections::BTreeMap;

use super::Location;

/// How full the oldest segment is, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentUsage {
    /// The number of the segment.
    pub segment: u64,
    /// Its size in octets.
    pub bytes: u64,
    /// The octets of records not yet released.
    pub live_bytes: u64,
    /// Those records, in order.
    pub survivors: Vec<Location>,
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

#[derive(Debug)]
struct Segment {
    salt: u64,
    bytes: u64,
    live_bytes: u64,
    closed: bool,
    live: BTreeMap<u32, Location>,
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
        let segment = Segment { salt, bytes, live_bytes: 0, closed: false, live: BTreeMap::new() };
        self.segments.insert(number, segment);
    }

    pub(super) fn record(&mut self, location: Location) {
        let Some(segment) = self.segments.get_mut(&location.segment) else { return };
        segment.live_bytes = segment.live_bytes.saturating_add(location.record_bytes());
        segment.live.insert(location.offset, location);
    }

    pub(super) fn set_bytes(&mut self, number: u64, bytes: u64) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes = bytes;
        }
    }

    /// Forgets a record; a second release of the same one changes nothing. Says whether a segment can go.
    pub(super) fn release(&mut self, location: Location) -> bool {
        if let Some(segment) = self.segments.get_mut(&location.segment)
            && segment.live.get(&location.offset) == Some(&location)
        {
            segment.live.remove(&location.offset);
            segment.live_bytes = segment.live_bytes.saturating_sub(location.record_bytes());
        }
        self.removable().is_some()
    }

    /// The oldest segment, when it is closed and not needed.
    pub(super) fn removable(&self) -> Option<u64> {
        let (number, segment) = self.segments.first_key_value()?;
        (segment.closed && segment.live.is_empty()).then_some(*number)
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.segments.remove(&number);
    }

    pub(super) fn salt(&self, number: u64) -> Option<u64> {
        self.segments.get(&number).map(|segment| segment.salt)
    }

    pub(super) fn oldest(&self) -> Option<SegmentUsage> {
        let (number, segment) = self.segments.first_key_value()?;
        segment.closed.then(|| SegmentUsage {
            segment: *number,
            bytes: segment.bytes,
            live_bytes: segment.live_bytes,
            survivors: segment.live.values().copied().collect(),
        })
    }

    pub(super) fn total(&self) -> JournalUsage {
        self.segments.values().fold(JournalUsage::default(), |total, segment| JournalUsage {
            segments: total.segments.saturating_add(1),
            bytes: total.bytes.saturating_add(segment.bytes),
            live_bytes: total.live_bytes.saturating_add(segment.live_bytes),
        })
    }
}
