//! Puts together the way out by SMTP, and what it needs: tokens, certificates, the demands of other domains.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;

use super::data::DataDirectory;
use super::routes::{self, Builder, KnownWay};
use super::serve::ServeError;
use super::stores::World;
use super::transport;
use crate::config::{Config, TokenConfig};
use crate::delivery::exchanger::ExchangerOptions;
use crate::delivery::exchanger::policy_cache::PolicyCache;
use crate::delivery::outgoing::{Relay, Way};
use crate::delivery::relay_agent::{RelayAgent, RelayOptions, RelayTls};
use crate::delivery::tokens::{TokenSource, Vault};
use crate::model::policy::RouteTable;
use crate::world::https::{HttpsClient, HttpsOptions, Posts};
use crate::world::network::TcpDialer;
use crate::world::resolver::Resolver;
use crate::world::tls::{CertificateStore, TlsSetupError, opportunistic};

/// The longest that one attempt may take. With the wait for a verdict on a whole message it ends within the queue's
/// lease: what counts as lost is tried again, and must not be under way still.
const ATTEMPT_MAX: Duration = Duration::from_secs(45 * 60);
/// How long a token endpoint may take, and Graph, which is sent up to four megabytes.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
const GRAPH_TIMEOUT: Duration = Duration::from_secs(180);
/// The longest that either may answer, in octets.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const HTTPS_PORT: u16 = 443;

/// The way out of a running server. It can be made anew from another configuration.
pub(super) struct Outside {
    maker: Maker,
    relay: Arc<Relay>,
    made: Mutex<Arc<Made>>,
}

/// What goes by the configuration on the way out.
pub(super) struct Made {
    agent: Arc<RelayAgent>,
    ways: RouteTable<Way>,
    tokens: BTreeMap<Box<str>, Arc<TokenSource>>,
    known: Vec<KnownWay>,
    certificates: Vec<Arc<CertificateStore>>,
}

impl Made {
    /// The certificates that are shown on the way.
    pub(super) fn certificates(&self) -> Vec<Arc<CertificateStore>> {
        self.certificates.clone()
    }
}

impl Outside {
    /// The way out that the configuration says. Blocks.
    ///
    /// # Errors
    /// When a file of the configuration cannot be used, or the name service is not known.
    pub(super) fn open(world: &World, config: &Config, data: &DataDirectory) -> Result<Self, ServeError> {
        let maker = Maker {
            world: world.clone(),
            started: config.clone(),
            tokens: data.tokens(),
            mta_sts: data.mta_sts(),
            policies: OnceLock::new(),
        };
        let made = maker.make(config, None)?;
        let relay = Arc::new(Relay::new(Arc::clone(&made.agent), made.ways.clone()));
        Ok(Self { maker, relay, made: Mutex::new(Arc::new(made)) })
    }

    fn made(&self) -> MutexGuard<'_, Arc<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn relay(&self) -> Arc<Relay> {
        Arc::clone(&self.relay)
    }

    pub(super) fn certificates(&self) -> Vec<Arc<CertificateStore>> {
        self.made().certificates()
    }

    /// What another configuration makes of it; nothing goes by that yet. Blocks.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn make_again(&self, config: &Config) -> Result<Made, ServeError> {
        let former = Arc::clone(&self.made());
        self.maker.make(config, Some(&former))
    }

    /// What sets out from now on goes by `made`. Must be called within a runtime.
    pub(super) fn exchange(&self, made: Made) {
        tokio::spawn(self.relay.exchange(Arc::clone(&made.agent), made.ways.clone()));
        *self.made() = Arc::new(made);
    }
}

/// Makes ways out, all with the same name, addresses, limits and memory.
struct Maker {
    world: World,
    /// What the server was started with: who it is and what its queue lets out stays until it is restarted.
    started: Config,
    tokens: PathBuf,
    mta_sts: PathBuf,
    /// The policies of other domains, once somebody asks for them.
    policies: OnceLock<Arc<PolicyCache>>,
}

impl Maker {
    /// # Errors
    /// As [`Outside::open`].
    fn make(&self, config: &Config, former: Option<&Made>) -> Result<Made, ServeError> {
        let Self { world, started, .. } = self;
        let resolver =
            transport::resolver(&config.transport).map_err(|error| ServeError::Resolver(error.to_string()))?;
        let tls = RelayTls {
            opportunistic: opportunistic()?,
            // Without authorities only hosts that need none can be reached; the log of a delivery says so.
            verified: transport::verified(&config.transport)?,
        };
        let asking = Asking { world, resolver: &resolver, verified: tls.verified.as_ref() };
        let source = |token: &TokenConfig| {
            let source = asking.source(token, &self.tokens)?;
            let source = match former.and_then(|former| former.tokens.get(&token.name)) {
                Some(former) => source.in_place_of(former),
                None => source,
            };
            Ok((token.name.clone(), Arc::new(source)))
        };
        let tokens = config.tokens.iter().map(source).collect::<Result<BTreeMap<_, _>, ServeError>>()?;
        let roots = transport::roots(&config.transport);
        let posts: Option<Arc<dyn Posts>> = asking.client(GRAPH_TIMEOUT).ok().map(|client| Arc::new(client) as _);
        let mut builder = Builder {
            tokens: &tokens,
            posts: posts.as_ref(),
            roots: &roots,
            clock: &world.clock,
            pause: started.queue.retry_delays.first().copied().unwrap_or_default(),
            certificates: Vec::new(),
            former: former.map_or(&[], |former| &former.known),
            known: Vec::new(),
        };
        let ways = builder.ways(&config.routes)?;
        let (certificates, known) = (builder.certificates, builder.known);
        let demands = transport::demands(world, &config.transport, || self.policies(), &resolver, &tls)?;
        let agent = RelayAgent::new(resolver, Arc::new(TcpDialer), Arc::clone(&world.random), tls, self.options());
        let agent = agent.reusing(routes::reuse(&started.queue.outbound)).heeding(demands).waiting(config.timeouts);
        Ok(Made { agent: Arc::new(agent), ways, tokens, known, certificates })
    }

    fn options(&self) -> RelayOptions {
        let started = &self.started;
        RelayOptions {
            own_name: started.hostname.clone(),
            local_ipv4: None,
            local_ipv6: None,
            exchanger: ExchangerOptions {
                own_names: vec![started.hostname.clone()],
                own_addresses: started.listeners.iter().map(|listener| listener.address.ip()).collect(),
                port: 25,
                loopback_allowed: false,
            },
            patience_divisor: 1,
            attempt_max: ATTEMPT_MAX,
        }
    }

    fn policies(&self) -> Arc<PolicyCache> {
        let Self { world, mta_sts, .. } = self;
        let open = || Arc::new(PolicyCache::open(Arc::clone(&world.disk), mta_sts, world.clock.now()));
        Arc::clone(self.policies.get_or_init(open))
    }
}

/// What a token endpoint is asked with.
struct Asking<'a> {
    world: &'a World,
    resolver: &'a Arc<dyn Resolver>,
    verified: Option<&'a Arc<ClientConfig>>,
}

impl Asking<'_> {
    /// # Errors
    /// On a system without certificate authorities: no secret goes to a host that proves nothing.
    fn client(&self, timeout: Duration) -> Result<HttpsClient, TlsSetupError> {
        let verified = self.verified.ok_or(TlsSetupError::NoSystemAuthorities)?;
        // The operator named who is asked; it may be a broker on this machine.
        let options = HttpsOptions { port: HTTPS_PORT, loopback_allowed: true, bytes_max: ANSWER_BYTES_MAX, timeout };
        let (resolver, dialer) = (Arc::clone(self.resolver), Arc::new(TcpDialer));
        Ok(HttpsClient::new(resolver, dialer, Arc::clone(verified), options))
    }

    /// # Errors
    /// As [`Self::client`].
    fn source(&self, token: &TokenConfig, place: &Path) -> Result<TokenSource, TlsSetupError> {
        let client = self.client(TOKEN_TIMEOUT)?;
        let vault = Vault::new(Arc::clone(&self.world.disk), place, &token.name);
        Ok(TokenSource::new(token.clone(), Arc::new(client), Arc::clone(&self.world.clock), vault))
    }
}

/// Asks for a token once, as the server would, and forgets it; a refresh token that is exchanged is kept. Blocks.
///
/// # Errors
/// Why there is none, in words without secrets.
pub(super) fn try_token(world: &World, config: &Config, token: &TokenConfig) -> Result<(), String> {
    let data = DataDirectory::open(&config.data).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let resolver = transport::resolver(&config.transport).map_err(|error| error.to_string())?;
        let verified = transport::verified(&config.transport).map_err(|error| error.to_string())?;
        let asking = Asking { world, resolver: &resolver, verified: verified.as_ref() };
        let source = asking.source(token, &data.tokens()).map_err(|error| error.to_string())?;
        source.token().await.map(drop).map_err(|trouble| trouble.reason.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::outgoing::WAIT_MAX;
    use crate::model::queue::Limits;
    use crate::model::smtp::client::Step;

    #[test]
    fn an_attempt_ends_within_its_lease() {
        let margin = Duration::from_secs(60);
        assert!(WAIT_MAX + ATTEMPT_MAX + Step::DataEnd.patience() + margin <= Limits::default().lease);
    }
}
