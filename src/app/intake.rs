//! Leads accepted messages from a session into the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
use crate::server::Acceptor;
use crate::store::queue::{CommitFailure as QueueFailure, Queue};
use crate::store::spool::SpooledBody;

/// The queue as sessions see it.
pub(super) struct Intake {
    queue: Arc<Queue>,
    room: AtomicBool,
    /// Looks since there was room.
    looks_in_vain: AtomicU32,
}

/// An operator who missed the first line of the log sees one of the next.
const LOOKS_PER_REMINDER: u32 = 60;

impl Intake {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        // As if there were room, so that the first look tells when there is none.
        let intake = Self { queue, room: AtomicBool::new(true), looks_in_vain: AtomicU32::new(0) };
        intake.look();
        intake
    }

    /// Asks the disk again. Sessions read the answer with each command, so they must not ask themselves.
    pub(super) fn look(&self) {
        // What sessions have under way goes into the space that is kept free.
        let shortage = self.queue.shortage(0);
        self.room.store(shortage.is_none(), Ordering::Relaxed);
        match shortage {
            Some(shortage) => {
                let looks = self.looks_in_vain.fetch_add(1, Ordering::Relaxed);
                if looks.is_multiple_of(LOOKS_PER_REMINDER) {
                    tracing::error!("new mail is refused with 452: {shortage}");
                }
            }
            None if self.looks_in_vain.swap(0, Ordering::Relaxed) > 0 => {
                tracing::info!("there is room again: new mail is accepted");
            }
            None => {}
        }
    }
}

impl Acceptor for Intake {
    fn has_room(&self) -> bool {
        self.room.load(Ordering::Relaxed)
    }

    async fn commit(&self, submission: Submission, body: SpooledBody) -> Result<QueuedAs, CommitFailure> {
        let Submission { envelope, head, message_id, .. } = submission;
        let id = self.queue.reserve_id();
        match self.queue.commit(id, envelope, head, body).await {
            Ok(id) => {
                tracing::info!(queue_id = %id, %message_id, "accepted");
                Ok(QueuedAs { queue_id: id.to_string() })
            }
            Err(error @ QueueFailure::NoRoom) => {
                tracing::error!(%error, "a message was not accepted");
                self.room.store(false, Ordering::Relaxed);
                Err(CommitFailure::NoRoom)
            }
            Err(error) => {
                tracing::error!(%error, "a message was not accepted");
                Err(CommitFailure::Temporary)
            }
        }
    }
}
