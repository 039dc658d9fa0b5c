//! The machine's file system.

use core::ops::ControlFlow;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, DirEntryExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};

use super::{
    AppendFile, DirectoryLock, DirectoryStamp, Disk, Entry, Facts, Kind, ReadFile, Space, WriteFile, in_context,
};

mod removal;
mod together;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The coarsest clock of a common file system ticks every two seconds.
const TICK: Duration = Duration::from_secs(2);

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
struct RealLock {
    // Held for its lock, which the system gives up when the file closes, even after a kill.
    _file: File,
}

impl DirectoryLock for RealLock {}

impl AppendFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(|error| in_context("write to", &self.path, error))
    }

    #[cfg(target_os = "linux")]
    fn begin_synchronizing(&mut self) {
        // Linux begins to write out what it hears is needed no more, and keeps it until it is written. Whatever goes
        // wrong, synchronising finds, too.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    fn synchronize(&mut self) -> io::Result<()> {
        self.file.sync_data().map_err(|error| in_context("synchronise", &self.path, error))
    }

    fn file_system(&self) -> Option<u64> {
        together::file_system(&self.file)
    }

    fn synchronize_file_system(&mut self) -> io::Result<()> {
        together::synchronize(&self.file)
            .map_err(|error| in_context("synchronise the file system of", &self.path, error))
    }
}

impl WriteFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| in_context("write to", &self.path, error))
    }

    fn synchronize(&mut self) -> io::Result<()> {
        AppendFile::synchronize(self)
    }
}

impl ReadFile for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| in_context("read", &self.path, error))
    }

    fn length(&self) -> io::Result<u64> {
        let metadata = self.file.metadata().map_err(|error| in_context("examine", &self.path, error))?;
        Ok(metadata.len())
    }
}

/// Opens a file for reading, provided it is one: a pipe in its place would make the opening wait for ever, and a device
/// could have an effect. Links are followed.
///
/// # Errors
/// What the system says, and `InvalidInput` for anything but a regular file. It never waits for another process.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Without the flag, opening a pipe waits for a writer. Regular files do not know it.
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let error = if kind.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
    Err(io::Error::new(error, if kind.is_dir() { "it is a directory" } else { "it is no regular file" }))
}

/// Reads a whole file, under the conditions of [`open_regular`] and up to `bytes_max` octets.
///
/// # Errors
/// As [`open_regular`], and `FileTooLarge` for a longer file, of which nothing is kept.
pub fn read_regular(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open_regular(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut octets)?;
    if octets.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {bytes_max} octets")));
    }
    Ok(octets)
}

/// From now on, nothing that this process makes can be read by other users, whatever mode a library asks for.
pub fn close_to_others() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Another number for other numbers: FNV-1a (draft-eastlake-fnv), an octet at a time.
fn one_number(numbers: impl IntoIterator<Item = u64>) -> u64 {
    let octets = numbers.into_iter().flat_map(u64::to_le_bytes);
    octets.fold(0xCBF2_9CE4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3))
}

fn kind_of(kind: fs::FileType) -> Kind {
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Kind::File,
        (false, true) => Kind::Directory,
        (false, false) => Kind::Other,
    }
}

fn make_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    make_directories(parent)?;
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        // Another thread was faster; its name must be durable for us, too.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result?,
    }
    File::open(parent)?.sync_all()
}

impl Disk for RealDisk {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        make_directories(path).map_err(|error| in_context("create directory", path, error))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path);
        let file = file.map_err(|error| in_context("create", path, error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().append(true).open(path).map_err(|error| in_context("open", path, error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = OpenOptions::new().write(true).open(path).map_err(|error| in_context("open", path, error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let file = open_regular(path).map_err(|error| in_context("open", path, error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_regular(path, u64::MAX).map_err(|error| in_context("read", path, error))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(path).map_err(|error| in_context("list", path, error))?;
        let names: io::Result<Vec<OsString>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(|error| in_context("list", path, error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn visit(&self, path: &Path, each: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        let failed = |error| in_context("list", path, error);
        // Files have the device of their directory; those that are mounted one by one are none of ours.
        let device = fs::metadata(path).map_err(failed)?.dev();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = match entry.file_type() {
                // Where the directory does not tell, the file is asked, and may have gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => kind_of(result.map_err(failed)?),
            };
            each(Entry { name: entry.file_name(), kind, identity: one_number([device, entry.ino()]) })?;
        }
        Ok(())
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        let metadata = fs::symlink_metadata(path).map_err(|error| in_context("examine", path, error))?;
        let identity = one_number([metadata.dev(), metadata.ino()]);
        Ok(Facts { kind: kind_of(metadata.file_type()), bytes: metadata.len(), identity })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to).map_err(|error| in_context("link", from, error))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|error| in_context("rename", from, error))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|error| in_context("rename", from, error))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|error| in_context("remove", path, error))
    }

    fn remove_tree(&self, path: &Path, each: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        removal::remove_tree(path, each).map_err(|error| in_context("remove", path, error))
    }

    fn synchronize_file(&self, path: &Path) -> io::Result<()> {
        let file = open_regular(path).map_err(|error| in_context("open", path, error))?;
        file.sync_data().map_err(|error| in_context("synchronise", path, error))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path).map_err(|error| in_context("open", path, error))?;
        file.set_len(length).map_err(|error| in_context("truncate", path, error))?;
        file.sync_all().map_err(|error| in_context("synchronise", path, error))
    }

    fn synchronize_directory(&self, path: &Path) -> io::Result<()> {
        let directory = File::open(path).map_err(|error| in_context("open", path, error))?;
        directory.sync_all().map_err(|error| in_context("synchronise", path, error))
    }

    fn synchronize_directories(&self, paths: &[&Path]) -> Vec<io::Result<()>> {
        match together::synchronize_directories(paths) {
            Some(Ok(())) => paths.iter().map(|_| Ok(())).collect(),
            Some(Err(error)) => {
                let again = |path: &&Path| {
                    let error = io::Error::new(error.kind(), error.to_string());
                    Err(in_context("synchronise the file system of", path, error))
                };
                paths.iter().map(again).collect()
            }
            None => paths.iter().map(|path| self.synchronize_directory(path)).collect(),
        }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists().map_err(|error| in_context("examine", path, error))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let metadata = fs::metadata(path).map_err(|error| in_context("examine", path, error))?;
        Ok(metadata.len())
    }

    fn stamp(&self, path: &Path) -> io::Result<DirectoryStamp> {
        let metadata = fs::metadata(path).map_err(|error| in_context("examine", path, error))?;
        // Both times: a copy may bring the time of change of its original along, and is another directory all the same.
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        let facts = times.into_iter().map(i64::cast_unsigned).chain([metadata.dev(), metadata.ino()]);
        let mark = one_number(facts);
        Ok(DirectoryStamp { mark, recent: is_recent(metadata.ctime(), metadata.ctime_nsec()) })
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let numbers =
            rustix::fs::statvfs(path).map_err(|error| in_context("measure the space of", path, error.into()))?;
        // Nothing is free on a file system that takes nothing. One that had an error is often read-only from then on.
        if numbers.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(in_context("write to", path, rustix::io::Errno::ROFS.into()));
        }
        // Some file systems (btrfs, network ones) have no fixed number of files and say zero of zero.
        let free_inodes = if numbers.f_files == 0 { u64::MAX } else { numbers.f_favail };
        Ok(Space { free_bytes: numbers.f_bavail.saturating_mul(numbers.f_frsize), free_inodes })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirectoryLock>> {
        let name = path.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(&name);
        let file = file.map_err(|error| in_context("open", &name, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => {
                let cause = io::Error::new(io::ErrorKind::WouldBlock, "another process is using this directory");
                Err(in_context("lock", path, cause))
            }
            Err(TryLockError::Error(error)) => Err(in_context("lock", path, error)),
        }
    }
}

/// Whether a change at this time of the file system might be followed by one at the same. A clock that was set back
/// makes changes of the future: they count as recent until it gets there.
#[allow(
    clippy::disallowed_methods,
    reason = "the file system's times are the system clock's, whatever clock tests use"
)]
fn is_recent(seconds: i64, nanoseconds: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let changed = seconds.saturating_add(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)));
    changed.saturating_add(TICK) >= now
}

/// Whether this process may open every file, and makes files that only root can open.
pub fn runs_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_has_one_holder_and_is_closed_to_others() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        RealDisk.create_directories(&path).unwrap();
        RealDisk.create_directories(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let held = RealDisk.lock(&path).unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealDisk.lock(&path).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_an_error_and_never_a_wait() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(open_regular(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(RealDisk.read(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(RealDisk.open_read(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open_regular(place.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open_regular(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let (file, link) = (place.path().join("file"), place.path().join("link"));
        fs::write(&file, "12345").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_regular(&link, 5).unwrap(), b"12345");
        assert_eq!(read_regular(&link, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_directory_has_another_stamp_after_every_change_of_its_names() {
        let place = tempfile::tempdir().unwrap();
        let stamp = || RealDisk.stamp(place.path()).unwrap();
        let first = stamp();
        assert!(first.recent && stamp() == first);
        // A change within the same tick may keep the mark; that is what `recent` says.
        std::thread::sleep(Duration::from_millis(20));
        fs::write(place.path().join("one"), "").unwrap();
        let second = stamp();
        std::thread::sleep(Duration::from_millis(20));
        fs::rename(place.path().join("one"), place.path().join("two")).unwrap();
        let third = stamp();
        assert!(first.mark != second.mark && second.mark != third.mark);
        assert!(!is_recent(1_767_603_600, 0) && is_recent(i64::MAX, 0));
        assert_eq!(RealDisk.stamp(&place.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn names_are_told_for_what_they_are_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let name = |name: &str| place.path().join(name);
        fs::write(name("file"), "12345").unwrap();
        fs::create_dir(name("directory")).unwrap();
        std::os::unix::fs::symlink(name("file"), name("link")).unwrap();
        RealDisk.link(&name("file"), &name("second")).unwrap();
        assert_eq!(RealDisk.link(&name("file"), &name("link")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let mut entries = Vec::new();
        RealDisk
            .visit(place.path(), &mut |entry| {
                entries.push(entry);
                Ok(())
            })
            .unwrap();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let kinds: Vec<Kind> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Directory, Kind::File, Kind::Other, Kind::File]);
        assert_eq!(entries[1].identity, entries[3].identity);
        let facts = RealDisk.facts(&name("second")).unwrap();
        assert_eq!((facts.kind, facts.bytes, facts.identity), (Kind::File, 5, entries[1].identity));
        assert_eq!(RealDisk.facts(&name("link")).unwrap().kind, Kind::Other);
        RealDisk.synchronize_file(&name("second")).unwrap();
        let failed = RealDisk.visit(place.path(), &mut |_| Err(io::Error::other("enough")));
        assert_eq!(failed.unwrap_err().to_string(), "enough");
    }

    #[test]
    fn errors_name_the_operation_and_the_path_and_keep_their_kind() {
        let error = RealDisk.read(Path::new("/nonexistent/contoso")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("read /nonexistent/contoso: "), "{error}");
    }

    #[test]
    fn files_grow_and_are_cut() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let mut file = RealDisk.create_new(&path).unwrap();
        file.append(b"one two").unwrap();
        file.synchronize().unwrap();
        assert_eq!(RealDisk.create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        RealDisk.truncate(&path, 3).unwrap();
        file.append(b"!").unwrap();
        assert_eq!(RealDisk.read(&path).unwrap(), b"one!");
        RealDisk.open_write(&path).unwrap().write_at(1, b"w").unwrap();
        assert_eq!(RealDisk.read(&path).unwrap(), b"owe!");
        let mut part = [0; 2];
        RealDisk.open_read(&path).unwrap().read_exact_at(&mut part, 2).unwrap();
        assert_eq!(&part, b"e!");
        assert!(RealDisk.space(&path).unwrap().free_bytes > 0);
    }
}
