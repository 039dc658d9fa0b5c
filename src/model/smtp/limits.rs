//! Bounds of one session: lines, commands, errors and time. Memory and time per connection follow from them.

use core::time::Duration;

/// Bounds of one session. The defaults suit the open Internet; tests and private networks may change each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line with its CRLF (RFC 5321 section 4.5.3.1.4 asks for at least 512).
    pub command_line_bytes_max: usize,
    /// Octets of a MAIL or RCPT line: paths with SMTPUTF8, SIZE, AUTH, ENVID and ORCPT add up (RFC 3461 section 5).
    pub path_line_bytes_max: usize,
    /// Octets of an AUTH line or response (RFC 4954 section 4 asks for at least 12,288).
    pub auth_line_bytes_max: usize,
    /// Commands of one session, RCPT included; a queued message sets the count back, so that any number of messages can
    /// follow each other (decision D10).
    pub commands_max: u32,
    /// Refused commands of one session; signing in or a queued message sets the count back.
    pub errors_max: u32,
    /// Refused AUTH commands of one session.
    pub auth_failures_max: u32,
    /// Refused recipients of a stranger in one session: more is harvesting.
    pub refused_recipients_max: u32,
    /// Octets of a message's header (spec section 2.2).
    pub header_bytes_max: usize,
    /// Silence between two commands (RFC 5321 section 4.5.3.2.7).
    pub command_timeout: Duration,
    /// Silence within a message (RFC 5321 section 4.5.3.2.5 asks for 3 minutes; section 4.5.3.2.6 for 10 at its end).
    pub data_timeout: Duration,
    /// From MAIL to the end of the message, however it trickles in.
    pub transaction_timeout: Duration,
    /// From the connection on, as long as no message is under way.
    pub session_timeout: Duration,
    /// How long TLS, the credential check or the commit may take before the session gives up.
    pub wait_timeout: Duration,
    /// Delay before a refusal to guesses: failed AUTH, and unknown recipients for strangers.
    pub tarpit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: 512,
            path_line_bytes_max: 2_048,
            auth_line_bytes_max: 12_288,
            commands_max: 10_000,
            errors_max: 10,
            auth_failures_max: 3,
            refused_recipients_max: 100,
            header_bytes_max: 256 * 1024,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(10 * 60),
            transaction_timeout: Duration::from_secs(2 * 60 * 60),
            session_timeout: Duration::from_secs(24 * 60 * 60),
            wait_timeout: Duration::from_secs(2 * 60),
            tarpit: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Octets of the longest line there can be, without its CRLF: what one session holds of an unfinished line.
    pub fn line_bytes_max(&self) -> usize {
        let longest = self.command_line_bytes_max.max(self.path_line_bytes_max).max(self.auth_line_bytes_max);
        longest.saturating_sub(2)
    }
}
