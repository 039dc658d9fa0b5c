//! The history of a small directory in which a day passes before every change.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::directory::{
    AcceptedDomain, Account, AddressPolicy, AddressTemplate, AuthenticationPolicy, Change, DomainType, Grant,
    Organisation, PasswordHash, Priority, Recipient, RecipientType, Right, Snapshot,
};
use crate::model::mail::Address;
use crate::store::directory::DirectoryStore;
use crate::store::engine::MemoryEngine;
use crate::world::ManualClock;
use crate::world::disk::SimulatedDisk;

/// A directory in which a day passes before every change.
struct Days {
    store: DirectoryStore,
    clock: Arc<ManualClock>,
}

fn address(local: &str) -> Address {
    Address::parse(&format!("{local}@contoso.example")).unwrap()
}

fn mailbox(id: u64, local: &str) -> Recipient {
    Recipient::new(RecipientId(id), RecipientType::UserMailbox, local, address(local))
}

fn template(local: &str) -> AddressTemplate {
    format!("{local}@contoso.example").parse().unwrap()
}

fn put(recipient: &Recipient) -> Change {
    Change::PutRecipient(Box::new(recipient.clone()))
}

fn day(number: u32) -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap().plus(Duration::from_secs(86_400) * number)
}

impl Days {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(day(0)));
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let engine = &|_: &Path| Ok(Box::new(MemoryEngine::new()) as Box<dyn crate::store::engine::Engine>);
        let (store, _) =
            DirectoryStore::open(disk, Path::new("/directory"), engine, Arc::<ManualClock>::clone(&clock), 7).unwrap();
        let days = Self { store, clock };
        let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative);
        days.make("root", vec![Change::PutDomain(domain.as_default())]);
        days
    }

    fn make(&self, actor: &str, changes: Vec<Change>) {
        self.clock.advance(Duration::from_secs(86_400));
        self.store.change(actor, &mut |_: &Snapshot| Ok(changes.clone())).unwrap();
    }

    fn page(&self, selection: &Selection, from: Place) -> Page {
        let snapshot = self.store.snapshot();
        let names = |id| snapshot.recipient(id).map(|recipient| recipient.primary().to_string().into());
        self.store.past().page(selection, from, &names, &mut |_, _| {}).unwrap()
    }

    fn all(&self, selection: &Selection) -> Vec<Value> {
        let page = self.page(selection, Place::default());
        assert_eq!(page.next, None);
        page.alterations.iter().map(|altered| serde_json::to_value(altered).unwrap()).collect()
    }

    fn of(&self, text: &str) -> Vec<Value> {
        let subjects = self.store.past().subjects_named(text, &mut |_, _| {}).unwrap();
        self.all(&Selection { subjects: Some(subjects), ..Selection::default() })
    }
}

/// The sample: alice is made and altered, and grants info something; info is removed.
fn sample() -> Days {
    let days = Days::new();
    let mut alice = mailbox(1, "alice");
    let info = Recipient::new(RecipientId(2), RecipientType::SharedMailbox, "Info", address("info"));
    days.make("root", vec![put(&alice), put(&info)]);
    alice.account.as_deref_mut().unwrap().password = Some(PasswordHash::from_phc("$argon2id$secret"));
    alice.display_name = Some("Alice".into());
    alice.addresses.add(address("al"));
    days.make("helpdesk", vec![put(&alice)]);
    let mut granting = alice.clone();
    granting.grants = vec![Grant { right: Right::SendAs, trustee: RecipientId(2), deny: false }].into();
    days.make("root", vec![put(&granting)]);
    days.make("root", vec![Change::RemoveRecipient(RecipientId(2))]);
    alice.display_name = Some("Alice A".into());
    days.make("Helpdesk", vec![put(&alice)]);
    days
}

#[test]
fn every_change_is_told_property_by_property_with_time_and_actor() {
    let told = sample().of("alice@contoso.example");
    assert_eq!(told.len(), 4, "{told:#?}");
    assert_eq!((&told[0]["action"], &told[0]["actor"]), (&json!("added"), &json!("root")));
    assert_eq!(
        told[1],
        json!({
            "version": 3, "at": "2026-01-08T09:00:00.000Z", "actor": "helpdesk", "action": "changed",
            "kind": "recipient", "object": "alice@contoso.example", "id": 1,
            "properties": [
                { "property": "aliases", "added": ["al@contoso.example"], "removed": [] },
                { "property": "display_name", "old": null, "new": "Alice" },
                { "property": "password", "changed": true },
            ],
        })
    );
    // The trustee is gone by now, and was called so.
    let granted = json!([{ "property": "send_as", "added": ["info@contoso.example"], "removed": [] }]);
    assert_eq!(told[2]["properties"], granted);
    // What went with the removed trustee was not this change's doing.
    assert_eq!(told[3]["properties"], json!([{ "property": "display_name", "old": "Alice", "new": "Alice A" }]));
    assert!(!told.iter().any(|line| line.to_string().contains("argon2id")), "{told:#?}");
}

#[test]
fn the_history_of_what_was_removed_remains_under_every_name_it_had() {
    let days = sample();
    for name in ["info@contoso.example", "INFO", "#2"] {
        let told = days.of(name);
        let actions: Vec<&str> = told.iter().filter_map(|line| line["action"].as_str()).collect();
        assert_eq!(actions, ["added", "removed"], "{name}");
        assert_eq!(told[1]["object"], "info@contoso.example");
    }
    assert_eq!(days.of("nobody@contoso.example").len(), 0);
    // The next one of that address is another object; both are told.
    days.make(
        "root",
        vec![put(&Recipient::new(RecipientId(3), RecipientType::SharedMailbox, "Info", address("info")))],
    );
    let ids: Vec<Option<u64>> = days.of("info@contoso.example").iter().map(|line| line["id"].as_u64()).collect();
    assert_eq!(ids, [Some(2), Some(2), Some(3)]);
    // Opened again from the log alone, it is the same.
    assert_eq!(days.all(&Selection::default()).len(), 8);
}

#[test]
fn actors_and_times_select() {
    let days = sample();
    let count = |selection: Selection| days.all(&selection).len();
    let everything = Selection::default();
    assert_eq!(count(everything.clone()), 7);
    assert_eq!(count(Selection { actor: Some("HELPDESK".to_owned()), ..everything.clone() }), 2);
    assert_eq!(count(Selection { since: Some(day(3)), ..everything.clone() }), 4);
    assert_eq!(count(Selection { since: Some(day(3)), until: Some(day(4)), ..everything.clone() }), 2);
    assert_eq!(count(Selection { since: Some(day(90)), ..everything.clone() }), 0);
    let newest = |limit| days.store.past().newest(&everything, limit, &mut |_, _| {}).unwrap();
    assert_eq!(newest(0), (Place::default(), 0));
    assert_eq!(newest(6), (Place { version: 2, change: 0 }, 1));
    assert_eq!(newest(5), (Place { version: 2, change: 1 }, 2));
    let page = days.page(&everything, newest(2).0);
    let versions: Vec<u64> = page.alterations.iter().map(|altered| altered.version).collect();
    assert_eq!(versions, [5, 6]);
    // What is before the page is known all the same.
    assert_eq!(page.alterations[1].properties.len(), 1, "{page:?}");
}

#[test]
fn other_objects_and_members_are_told_too() {
    let days = Days::new();
    let group =
        Recipient::new(RecipientId(1), RecipientType::MailUniversalDistributionGroup, "staff", address("staff"));
    days.make("root", vec![put(&group), put(&mailbox(2, "alice")), put(&mailbox(3, "bob"))]);
    let (alice, bob) = (RecipientId(2), RecipientId(3));
    days.make("root", vec![Change::AddMembers { group: RecipientId(1), members: vec![alice, bob] }]);
    days.make("root", vec![Change::AddMembers { group: RecipientId(1), members: vec![alice] }]);
    days.make("root", vec![Change::RemoveMembers { group: RecipientId(1), members: vec![bob] }]);
    let told: Vec<Value> = days.of("staff").iter().map(|line| line["properties"].clone()).collect();
    let added = ["alice@contoso.example", "bob@contoso.example"];
    assert_eq!(told[1], json!([{ "property": "members", "added": added, "removed": [] }]));
    assert_eq!(told[2], json!([]));
    assert_eq!(told[3], json!([{ "property": "members", "added": [], "removed": ["bob@contoso.example"] }]));
    // A member is called what it was called then, whatever it is called now.
    let renamed = Recipient::new(RecipientId(3), RecipientType::UserMailbox, "bob", address("robert"));
    days.make("root", vec![put(&renamed)]);
    days.make("root", vec![Change::AddMembers { group: RecipientId(1), members: vec![bob] }]);
    let told: Vec<Value> = days.of("staff").iter().map(|line| line["properties"][0]["added"].clone()).collect();
    assert_eq!(told[1], json!(["alice@contoso.example", "bob@contoso.example"]));
    assert_eq!(told[4], json!(["robert@contoso.example"]));
    let policy = |basic| AuthenticationPolicy { name: "Devices".into(), allow_basic_auth_smtp: basic };
    for basic in [false, true] {
        days.make("root", vec![Change::PutAuthenticationPolicy(policy(basic))]);
    }
    let set = Organisation { security_defaults: true, ..Organisation::default() };
    days.make("root", vec![Change::PutOrganisation(set)]);
    let told = days.of("devices");
    assert_eq!(told[1]["properties"], json!([{ "property": "allow_basic_auth_smtp", "old": false, "new": true }]));
    let policy = |priority| AddressPolicy { priority, ..AddressPolicy::new("Staff", template("%m"), Vec::new()) };
    for priority in [Priority::Number(1), Priority::Lowest] {
        days.make("root", vec![Change::PutAddressPolicy(Box::new(policy(priority)))]);
    }
    days.make("root", vec![Change::RemoveAddressPolicy("STAFF".into())]);
    let told = days.of("staff");
    assert_eq!((&told[5]["kind"], &told[5]["action"]), (&json!("address-policy"), &json!("added")));
    assert_eq!(told[6]["properties"], json!([{ "property": "priority", "old": "1", "new": "Lowest" }]));
    assert_eq!(told[7]["action"], "removed");
    let told = days.of("organisation");
    assert_eq!(told[0]["action"], "changed");
    assert_eq!(told[0]["properties"], json!([{ "property": "security_defaults", "old": false, "new": true }]));
    assert_eq!(days.of("contoso.example")[0]["kind"], "domain");
}

#[test]
fn a_long_history_comes_in_pages_that_join_without_gap() {
    let days = Days::new();
    // One list is larger than a page.
    let first: Vec<Change> = (1..=20_500).map(|id| put(&mailbox(id, &format!("user{id}")))).collect();
    days.make("root", first);
    for id in [1, 20_400] {
        let mut changed = mailbox(id, &format!("user{id}"));
        changed.display_name = Some("Somebody".into());
        days.make("root", vec![put(&changed)]);
    }
    let (mut place, mut sizes, mut places) = (Some(Place::default()), Vec::new(), Vec::new());
    while let Some(from) = place {
        let page = days.page(&Selection::default(), from);
        sizes.push(page.alterations.len());
        places.extend(page.alterations.iter().map(|altered| (altered.version, altered.object.clone())));
        if page.next.is_none() {
            let last: Vec<_> = page.alterations.iter().rev().take(2).map(|altered| altered.properties.len()).collect();
            assert_eq!(last, [1, 1]);
        }
        place = page.next;
    }
    assert_eq!(sizes, [PAGE_ALTERATIONS_MAX, 503]);
    let unique: BTreeSet<&(u64, String)> = places.iter().collect();
    assert_eq!(unique.len(), 20_503);
}

#[test]
fn an_account_that_comes_and_goes_never_shows_its_password() {
    let days = Days::new();
    let mut user = mailbox(1, "alice");
    let account = Account { password: Some(PasswordHash::from_phc("$argon2id$one")), ..Account::new(address("alice")) };
    user.account = Some(Box::new(account));
    days.make("root", vec![put(&user)]);
    user.account = None;
    days.make("root", vec![put(&user)]);
    let text = format!("{:?}", days.all(&Selection::default()));
    assert!(text.contains("password") && !text.contains("argon2"), "{text}");
}
