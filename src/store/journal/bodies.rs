//! Bodies too large for a record: a file each, durable with its name *before* the record that names it is appended.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::world::disk::{AppendFile, Disk, ReadFile, remove_if_there};

/// A durable body, as the record that owns it remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LargeBody {
    /// The file's name in the directory of bodies.
    pub name: String,
    /// Its length in octets.
    pub bytes: u64,
    /// CRC-32 of its content.
    pub checksum: u32,
}

/// The directory of large bodies. All functions block.
#[derive(Clone, Debug)]
pub struct LargeBodies {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    temporaries: Arc<AtomicU64>,
}

/// A body on its way to the disk; dropped unfinished, it is removed.
#[derive(Debug)]
pub struct LargeBodyWriter {
    bodies: LargeBodies,
    path: PathBuf,
    file: Box<dyn AppendFile>,
    bytes: u64,
    hasher: crc32fast::Hasher,
    finished: bool,
}

const NAME_BYTES_MAX: usize = 64;
const TEMPORARY_SUFFIX: &str = ".new";

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn refuse<T>(text: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl LargeBodies {
    pub(super) fn open(disk: Arc<dyn Disk>, directory: PathBuf) -> io::Result<Self> {
        disk.create_directories(&directory)?;
        Ok(Self { disk, directory, temporaries: Arc::default() })
    }

    /// Where the bodies are; a spool on the same file system can hand its files over by rename.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if is_name(name) { Ok(self.directory.join(name)) } else { refuse("not a name of a body") }
    }

    /// Begins a body.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&self) -> io::Result<LargeBodyWriter> {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("{number}{TEMPORARY_SUFFIX}"));
        if self.disk.exists(&path)? {
            self.disk.remove(&path)?;
        }
        let file = self.disk.create_new(&path)?;
        let hasher = crc32fast::Hasher::new();
        Ok(LargeBodyWriter { bodies: self.clone(), path, file, bytes: 0, hasher, finished: false })
    }

    /// Takes a synchronised file of the same file system over under `name` (1 to 64 letters, digits, `-`, `_`); durable
    /// on return. A body of this name is replaced.
    ///
    /// # Errors
    /// `InvalidInput` for another name, else the system's; then the file may have either name.
    pub(in crate::store) fn adopt(&self, path: &Path, name: &str, bytes: u64, checksum: u32) -> io::Result<LargeBody> {
        let target = self.path(name)?;
        self.disk.rename(path, &target)?;
        self.disk.synchronize_directory(&self.directory)?;
        Ok(LargeBody { name: name.to_owned(), bytes, checksum })
    }

    /// Opens a body to read it in parts.
    ///
    /// # Errors
    /// `NotFound`, `InvalidData` when its length is not the one remembered, else the system's.
    pub fn read(&self, body: &LargeBody) -> io::Result<Box<dyn ReadFile>> {
        let file = self.disk.open_read(&self.path(&body.name)?)?;
        if file.length()? == body.bytes {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the body has another length than its record says"))
        }
    }

    /// Where a body is, for those who hand files over by path.
    ///
    /// # Errors
    /// `InvalidInput` for something that is not a body's name.
    pub fn path_of(&self, body: &LargeBody) -> io::Result<PathBuf> {
        self.path(&body.name)
    }

    /// Reads a whole body in parts and compares its checksum.
    ///
    /// # Errors
    /// `InvalidData` when it is not what was written, else as [`Self::read`].
    pub fn verify(&self, body: &LargeBody) -> io::Result<()> {
        let file = self.read(body)?;
        let mut hasher = crc32fast::Hasher::new();
        let mut part = vec![0; 64 << 10];
        let mut offset = 0;
        while offset < body.bytes {
            let wanted = usize::try_from(body.bytes.saturating_sub(offset)).unwrap_or(part.len()).min(part.len());
            let Some(buffer) = part.get_mut(..wanted) else { break };
            file.read_exact_at(buffer, offset)?;
            hasher.update(buffer);
            offset = offset.saturating_add(wanted as u64);
        }
        if hasher.finalize() == body.checksum {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the body's checksum does not fit"))
        }
    }

    /// Removes a body whose message is final. It need not be durable: a body that comes back is swept at the next
    /// start.
    ///
    /// # Errors
    /// The system's; a body that is gone already is none.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        remove_if_there(&*self.disk, &self.path(name)?)
    }

    /// Removes what no record names: everything unfinished, and every body that `is_needed` denies. For the start,
    /// after the replay, before anything is accepted. Gives how many went.
    ///
    /// # Errors
    /// The system's.
    pub fn sweep(&self, mut is_needed: impl FnMut(&str) -> bool) -> io::Result<usize> {
        let mut swept = 0_usize;
        for name in self.disk.list(&self.directory)? {
            let needed = name.to_str().is_some_and(|name| is_name(name) && is_needed(name));
            if !needed {
                self.disk.remove(&self.directory.join(&name))?;
                swept = swept.saturating_add(1);
            }
        }
        Ok(swept)
    }
}

impl LargeBodyWriter {
    /// Writes the next part.
    ///
    /// # Errors
    /// The system's; the body is lost then.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.append(part)?;
        self.hasher.update(part);
        self.bytes = self.bytes.saturating_add(part.len() as u64);
        Ok(())
    }

    /// Makes the body durable under `name` (1 to 64 letters, digits, `-`, `_`).
    ///
    /// # Errors
    /// `InvalidInput` for another name, else the system's; the body is lost then.
    pub fn finish(mut self, name: &str) -> io::Result<LargeBody> {
        self.file.synchronize()?;
        let body = self.bodies.adopt(&self.path, name, self.bytes, self.hasher.clone().finalize())?;
        self.finished = true;
        Ok(body)
    }
}

impl Drop for LargeBodyWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What stays is swept at the next start.
            let _ = self.bodies.disk.remove(&self.path);
        }
    }
}
