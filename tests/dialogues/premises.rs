//! Every dialogue of the cloud, held on premises as well: `fixtures/dialogues/on-premises.txt` says what comes out
//! otherwise, line by line, and by leaving a dialogue out that nothing does (decision D1). `BLESS=1` rewrites it.
//!
//! So each reply has a golden in both profiles, and a difference between these is something that somebody has read.

use core::fmt::Write as _;
use std::collections::BTreeSet;

use franking::model::policy::{Profile, Refusal, Settings};

use super::script::{self, Script};
use super::{blesses, dialogues, root, run, table};

const HEAD: &str = "\
# What the dialogues of the cloud come out as on premises, where that is something else: `-` is the cloud, `+` the server.
# Left out are SIZE in EHLO, 37748736 for 157286400, copies in Sent Items, which the cloud keeps and sent-items/ shows,
# and dialogues in which nothing else differs. BLESS=1 rewrites this.
";

/// The two ways in which a dialogue of the cloud comes out; `None` when it is not one of the cloud's.
fn both(text: &str) -> Option<(String, String)> {
    let cloud = script::parse(text).unwrap();
    // What a test double says is the cloud's by definition.
    let emulates = cloud.settings().any(|(key, _)| key == "emulate");
    if cloud.key("profile").is_some_and(|profile| profile != "exchange-online") || emulates {
        return None;
    }
    let mut premises: Script = script::parse(text).unwrap();
    premises.keys.retain(|(key, _)| key != "profile");
    premises.keys.push(("profile".to_owned(), "exchange-server".to_owned()));
    Some((run::hold(&cloud), run::hold(&premises)))
}

/// What the head of the file says once for all dialogues.
fn is_said_already(line: &str) -> bool {
    (line.starts_with("S: 250") && line.contains("SIZE ")) || line.starts_with("Q: copy in Sent Items")
}

/// The lines that only one of two texts has, in order: the longest common part stays out.
fn difference(cloud: &str, premises: &str) -> String {
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !is_said_already(line)).map(|line| line.trim_end().to_owned()).collect()
    };
    let (old, new) = (lines(cloud), lines(premises));
    // How many lines the rests from here on have in common.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for mine in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[mine][other] = if old[mine] == new[other] {
                common[mine + 1][other + 1] + 1
            } else {
                common[mine + 1][other].max(common[mine][other + 1])
            };
        }
    }
    let (mut mine, mut other, mut text) = (0, 0, String::new());
    while mine < old.len() || other < new.len() {
        if mine < old.len() && other < new.len() && old[mine] == new[other] {
            (mine, other) = (mine + 1, other + 1);
        } else if other == new.len() || (mine < old.len() && common[mine + 1][other] >= common[mine][other + 1]) {
            let _ = writeln!(text, "- {}", old[mine]);
            mine += 1;
        } else {
            let _ = writeln!(text, "+ {}", new[other]);
            other += 1;
        }
    }
    text
}

#[test]
fn every_dialogue_of_the_cloud_comes_out_on_premises_as_reviewed() {
    let mut files = Vec::new();
    dialogues(&root().join("dialogues"), &mut files);
    let (mut text, mut count) = (HEAD.to_owned(), 0);
    for file in files {
        let Some((cloud, premises)) = both(&std::fs::read_to_string(&file).unwrap()) else { continue };
        count += 1;
        let found = difference(&cloud, &premises);
        if !found.is_empty() {
            let name = file.strip_prefix(root().join("dialogues")).unwrap().display();
            let _ = write!(text, "\n{name}\n{found}");
        }
    }
    assert!(count > 100, "only {count} dialogues of the cloud");
    let golden = root().join("dialogues/on-premises.txt");
    if blesses() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text, "BLESS=1 rewrites it");
}

/// Refusals that no session gives, each with where it has its golden.
const NOT_IN_A_DIALOGUE: [(&str, &str); 6] = [
    ("ConnectionRateExceeded", "it is said before there is a session; abuse::networks"),
    ("TooManyConnections", "the listener says it: tests/wire"),
    ("NetworkNotServed", "the listener says it: tests/wire"),
    ("ForwardingLoop", "a report says it: fixtures/matrix.md, loops"),
    ("MessageExpired", "a report says it: fixtures/reports/expired.eml"),
    ("GivenUpByAdministrator", "a report says it: tests/queue"),
];

/// Refusals that only one of the profiles gives.
const OF_ONE_PROFILE: [(&str, &str, &str); 2] = [
    ("MailboxCannotBeAccessed", "exchange-online", "an account is enough on premises (decision D1)"),
    ("SenderToRecipientRateExceeded", "exchange-online", "nobody counts on premises unless told to (spec section 2.1)"),
];

#[test]
fn every_refusal_has_a_golden_dialogue_in_both_profiles() {
    let mut files = Vec::new();
    dialogues(&root().join("dialogues"), &mut files);
    let [mut cloud, mut premises] = [BTreeSet::new(), BTreeSet::new()];
    let mut keep = |text: &str, on_premises: bool| {
        let said = text.lines().filter_map(|line| line.strip_prefix("S: ")).map(str::to_owned);
        if on_premises { &mut premises } else { &mut cloud }.extend(said);
    };
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        match both(&text) {
            Some((online, server)) => {
                keep(&online, false);
                keep(&server, true);
            }
            None => keep(&run::hold(&script::parse(&text).unwrap()), text.contains("profile: exchange-server")),
        }
    }
    let mut wrong = Vec::new();
    for (profile, settings, said) in [
        ("exchange-online", Settings::of(Profile::ExchangeOnline), &cloud),
        ("exchange-server", Settings::of(Profile::ExchangeServer), &premises),
    ] {
        let all = table::refusals();
        let is_given = |refusal: &Refusal| {
            let reply = refusal.bare_reply(&settings).to_string();
            // The sample addresses in a reply are not those of every dialogue.
            let fixed = reply.split(['[', '@']).next().unwrap_or_default();
            let fixed = fixed.strip_suffix("alice").unwrap_or(fixed);
            said.iter().any(|line| line.starts_with(fixed))
        };
        for name in all.iter().map(table::name).collect::<BTreeSet<_>>() {
            let given = all.iter().filter(|refusal| table::name(refusal) == name).any(is_given);
            let elsewhere = NOT_IN_A_DIALOGUE.iter().any(|(other, _)| *other == name);
            let not_here = OF_ONE_PROFILE.iter().any(|(other, only, _)| *other == name && *only != profile);
            if given == (elsewhere || not_here) {
                wrong.push(format!("{name} in {profile}"));
            }
        }
    }
    assert!(wrong.is_empty(), "without a dialogue, or with one and a reason against it: {wrong:#?}");
}
