//! Walks through the life of a mailbox, as an administrator types them: `fixtures/walks/*.walk`.
//!
//! A line `$ …` is a command, and what follows it is all that it prints. `+ 29 days` lets time pass. `? ADDRESS` asks what
//! a stranger's server hears at RCPT TO, and `@ LOGIN` what signing in would come to. `! clean-up fails` and `! clean-up
//! works` put something in the way of the reconciler. The first lines, which begin with `#`, say why it exists.
//! BLESS=1 writes what is printed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::admin::office::{Custody, Steward, reconcile};
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::world::ManualClock;

/// Contents that are always gone when they are to go, and a clean-up that may fail.
#[derive(Default)]
struct Contents {
    cleanup_fails: AtomicBool,
}

impl Custody for Contents {
    fn purge(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn clean_up(&self, _: RecipientId) -> Result<(), String> {
        if self.cleanup_fails.load(Ordering::Relaxed) { Err("the attributes are locked".to_owned()) } else { Ok(()) }
    }

    fn hold(&self, _: &Arc<BTreeSet<RecipientId>>) {}

    fn keep(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn release(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }
}

struct Walk {
    premises: InMemory,
    office: Office,
    clock: Arc<ManualClock>,
    contents: Arc<Contents>,
}

impl Walk {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()));
        let contents = Arc::new(Contents::default());
        let custody = Arc::<Contents>::clone(&contents);
        let office = Office {
            clock: Arc::<ManualClock>::clone(&clock),
            steward: Arc::new(Steward::new("mx.contoso.example", custody)),
            ..office()
        };
        Self { premises: InMemory { office: Mutex::new(Some(office.clone())) }, office, clock, contents }
    }

    /// What a line of the script comes to.
    fn step(&self, line: &str) -> String {
        let asked = |rest: &str| {
            let (_, out, _) = typed(&self.premises, &format!("franking explain {rest} --json"), "");
            let json: serde_json::Value = serde_json::from_str(&out).unwrap();
            let step = json["steps"].as_array().unwrap().last().unwrap().clone();
            let outcome = step["outcome"].as_array().and_then(|lines| lines.first()?.as_str().map(str::to_owned));
            let reply = step["reply"].as_str().map(str::to_owned);
            format!("{}\n", reply.or(outcome).unwrap_or_else(|| format!("accepted: {}", json["accepted"])))
        };
        match line.split_once(' ') {
            Some(("$", command)) => {
                let (code, out, err) = typed(&self.premises, command, "");
                let code = if code == 0 { String::new() } else { format!("exit code {code}\n") };
                // Passwords are made by chance, and shown once.
                let shown = |line: &&str| !line.starts_with("password: ") && !line.starts_with("It is shown only now");
                let out: String = out.lines().filter(shown).map(|line| format!("{line}\n")).collect();
                format!("{out}{err}{code}")
            }
            Some(("+", time)) => {
                let days: u64 = time.split(' ').next().unwrap().parse().unwrap();
                self.clock.advance(Duration::from_secs(days * 86_400));
                reconcile(&self.office);
                String::new()
            }
            Some(("?", address)) => asked(&format!("--from partner@fabrikam.example --to {address}")),
            Some(("@", login)) => asked(&format!("--as {login}")),
            Some(("!", fault)) => {
                self.contents.cleanup_fails.store(fault == "clean-up fails", Ordering::Relaxed);
                String::new()
            }
            _ => panic!("what is {line:?}?"),
        }
    }
}

#[test]
fn every_walk_goes_as_it_is_written() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut names: Vec<_> = std::fs::read_dir("fixtures/walks").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    for path in names {
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.starts_with("# "), "{}: a walk opens with why it exists", path.display());
        let walk = Walk::new();
        let mut printed = String::new();
        let is_step = |line: &str| {
            line.split_once(' ').is_some_and(|(mark, _)| matches!(mark, "$" | "+" | "?" | "@" | "!" | "#"))
        };
        for line in kept.lines().filter(|line| is_step(line)) {
            if !line.starts_with('#') {
                printed.push_str(&format!("\n{line}\n{}", walk.step(line)));
            } else if printed.is_empty() || printed.starts_with('#') && !printed.contains("\n\n") {
                printed.push_str(&format!("{line}\n"));
            } else {
                printed.push_str(&format!("\n{line}\n"));
            }
        }
        if bless {
            std::fs::write(&path, &printed).unwrap();
            continue;
        }
        assert!(printed == kept, "{} goes otherwise; review and run again with BLESS=1:\n{printed}", path.display());
    }
}
