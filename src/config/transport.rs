//! What an operator decides about the demands that recipients' domains make on the way to them.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Which demands are heeded, and who is asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// Whether MTA-STS policies (RFC 8461) are heeded.
    pub mta_sts: bool,
    /// Whether TLSA records (RFC 7672) are heeded. Then `name_servers` is not empty, and whoever is in it is on this
    /// machine or was declared trustworthy.
    pub dane: bool,
    /// The name servers to ask; empty means those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// A PEM file with the authorities that vouch for other hosts; `None` means those of the system.
    pub authorities: Option<PathBuf>,
}
