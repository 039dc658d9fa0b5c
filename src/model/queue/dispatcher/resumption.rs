//! What the dispatcher takes up after a restart.
//!
//! The journal is read into a [`Resumption`], which keeps messages as the dispatcher does. Those that only wait for the
//! clock, which in a long queue are nearly all, lie packed in it with their timers and stay so when the dispatcher
//! takes everything up: a million are not unpacked to be packed again. The others begin as if just expanded.

use super::book::{Book, Live};
use super::{Dispatcher, Input};
use crate::model::mail::{Reply, Timestamp};
use crate::model::queue::entry::{Entry, QueueId};
use crate::model::queue::lane::Limits;
use crate::model::queue::retry::Schedule;
use crate::model::queue::suspension::Suspensions;

/// See the head of this file.
#[derive(Debug)]
pub struct Resumption {
    book: Book,
    now: Timestamp,
    schedule: Schedule,
    limits: Limits,
}

impl Resumption {
    /// Of a queue that goes on at `now`.
    ///
    /// Whatever its age, every message is tried for a lease from then: the server may have stood still for days, and a
    /// first attempt after that can meet a name server or a disk that is not up yet.
    pub fn new(now: Timestamp, schedule: Schedule, limits: Limits) -> Self {
        Self { book: Book::default(), now, schedule, limits }
    }

    /// Takes in a message.
    pub fn insert(&mut self, entry: Entry) {
        self.book.insert(entry.facts.id, Live::restored(entry, self.now.plus(self.limits.lease)));
    }

    /// A message to be altered, if it was taken in.
    pub fn entry_mut(&mut self, id: QueueId) -> Option<&mut Entry> {
        self.book.unwound(id).map(|live| &mut live.entry)
    }

    /// Packs some messages, if more are at hand than may be.
    pub fn relieve(&mut self) {
        self.book.shelve(self.limits.awake_max, &self.schedule);
    }

    /// The queue that goes on with these messages. `expired` is the reply that a message gets whose time is up. Those
    /// of which nothing is left to do are named to `settled`, oldest first, and are not in the queue.
    pub fn finish(self, expired: Reply, suspensions: Suspensions, mut settled: impl FnMut(QueueId)) -> Dispatcher {
        let mut dispatcher = Dispatcher::new(self.schedule, self.limits, expired);
        // What a suspended sender has sent waits for its release and not for the clock.
        let may_rest = !suspensions.has_senders();
        dispatcher.handle(self.now, Input::Suspended(suspensions));
        dispatcher.book = self.book;
        for id in dispatcher.book.all_but_resting(may_rest) {
            let Some(entry) = dispatcher.book.take(id) else { continue };
            if entry.is_settled() { settled(id) } else { dispatcher.restore(self.now, entry) }
        }
        dispatcher
    }
}
