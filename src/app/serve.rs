//! The running server: opens the stores, binds the listeners, delivers, obeys signals, and drains at the end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::net::UnixListener;

use super::certificates::{self, CertificateCounter, Shown, Watch};
use super::counts::Counters;
use super::intake::Intake;
use super::issuers;
use super::keys;
use super::outbound::Outside;
use super::premises;
use super::quotas::QuotaKeeper;
use super::reload::Reloading;
use super::routes::PasswordError;
use super::signals::{Asked, Signals};
use super::steward;
use super::stores::{Stores, StoresError, World};
pub use super::way_out::WayOut;
use super::way_out::rehearsing;
use crate::admin::office::Office;
use crate::admin::socket::{self, SocketError};
use crate::config::{Config, ListenerRole, ListenerTls};
use crate::delivery::mailbox_agent::MailboxAgent;
use crate::delivery::outbox::Outbox;
use crate::delivery::outgoing::Outgoing;
use crate::delivery::worker::{self, Agents};
use crate::server::acme::{Keeper, Responder};
use crate::server::{Authenticator, Listener, ServerSettings, ServiceParts, Services, Stop, StopHandle, serve};
use crate::store::rehearsal::Rehearsal;
use crate::store::spool::{SpoolDirectory, SpoolLimits};
use crate::world::Clock;
use crate::world::network::NetworkError;
use crate::world::tls::development::DevelopmentError;
use crate::world::tls::spoilt::SpoiltError;
use crate::world::tls::{CertificateError, ClientAuthorities, TlsSetupError, asking_server_config, server_config};

/// How often disk, certificates and address links are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Certificates are looked at once a minute: renewal tools need not know of this server.
const ROUNDS_PER_CERTIFICATE_LOOK: u32 = 60;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stores.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// A configured certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate that this server wanted to make for itself.
    #[error(transparent)]
    Development(#[from] DevelopmentError),
    /// TLS as a whole.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// Certificates that a script of faults shows.
    #[error(transparent)]
    Spoilt(#[from] SpoiltError),
    /// A listener.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A password for the next host.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The administrators' socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The name service.
    #[error("the name service: {0}")]
    Resolver(String),
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What differs between a server in service and a demonstration.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where administrators' commands reach the server; in the data directory when unset.
    pub socket: Option<PathBuf>,
    /// The configuration file, which a backup includes.
    pub configuration: Option<PathBuf>,
    /// Where mail for other systems goes.
    pub way_out: WayOut,
    /// Where certificates are made when none is configured.
    pub certificates: PathBuf,
}

/// A listener that is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What it is for.
    pub role: ListenerRole,
    /// How TLS begins.
    pub tls: ListenerTls,
    /// Where it listens, with the port that the system chose for port 0.
    pub address: SocketAddr,
}

/// A server with its stores open and its listeners bound; it answers once [`Server::run`] is called.
pub struct Server {
    world: World,
    config: Config,
    stores: Stores,
    services: Arc<Services<Intake>>,
    intake: Arc<Intake>,
    /// What is shown to clients, and to hosts on the way out.
    certificates: Arc<Watch>,
    /// Who gets one of them from an authority; taken when the server runs.
    acme: Option<(Arc<Keeper>, Responder)>,
    /// Ends everything but deliveries, which come after the sessions.
    handle: StopHandle,
    stop: Stop,
    listeners: Vec<Listener>,
    agents: Arc<Agents>,
    socket: PathBuf,
    /// Taken when the server runs.
    administrators: Option<UnixListener>,
    signals: Signals,
    office: Arc<Office>,
    /// What goes by the configuration, where there is a file.
    reloading: Option<Arc<Reloading>>,
}

impl Server {
    /// Opens and binds everything. Must be called within a tokio runtime; blocks while the stores are read.
    ///
    /// # Errors
    /// [`ServeError`]; nothing keeps running then.
    pub fn prepare(world: World, config: Config, options: &ServeOptions) -> Result<Self, ServeError> {
        // Before the certificates, which may be made within the data directory.
        let stores = Stores::open(&world, &config)?;
        let shown = certificates::open(&world, &config, &stores.data, &options.certificates)?;
        let rehearsal = options.way_out.rehearsal();
        let intake = intake(&world, &config, &stores, rehearsal.as_ref());
        let services = services(&world, &config, &stores, options, &shown, &intake)?;
        let (agents, outside) = agents(&world, &config, &stores, &options.way_out)?;
        let on_the_way = outside.as_ref().map(Outside::certificates).unwrap_or_default();
        let watch = Arc::new(Watch::new(Arc::clone(&shown.store), on_the_way));
        let socket = options.socket.clone().unwrap_or_else(|| stores.data.socket());
        // Before the listeners: whoever finds the server's ports open may send it commands, or ask it to stop.
        let signals = Signals::listen()?;
        let administrators = socket::listen(&socket)?;
        let listeners: Vec<Listener> = config.listeners.iter().map(Listener::bind).collect::<Result<_, _>>()?;
        let configuration = options.configuration.clone();
        let home = config.hostname.to_string();
        let (handle, stop) = StopHandle::new();
        let counter = CertificateCounter::running(&world, &config, &stores.data, &shown, stop.clone());
        let routes = counter.routes();
        let mut office = premises::office(&world, &stores, counter, &home, configuration.as_deref());
        office.rehearsal = rehearsal;
        let office = Arc::new(office);
        let reloading = configuration.map(|path| {
            Reloading::new(Reloading {
                path,
                started: config.clone(),
                clock: Arc::clone(&world.clock),
                settings: Arc::clone(&stores.settings),
                services: Arc::clone(&services),
                outside,
                certificates: Arc::clone(&watch),
                routes,
                in_force: Arc::clone(&office.in_force),
            })
        });
        Ok(Self {
            world,
            config,
            stores,
            services,
            intake,
            certificates: watch,
            acme: shown.acme,
            handle,
            stop,
            listeners,
            agents,
            socket,
            administrators: Some(administrators),
            signals,
            office,
            reloading,
        })
    }

    /// What is open.
    pub const fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Where administrators' commands reach it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it when standard input ends, as a signal would.
    ///
    /// # Errors
    /// The system's, when there is no standard input.
    pub fn end_with_standard_input(&mut self) -> io::Result<()> {
        self.signals.watch_standard_input()
    }

    /// The world it runs in.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The listeners, in the order of the configuration.
    pub fn bound(&self) -> Vec<Bound> {
        let configured = self.config.listeners.iter();
        let bound = configured.zip(&self.listeners).map(|(config, listener)| Bound {
            role: config.role,
            tls: config.tls,
            address: listener.address(),
        });
        bound.collect()
    }

    /// Serves until the operating system asks to stop, then drains within the configured time.
    pub async fn run(mut self) {
        let administrators = self.administrators.take();
        let office = Arc::clone(&self.office);
        let place = self.socket.clone();
        let administration = tokio::spawn(async move {
            match administrators {
                Some(administrators) => socket::serve(administrators, &place, office).await,
                None => Ok(()),
            }
        });
        let stop = self.stop.clone();
        let drain = self.config.drain;
        let (delivery_handle, delivery_stop) = StopHandle::new();
        let sessions =
            tokio::spawn(serve(core::mem::take(&mut self.listeners), Arc::clone(&self.services), stop.clone(), drain));
        let delivery = tokio::spawn(worker::run(Arc::clone(&self.agents), asked(delivery_stop), drain));
        let quotas = Arc::new(self.quota_keeper());
        let keeper = Arc::clone(&quotas);
        let lives = tokio::spawn(steward::run(Arc::clone(&self.office), stop.clone()));
        let mut keeping = certificates::keep(self.acme.take(), &stop);
        let watch = Arc::clone(&self.certificates);
        let rounds = tokio::spawn(rounds(Arc::clone(&self.intake), watch, quotas, Arc::clone(&self.world.clock), stop));
        let tokens = Arc::clone(&self.services.tokens);
        // Before the first token comes, and without holding anybody up.
        tokio::spawn(async move { tokens.refresh().await });
        supervise(sd_notify::NotifyState::Ready);
        loop {
            match self.signals.next().await {
                Asked::Stop => break,
                Asked::Reload => {
                    let (certificates, now) = (Arc::clone(&self.certificates), self.world.clock.now());
                    let _ = tokio::task::spawn_blocking(move || certificates.look(now)).await;
                    if let Some(reloading) = &self.reloading {
                        reloading.again().await;
                    }
                }
            }
        }
        tracing::info!(seconds = drain.as_secs(), "stopping: sessions may finish their message");
        supervise(sd_notify::NotifyState::Stopping);
        self.handle.stop();
        self.stores.mailboxes.begin_stop();
        let draining = async {
            // Sessions first: what they still accept is delivered now or taken up at the next start.
            let _ = sessions.await;
            delivery_handle.stop();
            let _ = delivery.await;
            let _ = rounds.await;
            let _ = lives.await;
            while keeping.join_next().await.is_some() {}
            let _ = tokio::task::spawn_blocking(move || keeper.close()).await;
        };
        tokio::select! {
            () = draining => tracing::info!("stopped"),
            () = told_again(&mut self.signals) => tracing::warn!("told to stop again: what is under way is cut off"),
        }
        administration.abort();
        // A file that stays is no harm: the next start replaces it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Server {
    fn quota_keeper(&self) -> QuotaKeeper {
        QuotaKeeper {
            mailboxes: Arc::clone(&self.stores.mailboxes),
            tally: Arc::clone(&self.stores.tally),
            last_uses: Arc::clone(&self.stores.last_uses),
            lockouts: Arc::clone(&self.stores.lockouts),
            directory: self.stores.directory.live(),
            settings: Arc::clone(&self.stores.settings),
            clock: Arc::clone(&self.world.clock),
            host: self.config.hostname.to_string().into(),
            answered: Arc::clone(&self.stores.answered),
            rounds: AtomicU32::new(0),
        }
    }
}

/// What sessions go by, with the authorities of connectors.
pub(super) fn server_settings(config: &Config) -> Result<ServerSettings, TlsSetupError> {
    let mut settings = ServerSettings::of(config);
    settings.client_authorities = Arc::new(ClientAuthorities::open(config.settings.connectors.authorities())?);
    Ok(settings)
}

async fn told_again(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

async fn asked(mut stop: Stop) {
    stop.asked().await;
}

/// What is looked at regularly: the room on the disk, mailboxes that readers may have changed, renewed certificates,
/// and the service manager's watchdog.
async fn rounds(
    intake: Arc<Intake>,
    certificates: Arc<Watch>,
    quotas: Arc<QuotaKeeper>,
    clock: Arc<dyn Clock>,
    mut stop: Stop,
) {
    let mut round = 0_u32;
    loop {
        tokio::select! {
            () = stop.asked() => return,
            () = tokio::time::sleep(ROUND) => {
                round = round.wrapping_add(1);
                let (intake, certificates, now) = (Arc::clone(&intake), Arc::clone(&certificates), clock.now());
                let (quotas, told) = (Arc::clone(&quotas), Arc::clone(&intake));
                let looked = tokio::task::spawn_blocking(move || {
                    intake.look();
                    quotas.round();
                    // The first look is at once: what ends soon is told at the start.
                    if round % ROUNDS_PER_CERTIFICATE_LOOK == 1 {
                        certificates.look(now);
                    }
                });
                // A disk that hangs must hang no async worker, and must not feed the watchdog either.
                let looked = looked.await;
                told.tell_administrators().await;
                if looked.is_ok() {
                    supervise(sd_notify::NotifyState::Watchdog);
                }
            }
        }
    }
}

/// Tells the service manager, where there is one.
fn supervise(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// What all sessions share.
fn services(
    world: &World,
    config: &Config,
    stores: &Stores,
    options: &ServeOptions,
    shown: &Shown,
    intake: &Arc<Intake>,
) -> Result<Arc<Services<Intake>>, ServeError> {
    let spool = SpoolDirectory::open(
        Arc::clone(&world.disk),
        &stores.data.spool(),
        SpoolLimits::new(stores.settings.current().message_bytes_max),
    )?;
    let cores = available_parallelism().map_or(1, usize::from);
    let salts = keys::scram_salts(&stores.data, &*world.random).map_err(StoresError::from)?;
    let authenticator = Authenticator::new(Arc::clone(&world.clock), &*world.random, cores).with_salts(salts);
    let parts = ServiceParts {
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        directory: stores.directory.live(),
        acceptor: Arc::clone(intake),
        spool,
        authenticator: Arc::new(authenticator),
        tokens: Arc::new(issuers::verifier(&world.clock, config)?),
        last_uses: Arc::clone(&stores.last_uses),
        lockouts: Arc::clone(&stores.lockouts),
        traffic: Arc::clone(&stores.traffic),
        tls: Some(server_config(Arc::clone(&shown.store))?),
        asking_tls: Some(asking_server_config(Arc::clone(&shown.store))?),
    };
    let mut settings = server_settings(config)?;
    settings.policy = Arc::clone(&stores.settings);
    let mut services = Services::new(parts, settings);
    if let Some(rehearsal) = &options.way_out.rehearsal() {
        services = services.rehearsing(rehearsing(world, config, stores, &options.certificates, rehearsal)?);
    }
    Ok(Arc::new(services))
}

/// What takes messages from sessions; in a rehearsal it keeps what came for whoever asks.
fn intake(world: &World, config: &Config, stores: &Stores, rehearsal: Option<&Arc<Rehearsal>>) -> Arc<Intake> {
    let intake = Intake::new(
        Arc::clone(&stores.queue),
        stores.directory.live(),
        Arc::clone(&stores.settings),
        Counters::of(stores),
        Arc::clone(&world.clock),
        &config.hostname.to_string(),
    );
    Arc::new(intake.rehearsing(rehearsal.cloned()))
}

/// What delivers, and how it does so outside by SMTP.
fn agents(
    world: &World,
    config: &Config,
    stores: &Stores,
    way_out: &WayOut,
) -> Result<(Arc<Agents>, Option<Outside>), ServeError> {
    let (outgoing, outside): (Arc<dyn Outgoing>, _) = match way_out {
        WayOut::Outbox(directory) | WayOut::Rehearsal(directory, _) => {
            (Arc::new(Outbox::open(Arc::clone(&world.disk), directory)?), None)
        }
        WayOut::Relay => {
            let outside = Outside::open(world, config, &stores.data)?;
            (outside.relay(), Some(outside))
        }
    };
    let directory = Arc::clone(&stores.directory);
    let agents = Agents {
        queue: Arc::clone(&stores.queue),
        directory: Arc::new(move || directory.snapshot()),
        settings: Arc::clone(&stores.settings),
        schedule: stores.schedule.clone(),
        tally: Arc::clone(&stores.tally),
        mailboxes: MailboxAgent::new(Arc::clone(&stores.mailboxes)),
        answered: Arc::clone(&stores.answered),
        outgoing,
        disk: Arc::clone(&world.disk),
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        host: config.hostname.to_string().into(),
        rehearsal: way_out.rehearsal(),
    };
    Ok((Arc::new(agents), outside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_first_start_makes_its_data_directory_and_is_ready_for_commands() {
        let place = tempfile::tempdir().unwrap();
        let (data, text) = (place.path().join("data"), "address = \"127.0.0.1:0\"\nrole = \"inbound\"\n");
        let text = format!("hostname = \"mx.contoso.example\"\ndata = \"data\"\n[[listener]]\n{text}");
        let config = Config::parse(&text, &place.path().join("franking.toml")).unwrap();
        let options = ServeOptions {
            socket: None,
            configuration: None,
            way_out: WayOut::Outbox(data.join("outbox")),
            certificates: data.join("certs"),
        };
        let server = Server::prepare(World::of_the_system().unwrap(), config, &options).unwrap();
        assert_ne!(server.bound()[0].address.port(), 0);
        std::os::unix::net::UnixStream::connect(server.stores().data.socket()).unwrap();
    }
}
