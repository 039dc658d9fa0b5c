//! The simulated network: names, addresses, connections that come about or do not.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use franking::world::clock::Clock as _;
use franking::world::disk::SimulatedDisk;
use franking::world::network::{Dial, Dialer, NetworkError, Stream};
use franking::world::resolver::{Lookup, LookupError, MxAnswer};
use franking::world::{FixedResolver, Resolver};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::sleep;

use super::clock::{Chronicle, SimulatedClock};
use super::dice::{Concern, Dice};
use super::ledger::Ledger;
use super::organisation::HOST;
use super::peer::{self, Connection, Manner, Offer};

/// Another host, for as long as the simulation goes on.
#[derive(Debug)]
struct Host {
    offer: Offer,
    /// Until then, connections fail.
    down_until: Duration,
    /// Of so many connections one meets with trouble.
    trouble: u64,
    /// First attempts are turned away: who was seen, and when.
    greylist: Option<BTreeMap<String, Duration>>,
}

/// All hosts but ours.
pub(super) struct Network {
    clock: Arc<SimulatedClock>,
    chronicle: Arc<Chronicle>,
    ledger: Arc<Ledger>,
    disk: SimulatedDisk,
    dice: Dice,
    hosts: Mutex<BTreeMap<IpAddr, Host>>,
    names: FixedResolver,
    /// From then on everybody is well.
    calm_from: Duration,
    connections: Mutex<u32>,
}

const HOSTS: [[u8; 4]; 5] = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3], [192, 0, 2, 4], [192, 0, 2, 5]];

fn names() -> FixedResolver {
    let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
    FixedResolver::new()
        .with_exchanger("fabrikam.example", 10, "mx1.fabrikam.example")
        .with_exchanger("fabrikam.example", 20, "mx2.fabrikam.example")
        .with_addresses("mx1.fabrikam.example", [ip(1)])
        .with_addresses("mx2.fabrikam.example", [ip(2)])
        .with_exchanger("slow.example", 10, "mx.slow.example")
        .with_addresses("mx.slow.example", [ip(3), ip(5)])
        .with_addresses("dead.example", [ip(4)])
        .with_mx("quiet.example", MxAnswer::NullMx)
        .with_exchanger("loop.example", 10, HOST)
        .with_failure("broken.example", "timed out")
}

impl Network {
    pub(super) fn new(
        seed: u64,
        clock: Arc<SimulatedClock>,
        chronicle: Arc<Chronicle>,
        ledger: Arc<Ledger>,
        disk: SimulatedDisk,
    ) -> Self {
        let dice = Dice::new(seed, Concern::Network);
        let hosts = HOSTS.map(|address| {
            let down = if dice.chance(4) { dice.below(6 * 3600) } else { 0 };
            let host = Host {
                offer: Offer::draw(&dice),
                down_until: Duration::from_secs(down),
                trouble: *dice.pick(&[1, 2, 2, 3, 8]),
                greylist: dice.chance(4).then(BTreeMap::new),
            };
            (IpAddr::from(address), host)
        });
        let hosts = Mutex::new(BTreeMap::from(hosts));
        let calm_from = Duration::from_secs(dice.between(600, 10 * 3600));
        let connections = Mutex::new(0);
        Self { clock, chronicle, ledger, disk, dice, hosts, names: names(), calm_from, connections }
    }

    /// How the host behaves on this connection; none when there is no connection to be had.
    fn manner(&self, address: IpAddr) -> Option<(Offer, Manner)> {
        let now = self.clock.elapsed();
        let mut hosts = self.hosts.lock().unwrap();
        let host = hosts.get_mut(&address)?;
        if now >= self.calm_from {
            return Some((host.offer, Manner::good()));
        }
        if now < host.down_until || self.dice.chance(25) {
            return None;
        }
        if !self.dice.chance(host.trouble) {
            return Some((host.offer, Manner::good()));
        }
        // Some hosts change what they offer.
        if self.dice.chance(10) {
            host.offer = Offer::draw(&self.dice);
        }
        Some((host.offer, Manner::draw(&self.dice)))
    }

    /// Whether a greylisting host turns this recipient away now.
    pub(super) fn is_greylisted(&self, address: IpAddr, recipient: &str) -> bool {
        let now = self.clock.elapsed();
        if now >= self.calm_from {
            return false;
        }
        let mut hosts = self.hosts.lock().unwrap();
        let Some(list) = hosts.get_mut(&address).and_then(|host| host.greylist.as_mut()) else { return false };
        let first = *list.entry(recipient.to_owned()).or_insert(now);
        now < first + Duration::from_secs(300)
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    async fn connect(self: Arc<Self>, address: SocketAddr, timeout: Duration) -> Result<Box<dyn Stream>, NetworkError> {
        sleep(Duration::from_millis(self.dice.below(50))).await;
        let number = {
            let mut connections = self.connections.lock().unwrap();
            *connections += 1;
            *connections
        };
        let Some((offer, manner)) = self.manner(address.ip()) else {
            self.chronicle.note(&format!("connection {number} to {address} fails"));
            if self.dice.chance(3) {
                sleep(timeout).await;
                return Err(NetworkError::ConnectTimeout { address, timeout });
            }
            let source = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Err(NetworkError::Connect { address, source });
        };
        self.chronicle.note(&format!("connection {number} to {address}: {manner:?} {offer:?}"));
        let buffer = *self.dice.pick(&[256, 4096, 65_536]);
        let (ours, theirs) = tokio::io::duplex(buffer);
        let connection = Connection { number, address: address.ip(), offer, manner, network: Arc::clone(&self) };
        tokio::spawn(peer::serve(theirs, connection));
        Ok(Box::new(Wire { stream: ours, disk: self.disk.clone() }))
    }
}

/// The dialer of one life.
pub(super) struct Wires(pub(super) Arc<Network>);

impl Dialer for Wires {
    fn dial(&self, address: SocketAddr, _: Option<IpAddr>, timeout: Duration) -> Dial<'_> {
        Box::pin(Arc::clone(&self.0).connect(address, timeout))
    }
}

/// Our end of a connection. A machine without power says nothing more.
struct Wire {
    stream: DuplexStream,
    disk: SimulatedDisk,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.disk.has_power() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.disk.has_power() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Name servers that fail now and then.
pub(super) struct Names(pub(super) Arc<Network>);

impl Names {
    /// Fails, or waits a while before the answer.
    async fn trouble(&self, name: &str) -> Result<(), LookupError> {
        let network = &self.0;
        if network.clock.elapsed() < network.calm_from && network.dice.chance(15) {
            sleep(Duration::from_secs(5)).await;
            return Err(LookupError { name: name.to_owned(), reason: "timed out".to_owned() });
        }
        sleep(Duration::from_millis(network.dice.below(20))).await;
        Ok(())
    }
}

impl Resolver for Names {
    fn mx<'a>(&'a self, domain: &'a str) -> Lookup<'a, MxAnswer> {
        Box::pin(async move {
            self.trouble(domain).await?;
            self.0.names.mx(domain).await
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>> {
        Box::pin(async move {
            self.trouble(host).await?;
            self.0.names.addresses(host).await
        })
    }
}
