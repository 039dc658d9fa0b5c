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
    /// Commands of one session, RCPT included. A relay that reuses its connection stays far below.
    pub commands_max: u32,
    /// Refused commands of one session; signing in or a queued message sets the count back.
    pub errors_max: u32,
    /// Refused AUTH commands of one session.
    pub auth_failures_max: u32,
    /// Octets of a message's header (spec section 2.2).
    pub header_bytes_max: usize,
    /// Silence between two commands (RFC 5321 section 4.5.3.2.7).
    pub command_timeout: Duration,
    /// Silence within a message (RFC 5321 section 4.5.3.2.5 asks for 3 minutes; section 4.5.3.2.6 for 10 at its end).
    pub data_timeout: Duration,
    /// From MAIL to the end of the message, however it trickles in.
    pub transaction_timeout: Duration,
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
            header_bytes_max: 256 * 1024,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(10 * 60),
            transaction_timeout: Duration::from_secs(60 * 60),
            wait_timeout: Duration::from_secs(2 * 60),
            tarpit: Duration::ZERO,
        }
    }
}
