//! The task of a running server that does to mailboxes what is due: it looks every second, which costs nothing while
//! nothing is, and after a directory change at the cost of what altered.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::office::{Office, reconcile};
use crate::server::Stop;

const ROUND: Duration = Duration::from_secs(1);

/// Runs until it is told to stop. What is under way then is ended first: a purge of a large mailbox goes on after the
/// next start where it was.
pub(super) async fn run(office: Arc<Office>, mut stop: Stop) {
    loop {
        let own = Arc::clone(&office);
        // A task that panicked is a fault that was told; the next round tries again.
        let _ = tokio::task::spawn_blocking(move || reconcile(&own)).await;
        tokio::select! {
            () = stop.asked() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}
