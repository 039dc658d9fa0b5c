//! The body of one message on its way in: in memory while it is small, in a spool file once it is not.
//!
//! File work is done on the blocking pool, a buffer at a time, so no async worker ever waits for a disk and one session
//! holds no more than [`MEMORY_BYTES_MAX`] of its message. All of them together are bounded, too: when the budget is
//! used up, bodies go to their file sooner.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::store::spool::{Spool, SpoolDirectory, SpoolError, SpooledBody};

/// The most of one body that is held in memory.
const MEMORY_BYTES_MAX: usize = 256 * 1024;
/// The same when the budget is used up.
const MEMORY_BYTES_SHORT: usize = 16 * 1024;
/// Bodies that may use [`MEMORY_BYTES_MAX`] at once: 64 MiB in all.
const GENEROUS_BODIES_MAX: usize = 256;

/// Where bodies go and how much memory they may use, shared by all sessions.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    generous: SpoolDirectory,
    frugal: SpoolDirectory,
    budget: Arc<Semaphore>,
}

impl Bodies {
    pub(super) fn new(directory: SpoolDirectory) -> Self {
        Self {
            generous: directory.with_memory(MEMORY_BYTES_MAX),
            frugal: directory.with_memory(MEMORY_BYTES_SHORT),
            budget: Arc::new(Semaphore::new(GENEROUS_BODIES_MAX)),
        }
    }

    /// A new body. The session judges its size before it gets here, so the spool needs no bound of its own.
    fn begin(&self) -> Begun {
        let share = Arc::clone(&self.budget).try_acquire_owned().ok();
        let directory = if share.is_some() { &self.generous } else { &self.frugal };
        Begun { spool: directory.begin(u64::MAX), _share: share, is_on_disk: false }
    }
}

/// A body of which something has come.
struct Begun {
    spool: Spool,
    _share: Option<OwnedSemaphorePermit>,
    is_on_disk: bool,
}

/// The bodies of one session, one after another.
pub(super) struct BodyIntake {
    bodies: Bodies,
    begun: Option<Begun>,
    failed: bool,
}

impl BodyIntake {
    /// An empty body.
    pub(super) const fn new(bodies: Bodies) -> Self {
        Self { bodies, begun: None, failed: false }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// When it cannot be written to the spool file, once for each message; later pieces are dropped until the next one.
    pub(super) async fn append(&mut self, piece: Vec<u8>) -> Result<(), SpoolError> {
        if self.failed {
            return Ok(());
        }
        let mut begun = self.begun.take().unwrap_or_else(|| self.bodies.begin());
        let outcome = if begun.spool.touches_disk(piece.len()) {
            begun.is_on_disk = true;
            on_disk(move || begun.spool.write(piece).map(|()| begun)).await
        } else {
            begun.spool.write(piece).map(|()| begun)
        };
        match outcome {
            Ok(begun) => {
                self.begun = Some(begun);
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// The whole body, ready to be made durable. What comes next is another message's.
    ///
    /// # Errors
    /// When the rest cannot be written to the spool file, or an earlier piece could not.
    pub(super) async fn finish(&mut self) -> Result<SpooledBody, SpoolError> {
        if core::mem::take(&mut self.failed) {
            return Err(io::Error::other("a piece of the body is missing").into());
        }
        match self.begun.take() {
            None => Ok(SpooledBody::Memory(Vec::new())),
            Some(begun) if begun.is_on_disk => on_disk(move || begun.spool.finish().map_err(SpoolError::from)).await,
            Some(begun) => Ok(begun.spool.finish()?),
        }
    }

    /// Drops what is there: the message came to nothing.
    pub(super) async fn discard(&mut self) {
        self.failed = false;
        if let Some(begun) = self.begun.take().filter(|begun| begun.is_on_disk) {
            // Removing the file is disk work. A panic in it has been reported by the panic hook.
            let _ = spawn_blocking(move || drop(begun)).await;
        }
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

impl Drop for BodyIntake {
    /// A session that was cut off in the middle of a message removes its file off the async workers, too.
    fn drop(&mut self) {
        let Some(begun) = self.begun.take().filter(|begun| begun.is_on_disk) else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(begun))),
            Err(_) => drop(begun),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::spool::SpoolLimits;
    use crate::world::disk::{Disk as _, SimulatedDisk};
    use std::path::Path;

    const PLACE: &str = "/spool";

    fn bodies(disk: &SimulatedDisk) -> Bodies {
        let limits = SpoolLimits::new(u64::MAX);
        Bodies::new(SpoolDirectory::open(Arc::new(disk.clone()), Path::new(PLACE), limits).unwrap())
    }

    fn files(disk: &SimulatedDisk) -> usize {
        disk.list(Path::new(PLACE)).unwrap().len()
    }

    #[tokio::test]
    async fn a_small_body_stays_in_memory_and_a_large_one_goes_to_a_file() {
        let disk = SimulatedDisk::new(1);
        let mut body = BodyIntake::new(bodies(&disk));
        body.append(vec![b'a'; MEMORY_BYTES_MAX]).await.unwrap();
        assert_eq!(files(&disk), 0);
        assert!(matches!(body.finish().await.unwrap(), SpooledBody::Memory(bytes) if bytes.len() == MEMORY_BYTES_MAX));
        for _ in 0..1_000 {
            body.append(vec![b'b'; 1_024]).await.unwrap();
        }
        assert_eq!(files(&disk), 1);
        let SpooledBody::File(file) = body.finish().await.unwrap() else { panic!("in memory") };
        assert_eq!(file.bytes(), 1_024_000);
        assert!(matches!(body.finish().await.unwrap(), SpooledBody::Memory(bytes) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_once_and_the_next_message_starts_afresh() {
        let disk = SimulatedDisk::new(2);
        let mut body = BodyIntake::new(bodies(&disk));
        disk.set_room(Some(3));
        body.append(vec![b'a'; MEMORY_BYTES_MAX]).await.unwrap();
        assert!(body.append(vec![b'a']).await.is_err());
        assert!(body.append(vec![b'a']).await.is_ok());
        assert!(body.finish().await.is_err());
        assert_eq!(files(&disk), 0);
        body.append(b"next".to_vec()).await.unwrap();
        assert!(matches!(body.finish().await.unwrap(), SpooledBody::Memory(bytes) if bytes == b"next"));
    }

    #[tokio::test]
    async fn a_body_that_comes_to_nothing_removes_its_file() {
        let disk = SimulatedDisk::new(3);
        let mut body = BodyIntake::new(bodies(&disk));
        body.append(vec![b'a'; MEMORY_BYTES_MAX + 1]).await.unwrap();
        body.append(vec![b'a'; MEMORY_BYTES_MAX + 1]).await.unwrap();
        assert_eq!(files(&disk), 1);
        body.discard().await;
        assert_eq!(files(&disk), 0);
        assert!(matches!(body.finish().await.unwrap(), SpooledBody::Memory(bytes) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn without_budget_bodies_go_to_their_file_sooner() {
        let disk = SimulatedDisk::new(4);
        let bodies = Bodies { budget: Arc::new(Semaphore::new(1)), ..bodies(&disk) };
        let (mut body, mut other) = (BodyIntake::new(bodies.clone()), BodyIntake::new(bodies));
        let piece = vec![b'a'; MEMORY_BYTES_SHORT + 1];
        body.append(piece.clone()).await.unwrap();
        other.append(piece.clone()).await.unwrap();
        assert!(matches!(body.finish().await.unwrap(), SpooledBody::Memory(_)));
        assert!(matches!(other.finish().await.unwrap(), SpooledBody::File(_)));
        other.append(piece).await.unwrap();
        assert!(matches!(other.finish().await.unwrap(), SpooledBody::Memory(_)), "the share came back");
    }
}
