//! How everything that serves hears that the server is going down.

use tokio::sync::watch;

/// Tells everybody. Dropping it tells them, too: nobody serves on without somebody who can stop it.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<bool>);

/// Hears of it; clones hear the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl StopHandle {
    /// A handle and what listens to it.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Asks everybody to come to an end. Again has no further effect.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the end was asked for. Cancel-safe.
    pub async fn asked(&mut self) {
        // An error means that the handle is gone, which asks for the end as well.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_early_late_and_when_the_handle_is_lost() {
        let (handle, mut stop) = StopHandle::new();
        let mut early = stop.clone();
        let waiting = tokio::spawn(async move { early.asked().await });
        assert!(!stop.is_asked());
        handle.stop();
        waiting.await.unwrap();
        stop.asked().await;
        assert!(stop.is_asked());
        let (handle, mut orphan) = StopHandle::new();
        drop(handle);
        orphan.asked().await;
    }
}
