//! Moderation as a property of recipients: what is refused, what is dropped, and data written before there was any.

use franking::model::directory::{Change, Document, ModerationNotifications, Recipient};

use super::{address, directory, fixture, plan};

/// The sample with more at its end; what its refused entries are told.
fn refused(more: &str) -> Vec<String> {
    let directory = directory(&fixture("moderation"));
    let document: Document = toml::from_str(more).unwrap();
    plan(&document, &directory).rejected.iter().map(|rejected| rejected.reason.to_string()).collect()
}

#[test]
fn ten_moderators_are_the_most_and_a_group_is_none() {
    let mailboxes: String = (0..11)
        .map(|number| format!("[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"m{number}@contoso.example\"\n"))
        .collect();
    let named = |count: usize| (0..count).map(|number| format!("\"m{number}@contoso.example\"")).collect::<Vec<_>>();
    let with = |count: usize| {
        let list = named(count).join(",");
        format!("{mailboxes}[[recipient]]\naddress = \"press@contoso.example\"\nmoderated_by = [{list}]\n")
    };
    assert_eq!(refused(&with(10)), [""; 0]);
    assert_eq!(refused(&with(11)), ["There are too many moderators: 11, and at most 10 can be given."]);
    let group = "[[recipient]]\naddress = \"press@contoso.example\"\nmoderated_by = [\"staff@contoso.example\"]\n";
    let said = "\"staff\" cannot moderate: a moderator is a mailbox, a mail user or a contact, not a group.";
    assert_eq!(refused(group), [said]);
    let nested = "[[recipient]]\naddress = \"press@contoso.example\"\nbypass_nested_moderation = true\n";
    assert_eq!(refused(nested), ["A SharedMailbox cannot have nested groups."]);
}

#[test]
fn a_removed_recipient_moderates_nothing_and_is_on_no_bypass_list() {
    let before = directory(&fixture("moderation"));
    let id = |local: &str| before.find_by_address(&address(&format!("{local}@contoso.example"))).unwrap().id;
    let after = before.apply(&[Change::RemoveRecipient(id("bob")), Change::RemoveRecipient(id("board"))]).unwrap();
    let staff = after.recipient(id("staff")).unwrap().moderation.clone().unwrap();
    assert!(staff.enabled && staff.moderated_by.is_empty() && staff.bypass_from.is_empty());
    assert_eq!(staff.notifications, ModerationNotifications::Internal);
}

#[test]
fn what_was_stored_before_there_was_moderation_still_reads() {
    let directory = directory(&fixture("moderation"));
    for recipient in directory.recipients() {
        let mut old = serde_json::to_value(&**recipient).unwrap();
        let stored: Recipient = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(stored, **recipient);
        let fields = old.as_object_mut().unwrap();
        assert_eq!(fields.remove("moderation").is_some(), recipient.moderation.is_some());
        let read: Recipient = serde_json::from_value(old).unwrap();
        assert_eq!(read.moderation, None);
    }
}
