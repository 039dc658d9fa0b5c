//! The trailer, in which the logs of client and server meet.

use core::fmt::Write as _;

use crate::model::mail::Timestamp;

/// What ends a refusal's text so that a client's log line finds the server's (decision D8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer<'session> {
    /// This server's name.
    pub host: &'session str,
    /// The moment of the refusal.
    pub at: Timestamp,
    /// The session's id: 16 upper-case hexadecimal digits.
    pub session: &'session str,
}

impl Trailer<'_> {
    /// A text with the trailer at its end.
    pub fn after(&self, text: &str) -> String {
        // Two brackets, three blanks, and the moment.
        let mut worded = String::with_capacity(text.len() + self.host.len() + self.session.len() + 29);
        worded.push_str(text);
        worded.push_str(" [");
        worded.push_str(self.host);
        // A String takes whatever is written into it.
        let _ = write!(worded, " {} ", self.at);
        worded.push_str(self.session);
        worded.push(']');
        worded
    }
}
