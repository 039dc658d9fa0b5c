//! What a plan takes, leaves and refuses.

use std::cell::Cell;
use std::time::{Duration, Instant};

use franking::model::directory::document::{Counts, Entry, Reason, RecipientEntry};
use franking::model::directory::{Account, Document, Right, Snapshot};

use super::{FAKE_HASH, address, directory, fixture, plan};

fn document(recipients: &str) -> Document {
    toml::from_str(&format!("[[domain]]\ndomain = \"contoso.example\"\n{recipients}")).unwrap()
}

fn entry(address: &str, more: &str) -> String {
    format!("[[recipient]]\naddress = \"{address}@contoso.example\"\n{more}\n")
}

fn user(address: &str, more: &str) -> String {
    entry(address, &format!("type = \"UserMailbox\"\n{more}"))
}

/// The only reason for which a document's entries are refused.
fn reason(recipients: &str) -> String {
    let plan = plan(&document(recipients), &Snapshot::default());
    assert_eq!(plan.rejected.len(), 1, "{:?}", plan.rejected);
    plan.rejected[0].reason.to_string()
}

#[test]
fn importing_the_same_again_changes_nothing() {
    for name in ["contoso", "fabrikam", "lifecycle", "moderation", "types"] {
        let document = fixture(name);
        let first = directory(&document);
        let again = plan(&document, &first);
        assert_eq!(again.rejected, []);
        assert_eq!(again.changes, [], "{name}");
        assert_eq!(again.counts, Counts { unchanged: document.recipients.len(), ..Counts::default() });
    }
}

#[test]
fn what_an_entry_leaves_out_stays_and_what_is_empty_clears() {
    let first = directory(&document(
        &(user("alice", "display_name = \"Alice\"\naliases = [\"a@contoso.example\"]\nlicences = [\"Plan\"]")
            + &user("bob", "send_as = [\"alice@contoso.example\"]\nforward_to_smtp = \"b@fabrikam.example\"")),
    ));
    let patch = document(
        &(entry("ALICE", "aliases = []\nhidden_from_address_lists = true")
            + &entry("bob", "send_as = []\nforward_to_smtp = \"\"")),
    );
    let changes = plan(&patch, &first).strict().unwrap();
    let next = first.apply(&changes).unwrap();
    let alice = next.find_by_address(&address("alice@contoso.example")).unwrap();
    assert_eq!(alice.display_name.as_deref(), Some("Alice"));
    assert!(alice.is_licensed() && alice.hidden_from_address_lists && alice.addresses.secondary().is_empty());
    let bob = next.find_by_address(&address("bob@contoso.example")).unwrap();
    assert!(bob.grants.is_empty() && bob.forwarding.is_none());
}

#[test]
fn references_may_point_forward_and_in_circles() {
    let snapshot = directory(&document(
        &(user("alice", "send_as = [\"bob@contoso.example\"]\naccept_only_from = [\"alice@contoso.example\"]")
            + &user("bob", "send_as = [\"alice@contoso.example\"]\nforward_to = \"alice@contoso.example\"")),
    ));
    let find = |name: &str| snapshot.find_by_address(&address(name)).unwrap();
    let (alice, bob) = (find("alice@contoso.example"), find("bob@contoso.example"));
    assert_eq!(alice.trustees(Right::SendAs, false).collect::<Vec<_>>(), [bob.id]);
    assert_eq!(bob.trustees(Right::SendAs, false).collect::<Vec<_>>(), [alice.id]);
}

#[test]
fn an_address_in_use_is_refused_in_exchanges_words() {
    let in_use = "The proxy address \"SMTP:info@contoso.example\" is already being used by the proxy addresses or \
                  LegacyExchangeDN of \"info\". Please choose another proxy address.";
    assert_eq!(
        reason(&(user("info", "") + &user("alice", "aliases = [\"INFO@contoso.example\"]"))).to_lowercase(),
        in_use.to_lowercase()
    );
    assert_eq!(reason(&(user("info", "") + &user("info", "name = \"second\""))), in_use);
    let first = directory(&document(&user("info", "")));
    let twice = plan(&document(&(entry("info", "") + &entry("info", "display_name = \"x\""))), &first);
    assert_eq!(twice.rejected[0].reason.to_string(), in_use);
    let other = user("info", "aliases = [\"X500:/o=Contoso/cn=info\"]")
        + &user("alice", "aliases = [\"x500:/O=Contoso/cn=INFO\"]");
    assert!(reason(&other).starts_with("The proxy address \"x500:/o=contoso/cn=info\" is already being used"));
}

#[test]
fn an_address_may_move_between_two_entries() {
    let first = directory(&document(&(user("alice", "aliases = [\"x@contoso.example\"]") + &user("bob", ""))));
    let moved = document(&(entry("bob", "aliases = [\"x@contoso.example\"]") + &entry("alice", "aliases = []")));
    let next = first.apply(&plan(&moved, &first).strict().unwrap()).unwrap();
    assert_eq!(&*next.find_by_address(&address("x@contoso.example")).unwrap().name, "bob");
}

#[test]
fn one_bad_row_is_refused_and_the_others_go_in() {
    let plan = plan(
        &document(&(user("alice", "") + &user("bob", "external = \"b@fabrikam.example\"") + &user("carol", ""))),
        &Snapshot::default(),
    );
    assert_eq!(plan.counts.created, 2);
    assert_eq!(plan.rejected.len(), 1);
    assert_eq!(plan.rejected[0].entry, Entry::Recipient(1));
    assert_eq!(&*plan.rejected[0].address, "bob@contoso.example");
    assert_eq!(Snapshot::default().apply(&plan.changes).unwrap().recipient_count(), 2);
    assert!(plan.strict().is_err());
}

#[test]
fn what_refers_to_a_refused_entry_is_refused_with_it() {
    let chain: String = (0..50)
        .map(|place| user(&format!("u{place}"), &format!("accept_only_from = [\"u{}@contoso.example\"]", place + 1)))
        .collect();
    let plan = plan(&document(&(chain + &user("alone", ""))), &Snapshot::default());
    assert_eq!(plan.rejected.len(), 50);
    assert_eq!(plan.counts.created, 1);
    assert!(matches!(plan.rejected[49].reason, Reason::UnknownReference { key: "accept_only_from", .. }));
    assert_eq!(plan.rejected[0].reason.to_string(), "it refers to u1@contoso.example, which was refused");
    assert_eq!(Snapshot::default().apply(&plan.changes).unwrap().recipient_count(), 1);
}

#[test]
fn an_existing_recipient_whose_update_is_refused_stays_and_can_be_referred_to() {
    let first = directory(&document(&user("alice", "")));
    let plan = plan(
        &document(
            &(entry("alice", "send_as = [\"ghost@contoso.example\"]")
                + &user("bob", "send_as = [\"alice@contoso.example\"]")),
        ),
        &first,
    );
    assert_eq!(plan.rejected.len(), 1);
    let next = first.apply(&plan.changes).unwrap();
    assert_eq!(
        next.find_by_address(&address("alice@contoso.example")),
        first.find_by_address(&address("alice@contoso.example"))
    );
    assert_eq!(next.recipient_count(), 2);
}

#[test]
fn reasons_name_the_key_and_the_cure() {
    let cases = [
        (
            entry("alice", ""),
            "there is no recipient with this address yet, so its type is needed: type = \"UserMailbox\"",
        ),
        (
            user("alice", "aliases = [\"nonsense\"]"),
            "aliases: \"nonsense\" is no address: an address needs a local part, an @ and a domain",
        ),
        (user("alice", "since = \"yesterday\""), "since: \"yesterday\" is no time; write it as 2026-01-05T09:00:00Z"),
        (
            user("alice", "lifecycle = \"Disconnected\""),
            "this lifecycle needs the time it began: since = \"2026-01-05T09:00:00Z\"",
        ),
        (
            user("alice", "since = \"2026-01-05T09:00:00Z\""),
            "since belongs to lifecycle = \"Disconnected\", \"SoftDeleted\", \"Inactive\" or \"Purging\" only",
        ),
        (
            user("alice", "custom_attributes = { 16 = \"x\" }"),
            "custom attributes are numbered 1 to 15: custom_attributes = { 2 = \"sales\" }",
        ),
        (
            user("alice", "account = false\nlicences = [\"x\"]"),
            "account = false contradicts the login, password, licences or sign-in settings given with it",
        ),
        (user("alice", "password = \"a\"\npassword_hash = \"b\""), "give either password or password_hash, not both"),
        (user("alice", "members = []"), "A UserMailbox cannot have members."),
        (entry("staff", "type = \"RoomList\"\nlogin = \"a@contoso.example\""), "A RoomList cannot have an account."),
        (
            entry("staff", "type = \"DynamicDistributionGroup\"\nrecipient_filter = \"Name -is 'x'\""),
            "The recipient filter is wrong: at character 6: -eq, -ne, -like or -notlike is expected",
        ),
        (
            user("alice", "display_name = \"a\\r\\nBcc: x\""),
            "The name \"a\\r\\nBcc: x\" must have 1 to 64 characters, none of them a control character.",
        ),
    ];
    for (recipients, expected) in cases {
        assert_eq!(reason(&recipients), expected);
    }
}

#[test]
fn what_a_document_says_cannot_break_a_report_line() {
    let hostile = format!("x\r\n\u{1b}[2J{}", "y".repeat(1 << 20));
    let document = Document {
        recipients: vec![RecipientEntry { address: hostile.into(), ..RecipientEntry::default() }],
        ..Document::default()
    };
    let plan = plan(&document, &Snapshot::default());
    let line = format!("{} {}", plan.rejected[0].address, plan.rejected[0].reason);
    assert!(line.len() < 600 && !line.chars().any(char::is_control), "{line}");
}

#[test]
fn a_password_is_hashed_once_even_when_entries_are_judged_again() {
    let calls = Cell::new(0);
    let hash = |password: &str, account: &Account| {
        calls.set(calls.get() + 1);
        FAKE_HASH(password, account)
    };
    let bad = user("alice", "password = \"x\"") + &user("bob", "send_as = [\"ghost@contoso.example\"]");
    document(&bad).plan(&Snapshot::default(), &hash);
    assert_eq!(calls.get(), 1);
    let refused =
        document(&user("alice", "password = \"x\"")).plan(&Snapshot::default(), &|_, _| Err("too short".into()));
    assert_eq!(refused.rejected[0].reason.to_string(), "password: too short");
}

#[test]
fn a_login_is_nobody_elses_address_in_either_order() {
    let by_login = user("alice", "login = \"bob@contoso.example\"");
    assert!(reason(&(by_login.clone() + &user("bob", "login = \"b@contoso.example\""))).starts_with("The login bob@"));
    assert!(reason(&(user("bob", "login = \"b@contoso.example\"") + &by_login)).starts_with("The login bob@"));
}

/// Every recipient grants the same account something and is member of the same group: whatever looks through a list for
/// each entry shows here first. The bound is twenty times what a slow machine needs.
#[test]
fn many_recipients_that_share_a_trustee_and_a_group_are_planned_in_time() {
    const COUNT: usize = 20_000;
    let mut recipients = user("service", "");
    for place in 0..COUNT {
        recipients += &user(&format!("u{place}"), "full_access = [\"service@contoso.example\"]");
    }
    let members: Vec<String> = (0..COUNT).map(|place| format!("\"u{place}@contoso.example\"")).collect();
    recipients +=
        &entry("staff", &format!("type = \"MailUniversalDistributionGroup\"\nmembers = [{}]", members.join(",")));
    let document = document(&recipients);
    #[expect(clippy::disallowed_methods, reason = "measures the test machine, not mail")]
    let begin = Instant::now();
    let changes = plan(&document, &Snapshot::default()).strict().unwrap();
    let next = Snapshot::default().apply(&changes).unwrap();
    assert_eq!(next.recipient_count(), COUNT + 2);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn an_entry_of_a_deleted_user_is_about_the_one_deleted_then_and_never_about_one_in_use() {
    let document = fixture("lifecycle");
    let first = directory(&document);
    let info = first.find_by_address(&address("info@contoso.example")).unwrap();
    assert_eq!(info.recipient_type.name(), "SharedMailbox");
    let gone = first.find_deleted("info@contoso.example").next().unwrap().clone();
    assert!(gone.id != info.id && gone.provisioning.as_ref().unwrap().holds.placed.len() == 1);
    let entry = |more: &str| {
        let text = format!("[[recipient]]\naddress = \"info@contoso.example\"\n{more}");
        toml::from_str::<Document>(&text).unwrap()
    };
    // The mailbox in use is meant, whatever was called so before it.
    let next = first.apply(&plan(&entry("display_name = \"Info\""), &first).strict().unwrap()).unwrap();
    assert_eq!(next.recipient(info.id).unwrap().display_name.as_deref(), Some("Info"));
    assert_eq!(next.recipient(gone.id), Some(&gone));
    // The deleted one is meant.
    let later = "display_name = \"Gone\"\nprovisioning = { user_deleted = \"2026-01-05T09:00:00Z\", holds = [] }";
    let next = first.apply(&plan(&entry(later), &first).strict().unwrap()).unwrap();
    let altered = next.recipient(gone.id).unwrap();
    assert!(altered.display_name.as_deref() == Some("Gone") && altered.is_user_deleted());
    assert_eq!(next.recipient(info.id), first.recipient(info.id));
    // One that was deleted at another time would be a new one, whose type must be said.
    let other = entry("provisioning = { user_deleted = \"2026-01-06T09:00:00Z\" }");
    assert_eq!(plan(&other, &first).rejected.len(), 1);
    let used = "type = \"UserMailbox\"\nprovisioning = { user_deleted = \"2026-01-06T09:00:00Z\" }";
    let refused = plan(&entry(used), &first).rejected;
    assert!(refused[0].reason.to_string().contains("its user is not deleted"), "{refused:?}");
}

#[test]
fn the_organisations_retention_policies_are_replaced_by_a_list_of_names_that_differ() {
    let organisation = |policies: &str| -> Document {
        toml::from_str(&format!("[organisation]\nretention_policies = [{policies}]")).unwrap()
    };
    let first = directory(&organisation("{ name = \"Seven years\", days = 2555 }, { name = \"For ever\" }"));
    assert_eq!(first.organisation().retention_policies.len(), 2);
    let twice = plan(&organisation("{ name = \"a\" }, { name = \"a\" }"), &first).rejected;
    assert!(twice[0].reason.to_string().contains("retention_policies: \"a\""), "{twice:?}");
    let none = first.apply(&plan(&organisation(""), &first).strict().unwrap()).unwrap();
    assert!(none.organisation().retention_policies.is_empty());
}
