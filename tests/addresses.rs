//! The laws of addresses: what counts as the same, what is printed is read again, and nobody shares one.

mod bounds;
mod holders;
mod spelling;
mod types;

use franking::model::mail::{Address, Domain};
use proptest::prelude::*;

use self::spelling::{Identity, spelled};

proptest! {
    #[test]
    fn spellings_are_the_same_address_exactly_when_they_mean_the_same(
        one in spelled(), other in spelled(), third in spelled(),
    ) {
        let parsed = [&one, &other, &third].map(|(_, text)| Address::parse(text).unwrap());
        for (left, (meant, _)) in parsed.iter().zip([&one, &other, &third]) {
            for (right, (also, text)) in parsed.iter().zip([&one, &other, &third]) {
                prop_assert_eq!(left.key() == right.key(), meant == also, "{} and {}", left, text);
                prop_assert_eq!(left.has_key(&right.key()), meant == also, "{} and {}", left, text);
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_and_printed_alike((_, text) in spelled()) {
        let address = Address::parse(&text).unwrap();
        let printed = address.to_string();
        let again = Address::parse(&printed).unwrap();
        prop_assert_eq!(&again, &address);
        prop_assert_eq!(again.to_string(), printed);
        prop_assert_eq!(again.key(), address.key());
    }

    #[test]
    fn whatever_is_read_is_bounded_and_can_be_printed_in_a_line(text in hostile()) {
        if let Ok(address) = Address::parse(&text) {
            let printed = address.to_string();
            prop_assert!(address.local().as_str().len() <= 315 && address.domain().to_string().len() <= 255);
            prop_assert!(!printed.chars().any(|character| character.is_control()), "{:?}", printed);
            let again = Address::parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&address), "{}", printed);
            prop_assert_eq!(again.unwrap().key(), address.key());
            if let Some(base) = address.without_tag() {
                prop_assert!(Address::parse(&base.to_string()).is_ok() && base.without_tag().is_none());
            }
        }
    }

    #[test]
    fn the_same_domain_in_a_labels_and_u_labels_is_one(text in "[a-zäöüßéñ]{1,12}(\\.[a-zäöüéñ日本]{1,8}){1,3}") {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(&Domain::parse(&domain.to_unicode()), &Ok(domain.clone()));
            prop_assert_eq!(Domain::parse(&domain.to_string().to_uppercase()), Ok(domain));
        }
    }
}

/// Texts that nearly are addresses, and texts that are not at all.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(
        &[
            "a",
            "A",
            "+",
            ".",
            "@",
            "\"",
            "\\",
            " ",
            "<",
            ">",
            "[",
            "]",
            "127.0.0.1",
            "IPv6:::1",
            "IMCEAEX-",
            "_o=",
            "xn--",
            "xn--bcher-kva",
            "-",
            "\u{e9}",
            "e\u{301}",
            "\u{130}",
            "\u{df}",
            "\u{202e}",
            "\u{feff}",
            "\0",
            "\r\n",
            "\u{1f600}",
            "\u{3002}",
            "example",
            "contoso.example",
            "0",
            "\u{ad}",
            "\u{2488}",
        ][..],
    );
    let built = prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat());
    let long = (0_usize..700, 0_usize..700)
        .prop_map(|(local, domain)| format!("IMCEAEX-{}@{}", "x".repeat(local), "d.".repeat(domain)));
    let halves = (built.clone(), built.clone()).prop_map(|(local, domain)| format!("{local}@{domain}"));
    prop_oneof![built, halves, "\\PC{0,80}", ".{0,40}@.{0,40}", long]
}

/// Octets without end cost no more than their length once.
#[test]
fn a_text_without_end_is_no_address() {
    for piece in ["a", "\"", "\\\"", "a.", "@", "\u{e9}", "xn--", "IMCEAEX-", "+"] {
        let long = piece.repeat((4 << 20) / piece.len());
        for text in
            [format!("{long}@contoso.example"), format!("\"{long}\"@contoso.example"), format!("a@{long}"), long]
        {
            assert!(Address::parse(&text).is_err(), "{piece}");
        }
    }
}

#[test]
fn identities_are_different_addresses() {
    let all: Vec<_> = Identity::all().collect();
    let keys: std::collections::BTreeSet<_> = all.iter().map(|identity| identity.address().key()).collect();
    assert_eq!(keys.len(), all.len());
}
