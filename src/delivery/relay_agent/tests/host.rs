//! Hosts on loopback: one that plays a script, and one that takes whatever comes and counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::world::network;

/// What a scripted host does next on a connection.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Say(&'static str),
    /// Reads this many lines and keeps them.
    Hear(usize),
    /// Reads lines up to the single dot, which is kept, too.
    HearContent,
    /// Does the TLS handshake.
    Secure,
    /// Writes without end, until the other side has had enough.
    Flood(&'static [u8]),
    /// Lets time pass.
    Pause(Duration),
    /// Waits until it is told to go on.
    Await(Arc<Notify>),
    /// Says nothing and keeps the connection open for a minute.
    Stall,
    /// Says one octet at a time, for longer than anybody's patience.
    Drip,
}

use Move::{Await, Drip, Flood, Hear, HearContent, Pause, Say, Secure, Stall};

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A host on loopback that plays one script for each connection, and then no longer listens.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Host {
    pub(super) fn play(scripts: Vec<Vec<Move>>) -> Self {
        Self::play_with(scripts, None)
    }

    pub(super) fn play_with(scripts: Vec<Vec<Move>>, tls: Option<TlsAcceptor>) -> Self {
        let listener = network::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let notes = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            for script in scripts {
                let (stream, _) = network::accept(&listener).await.unwrap();
                // A client that hangs up early ends the script, which is what some tests are about.
                let _ = play(Box::new(stream), script, tls.as_ref(), &notes).await;
            }
        });
        Self { address, heard, task }
    }

    pub(super) fn heard(&self) -> String {
        self.heard.lock().unwrap().concat()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn play(
    stream: Box<dyn Stream>,
    script: Vec<Move>,
    tls: Option<&TlsAcceptor>,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    for step in script {
        match step {
            Say(text) => stream.write_all(text.as_bytes()).await?,
            Hear(lines) => {
                stream.flush().await?;
                for _ in 0..lines {
                    let mut line = Vec::new();
                    stream.read_until(b'\n', &mut line).await?;
                    heard.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                }
            }
            HearContent => {
                stream.flush().await?;
                let mut line = Vec::new();
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    heard.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                }
            }
            Secure => {
                stream.flush().await?;
                stream = BufStream::new(Box::new(tls.unwrap().accept(stream.into_inner()).await?));
            }
            Flood(octets) => loop {
                stream.write_all(octets).await?;
            },
            Pause(time) => {
                stream.flush().await?;
                tokio::time::sleep(time).await;
            }
            Await(signal) => {
                stream.flush().await?;
                signal.notified().await;
            }
            Stall => {
                stream.flush().await?;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Drip => {
                for _ in 0..2400 {
                    stream.write_all(b"2").await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
            }
        }
    }
    stream.flush().await
}

/// The moves of a host without extensions up to its verdict on the message.
pub(super) fn plain(verdict: &'static str) -> Vec<Move> {
    let mut moves = vec![Say("220 x\r\n"), Hear(1), Say("250 x\r\n"), Hear(1), Say("250 ok\r\n"), Hear(1)];
    moves.extend([
        Say("250 ok\r\n"),
        Hear(1),
        Say("354 go\r\n"),
        HearContent,
        Say(verdict),
        Hear(1),
        Say("221 bye\r\n"),
    ]);
    moves
}

/// A host that takes everything, on any number of connections at once, and remembers what was said on each.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<BTreeMap<usize, Vec<String>>>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Offers AUTH, and STARTTLS where there is an `acceptor`.
    pub(super) fn open(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = network::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(BTreeMap::new())));
        let notes = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = network::accept(&listener).await.unwrap();
                let (notes, acceptor) = (Arc::clone(&notes), acceptor.clone());
                notes.lock().unwrap().insert(number, Vec::new());
                tokio::spawn(async move { take_all(Box::new(stream), acceptor, number, &notes).await });
            }
        });
        Self { address, heard, task }
    }

    /// How many lines that begin with `verb` each connection has sent, in the order in which they came.
    pub(super) fn count(&self, verb: &str) -> Vec<usize> {
        let heard = self.heard.lock().unwrap();
        heard.values().map(|lines| lines.iter().filter(|line| line.starts_with(verb)).count()).collect()
    }

    /// Waits until a connection has sent such a line.
    pub(super) async fn hears(&self, connection: usize, verb: &str) {
        within_patience(verb, || self.count(verb).get(connection).is_some_and(|&count| count > 0)).await;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks again and again, and fails when `holds` does not come about.
pub(super) async fn within_patience(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come about");
}

async fn take_all(
    stream: Box<dyn Stream>,
    acceptor: Option<TlsAcceptor>,
    number: usize,
    heard: &Mutex<BTreeMap<usize, Vec<String>>>,
) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    let mut offers = acceptor.as_ref().map_or("250-AUTH PLAIN\r\n250 PIPELINING\r\n", |_| "250 STARTTLS\r\n");
    stream.write_all(b"220 sink\r\n").await?;
    let mut content = false;
    loop {
        stream.flush().await?;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        heard.lock().unwrap().get_mut(&number).unwrap().push(line.clone());
        let verb = line.get(..4).unwrap_or_default();
        let said = match verb {
            _ if content && line == ".\r\n" => {
                content = false;
                "250 2.0.0 taken\r\n"
            }
            _ if content => continue,
            "EHLO" => {
                stream.write_all(b"250-sink\r\n").await?;
                offers
            }
            "DATA" => {
                content = true;
                "354 go\r\n"
            }
            "AUTH" => "235 ok\r\n",
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return stream.flush().await;
            }
            "STAR" => {
                stream.write_all(b"220 go\r\n").await?;
                stream.flush().await?;
                let acceptor = acceptor.clone().unwrap();
                let secured: Box<dyn Stream> = Box::new(acceptor.accept(stream.into_inner()).await?);
                stream = BufStream::new(secured);
                offers = "250-AUTH PLAIN\r\n250 PIPELINING\r\n";
                continue;
            }
            _ => "250 ok\r\n",
        };
        stream.write_all(said.as_bytes()).await?;
    }
}
