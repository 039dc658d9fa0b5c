//! Networks as operators write them: `192.168.10.0/24`, `fd00::/8`, or one address.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network: an address whose bits below the prefix are zero. Stored as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No address, or no number after the slash, or one that the family does not have.
    #[error("is no network")]
    Syntax,
    /// `192.168.10.7/24`: one machine or the whole network?
    #[error("has address bits beyond its prefix")]
    HostBits,
}

/// What is private by definition: loopback, RFC 1918, link-local of both families, unique local (RFC 4193).
const PRIVATE: [(IpAddr, u8); 8] = [
    (IpAddr::V4(core::net::Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(core::net::Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(core::net::Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(core::net::Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

impl Network {
    /// What counts as one client: an IPv4 address, or the IPv6 network of 64 bits that whoever has an address has.
    pub fn of_client(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            address @ IpAddr::V4(_) => Self { address, prefix: 32 },
            IpAddr::V6(address) => {
                let network = masked(address.to_bits(), 128, 64);
                Self { address: IpAddr::V6(Ipv6Addr::from_bits(network)), prefix: 64 }
            }
        }
    }

    /// Its first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses have in common.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies within. An IPv4 address in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, width) = bits(self.address);
        let (other, other_width) = bits(address.to_canonical());
        width == other_width && masked(own, width, self.prefix) == masked(other, width, self.prefix)
    }

    /// Whether `address` is private by definition.
    pub fn is_private_address(address: IpAddr) -> bool {
        PRIVATE.iter().any(|(network, prefix)| Self { address: *network, prefix: *prefix }.contains(address))
    }

    /// Whether every address of it is private, so that nothing sent there crosses the open Internet.
    pub fn is_private(&self) -> bool {
        PRIVATE.iter().any(|(address, prefix)| {
            let whole = Self { address: *address, prefix: *prefix };
            self.prefix >= *prefix && whole.contains(self.address)
        })
    }
}

/// The address as a number, and how many bits its family has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The bits of the prefix; the others are zero.
fn masked(bits: u128, width: u8, prefix: u8) -> u128 {
    let below = u32::from(width.saturating_sub(prefix));
    bits.checked_shr(below).unwrap_or(0).checked_shl(below).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let (value, width) = bits(address);
        let prefix = match prefix {
            None => width,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= width).ok_or(NetworkError::Syntax)?
            }
            Some(_) => return Err(NetworkError::Syntax),
        };
        if masked(value, width, prefix) == value { Ok(Self { address, prefix }) } else { Err(NetworkError::HostBits) }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let floor = network("192.168.10.0/24");
        assert!(floor.contains("192.168.10.255".parse().unwrap()));
        assert!(floor.contains("::ffff:192.168.10.1".parse().unwrap()));
        for other in ["192.168.11.0", "::", "10.0.0.1", "::c0a8:a01"] {
            assert!(!floor.contains(other.parse().unwrap()), "{other}");
        }
        assert!(network("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(network("fd00::/8").contains("fdff::1".parse().unwrap()));
        assert_eq!(network("10.1.2.3").to_string(), "10.1.2.3/32");
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        for (peer, client) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Network::of_client(peer.parse().unwrap()).to_string(), client);
        }
    }

    #[test]
    fn private_means_the_whole_of_it() {
        for private in ["127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.1.0/24", "fc00::/7", "fe80::/64", "::1"] {
            assert!(network(private).is_private(), "{private}");
        }
        for public in ["0.0.0.0/0", "8.0.0.0/6", "172.0.0.0/8", "192.0.2.1", "::/0", "2001:db8::/32", "fc00::/6"] {
            assert!(!network(public).is_private(), "{public}");
        }
        for private in ["127.0.0.1", "10.9.8.7", "::1", "fd00::1", "::ffff:192.168.1.1"] {
            assert!(Network::is_private_address(private.parse().unwrap()), "{private}");
        }
        for public in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            assert!(!Network::is_private_address(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "::/129", "10.0.0.0/8/8", "a/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Syntax), "{text}");
        }
        assert_eq!("10.0.0.1/8".parse::<Network>(), Err(NetworkError::HostBits));
    }
}
