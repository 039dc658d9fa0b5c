//! Many files made durable by one call, where the system keeps what that promises.
//!
//! `syncfs` writes out a whole file system. Since Linux 5.8 it tells of every failure to write since the descriptor was
//! opened; before, such a failure could pass unseen. And it must come from a file system that keeps its own storage:
//! what a network file system, an overlay or a FUSE makes of it is theirs to say.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::world::disk::APART_MAX;

/// The device of a file, if one call can be relied upon for all files on it.
#[cfg(target_os = "linux")]
pub(super) fn file_system(file: &File) -> Option<u64> {
    use std::sync::OnceLock;

    // statfs(2): ext2 to ext4, XFS, btrfs.
    const RELIABLE: [u64; 3] = [0xEF53, 0x5846_5342, 0x9123_683E];
    static TELLS_FAILURES: OnceLock<bool> = OnceLock::new();

    let tells = || is_at_least_5_8(&rustix::system::uname().release().to_string_lossy());
    if !TELLS_FAILURES.get_or_init(tells) {
        return None;
    }
    let kind = rustix::fs::fstatfs(file).ok()?.f_type;
    RELIABLE.contains(&u64::try_from(kind).ok()?).then(|| file.metadata().ok().map(|metadata| metadata.dev()))?
}

/// Whether a release of Linux, such as `6.1.0-18-amd64`, is 5.8 or later.
#[cfg(target_os = "linux")]
fn is_at_least_5_8(release: &str) -> bool {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 8)
}

#[cfg(target_os = "linux")]
pub(super) fn synchronize(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// Makes the names in all these directories durable by one call; none when that cannot be relied upon, or is not worth
/// it. The error holds for all of them.
pub(super) fn synchronize_directories(paths: &[&Path]) -> Option<io::Result<()>> {
    if paths.len() <= APART_MAX {
        return None;
    }
    let first = File::open(paths.first()?).ok()?;
    let device = file_system(&first)?;
    let together = paths.iter().all(|path| fs::metadata(path).is_ok_and(|metadata| metadata.dev() == device));
    together.then(|| synchronize(&first))
}

/// Elsewhere each file is synchronised by itself.
#[cfg(not(target_os = "linux"))]
pub(super) const fn file_system(_: &File) -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn synchronize(file: &File) -> io::Result<()> {
    file.sync_data()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn old_systems_do_not_tell_of_failures() {
        for (release, tells) in [
            ("6.18.0", true),
            ("5.8.0-rc1+", true),
            ("5.7.19-generic", false),
            ("4.19", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_at_least_5_8(release), tells, "{release}");
        }
    }

    #[test]
    fn what_keeps_nothing_itself_is_not_relied_upon() {
        assert_eq!(file_system(&File::open("/proc/self/stat").unwrap()), None);
    }

    #[test]
    fn files_of_one_file_system_have_one_number() {
        let place = tempfile::tempdir().unwrap();
        let file = |name| File::create(place.path().join(name)).unwrap();
        let (first, second) = (file("first"), file("second"));
        assert_eq!(file_system(&first), file_system(&second));
        synchronize(&first).unwrap();
    }
}
