//! Puts together what heeds the demands of recipients' domains.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::stores::World;
use crate::config::TransportConfig;
use crate::delivery::exchanger::TransportSecurity;
use crate::delivery::exchanger::mta_sts::MtaSts;
use crate::delivery::exchanger::policy_cache::PolicyCache;
use crate::delivery::relay_agent::RelayTls;
use crate::model::transport_security::mta_sts::POLICY_BYTES_MAX;
use crate::world::https::{HttpsClient, HttpsOptions};
use crate::world::network::TcpDialer;
use crate::world::resolver::{Resolver, ResolverSetupError, SystemResolver};
use crate::world::tls::{self, Authorities, Roots, TlsSetupError};

/// How long the name service may take.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(5);
/// The port of web servers.
const HTTPS_PORT: u16 = 443;
/// How long the fetch of a policy may take (RFC 8461 section 3.3 suggests a minute).
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Who is asked for names.
///
/// # Errors
/// When the name servers of the system are needed and not known.
pub(super) fn resolver(config: &TransportConfig) -> Result<Arc<dyn Resolver>, ResolverSetupError> {
    let open = if config.dane { SystemResolver::trusting } else { SystemResolver::open };
    Ok(Arc::new(open(&config.name_servers, RESOLVER_TIMEOUT)?))
}

/// Who vouches for other hosts.
pub(super) fn roots(config: &TransportConfig) -> Roots {
    config.authorities.clone().map_or(Roots::System, Roots::File)
}

/// TLS towards hosts that must prove their name; `None` on a system without authorities, where only hosts that need
/// none can be reached: the log of a delivery says so.
///
/// # Errors
/// When a file of authorities is configured and cannot be used.
pub(super) fn verified(config: &TransportConfig) -> Result<Option<Arc<ClientConfig>>, TlsSetupError> {
    match tls::verified(&roots(config)) {
        Ok(verified) => Ok(Some(verified)),
        Err(error @ TlsSetupError::NoSystemAuthorities) => {
            tracing::warn!(%error, "other hosts cannot be verified, and no MTA-STS policy can be fetched");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is heeded. `policies` gives the place where policies are remembered; it is asked for only where they count.
///
/// # Errors
/// As [`verified`].
pub(super) fn demands(
    world: &World,
    config: &TransportConfig,
    policies: impl FnOnce() -> Arc<PolicyCache>,
    resolver: &Arc<dyn Resolver>,
    tls: &RelayTls,
) -> Result<TransportSecurity, TlsSetupError> {
    let authorities = tls.verified.as_ref().map(|_| Authorities::open(&roots(config))).transpose()?;
    let mta_sts = tls.verified.as_ref().filter(|_| config.mta_sts).map(|verified| {
        let options = HttpsOptions {
            port: HTTPS_PORT,
            loopback_allowed: false,
            bytes_max: POLICY_BYTES_MAX,
            timeout: FETCH_TIMEOUT,
        };
        let texts = HttpsClient::new(Arc::clone(resolver), Arc::new(TcpDialer), Arc::clone(verified), options);
        Arc::new(MtaSts::new(Arc::new(texts), policies(), Arc::clone(&world.clock)))
    });
    Ok(TransportSecurity { mta_sts, dane: config.dane, authorities })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    /// What is heeded with this in `[relay]`, the authorities being those of a directory with one certificate.
    fn heeded(relay: &str, place: &Path) -> Result<TransportSecurity, TlsSetupError> {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        std::fs::write(place.join("ca.pem"), certificate.pem()).unwrap();
        let text = format!("[relay]\nname_servers = [\"127.0.0.1:1\"]\n{relay}\n");
        let config = Config::parse(&text, &place.join("franking.toml")).unwrap().transport;
        let resolver = resolver(&config).unwrap();
        let tls = RelayTls { opportunistic: tls::opportunistic().unwrap(), verified: verified(&config)? };
        let world = World::of_the_system().unwrap();
        let policies =
            || Arc::new(PolicyCache::open(Arc::clone(&world.disk), &place.join("mta-sts"), world.clock.now()));
        demands(&world, &config, policies, &resolver, &tls)
    }

    #[tokio::test]
    async fn the_configuration_says_what_is_heeded() {
        let place = tempfile::tempdir().unwrap();
        let usual = heeded("authorities = \"ca.pem\"", place.path()).unwrap();
        assert!(usual.mta_sts.is_some() && usual.authorities.is_some() && !usual.dane);
        assert!(place.path().join("mta-sts").is_dir());
        let other = heeded("authorities = \"ca.pem\"\nmta_sts = false\ndane = true", place.path()).unwrap();
        assert!(other.mta_sts.is_none() && other.dane);
        let missing = heeded("authorities = \"missing.pem\"", place.path());
        assert!(matches!(missing, Err(TlsSetupError::Authorities { .. })));
    }
}
