//! Where the dialogue with a host stands.

use super::outcome::Trouble;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Greeting,
    Hello(Greeter),
    StartTls,
    /// Waits for the shell; octets that come now were sent in clear and are dropped.
    Handshake,
    Auth(AuthStep),
    Idle,
    Envelope,
    /// Content is wanted from the shell, after DATA or for the next BDAT.
    Content(Carrier),
    /// A chunk that is not the last waits for its reply.
    ChunkSent,
    /// The whole message waits for its reply.
    ContentSent(Carrier),
    /// An empty message to nobody waits for its reply, which means nothing.
    EmptyContentSent,
    Quit,
    Closed(Trouble),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeter {
    Ehlo,
    Helo,
}

/// Which reply of the AUTH dialogue is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthStep {
    LoginPrompt,
    PasswordPrompt,
    /// For a token that is too long for the line of AUTH.
    TokenPrompt,
    Verdict,
    /// The host has said what is wrong with the token, and its refusal follows.
    TokenRefusal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Data,
    Bdat,
}
