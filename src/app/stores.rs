//! Opens everything that survives a restart, in order: data directory, change log and index, message
//! trace, queue, mailboxes.
//!
//! The running server uses it, and so does a command that finds no server: the locks inside see to it that only one of
//! them has the stores at a time.

use std::path::PathBuf;
use std::sync::Arc;

use super::data::{DataDirectory, DataError};
use super::{keys, routes};
use crate::config::Config;
use crate::model::policy::{Refusal, Settings};
use crate::model::queue::Schedule;
use crate::store::answered::AnsweredSenders;
use crate::store::directory::{DirectoryStore, IndexState, OpenError as DirectoryOpenError};
use crate::store::engine::EmbeddedEngine;
use crate::store::journal::{JournalOptions, Recovery};
use crate::store::live::LiveSettings;
use crate::store::mailbox::MailboxStore;
use crate::store::queue::{OpenError as QueueOpenError, Queue, QueueOptions, Witness, Witnesses};
use crate::store::restrictions::RestrictionStore;
use crate::store::sign_ins::{LastUses, LockoutStore};
use crate::store::tally::Tally;
use crate::store::trace::{self, Trace, TraceOptions};
use crate::store::traffic::TrafficStore;
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
    /// The message trace.
    #[error("the message trace cannot be opened: {0}")]
    Trace(std::io::Error),
    /// Who is restricted.
    #[error("who is restricted cannot be read: {0}")]
    Restrictions(std::io::Error),
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
    /// Who sent what to whom; none when nothing is traced.
    pub trace: Option<Arc<Trace>>,
    /// What accounts and mailboxes have used up of their limits.
    pub tally: Arc<Tally>,
    /// When devices were last used.
    pub last_uses: Arc<LastUses>,
    /// Who failed to sign in.
    pub lockouts: Arc<LockoutStore>,
    /// Who sent too much outside.
    pub restrictions: Arc<RestrictionStore>,
    /// What networks have done lately.
    pub traffic: Arc<TrafficStore>,
    /// What was delivered.
    pub mailboxes: Arc<MailboxStore>,
    /// Whom mailboxes have answered by themselves.
    pub answered: Arc<AnsweredSenders>,
    /// The policy of the configuration, with this server's keys.
    pub settings: Arc<LiveSettings>,
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
        settings.srs_keys = keys::srs_keys(&data, &*world.random, world.clock.now())?;
        let trace = open_trace(world, config, &data, &directory)?;
        let tally = open_tally(world, &data);
        let (queue, schedule) = open_queue(world, config, &data, &settings, trace.as_ref(), &tally)?;
        let hostname = config.hostname.to_string();
        let mailboxes = MailboxStore::open(Arc::clone(&world.disk), &data.mailboxes(), &hostname, MAILBOX_WRITERS)?;
        let last_uses = Arc::new(LastUses::open(Arc::clone(&world.disk), &data.sign_ins(), Arc::clone(&world.clock)));
        let lockouts = LockoutStore::open(Arc::clone(&world.disk), &data.sign_ins(), Arc::clone(&world.clock));
        let restrictions = open_restrictions(world, &data)?;
        // Before anything is delivered.
        queue.restrict(|| restrictions.submitters());
        let answered = AnsweredSenders::open(Arc::clone(&world.disk), &data.replies())?;
        mailboxes.keep_free(config.queue.free_bytes_min / 2);
        Ok(Self {
            data,
            directory,
            queue: Arc::new(queue),
            trace,
            tally,
            last_uses,
            lockouts: Arc::new(lockouts),
            restrictions,
            traffic: Arc::new(TrafficStore::new(Arc::clone(&world.clock))),
            mailboxes: Arc::new(mailboxes),
            answered: Arc::new(answered),
            settings: Arc::new(LiveSettings::new(settings)),
            schedule,
        })
    }
}

/// Opens the message trace, or removes what is left of it when nothing is to be traced any more.
///
/// # Errors
/// `Trace`, also when a running server has it. A disk that fails is no error: mail goes on without the trace.
pub fn open_trace(
    world: &World,
    config: &Config,
    data: &DataDirectory,
    directory: &Arc<DirectoryStore>,
) -> Result<Option<Arc<Trace>>, StoresError> {
    if config.trace.days == 0 {
        if let Err(error) = trace::remove(&*world.disk, &data.trace()) {
            tracing::warn!(%error, "the old message trace could not be removed");
        }
        return Ok(None);
    }
    let directory = Arc::clone(directory);
    let options = TraceOptions {
        days: config.trace.days,
        bytes_max: config.trace.bytes_max,
        account_name: Arc::new(move |id| Some(directory.snapshot().recipient(id)?.primary().to_string().into())),
        ..TraceOptions::new(world.random.next_u64())
    };
    let opened = Trace::open(Arc::clone(&world.disk), &data.trace(), options, Arc::clone(&world.clock));
    opened.map(|trace| Some(Arc::new(trace))).map_err(StoresError::Trace)
}

/// Reads who is restricted. Blocks.
///
/// # Errors
/// `Restrictions`: a server that cannot see who is restricted does not start.
pub fn open_restrictions(world: &World, data: &DataDirectory) -> Result<Arc<RestrictionStore>, StoresError> {
    let opened = RestrictionStore::open(Arc::clone(&world.disk), &data.sign_ins());
    opened.map(Arc::new).map_err(StoresError::Restrictions)
}

/// Opens the counts of what accounts and mailboxes have used up. A disk that fails is no error.
pub fn open_tally(world: &World, data: &DataDirectory) -> Arc<Tally> {
    Arc::new(Tally::open(Arc::clone(&world.disk), &data.limits(), Arc::clone(&world.clock)))
}

/// Opens the queue with the times of the configuration; `trace` and `tally` hear what happens in it.
///
/// # Errors
/// `Queue`, also when a running server has it.
pub fn open_queue(
    world: &World,
    config: &Config,
    data: &DataDirectory,
    settings: &Settings,
    trace: Option<&Arc<Trace>>,
    tally: &Arc<Tally>,
) -> Result<(Queue, Schedule), StoresError> {
    let tally: Arc<dyn Witness> = Arc::<Tally>::clone(tally);
    let witness: Arc<dyn Witness> = match trace {
        Some(trace) => Arc::new(Witnesses::new(Arc::<Trace>::clone(trace), tally)),
        None => tally,
    };
    let schedule = Schedule {
        delays: config.queue.retry_delays.clone(),
        expiry: config.queue.expiry,
        delay_notice: config.queue.delay_notice,
    };
    let options = QueueOptions {
        journal: JournalOptions {
            free_bytes_floor: config.queue.free_bytes_min,
            free_inodes_floor: config.queue.free_files_min,
            ..JournalOptions::new(world.random.next_u64())
        },
        schedule: schedule.clone(),
        limits: routes::limits(&config.queue.outbound),
        expired: Refusal::MessageExpired.bare_reply(settings),
        witness,
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
