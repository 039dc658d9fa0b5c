//! Verifies the tokens that clients sign in with, and keeps the keys of their issuers.
//!
//! Keys are kept for as long as there are no others: an issuer that is down for a day keeps nobody out. They are looked
//! for anew from time to time, in the background, and at once when a token names a key that is not among them: issuers
//! change their keys without saying when. Nobody can make this server ask an issuer more often than every few seconds,
//! whatever tokens are shown; who comes while it is asked waits for the one answer. Waiting blocks no worker.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::task::spawn_blocking;

use crate::config::{IssuerConfig, KeySource};
use crate::model::mail::Address;
use crate::model::policy::token::{Fault, Issuer, judge};
use crate::world::Clock;
use crate::world::disk::read_regular;
use crate::world::https::Documents;
use crate::world::jws::{KEYS_BYTES_MAX, KeySet, Token};

/// Keys that are older are looked for anew when they are next needed: in a file, and where an issuer publishes them.
const FILE_AGE_MAX: Duration = Duration::from_secs(60);
const URL_AGE_MAX: Duration = Duration::from_secs(3_600);
/// So long nobody looks again after a success; after a failure twice as long with each, up to the most.
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefused {
    /// It is not right.
    Wrong(Fault),
    /// Nobody can say: the keys of its issuer could not be had yet.
    Unverifiable(Box<str>),
}

/// Verifies tokens for all sessions.
pub struct TokenVerifier {
    clock: Arc<dyn Clock>,
    sources: ArcSwap<Vec<Arc<Source>>>,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenVerifier").field("issuers", &self.sources.load().len()).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Believes these issuers, and has no keys of theirs yet. `documents` should bound time and length; without it no
    /// keys are fetched, and only those in files are known.
    pub fn new(clock: Arc<dyn Clock>, issuers: &[IssuerConfig], documents: Option<&Arc<dyn Documents>>) -> Self {
        let own = Self { clock, sources: ArcSwap::default() };
        own.reconfigure(issuers, documents);
        own
    }

    /// Believes these issuers from now on. Of those that it believed before, the keys stay in use until they are looked
    /// for anew, which is with the next token, or with [`Self::refresh`].
    pub fn reconfigure(&self, issuers: &[IssuerConfig], documents: Option<&Arc<dyn Documents>>) {
        let former = self.sources.load_full();
        let source = |config: &IssuerConfig| {
            let keys =
                former.iter().find(|known| known.config.keys == config.keys).and_then(|own| own.keys.load_full());
            Arc::new(Source {
                config: config.clone(),
                documents: documents.map(Arc::clone),
                clock: Arc::clone(&self.clock),
                keys: ArcSwapOption::new(keys),
                state: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            })
        };
        self.sources.store(Arc::new(issuers.iter().map(source).collect()));
    }

    /// Looks for the keys of all issuers at once.
    pub async fn refresh(&self) {
        for source in self.sources.load_full().iter() {
            source.refresh().await;
        }
    }

    /// Verifies a token; the login that it names.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub async fn check(&self, text: &str) -> Result<Address, TokenRefused> {
        let token = Token::read(text).map_err(TokenRefused::Wrong)?;
        let claimed = token.issuer().unwrap_or_default();
        let sources = self.sources.load_full();
        let found = sources.iter().find(|source| *source.config.rules.issuer == *claimed);
        let Some(source) = found else {
            return Err(TokenRefused::Wrong(Fault::UnknownIssuer(claimed.to_owned())));
        };
        let Some(keys) = source.keys_for(&token).await else {
            return Err(TokenRefused::Unverifiable(source.config.rules.name.clone()));
        };
        let rules = &source.config.rules;
        let claims = token.verify(&keys, &rules.algorithms).map_err(TokenRefused::Wrong)?;
        judge(rules, &claims, self.clock.now()).map_err(TokenRefused::Wrong)
    }
}

/// One issuer, and its keys.
struct Source {
    config: IssuerConfig,
    documents: Option<Arc<dyn Documents>>,
    clock: Arc<dyn Clock>,
    keys: ArcSwapOption<KeySet>,
    state: Mutex<State>,
    /// Held by whoever looks.
    turn: tokio::sync::Mutex<()>,
}

/// Times are of the clock that nobody sets.
#[derive(Clone, Copy, Default)]
struct State {
    /// From when on they are old.
    old: Duration,
    /// Before that nobody looks.
    next: Duration,
    failures: u32,
    /// How often somebody has looked.
    looks: u64,
}

impl Source {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys to verify a token with: those at hand where they have the one it names, else what the issuer has now.
    async fn keys_for(self: &Arc<Self>, token: &Token<'_>) -> Option<Arc<KeySet>> {
        let (held, state, now) = (self.keys.load_full(), self.state(), self.clock.elapsed());
        let is_known = held.as_ref().is_some_and(|keys| token.is_known_to(keys));
        if !is_known {
            self.look(state.looks).await;
            return self.keys.load_full();
        }
        if now >= state.old && now >= state.next {
            let own = Arc::clone(self);
            tokio::spawn(async move { own.look(state.looks).await });
        }
        held
    }

    /// Looks now, whatever there is.
    async fn refresh(&self) {
        let seen = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.next = Duration::ZERO;
            state.looks
        };
        self.look(seen).await;
    }

    /// Looks for the keys, unless that is not to be done yet, or somebody has since the looker saw so many looks.
    async fn look(&self, seen: u64) {
        if self.clock.elapsed() < self.state().next {
            return;
        }
        let _turn = self.turn.lock().await;
        if self.state().looks != seen {
            return;
        }
        let (rules, found) = (&self.config.rules, self.find().await);
        let now = self.clock.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.looks += 1;
        match found {
            Ok(keys) => {
                let age_max = match self.config.keys {
                    KeySource::File(_) => FILE_AGE_MAX,
                    KeySource::Url(_) => URL_AGE_MAX,
                };
                *state = State { old: now + age_max, next: now + PAUSE, failures: 0, looks: state.looks };
                tell(rules, self.keys.load().as_deref(), &keys);
                self.keys.store(Some(Arc::new(keys)));
            }
            Err(reason) => {
                let pause = PAUSE.saturating_mul(1_u32.checked_shl(state.failures).unwrap_or(u32::MAX)).min(PAUSE_MAX);
                state.failures = state.failures.saturating_add(1);
                state.next = now + pause;
                let seconds = pause.as_secs();
                let kept = self.keys.load().is_some();
                tracing::warn!(issuer = %rules.name, %reason, kept, seconds, "keys of an issuer cannot be had");
            }
        }
    }

    async fn find(&self) -> Result<KeySet, String> {
        let octets = match (&self.config.keys, &self.documents) {
            (KeySource::File(path), _) => {
                let (path, shown) = (path.clone(), path.display().to_string());
                let read = spawn_blocking(move || read_regular(&path, KEYS_BYTES_MAX as u64)).await;
                let read = read.map_err(|error| error.to_string())?;
                read.map_err(|error| format!("{shown}: {error}"))?
            }
            (KeySource::Url(url), Some(documents)) => documents.get(url).await.map_err(|error| error.to_string())?,
            (KeySource::Url(_), None) => return Err("this system has no certificate authorities".to_owned()),
        };
        KeySet::read(&octets).map_err(|error| error.to_string())
    }
}

/// Says it once when the keys alter.
fn tell(rules: &Issuer, former: Option<&KeySet>, keys: &KeySet) {
    if former == Some(keys) {
        return;
    }
    tracing::info!(issuer = %rules.name, keys = keys.count(), "the keys of an issuer are in use");
    if let Some(algorithm) = rules.algorithms.iter().find(|algorithm| !keys.serves(**algorithm)) {
        tracing::debug!(issuer = %rules.name, algorithm = algorithm.name(), "no key is for this algorithm");
    }
}

#[cfg(test)]
mod tests;
