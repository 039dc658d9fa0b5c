//! Finds the MTA-STS policy of a recipient's domain (RFC 8461): what the DNS announces, HTTPS tells and memory keeps.
//!
//! It promises that a policy which was fetched counts until it ends, whatever becomes of DNS and web server meanwhile,
//! so that nobody on the way can take it back; that a domain without one never waits for it; and that a web server that
//! fails is not asked again for five minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::policy_cache::{Cached, PolicyCache};
use crate::model::transport_security::{Mode, Policy, PolicyId, policy_id};
use crate::world::Clock;
use crate::world::https::Texts;
use crate::world::offload;
use crate::world::resolver::Resolver;

/// Where a domain keeps its policy.
const PATH: &str = "/.well-known/mta-sts.txt";
/// How long a web server that failed is left alone (RFC 8461 section 3.3).
const FAILURE_PAUSE: Duration = Duration::from_secs(300);
/// Failures that are remembered; over that, all are forgotten.
const FAILURES_MAX: usize = 4_096;

/// Finds policies. One for the whole process.
pub struct MtaSts {
    texts: Arc<dyn Texts>,
    cache: Arc<PolicyCache>,
    clock: Arc<dyn Clock>,
    /// When the policy of a domain could last not be had, by the clock that never goes back, and under which id.
    failures: Mutex<HashMap<String, (Option<PolicyId>, Duration)>>,
    /// One for each domain whose policy is being fetched.
    fetches: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MtaSts {
    /// Fetches with `texts`, which should bound time and length, and remembers in `cache`.
    pub fn new(texts: Arc<dyn Texts>, cache: impl Into<Arc<PolicyCache>>, clock: Arc<dyn Clock>) -> Self {
        let (failures, fetches) = (Mutex::default(), Mutex::default());
        Self { texts, cache: cache.into(), clock, failures, fetches }
    }

    /// The policy by which mail to `domain` goes, a name in A-labels; `None` when it has none, or one of mode `none`.
    pub async fn policy(&self, domain: &str, resolver: &dyn Resolver) -> Option<Arc<Policy>> {
        let announced = match resolver.texts(&format!("_mta-sts.{domain}")).await {
            Ok(records) => policy_id(&records),
            // As if there were none: what is remembered still counts (RFC 8461 section 3.1).
            Err(error) => {
                tracing::debug!(domain, %error, "whether the domain has an MTA-STS policy could not be learned");
                None
            }
        };
        let known = self.known(domain);
        let found = if self.is_wanted(known.as_ref(), announced.as_ref()) {
            self.fetch_once(domain, announced, known).await
        } else {
            known
        };
        found.map(|cached| cached.policy).filter(|policy| policy.mode() != Mode::None)
    }

    fn known(&self, domain: &str) -> Option<Cached> {
        self.cache.find(domain, self.clock.now())
    }

    fn is_wanted(&self, known: Option<&Cached>, announced: Option<&PolicyId>) -> bool {
        match (known, announced) {
            (None, announced) => announced.is_some(),
            (Some(known), Some(announced)) if known.id != *announced => true,
            // Also for a domain that announces nothing any more: the record may be held back on the way.
            (Some(known), _) => known.is_due(self.clock.now()),
        }
    }

    /// Fetches, unless somebody else does: whoever knows a policy goes by it meanwhile, all others wait.
    async fn fetch_once(&self, domain: &str, announced: Option<PolicyId>, known: Option<Cached>) -> Option<Cached> {
        if self.has_failed_lately(domain, announced.as_ref()) {
            return known;
        }
        let fetch = Arc::clone(lock(&self.fetches).entry(domain.to_owned()).or_default());
        let found = match (fetch.try_lock(), known) {
            (Ok(_turn), known) => self.fetch(domain, announced, known).await,
            (Err(_), known @ Some(_)) => known,
            (Err(_), None) => {
                let _turn = fetch.lock().await;
                match self.known(domain) {
                    None if !self.has_failed_lately(domain, announced.as_ref()) => {
                        self.fetch(domain, announced, None).await
                    }
                    known => known,
                }
            }
        };
        drop(fetch);
        lock(&self.fetches).retain(|_, fetch| Arc::strong_count(fetch) > 1);
        found
    }

    async fn fetch(&self, domain: &str, announced: Option<PolicyId>, known: Option<Cached>) -> Option<Cached> {
        let text = self.texts.fetch(&format!("mta-sts.{domain}"), PATH).await.map_err(|error| error.to_string());
        let policy = text.and_then(|text| Policy::parse(&text).map_err(|error| format!("no policy: {error}")));
        let id = announced.clone().or_else(|| known.as_ref().map(|known| known.id.clone()));
        match (policy, id) {
            (Ok(policy), Some(id)) => {
                let cached = Cached { policy: Arc::new(policy), id, fetched: self.clock.now() };
                tracing::info!(domain, id = %cached.id, mode = ?cached.policy.mode(), "an MTA-STS policy was fetched");
                lock(&self.failures).remove(domain);
                let (cache, name, kept) = (Arc::clone(&self.cache), domain.to_owned(), cached.clone());
                if let Err(error) = offload(move || cache.remember(&name, &kept)).await {
                    tracing::warn!(domain, %error, "an MTA-STS policy was not remembered");
                }
                Some(cached)
            }
            (Ok(_), None) => known,
            (Err(reason), _) => {
                tracing::warn!(domain, reason, known = known.is_some(), "an MTA-STS policy could not be fetched");
                self.note_failure(domain, announced);
                known
            }
        }
    }

    /// Another id is another policy, and deserves another attempt.
    fn has_failed_lately(&self, domain: &str, announced: Option<&PolicyId>) -> bool {
        let failures = lock(&self.failures);
        failures.get(domain).is_some_and(|(id, at)| {
            id.as_ref() == announced && self.clock.elapsed().saturating_sub(*at) < FAILURE_PAUSE
        })
    }

    fn note_failure(&self, domain: &str, announced: Option<PolicyId>) {
        let now = self.clock.elapsed();
        let mut failures = lock(&self.failures);
        if failures.len() >= FAILURES_MAX {
            failures.retain(|_, (_, at)| now.saturating_sub(*at) < FAILURE_PAUSE);
        }
        if failures.len() >= FAILURES_MAX {
            failures.clear();
        }
        failures.insert(domain.to_owned(), (announced, now));
    }
}

#[cfg(test)]
mod tests;
