//! What an operator decides about one listening socket.

use core::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::model::mail::Network;

/// What a listener is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerRole {
    /// Accounts hand mail in.
    #[default]
    Submission,
    /// Other servers deliver mail for our domains.
    Inbound,
}

/// How a listener speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerTls {
    /// Clear text until the client asks for STARTTLS (RFC 3207).
    Starttls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// Never.
    None,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Where to listen; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// What it is for.
    pub role: ListenerRole,
    /// How it speaks TLS.
    pub tls: ListenerTls,
    /// Private networks whose devices may sign in without TLS; empty on every other listener (decision D8).
    pub clear_text_networks: Vec<Network>,
    /// Connections come from proxies that announce their clients, and from nobody else.
    pub proxy: Option<ProxyConfig>,
}

impl ListenerConfig {
    /// Whether a client at `address` may sign in without TLS.
    pub fn permits_clear_text(&self, address: IpAddr) -> bool {
        self.clear_text_networks.iter().any(|network| network.contains(address))
    }

    /// Whether a client at `address` finds a service here. A listener that never speaks TLS, and on which accounts
    /// sign in all the same, is there for its networks alone.
    pub fn serves(&self, address: IpAddr) -> bool {
        let is_for_networks_alone = self.tls == ListenerTls::None && !self.clear_text_networks.is_empty();
        !is_for_networks_alone || self.permits_clear_text(address)
    }
}

/// Who announces clients by the PROXY protocol, and what is taken from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The networks of the proxies; never empty. A connection from elsewhere is turned away.
    pub from: Vec<Network>,
    /// The proxies end their clients' TLS, so that a session counts as one over TLS. All of `from` is private then.
    pub tls: bool,
}

impl ProxyConfig {
    /// Whether there is a proxy at `address`.
    pub fn is_from(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(address))
    }
}
