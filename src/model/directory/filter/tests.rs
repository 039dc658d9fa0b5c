//! Laws of filters.

use proptest::prelude::*;

use super::*;
use crate::model::directory::recipient::RecipientId;
use crate::model::mail::Address;

fn alice() -> Recipient {
    let address = Address::parse("alice@contoso.example").unwrap();
    let mut alice = Recipient::new(RecipientId(1), RecipientType::UserMailbox, "alice", address);
    alice.addresses.add(Address::parse("a.liddell@contoso.example").unwrap());
    alice.address_book.set(AddressBookProperty::Department, "Sales");
    alice.address_book.set(AddressBookProperty::StateOrProvince, "Nordrhein-Westfalen");
    alice.custom_attributes = Some(Box::new([(2, "Sales North".into())].into()));
    alice
}

fn matches(filter: &str) -> bool {
    Filter::parse(filter).unwrap().matches(&alice())
}

#[test]
fn comparisons_ignore_letter_case() {
    assert!(matches("name -EQ 'ALICE'"));
    assert!(matches("CustomAttribute2 -like 'sales*'"));
    assert!(!matches("CustomAttribute2 -eq 'sales*'"), "a star is a star to -eq");
    assert!(matches("CustomAttribute2 -like '*s*n*th'"));
    assert!(!matches("CustomAttribute2 -like '*s*n*thx'"));
    assert!(matches("CustomAttribute1 -eq $null -and CustomAttribute2 -ne $null"));
    assert!(matches("HiddenFromAddressListsEnabled -eq $false"));
    assert!(matches("RecipientType -eq 'UserMailbox' -and RecipientTypeDetails -ne 'SharedMailbox'"));
    assert!(matches("Alias -eq 'alice' -and PrimarySmtpAddress -like '*@contoso.example'"));
}

#[test]
fn the_address_book_is_compared_like_any_text() {
    for (filter, holds) in [
        ("Department -eq 'sales'", true),
        ("Department -eq 'sal*'", false),
        ("Department -like 'SAL*'", true),
        ("Department -notlike 'SAL*'", false),
        ("Department -ne 'Sales'", false),
        ("Department -ne 'Marketing'", true),
        ("Department -eq $null", false),
        ("Department -ne $null", true),
        ("department -eq 'Sales' -and STATEORPROVINCE -like '*westfalen'", true),
        ("Company -eq 'Contoso'", false),
        // Who has no text has none that is equal: it differs from every text, and is like none.
        ("Company -ne 'Contoso'", true),
        ("Company -notlike 'Con*'", true),
        ("Company -like '*'", false),
        ("Company -eq $null", true),
        ("Company -ne $null", false),
    ] {
        assert_eq!(matches(filter), holds, "{filter}");
    }
    for property in AddressBookProperty::ALL {
        let mut bob = Recipient::new(RecipientId(2), RecipientType::MailContact, "bob", alice().primary().clone());
        let filter = Filter::parse(&format!("{property} -eq 'x y'")).unwrap();
        assert!(!filter.matches(&bob), "{property}");
        bob.address_book.set(property, "X Y");
        assert!(filter.matches(&bob), "{property}");
        assert!(Filter::parse(&format!("{property} -eq $true")).is_err(), "{property}");
    }
}

#[test]
fn what_exchange_makes_of_its_conditions_is_understood() {
    // As `Get-DynamicDistributionGroup` shows the filter of -IncludedRecipients MailboxUsers -ConditionalDepartment Sales.
    let filter = "((((RecipientType -eq 'UserMailbox') -and (Department -eq 'Sales'))) -and \
                  (-not(Name -like 'SystemMailbox{*')) -and (-not(Name -like 'CAS_{*')) -and \
                  (-not(RecipientTypeDetailsValue -eq 'MailboxPlan')) -and \
                  (-not(RecipientTypeDetailsValue -eq 'DiscoveryMailbox')) -and \
                  (-not(RecipientTypeDetailsValue -eq 'ArbitrationMailbox')))";
    assert!(matches(filter));
    assert!(!matches(&filter.replace("Sales", "Marketing")));
    assert!(!matches(&filter.replace("'MailboxPlan'", "'UserMailbox'")));
}

#[test]
fn a_property_of_several_values_differs_only_when_none_is_equal() {
    assert!(matches("EmailAddresses -eq 'smtp:a.liddell@contoso.example'"));
    assert!(matches("EmailAddresses -like 'a.lid*'"));
    assert!(!matches("EmailAddresses -ne 'alice@contoso.example'"));
    assert!(matches("EmailAddresses -notlike '*@fabrikam.example'"));
}

#[test]
fn groups_nest_and_braces_count_as_parentheses() {
    assert!(matches("{((Name -eq 'x') -or (Name -eq 'alice')) -and -not(Name -eq 'it''s')}"));
    assert!(matches("-not -not (Name -eq 'alice')"));
}

#[test]
fn errors_say_where_and_what() {
    let error = |text: &str| Filter::parse(text).unwrap_err();
    assert_eq!(error("").position, 0);
    assert_eq!(error("Name -is 'x'").position, 5);
    assert_eq!(error("Name -eq 'x").position, 9);
    assert_eq!(error("Name -eq 'x' Name").position, 13);
    let mixed = error("Name -eq 'x' -and Name -eq 'y' -or Name -eq 'z'");
    assert_eq!(mixed.position, 31);
    assert!(mixed.to_string().starts_with("at character 32: -and and -or side by side"), "{mixed}");
    for text in [
        "CustomAttribute0 -eq 'x'",
        "CustomAttribute16 -eq 'x'",
        "CustomAttribute+1 -eq 'x'",
        "Name -eq $true",
        "Name -like $null",
        "HiddenFromAddressListsEnabled -eq 'x'",
        "HiddenFromAddressListsEnabled -like $true",
        "Name -eq x",
        "-not Name -eq 'x'",
        "(Name -eq 'x'}",
        "Name -eq 'a\r\nb'",
        "{}",
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}Name -eq 'x'{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(FILTER_DEPTH_MAX - 1)).is_ok());
    assert!(Filter::parse(&nested(FILTER_DEPTH_MAX)).is_err());
    assert!(Filter::parse(&"-not ".repeat(800)).is_err());
    assert!(Filter::parse(&format!("Name -eq '{}'", "x".repeat(FILTER_BYTES_MAX))).is_err());
}

#[test]
fn many_stars_do_not_multiply_the_work() {
    // A backtracking matcher would need longer than the universe has.
    assert!(!is_like(&"a".repeat(4000), &format!("{}b", "a*".repeat(2000))));
}

/// The definition: a star is any number of any octets.
fn is_like_by_definition(text: &[u8], pattern: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|place| is_like_by_definition(&text[place..], rest)),
        Some((octet, rest)) => {
            text.split_first().is_some_and(|(first, text)| first == octet && is_like_by_definition(text, rest))
        }
    }
}

fn any_node() -> impl Strategy<Value = Node> {
    let text = "[a-zA-Z'*é]{0,8}".prop_map(|typed| {
        let folded = typed.to_lowercase().into();
        Value::Text { typed: typed.into(), folded }
    });
    let property = prop_oneof![
        Just(Property::Name),
        Just(Property::DisplayName),
        Just(Property::EmailAddresses),
        Just(Property::RecipientTypeDetailsValue),
        prop::sample::select(&AddressBookProperty::ALL[..]).prop_map(Property::AddressBook),
        (1..=15_u8).prop_map(Property::CustomAttribute)
    ];
    let operator =
        prop_oneof![Just(Operator::Equal), Just(Operator::NotEqual), Just(Operator::Like), Just(Operator::NotLike)];
    let compare = (property, operator, text)
        .prop_map(|(property, operator, value)| Node::Compare(Comparison { property, operator, value }));
    compare.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            inner.prop_map(|node| Node::Not(Box::new(node))),
        ]
    })
}

proptest! {
    #[test]
    fn a_star_means_any_characters(text in "[ab]{0,7}", pattern in "[ab*]{0,7}") {
        let expected = is_like_by_definition(text.as_bytes(), pattern.as_bytes());
        prop_assert_eq!(is_like(&text, &pattern), expected, "{} like {}", text, pattern);
    }

    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn parsing_nearly_right_texts_never_panics(
        text in "(Name|-eq|-like|-and|-or|-not|'|''|\\(|\\)|\\{|\\}|\\$true|\\$null| |x|\\*){0,24}",
    ) {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn printing_and_parsing_again_gives_the_same_filter(node in any_node()) {
        let filter = Filter(node);
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }
}
