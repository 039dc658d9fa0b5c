//! Sessions that do nothing after EHLO: what each costs the server in memory, and whether a new client is still served.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::support::meter::Meter;
use super::support::smtp::{Client, Opening};

/// Opened at once.
const AT_ONCE: usize = 50;
/// From one address: a server bounds them, and so do the ports of one.
const PER_ADDRESS: usize = 100;
/// The first sessions make a server take up what it needs in any case.
const WARMING: usize = 200;
/// New clients, one after the other, while all others are idle.
const NEW_CLIENTS: usize = 20;
const SETTLING: Duration = Duration::from_secs(1);

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Private memory of the server for each session, in KiB.
    pub(super) kibibytes: f64,
    /// How long opening all of them took.
    pub(super) opening_seconds: f64,
    /// The longest that a new client waited for the answer to its EHLO, over TLS where the others have it.
    pub(super) new_client_milliseconds: f64,
}

/// Opens `count` sessions and looks at the server while they are idle.
pub(super) fn idle(opening: &Opening, count: usize, meter: Meter) -> io::Result<Idle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    drop(open(&runtime, opening, WARMING.min(count))?);
    sleep(SETTLING);
    let (before, begun) = (meter.private_bytes(), Instant::now());
    let sessions = open(&runtime, opening, count)?;
    let opening_seconds = begun.elapsed().as_secs_f64();
    sleep(SETTLING);
    let after = meter.private_bytes();
    let mut longest = Duration::ZERO;
    for _ in 0..NEW_CLIENTS {
        let begun = Instant::now();
        drop(runtime.block_on(Client::open(opening))?);
        longest = longest.max(begun.elapsed());
    }
    drop(sessions);
    sleep(SETTLING);
    Ok(Idle {
        kibibytes: after.saturating_sub(before) as f64 / 1024.0 / count as f64,
        opening_seconds,
        new_client_milliseconds: longest.as_secs_f64() * 1e3,
    })
}

fn open(runtime: &Runtime, opening: &Opening, count: usize) -> io::Result<Vec<Client>> {
    runtime.block_on(async {
        let (mut openings, mut clients) = (JoinSet::new(), Vec::with_capacity(count));
        for number in 0..count {
            if openings.len() == AT_ONCE {
                clients.extend(joined(&mut openings).await?);
            }
            let opening = Opening { source: Some(source(number)), ..opening.clone() };
            openings.spawn(async move { Client::open(&opening).await });
        }
        while let Some(client) = joined(&mut openings).await? {
            clients.push(client);
        }
        Ok(clients)
    })
}

type Opened = Result<Client, super::support::smtp::Trouble>;

async fn joined(openings: &mut JoinSet<Opened>) -> io::Result<Option<Client>> {
    match openings.join_next().await {
        None => Ok(None),
        Some(opened) => Ok(Some(opened.map_err(io::Error::other)??)),
    }
}

/// 127.1.0.1, 127.1.0.2, …: each for some of the sessions.
fn source(number: usize) -> IpAddr {
    let address = u32::from(Ipv4Addr::new(127, 1, 0, 1)) + (number / PER_ADDRESS) as u32;
    Ipv4Addr::from(address).into()
}
