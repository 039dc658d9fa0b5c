//! Which way mail takes, where the operator has named ways: a table of patterns over sender and recipient's domain.
//!
//! The most specific pattern wins, and the sender decides before the domain: the ways for the sender's address are
//! looked at first, then those for its domain, then those for everybody; among them the recipient's domain decides.
//! Total: every sender and domain have one answer or none.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use crate::model::mail::{Address, AddressError, AddressKey, Domain, DomainPattern};

/// Whose mail a way is for, by the reverse-path with which the copy leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SenderPattern {
    /// Everybody's, reports of this server's own included.
    Anyone,
    /// That of senders in these domains.
    Domain(DomainPattern),
    /// That of one sender.
    Address(AddressKey),
}

impl FromStr for SenderPattern {
    type Err = AddressError;

    /// `scanner@contoso.example`, or a domain pattern.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains('@') {
            return Ok(Self::Address(Address::parse(text)?.key()));
        }
        text.parse().map(Self::Domain)
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => formatter.write_str("*"),
            Self::Domain(senders) => write!(formatter, "{senders}"),
            Self::Address(sender) => formatter.write_str(sender.as_str()),
        }
    }
}

/// Which mail a way is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutePattern {
    /// Whose.
    pub sender: SenderPattern,
    /// To which domains.
    pub domain: DomainPattern,
}

impl From<DomainPattern> for RoutePattern {
    fn from(domain: DomainPattern) -> Self {
        Self { sender: SenderPattern::Anyone, domain }
    }
}

impl fmt::Display for RoutePattern {
    /// `fabrikam.example`, or `* from scanner@contoso.example`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = &self.domain;
        match &self.sender {
            SenderPattern::Anyone => write!(formatter, "{domain}"),
            sender @ (SenderPattern::Domain(_) | SenderPattern::Address(_)) => {
                write!(formatter, "{domain} from {sender}")
            }
        }
    }
}

/// Patterns with the way of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable<Way> {
    ways: BTreeMap<RoutePattern, Way>,
}

impl<Way> Default for RouteTable<Way> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Way> RouteTable<Way> {
    /// A table without a way: every domain goes by its mail exchangers.
    pub const fn new() -> Self {
        Self { ways: BTreeMap::new() }
    }

    /// Adds a way for everybody's mail; gives back the one that had the same pattern, which it replaces.
    pub fn insert(&mut self, pattern: DomainPattern, way: Way) -> Option<Way> {
        self.insert_for(pattern.into(), way)
    }

    /// The same for mail of certain senders.
    pub fn insert_for(&mut self, pattern: RoutePattern, way: Way) -> Option<Way> {
        self.ways.insert(pattern, way)
    }

    /// Whether a way has this very pattern.
    pub fn contains(&self, pattern: &RoutePattern) -> bool {
        self.ways.contains_key(pattern)
    }

    /// The way of a sender's mail to a domain, with the pattern that says so. The null reverse-path is nobody's, so
    /// only the ways for everybody are its.
    pub fn find(&self, sender: Option<&Address>, domain: &Domain) -> Option<(&RoutePattern, &Way)> {
        let own = sender.into_iter().map(|sender| SenderPattern::Address(sender.key()));
        let domains = sender.into_iter().flat_map(|sender| DomainPattern::covering(sender.domain()));
        let senders = own.chain(domains.map(SenderPattern::Domain)).chain([SenderPattern::Anyone]);
        senders.into_iter().find_map(|sender| {
            let of = |domain| RoutePattern { sender: sender.clone(), domain };
            DomainPattern::covering(domain).find_map(|domain| self.ways.get_key_value(&of(domain)))
        })
    }

    /// The patterns with their ways, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&RoutePattern, &Way)> {
        self.ways.iter()
    }

    /// The same patterns with what `of` makes of their ways.
    pub fn map<Other>(&self, of: impl Fn(&Way) -> Other) -> RouteTable<Other> {
        RouteTable { ways: self.ways.iter().map(|(pattern, way)| (pattern.clone(), of(way))).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> RouteTable<String> {
        let mut table = RouteTable::new();
        for pattern in patterns {
            table.insert(pattern.parse().unwrap(), (*pattern).to_owned());
        }
        table
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let all = ["*", "*.example", "*.fabrikam.example", "fabrikam.example", "*.a.fabrikam.example", "[192.0.2.1]"];
        let table = table(&all);
        for (domain, pattern) in [
            ("fabrikam.example", "fabrikam.example"),
            ("FABRIKAM.example", "fabrikam.example"),
            ("a.fabrikam.example", "*.fabrikam.example"),
            ("b.a.fabrikam.example", "*.a.fabrikam.example"),
            ("d.c.b.a.fabrikam.example", "*.a.fabrikam.example"),
            ("notfabrikam.example", "*.example"),
            ("example", "*"),
            ("contoso.test", "*"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[192.0.2.2]", "*"),
        ] {
            let (found, way) = table.find(None, &Domain::parse(domain).unwrap()).unwrap();
            assert_eq!((found.to_string().as_str(), way.as_str()), (pattern, pattern), "{domain}");
        }
    }

    #[test]
    fn a_domain_that_no_pattern_covers_has_no_way() {
        let table = table(&["*.fabrikam.example", "contoso.example"]);
        for domain in ["fabrikam.example", "mail.contoso.example", "example", "[192.0.2.1]"] {
            assert_eq!(table.find(None, &Domain::parse(domain).unwrap()), None, "{domain}");
        }
    }

    #[test]
    fn the_sender_decides_before_the_domain() {
        let mut table = table(&["*", "fabrikam.example"]);
        for (sender, domain) in [
            ("scanner@contoso.example", "*"),
            ("scanner@contoso.example", "bank.example"),
            ("contoso.example", "fabrikam.example"),
            ("*.contoso.example", "*"),
        ] {
            let pattern = RoutePattern { sender: sender.parse().unwrap(), domain: domain.parse().unwrap() };
            table.insert_for(pattern.clone(), pattern.to_string());
        }
        for (sender, domain, found) in [
            (Some("Scanner@CONTOSO.example"), "fabrikam.example", "* from scanner@contoso.example"),
            (Some("scanner@contoso.example"), "bank.example", "bank.example from scanner@contoso.example"),
            (Some("alice@contoso.example"), "fabrikam.example", "fabrikam.example from contoso.example"),
            (Some("alice@contoso.example"), "bank.example", "*"),
            (Some("bob@a.contoso.example"), "fabrikam.example", "* from *.contoso.example"),
            (Some("eve@adatum.example"), "fabrikam.example", "fabrikam.example"),
            (None, "fabrikam.example", "fabrikam.example"),
            (None, "bank.example", "*"),
        ] {
            let sender = sender.map(|sender| Address::parse(sender).unwrap());
            let (pattern, way) = table.find(sender.as_ref(), &Domain::parse(domain).unwrap()).unwrap();
            assert_eq!((pattern.to_string().as_str(), way.as_str()), (found, found), "{sender:?} to {domain}");
        }
    }
}
