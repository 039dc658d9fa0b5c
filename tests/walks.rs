//! Walks through the life of mailboxes, as an administrator types them and as mail goes meanwhile:
//! `fixtures/walks/*.walk`. A whole server carries them out, with a clock that stands; every line that is no command
//! goes over its ports.
//!
//! What follows a line is all that comes of it:
//!
//! ```text
//! $ franking …             a command, and all that it prints
//! + 29 days                time passes
//! ? ADDRESS                what a stranger's server hears at RCPT TO
//! @ LOGIN                  what comes of signing in
//! > FROM to ADDRESS: TEXT  mail comes from outside, with this subject
//! < LOGIN to ADDRESS: TEXT an account hands mail in
//! = ADDRESS                what its mailbox holds, and what was deleted from it and is kept: folders and subjects
//! - ADDRESS: TEXT          its owner deletes the mail with this subject
//! ! clean-up fails         something is in the way of every clean-up after a purge; ! clean-up works takes it away
//! ```
//!
//! The first lines, which begin with `#`, say why a walk exists. BLESS=1 writes what is printed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::clocked::Clocked;
use crate::support::maildir::{Stored, messages};
use crate::support::process::run;
use crate::support::server::PROGRAM;
use crate::support::site::{CONTOSO, Site};
use crate::support::smtp::Client;
use crate::support::{Place, free_port, wait_for};

const BEGIN: &str = "2026-01-05T09:00:00Z";
/// The clock stands, so what counts by the minute would be used up at some time.
const UNHURRIED: &str = "[limits]\nmessages_per_minute = 0\n";
/// More recipients than any walk has.
const RECIPIENTS: u64 = 64;

/// Looks after which what is due unaltered waits for something else than time.
const LOOKS: usize = 6;

struct Walk {
    place: Place,
    site: Site,
    server: Clocked,
}

impl Walk {
    fn new() -> Self {
        let place = Place::new();
        let site = Site::lay_out(&place, free_port(), UNHURRIED);
        let server = Clocked::start(&site.config, BEGIN);
        let (imported, text) = site.franking(&["import", CONTOSO]);
        assert!(imported, "{text}");
        Self { place, site, server }
    }

    /// What a line of the script comes to.
    fn step(&mut self, line: &str) -> String {
        match line.split_once(' ') {
            Some(("$", command)) => self.command(command),
            Some(("+", time)) => {
                self.server.advance(time.split(' ').next().unwrap().parse().unwrap());
                self.settle();
                String::new()
            }
            Some(("?", address)) => reply_of(self.send("partner@fabrikam.example", address, None)),
            Some(("@", login)) => {
                reply_of(self.sign_in(login).map(|_| "235 2.7.0 Authentication successful".to_owned()))
            }
            Some((mark @ (">" | "<"), rest)) => {
                let (from, rest) = rest.split_once(" to ").expect("FROM to ADDRESS: TEXT");
                let (to, subject) = rest.split_once(": ").expect("FROM to ADDRESS: TEXT");
                let told =
                    if mark == ">" { self.send(from, to, Some(subject)) } else { self.submit(from, to, subject) };
                let told = reply_of(told);
                wait_for("an empty queue", || (self.site.queued() == 0).then_some(()));
                told
            }
            Some(("=", address)) => self.contents(address),
            Some(("-", rest)) => {
                let (address, subject) = rest.split_once(": ").expect("ADDRESS: TEXT");
                let found =
                    self.messages(address).into_iter().find(|(_, stored)| stored.header("Subject") == [subject]);
                let (_, stored) = found.expect("a message with this subject");
                std::fs::remove_file(stored.path).unwrap();
                String::new()
            }
            Some(("!", fault)) => {
                self.obstruct(fault == "clean-up fails");
                String::new()
            }
            _ => panic!("what is {line:?}?"),
        }
    }

    fn command(&self, line: &str) -> String {
        let words = words(line);
        assert_eq!(words.first().map(String::as_str), Some("franking"), "{line}");
        let outcome = run(Command::new(PROGRAM).arg("--config").arg(&self.site.config).args(&words[1..]), "");
        let code = outcome.status.code().unwrap_or(-1);
        let code = if code == 0 { String::new() } else { format!("exit code {code}\n") };
        // Passwords are made by chance, and shown once; where the data are is another place each time.
        let shown = |line: &&str| !line.starts_with("password: ") && !line.starts_with("It is shown only now");
        let text = outcome.text.replace(self.place.path().join("data").to_str().unwrap(), "{data}");
        let text = text.replace(&format!("uid {} ", rustix::process::geteuid().as_raw()), "uid {own} ");
        let text: String = text.lines().filter(shown).map(|line| format!("{line}\n")).collect();
        format!("{text}{code}")
    }

    /// Waits until the reconciler has done what is due.
    fn settle(&self) {
        let (mut before, mut looks) = (Value::Null, 0);
        wait_for("what is due to be done", || {
            // Whatever may alter something is followed by a round of the reconciler, also when it is refused.
            let _ = self.site.franking(&["mailbox", "recount", "nobody-of-this-name"]);
            let due = self.site.json(&["lifecycle", "preview", "--days", "0"]);
            // What waits for somebody's word, or for an obstacle to go, is due as long as it does; a round that is only
            // slow ends before it was looked at so often.
            looks = if due == before { looks + 1 } else { 0 };
            let is_settled = due["lives"].as_array().is_some_and(Vec::is_empty) || looks == LOOKS;
            before = due;
            std::thread::sleep(Duration::from_millis(if is_settled { 0 } else { 300 }));
            is_settled.then_some(())
        });
    }

    /// Mail from outside; without a subject the recipient is only asked about.
    fn send(&self, from: &str, to: &str, subject: Option<&str>) -> std::io::Result<String> {
        let mut client = Client::connect(self.site.inbound())?;
        let Some(subject) = subject else {
            client.command(&format!("MAIL FROM:<{from}>"), '2')?;
            client.command(&format!("RCPT TO:<{to}>"), '2')?;
            return Ok("250 2.1.5 Recipient OK".to_owned());
        };
        client.send(from, &[to], &letter(from, to, subject))?;
        Ok("250 2.6.0 accepted".to_owned())
    }

    fn sign_in(&self, login: &str) -> std::io::Result<Client> {
        let local = login.split('@').next().unwrap_or_default();
        let mut client = self.site.session()?;
        client.sign_in(local)?;
        Ok(client)
    }

    fn submit(&self, login: &str, to: &str, subject: &str) -> std::io::Result<String> {
        self.sign_in(login)?.send(login, &[to], &letter(login, to, subject))?;
        Ok("250 2.6.0 accepted".to_owned())
    }

    /// Where a mailbox is, by its address now.
    fn maildir(&self, address: &str) -> PathBuf {
        let shown = self.site.json(&["recipient", "show", address]);
        let maildir = shown["maildir"].as_str().unwrap_or_else(|| panic!("{shown}"));
        self.place.path().join("data").join(maildir)
    }

    /// All messages with their folders.
    fn messages(&self, address: &str) -> Vec<(String, Stored)> {
        let maildir = self.maildir(address);
        let names = std::fs::read_dir(&maildir).into_iter().flatten().flatten();
        let folders =
            names.filter_map(|entry| entry.file_name().into_string().ok()?.strip_prefix('.').map(str::to_owned));
        let mut all: Vec<_> = messages(&maildir).into_iter().map(|stored| ("INBOX".to_owned(), stored)).collect();
        for folder in folders.collect::<Vec<_>>() {
            let stored = messages(&maildir.join(format!(".{folder}")));
            all.extend(stored.into_iter().map(|stored| (folder.clone(), stored)));
        }
        all
    }

    fn contents(&self, address: &str) -> String {
        // The notice of a full mailbox comes when the server finds the time.
        let is_notice = |stored: &Stored| stored.header("Subject").concat().starts_with("Your mailbox");
        let mut lines: Vec<String> = self
            .messages(address)
            .iter()
            .filter(|(_, stored)| !is_notice(stored))
            .map(|(folder, stored)| format!("{folder}: {}\n", stored.header("Subject").concat()))
            .collect();
        let list = self.site.json(&["mailbox", "recoverable", "list", address, "--limit", "0"]);
        let kept = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
        lines.extend(kept.iter().map(|item| format!("deleted and kept: {}\n", item["subject"].as_str().unwrap())));
        lines.sort();
        if lines.is_empty() { "nothing\n".to_owned() } else { lines.concat() }
    }

    /// Whom a mailbox has answered is a file; a directory in its place cannot be removed as one.
    fn obstruct(&self, on: bool) {
        for id in 1..RECIPIENTS {
            let file = self.place.path().join(format!("data/replies/{:02x}/{id:016x}", id & 0xFF));
            if on && !file.exists() {
                std::fs::create_dir_all(file.join("in-the-way")).unwrap();
            } else if !on && file.is_dir() {
                std::fs::remove_dir_all(&file).unwrap();
            }
        }
    }
}

fn letter(from: &str, to: &str, subject: &str) -> String {
    format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <walk@fabrikam.example>\r\n\r\nHello\r\n")
}

/// A reply without its trailer, which names time and session.
fn reply_of(told: std::io::Result<String>) -> String {
    let told = told.unwrap_or_else(|error| error.to_string());
    let told = told.split(" [mx.contoso.example").next().unwrap_or_default();
    format!("{}\n", told.trim_end())
}

/// Divides a line as a shell does, as far as walks need it.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted.fold(Vec::new(), |mut words, (number, part)| {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
        words
    })
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
        let mut walk = Walk::new();
        let mut printed = String::new();
        let is_step = |line: &str| {
            let marks = ["$", "+", "?", "@", ">", "<", "=", "-", "!", "#"];
            line.split_once(' ').is_some_and(|(mark, _)| marks.contains(&mark))
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
