//! What travels with a message and its recipients beyond addresses: body kind and report requests (RFC 3461).

/// How the body was announced (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BodyKind {
    /// Seven-bit lines.
    #[default]
    SevenBit,
    /// Lines with octets above 127.
    EightBitMime,
    /// Any octets, not divided into lines.
    BinaryMime,
}

/// What a failure report should carry of the message (RFC 3461 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// When a recipient's sender wants a report (RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    /// Nothing was asked: failure, and delay at the server's discretion.
    #[default]
    Unspecified,
    /// `NEVER`.
    Never,
    /// Any of `SUCCESS`, `FAILURE` and `DELAY`.
    On {
        /// `SUCCESS`.
        success: bool,
        /// `FAILURE`.
        failure: bool,
        /// `DELAY`.
        delay: bool,
    },
}

/// The delivery status notification parameters of one recipient (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DsnRequest {
    /// NOTIFY.
    pub notify: Notify,
    /// ORCPT, decoded from xtext: address type and address, printable only.
    pub original_recipient: Option<(Box<str>, Box<str>)>,
}
