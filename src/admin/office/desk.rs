//! What the office needs of directory and queue, and a directory in memory for tests and for planning.

use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use super::moderation::ModerationDesk;
use super::queue::{QueueDestination, QueueDetail, QueueObeyed, QueueOrder, QueueSummary, SuspendedSender};
use crate::model::directory::{Change, Snapshot};
use crate::model::queue::{ApprovalId, Decision, QueueId, Selection, Suspendable, Verdict};
use crate::store::directory::History;
use crate::store::queue::{Decided, Moderation};

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

    /// Who changed what and when; `None` for a directory that does not remember.
    fn history(&self) -> Option<History>;
}

/// A queue that can be looked at and interfered with. Ids are the texts that `list` gives. Everything blocks.
pub trait QueueDesk: Send + Sync {
    /// The oldest `limit` messages that are selected, from after the message `after` on, and how many are selected in
    /// all.
    ///
    /// # Errors
    /// A text that says why the queue cannot be read.
    fn list(
        &self,
        selection: &Selection,
        after: Option<QueueId>,
        limit: usize,
    ) -> Result<(Vec<QueueSummary>, usize), String>;

    /// One message; `None` when there is none with this id.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String>;

    /// Carries out an order on everything selected, durably, or only counts. `progress` hears how many messages of how
    /// many were looked at.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn order(
        &self,
        selection: &Selection,
        order: &QueueOrder,
        dry_run: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<QueueObeyed, String>;

    /// Every destination outside that something waits for or that is suspended, and every suspended sender.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn destinations(&self) -> Result<(Vec<QueueDestination>, Vec<SuspendedSender>), String>;

    /// Suspends a destination or a sender, durably.
    ///
    /// # Errors
    /// A text that says why it is not.
    fn suspend(&self, what: Suspendable, reason: &str) -> Result<(), String>;

    /// Resumes it, durably; false when it was not suspended.
    ///
    /// # Errors
    /// A text that says why it is not.
    fn resume(&self, what: &Suspendable) -> Result<bool, String>;
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

    fn history(&self) -> Option<History> {
        None
    }
}

/// A queue in which there never is anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyQueue;

impl ModerationDesk for EmptyQueue {
    fn waiting(&self, _: usize) -> Result<(Vec<Moderation>, usize), String> {
        Ok((Vec::new(), 0))
    }

    fn find(&self, _: ApprovalId) -> Result<Option<Moderation>, String> {
        Ok(None)
    }

    fn subject(&self, _: ApprovalId) -> Result<String, String> {
        Ok(String::new())
    }

    fn decide(&self, _: ApprovalId, _: Verdict, _: &Decision) -> Result<Decided, String> {
        Ok(Decided::Unknown)
    }
}

impl QueueDesk for EmptyQueue {
    fn list(&self, _: &Selection, _: Option<QueueId>, _: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        Ok((Vec::new(), 0))
    }

    fn show(&self, _: &str) -> Result<Option<QueueDetail>, String> {
        Ok(None)
    }

    fn order(
        &self,
        _: &Selection,
        _: &QueueOrder,
        _: bool,
        _: &mut dyn FnMut(usize, usize),
    ) -> Result<QueueObeyed, String> {
        Ok(QueueObeyed::default())
    }

    fn destinations(&self) -> Result<(Vec<QueueDestination>, Vec<SuspendedSender>), String> {
        Ok((Vec::new(), Vec::new()))
    }

    fn suspend(&self, _: Suspendable, _: &str) -> Result<(), String> {
        Err("there is no queue".to_owned())
    }

    fn resume(&self, _: &Suspendable) -> Result<bool, String> {
        Ok(false)
    }
}
