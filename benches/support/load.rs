//! The load: sessions on one thread of this process, which takes little from the server beside it.
//!
//! *Closed*: every session begins its next transaction when the one before is answered, so a slow server is asked less.
//! *Open*: transactions are due at a fixed rate, whatever the server does, and are late from the moment they were due,
//! not from when a session was free for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::smtp::{Client, Opening, Tls, Trouble};

/// How long a session that was turned away stays away.
const RETREAT: Duration = Duration::from_millis(100);

/// What each transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// A message to one recipient, by DATA.
    Message,
    /// The same by BDAT (RFC 3030).
    Chunk,
    /// This many recipients that do not exist, then RSET; always pipelined.
    Refused(usize),
}

/// How sessions follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Opened before the load begins, and kept to its end.
    Kept,
    /// One for each transaction, from the connection to the answer to QUIT.
    New,
}

/// When transactions begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    Closed,
    /// This many are due each second. Refusals are counted, and do not end the load.
    Open(f64),
}

/// A load to put on a server.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) opening: Opening,
    pub(crate) sender: String,
    pub(crate) recipient: String,
    pub(crate) transaction: Transaction,
    /// Octets of a message, header included.
    pub(crate) octets: usize,
    pub(crate) kind: Sessions,
    /// At once.
    pub(crate) sessions: usize,
    /// Transactions of all sessions together.
    pub(crate) transactions: usize,
    /// MAIL, RCPT and DATA, or BDAT with the message, in one piece (RFC 2920), not each after the reply to the one
    /// before.
    pub(crate) pipelined: bool,
    pub(crate) pace: Pace,
}

/// A load whose connections are open and signed in.
pub(crate) struct Ready {
    runtime: Runtime,
    clients: Vec<Option<Client>>,
    load: Load,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// When the first transaction began.
    pub(crate) began: Option<Instant>,
    /// From there to the last reply.
    pub(crate) elapsed: Duration,
    /// Of every transaction that was answered as meant, shortest first: from its last octet, or from the beginning of
    /// a session of its own, or from when it was due, to the last reply.
    pub(crate) latencies: Vec<Duration>,
    /// Those that were turned away, by the code.
    pub(crate) refusals: BTreeMap<u16, usize>,
    /// Handshakes that took up a TLS session of before.
    pub(crate) resumed: usize,
    /// The fewest transactions that one session got through.
    pub(crate) fewest: usize,
    /// The most.
    pub(crate) most: usize,
    /// What the generator itself took of the processor.
    pub(crate) own_processor_time: Duration,
}

impl Load {
    /// Messages of 4 KiB over one session that is kept.
    pub(crate) fn inbound(address: SocketAddr) -> Self {
        Self {
            opening: Opening { address, source: None, tls: Tls::None, credentials: None },
            sender: "carol@fabrikam.example".to_owned(),
            recipient: "bob@contoso.example".to_owned(),
            transaction: Transaction::Message,
            octets: 4 * 1024,
            kind: Sessions::Kept,
            sessions: 1,
            transactions: 1,
            pipelined: false,
            pace: Pace::Closed,
        }
    }

    /// Opens the connections that are kept.
    pub(crate) fn open(self) -> io::Result<Ready> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let kept = if self.kind == Sessions::Kept { self.sessions } else { 0 };
        let mut clients = Vec::with_capacity(self.sessions);
        for _ in 0..kept {
            clients.push(Some(runtime.block_on(Client::open(&self.opening))?));
        }
        clients.resize_with(self.sessions, || None);
        Ok(Ready { runtime, clients, load: self })
    }

    fn message(&self) -> Vec<u8> {
        const LINE: &str = "Everybody was there, nothing was decided, and it was all written down here.\r\n";
        let mut message = String::with_capacity(self.octets + LINE.len() + 512);
        let _ = write!(
            message,
            "From: <{}>\r\nTo: <{}>\r\nSubject: The minutes of Monday\r\nDate: Mon, 5 Jan 2026 09:00:00 +0000\r\n\
             Message-ID: <minutes@fabrikam.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\n",
            self.sender, self.recipient
        );
        while message.len() < self.octets {
            message.push_str(LINE);
        }
        message.into_bytes()
    }
}

impl Ready {
    /// Runs the load to its end. The connections stay open until then and are closed after it.
    pub(crate) fn run(self) -> io::Result<Outcome> {
        let Self { runtime, clients, load } = self;
        let spent = own_processor_time();
        let began = Instant::now();
        let script = Arc::new(Script::of(load, began));
        let mut total = Outcome { began: Some(began), fewest: usize::MAX, ..Outcome::default() };
        // The clients are kept until the last has ended: closing them costs the server something, too.
        let mut kept = Vec::with_capacity(clients.len());
        runtime.block_on(async {
            let mut sessions = JoinSet::new();
            for client in clients {
                sessions.spawn(converse(Arc::clone(&script), client));
            }
            while let Some(session) = sessions.join_next().await {
                let (client, outcome) = session.map_err(io::Error::other)??;
                kept.push(client);
                total.add(outcome);
            }
            Ok::<(), io::Error>(())
        })?;
        total.elapsed = began.elapsed();
        total.own_processor_time = own_processor_time().saturating_sub(spent);
        total.latencies.sort_unstable();
        Ok(total)
    }
}

impl Outcome {
    /// Adds what came of one session.
    fn add(&mut self, session: Self) {
        self.fewest = self.fewest.min(session.latencies.len());
        self.most = self.most.max(session.latencies.len());
        self.latencies.extend(session.latencies);
        self.resumed += session.resumed;
        session.refusals.into_iter().for_each(|(code, count)| *self.refusals.entry(code).or_default() += count);
    }

    /// The latency that so large a part of all were within, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (self.latencies.len() as f64 * part) as usize;
        self.latencies.get(place.min(last)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// What all sessions share: the octets to send, and whose turn it is.
struct Script {
    load: Load,
    began: Instant,
    taken: AtomicUsize,
    mail: Vec<u8>,
    recipient: Vec<u8>,
    /// What opens the message, and what the server says to it, if anything.
    data: Vec<u8>,
    data_reply: Option<u16>,
    message: Vec<u8>,
    /// As much of it in one piece as may be: all of it by BDAT, and then `message` is empty.
    pipelined: Vec<u8>,
    refused: Vec<u8>,
}

impl Script {
    fn of(load: Load, began: Instant) -> Self {
        let mail = format!("MAIL FROM:<{}>\r\n", load.sender).into_bytes();
        let recipient = format!("RCPT TO:<{}>\r\n", load.recipient).into_bytes();
        let mut message = load.message();
        let (data, data_reply) = match load.transaction {
            Transaction::Chunk => (format!("BDAT {} LAST\r\n", message.len()).into_bytes(), None),
            Transaction::Message | Transaction::Refused(_) => {
                message.extend_from_slice(b".\r\n");
                (b"DATA\r\n".to_vec(), Some(354))
            }
        };
        let mut pipelined = [mail.as_slice(), &recipient, &data].concat();
        if load.transaction == Transaction::Chunk && load.pipelined {
            pipelined.append(&mut message);
        }
        let refused = refused(&load);
        Self { load, began, taken: AtomicUsize::new(0), mail, recipient, data, data_reply, message, pipelined, refused }
    }

    /// The next transaction, and when it is due; none when all are taken.
    fn next(&self) -> Option<Option<Instant>> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        (number < self.load.transactions).then(|| match self.load.pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(self.began + Duration::from_secs_f64(number as f64 / rate)),
        })
    }
}

fn refused(load: &Load) -> Vec<u8> {
    let Transaction::Refused(recipients) = load.transaction else { return Vec::new() };
    let mut commands = format!("MAIL FROM:<{}>\r\n", load.sender);
    let domain = load.recipient.split_once('@').map_or("", |(_, domain)| domain);
    (0..recipients).for_each(|number| commands.push_str(&format!("RCPT TO:<nobody-{number}@{domain}>\r\n")));
    commands.push_str("RSET\r\n");
    commands.into_bytes()
}

/// One session after the other, as long as there is something to do.
async fn converse(script: Arc<Script>, mut client: Option<Client>) -> io::Result<(Option<Client>, Outcome)> {
    let mut outcome = Outcome::default();
    while let Some(due) = script.next() {
        if let Some(due) = due {
            sleep_until(due.into()).await;
        }
        match transact(&script, &mut client, &mut outcome).await {
            Ok(begun) => outcome.latencies.push(due.unwrap_or(begun).elapsed()),
            Err(trouble) if script.load.pace == Pace::Closed => return Err(trouble.into()),
            Err(trouble) => {
                let code = if let Trouble::Refused(code, _) = trouble { code } else { 0 };
                *outcome.refusals.entry(code).or_default() += 1;
                // Whatever is left of the conversation is of no use; a new one begins when the server has had rest.
                client = None;
                tokio::time::sleep(RETREAT).await;
            }
        }
    }
    Ok((client, outcome))
}

/// One transaction; gives the moment from which its latency counts.
async fn transact(script: &Script, place: &mut Option<Client>, outcome: &mut Outcome) -> Result<Instant, Trouble> {
    let begun = Instant::now();
    let client = match place {
        Some(client) => client,
        None => {
            let client = Client::open(&script.load.opening).await?;
            outcome.resumed += usize::from(client.is_resumed());
            place.insert(client)
        }
    };
    let said = match script.load.transaction {
        Transaction::Message | Transaction::Chunk => hand_over(client, script).await?,
        Transaction::Refused(recipients) => be_refused(client, script, recipients).await?,
    };
    if script.load.kind == Sessions::Kept {
        return Ok(said);
    }
    if let Some(client) = place.take() {
        client.quit().await?;
    }
    Ok(begun)
}

async fn hand_over(client: &mut Client, script: &Script) -> Result<Instant, Trouble> {
    let Script { mail, recipient, data, data_reply, message, .. } = script;
    let mut said = Instant::now();
    if script.load.pipelined {
        client.say(&script.pipelined).await?;
        said = Instant::now();
        client.expect(250).await?;
        client.expect(250).await?;
    } else {
        client.command(mail, 250).await?;
        client.command(recipient, 250).await?;
        client.say(data).await?;
    }
    if let Some(code) = data_reply {
        client.expect(*code).await?;
    }
    if !message.is_empty() {
        client.say(message).await?;
        said = Instant::now();
    }
    client.expect(250).await?;
    Ok(said)
}

async fn be_refused(client: &mut Client, script: &Script, recipients: usize) -> Result<Instant, Trouble> {
    client.say(&script.refused).await?;
    let said = Instant::now();
    client.expect(250).await?;
    for _ in 0..recipients {
        client.expect(550).await?;
    }
    client.expect(250).await?;
    Ok(said)
}

/// Processor time of this process so far.
pub(crate) fn own_processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}
