//! Asks an authority for certificates by ACME (RFC 8555), one step at a time: whoever calls keeps durably what each
//! step gave, so that a crash between two of them costs a repetition and nothing else.
//!
//! The library signs and words the messages. What it is given comes from here: connections that prove the authority's
//! name and are bounded in size and time, a pace of asking that the authority sets, and errors that say what to do.

mod challenges;
mod http;
mod order;
mod request;
mod session;
mod trouble;

use core::time::Duration;

use serde::Deserialize;

pub use challenges::{Challenges, Shown, challenge_config};
pub use http::AcmeHttp;
pub use order::{Order, Stage};
pub use request::{certificate_key, certificate_request};
pub use session::{Account, AccountKey, Binding, CertificateId, sign_in, sign_up, sign_up_bound};
pub use trouble::{Obstacle, Trouble};

/// How a name is proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum AcmeChallenge {
    /// A text under `/.well-known/acme-challenge/` on port 80 (RFC 8555 section 8.3).
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl AcmeChallenge {
    /// The port where an authority looks for the proof, whatever this server listens on.
    pub const fn port(self) -> u16 {
        match self {
            Self::Http01 => 80,
            Self::TlsAlpn01 => 443,
        }
    }

    /// As the configuration and the RFCs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// How often an authority is asked whether it has come to a decision, where it says nothing about it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first wait; each further one is twice as long, up to `longest`.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// When to stop: whatever is not decided by then is looked at in another attempt.
    pub patience: Duration,
}

impl Pace {
    /// For authorities on the internet.
    pub const USUAL: Self =
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(15), patience: Duration::from_secs(300) };
}
