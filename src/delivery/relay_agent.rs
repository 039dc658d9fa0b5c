//! The MTA: hands one message to the next host and says what became of each recipient.
//!
//! All decisions of the dialogue are in [`model::smtp::client`](crate::model::smtp::client); here are sockets, TLS,
//! patience and the order in which hosts are tried. It promises an outcome for every recipient within a bounded time,
//! that no host is asked again once it may have the message, that a message is streamed, never held whole, and that a
//! message on a connection that served before fares no worse than on one of its own.

mod connection;
mod ledger;
mod pool;
mod proof;
mod source;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use self::connection::{Connection, Hop};
use self::ledger::{Conversation, Ledger, over_limit};
pub use self::pool::ReuseOptions;
use self::pool::{Door, Pool};
use self::proof::Proof;
pub use self::source::{MessageBytes, MessageSource};
use super::exchanger::{
    Candidate, Demand, ExchangerOptions, HopSecurity, Route, SignIn, TransportSecurity, candidates,
};
use crate::model::mail::{Domain, EnhancedStatus};
use crate::model::smtp::client::{ClientOptions, Credentials, OutboundMessage, Outcome, Patience, Settlement, Trouble};
use crate::world::Random;
use crate::world::network::{Dialer, NetworkError};
use crate::world::resolver::Resolver;

/// Our own settings are at fault (RFC 4954 section 6), so the message waits.
const SIGN_IN_TROUBLE: EnhancedStatus = EnhancedStatus(4, 7, 8);
const NO_TOKEN_IN_TIME: &str = "no access token came in time";

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
    /// The longest that one attempt may take, at all hosts together, so that one which takes a block every other minute
    /// does not hold a worker for days. Only the wait for the verdict on a whole message comes on top, which is
    /// [`Step::DataEnd`](crate::model::smtp::client::Step::DataEnd)'s at most.
    pub attempt_max: Duration,
}

/// TLS towards other hosts.
#[derive(Clone, Debug)]
pub struct RelayTls {
    /// For hosts of which no certificate is asked.
    pub opportunistic: Arc<ClientConfig>,
    /// For hosts that must prove their name; `None` if there are no authorities to prove it with.
    pub verified: Option<Arc<ClientConfig>>,
}

/// Delivers to other hosts. One for the whole process; no delivery waits for another.
pub struct RelayAgent {
    resolver: Arc<dyn Resolver>,
    dialer: Arc<dyn Dialer>,
    random: Arc<dyn Random>,
    tls: RelayTls,
    options: RelayOptions,
    pool: Pool,
    demands: TransportSecurity,
    patience: Patience,
}

impl RelayAgent {
    /// An agent that finds hosts with `resolver`, reaches them with `dialer` and spreads load with `random`. It uses
    /// connections again as [`ReuseOptions::default`] says, and heeds no demands of recipients' domains.
    pub fn new(
        resolver: Arc<dyn Resolver>,
        dialer: Arc<dyn Dialer>,
        random: Arc<dyn Random>,
        tls: RelayTls,
        options: RelayOptions,
    ) -> Self {
        let (pool, demands) = (Pool::new(ReuseOptions::default()), TransportSecurity::default());
        Self { resolver, dialer, random, tls, options, pool, demands, patience: Patience::USUAL }
    }

    /// The same agent, which uses connections again as `reuse` says.
    #[must_use]
    pub fn reusing(mut self, reuse: ReuseOptions) -> Self {
        self.pool = Pool::new(reuse);
        self
    }

    /// Says goodbye to the hosts whose connections are idle, and keeps none from now on. Ends when all is said, which
    /// takes seconds at most. Deliveries still work.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The same agent, which heeds these demands of recipients' domains.
    #[must_use]
    pub fn heeding(mut self, demands: TransportSecurity) -> Self {
        self.demands = demands;
        self
    }

    /// The same agent, which waits for hosts as long as `patience` says.
    #[must_use]
    pub const fn waiting(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
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
        let deadline = Instant::now() + self.options.attempt_max;
        let search = candidates(route, &*self.resolver, &*self.random, &self.options.exchanger, &self.demands);
        let found = timeout_at(deadline, search).await.unwrap_or_else(|_| {
            let text = "the name servers took too long";
            Err(Outcome::Deferred(Trouble::local(EnhancedStatus(4, 4, 3), None, text)))
        });
        let hosts = match found {
            Ok(hosts) => hosts,
            Err(outcome) => return vec![outcome; message.recipients.len()],
        };
        let mut ledger = Ledger::new(message);
        for host in &hosts {
            tracing::debug!(host = %host.host, address = %host.address, "trying");
            let go_on = self.try_host(route, host, &mut ledger, source, deadline).await;
            // What another host might say, the next attempt will hear: this one must end before it counts as lost.
            if !go_on || ledger.is_settled() || Instant::now() >= deadline {
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
        deadline: Instant,
    ) -> bool {
        let sign_in = match route {
            Route::SmartHost(smart_host) => smart_host.sign_in.as_ref(),
            Route::Mx(_) | Route::VerifiedMx(_) => None,
        };
        let Ok(credentials) = signing_in(host, sign_in, ledger, deadline).await else { return false };
        let credentials = credentials.as_ref();
        let own_loop = matches!(route, Route::Mx(_) | Route::VerifiedMx(_));
        let first = self.converse(host, credentials, own_loop, ledger, source, deadline).await;
        if let (Conversation::SignInRefused, Some(sign_in), Some(refused)) = (first, sign_in, credentials) {
            let SignIn::Token(_) = sign_in else { return true };
            // A token may be taken back before its end. Once: a second one that is refused is no better than a third,
            // and other addresses of the host see it the same way.
            let Some(fresh) = another(host, sign_in, refused, ledger, deadline).await else { return false };
            let second = self.converse(host, Some(&fresh), own_loop, ledger, source, deadline).await;
            return !matches!(second, Conversation::Over | Conversation::SignInRefused);
        }
        // RFC 7435: a host whose TLS is broken gets its mail as it would without TLS. Never with a password.
        if first == Conversation::TlsFailed && host.security == HopSecurity::Opportunistic && credentials.is_none() {
            tracing::info!(host = %host.host, "TLS failed, delivering in clear text");
            let plain = Candidate { security: HopSecurity::Plain, ..host.clone() };
            let second = self.converse(&plain, None, own_loop, ledger, source, deadline).await;
            return second != Conversation::Over;
        }
        first != Conversation::Over
    }

    /// One host: as many transactions as its limit of recipients makes necessary, on a connection that is there or on a
    /// fresh one.
    async fn converse(
        &self,
        host: &Candidate,
        credentials: Option<&Credentials>,
        own_loop: bool,
        ledger: &mut Ledger,
        source: &Arc<dyn MessageSource>,
        deadline: Instant,
    ) -> Conversation {
        let hop = match self.hop(host, credentials, own_loop) {
            Ok(hop) => hop,
            Err(trouble) => return ledger.defer_all(trouble),
        };
        let local = match host.address.ip() {
            IpAddr::V4(_) => self.options.local_ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.options.local_ipv6.map(IpAddr::V6),
        };
        let door = Arc::new(Door { candidate: host.clone(), credentials: credentials.cloned(), local });
        let mut batch = ledger.open();
        let mut kept = self.pool.take(&door).await;
        loop {
            let mut connection = match kept.take() {
                Some(mut connection) => {
                    connection.begin(ledger.part(&batch), deadline);
                    connection
                }
                None => match self.open(&door, &hop, ledger.part(&batch), deadline).await {
                    Ok(connection) => connection,
                    Err((trouble, end)) => {
                        ledger.defer_all(trouble);
                        return end;
                    }
                },
            };
            let settlement = connection.settle(source).await;
            log_security(host, &settlement);
            if connection.tls_failed() {
                ledger.note(&batch, settlement);
                return Conversation::TlsFailed;
            }
            if settlement.sign_in_refused {
                ledger.note(&batch, settlement);
                return Conversation::SignInRefused;
            }
            // A connection that carried a message before may have died since, or the host may have had enough of it:
            // that is no verdict. The message starts anew on a fresh connection, which never comes here.
            if connection.messages() > 1 && settlement.is_about_connection() {
                tracing::debug!(host = %host.host, "a connection was of no use any more; another is opened");
                self.pool.dismiss(connection);
                continue;
            }
            let over = over_limit(&batch, &settlement);
            let (progress, another_host) = (over.len() < batch.len(), settlement.another_host);
            ledger.note(&batch, settlement);
            // Each round takes at least one recipient off, so the rounds come to an end.
            if over.is_empty() || !progress {
                self.pool.give_back(connection);
                return if another_host { Conversation::AnotherHost } else { Conversation::Over };
            }
            batch = over;
            if self.pool.may_go_on(&connection) {
                kept = Some(connection);
            } else {
                self.pool.give_back(connection);
            }
        }
    }

    /// A fresh connection with `message` before it; otherwise why there is none, and how that ends the conversation.
    async fn open(
        &self,
        door: &Arc<Door>,
        hop: &Hop,
        message: OutboundMessage,
        deadline: Instant,
    ) -> Result<Connection, (Trouble, Conversation)> {
        let host = &door.candidate;
        let own = self.patience.connect / self.options.patience_divisor.max(1);
        let patience = own.min(deadline.saturating_duration_since(Instant::now()));
        let seat = self.pool.seat(door);
        let stream = self.dialer.dial(host.address, door.local, patience).await.map_err(|error| {
            (trouble(unreachable_status(&error), host, &error.to_string()), Conversation::AnotherHost)
        })?;
        Connection::establish(stream, hop.clone(), message, deadline, seat)
            .await
            .map_err(|unproved| (trouble(unproved.status, host, &unproved.reason), Conversation::TlsFailed))
    }

    fn hop(&self, host: &Candidate, credentials: Option<&Credentials>, own_loop: bool) -> Result<Hop, Trouble> {
        let (proof, tls) = Proof::of(host, &self.tls, &self.demands)?;
        Ok(Hop {
            options: ClientOptions {
                host: host.host.clone(),
                own_name: self.options.own_name.clone(),
                tls,
                implicit_tls: host.security == HopSecurity::ImplicitTls,
                credentials: credentials.cloned(),
                // A name without a dot, such as "localhost", is anybody's.
                own_loop: own_loop && self.options.own_name.name().is_some_and(|name| name.contains('.')),
            },
            proof,
            patience: self.patience,
            patience_divisor: self.options.patience_divisor.max(1),
        })
    }
}

/// What to sign in with, if that is needed. Without a token everything waits: our own settings, or the provider of the
/// token, are at fault.
async fn signing_in(
    host: &Candidate,
    sign_in: Option<&SignIn>,
    ledger: &mut Ledger,
    deadline: Instant,
) -> Result<Option<Credentials>, ()> {
    let Some(sign_in) = sign_in else { return Ok(None) };
    let found = timeout_at(deadline, sign_in.credentials()).await;
    let text = match found {
        Ok(Ok(credentials)) => return Ok(Some(credentials)),
        Ok(Err(trouble)) => trouble.to_string(),
        Err(_) => NO_TOKEN_IN_TIME.to_owned(),
    };
    ledger.defer_all(trouble(SIGN_IN_TROUBLE, host, &text));
    Err(())
}

/// Another token in place of one that was refused. Without one, what the host said stands, unless the endpoint says why
/// there is none.
async fn another(
    host: &Candidate,
    sign_in: &SignIn,
    refused: &Credentials,
    ledger: &mut Ledger,
    deadline: Instant,
) -> Option<Credentials> {
    let text = match timeout_at(deadline, sign_in.instead_of(refused)).await {
        Ok(Ok(found)) => return found,
        Ok(Err(trouble)) => trouble.to_string(),
        Err(_) => NO_TOKEN_IN_TIME.to_owned(),
    };
    ledger.defer_all(trouble(SIGN_IN_TROUBLE, host, &text));
    None
}

fn trouble(status: EnhancedStatus, host: &Candidate, text: &str) -> Trouble {
    Trouble::local(status, Some(&host.host), text)
}

/// How a message that was taken was protected on its way.
fn log_security(host: &Candidate, settlement: &Settlement) {
    let secured = settlement.outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Delivered { secured, .. } => Some(*secured),
        Outcome::Deferred(_) | Outcome::Failed(_) => None,
    });
    let Some(secured) = secured else { return };
    let tls = match (secured, host.security, &host.demand) {
        (false, ..) => "none",
        (true, HopSecurity::StartTls, Demand::Dane(_)) => "dane",
        (true, HopSecurity::AnyTls, _) => "dane-unusable",
        (true, HopSecurity::StartTls, Demand::MtaSts) => "mta-sts",
        (true, HopSecurity::StartTls | HopSecurity::ImplicitTls, _) => "verified",
        (true, HopSecurity::Plain | HopSecurity::Opportunistic, _) => "opportunistic",
    };
    let Candidate { host, address, demand, .. } = host;
    tracing::info!(host, %address, tls, %demand, "a host has taken a message");
    if !secured && *demand == Demand::MtaStsTesting {
        tracing::warn!(host, "clear text fails the MTA-STS policy, which is in testing");
    }
}

/// What a failed connection means for a report (RFC 3463 section 3.5; spec section 1.5 for what Exchange says when
/// nobody listens).
fn unreachable_status(error: &NetworkError) -> EnhancedStatus {
    match error {
        NetworkError::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            EnhancedStatus(4, 4, 316)
        }
        NetworkError::Connect { .. }
        | NetworkError::ConnectTimeout { .. }
        | NetworkError::Family { .. }
        | NetworkError::Listen { .. } => EnhancedStatus(4, 4, 1),
    }
}
