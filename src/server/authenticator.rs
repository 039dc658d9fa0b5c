//! Checks passwords, off the async workers and only as many at once as there are cores, in as much memory.
//!
//! Promises: a login that nobody has costs exactly what a wrong password costs, one verification, and so does the
//! secret of a device, however many its account has; a verdict never depends on anything but what was shown and the
//! stored hash; no stored hash makes it panic. A password that was right is remembered for a minute, by a keyed digest
//! of hash and password together, so any change of the hash forgets it at once and the memory reveals nothing.

mod workspaces;

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

use self::workspaces::Workspaces;
use super::visible::Visible;
use crate::model::directory::device::Secret;
use crate::model::directory::{Account, PasswordHash, Snapshot};
use crate::model::policy::device::Checked;
use crate::model::policy::scram::{self, Proven, ScramProof, ScramSecrets};
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{AppPassword, Evidence, Proof, Whence};
use crate::model::smtp::Verdict;
use crate::world::password::{self, PASSWORD_BYTES_MAX, PasswordError, Workspace};
use crate::world::{Clock, Random};

/// How long a right password is remembered. Devices send in bursts; a minute covers one.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Verdicts remembered at once.
const VERDICTS_MAX: usize = 4_096;
/// Checks that may wait for one core, some five seconds of its work; more are told to come again.
const WAITING_PER_CORE_MAX: usize = 100;

type Digest = [u8; 32];

/// Whether a password that was right lately needs no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It needs none.
    Asked,
    /// It is checked anew: whatever comes of it, the answer will be that of a wrong one.
    Ignored,
}

/// Checks passwords for all sessions.
pub struct Authenticator {
    clock: Arc<dyn Clock>,
    cores: Arc<Semaphore>,
    waiting_max: usize,
    waiting: AtomicUsize,
    /// Made at start, known to nobody.
    key: Zeroizing<[u8; 32]>,
    /// Makes the salts that SCRAM tells of logins that have none.
    salts: [u8; 32],
    /// Right passwords, and when each is forgotten.
    verdicts: Mutex<HashMap<Digest, Duration>>,
    verifications: Arc<AtomicU64>,
    workspaces: Arc<Workspaces>,
}

impl Authenticator {
    /// Checks at most `cores` passwords at once, at least one.
    pub fn new(clock: Arc<dyn Clock>, random: &dyn Random, cores: usize) -> Self {
        let cores = cores.clamp(1, Semaphore::MAX_PERMITS / WAITING_PER_CORE_MAX);
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        let mut salts = [0; 32];
        random.fill(&mut salts);
        Self {
            clock,
            cores: Arc::new(Semaphore::new(cores)),
            waiting_max: cores * WAITING_PER_CORE_MAX,
            waiting: AtomicUsize::new(0),
            key,
            salts,
            verdicts: Mutex::default(),
            verifications: Arc::default(),
            workspaces: Arc::default(),
        }
    }

    /// The same with a secret for SCRAM that outlasts restarts, as the salts of accounts do.
    #[must_use]
    pub fn with_salts(self, salts: [u8; 32]) -> Self {
        Self { salts, ..self }
    }

    /// What a session needs to challenge clients of SCRAM.
    pub fn scram_secrets(&self, random: &dyn Random) -> ScramSecrets {
        let mut nonces = [0; 32];
        random.fill(&mut nonces);
        ScramSecrets { salts: self.salts, nonces }
    }

    /// What a proof of SCRAM comes to, by the directory of this moment: microseconds of work, the same for a login that
    /// nobody has. It proves a password, or the secret of a device, and policy takes it for that.
    pub fn prove(&self, account: Option<&Account>, shown: &ScramProof, whence: Whence) -> Evidence {
        match scram::verify(account, shown, whence.in_clear) {
            Some(Proven::Password) => Evidence::Right(Proof::Password),
            Some(Proven::Device(selector)) => {
                Evidence::Right(Proof::AppPassword(AppPassword { selector, whence, at: self.clock.now() }))
            }
            None => Evidence::Wrong,
        }
    }

    /// Password verifications carried out since the start, decoys included.
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    /// Judges the `password` of `login`, shown `whence`, by the directory of this moment. Whether the account, or the
    /// device, may sign in is for policy to say.
    pub async fn check(
        &self,
        snapshot: &Snapshot,
        (login, password): (&str, Zeroizing<String>),
        whence: Whence,
        memory: Memory,
    ) -> Verdict {
        if password.len() > PASSWORD_BYTES_MAX {
            return Verdict::Judged(Evidence::Wrong);
        }
        let account = find_account(snapshot, login).and_then(|found| found.account.as_deref());
        let secret = Secret::read(&password);
        let checked = Checked::of(account, &password, secret.as_ref(), whence, self.clock.now());
        let (stored, proof) = (checked.hash.cloned(), checked.proof);
        // A blocked account is refused like a wrong password, so a right one must not come back sooner the second time:
        // the difference would tell it from the wrong ones.
        let is_open = account.is_some_and(|account| checked.may_be_remembered(account));
        let digest = stored.as_ref().filter(|_| is_open).and_then(|stored| self.digest(stored, checked.text));
        if memory == Memory::Asked && digest.is_some_and(|digest| self.remembers(&digest)) {
            return Verdict::Judged(Evidence::Right(proof));
        }
        let shown = Zeroizing::new(checked.text.to_owned());
        let Some(right) = self.verify(login, stored, shown).await else { return Verdict::TemporaryFailure };
        if !right {
            return Verdict::Judged(Evidence::Wrong);
        }
        if let Some(digest) = digest {
            self.remember(digest);
        }
        Verdict::Judged(Evidence::Right(proof))
    }

    /// A number that stands for what was shown, the same for the same until the server ends; it reveals nothing.
    pub fn number_of(&self, shown: &[u8]) -> u64 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.key) else { return 0 };
        mac.update(shown);
        mac.finalize().into_bytes().first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// `None` when it could not be judged now.
    async fn verify(&self, login: &str, stored: Option<PasswordHash>, password: Zeroizing<String>) -> Option<bool> {
        let _place = Waiting::among(&self.waiting, self.waiting_max)?;
        // The semaphore is never closed.
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        let (verifications, workspaces) = (Arc::clone(&self.verifications), Arc::clone(&self.workspaces));
        let work = spawn_blocking(move || {
            // Given back after the memory, so that there is no more of it than cores.
            let _core = core;
            let mut workspace = workspaces.take();
            let judged = judge(stored.as_ref(), &password, &verifications, &mut workspace);
            workspaces.give_back(workspace);
            judged
        });
        match work.await {
            Ok(Ok(right)) => Some(right),
            Ok(Err(error @ PasswordError::Hash(_))) => {
                tracing::error!(%error, "the password check failed");
                None
            }
            Ok(Err(error @ (PasswordError::TooLong | PasswordError::Malformed(_)))) => {
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
fn judge(
    stored: Option<&PasswordHash>,
    password: &str,
    verifications: &AtomicU64,
    workspace: &mut Workspace,
) -> Result<bool, PasswordError> {
    let mut verify = |hash| {
        let outcome = password::verify(password, hash, workspace);
        // What fails at once did no work.
        verifications.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
        outcome
    };
    match stored.map(&mut verify) {
        Some(Ok(right)) => Ok(right),
        None => verify(password::decoy()).map(|_| false),
        Some(Err(error)) => {
            // A hash that cannot be used is found out at once; the client must not see that in the time it takes.
            let _ = verify(password::decoy());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::device::Verifier;
    use crate::model::directory::{AcceptedDomain, Change, Device, DomainType, Recipient, RecipientType, Selector};
    use crate::model::mail::{Address, Domain, Timestamp};
    use crate::world::{ManualClock, SeededRandom};

    const RIGHT: Verdict = Verdict::Judged(Evidence::Right(Proof::Password));
    const WHENCE: Whence =
        Whence { peer: core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7)), in_clear: false };
    const WRONG: Verdict = Verdict::Judged(Evidence::Wrong);

    struct Scene {
        clock: Arc<ManualClock>,
        authenticator: Authenticator,
        snapshot: Snapshot,
    }

    impl Scene {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
            let authenticator = Authenticator::new(Arc::<ManualClock>::clone(&clock), &SeededRandom::new(1), 2);
            let domain =
                AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative).as_default();
            let snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
            let mut scene = Self { clock, authenticator, snapshot };
            scene.put("alice", Some(password::hash("correct horse", &SeededRandom::new(2)).unwrap()));
            scene
        }

        fn put(&mut self, name: &str, stored: Option<PasswordHash>) {
            let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
            let known = self.snapshot.find_by_login(&address).map(|found| found.id);
            let id = known.unwrap_or_else(|| self.snapshot.next_id());
            let mut recipient = Recipient::new(id, RecipientType::UserMailbox, name, address);
            recipient.account.as_mut().unwrap().password = stored;
            self.snapshot = self.snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
        }

        async fn check(&self, login: &str, password: &str) -> Verdict {
            let shown = (login, Zeroizing::new(password.to_owned()));
            self.authenticator.check(&self.snapshot, shown, WHENCE, Memory::Asked).await
        }

        /// How many verifications a check took.
        async fn work(&self, login: &str, password: &str) -> u64 {
            let before = self.authenticator.verifications();
            self.check(login, password).await;
            self.authenticator.verifications() - before
        }
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let scene = Scene::new();
        assert_eq!(scene.check("alice@contoso.example", "correct horse").await, RIGHT);
        assert_eq!(scene.check("alice", "correct horse").await, RIGHT);
        assert_eq!(scene.check("alice@contoso.example", "correct horsf").await, WRONG);
        assert_eq!(scene.check("alice@contoso.example", "").await, WRONG);
        assert_eq!(scene.check("nobody@contoso.example", "correct horse").await, WRONG);
        assert_eq!(scene.check("\u{202e}", "x").await, WRONG);
    }

    #[tokio::test]
    async fn a_wrong_password_an_unknown_login_and_a_hash_that_is_none_cost_the_same_work() {
        let mut scene = Scene::new();
        scene.put("bob", Some(PasswordHash::from_phc("not a hash")));
        scene.put("carol", None);
        for login in ["alice", "nobody", "bob", "carol", ""] {
            assert_eq!(scene.work(login, "guess").await, 1, "{login}");
            assert_eq!(scene.check(login, "guess").await, WRONG);
        }
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        for login in ["alice", "nobody", "bob", "carol"] {
            assert_eq!(scene.work(login, &long).await, 0, "{login}");
        }
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_for_a_minute_and_a_wrong_one_never() {
        let scene = Scene::new();
        assert_eq!(scene.work("alice", "correct horse").await, 1);
        assert_eq!(scene.work("alice", "correct horse").await, 0);
        assert_eq!(scene.work("alice", "wrong").await, 1);
        assert_eq!(scene.work("alice", "wrong").await, 1);
        scene.clock.advance(REMEMBERED);
        assert_eq!(scene.work("alice", "correct horse").await, 1);
    }

    #[tokio::test]
    async fn a_right_password_of_a_blocked_account_costs_the_same_work_every_time() {
        let mut scene = Scene::new();
        let mut blocked = Recipient::clone(scene.snapshot.find_by_name("alice").unwrap());
        blocked.account.as_mut().unwrap().sign_in_blocked = true;
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(blocked))]).unwrap();
        for password in ["correct horse", "correct horse", "wrong", "wrong"] {
            assert_eq!(scene.work("alice", password).await, 1, "{password}");
        }
    }

    #[tokio::test]
    async fn a_secret_of_a_device_costs_one_verification_and_is_forgotten_with_its_revocation() {
        let mut scene = Scene::new();
        let typed = "k7mq-x2rt-abcd-efgh-jkmn-pqrs";
        let secret = Secret::read(typed).unwrap();
        let mut alice = Recipient::clone(scene.snapshot.find_by_name("alice").unwrap());
        let account = alice.account.as_mut().unwrap();
        for number in 0..20 {
            let mut device = Device::new(format!("device-{number}"), Timestamp::EPOCH);
            let selector = Selector::parse(&format!("x{number:03}")).unwrap();
            let hash = password::hash("of another", &SeededRandom::new(4)).unwrap();
            device.verifier = Some(Verifier { selector, hash });
            account.devices.push(device);
        }
        let hash = password::hash(secret.text(), &SeededRandom::new(5)).unwrap();
        let mut device = Device::new("scanner-2", Timestamp::EPOCH);
        device.verifier = Some(Verifier { selector: secret.selector(), hash });
        account.devices.push(device);
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(alice.clone()))]).unwrap();
        for wrong in ["k7mq-x2rt-abcd-efgh-jkmn-pqrt", "x001-x2rt-abcd-efgh-jkmn-pqrs", "abcd-x2rt-abcd-efgh-jkmn-pqrs"]
        {
            assert_eq!((scene.work("alice", wrong).await, scene.check("alice", wrong).await), (1, WRONG), "{wrong}");
        }
        assert_eq!(scene.work("nobody", typed).await, 1);
        assert_eq!(scene.work("alice", typed).await, 1);
        assert_eq!(scene.work("alice", typed).await, 0, "remembered");
        assert_eq!(scene.work("alice", &typed.to_uppercase()).await, 0, "however it is typed");
        let Verdict::Judged(Evidence::Right(Proof::AppPassword(shown))) = scene.check("alice", typed).await else {
            panic!("it is right")
        };
        assert_eq!((shown.selector, shown.whence.peer.to_string()), (secret.selector(), "192.0.2.7".to_owned()));
        // From the wrong network, or expired, it takes the same work each time: policy refuses it like a wrong one.
        let account = alice.account.as_mut().unwrap();
        account.devices[20].networks = vec!["10.0.0.0/8".parse().unwrap()];
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(alice.clone()))]).unwrap();
        assert_eq!((scene.work("alice", typed).await, scene.work("alice", typed).await), (1, 1));
        alice.account.as_mut().unwrap().devices.pop();
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(alice))]).unwrap();
        assert_eq!((scene.work("alice", typed).await, scene.check("alice", typed).await), (1, WRONG));
    }

    #[tokio::test]
    async fn a_changed_password_is_in_force_at_once() {
        let mut scene = Scene::new();
        assert_eq!(scene.check("alice", "correct horse").await, RIGHT);
        scene.put("alice", Some(password::hash("battery staple", &SeededRandom::new(3)).unwrap()));
        assert_eq!(scene.check("alice", "correct horse").await, WRONG);
        assert_eq!(scene.check("alice", "battery staple").await, RIGHT);
        scene.put("alice", None);
        assert_eq!(scene.check("alice", "battery staple").await, WRONG);
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_again() {
        let scene = Scene::new();
        let places: Vec<_> = (0..scene.authenticator.waiting_max)
            .map(|_| Waiting::among(&scene.authenticator.waiting, scene.authenticator.waiting_max).unwrap())
            .collect();
        assert_eq!(scene.check("alice", "correct horse").await, Verdict::TemporaryFailure);
        drop(places);
        assert_eq!(scene.check("alice", "correct horse").await, RIGHT);
        assert_eq!(scene.check("nobody", "x").await, WRONG);
        assert_eq!(scene.authenticator.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let scene = Scene::new();
        for number in 0..=VERDICTS_MAX {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            scene.authenticator.remember(digest);
        }
        assert!(scene.authenticator.with_verdicts(|verdicts| verdicts.len()) <= VERDICTS_MAX);
    }
}
