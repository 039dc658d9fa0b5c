//! What stands before a recipient's own lists: sizes of three layers, Direct Send, and groups that may not be in Bcc.

use super::super::asked::Asked;
use super::super::oracle::{From, Post};
use super::super::plain::{KINDS, Thing, World};
use super::super::tally::Tally;
use super::admission::{SENDERS, ask_of};
use super::sign_in::product;
use super::{BOTH, PROFILES};

pub(in super::super) fn all(tally: &mut Tally) {
    sizes(tally);
    direct_send(tally);
    blind_copies(tally);
}

/// The organisation's `MaxSendSize`, the account's own, and the recipient's `MaxReceiveSize`, each below and above the
/// others, against a message that is over none, one or all of them.
fn sizes(tally: &mut Tally) {
    let octets = [0, 1_000, 1_001, 2_000, 2_001, 3_001];
    for (organisation, own, receive) in product(&[0, 1_000, 3_000], &[0, 2_000, 1_000], &[0, 1_000, 3_000]) {
        for kind in KINDS {
            for early in BOTH {
                let it = Thing::new("it", kind).with(|thing| {
                    thing.receive_max = receive;
                    thing.authentication = "false";
                });
                let alice = Thing::new("alice", "UserMailbox").with(|thing| thing.send_max = own);
                let world = World::new("exchange-online", vec![alice, it]).with(|world| {
                    world.send_max = organisation;
                    world.refuse_early = early;
                });
                let asked = Asked::new(&world);
                // Those that no object stands for do not depend on its kind.
                let others = ["eve@fabrikam.example", "x@hybrid.contoso.example", "nobody@contoso.example"];
                let others = if kind == "UserMailbox" { &others[..] } else { &[] };
                for (to, octets, from) in product(&[&["it@contoso.example"], others].concat(), &octets, &SENDERS) {
                    ask_of(tally, &asked, &Post::new(from, octets), to);
                }
                let postmaster = Post { path: "postmaster@contoso.example", ..Post::new(SENDERS[0], 3_001) };
                ask_of(tally, &asked, &postmaster, "it@contoso.example");
            }
        }
    }
}

/// `RejectDirectSend`: port 25, from a source that nobody expects, under every kind of reverse-path.
fn direct_send(tally: &mut Tally) {
    let paths = [
        "bob@contoso.example",
        "nobody@contoso.example",
        "x@hybrid.contoso.example",
        "x@xn--bcher-kva.example",
        "x@sub.contoso.example",
        "eve@fabrikam.example",
        "partner@fabrikam.example",
        "",
    ];
    let to = ["it", "staff", "partner", "nobody", "postmaster", "x@hybrid.contoso.example", "eve@fabrikam.example"];
    for (rejects, profile, early) in product(&BOTH, &PROFILES, &BOTH) {
        let things = vec![
            Thing::new("alice", "UserMailbox"),
            Thing::new("bob", "UserMailbox"),
            Thing::new("it", "SharedMailbox"),
            Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| thing.members = vec!["bob"]),
            Thing::new("partner", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example"),
        ];
        let world = World::new(profile, things).with(|world| {
            world.rejects_direct_send = rejects;
            world.refuse_early = early;
        });
        let asked = Asked::new(&world);
        for (path, to, direct) in product(&paths, &to, &BOTH) {
            let to = super::super::plain::address_of(to);
            ask_of(tally, &asked, &Post { path, direct, ..Post::new(From::Stranger, 1) }, &to);
        }
        // Whoever signed in may send from anywhere.
        for (to, direct, ()) in product(&to, &BOTH, &[()]) {
            let to = super::super::plain::address_of(to);
            ask_of(tally, &asked, &Post { direct, ..Post::new(From::Account("alice"), 1) }, &to);
        }
    }
}

/// What a header can say of its readers: whether the group is among them, and how.
pub(in super::super) const HEADS: [&str; 9] = [
    "",
    "To: it@contoso.example\r\n",
    "Cc: Bob <bob@contoso.example>, IT <It@Contoso.Example>\r\n",
    "To: second@contoso.example\r\n",
    "To: Team: bob@contoso.example, it@contoso.example;\r\n",
    "To: bob@contoso.example\r\n",
    "Bcc: it@contoso.example\r\n",
    "Reply-To: it@contoso.example\r\n",
    "To: bit@contoso.example, it@contoso.example.fabrikam.example\r\n",
];

/// `BccBlocked`: of each kind of group, at the top and within another.
fn blind_copies(tally: &mut Tally) {
    let groups = KINDS.into_iter().filter(|kind| kind.contains("Group"));
    for kind in groups {
        for (blocked, authentication, early) in product(&BOTH, &["true", "false"], &BOTH) {
            let it = super::moderation::moderated(kind).with(|thing| {
                (thing.moderated, thing.bcc_blocked, thing.authentication) = (false, blocked, authentication);
                thing.aliases = vec!["second"];
            });
            let around = Thing::new("around", "MailUniversalDistributionGroup").with(|thing| {
                (thing.members, thing.authentication) = (vec!["it", "bob"], "false");
            });
            let things = vec![Thing::new("alice", "UserMailbox"), Thing::new("bob", "SharedMailbox"), it, around];
            let world = World::new("exchange-online", things).with(|world| world.refuse_early = early);
            let asked = Asked::new(&world);
            for (head, to, from) in product(&HEADS, &["it", "second", "around", "bob"], &SENDERS) {
                let to = super::super::plain::address_of(to);
                ask_of(tally, &asked, &Post { head, ..Post::new(from, 1) }, &to);
            }
        }
    }
}
