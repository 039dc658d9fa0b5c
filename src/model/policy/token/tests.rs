//! What a token must say, one thing after the other, and whose account it opens.

use super::*;
use crate::model::directory::{AcceptedDomain, Change, DomainType, Recipient, RecipientType};
use crate::model::mail::Domain;

fn issuer() -> Issuer {
    Issuer {
        name: "entra".into(),
        issuer: "https://login.example/v2.0".into(),
        audiences: vec!["api://franking".into(), "franking".into()],
        algorithms: vec![Algorithm::Rs256],
        login_claims: ["preferred_username", "upn", "email"].map(Into::into).into(),
        scope: None,
        role: None,
        skew: Duration::from_secs(60),
    }
}

fn claims() -> Claims {
    Claims {
        issuer: Some("https://login.example/v2.0".to_owned()),
        audiences: vec!["franking".to_owned()],
        expires: Some(2_000),
        not_before: Some(1_000),
        texts: vec![("upn".to_owned(), "alice@contoso.example".to_owned())],
        ..Claims::default()
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_milliseconds(seconds * 1_000)
}

#[test]
fn a_token_that_says_all_it_must_names_its_login() {
    assert_eq!(judge(&issuer(), &claims(), at(1_500)).unwrap().to_string(), "alice@contoso.example");
}

#[test]
fn each_thing_that_a_token_must_say_is_missed_and_named() {
    let text = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let scoped = Issuer { scope: Some("SMTP.Send".into()), role: Some("mail".into()), ..issuer() };
    let cases: [(Issuer, Claims, Fault); 10] = [
        (issuer(), Claims { issuer: None, ..claims() }, Fault::UnknownIssuer(String::new())),
        (
            issuer(),
            Claims { issuer: Some("https://login.example/v2.0/".to_owned()), ..claims() },
            Fault::UnknownIssuer("https://login.example/v2.0/".to_owned()),
        ),
        (issuer(), Claims { audiences: Vec::new(), ..claims() }, Fault::Audience(Vec::new())),
        (
            issuer(),
            Claims { audiences: vec!["Franking".to_owned()], ..claims() },
            Fault::Audience(vec!["Franking".to_owned()]),
        ),
        (issuer(), Claims { expires: None, ..claims() }, Fault::NoExpiry),
        (
            issuer(),
            Claims { texts: text("sub", "alice@contoso.example"), ..claims() },
            Fault::NoLogin("preferred_username, upn, email".to_owned()),
        ),
        (
            issuer(),
            Claims { texts: text("upn", "alice"), ..claims() },
            Fault::NoAddress("upn".to_owned(), "alice".to_owned()),
        ),
        (
            issuer(),
            Claims { texts: text("email", "alice@contoso.example"), email_verified: Some(false), ..claims() },
            Fault::Unverified,
        ),
        (scoped.clone(), Claims { roles: vec!["mail".to_owned()], ..claims() }, Fault::Scope("SMTP.Send".into())),
        (scoped, Claims { scopes: vec!["SMTP.Send".to_owned()], ..claims() }, Fault::Role("mail".into())),
    ];
    for (issuer, claims, fault) in cases {
        assert_eq!(judge(&issuer, &claims, at(1_500)), Err(fault.clone()));
        assert!(!fault.to_string().is_empty());
    }
}

#[test]
fn clocks_may_differ_by_the_skew_and_not_by_a_second_more() {
    let ends = |seconds| judge(&issuer(), &claims(), at(seconds));
    assert_eq!(ends(939), Err(Fault::NotYet(at(1_000))));
    assert!(ends(940).is_ok() && ends(2_000).is_ok() && ends(2_059).is_ok());
    assert_eq!(ends(2_060), Err(Fault::Expired(at(2_000))));
    let endless = Claims { expires: Some(u64::MAX), not_before: Some(u64::MAX), ..claims() };
    assert!(matches!(judge(&issuer(), &endless, at(1_500)), Err(Fault::NotYet(_))));
    let past = Claims { expires: Some(0), ..claims() };
    assert!(matches!(judge(&issuer(), &past, at(1_500)), Err(Fault::Expired(_))));
}

#[test]
fn the_first_claim_that_is_there_names_the_login_whatever_the_others_say() {
    let texts = [("email", "bob@contoso.example"), ("preferred_username", "alice@contoso.example")];
    let texts = texts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let named = judge(&issuer(), &Claims { texts, email_verified: Some(false), ..claims() }, at(1_500));
    assert_eq!(named.unwrap().to_string(), "alice@contoso.example");
}

#[test]
fn a_token_opens_the_account_that_it_names_by_any_of_its_addresses_and_no_other() {
    let domain = Domain::parse("contoso.example").unwrap();
    let domain = AcceptedDomain::new(domain, DomainType::Authoritative).as_default();
    let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
    for name in ["alice", "bob"] {
        let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
        let mut recipient = Recipient::new(snapshot.next_id(), RecipientType::UserMailbox, name, address);
        recipient.addresses.add(format!("{name}.x@contoso.example").parse().unwrap());
        snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
    }
    let is_for = |login: &str, named: &str| is_for(&snapshot, login, &named.parse().unwrap()).is_ok();
    for login in ["alice@contoso.example", "ALICE@contoso.example", "alice", "alice.x@contoso.example"] {
        assert!(is_for(login, "alice@contoso.example") && is_for(login, "Alice.X@contoso.example"), "{login}");
        assert!(!is_for(login, "bob@contoso.example") && !is_for(login, "alice@fabrikam.example"), "{login}");
    }
    assert!(!is_for("", "alice@contoso.example") && !is_for("nobody", "nobody@contoso.example"));
}

#[test]
fn algorithms_have_their_registered_names_and_the_dangerous_ones_are_none() {
    for known in Algorithm::ALL {
        assert_eq!(Algorithm::parse(known.name()), Some(known));
    }
    for name in ["none", "None", "HS256", "HS512", "rs256", "", "ES256K", "RSA-OAEP"] {
        assert_eq!(Algorithm::parse(name), None, "{name}");
    }
}
