//! A server of contoso on loopback with connectors, whose messages end in a list that says where each would have gone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use franking::config::{Config, ListenerConfig, ListenerRole, ListenerTls};
use franking::model::directory::device::{Secret, Verifier};
use franking::model::directory::{Change, Device, Document, PasswordHash, Recipient, Snapshot};
use franking::model::mail::{Address, Timestamp};
use franking::model::policy::{
    Destination, Expanded, Posting, Refusal, Settings, Tallies, Uncounted, Unrecorded, expand,
};
use franking::model::smtp::{CommitFailure, QueuedAs, Submission};
use franking::server::{
    Acceptor, Authenticator, Listener, ServerSettings, ServiceParts, Services, StopHandle, TokenVerifier, serve,
};
use franking::store::live::LiveDirectory;
use franking::store::sign_ins::{LastUses, LockoutStore};
use franking::store::spool::{SpoolDirectory, SpoolLimits, SpooledBody};
use franking::store::traffic::TrafficStore;
use franking::world::disk::RealDisk;
use franking::world::tls::{
    CertificateStore, ClientAuthorities, asking_server_config, ensure_development_certificates, server_config,
};
use franking::world::{Clock as _, SeededRandom, SystemClock, SystemRandom, password};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::dialogues::{CLEAR, directory};

pub(super) const PASSWORD: &str = "correct horse battery";
/// Alice's device.
pub(super) const SECRET: &str = "k7mq-x2rt-abcd-efgh-jkmn-pqrs";

/// A message that was accepted: its Message-ID, the connector that vouched for it, and the addresses outside that it
/// would have gone to.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) message_id: String,
    pub(super) connector: Option<String>,
    pub(super) outside: Vec<String>,
}

/// Expands what it is given, as delivery does.
pub(super) struct Catcher {
    snapshot: Arc<Snapshot>,
    settings: Settings,
    taken: Mutex<Vec<Taken>>,
}

impl Acceptor for Catcher {
    type Admitted = ();

    fn has_room(&self) -> bool {
        true
    }

    fn tallies(&self) -> &dyn Tallies {
        &Uncounted
    }

    async fn admit(&self, _: &Submission, _: usize) -> Result<(), Refusal> {
        Ok(())
    }

    async fn commit(&self, (): (), submission: Submission, _: SpooledBody) -> Result<QueuedAs, CommitFailure> {
        let (snapshot, envelope) = (&self.snapshot, &submission.envelope);
        let posting = Posting::of(snapshot, envelope, &submission.head, submission.body_bytes);
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let ends = expand(snapshot, &self.settings, &posting, envelope.permits(), now, &mut Unrecorded);
        let outside = ends.iter().filter_map(|end| match end {
            Expanded::Deliver(delivery) => match &delivery.to {
                Destination::Relay { address, .. } if snapshot.accepted_domain(address.domain()).is_none() => {
                    Some(address.to_string())
                }
                _ => None,
            },
            _ => None,
        });
        let taken = Taken {
            message_id: submission.message_id.clone(),
            connector: envelope.connector().map(str::to_owned),
            outside: outside.collect(),
        };
        self.taken.lock().unwrap().push(taken);
        Ok(QueuedAs { queue_id: "Q".to_owned() })
    }
}

/// A running server.
pub(super) struct Rig {
    /// Port 25.
    pub(super) inbound: SocketAddr,
    /// Port 587.
    pub(super) submission: SocketAddr,
    /// Port 465.
    pub(super) implicit: SocketAddr,
    /// With `ca.pem`, which vouches for the server.
    pub(super) directory: TempDir,
    acceptor: Arc<Catcher>,
    stop: StopHandle,
    runtime: Option<Runtime>,
}

impl Rig {
    /// With `[[connector]]`s; files beside the configuration are in `place`.
    pub(super) fn start(connectors: &str, place: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(SystemClock::new());
        let random = Arc::new(SystemRandom::open().unwrap());
        let hosts = ["mx.contoso.example".parse().unwrap()];
        let (pair, _) = ensure_development_certificates(directory.path(), &hosts, clock.now(), &*random).unwrap();
        let certificates = Arc::new(CertificateStore::open(&[pair]).unwrap());
        let text = format!(
            "hostname = \"mx.contoso.example\"\n[limits]\nsessions_per_address_max = 1000\nlockout_failures = 0\n\
             lockout_source_failures = 0\nlockout_delay_seconds = 0\n{connectors}"
        );
        let config = Config::parse(&text, &place.join("franking.toml")).unwrap();
        let mut settings = ServerSettings::of(&config);
        settings.session.tarpit = Duration::ZERO;
        settings.session.errors_max = u32::MAX;
        settings.session.refused_recipients_max = u32::MAX;
        let authorities = ClientAuthorities::open(config.settings.connectors.authorities()).unwrap();
        settings.client_authorities = Arc::new(authorities);
        let snapshot = Arc::new(organisation());
        let acceptor =
            Arc::new(Catcher { snapshot: Arc::clone(&snapshot), settings: config.settings, taken: Mutex::default() });
        let spool =
            SpoolDirectory::open(Arc::new(RealDisk), &directory.path().join("spool"), SpoolLimits::new(1 << 20));
        let parts = ServiceParts {
            directory: Arc::new(LiveDirectory::new(snapshot)),
            acceptor: Arc::clone(&acceptor),
            spool: spool.unwrap(),
            authenticator: Arc::new(Authenticator::new(clock.clone(), &*random, 2)),
            tokens: Arc::new(TokenVerifier::new(clock.clone(), &[], None)),
            last_uses: Arc::new(LastUses::unkept(clock.clone())),
            lockouts: Arc::new(LockoutStore::unkept(clock.clone())),
            traffic: Arc::new(TrafficStore::new(clock.clone())),
            tls: Some(server_config(Arc::clone(&certificates)).unwrap()),
            asking_tls: Some(asking_server_config(certificates).unwrap()),
            clock,
            random,
        };
        let services = Arc::new(Services::new(parts, settings));
        let listeners = [
            (ListenerRole::Inbound, ListenerTls::Starttls),
            (ListenerRole::Submission, ListenerTls::Starttls),
            (ListenerRole::Submission, ListenerTls::Implicit),
        ]
        .map(|(role, tls)| {
            let address = "127.0.0.1:0".parse().unwrap();
            let clear_text_networks = Vec::new();
            Listener::bind(&ListenerConfig { address, role, tls, clear_text_networks, proxy: None }).unwrap()
        });
        let [inbound, submission, implicit] = [0, 1, 2].map(|place: usize| listeners[place].address());
        let (stop, stopping) = StopHandle::new();
        drop(runtime.spawn(serve(listeners.into(), services, stopping, Duration::from_secs(5))));
        drop(entered);
        Self { inbound, submission, implicit, directory, acceptor, stop, runtime: Some(runtime) }
    }

    /// What became of the message with this id.
    pub(super) fn taken(&self, message_id: &str) -> Option<Taken> {
        let taken = self.acceptor.taken.lock().unwrap();
        taken.iter().find(|taken| taken.message_id == message_id).cloned()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// The sample organisation, where alice has a password and a device, and a domain is shared with another system.
fn organisation() -> Snapshot {
    static HASHES: OnceLock<(PasswordHash, PasswordHash)> = OnceLock::new();
    let secret = Secret::read(SECRET).unwrap();
    let hash = |text: &str| password::hash(text, &SeededRandom::new(1)).unwrap();
    let (by_password, by_secret) = HASHES.get_or_init(|| (hash(PASSWORD), hash(secret.text()))).clone();
    let shared =
        "[[domain]]\ndomain = \"hybrid.contoso.example\"\ntype = \"InternalRelay\"\nnext_host = \"127.0.0.1\"\n";
    let document: Document = toml::from_str(shared).unwrap();
    let contoso = directory("contoso");
    let contoso = contoso.apply(&document.plan(&contoso, CLEAR).strict().unwrap()).unwrap();
    let address = Address::parse("alice@contoso.example").unwrap();
    let mut alice = Recipient::clone(contoso.find_by_address(&address).unwrap());
    let mut device = Device::new("scanner-2", Timestamp::EPOCH);
    device.verifier = Some(Verifier { selector: secret.selector(), hash: by_secret });
    let account = alice.account.as_mut().unwrap();
    account.password = Some(by_password);
    account.devices.push(device);
    contoso.apply(&[Change::PutRecipient(Box::new(alice))]).unwrap()
}
