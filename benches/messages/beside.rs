//! Two servers that run already, loaded in turn: the rows of the comparison, and how each is measured.
//!
//! [beside-postfix](../beside-postfix) starts the servers and says where they are. Each row is measured on one, then on
//! the other, and so on (A B A B …), since a shared machine is never twice the same.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde::Deserialize;

use super::idle::idle;
use super::page::{Line, Page, at_least, at_most, shown, times};
use super::support::load::{Load, Pace, Sessions, Transaction};
use super::support::measure::{Destination, Figures, calls, measure_to};
use super::support::meter::Meter;
use super::support::smtp::{Opening, Tls};
use super::support::subject::Subject;
use super::support::trusting::trusting;

const KIB: usize = 1024;
const MIB: f64 = 1_048_576.0;
/// As large as Exchange Online takes them.
const LARGE: usize = 150_000_000;
/// Open-loop sessions, how many times the sustainable rate they ask for, and for how many seconds.
const CROWD: usize = 500;
const OVERLOAD: f64 = 2.0;
const OVERLOAD_SECONDS: f64 = 3.0;
/// Recipients of a transaction that are all refused.
const REFUSED: usize = 10;
/// Sessions that may take up the TLS session of the one before.
const RETURNING: usize = 50;

/// How long a server takes to let go of memory.
const REFRESHING: Duration = Duration::from_secs(2);

/// A server that runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) name: String,
    /// Its first process.
    pid: u32,
    /// The first process of a server that checks passwords for it.
    beside: Option<u32>,
    inbound: SocketAddr,
    submission: SocketAddr,
    mailboxes: PathBuf,
    /// The counters of the smtp-sink to which it relays.
    sink: PathBuf,
    /// How many times the messages of a row: a fast server would be done too soon to be measured.
    times: usize,
    /// How many idle sessions it is asked to hold.
    idle_sessions: usize,
    /// For idle sessions and large messages another one, of this package, is started: memory that a load has left would
    /// hide what they take.
    #[serde(default)]
    fresh: bool,
    /// A command that makes it let go of such memory instead.
    refresh: Option<Vec<String>>,
}

/// The two, ours first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Servers {
    pub(super) server: [Server; 2],
}

/// What a row does to a server.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Messages of so many octets over so many kept sessions.
    Inbound {
        octets: usize,
        sessions: usize,
        messages: usize,
    },
    /// The same to an address elsewhere.
    Relay {
        sessions: usize,
        messages: usize,
    },
    /// A session for each message, with STARTTLS and AUTH.
    Submission {
        sessions: usize,
        messages: usize,
    },
    Refused {
        sessions: usize,
        transactions: usize,
    },
    Idle {
        over_tls: bool,
    },
    Large,
    Overload {
        sessions: usize,
        messages: usize,
    },
}

/// A server for idle sessions and large messages.
struct Quiet {
    meter: Meter,
    inbound: SocketAddr,
    maildirs: Destination,
    /// It ends with this.
    _started: Option<Subject>,
}

struct Row {
    name: &'static str,
    work: Work,
    lines: &'static [Line],
}

/// What one measurement gave, by the names of the lines.
pub(super) type Taken = BTreeMap<&'static str, f64>;

const ROWS: [Row; 11] = [
    Row {
        name: "inbound 4 KiB, 1 session kept open",
        work: Work::Inbound { octets: 4 * KIB, sessions: 1, messages: 1_000 },
        lines: &[
            times("accepted/s", 0, 2.0),
            times("delivered/s", 0, 2.0),
            at_most_part("CPU ms each"),
            shown("p50 ms", 2),
            shown("p99 ms", 2),
        ],
    },
    Row {
        name: "inbound 4 KiB, 20 sessions kept open",
        work: Work::Inbound { octets: 4 * KIB, sessions: 20, messages: 2_000 },
        lines: &[
            times("accepted/s", 0, 8.0),
            times("delivered/s", 0, 5.0),
            at_most_part("CPU ms each"),
            shown("syncs each", 2),
            shown("p50 ms", 2),
            shown("p99 ms", 2),
        ],
    },
    Row {
        name: "inbound 4 KiB, 100 sessions kept open",
        work: Work::Inbound { octets: 4 * KIB, sessions: 100, messages: 2_000 },
        lines: &[
            times("accepted/s", 0, 8.0),
            times("delivered/s", 0, 5.0),
            at_most_part("CPU ms each"),
            at_most("syncs each", 2, 0.1),
            shown("calls each", 1),
            at_most("peak memory MiB", 1, 64.0),
            shown("p50 ms", 2),
            shown("p99 ms", 2),
            shown("p99.9 ms", 2),
            shown("longest ms", 2),
            shown("generator's CPU ms each", 3),
        ],
    },
    Row {
        name: "inbound 100 KiB, 20 sessions kept open",
        work: Work::Inbound { octets: 100 * KIB, sessions: 20, messages: 500 },
        lines: &[times("accepted/s", 0, 4.0), times("delivered/s", 0, 4.0), shown("CPU ms each", 3)],
    },
    Row {
        name: "relay 4 KiB to smtp-sink, 20 sessions kept open",
        work: Work::Relay { sessions: 20, messages: 1_500 },
        lines: &[shown("accepted/s", 0), times("relayed/s", 0, 8.0), shown("CPU ms each", 3)],
    },
    Row {
        name: "submission: STARTTLS, AUTH, one message, 20 at once",
        work: Work::Submission { sessions: 20, messages: 500 },
        lines: &[times("sessions/s", 0, 8.0), shown("CPU ms each", 3), at_least("resumed TLS of 50", 0, 49.0)],
    },
    Row {
        name: "refused recipients, 10 pipelined, 20 sessions",
        work: Work::Refused { sessions: 20, transactions: 3_000 },
        lines: &[times("recipients/s", 0, 20.0), shown("CPU µs each", 1)],
    },
    Row { name: "idle sessions after EHLO", work: Work::Idle { over_tls: false }, lines: &IDLE },
    Row { name: "idle sessions after STARTTLS and EHLO", work: Work::Idle { over_tls: true }, lines: &IDLE_TLS },
    Row {
        name: "one message of 150 MB",
        work: Work::Large,
        lines: &[at_most("peak memory grows by MiB", 1, 16.0), shown("MB/s", 0)],
    },
    Row {
        name: "overload: open loop at twice the rate of 100 sessions",
        work: Work::Overload { sessions: 100, messages: 2_000 },
        lines: &[
            shown("offered/s", 0),
            shown("accepted/s", 0),
            at_least("accepted of sustainable", 2, 0.8),
            shown("p50 ms", 0),
            shown("p99 ms", 0),
            shown("p99.9 ms", 0),
            shown("longest ms", 0),
            shown("fewest of a session", 0),
            shown("most of a session", 0),
            shown("refused 4xx", 0),
            at_most("failed otherwise", 0, 0.0),
            at_most("accepted and not delivered", 0, 0.0),
        ],
    },
];

const IDLE: [Line; 4] = [
    shown("sessions", 0),
    at_most("private KiB each", 1, 8.0),
    at_most("a new client waits ms", 1, 1_000.0),
    shown("opened in s", 1),
];
const IDLE_TLS: [Line; 4] = [
    shown("sessions", 0),
    at_most("private KiB each", 1, 40.0),
    at_most("a new client waits ms", 1, 1_000.0),
    shown("opened in s", 1),
];

/// A tenth of the other's.
const fn at_most_part(what: &'static str) -> Line {
    super::page::part(what, 3, 0.1)
}

impl Work {
    /// Whether every message of it becomes a file. That is slow for a while after others were deleted.
    const fn makes_files(&self) -> bool {
        match self {
            Self::Inbound { .. } | Self::Relay { .. } | Self::Submission { .. } | Self::Overload { .. } => true,
            Self::Refused { .. } | Self::Idle { .. } | Self::Large => false,
        }
    }
}

/// Measures the rows whose name contains `only`, so many times, and writes them to the terminal and, if one is named,
/// the page. Both servers in turn after one `rest`: the first of them deletes nothing that the second would pay for.
pub(super) fn beside(
    servers: &Servers,
    only: &str,
    (rounds, rest): (usize, Duration),
    page: Option<&Path>,
) -> io::Result<()> {
    let [ours, theirs] = &servers.server;
    let mut table = Page::begin([&ours.name, &theirs.name], rounds, rest);
    for row in ROWS.iter().filter(|row| row.name.contains(only)) {
        let mut taken: [Vec<Taken>; 2] = Default::default();
        for _ in 0..rounds {
            if row.work.makes_files() {
                sleep(rest);
            }
            for (server, taken) in servers.server.iter().zip(&mut taken) {
                rustix::fs::sync();
                match server.take(row.work) {
                    Ok(figures) => taken.push(figures),
                    Err(error) => table.failure(row.name, &server.name, &error),
                }
            }
        }
        table.row(row.name, row.lines, &taken);
    }
    page.map_or(Ok(()), |page| fs::write(page, table.markdown()))
}

impl Server {
    fn meter(&self) -> Meter {
        Meter::new(self.pid).with(self.beside)
    }

    fn maildirs(&self) -> Destination {
        Destination::Mailboxes(self.mailboxes.clone())
    }

    fn load(&self, sessions: usize, messages: usize) -> Load {
        Load { sessions, transactions: messages * self.times, ..Load::inbound(self.inbound) }
    }

    fn take(&self, work: Work) -> io::Result<Taken> {
        match work {
            Work::Inbound { octets, sessions, messages } => self.inbound(octets, sessions, messages),
            Work::Relay { sessions, messages } => self.relay(sessions, messages),
            Work::Submission { sessions, messages } => self.submission(sessions, messages),
            Work::Refused { sessions, transactions } => self.refused(sessions, transactions),
            Work::Idle { over_tls } => self.idle(over_tls),
            Work::Large => self.large(),
            Work::Overload { sessions, messages } => self.overload(sessions, messages),
        }
    }

    fn inbound(&self, octets: usize, sessions: usize, messages: usize) -> io::Result<Taken> {
        let load = Load { octets, ..self.load(sessions, messages) };
        let figures = measure_to(&load, self.meter(), &self.maildirs())?;
        let place = tempfile::tempdir()?;
        let counted = calls(&load, self.meter(), &self.maildirs(), place.path())?;
        let mut taken = usual(&figures);
        if let Some(counted) = counted {
            taken.extend([("calls each", counted.all), ("syncs each", counted.synchronizing)]);
        }
        Ok(taken)
    }

    fn relay(&self, sessions: usize, messages: usize) -> io::Result<Taken> {
        let load = Load { recipient: "dora@relay.contoso.example".to_owned(), ..self.load(sessions, messages) };
        let figures = measure_to(&load, self.meter(), &Destination::Sink(self.sink.clone()))?;
        let mut taken = usual(&figures);
        taken.extend(figures.delivered.map(|rate| ("relayed/s", rate)));
        Ok(taken)
    }

    fn submission(&self, sessions: usize, messages: usize) -> io::Result<Taken> {
        let load = Load {
            opening: self.signing_in(true)?,
            sender: "alice@contoso.example".to_owned(),
            kind: Sessions::New,
            ..self.load(sessions, messages)
        };
        // The credentials are known from a moment ago, and what TLS needs once is there.
        let few = |opening, sessions, transactions| Load { opening, sessions, transactions, ..load.clone() };
        measure_to(&few(self.signing_in(true)?, sessions, sessions), self.meter(), &self.maildirs())?;
        let figures = measure_to(&load, self.meter(), &self.maildirs())?;
        let returning = few(self.signing_in(false)?, 1, RETURNING);
        let returning = measure_to(&returning, self.meter(), &self.maildirs())?;
        let mut taken = usual(&figures);
        taken.insert("sessions/s", figures.accepted);
        taken.insert("resumed TLS of 50", returning.outcome.resumed as f64);
        Ok(taken)
    }

    fn refused(&self, sessions: usize, transactions: usize) -> io::Result<Taken> {
        let load = Load { transaction: Transaction::Refused(REFUSED), ..self.load(sessions, transactions) };
        let figures = measure_to(&load, self.meter(), &Destination::Nowhere)?;
        Ok(Taken::from([
            ("recipients/s", figures.accepted * REFUSED as f64),
            ("CPU µs each", figures.processor_milliseconds * 1e3 / REFUSED as f64),
        ]))
    }

    /// A server that no load has left anything in, as far as one can be had.
    fn quiet(&self) -> io::Result<Quiet> {
        if let Some([program, arguments @ ..]) = self.refresh.as_deref() {
            Command::new(program).args(arguments).output()?;
            sleep(REFRESHING);
        }
        if !self.fresh {
            return Ok(Quiet { meter: self.meter(), inbound: self.inbound, maildirs: self.maildirs(), _started: None });
        }
        let started = Subject::start()?;
        Ok(Quiet {
            meter: started.meter(),
            inbound: started.address("inbound"),
            maildirs: Destination::Mailboxes(started.mailboxes()),
            _started: Some(started),
        })
    }

    fn idle(&self, over_tls: bool) -> io::Result<Taken> {
        let quiet = self.quiet()?;
        let tls = if over_tls { self.signing_in(true)?.tls } else { Tls::None };
        let opening = Opening { tls, ..Load::inbound(quiet.inbound).opening };
        let idle = idle(&opening, self.idle_sessions, quiet.meter)?;
        Ok(Taken::from([
            ("sessions", self.idle_sessions as f64),
            ("private KiB each", idle.kibibytes),
            ("a new client waits ms", idle.new_client_milliseconds),
            ("opened in s", idle.opening_seconds),
        ]))
    }

    fn large(&self) -> io::Result<Taken> {
        let Quiet { meter, inbound, ref maildirs, .. } = self.quiet()?;
        let load = |octets| Load { octets, ..Load::inbound(inbound) };
        measure_to(&load(4 * KIB), meter, maildirs)?;
        // A peak that is forgotten begins anew at what is resident now.
        meter.forget_peaks();
        let before = meter.peak_bytes() as f64 / MIB;
        let figures = measure_to(&load(LARGE), meter, maildirs)?;
        Ok(Taken::from([
            ("peak memory grows by MiB", figures.peak_mebibytes - before),
            ("MB/s", figures.accepted * LARGE as f64 / 1e6),
        ]))
    }

    fn overload(&self, sessions: usize, messages: usize) -> io::Result<Taken> {
        let sustainable = measure_to(&self.load(sessions, messages), self.meter(), &self.maildirs())?.accepted;
        let offered = sustainable * OVERLOAD;
        let load = Load {
            sessions: CROWD,
            transactions: (offered * OVERLOAD_SECONDS) as usize,
            pace: Pace::Open(offered),
            ..self.load(sessions, messages)
        };
        let before = self.maildirs().arrived();
        let figures = measure_to(&load, self.meter(), &self.maildirs())?;
        let outcome = &figures.outcome;
        let arrived = self.maildirs().arrived() - before;
        let refused = |wanted: fn(u16) -> bool| {
            outcome.refusals.iter().filter(|(code, _)| wanted(**code)).map(|(_, count)| *count).sum::<usize>() as f64
        };
        let mut taken = usual(&figures);
        taken.extend([
            ("offered/s", offered),
            ("accepted of sustainable", figures.accepted / sustainable),
            ("fewest of a session", outcome.fewest as f64),
            ("most of a session", outcome.most as f64),
            ("refused 4xx", refused(|code| code / 100 == 4)),
            ("failed otherwise", refused(|code| code / 100 != 4)),
            ("accepted and not delivered", outcome.latencies.len() as f64 - arrived as f64),
        ]);
        Ok(taken)
    }

    /// STARTTLS and Alice's password; with a whole handshake each time, or taking up the TLS session of before.
    fn signing_in(&self, anew: bool) -> io::Result<Opening> {
        Ok(Opening {
            address: self.submission,
            source: None,
            tls: Tls::Starttls(trusting(!anew)?),
            credentials: Some(("alice@contoso.example".to_owned(), "demo-alice".to_owned())),
        })
    }
}

fn usual(figures: &Figures) -> Taken {
    let mut taken = Taken::from([
        ("accepted/s", figures.accepted),
        ("CPU ms each", figures.processor_milliseconds),
        ("generator's CPU ms each", figures.own_milliseconds),
        ("peak memory MiB", figures.peak_mebibytes),
        ("p50 ms", figures.p50),
        ("p99 ms", figures.p99),
        ("p99.9 ms", figures.p999),
        ("longest ms", figures.longest),
    ]);
    taken.extend(figures.delivered.map(|rate| ("delivered/s", rate)));
    taken
}
