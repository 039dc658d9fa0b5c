//! The load: sessions that are open already, each in a thread of its own, which begin at the same moment.

use std::io;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::smtp::{Client, SignIn};

/// What each transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// A message to one recipient.
    Message,
    /// This many recipients that do not exist, then RSET; always pipelined.
    Refused(usize),
}

/// A load to put on a server.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) sender: String,
    pub(crate) recipient: String,
    pub(crate) transaction: Transaction,
    /// Octets of a message, header included.
    pub(crate) octets: usize,
    pub(crate) sessions: usize,
    /// Transactions of all sessions together.
    pub(crate) transactions: usize,
    /// MAIL, RCPT and DATA in one piece (RFC 2920), not each after the reply to the one before.
    pub(crate) pipelined: bool,
}

/// A load whose connections are open and signed in.
pub(crate) struct Ready {
    clients: Vec<Client>,
    load: Load,
}

/// What came of it.
pub(crate) struct Outcome {
    /// When the first transaction began.
    pub(crate) began: Instant,
    /// From there to the last reply.
    pub(crate) elapsed: Duration,
    /// From the last octet of each transaction to the reply to it, shortest first.
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    /// Opens the connections.
    pub(crate) fn open(self) -> io::Result<Ready> {
        let open = || Client::open(self.address, self.sign_in.as_ref());
        let clients = (0..self.sessions).map(|_| open()).collect::<io::Result<_>>()?;
        Ok(Ready { clients, load: self })
    }

    /// How many transactions session number `session` has.
    const fn share(&self, session: usize) -> usize {
        self.transactions / self.sessions + (session < self.transactions % self.sessions) as usize
    }

    fn message(&self) -> Vec<u8> {
        let mut message = format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: The minutes of Monday\r\nDate: Mon, 5 Jan 2026 09:00:00 +0000\r\n\
             Message-ID: <minutes@fabrikam.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\n",
            self.sender, self.recipient
        );
        while message.len() < self.octets {
            message.push_str("Everybody was there, nothing was decided, and it was all written down here.\r\n");
        }
        message.push_str(".\r\n");
        message.into_bytes()
    }
}

impl Ready {
    /// Runs the load to its end. The connections stay open until then and are closed after it.
    pub(crate) fn run(self) -> io::Result<Outcome> {
        let Self { clients, load } = self;
        let (load, message) = (&load, &load.message());
        let start = &Barrier::new(clients.len() + 1);
        thread::scope(|scope| {
            let sessions: Vec<_> = clients
                .into_iter()
                .enumerate()
                .map(|(session, client)| {
                    scope.spawn(move || {
                        start.wait();
                        converse(client, load, message, load.share(session))
                    })
                })
                .collect();
            start.wait();
            let began = Instant::now();
            let mut latencies = Vec::with_capacity(load.transactions);
            for session in sessions {
                latencies.extend(session.join().map_err(|_| io::Error::other("a session failed"))??);
            }
            let elapsed = began.elapsed();
            latencies.sort_unstable();
            Ok(Outcome { began, elapsed, latencies })
        })
    }
}

fn converse(mut client: Client, load: &Load, message: &[u8], count: usize) -> io::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        latencies.push(match load.transaction {
            Transaction::Message => hand_over(&mut client, load, message)?,
            Transaction::Refused(recipients) => be_refused(&mut client, load, recipients)?,
        });
    }
    Ok(latencies)
}

fn hand_over(client: &mut Client, load: &Load, message: &[u8]) -> io::Result<Duration> {
    let (mail, recipient) = (format!("MAIL FROM:<{}>", load.sender), format!("RCPT TO:<{}>", load.recipient));
    if load.pipelined {
        client.say(format!("{mail}\r\n{recipient}\r\nDATA\r\n").as_bytes())?;
        [250, 250, 354].into_iter().try_for_each(|code| client.expect(code))?;
    } else {
        client.command(&mail, 250)?;
        client.command(&recipient, 250)?;
        client.command("DATA", 354)?;
    }
    client.say(message)?;
    let said = Instant::now();
    client.expect(250)?;
    Ok(said.elapsed())
}

fn be_refused(client: &mut Client, load: &Load, recipients: usize) -> io::Result<Duration> {
    let mut commands = format!("MAIL FROM:<{}>\r\n", load.sender);
    let domain = load.recipient.split_once('@').map_or("", |(_, domain)| domain);
    (0..recipients).for_each(|number| commands.push_str(&format!("RCPT TO:<nobody-{number}@{domain}>\r\n")));
    commands.push_str("RSET\r\n");
    client.say(commands.as_bytes())?;
    let said = Instant::now();
    client.expect(250)?;
    (0..recipients).try_for_each(|_| client.expect(550))?;
    client.expect(250)?;
    Ok(said.elapsed())
}
