//! Which messages and recipients of the queue an administrator means.
//!
//! Everything that is given must hold. Sender, id and age choose messages; recipient, destination and state choose
//! among the recipients of those.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryFacts, QueueId};
use super::state::State;
use super::target::{Hop, Target};
use crate::model::mail::{Address, Domain, ReversePath, Timestamp};
use crate::model::policy::Route;
use crate::model::policy::restricted::Submitter;

/// An address, all addresses of a domain, or the null path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Party {
    /// One address, letter case aside; its key.
    Address(Box<str>),
    /// Every address of this domain, and of no subdomain.
    Domain(Domain),
    /// The null reverse-path.
    Null,
}

/// A text that names no party.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no address (ann@contoso.example), no domain (@contoso.example), and not <>")]
pub struct PartyError(String);

impl FromStr for Party {
    type Err = PartyError;

    fn from_str(text: &str) -> Result<Self, PartyError> {
        let refused = || PartyError(text.chars().take(100).collect());
        let bare = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
        if bare.is_empty() && text == "<>" {
            return Ok(Self::Null);
        }
        match bare.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).map(Self::Domain).map_err(|_| refused()),
            None => {
                Address::parse(bare).map(|address| Self::Address(address.key().as_str().into())).map_err(|_| refused())
            }
        }
    }
}

impl TryFrom<String> for Party {
    type Error = PartyError;

    fn try_from(text: String) -> Result<Self, PartyError> {
        text.parse()
    }
}

impl From<Party> for String {
    fn from(party: Party) -> Self {
        party.to_string()
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(key) => formatter.write_str(key),
            Self::Domain(domain) => write!(formatter, "@{domain}"),
            Self::Null => formatter.write_str("<>"),
        }
    }
}

impl Party {
    /// Whether `address` is meant.
    pub fn is_address(&self, address: &Address) -> bool {
        match self {
            Self::Address(key) => address.key().as_str() == &**key,
            Self::Domain(domain) => address.domain() == domain,
            Self::Null => false,
        }
    }

    /// Whether `path` is meant.
    pub fn is_reverse_path(&self, path: &ReversePath) -> bool {
        match path {
            ReversePath::Null => *self == Self::Null,
            ReversePath::Mailbox(address) => self.is_address(address),
        }
    }
}

/// The name of a destination as administrators write it: a domain, or a next host (`host` or `host:port`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DestinationName(Box<str>);

/// A text that names no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no domain and no host, such as fabrikam.example or mx.fabrikam.example:2525")]
pub struct DestinationNameError(String);

impl FromStr for DestinationName {
    type Err = DestinationNameError;

    fn from_str(text: &str) -> Result<Self, DestinationNameError> {
        let refused = || DestinationNameError(text.chars().take(100).collect());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => (host, Some(port)),
            Some((host, port)) if port.parse::<u16>().is_ok() && host.ends_with(']') => (host, Some(port)),
            Some(_) | None => (text, None),
        };
        let host = match Domain::parse(host) {
            Ok(domain) => domain.to_string(),
            // A next host may be a bare address.
            Err(_) => host.parse::<core::net::IpAddr>().map_err(|_| refused())?.to_string(),
        };
        let name = match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        Ok(Self(name.into()))
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl DestinationName {
    /// Whether copies on this hop go to the destination.
    pub fn is_of(&self, hop: &Hop) -> bool {
        match hop {
            Hop::Relay { route: Route::NextHost(host), .. } => self.is_host(host),
            Hop::Relay { address, route: Route::Domain } => self.is_domain(address.domain()),
            Hop::Mailbox(_) | Hop::Postmaster | Hop::SentItems(_) | Hop::Nowhere | Hop::Approval(_) => false,
        }
    }

    /// Whether it is this next host.
    pub fn is_host(&self, host: &str) -> bool {
        *self.0 == *host || host.parse::<Self>().is_ok_and(|parsed| parsed == *self)
    }

    /// Whether it is this domain.
    pub fn is_domain(&self, domain: &Domain) -> bool {
        match domain {
            Domain::Name(name) => *self.0 == **name,
            Domain::Literal(_) => *self.0 == *domain.to_string(),
        }
    }
}

/// What is meant. The default means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// One of these messages; any when empty.
    pub ids: Vec<QueueId>,
    /// Whose reverse-path is this.
    pub sender: Option<Party>,
    /// To this recipient, as given by the client or after expansion.
    pub recipient: Option<Party>,
    /// On the way to this destination.
    pub destination: Option<DestinationName>,
    /// Accepted at least this long ago, in seconds.
    pub older_than_seconds: Option<u64>,
    /// In this state.
    pub state: Option<State>,
    /// What of the mail of this account, or of a device of it, goes to other systems and has not ended; the whole
    /// message where it is not expanded yet.
    pub submitter: Option<Submitter>,
}

impl Selection {
    /// One message with all its recipients.
    pub fn of(id: QueueId) -> Self {
        Self { ids: vec![id], ..Self::default() }
    }

    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a message can be meant, by what is known before its recipients are looked at.
    pub fn admits(&self, facts: &EntryFacts, now: Timestamp) -> bool {
        let age = |seconds: u64| now.since(facts.accepted_at) >= Duration::from_secs(seconds);
        (self.ids.is_empty() || self.ids.contains(&facts.id))
            && self.sender.as_ref().is_none_or(|sender| sender.is_reverse_path(&facts.reverse_path))
            && self.older_than_seconds.is_none_or(age)
            && self.submitter.as_ref().is_none_or(|own| facts.submitter.as_ref() == Some(own))
    }

    /// Whether a recipient of such a message is meant.
    pub fn means(&self, target: &Target) -> bool {
        let addressee = &target.addressee;
        let given = |party: &Party| match &addressee.path {
            crate::model::mail::ForwardPath::Mailbox(address) => party.is_address(address),
            crate::model::mail::ForwardPath::Postmaster => false,
        };
        self.recipient.as_ref().is_none_or(|party| party.is_address(&addressee.address) || given(party))
            && self.destination.as_ref().is_none_or(|destination| destination.is_of(&addressee.hop))
            && self.state.is_none_or(|state| state == target.state)
            && (self.submitter.is_none() || (addressee.hop.leaves() && target.state.is_open()))
    }

    /// Whether only the message decides, so that one that is not expanded yet can be meant, too.
    pub const fn is_about_messages(&self) -> bool {
        self.recipient.is_none() && self.destination.is_none() && self.state.is_none() && self.submitter.is_none()
    }

    /// Whether a message that nobody has looked into yet may turn out to go where it is meant to.
    const fn may_yet(&self, entry: &Entry) -> bool {
        self.submitter.is_some() && !entry.is_expanded()
    }

    /// Whether a message or any of its recipients is meant.
    pub fn selects(&self, entry: &Entry, now: Timestamp) -> bool {
        self.admits(&entry.facts, now)
            && (self.is_about_messages()
                || self.may_yet(entry)
                || entry.targets().iter().any(|target| self.means(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_are_read_as_they_are_written() {
        let party = |text: &str| text.parse::<Party>().unwrap();
        let ann = Address::parse("Ann@Contoso.example").unwrap();
        for text in ["ann@contoso.example", "<ANN@contoso.EXAMPLE>", "@contoso.example"] {
            assert!(party(text).is_address(&ann), "{text}");
            assert_eq!(party(&party(text).to_string()), party(text));
        }
        assert!(!party("@example").is_address(&ann) && !party("bob@contoso.example").is_address(&ann));
        assert!(party("<>").is_reverse_path(&ReversePath::Null) && !party("<>").is_address(&ann));
        for text in ["", "@", "ann", "@a b", "a@b@c\u{7}", "<", "@@"] {
            assert!(text.parse::<Party>().is_err(), "{text}");
        }
    }

    #[test]
    fn destinations_are_domains_and_hosts_with_or_without_a_port() {
        let name = |text: &str| text.parse::<DestinationName>().unwrap();
        assert!(name("Fabrikam.Example").is_domain(&"fabrikam.example".parse().unwrap()));
        assert!(name("b\u{fc}cher.example").is_domain(&"xn--bcher-kva.example".parse().unwrap()));
        assert!(name("mx.fabrikam.example:2525").is_host("MX.fabrikam.example:2525"));
        assert!(!name("mx.fabrikam.example").is_host("mx.fabrikam.example:2525"));
        assert!(name("127.0.0.1:25").is_host("127.0.0.1:25"));
        assert!(name("2001:db8::1").is_host("2001:db8::1"));
        for text in ["", "a b", ":25", "x:y:z", "\u{7}"] {
            assert!(text.parse::<DestinationName>().is_err(), "{text:?}");
        }
    }
}
