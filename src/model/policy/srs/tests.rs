//! The law of the scheme: what is rewritten is found again, and nothing else is.

use core::time::Duration;

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn key(byte: u8) -> SrsKey {
    SrsKey([byte; 32])
}

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T12:00:00Z").unwrap()
}

fn rewritten(keys: &[SrsKey], forwarder: &Address, sender: &Address, now: Timestamp) -> Address {
    let default = Domain::parse("contoso.example").unwrap();
    match rewrite(keys, forwarder, Some(&default), &ReversePath::Mailbox(sender.clone()), now) {
        ReversePath::Mailbox(address) => address,
        ReversePath::Null => panic!("a mailbox stays a mailbox"),
    }
}

fn usual(keys: &[SrsKey], now: Timestamp) -> Address {
    rewritten(keys, &address("john.work@contoso.example"), &address("bob@fabrikam.example"), now)
}

fn bob() -> Option<Original> {
    Some(Original::Sender(address("bob@fabrikam.example")))
}

#[test]
fn the_form_is_that_of_the_cloud() {
    let made = usual(&[key(1)], noon()).to_string();
    let tag =
        made.strip_prefix("john.work+SRS=").and_then(|rest| rest.strip_suffix("=fabrikam.example=bob@contoso.example"));
    let (hash, day) = tag.and_then(|tag| tag.split_once('=')).unwrap();
    assert_eq!((hash.len(), day.len()), (5, 2), "{made}");
}

#[test]
fn a_key_that_signs_no_more_still_verifies_while_it_is_kept() {
    let old = usual(&[key(1)], noon());
    assert_eq!(reverse(&[key(2), key(1)], &old), bob());
    assert!(!is_current(&[key(2), key(1)], &old, noon().plus(DAY * 22)));
    assert_eq!(reverse(&[key(2)], &old), None);
    assert_eq!(reverse(&[], &old), None);
    // The new key signs from now on.
    assert_eq!(reverse(&[key(2)], &usual(&[key(2), key(1)], noon())), bob());
}

#[test]
fn an_address_expires_after_its_days_and_when_the_clock_of_days_has_turned() {
    let made = usual(&[key(1)], noon());
    for (days, current) in [(0, true), (21, true), (22, false), (1022, false), (1023, true), (1024, true)] {
        assert_eq!(is_current(&[key(1)], &made, noon().plus(DAY * days)), current, "{days}");
    }
    assert!(is_current(&[key(1)], &address("news+SRS=x@contoso.example"), noon()));
    // The clock was set back over midnight after it was made, and at the beginning of time.
    let tomorrow = usual(&[key(1)], noon().plus(DAY));
    assert!(is_current(&[key(1)], &tomorrow, noon()));
    assert!(!is_current(&[key(1)], &usual(&[key(1)], noon().plus(DAY * 2)), noon()));
    assert!(is_current(&[key(1)], &usual(&[key(1)], Timestamp::EPOCH), Timestamp::EPOCH));
    let end = Timestamp::from_unix_milliseconds(u64::MAX);
    assert!(is_current(&[key(1)], &usual(&[key(1)], end), end));
}

#[test]
fn null_own_and_unsigned_senders_stay() {
    let forwarder = address("carol@contoso.example");
    let keep = |keys: &[SrsKey], sender: &ReversePath| rewrite(keys, &forwarder, None, sender, noon()) == *sender;
    assert!(keep(&[key(1)], &ReversePath::Null));
    assert!(keep(&[key(1)], &ReversePath::Mailbox(address("bob@contoso.example"))));
    assert!(keep(&[], &ReversePath::Mailbox(address("bob@fabrikam.example"))));
}

#[test]
fn a_sender_that_is_too_long_becomes_a_bounce_of_the_default_domain() {
    let forwarder = address("carol@branch.contoso.example");
    let long = address(&format!("{}@fabrikam.example", "x".repeat(60)));
    let made = rewritten(&[key(1)], &forwarder, &long, noon());
    assert!(made.to_string().starts_with("bounces+SRS=") && made.to_string().ends_with("@contoso.example"), "{made}");
    assert_eq!(reverse(&[key(1)], &made), Some(Original::Lost));
    assert_eq!(reverse(&[key(2)], &made), None);
    assert!(is_current(&[key(1)], &made, noon()) && !is_current(&[key(1)], &made, noon().plus(DAY * 30)));
    // The hash of a bounce is no hash of anything else.
    let moved = made.to_string().replace("bounces", "carol");
    assert_eq!(reverse(&[key(1)], &address(&moved)), None);
}

/// Any address: quoted, with plus and equals signs, beyond ASCII, with marks of its own, in a literal.
fn any_address() -> impl Strategy<Value = Address> {
    let local = prop_oneof![
        "[a-z0-9.+=_-]{1,12}",
        "[ -~]{1,10}",
        "[a-zäöüßé+=]{1,8}",
        Just("a+SRS=HASHX=AB=x.example=b".to_owned()),
        "[a-z]{1,64}",
    ];
    let domain =
        prop::sample::select(&["fabrikam.example", "b\u{fc}cher.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"][..]);
    (local, domain).prop_filter_map("no local part", |(local, domain)| {
        Some(Address::new(quoted(&local)?, Domain::parse(domain).ok()?))
    })
}

fn any_forwarder() -> impl Strategy<Value = Address> {
    any_address()
        .prop_map(|address| Address::new(address.local().clone(), Domain::parse("branch.contoso.example").unwrap()))
}

proptest! {
    #[test]
    fn what_is_rewritten_is_found_again_as_it_was(
        sender in any_address(), forwarder in any_forwarder(), later in 0_u32..=21, days in 0_u32..2000,
    ) {
        let keys = [key(1)];
        let now = noon().plus(DAY * days);
        let made = rewritten(&keys, &forwarder, &sender, now);
        prop_assert!(made.local().as_str().len() <= LOCAL_PART_BYTES_MAX);
        // It travels as text, and a peer may fold its case.
        let read = address(&made.to_string());
        prop_assert_eq!(&read, &made);
        let folded = Address::new(quoted(&made.local().as_str().to_ascii_lowercase()).unwrap(), made.domain().clone());
        let overhead = "+SRS=HASHX=AB==".len() + sender.domain().to_string().len();
        let fits = forwarder.local().as_str().len() + sender.local().as_str().len() + overhead <= 64;
        if fits {
            prop_assert_eq!(reverse(&keys, &read), Some(Original::Sender(sender.clone())));
            let Some(Original::Sender(found)) = reverse(&keys, &folded) else {
                return Err(TestCaseError::fail(format!("{folded} is lost")));
            };
            prop_assert_eq!(found.key(), sender.key());
        } else {
            prop_assert_eq!(reverse(&keys, &read), Some(Original::Lost));
            prop_assert_eq!(reverse(&keys, &folded), Some(Original::Lost));
        }
        prop_assert!(is_current(&keys, &read, now.plus(DAY * later)));
        prop_assert!(!is_current(&keys, &read, now.plus(DAY * (later + 22))));
    }

    #[test]
    fn an_address_that_was_tampered_with_stands_for_nobody(place in 0_usize..5, letter in 0_usize..32, other in "[a-z]{1,8}") {
        let keys = [key(1)];
        let made = usual(&keys, noon()).to_string();
        let start = "john.work+SRS=".len();
        let mut octets = made.clone().into_bytes();
        octets[start + place] = BASE32[letter];
        let forged = String::from_utf8(octets).unwrap();
        prop_assert_eq!(reverse(&keys, &address(&forged)).is_some(), forged == made);
        let stolen = made.replace("=bob@", &format!("={other}@"));
        prop_assert_eq!(reverse(&keys, &address(&stolen)).is_some(), other == "bob");
        let moved = made.replace("fabrikam", &other);
        prop_assert_eq!(reverse(&keys, &address(&moved)), None);
    }

    #[test]
    fn no_address_makes_it_panic(local in "[ -~äß]{0,80}") {
        if let Some(local) = quoted(&local) {
            let address = Address::new(local, Domain::parse("contoso.example").unwrap());
            prop_assert_eq!(reverse(&[key(1)], &address), None);
            is_current(&[key(1)], &address, noon());
        }
    }
}
