//! The address of something on a web server that is asked over TLS.

use core::fmt;
use core::str::FromStr;
use std::net::IpAddr;

use crate::model::mail::Domain;

/// A longer one nobody has written by hand.
const BYTES_MAX: usize = 2_048;
const PORT: u16 = 443;

/// Where to ask: host, port and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl {
    host: Domain,
    port: u16,
    path: String,
}

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("it does not begin with https://")]
    Scheme,
    /// More than 2,048 octets.
    #[error("it is longer than {BYTES_MAX} octets")]
    TooLong,
    /// Spaces, control characters, quotation marks, or anything outside ASCII.
    #[error("it has characters that must be written as %XX")]
    Character,
    /// A password has no place there.
    #[error("it has a user name in it")]
    User,
    /// It is never sent.
    #[error("it has a fragment (#)")]
    Fragment,
    /// No host name, or none that can be.
    #[error("its host is no host name and no address")]
    Host,
    /// No number from 1 to 65535.
    #[error("its port is no port")]
    Port,
}

impl HttpsUrl {
    /// The host, without brackets where it is an address.
    pub fn host(&self) -> String {
        match &self.host {
            Domain::Literal(address) => address.to_string(),
            Domain::Name(name) => name.to_string(),
        }
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Domain::Literal(address) => Some(**address),
            Domain::Name(_) => None,
        }
    }

    /// The port, 443 unless it says otherwise.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What to ask for, from the first slash on, the query included.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port, as the Host field of a request gives them (RFC 9112 section 3.2).
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Domain::Literal(address) => match **address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            },
            Domain::Name(name) => name.to_string(),
        };
        if self.port == PORT { host } else { format!("{host}:{}", self.port) }
    }

    /// The same host with `more` after the path, a slash between them. What is not for paths is encoded.
    #[must_use]
    pub fn below(&self, more: &[&str]) -> Self {
        let mut path = self.path.trim_end_matches('/').to_owned();
        for part in more {
            path.push('/');
            path.push_str(&encoded(part));
        }
        Self { path, ..self.clone() }
    }
}

/// Everything but what RFC 3986 section 2.3 calls unreserved becomes `%` and two digits: right in a path, in a query
/// and in a form (as the URL standard reads them).
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}

impl FromStr for HttpsUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        const SCHEME: &str = "https://";
        let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        let rest = scheme.and_then(|_| text.get(SCHEME.len()..)).ok_or(UrlError::Scheme)?;
        if text.len() > BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        if rest.bytes().any(|octet| !octet.is_ascii_graphic() || matches!(octet, b'"' | b'<' | b'>' | b'\\')) {
            return Err(UrlError::Character);
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| UrlError::Port)?),
            Some(_) | None => (authority, PORT),
        };
        if port == 0 {
            return Err(UrlError::Port);
        }
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => Domain::parse(host).map_err(|_| UrlError::Host)?,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, path })
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_put_together() {
        for (text, host, port, path, shown) in [
            ("https://login.example", "login.example", 443, "/", "https://login.example/"),
            (
                "HTTPS://Login.example:8443/a/b?c=d",
                "login.example",
                8443,
                "/a/b?c=d",
                "https://login.example:8443/a/b?c=d",
            ),
            ("https://127.0.0.1:1/t", "127.0.0.1", 1, "/t", "https://127.0.0.1:1/t"),
            ("https://[::1]/t", "::1", 443, "/t", "https://[::1]/t"),
            ("https://[::1]:8443?q", "::1", 8443, "/?q", "https://[::1]:8443/?q"),
        ] {
            let url: HttpsUrl = text.parse().unwrap();
            assert_eq!((url.host().as_str(), url.port(), url.path()), (host, port, path), "{text}");
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("http://login.example/", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https://a b.example/", UrlError::Character),
            ("https://login.example/\r\nX: y", UrlError::Character),
            ("https://m\u{fc}nchen.example/", UrlError::Character),
            ("https://me:secret@login.example/", UrlError::User),
            ("https://login.example/#a", UrlError::Fragment),
            ("https://login.example:0/", UrlError::Port),
            ("https://login.example:99999/", UrlError::Port),
            ("https://login.example:/", UrlError::Port),
        ] {
            assert_eq!(text.parse::<HttpsUrl>(), Err(error), "{text}");
        }
        let long = format!("https://login.example/{}", "x".repeat(BYTES_MAX));
        assert_eq!(long.parse::<HttpsUrl>(), Err(UrlError::TooLong));
    }

    #[test]
    fn parts_of_a_path_cannot_leave_their_place() {
        let base: HttpsUrl = "https://graph.example/v1.0/".parse().unwrap();
        let below = base.below(&["users", "o'hara/../x?y@contoso.example", "sendMail"]);
        assert_eq!(
            below.to_string(),
            "https://graph.example/v1.0/users/o%27hara%2F..%2Fx%3Fy%40contoso.example/sendMail"
        );
    }
}
