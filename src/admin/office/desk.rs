//! What the office needs of directory and queue, and a directory in memory for tests and for planning.

use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use super::queue::{QueueDetail, QueueSummary};
use crate::model::directory::{Change, Snapshot};

/// Why a directory did not take a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskFailure {
    /// The plan or the rules of the directory refused it; the directory is as it was.
    #[error("{0}")]
    Refused(String),
    /// The store failed; the text says how.
    #[error("{0}")]
    Store(String),
}

impl From<DeskFailure> for Failure {
    fn from(failure: DeskFailure) -> Self {
        match failure {
            DeskFailure::Refused(text) => Self::refused(text),
            DeskFailure::Store(text) => Self::unavailable(format!("The directory could not store the change: {text}"))
                .cured_by("franking check"),
        }
    }
}

/// Gives the changes for the snapshot it is shown, or says why there are none.
pub type Planner<'a> = &'a mut dyn FnMut(&Snapshot) -> Result<Vec<Change>, String>;

/// A directory that can be read and changed.
pub trait DirectoryDesk: Send + Sync {
    /// The directory as it is now.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Shows the newest snapshot to `plan` while no other change can come between, makes its changes durable and in
    /// force, and gives the next snapshot. `actor` goes into the audit trail. Blocks.
    ///
    /// # Errors
    /// `Refused` when the plan or the rules refuse, `Store` when the change could not be made durable.
    fn change(&self, actor: &str, plan: Planner<'_>) -> Result<Arc<Snapshot>, DeskFailure>;
}

/// A queue that can be looked at and interfered with. Ids are the texts that `list` gives.
pub trait QueueDesk: Send + Sync {
    /// The oldest `limit` messages, and how many there are in all.
    ///
    /// # Errors
    /// A text that says why the queue cannot be read.
    fn list(&self, limit: usize) -> Result<(Vec<QueueSummary>, usize), String>;

    /// One message; `None` when there is none with this id.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String>;

    /// Makes what waits due now: one message, or all. Says how many recipients that concerns.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn retry(&self, id: Option<&str>) -> Result<usize, String>;

    /// Gives up what is not yet delivered of a message: its sender gets a report, or nobody hears of it when
    /// `silently`. False when there is nothing to give up.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn remove(&self, id: &str, silently: bool) -> Result<bool, String>;
}

/// A directory that is forgotten when the process ends.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    snapshot: Mutex<Arc<Snapshot>>,
}

impl MemoryDirectory {
    /// A directory that starts with `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: Mutex::new(Arc::new(snapshot)) }
    }
}

impl DirectoryDesk for MemoryDirectory {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, _: &str, plan: Planner<'_>) -> Result<Arc<Snapshot>, DeskFailure> {
        let mut current = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = plan(&current).map_err(DeskFailure::Refused)?;
        let next = current.apply(&changes).map_err(|error| DeskFailure::Refused(error.to_string()))?;
        *current = Arc::new(next);
        Ok(Arc::clone(&current))
    }
}
