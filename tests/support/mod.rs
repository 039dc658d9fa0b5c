//! What tests of the whole product share: real programs, the server as a process, temporary places, bounded waits.
//!
//! Everything started here ends with the value that stands for it, also when a test fails half-way; only processes
//! that the test itself started are ever signalled. Nothing waits longer than it says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests may stop at the first surprise, and wait for real programs in real time"
)]

use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub(crate) mod authority;
pub(crate) mod clocked;
pub(crate) mod http;
pub(crate) mod kill;
pub(crate) mod maildir;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod smtp;

/// The longest that any single wait lasts. A busy machine with two cores needs some of it, a broken server all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something; panics with `what` was awaited after [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, look).unwrap_or_else(|| panic!("{what}: not within {} seconds", PATIENCE.as_secs()))
}

/// Looks again and again until `look` finds something or the time is up; looks at least once.
pub(crate) fn within<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begin.elapsed() >= time {
            return None;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Looks until `left` is zero; panics with `what` was awaited when it stands still for [`PATIENCE`]. For work whose length
/// depends on what went before: slow is no fault, stuck is.
pub(crate) fn wait_for_end(what: &str, mut left: impl FnMut() -> u64) {
    let mut before = left();
    while before > 0 {
        let moved = within(PATIENCE, || Some(left()).filter(|now| *now < before));
        before = moved.unwrap_or_else(|| panic!("{what}: {before} are left, none fewer in {PATIENCE:?}"));
    }
}

/// A directory that is gone afterwards. Other users may pass through it, since mail programs give up their rights.
#[derive(Debug)]
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = tempfile::Builder::new().prefix("franking-").tempdir().unwrap();
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o711)).unwrap();
        Self(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Creates a directory in it.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Writes a file in it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// A port on 127.0.0.1 for a program that cannot choose one itself.
///
/// From below the range out of which the kernel takes ports by itself (32768 and up), so that no connection of another
/// test comes by it between this look and the program's own; two test programs at once begin at different places.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 120).unwrap() * 100;
    let candidates = (0..COUNT).map(|_| FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    candidates.into_iter().find(is_free).expect("no free port")
}

/// Waits until something accepts connections on a port of 127.0.0.1.
pub(crate) fn wait_for_port(what: &str, port: u16) {
    wait_for(what, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
}
