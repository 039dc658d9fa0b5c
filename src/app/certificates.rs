//! The certificates that the running server shows: from files, by ACME, or a development one; looked at each minute,
//! and told of before they end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::data::DataDirectory;
use super::serve::ServeError;
use super::stores::World;
use super::transport;
use crate::admin::office::{AcmeView, CertificateDesk, CertificateView, CertificatesView};
use crate::config::{AcmeConfig, Config, RouteWay};
use crate::model::mail::Timestamp;
use crate::model::policy::RouteTable;
use crate::model::transport_security::certificate::{Standing, WARNING_DAYS, standing};
use crate::server::Stop;
use crate::server::acme::{Keeper, KeeperParts, Responder, Rounded, Urgency, run};
use crate::store::acme::AcmeFiles;
use crate::world::acme::{AcmeHttp, Challenges, Pace};
use crate::world::https::{HttpsClient, HttpsOptions};
use crate::world::network::TcpDialer;
use crate::world::tls::{
    CertificateInfo, CertificatePaths, CertificateStore, Roots, ensure_development_certificates, verified,
};

/// How long one answer of an authority may take, and how long it may be in octets.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 256 << 10;
const HTTPS_PORT: u16 = 443;
/// Nobody is told of the same end more often.
const DAY: Duration = Duration::from_secs(86_400);

/// The certificates that clients are shown, and who keeps one of them.
pub(super) struct Shown {
    /// What our listeners show.
    pub(super) store: Arc<CertificateStore>,
    /// Who asks an authority for certificates, and where that looks for proofs.
    pub(super) acme: Option<(Arc<Keeper>, Responder)>,
}

/// Opens what the configuration names. Must be called within a tokio runtime; blocks.
///
/// # Errors
/// For files that cannot be used. A certificate that an authority gave is no such file: without it, a development one
/// stands in until there is another.
pub(super) fn open(world: &World, config: &Config, data: &DataDirectory, fallback: &Path) -> Result<Shown, ServeError> {
    let mut paths = config.certificates.clone();
    let given = AcmeFiles::new(Arc::clone(&world.disk), data.root());
    if config.acme.is_some() {
        let own = given.certificate_paths();
        match CertificateStore::open(core::slice::from_ref(&own)) {
            Ok(_) => paths.push(own),
            Err(_) if !own.certificate.exists() => {}
            Err(error) => tracing::error!(%error, "the certificate by ACME cannot be used; a new one is asked for"),
        }
    }
    let mut stand_in = None;
    if paths.is_empty() {
        let hosts = [config.hostname.clone()];
        let (own, outcome) = ensure_development_certificates(fallback, &hosts, world.clock.now(), &*world.random)?;
        let directory = fallback.display();
        if config.acme.is_some() {
            tracing::warn!(?outcome, %directory, "a development certificate stands in until there is one by ACME");
            stand_in = Some(own.clone());
        } else {
            tracing::warn!(?outcome, %directory, "no certificate is configured: a development one is used");
        }
        paths.push(own);
    }
    let store = Arc::new(CertificateStore::open(&paths)?);
    let acme = match &config.acme {
        Some(acme) => Some(keeper(world, config, acme, given, (&store, stand_in))?),
        None => None,
    };
    Ok(Shown { store, acme })
}

fn keeper(
    world: &World,
    config: &Config,
    acme: &AcmeConfig,
    files: AcmeFiles,
    (certificates, stand_in): (&Arc<CertificateStore>, Option<CertificatePaths>),
) -> Result<(Arc<Keeper>, Responder), ServeError> {
    let resolver = transport::resolver(&config.transport).map_err(|error| ServeError::Resolver(error.to_string()))?;
    let tls = verified(&acme.authorities.clone().map_or(Roots::System, Roots::File))?;
    // The operator named the authority; it may be one of this machine.
    let options =
        HttpsOptions { port: HTTPS_PORT, loopback_allowed: true, bytes_max: ANSWER_BYTES_MAX, timeout: ANSWER_TIMEOUT };
    let client = HttpsClient::new(resolver, Arc::new(TcpDialer), tls, options);
    let challenges = Challenges::default();
    let responder = Responder::open(&acme.listen, acme.challenge, &challenges)?;
    let keeper = Keeper::new(KeeperParts {
        config: acme.clone(),
        files,
        certificates: Arc::clone(certificates),
        stand_in,
        http: AcmeHttp::new(client, Arc::clone(&world.clock)),
        challenges,
        clock: Arc::clone(&world.clock),
        pace: Pace::USUAL,
    });
    Ok((Arc::new(keeper), responder))
}

/// The tasks that answer and ask the authority; they end when they are told to stop.
pub(super) fn keep(acme: Option<(Arc<Keeper>, Responder)>, stop: &Stop) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some((keeper, responder)) = acme {
        tasks.spawn(responder.run(stop.clone()));
        tasks.spawn(run(keeper, stop.clone()));
    }
    tasks
}

/// Looks at files that were renewed and at certificates that end.
pub(super) struct Watch {
    /// What our listeners show.
    own: Arc<CertificateStore>,
    /// What other hosts are shown.
    on_the_way: ArcSwap<Vec<Arc<CertificateStore>>>,
    told: Mutex<Option<Timestamp>>,
}

impl Watch {
    pub(super) fn new(own: Arc<CertificateStore>, on_the_way: Vec<Arc<CertificateStore>>) -> Self {
        Self { own, on_the_way: ArcSwap::from_pointee(on_the_way), told: Mutex::default() }
    }

    /// Other hosts are shown these from now on.
    pub(super) fn follow(&self, on_the_way: Vec<Arc<CertificateStore>>) {
        self.on_the_way.store(Arc::new(on_the_way));
    }

    /// Certificates that changed are shown to the next client; a bad new one keeps the old. Once a day each certificate
    /// is told of that ends soon. Blocks.
    pub(super) fn look(&self, now: Timestamp) {
        let on_the_way = self.on_the_way.load_full();
        let stores = || core::iter::once(&self.own).chain(on_the_way.iter());
        for report in stores().map(|certificates| certificates.reload(now)) {
            for path in &report.replaced {
                tracing::info!(path = %path.display(), "a new certificate is in use");
            }
            for error in &report.kept {
                tracing::error!(%error, "a new certificate cannot be used; the old one stays");
            }
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back since says it once more.
        if told.is_some_and(|told| told <= now && now < told.plus(DAY)) {
            return;
        }
        *told = Some(now);
        for info in stores().flat_map(|store| store.inventory(now)) {
            tell(&info, now);
        }
    }
}

fn tell(info: &CertificateInfo, now: Timestamp) {
    let (path, names) = (info.paths.certificate.display(), info.names.join(", "));
    let CertificateInfo { not_after, days_left, .. } = info;
    match standing(*not_after, now) {
        Standing::Good => {}
        Standing::Ending => tracing::warn!(
            %path, %names, %not_after, days_left,
            "a certificate ends in less than {WARNING_DAYS} days: renew it; the new files are noticed"
        ),
        Standing::Ended => {
            tracing::error!(%path, %names, %not_after, "a certificate has expired: clients refuse it; renew it now");
        }
    }
}

/// What a running server shows at its listeners, who keeps it by ACME, where that runs, and until when.
type Running = (Arc<CertificateStore>, Option<Arc<Keeper>>, Handle, Stop);

/// What administrators see of certificates, and do about them.
pub(super) struct CertificateCounter {
    world: World,
    /// `None` when no server runs.
    running: Option<Running>,
    config: Config,
    /// The ways of mail to other systems, as they are at this moment.
    routes: Arc<ArcSwap<RouteTable<RouteWay>>>,
    data: PathBuf,
}

impl CertificateCounter {
    /// For a server at rest: what it would show.
    pub(super) fn at_rest(world: &World, config: &Config, data: &DataDirectory) -> Self {
        let routes = Arc::new(ArcSwap::from_pointee(config.routes.clone()));
        Self { world: world.clone(), running: None, config: config.clone(), routes, data: data.root().to_owned() }
    }

    /// The ways that it looks at; who puts others in here is followed.
    pub(super) fn routes(&self) -> Arc<ArcSwap<RouteTable<RouteWay>>> {
        Arc::clone(&self.routes)
    }

    /// For a running server. Must be called within its runtime.
    pub(super) fn running(world: &World, config: &Config, data: &DataDirectory, shown: &Shown, stop: Stop) -> Self {
        let keeper = shown.acme.as_ref().map(|(keeper, _)| Arc::clone(keeper));
        let running = Some((Arc::clone(&shown.store), keeper, Handle::current(), stop));
        Self { running, ..Self::at_rest(world, config, data) }
    }

    fn view(&self, info: &CertificateInfo, used_for: &str) -> CertificateView {
        let given = AcmeFiles::new(Arc::clone(&self.world.disk), &self.data).certificate_paths();
        let development = self.config.certificates.iter().all(|own| *own != info.paths) && info.paths != given;
        let source = match (info.paths == given, development && used_for != ROUTE) {
            (true, _) => "acme",
            (false, true) => "development",
            (false, false) => "file",
        };
        let now = self.world.clock.now();
        CertificateView {
            used_for: used_for.to_owned(),
            names: info.names.clone(),
            issuer: info.issuer.clone(),
            not_before: info.not_before.to_string(),
            not_after: info.not_after.to_string(),
            days_left: info.days_left,
            expired: standing(info.not_after, now) == Standing::Ended,
            source: source.to_owned(),
            file: info.paths.certificate.display().to_string(),
        }
    }

    fn shown_at_rest(&self) -> Vec<CertificatePaths> {
        let given = AcmeFiles::new(Arc::clone(&self.world.disk), &self.data).certificate_paths();
        let given = self.config.acme.as_ref().map(|_| given).filter(|paths| paths.certificate.exists());
        self.config.certificates.iter().cloned().chain(given).collect()
    }
}

const LISTENERS: &str = "listeners";
const ROUTE: &str = "route";

impl CertificateDesk for CertificateCounter {
    fn show(&self) -> Result<CertificatesView, String> {
        let now = self.world.clock.now();
        let mut certificates = Vec::new();
        // What the running server shows, which may be older than the files are now; else what they hold.
        let mut files: Vec<(CertificatePaths, &str)> = Vec::new();
        match &self.running {
            Some((store, ..)) => {
                certificates.extend(store.inventory(now).iter().map(|info| self.view(info, LISTENERS)));
            }
            None => files.extend(self.shown_at_rest().into_iter().map(|paths| (paths, LISTENERS))),
        }
        for (_, way) in self.routes.load().iter() {
            if let RouteWay::Host(host) = way
                && let Some(paths) = &host.certificate
                && !files.iter().any(|(known, used_for)| known == paths && *used_for == ROUTE)
            {
                files.push((paths.clone(), ROUTE));
            }
        }
        let mut notes = Vec::new();
        for (paths, used_for) in &files {
            match CertificateStore::open(core::slice::from_ref(paths)) {
                Ok(store) => certificates.extend(store.inventory(now).iter().map(|info| self.view(info, used_for))),
                Err(error) => notes.push(error.to_string()),
            }
        }
        let keeper = self.running.as_ref().and_then(|(_, keeper, ..)| keeper.as_ref());
        let acme = match (&self.config.acme, keeper) {
            (Some(acme), Some(keeper)) => Some(by_acme(acme, keeper)?),
            (Some(acme), None) => Some(AcmeView { next_attempt: None, ..configured(acme) }),
            (None, _) => None,
        };
        Ok(CertificatesView { certificates, acme, notes })
    }

    fn renew(&self, say: &mut dyn FnMut(&str)) -> Result<String, String> {
        let Some((_, keeper, runtime, stop)) = &self.running else {
            return Err("No server runs, and an authority looks for its proofs at a running one.".to_owned());
        };
        let Some(keeper) = keeper else {
            return Err("There is no [acme] in the configuration: certificates come from files.".to_owned());
        };
        let (sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
        let mut stop = stop.clone();
        runtime.block_on(async {
            let told = move |step: &'static str| {
                // Whoever listened is told the outcome still.
                let _ = sender.send(step);
            };
            let mut round = core::pin::pin!(keeper.round(Urgency::Now, &told));
            loop {
                tokio::select! {
                    biased;
                    () = stop.asked() => return Err("The server is stopping; the next start goes on.".to_owned()),
                    Some(step) = steps.recv() => say(step),
                    outcome = &mut round => return match outcome {
                        Ok(Rounded::Renewed(not_after)) => Ok(not_after.to_string()),
                        Ok(Rounded::NotDue(next)) => Err(format!("It is not due before {next}.")),
                        Err(trouble) => Err(trouble.to_string()),
                    },
                }
            }
        })
    }
}

fn configured(acme: &AcmeConfig) -> AcmeView {
    AcmeView {
        directory: acme.directory.to_string(),
        names: acme.names.iter().map(ToString::to_string).collect(),
        challenge: acme.challenge.name().to_owned(),
        next_attempt: None,
        failures: 0,
        trouble: String::new(),
        lacking: String::new(),
    }
}

fn by_acme(acme: &AcmeConfig, keeper: &Keeper) -> Result<AcmeView, String> {
    let outlook = keeper.outlook().map_err(|error| error.to_string())?;
    let (failures, trouble) =
        outlook.attempts.map_or((0, String::new()), |kept| (kept.attempts.failures, kept.trouble));
    let next_attempt = Some(outlook.next.to_string());
    Ok(AcmeView { next_attempt, failures, trouble, lacking: outlook.lacking, ..configured(acme) })
}
