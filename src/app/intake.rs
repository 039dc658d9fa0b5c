//! Leads accepted messages from a session into the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
use crate::server::Acceptor;
use crate::store::queue::{CommitFailure as QueueFailure, Queue};
use crate::store::spool::SpooledBody;

/// The queue as sessions see it.
pub(super) struct Intake {
    queue: Arc<Queue>,
    room: AtomicBool,
}

/// Room for this much more is asked for, so that sessions already under way can finish.
const ROOM_BYTES: u64 = 64 << 20;

impl Intake {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        // As if there were room, so that the first look tells when there is none.
        let intake = Self { queue, room: AtomicBool::new(true) };
        intake.look();
        intake
    }

    /// Asks the disk again. Sessions read the answer with each command, so they must not ask themselves.
    pub(super) fn look(&self) {
        let room = self.queue.has_room(ROOM_BYTES);
        let before = self.room.swap(room, Ordering::Relaxed);
        if before && !room {
            tracing::error!("the disk is nearly full or the queue cannot be written: new mail is refused with 452");
        } else if room && !before {
            tracing::info!("there is room again: new mail is accepted");
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
            Err(QueueFailure::NoRoom) => {
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
