//! Why a journal cannot be read, and why it takes nothing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Flaw, KIND_MAX, Location};
use crate::store::ticket::Stopped;

/// Why a journal cannot be opened, read or repaired.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("{directory} is in use by another process")]
    InUse {
        /// The journal's directory.
        directory: PathBuf,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something that was durable is damaged.
    #[error(
        "{file} is damaged at offset {offset}: {flaw}. Restore the data from a backup, or run `franking repair`, \
         which keeps the damaged file aside, skips what cannot be read and lists what is missing"
    )]
    Damaged {
        /// The damaged segment.
        file: PathBuf,
        /// Where the damage begins, in octets.
        offset: u64,
        /// What is wrong there.
        flaw: Flaw,
    },
    /// A segment between two others is not there.
    #[error("{file} is missing. Restore the data from a backup, or run `franking repair`, which goes on without it")]
    Missing {
        /// The missing segment.
        file: PathBuf,
    },
    /// The record was released and its segment is gone, or it never existed.
    #[error("there is no record at segment {}, offset {}", .0.segment, .0.offset)]
    NoRecord(Location),
}

/// Why a record was not made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalFailure {
    /// A write or synchronisation failed; nothing is accepted until the journal is recovered or opened again.
    #[error("the journal accepts nothing since a failure: {reason}")]
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The payload, or the batch, exceeds the journal's bounds.
    #[error("{bytes} octets exceed the journal's bound of {bytes_max}")]
    TooLarge {
        /// The size asked for.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The kind is one of the journal's own, or the batch is empty: a caller's mistake.
    #[error("a batch must have records, and their kinds must be at most {KIND_MAX}")]
    Refused,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl From<Stopped> for JournalFailure {
    fn from(_: Stopped) -> Self {
        Self::Closed
    }
}
