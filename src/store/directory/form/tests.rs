//! What was written is read as it was, in every form there ever was.

use super::*;
use crate::model::directory::{Cap, Limit, Right};
use crate::model::mail::Timestamp;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A mailbox of which nothing special is to be said.
fn plain() -> Recipient {
    let mut user =
        Recipient::new(RecipientId(300), RecipientType::UserMailbox, "user300", address("user300@contoso.example"));
    user.addresses.add(address("first.last300@contoso.example"));
    user.account.as_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
    user
}

/// Nothing of it is as it is by default.
fn full() -> Recipient {
    let mut full = plain();
    full.display_name = Some("User Dreihundert, Köln".into());
    full.mail_nickname = Some(Box::new(MailNickname::parse("u300").unwrap()));
    full.addresses.add(address("\"user three\"@contoso.example"));
    full.addresses.add(address("user300@[192.0.2.1]"));
    full.addresses.add(address("bücher@bücher.example"));
    full.addresses.add_other(OtherProxy::new("X500", "/o=Contoso/cn=user300").unwrap());
    full.external_address = Some(Box::new(address("User300@Fabrikam.example")));
    full.lifecycle = Lifecycle::Disconnected { since: Timestamp::from_unix_milliseconds(7) };
    let own = full.provisioning.get_or_insert_default();
    own.synchronised = true;
    own.user_deleted = Some(Timestamp::EPOCH);
    full.hidden_from_address_lists = true;
    full.email_address_policy_enabled = true;
    full.client_access.pop = false;
    full.client_access.one_win_native_outlook = false;
    full.client_access.smtp_client_authentication_disabled = Some(true);
    full.forwarding = Some(Box::new(Forwarding { forwarding_address: Some(RecipientId(7)), ..Forwarding::default() }));
    full.restrictions = Some(Box::new(Restrictions { send_bytes_max: Some(7), ..Restrictions::default() }));
    full.moderation = Some(Box::default());
    full.grants = vec![Grant { right: Right::SendAs, trustee: RecipientId(7), deny: true }].into();
    full.not_automapped = vec![RecipientId(7)].into();
    full.group.get_or_insert_default().add_members(&[RecipientId(7), RecipientId(9)]);
    full.quota = Some(Box::new(Quota { issue_warning: Some(Limit::Unlimited), ..Quota::default() }));
    full.limits = Some(Box::new(RecipientLimits { sessions: Some(Cap::Count(7)), ..RecipientLimits::default() }));
    full.sent_items = SentItemsCopies { sent_as: true, sent_on_behalf: false, smtp_client_submission: Some(false) };
    full.auto_reply = Some(Box::default());
    full.custom_attributes = Some(Box::new([(2, "sales".into()), (15, "".into())].into()));
    AddressBookProperty::ALL.into_iter().for_each(|property| full.address_book.set(property, property.name()));
    let account = full.account.as_mut().unwrap();
    account.login = address("USER300@contoso.example");
    account.enabled = false;
    account.sign_in_blocked = true;
    account.password = Some(PasswordHash::from_phc("$argon2id$v=19$m=7 and SCRAM keys"));
    account.licences.push("E3".into());
    account.allow_basic_auth_smtp = Some(false);
    account.authentication_policy = Some("Legacy").into();
    account.devices.push(Device::new("scanner-2", Timestamp::EPOCH));
    full
}

fn reader() -> Reader {
    Reader::new(core::iter::empty())
}

#[test]
fn everything_that_a_recipient_can_have_is_read_as_it_was_written() {
    let json = serde_json::to_value(full()).unwrap();
    // Whoever adds a property to recipients adds it to the one above.
    assert_eq!(json.as_object().unwrap().len(), 25, "{json}");
    assert_eq!(json["account"].as_object().unwrap().len(), 8, "{json}");
    let mut reader = reader();
    for recipient in [plain(), full()] {
        assert_eq!(reader.decode(&encode(&recipient).unwrap()), Ok(recipient));
    }
    for kind in RecipientType::ALL {
        let recipient = Recipient::new(RecipientId(u64::MAX), kind, "n", address("n@contoso.example"));
        assert_eq!(reader.decode(&encode(&recipient).unwrap()), Ok(recipient));
    }
    for place in 0..12 {
        let mut recipient = plain();
        *apps(&mut recipient.client_access)[place] = false;
        assert_eq!(reader.decode(&encode(&recipient).unwrap()), Ok(recipient), "{place}");
    }
}

#[test]
fn json_as_older_indexes_hold_it_is_read() {
    for recipient in [plain(), full()] {
        assert_eq!(reader().decode(&serde_json::to_vec(&recipient).unwrap()), Ok(recipient));
    }
}

/// What is written without JSON of [`full`].
fn without_rest() -> Recipient {
    let mut full = full();
    let smtp: Vec<Address> = full.addresses.secondary().to_vec();
    full.addresses = ProxyAddresses::recorded(full.primary().clone(), smtp.into(), Seldom::new());
    full.account.as_mut().unwrap().devices = Seldom::new();
    (full.grants, full.not_automapped) = (Seldom::new(), Seldom::new());
    (full.provisioning, full.forwarding, full.restrictions, full.moderation) = (None, None, None, None);
    (full.group, full.quota, full.limits, full.auto_reply) = (None, None, None, None);
    full
}

/// [`plain`] and [`without_rest`] as the first version with this form wrote them.
const WRITTEN: [&str; 2] = [
    "01ac0200010775736572333030000007757365723330300f636f6e746f736f2e6578616d706c65010d66697273742e6c6173\
     7433303000000100010000011345786368616e67654f6e6c696e65506c616e310000000000000000000000",
    "01ac020003070775736572333030011755736572204472656968756e646572742c204bc3b66c6e0104753330300775736572\
     3330300f636f6e746f736f2e6578616d706c65040d66697273742e6c617374333030000a7573657220746872656500077573\
     65723330300b5b3139322e302e322e315d0762c3bc6368657215786e2d2d62636865722d6b76612e6578616d706c65010755\
     7365723330301066616272696b616d2e6578616d706c65010107555345523330300000010121246172676f6e32696424763d\
     3139246d3d3720616e6420534352414d206b657973021345786368616e67654f6e6c696e65506c616e31024533010001064c\
     65676163790101c0100101010001000102020573616c65730f000d0443697479044369747907436f6d70616e7907436f6d70\
     616e790f436f756e7472794f72526567696f6e0f436f756e7472794f72526567696f6e0a4465706172746d656e740a446570\
     6172746d656e740946697273744e616d650946697273744e616d6508496e697469616c7308496e697469616c73084c617374\
     4e616d65084c6173744e616d65054e6f746573054e6f746573064f6666696365064f66666963650550686f6e650550686f6e\
     650a506f7374616c436f64650a506f7374616c436f64650f53746174654f7250726f76696e63650f53746174654f7250726f\
     76696e6365055469746c65055469746c65",
];

#[test]
fn what_the_first_version_of_this_form_wrote_is_read_for_ever() {
    let hexadecimal = |value: Vec<u8>| value.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let now = [plain(), without_rest()].map(|recipient| hexadecimal(encode(&recipient).unwrap()));
    assert_eq!(now, WRITTEN, "a form that is written otherwise has another number");
    for (written, recipient) in WRITTEN.into_iter().zip([plain(), without_rest()]) {
        let octet = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
        let value: Vec<u8> = written.as_bytes().chunks(2).map(octet).collect();
        assert_eq!(reader().decode(&value), Ok(recipient));
    }
}

#[test]
fn a_plain_mailbox_takes_few_octets_and_its_domain_is_kept_once() {
    let value = encode(&plain()).unwrap();
    assert!(value.len() < 100 && value.len() * 5 < serde_json::to_vec(&plain()).unwrap().len(), "{}", value.len());
    let (accepted, mut reader) = (address("x@contoso.example"), reader());
    for mut reader in [Reader::new(core::iter::once(accepted.domain())), reader.clone()] {
        let (one, other) = (reader.decode(&value).unwrap(), reader.decode(&value).unwrap());
        let domain = one.primary().domain();
        for same in one.addresses.smtp().chain(other.addresses.smtp()).chain([&other.account.unwrap().login]) {
            assert!(same.domain().is_same_place(domain));
        }
    }
    assert!(reader.decode(&value).unwrap().primary().domain() == accepted.domain());
}

#[test]
fn what_is_damaged_is_an_error_or_a_recipient_and_never_a_panic() {
    let mut reader = reader();
    for recipient in [plain(), full()] {
        let value = encode(&recipient).unwrap();
        let rest = value.iter().rposition(|octet| *octet == b'}').map_or(value.len(), |_| value.len() - 1);
        for length in 0..rest {
            // Cut where the JSON would begin, it is whole, without what few have.
            if let Ok(read) = reader.decode(&value[..length]) {
                assert!(recipient.group.is_some() && read.group.is_none(), "{length}");
            }
        }
        for place in 0..value.len() {
            for bit in 0..8 {
                let mut value = value.clone();
                value[place] ^= 1 << bit;
                let _ = reader.decode(&value);
            }
        }
        assert!(reader.decode(&[&value[..], b"?"].concat()).is_err());
        assert!(reader.decode(&[&[FORM + 1], &value[1..]].concat()).unwrap_err().contains("form 2"));
    }
}
