//! One measurement: a load on a server, what it took, and what it cost.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::load::{Load, Transaction};
use super::meter::{Calls, Meter};

/// Accepted mail that is not delivered after so long is lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks into the mailboxes; each look costs processor time that the server could use.
const LOOK: Duration = Duration::from_millis(20);
/// What follows a delivery, such as the record of it, is counted too.
pub(crate) const SETTLING: Duration = Duration::from_millis(300);
/// Calls are counted in a run of their own, since counting costs something.
const COUNTED: usize = 400;

/// What came out, per transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Each second; for refused recipients, transactions.
    pub(crate) accepted: f64,
    /// Each second, from the first MAIL until the last file was in a mailbox.
    pub(crate) delivered: Option<f64>,
    pub(crate) processor_milliseconds: f64,
    pub(crate) calls: Option<Calls>,
    pub(crate) resident_mebibytes: f64,
    /// From the last octet to the reply, in milliseconds: the median and the hundredth longest.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Measures `load` on the process of `meter`, which delivers below `mailboxes`. `place` takes files of the measurement.
pub(crate) fn measure(load: &Load, meter: Meter, mailboxes: &Path, place: &Path) -> io::Result<Figures> {
    let count = load.transactions as f64;
    let (ready, before) = (load.clone().open()?, stored(mailboxes));
    let begun = meter.processor_time();
    let outcome = ready.run()?;
    let delivered = match load.transaction {
        Transaction::Refused(_) => None,
        Transaction::Message => {
            wait_for(mailboxes, before + load.transactions)?;
            Some(count / outcome.began.elapsed().as_secs_f64())
        }
    };
    sleep(SETTLING);
    let spent = meter.processor_time().saturating_sub(begun);
    let milliseconds = |part: usize| {
        let place = (outcome.latencies.len() * part / 100).min(outcome.latencies.len().saturating_sub(1));
        outcome.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    Ok(Figures {
        accepted: count / outcome.elapsed.as_secs_f64(),
        delivered,
        processor_milliseconds: spent.as_secs_f64() * 1e3 / count,
        resident_mebibytes: meter.resident_bytes_max() as f64 / f64::from(1 << 20),
        calls: calls(load, meter, mailboxes, place)?,
        p50: milliseconds(50),
        p99: milliseconds(99),
    })
}

fn calls(load: &Load, meter: Meter, mailboxes: &Path, place: &Path) -> io::Result<Option<Calls>> {
    let transactions = load.transactions.min(COUNTED.max(load.sessions));
    let load = Load { transactions, ..load.clone() };
    let (transaction, before) = (load.transaction, stored(mailboxes));
    let ready = load.open()?;
    let counted = meter.calls(place, || {
        ready.run()?;
        if transaction == Transaction::Message {
            wait_for(mailboxes, before + transactions)?;
        }
        sleep(SETTLING);
        Ok(())
    })?;
    let each = |calls: f64| calls / transactions as f64;
    Ok(counted.map(|calls| Calls { all: each(calls.all), synchronizing: each(calls.synchronizing) }))
}

/// Messages in `new` of `mailboxes` itself and of every mailbox in it.
pub(crate) fn stored(mailboxes: &Path) -> usize {
    let files = |directory: &Path| fs::read_dir(directory.join("new")).map_or(0, Iterator::count);
    let inside = fs::read_dir(mailboxes).into_iter().flatten().flatten();
    files(mailboxes) + inside.map(|entry| files(&entry.path())).sum::<usize>()
}

/// Waits until so many messages are there.
pub(crate) fn wait_for(mailboxes: &Path, messages: usize) -> io::Result<()> {
    let begun = Instant::now();
    while stored(mailboxes) < messages {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{} of {messages} were delivered", stored(mailboxes))));
        }
        sleep(LOOK);
    }
    Ok(())
}
