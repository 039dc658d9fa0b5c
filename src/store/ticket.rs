//! The answer to work that was handed to a thread.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use tokio::sync::oneshot;

/// How often somebody who does not wait for ever looks.
pub(super) const GLANCE: Duration = Duration::from_millis(5);

/// The thread that should have answered has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread that owns this work has ended")]
pub struct Stopped;

/// The outcome of work in progress: await it, or [`Ticket::wait`] on a thread that may block.
///
/// Dropping a ticket does not take the work back.
#[derive(Debug)]
#[must_use = "work whose ticket is dropped may fail unseen"]
pub struct Ticket<T, E> {
    answer: oneshot::Receiver<Result<T, E>>,
}

/// The other half of a ticket, held by the thread that does the work.
#[derive(Debug)]
pub(super) struct Promise<T, E> {
    answer: oneshot::Sender<Result<T, E>>,
}

/// A ticket and the promise that fulfils it.
pub(super) fn ticket<T, E>() -> (Promise<T, E>, Ticket<T, E>) {
    let (sender, receiver) = oneshot::channel();
    (Promise { answer: sender }, Ticket { answer: receiver })
}

impl<T, E> Promise<T, E> {
    /// Answers. Nobody may be waiting any more; then the outcome stands all the same.
    pub(super) fn fulfil(self, outcome: Result<T, E>) {
        let _ = self.answer.send(outcome);
    }
}

impl<T, E: From<Stopped>> Ticket<T, E> {
    /// Blocks until the outcome is known. Not for async code: the runtime panics when its worker blocks here.
    ///
    /// # Errors
    /// Those of the work.
    pub fn wait(mut self) -> Result<T, E> {
        // Work that the caller did by its own hands has its answer here, on any thread.
        match self.answer.try_recv() {
            Ok(outcome) => outcome,
            Err(oneshot::error::TryRecvError::Closed) => Err(Stopped.into()),
            Err(oneshot::error::TryRecvError::Empty) => {
                self.answer.blocking_recv().unwrap_or_else(|_| Err(Stopped.into()))
            }
        }
    }
}

impl<T, E: From<Stopped>> Ticket<T, E> {
    /// Waits as [`Self::wait`] does, but only while `worth` holds, which is asked after each [`GLANCE`]; `None` when it
    /// was given up. The work goes on all the same.
    pub(super) fn wait_while(mut self, mut worth: impl FnMut() -> bool) -> Option<Result<T, E>> {
        loop {
            match self.answer.try_recv() {
                Ok(outcome) => return Some(outcome),
                Err(oneshot::error::TryRecvError::Closed) => return Some(Err(Stopped.into())),
                Err(oneshot::error::TryRecvError::Empty) if worth() => std::thread::sleep(GLANCE),
                Err(oneshot::error::TryRecvError::Empty) => return None,
            }
        }
    }
}

impl<T, E: From<Stopped>> Future for Ticket<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|outcome| outcome.unwrap_or_else(|_| Err(Stopped.into())))
    }
}
