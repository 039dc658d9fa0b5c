//! Every path a Rust file mentions, in `use` trees and in the code, resolved to where it leads.
//!
//! `use super::{a, b::*}` in `crate::model::mail` gives `crate::model::a` and `crate::model::b::*`. A path that starts
//! with a name brought in elsewhere is given as written: the `use` that brought it in is judged on its own.

use super::lexer::{Lexeme, Token};
use super::sources::RustFile;

/// A path, where it stands, whether tests alone compile it, and whether a `use` or `extern crate` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) tested: bool,
    pub(super) imported: bool,
}

/// All paths of `file` with two segments or more, and the imported ones of any length.
pub(super) fn of(file: &RustFile) -> Vec<Mention> {
    let mut reader = Reader { tokens: &file.tokens, at: 0, module: file.module(), open: Vec::new(), found: Vec::new() };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.found
}

struct Reader<'file> {
    tokens: &'file [Token],
    at: usize,
    /// The module of the file, then the inline modules around this place.
    module: Vec<String>,
    /// For each open brace, whether it belongs to an inline module.
    open: Vec<bool>,
    found: Vec<Mention>,
}

impl Reader<'_> {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match &self.token(ahead)?.lexeme {
            Lexeme::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is_mark(&self, ahead: usize, mark: char) -> bool {
        self.token(ahead).is_some_and(|token| token.is_mark(mark))
    }

    fn is_joint(&self, ahead: usize) -> bool {
        self.token(ahead).is_some_and(|token| token.lexeme == Lexeme::Joint)
    }

    fn step(&mut self) {
        match self.word(0) {
            Some("mod") if self.word(1).is_some() && self.is_mark(2, '{') => {
                self.module.extend(self.word(1).map(str::to_owned));
                self.open.push(true);
                self.at += 3;
            }
            // `impl Trait + use<'a>` imports nothing.
            Some("use") if !self.is_mark(1, '<') => {
                self.at += 1;
                self.tree(&[]);
            }
            Some("extern") if self.word(1) == Some("crate") => {
                self.at += 2;
                self.tree(&[]);
            }
            // `pub(in path)` opens a door, it walks through none.
            Some("pub") if self.is_mark(1, '(') && self.word(2) == Some("in") => {
                while self.at < self.tokens.len() && !self.is_mark(0, ')') {
                    self.at += 1;
                }
            }
            Some(_) if self.is_joint(1) => self.path(),
            Some(_) => self.at += 1,
            None => self.mark(),
        }
    }

    fn mark(&mut self) {
        if self.is_mark(0, '{') {
            self.open.push(false);
        } else if self.is_mark(0, '}') && self.open.pop() == Some(true) {
            self.module.pop();
        } else if self.is_joint(0) && self.follows_angle_bracket() {
            // `<T as Trait>::Name` and `Vec::<u8>::new`: the path goes on from a type, and names no module.
            self.at += 1;
            while self.word(0).is_some() && self.is_joint(1) {
                self.at += 2;
            }
        }
        self.at += 1;
    }

    fn follows_angle_bracket(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).and_then(|index| self.tokens.get(index));
        let arrow = before(2).is_some_and(|token| token.is_mark('-') || token.is_mark('='));
        before(1).is_some_and(|token| token.is_mark('>')) && !arrow
    }

    fn path(&mut self) {
        let start = self.at;
        let mut path = Vec::new();
        while let Some(word) = self.word(0) {
            path.push(word.to_owned());
            self.at += 1;
            if self.is_joint(0) && self.word(1).is_some() {
                self.at += 1;
            } else {
                break;
            }
        }
        self.record(path, start, false);
    }

    /// One branch of a `use` tree, the segments before it given.
    fn tree(&mut self, before: &[String]) {
        let start = self.at;
        let mut path = before.to_vec();
        loop {
            if self.is_joint(0) {
                self.at += 1;
            } else if self.is_mark(0, '{') {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is_mark(0, '}') {
                    if self.is_mark(0, ',') {
                        self.at += 1;
                    } else {
                        let here = self.at;
                        self.tree(&path);
                        // Whatever is no tree is stepped over, so that broken code ends, too.
                        self.at = self.at.max(here + 1);
                    }
                }
                self.at += 1;
                return;
            } else if self.is_mark(0, '*') {
                path.push("*".to_owned());
                self.at += 1;
            } else if self.word(0) == Some("as") {
                self.at += 2;
                break;
            } else if let Some(word) = self.word(0) {
                path.push(word.to_owned());
                self.at += 1;
            } else {
                break;
            }
        }
        self.record(path, start, true);
    }

    fn record(&mut self, path: Vec<String>, start: usize, imported: bool) {
        let names_something = if imported { !path.is_empty() } else { path.len() > 1 };
        if let (Some(token), true) = (self.tokens.get(start), names_something) {
            let path = resolve(path, &self.module);
            self.found.push(Mention { path, line: token.line, tested: token.tested, imported });
        }
    }
}

/// Turns `self`, `super` and the crate's own name at the start into `crate::…`, and drops a `self` at the end.
fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut segments = path.into_iter().peekable();
    let mut resolved = Vec::new();
    match segments.peek().map(String::as_str) {
        Some("self" | "super") => {
            resolved.push("crate".to_owned());
            resolved.extend_from_slice(module);
            while let Some(step) = segments.next_if(|segment| segment == "self" || segment == "super") {
                if step == "super" && resolved.len() > 1 {
                    resolved.pop();
                }
            }
        }
        Some("franking") => {
            segments.next();
            resolved.push("crate".to_owned());
        }
        Some(_) | None => {}
    }
    resolved.extend(segments);
    if resolved.len() > 1 && resolved.last().is_some_and(|last| last == "self") {
        resolved.pop();
    }
    resolved
}

fn paths(path: &str, text: &str) -> Vec<String> {
    of(&RustFile::new(path, text)).into_iter().map(|mention| mention.path.join("::")).collect()
}

#[test]
fn use_trees_are_spread_out() {
    let found = paths("src/model/mail/path.rs", "use std::{fs::{self, File as F}, env}; use super::super::policy::*;");
    assert_eq!(found, ["std::fs", "std::fs::File", "std::env", "crate::model::policy::*"]);
}

#[test]
fn super_in_an_inline_module_means_the_file() {
    let found = paths("src/store/queue.rs", "mod tests { use super::*; } use super::journal; fn f() { self::a::b() }");
    assert_eq!(found, ["crate::store::queue::*", "crate::store::journal", "crate::store::queue::a::b"]);
}

#[test]
fn paths_in_code_count_and_types_continued_do_not() {
    let text = "fn f() -> ::sled::Db { <T as tokio::A>::std::B; Vec::<u8>::new(); std::fs::read(a) } impl X + use<'a>";
    assert_eq!(paths("src/app.rs", text), ["sled::Db", "tokio::A", "std::fs::read"]);
    assert_eq!(paths("src/app.rs", "pub(in crate::model::policy) fn f() {} fn g() {}"), Vec::<String>::new());
    assert_eq!(paths("src/main.rs", "extern crate sled; use franking::app;"), ["sled", "crate::app"]);
}
