//! The inputs that are kept, one a file, under `fuzz/corpus/<target>/`; those of the journal are made by a journal.

use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// The inputs of a target, in the order of their names.
pub(super) fn of(target: &str) -> Vec<Vec<u8>> {
    let directory = fuzz().join("corpus").join(target);
    let kept = names(&directory).into_iter().map(|name| std::fs::read(directory.join(name)).unwrap());
    kept.chain(super::seeds::made_for(target)).collect()
}

/// Targets that have a program.
pub(super) fn programs() -> Vec<String> {
    let files = names(&fuzz().join("fuzz_targets"));
    files.iter().filter_map(|name| name.strip_suffix(".rs").map(str::to_owned)).collect()
}

/// Targets that have a corpus.
pub(super) fn directories() -> Vec<String> {
    names(&fuzz().join("corpus"))
}

/// What builds the programs.
pub(super) fn manifest() -> String {
    std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap()
}
