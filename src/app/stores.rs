//! Opens everything that survives a restart, in order: data directory, change log and index, queue, mailboxes.
//!
//! The running server uses it, and so does a command that finds no server: the locks inside see to it that only one of
//! them has the stores at a time.

use std::path::PathBuf;
use std::sync::Arc;

use super::data::{DataDirectory, DataError};
use super::routes;
use crate::config::Config;
use crate::model::policy::{Refusal, Settings};
use crate::model::queue::Schedule;
use crate::store::directory::{DirectoryStore, IndexState, OpenError as DirectoryOpenError};
use crate::store::engine::EmbeddedEngine;
use crate::store::journal::{JournalOptions, Recovery};
use crate::store::mailbox::MailboxStore;
use crate::store::queue::{OpenError as QueueOpenError, Queue, QueueOptions, Unwitnessed};
use crate::world::disk::{Disk, RealDisk};
use crate::world::{Clock, Random, SystemClock, SystemRandom};

/// Threads that write into mailboxes; a mailbox always has the same one.
const MAILBOX_WRITERS: usize = 4;

/// Why the stores cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Change log and index.
    #[error("the directory cannot be opened: {0}")]
    Directory(#[from] DirectoryOpenError),
    /// Accepted messages.
    #[error("the queue cannot be opened: {0}")]
    Queue(#[from] QueueOpenError),
    /// Mailboxes or the spool.
    #[error("the mailboxes cannot be opened: {0}")]
    Io(#[from] std::io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// The world as it is outside of tests.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// The disk.
    pub disk: Arc<dyn Disk>,
}

impl World {
    /// The system's clock, random numbers and disk.
    ///
    /// # Errors
    /// `Random`, when the system gives none.
    pub fn of_the_system() -> Result<Self, StoresError> {
        let random = SystemRandom::open().map_err(|error| StoresError::Random(error.to_string()))?;
        Ok(Self { clock: Arc::new(SystemClock::new()), random: Arc::new(random), disk: Arc::new(RealDisk) })
    }
}

/// Everything that survives a restart.
pub struct Stores {
    /// Where it is.
    pub data: DataDirectory,
    /// Recipients and all that.
    pub directory: Arc<DirectoryStore>,
    /// Accepted messages.
    pub queue: Arc<Queue>,
    /// What was delivered.
    pub mailboxes: Arc<MailboxStore>,
    /// The policy of the configuration, with this server's keys.
    pub settings: Arc<Settings>,
    /// The queue's times.
    pub schedule: Schedule,
}

/// Opens the directory alone, as most commands need it.
///
/// # Errors
/// [`StoresError`]; `Directory` also when a running server has it.
pub fn open_directory(world: &World, data: &DataDirectory) -> Result<Arc<DirectoryStore>, StoresError> {
    let open_engine = |place: &std::path::Path| {
        let engine = EmbeddedEngine::open(place)?;
        Ok(Box::new(engine) as Box<dyn crate::store::engine::Engine>)
    };
    let (directory, state) = DirectoryStore::open(
        Arc::clone(&world.disk),
        &data.directory(),
        &open_engine,
        Arc::clone(&world.clock),
        world.random.next_u64(),
    )?;
    match state {
        IndexState::Current { behind: 0 } => {}
        IndexState::Current { behind } => tracing::info!(behind, "the directory's index was brought up to date"),
        IndexState::Rebuilt { set_aside } => {
            let set_aside: Option<PathBuf> = set_aside;
            tracing::info!(?set_aside, "the directory's index was built from the change log");
        }
    }
    Ok(Arc::new(directory))
}

impl Stores {
    /// Opens everything. Blocks while it reads what was left over.
    ///
    /// # Errors
    /// [`StoresError`], which names the place and the cure.
    pub fn open(world: &World, config: &Config) -> Result<Self, StoresError> {
        let data = DataDirectory::open(&config.data)?;
        let directory = open_directory(world, &data)?;
        let mut settings = config.settings.clone();
        settings.srs_keys = data.srs_keys(&*world.random)?;
        let (queue, schedule) = open_queue(world, config, &data, &settings)?;
        let hostname = config.hostname.to_string();
        let mailboxes = MailboxStore::open(Arc::clone(&world.disk), &data.mailboxes(), &hostname, MAILBOX_WRITERS)?;
        Ok(Self {
            data,
            directory,
            queue: Arc::new(queue),
            mailboxes: Arc::new(mailboxes),
            settings: Arc::new(settings),
            schedule,
        })
    }
}

/// Opens the queue with the times of the configuration.
///
/// # Errors
/// `Queue`, also when a running server has it.
pub fn open_queue(
    world: &World,
    config: &Config,
    data: &DataDirectory,
    settings: &Settings,
) -> Result<(Queue, Schedule), StoresError> {
    let schedule = Schedule {
        delays: config.queue.retry_delays.clone(),
        expiry: config.queue.expiry,
        delay_notice: config.queue.delay_notice,
    };
    let options = QueueOptions {
        journal: JournalOptions::new(world.random.next_u64()),
        schedule: schedule.clone(),
        limits: routes::limits(&config.queue.outbound),
        expired: Refusal::MessageExpired.bare_reply(settings),
        witness: Arc::new(Unwitnessed),
    };
    let (queue, opened) = Queue::open(Arc::clone(&world.disk), &data.queue(), options, Arc::clone(&world.clock))?;
    log_recovery(&opened.recovery, opened.messages);
    Ok((queue, schedule))
}

fn log_recovery(recovery: &Recovery, messages: usize) {
    if let Some(cut) = &recovery.cut {
        tracing::warn!(?cut, "the queue's journal ended in a write that was never acknowledged; it was cut off");
    }
    tracing::info!(records = recovery.records, messages, "the queue is open");
}
