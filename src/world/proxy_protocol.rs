//! The PROXY protocol: what a proxy says of its client before the client's own octets come.
//!
//! Versions 1 and 2, as HAProxy's specification has them (`doc/proxy-protocol.txt`, sections 2.1 and 2.2). Who may say
//! so is for the listener to judge; here octets become values. Promises: any octets have an answer; it does not depend
//! on how they were cut; and no octet is asked for that is not part of the header, so that what follows it, a TLS
//! handshake or a command, is left to whom it is for.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header, in octets. Addresses take 216 at most; what proxies add takes some hundreds more.
pub const HEADER_BYTES_MAX: usize = 4_096;

/// The longest header of version 1 with its CRLF (section 2.1).
const TEXT_BYTES_MAX: usize = 107;
const TEXT_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and how much follows.
const FIXED_BYTES: usize = 16;
/// `PROXY UNKNOWN` with its CRLF: no header is shorter.
const SHORTEST_BYTES: usize = 15;
/// What a path of a UNIX socket takes, for both ends.
const UNIX_BYTES: usize = 216;

/// What a proxy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the client is. `None` when the proxy speaks for itself, as for a look whether we are well, or does not
    /// know.
    pub client: Option<SocketAddr>,
    /// What it says of TLS between the client and itself.
    pub tls: ClientTls,
}

/// What a proxy says of the TLS that its client speaks with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientTls {
    /// Nothing.
    #[default]
    Unsaid,
    /// There is none.
    Absent,
    /// There is, of this version and with this cipher suite, which may be empty. Not ours: to be cleaned before use.
    Active {
        /// The version, for example `TLSv1.2`.
        version: String,
        /// The cipher suite as OpenSSL calls it.
        cipher: String,
    },
}

/// What has come so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// So many octets more are part of the header, at least. Never zero.
    Needs(usize),
    /// The header is whole, and took so many octets.
    Whole(Header, usize),
}

/// Octets that are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// They begin otherwise.
    #[error("there is no PROXY header")]
    Missing,
    /// It is longer than any that is needed.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It breaks the specification.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
}

use ProxyHeaderError::{Malformed, Missing, TooLong};

/// Reads what has come, from the first octet of the connection on.
///
/// # Errors
/// [`ProxyHeaderError`] as soon as no further octet could make it a header.
pub fn read(octets: &[u8]) -> Result<Reading, ProxyHeaderError> {
    let begins = |start: &[u8]| octets.iter().zip(start).all(|(own, expected)| own == expected);
    if octets.is_empty() {
        Ok(Reading::Needs(SHORTEST_BYTES))
    } else if begins(TEXT_START) {
        read_text(octets)
    } else if begins(SIGNATURE) {
        read_binary(octets)
    } else {
        Err(Missing)
    }
}

/// Version 1: a line.
fn read_text(octets: &[u8]) -> Result<Reading, ProxyHeaderError> {
    let seen = octets.get(..TEXT_BYTES_MAX).unwrap_or(octets);
    let Some(end) = memchr::memchr2(b'\r', b'\n', seen) else {
        return match seen.len() {
            TEXT_BYTES_MAX => Err(TooLong),
            length => Ok(Reading::Needs(SHORTEST_BYTES.saturating_sub(length).max(2).min(TEXT_BYTES_MAX - length))),
        };
    };
    let (line, rest) = seen.split_at(end);
    match rest {
        [b'\r', b'\n', ..] => Ok(Reading::Whole(parse_text(line)?, end + 2)),
        [b'\r'] if seen.len() < TEXT_BYTES_MAX => Ok(Reading::Needs(1)),
        [b'\r'] => Err(TooLong),
        _ => Err(Malformed("its line does not end with CRLF")),
    }
}

fn parse_text(line: &[u8]) -> Result<Header, ProxyHeaderError> {
    let nobody = Ok(Header { client: None, tls: ClientTls::Unsaid });
    let text = line.strip_prefix(TEXT_START).unwrap_or_default();
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        // Whatever stands behind it is to be ignored.
        return nobody;
    }
    let text = core::str::from_utf8(text).map_err(|_| Malformed("it is no text"))?;
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (family, client, server, client_port, server_port) = (word(), word(), word(), word(), word());
    if words.next().is_some() {
        return Err(Malformed("it has too many words"));
    }
    let address = |text: &str| -> Result<IpAddr, ProxyHeaderError> {
        let parsed = match family {
            "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
            "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
            _ => return Err(Malformed("it is for no known family")),
        };
        parsed.ok_or(Malformed("an address is none of its family"))
    };
    let (client, _) = (address(client)?, address(server)?);
    let (port, _) = (port(client_port)?, port(server_port)?);
    Ok(Header { client: Some(usable(SocketAddr::new(client, port))?), tls: ClientTls::Unsaid })
}

fn port(text: &str) -> Result<u16, ProxyHeaderError> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(Malformed("a port is no number"))
}

/// Version 2: octets.
fn read_binary(octets: &[u8]) -> Result<Reading, ProxyHeaderError> {
    let Some((fixed, rest)) = octets.split_at_checked(FIXED_BYTES) else {
        // The shortest of version 1 is one octet shorter, and at the first octet the versions differ.
        return Ok(Reading::Needs(FIXED_BYTES - octets.len()));
    };
    let &[.., command, family, high, low] = fixed else { return Err(Missing) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_BYTES + length > HEADER_BYTES_MAX {
        return Err(TooLong);
    }
    let speaks_for_itself = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed("its version or command is unknown")),
    };
    let Some(rest) = rest.get(..length) else {
        return Ok(Reading::Needs(length - rest.len()));
    };
    let whole = FIXED_BYTES + length;
    if speaks_for_itself {
        // Section 2.2: everything else is to be discarded.
        return Ok(Reading::Whole(Header { client: None, tls: ClientTls::Unsaid }, whole));
    }
    let (client, more) = client(family, rest)?;
    let mut tls = ClientTls::Unsaid;
    let mut checksum = None;
    let mut more = Fields(more);
    while let Some((kind, value)) = more.next_field()? {
        match kind {
            0x03 if checksum.is_some() => return Err(Malformed("it has two checksums")),
            0x03 => checksum = Some((u32::from_be_bytes(four(value)?), whole - more.0.len() - 4)),
            0x20 => tls = client_tls(value)?,
            _ => {}
        }
    }
    if let Some((said, at)) = checksum
        && said != checksum_of(octets.get(..whole).unwrap_or_default(), at)
    {
        return Err(Malformed("its checksum is wrong"));
    }
    Ok(Reading::Whole(Header { client, tls }, whole))
}

/// The client's address, and what follows the addresses.
fn client(family: u8, octets: &[u8]) -> Result<(Option<SocketAddr>, &[u8]), ProxyHeaderError> {
    const SHORT: ProxyHeaderError = Malformed("its addresses are cut off");
    let address = match family {
        0x11 => {
            let ([a, b, c, d, _, _, _, _, high, low, _, _], more) = octets.split_first_chunk().ok_or(SHORT)?;
            let client = SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low]));
            return Ok((Some(usable(client)?), more));
        }
        0x21 => {
            let (address, rest) = octets.split_first_chunk::<16>().ok_or(SHORT)?;
            let (ports, more) = rest.get(16..).and_then(<[u8]>::split_first_chunk::<4>).ok_or(SHORT)?;
            let [high, low, _, _] = *ports;
            let client = SocketAddr::new(Ipv6Addr::from(*address).into(), u16::from_be_bytes([high, low]));
            return Ok((Some(usable(client)?), more));
        }
        // Nobody can be told from these; section 2.2 has them accepted with the proxy's own address. Of an unspecified
        // family nothing else is to be read either.
        0x00 => octets.len(),
        0x12 => 12,
        0x22 => 36,
        0x31 | 0x32 => UNIX_BYTES,
        _ => return Err(Malformed("it is for no known family")),
    };
    Ok((None, octets.get(address..).ok_or(SHORT)?))
}

/// An address that a client can have; IPv4 in IPv6 clothes is IPv4.
fn usable(client: SocketAddr) -> Result<SocketAddr, ProxyHeaderError> {
    let address = client.ip().to_canonical();
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(Malformed("no client has this address"));
    }
    Ok(SocketAddr::new(address, client.port()))
}

/// Fields of type, length and value, one after the other.
struct Fields<'octets>(&'octets [u8]);

impl<'octets> Fields<'octets> {
    fn next_field(&mut self) -> Result<Option<(u8, &'octets [u8])>, ProxyHeaderError> {
        const CUT_OFF: ProxyHeaderError = Malformed("a field is cut off");
        if self.0.is_empty() {
            return Ok(None);
        }
        let (&[kind, high, low], rest) = self.0.split_first_chunk().ok_or(CUT_OFF)?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(Some((kind, value)))
    }
}

fn four(value: &[u8]) -> Result<[u8; 4], ProxyHeaderError> {
    value.try_into().map_err(|_| Malformed("its checksum has another length"))
}

/// The field `PP2_TYPE_SSL`: flags, the verdict on the client's certificate, and fields.
fn client_tls(value: &[u8]) -> Result<ClientTls, ProxyHeaderError> {
    let (&[flags, ..], rest) = value.split_first_chunk::<5>().ok_or(Malformed("its field on TLS is cut off"))?;
    let (mut version, mut cipher) = (String::new(), String::new());
    let mut more = Fields(rest);
    while let Some((kind, value)) = more.next_field()? {
        let text = || String::from_utf8_lossy(value).into_owned();
        match kind {
            0x21 => version = text(),
            0x23 => cipher = text(),
            _ => {}
        }
    }
    // PP2_CLIENT_SSL.
    Ok(if flags & 1 == 1 { ClientTls::Active { version, cipher } } else { ClientTls::Absent })
}

/// CRC-32c (RFC 4960 appendix B) of the header, with zeros where the checksum itself stands.
fn checksum_of(header: &[u8], at: usize) -> u32 {
    let steps = header.iter().enumerate().fold(u32::MAX, |sum, (index, octet)| {
        let octet = if (at..at + 4).contains(&index) { 0 } else { *octet };
        (0..8).fold(sum ^ u32::from(octet), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    !steps
}

#[cfg(test)]
mod tests;
