//! What is wrong with a configuration, said so that it can be mended: file, line, key, problem, cure.

use core::fmt;
use core::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One problem. Its text is a single line of printable characters, whatever the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` when it is about the file as a whole.
    pub line: Option<usize>,
    /// The key with its tables, for example `listener[1].tls`; empty when none is to blame.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub cure: String,
}

/// All problems that could be seen at once, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl core::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    /// A line for each problem.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(formatter, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl ConfigError {
    /// A problem with the file as a whole.
    pub(super) fn whole(file: &Path, problem: String, cure: String) -> Self {
        Self { file: file.to_owned(), line: None, key: String::new(), problem, cure }
    }

    /// A problem with the value at `span` of `text`.
    pub(super) fn at(file: &Path, text: &str, span: &Range<usize>, problem: String, cure: String) -> Self {
        let (line, key) = (line_of(text, span.start), key_of(text, span));
        Self { file: file.to_owned(), line: Some(line), key, problem, cure }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", visible(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(formatter, ": {}", visible(&self.key))?;
        }
        write!(formatter, ": {}", visible(&self.problem))?;
        if self.cure.is_empty() { Ok(()) } else { write!(formatter, "; {}", visible(&self.cure)) }
    }
}

/// The most of a foreign text that is repeated.
const SHOWN_CHARACTERS_MAX: usize = 400;

/// The text with everything escaped that would not show as itself, so that no file can write on a terminal.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(SHOWN_CHARACTERS_MAX));
    for character in text.chars().take(SHOWN_CHARACTERS_MAX) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The key whose value lies at `span`; empty when there is none.
fn key_of(text: &str, span: &Range<usize>) -> String {
    DeTable::parse(text).ok().and_then(|table| within_table(table.get_ref(), span, "")).unwrap_or_default()
}

fn within_table(table: &DeTable<'_>, span: &Range<usize>, prefix: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        if covers(&key.span(), span) { Some(path) } else { within_value(value, span, &path) }
    })
}

/// Deeper first: the span of a table is only that of its header.
fn within_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &str) -> Option<String> {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => within_table(table, span, path),
        DeValue::Array(array) => {
            let mut numbered = array.iter().enumerate();
            numbered.find_map(|(index, item)| within_value(item, span, &format!("{path}[{}]", index + 1)))
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    };
    deeper.or_else(|| covers(&value.span(), span).then(|| path.to_owned()))
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && outer.start < outer.end
}

/// What the TOML reader found, with the nearest known word where an unknown one was used.
pub(super) fn of_toml(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.message();
    let (problem, cure) = misspelt(message).unwrap_or_else(|| (first_line(message), String::new()));
    match error.span() {
        Some(span) => ConfigError::at(file, text, &span, problem, cure),
        None => ConfigError::whole(file, problem, cure),
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("cannot be read as TOML").to_owned()
}

/// serde lists what it would have taken: ``unknown field `hostnam`, expected one of `hostname`, `data` ``.
fn misspelt(message: &str) -> Option<(String, String)> {
    let (what, rest) = match (message.strip_prefix("unknown field `"), message.strip_prefix("unknown variant `")) {
        (Some(rest), _) => ("key", rest),
        (None, Some(rest)) => ("value", rest),
        (None, None) => return None,
    };
    let (word, expected) = rest.split_once("`, expected ").or_else(|| rest.split_once('`'))?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let near = known.iter().map(|candidate| (distance(word, candidate), candidate)).min();
    let cure = match near {
        // A word that shares less than half with the nearest is no misspelling of it.
        Some((steps, candidate)) if steps * 2 <= candidate.len() => format!("did you mean `{candidate}`?"),
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "remove it".to_owned(),
    };
    Some((format!("unknown {what} `{word}`"), cure))
}

/// How many characters must be added, removed or changed to make `left` into `right`; long words are far from all.
pub(super) fn distance(left: &str, right: &str) -> usize {
    const WORD_CHARACTERS_MAX: usize = 64;
    let (left, right): (Vec<char>, Vec<char>) =
        (left.chars().take(WORD_CHARACTERS_MAX + 1).collect(), right.chars().collect());
    if left.len() > WORD_CHARACTERS_MAX {
        return usize::MAX / 2;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, own) in left.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(place + 1);
        for (pair, other) in row.windows(2).zip(&right) {
            let (diagonal, above) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            let beside = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(own != other)).min(above + 1).min(beside + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
