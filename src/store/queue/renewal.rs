//! Keeps the journal small and the start short: writes anew what holds old segments, and what a message has gathered.
//!
//! **Old segments.** A segment goes only as the oldest, so one message that waits keeps everything that was written
//! after it. When more than half of the journal is not needed any more, the messages that keep its oldest segment are
//! written anew, content and present state, a slice between any two batches of facts: a queue that carries a million
//! messages is not stopped for any of it.
//!
//! **Long histories.** Each attempt of a message that waits is a record, and the start would read all of them. Once a
//! message has gathered many, its present state is written as one expansion, which makes them needless.
//!
//! Both are safe at every crash: the former records are released only when the new ones are durable, an expansion
//! without its last piece is passed over by the replay, and one that is whole replaces what was before it.

use super::record::{self, COMMITTED, EXPANDED, MARKED, SUSPENDED};
use super::recorder::{BATCH_BYTES, BATCH_RECORDS, Recorder};
use super::table::{Stored, Table};
use super::{JournalError, QueueId, Shared};
use crate::store::intake::locked;
use crate::store::journal::Location;

/// Fewer segments are not worth writing anything anew.
const SEGMENTS_KEPT: usize = 3;
/// Messages looked at under the queue's lock at once.
const LOOKED_AT: usize = 2_000;
/// A message with more records than this, beside two for each piece of its expansion, is written as one state.
const HISTORY_MAX: usize = 6;

/// How far the search for messages that keep the oldest segment has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    segment: u64,
    /// The first message not looked at yet.
    next: QueueId,
}

impl Renewal {
    /// A search to begin with; none when the journal is full enough of what is needed, or when only segments up to
    /// `tried` could be emptied: what could not be written anew a moment ago cannot be now.
    fn begin(shared: &Shared, tried: Option<u64>) -> Option<Self> {
        let usage = shared.journal.usage();
        if usage.segments < SEGMENTS_KEPT || usage.live_bytes.saturating_mul(2) > usage.bytes {
            return None;
        }
        let oldest = shared.journal.oldest_segment()?;
        (tried < Some(oldest.segment)).then_some(Self { segment: oldest.segment, next: QueueId(0) })
    }

    /// The next messages that keep the segment; `next` stands behind them.
    fn look(&mut self, table: &Table) -> Found {
        let mut found = Found { messages: Vec::new(), end: false };
        let (mut looked, mut bytes) = (0_usize, 0_u64);
        for (id, stored) in table.stored.range(self.next..) {
            if looked >= LOOKED_AT || found.messages.len() >= BATCH_RECORDS / 2 || bytes >= BATCH_BYTES as u64 {
                return found;
            }
            looked = looked.saturating_add(1);
            self.next = id.following();
            if stored.locations().any(|location| location.segment == self.segment) {
                bytes = bytes.saturating_add(stored.committed.record_bytes());
                found.messages.push(*id);
            }
        }
        found.end = true;
        found
    }
}

struct Found {
    messages: Vec<QueueId>,
    /// There are no more messages to look at.
    end: bool,
}

/// A message on its way to new records.
struct Renewed {
    id: QueueId,
    /// Content first, unless only the state is written.
    content: bool,
    /// How many records it takes.
    count: usize,
    /// What becomes needless.
    former: Vec<Location>,
}

/// Whether the records of a message are so many that its state is better written as one.
pub(super) fn is_overgrown(stored: &Stored, target_count: impl Fn() -> usize) -> bool {
    let bound = |pieces: usize| HISTORY_MAX.saturating_add(pieces.saturating_mul(2));
    // Most messages have few records, and their recipients need not be counted.
    stored.facts.len() > bound(1) && stored.facts.len() > bound(target_count().div_ceil(record::TARGETS_OF_A_PIECE))
}

impl Recorder {
    /// Writes a slice anew where that is worth while; `renewal` says whether there is more to do at once.
    pub(super) fn renew(&mut self) {
        let mut overgrown = core::mem::take(&mut self.overgrown);
        overgrown.sort_unstable();
        overgrown.dedup();
        self.write_anew(overgrown, false);
        let Some(mut renewal) = self.renewal.take().or_else(|| Renewal::begin(&self.shared, None)) else {
            return;
        };
        self.renew_suspensions(&renewal);
        self.renew_mark(&renewal);
        let found = renewal.look(&locked(&self.shared.table));
        self.write_anew(found.messages, true);
        self.renewal = if found.end { Renewal::begin(&self.shared, Some(renewal.segment)) } else { Some(renewal) };
    }

    /// What is suspended stands in one record, which may keep the segment as well.
    fn renew_suspensions(&self, renewal: &Renewal) {
        let table = locked(&self.shared.table);
        if table.suspended.is_none_or(|location| location.segment != renewal.segment) {
            return;
        }
        let suspensions = record::encode(table.dispatcher.suspensions());
        drop(table);
        let Some(locations) = suspensions.ok().and_then(|payload| self.append(&[(SUSPENDED, payload)])) else { return };
        let former = locations.first().and_then(|location| locked(&self.shared.table).suspended.replace(*location));
        former.into_iter().for_each(|location| self.shared.journal.release(location));
    }

    /// The greatest id may be told by the record of a message that has gone; a small record does it as well.
    fn renew_mark(&self, renewal: &Renewal) {
        let table = locked(&self.shared.table);
        let former = table.mark.filter(|location| location.segment == renewal.segment);
        let newest = record::encode(&table.newest);
        drop(table);
        let (Some(former), Ok(payload)) = (former, newest) else { return };
        let Some(location) = self.append(&[(MARKED, payload)]).and_then(|all| all.first().copied()) else { return };
        let mut table = locked(&self.shared.table);
        // A message may have come in the meantime.
        let stands = table.mark == Some(former);
        if stands {
            table.mark = Some(location);
        }
        drop(table);
        self.shared.journal.release(if stands { former } else { location });
    }

    /// Writes these messages' states anew, with their contents or without, in as few batches as possible.
    fn write_anew(&self, messages: Vec<QueueId>, content: bool) {
        let (mut batch, mut renewed, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for id in messages {
            let (records, one) = match self.records_of(id, content) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(queue_id = %id, %error, "a message cannot be written anew; its segment stays");
                    continue;
                }
            };
            bytes = records.iter().fold(bytes, |sum, (_, payload)| sum.saturating_add(payload.len()));
            batch.extend(records);
            renewed.push(one);
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_RECORDS {
                self.append_renewed(core::mem::take(&mut batch), core::mem::take(&mut renewed));
                bytes = 0;
            }
        }
        self.append_renewed(batch, renewed);
    }

    /// The records of a message as it stands now; none when it has gone. Facts that are on their way come later, in the
    /// journal and in the table, than what is read here.
    #[allow(clippy::type_complexity, reason = "records go to the journal as pairs")]
    fn records_of(&self, id: QueueId, content: bool) -> Result<Option<(Vec<(u8, Vec<u8>)>, Renewed)>, JournalError> {
        let table = locked(&self.shared.table);
        let (Some(stored), Some(entry)) = (table.stored.get(&id), table.dispatcher.entry(id)) else { return Ok(None) };
        let (stored, entry) = (stored.clone(), entry.clone());
        drop(table);
        let mut records = Vec::new();
        if content {
            records.push((COMMITTED, self.shared.journal.read(stored.committed)?));
        }
        if entry.is_expanded() {
            let pieces = record::pieces(id, entry.targets()).map_err(|_| JournalError::NoRecord(stored.committed))?;
            records.extend(pieces.into_iter().map(|piece| (EXPANDED, piece)));
        }
        let mut former = stored.facts;
        former.extend(content.then_some(stored.committed));
        let one = Renewed { id, content, count: records.len(), former };
        Ok((!records.is_empty()).then_some((records, one)))
    }

    /// Appends the records and, once they are durable, forgets what they replace.
    fn append_renewed(&self, records: Vec<(u8, Vec<u8>)>, renewed: Vec<Renewed>) {
        let mut locations = Vec::with_capacity(records.len());
        // One huge message can exceed a batch of the journal; an expansion broken off is passed over by the replay.
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (part, more) = rest.split_at(batch_length(rest));
            let Some(written) = self.append(part) else { return };
            locations.extend(written);
            rest = more;
        }
        let mut locations = locations.into_iter();
        for one in renewed {
            let written: Vec<Location> = locations.by_ref().take(one.count).collect();
            self.replace(one, written);
        }
    }

    fn replace(&self, renewed: Renewed, written: Vec<Location>) {
        let Renewed { id, content, former, .. } = renewed;
        let mut table = locked(&self.shared.table);
        let needless = match (table.stored.get_mut(&id), written.split_first()) {
            (Some(stored), Some((committed, facts))) if content => {
                stored.committed = *committed;
                stored.facts = facts.to_vec();
                former
            }
            (Some(stored), _) => {
                stored.facts = written;
                former
            }
            // It went in the meantime, with its former records; what was written is not needed.
            (None, _) => written,
        };
        drop(table);
        needless.into_iter().for_each(|location| self.shared.journal.release(location));
    }
}

/// How many of the records go into one batch, at least one.
fn batch_length(records: &[(u8, Vec<u8>)]) -> usize {
    let mut bytes = 0_usize;
    let fits = records.iter().take(BATCH_RECORDS).take_while(|(_, payload)| {
        bytes = bytes.saturating_add(payload.len());
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}
