//! What the office needs of directory and queue, and a directory in memory for tests and for planning.

use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use super::queue::{QueueDetail, QueueSummary};
use crate::model::directory::{Change, Snapshot};
use crate::model::queue::{Command, QueueId};
use crate::store::directory::{DirectoryError, DirectoryStore};
use crate::store::queue::Queue;

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

    /// Makes what waits due now: one message, or all. Says how many messages that concerns.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn retry(&self, id: Option<&str>) -> Result<usize, String>;

    /// Drops what is not yet delivered of a message; nobody gets a report. False when there is nothing to drop.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn remove(&self, id: &str) -> Result<bool, String>;
}

impl DirectoryDesk for DirectoryStore {
    fn snapshot(&self) -> Arc<Snapshot> {
        Self::snapshot(self)
    }

    fn change(&self, actor: &str, plan: Planner<'_>) -> Result<Arc<Snapshot>, DeskFailure> {
        Self::change(self, actor, plan).map_err(|error| match error {
            DirectoryError::Refused(_) | DirectoryError::Planned(_) | DirectoryError::TooLarge { .. } => {
                DeskFailure::Refused(error.to_string())
            }
            DirectoryError::NotDurable(_) | DirectoryError::Encoding(_) => DeskFailure::Store(error.to_string()),
        })
    }
}

impl QueueDesk for Queue {
    fn list(&self, limit: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        let all = Self::list(self);
        let total = all.len();
        Ok((all.into_iter().take(limit).map(QueueSummary::from).collect(), total))
    }

    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        Ok(id.parse().ok().and_then(|id: QueueId| Self::show(self, id)).map(QueueDetail::from))
    }

    fn retry(&self, id: Option<&str>) -> Result<usize, String> {
        let ids: Vec<QueueId> = match id {
            Some(id) => id.parse().into_iter().collect(),
            None => Self::list(self).iter().filter_map(|summary| summary.id.parse().ok()).collect(),
        };
        Ok(ids.into_iter().filter(|id| self.command(Command::Retry(*id))).count())
    }

    fn remove(&self, id: &str) -> Result<bool, String> {
        Ok(id.parse().is_ok_and(|id: QueueId| self.command(Command::Remove(id))))
    }
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
