//! What the command line needs when no server runs: the stores, for this process alone.

use std::path::Path;
use std::sync::Arc;

use super::data::DataDirectory;
use super::desks::{DirectoryCounter, NoQueue, QueueCounter};
use super::stores::{Stores, StoresError, World, open_directory};
use crate::admin::backup::Defect;
use crate::admin::cli::Premises;
use crate::admin::office::{Failure, Office, Progress};
use crate::config::Config;
use crate::store::directory::{DirectoryStore, OpenError};
use crate::store::journal::{Journal, JournalError, JournalOptions};
use crate::world::disk::{Disk, RealDisk};

/// The program itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Program;

impl Premises for Program {
    fn open(&self, config: &Config, path: Option<&Path>) -> Result<Office, Failure> {
        let world = World::of_the_system().map_err(unavailable)?;
        let data = DataDirectory::open(&config.data).map_err(|error| unavailable(error.into()))?;
        let directory = open_directory(&world, &data).map_err(unavailable)?;
        let mut settings = config.settings.clone();
        settings.srs_keys = data.srs_keys(&*world.random).map_err(|error| unavailable(error.into()))?;
        Ok(Office {
            directory: Arc::new(DirectoryCounter(directory)),
            settings: Arc::new(settings),
            queue: Arc::new(NoQueue),
            clock: world.clock,
            random: world.random,
            data: data.root().to_owned(),
            configuration: path.map(Path::to_owned),
        })
    }

    fn examine(&self, data: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut defects = Vec::new();
        let step = |what: &str, done| Progress { what: what.to_owned(), done, total: 2 };
        progress(step("reading the directory's change log", 0));
        if data.join("directory").join("log").exists() {
            match DirectoryStore::history(Arc::clone(&disk), &data.join("directory"), &mut |_| {}) {
                Ok(()) => {}
                Err(OpenError::Journal(error)) => defects.push(damage("directory/log", error)?),
                Err(other) => defects.push(Defect { file: "directory/log".to_owned(), problem: other.to_string() }),
            }
        }
        progress(step("reading the queue's journal", 1));
        if data.join("queue").exists()
            && let Err(error) = Journal::open(disk, &data.join("queue"), JournalOptions::new(0), |_, _| {})
        {
            defects.push(damage("queue", error)?);
        }
        progress(step("done", 2));
        Ok(defects)
    }
}

/// Damage is a finding; a journal that cannot be looked at is a failure.
fn damage(file: &str, error: JournalError) -> Result<Defect, Failure> {
    match error {
        JournalError::InUse { .. } => Err(Failure::unavailable(error.to_string()).cured_by("stop the server first")),
        JournalError::Io(_)
        | JournalError::Damaged { .. }
        | JournalError::Missing { .. }
        | JournalError::NoRecord(_) => Ok(Defect { file: file.to_owned(), problem: error.to_string() }),
    }
}

fn unavailable(error: StoresError) -> Failure {
    Failure::unavailable(error.to_string())
}

/// The office of a running server.
pub(super) fn office(world: &World, stores: &Stores, configuration: Option<&Path>) -> Office {
    Office {
        directory: Arc::new(DirectoryCounter(Arc::clone(&stores.directory))),
        settings: Arc::clone(&stores.settings),
        queue: Arc::new(QueueCounter {
            queue: Arc::clone(&stores.queue),
            settings: Arc::clone(&stores.settings),
            clock: Arc::clone(&world.clock),
        }),
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        data: stores.data.root().to_owned(),
        configuration: configuration.map(Path::to_owned),
    }
}
