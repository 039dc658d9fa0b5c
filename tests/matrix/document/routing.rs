//! Where the copies go: forwarding, groups, loops, and the sender under which mail leaves.

use std::collections::BTreeSet;

use super::super::asked::Asked;
use super::super::cells::{BOTH, sign_in::product};
use super::super::oracle::{From, Post};
use super::super::plain::{Thing, World, address_of};
use super::{Sheet, with_codes};

const ALICE: From<'static> = From::Account("alice");

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## Where the copies go

### Forwarding

ForwardingAddress is an object of the directory and beats ForwardingSmtpAddress.

",
    );
    forwarding(text);
    text.push_str(
        "### Forwarding outside

AutoForwardingMode of the organisation, against every kind of target. What a stranger is told at RCPT stands there; what
an account is told comes as a report.

",
    );
    outside(text);
    text.push_str(
        "### Groups

A group's members are bob, carol (who takes mail from bob only), the contact partner, the remote mailbox remote, and a
mailbox that was deleted, gone. A dynamic group finds user mailboxes: alice, bob and one that awaits its migration, and
not gone. Alice sends.

",
    );
    groups(text);
    text.push_str(
        "### Who hears of failures below a group

Alice sends to a group whose owner is bob, if anybody. Reports about members go to the reverse-path of their copies.

",
    );
    reports(text);
    text.push_str(
        "### Loops

What goes round without anybody keeping a copy is refused, everything else is delivered once. *keeps* means
DeliverToMailboxAndForward.

",
    );
    loops(text);
    text.push_str(
        "### The sender under which mail leaves

Sender Rewriting Scheme: a foreign reverse-path leaves under the address of the object that passed the message on, so
that reports come back here. From stays as it is. On the way to a mailbox in the organisation's own other system the
reverse-path stays, too.

",
    );
    rewriting(text);
}

/// Where the copies end, in the words of the page.
pub(super) fn ends(asked: &Asked<'_>, post: &Post<'_>, to: &str) -> String {
    in_page_words(asked, post, asked.ends(post, &[to.to_owned()]))
}

/// Ends in the words of the page.
pub(super) fn in_page_words(asked: &Asked<'_>, post: &Post<'_>, found: BTreeSet<String>) -> String {
    let words = found.iter().map(|end| {
        let end = with_codes(end, asked.world.profile)
            .replace("mailbox it", "its mailbox")
            .replace("elsewhere@fabrikam.example", "elsewhere")
            .replace(" at it@contoso.example", "")
            .replace("relay ", "leaves for ")
            .replace("@contoso.example", "@")
            .replace(", resent from it", "")
            .replace("postmaster mailbox", "the server's postmaster mailbox");
        // Nobody hears of failures of mail without a reverse-path: said once, in the introduction.
        let end = if post.path.is_empty() { end.replace(", nobody hears of failures", "") } else { end };
        let refused = end.chars().next().is_some_and(|first| first.is_ascii_digit());
        if refused { format!("report {end}") } else { end.replace(", sender rewritten by it", "") }
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nobody".to_owned() } else { words.join("; ") }
}

fn targets() -> Vec<Thing> {
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "UserMailbox"),
        Thing::new("carol", "SharedMailbox").with(|thing| thing.accept = vec!["bob"]),
        Thing::new("partner", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example"),
        Thing::new("remote", "RemoteUserMailbox").with(|thing| thing.outside = "remote@hybrid.contoso.example"),
        Thing::new("gone", "UserMailbox").with(|thing| thing.state = "soft-deleted"),
        Thing::new("waiting", "UserMailbox").with(|thing| {
            thing.state = "awaiting migration";
            thing.outside = "waiting@old.fabrikam.example";
        }),
        Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| {
            thing.members = vec!["bob"];
            thing.authentication = "false";
        }),
    ]
}

fn with_targets(it: Thing) -> World {
    let mut things = targets();
    things.push(it);
    World::new("exchange-online", things)
}

fn forwarding(text: &mut String) {
    let mut sheet = Sheet::new(&["ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward", "copies"]);
    for (object, smtp, keep) in product(&["", "bob"], &["", "remote@contoso.example"], &BOTH) {
        let it = Thing::new("it", "UserMailbox").with(|thing| {
            thing.forward_object = object;
            thing.forward_smtp = smtp;
            thing.keep_copy = keep;
        });
        let world = with_targets(it);
        let copies = ends(&Asked::new(&world), &Post::new(ALICE, 1), "it@contoso.example");
        let shown = |text: &'static str| if text.is_empty() { "–" } else { text };
        sheet.row(&[shown(object), shown(smtp), if keep { "true" } else { "false" }], vec![copies]);
    }
    sheet.compress(&[2, 1]);
    sheet.print(text, &[&[], &["–", "remote@contoso.example"], &["true", "false"]]);
}

fn outside(text: &mut String) {
    let mut sheet = Sheet::new(&["Target", "Keeps a copy", "stranger, Off", "account, Off", "account, On"]);
    let choices = [
        ("a mailbox", "bob", ""),
        ("a group", "staff", ""),
        ("a contact", "partner", ""),
        ("a remote mailbox", "remote", ""),
        ("a mailbox awaiting migration", "waiting", ""),
        ("a mailbox that was deleted", "gone", ""),
        ("a foreign address", "", "eve@fabrikam.example"),
        ("a contact's address here", "", "partner@contoso.example"),
        ("an address nobody has", "", "nobody@contoso.example"),
        ("an address of a relay domain", "", "x@hybrid.contoso.example"),
    ];
    for ((name, object, smtp), keep, ()) in product(&choices, &BOTH, &[()]) {
        let it = Thing::new("it", "UserMailbox").with(|thing| {
            thing.forward_object = object;
            thing.forward_smtp = smtp;
            thing.keep_copy = keep;
        });
        let off = with_targets(it.clone()).with(|world| world.forwards_outside = false);
        let on = with_targets(it);
        let asked = Asked::new(&off);
        let stranger = match asked.admit(&Post::new(From::Stranger, 1), "it@contoso.example") {
            Err(refusal) => with_codes(&super::super::asked::name_of(&refusal), "exchange-online"),
            Ok(_) => ends(&asked, &Post::new(From::Stranger, 1), "it@contoso.example"),
        };
        let account = [&asked, &Asked::new(&on)].map(|asked| ends(asked, &Post::new(ALICE, 1), "it@contoso.example"));
        let [account_off, account_on] = account;
        let account_on = if account_on == account_off { "the same".to_owned() } else { account_on };
        sheet.row(&[name, if keep { "yes" } else { "no" }], vec![stranger, account_off, account_on]);
    }
    sheet.print(text, &[]);
}

fn groups(text: &mut String) {
    let mut sheet = Sheet::new(&["Type", "copies"]);
    for kind in
        ["MailUniversalDistributionGroup", "MailUniversalSecurityGroup", "DynamicDistributionGroup", "GroupMailbox"]
    {
        let everybody = vec!["bob", "carol", "partner", "remote", "gone"];
        let it = Thing::new("it", kind).with(|thing| match kind {
            "DynamicDistributionGroup" => thing.filter_kind = "UserMailbox",
            "GroupMailbox" => (thing.members, thing.subscribers) = (everybody.clone(), vec!["bob", "carol"]),
            _ => thing.members = everybody.clone(),
        });
        let shown = if kind == "GroupMailbox" { "GroupMailbox, subscribers bob and carol" } else { kind };
        let world = with_targets(it);
        sheet.row(&[shown], vec![ends(&Asked::new(&world), &Post::new(ALICE, 1), "it@contoso.example")]);
    }
    sheet.compress(&[0]);
    sheet.print(text, &[]);
}

fn reports(text: &mut String) {
    let mut sheet = Sheet::new(&["Group", "Reports go to", "Owner", "copy for bob"]);
    for (kind, reports, owners) in product(
        &["MailUniversalDistributionGroup", "GroupMailbox"],
        &["originator", "manager", "nobody"],
        &[&[][..], &["bob"]],
    ) {
        let it = Thing::new("it", kind).with(|thing| {
            thing.members = vec!["bob"];
            thing.subscribers = if kind == "GroupMailbox" { vec!["bob"] } else { Vec::new() };
            thing.reports = reports;
            thing.owners = owners.to_vec();
        });
        let world = with_targets(it);
        let found = ends(&Asked::new(&world), &Post::new(ALICE, 1), "it@contoso.example");
        let copy = found.split("; ").find_map(|end| end.strip_prefix("mailbox bob")).unwrap_or_default();
        let copy = if copy.is_empty() { "Alice hears of failures" } else { copy.trim_start_matches(", ") };
        sheet.row(&[kind, reports, owners.first().unwrap_or(&"nobody")], vec![copy.to_owned()]);
    }
    sheet.compress(&[2, 1, 0]);
    sheet.print(text, &[&[], &["originator", "manager", "nobody"], &["nobody", "bob"]]);
}

fn loops(text: &mut String) {
    let mailbox = |name, to, keep| {
        Thing::new(name, "SharedMailbox").with(|thing| (thing.forward_object, thing.keep_copy) = (to, keep))
    };
    let group = |name, members: &[&'static str]| {
        Thing::new(name, "MailUniversalDistributionGroup").with(|thing| thing.members = members.to_vec())
    };
    let contact = |outside| Thing::new("it", "MailContact").with(|thing| thing.outside = outside);
    let shapes: Vec<(&str, Vec<Thing>)> = vec![
        ("it forwards to bob, bob to it", vec![mailbox("it", "bob", false), mailbox("bob", "it", false)]),
        ("it forwards to bob, bob to it and keeps", vec![mailbox("it", "bob", false), mailbox("bob", "it", true)]),
        ("both keep", vec![mailbox("it", "bob", true), mailbox("bob", "it", true)]),
        ("it forwards to itself", vec![mailbox("it", "it", false)]),
        ("it forwards to itself and keeps", vec![mailbox("it", "it", true)]),
        ("it forwards to a group of itself", vec![mailbox("it", "staff", false), group("staff", &["it"])]),
        (
            "it forwards to a group of itself and bob",
            vec![mailbox("it", "staff", false), group("staff", &["it", "bob"]), mailbox("bob", "", false)],
        ),
        ("it is a group of itself", vec![group("it", &["it"])]),
        (
            "two groups contain each other, and bob",
            vec![group("it", &["inner", "bob"]), group("inner", &["it", "bob"]), mailbox("bob", "", false)],
        ),
        ("a contact whose external address is its own address", vec![contact("it@contoso.example")]),
        ("a contact whose external address is bob's", vec![contact("bob@contoso.example"), mailbox("bob", "", false)]),
    ];
    let mut sheet = Sheet::new(&["Shape", "Alice's message to it"]);
    for (name, things) in shapes {
        let mut all = vec![Thing::new("alice", "UserMailbox")];
        all.extend(things);
        let world = World::new("exchange-online", all);
        sheet.row(&[name], vec![ends(&Asked::new(&world), &Post::new(ALICE, 1), &address_of("it"))]);
    }
    sheet.print(text, &[]);
}

fn rewriting(text: &mut String) {
    let mut sheet =
        Sheet::new(&["The message goes", "from a foreign sender", "from an account", "without a reverse-path"]);
    let choices = [
        ("to a contact", Thing::new("it", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example")),
        (
            "to a mailbox that forwards outside",
            Thing::new("it", "UserMailbox").with(|thing| thing.forward_smtp = "eve@fabrikam.example"),
        ),
        (
            "to a mailbox that forwards to a contact",
            Thing::new("it", "UserMailbox").with(|thing| thing.forward_object = "partner"),
        ),
        (
            "to a group with a contact",
            Thing::new("it", "MailUniversalDistributionGroup").with(|thing| {
                thing.members = vec!["partner"];
                thing.authentication = "false";
            }),
        ),
        (
            "to a group with a contact, reports to its owner",
            Thing::new("it", "MailUniversalDistributionGroup").with(|thing| {
                (thing.members, thing.owners, thing.reports) = (vec!["partner"], vec!["bob"], "manager");
                thing.authentication = "false";
            }),
        ),
        (
            "to a remote mailbox of a relay domain",
            Thing::new("it", "RemoteUserMailbox").with(|thing| thing.outside = "it@hybrid.contoso.example"),
        ),
        (
            "to a remote mailbox of another domain",
            Thing::new("it", "RemoteUserMailbox").with(|thing| thing.outside = "it@fabrikam.example"),
        ),
        (
            "to a mailbox that waits for its migration",
            Thing::new("it", "UserMailbox").with(|thing| {
                (thing.state, thing.outside) = ("awaiting migration", "it@fabrikam.example");
            }),
        ),
    ];
    for (name, it) in choices {
        let world = with_targets(it);
        let asked = Asked::new(&world);
        let answers = [From::Stranger, ALICE, From::System].map(|from| {
            let post = Post::new(from, 1);
            let found = asked.ends(&post, &["it@contoso.example".to_owned()]);
            let found = found.into_iter().collect::<Vec<_>>().join("; ");
            let end = found.split_once(", ").map_or("", |(_, rest)| rest).trim_start_matches("resent from it");
            let end = end.trim_start_matches(", ").replace(" it", " the recipient itself");
            match end.as_str() {
                _ if post.path.is_empty() => "without one".to_owned(),
                "" => "as it came".to_owned(),
                end => end.replace("sender rewritten by", "rewritten by"),
            }
        });
        sheet.row(&[name], answers.to_vec());
    }
    sheet.print(text, &[]);
}
