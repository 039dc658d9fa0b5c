//! Directories as text: TOML for people, JSON for programs.
//!
//! Reading is bounded in size and depth. An error names the file, the line, what is wrong and, where one is known, the
//! cure; nothing of the file is quoted but the name of a key.

use core::fmt;
use std::io::{self, Read};

use crate::model::directory::Document;

/// Largest text that is read, in octets.
pub const TEXT_BYTES_MAX: u64 = 1 << 30;
/// Deepest nesting of brackets. A directory needs five levels.
pub const DEPTH_MAX: usize = 32;

/// How a directory is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Form {
    /// The form that a file's name ends in; `None` when it is neither.
    pub fn of_file(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        [("toml", Self::Toml), ("json", Self::Json)]
            .into_iter()
            .find(|(known, _)| ending.eq_ignore_ascii_case(known))
            .map(|(_, form)| form)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        })
    }
}

/// Why a text cannot be read as a directory, or a directory not be written.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// The file's name, as given.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The text is too large.
    #[error("{file}: larger than {TEXT_BYTES_MAX} octets; split it into several files")]
    TooLarge {
        /// The file's name, as given.
        file: String,
    },
    /// The text is not UTF-8.
    #[error("{file}, line {line}: this is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The file's name, as given.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// Brackets are nested too deeply.
    #[error("{file}, line {line}: brackets are nested deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// The file's name, as given.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// The text is not of its form, or not a directory.
    #[error("{file}, line {line}, column {column}: {message}")]
    Syntax {
        /// The file's name, as given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The directory cannot be written.
    #[error("the directory cannot be written as {form}: {message}")]
    Write {
        /// The form.
        form: Form,
        /// What is wrong.
        message: String,
    },
}

/// Reads at most [`TEXT_BYTES_MAX`] octets. `file` is only named in errors.
///
/// # Errors
/// `Read` or `TooLarge`.
pub fn read_bounded(reader: impl Read, file: &str) -> Result<Vec<u8>, TransferError> {
    let mut bytes = Vec::new();
    let read = reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|source| TransferError::Read { file: file.to_owned(), source })?;
    if u64::try_from(bytes.len()).map_or(true, |length| length > TEXT_BYTES_MAX) {
        return Err(TransferError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}

/// Reads a directory from text. `file` is only named in errors.
///
/// # Errors
/// Every variant of [`TransferError`] but `Read` and `Write`.
pub fn parse(form: Form, bytes: &[u8], file: &str) -> Result<Document, TransferError> {
    if u64::try_from(bytes.len()).map_or(true, |length| length > TEXT_BYTES_MAX) {
        return Err(TransferError::TooLarge { file: file.to_owned() });
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|error| TransferError::NotUtf8 { file: file.to_owned(), line: place(bytes, error.valid_up_to()).0 })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(offset) = first_too_deep(text.as_bytes(), form) {
        return Err(TransferError::TooDeep { file: file.to_owned(), line: place(text.as_bytes(), offset).0 });
    }
    let syntax = |(line, column), message: String| TransferError::Syntax {
        file: file.to_owned(),
        line,
        column,
        message: one_line(&message),
    };
    match form {
        Form::Toml => toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            syntax(place(text.as_bytes(), offset), with_cure(error.message()))
        }),
        Form::Json => serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            // The position is said once, in front.
            let end = message.rfind(" at line ").unwrap_or(message.len());
            syntax((error.line(), error.column()), with_cure(message.get(..end).unwrap_or(&message)))
        }),
    }
}

/// Writes a directory as text that [`parse`] reads.
///
/// # Errors
/// `Write`, when the form cannot express a value.
pub fn write(form: Form, document: &Document) -> Result<String, TransferError> {
    let failed = |message: String| TransferError::Write { form, message };
    match form {
        Form::Toml => toml::to_string(document).map_err(|error| failed(error.to_string())),
        Form::Json => serde_json::to_string_pretty(document).map_err(|error| failed(error.to_string())),
    }
}

/// Line and column, in characters, of an offset; both counted from 1.
fn place(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    // Octets that continue a character do not count.
    let column = before.iter().skip(line_start).filter(|byte| **byte & 0xC0 != 0x80).count() + 1;
    (line, column)
}

/// Where brackets outside of strings go deeper than permitted. The parsers have limits of their own; this one is the
/// same for both forms and does not depend on their versions.
fn first_too_deep(bytes: &[u8], form: Form) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'#' if form == Form::Toml => at = skip_to(bytes, at, b"\n"),
            b'"' => at = skip_string(bytes, at, b'"'),
            b'\'' if form == Form::Toml => at = skip_string(bytes, at, b'\''),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The offset of the next `wanted` at or after `at`, or the end.
fn skip_to(bytes: &[u8], at: usize, wanted: &[u8]) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memmem::find(rest, wanted).map_or(bytes.len(), |found| at + found)
}

/// The offset of the last octet of the string that begins at `at`.
fn skip_string(bytes: &[u8], at: usize, quote: u8) -> usize {
    let tripled = [quote; 3];
    if bytes.get(at..at + 3) == Some(&tripled) {
        return skip_to(bytes, at + 3, &tripled) + 2;
    }
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            // A string of one line that is not closed: the parser says so.
            b'\n' => return at,
            byte if *byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Adds what to do to the complaints that people meet most.
fn with_cure(message: &str) -> String {
    const CURES: [(&str, &str); 4] = [
        ("unknown field", "check its spelling, or that it stands under the right heading"),
        ("unknown variant", "the names are Exchange's, letter case included"),
        ("duplicate key", "give it once"),
        ("missing field", "add it"),
    ];
    match CURES.into_iter().find(|(complaint, _)| message.contains(complaint)) {
        Some((_, cure)) => format!("{message}; {cure}"),
        None => message.to_owned(),
    }
}

/// A parser's message on one line and of bounded length, without control characters.
fn one_line(message: &str) -> String {
    const CHARACTERS_MAX: usize = 1500;
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|character| !character.is_control()).take(CHARACTERS_MAX).collect()
}
