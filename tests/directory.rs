//! The directory as people write it: fixtures, plans, refusals, and the law of export and import.

mod address_policies;
mod indexes;
mod laws;
mod membership;
mod moderation;
mod plans;

use franking::model::directory::document::{Hasher, Plan, Secrets};
use franking::model::directory::{Document, PasswordHash, RecipientType, Snapshot};
use franking::model::mail::Address;

/// Reads a directory fixture.
pub(crate) fn fixture(name: &str) -> Document {
    let path = format!("{}/fixtures/directories/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Stands in for a hash function: fast, and what it made can be told from what it was given.
pub(crate) const FAKE_HASH: Hasher<'static> = &|password, _| Ok(PasswordHash::from_phc(format!("$fake${password}")));

pub(crate) fn plan(document: &Document, snapshot: &Snapshot) -> Plan {
    document.plan(snapshot, FAKE_HASH)
}

/// What a document makes of an empty directory; every entry must go in.
pub(crate) fn directory(document: &Document) -> Snapshot {
    let changes = plan(document, &Snapshot::default()).strict().unwrap();
    Snapshot::default().apply(&changes).unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn contoso_is_the_sample_organisation() {
    let contoso = directory(&fixture("contoso"));
    let find = |text: &str| contoso.find_by_address(&address(text)).unwrap();
    assert_eq!(contoso.recipient_count(), 12);
    assert!(contoso.organisation().auto_forwarding_mode.permits());
    assert_eq!(contoso.default_domain().unwrap().to_string(), "contoso.example");
    let open = |name: &str| {
        find(&format!("{name}@contoso.example")).has_open_mailbox(franking::model::directory::Licensing::Counts)
    };
    for name in ["alice", "bob", "kiosk", "quiet", "info", "sales", "carol", "room-1"] {
        assert!(open(name), "{name}");
    }
    for name in ["scanner", "dora", "partner", "staff"] {
        assert!(!open(name), "{name}");
    }
    let carol = find("carol@contoso.example").forwarding.as_ref().unwrap();
    assert_eq!(carol.forwarding_smtp_address, Some(address("carol@fabrikam.example")));
    assert!(!carol.deliver_to_mailbox_and_forward);
    let info = find("info@contoso.example");
    assert_eq!(info.grants.len(), 1);
    assert!(info.account.as_ref().unwrap().sign_in_blocked);
    assert_eq!(find("quiet@contoso.example").client_access.smtp_client_authentication_disabled, Some(true));
    assert!(!find("kiosk@contoso.example").client_access.imap);
    let staff = find("staff@contoso.example");
    assert_eq!(staff.group.as_ref().unwrap().members().len(), 4);
    assert!(staff.requires_sender_authentication());
    let password = find("alice@contoso.example").account.as_ref().unwrap().password.clone();
    assert_eq!(password, Some(PasswordHash::from_phc("$fake$demo-alice")));
}

#[test]
fn fabrikam_goes_in_whole() {
    assert_eq!(directory(&fixture("fabrikam")).recipient_count(), 6);
}

#[test]
fn types_has_every_recipient_type_and_every_lifecycle_state() {
    let types = directory(&fixture("types"));
    for kind in RecipientType::ALL {
        assert!(types.recipients().any(|recipient| recipient.recipient_type == kind), "{kind}");
    }
    let states: std::collections::HashSet<_> =
        types.recipients().map(|recipient| core::mem::discriminant(&recipient.lifecycle)).collect();
    assert_eq!(states.len(), 8);
}

#[test]
fn every_fixture_survives_export_and_import() {
    for name in ["contoso", "fabrikam", "lifecycle", "moderation", "types"] {
        let exported = Document::of(&directory(&fixture(name)), Secrets::Include);
        let text = toml::to_string(&exported).unwrap();
        let read: Document = toml::from_str(&text).unwrap();
        assert_eq!(read, exported, "{name}");
        assert_eq!(Document::of(&directory(&read), Secrets::Include), exported, "{name}");
    }
}

#[test]
fn passwords_leave_only_when_asked_for_and_never_in_clear() {
    let contoso = directory(&fixture("contoso"));
    let hidden = toml::to_string(&Document::of(&contoso, Secrets::Hide)).unwrap();
    assert!(!hidden.contains("demo-") && !hidden.contains("$fake$"));
    let typed = fixture("contoso");
    assert!(!toml::to_string(&typed).unwrap().contains("demo-"));
    assert!(!format!("{typed:?}").contains("demo-"));
}
