//! Gives the administrators' office what it needs of directory and queue.

use std::sync::{Arc, OnceLock};

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

/// The queue of a server that does not run, opened when a command first asks for it. Nothing is delivered meanwhile:
/// what a command changes is recorded, and the next start goes on from there.
pub(super) struct QueueAtRest {
    open: Box<dyn Fn() -> Result<QueueCounter, String> + Send + Sync>,
    opened: OnceLock<Result<QueueCounter, String>>,
}

impl QueueAtRest {
    pub(super) fn new(open: impl Fn() -> Result<QueueCounter, String> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open), opened: OnceLock::new() }
    }

    fn counter(&self) -> Result<&QueueCounter, String> {
        self.opened.get_or_init(|| (self.open)()).as_ref().map_err(Clone::clone)
    }
}

impl QueueDesk for QueueAtRest {
    fn list(&self, limit: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        self.counter()?.list(limit)
    }
    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        self.counter()?.show(id)
    }
    fn retry(&self, id: Option<&str>) -> Result<usize, String> {
        self.counter()?.retry(id)
    }
    fn remove(&self, id: &str, silently: bool) -> Result<bool, String> {
        self.counter()?.remove(id, silently)
    }
}
