//! How many addresses one object has, and what older data say of domains and the organisation.

use franking::model::directory::{AcceptedDomain, Change, DomainType, Organisation, Recipient, RecipientId};
use franking::model::directory::{OtherProxy, RecipientType, Snapshot};
use franking::model::mail::Address;

fn contoso() -> AcceptedDomain {
    AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative)
}

fn with_addresses(count: usize) -> Change {
    let address = |number: usize| Address::parse(&format!("a{number}@contoso.example")).unwrap();
    let mut made = Recipient::new(RecipientId(1), RecipientType::SharedMailbox, "a", address(1));
    (2..count).for_each(|number| made.addresses.add(address(number)));
    // Entries of every type count (spec section 2.2).
    made.addresses.add_other(OtherProxy::new("X500", "/o=Contoso/cn=a").unwrap());
    Change::PutRecipient(Box::new(made))
}

#[test]
fn one_object_has_four_hundred_addresses_unless_the_organisation_says_otherwise() {
    let snapshot = Snapshot::default().apply(&[Change::PutDomain(contoso().as_default())]).unwrap();
    assert!(snapshot.apply(&[with_addresses(400)]).is_ok());
    let refused = snapshot.apply(&[with_addresses(401)]).unwrap_err().to_string();
    assert_eq!(refused, "There are too many proxy addresses: 401, and maximum supported number is 400.");
    for (max, most) in [(300, 300), (0, 1), (u32::MAX, 2_000)] {
        let organisation = Organisation { proxy_addresses_max: max, ..Organisation::default() };
        let snapshot = snapshot.apply(&[Change::PutOrganisation(organisation)]).unwrap();
        assert_eq!(snapshot.apply(&[with_addresses(most.max(2))]).is_ok(), most > 1, "{max}");
        let refused = snapshot.apply(&[with_addresses(most + 1)]).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("maximum supported number is {most}.")), "{refused}");
    }
}

#[test]
fn the_default_domain_receives_mail() {
    let mut domain = contoso().as_default();
    domain.outbound_only = true;
    let refused = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap_err().to_string();
    assert!(refused.starts_with("contoso.example cannot be both the default domain and outbound only"), "{refused}");
}

#[test]
fn data_that_know_nothing_of_these_settings_mean_what_they_meant() {
    let domain: AcceptedDomain = serde_json::from_str("{\"domain\":\"contoso.example\"}").unwrap();
    assert_eq!(domain, contoso());
    assert_eq!(serde_json::from_str::<Organisation>("{\"name\":\"\"}").unwrap(), Organisation::default());
}
