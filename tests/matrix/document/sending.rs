//! As whom an account may send, and what the message then says.

use super::super::asked::Asked;
use super::super::cells::{BOTH, PROFILES, capacity::people, sign_in::product, states_of};
use super::super::oracle::Letter;
use super::super::plain::{KINDS, STATES, Thing, World};
use super::{Sheet, with_codes};

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## As whom an account may send

### Whose address can be used

Somebody else's address, on which the account holds SendAs. What is denied is refused after DATA, at MAIL FROM with
`refuse_early`. Whoever cannot be answered cannot be sent as either.

",
    );
    owners(text);
    text.push_str(
        "### Which permissions count

Alice is in the security group *delegates*, which is in the security group *outer*, which contains *ring* and is in it.
She is also in the distribution group *list*, which is in the security group *around*: a distribution group hands no
permission on. A deny entry beats every allow entry for the same right, whoever holds it; FullAccess never permits
sending.

",
    );
    permissions(text);
    text.push_str("### Which address it is\n\nThe owner's addresses are `owner@contoso.example`, `second.owner@contoso.example` and `owner@bücher.example`; Alice holds\nSendAs on the owner, and on the contact `foreigner@fabrikam.example`.\n\n");
    addresses(text);
    text.push_str(
        "### What the message says then

Alice has the alias `liddell@`, holds SendAs on `shared@` (alias `second@`) and SendOnBehalf on `boss@`; on `bob@` she
holds nothing. From and the reverse-path are judged each for itself. A Sender field that the client wrote is dropped
unless there are several authors.

",
    );
    letters(text);
}

fn owners(text: &mut String) {
    let mut sheet = Sheet::new(&["Owner", "Licence", "State", "exchange-online", "exchange-server"]);
    for kind in KINDS {
        for (state, licensed, ()) in product(states_of(kind), &BOTH, &[()]) {
            let answers = PROFILES.map(|profile| {
                let owner = Thing::new("owner", kind).with(|thing| {
                    thing.state = state;
                    thing.licensed = licensed;
                    thing.grants = vec![("SendAs", "alice", false)];
                });
                let world = World::new(profile, vec![Thing::new("alice", "UserMailbox"), owner]);
                let capacity = Asked::new(&world).capacity("alice", "owner@contoso.example");
                if capacity == "denied" {
                    with_codes("SendAsDenied", profile)
                } else {
                    capacity.replace("as owner", "as the owner")
                }
            });
            let state = if states_of(kind).len() > 1 { state } else { "–" };
            sheet.row(&[kind, if licensed { "yes" } else { "no" }, state], answers.to_vec());
        }
    }
    sheet.compress(&[2, 1, 0]);
    sheet.print(text, &[&[], &["yes", "no"], &STATES]);
}

fn permissions(text: &mut String) {
    let mut sheet = Sheet::new(&["Permissions on the owner", "Alice sends"]);
    for shape in super::super::cells::capacity::SHAPES {
        let owner = Thing::new("owner", "SharedMailbox").with(|thing| thing.grants = shape.to_vec());
        let mut things = people();
        things.push(owner);
        let world = World::new("exchange-online", things);
        let entries: Vec<String> = shape
            .iter()
            .map(|(right, trustee, deny)| format!("{}{right} for {trustee}", if *deny { "deny " } else { "" }))
            .collect();
        let entries = if entries.is_empty() { "none".to_owned() } else { entries.join(" and ") };
        let capacity = Asked::new(&world).capacity("alice", "owner@contoso.example");
        sheet.row(&[&entries], vec![capacity.replace("owner", "the owner")]);
    }
    sheet.print(text, &[]);
}

fn addresses(text: &mut String) {
    let mut things = people();
    things.push(Thing::new("owner", "SharedMailbox").with(|thing| {
        thing.aliases = vec!["second.owner", "owner@bücher.example"];
        thing.grants = vec![("SendAs", "alice", false)];
    }));
    let world = World::new("exchange-online", things);
    let asked = Asked::new(&world);
    let mut sheet = Sheet::new(&["Address", "Alice sends"]);
    for used in [
        "alice@contoso.example",
        "ALICE@Contoso.Example",
        "alice+tag@contoso.example",
        "owner@contoso.example",
        "second.owner@contoso.example",
        "owner@xn--bcher-kva.example",
        "nobody@contoso.example",
        "foreigner@fabrikam.example",
        "eve@fabrikam.example",
    ] {
        let capacity =
            asked.capacity("alice", used).replace("as owner", "as the owner").replace("itself", "as herself");
        sheet.row(&[used], vec![capacity]);
    }
    sheet.print(text, &[]);
}

fn letters(text: &mut String) {
    let one = |address| vec![Some(vec![address])];
    let [alice, liddell, shared, second, boss, bob] = ["alice", "liddell", "shared", "second", "boss", "bob"];
    let cases: Vec<(&str, Froms, Option<&'static str>, bool)> = vec![
        (alice, one(alice), None, false),
        (alice, one(alice), Some(bob), false),
        (liddell, one(liddell), None, false),
        (alice, one(shared), None, false),
        (shared, one(shared), Some(alice), false),
        (second, one(second), None, false),
        (alice, one(boss), None, false),
        (boss, one(boss), Some(bob), false),
        (shared, one(alice), None, false),
        (alice, one(bob), None, false),
        (bob, one(alice), None, false),
        (alice, vec![], None, false),
        (alice, vec![None], None, false),
        (alice, vec![Some(vec![alice]), Some(vec![alice])], None, false),
        (alice, vec![Some(vec![alice, shared])], None, false),
        (alice, vec![Some(vec![alice, shared])], Some(alice), false),
        (alice, vec![Some(vec![alice, shared])], Some(boss), false),
        (alice, vec![Some(vec![alice, shared])], Some(bob), false),
        (alice, vec![Some(vec![alice, bob])], Some(alice), false),
        ("", one(alice), None, false),
        ("", one(alice), None, true),
        ("", one(bob), None, true),
    ];
    let mut sheet =
        Sheet::new(&["MAIL FROM", "From", "Sender", "SendFromAliasEnabled false", "true, where it differs"]);
    for (reverse_path, from, sender, report) in cases {
        let letter = letter(reverse_path, &from, sender, report);
        let answers = BOTH.map(|aliases| {
            let mut things = super::super::cells::authorship::things();
            things.retain(|thing| thing.name != "foreigner@fabrikam.example");
            let world = World::new("exchange-online", things).with(|world| world.sends_from_alias = aliases);
            let answer = Asked::new(&world).author("alice", &letter).replace("@contoso.example", "@");
            with_codes(&answer, "exchange-online").replace("itself; ", "")
        });
        let fields: Vec<String> = from
            .iter()
            .map(|list| list.as_ref().map_or_else(|| "unreadable".to_owned(), |list| list.join(", ")))
            .collect();
        let shown_from = match fields.as_slice() {
            [] => "missing".to_owned(),
            [one] if report => format!("{one} (of a report)"),
            [one] => one.clone(),
            several => format!("two fields: {}", several.join(" and ")),
        };
        let path = if reverse_path.is_empty() { "<>" } else { reverse_path };
        let [off, on] = answers;
        let on = if on == off { String::new() } else { on };
        sheet.row(&[path, &shown_from, sender.unwrap_or("")], vec![off, on]);
    }
    sheet.print(text, &[]);
}

/// The addresses of each From field; nothing for one that cannot be read.
type Froms = Vec<Option<Vec<&'static str>>>;

/// A letter from the local parts of its addresses.
fn letter(
    reverse_path: &str,
    from: &[Option<Vec<&'static str>>],
    sender: Option<&'static str>,
    report: bool,
) -> Letter {
    let whole = |local: &str| match local {
        "alice" => "alice@contoso.example",
        "liddell" => "liddell@contoso.example",
        "shared" => "shared@contoso.example",
        "second" => "second@contoso.example",
        "boss" => "boss@contoso.example",
        "bob" => "bob@contoso.example",
        _ => "",
    };
    let from =
        from.iter().map(|list| list.as_ref().map(|list| list.iter().map(|local| whole(local)).collect())).collect();
    Letter { reverse_path: whole(reverse_path), from, sender: sender.map(whole), report }
}
