//! Who may send to whom: every kind in every state, every restriction, every form of an address.

use std::collections::BTreeSet;

use super::super::asked::{Asked, name_of};
use super::super::oracle::{self, From, Post};
use super::super::plain::{KINDS, Thing, World};
use super::super::tally::{Question, Tally};
use super::sign_in::product;
use super::{BOTH, PROFILES, states_of};

/// Everybody who can be a sender, as far as a recipient cares.
pub(super) const SENDERS: [From<'static>; 3] = [From::Account("alice"), From::Stranger, From::System];

pub(in super::super) fn all(tally: &mut Tally) {
    kinds(tally);
    restrictions(tally);
    addresses(tally);
    postmasters(tally);
}

/// Every kind in every state, without any restriction but the default of its kind.
fn kinds(tally: &mut Tally) {
    for kind in KINDS {
        for (state, licensed, outside) in product(states_of(kind), &BOTH, &["", "moved@fabrikam.example"]) {
            if !outside.is_empty() && state != "awaiting migration" && kind != "ShardMailbox" {
                continue;
            }
            for (profile, early, validated) in product(&PROFILES, &BOTH, &BOTH) {
                let recipient = Thing::new("it", kind).with(|thing| {
                    thing.state = state;
                    thing.licensed = licensed;
                    if !outside.is_empty() {
                        thing.outside = outside;
                    }
                });
                let world = World::new(profile, vec![Thing::new("alice", "UserMailbox"), recipient]).with(|world| {
                    world.refuse_early = early;
                    world.recipient_validation = validated;
                });
                let asked = Asked::new(&world);
                SENDERS.into_iter().for_each(|sender| ask(tally, &asked, sender, "it@contoso.example", 0));
            }
        }
    }
}

/// Both lists, the authentication switch and the size limit, against each other, on every kind.
fn restrictions(tally: &mut Tally) {
    let lists: [&[&str]; 6] = [&[], &["alice"], &["list"], &["around"], &["everyone"], &["bob", "list-of-bob"]];
    let sizes = [(0, 5000), (1000, 1000), (1000, 1001), (1000, 0)];
    for kind in KINDS {
        for (authentication, accept, reject) in product(&["unset", "true", "false"], &lists, &lists) {
            for ((receive_max, octets), early, ()) in product(&sizes, &BOTH, &[()]) {
                let recipient = Thing::new("it", kind).with(|thing| {
                    thing.authentication = authentication;
                    thing.accept = accept.to_vec();
                    thing.reject = reject.to_vec();
                    thing.receive_max = receive_max;
                });
                let mut things = around();
                things.push(recipient);
                let world = World::new("exchange-online", things).with(|world| world.refuse_early = early);
                let asked = Asked::new(&world);
                SENDERS.into_iter().for_each(|sender| ask(tally, &asked, sender, "it@contoso.example", octets));
            }
        }
    }
}

/// People and groups that stand in lists.
pub(in super::super) fn around() -> Vec<Thing> {
    let group =
        |name, kind, members: &[&'static str]| Thing::new(name, kind).with(|thing| thing.members = members.to_vec());
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "SharedMailbox"),
        group("list", "MailUniversalDistributionGroup", &["alice", "around"]),
        group("around", "MailUniversalDistributionGroup", &["list"]),
        group("list-of-bob", "MailUniversalDistributionGroup", &["bob"]),
        Thing::new("everyone", "DynamicDistributionGroup").with(|thing| thing.filter_kind = "UserMailbox"),
    ]
}

/// Every form in which an address can stand in RCPT.
fn addresses(tally: &mut Tally) {
    let forms = [
        "bob@contoso.example",
        "BOB@Contoso.EXAMPLE",
        "robert@contoso.example",
        "bob+tag@contoso.example",
        "bob+tag+more@contoso.example",
        "robert+tag@contoso.example",
        "bob+news@contoso.example",
        "bob+news+tag@contoso.example",
        "staff+tag@contoso.example",
        "nobody+tag@contoso.example",
        "nobody@contoso.example",
        "müller@bücher.example",
        "müller@xn--bcher-kva.example",
        "MÜLLER@BÜCHER.example",
        "bob@bücher.example",
        "anybody@hybrid.contoso.example",
        "bob@hybrid.contoso.example",
        "bob@sub.contoso.example",
        "eve@fabrikam.example",
        "eve+tag@fabrikam.example",
        "foreigner@fabrikam.example",
        "foreigner+tag@fabrikam.example",
        "postmaster@contoso.example",
        "PostMaster@bücher.example",
        "postmaster@hybrid.contoso.example",
        "postmaster@fabrikam.example",
        "bob@[192.0.2.1]",
    ];
    for (plus, early, profile) in product(&BOTH, &BOTH, &PROFILES) {
        let world = World::new(profile, addressed()).with(|world| {
            world.plus_addressing = plus;
            world.refuse_early = early;
        });
        let asked = Asked::new(&world);
        for form in forms {
            SENDERS.into_iter().for_each(|sender| ask(tally, &asked, sender, form, 0));
        }
    }
}

/// Objects whose addresses are easy to get wrong.
pub(in super::super) fn addressed() -> Vec<Thing> {
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "UserMailbox").with(|thing| thing.aliases = vec!["robert"]),
        Thing::new("bob+news", "SharedMailbox"),
        Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| {
            thing.members = vec!["bob"];
            thing.authentication = "false";
        }),
        Thing::new("müller@bücher.example", "SharedMailbox"),
        Thing::new("foreigner@fabrikam.example", "MailContact")
            .with(|thing| thing.outside = "foreigner@fabrikam.example"),
    ]
}

/// Somebody holds the postmaster's address, and cannot be reached, or not by everybody (decision D4).
fn postmasters(tally: &mut Tally) {
    for (kind, authentication, state) in product(&KINDS, &["unset", "true"], &["usual", "soft-deleted"]) {
        let holder = Thing::new("postmaster", kind).with(|thing| {
            thing.authentication = authentication;
            if state != "usual" && states_of(kind).len() > 1 {
                thing.state = state;
            }
        });
        let world = World::new("exchange-online", vec![Thing::new("alice", "UserMailbox"), holder]);
        let asked = Asked::new(&world);
        SENDERS.into_iter().for_each(|sender| ask(tally, &asked, sender, "postmaster@contoso.example", 0));
    }
}

fn ask(tally: &mut Tally, asked: &Asked<'_>, from: From<'_>, to: &str, octets: u64) {
    ask_of(tally, asked, &Post::new(from, octets), to);
}

/// The answer to RCPT, and where the copies of a permitted message end, before and after moderators approve.
pub(super) fn ask_of(tally: &mut Tally, asked: &Asked<'_>, post: &Post<'_>, to: &str) {
    let to = [to.to_owned()];
    let joined = |ends: BTreeSet<String>| ends.into_iter().collect::<Vec<_>>().join("\n");
    let mut expected = oracle::admit(asked.world, post, &to[0]).to_owned();
    if expected == "yes" {
        let approved = oracle::approved(asked.world, post, &to).into_iter();
        let approved = approved.map(|ends| format!("\napproved:\n{}", joined(ends)));
        expected = format!("yes\n{}{}", joined(oracle::ends(asked.world, post, &to)), approved.collect::<String>());
    }
    let mut actual = asked.admit(post, &to[0]).map_or_else(|refusal| name_of(&refusal), |_| "yes".to_owned());
    if actual == "yes" {
        let approved = asked.approved(post, &to).into_iter();
        let approved = approved.map(|ends| format!("\napproved:\n{}", joined(ends)));
        actual = format!("yes\n{}{}", joined(asked.ends(post, &to)), approved.collect::<String>());
    }
    let question = || format!("{post:?} to {}.", to[0]);
    tally.cell(asked, (&expected, &actual), question, asks(post, &to));
}

pub(super) fn asks<'a>(post: &Post<'a>, to: &'a [String]) -> Question<'a> {
    let account = match post.from {
        From::Account(name) => Some(name),
        From::Stranger | From::System => None,
    };
    Question { account, mail_from: Some(post.path), header_from: None, to, octets: post.octets }
}
