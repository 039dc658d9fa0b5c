//! Which hosts to try for a message, and in which order (RFC 5321 section 5.1).
//!
//! It promises that no mail goes round in circles through our own host, that a domain which wants no mail gets none
//! (RFC 7505), that a stranger's DNS cannot point us at this machine or its loopback interface, and that every host
//! comes with what the recipient's domain demands of the connection to it.

mod demand;
pub mod mta_sts;
pub mod policy_cache;
mod sign_in;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

pub use self::demand::{DaneDemand, Demand, TransportSecurity};
pub use self::sign_in::{SignIn, TokenSignIn};
use crate::model::mail::{Domain, EnhancedStatus};
use crate::model::smtp::client::{Outcome, Trouble};
use crate::world::Random;
use crate::world::resolver::{MxAnswer, Resolver};
use crate::world::tls::Identity;

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
    pub sign_in: Option<SignIn>,
    /// The certificate to show there.
    pub identity: Option<Identity>,
}

/// How a connection to another host is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopSecurity {
    /// Clear text, chosen by the operator: within one machine or a trusted network.
    Plain,
    /// STARTTLS if it is offered, with any certificate; clear text otherwise. Passwords need TLS.
    Opportunistic,
    /// STARTTLS, with any certificate; never clear text.
    AnyTls,
    /// STARTTLS, and the certificate must be for the host's name and from a trusted authority, or what the recipient's
    /// domain demands in its place.
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
    /// What the recipient's domain demands, which `security` takes account of.
    pub demand: Demand,
    /// The certificate that it is shown.
    pub identity: Option<Identity>,
}

/// The hosts to try for `route`, best first, at least one and at most [`CANDIDATES_MAX`].
///
/// # Errors
/// The outcome for every recipient of the route: `Failed` when the domain takes no mail (5.1.10), does not exist
/// (5.1.2), has no usable host (5.4.4) or leads back to us (5.4.6); `Deferred` when the DNS gave no answer (4.4.3), and
/// when no host can be what the domain demands (4.4.8, 4.7.324).
pub async fn candidates(
    route: &Route,
    resolver: &dyn Resolver,
    random: &dyn Random,
    options: &ExchangerOptions,
    demands: &TransportSecurity,
) -> Result<Vec<Candidate>, Outcome> {
    match route {
        Route::SmartHost(smart_host) => smart_host_candidates(smart_host, resolver).await,
        Route::Mx(domain) => exchanger_candidates(domain, resolver, random, options, demands).await,
        Route::VerifiedMx(domain) => {
            let mut found = exchanger_candidates(domain, resolver, random, options, demands).await?;
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
    demands: &TransportSecurity,
) -> Result<Vec<Candidate>, Outcome> {
    match domain {
        Domain::Literal(address) => literal_candidate(**address, options),
        Domain::Name(domain) => {
            let (hosts, authenticated) = exchangers(domain, resolver, random, options).await?;
            let policy = demands.policy(domain, resolver).await;
            let domain = demand::Domain { name: domain, authenticated, policy, port: options.port };
            usable_addresses(&domain, &hosts, resolver, options, demands).await
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
        demand: Demand::None,
        identity: smart_host.identity.clone(),
    };
    Ok(addresses.into_iter().take(CANDIDATES_MAX).map(candidate).collect())
}

fn literal_candidate(address: IpAddr, options: &ExchangerOptions) -> Result<Vec<Candidate>, Outcome> {
    match judge(address, options) {
        Fit::Usable => {
            let (host, address) = (address.to_string(), SocketAddr::new(address, options.port));
            let (security, demand) = (HopSecurity::Opportunistic, Demand::None);
            Ok(vec![Candidate { host, address, security, demand, identity: None }])
        }
        Fit::Own => Err(failed(EnhancedStatus(5, 4, 6), format!("the address [{address}] is this server's own"))),
        Fit::Unusable => Err(failed(EnhancedStatus(5, 4, 4), format!("mail cannot be sent to [{address}]"))),
    }
}

/// Preference and name of the hosts to look up, best first, and whether DNSSEC vouches for the list.
async fn exchangers(
    domain: &str,
    resolver: &dyn Resolver,
    random: &dyn Random,
    options: &ExchangerOptions,
) -> Result<(Vec<(u16, String)>, bool), Outcome> {
    let answer = resolver.authenticated_mx(domain).await;
    let answer = answer.map_err(|error| deferred(EnhancedStatus(4, 4, 3), error.to_string()))?;
    let mut authenticated = answer.authenticated;
    let mut hosts = match answer.value {
        MxAnswer::Exchangers(hosts) => hosts,
        // The implicit MX: without MX records, a domain is its own host.
        MxAnswer::None => {
            // Who vouches for the addresses of a name vouches for its having no MX records: they are of one zone.
            authenticated = true;
            vec![(0, domain.to_owned())]
        }
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
    Ok((hosts, authenticated))
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
    domain: &demand::Domain<'_>,
    hosts: &[(u16, String)],
    resolver: &dyn Resolver,
    options: &ExchangerOptions,
    demands: &TransportSecurity,
) -> Result<Vec<Candidate>, Outcome> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let (mut passing, mut unfit, mut own) = (None, None, false);
    for (preference, host) in hosts {
        if found.len() >= CANDIDATES_MAX {
            break;
        }
        let answer = match resolver.authenticated_addresses(host).await {
            Ok(answer) => answer,
            Err(error) => {
                passing.get_or_insert(error);
                continue;
            }
        };
        let addresses = &answer.value.addresses;
        own = addresses.iter().any(|&address| judge(address, options) == Fit::Own);
        if own {
            // As with our own name: only what is better than ourselves stays.
            found.retain(|(better, _)| better < preference);
            break;
        }
        let usable: Vec<IpAddr> = addresses
            .iter()
            .copied()
            .filter(|&address| judge(address, options) == Fit::Usable && seen.insert(address))
            .collect();
        if usable.is_empty() {
            continue;
        }
        match demands.demand(domain, host, &answer, resolver).await {
            Ok(demand) => found.extend(usable.into_iter().map(|address| {
                let (host, address) = (host.clone(), SocketAddr::new(address, options.port));
                let (security, demand) = (demand.security(), demand.clone());
                (*preference, Candidate { host, address, security, demand, identity: None })
            })),
            Err(trouble) => {
                tracing::warn!(domain = domain.name, %trouble, "a host gets no mail: it cannot be what is demanded");
                // Another name of the same address may fare better.
                seen.retain(|address| !usable.contains(address));
                unfit.get_or_insert(trouble);
            }
        }
    }
    let found: Vec<Candidate> = found.into_iter().map(|(_, candidate)| candidate).take(CANDIDATES_MAX).collect();
    match (found.is_empty(), own, unfit, passing) {
        (false, ..) => Ok(found),
        (true, true, ..) => {
            let text = format!("the mail exchanger of {} is this server itself", domain.name);
            Err(failed(EnhancedStatus(5, 4, 6), text))
        }
        (true, false, Some(trouble), _) => Err(Outcome::Deferred(trouble)),
        (true, false, None, Some(error)) => Err(deferred(EnhancedStatus(4, 4, 3), error.to_string())),
        (true, false, None, None) => {
            let text = format!("no mail exchanger of {} has a usable address", domain.name);
            Err(failed(EnhancedStatus(5, 4, 4), text))
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
mod tests;
