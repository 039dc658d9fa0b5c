//! Access tokens for hosts and services that want them in place of a password (RFC 6749).
//!
//! A [`TokenSource`] asks one token endpoint for one kind of token. It promises that a token is asked for once, however
//! many deliveries wait for it; that it is renewed before it ends while the former one still serves; that an endpoint
//! which fails is left alone for a while, as long as it wishes where it says so; that a refresh token which was
//! exchanged for another is durable before the access token is used; and that no secret and no token shows in a log, an
//! error or a list.

mod answer;
mod vault;

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use self::answer::printable;
use self::answer::{Denied, Grant, Granted, form, read};
pub use self::vault::Vault;
use crate::config::{TokenConfig, TokenFlow};
use crate::world::Clock;
use crate::world::https::{Post, Posts};
use crate::world::offload;
use crate::world::secret::SecretSource;

const FORM: &str = "application/x-www-form-urlencoded";
/// A token is renewed so long before its end, or at half its life if that is shorter.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
/// So long an endpoint is left alone after its first failure, and twice as long after each further one.
const FAILURE_PAUSE: Duration = Duration::from_secs(15);
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(600);
/// The longest wish to be left alone that is obeyed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Refused tokens are exchanged no more often than this: a host that refuses every one is not the endpoint's fault.
const REFUSAL_PAUSE: Duration = Duration::from_secs(60);

/// Why there is no token, in words without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no access token \"{name}\": {reason}")]
pub struct TokenTrouble {
    /// The name of the token in the configuration.
    pub name: Box<str>,
    /// What is wrong.
    pub reason: Box<str>,
    /// How long nobody asks for it again.
    pub pause: Duration,
}

/// Gives access tokens of one kind. One for each `[[token]]` and the whole process.
pub struct TokenSource {
    settings: TokenConfig,
    posts: Arc<dyn Posts>,
    clock: Arc<dyn Clock>,
    vault: Vault,
    state: Arc<Mutex<State>>,
    /// Held by whoever asks the endpoint.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The last failure, until it is healed.
    failure: Option<Failure>,
    /// When a refused token was last exchanged.
    exchanged: Option<Duration>,
}

/// A token. Times are of the clock that nobody sets.
#[derive(Clone)]
struct Held {
    token: String,
    renew_at: Duration,
    ends_at: Duration,
}

struct Failure {
    trouble: TokenTrouble,
    until: Duration,
    times: u32,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenSource").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl TokenSource {
    /// Asks with `posts`, which should bound time and length, and keeps exchanged refresh tokens in `vault`.
    pub fn new(settings: TokenConfig, posts: Arc<dyn Posts>, clock: Arc<dyn Clock>, vault: Vault) -> Self {
        Self { settings, posts, clock, vault, state: Arc::default(), fetching: Arc::default() }
    }

    /// The same source in the place of `former`, which had its name and may still be in use: they take turns, so that
    /// none spends a refresh token that the other is exchanging. Where no setting changed, token and pauses stay.
    #[must_use]
    pub fn in_place_of(mut self, former: &Self) -> Self {
        self.fetching = Arc::clone(&former.fetching);
        if self.settings == former.settings {
            self.state = Arc::clone(&former.state);
        }
        self
    }

    /// Whether both ask the same endpoint for the same, with secrets from the same place.
    pub fn is_like(&self, other: &Self) -> bool {
        self.settings == other.settings
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<Held> {
        self.state().held.clone()
    }

    /// A token that lasts: the one at hand, or a new one. Whoever comes while one is asked for waits for it, unless the
    /// one at hand still serves.
    ///
    /// # Errors
    /// [`TokenTrouble`], at once while the endpoint is left alone.
    pub async fn token(&self) -> Result<String, TokenTrouble> {
        let now = self.clock.elapsed();
        match self.held().filter(|held| now < held.ends_at) {
            Some(held) if now < held.renew_at => Ok(held.token),
            Some(held) => {
                let Ok(_turn) = self.fetching.try_lock() else { return Ok(held.token) };
                // Somebody may have been quicker between the look and the turn.
                if let Some(fresh) = self.held().filter(|fresh| fresh.token != held.token) {
                    return Ok(fresh.token);
                }
                Ok(self.fetch().await.unwrap_or(held.token))
            }
            None => {
                let _turn = self.fetching.lock().await;
                match self.held().filter(|held| self.clock.elapsed() < held.ends_at) {
                    Some(held) => Ok(held.token),
                    None => self.fetch().await,
                }
            }
        }
    }

    /// Another token in place of one that a host refused: the one that somebody has asked for meanwhile, or a new one.
    /// None when a refused token was exchanged a moment ago, so that a new one would be no better.
    ///
    /// # Errors
    /// [`TokenTrouble`].
    pub async fn renew(&self, refused: &str) -> Result<Option<String>, TokenTrouble> {
        let _turn = self.fetching.lock().await;
        if let Some(held) = self.held().filter(|held| held.token != refused) {
            return Ok(Some(held.token));
        }
        let now = self.clock.elapsed();
        {
            let mut state = self.state();
            if state.exchanged.is_some_and(|at| now.saturating_sub(at) < REFUSAL_PAUSE) {
                return Ok(None);
            }
            state.exchanged = Some(now);
            state.held = None;
        }
        self.fetch().await.map(Some)
    }

    /// Asks the endpoint, unless it is left alone. Only who has the turn comes here.
    async fn fetch(&self) -> Result<String, TokenTrouble> {
        let now = self.clock.elapsed();
        if let Some(failure) = self.state().failure.as_ref().filter(|failure| now < failure.until) {
            let pause = failure.until.saturating_sub(now);
            return Err(TokenTrouble { pause, ..failure.trouble.clone() });
        }
        let granted = self.ask().await;
        let now = self.clock.elapsed();
        let mut state = self.state();
        match granted {
            Ok(Granted { token, lifetime, .. }) => {
                let margin = RENEWAL_MARGIN.min(lifetime / 2);
                let (renew_at, ends_at) = (now + lifetime - margin, now + lifetime);
                (state.held, state.failure) = (Some(Held { token: token.clone(), renew_at, ends_at }), None);
                tracing::info!(token = %self.settings.name, seconds = lifetime.as_secs(), "an access token was given");
                Ok(token)
            }
            Err(Denied { said, retry_after }) => {
                let times = state.failure.as_ref().map_or(0, |failure| failure.times).saturating_add(1);
                let doubled = FAILURE_PAUSE.saturating_mul(1_u32.checked_shl(times - 1).unwrap_or(u32::MAX));
                let wish = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                let pause = doubled.min(FAILURE_PAUSE_MAX).max(wish);
                let reason = format!("{}: {said}", self.settings.url);
                let trouble = TokenTrouble { name: self.settings.name.clone(), reason: reason.into(), pause };
                tracing::warn!(%trouble, pause = pause.as_secs(), "the endpoint is left alone for a while");
                state.failure = Some(Failure { trouble: trouble.clone(), until: now.saturating_add(pause), times });
                Err(trouble)
            }
        }
    }

    async fn ask(&self) -> Result<Granted, Denied> {
        let local = |said: String| Denied { said, retry_after: None };
        let secrets = self.secrets().await.map_err(local)?;
        let TokenConfig { client_id, scope, url, .. } = &self.settings;
        let grant = secrets.refresh_token.as_deref().map_or(Grant::ClientCredentials, Grant::RefreshToken);
        let body = form(grant, client_id, secrets.client_secret.as_deref(), scope.as_deref());
        let post = Post { url: url.clone(), content_type: FORM, bearer: None, body: body.into() };
        let answer = self.posts.post(&post).await.map_err(|error| local(error.reason))?;
        let sent = [secrets.client_secret.as_deref(), secrets.refresh_token.as_deref()];
        let sent: Vec<&str> = sent.into_iter().flatten().collect();
        let granted = read(&answer, &sent)?;
        if let (Some(next), Some(configured)) = (&granted.refresh_token, secrets.configured_refresh_token)
            && Some(next) != secrets.refresh_token.as_ref()
        {
            self.keep(configured, next.clone()).await;
        }
        Ok(granted)
    }

    /// A token that cannot be kept costs what a restart would remember; the former one may still be good.
    async fn keep(&self, configured: String, next: String) {
        let vault = self.vault.clone();
        let kept = offload(move || vault.keep(&configured, &next)).await.and_then(|kept| kept);
        if let Err(error) = kept {
            tracing::error!(token = %self.settings.name, %error, "a renewed refresh token was not kept");
        }
    }

    async fn secrets(&self) -> Result<Secrets, String> {
        let TokenConfig { client_secret, flow, .. } = self.settings.clone();
        let vault = self.vault.clone();
        let read = move || {
            let secret = |source: &SecretSource| source.read().map_err(|error| error.to_string());
            let client_secret = client_secret.as_ref().map(secret).transpose()?;
            let configured_refresh_token = match &flow {
                TokenFlow::ClientCredentials => None,
                TokenFlow::RefreshToken(source) => Some(secret(source)?),
            };
            let refresh_token = configured_refresh_token.as_deref().map(|configured| vault.current(configured));
            Ok(Secrets { client_secret, configured_refresh_token, refresh_token })
        };
        offload(read).await.map_err(|error| error.to_string())?
    }
}

/// What the endpoint is asked with.
struct Secrets {
    client_secret: Option<String>,
    configured_refresh_token: Option<String>,
    /// What came of the configured one.
    refresh_token: Option<String>,
}

#[cfg(test)]
mod tests;
