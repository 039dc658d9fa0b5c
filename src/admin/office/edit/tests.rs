//! Setting properties, on the recipients of the sample organisation.

use super::*;
use crate::admin::office::tests::contoso;
use crate::model::directory::{Change, ChangeError, Lifecycle, Limit, OwnLimit};

fn edited(identity_text: &str, edit: &RecipientEdit) -> Result<(Recipient, Vec<String>), Failure> {
    let snapshot = contoso();
    let mut recipient = Recipient::clone(identity::find(&snapshot, identity_text).unwrap());
    let notes = edit.apply(&snapshot, &mut recipient)?;
    Ok((recipient, notes))
}

#[test]
fn an_empty_edit_changes_nothing() {
    let snapshot = contoso();
    for recipient in snapshot.recipients() {
        let mut copy = Recipient::clone(recipient);
        assert!(RecipientEdit::default().apply(&snapshot, &mut copy).unwrap().is_empty());
        assert_eq!(copy, **recipient);
    }
}

#[test]
fn a_new_primary_keeps_the_old_one_as_alias() {
    let edit = RecipientEdit { primary: Some("alice.b@contoso.example".to_owned()), ..Default::default() };
    let (alice, _) = edited("alice", &edit).unwrap();
    assert_eq!(alice.primary().to_string(), "alice.b@contoso.example");
    assert_eq!(alice.addresses.secondary()[0].to_string(), "alice@contoso.example");
}

#[test]
fn the_primary_address_cannot_be_removed() {
    let edit = RecipientEdit { remove_aliases: vec!["ALICE@contoso.example".to_owned()], ..Default::default() };
    let failure = edited("alice", &edit).unwrap_err();
    assert!(failure.message.contains("primary"), "{failure}");
    assert!(failure.cures[0].contains("--primary"));
}

#[test]
fn an_alias_is_a_word_or_nothing() {
    let named = |text: &str| RecipientEdit { mail_nickname: Some(text.to_owned()), ..Default::default() };
    assert_eq!(edited("alice", &named(" al ")).unwrap().0.alias(), "al");
    assert_eq!(edited("alice", &named("")).unwrap().0.alias(), "alice");
    assert!(edited("alice", &named("a b")).unwrap_err().message.contains("\"a b\" is no alias"));
}

#[test]
fn the_address_of_a_new_recipient_can_be_made_of_an_alias() {
    let snapshot = contoso();
    let made = |text: &str| {
        let (address, kept) = identity::new_address(&snapshot, text).unwrap();
        (address.to_string(), kept.map(String::from))
    };
    assert_eq!(made("nina"), ("nina@contoso.example".to_owned(), None));
    assert_eq!(made("J\u{fc}rgen"), ("Jurgen@contoso.example".to_owned(), Some("J\u{fc}rgen".to_owned())));
    assert_eq!(made("a@fabrikam.example").0, "a@fabrikam.example");
    assert!(identity::new_address(&snapshot, "two words").is_err());
    assert!(identity::new_address(&snapshot, &"\u{df}".repeat(33)).is_err());
}

#[test]
fn addresses_of_other_types_come_and_go_by_their_type() {
    let alias = |text: &str| vec![text.to_owned()];
    let edit = RecipientEdit { add_aliases: alias(" X500:/o=Contoso/cn=alice "), ..Default::default() };
    let (alice, _) = edited("alice", &edit).unwrap();
    assert_eq!(alice.addresses.other()[0].to_string(), "X500:/o=Contoso/cn=alice");
    assert_eq!(alice.addresses.secondary(), []);
    let both = RecipientEdit { remove_aliases: alias("x500:/O=contoso/CN=alice"), ..edit };
    assert_eq!(edited("alice", &both).unwrap().0.addresses.other(), []);
    let gone = RecipientEdit { remove_aliases: alias("X500:/o=Contoso/cn=bob"), ..Default::default() };
    assert!(edited("alice", &gone).unwrap_err().message.contains("no address of alice@contoso.example"));
    let empty = RecipientEdit { add_aliases: alias("X500:"), ..Default::default() };
    assert!(edited("alice", &empty).unwrap_err().message.contains("follows the type is empty"));
}

#[test]
fn a_mail_user_becomes_a_mailbox_and_a_mailbox_no_mail_user() {
    let edit = RecipientEdit { recipient_type: Some(RecipientType::UserMailbox), ..Default::default() };
    let (scanner, notes) = edited("scanner", &edit).unwrap();
    // Its mailbox comes with a licence.
    assert_eq!(scanner.lifecycle, Lifecycle::NoMailbox);
    assert_eq!((scanner.external_address, notes.len()), (None, 0));
    let back = RecipientEdit { recipient_type: Some(RecipientType::MailUser), ..Default::default() };
    assert!(edited("alice", &back).unwrap_err().message.contains("cannot become"));
}

#[test]
fn a_user_mailbox_that_becomes_shared_is_blocked() {
    let edit = RecipientEdit { recipient_type: Some(RecipientType::SharedMailbox), ..Default::default() };
    let (bob, notes) = edited("bob", &edit).unwrap();
    assert!(bob.account.unwrap().sign_in_blocked);
    assert!(notes[0].contains("blocked"));
}

#[test]
fn every_app_leaves_the_smtp_switch_alone() {
    let client_access = ClientAccessEntry { every_app: Some(false), imap: Some(true), ..Default::default() };
    let edit = RecipientEdit { client_access, ..Default::default() };
    let (quiet, _) = edited("quiet", &edit).unwrap();
    assert!(!quiet.client_access.owa && quiet.client_access.imap);
    assert_eq!(quiet.client_access.smtp_client_authentication_disabled, Some(true));
    let (quiet, _) = edited("quiet", &RecipientEdit { smtp_auth: Some(Switch::Yes), ..Default::default() }).unwrap();
    assert_eq!(quiet.client_access.smtp_client_authentication_disabled, Some(false));
}

#[test]
fn forwarding_is_set_and_cleared() {
    let edit = RecipientEdit { forward_to: Some("bob".to_owned()), keep_copy: Some(true), ..Default::default() };
    let (alice, _) = edited("alice", &edit).unwrap();
    let forwarding = alice.forwarding.unwrap();
    assert!(forwarding.forwarding_address.is_some() && forwarding.deliver_to_mailbox_and_forward);
    let (carol, _) = edited("carol", &RecipientEdit { no_forward: true, ..Default::default() }).unwrap();
    assert_eq!(carol.forwarding, None);
    let cleared = RecipientEdit { forward_to_smtp: Some(String::new()), ..Default::default() };
    assert_eq!(edited("carol", &cleared).unwrap().0.forwarding, None);
}

#[test]
fn restrictions_quota_and_attributes_vanish_when_they_are_default() {
    let set = RecipientEdit {
        require_authentication: Some(Switch::No),
        quota: QuotaEntry { prohibit_send: Some(OwnLimit::Own(Limit::Bytes(5))), ..Default::default() },
        custom_attributes: BTreeMap::from([(2, "sales".to_owned())]),
        ..Default::default()
    };
    let (mut alice, _) = edited("alice", &set).unwrap();
    assert_eq!(alice.restrictions.as_ref().unwrap().require_sender_authentication, Some(false));
    let unset = RecipientEdit {
        require_authentication: Some(Switch::Default),
        quota: QuotaEntry { prohibit_send: Some(OwnLimit::Default), ..Default::default() },
        custom_attributes: BTreeMap::from([(2, String::new())]),
        ..Default::default()
    };
    unset.apply(&contoso(), &mut alice).unwrap();
    assert_eq!((alice.restrictions, alice.quota, alice.custom_attributes), (None, None, None));
}

#[test]
fn the_address_book_is_set_text_by_text_and_judged_by_the_directory() {
    let edit = |texts: &[(AddressBookProperty, &str)]| RecipientEdit {
        address_book: texts.iter().map(|(property, text)| (*property, (*text).to_owned())).collect(),
        ..Default::default()
    };
    let (title, notes) = (AddressBookProperty::Title, AddressBookProperty::Notes);
    let (mut alice, _) = edited("alice", &edit(&[(title, "Clerk"), (notes, "one\ntwo")])).unwrap();
    edit(&[(title, "")]).apply(&contoso(), &mut alice).unwrap();
    assert_eq!(alice.address_book.iter().collect::<Vec<_>>(), [(notes, "one\ntwo")]);
    let judged = |recipient: Recipient| contoso().apply(&[Change::PutRecipient(Box::new(recipient))]).map(drop);
    assert_eq!(judged(alice), Ok(()));
    for (property, text) in [(title, "x".repeat(129)), (title, "two\r\nlines".to_owned())] {
        let (bob, _) = edited("bob", &edit(&[(property, &text)])).unwrap();
        assert_eq!(judged(bob), Err(ChangeError::AddressBookText { property, max: 128 }));
    }
}

#[test]
fn group_properties_need_a_group() {
    let edit = RecipientEdit { owners: Some(vec!["alice".to_owned()]), ..Default::default() };
    assert!(edited("bob", &edit).unwrap_err().message.contains("not a group"));
    assert_eq!(edited("staff", &edit).unwrap().0.group.unwrap().managed_by.len(), 1);
    let sixteen = RecipientEdit { custom_attributes: BTreeMap::from([(16, "x".to_owned())]), ..Default::default() };
    assert!(edited("bob", &sixteen).is_err());
}

#[test]
fn moderation_is_set_in_parts_and_goes_when_nothing_is_left_of_it() {
    let moderators = |list: &[&str]| Some(list.iter().map(|one| (*one).to_owned()).collect());
    let edit = |moderation| RecipientEdit { moderation, ..Default::default() };
    let on = edit(ModerationEdit { enabled: Some(true), ..Default::default() });
    let (info, notes) = edited("info", &on).unwrap();
    assert!(info.moderation.as_deref().unwrap().enabled);
    assert!(notes[0].contains("no moderators") && notes[0].contains("--moderator"), "{notes:?}");
    let named = ModerationEdit { enabled: Some(true), moderated_by: moderators(&["alice"]), ..Default::default() };
    let (mut info, notes) = edited("info", &edit(named)).unwrap();
    assert!(notes.is_empty());
    assert_eq!(info.moderation.as_deref().unwrap().moderated_by.len(), 1);
    let off = ModerationEdit { enabled: Some(false), moderated_by: moderators(&[]), ..Default::default() };
    edit(off).apply(&contoso(), &mut info).unwrap();
    assert_eq!(info.moderation, None);
    let unknown = ModerationEdit { bypass_from: moderators(&["ghost"]), ..Default::default() };
    assert!(edited("info", &edit(unknown)).is_err());
}
