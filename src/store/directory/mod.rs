//! The directory that survives: a change log that is the truth, an index that spares reading it, a snapshot in force.
//!
//! A change is validated against the newest snapshot, appended to the log, durable, and only then published: readers
//! take the snapshot in an `Arc` and never wait. The log is a [`Journal`] of its own; each record holds one accepted
//! list of changes with its version, time and author, so it is also the [`history`] of who changed what. None of its
//! records is ever released.
//!
//! The index is an [`Engine`] with every object in pieces of at most 4 KiB. It can be deleted while the server is
//! stopped, and a damaged one is set aside and built anew: nothing is lost, the start merely takes longer. Its version
//! says up to which change it holds; `building` marks it as unfinished while a list larger than one batch goes in.

mod form;
pub mod history;
mod index;
mod load;
mod log;
mod opening;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::engine::{Engine, EngineError};
use super::intake::locked;
use super::journal::{Journal, JournalError, JournalFailure, JournalOptions, Record};
use super::live::LiveDirectory;
use crate::model::directory::{Change, ChangeError, Snapshot};
use crate::world::clock::Clock;
use crate::world::disk::Disk;

pub use history::History;
pub use log::{Entry, LogError};

use index::Index;
use log::Replay;
use opening::{Hear, Read};

/// A change list larger than this, encoded, must be given in parts; in octets.
const CHANGES_BYTES_MAX: usize = 32 << 20;

/// Why the directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The change log cannot be opened.
    #[error("the directory's change log: {0}")]
    Journal(#[from] JournalError),
    /// A record of the change log cannot be understood or applied.
    #[error("the directory's change log: {0}")]
    Log(#[from] LogError),
    /// The index cannot be opened, and not set aside either.
    #[error("the directory's index: {0}")]
    Index(#[from] EngineError),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Why a change did not come into force.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The rules of the directory refuse it.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The caller found that there is nothing to change, or nothing that could be.
    #[error("{0}")]
    Planned(String),
    /// The list is too large for one step.
    #[error("a change of {bytes} octets exceeds the bound of {CHANGES_BYTES_MAX}; make it in parts")]
    TooLarge {
        /// The size of the encoded list.
        bytes: usize,
    },
    /// It could not be made durable; it is not in force.
    #[error("the change could not be made durable: {0}")]
    NotDurable(#[from] JournalFailure),
    /// It cannot be written down.
    #[error("the change cannot be encoded: {0}")]
    Encoding(String),
}

/// What opening the directory found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// The index was whole; this many lists were applied after it.
    Current {
        /// Lists that were in the log only.
        behind: u64,
    },
    /// There was none, it was unfinished, or it could not be read: it was built from the log.
    Rebuilt {
        /// Where a damaged one was put.
        set_aside: Option<PathBuf>,
    },
}

/// Opens the engine in a directory; given by the caller, who chooses the engine.
pub type OpenEngine<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Engine>, EngineError>;

/// The directory of a running server or of a command that works without one.
pub struct DirectoryStore {
    current: Arc<LiveDirectory>,
    writer: Mutex<Writer>,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    log: PathBuf,
}

struct Writer {
    log: Journal,
    index: Option<Index>,
}

impl core::fmt::Debug for DirectoryStore {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "DirectoryStore(version {})", self.snapshot().version())
    }
}

impl DirectoryStore {
    /// Opens or creates the directory below `place`: `log/` and `index/`. Blocks while it reads everything.
    ///
    /// # Errors
    /// [`OpenError`]; another process that has the directory shows as `Journal(InUse)`.
    pub fn open(
        disk: Arc<dyn Disk>,
        place: &Path,
        open_engine: OpenEngine<'_>,
        clock: Arc<dyn Clock>,
        salt: u64,
    ) -> Result<(Self, IndexState), OpenError> {
        let (index_place, log_place) = (place.join("index"), place.join("log"));
        let (mut index, mut set_aside) = Index::open(&*disk, &index_place, open_engine)?;
        let open_log = |hear: Hear<'_>| {
            let replay = |record: Record<'_>, _| hear(record.payload, record.sequence);
            Journal::open(Arc::clone(&disk), &log_place, log_options(salt), replay).map(|(log, _)| log)
        };
        let Read { mut log, loaded } = opening::read(index.engine(), &open_log)?;
        let replayed = match loaded {
            Ok(replay) => match replay.finish() {
                // Going on would forget recipients without a word, and refuse their mail for good.
                Err(error @ LogError::Short { .. }) => return Err(error.into()),
                // An index that the log does not continue is worth nothing: the log alone decides.
                Err(_) => None,
                Ok(replayed) => Some(replayed),
            },
            Err(EngineError::Corrupt { reason, .. }) => {
                drop(index);
                let (fresh, aside) = Index::open_anew(&*disk, &index_place, open_engine, &reason)?;
                (index, set_aside) = (fresh, Some(aside));
                None
            }
            Err(error) => return Err(error.into()),
        };
        let (snapshot, behind) = match replayed {
            Some(replayed) => replayed,
            None => {
                drop(log);
                let mut replay = Replay::from(Snapshot::default());
                log = open_log(&mut |payload, sequence| replay.take(payload, sequence))?;
                replay.finish()?
            }
        };
        let rebuilt = behind > 0 && behind == snapshot.version();
        if behind > 0 {
            index.write_all(&snapshot)?;
        }
        let state = if rebuilt || set_aside.is_some() {
            IndexState::Rebuilt { set_aside }
        } else {
            IndexState::Current { behind }
        };
        let current = Arc::new(LiveDirectory::new(Arc::new(snapshot)));
        let writer = Mutex::new(Writer { log, index: Some(index) });
        Ok((Self { current, writer, clock, disk, log: log_place }, state))
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.current()
    }

    /// A handle through which readers see every later snapshot.
    pub fn live(&self) -> Arc<LiveDirectory> {
        Arc::clone(&self.current)
    }

    /// Changes the directory. `plan` is called once, under the writer's lock, with the newest snapshot, so nothing can
    /// come between its reading and the change. When this returns, the change is durable and in force. Blocks.
    ///
    /// # Errors
    /// [`DirectoryError`]; in each case the directory is as it was. An empty list is no error and changes nothing.
    pub fn change(
        &self,
        actor: &str,
        plan: &mut dyn FnMut(&Snapshot) -> Result<Vec<Change>, String>,
    ) -> Result<Arc<Snapshot>, DirectoryError> {
        let mut writer = locked(&self.writer);
        let former = self.current.current();
        let changes = plan(&former).map_err(DirectoryError::Planned)?;
        if changes.is_empty() {
            return Ok(former);
        }
        let next = Arc::new(former.apply(&changes)?);
        let entry = Entry { version: next.version(), at: self.clock.now(), actor: actor.to_owned(), changes };
        let record = entry.encode().map_err(DirectoryError::Encoding)?;
        if record.len() > CHANGES_BYTES_MAX {
            return Err(DirectoryError::TooLarge { bytes: record.len() });
        }
        if writer.log.failure().is_some() {
            // The change that failed was refused and must not come back before this one: recovery cuts it off.
            writer.log.recover_blocking()?;
        }
        writer.log.append_blocking(log::KIND, record)?.wait()?;
        self.current.publish(Arc::clone(&next));
        writer.follow(&former, &next, &entry.changes);
        Ok(next)
    }

    /// Who changed what and when, up to the snapshot in force.
    pub fn past(&self) -> History {
        History { disk: Arc::clone(&self.disk), log: self.log.clone(), newest: self.snapshot().version() }
    }

    /// Reads the whole history, oldest first, and shows every entry.
    ///
    /// # Errors
    /// When a record cannot be read or understood.
    pub fn history(disk: Arc<dyn Disk>, place: &Path, show: &mut dyn FnMut(&Entry)) -> Result<(), OpenError> {
        let mut failed = None;
        let (_log, _) = Journal::open(disk, &place.join("log"), log_options(0), |record, _| {
            match Entry::decode(record.payload, record.sequence) {
                Ok(entry) => show(&entry),
                Err(error) => failed = failed.take().or(Some(error)),
            }
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The bounds of the change log: lists of changes can be much larger than messages' envelopes. `salt` is a fresh random
/// number.
pub const fn log_options(salt: u64) -> JournalOptions {
    let mut options = JournalOptions::new(salt);
    options.record_bytes_max = CHANGES_BYTES_MAX;
    options.group_bytes_max = 2 * CHANGES_BYTES_MAX;
    options
}

impl Writer {
    /// Brings the index up to the new snapshot. A failure costs nothing but time at the next start, so it is logged,
    /// the index is left alone from then on, and the next start builds it anew from where it stands.
    fn follow(&mut self, former: &Snapshot, next: &Snapshot, changes: &[Change]) {
        let Some(index) = &mut self.index else {
            return;
        };
        if let Err(error) = index.write_changes(former, next, changes) {
            tracing::error!(%error, "the directory's index fell behind; it is rebuilt at the next start");
            self.index = None;
        }
    }
}
