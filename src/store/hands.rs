//! Whose thread does the durable work: one of its own, or, in a simulation, that of whoever says so.
//!
//! With threads the order of events is the machine's. A simulation wants it to be the seed's: it starts none and turns
//! each worker by hand.

use core::fmt;
use std::io;
use std::sync::Mutex;
use std::thread::JoinHandle;

use super::intake::{Patience, locked};

/// Who does the work of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hands {
    /// Threads of the store's own.
    #[default]
    Threads,
    /// Nobody, until the caller calls `turn`; the work is then done on the calling thread.
    Caller,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Something was done.
    Worked,
    /// There was nothing to do.
    Idle,
    /// There will never be anything to do again.
    Ended,
}

/// Work that comes in turns.
pub(super) trait Labour: Send + 'static {
    /// Does what has gathered; with [`Patience::Wait`], waits until there is something.
    fn turn(&mut self, patience: Patience) -> Turned;
}

/// A worker and the hands that turn it.
pub(super) enum Worker<L> {
    Thread(Option<JoinHandle<()>>),
    Caller(Mutex<L>),
}

impl<L> fmt::Debug for Worker<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Thread(_) => "Worker(thread)",
            Self::Caller(_) => "Worker(caller)",
        })
    }
}

impl<L: Labour> Worker<L> {
    /// A worker; `name` becomes that of its thread.
    ///
    /// # Errors
    /// The system's, when there can be no thread.
    pub(super) fn start(hands: Hands, name: &str, mut labour: L) -> io::Result<Self> {
        match hands {
            Hands::Caller => Ok(Self::Caller(Mutex::new(labour))),
            Hands::Threads => {
                let toil = move || while labour.turn(Patience::Wait) != Turned::Ended {};
                Ok(Self::Thread(Some(std::thread::Builder::new().name(name.to_owned()).spawn(toil)?)))
            }
        }
    }

    /// Does what has gathered, if nobody else does; true when something was done.
    pub(super) fn turn(&self) -> bool {
        match self {
            Self::Thread(_) => false,
            Self::Caller(labour) => locked(labour).turn(Patience::Glance) == Turned::Worked,
        }
    }

    /// Waits until the worker has ended, which it must have been told to do.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    // A panic there has already failed its tickets; there is nobody left to tell.
                    let _ = thread.join();
                }
            }
            Self::Caller(_) => while self.turn() {},
        }
    }
}
