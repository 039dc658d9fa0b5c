//! Who waits for a moderator, whom it waits for, and what an approval leads to.

use super::super::asked::Asked;
use super::super::oracle::{From, Post};
use super::super::plain::{KINDS, Thing, World};
use super::super::tally::Tally;
use super::BOTH;
use super::admission::ask_of;
use super::sign_in::product;

/// Who sends, and under which reverse-path: an account, its moderator, as the postmaster; a stranger, a contact, one
/// that borrows a moderator's address, a report; the system.
pub(in super::super) const SENDERS: [(From<'static>, &str); 8] = [
    (From::Account("alice"), "alice@contoso.example"),
    (From::Account("mia"), "mia@contoso.example"),
    (From::Account("alice"), "postmaster@contoso.example"),
    (From::Stranger, "eve@fabrikam.example"),
    (From::Stranger, "partner@fabrikam.example"),
    (From::Stranger, "mia@contoso.example"),
    (From::Stranger, ""),
    (From::System, ""),
];

pub(in super::super) fn all(tally: &mut Tally) {
    who_passes(tally);
    who_hears(tally);
    nested(tally);
    forwarded(tally);
    postmaster(tally);
}

/// Alice is in *list*, that in *around*, that in *chiefs*, a security group; *everyone* is a dynamic group.
pub(in super::super) fn people() -> Vec<Thing> {
    let group =
        |name, kind, members: &[&'static str]| Thing::new(name, kind).with(|thing| thing.members = members.to_vec());
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("mia", "UserMailbox"),
        Thing::new("bob", "SharedMailbox"),
        Thing::new("partner", "MailContact").with(|thing| thing.outside = "partner@fabrikam.example"),
        group("list", "MailUniversalDistributionGroup", &["alice", "around"]),
        group("around", "MailUniversalDistributionGroup", &["list", "partner"]),
        group("chiefs", "MailUniversalSecurityGroup", &["around"]),
        Thing::new("everyone", "DynamicDistributionGroup").with(|thing| thing.filter_kind = "UserMailbox"),
    ]
}

/// A moderated recipient that leads somewhere, whatever its kind.
pub(in super::super) fn moderated(kind: &'static str) -> Thing {
    Thing::new("it", kind).with(|thing| {
        thing.moderated = true;
        thing.authentication = "false";
        match kind {
            "DynamicDistributionGroup" => thing.filter_kind = "SharedMailbox",
            "GroupMailbox" => (thing.members, thing.subscribers) = (vec!["bob"], vec!["bob"]),
            "RoomList" => thing.members = vec!["room"],
            _ if kind.contains("Group") => thing.members = vec!["bob"],
            _ => {}
        }
    })
}

fn is_group(kind: &str) -> bool {
    kind.contains("Group") || kind == "RoomList"
}

fn ask(tally: &mut Tally, world: &World, to: &str) {
    let asked = Asked::new(world);
    for (from, path) in SENDERS {
        ask_of(tally, &asked, &Post { path, ..Post::new(from, 1) }, to);
    }
}

fn who_passes(tally: &mut Tally) {
    let moderators: [&[&str]; 4] = [&[], &["mia"], &["partner", "mia"], &["alice", "partner"]];
    let owners: [&[&str]; 4] = [&[], &["alice"], &["chiefs"], &["bob", "mia"]];
    let bypass: [&[&str]; 6] = [&[], &["alice"], &["around"], &["everyone"], &["partner"], &["bob", "mia"]];
    for kind in KINDS {
        let owners = if is_group(kind) { &owners[..] } else { &owners[..1] };
        for (moderators, owners, bypass) in product(&moderators, owners, &bypass) {
            for enabled in BOTH {
                let it = moderated(kind).with(|thing| {
                    thing.moderated = enabled;
                    thing.moderators = moderators.to_vec();
                    thing.owners = owners.to_vec();
                    thing.bypass = bypass.to_vec();
                });
                let mut things = people();
                things.extend([it, Thing::new("room", "RoomMailbox")]);
                ask(tally, &World::new("exchange-online", things), "it@contoso.example");
            }
        }
    }
}

/// Restrictions come before; who is moderated and may not write at all does not wait.
fn who_hears(tally: &mut Tally) {
    let lists: [&[&str]; 3] = [&[], &["alice"], &["partner"]];
    for (notifications, authentication, reject) in product(&["Always", "Internal", "Never"], &["false", "true"], &lists)
    {
        for kind in ["SharedMailbox", "MailUniversalDistributionGroup", "MailContact", "GroupMailbox"] {
            let it = moderated(kind).with(|thing| {
                thing.notifications = notifications;
                thing.authentication = authentication;
                thing.reject = reject.to_vec();
                thing.moderators = vec!["mia"];
            });
            let mut things = people();
            things.push(it);
            ask(tally, &World::new("exchange-online", things), "it@contoso.example");
        }
    }
}

/// A moderated group within one that is or is not, and a moderated mailbox in both.
fn nested(tally: &mut Tally) {
    for (outer, inner, chief) in product(&BOTH, &BOTH, &BOTH) {
        for (bypass_nested, inner_bypasses, who) in product(&BOTH, &BOTH, &["moderator", "owner", "bypass"]) {
            let set = |thing: &mut Thing| match who {
                "moderator" => thing.moderators = vec!["mia", "alice"],
                "owner" => (thing.moderators, thing.owners) = (vec!["mia"], vec!["alice"]),
                _ => (thing.moderators, thing.bypass) = (vec!["mia"], vec!["alice"]),
            };
            let it = moderated("MailUniversalDistributionGroup").with(|thing| {
                (thing.moderated, thing.bypass_nested) = (outer, bypass_nested);
                thing.members = vec!["chief", "inner", "bob"];
                set(thing);
            });
            let within = Thing::new("inner", "MailUniversalDistributionGroup").with(|thing| {
                (thing.moderated, thing.bypass_nested) = (inner, inner_bypasses);
                (thing.moderators, thing.members) = (vec!["bob"], vec!["innermost", "bob", "chief", "it"]);
                thing.authentication = "false";
            });
            let innermost = Thing::new("innermost", "MailUniversalSecurityGroup").with(|thing| {
                (thing.moderated, thing.owners, thing.members) = (true, vec!["bob"], vec!["partner", "carol"]);
                thing.authentication = "false";
            });
            let chief = Thing::new("chief", "UserMailbox").with(|thing| thing.moderated = chief);
            let mut things = people();
            things.extend([it, within, innermost, chief, Thing::new("carol", "SharedMailbox")]);
            ask(tally, &World::new("exchange-online", things), "it@contoso.example");
        }
    }
}

/// Moderation below a mailbox that forwards, and of one.
fn forwarded(tally: &mut Tally) {
    for (keep, moderated_first, outside) in product(&BOTH, &BOTH, &BOTH) {
        for target in ["staff", "chief", "partner"] {
            let it = Thing::new("it", "SharedMailbox").with(|thing| {
                (thing.forward_object, thing.keep_copy) = (target, keep);
                (thing.moderated, thing.moderators) = (moderated_first, vec!["mia"]);
            });
            let staff = Thing::new("staff", "MailUniversalDistributionGroup").with(|thing| {
                (thing.moderated, thing.moderators, thing.members) = (true, vec!["bob"], vec!["bob", "partner"]);
                thing.authentication = "false";
            });
            let chief = Thing::new("chief", "UserMailbox").with(|thing| thing.moderated = true);
            let mut things = people();
            things.extend([it, staff, chief]);
            let world = World::new("exchange-online", things).with(|world| world.forwards_outside = outside);
            ask(tally, &world, "it@contoso.example");
        }
    }
}

/// Decision D4: whoever holds the postmaster's address, its mail is not kept waiting.
fn postmaster(tally: &mut Tally) {
    for kind in ["SharedMailbox", "MailUniversalDistributionGroup", "MailContact"] {
        let it = moderated(kind).with(|thing| thing.aliases = vec!["postmaster"]);
        let mut things = people();
        things.push(it);
        let world = World::new("exchange-online", things);
        ask(tally, &world, "postmaster@contoso.example");
        ask(tally, &world, "it@contoso.example");
    }
}
