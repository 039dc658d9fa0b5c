//! Puts together what verifies the tokens of clients.

use std::sync::Arc;
use std::time::Duration;

use super::serve::ServeError;
use super::transport;
use crate::config::{Config, IssuerConfig, KeySource};
use crate::server::TokenVerifier;
use crate::world::Clock;
use crate::world::https::{Documents, HttpsClient, HttpsOptions};
use crate::world::jws::{KEYS_BYTES_MAX, KeySet};
use crate::world::network::TcpDialer;

/// How long an issuer may take to give its keys. Clients whose token names a new one wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);
const HTTPS_PORT: u16 = 443;

/// What fetches keys; `None` where none are fetched, or nobody vouches for those who have them.
///
/// # Errors
/// When the name service is not known, or the file of authorities cannot be used.
pub(super) fn documents(config: &Config) -> Result<Option<Arc<dyn Documents>>, ServeError> {
    if !config.issuers.iter().any(|issuer| matches!(issuer.keys, KeySource::Url(_))) {
        return Ok(None);
    }
    let resolver = transport::resolver(&config.transport).map_err(|error| ServeError::Resolver(error.to_string()))?;
    let verified = transport::verified(&config.transport)?;
    // The operator named who is asked; it may be on this machine.
    let options =
        HttpsOptions { port: HTTPS_PORT, loopback_allowed: true, bytes_max: KEYS_BYTES_MAX, timeout: TIMEOUT };
    let client = |verified| HttpsClient::new(resolver, Arc::new(TcpDialer), verified, options);
    Ok(verified.map(|verified| Arc::new(client(verified)) as _))
}

/// Who verifies tokens; its keys are looked for with the first of them, or when it is told to.
///
/// # Errors
/// As [`documents`].
pub(super) fn verifier(clock: &Arc<dyn Clock>, config: &Config) -> Result<TokenVerifier, ServeError> {
    Ok(TokenVerifier::new(Arc::clone(clock), &config.issuers, documents(config)?.as_ref()))
}

/// Fetches the keys of an issuer once. Blocks.
///
/// # Errors
/// Why there are none.
pub(super) fn try_issuer(config: &Config, issuer: &IssuerConfig) -> Result<KeySet, String> {
    let KeySource::Url(url) = &issuer.keys else { return Err("its keys are in a file".to_owned()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let documents = documents(config).map_err(|error| error.to_string())?;
    let documents = documents.ok_or("this system has no certificate authorities")?;
    let octets = runtime.map_err(|error| error.to_string())?.block_on(documents.get(url));
    KeySet::read(&octets.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}
