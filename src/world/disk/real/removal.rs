//! Removes trees without ever leaving them: each directory is opened from the one above, and never through a link.
//!
//! With paths, whoever may write into the tree could put a link in the place of a directory between two calls, and
//! have something else removed. Here names are only looked up in directories that are open.

use core::ops::ControlFlow;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

/// Each level keeps two files open. No mailbox has more than a few.
const DEPTH_MAX: usize = 64;
/// A directory that fills up as fast as it is emptied is given up after so many attempts.
const PASSES_MAX: usize = 16;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// See [`Disk::remove_tree`](crate::world::disk::Disk::remove_tree).
pub(super) fn remove_tree(path: &Path, each: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no name in a directory"));
    };
    let parent = if parent == Path::new("") { Path::new(".") } else { parent };
    let name = [name.as_bytes(), b"\0"].concat();
    let name = CStr::from_bytes_with_nul(&name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let parent = match openat(CWD, parent, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(ControlFlow::Continue(())),
        result => result?,
    };
    remove_directory(parent.as_fd(), name, DEPTH_MAX, each)
}

fn remove_directory(
    parent: BorrowedFd<'_>,
    name: &CStr,
    depth: usize,
    each: &mut dyn FnMut() -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(io::Error::other("the directories are nested too deep"));
    };
    let directory = match openat(parent, name, DIRECTORY.union(OFlags::NOFOLLOW), Mode::empty()) {
        Err(Errno::NOENT) => return Ok(ControlFlow::Continue(())),
        // A link, or something else that is no directory.
        Err(Errno::LOOP | Errno::NOTDIR) => return remove_file(parent, name, each),
        result => result?,
    };
    for _ in 0..PASSES_MAX {
        if empty(&directory, depth, each)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(ControlFlow::Continue(())),
            // Names that came, or that the listing has missed.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty))
}

/// Removes what is in a directory.
fn empty(directory: &OwnedFd, depth: usize, each: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let removed = match entry.file_type() {
            FileType::Directory | FileType::Unknown => remove_directory(directory.as_fd(), name, depth, each)?,
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => remove_file(directory.as_fd(), name, each)?,
        };
        if removed.is_break() {
            return Ok(removed);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn remove_file(
    directory: BorrowedFd<'_>,
    name: &CStr,
    each: &mut dyn FnMut() -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(each()),
        Err(Errno::NOENT) => Ok(ControlFlow::Continue(())),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let place = tempfile::tempdir().unwrap();
        let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir_all(outside.join("inner")).unwrap();
        for file in [tree.join("one"), tree.join("a/two"), tree.join("a/b/c/three"), outside.join("inner/kept")] {
            fs::write(file, "x").unwrap();
        }
        symlink(&outside, tree.join("a/directory")).unwrap();
        symlink(outside.join("inner/kept"), tree.join("a/b/file")).unwrap();
        symlink(place.path().join("nothing"), tree.join("broken")).unwrap();
        fs::hard_link(outside.join("inner/kept"), tree.join("second name")).unwrap();
        let mut gone = 0;
        let mut count = || {
            gone += 1;
            ControlFlow::Continue(())
        };
        assert!(remove_tree(&tree, &mut count).unwrap().is_continue());
        assert_eq!(gone, 7);
        assert!(!tree.exists() && fs::read(outside.join("inner/kept")).unwrap() == b"x");
        // What is not there is removed; a link in the place of the tree goes and its target does not.
        assert!(remove_tree(&tree, &mut || ControlFlow::Break(())).unwrap().is_continue());
        symlink(&outside, &tree).unwrap();
        assert!(remove_tree(&tree, &mut || ControlFlow::Continue(())).unwrap().is_continue());
        assert!(fs::symlink_metadata(&tree).is_err() && outside.join("inner/kept").exists());
    }

    #[test]
    fn it_can_be_ended_after_each_file_and_taken_up_again() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("cur")).unwrap();
        (0..5).for_each(|number| fs::write(tree.join("cur").join(number.to_string()), "x").unwrap());
        assert!(remove_tree(&tree, &mut || ControlFlow::Break(())).unwrap().is_break());
        assert_eq!(tree.join("cur").read_dir().unwrap().count(), 4);
        assert!(remove_tree(&tree, &mut || ControlFlow::Continue(())).unwrap().is_continue() && !tree.exists());
    }

    #[test]
    fn what_is_nested_too_deep_is_an_error_and_no_overflow() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("d/".repeat(DEPTH_MAX + 1))).unwrap();
        assert!(remove_tree(&tree, &mut || ControlFlow::Continue(())).is_err());
    }
}
