//! The open-relay matrix: every port, every way to sign in or not, every kind of sender, with a connector and without,
//! against everything that was ever tried to get a message through somebody else's server.
//!
//! What a server takes at RCPT says little: each message is sent to its end and expanded as delivery does. The outcome
//! is printed as `fixtures/open-relay.md`; `BLESS=1` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ClientConfig;
use rustls::version::TLS13;

use super::client::{Client, tls};
use super::rig::{PASSWORD, Rig, SECRET};
use crate::dialogues::{blesses, root};

/// The device that the connector knows, and somebody else.
const DEVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

const CONNECTOR: &str = "[[connector]]\nname = \"device\"\nnetworks = [\"127.0.0.5\"]\nrecipients = \"anyone\"\n";

const DOORS: [&str; 4] = ["25", "25 with STARTTLS", "587", "465"];
const SIGN_INS: [&str; 4] = ["none", "failed", "password", "device"];

/// An address of the account's own, one that it may send as, one that it may not, another organisation's, and none.
const SENDERS: [&str; 5] =
    ["<alice@contoso.example>", "<info@contoso.example>", "<bob@contoso.example>", "<eve@fabrikam.example>", "<>"];

/// As they stand in RCPT.
const RECIPIENTS: [&str; 44] = [
    "<bob@contoso.example>",
    "<x@adatum.example>",
    "<partner@fabrikam.example>",
    "<postmaster>",
    "<>",
    // Percent hack, bang path, and source routes.
    "<x%adatum.example@contoso.example>",
    "<x%adatum.example@hybrid.contoso.example>",
    "<x%adatum.example>",
    "<adatum.example!x@contoso.example>",
    "<adatum.example!x>",
    "<@contoso.example:x@adatum.example>",
    "<@contoso.example,@mx.contoso.example:x@adatum.example>",
    "<@adatum.example:bob@contoso.example>",
    "<@adatum.example>",
    // Quoted local parts that hold an address, or end one.
    "<\"x@adatum.example\"@contoso.example>",
    "<\"x@adatum.example\">",
    "<\"x\\@adatum.example\"@contoso.example>",
    "<\"@contoso.example:x\"@adatum.example>",
    "<\"bob@contoso.example\"@adatum.example>",
    "<\"x@adatum.example>, <bob\"@contoso.example>",
    // Two at signs.
    "<x@adatum.example@contoso.example>",
    "<bob@contoso.example@adatum.example>",
    "<x@@adatum.example>",
    // This server by other names, and address literals.
    "<bob@[127.0.0.1]>",
    "<x@[127.0.0.1]>",
    "<x@[IPv6:::1]>",
    "<x@127.0.0.1>",
    "<x@localhost>",
    "<x@[contoso.example]>",
    // Dots, blanks, brackets and comments.
    "<bob@contoso.example.>",
    "<x@adatum.example.>",
    "<x@.adatum.example>",
    "<x@adatum.example >",
    "< x@adatum.example>",
    "x@adatum.example",
    "<x@adatum.example> <bob@contoso.example>",
    "<bob@contoso.example>,<x@adatum.example>",
    "<x@contoso.example(@adatum.example)>",
    // UTF-7, other dots, and what some libraries end a text at.
    "<x+AEA-adatum.example@contoso.example>",
    "<x@adatum\u{3002}example>",
    "<x@adatum.example%00@contoso.example>",
    "<x@adatum.example\u{b}@contoso.example>",
    // Addresses that stand for others here.
    "<IMCEASMTP-x+40adatum+2Eexample@contoso.example>",
    "<bounces+SRS=AAAAA=AA=adatum.example=x@contoso.example>",
];

/// One session of the matrix.
#[derive(Clone, Copy, Debug)]
struct Session {
    door: &'static str,
    sign_in: &'static str,
    /// Whether there is a connector, and whether the client is one of its own.
    connector: &'static str,
}

/// What came of a message: the code that refused it, `inside`, or `OUTSIDE`.
type Outcome = String;

impl Session {
    fn open(self, rig: &Rig, config: &Arc<ClientConfig>) -> Client {
        let from = if self.connector == "its client" { DEVICE } else { STRANGER };
        let mut client = match self.door {
            "25" => Client::connect(rig.inbound, from),
            "25 with STARTTLS" => Client::connect(rig.inbound, from).start_tls(config),
            "587" => Client::connect(rig.submission, from).start_tls(config),
            _ => Client::connect(rig.implicit, from).shake(config),
        };
        if matches!(self.door, "25" | "465") {
            assert!(client.reply().starts_with("220 "));
        }
        assert!(client.say("EHLO device.contoso.example").starts_with("250"));
        let reply = match self.sign_in {
            "failed" => client.sign_in("alice@contoso.example", "a guess"),
            "password" => client.sign_in("alice@contoso.example", PASSWORD),
            "device" => client.sign_in("alice@contoso.example", SECRET),
            _ => return client,
        };
        let succeeds = self.is_signed_in();
        assert_eq!(reply.starts_with("235 "), succeeds, "{self:?}: {reply}");
        client
    }

    fn is_signed_in(self) -> bool {
        matches!(self.door, "587" | "465") && matches!(self.sign_in, "password" | "device")
    }

    /// Whether anything may leave: of an account in its own name, or of the connector's client in ours.
    fn may_leave(self, from: &str) -> bool {
        let is_known = self.connector == "its client" && self.door.starts_with("25");
        (self.is_signed_in() && matches!(from, "<alice@contoso.example>" | "<info@contoso.example>"))
            || (is_known && from.ends_with("@contoso.example>"))
    }

    /// The column of the table.
    fn column(self, from: &str) -> &'static str {
        match (self.door.starts_with("25"), self.is_signed_in(), self.may_leave(from)) {
            (true, _, true) => "25, a connector's, as ours",
            (true, _, false) => "25, a stranger",
            (false, true, true) => "587 and 465, signed in",
            (false, true, false) => "587 and 465, as somebody else",
            (false, false, _) => "587 and 465, not signed in",
        }
    }
}

fn outcome(rig: &Rig, client: &mut Client, from: &str, to: &str) -> Outcome {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let message_id = format!("{}@matrix.example", NUMBER.fetch_add(1, Ordering::Relaxed));
    let reply = client.send_message(from, to, &message_id);
    if !reply.starts_with("250 ") {
        return reply.split(' ').take(2).collect::<Vec<_>>().join(" ");
    }
    let taken = rig.taken(&message_id).unwrap_or_else(|| panic!("{from} {to}: taken, and not queued"));
    if taken.outside.is_empty() { "inside".to_owned() } else { "OUTSIDE".to_owned() }
}

/// Everything of one session; what left although it may not.
fn try_everything(
    rig: &Rig,
    config: &Arc<ClientConfig>,
    session: Session,
) -> Vec<(Session, &'static str, &'static str, Outcome)> {
    let mut client = session.open(rig, config);
    let pairs = SENDERS.into_iter().flat_map(|from| RECIPIENTS.into_iter().map(move |to| (from, to)));
    pairs.map(|(from, to)| (session, from, to, outcome(rig, &mut client, from, to))).collect()
}

#[test]
fn nothing_leaves_for_a_stranger_whatever_is_tried() {
    let place = tempfile::tempdir().unwrap();
    let (without, with) = (Rig::start("", place.path()), Rig::start(CONNECTOR, place.path()));
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let mut sessions = Vec::new();
        for (rig, connector) in [(&without, "none"), (&with, "for others"), (&with, "its client")] {
            let config = tls(rig.directory.path(), &[&TLS13], None);
            for door in DOORS {
                for sign_in in SIGN_INS {
                    let (config, session) = (Arc::clone(&config), Session { door, sign_in, connector });
                    sessions.push(scope.spawn(move || try_everything(rig, &config, session)));
                }
            }
        }
        sessions.into_iter().for_each(|session| all.extend(session.join().unwrap()));
    });
    let relays: Vec<_> =
        all.iter().filter(|(session, from, _, outcome)| outcome == "OUTSIDE" && !session.may_leave(from)).collect();
    assert!(relays.is_empty(), "an open relay: {relays:#?}");
    // The doors that are meant to be open are, or the matrix would prove nothing.
    let leaves = |session: &Session, from: &str| {
        let to = "<x@adatum.example>";
        let found = all.iter().find(|(own, path, other, _)| {
            (own.door, own.sign_in, own.connector) == (session.door, session.sign_in, session.connector)
                && (*path, *other) == (from, to)
        });
        found.is_some_and(|(.., outcome)| outcome == "OUTSIDE")
    };
    for (session, from, ..) in &all {
        assert_eq!(leaves(session, from), session.may_leave(from), "{session:?} {from}");
    }
    let text = document(&all);
    let golden = root().join("open-relay.md");
    if blesses() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text, "BLESS=1 rewrites it");
}

fn document(all: &[(Session, &'static str, &'static str, Outcome)]) -> String {
    let mut cells: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (session, from, to, outcome) in all {
        cells.entry((to, session.column(from))).or_default().insert(outcome);
    }
    let columns = [
        "25, a stranger",
        "25, a connector's, as ours",
        "587 and 465, not signed in",
        "587 and 465, as somebody else",
        "587 and 465, signed in",
    ];
    let left =
        all.iter().filter(|(session, from, _, outcome)| outcome == "OUTSIDE" && !session.may_leave(from)).count();
    let mut text = format!(
        "# Is it an open relay?\n\n\
         What comes of a message over real sockets, by its argument of RCPT: where it goes, or every code that refuses \
         it.\nA row stands for {} sessions: port 25 without and with TLS, 587 and 465; no AUTH, a wrong password, the \
         right one,\nand a device's secret; without a connector, beside one, and as its client. Each is tried as an \
         address of the account's\nown, one that it may send as, one of somebody else, one of another organisation, \
         and none. A stranger is also the\nconnector's client that uses no address of ours.\n\n\
         {} messages, {left} that left for a stranger.\n\n| RCPT TO: | {} |\n|{}\n",
        DOORS.len() * SIGN_INS.len() * 3,
        all.len(),
        columns.join(" | "),
        "---|".repeat(columns.len() + 1),
    );
    for to in RECIPIENTS {
        let shown: String = to.chars().map(|own| if own.is_control() { '?' } else { own }).collect();
        let _ = write!(text, "| `{shown}` |");
        for column in columns {
            let outcomes: Vec<&str> = cells.get(&(to, column)).into_iter().flatten().copied().collect();
            let _ = write!(text, " {} |", outcomes.join(", "));
        }
        text.push('\n');
    }
    text
}
