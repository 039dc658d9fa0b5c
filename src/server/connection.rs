//! One client's connection: octets in, octets out, and the errands of its session in between.
//!
//! No decision about mail is made here (law 4): the shell hands [`Input`]s to the [`Session`] and does what its
//! [`Action`]s say. What it adds is time limits on everything a client could drag out, bounds on memory, and the log:
//! a line when the client leaves, one for each message, and one for each refusal, or for those alike that are spoken in
//! one breath. A message whose client vanishes before its end was never there.

mod message;
mod refusals;
mod rehearsed;
mod signing_in;
mod waiting;

use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Poll, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::admission::{Occupant, Seat};
use super::body::BodyIntake;
use super::stop::Stop;
use super::stream::Stream;
use super::visit::Proxied;
use super::{Acceptor, ServerSettings, Services};
use crate::config::{ListenerConfig, ListenerRole, ListenerTls};
use crate::model::mail::{Network, Timestamp};
use crate::model::policy::Whence;
use crate::model::policy::traffic::Kind;
use crate::model::smtp::{Action, Credentials, Input, Role, Session, SessionOptions, TlsState, Verdict, Waiting};
use crate::world::Clock;
use refusals::log_refusals;
use rehearsed::{Visitor, shake};
use signing_in::Gate;

/// So much is read at once. The space for it is on the stack while something is read: an idle session has no buffer.
const READ_BYTES: usize = 32 * 1024;
/// Pending output beyond which writing comes before more work.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// How long, and over how many octets, a client that still talks is heard out so that it can read our last words.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// A client that was let in.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) listener: Arc<ListenerConfig>,
    pub(super) session_id: Box<str>,
    /// What the proxy said by which it came.
    pub(super) proxied: Option<Proxied>,
}

impl Client {
    /// Whether it may sign in without TLS (decision D8).
    fn is_in_clear_text_network(&self) -> bool {
        let names_nobody = self.proxied.as_ref().is_some_and(|proxied| proxied.names_nobody);
        !names_nobody && self.listener.permits_clear_text(self.peer.ip())
    }
}

/// How a connection came to its end.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the session is over")]
    Closed,
    #[error("the client left")]
    Left,
    #[error("no TLS: {0}")]
    Handshake(io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
}

/// What a connection carried.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    received_bytes: u64,
    sent_bytes: u64,
    messages: u32,
}

/// The time of one session: the wall clock when it began, moved on by the monotonic clock, so that setting the system
/// clock neither ends open sessions nor keeps them alive.
struct SessionTime {
    clock: Arc<dyn Clock>,
    began_at: Timestamp,
    began: Duration,
}

impl SessionTime {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let (began_at, began) = (clock.now(), clock.elapsed());
        Self { clock, began_at, began }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.began)
    }

    fn now(&self) -> Timestamp {
        self.began_at.plus(self.elapsed())
    }
}

/// Leads `client` through its session and returns when the connection is closed.
pub(super) async fn converse<A: Acceptor>(services: Arc<Services<A>>, mut client: Client, stop: Stop) {
    let time = SessionTime::new(Arc::clone(&services.clock));
    let settings = services.settings.load_full();
    let visitor = Visitor::of(&services, &client.stream, client.peer, &client.listener);
    if let Some(visitor) = &visitor
        && Box::pin(visitor.is_turned_away(&mut client.stream, time.now(), &stop)).await
    {
        return;
    }
    let opened = Box::pin(Connection::open(services, settings, client, (time, visitor), stop)).await;
    let (end, tally, time) = match opened {
        Ok(mut connection) => {
            let end = connection.run().await;
            Box::pin(connection.close(&end)).await;
            (end, connection.tally, connection.time)
        }
        Err((end, time)) => (end, Tally::default(), time),
    };
    let Tally { received_bytes, sent_bytes, messages } = tally;
    let milliseconds = time.elapsed().as_millis();
    tracing::info!(messages, received_bytes, sent_bytes, milliseconds, %end, "connection closed");
}

struct Connection<A: Acceptor> {
    services: Arc<Services<A>>,
    settings: Arc<ServerSettings>,
    session: Session,
    role: Role,
    peer: IpAddr,
    time: SessionTime,
    /// Gone only after a handshake that failed.
    stream: Option<Stream>,
    output: Vec<u8>,
    body: BodyIntake,
    /// The place among the sessions of the account that is signed in, or of the connector.
    seat: Option<Seat>,
    /// What the client sent while its message waited to be admitted, or an answer to it was held back.
    ahead: Vec<u8>,
    stop: Stop,
    has_room: bool,
    drains: bool,
    tally: Tally,
    /// Only in a rehearsal.
    visitor: Option<Visitor>,
    /// The pause between two octets of what is written next.
    trickle: Option<Duration>,
}

impl<A: Acceptor> Connection<A> {
    async fn open(
        services: Arc<Services<A>>,
        settings: Arc<ServerSettings>,
        client: Client,
        (time, visitor): (SessionTime, Option<Visitor>),
        stop: Stop,
    ) -> Result<Box<Self>, (End, SessionTime)> {
        let auth_without_tls = client.is_in_clear_text_network();
        let Client { stream, peer, listener, session_id, proxied } = client;
        let role = match listener.role {
            ListenerRole::Submission => Role::Submission,
            ListenerRole::Inbound => Role::Inbound,
        };
        let tls = services.tls_for(role, &settings);
        let (stream, tls) = match (listener.tls, tls) {
            (ListenerTls::Starttls, Some(_)) => (Stream::Plain(stream), TlsState::Offered),
            (ListenerTls::Implicit, Some(config)) => {
                let judges = (&*settings.client_authorities, services.clock.now());
                let terms = (settings.handshake_timeout, judges);
                match shake(visitor.as_ref(), stream, config, terms, &stop).await {
                    Ok((stream, facts)) => (stream, TlsState::Active(facts)),
                    Err(error) => return Err((End::Handshake(error), time)),
                }
            }
            (ListenerTls::Starttls, None) => (Stream::Plain(stream), TlsState::Unavailable),
            (ListenerTls::None, _) => {
                let ended = proxied.and_then(|proxied| proxied.tls);
                (Stream::Plain(stream), ended.map_or(TlsState::Unavailable, TlsState::Active))
            }
            (ListenerTls::Implicit, None) => {
                let error = io::Error::other("this server has no certificate");
                return Err((End::Handshake(error), time));
            }
        };
        let options = SessionOptions {
            role,
            hostname: settings.hostname.clone(),
            session_id,
            peer: peer.ip(),
            peer_name: None,
            tls,
            auth_without_tls,
            emulate_exchange_online: settings.emulate_exchange_online,
            scram: services.authenticator.scram_secrets(&*services.random),
            settings: settings.policy.current(),
            limits: settings.session.clone(),
        };
        let session = match &visitor {
            Some(visitor) => visitor.session(options, time.now()),
            None => Session::new(options, time.now()),
        };
        let body = BodyIntake::new(services.bodies.clone());
        Ok(Box::new(Self {
            services,
            settings,
            session,
            role,
            peer: peer.ip(),
            time,
            stream: Some(stream),
            output: Vec::new(),
            body,
            seat: None,
            ahead: Vec::new(),
            stop,
            has_room: true,
            drains: false,
            tally: Tally::default(),
            visitor,
            trickle: None,
        }))
    }

    /// Until one side ends it.
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    /// Does what the session says, then tells it the next thing that happens.
    async fn turn(&mut self) -> Result<(), End> {
        while let Some(action) = self.session.poll_action() {
            self.act(action).await?;
        }
        self.write_out().await?;
        match self.session.waits() {
            Waiting::Bytes => self.listen().await,
            // Every other errand is run while its action is carried out, so nothing can come of waiting.
            Waiting::Tls | Waiting::Verdict | Waiting::Commit | Waiting::Nothing => Err(End::Closed),
        }
    }

    /// Most sessions are idle most of the time: what they are seldom busy with is boxed, so that a session that waits
    /// for its client holds no room for it.
    async fn act(&mut self, action: Action) -> Result<(), End> {
        match action {
            Action::Send(bytes) => {
                if self.output.is_empty() {
                    self.output = bytes;
                } else {
                    self.output.extend_from_slice(&bytes);
                }
                if self.output.len() > OUTPUT_BYTES_MAX {
                    self.write_out().await?;
                }
            }
            Action::StartTls => Box::pin(self.start_tls()).await?,
            Action::CheckCredentials(credentials) => Box::pin(self.check(credentials)).await?,
            Action::Body(piece) => {
                if let Err(error) = Box::pin(self.body.append(piece)).await {
                    tracing::error!(%error, "the body cannot be spooled");
                    self.tell(Input::BodyFailed);
                }
            }
            Action::DiscardBody => Box::pin(self.body.discard()).await,
            Action::Commit(submission) => Box::pin(self.commit(*submission)).await?,
            Action::Delay(duration) => Box::pin(self.linger(duration)).await?,
            Action::Misbehave(misbehaviour) => Box::pin(self.misbehave(misbehaviour)).await?,
            Action::Close => return Err(End::Closed),
            Action::NoteRefusedRecipients(count) => self.count(Kind::RefusedRecipient, count),
        }
        Ok(())
    }

    /// Takes so many pieces of what the client's network may do.
    fn count(&self, kind: Kind, pieces: u32) {
        if self.services.traffic.take(&self.settings.policy.current().traffic, kind, self.peer, pieces) {
            let network = Network::of_client(self.peer);
            tracing::warn!(%network, "the network has used up its {} for now", kind.words());
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        // Taken anew each time: a change of the directory is in force for the very next command, and so is a new key.
        let snapshot = self.services.directory.current();
        self.session.rekey(&self.settings.policy.current().srs_keys);
        self.session.handle(self.time.now(), &snapshot, self.services.acceptor.tallies(), input);
        let occupant = self.session.account().map(Occupant::Account);
        let occupant = occupant.or_else(|| self.session.connector().map(|name| Occupant::Connector(name.into())));
        if occupant.as_ref() != self.seat.as_ref().map(Seat::occupant) {
            self.seat = occupant.map(|occupant| self.services.admission.take_seat(occupant));
        }
    }

    /// How long until the session wants to hear that time is up.
    fn patience(&self) -> Duration {
        self.session.deadline().since(self.time.now())
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        self.write_out().await?;
        let config = self.services.tls_for(self.role, &self.settings);
        let (Some(Stream::Plain(stream)), Some(config)) = (self.stream.take(), config) else {
            return Err(End::Handshake(io::Error::other("there is no clear-text stream or no certificate")));
        };
        // What was read so far went to the session, which has thrown it away, or came while an answer was held back:
        // nothing said before counts after.
        self.ahead.clear();
        let judges = (&*self.settings.client_authorities, self.services.clock.now());
        let terms = (self.settings.handshake_timeout, judges);
        let handshaken = shake(self.visitor.as_ref(), stream, config, terms, &self.stop).await;
        let (stream, facts) = handshaken.map_err(End::Handshake)?;
        self.stream = Some(stream);
        self.tell(Input::TlsEstablished(facts));
        Ok(())
    }

    async fn check(&mut self, credentials: Credentials) -> Result<(), End> {
        let (services, snapshot) = (Arc::clone(&self.services), self.services.directory.current());
        let gate = Gate {
            authenticator: &services.authenticator,
            tokens: &services.tokens,
            lockouts: &services.lockouts,
            last_uses: &services.last_uses,
        };
        let whence = Whence { peer: self.peer, in_clear: self.session.is_in_clear() };
        let settings = self.settings.policy.current();
        let judged = timeout(self.patience(), gate.check(&snapshot, &settings, credentials, whence)).await;
        let (verdict, delay) = judged.unwrap_or((Verdict::TemporaryFailure, Duration::ZERO));
        self.linger(delay).await?;
        self.tell(Input::CredentialsJudged(verdict));
        Ok(())
    }

    /// Waits for the client, for the session's deadline, or for the end of the server.
    async fn listen(&mut self) -> Result<(), End> {
        let ahead = core::mem::take(&mut self.ahead);
        if !ahead.is_empty() {
            self.hand_in(&ahead);
            return Ok(());
        }
        let patience = self.patience();
        // First of all, so that a client that never pauses cannot outlast its deadline or the server's end.
        if !self.drains && self.stop.is_asked() {
            self.drain();
            return Ok(());
        }
        if patience.is_zero() {
            self.tell(Input::TimedOut);
            return Ok(());
        }
        let (mut stop, drains) = (self.stop.clone(), self.drains);
        tokio::select! {
            // What is there already is read without asking anybody to be woken for the rest.
            biased;
            heard = self.hear() => heard?,
            () = stop.asked(), if !drains => self.drain(),
            () = sleep(patience) => self.tell(Input::TimedOut),
        }
        Ok(())
    }

    /// Hands in what the client sends next, from where it was read to.
    async fn hear(&mut self) -> Result<(), End> {
        poll_fn(|context| {
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            let stream = self.stream.as_mut().ok_or(End::Left)?;
            ready!(Pin::new(stream).poll_read(context, &mut space))?;
            if space.filled().is_empty() {
                return Poll::Ready(Err(End::Left));
            }
            self.hand_in(space.filled());
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn drain(&mut self) {
        self.drains = true;
        self.tell(Input::Draining);
    }

    fn hand_in(&mut self, octets: &[u8]) {
        self.tally.received_bytes = self.tally.received_bytes.saturating_add(octets.len() as u64);
        let has_room = self.services.acceptor.has_room();
        if has_room != self.has_room {
            self.has_room = has_room;
            self.tell(Input::RoomChanged(has_room));
        }
        self.tell(Input::Received(octets));
    }

    /// Writes what is pending, with one call where the socket takes it.
    async fn write_out(&mut self) -> io::Result<()> {
        if self.output.is_empty() { Ok(()) } else { self.write(false).await }
    }

    /// Writes what is pending; where these are the last words, that nothing follows as well.
    async fn write(&mut self, are_last: bool) -> io::Result<()> {
        log_refusals(&self.output);
        let mut output = core::mem::take(&mut self.output);
        if let Some(pause) = self.trickle.take() {
            Box::pin(self.write_slowly(&output, pause)).await?;
            output.clear();
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let writing = async {
            if are_last {
                return stream.finish(&output).await;
            }
            stream.write_all(&output).await?;
            stream.flush().await
        };
        // A client that asks and never reads would otherwise be kept for ever.
        timeout(self.settings.write_timeout, writing).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.tally.sent_bytes = self.tally.sent_bytes.saturating_add(output.len() as u64);
        Ok(())
    }

    /// Says the last words and makes sure they can be read: a socket closed over unread octets takes them back.
    async fn close(&mut self, end: &End) {
        self.body.discard().await;
        match end {
            End::Closed => {}
            End::Left | End::Handshake(_) | End::Broken(_) => {
                // Nobody hears it any more, but it was decided.
                return log_refusals(&self.output);
            }
        }
        if self.write(true).await.is_err() {
            return;
        }
        let Some(stream) = self.stream.as_mut() else { return };
        let goodbye = async {
            let mut heard = 0;
            while heard < LINGER_BYTES_MAX {
                match read(stream).await?.len() {
                    0 => break,
                    count => heard += count,
                }
            }
            Ok::<_, io::Error>(())
        };
        // Whether the client hears the end out is its own affair.
        let _ = timeout(LINGER, goodbye).await;
    }
}

/// What the client has sent, once there is something; nothing when it has left. Nothing is lost when the future is
/// dropped.
async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
    poll_fn(|context| {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut space))?;
        Poll::Ready(Ok(space.filled().to_vec()))
    })
    .await
}
