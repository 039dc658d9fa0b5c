//! Reading the queue's records at the start: what a record says is read on one thread while what the records before it
//! said is taken in on another, in their order. With a million messages each takes seconds.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, scope};

use super::OpenError;
use super::record::{
    COMMITTED, Committed, EXPANDED, Expanded, GROWN, Grown, MARKED, MOVED, Moved, RecordError, SUSPENDED, decode,
};
use super::table::Replay;
use crate::model::policy::Envelope;
use crate::model::queue::{EntryFacts, QueueId, Suspensions};
use crate::store::hands::Hands;
use crate::store::journal::{Journal, JournalOptions, LargeBody, Location, Record, Recovery};
use crate::world::disk::Disk;

/// What a record says.
#[derive(Debug)]
pub(super) enum Heard {
    Committed(Box<Accepted>),
    Expanded(Expanded),
    Moved(Moved),
    Grown(Grown),
    Suspended(Suspensions),
    Marked(QueueId),
}

/// An accepted message.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) facts: EntryFacts,
    pub(super) large: Option<LargeBody>,
    /// Envelope and head, where the witness does not know the message.
    pub(super) unseen: Option<(Envelope, Vec<u8>)>,
}

impl Heard {
    /// Reads a record; the witness knows those up to `seen`.
    fn of(record: Record<'_>, seen: u64) -> Result<Self, RecordError> {
        let payload = record.payload;
        Ok(match record.kind {
            COMMITTED => {
                let (committed, head, body) = Committed::decode(payload)?;
                let body_bytes = committed.large.as_ref().map_or(body.len() as u64, |large| large.bytes);
                let facts = committed.facts(body_bytes);
                let unseen = (record.sequence > seen).then(|| (committed.envelope, head.to_vec()));
                Self::Committed(Box::new(Accepted { facts, large: committed.large, unseen }))
            }
            EXPANDED => Self::Expanded(decode(payload)?.0),
            MOVED => Self::Moved(decode(payload)?.0),
            GROWN => Self::Grown(decode(payload)?.0),
            SUSPENDED => Self::Suspended(decode(payload)?.0),
            MARKED => Self::Marked(decode(payload)?.0),
            kind => return Err(RecordError::Kind(kind)),
        })
    }

    /// About how much of the record it keeps, in octets.
    fn bytes(&self, location: Location) -> usize {
        match self {
            Self::Committed(accepted) => accepted.unseen.as_ref().map_or(0, |(_, head)| head.len()),
            Self::Expanded(_) | Self::Moved(_) | Self::Grown(_) | Self::Suspended(_) | Self::Marked(_) => {
                usize::try_from(location.payload_bytes).unwrap_or(usize::MAX)
            }
        }
    }
}

/// What was heard at one place.
type Told = (Result<Heard, RecordError>, Location);

/// Records that are handed over together: so many, or so many octets.
pub(super) const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 256 << 10;
/// Batches that may wait.
pub(super) const WAITING_MAX: usize = 4;

/// Gathers what was heard.
struct Reader {
    seen: u64,
    batch: Vec<Told>,
    bytes: usize,
    sender: SyncSender<Vec<Told>>,
}

impl Reader {
    fn hear(&mut self, record: Record<'_>, location: Location) {
        let heard = Heard::of(record, self.seen);
        self.bytes = self.bytes.saturating_add(heard.as_ref().map_or(0, |heard| heard.bytes(location)));
        self.batch.push((heard, location));
        if self.batch.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.bytes = 0;
        // Whoever takes them in listens to the last.
        let _ = self.sender.send(core::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_RECORDS)));
    }
}

/// Opens the journal, and has every record of it taken in.
///
/// # Errors
/// Those of the journal, and `Io` when there can be no thread.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: JournalOptions,
    replay: &mut Replay<'_>,
) -> Result<(Journal, Recovery), OpenError> {
    let seen = replay.seen();
    if options.hands == Hands::Caller {
        let hear = |record: Record<'_>, location| replay.take(Heard::of(record, seen), location);
        return Ok(Journal::open(disk, directory, options, hear)?);
    }
    let (sender, told) = sync_channel(WAITING_MAX);
    let mut reader = Reader { seen, batch: Vec::new(), bytes: 0, sender };
    scope(|scope| {
        let read = move || {
            let opened = Journal::open(disk, directory, options, |record, location| reader.hear(record, location));
            reader.hand_over();
            opened
        };
        let reader = Builder::new().name("journal".to_owned()).spawn_scoped(scope, read)?;
        told.into_iter().flatten().for_each(|(heard, location)| replay.take(heard, location));
        let opened = reader.join().map_err(|_| std::io::Error::other("the queue's journal could not be read"))?;
        Ok(opened?)
    })
}
