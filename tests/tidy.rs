//! The house rules as tests: each reads the source tree and names file, line and law of every breach.
//!
//! Each rule is a function over text, proven on a text that breaks it; then it judges the tree. They need no program
//! but cargo, and run in a second: `cargo test --test franking tidy::`.

use std::fmt;

mod lexer;
mod mentions;
mod replies;
mod rings;
mod shape;
mod sources;
mod supply;
mod wording;

/// A place where a house rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    path: String,
    line: usize,
    law: String,
}

impl Breach {
    fn new(path: &str, line: usize, law: &str) -> Self {
        Self { path: path.to_owned(), line, law: law.to_owned() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.law)
    }
}

/// Fails with all breaches at once, one a line, so that one run shows all there is to mend.
#[track_caller]
fn assert_none(breaches: impl IntoIterator<Item = Breach>) {
    let listed: Vec<String> = breaches.into_iter().map(|breach| breach.to_string()).collect();
    assert!(listed.is_empty(), "house rules broken ({}):\n{}\n", listed.len(), listed.join("\n"));
}
