//! Envelope paths (RFC 5321 section 4.1.2): where a message came from and where it goes.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::address::Address;

/// The argument of MAIL FROM: the null path, or the mailbox to which failures are reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: reports and automatic replies, which are themselves never answered.
    Null,
    /// The mailbox that hears of failures.
    Mailbox(Address),
}

impl ReversePath {
    /// The mailbox; `None` for the null path.
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Mailbox(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    /// Writes the address without angle brackets, nothing for the null path.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().map_or(Ok(()), |address| address.fmt(formatter))
    }
}

/// The argument of RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every server must accept (RFC 5321 section 4.5.1).
    Postmaster,
    /// A recipient's address.
    Mailbox(Address),
}

impl fmt::Display for ForwardPath {
    /// Writes the address without angle brackets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => formatter.write_str("postmaster"),
            Self::Mailbox(address) => address.fmt(formatter),
        }
    }
}
