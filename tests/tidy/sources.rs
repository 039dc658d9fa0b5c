//! The files the house rules judge: everything git knows about, and Rust files cut into tokens.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::lexer::{self, Lexeme, Token};

/// One text file of the repository; `path` is relative to its top and uses `/`.
#[derive(Clone, Debug)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

impl TextFile {
    /// A file as it would stand at `path`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the name ends in `.rs`.
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// A Rust file with its tokens. Tokens of a file that only tests compile are all marked as tested.
#[derive(Clone, Debug)]
pub(super) struct RustFile {
    pub(super) path: String,
    pub(super) tokens: Vec<Token>,
}

impl RustFile {
    /// Cuts the text that would stand at `path`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), tokens: lexer::lex(text) }
    }

    /// The module path below the crate root: `src/model/mail/mod.rs` is `model`, `mail`.
    pub(super) fn module(&self) -> Vec<String> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut segments: Vec<String> = inside.split('/').map(str::to_owned).collect();
        let last = segments.last().map_or("", String::as_str);
        if last == "mod" || (segments.len() == 1 && matches!(last, "lib" | "main")) {
            segments.pop();
        }
        segments
    }
}

/// Every text file under version control, or about to be: ignored files are not read.
pub(super) fn all() -> Vec<TextFile> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    listed_by_git(top)
        .unwrap_or_else(|| listed_by_walking(top))
        .into_iter()
        .filter_map(|path| {
            // A file may be listed and already deleted; one that is not text has no lines to judge.
            let text = fs::read_to_string(top.join(&path)).ok()?;
            Some(TextFile { path, text })
        })
        .collect()
}

/// The Rust files below `src/`.
pub(super) fn rust() -> Vec<RustFile> {
    let mut files: Vec<RustFile> = all()
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with("src/"))
        .map(|file| RustFile::new(&file.path, &file.text))
        .collect();
    mark_test_files(&mut files);
    files
}

fn listed_by_git(top: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(top)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

/// Without git (an unpacked archive): the tree, less what `.gitignore` names.
fn listed_by_walking(top: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(top.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = format!("{folder}{}", entry.file_name().to_string_lossy());
            let made_here = path.starts_with("certs/") && (path.ends_with(".pem") || path.ends_with(".key"));
            if path == ".git" || path == "target" || made_here {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(format!("{path}/")),
                Ok(kind) if kind.is_file() => paths.push(path),
                Ok(_) | Err(_) => {}
            }
        }
    }
    paths.sort();
    paths
}

/// Marks whole files that are declared as `#[cfg(test)] mod name;`, and everything below them.
pub(super) fn mark_test_files(files: &mut [RustFile]) {
    let mut for_tests = BTreeSet::new();
    for file in files.iter() {
        for run in file.tokens.windows(3) {
            if let [keyword, Token { lexeme: Lexeme::Word(name), tested: true, .. }, end] = run
                && keyword.is_word("mod")
                && end.is_mark(';')
            {
                let mut module = file.module();
                module.push(name.clone());
                for_tests.insert(module);
            }
        }
    }
    for file in files {
        let module = file.module();
        if (1..=module.len()).any(|length| for_tests.contains(&module[..length])) {
            file.tokens.iter_mut().for_each(|token| token.tested = true);
        }
    }
}

#[test]
fn a_file_knows_its_module() {
    let module = |path| RustFile::new(path, "").module().join("::");
    assert_eq!(module("src/lib.rs"), "");
    assert_eq!(module("src/model/mail/mod.rs"), "model::mail");
    assert_eq!(module("src/model/mail/address.rs"), "model::mail::address");
    assert_eq!(module("src/app.rs"), "app");
}

#[test]
fn a_module_declared_for_tests_is_test_code_in_its_own_file() {
    let mut files = [
        RustFile::new("src/store/engine/mod.rs", "#[cfg(test)] mod laws; mod memory;"),
        RustFile::new("src/store/engine/laws.rs", "a"),
        RustFile::new("src/store/engine/memory.rs", "b"),
    ];
    mark_test_files(&mut files);
    assert_eq!((files[1].tokens[0].tested, files[2].tokens[0].tested), (true, false));
}

#[test]
fn the_tree_is_found_with_and_without_git() {
    let walked = listed_by_walking(Path::new(env!("CARGO_MANIFEST_DIR")));
    for path in ["Cargo.toml", "src/lib.rs", "tests/tidy/sources.rs"] {
        assert!(walked.iter().any(|own| own == path), "{path} is not found by walking");
        assert!(all().iter().any(|own| own.path == path), "{path} is not found");
    }
}
