//! Which way mail to a domain takes, where the operator has named ways: a table of patterns.
//!
//! The most specific pattern wins. Total: every domain has one answer or none.

use std::collections::BTreeMap;

use crate::model::mail::{Domain, DomainPattern};

/// Patterns with the way of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable<Way> {
    ways: BTreeMap<DomainPattern, Way>,
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

    /// Adds a way; gives back the one that had the same pattern, which it replaces.
    pub fn insert(&mut self, pattern: DomainPattern, way: Way) -> Option<Way> {
        self.ways.insert(pattern, way)
    }

    /// Whether a way has this very pattern.
    pub fn contains(&self, pattern: &DomainPattern) -> bool {
        self.ways.contains_key(pattern)
    }

    /// The way to a domain, with the pattern that says so.
    pub fn find(&self, domain: &Domain) -> Option<(&DomainPattern, &Way)> {
        DomainPattern::covering(domain).find_map(|pattern| self.ways.get_key_value(&pattern))
    }

    /// The patterns with their ways, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&DomainPattern, &Way)> {
        self.ways.iter()
    }

    /// The same patterns with what `of` makes of their ways.
    pub fn map<Other>(&self, of: impl Fn(&Way) -> Other) -> RouteTable<Other> {
        RouteTable { ways: self.ways.iter().map(|(pattern, way)| (pattern.clone(), of(way))).collect() }
    }

    /// The same where making a way can fail.
    ///
    /// # Errors
    /// The first that `of` gives.
    pub fn try_map<Other, Error>(&self, of: impl Fn(&Way) -> Result<Other, Error>) -> Result<RouteTable<Other>, Error> {
        let ways = self.ways.iter().map(|(pattern, way)| Ok((pattern.clone(), of(way)?)));
        Ok(RouteTable { ways: ways.collect::<Result<_, Error>>()? })
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
            let (found, way) = table.find(&Domain::parse(domain).unwrap()).unwrap();
            assert_eq!((found.to_string().as_str(), way.as_str()), (pattern, pattern), "{domain}");
        }
    }

    #[test]
    fn a_domain_that_no_pattern_covers_has_no_way() {
        let table = table(&["*.fabrikam.example", "contoso.example"]);
        for domain in ["fabrikam.example", "mail.contoso.example", "example", "[192.0.2.1]"] {
            assert_eq!(table.find(&Domain::parse(domain).unwrap()), None, "{domain}");
        }
    }
}
