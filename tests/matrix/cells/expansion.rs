//! Where the copies end: the forwarding table against every kind of target, groups of every shape, and loops.

use super::super::asked::Asked;
use super::super::oracle::{self, From, Post};
use super::super::plain::{Thing, World};
use super::super::tally::Tally;
use super::BOTH;
use super::admission::asks;
use super::sign_in::product;

const MAILBOXES: [&str; 5] = ["UserMailbox", "SharedMailbox", "RoomMailbox", "EquipmentMailbox", "GroupMailbox"];

/// Who sends, and under which reverse-path.
const SENDERS: [(From<'static>, &str); 4] = [
    (From::Account("alice"), "alice@contoso.example"),
    (From::Stranger, "eve@fabrikam.example"),
    (From::Stranger, ""),
    (From::System, ""),
];

pub(in super::super) fn all(tally: &mut Tally) {
    forwarding(tally);
    groups(tally);
    shapes(tally);
}

fn forwarding(tally: &mut Tally) {
    let objects = ["", "bob", "staff", "partner", "chain", "remote", "gone", "waiting", "it"];
    let addresses = [
        "",
        "bob@contoso.example",
        "nobody@contoso.example",
        "partner@contoso.example",
        "someone@fabrikam.example",
        "someone@hybrid.contoso.example",
    ];
    for (kind, object, smtp) in product(&MAILBOXES, &objects, &addresses) {
        for (keep, outside, rewrites) in product(&BOTH, &BOTH, &BOTH) {
            let it = Thing::new("it", kind).with(|thing| {
                thing.forward_object = object;
                thing.forward_smtp = smtp;
                thing.keep_copy = keep;
                thing.authentication = "false";
            });
            let mut things = targets();
            things.push(it);
            let world = World::new("exchange-online", things).with(|world| {
                world.forwards_outside = outside;
                world.rewrites_senders = rewrites;
            });
            ask(tally, &world, &["it"]);
        }
    }
}

/// What a mailbox can forward to.
fn targets() -> Vec<Thing> {
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "UserMailbox"),
        Thing::new("carol", "SharedMailbox"),
        Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| {
            thing.members = vec!["bob", "carol"];
            thing.authentication = "false";
        }),
        Thing::new("partner", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example"),
        Thing::new("remote", "RemoteUserMailbox").with(|thing| thing.outside = "remote@hybrid.contoso.example"),
        Thing::new("gone", "UserMailbox").with(|thing| thing.state = "soft-deleted"),
        Thing::new("chain", "MailContact").with(|thing| thing.outside = "partner@contoso.example"),
        Thing::new("waiting", "UserMailbox").with(|thing| {
            thing.state = "awaiting migration";
            thing.outside = "waiting@old.fabrikam.example";
        }),
    ]
}

fn groups(tally: &mut Tally) {
    let kinds = [
        "MailUniversalDistributionGroup",
        "MailUniversalSecurityGroup",
        "RoomList",
        "DynamicDistributionGroup",
        "GroupMailbox",
    ];
    let members: [&[&str]; 8] = [
        &[],
        &["bob"],
        &["bob", "carol", "partner", "remote"],
        &["bob", "staff", "gone"],
        &["gone"],
        &["closed", "bob"],
        &["it", "bob"],
        &["unlicensed", "partner"],
    ];
    for (kind, members, reports) in product(&kinds, &members, &["originator", "manager", "nobody"]) {
        for (owners, authentication, rewrites) in product(&[&[][..], &["bob"]], &["unset", "false"], &BOTH) {
            let it = Thing::new("it", kind).with(|thing| {
                match kind {
                    "DynamicDistributionGroup" => {
                        thing.filter_kind = if members.is_empty() { "" } else { "UserMailbox" }
                    }
                    // Its members are rooms; whose else they may be is for the other kinds to show.
                    "RoomList" => thing.members = if members.is_empty() { Vec::new() } else { vec!["room"] },
                    "GroupMailbox" => (thing.members, thing.subscribers) = (members.to_vec(), members.to_vec()),
                    _ => thing.members = members.to_vec(),
                }
                thing.reports = reports;
                thing.owners = owners.to_vec();
                thing.authentication = authentication;
            });
            let mut things = targets();
            things.push(Thing::new("closed", "SharedMailbox").with(|thing| thing.accept = vec!["bob"]));
            things.push(Thing::new("unlicensed", "UserMailbox").with(|thing| thing.licensed = false));
            things.push(Thing::new("room", "RoomMailbox"));
            things.push(it);
            let world = World::new("exchange-online", things).with(|world| world.rewrites_senders = rewrites);
            ask(tally, &world, &["it"]);
        }
    }
}

/// Directories that go round, lead back, or lead to one place by two ways.
fn shapes(tally: &mut Tally) {
    let mailbox = |name, to: &'static str, keep| {
        Thing::new(name, "SharedMailbox").with(|thing| (thing.forward_object, thing.keep_copy) = (to, keep))
    };
    let group = |name, members: &[&'static str]| {
        Thing::new(name, "MailUniversalDistributionGroup").with(|thing| {
            thing.members = members.to_vec();
            thing.authentication = "false";
        })
    };
    let contact = |name, outside| Thing::new(name, "MailContact").with(|thing| thing.outside = outside);
    let alice = || Thing::new("alice", "UserMailbox");
    let bob = || Thing::new("bob", "SharedMailbox");
    for keep in BOTH {
        ask(
            tally,
            &World::new("exchange-online", vec![alice(), mailbox("it", "bob", keep), mailbox("bob", "it", keep)]),
            &["it"],
        );
        ask(
            tally,
            &World::new("exchange-online", vec![alice(), mailbox("it", "bob", true), mailbox("bob", "it", keep)]),
            &["it"],
        );
        let three =
            vec![alice(), mailbox("it", "bob", keep), mailbox("bob", "carol", keep), mailbox("carol", "it", keep)];
        ask(tally, &World::new("exchange-online", three), &["it", "carol"]);
        let back = vec![alice(), mailbox("it", "staff", keep), group("staff", &["it", "bob"]), bob()];
        let back = World::new("exchange-online", back);
        [&["it"][..], &["staff"]].into_iter().for_each(|to| ask(tally, &back, to));
        let only_back = vec![alice(), mailbox("it", "staff", keep), group("staff", &["it"])];
        let only_back = World::new("exchange-online", only_back);
        [&["it"][..], &["staff"]].into_iter().for_each(|to| ask(tally, &only_back, to));
        let into =
            vec![alice(), mailbox("bob", "carol", keep), mailbox("carol", "", keep), group("it", &["bob", "carol"])];
        ask(tally, &World::new("exchange-online", into), &["it"]);
    }
    let nested = vec![alice(), group("it", &["inner", "bob"]), group("inner", &["it", "bob"]), bob()];
    ask(tally, &World::new("exchange-online", nested), &["it", "inner", "bob"]);
    ask(tally, &World::new("exchange-online", vec![alice(), contact("it", "bob@contoso.example"), bob()]), &["it"]);
    ask(tally, &World::new("exchange-online", vec![alice(), contact("it", "it@contoso.example")]), &["it"]);
    let chain = vec![alice(), contact("it", "next@contoso.example"), contact("next", "it@contoso.example")];
    ask(tally, &World::new("exchange-online", chain), &["it"]);
    let twice = vec![alice(), contact("it", "x@fabrikam.example"), contact("next", "X@fabrikam.example")];
    ask(tally, &World::new("exchange-online", twice), &["it", "next"]);
    ask(tally, &World::new("exchange-online", vec![alice(), contact("it", "nobody@contoso.example")]), &["it"]);
}

fn ask(tally: &mut Tally, world: &World, to: &[&str]) {
    let asked = Asked::new(world);
    let to: Vec<String> = to.iter().map(|name| super::super::plain::address_of(name)).collect();
    for (from, path) in SENDERS {
        let post = Post { path, ..Post::new(from, 1) };
        let expected = oracle::ends(world, &post, &to).into_iter().collect::<Vec<_>>().join("\n");
        let actual = asked.ends(&post, &to).into_iter().collect::<Vec<_>>().join("\n");
        let question = || format!("{post:?} to {}.", to.join(" and "));
        tally.cell(&asked, (&expected, &actual), question, asks(&post, &to));
    }
}
