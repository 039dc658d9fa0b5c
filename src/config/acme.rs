//! Certificates that an authority gives by itself (ACME, RFC 8555): which one is asked, for which names, and how this
//! server proves that it has them.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::mail::{Address, Domain};
pub use crate::world::acme::AcmeChallenge;
use crate::world::https::HttpsUrl;
use crate::world::secret::SecretSource;

/// `[acme]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The authority's directory.
    pub directory: HttpsUrl,
    /// Whom the authority may write to.
    pub contact: Vec<Address>,
    /// The names of the certificate; never empty, no address literals, each once.
    pub names: Vec<Domain>,
    /// How they are proved.
    pub challenge: AcmeChallenge,
    /// Where the proof is shown; never empty. Port 0 lets the kernel choose.
    pub listen: Vec<SocketAddr>,
    /// The authorities that vouch for the directory's host, instead of those of the system.
    pub authorities: Option<PathBuf>,
    /// The account at the authority that a new one is bound to, where it demands one (RFC 8555 section 7.3.4).
    pub external_account: Option<ExternalAccount>,
}

/// An account that somebody has at the authority already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its key identifier.
    pub key_id: String,
    /// Where its HMAC key is, in base64url as the authority gave it.
    pub key: SecretSource,
}
