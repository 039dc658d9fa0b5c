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

use std::collections::VecDeque;

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
    /// The newest segment when the search began. What is in later ones was just written, perhaps by the search itself:
    /// one message may fill several segments, and would be written anew for ever.
    newest: u64,
    /// The first message not looked at yet.
    next: QueueId,
}

impl Renewal {
    /// A search to begin with; none when the journal is full enough of what is needed.
    fn begin(shared: &Shared) -> Option<Self> {
        Self::of_oldest(shared, shared.journal.newest_segment())
    }

    /// The search in the segment that is the oldest now, unless that could not be emptied a moment ago, or is younger
    /// than the search.
    fn following(self, shared: &Shared) -> Option<Self> {
        Self::of_oldest(shared, self.newest).filter(|next| next.segment > self.segment)
    }

    fn of_oldest(shared: &Shared, newest: u64) -> Option<Self> {
        let usage = shared.journal.usage();
        if usage.segments < SEGMENTS_KEPT || usage.live_bytes.saturating_mul(2) > usage.bytes {
            return None;
        }
        let segment = shared.journal.oldest_segment()?.segment;
        (segment <= newest).then_some(Self { segment, newest, next: QueueId(0) })
    }

    /// The next messages that keep the segment; `next` stands behind them.
    fn look(&mut self, table: &Table) -> Found {
        let mut found = Found { messages: Vec::new(), end: false };
        let (mut looked, mut bytes) = (0_usize, 0_u64);
        for (id, stored) in table.stored.iter_from(self.next) {
            if looked >= LOOKED_AT || found.messages.len() >= BATCH_RECORDS / 2 || bytes >= BATCH_BYTES as u64 {
                return found;
            }
            looked = looked.saturating_add(1);
            self.next = id.following();
            if stored.locations().any(|location| location.segment == self.segment) {
                bytes = bytes.saturating_add(stored.committed.record_bytes());
                found.messages.push(id);
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
        let Some(mut renewal) = self.renewal.take().or_else(|| Renewal::begin(&self.shared)) else {
            return;
        };
        self.renew_suspensions(&renewal);
        self.renew_mark(&renewal);
        let found = renewal.look(&locked(&self.shared.table));
        self.write_anew(found.messages, true);
        self.renewal = if found.end { renewal.following(&self.shared) } else { Some(renewal) };
    }

    /// What is suspended stands in one record, which may keep the segment as well.
    fn renew_suspensions(&self, renewal: &Renewal) {
        let table = locked(&self.shared.table);
        if table.suspended.is_none_or(|location| location.segment != renewal.segment) {
            return;
        }
        let suspensions = record::encode(table.dispatcher.suspensions());
        drop(table);
        let Some(locations) = suspensions.ok().and_then(|payload| self.append([(SUSPENDED, payload)])) else { return };
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
        let Some(location) = self.append([(MARKED, payload)]).and_then(|all| all.first().copied()) else { return };
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
        let mut anew = Anew::new(self);
        for id in messages {
            if let Err(error) = anew.message(id, content) {
                tracing::warn!(queue_id = %id, %error, "a message cannot be written anew; its segment stays");
            }
        }
        anew.flush();
    }

    fn replace(&self, renewed: Renewed, written: Vec<Location>) {
        let Renewed { id, content, former, .. } = renewed;
        let mut table = locked(&self.shared.table);
        let needless = match (table.stored.get_mut(id), written.split_first()) {
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

/// Messages on their way to new records. A huge one leaves in several batches while its pieces are made; an expansion
/// broken off is passed over by the replay.
struct Anew<'a> {
    recorder: &'a Recorder,
    /// What has not left yet.
    records: Vec<(u8, Vec<u8>)>,
    bytes: usize,
    /// Where the records are that have left, from the first of the messages below on.
    written: VecDeque<Location>,
    /// Those of whom all records were made.
    renewed: VecDeque<Renewed>,
    /// The queue closes, or a batch was refused: what follows would not be told apart from what is missing.
    failed: bool,
}

impl<'a> Anew<'a> {
    const fn new(recorder: &'a Recorder) -> Self {
        Self {
            recorder,
            records: Vec::new(),
            bytes: 0,
            written: VecDeque::new(),
            renewed: VecDeque::new(),
            failed: false,
        }
    }

    /// Makes the records of a message as it stands now; none when it has gone. Facts that are on their way come later,
    /// in the journal and in the table, than what is read here.
    fn message(&mut self, id: QueueId, content: bool) -> Result<(), JournalError> {
        if self.failed {
            return Ok(());
        }
        let shared = &self.recorder.shared;
        let table = locked(&shared.table);
        let (Some(stored), Some(entry)) = (table.stored.get(id), table.dispatcher.entry(id)) else { return Ok(()) };
        let (stored, entry) = (stored.into_owned(), entry.into_owned());
        drop(table);
        let mut count = 0_usize;
        if content {
            let committed = shared.journal.read(stored.committed)?;
            self.push(COMMITTED, committed);
            count = 1;
        }
        let expanded = entry.is_expanded().then(|| record::parts(entry.targets().len()));
        for part in expanded.into_iter().flatten() {
            match part.expanded(id, entry.targets()) {
                Ok(piece) => self.push(EXPANDED, piece),
                // Fewer records than counted: what was written of this message is released, and all of it stays.
                Err(error) => {
                    tracing::error!(queue_id = %id, %error, "recipients cannot be written anew");
                    self.flush();
                    let needless = self.written.drain(..);
                    needless.for_each(|location| shared.journal.release(location));
                    return Ok(());
                }
            }
            count = count.saturating_add(1);
        }
        if count > 0 {
            let mut former = stored.facts;
            former.extend(content.then_some(stored.committed));
            self.renewed.push_back(Renewed { id, content, count, former });
        }
        Ok(())
    }

    fn push(&mut self, kind: u8, record: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(record.len());
        self.records.push((kind, record));
        if self.bytes >= BATCH_BYTES || self.records.len() >= BATCH_RECORDS {
            self.flush();
        }
    }

    /// Appends what was made and, once it is durable, forgets what it replaces.
    fn flush(&mut self) {
        let records = core::mem::take(&mut self.records);
        self.bytes = 0;
        if self.failed {
            return;
        }
        if !records.is_empty() {
            let Some(written) = self.recorder.append(records) else {
                self.failed = true;
                return;
            };
            self.written.extend(written);
        }
        while let Some(front) = self.renewed.front().filter(|front| front.count <= self.written.len()) {
            let written: Vec<Location> = self.written.drain(..front.count).collect();
            if let Some(renewed) = self.renewed.pop_front() {
                self.recorder.replace(renewed, written);
            }
        }
    }
}
