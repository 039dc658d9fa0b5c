//! What a file looks like: its length, its columns, its first line, and the package's two promises about Rust.

use super::sources::{self, TextFile};
use super::{Breach, assert_none};

/// A file is split before it has this many lines.
const FILE_LINES_MAX: usize = 500;
/// The width of a line in characters, in code and scripts.
const LINE_COLUMNS_MAX: usize = 120;

/// Whether lines can be broken at will: goldens hold what goes over the wire, tables in prose and TOML wrap badly.
fn has_columns(path: &str) -> bool {
    let script = matches!(path, ".ci/run" | "tests/run");
    // Tests quote what programs say, however long that is.
    script || path.ends_with(".rs") && !path.starts_with("tests/") && !path.contains("tests")
}

fn too_long(file: &TextFile) -> Option<Breach> {
    let lines = file.text.lines().count();
    let law = format!("{lines} lines: split by duty before {FILE_LINES_MAX}");
    (file.is_rust() && lines >= FILE_LINES_MAX).then(|| Breach::new(&file.path, lines, &law))
}

fn too_wide(file: &TextFile) -> Vec<Breach> {
    let lines = file.text.lines().enumerate().filter(|_| has_columns(&file.path));
    lines
        .filter(|(_, line)| line.chars().count() > LINE_COLUMNS_MAX)
        .map(|(index, _)| Breach::new(&file.path, index + 1, "more than 120 columns"))
        .collect()
}

fn headless(file: &TextFile) -> Option<Breach> {
    let opened = file.text.starts_with("//! ") || !file.is_rust();
    (!opened).then(|| Breach::new(&file.path, 1, "a file opens with what it is for: //!"))
}

fn unexplained(file: &TextFile) -> Option<Breach> {
    let dialogue = file.path.starts_with("fixtures/dialogues/") && file.path.ends_with(".smtp");
    let explained = file.text.lines().next().is_some_and(|first| first.len() > 2 && first.starts_with("# "));
    (dialogue && !explained).then(|| Breach::new(&file.path, 1, "a dialogue opens with why it exists: # "))
}

fn undated(file: &TextFile) -> Vec<Breach> {
    ["edition = \"2024\"", "rust-version = \"1.95\""]
        .iter()
        .filter(|promise| !file.text.lines().any(|line| line == **promise))
        .map(|promise| Breach::new(&file.path, 1, &format!("must say {promise}; raise it in a commit of its own")))
        .collect()
}

#[test]
fn files_are_split_before_five_hundred_lines() {
    assert_none(sources::all().iter().filter_map(too_long));
    assert!(too_long(&TextFile::new("src/a.rs", &"\n".repeat(500))).is_some());
    assert!(too_long(&TextFile::new("src/a.rs", &"\n".repeat(499))).is_none());
}

#[test]
fn lines_fit_into_a_hundred_and_twenty_columns() {
    assert_none(sources::all().iter().flat_map(too_wide));
    assert_eq!(too_wide(&TextFile::new("src/a.rs", &format!("\n{}\n", "\u{e9}".repeat(121))))[0].line, 2);
    assert!(too_wide(&TextFile::new("src/a.rs", &"\u{e9}".repeat(120))).is_empty());
    assert!(too_wide(&TextFile::new("fixtures/replies.txt", &"x".repeat(200))).is_empty());
}

#[test]
fn every_rust_file_opens_with_what_it_is_for() {
    assert_none(sources::all().iter().filter_map(headless));
    assert!(headless(&TextFile::new("src/a.rs", "use std::fmt;\n//! Late.")).is_some());
}

#[test]
fn every_dialogue_opens_with_why_it_exists() {
    assert_none(sources::all().iter().filter_map(unexplained));
    assert!(unexplained(&TextFile::new("fixtures/dialogues/inbound/a.smtp", "S: 220 mx\n# Late.\n")).is_some());
    assert!(unexplained(&TextFile::new("fixtures/dialogues/inbound/a.smtp", "# \n")).is_some());
    assert!(unexplained(&TextFile::new("fixtures/dialogues/inbound/a.smtp", "# Why.\n")).is_none());
}

#[test]
fn the_package_states_edition_and_compiler() {
    let manifests = sources::all().into_iter().filter(|file| file.path == "Cargo.toml");
    assert_none(manifests.flat_map(|file| undated(&file)));
    assert_eq!(undated(&TextFile::new("Cargo.toml", "edition = \"2021\"")).len(), 2);
}
