//! What a server costs, read from outside: its own process and every process below it, as Linux counts them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Linux shows processor time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);
/// How long `perf` takes to attach.
const ATTACHING: Duration = Duration::from_millis(500);
const SYNCHRONIZING: [&str; 3] =
    ["syscalls:sys_enter_fsync", "syscalls:sys_enter_fdatasync", "syscalls:sys_enter_sync_file_range"];
const EVERYTHING: &str = "raw_syscalls:sys_enter";

/// A process and its descendants, and perhaps another that serves it, with its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pid: u32,
    beside: Option<u32>,
}

/// One line of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    /// User and system time, of the process and of its children that ended.
    ticks: u64,
}

/// Calls of a process into the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) all: f64,
    pub(crate) synchronizing: f64,
}

impl Meter {
    pub(crate) const fn new(pid: u32) -> Self {
        Self { pid, beside: None }
    }

    /// With another process, such as the one that checks passwords.
    pub(crate) const fn with(self, beside: Option<u32>) -> Self {
        Self { beside, ..self }
    }

    /// Processor time so far.
    pub(crate) fn processor_time(self) -> Duration {
        let ticks: u64 = self.tree().values().map(|stat| stat.ticks).sum();
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// The most memory that was resident at once, in octets. Of several processes, which share much of it, what belongs
    /// to each alone now.
    pub(crate) fn peak_bytes(self) -> u64 {
        let tree = self.tree();
        let mut pids = tree.keys();
        match (pids.next(), pids.next()) {
            (Some(only), None) => peak(*only).unwrap_or(0),
            _ => self.private_bytes(),
        }
    }

    /// From now on peaks are those since now. Needs the right to change it; without, peaks are those since the start.
    pub(crate) fn forget_peaks(self) {
        self.tree().keys().for_each(|pid| drop(fs::write(format!("/proc/{pid}/clear_refs"), "5")));
    }

    /// Memory that belongs to these processes alone, in octets: what would be free without them.
    pub(crate) fn private_bytes(self) -> u64 {
        self.tree().keys().filter_map(|pid| private(*pid)).sum()
    }

    fn tree(self) -> BTreeMap<u32, Stat> {
        let mut others: BTreeMap<u32, Stat> = processes();
        let roots = [Some(self.pid), self.beside].into_iter().flatten();
        let mut found: BTreeMap<u32, Stat> = roots.filter_map(|pid| others.remove_entry(&pid)).collect();
        loop {
            let below: Vec<u32> =
                others.iter().filter(|(_, stat)| found.contains_key(&stat.parent)).map(|(pid, _)| *pid).collect();
            if below.is_empty() {
                return found;
            }
            found.extend(below.into_iter().filter_map(|pid| others.remove_entry(&pid)));
        }
    }

    /// Counts calls while `load` runs, where `perf` is installed and may count them. It counts in the kernel; a tracer
    /// that stops the server at each call would measure itself.
    pub(crate) fn calls(self, place: &Path, load: impl FnOnce() -> io::Result<()>) -> io::Result<Option<Calls>> {
        let output = place.join("calls");
        let Some(mut perf) = self.attach(&output) else { return Ok(None) };
        sleep(ATTACHING);
        let loaded = if perf.try_wait()?.is_some() { Ok(()) } else { load() };
        let _ = kill_process(Pid::from_child(&perf), Signal::INT);
        perf.wait()?;
        loaded?;
        Ok(fs::read_to_string(&output).ok().and_then(|table| read(&table)))
    }

    fn attach(self, output: &Path) -> Option<Child> {
        let pids: Vec<String> = self.tree().keys().map(u32::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", EVERYTHING]);
        for event in SYNCHRONIZING {
            perf.args(["-e", event]);
        }
        perf.arg("-o").arg(output).args(["-p", &pids.join(",")]);
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
    }
}

/// Sums up what `perf stat -x ,` writes: the count first, the event third.
fn read(table: &str) -> Option<Calls> {
    let mut calls = Calls { all: 0.0, synchronizing: 0.0 };
    let mut seen = false;
    for line in table.lines() {
        let mut fields = line.split(',');
        let (Some(Ok(count)), Some(event)) = (fields.next().map(str::parse::<f64>), fields.nth(1)) else { continue };
        if event == EVERYTHING {
            (calls.all, seen) = (count, true);
        } else if SYNCHRONIZING.contains(&event) {
            calls.synchronizing += count;
        }
    }
    seen.then_some(calls)
}

fn processes() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold anything; the third follows the last of them.
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
    let ticks = (14..=17).filter_map(number).sum();
    Some(Stat { parent: u32::try_from(number(4)?).ok()?, ticks })
}

fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn private(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let own = rollup.lines().filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"));
    Some(own.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024)
}
