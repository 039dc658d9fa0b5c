//! The lines of the log on their way to standard error, many at a time.
//!
//! Each message is spoken of in several lines, and each line that is written by itself costs a call into the system. So
//! lines gather for a moment. A warning or an error goes out at once, with all before it, and so does what a stop
//! leaves; a kill loses the lines of that moment.

use core::time::Duration;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather after the first.
const GATHERING: Duration = Duration::from_millis(25);
/// So many octets are written before that, by whoever adds the last of them: a log that cannot keep up slows down those
/// who write it, as one without gathering does.
const GATHERED_BYTES: usize = 64 << 10;

/// The log; clones share it.
#[derive(Clone, Debug)]
pub(super) struct LogLines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Held while something is written, so that lines stay in order.
    output: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// The thread that writes waits for the first line.
    idle: bool,
}

/// Takes the lines of one event.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    shared: &'a Shared,
    urgent: bool,
}

impl LogLines {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system's, when there can be no thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                writing.wait();
                thread::sleep(GATHERING);
                writing.write();
            }
        })?;
        Ok(Self { shared })
    }

    /// Writes what has gathered.
    pub(super) fn flush(&self) {
        self.shared.write();
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until there is a line.
    fn wait(&self) {
        let mut state = self.locked();
        while state.lines.is_empty() {
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
    }

    fn write(&self) {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = core::mem::take(&mut self.locked().lines);
        // Nobody could be told that the log cannot be written.
        let _ = io::stderr().write_all(&lines);
        drop(output);
    }

    fn add(&self, line: &[u8], urgent: bool) {
        let mut state = self.locked();
        state.lines.extend_from_slice(line);
        let much = urgent || state.lines.len() >= GATHERED_BYTES;
        let wakes = !much && core::mem::take(&mut state.idle);
        drop(state);
        if much {
            self.write();
        } else if wakes {
            self.work.notify_one();
        }
    }
}

impl io::Write for Lines<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Lines<'a> {
        Lines { shared: &self.shared, urgent: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Lines<'a> {
        Lines { shared: &self.shared, urgent: *of.level() <= Level::WARN }
    }
}
