//! A server of the contoso organisation on loopback, with an inbox instead of a queue.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use franking::config::{Config, ListenerConfig, ListenerRole, ListenerTls};
use franking::model::directory::device::{Secret, Verifier};
use franking::model::directory::{
    AcceptedDomain, Change, Device, DeviceRecipient, DomainType, PasswordHash, Recipient, RecipientType, Snapshot,
};
use franking::model::mail::{Address, Domain, Timestamp};
use franking::model::policy::{Refusal, Tallies, Uncounted};
use franking::model::smtp::{CommitFailure, QueuedAs, Submission};
use franking::server::{
    Acceptor, Authenticator, Drained, Listener, ServerSettings, ServiceParts, Services, StopHandle, TokenVerifier,
    serve,
};
use franking::store::live::LiveDirectory;
use franking::store::sign_ins::{LastUses, LockoutStore};
use franking::store::spool::{SpoolDirectory, SpoolLimits, SpooledBody};
use franking::store::traffic::TrafficStore;
use franking::world::disk::RealDisk;
use franking::world::tls::{CertificateStore, ensure_development_certificates, server_config};
use franking::world::{Clock as _, SeededRandom, SystemClock, SystemRandom, password};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::PATIENCE;

pub(super) const PASSWORD: &str = "correct horse battery";
/// Of a device that each account has, and that is bound to loopback, to the account's address and to two domains.
pub(super) const SECRET: &str = "k7mq-x2rt-abcd-efgh-jkmn-pqrs";

/// A message that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) head: String,
    /// Empty for one that went to a file.
    pub(super) body: Vec<u8>,
    pub(super) body_bytes: u64,
    pub(super) was_spooled: bool,
}

/// Takes messages in.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) accepted: Mutex<Vec<Accepted>>,
    pub(super) is_full: AtomicBool,
    pub(super) commits: AtomicUsize,
    pub(super) admissions: AtomicUsize,
    /// Messages wait here before they are committed, if set.
    pub(super) waits: Mutex<Option<Arc<Notify>>>,
}

impl Acceptor for Inbox {
    type Admitted = ();

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::SeqCst)
    }

    fn tallies(&self) -> &dyn Tallies {
        &Uncounted
    }

    async fn admit(&self, _: &Submission, earlier_sessions: usize) -> Result<(), Refusal> {
        self.admissions.fetch_add(1, Ordering::SeqCst);
        if earlier_sessions >= 3 {
            return Err(Refusal::ConcurrentSessionsExceeded);
        }
        let waiting = self.waits.lock().unwrap().clone();
        if let Some(released) = waiting {
            released.notified().await;
        }
        Ok(())
    }

    async fn commit(&self, _: (), submission: Submission, body: SpooledBody) -> Result<QueuedAs, CommitFailure> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        let head = String::from_utf8(submission.head).unwrap();
        assert!(!head.contains("Subject: panic"), "this message was sent to make the session panic");
        let (body, body_bytes, was_spooled) = match body {
            SpooledBody::Memory(bytes) => (bytes.clone(), bytes.len() as u64, false),
            SpooledBody::File(file) => (Vec::new(), file.bytes(), true),
        };
        assert_eq!(body_bytes, submission.body_bytes);
        self.accepted.lock().unwrap().push(Accepted { head, body, body_bytes, was_spooled });
        Ok(QueuedAs { queue_id: format!("Q{number}") })
    }
}

/// A running server.
pub(super) struct Rig {
    pub(super) starttls: SocketAddr,
    pub(super) implicit: SocketAddr,
    pub(super) inbound: SocketAddr,
    /// A listener on which devices on 127.0.0.0/8 may sign in without TLS.
    pub(super) clear_text: SocketAddr,
    /// What a test asked for besides.
    pub(super) more: Vec<SocketAddr>,
    pub(super) services: Arc<Services<Inbox>>,
    pub(super) certificates: Arc<CertificateStore>,
    pub(super) directory: TempDir,
    stop: StopHandle,
    serving: JoinHandle<Drained>,
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}, Duration::from_secs(5)).await
    }

    /// With settings of its own, and that long to drain.
    pub(super) async fn start_with(change: impl FnOnce(&mut ServerSettings), drain: Duration) -> Self {
        Self::start_listening(&[], change, drain).await
    }

    /// With more listeners.
    pub(super) async fn start_listening(
        more: &[ListenerConfig],
        change: impl FnOnce(&mut ServerSettings),
        drain: Duration,
    ) -> Self {
        super::log::start();
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(SystemClock::new());
        let hosts = [Domain::parse("mx.contoso.example").unwrap()];
        let random = Arc::new(SystemRandom::open().unwrap());
        let (pair, _) = ensure_development_certificates(directory.path(), &hosts, clock.now(), &*random).unwrap();
        let certificates = Arc::new(CertificateStore::open(&[pair]).unwrap());
        let config = Config::parse("hostname = \"mx.contoso.example\"", Path::new("franking.toml")).unwrap();
        let mut settings = ServerSettings::of(&config);
        change(&mut settings);
        let spool =
            SpoolDirectory::open(Arc::new(RealDisk), &directory.path().join("spool"), SpoolLimits::new(u64::MAX));
        let parts = ServiceParts {
            directory: Arc::new(LiveDirectory::new(Arc::new(organisation()))),
            acceptor: Arc::new(Inbox::default()),
            spool: spool.unwrap(),
            authenticator: Arc::new(Authenticator::new(clock.clone(), &*random, 2)),
            tokens: Arc::new(TokenVerifier::new(clock.clone(), &[], None)),
            last_uses: Arc::new(LastUses::unkept(clock.clone())),
            lockouts: Arc::new(LockoutStore::unkept(clock.clone())),
            traffic: Arc::new(TrafficStore::new(clock.clone())),
            tls: Some(server_config(Arc::clone(&certificates)).unwrap()),
            asking_tls: None,
            clock,
            random,
        };
        let services = Arc::new(Services::new(parts, settings));
        let usual = [
            (ListenerRole::Submission, ListenerTls::Starttls, ""),
            (ListenerRole::Submission, ListenerTls::Implicit, ""),
            (ListenerRole::Inbound, ListenerTls::Starttls, ""),
            (ListenerRole::Submission, ListenerTls::None, "127.0.0.0/8"),
        ]
        .map(|(role, tls, networks)| listener(role, tls, networks));
        let all = usual.iter().chain(more);
        let listeners: Vec<Listener> = all.map(|config| Listener::bind(config).unwrap()).collect();
        let addresses: Vec<SocketAddr> = listeners.iter().map(Listener::address).collect();
        let (stop, stopping) = StopHandle::new();
        let serving = tokio::spawn(serve(listeners, Arc::clone(&services), stopping, drain));
        let [starttls, implicit, inbound, clear_text, ref more @ ..] = addresses[..] else { panic!("four listeners") };
        let more = more.to_vec();
        Self { starttls, implicit, inbound, clear_text, more, services, certificates, directory, stop, serving }
    }

    pub(super) fn accepted(&self) -> Vec<Accepted> {
        self.services.acceptor.accepted.lock().unwrap().clone()
    }

    /// Files in the spool at this moment, and the octets in them.
    pub(super) fn spooled(&self) -> (usize, u64) {
        let entries = std::fs::read_dir(self.directory.path().join("spool")).unwrap();
        entries.fold((0, 0), |(files, bytes), entry| (files + 1, bytes + entry.unwrap().metadata().unwrap().len()))
    }

    /// Waits until `condition` holds; fails when it does not come to hold.
    pub(super) async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the condition in time");
    }

    pub(super) fn ask_to_stop(&self) {
        self.stop.stop();
    }

    /// Ends the server; every session must have been answered.
    pub(super) async fn end(self) -> Drained {
        self.stop.stop();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the end in time").unwrap()
    }
}

pub(super) fn listener(role: ListenerRole, tls: ListenerTls, networks: &str) -> ListenerConfig {
    ListenerConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        role,
        tls,
        clear_text_networks: networks.parse().into_iter().collect(),
        proxy: None,
    }
}

/// Hashed once: it costs as much as signing in.
fn password_hash() -> PasswordHash {
    static HASH: OnceLock<PasswordHash> = OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD, &SeededRandom::new(1)).unwrap()).clone()
}

/// A device that may sign in without TLS.
fn device(sender: &Address) -> Device {
    static HASH: OnceLock<PasswordHash> = OnceLock::new();
    let secret = Secret::read(SECRET).unwrap();
    let hash = HASH.get_or_init(|| password::hash(secret.text(), &SeededRandom::new(2)).unwrap()).clone();
    let mut device = Device::new("scanner-2", Timestamp::EPOCH);
    device.verifier = Some(Verifier { selector: secret.selector(), hash });
    device.networks = vec!["127.0.0.0/8".parse().unwrap()];
    device.senders = vec![sender.clone()];
    device.recipients = ["inside", "fabrikam.example"].iter().filter_map(|text| DeviceRecipient::parse(text)).collect();
    device
}

/// alice and bob have licensed mailboxes, the kiosk none.
fn organisation() -> Snapshot {
    let domain = AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative).as_default();
    let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
    for (name, licensed) in [("alice", true), ("bob", true), ("kiosk", false)] {
        let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
        let mut recipient = Recipient::new(snapshot.next_id(), RecipientType::UserMailbox, name, address.clone());
        let account = recipient.account.as_mut().unwrap();
        account.devices = vec![device(&address)].into();
        account.password = Some(password_hash());
        account.licences.extend(licensed.then(|| "ExchangeOnlinePlan1".into()));
        snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
    }
    snapshot
}

/// Puts `change` of the recipient `name` in force.
pub(super) fn alter(directory: &LiveDirectory, name: &str, change: impl FnOnce(&mut Recipient)) {
    let current = directory.current();
    let mut recipient = Recipient::clone(current.find_by_name(name).unwrap());
    change(&mut recipient);
    directory.publish(Arc::new(current.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap()));
}
