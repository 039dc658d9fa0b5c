//! Forwarding that leaves, against the organisation's policy and the remote domains: which entry decides, and for whom.

use super::super::asked::Asked;
use super::super::oracle::Post;
use super::super::plain::{Remote, Thing, World};
use super::super::tally::Tally;
use super::BOTH;
use super::admission::{SENDERS, ask_of};
use super::sign_in::product;

const fn entry(pattern: &'static str, forwards: bool) -> Remote {
    Remote { pattern, forwards, replies: "External" }
}

/// Entries of every width, and narrow ones that say the contrary of wide ones.
pub(in super::super) const ENTRIES: [&[Remote]; 9] = [
    &[],
    &[entry("*", false)],
    &[entry("fabrikam.example", false)],
    &[entry("*.fabrikam.example", false)],
    &[entry("*", false), entry("fabrikam.example", true)],
    &[entry("*", false), entry("*.fabrikam.example", true)],
    &[entry("fabrikam.example", false), entry("*.fabrikam.example", true)],
    &[entry("*.fabrikam.example", true), entry("*.sub.fabrikam.example", false)],
    &[entry("old.fabrikam.example", false), entry("contoso.example", false), entry("hybrid.contoso.example", false)],
];

/// A contact for each place to which mail can leave, and who is inside wherever that may be.
fn things() -> Vec<Thing> {
    let contact = |name, outside| Thing::new(name, "MailContact").with(|thing| thing.outside = outside);
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "SharedMailbox"),
        contact("partner", "partner@fabrikam.example"),
        contact("below", "partner@sub.fabrikam.example"),
        contact("chain", "below@contoso.example"),
        Thing::new("guest", "GuestMailUser").with(|thing| thing.outside = "guest@fabrikam.example"),
        Thing::new("remote", "RemoteSharedMailbox").with(|thing| thing.outside = "remote@old.fabrikam.example"),
        Thing::new("waiting", "UserMailbox").with(|thing| {
            (thing.state, thing.outside) = ("awaiting migration", "waiting@old.fabrikam.example");
        }),
        Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| {
            (thing.members, thing.authentication) = (vec!["partner", "bob"], "false");
        }),
    ]
}

pub(in super::super) fn all(tally: &mut Tally) {
    let targets = [
        ("", "x@fabrikam.example"),
        ("", "x@sub.fabrikam.example"),
        ("", "x@deep.sub.fabrikam.example"),
        ("", "x@adatum.example"),
        ("", "x@hybrid.contoso.example"),
        ("", "partner@contoso.example"),
        ("partner", ""),
        ("below", ""),
        ("chain", ""),
        ("guest", ""),
        ("remote", ""),
        ("waiting", ""),
        ("staff", ""),
        ("bob", ""),
    ];
    for ((object, smtp), entries, keep) in product(&targets, &ENTRIES, &BOTH) {
        for (permits, early, kind) in product(&BOTH, &BOTH, &["UserMailbox", "SharedMailbox", "GroupMailbox"]) {
            let it = Thing::new("it", kind).with(|thing| {
                (thing.forward_object, thing.forward_smtp, thing.keep_copy) = (object, smtp, keep);
                thing.authentication = "false";
            });
            let mut things = things();
            things.push(it);
            let world = World::new("exchange-online", things).with(|world| {
                world.remote_domains = entries.to_vec();
                world.forwards_outside = permits;
                world.refuse_early = early;
            });
            let asked = Asked::new(&world);
            SENDERS.into_iter().for_each(|from| ask_of(tally, &asked, &Post::new(from, 1), "it@contoso.example"));
        }
    }
    // What somebody writes to directly leaves whatever the entries say.
    for entries in ENTRIES {
        let world = World::new("exchange-online", things()).with(|world| world.remote_domains = entries.to_vec());
        let asked = Asked::new(&world);
        for (to, from, ()) in product(&["partner", "below", "chain", "guest", "remote", "staff"], &SENDERS, &[()]) {
            ask_of(tally, &asked, &Post::new(from, 1), &super::super::plain::address_of(to));
        }
    }
}
