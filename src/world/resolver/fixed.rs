//! A table in the place of the DNS.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Answer, HostAddresses, Lookup, LookupError, MxAnswer, Resolver};
use crate::model::transport_security::Tlsa;

/// Answers from a table, for tests, simulations and sites without DNS.
///
/// A domain with only addresses has no MX record; a domain that is nowhere in the table does not exist.
#[derive(Clone, Debug, Default)]
pub struct FixedResolver {
    mx: HashMap<String, Result<MxAnswer, String>>,
    addresses: HashMap<String, Result<Vec<IpAddr>, String>>,
    aliases: HashMap<String, String>,
    texts: HashMap<String, Result<Vec<Vec<u8>>, String>>,
    tlsa: HashMap<String, Result<Vec<Tlsa>, String>>,
    /// The zones that are signed.
    signed: Vec<String>,
    /// The zones below them that are not.
    unsigned: Vec<String>,
}

impl FixedResolver {
    /// An empty table: no domain exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one mail exchanger to `domain`.
    #[must_use]
    pub fn with_exchanger(mut self, domain: &str, preference: u16, host: &str) -> Self {
        let entry = self.mx.entry(key(domain)).or_insert_with(|| Ok(MxAnswer::None));
        match entry {
            Ok(MxAnswer::Exchangers(hosts)) => hosts.push((preference, key(host))),
            other => *other = Ok(MxAnswer::Exchangers(vec![(preference, key(host))])),
        }
        self
    }

    /// Makes `answer` the answer for `domain`.
    #[must_use]
    pub fn with_mx(mut self, domain: &str, answer: MxAnswer) -> Self {
        self.mx.insert(key(domain), Ok(answer));
        self
    }

    /// Gives `host` these addresses.
    #[must_use]
    pub fn with_addresses(mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.addresses.insert(key(host), Ok(addresses.into_iter().collect()));
        self
    }

    /// Makes every question about `name` fail for a passing reason.
    #[must_use]
    pub fn with_failure(mut self, name: &str, reason: &str) -> Self {
        let name = key(name);
        self.mx.insert(name.clone(), Err(reason.to_owned()));
        self.addresses.insert(name.clone(), Err(reason.to_owned()));
        self.texts.insert(name.clone(), Err(reason.to_owned()));
        self.tlsa.insert(name, Err(reason.to_owned()));
        self
    }

    /// Makes `alias` another name of `host`.
    #[must_use]
    pub fn with_alias(mut self, alias: &str, host: &str) -> Self {
        self.aliases.insert(key(alias), key(host));
        self
    }

    /// Adds a TXT record to `name`.
    #[must_use]
    pub fn with_text(mut self, name: &str, text: &str) -> Self {
        if let Ok(texts) = self.texts.entry(key(name)).or_insert_with(|| Ok(Vec::new())) {
            texts.push(text.as_bytes().to_vec());
        }
        self
    }

    /// Adds a TLSA record to `name`.
    #[must_use]
    pub fn with_tlsa(mut self, name: &str, record: Tlsa) -> Self {
        if let Ok(records) = self.tlsa.entry(key(name)).or_insert_with(|| Ok(Vec::new())) {
            records.push(record);
        }
        self
    }

    /// Signs `zone`: every answer about it and the names below counts as authenticated.
    #[must_use]
    pub fn with_signed(mut self, zone: &str) -> Self {
        self.signed.push(key(zone));
        self
    }

    /// Takes `zone` out of what is signed.
    #[must_use]
    pub fn with_unsigned(mut self, zone: &str) -> Self {
        self.unsigned.push(key(zone));
        self
    }

    fn is_signed(&self, name: &str) -> bool {
        let within =
            |zone: &String| name.strip_suffix(zone.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.signed.iter().any(within) && !self.unsigned.iter().any(within)
    }
}

fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Resolver for FixedResolver {
    fn mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, MxAnswer> {
        let name = key(domain);
        let answer = match self.mx.get(&name) {
            Some(answer) => answer.clone(),
            None if self.addresses.contains_key(&name) => Ok(MxAnswer::None),
            None => Ok(MxAnswer::NoSuchDomain),
        };
        Box::pin(async move { answer.map_err(|reason| LookupError { name, reason }) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>> {
        let name = key(host);
        let target = self.aliases.get(&name).unwrap_or(&name);
        let answer = self.addresses.get(target).cloned().unwrap_or_else(|| Ok(Vec::new()));
        Box::pin(async move { answer.map_err(|reason| LookupError { name, reason }) })
    }

    fn authenticated_mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, Answer<MxAnswer>> {
        let authenticated = self.is_signed(&key(domain));
        Box::pin(async move { Ok(Answer { value: self.mx(domain).await?, authenticated }) })
    }

    fn authenticated_addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Answer<HostAddresses>> {
        let canonical = self.aliases.get(&key(host)).cloned();
        let authenticated = self.is_signed(&key(host)) && canonical.as_ref().is_none_or(|name| self.is_signed(name));
        Box::pin(async move {
            let addresses = self.addresses(host).await?;
            Ok(Answer { value: HostAddresses { addresses, canonical }, authenticated })
        })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Lookup<'a, Answer<Vec<Tlsa>>> {
        let name = key(name);
        let authenticated = self.is_signed(&name);
        let answer = self.tlsa.get(&name).cloned().unwrap_or_else(|| Ok(Vec::new()));
        Box::pin(async move {
            let value = answer.map_err(|reason| LookupError { name, reason })?;
            Ok(Answer { value, authenticated })
        })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Lookup<'a, Vec<Vec<u8>>> {
        let name = key(name);
        let answer = self.texts.get(&name).cloned().unwrap_or_else(|| Ok(Vec::new()));
        Box::pin(async move { answer.map_err(|reason| LookupError { name, reason }) })
    }
}
