//! The example of RFC 7677, what is wrong beside it, and logins that nobody has.

use super::*;
use crate::model::directory::device::Verifier;
use crate::model::directory::{AcceptedDomain, Change, Device, DomainType, Recipient, RecipientType, ScramKeys};
use crate::model::mail::{Address, Domain, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SECRETS: ScramSecrets = ScramSecrets { salts: [1; 32], nonces: [2; 32] };
/// RFC 7677 section 3: the password "pencil".
const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                      wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn hash(keys: &str) -> PasswordHash {
    PasswordHash::from_phc(format!("$argon2id$x {keys}"))
}

fn shown() -> ScramProof {
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let salt = ScramKeys::parse(PENCIL).unwrap().salt;
    let first = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
    ScramProof { salt, said: format!("{first},c=biws,r={nonce}"), proof: proof.try_into().unwrap() }
}

fn account(password: Option<PasswordHash>, devices: &[(&str, &str)]) -> Account {
    let mut account = Account::new("user@contoso.example".parse().unwrap());
    account.password = password;
    account.devices = devices
        .iter()
        .map(|(selector, keys)| {
            let mut device = Device::new(*selector, Timestamp::EPOCH);
            let selector = Selector::parse(selector).unwrap();
            device.verifier = Some(Verifier { selector, hash: hash(keys) });
            device
        })
        .collect();
    account
}

#[test]
fn the_proof_of_the_standard_is_right_and_answered_by_its_signature() {
    let own = account(Some(hash(PENCIL)), &[]);
    assert_eq!(verify(Some(&own), &shown(), false), Some(Proven::Password));
    let signature = signature(&own, Proven::Password, &shown().said).unwrap();
    assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn where_others_listen_no_password_is_proven() {
    let own = account(Some(hash(PENCIL)), &[]);
    assert_eq!(verify(Some(&own), &shown(), true), None);
}

#[test]
fn another_proof_another_text_and_another_salt_are_wrong() {
    let own = account(Some(hash(PENCIL)), &[]);
    let mut altered = shown();
    altered.proof[31] ^= 1;
    let more = ScramProof { said: format!("{},x", shown().said), ..shown() };
    let salted = ScramProof { salt: ScramSalt { salt: vec![0; 16], iterations: 4_096 }, ..shown() };
    for wrong in [altered, more, salted, ScramProof { proof: [0; 32], ..shown() }] {
        assert_eq!(verify(Some(&own), &wrong, false), None);
    }
    assert_eq!(verify(None, &shown(), false), None);
    assert_eq!(verify(Some(&account(Some(PasswordHash::from_phc("$argon2id$x")), &[])), &shown(), false), None);
    // The hash of an account without keys is that of zeros for nobody.
    assert_eq!(verify(Some(&account(None, &[])), &ScramProof { proof: [0; 32], ..shown() }, false), None);
}

#[test]
fn a_proof_tells_which_secret_of_an_account_it_is_of() {
    let other = PENCIL.replace("WG5d", "AAAA");
    let selector = Selector::parse("k7mq").unwrap();
    let by_device = account(Some(hash(&other)), &[("aaaa", &other), ("k7mq", PENCIL), ("zzzz", &other)]);
    for in_clear in [false, true] {
        assert_eq!(verify(Some(&by_device), &shown(), in_clear), Some(Proven::Device(selector)));
    }
    assert!(signature(&by_device, Proven::Device(selector), "x").is_some());
    // Without a password of its own the account's salt is its devices'.
    assert_eq!(salt_of(&account(None, &[("k7mq", PENCIL)])), Some(shown().salt));
    assert_eq!(salt_of(&account(None, &[])), None);
}

#[test]
fn a_login_that_nobody_has_is_told_a_salt_that_is_always_the_same() {
    let domain = Domain::parse("contoso.example").unwrap();
    let domain = AcceptedDomain::new(domain, DomainType::Authoritative).as_default();
    let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
    for (name, password) in [("alice", Some(hash(PENCIL))), ("bob", Some(PasswordHash::from_phc("x"))), ("carol", None)]
    {
        let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
        let mut recipient = Recipient::new(snapshot.next_id(), RecipientType::UserMailbox, name, address);
        recipient.account.as_mut().unwrap().password = password;
        snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
    }
    let told = |login: &str| salt(&snapshot, &SECRETS, login);
    assert_eq!(told("alice"), shown().salt);
    for name in ["bob", "carol", "nobody", "\u{fc}"] {
        let own = told(name);
        assert_eq!((own.salt.len(), own.iterations), (SALT_BYTES, ITERATIONS));
        for other in [name.to_uppercase(), format!("{name}@contoso.example"), format!("CONTOSO\\{name}")] {
            assert_eq!(told(&other), own, "{other}");
        }
        assert_ne!(told(&format!("{name}x")), own);
        let elsewhere = ScramSecrets { salts: [3; 32], ..SECRETS };
        assert_ne!(salt(&snapshot, &elsewhere, name), own, "nobody outside can compute it");
    }
    assert_ne!(told("a b@"), told("a c@"));
}

#[test]
fn no_two_challenges_have_the_same_nonce() {
    let mut seen = std::collections::BTreeSet::new();
    assert!((0..1_000).all(|number| seen.insert(nonce(&SECRETS, number))));
    assert!(seen.insert(nonce(&ScramSecrets { nonces: [9; 32], ..SECRETS }, 0)));
}
