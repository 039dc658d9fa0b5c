//! Checks passwords, off the async workers and only as many at once as there are cores.
//!
//! Promises: a login that nobody has costs exactly what a wrong password costs, one verification; a verdict never
//! depends on anything but password and stored hash; no stored hash makes it panic. A password that was right is
//! remembered for a minute, by a keyed digest of hash and password together, so any change of the hash forgets it at
//! once and the memory reveals nothing.

use core::fmt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::visible::Visible;
use crate::model::directory::{PasswordHash, Snapshot};
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{Evidence, Proof};
use crate::model::smtp::{Credentials, Verdict};
use crate::world::password::{self, PASSWORD_BYTES_MAX, PasswordError};
use crate::world::{Clock, Random};

/// How long a right password is remembered. Devices send in bursts; a minute covers one.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Verdicts remembered at once.
const VERDICTS_MAX: usize = 4_096;
/// Checks that may wait for one core, some five seconds of its work; more are told to come again.
const WAITING_PER_CORE_MAX: usize = 100;

type Digest = [u8; 32];

/// Checks passwords for all sessions.
pub struct Authenticator {
    clock: Arc<dyn Clock>,
    cores: Arc<Semaphore>,
    waiting_max: usize,
    waiting: AtomicUsize,
    /// Made at start, known to nobody.
    key: Zeroizing<[u8; 32]>,
    /// Right passwords, and when each is forgotten.
    verdicts: Mutex<HashMap<Digest, Duration>>,
    verifications: Arc<AtomicU64>,
}

impl Authenticator {
    /// Checks at most `cores` passwords at once, at least one.
    pub fn new(clock: Arc<dyn Clock>, random: &dyn Random, cores: usize) -> Self {
        let cores = cores.clamp(1, Semaphore::MAX_PERMITS / WAITING_PER_CORE_MAX);
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        Self {
            clock,
            cores: Arc::new(Semaphore::new(cores)),
            waiting_max: cores * WAITING_PER_CORE_MAX,
            waiting: AtomicUsize::new(0),
            key,
            verdicts: Mutex::default(),
            verifications: Arc::default(),
        }
    }

    /// Password verifications since the start, decoys included.
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    /// Judges `credentials` by the directory of this moment. Whether the account may sign in is for policy to say.
    pub async fn check(&self, snapshot: &Snapshot, credentials: Credentials) -> Verdict {
        let Credentials { login, password } = credentials;
        if password.len() > PASSWORD_BYTES_MAX {
            return Verdict::Judged(Evidence::Wrong);
        }
        let account = find_account(snapshot, &login).and_then(|found| found.account.as_deref());
        let stored = account.and_then(|account| account.password.clone());
        let digest = stored.as_ref().and_then(|stored| self.digest(stored, &password));
        if digest.is_some_and(|digest| self.remembers(&digest)) {
            return Verdict::Judged(Evidence::Right(Proof::Password));
        }
        let Some(right) = self.verify(&login, stored, password).await else { return Verdict::TemporaryFailure };
        if !right {
            return Verdict::Judged(Evidence::Wrong);
        }
        if let Some(digest) = digest {
            self.remember(digest);
        }
        Verdict::Judged(Evidence::Right(Proof::Password))
    }

    /// `None` when it could not be judged now.
    async fn verify(&self, login: &str, stored: Option<PasswordHash>, password: Zeroizing<String>) -> Option<bool> {
        let _place = Waiting::among(&self.waiting, self.waiting_max)?;
        // The semaphore is never closed.
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        let verifications = Arc::clone(&self.verifications);
        let work = spawn_blocking(move || {
            let _core = core;
            judge(stored.as_ref(), &password, &verifications)
        });
        match work.await {
            Ok(Ok(right)) => Some(right),
            Ok(Err(error)) => {
                tracing::error!(login = %Visible(login), %error, "password cannot be checked");
                Some(false)
            }
            Err(error) => {
                tracing::error!(%error, "the password check failed");
                None
            }
        }
    }

    fn digest(&self, stored: &PasswordHash, password: &str) -> Option<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).ok()?;
        // The length keeps the end of one from passing as the start of the other.
        mac.update(&stored.phc().len().to_le_bytes());
        mac.update(stored.phc().as_bytes());
        mac.update(password.as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    fn remembers(&self, digest: &Digest) -> bool {
        let now = self.clock.elapsed();
        self.with_verdicts(|verdicts| verdicts.get(digest).is_some_and(|until| now < *until))
    }

    fn remember(&self, digest: Digest) {
        let now = self.clock.elapsed();
        self.with_verdicts(|verdicts| {
            if verdicts.len() >= VERDICTS_MAX {
                verdicts.retain(|_, until| now < *until);
            }
            if verdicts.len() >= VERDICTS_MAX {
                verdicts.clear();
            }
            verdicts.insert(digest, now.saturating_add(REMEMBERED));
        });
    }

    fn with_verdicts<T>(&self, step: impl FnOnce(&mut HashMap<Digest, Duration>) -> T) -> T {
        step(&mut self.verdicts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verifications = self.verifications();
        formatter.debug_struct("Authenticator").field("verifications", &verifications).finish_non_exhaustive()
    }
}

/// One verification, whatever there is to verify against: blocks for tens of milliseconds.
fn judge(stored: Option<&PasswordHash>, password: &str, verifications: &AtomicU64) -> Result<bool, PasswordError> {
    let against_decoy = || password::verify(password, password::decoy());
    verifications.fetch_add(1, Ordering::Relaxed);
    match stored.map(|stored| password::verify(password, stored)) {
        Some(Ok(right)) => Ok(right),
        None => against_decoy().map(|_| false),
        Some(Err(error)) => {
            // A hash that cannot be used is found out at once; the client must not see that in the time it takes.
            let _ = against_decoy();
            Err(error)
        }
    }
}

/// A place among those who wait.
struct Waiting<'count>(&'count AtomicUsize);

impl<'count> Waiting<'count> {
    fn among(count: &'count AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(count);
        // Dropping the place gives it back, also when it was one too many.
        (count.fetch_add(1, Ordering::AcqRel) < max).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
