//! As whom an account may send: every kind of owner in every state, and every shape of permission.

use super::super::asked::Asked;
use super::super::oracle;
use super::super::plain::{KINDS, Thing, World};
use super::super::tally::{Question, Tally};
use super::{BOTH, PROFILES, states_of};

/// Permissions on the owner: right, trustee, deny. Alice is in `delegates`, which is in `outer`; she is in `list`, which
/// is no security group, and that in `around`; `ring` and `outer` contain each other.
pub(in super::super) const SHAPES: [&[(&str, &str, bool)]; 26] = [
    &[],
    &[("SendAs", "alice", false)],
    &[("SendAs", "delegates", false)],
    &[("SendAs", "outer", false)],
    &[("SendAs", "ring", false)],
    &[("SendAs", "around", false)],
    &[("SendAs", "bob", false)],
    &[("SendAs", "alice", true)],
    &[("SendAs", "alice", false), ("SendAs", "alice", true)],
    &[("SendAs", "alice", false), ("SendAs", "outer", true)],
    &[("SendAs", "outer", false), ("SendAs", "alice", true)],
    &[("SendAs", "outer", false), ("SendAs", "delegates", true)],
    &[("SendAs", "alice", false), ("SendAs", "around", true)],
    &[("SendAs", "alice", false), ("SendAs", "bob", true)],
    &[("SendOnBehalf", "alice", false)],
    &[("SendOnBehalf", "outer", false)],
    &[("SendOnBehalf", "around", false)],
    &[("SendOnBehalf", "alice", false), ("SendOnBehalf", "delegates", true)],
    &[("SendOnBehalf", "alice", false), ("SendAs", "alice", false)],
    &[("SendOnBehalf", "alice", false), ("SendAs", "alice", true)],
    &[("SendOnBehalf", "alice", true), ("SendAs", "alice", false)],
    &[("FullAccess", "alice", false)],
    &[("FullAccess", "outer", false)],
    &[("FullAccess", "alice", false), ("SendOnBehalf", "alice", false)],
    &[("FullAccess", "alice", true), ("SendAs", "alice", false)],
    &[("FullAccess", "alice", true)],
];

pub(in super::super) fn all(tally: &mut Tally) {
    for profile in PROFILES {
        for kind in KINDS {
            for state in states_of(kind) {
                for licensed in BOTH {
                    for shape in SHAPES {
                        owner(tally, profile, kind, state, licensed, shape);
                    }
                }
            }
        }
    }
}

fn owner(
    tally: &mut Tally,
    profile: &'static str,
    kind: &'static str,
    state: &'static str,
    licensed: bool,
    shape: &[(&'static str, &'static str, bool)],
) {
    let mailbox = kind.ends_with("Mailbox") && !kind.starts_with("Remote") && kind != "ShardMailbox";
    let full_access = shape.iter().any(|(right, _, deny)| *right == "FullAccess" && !deny);
    if full_access && !mailbox {
        // The directory refuses to note it (spec section 4.1: mailboxes only).
        return;
    }
    let owner = Thing::new("owner", kind).with(|thing| {
        thing.state = state;
        thing.licensed = licensed;
        thing.aliases = vec!["second.owner", "Owner@bücher.example"];
        thing.grants = shape.to_vec();
    });
    let mut things = people();
    things.push(owner);
    let world = World::new(profile, things);
    let asked = Asked::new(&world);
    let addresses: &[&str] = if shape.len() == 1 {
        &[
            "owner@contoso.example",
            "OWNER@Contoso.Example",
            "second.owner@contoso.example",
            "owner@xn--bcher-kva.example",
        ]
    } else {
        &["owner@contoso.example"]
    };
    for used in addresses {
        ask(tally, &asked, "alice", used);
    }
    if shape.is_empty() {
        let others = ["alice@contoso.example", "nobody@contoso.example", "alice+tag@contoso.example"];
        let foreign = ["eve@fabrikam.example", "foreigner@fabrikam.example", "x@hybrid.contoso.example"];
        for used in others.into_iter().chain(foreign) {
            ask(tally, &asked, "alice", used);
        }
        ask(tally, &asked, "owner", "owner@contoso.example");
    }
}

/// The accounts and groups around an owner.
pub(in super::super) fn people() -> Vec<Thing> {
    let group =
        |name, kind, members: &[&'static str]| Thing::new(name, kind).with(|thing| thing.members = members.to_vec());
    vec![
        Thing::new("alice", "UserMailbox"),
        Thing::new("bob", "UserMailbox"),
        group("delegates", "MailUniversalSecurityGroup", &["alice"]),
        group("outer", "MailUniversalSecurityGroup", &["delegates", "ring"]),
        group("ring", "MailUniversalSecurityGroup", &["outer"]),
        group("list", "MailUniversalDistributionGroup", &["alice"]),
        group("around", "MailUniversalSecurityGroup", &["list"]),
        Thing::new("foreigner@fabrikam.example", "MailContact").with(|thing| {
            thing.outside = "foreigner@fabrikam.example";
            thing.grants = vec![("SendAs", "alice", false)];
        }),
    ]
}

fn ask(tally: &mut Tally, asked: &Asked<'_>, account: &str, used: &str) {
    let expected = oracle::capacity(asked.world, account, used);
    let actual = asked.capacity(account, used);
    let question = || format!("{account} sends as {used}.");
    let asks = Question { mail_from: Some(used), ..Question::sign_in(account) };
    tally.cell(asked, (&expected, &actual), question, asks);
}
