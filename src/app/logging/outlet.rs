//! Lines on their way out: at once in quiet times, together when there are many.
//!
//! A write for each line was a twentieth of all that a message costs, and a third of what a refused recipient does. A
//! line after a quiet time leaves at once; those that are said within the next [`MOMENT`] leave together, in the order
//! in which they were said. What is wrong leaves at once, with all that was said before it. A process that is killed
//! takes the lines of its last moment with it; one that ends by itself writes them ([`Outlet::flush`]).

use core::time::Duration;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::Level;

/// So long does a line wait for those that follow, at most.
const MOMENT: Duration = Duration::from_millis(5);
/// Whoever finds that so many octets wait writes them: a log that is slow holds up those who fill it, as it always did.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// Where lines leave.
pub(super) struct Outlet<W> {
    gathered: Mutex<Gathered>,
    /// Something waits where nothing did.
    begun: Condvar,
    /// Taken before `gathered`, where both are: lines that are taken out leave before those that follow them.
    way: Mutex<Way<W>>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// When the last line was said, in microseconds since 1970.
    said_at: u64,
    /// There is somebody who writes what waits.
    is_attended: bool,
}

struct Way<W> {
    out: W,
    /// The buffer that is not being filled.
    leaving: Vec<u8>,
}

impl<W: Write + Send + 'static> Outlet<W> {
    /// An outlet into `out` whose lines, if there are many, are written by a thread. Where none can be had, each line
    /// leaves at once.
    pub(super) fn attended(out: W) -> Arc<Self> {
        let outlet = Arc::new(Self::unattended(out));
        let attendant = Arc::clone(&outlet);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || attendant.attend());
        locked(&outlet.gathered).is_attended = thread.is_ok();
        outlet
    }

    fn attend(&self) {
        loop {
            let mut gathered = locked(&self.gathered);
            while gathered.lines.is_empty() {
                gathered = self.begun.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            drop(gathered);
            thread::sleep(MOMENT);
            self.flush();
        }
    }
}

impl<W: Write> Outlet<W> {
    fn unattended(out: W) -> Self {
        let way = Mutex::new(Way { out, leaving: Vec::new() });
        Self { gathered: Mutex::default(), begun: Condvar::new(), way }
    }

    /// Takes a whole line with its end, said at `now`, in microseconds since 1970.
    pub(super) fn say(&self, level: Level, now: u64, line: &[u8]) {
        let mut gathered = locked(&self.gathered);
        // Also a clock that was set back makes no line wait for longer.
        let is_quiet = u128::from(now.abs_diff(gathered.said_at)) >= MOMENT.as_micros();
        gathered.said_at = now;
        let begins = gathered.lines.is_empty();
        let has_room = gathered.lines.len().saturating_add(line.len()) <= GATHERED_BYTES_MAX;
        let may_wait = gathered.is_attended && has_room && !(begins && is_quiet) && level > Level::WARN;
        if may_wait {
            gathered.lines.extend_from_slice(line);
        }
        drop(gathered);
        if !may_wait {
            self.write(line);
        } else if begins {
            self.begun.notify_one();
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        self.write(&[]);
    }

    /// Writes what waits, and `last` behind it.
    fn write(&self, last: &[u8]) {
        let mut way = locked(&self.way);
        let Way { out, leaving } = &mut *way;
        core::mem::swap(&mut locked(&self.gathered).lines, leaving);
        leaving.extend_from_slice(last);
        if !leaving.is_empty() {
            // Who cannot write the log has nowhere to say so.
            let _ = out.write_all(leaving);
            leaving.clear();
            leaving.shrink_to(GATHERED_BYTES_MAX);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, one entry for each write.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Writes {
        fn so_far(&self) -> Vec<String> {
            locked(&self.0).clone()
        }
    }

    impl Write for Writes {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            locked(&self.0).push(String::from_utf8_lossy(octets).into_owned());
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An outlet of which its user is the attendant.
    fn outlet() -> (Outlet<Writes>, Writes) {
        let writes = Writes::default();
        let outlet = Outlet::unattended(writes.clone());
        locked(&outlet.gathered).is_attended = true;
        (outlet, writes)
    }

    const SECOND: u64 = 1_000_000;
    const MOMENT_MICROSECONDS: u64 = MOMENT.as_micros() as u64;

    #[test]
    fn a_line_after_a_quiet_time_leaves_at_once_and_those_that_follow_together() {
        let (outlet, writes) = outlet();
        outlet.say(Level::INFO, SECOND, b"a\n");
        assert_eq!(writes.so_far(), ["a\n"]);
        outlet.say(Level::INFO, SECOND + 1, b"b\n");
        outlet.say(Level::DEBUG, SECOND + 2, b"c\n");
        assert_eq!(writes.so_far(), ["a\n"]);
        outlet.flush();
        outlet.flush();
        assert_eq!(writes.so_far(), ["a\n", "b\nc\n"]);
        outlet.say(Level::INFO, SECOND + 2 + MOMENT_MICROSECONDS, b"d\n");
        assert_eq!(writes.so_far(), ["a\n", "b\nc\n", "d\n"]);
    }

    #[test]
    fn what_is_wrong_leaves_at_once_behind_all_that_was_said_before() {
        for level in [Level::WARN, Level::ERROR] {
            let (outlet, writes) = outlet();
            ["a\n", "b\n"].iter().for_each(|line| outlet.say(Level::INFO, SECOND, line.as_bytes()));
            outlet.say(level, SECOND, b"c\n");
            assert_eq!(writes.so_far(), ["a\n", "b\nc\n"]);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let (outlet, writes) = outlet();
        outlet.say(Level::INFO, 9 * SECOND, b"a\n");
        outlet.say(Level::INFO, SECOND, b"b\n");
        assert_eq!(writes.so_far(), ["a\n", "b\n"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (outlet, writes) = outlet();
        let line = [b'x'; 1_000];
        for _ in 0..1_000 {
            outlet.say(Level::INFO, SECOND, &line);
            assert!(locked(&outlet.gathered).lines.len() <= GATHERED_BYTES_MAX);
        }
        outlet.flush();
        assert_eq!(writes.so_far().concat().len(), 1_000_000);
        assert!(writes.so_far().len() < 20, "{}", writes.so_far().len());
    }

    #[test]
    fn the_attendant_writes_what_waits_and_nothing_is_lost_or_out_of_order() {
        let writes = Writes::default();
        let outlet = Outlet::attended(writes.clone());
        thread::scope(|scope| {
            for speaker in 0..4 {
                let outlet = &outlet;
                scope.spawn(move || {
                    (0..500).for_each(|number| {
                        let level = if number % 100 == 0 { Level::WARN } else { Level::INFO };
                        outlet.say(level, SECOND, format!("{speaker} {number}\n").as_bytes());
                    });
                });
            }
        });
        // Nobody flushes: the attendant has to come.
        let mut text = String::new();
        for _ in 0..10_000 {
            text = writes.so_far().concat();
            if text.lines().count() == 2_000 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for speaker in 0..4 {
            let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{speaker} ")));
            assert!(own.eq((0..500).map(|number| number.to_string())), "{text}");
        }
    }

    #[test]
    fn without_an_attendant_each_line_leaves_at_once() {
        let writes = Writes::default();
        let outlet = Outlet::unattended(writes.clone());
        ["a\n", "b\n"].iter().for_each(|line| outlet.say(Level::INFO, SECOND, line.as_bytes()));
        assert_eq!(writes.so_far(), ["a\n", "b\n"]);
    }
}
