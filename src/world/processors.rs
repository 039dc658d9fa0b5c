//! Which processor a thread runs on.
//!
//! The threads that serve sessions are woken thousands of times a second and work for some microseconds each time.
//! Left to the scheduler they meet on the processor of whoever wakes them, while another one idles: on two processors
//! that keeps up to a fifth of what they could do from being done. So each of them keeps to a processor of its own, and
//! what waits for one of them that cannot run is done by another one.

use core::time::Duration;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

/// The processors of this machine that this process may use, for as many threads.
#[derive(Debug)]
pub struct Processors {
    all: Vec<usize>,
    /// How many have their thread.
    dealt: Mutex<usize>,
    one_more: Condvar,
}

impl Processors {
    /// One for each of `threads` threads. None where that would gain nothing or take freedom away: for a single thread,
    /// when there are more or fewer threads than processors (a container may be given the time of two out of many), and
    /// where the system does not say or is not Linux. `taskset` and the `CPUAffinity` of systemd count as usual, and
    /// those at this moment: processors that are added later are not used.
    #[must_use]
    pub fn one_each(threads: usize) -> Option<Self> {
        let all = system::allowed().ok()?;
        (threads > 1 && all.len() == threads).then(|| Self { all, dealt: Mutex::new(0), one_more: Condvar::new() })
    }

    /// Keeps the calling thread to the next processor that has no thread yet. When each has one, gives the thread all
    /// of them: it has inherited the one of the thread that began it. Where the system refuses, all stays as it is.
    pub fn settle(&self) {
        let mut dealt = self.dealt.lock().unwrap_or_else(PoisonError::into_inner);
        // Slower is all that a refusal makes it.
        let _ = match self.all.get(*dealt) {
            Some(own) => system::keep_to(core::slice::from_ref(own)),
            None => system::keep_to(&self.all),
        };
        *dealt = dealt.saturating_add(1);
        self.one_more.notify_all();
    }

    /// Waits until each processor has its thread, so that no later one is taken for one of them, at most for
    /// `patience`; whether each has.
    pub fn wait_until_dealt(&self, patience: Duration) -> bool {
        let dealt = self.dealt.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.one_more.wait_timeout_while(dealt, patience, |dealt| *dealt < self.all.len());
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::io;

    /// The processors the calling thread may run on, by number.
    pub(super) fn allowed() -> io::Result<Vec<usize>> {
        let set = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect())
    }

    pub(super) fn keep_to(processors: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        processors.iter().for_each(|number| set.set(*number));
        Ok(sched_setaffinity(None, &set)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::io;

    pub(super) fn allowed() -> io::Result<Vec<usize>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn keep_to(_: &[usize]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Where a new thread may run that has settled.
    fn settled(processors: &Arc<Processors>) -> Option<Vec<usize>> {
        let own = Arc::clone(processors);
        let settle = move || {
            own.settle();
            system::allowed().ok()
        };
        thread::spawn(settle).join().ok().flatten()
    }

    #[test]
    fn each_thread_has_a_processor_of_its_own_and_later_ones_have_all() {
        let all = system::allowed().unwrap();
        if all.len() < 2 {
            assert!(Processors::one_each(all.len()).is_none());
            return;
        }
        let processors = Arc::new(Processors::one_each(all.len()).unwrap());
        for own in &all {
            assert_eq!(settled(&processors), Some(vec![*own]));
        }
        assert!(processors.wait_until_dealt(Duration::from_secs(10)));
        let own = Arc::clone(&processors);
        let of_a_kept_thread = thread::spawn(move || {
            system::keep_to(own.all.get(..1).unwrap()).unwrap();
            settled(&own)
        });
        assert_eq!(of_a_kept_thread.join().unwrap().as_ref(), Some(&all));
        assert_eq!(system::allowed().unwrap(), all, "the thread that deals keeps what it has");
    }

    #[test]
    fn nothing_is_dealt_where_threads_and_processors_differ_in_number() {
        let all = system::allowed().unwrap().len();
        for threads in [0, 1, all - 1, all + 1] {
            assert!(Processors::one_each(threads).is_none(), "{threads} of {all}");
        }
    }

    #[test]
    fn a_thread_that_never_comes_is_waited_for_in_bounds() {
        let processors = Processors { all: vec![0, 1], dealt: Mutex::new(1), one_more: Condvar::new() };
        assert!(!processors.wait_until_dealt(Duration::from_millis(1)));
    }
}
