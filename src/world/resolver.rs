//! Names to hosts and addresses: what delivery asks the DNS, behind a trait that tests answer from a table.
//!
//! An answer keeps apart what delivery must keep apart: a domain that wants no mail (null MX), one that does not exist,
//! one without MX records (whose own address then takes the mail), and a failure that may be gone in a minute. Answers
//! come from strangers: host names are checked here and the number of records is bounded.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// More mail exchangers than this are not looked at; real domains have fewer than ten.
pub const EXCHANGERS_MAX: usize = 64;
/// More addresses of one host than this are not looked at.
pub const ADDRESSES_MAX: usize = 32;

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

/// Answers the two questions of mail delivery.
pub trait Resolver: Send + Sync {
    /// The mail exchangers of `domain`, a name in A-labels without a final dot. Fails only for passing reasons.
    fn mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, MxAnswer>;

    /// The IPv4 and IPv6 addresses of `host`, a name in A-labels without a final dot; empty when it has none or does
    /// not exist. Fails only for passing reasons.
    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>>;
}

/// Why no resolver can be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the name servers of this system: {0}; check /etc/resolv.conf or set `name_servers`")]
pub struct ResolverSetupError(String);

/// Asks name servers over UDP and TCP, with the cache of the DNS library. `/etc/hosts` is looked at first.
pub struct SystemResolver {
    inner: TokioResolver,
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
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = timeout;
        options.attempts = 2;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Self { inner: builder.build().map_err(setup_error)? })
    }

    /// The records of `name`; `Ok(Err(_))` when there are none.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Result<Vec<Record>, Absence>, LookupError> {
        let Ok(mut asked) = Name::from_ascii(name) else {
            // Too long or with an empty label: no server can know it.
            return Ok(Err(Absence::Name));
        };
        asked.set_fqdn(true);
        match self.inner.lookup(asked, kind).await {
            Ok(lookup) => Ok(Ok(lookup.answers().to_vec())),
            Err(error) if error.is_nx_domain() => Ok(Err(Absence::Name)),
            Err(error) if error.is_no_records_found() => Ok(Err(Absence::Records)),
            Err(error) => Err(LookupError { name: name.to_owned(), reason: error.to_string() }),
        }
    }
}

/// Why a question has no records for an answer.
#[derive(Clone, Copy)]
enum Absence {
    Name,
    Records,
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

/// Answers from a table, for tests, simulations and sites without DNS.
///
/// A domain with only addresses has no MX record; a domain that is nowhere in the table does not exist.
#[derive(Clone, Debug, Default)]
pub struct FixedResolver {
    mx: HashMap<String, Result<MxAnswer, String>>,
    addresses: HashMap<String, Result<Vec<IpAddr>, String>>,
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
        self.mx.insert(key(name), Err(reason.to_owned()));
        self.addresses.insert(key(name), Err(reason.to_owned()));
        self
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
        let answer = self.addresses.get(&name).cloned().unwrap_or_else(|| Ok(Vec::new()));
        Box::pin(async move { answer.map_err(|reason| LookupError { name, reason }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, MX};
    use tokio::net::UdpSocket;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// A name server with four domains, on loopback, until the test ends.
    async fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let reply = answer(&question);
                socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
            }
        });
        address
    }

    fn answer(question: &Message) -> Message {
        let query = question.queries[0].clone();
        let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
        let name = query.name().clone();
        let mx = |preference, host: &str| {
            Record::from_rdata(name.clone(), 60, RData::MX(MX::new(preference, Name::from_ascii(host).unwrap())))
        };
        match (name.to_ascii().to_ascii_lowercase().as_str(), query.query_type()) {
            ("fabrikam.example.", RecordType::MX) => {
                reply.add_answers([mx(20, "B.fabrikam.example."), mx(10, "a.fabrikam.example."), mx(0, ".")]);
            }
            ("quiet.example.", RecordType::MX) => {
                reply.add_answers([mx(0, ".")]);
            }
            ("a.fabrikam.example.", RecordType::A) => {
                reply.add_answers([Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, 7)))]);
            }
            ("a.fabrikam.example." | "broken.example.", _) => {
                reply.metadata.response_code = ResponseCode::ServFail;
            }
            ("plain.example.", _) => {}
            _ => reply.metadata.response_code = ResponseCode::NXDomain,
        }
        reply.add_query(query);
        reply
    }

    #[tokio::test]
    async fn answers_of_a_name_server_are_told_apart() {
        let resolver = SystemResolver::open(&[name_server().await], Duration::from_secs(2)).unwrap();
        let MxAnswer::Exchangers(hosts) = resolver.mx("fabrikam.example").await.unwrap() else { panic!() };
        assert_eq!(hosts, [(10, "a.fabrikam.example".to_owned()), (20, "b.fabrikam.example".to_owned())]);
        assert_eq!(resolver.mx("quiet.example").await, Ok(MxAnswer::NullMx));
        assert_eq!(resolver.mx("plain.example").await, Ok(MxAnswer::None));
        assert_eq!(resolver.mx("nowhere.example").await, Ok(MxAnswer::NoSuchDomain));
        assert!(resolver.mx("broken.example").await.is_err());
        assert_eq!(resolver.mx(&"x.".repeat(200)).await, Ok(MxAnswer::NoSuchDomain));
    }

    #[tokio::test]
    async fn one_address_family_is_enough() {
        let resolver = SystemResolver::open(&[name_server().await], Duration::from_secs(2)).unwrap();
        assert_eq!(resolver.addresses("a.fabrikam.example").await, Ok(vec![ADDRESS]));
        assert_eq!(resolver.addresses("plain.example").await, Ok(vec![]));
        assert!(resolver.addresses("broken.example").await.is_err());
    }

    #[tokio::test]
    async fn a_fixed_table_answers_like_the_dns() {
        let table = FixedResolver::new()
            .with_exchanger("Fabrikam.example", 10, "mx.fabrikam.example.")
            .with_addresses("mx.fabrikam.example", [ADDRESS])
            .with_mx("quiet.example", MxAnswer::NullMx)
            .with_failure("broken.example", "timed out");
        let hosts = vec![(10, "mx.fabrikam.example".to_owned())];
        assert_eq!(table.mx("fabrikam.example").await, Ok(MxAnswer::Exchangers(hosts)));
        assert_eq!(table.mx("mx.fabrikam.example").await, Ok(MxAnswer::None));
        assert_eq!(table.mx("nowhere.example").await, Ok(MxAnswer::NoSuchDomain));
        assert_eq!(table.addresses("MX.fabrikam.example").await, Ok(vec![ADDRESS]));
        assert!(table.mx("broken.example").await.is_err() && table.addresses("broken.example").await.is_err());
    }

    #[test]
    fn address_families_take_turns() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let found = alternate([vec![ip("192.0.2.1")], vec![ip("2001:db8::1"), ip("2001:db8::2")]]);
        assert_eq!(found, [ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")]);
        assert_eq!(alternate([vec![ADDRESS; 40], vec![]]).len(), ADDRESSES_MAX);
    }

    #[test]
    fn names_that_are_no_host_are_passed_over() {
        assert_eq!(host_text("MX.Fabrikam.example."), Some("mx.fabrikam.example".to_owned()));
        for name in [".", "", "a b.example.", "a\\000.example.", "a\r\n.example."] {
            assert_eq!(host_text(name), None, "{name:?}");
        }
    }
}
