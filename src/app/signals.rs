//! What the operating system asks of a running server: to end, or to read its configuration and certificates again.

use std::io::Read as _;
use std::os::fd::AsFd as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT: finish what is under way and end.
    Stop,
    /// SIGHUP: read certificates and configuration again.
    Reload,
}

/// The signals that a server listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Told when standard input has ended, where that matters.
    closed: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Takes the signals over. Must be called within the runtime.
    ///
    /// # Errors
    /// The system's, when a handler cannot be set.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            closed: None,
        })
    }

    /// Takes the end of standard input for a wish to stop, so that whoever started the server need not live to end it.
    /// What comes there is thrown away.
    ///
    /// # Errors
    /// The system's, when there is no standard input.
    pub(super) fn watch_standard_input(&mut self) -> std::io::Result<()> {
        // A file of its own: the command line holds the lock of the shared one for as long as the program runs.
        let mut input = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let (sender, receiver) = oneshot::channel();
        self.closed = Some(receiver);
        // No task of the runtime, which would wait for it at the end.
        std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
            let mut buffer = [0; 1_024];
            while input.read(&mut buffer).is_ok_and(|count| count > 0) {}
            // Nobody listens any more when the server has stopped already.
            let _ = sender.send(());
        })?;
        Ok(())
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
            () = closed(&mut self.closed) => Asked::Stop,
        }
    }
}

/// Once when standard input has ended; never where that does not matter.
async fn closed(receiver: &mut Option<oneshot::Receiver<()>>) {
    match receiver {
        Some(ended) => {
            // A sender that is gone has nothing more to read either.
            let _ = ended.await;
            *receiver = None;
        }
        None => core::future::pending().await,
    }
}
