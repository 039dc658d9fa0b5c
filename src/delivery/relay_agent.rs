//! The MTA: hands one message to the next host and says what became of each recipient.
//!
//! All decisions of the dialogue are in [`model::smtp::client`](crate::model::smtp::client); here are sockets, TLS,
//! patience and the order in which hosts are tried. It promises an outcome for every recipient within a bounded time,
//! that no host is asked again once it may have the message, and that a message is streamed, never held whole.

mod connection;
mod source;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use self::connection::{Connection, Hop};
pub use self::source::{MessageBytes, MessageSource};
use super::exchanger::{Candidate, ExchangerOptions, HopSecurity, Route, candidates};
use crate::model::mail::{Domain, EnhancedStatus};
use crate::model::smtp::client::{
    ClientOptions, Credentials, OutboundMessage, Outcome, Settlement, TlsPolicy, Trouble,
};
use crate::world::Random;
use crate::world::network::Dialer;
use crate::world::resolver::Resolver;

/// How long to wait for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the relay agent needs to know of this server.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// The name given in EHLO; it should resolve to the address that connections come from.
    pub own_name: Domain,
    /// The address that IPv4 connections come from, where the system should not choose.
    pub local_ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub local_ipv6: Option<Ipv6Addr>,
    /// How hosts are found.
    pub exchanger: ExchangerOptions,
    /// All patience is divided by this: 1, but in tests. 0 counts as 1.
    pub patience_divisor: u32,
    /// The longest that one message may take at one host, so that a host which takes one block every other minute does
    /// not hold a worker for days.
    pub attempt_max: Duration,
}

/// TLS towards other hosts.
#[derive(Clone, Debug)]
pub struct RelayTls {
    /// For hosts of which no certificate is asked.
    pub opportunistic: Arc<ClientConfig>,
    /// For smart hosts that must prove their name; `None` if there are no authorities to prove it with.
    pub verified: Option<Arc<ClientConfig>>,
}

/// Delivers to other hosts. One for the whole process; every delivery is independent of the others.
pub struct RelayAgent {
    resolver: Arc<dyn Resolver>,
    dialer: Arc<dyn Dialer>,
    random: Arc<dyn Random>,
    tls: RelayTls,
    options: RelayOptions,
}

impl RelayAgent {
    /// An agent that finds hosts with `resolver`, reaches them with `dialer` and spreads load with `random`.
    pub fn new(
        resolver: Arc<dyn Resolver>,
        dialer: Arc<dyn Dialer>,
        random: Arc<dyn Random>,
        tls: RelayTls,
        options: RelayOptions,
    ) -> Self {
        Self { resolver, dialer, random, tls, options }
    }

    /// Tries to deliver `message`, whose content is `source`, along `route`. The outcomes are in the order of the
    /// recipients. The length announced to hosts is that of `source`.
    pub async fn deliver(
        &self,
        route: &Route,
        mut message: OutboundMessage,
        source: &Arc<dyn MessageSource>,
    ) -> Vec<Outcome> {
        message.bytes = source.bytes();
        let found = candidates(route, &*self.resolver, &*self.random, &self.options.exchanger).await;
        let hosts = match found {
            Ok(hosts) => hosts,
            Err(outcome) => return vec![outcome; message.recipients.len()],
        };
        let mut ledger = Ledger::new(message);
        for host in &hosts {
            tracing::debug!(host = %host.host, address = %host.address, "trying");
            if !self.try_host(route, host, &mut ledger, source).await || ledger.is_settled() {
                break;
            }
        }
        ledger.into_outcomes()
    }

    /// Offers everything that is open to one host; `true` when the next host may be tried with what is still open.
    async fn try_host(
        &self,
        route: &Route,
        host: &Candidate,
        ledger: &mut Ledger,
        source: &Arc<dyn MessageSource>,
    ) -> bool {
        let security = host.security;
        let credentials = match route {
            Route::SmartHost(smart_host) => smart_host.credentials.as_ref(),
            Route::Mx(_) => None,
        };
        let first = self.converse(host, security, credentials, ledger, source).await;
        // RFC 7435: a host whose TLS is broken gets its mail as it would without TLS. Never with a password.
        if first == Conversation::TlsFailed && security == HopSecurity::Opportunistic && credentials.is_none() {
            tracing::info!(host = %host.host, "TLS failed, delivering in clear text");
            let second = self.converse(host, HopSecurity::Plain, None, ledger, source).await;
            return second != Conversation::Over;
        }
        first != Conversation::Over
    }

    /// One connection, with as many transactions as the host's limit of recipients makes necessary.
    async fn converse(
        &self,
        host: &Candidate,
        security: HopSecurity,
        credentials: Option<&Credentials>,
        ledger: &mut Ledger,
        source: &Arc<dyn MessageSource>,
    ) -> Conversation {
        let hop = match self.hop(host, security, credentials) {
            Ok(hop) => hop,
            Err(trouble) => return ledger.defer_all(trouble),
        };
        let local = match host.address.ip() {
            IpAddr::V4(_) => self.options.local_ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.options.local_ipv6.map(IpAddr::V6),
        };
        let timeout = CONNECT_TIMEOUT / self.options.patience_divisor.max(1);
        let stream = match self.dialer.dial(host.address, local, timeout).await {
            Ok(stream) => stream,
            Err(error) => return ledger.defer_all(trouble(EnhancedStatus(4, 4, 1), host, &error.to_string())),
        };
        let mut batch = ledger.open();
        let mut connection = match Connection::establish(stream, hop, ledger.part(&batch)).await {
            Ok(connection) => connection,
            Err(reason) => {
                let text = format!("the TLS handshake failed: {reason}");
                ledger.defer_all(trouble(EnhancedStatus(4, 7, 5), host, &text));
                return Conversation::TlsFailed;
            }
        };
        loop {
            let settlement = connection.settle(source, self.options.attempt_max).await;
            if connection.tls_failed() {
                ledger.note(&batch, settlement);
                return Conversation::TlsFailed;
            }
            let over = over_limit(&batch, &settlement);
            let (progress, another_host) = (over.len() < batch.len(), settlement.another_host);
            ledger.note(&batch, settlement);
            // Each round takes at least one recipient off, so the rounds come to an end.
            if over.is_empty() || !progress || connection.is_over() {
                connection.farewell().await;
                return if another_host { Conversation::AnotherHost } else { Conversation::Over };
            }
            connection.begin(ledger.part(&over));
            batch = over;
        }
    }

    fn hop(&self, host: &Candidate, security: HopSecurity, credentials: Option<&Credentials>) -> Result<Hop, Trouble> {
        let name = crate::world::tls::server_name(&host.host);
        let (tls, config, implicit_tls) = match security {
            HopSecurity::Plain => (TlsPolicy::Off, Some(&self.tls.opportunistic), false),
            HopSecurity::Opportunistic => (TlsPolicy::Opportunistic, Some(&self.tls.opportunistic), false),
            HopSecurity::StartTls => (TlsPolicy::Required, self.tls.verified.as_ref(), false),
            HopSecurity::ImplicitTls => (TlsPolicy::Required, self.tls.verified.as_ref(), true),
        };
        let config = config.ok_or_else(|| {
            let text = "its certificate must be verified, and no certificate authorities are configured";
            trouble(EnhancedStatus(4, 7, 5), host, text)
        })?;
        // An odd host name matters only where it must be proved; otherwise the address serves.
        let name = match (name, tls) {
            (Some(name), _) => name,
            (None, TlsPolicy::Off | TlsPolicy::Opportunistic) => host.address.ip().into(),
            (None, TlsPolicy::Required) => {
                return Err(trouble(EnhancedStatus(4, 7, 5), host, "its name cannot be in a certificate"));
            }
        };
        Ok(Hop {
            options: ClientOptions {
                host: host.host.clone(),
                own_name: self.options.own_name.clone(),
                tls,
                implicit_tls,
                credentials: credentials.cloned(),
            },
            config: Arc::clone(config),
            name,
            patience_divisor: self.options.patience_divisor.max(1),
        })
    }
}

fn trouble(status: EnhancedStatus, host: &Candidate, text: &str) -> Trouble {
    Trouble::local(status, Some(&host.host), text)
}

/// Those of `batch` whom the host may take in a further transaction.
fn over_limit(batch: &[usize], settlement: &Settlement) -> Vec<usize> {
    let pairs = batch.iter().zip(&settlement.outcomes);
    pairs.filter(|(_, outcome)| outcome.is_over_recipient_limit()).map(|(&index, _)| index).collect()
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversation {
    /// The host has judged, or may have: what is open waits for the next attempt.
    Over,
    /// The host could not be used.
    AnotherHost,
    /// The host could not be used, because of TLS.
    TlsFailed,
}

/// A message and what is known about its recipients.
struct Ledger {
    message: OutboundMessage,
    outcomes: Vec<Option<Outcome>>,
}

impl Ledger {
    fn new(message: OutboundMessage) -> Self {
        let outcomes = vec![None; message.recipients.len()];
        Self { message, outcomes }
    }

    /// The recipients that a host may still be asked to take.
    fn open(&self) -> Vec<usize> {
        let is_open = |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Deferred(_)));
        self.outcomes.iter().enumerate().filter(|(_, outcome)| is_open(outcome)).map(|(index, _)| index).collect()
    }

    fn is_settled(&self) -> bool {
        self.open().is_empty()
    }

    /// The message to these recipients only.
    fn part(&self, indices: &[usize]) -> OutboundMessage {
        let recipients = indices.iter().filter_map(|&index| self.message.recipients.get(index)).cloned().collect();
        OutboundMessage { recipients, ..self.message.clone() }
    }

    fn note(&mut self, indices: &[usize], settlement: Settlement) {
        for (&index, outcome) in indices.iter().zip(settlement.outcomes) {
            self.learn(index, outcome);
        }
    }

    fn defer_all(&mut self, trouble: Trouble) -> Conversation {
        for index in self.open() {
            self.learn(index, Outcome::Deferred(trouble.clone()));
        }
        Conversation::AnotherHost
    }

    /// What one host said of the message outweighs that another one could not be reached.
    fn learn(&mut self, index: usize, outcome: Outcome) {
        let of_the_host = |outcome: &Outcome| matches!(outcome, Outcome::Deferred(trouble) if trouble.is_of_the_host());
        if let Some(place) = self.outcomes.get_mut(index)
            && (!of_the_host(&outcome) || place.as_ref().is_none_or(of_the_host))
        {
            *place = Some(outcome);
        }
    }

    fn into_outcomes(self) -> Vec<Outcome> {
        let untried = || Outcome::Deferred(Trouble::local(EnhancedStatus(4, 4, 1), None, "no host was tried"));
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(untried)).collect()
    }
}
