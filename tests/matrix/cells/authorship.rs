//! Who a message says it is from: every reverse-path against every From and Sender.

use super::super::asked::Asked;
use super::super::oracle::{self, Letter};
use super::super::plain::{Thing, World};
use super::super::tally::{Question, Tally};
use super::capacity::people;
use super::sign_in::product;
use super::{BOTH, PROFILES};

/// Whose address it is: Alice's own, an alias of hers, an owner whom she may send as, one on whose behalf, one of
/// neither, nobody's, a stranger's.
const ADDRESSES: [&str; 9] = [
    "alice@contoso.example",
    "liddell@contoso.example",
    "shared@contoso.example",
    "second@contoso.example",
    "boss@contoso.example",
    "bob@contoso.example",
    "nobody@contoso.example",
    "eve@fabrikam.example",
    "foreigner@fabrikam.example",
];

pub(in super::super) fn all(tally: &mut Tally) {
    for (aliases, repair, profile) in product(&BOTH, &BOTH, &PROFILES) {
        let world = World::new(profile, things()).with(|world| {
            world.sends_from_alias = aliases;
            world.repair_from = repair;
        });
        let asked = Asked::new(&world);
        letters(tally, &asked);
    }
}

pub(in super::super) fn things() -> Vec<Thing> {
    let mut things = people();
    things[0].aliases = vec!["liddell"];
    things.push(Thing::new("shared", "SharedMailbox").with(|thing| {
        thing.aliases = vec!["second"];
        thing.grants = vec![("SendAs", "outer", false)];
    }));
    things.push(Thing::new("boss", "UserMailbox").with(|thing| thing.grants = vec![("SendOnBehalf", "alice", false)]));
    things
}

fn letters(tally: &mut Tally, asked: &Asked<'_>) {
    let mut froms: Vec<Vec<Option<Vec<&'static str>>>> = vec![
        vec![],
        vec![None],
        vec![Some(vec![ADDRESSES[0]]), Some(vec![ADDRESSES[0]])],
        vec![Some(vec![ADDRESSES[0], ADDRESSES[2]])],
        vec![Some(vec![ADDRESSES[0], ADDRESSES[5]])],
        vec![Some(vec![ADDRESSES[5], ADDRESSES[0]])],
        vec![Some(vec![ADDRESSES[4], ADDRESSES[2]])],
    ];
    froms.extend(ADDRESSES.map(|address| vec![Some(vec![address])]));
    let senders: Vec<Option<&'static str>> =
        core::iter::once(None).chain(ADDRESSES[..6].iter().copied().map(Some)).collect();
    let paths: Vec<&'static str> = ADDRESSES.into_iter().chain([""]).collect();
    for from in froms {
        for (reverse_path, sender, report) in product(&paths, &senders, &BOTH) {
            let letter = Letter { reverse_path, from: from.clone(), sender, report };
            let expected = oracle::author(asked.world, "alice", &letter);
            let actual = asked.author("alice", &letter);
            let question = || format!("Alice submits {letter:?}.");
            let header_from = letter.from.first().and_then(|list| list.as_ref()?.first().copied());
            let asks = Question { mail_from: Some(reverse_path), header_from, ..Question::sign_in("alice") };
            tally.cell(asked, (&expected, &actual), question, asks);
        }
    }
}
