//! Who is reached, by whom, and under which restrictions.

use super::super::asked::{Asked, name_of};
use super::super::cells::{BOTH, PROFILES, admission::around, sign_in::product, states_of};
use super::super::oracle::{From, Post};
use super::super::plain::{KINDS, STATES, Thing, World};
use super::{Sheet, with_codes};

const ALICE: From<'static> = From::Account("alice");

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## Who is reached

### Every type in every state

The recipient asks for no authentication and restricts nobody. A group has the member bob, a Microsoft 365 group the
subscriber bob. *elsewhere* is its external or remote routing address. What is unknown comes back to an account as a
report, with `refuse_early` or `recipient_validation` as the answer to RCPT.

",
    );
    reached(text);
    text.push_str(
        "### Who must have signed in

RequireSenderAuthenticationEnabled, against a stranger. Accounts and the system always pass.

",
    );
    authentication(text);
    text.push_str(
        "### Restrictions, in order

Each line has the obstacle that it names and every one below it: the first decides. They hold at RCPT, and again at
delivery, for members of groups and forwarding targets as well. An account hears of them by a report, with
`refuse_early` at RCPT.

",
    );
    order(text);
    text.push_str(
        "### Lists of senders

Alice is in the distribution group *list*, which contains *around* and is in it; *everyone* is a dynamic group that
finds her; *list-of-bob* is a group without her. The recipient is a mailbox.

",
    );
    lists(text);
    text.push_str("### Forms of an address\n\nThere are the mailboxes `bob@` (alias `robert@`), `bob+news@` and `müller@bücher.example`, the group `staff@`, and a\ncontact whose only address is `foreigner@fabrikam.example`.\n\n");
    addresses(text);
    text.push_str("### The postmaster\n\nMail for the postmaster of a domain always reaches someone, also when whoever holds the address cannot be reached.\n\n");
    postmaster(text);
}

/// The answer to RCPT if it is a refusal, else where the copies end.
pub(super) fn answer(asked: &Asked<'_>, post: &Post<'_>, to: &str) -> String {
    match asked.admit(post, to) {
        Err(refusal) => with_codes(&name_of(&refusal), asked.world.profile),
        Ok(_) => super::routing::ends(asked, post, to),
    }
}

fn reached(text: &mut String) {
    let mut sheet = Sheet::new(&["Type", "Licence", "State", "Profile", "stranger", "account", "system"]);
    for kind in KINDS {
        for (state, licensed, profile) in product(states_of(kind), &BOTH, &PROFILES) {
            let may_lead = state == "awaiting migration" || kind == "ShardMailbox";
            for leads in if may_lead { &BOTH[..] } else { &BOTH[..1] } {
                let it = Thing::new("it", kind).with(|thing| {
                    thing.state = state;
                    thing.licensed = licensed;
                    thing.authentication = "false";
                    if *leads {
                        thing.outside = "elsewhere@fabrikam.example";
                    }
                    match kind {
                        "DynamicDistributionGroup" => thing.filter_kind = "RoomMailbox",
                        "GroupMailbox" => (thing.members, thing.subscribers) = (vec!["bob"], vec!["bob"]),
                        _ if kind.contains("Group") || kind == "RoomList" => thing.members = vec!["bob"],
                        _ => {}
                    }
                });
                // A room, since a room list takes no others.
                let bob = Thing::new("bob", "RoomMailbox");
                let world = World::new(profile, vec![Thing::new("alice", "UserMailbox"), bob, it]);
                let asked = Asked::new(&world);
                let answers = [From::Stranger, ALICE, From::System]
                    .map(|from| answer(&asked, &Post::new(from, 0), "it@contoso.example").replace(" or elsewhere", ""));
                let shown = if states_of(kind).len() > 1 { state } else { "–" };
                let shown = if *leads { format!("{shown}, has a remote address") } else { shown.to_owned() };
                sheet.row(&[kind, if licensed { "yes" } else { "no" }, &shown, profile], answers.to_vec());
            }
        }
    }
    sheet.compress(&[2, 1, 0, 3]);
    sheet.print(text, &[&[], &["yes", "no"], &STATES, &PROFILES]);
}

fn authentication(text: &mut String) {
    let mut sheet = Sheet::new(&["Type", "unset", "true", "false"]);
    for kind in KINDS.into_iter().filter(|kind| *kind != "ShardMailbox") {
        let answers = ["unset", "true", "false"].map(|setting| {
            let it = Thing::new("it", kind).with(|thing| thing.authentication = setting);
            let world = World::new("exchange-online", vec![Thing::new("alice", "UserMailbox"), it]);
            match Asked::new(&world).admit(&Post::new(From::Stranger, 0), "it@contoso.example") {
                Ok(_) => "passes".to_owned(),
                Err(refusal) => with_codes(&name_of(&refusal), "exchange-online"),
            }
        });
        sheet.row(&[kind], answers.to_vec());
    }
    sheet.compress(&[0]);
    sheet.print(text, &[]);
}

fn order(text: &mut String) {
    let names = [
        "the message is larger than MaxReceiveSize",
        "it takes mail from authenticated senders only",
        "its reject list has the sender",
        "its accept list lacks the sender",
        "it only forwards outside, which the organisation forbids",
        "nothing",
    ];
    let mut sheet = Sheet::new(&["Obstacle", "stranger", "account", "account, refuse_early", "system"]);
    for (step, name) in names.into_iter().enumerate() {
        let it = Thing::new("it", "SharedMailbox").with(|thing| {
            thing.receive_max = if step == 0 { 1_000 } else { 0 };
            thing.authentication = if step <= 1 { "true" } else { "unset" };
            thing.reject = if step <= 2 { vec!["alice"] } else { Vec::new() };
            thing.accept = if step <= 3 { vec!["bob"] } else { Vec::new() };
            thing.forward_smtp = if step <= 4 { "eve@fabrikam.example" } else { "" };
        });
        let things = vec![Thing::new("alice", "UserMailbox"), Thing::new("bob", "UserMailbox"), it];
        let ask = |from, early| {
            let world = World::new("exchange-online", things.clone()).with(|world| {
                world.refuse_early = early;
                world.forwards_outside = false;
            });
            answer(&Asked::new(&world), &Post::new(from, 2_000), "it@contoso.example")
        };
        let answers = [ask(From::Stranger, false), ask(ALICE, false), ask(ALICE, true), ask(From::System, false)];
        sheet.row(&[name], answers.to_vec());
    }
    sheet.print(text, &[]);
}

fn lists(text: &mut String) {
    let choices: [&[&str]; 6] = [&[], &["alice"], &["list"], &["around"], &["everyone"], &["bob", "list-of-bob"]];
    let mut sheet = Sheet::new(&["AcceptMessagesOnlyFrom", "RejectMessagesFrom", "Alice, refuse_early", "stranger"]);
    for (accept, reject, ()) in product(&choices, &choices, &[()]) {
        let mut things = around();
        things.push(Thing::new("it", "RoomMailbox").with(|thing| {
            thing.accept = accept.to_vec();
            thing.reject = reject.to_vec();
        }));
        let world = World::new("exchange-online", things).with(|world| world.refuse_early = true);
        let asked = Asked::new(&world);
        let answers =
            [ALICE, From::Stranger].map(|from| match asked.admit(&Post::new(from, 0), "it@contoso.example") {
                Ok(_) => "passes".to_owned(),
                Err(refusal) => with_codes(&name_of(&refusal), "exchange-online"),
            });
        let shown = |list: &[&str]| if list.is_empty() { "empty".to_owned() } else { list.join(" + ") };
        sheet.row(&[&shown(accept), &shown(reject)], answers.to_vec());
    }
    sheet.compress(&[0, 1]);
    sheet.print(text, &[]);
}

fn addresses(text: &mut String) {
    let mut sheet = Sheet::new(&["RCPT TO", "DisablePlusAddressInRecipients", "stranger", "account"]);
    for form in [
        "bob@contoso.example",
        "BOB@Contoso.EXAMPLE",
        "robert@contoso.example",
        "bob+tag@contoso.example",
        "robert+tag@contoso.example",
        "bob+news@contoso.example",
        "bob+news+tag@contoso.example",
        "staff+tag@contoso.example",
        "nobody@contoso.example",
        "müller@bücher.example",
        "MÜLLER@xn--bcher-kva.example",
        "bob@bücher.example",
        "anybody@hybrid.contoso.example",
        "bob@sub.contoso.example",
        "eve@fabrikam.example",
        "foreigner@fabrikam.example",
        "bob@[192.0.2.1]",
    ] {
        for plus in [true, false] {
            let things = super::super::cells::admission::addressed();
            let world = World::new("exchange-online", things).with(|world| world.plus_addressing = plus);
            let asked = Asked::new(&world);
            let answers = [From::Stranger, ALICE].map(|from| answer(&asked, &Post::new(from, 0), form));
            sheet.row(&[form, if plus { "false" } else { "true" }], answers.to_vec());
        }
    }
    sheet.compress(&[1]);
    sheet.print(text, &[&[], &["true", "false"]]);
}

fn postmaster(text: &mut String) {
    let mut sheet = Sheet::new(&["Who holds postmaster@contoso.example", "stranger", "account"]);
    let holder = |kind| Thing::new("postmaster", kind);
    let holders = [
        ("nobody", None),
        ("a mailbox", Some(holder("SharedMailbox"))),
        ("a mailbox that was deleted", Some(holder("SharedMailbox").with(|thing| thing.state = "soft-deleted"))),
        (
            "a mailbox for authenticated senders",
            Some(holder("SharedMailbox").with(|thing| thing.authentication = "true")),
        ),
        ("a mailbox that rejects Alice", Some(holder("SharedMailbox").with(|thing| thing.reject = vec!["alice"]))),
        ("a group without members", Some(holder("MailUniversalDistributionGroup"))),
        ("a contact", Some(holder("MailContact"))),
    ];
    for (name, holder) in holders {
        let mut things = vec![Thing::new("alice", "UserMailbox")];
        things.extend(holder);
        let world = World::new("exchange-online", things);
        let asked = Asked::new(&world);
        let answers =
            [From::Stranger, ALICE].map(|from| answer(&asked, &Post::new(from, 0), "postmaster@contoso.example"));
        sheet.row(&[name], answers.to_vec());
    }
    sheet.print(text, &[]);
}
