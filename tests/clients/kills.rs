//! `kill -9` while real programs are at it: they send to the server, and it sends to them.
//!
//! What a client was told is accepted is found afterwards, each message whole. Copies beyond the first are counted: a
//! sender with a queue of its own (Postfix, and this server on its way out) repeats what was under way at a kill, one
//! message for each connection, and nothing else.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::postfix::{Extras, Postfix};
use super::relay::Sink;
use super::swaks::Swaks;
use crate::crash::rounds;
use crate::support::maildir::{Stored, files};
use crate::support::process::run;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{PATIENCE, Place, free_port, parts, wait_for_end, within};

const STRANGER: &str = "eve@fabrikam.example";
/// Sessions of smtp-source, and programs called swaks, at once.
const SESSIONS: usize = 4;
const SWAKS: usize = 2;
/// Connections that Postfix has to one destination at most, as it comes.
const POSTFIX_CONNECTIONS: usize = 20;
/// Connections that this server has to one destination at most, and messages that may have left on them without being
/// recorded.
const OWN_UNDER_WAY: usize = 5 + 16;
/// Messages that Postfix is given for each round.
const THROUGH_POSTFIX: usize = 30;

/// All clients come from one address.
const MANY_SESSIONS: &str = "[limits]\nsessions_per_address_max = 200\nrecipients_per_day = 1000000\n\
                             received_per_hour = 1000000\nreceived_from_one_per_hour = 1000000\n";

/// What was answered with 250, by Message-ID without its brackets.
type Acknowledged = Mutex<Vec<String>>;

/// Sends with smtp-source until the server is gone. It repeats every reply, and ours names the message.
fn source(program: &Path, port: u16, acknowledged: &Acknowledged) {
    let mut command = Command::new(program);
    command.args(["-v", "-d", "-s", &SESSIONS.to_string(), "-m", "100000", "-l", "3000", "-S", "by-source"]);
    command.args(["-M", "mail.fabrikam.example", "-f", STRANGER, "-t", "bob@contoso.example"]);
    let outcome = run(command.arg(format!("inet:127.0.0.1:{port}")), "");
    let replies = outcome.text.split("<<< 250 2.6.0 <").skip(1);
    acknowledged.lock().unwrap().extend(replies.filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())));
}

/// Sends with swaks, a program for each message, until the server is gone.
fn swaks(swaks: &Swaks, server: &Server, name: &str, over: &AtomicBool, acknowledged: &Acknowledged) {
    for number in 0.. {
        let identity = format!("{name}-{number}@swaks");
        let field = format!("Message-Id: <{identity}>");
        let said = swaks.deliver(server.inbound(), STRANGER, "bob@contoso.example", &["--header", &field]);
        if over.load(Ordering::Relaxed) {
            return;
        }
        if said.has_reply("250 2.6.0") {
            acknowledged.lock().unwrap().push(identity);
        }
    }
}

/// Hands `count` messages to Postfix, which takes them whatever becomes of the server behind it.
fn give(program: &Path, postfix: &Postfix, count: usize) {
    let mut command = Command::new(program);
    command.args(["-s", "10", "-m", &count.to_string(), "-l", "2000", "-S", "by-postfix"]);
    command.args(["-M", "mail.fabrikam.example", "-f", STRANGER, "-t", "bob@contoso.example"]);
    let outcome = run(command.arg(format!("inet:127.0.0.1:{}", postfix.port())), "");
    assert!(outcome.status.success(), "{}", outcome.text);
}

/// How many messages the server has accepted in all its lives.
fn accepted(server: &Server) -> usize {
    server.log().iter().filter(|line| line["message"] == "message accepted").count()
}

/// How often each message is there, by Message-ID. Each copy must be whole: these programs send lines of `X`.
fn copies(messages: &[Stored]) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for stored in messages {
        let identity = stored.header("Message-Id").concat().trim_matches(['<', '>']).to_owned();
        *copies.entry(identity).or_insert(0) += 1;
    }
    copies
}

#[test]
fn what_real_clients_were_told_is_accepted_survives_every_kill() {
    let (Some(program), Some(client)) = (parts::find("smtp-source"), Swaks::find()) else { return };
    let (place, inbound) = (Place::new(), free_port());
    // A dead server is tried again in seconds.
    let main = "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n\
                transport_retry_time = 1s\nsmtp_destination_concurrency_failed_cohort_limit = 100\n";
    let extras = Extras { main: main.to_owned(), ports: Vec::new() };
    let Some(postfix) = Postfix::start_with(&place, Some(inbound), &extras) else { return };
    let site = Site::set_up_at(&place, inbound, &[], MANY_SESSIONS);
    let acknowledged = Acknowledged::default();
    let mut before = 0;
    for round in 0..rounds() {
        give(&program, &postfix, THROUGH_POSTFIX);
        let server = site.start(&place);
        let target = before + [60, 10, 150, 30, 90][round % 5];
        let over = AtomicBool::new(false);
        let reached = std::thread::scope(|scope| {
            let (server, over, acknowledged, client) = (&server, &over, &acknowledged, &client);
            scope.spawn(|| source(&program, inbound, acknowledged));
            for number in 0..SWAKS {
                scope.spawn(move || swaks(client, server, &format!("{round}-{number}"), over, acknowledged));
            }
            let reached = within(PATIENCE, || (accepted(server) >= target).then_some(()));
            over.store(true, Ordering::Relaxed);
            server.kill_now();
            reached
        });
        before = accepted(&server);
        assert!(reached.is_some(), "{before} messages accepted, not {target}");
    }
    let server = site.start(&place);
    let given = rounds() * THROUGH_POSTFIX;
    let sent = |line: &&str| line.contains("status=sent (250 2.6.0 ");
    let unsent = || given.saturating_sub(postfix.log().lines().filter(sent).count());
    wait_for_end("Postfix's queue", || u64::try_from(unsent()).unwrap());
    wait_for_end("our queue", || site.queued());
    let stored = server.mailbox("bob").messages();
    let found = copies(&stored);
    let acknowledged = acknowledged.into_inner().unwrap();
    let missing: Vec<_> = acknowledged.iter().filter(|identity| !found.contains_key(*identity)).collect();
    assert!(missing.is_empty(), "of {} acknowledged, lost: {missing:?}", acknowledged.len());
    let (postfixed, direct): (Vec<_>, Vec<_>) = stored.into_iter().partition(|one| one.contains("Subject: by-postfix"));
    assert!(copies(&direct).values().all(|count| *count == 1), "nobody sent it twice: {:?}", copies(&direct));
    let postfixed_copies = copies(&postfixed);
    let whole = |one: &Stored| one.text().matches("XXXXXXXX").count() > 0;
    assert!(postfixed.iter().all(whole), "a message is cut off");
    let twice = postfixed.len() - postfixed_copies.len();
    assert_eq!(postfixed_copies.len(), given, "Postfix got a 250 for each of them");
    assert!(twice <= POSTFIX_CONNECTIONS * rounds(), "{twice} copies too many");
    let by_hand = acknowledged.len();
    eprintln!("{by_hand} acknowledged to swaks and smtp-source, {given} to Postfix, all there; {twice} came twice");
    assert!(by_hand >= rounds(), "only {by_hand} acknowledged");
    server.stop();
    postfix.stop();
}

/// Sends messages that leave again until the server is gone.
fn load(site: &Site, round: usize, session: usize, acknowledged: &Acknowledged) {
    let Ok(mut client) = Client::connect(site.inbound()) else { return };
    let body = "seventy characters of nothing in particular, again and again and again.\r\n".repeat(40);
    for number in 0.. {
        let token = format!("{round}-{session}-{number}@out");
        let content = format!("From: {STRANGER}\r\nMessage-Id: <{token}>\r\n\r\n{body}end of {token}\r\n");
        if client.send(STRANGER, &["partner@contoso.example"], &content).is_err() {
            return;
        }
        acknowledged.lock().unwrap().push(token);
    }
}

/// What the next host has: whole messages only, since it writes a file from the first line on.
fn arrived(mail: &Path) -> Vec<Stored> {
    let mut arrived = files(mail);
    arrived.retain(|stored| {
        let identity = stored.header("Message-Id").concat();
        stored.contains(&format!("\nend of {}\n", identity.trim_matches(['<', '>'])))
    });
    arrived
}

#[test]
fn what_was_acknowledged_reaches_the_next_host_through_every_kill() {
    let place = Place::new();
    let mail = place.directory("sink");
    std::fs::set_permissions(&mail, std::fs::Permissions::from_mode(0o777)).unwrap();
    let port = free_port();
    let Some(_sink) = Sink::start_with(&mail, port, &[]) else { return };
    let more = format!("{MANY_SESSIONS}\n[relay]\nsmart_host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n");
    let site = Site::set_up(&place, &[], &more);
    let acknowledged = Acknowledged::default();
    for round in 0..rounds() {
        let server = site.start(&place);
        let target = arrived(&mail).len() + [40, 5, 80, 20, 1][round % 5];
        let reached = std::thread::scope(|scope| {
            for session in 0..SESSIONS {
                let (site, acknowledged) = (&site, &acknowledged);
                scope.spawn(move || load(site, round, session, acknowledged));
            }
            // In the middle of relaying.
            let reached = within(PATIENCE, || (arrived(&mail).len() >= target).then_some(()));
            server.kill_now();
            reached
        });
        assert!(reached.is_some(), "{} messages arrived, not {target}", arrived(&mail).len());
    }
    let server = site.start(&place);
    let acknowledged = acknowledged.into_inner().unwrap();
    wait_for_end("our queue", || site.queued());
    server.stop();
    let arrived = arrived(&mail);
    let found = copies(&arrived);
    let missing: Vec<_> = acknowledged.iter().filter(|token| !found.contains_key(*token)).collect();
    assert!(missing.is_empty(), "of {} acknowledged, lost: {missing:?}", acknowledged.len());
    let twice = arrived.len() - found.len();
    eprintln!("{} acknowledged, all at the next host; {twice} came twice", acknowledged.len());
    assert!(twice <= OWN_UNDER_WAY * rounds(), "{twice} copies too many");
}
