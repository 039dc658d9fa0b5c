//! Work that goes on when whoever waited for it went away.

use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::runtime::Handle;

/// Does `work` where it is awaited, so that nobody else has to be woken for it; when the future is dropped before its
/// end, a task of its own does the rest. Needs a tokio runtime, until whose end the task lives at most.
pub(super) fn insisting<F>(work: F) -> impl Future<Output = F::Output> + Send
where
    F: Future<Output: Send> + Send + 'static,
{
    Insisting(Some(Box::pin(work)))
}

struct Insisting<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Future for Insisting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Out of its place meanwhile: what panics is not begun again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<F> Drop for Insisting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if let Some(rest) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_is_done_in_place_and_what_is_left_goes_on() {
        assert_eq!(insisting(async { 7 }).await, 7);
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let left = insisting(async move {
            let _ = gone.await;
            let _ = tell.send("done");
        });
        assert!(timeout(Duration::from_millis(1), left).await.is_err(), "it waits");
        go.send(()).unwrap();
        assert_eq!(timeout(Duration::from_secs(60), told).await.unwrap().unwrap(), "done");
    }

    #[tokio::test]
    async fn what_was_never_begun_is_done_as_well() {
        let (tell, told) = oneshot::channel();
        drop(insisting(async move { tell.send("done") }));
        assert_eq!(timeout(Duration::from_secs(60), told).await.unwrap().unwrap(), "done");
    }
}
