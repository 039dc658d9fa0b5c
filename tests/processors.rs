//! The threads that serve sessions keep to a processor each, and no other thread is tied to one by that.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;

use crate::support::Place;
use crate::support::site::Site;

/// How many threads of the process may run on which processors, as Linux lists them.
fn threads_by_processors(process: u32) -> BTreeMap<String, usize> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        // One that has ended in the meantime counts no longer.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        *threads.entry(allowed.trim().to_owned()).or_default() += 1;
    }
    threads
}

/// How many processors a list such as `0-3,8` names.
fn count_of(list: &str) -> usize {
    let length = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
    };
    list.split(',').map(length).sum()
}

#[test]
fn each_processor_has_one_thread_for_sessions_and_all_others_are_free() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    // A password is looked at by a thread beside, which a thread for sessions begins.
    site.sign_in("alice").unwrap();
    let ours = fs::read_to_string("/proc/self/status").unwrap();
    let all = ours.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let mut threads = threads_by_processors(server.process_id());
    let free = threads.remove(all).unwrap();
    assert!(free > 3, "{free}");
    // A quota of their time, as containers have one, leaves all threads free.
    let kept = std::thread::available_parallelism().unwrap().get();
    let expected = if kept > 1 && kept == count_of(all) { kept } else { 0 };
    assert_eq!(threads.len(), expected, "{threads:?}");
    for (processor, count) in threads {
        assert!(processor.parse::<usize>().is_ok() && count == 1, "{count} on {processor}");
    }
    server.stop();
}
