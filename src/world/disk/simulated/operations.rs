//! The operations of the simulated disk: look up, check for faults, change the state.

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
        let result =
            state.begin_on(self.life, Access::Change).and_then(|()| state.append(self.inode, &self.path, bytes));
        result.map_err(|error| in_context("write to", &self.path, error))
    }

    fn synchronize(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.begin_on(self.life, Access::Look).and_then(|()| state.synchronize(self.inode, &self.path));
        result.map_err(|error| in_context("synchronise", &self.path, error))
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

impl Disk for SimulatedDisk {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "create directory", path)?;
        for directory in path.ancestors() {
            if state.directories.insert(directory.to_owned()) {
                state.renamed(directory);
            }
        }
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.begin(Access::Change, "create", path)?;
        if state.seen.contains_key(path) || state.directories.contains(path) {
            let cause = failure(io::ErrorKind::AlreadyExists, "the file exists");
            return Err(in_context("create", path, cause));
        }
        if !path.parent().is_some_and(|parent| state.directories.contains(parent)) {
            return Err(in_context("create", path, not_found()));
        }
        let inode = state.files.keys().next_back().map_or(1, |last| last.saturating_add(1));
        state.files.insert(inode, Content::default());
        state.seen.insert(path.to_owned(), inode);
        state.renamed(path);
        state.pending.push(NameChange::Create { path: path.to_owned(), inode });
        Ok(Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), inode, life: state.life }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
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
        if !state.directories.contains(path) {
            return Err(in_context("list", path, not_found()));
        }
        let all = state.seen.keys().chain(&state.directories).filter(|name| name.parent() == Some(path));
        let mut names: Vec<OsString> = all.filter_map(|name| name.file_name()).map(OsString::from).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "rename", from)?;
        let inode = state.inode(from).map_err(|error| in_context("rename", from, error))?;
        if !to.parent().is_some_and(|parent| state.directories.contains(parent)) {
            return Err(in_context("rename", from, not_found()));
        }
        let change = NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode };
        change.apply(&mut state.seen);
        state.renamed(from);
        state.renamed(to);
        state.pending.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Access::Change, "remove", path)?;
        state.inode(path).map_err(|error| in_context("remove", path, error))?;
        let change = NameChange::Remove { path: path.to_owned() };
        change.apply(&mut state.seen);
        state.renamed(path);
        state.pending.push(change);
        Ok(())
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
        Ok(state.seen.contains_key(path) || state.directories.contains(path))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.begin(Access::Look, "examine", path)?;
        let result = state.inode(path).and_then(|inode| state.content(inode));
        Ok(result.map_err(|error| in_context("examine", path, error))?.seen.len() as u64)
    }

    fn stamp(&self, path: &Path) -> io::Result<DirectoryStamp> {
        let state = self.begin(Access::Look, "examine", path)?;
        if !state.directories.contains(path) {
            return Err(in_context("examine", path, not_found()));
        }
        Ok(DirectoryStamp { mark: state.changes.get(path).copied().unwrap_or(0), recent: false })
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.begin(Access::Look, "measure the space of", path)?;
        Ok(Space { free_bytes: state.faults.room_bytes.unwrap_or(u64::MAX), free_inodes: u64::MAX })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirectoryLock>> {
        let mut state = self.begin(Access::Change, "lock", path)?;
        if !state.directories.contains(path) {
            return Err(in_context("lock", path, not_found()));
        }
        if !state.locks.insert(path.to_owned()) {
            let cause = failure(io::ErrorKind::WouldBlock, "another process is using this directory");
            return Err(in_context("lock", path, cause));
        }
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.to_owned(), life: state.life }))
    }
}
