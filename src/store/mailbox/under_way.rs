//! A round that ends beside the writer: the disk takes its time to make messages durable, in which the next ones can be
//! written.
//!
//! There is one such round at most for each writer. Until it has ended, nobody else knows of its messages: they are not
//! in their directories, nor counted. Whatever depends on them waits for it ([`UnderWay::wait`]): a delivery that may
//! repeat one of them, a mailbox that is nearly full, and all that concerns a mailbox as a whole.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::round::Round;
use super::tree::Tree;
use crate::store::intake::locked;

/// The round, or none.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    thread: Option<JoinHandle<()>>,
    /// Of its messages.
    bytes: u64,
}

impl UnderWay {
    /// Begins with a round, after the one before; without a thread it is ended here.
    pub(super) fn begin(&mut self, tree: &Arc<Tree>, round: Round) {
        self.wait();
        self.bytes = round.bytes();
        // A thread that cannot be started must not take it along.
        let round = Arc::new(Mutex::new(round));
        let (shared, handed) = (Arc::clone(tree), Arc::clone(&round));
        match thread::Builder::new().name("placing".to_owned()).spawn(move || shared.settle(&mut locked(&handed))) {
            Ok(thread) => self.thread = Some(thread),
            Err(_) => tree.settle(&mut locked(&round)),
        }
    }

    /// What the messages may have that are not counted yet, in octets.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is one, or was and nobody has waited for it since.
    pub(super) const fn is_any(&self) -> bool {
        self.thread.is_some()
    }

    /// Waits until all its messages are in their places.
    pub(super) fn wait(&mut self) {
        self.bytes = 0;
        if let Some(thread) = self.thread.take() {
            // A panic there has already failed its tickets.
            let _ = thread.join();
        }
    }
}
