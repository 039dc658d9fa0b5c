//! The printed matrix, `fixtures/matrix.md`: the product's answers as tables that a person can lay beside Exchange's
//! documentation. Rows with the same answers stand together, so that each line says something new.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use franking::model::policy::{Profile, Refusal, Settings};

use super::asked::name_of;
use crate::dialogues::{blesses, root, table::refusals};

mod limits;
mod moderation;
mod outside;
mod receiving;
mod routing;
mod sending;
mod signing_in;

#[test]
fn the_printed_matrix_is_as_reviewed() {
    let file = root().join("matrix.md");
    let actual = document();
    if blesses() {
        std::fs::write(&file, &actual).unwrap();
    }
    assert!(actual.lines().count() <= 600, "nobody reads {} lines", actual.lines().count());
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), actual, "BLESS=1 rewrites the matrix");
}

const INTRODUCTION: &str = "\
# Who may do what

Franking's decisions as tables, printed by its own policy functions; a test keeps this page and the program together.
The words are Exchange's. `exchange-online` and `exchange-server` are the two profiles of the configuration.

- A cell gives the reply, and the name under which [The replies](#the-replies) has its text.
- *any* stands for every value of its column. Rows that are not listed do not exist.
- The organisation is `contoso.example`; `hybrid.contoso.example` is an internal relay domain of it, `bücher.example` one
  more accepted domain, and `fabrikam.example` is somebody else's.
- A *stranger* is another mail server on port 25, an *account* a client that signed in, the *system* this server itself,
  with its reports and automatic replies.
";

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    signing_in::print(&mut text);
    sending::print(&mut text);
    receiving::print(&mut text);
    routing::print(&mut text);
    moderation::print(&mut text);
    limits::print(&mut text);
    outside::print(&mut text);
    replies(&mut text);
    text
}

/// Every refusal by its name.
static REFUSALS: LazyLock<BTreeMap<String, Refusal>> =
    LazyLock::new(|| refusals().into_iter().map(|refusal| (name_of(&refusal), refusal)).collect());

/// A name with its codes before it, where the text has one: `550 5.2.1 MailboxCannotBeAccessed`.
fn with_codes(text: &str, profile: &str) -> String {
    let settings =
        Settings::of(if profile == "exchange-server" { Profile::ExchangeServer } else { Profile::ExchangeOnline });
    let mut shown = String::new();
    for word in text.split_inclusive([' ', ',', ';', '\n']) {
        let name = word.trim_end_matches([' ', ',', ';', '\n']);
        if let Some(refusal) = REFUSALS.get(name) {
            let reply = refusal.bare_reply(&settings).to_string();
            let codes: Vec<&str> = reply.split(' ').take(2).collect();
            let _ = write!(shown, "{} ", codes.join(" "));
        }
        shown.push_str(word);
    }
    shown
}

/// Facts, each with the values that it covers, and the answers to them.
struct Row {
    facts: Vec<Vec<String>>,
    answers: Vec<String>,
}

/// A table under construction: the first `facts` columns are what is given, the others what follows.
struct Sheet {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

impl Sheet {
    fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    fn row(&mut self, facts: &[&str], answers: Vec<String>) {
        assert_eq!(facts.len() + answers.len(), self.columns.len());
        self.rows.push(Row { facts: facts.iter().map(|fact| vec![(*fact).to_owned()]).collect(), answers });
    }

    /// Puts rows together that differ in one fact and have the same answers; the columns in the order given.
    fn compress(&mut self, order: &[usize]) {
        for column in order {
            let mut merged: Vec<Row> = Vec::new();
            for row in self.rows.drain(..) {
                let same = |other: &&mut Row| {
                    let others = row.facts.iter().zip(&other.facts).enumerate();
                    other.answers == row.answers
                        && others.into_iter().all(|(place, (mine, theirs))| place == *column || mine == theirs)
                };
                match merged.iter_mut().find(same) {
                    Some(found) => found.facts[*column].extend(row.facts[*column].iter().cloned()),
                    None => merged.push(row),
                }
            }
            self.rows = merged;
        }
    }

    /// Prints the table. `all` has the values that a column can have, none where a list of them says it better.
    fn print(&self, text: &mut String, all: &[&[&str]]) {
        let cell =
            |(place, values): (usize, &Vec<String>)| in_few_words(values, all.get(place).copied().unwrap_or(&[]));
        let lines: Vec<Vec<String>> = core::iter::once(self.columns.iter().map(ToString::to_string).collect())
            .chain(self.rows.iter().map(|row| {
                row.facts.iter().enumerate().map(cell).chain(row.answers.iter().cloned()).collect::<Vec<_>>()
            }))
            .collect();
        let lengths = |column: usize| lines.iter().map(move |line| line[column].chars().count());
        let width = |column: usize| lengths(column).filter(|length| *length <= PADDED_MAX).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            let last = line.len() - 1;
            let padded = line.iter().zip(&widths).enumerate().map(|(place, (cell, width))| {
                // The last column is left ragged: nothing stands behind it.
                if place == last { cell.clone() } else { format!("{cell:width$}") }
            });
            let _ = writeln!(text, "| {} |", padded.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let _ = writeln!(text, "|{}|", widths.iter().map(|_| "---").collect::<Vec<_>>().join("|"));
            }
        }
        text.push('\n');
    }
}

/// One long cell does not stretch every line of its table.
const PADDED_MAX: usize = 60;

/// `any` for all values, `all but …` for most of them, otherwise the values.
fn in_few_words(values: &[String], all: &[&str]) -> String {
    let missing: Vec<&str> = all.iter().copied().filter(|value| !values.iter().any(|other| other == value)).collect();
    match missing.as_slice() {
        [] if all.len() > 1 => "any".to_owned(),
        few @ ([_] | [_, _]) if all.len() > 4 => format!("all but {}", few.join(", ")),
        _ => values.join(", "),
    }
}

/// The texts of all replies that occur above, from the table of refusals.
fn replies(text: &mut String) {
    let (online, server) = (Settings::of(Profile::ExchangeOnline), Settings::of(Profile::ExchangeServer));
    let words: BTreeSet<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let mut list = String::new();
    for (name, refusal) in REFUSALS.iter().filter(|(name, _)| words.contains(name.as_str())) {
        let (online, server) = (refusal.bare_reply(&online).to_string(), refusal.bare_reply(&server).to_string());
        let _ = writeln!(list, "- **{name}**: `{online}`");
        if online != server {
            let _ = writeln!(list, "  on `exchange-server`: `{server}`");
        }
    }
    text.push_str("\n## The replies\n\nEach ends with a trailer `[host time session]`, by which the log is found.\n\n");
    text.push_str(&list);
}
