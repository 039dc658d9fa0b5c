//! The trailer, in which the logs of client and server meet.

use core::fmt;

use crate::model::mail::Timestamp;

/// What ends a refusal's text so that a client's log line finds the server's (decision D8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// This server's name.
    pub host: String,
    /// The moment of the refusal.
    pub at: Timestamp,
    /// The session's id: 16 upper-case hexadecimal digits.
    pub session: String,
}

impl fmt::Display for Trailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} {} {}]", self.host, self.at, self.session)
    }
}
