//! Reading what is on disk: the log and the index side by side, since each is read in full at every start, and at a
//! million recipients each takes a good while.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use super::OpenError;
use super::load::{load, version};
use super::log::{Ahead, Replay};
use crate::store::engine::{Engine, EngineError};
use crate::store::journal::{Journal, JournalError};

/// Records of the log that may wait for the index; each may be large.
const WAITING_MAX: usize = 4;

/// Takes the payload of a record, and its place in the log.
pub(super) type Hear<'a> = &'a mut (dyn FnMut(&[u8], u64) + Send);

/// Opens the log and lets somebody hear each record.
pub(super) type OpenLog<'a> = &'a (dyn Fn(Hear<'_>) -> Result<Journal, JournalError> + Sync);

/// What was read.
pub(super) struct Read {
    /// The log, open.
    pub(super) log: Journal,
    /// What the index holds, with all of the log that came later applied; why the index is of no use otherwise.
    pub(super) loaded: Result<Replay, EngineError>,
}

/// Opens the log and loads what the engine holds.
///
/// # Errors
/// `Journal`, and `Io` when there can be no thread.
pub(super) fn read(engine: &dyn Engine, open_log: OpenLog<'_>) -> Result<Read, OpenError> {
    // An engine that cannot say it cannot be loaded either, which tells why.
    let known = version(engine).ok().flatten().map_or(0, |(version, _)| version);
    let (sender, beyond) = sync_channel(WAITING_MAX);
    let mut ahead = Ahead::of(known, sender);
    scope(|scope| {
        let hear = move || {
            let log = open_log(&mut |payload, sequence| ahead.take(payload, sequence));
            (log, ahead.last())
        };
        let reader = Builder::new().name("log".to_owned()).spawn_scoped(scope, hear)?;
        let loaded = load(engine).map(|snapshot| {
            let mut replay = Replay::from(snapshot);
            beyond.into_iter().for_each(|(payload, sequence)| replay.take(&payload, sequence));
            replay
        });
        let (log, last) = reader.join().map_err(|_| std::io::Error::other("the change log could not be read"))?;
        let loaded = loaded.map(|mut replay| {
            replay.passed_over(last);
            replay
        });
        Ok(Read { log: log?, loaded })
    })
}
