//! The decision matrix: every combination that matters of who sends, what he is, as whom, to what, under which switches,
//! answered twice. Once by the product, once by a second model that was written from the specification alone
//! (`oracle`), in another style and without a line of the product. Where they differ, one of them is wrong.
//!
//! A cell that differs prints the directory, the question, both answers and what `franking explain` says.

mod asked;
mod build;
mod cells;
mod document;
mod oracle;
mod plain;
mod table;
mod tally;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use tally::Tally;

static SIGN_IN: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::sign_in::all));
static CAPACITY: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::capacity::all));
static AUTHORSHIP: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::authorship::all));
static ADMISSION: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::admission::all));
static EXPANSION: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::expansion::all));
static LIMITS: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::limits::all));
static MODERATION: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::moderation::all));
static QUOTA: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::quota::all));
static REPLIES: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::auto_replies::all));
static REMOTE_DOMAINS: LazyLock<Tally> = LazyLock::new(|| Tally::of(cells::remote_domains::all));

#[test]
fn who_may_sign_in() {
    SIGN_IN.agrees();
}

#[test]
fn as_whom_an_account_may_send() {
    CAPACITY.agrees();
}

#[test]
fn who_a_message_says_it_is_from() {
    AUTHORSHIP.agrees();
}

#[test]
fn who_may_send_to_whom() {
    ADMISSION.agrees();
}

#[test]
fn where_the_copies_end() {
    EXPANSION.agrees();
}

#[test]
fn what_is_asked_before_a_recipients_own_lists() {
    LIMITS.agrees();
}

#[test]
fn who_waits_for_a_moderator() {
    MODERATION.agrees();
}

#[test]
fn which_remote_domain_takes_what_is_forwarded() {
    REMOTE_DOMAINS.agrees();
}

#[test]
fn what_a_full_mailbox_may_do() {
    QUOTA.agrees();
}

#[test]
fn owners_of_full_mailboxes_are_told_once_a_day() {
    cells::quota::notices();
}

#[test]
fn who_is_answered_automatically() {
    REPLIES.agrees();
}

/// The second model must not lean on the first.
#[test]
fn the_second_model_knows_nothing_of_the_product() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix");
    let oracle = std::fs::read_dir(folder.join("oracle")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        ["plain.rs", "table.rs", "oracle.rs"].map(|file| folder.join(file)).into_iter().chain(oracle).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("franking::"), "{} names the product", file.display());
    }
}

/// Refusals that policy can give and the matrix has no cell for, each with the reason.
const NOT_IN_THE_MATRIX: [(&str, &str); 14] = [
    ("SendingFromDomainDisabled", "a switch about the name alone; addresses/domain-switches-submission.smtp"),
    ("SendingToDomainDisabled", "a switch about the name alone; addresses/domain-switches-inbound.smtp"),
    ("DeviceRecipientNotPermitted", "devices have a table of their own; policy::devices"),
    ("TlsRequired", "connectors have a table of their own; policy::connectors"),
    ("PartnerRestricted", "connectors have a table of their own; policy::connectors"),
    ("ReservedTopLevelRecipientDomain", "a switch about the name alone; recipients/reserved-domains-submission.smtp"),
    (
        "ReservedSecondLevelRecipientDomain",
        "a switch about the name alone; recipients/reserved-domains-submission.smtp",
    ),
    ("SingleLabelRecipientDomain", "a switch about the name alone; recipients/reserved-domains-submission.smtp"),
    ("ExRecipientNotFound", "its addresses are of another system; addresses/legacy-inbound-online.smtp"),
    ("DailyLimitReached", "it depends on what was counted; recipients/daily-limit-refuse-early.smtp"),
    ("MessageRateExceeded", "it depends on what was counted; profiles/too-soon-server.smtp"),
    ("BadOutboundSender", "it depends on what was counted; recipients/restricted-submission.smtp"),
    ("SenderToRecipientRateExceeded", "it depends on what was counted; recipients/received-too-much.smtp"),
    ("RecipientRateExceeded", "it depends on what was counted; recipients/received-too-much.smtp"),
];

/// A refusal that is new in policy needs a cell, or its reason here.
#[test]
fn every_refusal_of_policy_occurs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/policy");
    let mut given = BTreeSet::new();
    collect_refusals(&folder, &mut given);
    assert!(given.len() > 15, "the source was not understood: {given:?}");
    let all = [&SIGN_IN, &CAPACITY, &AUTHORSHIP, &ADMISSION, &EXPANSION, &LIMITS, &MODERATION, &QUOTA, &REMOTE_DOMAINS];
    let seen: BTreeSet<&str> = all.iter().flat_map(|tally| tally.refusals()).collect();
    for refusal in &given {
        let reason = NOT_IN_THE_MATRIX.iter().find(|(name, _)| name == refusal);
        assert!(
            seen.contains(refusal.as_str()) || reason.is_some(),
            "no cell of the matrix ends in Refusal::{refusal}: add one to tests/matrix/cells, or a reason to \
             NOT_IN_THE_MATRIX"
        );
        assert!(!(seen.contains(refusal.as_str()) && reason.is_some()), "{refusal} occurs: its reason can go");
    }
}

/// The variants that the source of policy constructs: every `Refusal::Name` outside the table itself and of tests.
fn collect_refusals(folder: &std::path::Path, given: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_refusals(&path, given);
        } else if path.file_name().is_some_and(|name| name != "refusal.rs" && name != "tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for part in text.split("Refusal::").skip(1) {
                let name: String = part.chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect();
                given.insert(name);
            }
        }
    }
}
