//! Patterns of domains: one domain, everything below one, or all. They say which way mail takes and what remote domains
//! are told.
//!
//! The most specific pattern wins: the domain itself, then the longest `*.parent`, then `*`. `*.parent` is every domain
//! below the parent, at any depth, and not the parent itself.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{AddressError, Domain};

/// A set of domains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DomainPattern {
    /// Every domain, and every address literal.
    All,
    /// Every domain below this one, a name in A-labels.
    Below(Box<str>),
    /// This domain only.
    One(Domain),
}

impl DomainPattern {
    /// Every pattern that covers `domain`, the most specific first.
    pub fn covering(domain: &Domain) -> impl Iterator<Item = Self> {
        let name = domain.name().unwrap_or_default();
        let below = name.match_indices('.').filter_map(move |(dot, _)| name.get(dot + 1..));
        core::iter::once(Self::One(domain.clone()))
            .chain(below.map(|parent| Self::Below(parent.into())))
            .chain(core::iter::once(Self::All))
    }
}

impl FromStr for DomainPattern {
    type Err = AddressError;

    /// Reads `fabrikam.example`, `*.fabrikam.example` or `*`, in any case and with U-labels, too.
    ///
    /// # Errors
    /// `Domain` or `DomainTooLong`, when what remains without the asterisk is no domain.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix("*.") {
            None if text == "*" => Ok(Self::All),
            None => Domain::parse(text).map(Self::One),
            Some(parent) => match Domain::parse(parent)? {
                Domain::Name(parent) => Ok(Self::Below((&*parent).into())),
                Domain::Literal(_) => Err(AddressError::Domain),
            },
        }
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("*"),
            Self::Below(parent) => write!(formatter, "*.{parent}"),
            Self::One(domain) => write!(formatter, "{domain}"),
        }
    }
}

impl From<DomainPattern> for String {
    fn from(pattern: DomainPattern) -> Self {
        pattern.to_string()
    }
}

impl TryFrom<String> for DomainPattern {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "*.", "*.*", "*.[192.0.2.1]", "a.*", "*fabrikam.example", "**", "a b", "alice@contoso.example"]
        {
            assert!(text.parse::<DomainPattern>().is_err(), "{text}");
        }
        assert_eq!("*.B\u{fc}cher.example".parse::<DomainPattern>().unwrap().to_string(), "*.xn--bcher-kva.example");
    }

    #[test]
    fn patterns_cover_a_domain_from_the_most_specific_on() {
        let covering = |domain: &str| -> Vec<String> {
            DomainPattern::covering(&Domain::parse(domain).unwrap()).map(|pattern| pattern.to_string()).collect()
        };
        assert_eq!(covering("B.a.Example"), ["b.a.example", "*.a.example", "*.example", "*"]);
        assert_eq!(covering("example"), ["example", "*"]);
        assert_eq!(covering("[192.0.2.1]"), ["[192.0.2.1]", "*"]);
    }
}
