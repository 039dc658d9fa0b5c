//! Failures that nobody can tell apart by work or delay, and locks that keep out no more than they should.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::*;
use crate::config::Config;
use crate::model::directory::device::{Secret, Verifier};
use crate::model::directory::{AcceptedDomain, Change, Device, DomainType, PasswordHash, Recipient, RecipientType};
use crate::model::mail::{Address, Domain, Timestamp};
use crate::model::policy::lockout::Rules;
use crate::world::jws::tests::Signer;
use crate::world::password;
use crate::world::{ManualClock, SeededRandom};

const SECRET: &str = "k7mq-x2rt-abcd-efgh-jkmn-pqrs";
const PEER: &str = "192.168.10.7";

struct Scene {
    clock: Arc<ManualClock>,
    authenticator: Authenticator,
    tokens: TokenVerifier,
    signer: Signer,
    _keys: tempfile::TempDir,
    lockouts: LockoutStore,
    last_uses: LastUses,
    snapshot: Snapshot,
}

fn hashed(text: &str) -> PasswordHash {
    password::hash(text, &SeededRandom::new(2)).unwrap()
}

fn device(name: &str, networks: &[&str]) -> Device {
    let mut device = Device::new(name, Timestamp::EPOCH);
    let secret = Secret::read(SECRET).unwrap();
    device.verifier = Some(Verifier { selector: secret.selector(), hash: hashed(secret.text()) });
    device.networks = networks.iter().map(|text| text.parse().unwrap()).collect();
    device
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_milliseconds(1_000_000_000)));
        let domain = AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative);
        let (signer, keys) = (Signer::new("one"), tempfile::tempdir().unwrap());
        std::fs::write(keys.path().join("keys.json"), signer.set()).unwrap();
        let issuer = "name = \"a\"\nissuer = \"a\"\naudience = [\"us\"]\njwks_file = \"keys.json\"";
        let config = Config::parse(&format!("[[issuer]]\n{issuer}"), &keys.path().join("franking.toml")).unwrap();
        let mut scene = Self {
            tokens: TokenVerifier::new(Arc::<ManualClock>::clone(&clock), &config.issuers, None),
            signer,
            _keys: keys,
            authenticator: Authenticator::new(Arc::<ManualClock>::clone(&clock), &SeededRandom::new(1), 2),
            lockouts: LockoutStore::unkept(Arc::<ManualClock>::clone(&clock)),
            last_uses: LastUses::unkept(Arc::<ManualClock>::clone(&clock)),
            snapshot: Snapshot::default().apply(&[Change::PutDomain(domain.as_default())]).unwrap(),
            clock,
        };
        for (name, blocked, devices) in [
            ("alice", false, vec![]),
            ("blocked", true, vec![]),
            ("elsewhere", false, vec![device("elsewhere", &["10.0.0.0/8"])]),
            ("pinned", false, vec![device("pinned", &["192.168.10.0/24"])]),
            ("free", false, vec![device("free", &[])]),
        ] {
            let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
            let id = scene.snapshot.next_id();
            let mut recipient = Recipient::new(id, RecipientType::UserMailbox, name, address);
            let account = recipient.account.as_mut().unwrap();
            (account.password, account.sign_in_blocked) = (Some(hashed("right")), blocked);
            account.devices = devices.into();
            scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
        }
        scene
    }

    /// How it ended, the verifications it took, and how long the answer is held back.
    async fn asked(&self, login: &str, shown: &str, peer: &str) -> (bool, u64, Duration) {
        self.shown(login, Presented::Password(Zeroizing::new(shown.to_owned())), peer).await
    }

    /// The same with a token that names `upn`, right or wrong.
    async fn token(&self, login: &str, upn: &str, (right, number): (bool, usize), peer: &str) -> (bool, u64, Duration) {
        self.shown(login, Presented::Token(self.made(upn, right, number)), peer).await
    }

    fn made(&self, upn: &str, right: bool, number: usize) -> Zeroizing<String> {
        let issuer = if right { "a" } else { "b" };
        let upn = format!("{upn}@contoso.example");
        let claims = format!(r#"{{"iss":"{issuer}","aud":"us","exp":9999999,"upn":"{upn}","n":{number}}}"#);
        Zeroizing::new(self.signer.token(&claims))
    }

    async fn shown(&self, login: &str, presented: Presented, peer: &str) -> (bool, u64, Duration) {
        let gate = Gate {
            authenticator: &self.authenticator,
            tokens: &self.tokens,
            lockouts: &self.lockouts,
            last_uses: &self.last_uses,
        };
        let before = self.authenticator.verifications();
        let settings = Settings::of(crate::model::policy::Profile::ExchangeServer);
        let credentials = Credentials { login: login.to_owned(), presented };
        let whence = Whence { peer: peer.parse().unwrap(), in_clear: false };
        let (verdict, delay) = gate.check(&self.snapshot, &settings, credentials, whence).await;
        let (evidence, login) = match verdict {
            Verdict::Judged(evidence) => (evidence, login.to_owned()),
            Verdict::Identified { proof, login } => (Evidence::Right(proof), login),
            Verdict::TemporaryFailure => panic!("{verdict:?}"),
        };
        let signed_in = sign_in(&self.snapshot, &settings, &login, evidence, &mut crate::model::policy::Unrecorded);
        (signed_in.is_ok(), self.authenticator.verifications() - before, delay)
    }
}

/// What stands in for a statistical test of equal times: equal work, and an equal delay on top of it.
#[tokio::test]
async fn every_failure_costs_the_same_work_and_is_answered_as_late_whatever_the_reason() {
    let mut seen = Vec::new();
    for (login, shown) in [
        ("alice", "wrong"),
        ("nobody", "wrong"),
        ("nobody", SECRET),
        ("blocked", "right"),
        ("blocked", "wrong"),
        ("elsewhere", SECRET),
        ("pinned", "k7mq-x2rt-abcd-efgh-jkmn-pqrt"),
    ] {
        let (scene, mut answers) = (Scene::new(), Vec::new());
        for number in 0..14 {
            // Something else each time, where what is shown matters not: nobody learns that it was the same.
            let shown = if number == 0 { shown.to_owned() } else { format!("{shown}{number}") };
            answers.push(scene.asked(login, &shown, PEER).await);
        }
        seen.push((login, answers));
    }
    let delays: Vec<u64> = seen[0].1.iter().map(|(_, _, delay)| delay.as_secs()).collect();
    assert_eq!(delays, [0, 1, 3, 7, 15, 30, 30, 30, 30, 30, 30, 30, 30, 30]);
    for (login, answers) in &seen {
        assert_eq!(answers, &seen[0].1, "{login}");
        assert!(answers.iter().all(|(signed_in, work, _)| !signed_in && *work == 1), "{login}: {answers:?}");
    }
}

#[tokio::test]
async fn a_right_password_is_refused_during_a_lock_with_the_work_of_a_wrong_one() {
    let scene = Scene::new();
    assert_eq!(scene.asked("alice", "right", PEER).await, (true, 1, Duration::ZERO));
    assert_eq!(scene.asked("alice", "right", PEER).await, (true, 0, Duration::ZERO), "remembered");
    for number in 0..10 {
        assert!(!scene.asked("alice", &format!("guess {number}"), PEER).await.0);
    }
    assert_eq!(scene.asked("alice", "right", PEER).await, (false, 1, Duration::from_secs(30)));
    assert!(scene.asked("alice", "right", "192.168.10.8").await.0, "from elsewhere");
    scene.clock.advance(Rules::USUAL.first);
    assert_eq!(scene.asked("alice", "right", PEER).await, (true, 1, Duration::ZERO));
}

#[tokio::test]
async fn a_device_in_its_network_is_kept_out_by_nobodys_guesses() {
    let scene = Scene::new();
    for login in ["pinned", "free"] {
        for number in 0..12 {
            scene.asked(login, &format!("guess {number}"), PEER).await;
        }
    }
    assert!(scene.asked("pinned", SECRET, PEER).await.0);
    assert!(!scene.asked("pinned", "right", PEER).await.0, "the lock stays for the password");
    assert!(!scene.asked("free", SECRET, PEER).await.0, "bound to no network, it is locked like a password");
    assert!(scene.asked("free", SECRET, "192.168.10.8").await.0);
    let used = scene.last_uses.last(scene.snapshot.find_by_name("pinned").unwrap().id, "pinned").unwrap();
    assert_eq!(used.peer.to_string(), PEER);
}

#[tokio::test]
async fn wrong_tokens_count_for_their_source_and_lock_no_account() {
    let scene = Scene::new();
    let mut delays = Vec::new();
    for number in 0..99 {
        let token = scene.made("alice", false, number);
        delays.push(scene.shown("alice", Presented::Token(token.clone()), PEER).await.2.as_secs());
        // A client that goes on with a token which has run out is no guesser.
        let again = scene.shown("alice", Presented::Token(token), PEER).await;
        assert!(!again.0 && again.2.as_secs() == *delays.last().unwrap());
    }
    assert_eq!(delays[..6], [0, 1, 3, 7, 15, 30]);
    assert_eq!(scene.asked("alice", "right", PEER).await, (true, 1, Duration::ZERO), "the password still counts");
    scene.token("alice", "alice", (false, 100), PEER).await;
    assert!(!scene.asked("alice", "right", PEER).await.0, "a hundred failures lock the source");
    assert!(scene.asked("alice", "right", "203.0.113.9").await.0);
    // What cannot be guessed passes.
    assert_eq!(scene.token("alice", "alice", (true, 0), PEER).await, (true, 0, Duration::ZERO));
    assert!(!scene.asked("alice", "right", PEER).await.0, "and lifts no lock");
}

#[tokio::test]
async fn a_token_opens_its_own_account_alone_and_wrong_ones_are_answered_alike() {
    let scene = Scene::new();
    for login in ["alice", "alice@contoso.example", ""] {
        assert_eq!(scene.token(login, "alice", (true, 0), PEER).await, (true, 0, Duration::ZERO), "{login}");
    }
    let failures = [
        ("alice", "free", true),
        ("nobody", "nobody", true),
        ("", "nobody", true),
        ("blocked", "blocked", true),
        ("alice", "alice", false),
        ("nobody", "alice", false),
        ("", "alice", false),
    ];
    for (login, upn, right) in failures {
        let scene = Scene::new();
        let first = scene.token(login, upn, (right, 0), PEER).await;
        let second = scene.token(login, upn, (right, 1), PEER).await;
        assert_eq!((first, second), ((false, 0, Duration::ZERO), (false, 0, Duration::from_secs(1))), "{login} {upn}");
    }
}
