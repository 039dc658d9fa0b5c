//! The server's side of the network: connections are taken, counted, given TLS, and led through their session.
//!
//! Everything about mail is decided by [`Session`](crate::model::smtp::Session); this ring moves octets, keeps time and
//! bounds memory (law 4). What sessions share comes in as [`Services`]; messages go out through [`Acceptor`]. Nothing a
//! client sends or fails to send ends the server, delays other clients, or takes more than a bounded amount of memory.

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

mod acceptor;
pub mod acme;
mod admission;
mod authenticator;
mod body;
mod connection;
mod listener;
mod stop;
mod stream;
mod tokens;
mod visible;
mod visit;
mod wire;

pub use acceptor::Acceptor;
pub use admission::Admission;
pub use authenticator::Authenticator;
pub use listener::{Drained, Listener, serve};
pub use stop::{Stop, StopHandle};
pub use tokens::{TokenRefused, TokenVerifier};

use crate::config::{Config, Emulate};
use crate::model::smtp;
use crate::store::live::{LiveDirectory, LiveSettings};
use crate::store::rehearsal::Rehearsal;
use crate::store::sign_ins::{LastUses, LockoutStore};
use crate::store::spool::SpoolDirectory;
use crate::store::traffic::TrafficStore;
use crate::world::tls::{ClientAuthorities, SpoiltTls};
use crate::world::{Clock, Random};
use body::Bodies;

/// Proxies say who their client is in their first segment. HAProxy's specification, section 2, asks for three seconds
/// at least, in which it can be sent again if it gets lost.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// What new sessions go by. It may be replaced while the server runs; open sessions keep what they began with, except
/// for keys.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// This server's name.
    pub hostname: Box<str>,
    /// The semantics profile with its overrides.
    pub policy: Arc<LiveSettings>,
    /// Whose word counts about the certificates of clients.
    pub client_authorities: Arc<ClientAuthorities>,
    /// Banner, EHLO list and mechanisms imitate Exchange Online (decision D8).
    pub emulate_exchange_online: bool,
    /// Bounds of one session.
    pub session: smtp::Limits,
    /// Open sessions in all.
    pub sessions_max: usize,
    /// Open sessions from one IPv4 address or one IPv6 network of 64 bits.
    pub sessions_per_address_max: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a proxy may take to say who its client is.
    pub proxy_header_timeout: Duration,
    /// How long a client may take to read what we wrote.
    pub write_timeout: Duration,
}

impl ServerSettings {
    /// The part of `config` that sessions go by. The files of authorities are not read here: until they are put in,
    /// nobody vouches for a certificate.
    pub fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            hostname: config.hostname.to_string().into_boxed_str(),
            policy: Arc::new(LiveSettings::new(config.settings.clone())),
            client_authorities: Arc::default(),
            emulate_exchange_online: config.emulate == Some(Emulate::ExchangeOnline),
            session: smtp::Limits {
                command_timeout: limits.command_timeout,
                data_timeout: limits.data_timeout,
                refused_recipients_max: u32::try_from(limits.refused_recipients_max).unwrap_or(u32::MAX),
                tarpit: limits.tarpit,
                ..smtp::Limits::default()
            },
            sessions_max: limits.sessions_max,
            sessions_per_address_max: limits.sessions_per_address_max,
            handshake_timeout: limits.handshake_timeout,
            proxy_header_timeout: PROXY_HEADER_TIMEOUT,
            write_timeout: limits.command_timeout,
        }
    }
}

/// What all sessions share.
pub struct Services<A: Acceptor> {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where session ids come from.
    pub random: Arc<dyn Random>,
    /// Who is who at this moment.
    pub directory: Arc<LiveDirectory>,
    /// Where messages go.
    pub acceptor: Arc<A>,
    /// Who checks passwords.
    pub authenticator: Arc<Authenticator>,
    /// Who checks tokens.
    pub tokens: Arc<TokenVerifier>,
    /// When devices were last used.
    pub last_uses: Arc<LastUses>,
    /// Who failed to sign in.
    pub lockouts: Arc<LockoutStore>,
    /// What networks have done lately.
    pub traffic: Arc<TrafficStore>,
    /// How we speak TLS; `None` when there is no certificate, then STARTTLS is not offered.
    pub tls: Option<Arc<ServerConfig>>,
    /// The same, where clients are asked for certificates.
    pub asking_tls: Option<Arc<ServerConfig>>,
    /// What new sessions go by.
    pub settings: ArcSwap<ServerSettings>,
    /// Who is in.
    pub admission: Arc<Admission>,
    bodies: Bodies,
    /// Only in a rehearsal.
    rehearsing: Option<Arc<Rehearsing>>,
}

/// What a server obeys that applications are tested against.
#[derive(Debug)]
pub struct Rehearsing {
    /// The script of faults.
    pub rehearsal: Arc<Rehearsal>,
    /// Handshakes that go wrong.
    pub spoilt: SpoiltTls,
}

impl<A: Acceptor> Services<A> {
    /// Everything sessions share, with nobody in yet.
    pub fn new(parts: ServiceParts<A>, settings: ServerSettings) -> Self {
        let ServiceParts {
            clock,
            random,
            directory,
            acceptor,
            spool,
            authenticator,
            tokens,
            last_uses,
            lockouts,
            traffic,
            tls,
            asking_tls,
        } = parts;
        let (settings, admission) = (ArcSwap::from_pointee(settings), Arc::new(Admission::default()));
        let bodies = Bodies::new(spool);
        Self {
            clock,
            random,
            directory,
            acceptor,
            authenticator,
            tokens,
            last_uses,
            lockouts,
            traffic,
            tls,
            asking_tls,
            settings,
            admission,
            bodies,
            rehearsing: None,
        }
    }

    /// How TLS is spoken with a client. Connectors are for port 25 alone, so nobody else is asked for certificates.
    fn tls_for(&self, role: smtp::Role, settings: &ServerSettings) -> Option<Arc<ServerConfig>> {
        let asks = role == smtp::Role::Inbound && settings.policy.current().connectors.want_certificates();
        if asks { self.asking_tls.clone() } else { self.tls.clone() }
    }

    /// The same for a server that obeys a script of faults.
    pub fn rehearsing(mut self, rehearsing: Rehearsing) -> Self {
        self.rehearsing = Some(Arc::new(rehearsing));
        self
    }
}

impl<A: Acceptor> fmt::Debug for Services<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings.load();
        formatter.debug_struct("Services").field("settings", &settings).finish_non_exhaustive()
    }
}

/// What [`Services`] are put together from.
pub struct ServiceParts<A: Acceptor> {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where session ids come from.
    pub random: Arc<dyn Random>,
    /// Who is who at this moment.
    pub directory: Arc<LiveDirectory>,
    /// Where messages go.
    pub acceptor: Arc<A>,
    /// Where bodies wait that are still being received.
    pub spool: SpoolDirectory,
    /// Who checks passwords.
    pub authenticator: Arc<Authenticator>,
    /// Who checks tokens.
    pub tokens: Arc<TokenVerifier>,
    /// When devices were last used.
    pub last_uses: Arc<LastUses>,
    /// Who failed to sign in.
    pub lockouts: Arc<LockoutStore>,
    /// What networks have done lately.
    pub traffic: Arc<TrafficStore>,
    /// How we speak TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// The same, where clients are asked for certificates.
    pub asking_tls: Option<Arc<ServerConfig>>,
}

impl<A: Acceptor> fmt::Debug for ServiceParts<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServiceParts").finish_non_exhaustive()
    }
}
