//! Golden conversations: every `fixtures/dialogues/**/*.smtp` is held with a session and must come out word for word.
//!
//! `BLESS=1` rewrites what the server said and queued; the difference is then a matter of review. Only the queue's name
//! for a message may vary, and stands as `{queue-id}`. How a dialogue is written: `script`.

mod premises;
mod run;
mod script;
pub(crate) mod table;

use std::path::{Path, PathBuf};

use franking::model::directory::document::Hasher;
use franking::model::directory::{Document, PasswordHash, Snapshot};

/// Stands in for password hashing, so that a dialogue can show passwords as they are typed.
pub(crate) const CLEAR: Hasher<'static> = &|password, _| Ok(PasswordHash::from_phc(format!("clear:{password}")));

/// A directory of `fixtures/directories`.
pub(crate) fn directory(name: &str) -> Snapshot {
    let text = std::fs::read_to_string(root().join("directories").join(format!("{name}.toml"))).unwrap();
    let document: Document = toml::from_str(&text).unwrap();
    let changes = document.plan(&Snapshot::default(), CLEAR).strict().unwrap();
    Snapshot::default().apply(&changes).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub(crate) fn blesses() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn dialogues(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            dialogues(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "smtp") {
            found.push(entry);
        }
    }
}

#[test]
fn every_dialogue_comes_out_word_for_word() {
    let mut files = Vec::new();
    dialogues(&root().join("dialogues"), &mut files);
    assert!(files.len() > 50, "the dialogues are missing");
    let mut wrong = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let script = script::parse(&written).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        let held = run::hold(&script);
        if held == written {
            continue;
        }
        if blesses() {
            std::fs::write(&file, held).unwrap();
            continue;
        }
        let differing = written.lines().zip(held.lines()).find(|(expected, actual)| expected != actual);
        wrong.push(format!("{}\n  expected and actual: {differing:#?}", file.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
