//! Child processes: run to their end within a time, or kept running and ended with the value that stands for them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, within};

/// How long a program may take to stop by itself before it is killed.
const FAREWELL: Duration = Duration::from_secs(45);

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    /// Standard output, then standard error.
    pub(crate) text: String,
}

/// Runs a program to its end with `input` at its standard input; kills it and panics after [`PATIENCE`].
pub(crate) fn run(command: &mut Command, input: &str) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::start(command);
    let readers = [
        read_all(child.child.stdout.take().map(std::os::fd::OwnedFd::from)),
        read_all(child.child.stderr.take().map(std::os::fd::OwnedFd::from)),
    ];
    let mut stdin = child.child.stdin.take().unwrap();
    let input = input.to_owned();
    // In a thread of its own: a program may well end without having read everything.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let status = within(PATIENCE, || child.child.try_wait().unwrap());
    if status.is_none() {
        child.kill();
    }
    writer.join().unwrap();
    let text: String = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    let status = status.unwrap_or_else(|| panic!("{command:?} did not end:\n{text}"));
    Outcome { status, text }
}

fn read_all(stream: Option<std::os::fd::OwnedFd>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = File::from(stream).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A program that runs until this is dropped: it is asked to stop, and killed if it does not.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts it. What it writes goes where `command` says.
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self { child }
    }

    /// The process itself, for its streams.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop and waits for its end; `None` if it had to be killed.
    pub(crate) fn stop(&mut self) -> Option<ExitStatus> {
        if let Some(status) = self.ended() {
            return Some(status);
        }
        // The child has not been waited for, so its number cannot have gone to another process.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let status = within(FAREWELL, || self.child.try_wait().ok().flatten());
        if status.is_none() {
            self.kill();
        }
        status
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as `kill -9` does; whoever drops this waits for its end.
    pub(crate) fn kill_now(&self) {
        // The child has not been waited for, so its number cannot have gone to another process.
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
