//! Puts together the way out by SMTP, and what it needs: tokens, certificates, the demands of other domains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::data::DataDirectory;
use super::routes::{self, Builder};
use super::serve::ServeError;
use super::stores::{Stores, World};
use super::transport;
use crate::config::{Config, TokenConfig};
use crate::delivery::exchanger::ExchangerOptions;
use crate::delivery::outgoing::Relay;
use crate::delivery::relay_agent::{RelayAgent, RelayOptions, RelayTls};
use crate::delivery::tokens::{TokenSource, Vault};
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

/// The way out, and the certificates that are shown on it.
///
/// # Errors
/// When a file of the configuration cannot be used, or the name service is not known.
pub(super) fn relay(
    world: &World,
    config: &Config,
    stores: &Stores,
) -> Result<(Relay, Vec<Arc<CertificateStore>>), ServeError> {
    let resolver = transport::resolver(&config.transport).map_err(|error| ServeError::Resolver(error.to_string()))?;
    let tls = RelayTls {
        opportunistic: opportunistic()?,
        // Without authorities only hosts that need none can be reached; the log of a delivery says so.
        verified: transport::verified(&config.transport)?,
    };
    let asking = Asking { world, resolver: &resolver, verified: tls.verified.as_ref() };
    let tokens = config.tokens.iter().map(|token| Ok((token.name.clone(), asking.source(token, &stores.data)?)));
    let tokens = tokens.collect::<Result<BTreeMap<_, _>, ServeError>>()?;
    let roots = transport::roots(&config.transport);
    let posts: Option<Arc<dyn Posts>> = asking.client(GRAPH_TIMEOUT).ok().map(|client| Arc::new(client) as _);
    let (clock, pause) = (&world.clock, config.queue.retry_delays.first().copied().unwrap_or_default());
    let (posts, certificates) = (posts.as_ref(), Vec::new());
    let mut builder = Builder { tokens: &tokens, posts, roots: &roots, clock, pause, certificates };
    let ways = builder.ways(&config.routes)?;
    let certificates = builder.certificates;
    let demands = transport::demands(world, &config.transport, &stores.data.mta_sts(), &resolver, &tls)?;
    let options = RelayOptions {
        own_name: config.hostname.clone(),
        local_ipv4: None,
        local_ipv6: None,
        exchanger: ExchangerOptions {
            own_names: vec![config.hostname.clone()],
            own_addresses: config.listeners.iter().map(|listener| listener.address.ip()).collect(),
            port: 25,
            loopback_allowed: false,
        },
        patience_divisor: 1,
        attempt_max: ATTEMPT_MAX,
    };
    let agent = RelayAgent::new(resolver, Arc::new(TcpDialer), Arc::clone(&world.random), tls, options);
    let agent = agent.reusing(routes::reuse(&config.queue.outbound)).heeding(demands).waiting(config.timeouts);
    Ok((Relay::new(Arc::new(agent), ways), certificates))
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
    fn source(&self, token: &TokenConfig, data: &DataDirectory) -> Result<Arc<TokenSource>, TlsSetupError> {
        let client = self.client(TOKEN_TIMEOUT)?;
        let vault = Vault::new(Arc::clone(&self.world.disk), &data.tokens(), &token.name);
        Ok(Arc::new(TokenSource::new(token.clone(), Arc::new(client), Arc::clone(&self.world.clock), vault)))
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
        let source = asking.source(token, &data).map_err(|error| error.to_string())?;
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
