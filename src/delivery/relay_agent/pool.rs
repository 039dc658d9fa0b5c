//! Connections that stay open for a moment after their message, for the next one to the same host.
//!
//! It promises that a connection serves again only where every demand is the same as the one it was opened for, that
//! nobody ever waits for a connection of somebody else's, that what is open stays bounded, and that hosts are told
//! goodbye. A connection that serves again may still be dead; whoever takes it must be ready for that.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connection::Connection;
use crate::delivery::exchanger::Candidate;
use crate::model::smtp::client::Credentials;

/// How connections are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReuseOptions {
    /// Messages on one connection, the first included; 1 opens a connection for each. 0 counts as 1.
    pub messages_max: usize,
    /// How long a connection waits for the next message; zero keeps none. A host waits five minutes for a command
    /// (RFC 5321 section 4.5.3.2.7), and few like guests that say nothing for long.
    pub idle: Duration,
    /// Connections to one host with the same demands above which none is kept.
    pub per_host_max: usize,
    /// Connections in all above which idle ones are closed. What is in use is not counted out: the queue bounds that.
    pub connections_max: usize,
}

impl Default for ReuseOptions {
    fn default() -> Self {
        // Spec section 2.2: 20 messages on one connection.
        Self { messages_max: 20, idle: Duration::from_secs(5), per_host_max: 5, connections_max: 64 }
    }
}

/// Everything that a connection was opened for. Only equal doors share connections: one that was opened with less proof
/// never serves where more is asked, and none is lent between passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Door {
    /// Name, address and what the connection had to prove.
    pub(super) candidate: Candidate,
    /// Who we are there.
    pub(super) credentials: Option<Credentials>,
    /// Where we come from.
    pub(super) local: Option<IpAddr>,
}

/// Hands a connection over, if it is still good.
type Taker = oneshot::Sender<Connection>;

enum Stand {
    /// A message is on its way.
    InUse,
    /// It waits for a taker. When this is dropped, it says goodbye.
    Idle(oneshot::Sender<Taker>),
    /// It says goodbye.
    Leaving,
}

struct Entry {
    number: u64,
    door: Arc<Door>,
    stand: Stand,
}

#[derive(Default)]
struct State {
    /// Every connection that is open, oldest first.
    open: Vec<Entry>,
    next: u64,
    closed: bool,
}

struct Shared {
    options: ReuseOptions,
    state: Mutex<State>,
    /// One for each connection that waits or says goodbye. Apart from the state, which a task that is dropped locks.
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand(&self, number: u64, stand: Stand) {
        if let Some(entry) = self.state().open.iter_mut().find(|entry| entry.number == number) {
            entry.stand = stand;
        }
    }

    /// Runs a task that ends by itself within the patience of an idle connection and its goodbye.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// A place among the open connections; it is free again when this is dropped.
pub(super) struct Seat {
    number: u64,
    door: Arc<Door>,
    shared: Arc<Shared>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.state().open.retain(|entry| entry.number != self.number);
    }
}

/// All connections to other hosts.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.release_idle();
    }
}

impl Pool {
    pub(super) fn new(options: ReuseOptions) -> Self {
        Self { shared: Arc::new(Shared { options, state: Mutex::default(), tasks: Mutex::default() }) }
    }

    /// A place for a new connection. Never waits: when there are too many, the one that is idle for longest leaves.
    pub(super) fn seat(&self, door: &Arc<Door>) -> Seat {
        let mut state = self.shared.state();
        let number = state.next;
        state.next = state.next.saturating_add(1);
        let staying = state.open.iter().filter(|entry| !matches!(entry.stand, Stand::Leaving)).count();
        if staying >= self.shared.options.connections_max
            && let Some(oldest) = state.open.iter_mut().find(|entry| matches!(entry.stand, Stand::Idle(_)))
        {
            oldest.stand = Stand::Leaving;
        }
        state.open.push(Entry { number, door: Arc::clone(door), stand: Stand::InUse });
        Seat { number, door: Arc::clone(door), shared: Arc::clone(&self.shared) }
    }

    /// A connection that waits behind this very door, of several the youngest: the others leave when they are not
    /// needed.
    pub(super) async fn take(&self, door: &Door) -> Option<Connection> {
        loop {
            let ask = {
                let mut state = self.shared.state();
                let fits = |entry: &&mut Entry| matches!(entry.stand, Stand::Idle(_)) && *entry.door == *door;
                let entry = state.open.iter_mut().rev().find(fits)?;
                core::mem::replace(&mut entry.stand, Stand::InUse)
            };
            let Stand::Idle(ask) = ask else { return None };
            let (taker, taken) = oneshot::channel();
            // Its task answers at once: with the connection, or by having ended, since the host was quicker.
            if ask.send(taker).is_ok()
                && let Ok(connection) = taken.await
            {
                return Some(connection);
            }
        }
    }

    /// Takes back a connection after its message: it waits for the next one, or says goodbye, behind our back.
    pub(super) fn give_back(&self, connection: Connection) {
        if self.may_stay(&connection) { self.wait(connection) } else { self.dismiss(connection) }
    }

    fn may_stay(&self, connection: &Connection) -> bool {
        let options = &self.shared.options;
        let state = self.shared.state();
        let door = &connection.seat().door;
        let beside = |entry: &&Entry| !matches!(entry.stand, Stand::Leaving) && entry.door == *door;
        connection.is_ready()
            && connection.messages() < options.messages_max.max(1)
            && !options.idle.is_zero()
            && !state.closed
            && state.open.iter().filter(beside).count() <= options.per_host_max
    }

    /// Whether the connection may carry yet another message of the recipients it is busy with.
    pub(super) fn may_go_on(&self, connection: &Connection) -> bool {
        connection.is_ready() && connection.messages() < self.shared.options.messages_max.max(1)
    }

    fn wait(&self, connection: Connection) {
        let (ask, asked) = oneshot::channel();
        let (number, idle) = (connection.seat().number, self.shared.options.idle);
        self.shared.stand(number, Stand::Idle(ask));
        self.shared.spawn(wait(Arc::clone(&self.shared), connection, asked, idle));
    }

    /// Says goodbye to a host. The message is settled: nobody waits for that.
    pub(super) fn dismiss(&self, connection: Connection) {
        self.shared.stand(connection.seat().number, Stand::Leaving);
        self.shared.spawn(connection.farewell());
    }

    /// Says goodbye to all who wait, and keeps no connection from now on. Ends when all have heard it, or have had the
    /// time to.
    pub(super) async fn close(&self) {
        self.shared.state().closed = true;
        self.release_idle();
        let mut tasks = core::mem::take(&mut *self.shared.tasks());
        while tasks.join_next().await.is_some() {}
    }

    /// How many connections are open.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.shared.state().open.len()
    }

    fn release_idle(&self) {
        for entry in &mut self.shared.state().open {
            if matches!(entry.stand, Stand::Idle(_)) {
                entry.stand = Stand::Leaving;
            }
        }
    }
}

/// How the wait of an idle connection ended.
enum End {
    Taken(Taker),
    /// The host spoke or hung up: 421, most likely.
    Stirred,
    /// Its time is over, or its place is needed.
    Over,
}

async fn wait(shared: Arc<Shared>, mut connection: Connection, asked: oneshot::Receiver<Taker>, idle: Duration) {
    let end = tokio::select! {
        // In this order, so that a connection that has died is not handed over.
        biased;
        () = connection.stirred() => End::Stirred,
        asked = asked => asked.map_or(End::Over, End::Taken),
        () = tokio::time::sleep(idle) => End::Over,
    };
    let number = connection.seat().number;
    let connection = match end {
        // A taker that went away meanwhile gives it back.
        End::Taken(taker) => match taker.send(connection) {
            Ok(()) => return,
            Err(connection) => connection,
        },
        End::Stirred => {
            tracing::debug!(host = %connection.seat().door.candidate.host, "an idle connection was ended by the host");
            connection
        }
        End::Over => connection,
    };
    shared.stand(number, Stand::Leaving);
    connection.farewell().await;
}
