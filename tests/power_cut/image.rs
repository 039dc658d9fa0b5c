//! What is on the platter when the power goes after some call: what was made durable, and of the rest a part by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use franking::world::disk::{AppendFile, Disk as _, SimulatedDisk};

use super::calls::{Call, is_below};

/// Files whose content is an index, which may be lost at any time, or says who has a directory now.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    path.components().any(|part| part.as_os_str() == "index") || name == "lock" || name == "admin.sock"
}

/// A disk on which the calls are made again.
struct Disk {
    simulated: SimulatedDisk,
    files: BTreeMap<PathBuf, Box<dyn AppendFile>>,
    /// By the process that makes a file system durable: files and directories that were not altered since it began. What
    /// was altered meanwhile may or may not be among it.
    unaltered: BTreeMap<String, BTreeSet<PathBuf>>,
}

impl Disk {
    /// Takes what a call alters from what a synchronisation under way can be relied upon for.
    fn note(&mut self, call: &Call) {
        let (paths, names): (Vec<&PathBuf>, bool) = match call {
            Call::Append(path, _) | Call::WriteAt(path, ..) | Call::Truncate(path, _) => (vec![path], false),
            Call::Create(path) | Call::Remove(path) => (vec![path], true),
            Call::Rename(from, to) => (vec![from, to], true),
            Call::MakeDirectory(path) => (vec![path], true),
            Call::Synchronize(_) | Call::BeginEverything(_) | Call::EndEverything(_) => return,
            Call::Say(_) | Call::Strange(_) => return,
        };
        for unaltered in self.unaltered.values_mut() {
            for path in &paths {
                unaltered.remove(*path);
                if let Some(parent) = path.parent().filter(|_| names) {
                    unaltered.remove(parent);
                }
            }
        }
    }

    fn make(&mut self, call: &Call) {
        self.note(call);
        let disk = &self.simulated;
        match call {
            Call::Create(path) => {
                if !self.files.contains_key(path) {
                    let file = if disk.exists(path).unwrap() { disk.open_append(path) } else { disk.create_new(path) };
                    self.files.insert(path.clone(), file.unwrap());
                }
            }
            Call::Append(path, octets) => {
                let file = self.files.entry(path.clone()).or_insert_with(|| disk.open_append(path).unwrap());
                file.append(octets).unwrap();
            }
            Call::WriteAt(path, offset, octets) => disk.open_write(path).unwrap().write_at(*offset, octets).unwrap(),
            Call::Synchronize(path) => match self.files.get_mut(path) {
                Some(file) => file.synchronize().unwrap(),
                None if disk.list(path).is_ok() => disk.synchronize_directory(path).unwrap(),
                None => disk.open_append(path).unwrap().synchronize().unwrap(),
            },
            Call::Rename(from, to) => {
                disk.rename(from, to).unwrap();
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Call::Remove(path) => {
                self.files.remove(path);
                disk.remove(path).unwrap();
            }
            Call::MakeDirectory(path) => disk.create_directories(path).unwrap(),
            Call::Truncate(path, length) => disk.truncate(path, *length).unwrap(),
            Call::BeginEverything(process) => {
                let files = self.files.keys().cloned();
                let directories = self.files.keys().filter_map(|path| path.parent()).map(Path::to_owned);
                self.unaltered.insert(process.clone(), files.chain(directories).collect());
            }
            Call::EndEverything(process) => {
                for path in self.unaltered.remove(process).unwrap_or_default() {
                    match self.files.get_mut(&path) {
                        Some(file) => file.synchronize().unwrap(),
                        None if disk.list(&path).is_ok() => disk.synchronize_directory(&path).unwrap(),
                        None => {}
                    }
                }
            }
            Call::Say(_) => {}
            Call::Strange(text) => panic!("no store does this: {text}"),
        }
    }
}

/// The path that a call is about, if it is about a file.
fn about(call: &Call) -> Option<&Path> {
    match call {
        Call::Create(path)
        | Call::Append(path, _)
        | Call::WriteAt(path, ..)
        | Call::Synchronize(path)
        | Call::Rename(path, _)
        | Call::Remove(path)
        | Call::MakeDirectory(path)
        | Call::Truncate(path, _) => Some(path),
        Call::Say(_) | Call::Strange(_) | Call::BeginEverything(_) | Call::EndEverything(_) => None,
    }
}

/// Makes the calls again that are about files below `data`, takes the power away, and writes what is left to `image`.
pub(super) fn rebuild(calls: &[Call], data: &Path, seed: u64, image: &Path) {
    let mut disk = Disk { simulated: SimulatedDisk::new(seed), files: BTreeMap::new(), unaltered: BTreeMap::new() };
    disk.simulated.create_directories(data).unwrap();
    for call in calls {
        if about(call).is_none_or(|path| is_below(path, data) && !is_left_out(path)) {
            disk.make(call);
        }
    }
    disk.files.clear();
    disk.simulated.crash();
    write_out(&disk.simulated, data, image);
}

fn write_out(disk: &SimulatedDisk, from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in disk.list(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        match disk.read(&from) {
            Ok(content) => std::fs::write(to, content).unwrap(),
            Err(_) => write_out(disk, &from, &to),
        }
    }
}
