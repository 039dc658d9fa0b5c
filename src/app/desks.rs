//! Gives the administrators' office what it needs of directory and queue.

use std::sync::Arc;

use crate::admin::office::{DeskFailure, DirectoryDesk, QueueDesk, QueueDetail, QueueRecipient, QueueSummary};
use crate::model::directory::{Change, Snapshot};
use crate::model::policy::{Refusal, Settings};
use crate::model::queue::{Attempt, Command, QueueId};
use crate::store::directory::{DirectoryError, DirectoryStore};
use crate::store::queue::{Queue, RecipientSummary, Summary};
use crate::world::Clock;

/// The directory store as the office sees it.
pub(super) struct DirectoryCounter(pub(super) Arc<DirectoryStore>);

impl DirectoryDesk for DirectoryCounter {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot()
    }

    fn change(
        &self,
        actor: &str,
        plan: &mut dyn FnMut(&Snapshot) -> Result<Vec<Change>, String>,
    ) -> Result<Arc<Snapshot>, DeskFailure> {
        self.0.change(actor, plan).map_err(|error| match error {
            DirectoryError::Refused(_) | DirectoryError::Planned(_) | DirectoryError::TooLarge { .. } => {
                DeskFailure::Refused(error.to_string())
            }
            DirectoryError::NotDurable(_) | DirectoryError::Encoding(_) => DeskFailure::Store(error.to_string()),
        })
    }
}

/// The queue as the office sees it.
pub(super) struct QueueCounter {
    pub(super) queue: Arc<Queue>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl QueueDesk for QueueCounter {
    fn list(&self, limit: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        let all = self.queue.list();
        let count = all.len();
        Ok((all.iter().take(limit).map(summary).collect(), count))
    }

    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        let found = id.parse().ok().and_then(|id: QueueId| self.queue.show(id));
        Ok(found.map(|found| QueueDetail {
            summary: summary(&found),
            recipients: found.recipients.iter().map(recipient).collect(),
        }))
    }

    fn retry(&self, id: Option<&str>) -> Result<usize, String> {
        let ids: Vec<QueueId> = match id {
            Some(id) => id.parse().into_iter().collect(),
            None => self.queue.list().iter().filter_map(|summary| summary.id.parse().ok()).collect(),
        };
        let waiting = |id: QueueId| {
            let entry = self.queue.show(id);
            entry.map_or(0, |entry| entry.recipients.iter().filter(|one| one.next_attempt.is_some()).count())
        };
        Ok(ids.into_iter().map(|id| (waiting(id), self.queue.command(Command::Retry(id)))).fold(
            0,
            |sum, (count, obeyed)| {
                if obeyed { sum + count } else { sum }
            },
        ))
    }

    fn remove(&self, id: &str, silently: bool) -> Result<bool, String> {
        let Ok(id) = id.parse::<QueueId>() else {
            return Ok(false);
        };
        let command = if silently {
            Command::Remove(id)
        } else {
            let reply = Refusal::GivenUpByAdministrator.bare_reply(&self.settings);
            Command::GiveUp(id, Attempt { at: self.clock.now(), host: None, reply })
        };
        Ok(self.queue.command(command))
    }
}

fn summary(found: &Summary) -> QueueSummary {
    QueueSummary {
        id: found.id.clone(),
        accepted_at: found.accepted_at.clone(),
        from: found.sender.clone(),
        bytes: found.bytes,
        recipients: found.recipient_count,
        waiting: found.open_count,
        next_attempt: found.next_attempt.clone(),
        last_answer: found.last_reply.clone(),
    }
}

fn recipient(found: &RecipientSummary) -> QueueRecipient {
    QueueRecipient {
        address: found.address.clone(),
        destination: found.destination.clone(),
        state: format!("{:?}", found.state).to_lowercase(),
        attempts: u32::from(found.attempts),
        next_attempt: found.next_attempt.clone(),
        last_answer: found.last_reply.clone(),
    }
}

/// Without a running server the queue is left closed: opening it would begin deliveries that nobody carries out.
pub(super) struct NoQueue;

impl QueueDesk for NoQueue {
    fn list(&self, _: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        Err(NOT_RUNNING.to_owned())
    }
    fn show(&self, _: &str) -> Result<Option<QueueDetail>, String> {
        Err(NOT_RUNNING.to_owned())
    }
    fn retry(&self, _: Option<&str>) -> Result<usize, String> {
        Err(NOT_RUNNING.to_owned())
    }
    fn remove(&self, _: &str, _: bool) -> Result<bool, String> {
        Err(NOT_RUNNING.to_owned())
    }
}

const NOT_RUNNING: &str = "no server runs here, and only a running one works on it";
