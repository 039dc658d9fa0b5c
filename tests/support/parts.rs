//! Real mail programs, found or left out.
//!
//! A test that needs a program which is not installed says so and passes; with `FRANKING_REQUIRE_REAL_PARTS` set, as
//! `tests/run` does after installing them, it fails instead, so that nothing is left out unseen.

use std::path::{Path, PathBuf};

/// Where packages put programs that are not on every user's search path.
const MORE_PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/postfix/sbin"];

/// The path of a program, or `None` after saying that the test is left out.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = look_up(program);
    if path.is_none() {
        assert!(!are_required(), "{program} is not installed (run tests/run)");
        say(&format!("left out: {program} is not installed (run tests/run)"));
    }
    path
}

/// A file of a package, or `None` after saying that the test is left out.
pub(crate) fn find_file(path: &Path) -> Option<()> {
    if path.exists() {
        return Some(());
    }
    assert!(!are_required(), "{} is not installed (run tests/run)", path.display());
    say(&format!("left out: {} is not installed (run tests/run)", path.display()));
    None
}

/// Whether this process may do what only root may; says that the test is left out otherwise. No program is missing
/// then, so this is no failure even where all of them are required.
pub(crate) fn may_act_as_root(why: &str) -> bool {
    let may = rustix::process::geteuid().is_root();
    if !may {
        say(&format!("left out: {why} (run as root)"));
    }
    may
}

/// Says that a test is left out because this system does not permit what it needs.
pub(crate) fn left_out(why: &str) {
    say(&format!("left out: {why}"));
}

/// Whether a missing program is a failure.
fn are_required() -> bool {
    std::env::var_os("FRANKING_REQUIRE_REAL_PARTS").is_some_and(|value| !value.is_empty())
}

/// To standard error itself: what `eprintln!` says in a passing test is captured and never seen.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn look_up(program: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&search).chain(MORE_PLACES.iter().map(PathBuf::from));
    places.map(|place| place.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[test]
fn a_program_is_found_or_not() {
    assert!(look_up("sh").is_some());
    assert!(look_up("no-such-program-anywhere").is_none());
}
