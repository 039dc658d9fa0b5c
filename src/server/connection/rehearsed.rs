//! What a script of faults does to a connection: on arrival, in the handshake, and in how octets go out.
//!
//! Only a rehearsal has a [`Visitor`]; for a server in service nothing here runs.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::super::stop::Stop;
use super::super::stream::{Stream, handshake};
use super::super::{Acceptor, Rehearsing, Services};
use super::{Connection, End};
use crate::config::{ListenerConfig, ListenerRole, ListenerTls};
use crate::model::faults::{Deed, Door, FaultSource as _, Occasion, Rule, Step, TlsFault, Visit};
use crate::model::mail::Timestamp;
use crate::model::smtp::{Misbehaviour, Session, SessionOptions, TlsFacts};
use crate::world::tls::ClientAuthorities;

/// A fatal alert before there are keys: `handshake_failure` (RFC 8446 section 6.2), in a record of TLS 1.2.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
/// The client's first flight is read up to this many octets before it is answered with an alert.
const HELLO_BYTES_MAX: usize = 4 * 1024;

/// A client of a rehearsal.
#[derive(Clone)]
pub(super) struct Visitor {
    rehearsing: Arc<Rehearsing>,
    visit: Visit,
}

impl Visitor {
    /// The client at `peer` as the script sees it; `None` for a server in service.
    pub(super) fn of<A: Acceptor>(
        services: &Services<A>,
        stream: &TcpStream,
        peer: SocketAddr,
        listener: &ListenerConfig,
    ) -> Option<Self> {
        let rehearsing = Arc::clone(services.rehearsing.as_ref()?);
        let port = stream.local_addr().map_or(0, |address| address.port());
        let door = match (listener.role, listener.tls) {
            (ListenerRole::Inbound, _) => Door::Inbound,
            (ListenerRole::Submission, ListenerTls::Implicit) => Door::Submissions,
            (ListenerRole::Submission, ListenerTls::Starttls | ListenerTls::None) => Door::Submission,
        };
        let visit = rehearsing.rehearsal.visit(peer.ip(), port, door);
        Some(Self { rehearsing, visit })
    }

    /// Whether the script ends the connection before anything is said.
    pub(super) async fn is_turned_away(&self, stream: &mut TcpStream, now: Timestamp, stop: &Stop) -> bool {
        let Some(rule) = self.strike(now, Step::Connect) else { return false };
        let mut stop = stop.clone();
        tokio::select! {
            () = sleep(rule.delay) => {}
            () = stop.asked() => return true,
        }
        match &rule.deed {
            Deed::Slow | Deed::Reply(_) | Deed::Tls(_) | Deed::Hide(_) | Deed::Discard => false,
            Deed::Close => true,
            Deed::Reset => {
                // A connection that is gone already needs no reset.
                let _ = stream.set_zero_linger();
                true
            }
            Deed::Stall(longest) => {
                stall(stream, *longest, stop).await;
                true
            }
        }
    }

    /// The session that obeys the script.
    pub(super) fn session(&self, options: SessionOptions, now: Timestamp) -> Session {
        Session::scripted(
            options,
            now,
            Arc::<crate::store::rehearsal::Rehearsal>::clone(&self.rehearsing.rehearsal),
            self.visit,
        )
    }

    fn strike(&self, now: Timestamp, step: Step) -> Option<Arc<Rule>> {
        let occasion = Occasion {
            step,
            visit: Some(self.visit),
            message: 0,
            login: None,
            sender: None,
            recipients: &[],
            octets: (0, 0),
        };
        self.rehearsing.rehearsal.strike(now, &occasion)
    }
}

/// Makes the handshake, as the script wants it where there is one.
///
/// # Errors
/// Those of [`handshake`], and whatever the script spoilt.
pub(super) async fn shake(
    visitor: Option<&Visitor>,
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    (patience, judges): (Duration, (&ClientAuthorities, Timestamp)),
    stop: &Stop,
) -> io::Result<(Stream, TlsFacts)> {
    let Some((visitor, rule)) = visitor.and_then(|visitor| Some((visitor, visitor.strike(judges.1, Step::Tls)?)))
    else {
        return handshake(stream, config, patience, judges).await;
    };
    sleep(rule.delay).await;
    let spoilt = &visitor.rehearsing.spoilt;
    let config = match &rule.deed {
        Deed::Slow | Deed::Reply(_) | Deed::Hide(_) | Deed::Discard => config,
        Deed::Tls(TlsFault::Expired) => Arc::clone(&spoilt.expired),
        Deed::Tls(TlsFault::WrongName) => Arc::clone(&spoilt.wrong_name),
        Deed::Tls(TlsFault::UnknownAuthority) => Arc::clone(&spoilt.unknown_authority),
        Deed::Tls(TlsFault::Alert) => {
            let mut hello = [0; HELLO_BYTES_MAX];
            let _ = timeout(patience, stream.read(&mut hello)).await;
            stream.write_all(&ALERT).await?;
            stream.shutdown().await?;
            return Err(by_script(&rule));
        }
        Deed::Close => return Err(by_script(&rule)),
        Deed::Reset => {
            let _ = stream.set_zero_linger();
            return Err(by_script(&rule));
        }
        Deed::Stall(longest) => {
            stall(&mut stream, *longest, stop.clone()).await;
            return Err(by_script(&rule));
        }
    };
    handshake(stream, config, patience, judges).await
}

fn by_script(rule: &Rule) -> io::Error {
    io::Error::other(format!("the script says so, by its rule {}", rule.name))
}

/// Hears the client out without a word, until it leaves or time is up.
async fn stall(stream: &mut (impl AsyncRead + Unpin), longest: Duration, mut stop: Stop) {
    let mut buffer = [0; 1_024];
    let listening = async { while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {} };
    tokio::select! {
        _ = timeout(longest, listening) => {}
        () = stop.asked() => {}
    }
}

impl<A: Acceptor> Connection<A> {
    pub(super) async fn misbehave(&mut self, misbehaviour: Misbehaviour) -> Result<(), End> {
        match misbehaviour {
            Misbehaviour::Trickle(pause) => {
                // What was said before goes at once.
                self.write_out().await?;
                self.trickle = Some(pause);
                Ok(())
            }
            Misbehaviour::Stall(longest) => {
                self.write_out().await?;
                let stream = self.stream.as_mut().ok_or(End::Left)?;
                stall(stream, longest, self.stop.clone()).await;
                Ok(())
            }
            Misbehaviour::Reset => {
                if let Some(stream) = &self.stream {
                    let _ = stream.socket().set_zero_linger();
                }
                Err(End::Left)
            }
        }
    }

    /// Writes an octet at a time. The client may leave meanwhile, which the next octet finds out.
    pub(super) async fn write_slowly(&mut self, output: &[u8], pause: Duration) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        for octet in output {
            stream.write_all(core::slice::from_ref(octet)).await?;
            stream.flush().await?;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.asked() => return Err(io::ErrorKind::Interrupted.into()),
            }
        }
        self.tally.sent_bytes = self.tally.sent_bytes.saturating_add(output.len() as u64);
        Ok(())
    }
}
