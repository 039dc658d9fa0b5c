//! The embedded engine, on sled. No other file names sled.
//!
//! sled alone does not survive a power cut: its `flush` starts the writing without a barrier, its `flush_async` hangs
//! under concurrency, and values beyond some 8 KiB go to files that it never synchronises. So one thread owns
//! durability: it takes the batches that have gathered, applies each, flushes, calls `fdatasync` on sled's `db` file,
//! and only then answers; and values are bounded. All trees live in one of sled's, told apart by the first octet of the
//! key, because a batch is atomic within one tree without a transaction. Refused alternative: sled's transactions over
//! several trees, which are slower and may run a closure twice.

use core::ops::Bound;
use core::time::Duration;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{Batch, CommitTicket, Engine, EngineError, Hear, KeyRange, Tree, place, places};
use crate::store::intake::{Bounds, Gathered, Intake, Patience, locked};
use crate::store::ticket::{Promise, ticket};
use crate::world::disk::{DirectoryLock, Disk as _, RealDisk};

const QUEUE: Bounds = Bounds { items: 4096, bytes: 16 << 20 };
const GROUP: Bounds = Bounds { items: 1024, bytes: 4 << 20 };
/// The system has the rest in its own cache. What is read at the start is not read again.
const CACHE_BYTES: u64 = 8 << 20;
/// sled's own flushing collects its garbage, too.
const FLUSH_MILLISECONDS: u64 = 1000;

/// What sled says when its own lock is held; it gives no kind of its own for it.
const LOCKED: &str = "could not acquire lock";
/// How often, and with which pause, that lock is tried: five seconds in all.
const LOCK_TRIES_MAX: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

type Commit = (Batch, Promise<(), EngineError>);

/// An open store in a directory. Dropping it finishes what was handed over.
#[derive(Debug)]
pub struct EmbeddedEngine {
    directory: PathBuf,
    // Declared before the lock: sled must be closed when the directory is given free.
    store: Option<sled::Db>,
    intake: Intake<Commit>,
    committer: Option<JoinHandle<()>>,
    _lock: Box<dyn DirectoryLock>,
}

impl EmbeddedEngine {
    /// Opens or creates the store in `directory`. Blocks.
    ///
    /// # Errors
    /// `InUse`, `Corrupt` and `Io`, each as described there.
    pub fn open(directory: &Path) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::Io { reason: error.to_string().into() };
        RealDisk.create_directories(directory).map_err(failed)?;
        let lock = RealDisk.lock(directory).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => EngineError::InUse { directory: directory.to_owned() },
            _ => failed(error),
        })?;
        let place = directory.join("sled");
        let is_new = !RealDisk.exists(&place).map_err(failed)?;
        let store = open_store(&place, directory)?;
        let data = File::open(place.join("db")).map_err(failed)?;
        if is_new {
            // The names, and what sled wrote about its own configuration, must survive as well.
            data.sync_all().map_err(failed)?;
            File::open(place.join("conf")).and_then(|file| file.sync_all()).map_err(failed)?;
            RealDisk.synchronize_directory(&place).map_err(failed)?;
            RealDisk.synchronize_directory(directory).map_err(failed)?;
        }
        let intake = Intake::new(QUEUE);
        let committer = Committer {
            directory: directory.to_owned(),
            store: store.clone(),
            data,
            intake: intake.clone(),
            failure: Mutex::new(None),
        };
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || committer.run());
        let committer = Some(thread.map_err(failed)?);
        Ok(Self { directory: directory.to_owned(), store: Some(store), intake, committer, _lock: lock })
    }

    fn store(&self) -> Result<&sled::Db, EngineError> {
        self.store.as_ref().ok_or(EngineError::Closed)
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        self.intake.close();
        if let Some(committer) = self.committer.take() {
            // A panic there has already failed its tickets; there is nobody left to tell.
            let _ = committer.join();
        }
        self.store = None;
    }
}

/// Opens sled, waiting for its own lock. Whoever holds that one while the directory is ours is on the way out: a thread
/// of sled that ends after its last handle is gone, or a child of this process between its beginning and its program.
fn open_store(place: &Path, directory: &Path) -> Result<sled::Db, EngineError> {
    let mut tries = 0;
    loop {
        match open_once(place, directory) {
            Err(EngineError::Io { reason }) if reason.contains(LOCKED) && tries < LOCK_TRIES_MAX => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

fn open_once(place: &Path, directory: &Path) -> Result<sled::Db, EngineError> {
    let configuration =
        sled::Config::default().path(place).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_MILLISECONDS));
    // sled meets some damages with a panic of its own.
    match catch_unwind(AssertUnwindSafe(|| configuration.open())) {
        Ok(opened) => opened.map_err(|error| in_words(error, directory)),
        Err(_) => Err(EngineError::Corrupt { directory: directory.to_owned(), reason: "it cannot be read".into() }),
    }
}

fn in_words(error: sled::Error, directory: &Path) -> EngineError {
    let reason = Arc::from(error.to_string());
    match error {
        sled::Error::Io(cause) if cause.kind() != io::ErrorKind::InvalidData => EngineError::Io { reason },
        sled::Error::Io(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => EngineError::Corrupt { directory: directory.to_owned(), reason },
    }
}

impl Engine for EmbeddedEngine {
    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let value = self.store()?.get(place(tree, key)).map_err(|error| in_words(error, &self.directory))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn walk(&self, tree: Tree, range: KeyRange<'_>, hear: Hear<'_>) -> Result<(), EngineError> {
        let (from, until) = places(tree, range);
        if until.as_ref().is_some_and(|until| *until <= from) {
            return Ok(());
        }
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        for entry in self.store()?.range((Bound::Included(from), end)) {
            let (place, value) = entry.map_err(|error| in_words(error, &self.directory))?;
            if hear(place.get(1..).unwrap_or_default(), &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> CommitTicket {
        let (promise, ticket) = ticket();
        if let Err(error) = batch.judge_sizes() {
            promise.fulfil(Err(error));
            return ticket;
        }
        let bytes = batch.bytes();
        match self.intake.try_push((batch, promise), bytes) {
            Ok(None) => {}
            Ok(Some((_, promise))) => promise.fulfil(Err(EngineError::Busy)),
            Err(rejected) => rejected.0.1.fulfil(Err(EngineError::Closed)),
        }
        ticket
    }
}

struct Committer {
    directory: PathBuf,
    store: sled::Db,
    data: File,
    intake: Intake<Commit>,
    failure: Mutex<Option<EngineError>>,
}

impl Committer {
    fn run(self) {
        while let Gathered::Items(commits) = self.intake.gather(GROUP, Patience::Wait) {
            self.commit(commits);
        }
    }

    fn commit(&self, commits: Vec<Commit>) {
        let mut outcomes = Vec::with_capacity(commits.len());
        for (batch, promise) in commits {
            outcomes.push((promise, self.apply(&batch)));
        }
        // A conflict, too, waits for what it conflicts with to be durable.
        let durable = self.synchronize();
        for (promise, outcome) in outcomes {
            promise.fulfil(durable.clone().and(outcome));
        }
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        if let Some(failure) = locked(&self.failure).clone() {
            return Err(failure);
        }
        let read = |place: &[u8]| self.store.get(place).map(|value| value.map(|value| value.to_vec()));
        let conflict = batch.conflict(read).map_err(|error| in_words(error, &self.directory))?;
        if let Some(precondition) = conflict {
            return Err(EngineError::Conflict { precondition });
        }
        let mut changes = sled::Batch::default();
        for (place, value) in &batch.changes {
            match value {
                Some(value) => changes.insert(place.as_slice(), value.as_slice()),
                None => changes.remove(place.as_slice()),
            }
        }
        self.store.apply_batch(changes).map_err(|error| self.fail(in_words(error, &self.directory)))
    }

    fn synchronize(&self) -> Result<(), EngineError> {
        if let Some(failure) = locked(&self.failure).clone() {
            return Err(failure);
        }
        self.store.flush().map_err(|error| self.fail(in_words(error, &self.directory)))?;
        self.data.sync_data().map_err(|error| self.fail(EngineError::Io { reason: error.to_string().into() }))
    }

    /// From the first failure on nothing is durable for certain, so nothing more is accepted.
    fn fail(&self, failure: EngineError) -> EngineError {
        tracing::error!(%failure, "the store accepts nothing until it is opened again");
        *locked(&self.failure) = Some(failure.clone());
        failure
    }
}
