//! Sizes, Direct Send, groups in Bcc, and full mailboxes.

use super::super::asked::Asked;
use super::super::cells::limits::HEADS;
use super::super::cells::sign_in::product;
use super::super::oracle::{From, Post};
use super::super::plain::{Thing, World};
use super::receiving::answer;
use super::{Sheet, with_codes};

const ALICE: From<'static> = From::Account("alice");

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## Sizes, Direct Send and Bcc

### Sizes

Each line has the limit that it names and every one below it, and the message is larger than all.

",
    );
    sizes(text);
    text.push_str(
        "### Direct Send

A stranger writes to a mailbox under this reverse-path. A *known source* is one that the configuration names.

",
    );
    direct_send(text);
    text.push_str("### Groups in Bcc\n\nThe group it@ has BccBlocked and takes mail from strangers; second@ is another address of it.\n\n");
    blind_copies(text);
    text.push_str(
        "
## Full mailboxes

### What a mailbox may hold

Warning, no more sending, and no more sending or receiving, in GB, where a mailbox has no values of its own.

",
    );
    plans(text);
    text.push_str("### What follows\n\nThe owner is told at most once a day. A mailbox that forwards and keeps nothing is never full.\n\n");
    stages(text);
}

fn sizes(text: &mut String) {
    let names = ["MaxSendSize of the organisation", "MaxSendSize of the account", "MaxReceiveSize of the recipient"];
    let to = ["it@contoso.example", "x@hybrid.contoso.example", "eve@fabrikam.example"];
    let mut sheet =
        Sheet::new(&["Limit", "account", "account, refuse_early", "to a relay domain", "outside", "stranger"]);
    for (step, name) in names.into_iter().enumerate() {
        let ask = |early, from, to: &str| {
            let things = vec![
                Thing::new("alice", "UserMailbox").with(|thing| thing.send_max = if step <= 1 { 1_000 } else { 0 }),
                Thing::new("it", "SharedMailbox").with(|thing| thing.receive_max = 1_000),
            ];
            let world = World::new("exchange-online", things).with(|world| {
                (world.send_max, world.refuse_early) = (if step == 0 { 1_000 } else { 0 }, early);
            });
            let found = answer(&Asked::new(&world), &Post::new(from, 1_001), to);
            found.split(" at ").next().unwrap_or_default().to_owned()
        };
        let account = [ask(false, ALICE, to[0]), ask(true, ALICE, to[0])];
        let others = [ask(false, ALICE, to[1]), ask(false, ALICE, to[2]), ask(false, From::Stranger, to[0])];
        sheet.row(&[name], account.into_iter().chain(others).collect());
    }
    sheet.print(text, &[]);
}

fn direct_send(text: &mut String) {
    let paths = [
        ("an address of ours", "bob@contoso.example"),
        ("an address of ours that nobody has", "nobody@contoso.example"),
        ("an address of a relay domain", "x@hybrid.contoso.example"),
        ("an address outside", "eve@fabrikam.example"),
        ("none", ""),
    ];
    let mut sheet = Sheet::new(&["Reverse-path", "RejectDirectSend off", "on", "on, from a known source"]);
    for (name, path) in paths {
        let answers = [(false, true), (true, true), (true, false)].map(|(rejects, direct)| {
            let things = vec![Thing::new("bob", "UserMailbox"), Thing::new("it", "SharedMailbox")];
            let world = World::new("exchange-online", things).with(|world| world.rejects_direct_send = rejects);
            answer(&Asked::new(&world), &Post { path, direct, ..Post::new(From::Stranger, 1) }, "it@contoso.example")
        });
        sheet.row(&[name], answers.to_vec());
    }
    sheet.print(text, &[]);
}

fn blind_copies(text: &mut String) {
    let mut sheet = Sheet::new(&["Header", "account", "account, refuse_early", "stranger"]);
    for head in HEADS {
        let answers = [(ALICE, false), (ALICE, true), (From::Stranger, false)].map(|(from, early)| {
            let it = Thing::new("it", "MailUniversalDistributionGroup").with(|thing| {
                (thing.bcc_blocked, thing.authentication) = (true, "false");
                (thing.members, thing.aliases) = (vec!["bob"], vec!["second"]);
            });
            let things = vec![Thing::new("alice", "UserMailbox"), Thing::new("bob", "SharedMailbox"), it];
            let world = World::new("exchange-online", things).with(|world| world.refuse_early = early);
            answer(&Asked::new(&world), &Post { head, ..Post::new(from, 1) }, "it@contoso.example")
        });
        let shown = if head.is_empty() { "names nobody".to_owned() } else { format!("`{}`", head.trim_end()) };
        sheet.row(&[&shown], answers.to_vec());
    }
    sheet.compress(&[0]);
    sheet.print(text, &[]);
}

/// The three thresholds at the head of an answer, in GB with two digits, as a person writes them.
fn in_gigabytes(answer: &str) -> String {
    let bounds = answer.split_once(']').map_or("", |(bounds, _)| bounds).trim_start_matches('[');
    let shown = bounds.split(", ").map(|octets| {
        let hundredths = (octets.parse::<u64>().unwrap_or(0) * 100 + (1 << 29)) >> 30;
        let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    });
    shown.collect::<Vec<_>>().join(" / ")
}

fn plans(text: &mut String) {
    let licences: [(&str, &[&'static str]); 6] = [
        ("none", &[]),
        ("Plan 1, Business, E1", &["ExchangeOnlinePlan1"]),
        ("Plan 1 and archiving", &["ExchangeOnlinePlan1", "ExchangeOnlineArchiving"]),
        ("Plan 2, E3, E5", &["ExchangeOnlinePlan2"]),
        ("Kiosk, F3", &["ExchangeOnlineKiosk"]),
        ("Kiosk and Plan 1", &["ExchangeOnlineKiosk", "ExchangeOnlinePlan1"]),
    ];
    let kinds = ["UserMailbox", "SharedMailbox", "RoomMailbox", "EquipmentMailbox", "GroupMailbox"];
    let mut sheet = Sheet::new(&["Type", "Licence", "exchange-online", "exchange-server"]);
    for (kind, (name, plans), ()) in product(&kinds, &licences, &[()]) {
        let answers = ["exchange-online", "exchange-server"].map(|profile| {
            let it = Thing::new("it", kind).with(|thing| {
                (thing.licensed, thing.plans) = (!plans.is_empty(), plans.to_vec());
            });
            in_gigabytes(&Asked::new(&World::new(profile, vec![it])).room("it", 0))
        });
        sheet.row(&[kind, name], answers.to_vec());
    }
    sheet.compress(&[1, 0]);
    sheet.print(text, &[&[], &licences.map(|(name, _)| name)]);
}

fn stages(text: &mut String) {
    let gigabyte = 1 << 30;
    let steps = [
        ("less than IssueWarningQuota", gigabyte - 1),
        ("IssueWarningQuota", gigabyte),
        ("ProhibitSendQuota", 2 * gigabyte),
        ("ProhibitSendReceiveQuota", 3 * gigabyte),
    ];
    let mut sheet = Sheet::new(&["The mailbox holds", "the owner is told", "the owner sends", "the mailbox takes"]);
    for (name, holds) in steps {
        let it = Thing::new("it", "UserMailbox").with(|thing| thing.quota = [gigabyte, 2 * gigabyte, 3 * gigabyte]);
        let answer = Asked::new(&World::new("exchange-online", vec![it])).room("it", holds);
        let words: Vec<&str> = answer.split("]: ").nth(1).unwrap_or_default().split("; ").collect();
        let plain = |word: &str| with_codes(word.split(": ").last().unwrap_or_default(), "exchange-online");
        let told = if words[0] == "warned" { "yes" } else { "no" };
        sheet.row(&[name], vec![told.to_owned(), plain(words[1]), plain(words[2])]);
    }
    sheet.print(text, &[]);
}
