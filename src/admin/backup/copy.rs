//! Copies files into a backup, each read once: the copy is written, digested and synchronised on the way.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::layout::{PASSES, Pass, pass_of};
use super::manifest::{
    CHUNK_BYTES, FileFacts, Manifest, create, files_below, hexadecimal, make_directories, name_of, synchronize,
};
use super::{disk_failure, segment};
use crate::admin::office::{Failure, Progress};

/// Makes the directory for a backup.
///
/// # Errors
/// `Refused` when it is not empty or lies in the data directory, where the next backup would copy it.
pub(super) fn empty_target(to: &Path, data: &Path) -> Result<PathBuf, Failure> {
    if !to.is_absolute() {
        return Err(Failure::refused(format!("{} is no absolute path.", to.display())));
    }
    make_directories(to)?;
    let target = std::fs::canonicalize(to).map_err(|error| disk_failure("open", to, &error))?;
    let data = std::fs::canonicalize(data).map_err(|error| disk_failure("open", data, &error))?;
    if target.starts_with(&data) {
        return Err(Failure::refused(format!("{} lies in the data directory; choose another place.", to.display())));
    }
    let mut entries = std::fs::read_dir(&target).map_err(|error| disk_failure("list", &target, &error))?;
    if entries.next().is_some() {
        let failure = Failure::refused(format!("{} is not empty, and a backup overwrites nothing.", to.display()));
        return Err(failure.cured_by("give a new directory, such as one with today's date"));
    }
    Ok(target)
}

pub(super) struct Copier<'a> {
    data: &'a Path,
    target: &'a Path,
    manifest: &'a mut Manifest,
    progress: &'a mut dyn FnMut(Progress),
    directories: BTreeSet<PathBuf>,
    done: u64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        data: &'a Path,
        target: &'a Path,
        manifest: &'a mut Manifest,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Self {
        Self { data, target, manifest, progress, directories: BTreeSet::new(), done: 0 }
    }

    /// Copies the data directory in the order that keeps it whole.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        for pass in PASSES {
            match pass {
                Pass::Journal => self.journal()?,
                Pass::Rest | Pass::Bodies | Pass::Mail => {
                    for path in self.of_pass(pass)? {
                        self.data_file(&path)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn of_pass(&self, pass: Pass) -> Result<Vec<PathBuf>, Failure> {
        let mut files = files_below(self.data)?;
        files.retain(|path| pass_of(path) == Some(pass));
        Ok(files)
    }

    /// Segments in ascending order, until a look at the directory shows none that is new. Names are numbers of equal
    /// length, so their order is that of their making.
    fn journal(&mut self) -> Result<(), Failure> {
        let mut copied: BTreeSet<PathBuf> = BTreeSet::new();
        loop {
            let mut missing = self.of_pass(Pass::Journal)?;
            missing.retain(|path| !copied.contains(path));
            if missing.is_empty() {
                return Ok(());
            }
            for path in missing {
                if self.data_file(&path)? {
                    copied.insert(path);
                } else {
                    // Only the oldest segment is ever dropped: everything before this one is final as well.
                    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
                    let older: Vec<PathBuf> = copied
                        .iter()
                        .filter(|other| other.starts_with(&directory) && **other < path)
                        .cloned()
                        .collect();
                    for segment in older {
                        self.forget(&segment)?;
                    }
                }
            }
        }
    }

    fn forget(&mut self, path: &Path) -> Result<(), Failure> {
        let place = Path::new("data").join(path);
        if let Some(name) = name_of(&place) {
            self.manifest.files.remove(&name);
        }
        let copy = self.target.join(&place);
        std::fs::remove_file(&copy).map_err(|error| disk_failure("remove", &copy, &error))
    }

    /// Copies a file of the data directory unless it is there already. False when it vanished.
    fn data_file(&mut self, path: &Path) -> Result<bool, Failure> {
        self.file(&self.data.join(path), &Path::new("data").join(path))
    }

    pub(super) fn configuration(&mut self, file: &Path) -> Result<(), Failure> {
        let name = file.file_name().unwrap_or_else(|| "franking.toml".as_ref());
        self.file(file, &Path::new("configuration").join(name)).map(drop)
    }

    /// Writes a text of our own.
    pub(super) fn text(&mut self, name: &str, text: &[u8]) -> Result<(), Failure> {
        self.write(&mut &*text, Path::new(name), Path::new(name))
    }

    fn file(&mut self, from: &Path, place: &Path) -> Result<bool, Failure> {
        if name_of(place).is_some_and(|name| self.manifest.files.contains_key(&name)) {
            return Ok(true);
        }
        let mut source = match File::open(from) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(disk_failure("read", from, &error)),
        };
        if from.extension().is_some_and(|extension| extension == "segment") {
            let mut source = segment::as_it_is_now(source).map_err(|error| disk_failure("read", from, &error))?;
            return self.write(&mut source, from, place).map(|()| true);
        }
        self.write(&mut source, from, place).map(|()| true)
    }

    fn write(&mut self, source: &mut dyn io::Read, from: &Path, place: &Path) -> Result<(), Failure> {
        let Some(name) = name_of(place) else {
            return Err(Failure::refused(format!("{}: the name is not UTF-8; give it another", from.display())));
        };
        let to = self.target.join(place);
        let parent = to.parent().unwrap_or(self.target).to_owned();
        if self.directories.insert(parent.clone()) {
            make_directories(&parent)?;
        }
        let mut copy = create(&to)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut bytes = 0_u64;
        loop {
            let count = source.read(&mut buffer).map_err(|error| disk_failure("read", from, &error))?;
            let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else { break };
            hasher.update(part);
            copy.write_all(part).map_err(|error| disk_failure("write", &to, &error))?;
            bytes += count as u64;
        }
        copy.sync_all().map_err(|error| disk_failure("synchronise", &to, &error))?;
        synchronize(&parent)?;
        self.manifest.files.insert(name, FileFacts { bytes, sha256: hexadecimal(&hasher.finalize()) });
        self.done += bytes;
        (self.progress)(Progress { what: "copying".to_owned(), done: self.done, total: 0 });
        Ok(())
    }
}
