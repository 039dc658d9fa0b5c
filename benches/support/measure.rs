//! One measurement: a load on a server, what it took, and what it cost.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::load::{Load, Outcome, Transaction};
use super::meter::{Calls, Meter};

/// Accepted mail is lost when nothing more has arrived for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what has arrived, at least; and so many times what the last look took, since the server could
/// use the processor.
const LOOK: Duration = Duration::from_millis(20);
const REST: u32 = 5;
/// What follows a delivery, such as the record of it, is counted too.
pub(crate) const SETTLING: Duration = Duration::from_millis(300);
/// Calls are counted in a run of their own, since counting costs something: so many transactions, or so many of each
/// session.
const COUNTED: usize = 400;
const COUNTED_EACH: usize = 10;

/// Where what was accepted must arrive.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// In Maildirs below this directory, or in the one that it is.
    Mailboxes(PathBuf),
    /// At Postfix's smtp-sink, which writes its counters (`-c`) into this file.
    Sink(PathBuf),
    /// Nowhere: nothing is accepted.
    Nowhere,
}

/// What came out, per transaction.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Each second; for refused recipients, transactions.
    pub(crate) accepted: f64,
    /// Each second, from the first MAIL until the last message had arrived.
    pub(crate) delivered: Option<f64>,
    pub(crate) processor_milliseconds: f64,
    /// The generator's own.
    pub(crate) own_milliseconds: f64,
    pub(crate) calls: Option<Calls>,
    /// The most memory during the load, in MiB.
    pub(crate) peak_mebibytes: f64,
    /// From the last octet to the reply, in milliseconds: the median and the hundredth longest.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) longest: f64,
    /// Everything else about it.
    pub(crate) outcome: Outcome,
}

/// Measures `load` on the process of `meter`, which delivers below `mailboxes`. `place` takes files of the measurement.
pub(crate) fn measure(load: &Load, meter: Meter, mailboxes: &Path, place: &Path) -> io::Result<Figures> {
    let destination = match load.transaction {
        Transaction::Refused(_) => Destination::Nowhere,
        Transaction::Message | Transaction::Chunk => Destination::Mailboxes(mailboxes.to_owned()),
    };
    let figures = measure_to(load, meter, &destination)?;
    Ok(Figures { calls: calls(load, meter, &destination, place)?, ..figures })
}

/// The same without counting calls, wherever the messages go.
pub(crate) fn measure_to(load: &Load, meter: Meter, destination: &Destination) -> io::Result<Figures> {
    let (ready, before) = (load.clone().open()?, destination.arrived());
    meter.forget_peaks();
    let begun = meter.processor_time();
    let began = Instant::now();
    let outcome = ready.run()?;
    let count = outcome.latencies.len();
    let delivered = match destination {
        Destination::Nowhere => None,
        Destination::Mailboxes(_) | Destination::Sink(_) => {
            destination.wait_for(before + count)?;
            Some(count as f64 / began.elapsed().as_secs_f64())
        }
    };
    sleep(SETTLING);
    let spent = meter.processor_time().saturating_sub(begun);
    let each = |time: Duration| time.as_secs_f64() * 1e3 / count as f64;
    Ok(Figures {
        accepted: count as f64 / outcome.elapsed.as_secs_f64(),
        delivered,
        processor_milliseconds: each(spent),
        own_milliseconds: each(outcome.own_processor_time),
        calls: None,
        peak_mebibytes: meter.peak_bytes() as f64 / f64::from(1 << 20),
        p50: outcome.percentile(0.5),
        p99: outcome.percentile(0.99),
        p999: outcome.percentile(0.999),
        longest: outcome.percentile(1.0),
        outcome,
    })
}

/// Calls into the system for each transaction of `load`, or of the first of them.
pub(crate) fn calls(load: &Load, meter: Meter, destination: &Destination, place: &Path) -> io::Result<Option<Calls>> {
    let transactions = load.transactions.min(COUNTED.max(load.sessions * COUNTED_EACH));
    let load = Load { transactions, ..load.clone() };
    let before = destination.arrived();
    let ready = load.open()?;
    let counted = meter.calls(place, || {
        ready.run()?;
        destination.wait_for(before + transactions)?;
        sleep(SETTLING);
        Ok(())
    })?;
    let each = |calls: f64| calls / transactions as f64;
    Ok(counted.map(|calls| Calls { all: each(calls.all), synchronizing: each(calls.synchronizing) }))
}

impl Destination {
    /// Messages that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        match self {
            Self::Mailboxes(mailboxes) => stored(mailboxes),
            Self::Sink(counters) => counted(counters),
            Self::Nowhere => 0,
        }
    }

    /// Waits until so many messages are there.
    pub(crate) fn wait_for(&self, messages: usize) -> io::Result<()> {
        if matches!(self, Self::Nowhere) {
            return Ok(());
        }
        let (mut latest, mut moved) = (0, Instant::now());
        loop {
            let look = Instant::now();
            let arrived = self.arrived();
            if arrived >= messages {
                return Ok(());
            }
            if arrived > latest {
                (latest, moved) = (arrived, look);
            } else if moved.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{arrived} of {messages} were delivered")));
            }
            sleep(LOOK.max(look.elapsed() * REST));
        }
    }
}

/// Messages in `new` of `mailboxes` itself and of every mailbox in it.
fn stored(mailboxes: &Path) -> usize {
    let files = |directory: &Path| fs::read_dir(directory.join("new")).map_or(0, Iterator::count);
    let inside = fs::read_dir(mailboxes).into_iter().flatten().flatten();
    files(mailboxes) + inside.map(|entry| files(&entry.path())).sum::<usize>()
}

/// Messages that an smtp-sink counted last.
fn counted(counters: &Path) -> usize {
    const TAIL: u64 = 200;
    let tail = || {
        let mut file = File::open(counters)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = String::new();
        file.read_to_string(&mut tail)?;
        Ok::<String, io::Error>(tail)
    };
    // sess=3 quit=0 mesg=1021\r, again and again; the last may be half there.
    let tail = tail().unwrap_or_default();
    let whole = tail.rsplit_once('\r').map_or("", |(whole, _)| whole);
    let last = whole.rsplit_once("mesg=").map_or("", |(_, count)| count);
    last.parse().unwrap_or(0)
}
