//! A keeper of certificates on a clock of the test's own, with an authority on loopback.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use franking::config::Config;
use franking::model::mail::{Domain, Timestamp};
use franking::server::acme::{Keeper, KeeperParts, Outlook, Responder, Rounded, Urgency};
use franking::server::{Stop, StopHandle};
use franking::store::acme::AcmeFiles;
use franking::world::acme::{AcmeHttp, Challenges, Pace, Trouble};
use franking::world::disk::RealDisk;
use franking::world::https::{HttpsClient, HttpsOptions};
use franking::world::network::TcpDialer;
use franking::world::tls::{CertificatePaths, CertificateStore, Roots, ensure_development_certificates, verified};
use franking::world::{Clock as _, FixedResolver, ManualClock, SeededRandom};
use tempfile::TempDir;

use super::authority::Authority;

pub(super) const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
/// How long an answer may take in these tests.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn start() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

pub(super) struct Rig {
    pub(super) authority: Authority,
    pub(super) clock: Arc<ManualClock>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) store: Arc<CertificateStore>,
    pub(super) files: AcmeFiles,
    challenges: Challenges,
    place: TempDir,
    more: String,
    _handle: StopHandle,
}

impl Rig {
    /// With `more` in `[acme]`. The authority looks for proofs where the keeper shows them.
    pub(super) fn new(more: &str) -> Self {
        let authority = Authority::start(start());
        let place = TempDir::new().unwrap();
        std::fs::write(place.path().join("root.pem"), &authority.root).unwrap();
        let (clock, challenges) = (Arc::new(ManualClock::new(start())), Challenges::default());
        let config = config(&place, &authority, more);
        let acme = config.acme.as_ref().unwrap();
        let responder = Responder::open(&acme.listen, acme.challenge, &challenges).unwrap();
        let [SocketAddr::V4(address)] = responder.addresses()[..] else { panic!("not listening") };
        authority.facts().port = address.port();
        let (handle, stop): (StopHandle, Stop) = StopHandle::new();
        tokio::spawn(responder.run(stop));
        let files = AcmeFiles::new(Arc::new(RealDisk), place.path());
        let (store, keeper) = keeper(&place, &config, &clock, &challenges);
        Self { authority, clock, keeper, store, files, challenges, place, more: more.to_owned(), _handle: handle }
    }

    /// As after a kill: nothing is left but the files. The configuration has `more` in the place of what it had.
    pub(super) fn restart_with(&mut self, more: &str) {
        self.more = more.to_owned();
        let config = config(&self.place, &self.authority, more);
        (self.store, self.keeper) = keeper(&self.place, &config, &self.clock, &self.challenges);
    }

    pub(super) fn restart(&mut self) {
        let more = self.more.clone();
        self.restart_with(&more);
    }

    pub(super) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        self.authority.facts().now = self.clock.now();
    }

    pub(super) async fn round(&self) -> Result<Rounded, Trouble> {
        self.keeper.round(Urgency::WhenDue, &|_| {}).await
    }

    /// Looks each minute, as the server does, until something was done; how long that took. Never longer than `most`.
    pub(super) async fn until_done(&self, most: Duration) -> (Duration, Result<Rounded, Trouble>) {
        let begin = self.clock.now();
        loop {
            match self.round().await {
                Ok(Rounded::NotDue(next)) => {
                    let waited = self.clock.now().since(begin);
                    assert!(waited < most, "nothing is done within {most:?}, but at {next}");
                    // What it says is believed up to the last hour, since a month has many minutes.
                    let left = next.since(self.clock.now());
                    self.advance(left.saturating_sub(MINUTE * 60).max(MINUTE));
                }
                done => return (self.clock.now().since(begin), done),
            }
        }
    }

    pub(super) fn outlook(&self) -> Outlook {
        self.keeper.outlook().unwrap()
    }

    pub(super) fn asked(&self, step: &str) -> usize {
        self.authority.facts().asked.iter().filter(|asked| **asked == step).count()
    }

    /// The names of the certificates that are shown, and the files they come from.
    pub(super) fn shown(&self) -> Vec<(Vec<String>, PathBuf)> {
        let all = self.store.inventory(self.clock.now());
        all.into_iter().map(|info| (info.names, info.paths.certificate)).collect()
    }

    /// Whether the only certificate that is shown is the last one that the authority gave, and nothing wrong was said.
    pub(super) fn assert_good(&self, names: &[&str]) {
        let facts = self.authority.facts();
        assert_eq!(facts.wrong, Vec::<String>::new());
        let kept = self.files.certificate().unwrap().unwrap();
        let last = facts.given.last().expect("a certificate");
        assert!(String::from_utf8(kept.octets).unwrap().contains(last.trim()), "not the last one");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        drop(facts);
        assert_eq!(self.shown(), [(names, self.files.certificate_paths().certificate)]);
        assert!(self.files.attempts().unwrap().is_none() && self.files.order().unwrap().is_none());
    }
}

fn config(place: &TempDir, authority: &Authority, more: &str) -> Config {
    let text = format!(
        "hostname = \"mx.contoso.example\"\n[acme]\nagree_to_terms = true\ndirectory_url = \"{}\"\n\
         authorities = \"root.pem\"\nlisten = [\"127.0.0.1:0\"]\n{more}\n",
        authority.directory,
    );
    Config::parse(&text, &place.path().join("franking.toml")).unwrap()
}

fn keeper(
    place: &TempDir,
    config: &Config,
    clock: &Arc<ManualClock>,
    challenges: &Challenges,
) -> (Arc<CertificateStore>, Arc<Keeper>) {
    let acme = config.acme.clone().unwrap();
    let files = AcmeFiles::new(Arc::new(RealDisk), place.path());
    let hosts = [Domain::parse("mx.contoso.example").unwrap()];
    let made = ensure_development_certificates(&place.path().join("certs"), &hosts, start(), &SeededRandom::new(1));
    let stand_in: CertificatePaths = made.unwrap().0;
    let given = files.certificate_paths();
    let (shown, stand_in) = if given.certificate.exists() { (given, None) } else { (stand_in.clone(), Some(stand_in)) };
    let store = Arc::new(CertificateStore::open(&[shown]).unwrap());
    let tls = verified(&Roots::File(acme.authorities.clone().unwrap())).unwrap();
    let options = HttpsOptions { port: 443, loopback_allowed: true, bytes_max: 64 << 10, timeout: TIMEOUT };
    let client = HttpsClient::new(Arc::new(FixedResolver::new()), Arc::new(TcpDialer), tls, options);
    let parts = KeeperParts {
        config: acme,
        files,
        certificates: Arc::clone(&store),
        stand_in,
        http: AcmeHttp::new(client, Arc::clone(clock) as _),
        challenges: challenges.clone(),
        clock: Arc::clone(clock) as _,
        pace: Pace {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(100),
            patience: Duration::from_secs(5),
        },
    };
    (store, Arc::new(Keeper::new(parts)))
}
