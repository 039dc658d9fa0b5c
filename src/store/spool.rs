//! The body of one incoming message, kept in memory while it is small and in a file of its own once it is not.
//!
//! A message of any size passes in constant memory: beyond the bound the memory is only a buffer in front of the file,
//! and the file becomes a [`LargeBody`] by a rename. What is not handed over is removed, at the latest at the next
//! start.
//!
//! Writing in memory never blocks; [`Spool::touches_disk`] tells beforehand whether the next write would. Then, and
//! for everything on a [`SpooledFile`], async code goes through a blocking pool.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journal::{LargeBodies, LargeBody};
use crate::world::disk::{AppendFile, Disk, ReadFile};

/// Sizes of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// A body up to this many octets stays in memory; also the buffer in front of a file.
    pub memory_bytes: usize,
    /// A body is never larger than this.
    pub body_bytes_max: u64,
}

impl SpoolLimits {
    /// 256 KiB in memory, and bodies up to `body_bytes_max` octets.
    pub const fn new(body_bytes_max: u64) -> Self {
        Self { memory_bytes: 256 << 10, body_bytes_max }
    }
}

/// The directory where bodies wait that are still being received.
#[derive(Clone, Debug)]
pub struct SpoolDirectory {
    disk: Arc<dyn Disk>,
    path: Arc<Path>,
    limits: SpoolLimits,
    numbers: Arc<AtomicU64>,
}

/// Why a part of a body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The body would grow beyond the bound. Nothing of this part was taken.
    #[error("the body exceeds {body_bytes_max} octets")]
    TooLarge {
        /// The bound, in octets.
        body_bytes_max: u64,
    },
    /// The disk failed; the body is lost.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SpoolDirectory {
    /// Opens or creates the directory, which must be on the file system of the journal, and removes what an earlier
    /// process left. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, limits: SpoolLimits) -> io::Result<Self> {
        disk.create_directories(path)?;
        for name in disk.list(path)? {
            disk.remove(&path.join(name))?;
        }
        Ok(Self { disk, path: path.into(), limits, numbers: Arc::default() })
    }

    /// Begins a body, with a bound of its own where that is lower than the directory's.
    pub fn begin(&self, body_bytes_max: u64) -> Spool {
        let limits = SpoolLimits { body_bytes_max: self.limits.body_bytes_max.min(body_bytes_max), ..self.limits };
        Spool {
            directory: self.clone(),
            limits,
            memory: Vec::new(),
            file: None,
            bytes: 0,
            hasher: crc32fast::Hasher::new(),
        }
    }
}

impl SpoolDirectory {
    /// The same directory with `memory_bytes` in memory for each body, for times when memory is short.
    pub fn with_memory(&self, memory_bytes: usize) -> Self {
        Self { limits: SpoolLimits { memory_bytes, ..self.limits }, ..self.clone() }
    }
}

/// A body that is being received.
#[derive(Debug)]
pub struct Spool {
    directory: SpoolDirectory,
    limits: SpoolLimits,
    memory: Vec<u8>,
    file: Option<SpooledFile>,
    bytes: u64,
    hasher: crc32fast::Hasher,
}

/// A body that was received.
#[derive(Debug)]
pub enum SpooledBody {
    /// A small one.
    Memory(Vec<u8>),
    /// A large one. Not durable yet.
    File(SpooledFile),
}

/// A large body in the spool's directory; removed when dropped.
#[derive(Debug)]
pub struct SpooledFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Box<dyn AppendFile>,
    bytes: u64,
    checksum: u32,
    is_handed_over: bool,
}

impl Spool {
    /// Whether writing `additional` octets would go to the disk, and so may block.
    pub fn touches_disk(&self, additional: usize) -> bool {
        self.memory.len().saturating_add(additional) > self.limits.memory_bytes
    }

    /// The octets taken so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next part, and the first one as it is.
    ///
    /// # Errors
    /// `TooLarge` and `Io`; neither can be mended by writing again.
    pub fn write(&mut self, part: Vec<u8>) -> Result<(), SpoolError> {
        let bytes = self.bytes.saturating_add(part.len() as u64);
        if bytes > self.limits.body_bytes_max {
            return Err(SpoolError::TooLarge { body_bytes_max: self.limits.body_bytes_max });
        }
        if self.touches_disk(part.len()) {
            self.empty_memory()?;
        }
        self.hasher.update(&part);
        self.bytes = bytes;
        // A part larger than the buffer goes straight through, so that the buffer never grows.
        match &mut self.file {
            Some(file) if part.len() > self.limits.memory_bytes => file.file.append(&part)?,
            None if self.memory.is_empty() => self.memory = part,
            Some(_) | None => self.memory.extend_from_slice(&part),
        }
        Ok(())
    }

    fn empty_memory(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.directory.create()?),
        };
        file.file.append(&self.memory)?;
        self.memory.clear();
        Ok(())
    }

    /// Ends the body. Writes what is left when it is in a file.
    ///
    /// # Errors
    /// The system's; the body is lost then.
    pub fn finish(mut self) -> io::Result<SpooledBody> {
        if self.file.is_some() && !self.memory.is_empty() {
            self.empty_memory()?;
        }
        Ok(match self.file {
            Some(mut file) => {
                file.bytes = self.bytes;
                file.checksum = self.hasher.finalize();
                SpooledBody::File(file)
            }
            None => SpooledBody::Memory(self.memory),
        })
    }
}

impl SpoolDirectory {
    fn create(&self) -> io::Result<SpooledFile> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number}.body"));
        let file = self.disk.create_new(&path)?;
        Ok(SpooledFile { disk: Arc::clone(&self.disk), path, file, bytes: 0, checksum: 0, is_handed_over: false })
    }
}

impl SpooledFile {
    /// The length in octets.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens it to read, for example the head of the message.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self) -> io::Result<Box<dyn ReadFile>> {
        self.disk.open_read(&self.path)
    }

    /// Makes it a durable body under `name`, as [`LargeBodies`] has them. Append the record that names it afterwards.
    ///
    /// # Errors
    /// `InvalidInput` for something that is not a body's name, else the system's; the body is lost then.
    pub fn into_large_body(mut self, bodies: &LargeBodies, name: &str) -> io::Result<LargeBody> {
        self.file.synchronize()?;
        let body = bodies.adopt(&self.path, name, self.bytes, self.checksum)?;
        self.is_handed_over = true;
        Ok(body)
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        if !self.is_handed_over {
            // What cannot be removed is removed at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::journal::{Journal, JournalOptions};
    use crate::world::disk::SimulatedDisk;

    const PLACE: &str = "/j/spool";

    fn spool(disk: &SimulatedDisk) -> SpoolDirectory {
        let limits = SpoolLimits { memory_bytes: 10, body_bytes_max: 100 };
        SpoolDirectory::open(Arc::new(disk.clone()), Path::new(PLACE), limits).unwrap()
    }

    fn files(disk: &SimulatedDisk) -> usize {
        disk.list(Path::new(PLACE)).unwrap().len()
    }

    #[test]
    fn a_small_body_stays_in_memory_and_a_large_one_becomes_a_durable_file() {
        let disk = SimulatedDisk::new(1);
        let journal = Journal::open(Arc::new(disk.clone()), Path::new("/j"), JournalOptions::new(1), |_, _| {});
        let (journal, _) = journal.unwrap();
        let directory = spool(&disk);
        for length in 0..=100_usize {
            for part in [1, 3, 10, 11, 60] {
                let content: Vec<u8> = (0..length).map(|number| number as u8).collect();
                let mut spool = directory.begin(u64::MAX);
                for part in content.chunks(part) {
                    let before = disk.operations();
                    let touches_disk = spool.touches_disk(part.len());
                    spool.write(part.to_vec()).unwrap();
                    assert_eq!(touches_disk, disk.operations() > before, "{length} in parts of {part:?}");
                    assert!(spool.memory.len() <= 60);
                }
                match spool.finish().unwrap() {
                    SpooledBody::Memory(bytes) => assert_eq!(bytes, content),
                    SpooledBody::File(file) => {
                        assert!(length > 10 && file.bytes() == length as u64);
                        let body = file.into_large_body(journal.bodies(), "q1").unwrap();
                        journal.bodies().verify(&body).unwrap();
                        assert_eq!(disk.read(&journal.bodies().path_of(&body).unwrap()).unwrap(), content);
                    }
                }
                assert_eq!(files(&disk), 0);
            }
        }
    }

    #[test]
    fn nothing_is_left_of_a_body_that_was_given_up() {
        let disk = SimulatedDisk::new(2);
        let directory = spool(&disk);
        let mut abandoned = directory.begin(u64::MAX);
        abandoned.write(vec![1; 50]).unwrap();
        assert_eq!(files(&disk), 1);
        drop(abandoned);
        assert_eq!(files(&disk), 0);
        let mut forgotten = directory.begin(u64::MAX);
        forgotten.write(vec![1; 50]).unwrap();
        core::mem::forget(forgotten);
        spool(&disk);
        assert_eq!(files(&disk), 0);
    }

    #[test]
    fn the_bound_is_exact_and_the_lower_one_counts() {
        let disk = SimulatedDisk::new(3);
        let directory = spool(&disk);
        for (own, bound) in [(u64::MAX, 100), (20, 20)] {
            let mut spool = directory.begin(own);
            spool.write(vec![0; bound]).unwrap();
            assert!(matches!(
                spool.write(vec![0]),
                Err(SpoolError::TooLarge { body_bytes_max }) if body_bytes_max == bound as u64
            ));
            spool.write(vec![]).unwrap();
            assert_eq!(spool.bytes(), bound as u64);
        }
        disk.set_room(Some(3));
        let mut spool = directory.begin(u64::MAX);
        spool.write(vec![0; 10]).unwrap();
        let Err(SpoolError::Io(error)) = spool.write(vec![0; 10]) else { panic!("written to a full disk") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
