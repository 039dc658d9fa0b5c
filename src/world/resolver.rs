//! Names to hosts and addresses: what delivery asks the DNS, behind a trait that tests answer from a table.
//!
//! An answer keeps apart what delivery must keep apart: a domain that wants no mail (null MX), one that does not exist,
//! one without MX records (whose own address then takes the mail), and a failure that may be gone in a minute. Answers
//! come from strangers: host names are checked here and the number of records is bounded. An answer counts as
//! authenticated only when it comes from a name server whose word the operator takes for that.

mod fixed;
#[cfg(test)]
mod tests;
mod validating;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

pub use self::fixed::FixedResolver;
use self::validating::ValidatingServers;
use crate::model::transport_security::Tlsa;

/// More mail exchangers than this are not looked at; real domains have fewer than ten.
pub const EXCHANGERS_MAX: usize = 64;
/// More addresses of one host than this are not looked at.
pub const ADDRESSES_MAX: usize = 32;
/// More TXT records of one name than this are not looked at.
pub const TEXTS_MAX: usize = 64;

/// What the DNS says about the mail exchangers of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MxAnswer {
    /// Preference and host name (lower case, without a final dot), at least one. Equal preferences are the caller's
    /// to shuffle.
    Exchangers(Vec<(u16, String)>),
    /// A single record that points at the root: the domain takes no mail (RFC 7505).
    NullMx,
    /// The domain exists and has no MX record: its own addresses take its mail (RFC 5321 section 5.1).
    None,
    /// There is no such domain.
    NoSuchDomain,
}

/// An answer, and whether DNSSEC vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was answered.
    pub value: T,
    /// Whether a name server that is trusted in this has authenticated all of it, aliases included.
    pub authenticated: bool,
}

impl<T> Answer<T> {
    const fn unauthenticated(value: T) -> Self {
        Self { value, authenticated: false }
    }
}

/// Where a host is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAddresses {
    /// Its addresses; empty when it has none or does not exist.
    pub addresses: Vec<IpAddr>,
    /// The name at the end of its aliases, where it has some and they are known.
    pub canonical: Option<String>,
}

/// The name servers gave no answer that can be relied on; ask again later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name servers did not answer for {name}: {reason}")]
pub struct LookupError {
    /// The name that was asked for.
    pub name: String,
    /// What went wrong, for the log.
    pub reason: String,
}

/// A lookup in progress. Boxed, so that a resolver can be chosen at run time.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = Result<T, LookupError>> + Send + 'a>>;

/// Answers the questions of mail delivery. A resolver that answers the first two only authenticates nothing.
pub trait Resolver: Send + Sync {
    /// The mail exchangers of `domain`, a name in A-labels without a final dot. Fails only for passing reasons.
    fn mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, MxAnswer>;

    /// The IPv4 and IPv6 addresses of `host`, a name in A-labels without a final dot; empty when it has none or does
    /// not exist. Fails only for passing reasons.
    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>>;

    /// As [`Self::mx`], with the DNS's own proof where there is one.
    fn authenticated_mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, Answer<MxAnswer>> {
        Box::pin(async move { Ok(Answer::unauthenticated(self.mx(domain).await?)) })
    }

    /// As [`Self::addresses`], with the DNS's own proof where there is one.
    fn authenticated_addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Answer<HostAddresses>> {
        Box::pin(async move {
            let addresses = self.addresses(host).await?;
            Ok(Answer::unauthenticated(HostAddresses { addresses, canonical: None }))
        })
    }

    /// The TLSA records at `name`, for example `_25._tcp.mx.fabrikam.example`; none when it has none. Fails for passing
    /// reasons, and when the records are forged.
    fn tlsa<'a>(&'a self, _name: &'a str) -> Lookup<'a, Answer<Vec<Tlsa>>> {
        Box::pin(async { Ok(Answer::unauthenticated(Vec::new())) })
    }

    /// The TXT records at `name`, the strings of each joined; none when it has none. Fails only for passing reasons.
    fn texts<'a>(&'a self, _name: &'a str) -> Lookup<'a, Vec<Vec<u8>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Why no resolver can be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the name servers of this system: {0}; check /etc/resolv.conf or set `name_servers`")]
pub struct ResolverSetupError(String);

/// Asks name servers over UDP and TCP, with the cache of the DNS library. `/etc/hosts` is looked at first.
pub struct SystemResolver {
    inner: TokioResolver,
    /// Who is believed to have validated; nobody unless the operator says so.
    validating: Option<ValidatingServers>,
}

impl SystemResolver {
    /// Asks the servers of `/etc/resolv.conf`, or `name_servers` (address and port) when there are any, waiting
    /// `timeout` for each and trying twice. Search lists of `/etc/resolv.conf` are not used.
    ///
    /// # Errors
    /// [`ResolverSetupError`] when `/etc/resolv.conf` is needed and cannot be read or names no server.
    pub fn open(name_servers: &[SocketAddr], timeout: Duration) -> Result<Self, ResolverSetupError> {
        let mut builder = if name_servers.is_empty() {
            TokioResolver::builder_tokio().map_err(setup_error)?
        } else {
            let servers = name_servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        adjust(builder.options_mut(), timeout);
        Ok(Self { inner: builder.build().map_err(setup_error)?, validating: None })
    }

    /// As [`Self::open`], and believes `name_servers` when they say that they have validated an answer (the AD bit, RFC
    /// 6840 section 5.8). Only for servers that do validate and that nobody can speak for: on this machine, or beyond a
    /// wire that the operator trusts. Mail exchangers are asked for without `/etc/hosts` and without a cache of our
    /// own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn trusting(name_servers: &[SocketAddr], timeout: Duration) -> Result<Self, ResolverSetupError> {
        let validating = ValidatingServers::new(name_servers, timeout).map_err(setup_error)?;
        Ok(Self { validating: Some(validating), ..Self::open(name_servers, timeout)? })
    }

    /// Whether the servers of [`Self::trusting`] say that they have validated the root zone; `false` without such
    /// servers.
    ///
    /// # Errors
    /// [`LookupError`], when none answers.
    pub async fn validates(&self) -> Result<bool, LookupError> {
        match &self.validating {
            Some(servers) => servers.validate().await,
            None => Ok(false),
        }
    }

    /// The records of `name`; `Ok(Err(_))` when there are none.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Result<Vec<Record>, Absence>, LookupError> {
        let Some(asked) = full_name(name) else { return Ok(Err(Absence::Name)) };
        found(name, self.inner.lookup(asked, kind).await.map(|lookup| lookup.answers().to_vec()))
    }
}

fn adjust(options: &mut ResolverOpts, timeout: Duration) {
    options.timeout = timeout;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

/// `None` for what is too long or has an empty label: no server can know it.
fn full_name(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Why a question has no records for an answer.
#[derive(Clone, Copy)]
enum Absence {
    Name,
    Records,
}

/// Tells absence from failure.
fn found<T>(name: &str, answer: Result<T, NetError>) -> Result<Result<T, Absence>, LookupError> {
    match answer {
        Ok(records) => Ok(Ok(records)),
        Err(error) if error.is_nx_domain() => Ok(Err(Absence::Name)),
        Err(error) if error.is_no_records_found() => Ok(Err(Absence::Records)),
        Err(error) => Err(LookupError { name: name.to_owned(), reason: error.to_string() }),
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .map(|mut connection| {
            connection.port = address.port();
            connection
        })
        .to_vec();
    NameServerConfig::new(address.ip(), true, connections)
}

fn setup_error(error: NetError) -> ResolverSetupError {
    ResolverSetupError(error.to_string())
}

impl Resolver for SystemResolver {
    fn mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, MxAnswer> {
        Box::pin(async move {
            Ok(match self.records(domain, RecordType::MX).await? {
                Ok(records) => mx_answer(&records),
                Err(Absence::Records) => MxAnswer::None,
                Err(Absence::Name) => MxAnswer::NoSuchDomain,
            })
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let (v4, v6) = tokio::join!(self.records(host, RecordType::A), self.records(host, RecordType::AAAA));
            let (mut families, mut failure) = ([Vec::new(), Vec::new()], None);
            for (family, outcome) in families.iter_mut().zip([v4, v6]) {
                match outcome {
                    Ok(Ok(records)) => family.extend(records.iter().filter_map(|record| record.data.ip_addr())),
                    Ok(Err(_)) => {}
                    Err(error) => failure = Some(error),
                }
            }
            let found = alternate(families);
            // Some name servers answer for A only and fail for AAAA: one family is enough to deliver.
            match failure {
                Some(error) if found.is_empty() => Err(error),
                _ => Ok(found),
            }
        })
    }

    fn authenticated_mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, Answer<MxAnswer>> {
        Box::pin(async move {
            match &self.validating {
                Some(servers) => servers.mx(domain).await,
                None => Ok(Answer::unauthenticated(self.mx(domain).await?)),
            }
        })
    }

    fn authenticated_addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Answer<HostAddresses>> {
        Box::pin(async move {
            match &self.validating {
                Some(servers) => servers.addresses(host).await,
                None => {
                    let addresses = self.addresses(host).await?;
                    Ok(Answer::unauthenticated(HostAddresses { addresses, canonical: None }))
                }
            }
        })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Lookup<'a, Answer<Vec<Tlsa>>> {
        Box::pin(async move {
            match &self.validating {
                Some(servers) => servers.tlsa(name).await,
                None => Ok(Answer::unauthenticated(Vec::new())),
            }
        })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Lookup<'a, Vec<Vec<u8>>> {
        Box::pin(async move {
            let records = self.records(name, RecordType::TXT).await?.unwrap_or_default();
            let texts = records.iter().filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
            Ok(texts.take(TEXTS_MAX).collect())
        })
    }
}

/// One address of each family in turn, IPv4 first: whichever family does not work here, the second address tried does.
fn alternate([v4, v6]: [Vec<IpAddr>; 2]) -> Vec<IpAddr> {
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let mut found = Vec::new();
    while let (one, other @ Some(_)) | (one @ Some(_), other) = (v4.next(), v6.next()) {
        found.extend(one.into_iter().chain(other));
    }
    found.truncate(ADDRESSES_MAX);
    found
}

fn mx_answer(records: &[Record]) -> MxAnswer {
    let exchangers: Vec<(u16, &Name)> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::MX(mx) => Some((mx.preference, &mx.exchange)),
            _ => None,
        })
        .collect();
    if exchangers.is_empty() {
        return MxAnswer::None;
    }
    let mut hosts: Vec<(u16, String)> =
        exchangers.iter().filter_map(|&(preference, name)| Some((preference, host_text(&name.to_ascii())?))).collect();
    hosts.sort();
    hosts.truncate(EXCHANGERS_MAX);
    // RFC 7505 section 3: a null MX stands alone. Beside others it is a mistake and is passed over. Records that all
    // point at unusable names leave the domain as unreachable by mail as a null MX does.
    if hosts.is_empty() { MxAnswer::NullMx } else { MxAnswer::Exchangers(hosts) }
}

/// The host name of an MX record; `None` for the root and for names that are no host (escaped octets, blanks).
fn host_text(name: &str) -> Option<String> {
    let text = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    // Underscores are no host name by the letter, yet they are found in use.
    let is_host = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (is_host && !text.is_empty() && text.len() <= 253).then_some(text)
}
