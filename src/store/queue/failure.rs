//! Why the queue cannot be opened, and why it takes nothing.

use std::io;
use std::sync::Arc;

use super::record::RecordError;
use crate::store::journal::{JournalError, JournalFailure};
use crate::store::ticket::Stopped;

/// Why the queue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal cannot be opened.
    #[error("the queue's journal: {0}")]
    Journal(#[from] JournalError),
    /// A record cannot be read, which an older or newer program may have written.
    #[error("the queue's journal has a record at segment {segment}, offset {offset}, that is {error}")]
    Record {
        /// The segment.
        segment: u64,
        /// Where the record begins, in octets.
        offset: u32,
        /// What is wrong.
        error: RecordError,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a message was not accepted. All of these may pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFailure {
    /// The disk has no room for another message.
    #[error("no room for another message")]
    NoRoom,
    /// The message's records exceed what the journal takes.
    #[error("the message's header or envelope is too large for the queue: {0}")]
    TooLarge(RecordError),
    /// The journal or the disk failed.
    #[error("the queue cannot be written: {0}")]
    Failed(Arc<str>),
}

impl From<JournalFailure> for CommitFailure {
    fn from(failure: JournalFailure) -> Self {
        Self::Failed(failure.to_string().into())
    }
}

impl From<io::Error> for CommitFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom,
            _ => Self::Failed(error.to_string().into()),
        }
    }
}

impl From<Stopped> for CommitFailure {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(stopped.to_string().into())
    }
}
