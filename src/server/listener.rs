//! Takes connections, lets in as many as fit, and at the end waits for those who are in.
//!
//! Nothing that happens to one connection ends the listening: not an error of the system while accepting, not a panic
//! in a session. When descriptors run out it pauses, since trying again at once would only burn the processor.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::stop::Stop;
use super::visit::{Unwelcome, Visit};
use super::{Acceptor, Services};
use crate::config::ListenerConfig;
use crate::model::mail::Network;
use crate::world::network::{self, NetworkError};

/// How long accepting rests when the system cannot give more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that is bound and takes connections once it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    config: Arc<ListenerConfig>,
}

/// How serving came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that were still open when time was up, and were cut off.
    pub cut_off: usize,
}

impl Listener {
    /// Binds what `config` says. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`NetworkError::Listen`], with the cure where one is known.
    pub fn bind(config: &ListenerConfig) -> Result<Self, NetworkError> {
        let listen = |source| NetworkError::Listen { address: config.address, source };
        let socket = network::listen(config.address)?;
        let address = socket.local_addr().map_err(listen)?;
        Ok(Self { socket, address, config: Arc::new(config.clone()) })
    }

    /// Where it listens, with the port that the kernel chose for port 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves all `listeners` until `stop` is asked for; then no more connections are taken, and sessions have `drain` to
/// come to their end between two messages before they are cut off.
pub async fn serve<A: Acceptor>(
    listeners: Vec<Listener>,
    services: Arc<Services<A>>,
    stop: Stop,
    drain: Duration,
) -> Drained {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let ListenerConfig { role, tls, .. } = &*listener.config;
        tracing::info!(address = %listener.address, ?role, ?tls, "listening");
        listener.warn();
        tasks.spawn(listener.take_connections(Arc::clone(&services), stop.clone(), drain));
    }
    let mut drained = Drained::default();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(cut_off) => drained.cut_off += cut_off,
            Err(error) => tracing::error!(%error, "a listener failed"),
        }
    }
    drained
}

impl Listener {
    /// What others can read stands in the log from the start.
    fn warn(&self) {
        let (address, clear) = (self.address, &self.config.clear_text_networks);
        let names = |networks: &[Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if !clear.is_empty() {
            let networks = names(clear);
            tracing::warn!(%address, networks, "devices sign in here without TLS: anybody between can read it");
        }
        if let Some(proxy) = self.config.proxy.as_ref().filter(|proxy| proxy.tls) {
            let proxies = names(&proxy.from);
            tracing::warn!(%address, proxies, "TLS ends at the proxies: what they send comes readable");
        }
    }

    async fn take_connections<A: Acceptor>(self, services: Arc<Services<A>>, mut stop: Stop, drain: Duration) -> usize {
        let mut sessions = JoinSet::new();
        let mut failures = 0_u64;
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => break,
                Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
                accepted = network::accept(&self.socket) => match accepted {
                    Ok((stream, peer)) => {
                        failures = 0;
                        self.let_in(stream, peer, &services, &stop, &mut sessions);
                    }
                    Err(error) => {
                        failures = failures.saturating_add(1);
                        self.rest(&error, failures).await;
                    }
                },
            }
        }
        // New clients are refused by the kernel from here on and try another server.
        drop(self.socket);
        let all_ended = async {
            while let Some(ended) = sessions.join_next().await {
                report(ended);
            }
        };
        if timeout(drain, all_ended).await.is_ok() {
            return 0;
        }
        let cut_off = sessions.len();
        tracing::warn!(address = %self.address, cut_off, "time is up: sessions are cut off");
        sessions.shutdown().await;
        cut_off
    }

    /// Lets a connection in, or turns it away. Who comes by a proxy is judged once the proxy has said who it is.
    fn let_in<A: Acceptor>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        services: &Arc<Services<A>>,
        stop: &Stop,
        sessions: &mut JoinSet<()>,
    ) {
        let visit = Visit::new(Arc::clone(services), Arc::clone(&self.config), stop.clone());
        let (id, port) = (visit.session_id(), self.address.port());
        let settings = visit.settings();
        match &self.config.proxy {
            None => {
                let span = tracing::info_span!("session", %id, %peer, port);
                let admitted = visit.admit(peer.ip());
                match admitted {
                    Ok(slot) => drop(sessions.spawn(visit.receive(stream, peer, slot).instrument(span))),
                    Err(unwelcome) => span.in_scope(|| visit.turn_away(stream, unwelcome)),
                }
            }
            Some(proxy) => {
                let span = tracing::info_span!("session", %id, proxy = %peer, peer = Empty, port);
                let admitted = match proxy.is_from(peer.ip()) {
                    true => services.admission.admit_unannounced(settings.sessions_max).map_err(Unwelcome::Full),
                    false => Err(Unwelcome::NoProxy),
                };
                match admitted {
                    Ok(slot) => drop(sessions.spawn(visit.receive_by_proxy(stream, peer, slot).instrument(span))),
                    Err(unwelcome) => span.in_scope(|| visit.turn_away(stream, unwelcome)),
                }
            }
        }
    }

    async fn rest(&self, error: &io::Error, failures: u64) {
        // A client that was gone before we took it costs nothing; everything else is the system's own trouble.
        let client_left = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        );
        if client_left {
            return;
        }
        // Ever more rarely, so that the log does not fill the disk as well.
        if failures.is_power_of_two() {
            tracing::error!(address = %self.address, %error, failures, "cannot take connections; trying on");
        }
        sleep(PAUSE).await;
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a session failed; the others go on");
    }
}
