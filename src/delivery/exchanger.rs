//! Which hosts to try for a message, and in which order (RFC 5321 section 5.1).
//!
//! It promises that no mail goes round in circles through our own host, that a domain which wants no mail gets none
//! (RFC 7505), and that a stranger's DNS cannot point us at this machine or its loopback interface.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use crate::model::mail::{Domain, EnhancedStatus};
use crate::model::smtp::client::{Credentials, Outcome, Trouble};
use crate::world::Random;
use crate::world::resolver::{MxAnswer, Resolver};

/// Addresses tried for one message in one attempt; a domain with more of them must be content with the first.
pub const CANDIDATES_MAX: usize = 8;
/// Exchangers whose addresses are looked up; a domain that lists more of them must not keep us asking for hours.
const HOSTS_MAX: usize = 16;

/// Where a message goes next.
#[derive(Clone, Debug)]
pub enum Route {
    /// To one host that the operator named, whatever the DNS says about the recipient's domain.
    SmartHost(SmartHost),
    /// To the mail exchangers of the domain, or straight to an address literal.
    Mx(Domain),
    /// The same, and only with a certificate for the exchanger's name; the operator wants that of this domain. Whoever
    /// can forge the DNS can name another exchanger: against that, name the host.
    VerifiedMx(Domain),
}

/// A host named by the operator.
#[derive(Clone, Debug)]
pub struct SmartHost {
    /// A host name or an IP address.
    pub host: String,
    /// Usually 587, 465 or 25.
    pub port: u16,
    /// How the connection is protected.
    pub security: HopSecurity,
    /// What to sign in with.
    pub credentials: Option<Credentials>,
}

/// How a connection to another host is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopSecurity {
    /// Clear text, chosen by the operator: within one machine or a trusted network.
    Plain,
    /// STARTTLS if it is offered, with any certificate; clear text otherwise. Passwords need TLS.
    Opportunistic,
    /// STARTTLS, and the certificate must be for the host's name and from a trusted authority.
    StartTls,
    /// TLS from the first byte, verified in the same way.
    ImplicitTls,
}

/// What the search for hosts must know of this server.
#[derive(Clone, Debug)]
pub struct ExchangerOptions {
    /// The names under which this server is known: its own name among a domain's exchangers means a loop.
    pub own_names: Vec<Domain>,
    /// Addresses at which this server takes mail, for exchangers that name it differently.
    pub own_addresses: Vec<IpAddr>,
    /// The port of mail exchangers: 25, but in tests and demonstrations.
    pub port: u16,
    /// Whether loopback addresses may be delivered to, as tests and demonstrations need.
    pub loopback_allowed: bool,
}

/// A host to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name for TLS, logs and reports; the address in text where it has none.
    pub host: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the connection must prove before mail goes there.
    pub security: HopSecurity,
}

/// The hosts to try for `route`, best first, at least one and at most [`CANDIDATES_MAX`].
///
/// # Errors
/// The outcome for every recipient of the route: `Failed` when the domain takes no mail (5.1.10), does not exist
/// (5.1.2), has no usable host (5.4.4) or leads back to us (5.4.6); `Deferred` when the DNS gave no answer (4.4.3).
pub async fn candidates(
    route: &Route,
    resolver: &dyn Resolver,
    random: &dyn Random,
    options: &ExchangerOptions,
) -> Result<Vec<Candidate>, Outcome> {
    match route {
        Route::SmartHost(smart_host) => smart_host_candidates(smart_host, resolver).await,
        Route::Mx(domain) => exchanger_candidates(domain, resolver, random, options).await,
        Route::VerifiedMx(domain) => {
            let mut found = exchanger_candidates(domain, resolver, random, options).await?;
            found.iter_mut().for_each(|candidate| candidate.security = HopSecurity::StartTls);
            Ok(found)
        }
    }
}

async fn exchanger_candidates(
    domain: &Domain,
    resolver: &dyn Resolver,
    random: &dyn Random,
    options: &ExchangerOptions,
) -> Result<Vec<Candidate>, Outcome> {
    match domain {
        Domain::Literal(address) => literal_candidate(*address, options),
        Domain::Name(domain) => {
            let hosts = exchangers(domain, resolver, random, options).await?;
            usable_addresses(domain, &hosts, resolver, options).await
        }
    }
}

/// The operator may name any host, also one on this machine. A name that is not found is the operator's slip and waits.
async fn smart_host_candidates(smart_host: &SmartHost, resolver: &dyn Resolver) -> Result<Vec<Candidate>, Outcome> {
    let SmartHost { host, port, .. } = smart_host;
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let addresses = match bare.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => {
            resolver.addresses(bare).await.map_err(|error| deferred(EnhancedStatus(4, 4, 3), error.to_string()))?
        }
    };
    if addresses.is_empty() {
        let text = format!("the smart host {host} has no address; check its name in the configuration");
        return Err(deferred(EnhancedStatus(4, 4, 4), text));
    }
    let candidate = |address| Candidate {
        host: bare.to_owned(),
        address: SocketAddr::new(address, *port),
        security: smart_host.security,
    };
    Ok(addresses.into_iter().take(CANDIDATES_MAX).map(candidate).collect())
}

fn literal_candidate(address: IpAddr, options: &ExchangerOptions) -> Result<Vec<Candidate>, Outcome> {
    match judge(address, options) {
        Fit::Usable => {
            let (host, address) = (address.to_string(), SocketAddr::new(address, options.port));
            Ok(vec![Candidate { host, address, security: HopSecurity::Opportunistic }])
        }
        Fit::Own => Err(failed(EnhancedStatus(5, 4, 6), format!("the address [{address}] is this server's own"))),
        Fit::Unusable => Err(failed(EnhancedStatus(5, 4, 4), format!("mail cannot be sent to [{address}]"))),
    }
}

/// Preference and name of the hosts to look up, best first.
async fn exchangers(
    domain: &str,
    resolver: &dyn Resolver,
    random: &dyn Random,
    options: &ExchangerOptions,
) -> Result<Vec<(u16, String)>, Outcome> {
    let answer = resolver.mx(domain).await;
    let mut hosts = match answer.map_err(|error| deferred(EnhancedStatus(4, 4, 3), error.to_string()))? {
        MxAnswer::Exchangers(hosts) => hosts,
        // The implicit MX: without MX records, a domain is its own host.
        MxAnswer::None => vec![(0, domain.to_owned())],
        MxAnswer::NullMx => {
            return Err(failed(EnhancedStatus(5, 1, 10), format!("the domain {domain} accepts no mail (null MX)")));
        }
        MxAnswer::NoSuchDomain => {
            return Err(failed(EnhancedStatus(5, 1, 2), format!("the domain {domain} does not exist")));
        }
    };
    // RFC 5321 section 5.1: equal preferences in random order, to spread the load. The sort keeps that order.
    shuffle(&mut hosts, random);
    hosts.sort_by_key(|(preference, _)| *preference);
    let own = hosts.iter().find(|(_, host)| is_own_name(host, options)).map(|(preference, _)| *preference);
    if let Some(own) = own {
        // Hosts not better than ourselves would only send it back to us.
        hosts.retain(|(preference, _)| *preference < own);
        if hosts.is_empty() {
            let text =
                format!("mail for {domain} leads back to this server; is it missing among the accepted domains?");
            return Err(failed(EnhancedStatus(5, 4, 6), text));
        }
    }
    hosts.truncate(HOSTS_MAX);
    Ok(hosts)
}

fn shuffle<T>(items: &mut [T], random: &dyn Random) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(last);
        items.swap(last, other);
    }
}

fn is_own_name(host: &str, options: &ExchangerOptions) -> bool {
    options.own_names.iter().filter_map(Domain::name).any(|own| own == host)
}

async fn usable_addresses(
    domain: &str,
    hosts: &[(u16, String)],
    resolver: &dyn Resolver,
    options: &ExchangerOptions,
) -> Result<Vec<Candidate>, Outcome> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let (mut passing, mut own) = (None, false);
    for (preference, host) in hosts {
        if found.len() >= CANDIDATES_MAX {
            break;
        }
        let addresses = match resolver.addresses(host).await {
            Ok(addresses) => addresses,
            Err(error) => {
                passing.get_or_insert(error);
                continue;
            }
        };
        own = addresses.iter().any(|&address| judge(address, options) == Fit::Own);
        if own {
            // As with our own name: only what is better than ourselves stays.
            found.retain(|(better, _)| better < preference);
            break;
        }
        for address in addresses {
            if judge(address, options) == Fit::Usable && seen.insert(address) {
                let (host, address) = (host.clone(), SocketAddr::new(address, options.port));
                let candidate = Candidate { host, address, security: HopSecurity::Opportunistic };
                found.push((*preference, candidate));
            }
        }
    }
    let found: Vec<Candidate> = found.into_iter().map(|(_, candidate)| candidate).take(CANDIDATES_MAX).collect();
    match (found.is_empty(), own, passing) {
        (false, ..) => Ok(found),
        (true, true, _) => {
            Err(failed(EnhancedStatus(5, 4, 6), format!("the mail exchanger of {domain} is this server itself")))
        }
        (true, false, Some(error)) => Err(deferred(EnhancedStatus(4, 4, 3), error.to_string())),
        (true, false, None) => {
            Err(failed(EnhancedStatus(5, 4, 4), format!("no mail exchanger of {domain} has a usable address")))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Usable,
    /// It is this server.
    Own,
    /// No mail server of anybody else can be there.
    Unusable,
}

fn judge(address: IpAddr, options: &ExchangerOptions) -> Fit {
    // ::ffff:127.0.0.1 is 127.0.0.1.
    let address = address.to_canonical();
    if options.own_addresses.contains(&address) {
        return Fit::Own;
    }
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Fit::Unusable;
    }
    if address.is_loopback() && !options.loopback_allowed { Fit::Unusable } else { Fit::Usable }
}

fn failed(status: EnhancedStatus, text: String) -> Outcome {
    Outcome::Failed(Trouble::local(status, None, text))
}

fn deferred(status: EnhancedStatus, text: String) -> Outcome {
    Outcome::Deferred(Trouble::local(status, None, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{FixedResolver, SeededRandom};

    fn options() -> ExchangerOptions {
        ExchangerOptions {
            own_names: vec![Domain::parse("mx.contoso.example").unwrap()],
            own_addresses: vec!["192.0.2.25".parse().unwrap()],
            port: 25,
            loopback_allowed: false,
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn world() -> FixedResolver {
        FixedResolver::new()
            .with_exchanger("fabrikam.example", 20, "backup.fabrikam.example")
            .with_exchanger("fabrikam.example", 10, "mx1.fabrikam.example")
            .with_exchanger("fabrikam.example", 10, "mx2.fabrikam.example")
            .with_addresses("mx1.fabrikam.example", [ip("2001:db8::1"), ip("192.0.2.1")])
            .with_addresses("mx2.fabrikam.example", [ip("192.0.2.2")])
            .with_addresses("backup.fabrikam.example", [ip("192.0.2.3")])
            .with_addresses("plain.example", [ip("192.0.2.4")])
            .with_mx("quiet.example", MxAnswer::NullMx)
            .with_failure("broken.example", "timed out")
            .with_exchanger("half.example", 10, "broken.example")
            .with_exchanger("half.example", 20, "mx2.fabrikam.example")
            .with_exchanger("dead.example", 10, "nowhere.example")
    }

    async fn find(resolver: FixedResolver, domain: &str, seed: u64) -> Result<Vec<String>, String> {
        let route = Route::Mx(Domain::parse(domain).unwrap());
        match candidates(&route, &resolver, &SeededRandom::new(seed), &options()).await {
            Ok(found) => Ok(found.iter().map(|candidate| candidate.address.to_string()).collect()),
            Err(Outcome::Failed(trouble) | Outcome::Deferred(trouble)) => Err(trouble.status.to_string()),
            Err(Outcome::Delivered { .. }) => panic!(),
        }
    }

    #[tokio::test]
    async fn better_exchangers_come_first_and_equal_ones_share_the_load() {
        let mut firsts = HashSet::new();
        for seed in 0..20 {
            let found = find(world(), "fabrikam.example", seed).await.unwrap();
            assert_eq!((found.len(), found[3].as_str()), (4, "192.0.2.3:25"));
            firsts.insert(found[0].clone());
        }
        assert_eq!(firsts, HashSet::from(["[2001:db8::1]:25".to_owned(), "192.0.2.2:25".to_owned()]));
    }

    #[tokio::test]
    async fn every_answer_of_the_dns_has_its_status() {
        assert_eq!(find(world(), "plain.example", 0).await, Ok(vec!["192.0.2.4:25".to_owned()]));
        for (domain, status) in [
            ("quiet.example", "5.1.10"),
            ("nowhere.example", "5.1.2"),
            ("broken.example", "4.4.3"),
            ("dead.example", "5.4.4"),
        ] {
            assert_eq!(find(world(), domain, 0).await, Err(status.to_owned()), "{domain}");
        }
        assert_eq!(find(world(), "half.example", 0).await, Ok(vec!["192.0.2.2:25".to_owned()]));
    }

    #[tokio::test]
    async fn mail_never_comes_back_to_us() {
        let by_name = world().with_exchanger("fabrikam.example", 10, "mx.contoso.example");
        assert_eq!(find(by_name, "fabrikam.example", 0).await, Err("5.4.6".to_owned()));
        let as_backup = world().with_exchanger("fabrikam.example", 15, "mx.contoso.example");
        assert_eq!(find(as_backup, "fabrikam.example", 0).await.unwrap().len(), 3);
        let by_address = world().with_addresses("plain.example", [ip("192.0.2.25")]);
        assert_eq!(find(by_address, "plain.example", 0).await, Err("5.4.6".to_owned()));
        for seed in 0..8 {
            // One of two equal exchangers is us under another name: the other one would send it back.
            let equal = world().with_addresses("mx2.fabrikam.example", [ip("192.0.2.25")]);
            assert_eq!(find(equal, "fabrikam.example", seed).await, Err("5.4.6".to_owned()));
        }
        assert_eq!(find(world(), "[192.0.2.25]", 0).await, Err("5.4.6".to_owned()));
        assert_eq!(find(world(), "[IPv6:::ffff:192.0.2.25]", 0).await, Err("5.4.6".to_owned()));
    }

    #[tokio::test]
    async fn a_strangers_dns_cannot_point_at_this_machine() {
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "255.255.255.255", "224.0.0.1"] {
            let table = FixedResolver::new().with_addresses("evil.example", [ip(address)]);
            assert_eq!(find(table, "evil.example", 0).await, Err("5.4.4".to_owned()), "{address}");
        }
        assert_eq!(find(world(), "[127.0.0.1]", 0).await, Err("5.4.4".to_owned()));
        assert_eq!(find(world(), "[192.0.2.9]", 0).await, Ok(vec!["192.0.2.9:25".to_owned()]));
    }

    #[tokio::test]
    async fn a_smart_host_may_be_anywhere_and_waits_for_its_name() {
        let of = |host: &str| {
            Route::SmartHost(SmartHost {
                host: host.to_owned(),
                port: 587,
                security: HopSecurity::Plain,
                credentials: None,
            })
        };
        let random = SeededRandom::new(0);
        for host in ["127.0.0.1", "[127.0.0.1]"] {
            let found = candidates(&of(host), &world(), &random, &options()).await.unwrap();
            assert_eq!(found[0].address.to_string(), "127.0.0.1:587");
        }
        let found = candidates(&of("plain.example"), &world(), &random, &options()).await.unwrap();
        assert_eq!((found[0].host.as_str(), found[0].address.port()), ("plain.example", 587));
        for host in ["nowhere.example", "broken.example"] {
            let outcome = candidates(&of(host), &world(), &random, &options()).await.unwrap_err();
            assert!(matches!(outcome, Outcome::Deferred(_)), "{host}");
        }
    }

    #[tokio::test]
    async fn no_domain_gets_more_than_a_few_connections() {
        let crowd = (1..=200).map(|last| IpAddr::from([198, 51, 100, last]));
        let table = FixedResolver::new().with_addresses("crowd.example", crowd);
        assert_eq!(find(table, "crowd.example", 0).await.unwrap().len(), CANDIDATES_MAX);
    }
}
