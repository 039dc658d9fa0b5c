//! How long other hosts may take.

use core::time::Duration;

use super::Step;

/// How long to wait for another host before giving up, at each step (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A connection to one address.
    pub connect: Duration,
    /// The greeting.
    pub greeting: Duration,
    /// The reply to a command: EHLO, AUTH, MAIL, RCPT.
    pub command: Duration,
    /// The reply to STARTTLS, and then the handshake.
    pub tls: Duration,
    /// The reply to DATA.
    pub data_start: Duration,
    /// A block of the message to be taken.
    pub data_block: Duration,
    /// The reply to the whole message: whoever gives up too early sends it twice.
    pub data_end: Duration,
}

impl Patience {
    /// What RFC 5321 asks for at least. It says nothing about connections: half a minute, since other hosts wait.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(30),
        greeting: Duration::from_secs(300),
        command: Duration::from_secs(300),
        tls: Duration::from_secs(120),
        data_start: Duration::from_secs(120),
        data_block: Duration::from_secs(180),
        data_end: Duration::from_secs(600),
    };

    /// How long to wait at a step.
    pub const fn of(&self, step: Step) -> Duration {
        match step {
            Step::Greeting => self.greeting,
            Step::Hello | Step::Mail | Step::Rcpt | Step::Auth => self.command,
            Step::Tls => self.tls,
            Step::DataStart => self.data_start,
            Step::DataBlock => self.data_block,
            Step::DataEnd => self.data_end,
            Step::Idle => Duration::from_secs(60),
            // Nothing depends on the reply to QUIT.
            Step::Quit => Duration::from_secs(2),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::USUAL
    }
}
