//! The disk as durable code needs it: a few operations with exact promises about what survives a power cut.
//!
//! [`RealDisk`] is the machine's file system. [`SimulatedDisk`] keeps everything in memory, forgets at a power cut what
//! was not synchronised, and fails where a test tells it to. Code that must survive a crash uses only this trait, so
//! one test can run it against both.
//!
//! The promises are those of POSIX and no stronger: written bytes survive once [`AppendFile::synchronize`] or
//! [`WriteFile::synchronize`] returned, a created, renamed or removed name survives once
//! [`Disk::synchronize_directory`] of its directory returned.
//! [`Disk::create_directories`] is the exception: it makes durable what it made, because every caller wants that.
//!
//! All calls block: they belong on threads of their own or on a blocking pool, never on an async worker.

use core::fmt;
use core::ops::ControlFlow;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

mod absent;
mod real;
mod replace;
mod simulated;

pub use absent::{remove_if_there, synchronize_if_there};
pub use real::{RealDisk, close_to_others, open_regular, read_regular, runs_as_root};
pub use replace::replace;
pub use simulated::{Lie, SimulatedDisk};

/// So many files or directories are better synchronised one by one: together they wait for whatever others have written
/// to their file system, too.
pub const APART_MAX: usize = 3;

/// What is left on the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Octets that an unprivileged process can still write.
    pub free_bytes: u64,
    /// Files that can still be created; `u64::MAX` where the file system does not count them.
    pub free_inodes: u64,
}

/// Tells one state of the names in a directory from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryStamp {
    /// Another number after names were added, removed or renamed; the same while nothing was.
    pub mark: u64,
    /// It was changed so lately that a further change might bear the same number: clocks of file systems tick every few
    /// milliseconds, or every second or two.
    pub recent: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a pipe, a device: nothing that this program makes.
    Other,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: OsString,
    /// What it stands for; links are not followed.
    pub kind: Kind,
    /// The same for all names of one file, and another one for every other file.
    pub identity: u64,
}

/// What is known of a name without opening what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it stands for; links are not followed.
    pub kind: Kind,
    /// The length of a file in octets.
    pub bytes: u64,
    /// As in [`Entry`].
    pub identity: u64,
}

/// A file that only grows.
pub trait AppendFile: Send + fmt::Debug {
    /// Writes all `bytes` at the end.
    ///
    /// # Errors
    /// The system's; then any prefix of `bytes` may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Lets the system begin to write out what was appended, without waiting and without any promise. Saying it to
    /// several files before the first [`AppendFile::synchronize`] makes them share the disk's time.
    fn begin_synchronizing(&mut self) {}

    /// Makes the content durable (fdatasync). The *name* of a new file is not: synchronise its directory.
    ///
    /// # Errors
    /// The system's. After an error nothing written since the last success may be taken for durable, not even when a
    /// later call succeeds: kernels drop the pages that they could not write.
    fn synchronize(&mut self) -> io::Result<()>;

    /// The number of the file system on which [`AppendFile::synchronize_file_system`] can be relied upon; none where it
    /// cannot. It may be asked as often as files are opened: it costs no more than looking at the file.
    fn file_system(&self) -> Option<u64> {
        None
    }

    /// Makes durable the content of this file and of every file that was opened after it on the same
    /// [`AppendFile::file_system`], whether it is still open or not (syncfs). For many files this takes hardly longer
    /// than [`AppendFile::synchronize`] does for one. Names are not promised.
    ///
    /// # Errors
    /// The system's, if any file there could not be written since this one was opened. Then none of them may be taken
    /// for durable.
    fn synchronize_file_system(&mut self) -> io::Result<()>;
}

/// A file whose octets have their places, which can be written over. Writing over what is there already leaves the
/// file's length and its blocks as they are, so that a synchronisation has the octets alone to write.
pub trait WriteFile: Send + fmt::Debug {
    /// Writes all `bytes` from `offset` on. What was never written before it reads as zeros.
    ///
    /// # Errors
    /// The system's; then any part of `bytes` may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content durable (fdatasync). Until then any part of each write may survive a power cut, whatever their
    /// order was.
    ///
    /// # Errors
    /// As [`AppendFile::synchronize`].
    fn synchronize(&mut self) -> io::Result<()>;
}

/// A file that is only read; several threads may read it at once.
pub trait ReadFile: Send + Sync + fmt::Debug {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter, else the system's.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The length in octets.
    ///
    /// # Errors
    /// The system's.
    fn length(&self) -> io::Result<u64>;
}

/// Keeps a directory to one process; dropping it gives the directory free.
pub trait DirectoryLock: Send + Sync + fmt::Debug {}

/// Everything durable code asks of a file system. Every error names the operation and the path, and keeps the
/// [`io::ErrorKind`] of its cause.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Creates a directory and its missing parents, open to the owner only (mode 0700), and makes them durable. Does
    /// nothing when it exists.
    ///
    /// # Errors
    /// The system's.
    fn create_directories(&self, path: &Path) -> io::Result<()>;

    /// Creates a file (mode 0600) that did not exist.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound` for a missing directory, else the system's.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    /// Opens an existing file to write at its end.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    /// Opens an existing file to write anywhere in it.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file to read.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Tells each name in a directory, in no particular order and without keeping them all in memory. Names that come,
    /// go or change meanwhile may be told or not. Where `each` fails, so does this.
    ///
    /// # Errors
    /// `NotFound`, else the system's and those of `each`.
    fn visit(&self, path: &Path, each: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()>;

    /// What a name stands for. Links are not followed.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn facts(&self, path: &Path) -> io::Result<Facts>;

    /// Gives a file one more name on the same file system.
    ///
    /// # Errors
    /// `AlreadyExists`; `NotFound` for a missing file or directory; what [`is_linkless`] knows where there can be no
    /// such name; else the system's.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a new name on the same file system, replacing what had that name.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a directory, with all that is in it, another place on the same file system, where nothing must be.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all that is in it; nothing when it is not there. `each` hears of every file that has
    /// gone, and may end the work; what is then left can be removed later. Links are removed and never followed,
    /// whatever others put there meanwhile. That it is gone is durable once its parent is synchronised.
    ///
    /// # Errors
    /// The system's; then a part may be gone.
    fn remove_tree(&self, path: &Path, each: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<ControlFlow<()>>;

    /// Makes the content of a file durable that somebody else may have written.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn synchronize_file(&self, path: &Path) -> io::Result<()>;

    /// Cuts a file to `length` octets and makes that durable.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes the names in a directory durable (fsync).
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn synchronize_directory(&self, path: &Path) -> io::Result<()>;

    /// The same for several directories, together where that is quicker; the answers are in the order of `paths`.
    fn synchronize_directories(&self, paths: &[&Path]) -> Vec<io::Result<()>> {
        paths.iter().map(|path| self.synchronize_directory(path)).collect()
    }

    /// Whether a file or directory of this name exists.
    ///
    /// # Errors
    /// The system's, when that cannot be told.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The length of a file in octets.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// Which state the names in a directory are in. Cheap: it does not read them.
    ///
    /// # Errors
    /// `NotFound`, else the system's.
    fn stamp(&self, path: &Path) -> io::Result<DirectoryStamp>;

    /// What is left on the file system of an existing path.
    ///
    /// # Errors
    /// `ReadOnlyFilesystem` when nothing can be written there, else the system's.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Takes an existing directory for this process alone, by a file called `lock` inside.
    ///
    /// # Errors
    /// `WouldBlock` when another holder has it, else the system's.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirectoryLock>>;
}

/// Whether this error of [`Disk::link`] says that a file can have no further name there: another file system, one that
/// knows no such names, a file with too many of them or of an owner whom it must not be taken from. A copy can help.
pub fn is_linkless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::CrossesDevices
            | io::ErrorKind::TooManyLinks
            | io::ErrorKind::Unsupported
            | io::ErrorKind::PermissionDenied
    )
}

/// An error of the system with what was tried and where.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {source}", path = path.display())]
struct DiskError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Adds what was tried and where; the kind stays.
fn in_context(operation: &'static str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), DiskError { operation, path: path.to_owned(), source })
}
