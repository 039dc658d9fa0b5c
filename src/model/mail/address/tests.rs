//! What is an address, what is not, and which are the same.

use proptest::prelude::*;

use super::*;

#[test]
fn spellings_of_one_address_share_a_key() {
    let key = |text: &str| Address::parse(text).unwrap().key();
    assert_eq!(key("Ann@Contoso.Example"), key("ann@contoso.example"));
    assert_eq!(key("\"ann\"@contoso.example"), key("ann@contoso.example"));
    assert_eq!(key("m\u{fc}ller@b\u{fc}cher.example"), key("MU\u{308}LLER@xn--bcher-kva.example"));
    assert_ne!(key("ann@contoso.example"), key("ann@fabrikam.example"));
}

#[test]
fn quoted_local_parts_print_with_quotes_only_where_needed() {
    assert_eq!(Address::parse("\"a b\"@x.example").unwrap().to_string(), "\"a b\"@x.example");
    assert_eq!(Address::parse("\"ab\"@x.example").unwrap().to_string(), "ab@x.example");
    assert_eq!(Address::parse(r#""a\"b@c"@x.example"#).unwrap().to_string(), r#""a\"b@c"@x.example"#);
}

#[test]
fn literals_are_addresses() {
    assert_eq!(Address::parse("a@[192.0.2.1]").unwrap().to_string(), "a@[192.0.2.1]");
    assert_eq!(Address::parse("a@[ipv6:2001:DB8::1]").unwrap().to_string(), "a@[IPv6:2001:db8::1]");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "@",
        "a@",
        "@b",
        "a",
        "a b@c",
        "a..b@c",
        ".a@c",
        "a.@c",
        "a@b..c",
        "a@-b",
        "a@b-",
        "a@[1.2.3]",
        "a@[",
        "\"\"@c",
        "\"a@c",
        "\"a\"b\"@c",
        "a\r\nb@c",
        "\"a\r\n\"@c",
        "a\0@c",
        "a@b c",
        "a\u{202e}b@c",
        "a@[[1.2.3.4]]",
    ] {
        assert!(Address::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(Address::parse(&format!("{}@c", "a".repeat(65))), Err(AddressError::LocalPartTooLong));
    assert_eq!(Address::parse(&format!("a@{}", "b".repeat(64))), Err(AddressError::DomainTooLong));
}

#[test]
fn a_tag_is_taken_off_at_the_first_plus() {
    let tagged = Address::parse("ann+news+x@contoso.example").unwrap();
    assert_eq!(tagged.without_tag().unwrap().to_string(), "ann@contoso.example");
    assert!(Address::parse("+x@contoso.example").unwrap().without_tag().is_none());
}

#[test]
fn subdomains_lie_within_their_parent() {
    let domain = |text: &str| Domain::parse(text).unwrap();
    assert!(domain("a.contoso.example").is_within(&domain("contoso.example")));
    assert!(!domain("acontoso.example").is_within(&domain("contoso.example")));
}

proptest! {
    /// Found out in one pass, and meaning what the rules say one by one.
    #[test]
    fn names_and_atoms_are_what_the_rules_say(
        name in "[a-zA-Z0-9_.-]{0,20}|[a-z-]{60,66}(\\.[a-z]{1,63}){0,4}",
        local in "[a-z.+\"@ \u{e4}\u{200b}]{0,8}",
    ) {
        let is_label = |label: &str| {
            let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
        };
        let expected = if name.len() > 255 || name.split('.').any(|label| label.len() > 63) {
            Err(AddressError::DomainTooLong)
        } else if name.split('.').all(is_label) {
            Ok(Domain::Name(name.to_ascii_lowercase().into()))
        } else {
            Err(AddressError::Domain)
        };
        prop_assert_eq!(Domain::parse(&name), expected);
        let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_character);
        prop_assert_eq!(is_dot_atom(&local), local.split('.').all(is_atom));
    }
}
