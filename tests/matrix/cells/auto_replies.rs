//! Who is answered by a mailbox, and with which text.

use super::super::asked::Asked;
use super::super::oracle::{self, Case, From};
use super::super::plain::{Away, Remote, Thing, World};
use super::super::tally::{Question, Tally};
use super::BOTH;
use super::sign_in::product;

/// Who writes, and under which reverse-path.
pub(in super::super) const SENDERS: [(From<'static>, &str); 21] = [
    (From::Account("bob"), "bob@contoso.example"),
    (From::Account("bob"), "info@contoso.example"),
    (From::Account("bob"), "bob@fabrikam.example"),
    (From::Account("bob"), "staff@contoso.example"),
    (From::Account("bob"), "postmaster@contoso.example"),
    (From::Account("it"), "it@contoso.example"),
    (From::Account("scanner"), "scanner@contoso.example"),
    (From::Stranger, "eve@fabrikam.example"),
    (From::Stranger, "eve+tag@sub.fabrikam.example"),
    (From::Stranger, "partner@fabrikam.example"),
    (From::Stranger, "foreigner@fabrikam.example"),
    (From::Stranger, "bob@contoso.example"),
    (From::Stranger, "second+tag@contoso.example"),
    (From::Stranger, "nobody@contoso.example"),
    (From::Stranger, "staff@contoso.example"),
    (From::Stranger, "x@hybrid.contoso.example"),
    (From::Stranger, "owner-list@fabrikam.example"),
    (From::Stranger, "list-request@fabrikam.example"),
    (From::Stranger, "MAILER-DAEMON@fabrikam.example"),
    (From::Stranger, ""),
    (From::System, "bob@contoso.example"),
];

/// Headers, each with the mailbox in To unless it is about that.
const HEADS: [&str; 32] = [
    "To: it@contoso.example\r\n",
    "To: IT <It@Contoso.Example>\r\n",
    "Cc: bob@contoso.example, second+news@contoso.example\r\n",
    "Bcc: it@contoso.example\r\n",
    "Resent-To: Team: it@contoso.example;\r\n",
    "To: undisclosed-recipients:;\r\n",
    "To: list@fabrikam.example\r\n",
    "Reply-To: it@contoso.example\r\n",
    "To: staff@contoso.example\r\n",
    "",
    "Auto-Submitted: no\r\nTo: it@contoso.example\r\n",
    "Auto-Submitted: auto-replied\r\nTo: it@contoso.example\r\n",
    "AUTO-SUBMITTED: auto-generated (cron)\r\nTo: it@contoso.example\r\n",
    "Auto-Submitted: No (by hand)\r\nTo: it@contoso.example\r\n",
    "X-Auto-Response-Suppress: DR, RN, NRN\r\nTo: it@contoso.example\r\n",
    "X-Auto-Response-Suppress: DR, OOF\r\nTo: it@contoso.example\r\n",
    "X-Auto-Response-Suppress: AutoReply\r\nTo: it@contoso.example\r\n",
    "x-auto-response-suppress: all\r\nTo: it@contoso.example\r\n",
    "X-Auto-Response-Suppress: None\r\nTo: it@contoso.example\r\n",
    "Precedence: bulk\r\nTo: it@contoso.example\r\n",
    "Precedence: list\r\nTo: it@contoso.example\r\n",
    "Precedence: junk\r\nTo: it@contoso.example\r\n",
    "Precedence: first-class\r\nTo: it@contoso.example\r\n",
    "List-Id: <news.fabrikam.example>\r\nTo: it@contoso.example\r\n",
    "List-Unsubscribe:\r\n <mailto:x@fabrikam.example>\r\nTo: it@contoso.example\r\n",
    "Content-Type: multipart/report; report-type=delivery-status\r\nTo: it@contoso.example\r\n",
    "Content-Type: multipart/report;\r\n\treport-type=disposition-notification\r\nTo: it@contoso.example\r\n",
    "Content-Type: multipart/mixed; boundary=report\r\nTo: it@contoso.example\r\n",
    "X-Spam-Flag: YES\r\nTo: it@contoso.example\r\n",
    "X-Spam-Flag: NO\r\nTo: it@contoso.example\r\n",
    "Subject: List-Id: no field\r\nTo: it@contoso.example\r\n",
    "To:\r\n it@contoso.example\r\n",
];

pub(in super::super) fn all(tally: &mut Tally) {
    settings(tally);
    outside(tally);
    headers(tally);
}

pub(in super::super) fn it(kind: &'static str, away: Away) -> Thing {
    Thing::new("it", kind).with(|thing| {
        thing.aliases = vec!["second"];
        thing.away = away;
    })
}

pub(in super::super) fn world(it: Thing) -> World {
    World::new(
        "exchange-online",
        vec![
            Thing::new("bob", "UserMailbox"),
            Thing::new("info", "SharedMailbox"),
            Thing::new("scanner", "MailUser").with(|thing| thing.outside = "scanner@fabrikam.example"),
            Thing::new("partner", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example"),
            Thing::new("foreigner@fabrikam.example", "MailContact")
                .with(|thing| thing.outside = "foreigner@fabrikam.example"),
            Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| thing.members = vec!["it"]),
            it,
        ],
    )
}

/// State and texts, and forwarding, which silences the mailbox when its target is an SMTP address.
fn settings(tally: &mut Tally) {
    let forwarding = [("", ""), ("", "x@fabrikam.example"), ("bob", ""), ("bob", "x@fabrikam.example")];
    let kinds = ["UserMailbox", "SharedMailbox", "RoomMailbox", "EquipmentMailbox"];
    let states = ["disabled", "enabled", "ahead", "now", "behind"];
    for (state, (object, smtp), kind) in product(&states, &forwarding, &kinds) {
        for (internal, external, keep) in product(&BOTH, &BOTH, &BOTH) {
            // A shared mailbox cannot have the external text alone (spec S3-8).
            if kind == "SharedMailbox" && external && !internal {
                continue;
            }
            let it = it(kind, Away { state, internal, external, ..Away::default() }).with(|thing| {
                (thing.forward_object, thing.forward_smtp, thing.keep_copy) = (object, smtp, keep);
            });
            let world = world(it);
            let asked = Asked::new(&world);
            for ((from, path), answered, ()) in product(&SENDERS, &BOTH, &[()]) {
                ask(tally, &asked, &Case { answered, ..case(from, path) });
            }
        }
    }
}

/// Who outside is answered, and what leaves for which domain.
fn outside(tally: &mut Tally) {
    let entry = |pattern, replies| Remote { pattern, forwards: true, replies };
    let mut entries: Vec<Vec<Remote>> = vec![Vec::new()];
    for replies in ["External", "ExternalLegacy", "InternalLegacy", "None"] {
        entries.push(vec![entry("*", replies)]);
        entries.push(vec![entry("*", "None"), entry("fabrikam.example", replies)]);
        entries.push(vec![entry("*.fabrikam.example", replies), entry("contoso.example", "None")]);
    }
    for (audience, options, external) in product(&["None", "Known", "All"], &["External", "InternalOnly"], &BOTH) {
        for (entries, named) in entries.iter().flat_map(|entries| BOTH.map(|named| (entries, named))) {
            let away = Away { state: "enabled", internal: true, external, audience, options };
            let world = world(it("SharedMailbox", away)).with(|world| {
                world.remote_domains = entries.clone();
                world.answers_only_when_named = named;
            });
            let asked = Asked::new(&world);
            for ((from, path), head, answered) in product(&SENDERS, &[HEADS[0], HEADS[5]], &BOTH) {
                ask(tally, &asked, &Case { head, answered, ..case(from, path) });
            }
        }
    }
}

/// What the header forbids, of mail that names the mailbox itself and of mail that a group passed on.
fn headers(tally: &mut Tally) {
    let world = world(it("UserMailbox", Away { state: "enabled", ..Away::default() }));
    let asked = Asked::new(&world);
    for ((from, path), head, to) in product(&SENDERS, &HEADS, &["it@contoso.example", "staff@contoso.example"]) {
        for passed_by_groups in BOTH {
            ask(tally, &asked, &Case { head, to, passed_by_groups, ..case(from, path) });
        }
    }
}

pub(in super::super) fn case<'a>(from: From<'a>, path: &'a str) -> Case<'a> {
    Case { from, path, to: "it@contoso.example", head: HEADS[0], passed_by_groups: true, answered: false }
}

/// A reply is due when there is no reason against it; which of several is given is not the specification's to say.
fn ask(tally: &mut Tally, asked: &Asked<'_>, case: &Case<'_>) {
    let it = asked.world.thing("it").unwrap();
    let (reasons, text) = oracle::reasons(asked.world, it, case);
    let actual = asked.answer("it", case);
    let expected = match reasons.len() {
        0 => text,
        _ if reasons.contains(&actual) => actual.clone(),
        _ => format!("none, for {}", reasons.into_iter().collect::<Vec<_>>().join(" or ")),
    };
    let account = match case.from {
        From::Account(name) => Some(name),
        From::Stranger | From::System => None,
    };
    let to = [case.to.to_owned()];
    let asks = Question { account, mail_from: Some(case.path), header_from: None, to: &to, octets: 1 };
    tally.cell(asked, (&expected, &actual), || format!("{case:?} came to it."), asks);
}
