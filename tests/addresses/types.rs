//! Addresses of other types than SMTP, and the ones that lead outside.

use franking::model::directory::{OtherProxy, ProxyAddress, ProxyAddressError, Recipient, RecipientId, RecipientType};
use franking::model::mail::Address;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn a_proxy_address_is_read_with_its_type_and_printed_as_it_was() {
    for text in ["X500:/o=Contoso/cn=info", "x400:c=de;o=contoso", "FAX:+49 30 1234", "EUM:1234;phone-context=a.b"] {
        let Ok(ProxyAddress::Other(proxy)) = ProxyAddress::parse(text) else { panic!("{text}") };
        assert_eq!(proxy.to_string(), text);
    }
    for text in ["info@contoso.example", "smtp:info@contoso.example", "SMTP:Info@Contoso.Example"] {
        let Ok(ProxyAddress::Smtp(found)) = ProxyAddress::parse(text) else { panic!("{text}") };
        assert_eq!(found.key(), address("info@contoso.example").key());
    }
    // Mail addresses are judged, others are not but for what would break a line.
    for text in ["smtp:", "SMTP:x", "x", "a b:c", ":x", "\"X500:/o\"", ""] {
        assert!(matches!(ProxyAddress::parse(text), Err(ProxyAddressError::Smtp(_))), "{text}");
    }
    let long = format!("X500:{}", "x".repeat(1025));
    for text in ["X500:", "X500:/o=a\r\nb", "FAX:\0", &long] {
        assert_eq!(ProxyAddress::parse(text), Err(ProxyAddressError::Other));
    }
}

#[test]
fn an_entry_of_another_type_is_the_same_in_any_letter_case() {
    let mut made =
        Recipient::new(RecipientId(1), RecipientType::SharedMailbox, "info", address("info@contoso.example"));
    made.addresses.add_other(OtherProxy::new("X500", "/o=Contoso/cn=info").unwrap());
    made.addresses.add_other(OtherProxy::new("x500", "/O=CONTOSO/CN=INFO").unwrap());
    assert_eq!(made.addresses.count(), 2);
    assert!(made.addresses.remove_other(&OtherProxy::new("X500", "/o=contoso/cn=INFO").unwrap()));
    assert_eq!(made.addresses.count(), 1);
}

/// Spec section 4.5: a contact's external address is its primary by default, and the old one is not kept.
#[test]
fn a_contact_that_moves_leaves_no_address_behind() {
    let outside = |text: &str| {
        let mut contact = Recipient::new(RecipientId(1), RecipientType::MailContact, "partner", address(text));
        contact.set_external(Some(address("partner@fabrikam.example")));
        contact
    };
    let mut contact = outside("Partner@fabrikam.example");
    contact.set_external(Some(address("partner@adatum.example")));
    let all: Vec<String> = contact.addresses.smtp().map(ToString::to_string).collect();
    assert_eq!(all, ["partner@adatum.example"]);
    contact.set_primary(address("partner@contoso.example"));
    assert_eq!(contact.addresses.smtp().count(), 1, "nor does one that is replaced as primary");
    // An address of its own stays its own, and is kept like a mailbox's.
    let mut contact = outside("partner@contoso.example");
    contact.set_external(Some(address("partner@adatum.example")));
    contact.set_primary(address("p@contoso.example"));
    let all: Vec<String> = contact.addresses.smtp().map(ToString::to_string).collect();
    assert_eq!(all, ["p@contoso.example", "partner@contoso.example"]);
    let mut mailbox = Recipient::new(RecipientId(2), RecipientType::UserMailbox, "a", address("a@contoso.example"));
    mailbox.set_primary(address("b@contoso.example"));
    assert_eq!(mailbox.addresses.smtp().count(), 2);
}
