//! Who waits for a moderator, and what follows from an approval.

use super::super::asked::Asked;
use super::super::cells::{BOTH, moderation, sign_in::product};
use super::super::oracle::{From, Post};
use super::super::plain::{Thing, World};
use super::Sheet;
use super::routing::in_page_words;

const ALICE: From<'static> = From::Account("alice");

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## Moderation

### Who waits

The recipient is a moderated group. Alice is in the group *list*; *partner* is a contact. Moderators are asked, without
them the owners, and without those the postmaster.

",
    );
    waits(text);
    text.push_str(
        "### Moderated groups within each other

Alice writes to a group with the members bob and *inner*, which has the member carol. Mia moderates the one, bob the
other.

",
    );
    nested(text);
    text.push_str("### Who hears of a refusal\n\n");
    hears(text);
}

fn ends(world: &World, post: &Post<'_>) -> String {
    let asked = Asked::new(world);
    let found = asked.ends(post, &["it@contoso.example".to_owned()]);
    let found = found.into_iter().map(|end| end.replace(", sender told of a refusal", "")).collect();
    in_page_words(&asked, post, found)
}

/// What a column sets.
type Setting = fn(&mut Thing);

fn waits(text: &mut String) {
    let settings: [(&str, Setting); 5] = [
        ("ModeratedBy mia", |thing| thing.moderators = vec!["mia"]),
        ("no moderator, owner alice", |thing| thing.owners = vec!["alice"]),
        ("neither", |_| {}),
        ("ModeratedBy mia, bypassed by list", |thing| (thing.moderators, thing.bypass) = (vec!["mia"], vec!["list"])),
        ("ModeratedBy mia, bypassed by partner", |thing| {
            (thing.moderators, thing.bypass) = (vec!["mia"], vec!["partner"]);
        }),
    ];
    let names = [
        "Alice",
        "Mia",
        "Alice, as the postmaster",
        "a stranger",
        "a stranger with partner's address",
        "a stranger with Mia's address",
        "a stranger without reverse-path",
        "the system",
    ];
    let columns: Vec<&str> = core::iter::once("Sender").chain(settings.iter().map(|(name, _)| *name)).collect();
    let mut sheet = Sheet::new(&columns);
    for ((from, path), name) in moderation::SENDERS.into_iter().zip(names) {
        let answers = settings.map(|(_, set)| {
            let mut things = moderation::people();
            things.push(moderation::moderated("MailUniversalDistributionGroup").with(set));
            let found = ends(&World::new("exchange-online", things), &Post { path, ..Post::new(from, 1) });
            found.split_once(':').map_or_else(|| "passes".to_owned(), |(waits, _)| waits.to_owned())
        });
        sheet.row(&[name], answers.to_vec());
    }
    sheet.print(text, &[]);
}

fn nested(text: &mut String) {
    let mut sheet =
        Sheet::new(&["The group", "inner", "BypassNestedModerationEnabled", "at first", "when Mia approves"]);
    for (outer, inner, bypass) in product(&BOTH, &BOTH, &BOTH) {
        let it = moderation::moderated("MailUniversalDistributionGroup").with(|thing| {
            (thing.moderated, thing.bypass_nested) = (outer, bypass);
            (thing.moderators, thing.members) = (vec!["mia"], vec!["bob", "inner"]);
        });
        let within = Thing::new("inner", "MailUniversalDistributionGroup").with(|thing| {
            (thing.moderated, thing.moderators, thing.members) = (inner, vec!["bob"], vec!["carol"]);
        });
        let mut things = moderation::people();
        things.extend([it, within, Thing::new("carol", "SharedMailbox")]);
        let world = World::new("exchange-online", things);
        let (asked, post) = (Asked::new(&world), Post::new(ALICE, 1));
        let approved = asked.approved(&post, &["it@contoso.example".to_owned()]).into_iter().next();
        let approved = approved.filter(|_| outer).map(|found| {
            let found = found.into_iter().map(|end| end.replace(", sender told of a refusal", "")).collect();
            in_page_words(&asked, &post, found)
        });
        let shown = |moderated| if moderated { "moderated" } else { "not moderated" };
        let facts = [shown(outer), shown(inner), if bypass { "true" } else { "false" }];
        sheet.row(&facts, vec![ends(&world, &post), approved.unwrap_or_else(|| "–".to_owned())]);
    }
    sheet.compress(&[2]);
    sheet.print(text, &[&[], &[], &["true", "false"]]);
}

fn hears(text: &mut String) {
    let mut sheet = Sheet::new(&["SendModerationNotifications", "account", "stranger"]);
    for notifications in ["Always", "Internal", "Never"] {
        let answers = [ALICE, From::Stranger].map(|from| {
            let mut things = moderation::people();
            things.push(moderation::moderated("SharedMailbox").with(|thing| thing.notifications = notifications));
            let world = World::new("exchange-online", things);
            let found = Asked::new(&world).ends(&Post::new(from, 1), &["it@contoso.example".to_owned()]);
            let told = found.iter().any(|end| end.contains("sender told of a refusal"));
            if told { "is told" } else { "is not told" }.to_owned()
        });
        sheet.row(&[notifications], answers.to_vec());
    }
    sheet.print(text, &[]);
}
