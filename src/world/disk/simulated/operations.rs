//! The operations of the simulated disk: look up, check for faults, change the state.

use super::content::DataChange;
use super::writing::Place;
use super::*;

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    inode: Inode,
    life: u64,
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
    life: u64,
}

impl DirectoryLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl AppendFile for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state
            .begin_on(self.life, Access::Change)
            .and_then(|()| state.write(self.inode, &self.path, Place::End, bytes));
        result.map_err(|error| in_context("write to", &self.path, error))
    }

    fn synchronize(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.begin_on(self.life, Access::Look).and_then(|()| state.synchronize(self.inode, &self.path));
        result.map_err(|error| in_context("synchronise", &self.path, error))
    }

    fn file_system(&self) -> Option<u64> {
        Some(0)
    }

    fn synchronize_file_system(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.begin_on(self.life, Access::Look).and_then(|()| state.synchronize_everything(&self.path));
        result.map_err(|error| in_context("synchronise the file system of", &self.path, error))
    }
}

impl WriteFile for SimulatedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let result = state
            .begin_on(self.life, Access::Change)
            .and_then(|()| state.write(self.inode, &self.path, Place::At(offset), bytes));
        result.map_err(|error| in_context("write to", &self.path, error))
    }

    fn synchronize(&mut self) -> io::Result<()> {
        AppendFile::synchronize(self)
    }
}

impl ReadFile for SimulatedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.begin_on(self.life, Access::Look).and_then(|()| {
            let content = state.content(self.inode)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = content.seen.get(start..start.saturating_add(buffer.len()));
            let bytes = bytes.ok_or_else(|| failure(io::ErrorKind::UnexpectedEof, "the file is shorter"))?;
            buffer.copy_from_slice(bytes);
            Ok(())
        });
        result.map_err(|error| in_context("read", &self.path, error))
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        let result = state.begin_on(self.life, Access::Look).and_then(|()| state.content(self.inode));
        let content = result.map_err(|error| in_context("examine", &self.path, error))?;
        Ok(content.seen.len() as u64)
    }
}

impl SimulatedDisk {
    fn open(&self, operation: &'static str, path: &Path) -> io::Result<SimulatedFile> {
        let state = self.begin(Access::Look, operation, path)?;
        let inode = state.inode(path).map_err(|error| in_context(operation, path, error))?;
        Ok(SimulatedFile { disk: self.clone(), path: path.to_owned(), inode, life: state.life })
    }
}

impl State {
    /// A name that nothing has yet.
    fn free_name(&self, path: &Path) -> io::Result<Name> {
        let name = self.name(path)?;
        if self.seen.contains_key(&name) || self.directories.contains_key(path) {
            return Err(failure(io::ErrorKind::AlreadyExists, "the file exists"));
        }
        Ok(name)
    }

    fn change_names(&mut self, path: &Path, change: NameChange) {
        change.apply(&mut self.seen);
        self.renamed(path);
        self.pending.push(change);
    }

    fn entries(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let directory = self.directory(path).map_err(|error| in_context("list", path, error))?;
        let files = self.files_in(directory);
        let files = files.map(|(name, inode)| Entry { name: name.clone(), kind: Kind::File, identity: inode });
        let inner = self.directories.iter().filter(|(inner, _)| inner.parent() == Some(path));
        let inner = inner.filter_map(|(inner, id)| {
            Some(Entry { name: inner.file_name()?.to_owned(), kind: Kind::Directory, identity: *id })
        });
        Ok(files.chain(inner).collect())
    }
}

impl Disk for SimulatedDisk {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "create directory", path)?;
        state.make_directories(path);
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.begin(Access::Change, "create", path)?;
        let name = state.free_name(path).map_err(|error| in_context("create", path, error))?;
        let inode = state.files.keys().next_back().map_or(1, |last| last.saturating_add(1));
        state.files.insert(inode, Content::default());
        state.change_names(path, NameChange::Create { name, inode });
        Ok(Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), inode, life: state.life }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(self.open("open", path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(self.open("open", path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(self.open("open", path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.begin(Access::Look, "read", path)?;
        let result = state.inode(path).and_then(|inode| state.content(inode));
        Ok(result.map_err(|error| in_context("read", path, error))?.seen.clone())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = self.begin(Access::Look, "list", path)?;
        let mut names: Vec<OsString> = state.entries(path)?.into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn visit(&self, path: &Path, each: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        let entries = self.begin(Access::Look, "list", path)?.entries(path)?;
        entries.into_iter().try_for_each(each)
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        let mut state = self.begin(Access::Look, "examine", path)?;
        if let Some(identity) = state.directories.get(path) {
            return Ok(Facts { kind: Kind::Directory, bytes: 0, identity: *identity });
        }
        let inode = state.inode(path).map_err(|error| in_context("examine", path, error))?;
        Ok(Facts { kind: Kind::File, bytes: state.content(inode)?.seen.len() as u64, identity: inode })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "link", from)?;
        let found = state.inode(from).and_then(|inode| Ok((inode, state.free_name(to)?)));
        let (inode, name) = found.map_err(|error| in_context("link", from, error))?;
        if state.faults.linkless {
            return Err(in_context("link", from, failure(io::ErrorKind::Unsupported, "one name is enough here")));
        }
        state.change_names(to, NameChange::Create { name, inode });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "rename", from)?;
        let found = state.inode(from).and_then(|inode| Ok((inode, state.name(from)?, state.name(to)?)));
        let (inode, old, new) = found.map_err(|error| in_context("rename", from, error))?;
        state.renamed(from);
        state.change_names(to, NameChange::Rename { from: old, to: new, inode });
        Ok(())
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "rename", from)?;
        let found = state.directory(from).and_then(|_| state.free_name(to));
        found.map_err(|error| in_context("rename", from, error))?;
        state.change_directories(DirectoryChange::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "remove", path)?;
        let found = state.inode(path).and_then(|_| state.name(path));
        let name = found.map_err(|error| in_context("remove", path, error))?;
        state.change_names(path, NameChange::Remove { name });
        Ok(())
    }

    /// Each file, and each directory, is an operation of its own.
    fn remove_tree(&self, path: &Path, each: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        loop {
            let mut state = self.begin(Access::Change, "remove", path)?;
            let Some(inner) = state.innermost(path) else { return Ok(ControlFlow::Continue(())) };
            let directory = state.directory(&inner)?;
            let file = state.files_in(directory).next().map(|(name, _)| name.clone());
            let Some(file) = file else {
                state.change_directories(DirectoryChange::Remove { path: inner });
                continue;
            };
            let (path, name) = (inner.join(&file), (directory, file));
            state.change_names(&path, NameChange::Remove { name });
            drop(state);
            if each().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn synchronize_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Look, "synchronise", path)?;
        let result = state.inode(path).and_then(|inode| state.synchronize(inode, path));
        result.map_err(|error| in_context("synchronise", path, error))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "truncate", path)?;
        let result = state.inode(path).and_then(|inode| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let content = state.content(inode)?;
            content.seen.truncate(length);
            content.pending.push(DataChange::Cut { length });
            state.synchronize(inode, path)
        });
        result.map_err(|error| in_context("truncate", path, error))
    }

    fn synchronize_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Look, "synchronise", path)?;
        state.synchronize_directory(path).map_err(|error| in_context("synchronise", path, error))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.begin(Access::Look, "examine", path)?;
        Ok(state.inode(path).is_ok() || state.directories.contains_key(path))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.begin(Access::Look, "examine", path)?;
        let result = state.inode(path).and_then(|inode| state.content(inode));
        Ok(result.map_err(|error| in_context("examine", path, error))?.seen.len() as u64)
    }

    fn stamp(&self, path: &Path) -> io::Result<DirectoryStamp> {
        let state = self.begin(Access::Look, "examine", path)?;
        let directory = state.directory(path).map_err(|error| in_context("examine", path, error))?;
        let changes = state.changes.get(&directory).copied().unwrap_or(0);
        Ok(DirectoryStamp { mark: directory.rotate_right(32) ^ changes, recent: false })
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.begin(Access::Look, "measure the space of", path)?;
        Ok(Space { free_bytes: state.faults.room_bytes.unwrap_or(u64::MAX), free_inodes: u64::MAX })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirectoryLock>> {
        let mut state = self.begin(Access::Change, "lock", path)?;
        state.directory(path).map_err(|error| in_context("lock", path, error))?;
        if !state.locks.insert(path.to_owned()) {
            let cause = failure(io::ErrorKind::WouldBlock, "another process is using this directory");
            return Err(in_context("lock", path, cause));
        }
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.to_owned(), life: state.life }))
    }
}
