//! What leaves of the organisation's own accord: forwarding by remote domain, and automatic replies.

use super::super::asked::Asked;
use super::super::cells::auto_replies::{self, SENDERS};
use super::super::cells::remote_domains::ENTRIES;
use super::super::oracle::{Case, From, Post};
use super::super::plain::{Away, Remote, Thing, World};
use super::Sheet;

const ALICE: From<'static> = From::Account("alice");

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## What leaves by itself

### Forwarding, by remote domain

AutoForwardingMode is On. The most specific remote domain decides alone; what it does not take is dropped without a
report. What somebody writes to directly leaves whatever they say.

",
    );
    remote_domains(text);
    text.push_str(
        "### Automatic replies

The mailbox has both texts, and the header names it. Each sender is answered once, until the state or the texts change.
*partner* is a contact of the directory. `InternalOnly` is ExternalOofOptions, the others are ExternalAudience.

",
    );
    senders(text);
    text.push_str(
        "### Automatic replies, by remote domain\n\nAllowedOOFType of the domain to which the reply goes.\n\n",
    );
    allowed(text);
    text.push_str("### Automatic replies, by state and header\n\nA stranger writes; whoever signed in need not name the mailbox.\n\n");
    state_and_header(text);
}

fn remote_domains(text: &mut String) {
    let targets = ["fabrikam.example", "sub.fabrikam.example", "deep.sub.fabrikam.example", "adatum.example"];
    let columns: Vec<&str> = core::iter::once("Remote domains").chain(targets).collect();
    let mut sheet = Sheet::new(&columns);
    for entries in &ENTRIES[..8] {
        let words = |remote: &Remote| format!("`{}` {}", remote.pattern, if remote.forwards { "on" } else { "off" });
        let shown = entries.iter().map(words).collect::<Vec<_>>().join(", ");
        let answers = targets.map(|domain| {
            let to: &'static str = Box::leak(format!("x@{domain}").into_boxed_str());
            let it = Thing::new("it", "SharedMailbox").with(|thing| thing.forward_smtp = to);
            let world = World::new("exchange-online", vec![Thing::new("alice", "UserMailbox"), it])
                .with(|world| world.remote_domains = entries.to_vec());
            let found = Asked::new(&world).ends(&Post::new(ALICE, 1), &["it@contoso.example".to_owned()]);
            let dropped = found.iter().any(|end| end.contains("dropped"));
            if dropped { "dropped" } else { "leaves" }.to_owned()
        });
        sheet.row(&[if shown.is_empty() { "none" } else { &shown }], answers.to_vec());
    }
    sheet.print(text, &[]);
}

fn answered(away: Away, remote: &[Remote], case: &Case<'_>) -> String {
    let world =
        auto_replies::world(auto_replies::it("UserMailbox", away)).with(|world| world.remote_domains = remote.to_vec());
    let answer = Asked::new(&world).answer("it", case);
    if answer.starts_with("the ") { answer } else { format!("– {answer}") }
}

fn on() -> Away {
    Away { state: "enabled", ..Away::default() }
}

fn senders(text: &mut String) {
    let mut sheet = Sheet::new(&["Reverse-path", "Who", "All", "Known", "None", "InternalOnly"]);
    for (from, path) in SENDERS {
        let answers = [("All", "External"), ("Known", "External"), ("None", "External"), ("All", "InternalOnly")];
        let answers = answers.map(|(audience, options)| {
            answered(Away { audience, options, ..on() }, &[], &auto_replies::case(from, path))
        });
        let who = match from {
            From::Account(name) => format!("the account {name}"),
            From::Stranger => "a stranger".to_owned(),
            From::System => "the system".to_owned(),
        };
        sheet.row(&[if path.is_empty() { "none" } else { path }, &who], answers.to_vec());
    }
    sheet.compress(&[0]);
    sheet.print(text, &[]);
}

fn allowed(text: &mut String) {
    let mut sheet = Sheet::new(&["AllowedOOFType", "a stranger", "an account whose address is outside"]);
    for replies in ["External", "ExternalLegacy", "InternalLegacy", "None"] {
        let remote = [Remote { pattern: "fabrikam.example", forwards: true, replies }];
        let cases = [(From::Stranger, "eve@fabrikam.example"), (From::Account("bob"), "bob@fabrikam.example")];
        let answers = cases.map(|(from, path)| answered(on(), &remote, &auto_replies::case(from, path)));
        sheet.row(&[replies], answers.to_vec());
    }
    sheet.print(text, &[]);
}

fn state_and_header(text: &mut String) {
    let mut sheet = Sheet::new(&["What is so", "answer"]);
    let case = auto_replies::case(From::Stranger, "eve@fabrikam.example");
    let mut row = |name: &str, answer: String| sheet.row(&[name], vec![answer]);
    for (state, name) in [
        ("disabled", "Disabled"),
        ("enabled", "Enabled"),
        ("ahead", "Scheduled, before StartTime"),
        ("now", "Scheduled, between the two"),
        ("behind", "Scheduled, from EndTime on"),
    ] {
        row(name, answered(Away { state, ..Away::default() }, &[], &case));
    }
    row("no external text", answered(Away { external: false, ..on() }, &[], &case));
    row("the sender was answered before", answered(on(), &[], &Case { answered: true, ..case }));
    let held = Case { passed_by_groups: false, ..case };
    row("a group with SendOofMessageToOriginatorEnabled false passed it on", answered(on(), &[], &held));
    for field in [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: no",
        "X-Auto-Response-Suppress: DR, OOF",
        "X-Auto-Response-Suppress: DR, NDR",
        "Precedence: bulk",
        "List-Id: <news.fabrikam.example>",
        "Content-Type: multipart/report; report-type=delivery-status",
        "X-Spam-Flag: YES",
    ] {
        let head = format!("{field}\r\n{}", case.head);
        row(&format!("`{field}`"), answered(on(), &[], &Case { head: &head, ..case }));
    }
    let unnamed = Case { head: "To: list@fabrikam.example\r\n", ..case };
    row("neither To nor Cc names the mailbox", answered(on(), &[], &unnamed));
    let (from, path) = (From::Account("bob"), "bob@contoso.example");
    row("the same, from an account", answered(on(), &[], &Case { from, path, ..unnamed }));
    sheet.print(text, &[]);
}
