//! Directories of the simulated disk: they are made durably, and moved and removed like any other name.

use super::*;

impl DirectoryChange {
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let (first, second) = match self {
            Self::Rename { from, to } => (from, Some(to)),
            Self::Remove { path } => (path, None),
        };
        core::iter::once(first).chain(second).map(PathBuf::as_path)
    }

    pub(super) fn apply(&self, directories: &mut BTreeMap<PathBuf, DirectoryId>) {
        match self {
            Self::Rename { from, to } => {
                let inner: Vec<PathBuf> = directories.keys().filter(|path| path.starts_with(from)).cloned().collect();
                for path in inner {
                    let (Ok(rest), Some(id)) = (path.strip_prefix(from), directories.remove(&path)) else { continue };
                    // Joining nothing would add a separator.
                    let moved = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    directories.insert(moved, id);
                }
            }
            Self::Remove { path } => {
                directories.remove(path);
            }
        }
    }
}

impl State {
    /// Makes durable those of the pending changes that are `due`, in order.
    pub(super) fn settle_directories(&mut self, due: impl Fn(&DirectoryChange) -> bool) {
        let (due, later): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.pending_directories).into_iter().partition(|change| due(change));
        self.pending_directories = later;
        due.iter().for_each(|change| change.apply(&mut self.durable_directories));
    }

    /// Makes a directory and its missing parents, durably.
    pub(super) fn make_directories(&mut self, path: &Path) {
        let missing: Vec<&Path> = path.ancestors().filter(|one| !self.directories.contains_key(*one)).collect();
        for directory in &missing {
            // What is made in a directory that has just been moved makes the move durable as well: less harsh than a
            // real disk may be, and simple.
            self.settle_directories(|change| change.paths().any(|changed| directory.starts_with(changed)));
            self.directories_made = self.directories_made.saturating_add(1);
            self.directories.insert(directory.to_path_buf(), self.directories_made);
            self.durable_directories.insert(directory.to_path_buf(), self.directories_made);
        }
        missing.into_iter().for_each(|directory| self.renamed(directory));
    }

    pub(super) fn change_directories(&mut self, change: DirectoryChange) {
        change.paths().for_each(|path| self.renamed(path));
        change.apply(&mut self.directories);
        self.pending_directories.push(change);
    }

    /// A directory below `path`, or itself, that has no directories in it.
    pub(super) fn innermost(&self, path: &Path) -> Option<PathBuf> {
        let inner = self.directories.keys().filter(|directory| directory.starts_with(path));
        inner.max_by_key(|directory| directory.components().count()).cloned()
    }

    /// The names of the files in a directory.
    pub(super) fn files_in(&self, directory: DirectoryId) -> impl Iterator<Item = (&OsString, Inode)> {
        let names = self.seen.range((directory, OsString::new())..);
        names.take_while(move |((of, _), _)| *of == directory).map(|((_, name), inode)| (name, *inode))
    }
}
