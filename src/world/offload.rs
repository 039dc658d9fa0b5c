//! Work that blocks, away from the threads that serve everybody.
//!
//! On a runtime with one thread the work is done at once, in place: there a test runs, and with nothing going on beside
//! it the same seed gives the same order of events.

use std::io;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::spawn_blocking;

/// Runs `work` and gives what it gives. Needs a tokio runtime. The work goes on when the future is dropped.
///
/// # Errors
/// `Other`, when the work panicked or the runtime is shutting down.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runtime_with_one_thread_works_in_place() {
        let here = std::thread::current().id();
        assert_eq!(offload(move || std::thread::current().id()).await.unwrap(), here);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn elsewhere_the_work_is_done_beside_and_a_panic_is_an_error() {
        let here = std::thread::current().id();
        let there = tokio::spawn(async { offload(|| std::thread::current().id()).await }).await.unwrap();
        assert_ne!(there.unwrap(), here);
        assert!(offload(|| panic!("on purpose")).await.is_err());
    }
}
