//! A connection before its session begins: who is there, is there room, and what is said to whom there is none for.
//!
//! On a listener for proxies each connection begins with the proxy's word for its client (PROXY protocol). It is heard
//! out within a bounded time and size, before TLS and before the banner; from then on the client's address is the one
//! that was announced, for limits, locks, log and trace alike. Nobody but a listed proxy is heard at all: an address
//! that anybody could claim would be worth nothing.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::{Full, Slot};
use super::connection::{Client, converse};
use super::stop::Stop;
use super::{Acceptor, ServerSettings, Services};
use crate::config::{ListenerConfig, ListenerTls};
use crate::model::mail::Network;
use crate::model::policy::traffic::Kind;
use crate::model::policy::{Refusal, Trailer};
use crate::model::smtp::TlsFacts;
use crate::world::proxy_protocol::{self, ClientTls, Header, Reading};

/// A connection that was taken.
pub(super) struct Visit<A: Acceptor> {
    services: Arc<Services<A>>,
    settings: Arc<ServerSettings>,
    listener: Arc<ListenerConfig>,
    session_id: Box<str>,
    stop: Stop,
}

/// Why a connection gets no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// There is no room.
    Full(Full),
    /// The listener is for proxies, and this is none.
    NoProxy,
    /// The listener is for networks that the client is not in.
    OtherNetwork,
    /// The client's network connected too often within a minute.
    TooSoon,
}

/// What a proxy said of its client, as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxied {
    /// The proxy speaks for itself, or does not know for whom.
    pub(super) names_nobody: bool,
    /// The TLS that it ended for its client.
    pub(super) tls: Option<TlsFacts>,
}

impl<A: Acceptor> Visit<A> {
    /// A visit with an id of its own.
    pub(super) fn new(services: Arc<Services<A>>, listener: Arc<ListenerConfig>, stop: Stop) -> Self {
        let settings = services.settings.load_full();
        let session_id = format!("{:016X}", services.random.next_u64()).into_boxed_str();
        Self { services, settings, listener, session_id, stop }
    }

    pub(super) const fn settings(&self) -> &Arc<ServerSettings> {
        &self.settings
    }

    pub(super) fn session_id(&self) -> Box<str> {
        self.session_id.clone()
    }

    /// A place for a client that is there itself.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Slot, Unwelcome> {
        if !self.listener.serves(peer) {
            return Err(Unwelcome::OtherNetwork);
        }
        self.count(peer)?;
        let (all, own) = (self.settings.sessions_max, self.settings.sessions_per_address_max);
        self.services.admission.admit(peer, all, own).map_err(Unwelcome::Full)
    }

    /// Takes a connection of what the client's network may make within a minute.
    fn count(&self, peer: IpAddr) -> Result<(), Unwelcome> {
        let (traffic, policy) = (&self.services.traffic, self.settings.policy.current());
        if traffic.is_used_up(&policy.traffic, Kind::Connection, peer) {
            return Err(Unwelcome::TooSoon);
        }
        if traffic.take(&policy.traffic, Kind::Connection, peer, 1) {
            let network = Network::of_client(peer);
            tracing::warn!(%network, "the network has used up its {} for now", Kind::Connection.words());
        }
        Ok(())
    }

    /// Leads the client through its session. The place is held until the very end, also when the session panics.
    pub(super) async fn receive(self, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        self.lead(stream, peer, None).await;
        drop(slot);
    }

    /// Hears the proxy at `peer` out, then leads its client through a session.
    pub(super) async fn receive_by_proxy(self, mut stream: TcpStream, peer: SocketAddr, mut slot: Slot) {
        let header = match hear_out(&mut stream, self.settings.proxy_header_timeout).await {
            Ok(Some(header)) => header,
            // As load balancers look whether somebody is there.
            Ok(None) => return tracing::debug!("connection closed before the first octet"),
            Err(error) => return tracing::warn!(%error, "connection closed: the proxy does not say who its client is"),
        };
        // Who speaks for itself is the client.
        let client = header.client.unwrap_or(peer);
        tracing::Span::current().record("peer", tracing::field::display(client));
        let proxied = self.proxied(header);
        // A proxy that looks whether we are well belongs to no network of clients; it cannot sign in either.
        if !proxied.names_nobody && !self.listener.serves(client.ip()) {
            return self.turn_away(stream, Unwelcome::OtherNetwork);
        }
        if !proxied.names_nobody
            && let Err(too_soon) = self.count(client.ip())
        {
            return self.turn_away(stream, too_soon);
        }
        if let Err(full) = slot.announce(client.ip(), self.settings.sessions_per_address_max) {
            return self.turn_away(stream, Unwelcome::Full(full));
        }
        self.lead(stream, client, Some(proxied)).await;
        drop(slot);
    }

    async fn lead(self, stream: TcpStream, peer: SocketAddr, proxied: Option<Proxied>) {
        let Self { services, listener, session_id, stop, .. } = self;
        converse(services, Client { stream, peer, listener, session_id, proxied }, stop).await;
    }

    /// What counts of a header. What it says of TLS is believed only where the operator says that the proxy ends it,
    /// and there a proxy that says that its client came without is believed as well.
    fn proxied(&self, header: Header) -> Proxied {
        let ends_tls = self.listener.proxy.as_ref().is_some_and(|proxy| proxy.tls) && header.client.is_some();
        let facts = |version: &str, cipher: &str| TlsFacts {
            version: version.into(),
            cipher: cipher.into(),
            sni: None,
            client: None,
        };
        let tls = match (ends_tls, header.tls) {
            (true, ClientTls::Active { version, cipher }) if !version.is_empty() && !cipher.is_empty() => {
                Some(facts(&version, &cipher))
            }
            (true, ClientTls::Active { .. } | ClientTls::Unsaid) => Some(facts("TLS", "unknown")),
            (true, ClientTls::Absent) | (false, _) => None,
        };
        Proxied { names_nobody: header.client.is_none(), tls }
    }

    /// Says why and closes, without waiting for anything: turning away must cost less than coming.
    pub(super) fn turn_away(&self, stream: TcpStream, unwelcome: Unwelcome) {
        let refusal = match unwelcome {
            Unwelcome::Full(full) => {
                tracing::info!(?full, "too many connections");
                Refusal::TooManyConnections
            }
            Unwelcome::TooSoon => {
                tracing::info!("turned away: too many connections from its network within a minute");
                Refusal::ConnectionRateExceeded
            }
            Unwelcome::NoProxy => {
                tracing::info!("turned away: the listener is for proxies, and proxy_from does not name this one");
                Refusal::NetworkNotServed
            }
            Unwelcome::OtherNetwork => {
                tracing::info!("turned away: the listener is for the clients of its networks");
                Refusal::NetworkNotServed
            }
        };
        // A client that expects TLS could not read it.
        if self.listener.tls == ListenerTls::Implicit {
            return;
        }
        let (host, session) = (&self.settings.hostname, &self.session_id);
        let trailer = Trailer { host, at: self.services.clock.now(), session };
        let mut reply = Vec::new();
        refusal.reply(&self.settings.policy.current(), &trailer).encode(&mut reply);
        // The socket stays non-blocking, and its send buffer is empty: the one write either fits or is let go.
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.write(&reply);
        }
    }
}

/// Reads the header of a proxy and not one octet more; `None` when the connection ends before the first.
async fn hear_out(stream: &mut TcpStream, within: Duration) -> io::Result<Option<Header>> {
    let mut held = Vec::new();
    let hearing = async {
        loop {
            let needed = match proxy_protocol::read(&held).map_err(io::Error::other)? {
                Reading::Whole(header, _) => return Ok(Some(header)),
                Reading::Needs(needed) => needed,
            };
            let start = held.len();
            held.resize(start + needed, 0);
            let count = stream.read(held.get_mut(start..).unwrap_or_default()).await?;
            held.truncate(start + count);
            match (count, start) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    };
    timeout(within, hearing).await.map_err(|_| io::Error::other("no PROXY header came in time"))?
}
