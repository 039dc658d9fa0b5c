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
            ("disabled", false, vec![]),
            ("passwordless", false, vec![]),
            ("remote", false, vec![]),
        ] {
            let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
            let id = scene.snapshot.next_id();
            let recipient_type = if name == "remote" { RecipientType::MailUser } else { RecipientType::UserMailbox };
            let mut recipient = Recipient::new(id, recipient_type, name, address);
            recipient.external_address =
                (name == "remote").then(|| Box::new(Address::parse("remote@fabrikam.example").unwrap()));
            let account = recipient.account.as_mut().unwrap();
            (account.password, account.sign_in_blocked) = (Some(hashed("right")), blocked);
            account.enabled = name != "disabled";
            account.password.take_if(|_| name == "passwordless");
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

/// Equal work, and an equal delay on top of it. What is left of time is compared below.
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
        ("pinned", "zzzz-x2rt-abcd-efgh-jkmn-pqrs"),
        ("disabled", "right"),
        ("passwordless", "right"),
        ("remote", "wrong"),
        ("", "wrong"),
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

impl Scene {
    /// How long one failure takes that is not held back.
    async fn timed(&self, login: &str, shown: &str, number: usize) -> Duration {
        // From elsewhere each time, so that nothing is slowed down or locked.
        let peer = format!("198.51.{}.{}", number / 250, number % 250);
        let began = self.clock_of_the_machine();
        let (signed_in, ..) = self.asked(login, shown, &peer).await;
        assert!(!signed_in, "{login}");
        self.clock_of_the_machine().saturating_sub(began)
    }

    /// The real one: this is about time as a stranger could measure it.
    fn clock_of_the_machine(&self) -> Duration {
        use crate::world::clock::Clock as _;
        static CLOCK: std::sync::OnceLock<crate::world::SystemClock> = std::sync::OnceLock::new();
        CLOCK.get_or_init(crate::world::SystemClock::new).elapsed()
    }
}

/// In how many of a hundred pairs the first is longer, every one compared with every other: 50 where nobody can tell.
fn longer_in_percent(first: &[Duration], second: &[Duration]) -> usize {
    let pairs = first.iter().flat_map(|one| second.iter().map(move |other| (one, other)));
    let longer: usize = pairs
        .map(|(one, other)| match one.cmp(other) {
            core::cmp::Ordering::Greater => 2,
            core::cmp::Ordering::Equal => 1,
            core::cmp::Ordering::Less => 0,
        })
        .sum();
    longer * 50 / (first.len() * second.len()).max(1)
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// A wrong password of an account is measured against every other failure, one after the other in turn, so that what
/// else the machine does hits both alike. Nothing is said of how long anything takes. It fails only where nearly every
/// one of one kind is slower than nearly every one of the other, and by much, three times in a row: as it is when a
/// verification is left out.
#[tokio::test]
async fn nobody_learns_from_the_time_of_a_failure_why_it_failed() {
    const ROUNDS: usize = 9;
    let scene = Scene::new();
    let mut number = 0;
    for (login, shown) in [
        ("nobody", "wrong"),
        ("nobody", SECRET),
        ("blocked", "right"),
        ("disabled", "right"),
        ("passwordless", "wrong"),
        ("remote", "wrong"),
        ("elsewhere", SECRET),
        ("pinned", "zzzz-x2rt-abcd-efgh-jkmn-pqrs"),
    ] {
        let mut told_apart = 0;
        for _ in 0..3 {
            let (mut usual, mut other) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                number += 2;
                usual.push(scene.timed("alice", "wrong", number).await);
                other.push(scene.timed(login, shown, number + 1).await);
            }
            let (percent, [low, high]) = (longer_in_percent(&usual, &other), {
                let mut medians = [median(&usual), median(&other)];
                medians.sort_unstable();
                medians
            });
            let grossly = !(5..=95).contains(&percent) && high > low * 2;
            if !grossly {
                break;
            }
            told_apart += 1;
        }
        assert!(told_apart < 3, "{login} with {shown} is told from a wrong password by its time");
    }
}

/// What is remembered of a right password outlasts no change of its account: judged anew by policy each time, or
/// checked anew.
#[tokio::test]
async fn no_change_of_an_account_leaves_a_remembered_password_in_force() {
    type Alteration = fn(&mut Recipient);
    let changes: [(&str, Alteration); 4] = [
        ("another password", |own| own.account.as_mut().unwrap().password = Some(hashed("another"))),
        ("blocked", |own| own.account.as_mut().unwrap().sign_in_blocked = true),
        ("disabled", |own| own.account.as_mut().unwrap().enabled = false),
        ("no password", |own| own.account.as_mut().unwrap().password = None),
    ];
    for (what, change) in changes {
        let mut scene = Scene::new();
        assert_eq!(scene.asked("alice", "right", PEER).await, (true, 1, Duration::ZERO));
        assert_eq!(scene.asked("alice", "right", PEER).await, (true, 0, Duration::ZERO), "remembered");
        let mut alice = Recipient::clone(scene.snapshot.find_by_name("alice").unwrap());
        change(&mut alice);
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(alice))]).unwrap();
        assert_eq!(scene.asked("alice", "right", PEER).await, (false, 1, Duration::ZERO), "{what}");
        assert!(!scene.asked("alice", "right", PEER).await.0, "{what}, again");
    }
}

#[tokio::test]
async fn a_remembered_password_opens_no_mailbox_that_has_lost_its_licence() {
    let mut scene = Scene::new();
    let cloud = Settings::of(crate::model::policy::Profile::ExchangeOnline);
    let judged = |scene: &Scene| {
        let evidence = Evidence::Right(Proof::Password);
        sign_in(&scene.snapshot, &cloud, "alice", evidence, &mut crate::model::policy::Unrecorded).map(drop)
    };
    let put = |scene: &mut Scene, licences: &[&str]| {
        let mut alice = Recipient::clone(scene.snapshot.find_by_name("alice").unwrap());
        let account = alice.account.as_mut().unwrap();
        account.licences = licences.iter().map(|name| (*name).into()).collect();
        scene.snapshot = scene.snapshot.apply(&[Change::PutRecipient(Box::new(alice))]).unwrap();
    };
    put(&mut scene, &["ExchangeOnlinePlan1"]);
    assert!(scene.asked("alice", "right", PEER).await.0);
    assert_eq!(judged(&scene), Ok(()));
    put(&mut scene, &[]);
    // The password is right still, and need not be checked; policy says what follows from it.
    assert_eq!(scene.asked("alice", "right", PEER).await.1, 0);
    assert_eq!(judged(&scene), Err(Refusal::MailboxCannotBeAccessed));
}
