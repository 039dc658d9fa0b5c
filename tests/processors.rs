//! The threads that serve sessions keep to a processor each, and no other thread is tied to one by that.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::support::site::Site;
use crate::support::{Place, wait_for};

/// The processors on which a thread may run; none when it has ended. The calling thread's, if none is named.
fn allowed(thread: Option<Pid>) -> Option<Vec<usize>> {
    let set = sched_getaffinity(thread).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect())
}

/// How many threads of the process may run on which processors.
fn threads_by_processors(process: u32) -> BTreeMap<Vec<usize>, usize> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let thread = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        if let Some(allowed) = allowed(Pid::from_raw(thread)) {
            *threads.entry(allowed).or_default() += 1;
        }
    }
    threads
}

#[test]
fn each_processor_has_one_thread_for_sessions_and_all_others_are_free() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    // A password is looked at by a thread beside.
    site.sign_in("alice").unwrap();
    let all = allowed(None).unwrap();
    // A quota of their time, as containers have one, leaves all threads free.
    let kept = std::thread::available_parallelism().unwrap().get();
    let kept: Vec<usize> = if kept > 1 && kept == all.len() { all.clone() } else { Vec::new() };
    // A thread that has just begun is where the one is that began it.
    wait_for("one thread for each processor", || {
        let mut threads = threads_by_processors(server.process_id());
        let free = threads.remove(&all).unwrap_or(0);
        (free > 3 && threads == kept.iter().map(|processor| (vec![*processor], 1)).collect()).then_some(())
    });
    server.stop();
}
