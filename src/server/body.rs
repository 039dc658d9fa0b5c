//! The body of one message on its way in: in memory while it is small, in a spool file once it is not.
//!
//! File work is done on the blocking pool, a batch at a time, so no async worker ever waits for a disk and one session
//! holds no more than [`MEMORY_BYTES_MAX`] of its message. All of them together are bounded, too: when the budget is
//! used up, bodies go to their file sooner.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::acceptor::{Acceptor, Body};

/// The most of one body that is held in memory.
pub(super) const MEMORY_BYTES_MAX: usize = 256 * 1024;
/// The same when the budget is used up.
const MEMORY_BYTES_SHORT: usize = 16 * 1024;
/// Bodies that may use [`MEMORY_BYTES_MAX`] at once: 64 MiB in all.
const GENEROUS_BODIES_MAX: usize = 256;

/// Who may hold how much, shared by all sessions.
#[derive(Clone, Debug)]
pub(super) struct MemoryBudget(Arc<Semaphore>);

impl Default for MemoryBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(GENEROUS_BODIES_MAX)))
    }
}

/// One body on its way in.
pub(super) struct BodyIntake<A: Acceptor> {
    acceptor: Arc<A>,
    budget: MemoryBudget,
    share: Option<OwnedSemaphorePermit>,
    buffer: Vec<u8>,
    spool: Option<A::Spool>,
    failed: bool,
}

impl<A: Acceptor> BodyIntake<A> {
    /// An empty body.
    pub(super) fn new(acceptor: Arc<A>, budget: MemoryBudget) -> Self {
        Self { acceptor, budget, share: None, buffer: Vec::new(), spool: None, failed: false }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// When it cannot be written to the spool file, once for each message; later pieces are dropped until the next one.
    pub(super) async fn append(&mut self, piece: Vec<u8>) -> io::Result<()> {
        if self.failed {
            return Ok(());
        }
        if self.buffer.is_empty() && self.spool.is_none() {
            self.share = Arc::clone(&self.budget.0).try_acquire_owned().ok();
            self.buffer = piece;
        } else {
            self.buffer.extend_from_slice(&piece);
        }
        let bound = if self.share.is_some() { MEMORY_BYTES_MAX } else { MEMORY_BYTES_SHORT };
        if self.buffer.len() <= bound { Ok(()) } else { self.write_out().await }
    }

    /// The whole body, ready to be made durable. What comes next is another message's.
    ///
    /// # Errors
    /// When the rest cannot be written to the spool file, or an earlier piece could not.
    pub(super) async fn finish(&mut self) -> io::Result<Body<A::Spool>> {
        if self.spool.is_some() && !self.buffer.is_empty() {
            self.write_out().await?;
        }
        if core::mem::take(&mut self.failed) {
            return Err(io::Error::other("a piece of the body is missing"));
        }
        let body = match self.spool.take() {
            Some(spool) => Body::Spooled(spool),
            None => Body::Memory(core::mem::take(&mut self.buffer)),
        };
        self.share = None;
        Ok(body)
    }

    /// Drops what is there: the message came to nothing.
    pub(super) async fn discard(&mut self) {
        self.failed = false;
        self.share = None;
        self.buffer = Vec::new();
        if let Some(spool) = self.spool.take() {
            // Removing the file is disk work. A panic in it has been reported by the panic hook.
            let _ = spawn_blocking(move || drop(spool)).await;
        }
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let (buffer, spool) = (core::mem::take(&mut self.buffer), self.spool.take());
        let acceptor = Arc::clone(&self.acceptor);
        let written = spawn_blocking(move || {
            let mut spool = match spool {
                Some(spool) => spool,
                None => acceptor.begin()?,
            };
            acceptor.append(&mut spool, &buffer)?;
            Ok::<_, io::Error>((spool, buffer))
        });
        match written.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((spool, mut buffer)) => {
                buffer.clear();
                self.buffer = buffer;
                self.spool = Some(spool);
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }
}

impl<A: Acceptor> Drop for BodyIntake<A> {
    /// A session that was cut off in the middle of a message removes its file off the async workers, too.
    fn drop(&mut self) {
        let Some(spool) = self.spool.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(spool))),
            Err(_) => drop(spool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counting {
        full: bool,
        begun: AtomicUsize,
        dropped: Arc<AtomicUsize>,
        batches: Mutex<Vec<usize>>,
    }

    struct File(Vec<u8>, Arc<AtomicUsize>);

    impl Drop for File {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Acceptor for Counting {
        type Spool = File;

        fn has_room(&self) -> bool {
            true
        }

        fn begin(&self) -> io::Result<File> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            Ok(File(Vec::new(), Arc::clone(&self.dropped)))
        }

        fn append(&self, spool: &mut File, bytes: &[u8]) -> io::Result<()> {
            if self.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.batches.lock().unwrap().push(bytes.len());
            spool.0.extend_from_slice(bytes);
            Ok(())
        }

        async fn commit(&self, _: Submission, _: Body<File>) -> Result<QueuedAs, CommitFailure> {
            Err(CommitFailure::Temporary)
        }
    }

    fn intake(acceptor: &Arc<Counting>) -> BodyIntake<Counting> {
        BodyIntake::new(Arc::clone(acceptor), MemoryBudget::default())
    }

    #[tokio::test]
    async fn a_small_body_stays_in_memory_and_a_large_one_is_spooled_in_batches() {
        let acceptor = Arc::new(Counting::default());
        let mut body = intake(&acceptor);
        body.append(vec![b'a'; MEMORY_BYTES_MAX]).await.unwrap();
        assert!(matches!(body.finish().await.unwrap(), Body::Memory(bytes) if bytes.len() == MEMORY_BYTES_MAX));
        assert_eq!(acceptor.begun.load(Ordering::SeqCst), 0);
        for _ in 0..1_000 {
            body.append(vec![b'b'; 1_024]).await.unwrap();
        }
        let Body::Spooled(file) = body.finish().await.unwrap() else { panic!("in memory") };
        assert_eq!(file.0.len(), 1_024_000);
        assert_eq!(acceptor.batches.lock().unwrap().len(), 4);
        assert!(matches!(body.finish().await.unwrap(), Body::Memory(bytes) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_once_and_the_next_message_starts_afresh() {
        let acceptor = Arc::new(Counting { full: true, ..Counting::default() });
        let mut body = intake(&acceptor);
        assert!(body.append(vec![b'a'; MEMORY_BYTES_MAX + 1]).await.is_err());
        assert!(body.append(vec![b'a'; MEMORY_BYTES_MAX + 1]).await.is_ok());
        assert_eq!(acceptor.begun.load(Ordering::SeqCst), 1);
        assert!(body.finish().await.is_err());
        body.append(b"next".to_vec()).await.unwrap();
        assert!(matches!(body.finish().await.unwrap(), Body::Memory(bytes) if bytes == b"next"));
    }

    #[tokio::test]
    async fn a_body_that_comes_to_nothing_removes_its_file() {
        let acceptor = Arc::new(Counting::default());
        let mut body = intake(&acceptor);
        body.append(vec![b'a'; MEMORY_BYTES_MAX + 1]).await.unwrap();
        body.discard().await;
        assert_eq!(acceptor.dropped.load(Ordering::SeqCst), 1);
        assert!(matches!(body.finish().await.unwrap(), Body::Memory(bytes) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn without_budget_bodies_go_to_their_file_sooner() {
        let acceptor = Arc::new(Counting::default());
        let mut body = BodyIntake::new(Arc::clone(&acceptor), MemoryBudget(Arc::new(Semaphore::new(1))));
        let mut other = BodyIntake::new(Arc::clone(&acceptor), body.budget.clone());
        body.append(vec![b'a'; MEMORY_BYTES_SHORT + 1]).await.unwrap();
        other.append(vec![b'a'; MEMORY_BYTES_SHORT + 1]).await.unwrap();
        assert_eq!(acceptor.begun.load(Ordering::SeqCst), 1);
        assert!(matches!(other.finish().await.unwrap(), Body::Spooled(_)));
        assert!(matches!(body.finish().await.unwrap(), Body::Memory(_)));
        other.append(vec![b'a'; MEMORY_BYTES_SHORT + 1]).await.unwrap();
        assert_eq!(acceptor.begun.load(Ordering::SeqCst), 1, "the share came back");
    }
}
