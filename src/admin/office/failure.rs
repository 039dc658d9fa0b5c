//! Why a request was not carried out, in words for a tired administrator, with commands that cure it.

use serde::{Deserialize, Serialize};

use crate::model::directory::ChangeError;

/// What kind of failure it is; the command line makes its exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The rules of the directory say no, or a value cannot be right. Nothing was changed.
    Refused,
    /// What was named does not exist.
    NotFound,
    /// The server or its store cannot be reached, or failed. Whether something was changed is said in the text.
    Unavailable,
}

/// A request that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it: commands or short advice; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cures: Vec<String>,
}

impl Failure {
    /// A failure of this kind without a cure.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cures: Vec::new() }
    }

    /// The rules say no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, message)
    }

    /// The server or its store failed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message)
    }

    /// The same with one more cure.
    #[must_use]
    pub fn cured_by(mut self, cure: impl Into<String>) -> Self {
        self.cures.push(cure.into());
        self
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let kind = match error {
            ChangeError::UnknownRecipient(_) | ChangeError::UnknownDomain(_) => FailureKind::NotFound,
            _ => FailureKind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}
