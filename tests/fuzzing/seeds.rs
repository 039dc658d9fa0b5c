//! Inputs that the program makes better than a person: journals, and texts of the project that are kept elsewhere.

use std::path::Path;
use std::sync::Arc;

use franking::store::journal::{Journal, JournalOptions};
use franking::world::disk::{Disk as _, SimulatedDisk};

use super::targets::{JOURNAL, SALT};

/// What is made for a target besides its files.
pub(super) fn made_for(target: &str) -> Vec<Vec<u8>> {
    match target {
        "journal" => [0, 1, 5].map(journal).into(),
        "configuration" => vec![project("src/admin/init/franking.toml")],
        "directory" => {
            vec![project("fixtures/directories/contoso.toml"), project("fixtures/directories/fabrikam.toml")]
        }
        "header" => messages(),
        _ => Vec::new(),
    }
}

fn project(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What clients and attackers send, from the fixtures.
fn messages() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    let files = paths.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
    // The header alone matters, and large inputs cost time.
    files.map(|file| file[..file.len().min(4_096)].to_vec()).collect()
}

/// The only segment of a journal with so many records.
fn journal(records: u32) -> Vec<u8> {
    let disk = SimulatedDisk::new(1);
    let directory = Path::new(JOURNAL);
    let (journal, _) = Journal::open(Arc::new(disk.clone()), directory, JournalOptions::new(SALT), |_, _| {}).unwrap();
    for number in 0..records {
        let payload = vec![u8::try_from(number % 256).unwrap(); 40 * usize::try_from(number + 1).unwrap()];
        journal.append_blocking(1, payload).unwrap().wait().unwrap();
    }
    drop(journal);
    let names = disk.list(directory).unwrap();
    let segment = names.iter().find(|name| name.to_string_lossy().ends_with("segment")).expect("a segment");
    disk.read(&directory.join(segment)).unwrap()
}
