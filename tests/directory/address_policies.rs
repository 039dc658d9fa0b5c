//! Laws of email address policies, over names and templates that nobody chose.

use std::collections::BTreeSet;

use franking::model::directory::address_policy::{AddressTemplate, Outcome, Selector};
use franking::model::directory::{
    AcceptedDomain, AddressBookProperty, AddressPolicy, Change, DomainType, Priority, Recipient, RecipientId,
    RecipientType, Snapshot,
};
use franking::model::mail::Address;
use proptest::prelude::*;

const DOMAINS: [&str; 2] = ["contoso.example", "xn--bcher-kva.example"];

fn beginning() -> Snapshot {
    let domain = |name: &str| AcceptedDomain::new(name.parse().unwrap(), DomainType::Authoritative);
    let domains = DOMAINS.map(|name| Change::PutDomain(domain(name)));
    Snapshot::default().apply(&domains).unwrap()
}

/// Names that are short and alike, so that they meet, and some that ASCII cannot write.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab][bä]?", 1 => "[ .@'А李ß2]{0,3}", 1 => "[a-z]{60,64}"]
}

fn template() -> impl Strategy<Value = AddressTemplate> {
    const PARTS: [&str; 14] = ["%m", "%g", "%s", "%i", "%d", "%1g", "%2s", "%rab", "%raa", ".", "%%", "x", "ä", "2"];
    let local = prop::collection::vec(prop::sample::select(&PARTS[..]), 0..5).prop_map(|parts| parts.concat());
    (local, prop::sample::select(&DOMAINS[..])).prop_map(|(local, domain)| format!("{local}@{domain}").parse().unwrap())
}

fn policy() -> impl Strategy<Value = AddressPolicy> {
    let templates = prop::collection::vec(template(), 1..4);
    let filter = prop::option::of(prop::sample::select(&["FirstName -like 'a*'", "LastName -eq $null"][..]));
    let priority = prop_oneof![4 => (1..5_u32).prop_map(Priority::Number), 1 => Just(Priority::Lowest)];
    (0..4_u8, templates, filter, priority).prop_map(|(number, templates, filter, priority)| {
        let (primary, secondary) = templates.split_first().unwrap();
        AddressPolicy {
            priority,
            recipient_filter: filter.map(Into::into),
            ..AddressPolicy::new(format!("policy {number}"), primary.clone(), secondary.to_vec())
        }
    })
}

prop_compose! {
    fn recipient()(
        kind in prop::sample::select(&[
            RecipientType::UserMailbox, RecipientType::GroupMailbox, RecipientType::MailContact,
            RecipientType::MailUniversalDistributionGroup,
        ][..]),
        first in name(), last in name(), initials in name(), display in name(),
        local in "[ab]b?[2-4]?", governed in prop::bool::weighted(0.9),
    ) -> Recipient {
        let address: Address = format!("{local}@contoso.example").parse().unwrap();
        let mut own = Recipient::new(RecipientId(0), kind, "x", address);
        let initials: String = initials.chars().take(6).collect();
        let texts = [
            (AddressBookProperty::FirstName, first), (AddressBookProperty::LastName, last),
            (AddressBookProperty::Initials, initials),
        ];
        texts.iter().for_each(|(property, text)| own.address_book.set(*property, text));
        own.display_name = (!display.is_empty()).then(|| display.into());
        own.email_address_policy_enabled = governed;
        if kind == RecipientType::MailContact {
            own.external_address = Some(Box::new("partner@fabrikam.example".parse().unwrap()));
        }
        own
    }
}

fn directory() -> impl Strategy<Value = Snapshot> {
    let people = prop::collection::vec(recipient(), 0..12);
    (people, prop::collection::vec(policy(), 0..5)).prop_map(|(people, policies)| {
        let mut snapshot = beginning();
        for (number, mut own) in people.into_iter().enumerate() {
            own.id = snapshot.next_id();
            own.name = format!("name {number}").as_str().into();
            // Two with one address: the second is left out.
            snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(own))]).unwrap_or(snapshot);
        }
        for policy in policies {
            snapshot = snapshot.apply(&[Change::PutAddressPolicy(Box::new(policy))]).unwrap_or(snapshot);
        }
        snapshot
    })
}

/// What applying the policies makes of a directory, one recipient after the other.
fn applied(snapshot: &Snapshot, for_all: bool) -> (Snapshot, usize) {
    let mut ids: Vec<RecipientId> = snapshot.recipients().map(|recipient| recipient.id).collect();
    ids.sort_unstable();
    let (mut next, mut count) = (snapshot.clone(), 0);
    let selector = Selector::of(snapshot, for_all);
    for id in ids {
        let outcome = selector.outcome(next.recipient(id).unwrap(), &next);
        if let Outcome::Altered(_, recipient) = outcome {
            // The directory judges it like any other change: its addresses are valid, and nobody else's.
            next = next.apply(&[Change::PutRecipient(recipient)]).unwrap();
            count += 1;
        }
    }
    (next, count)
}

fn addresses(recipient: &Recipient) -> BTreeSet<String> {
    recipient.addresses.smtp().map(|address| address.key().as_str().to_owned()).collect()
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing(snapshot in directory()) {
        let (once, _) = applied(&snapshot, true);
        let (_, count) = applied(&once, true);
        prop_assert_eq!(count, 0);
    }

    #[test]
    fn nobody_loses_an_address_and_no_address_is_of_two(snapshot in directory(), for_all in any::<bool>()) {
        let (next, _) = applied(&snapshot, for_all);
        let mut all = BTreeSet::new();
        for recipient in next.recipients() {
            let former = snapshot.recipient(recipient.id).unwrap();
            let own = addresses(recipient);
            prop_assert!(own.is_superset(&addresses(former)), "{:?} was {:?}", own, former.addresses);
            prop_assert!(own.iter().all(|address| all.insert(address.clone())), "{:?}", own);
            for address in recipient.addresses.smtp() {
                prop_assert_eq!(&Address::parse(&address.to_string()).unwrap(), address);
                prop_assert_eq!(next.find_by_address(address).map(|holder| holder.id), Some(recipient.id));
            }
            let follows = former.email_address_policy_enabled
                && (for_all || former.recipient_type == RecipientType::GroupMailbox);
            prop_assert!(follows || former == recipient);
            if let (true, Some(policy)) = (follows, Selector::of(&snapshot, for_all).policy(former)) {
                prop_assert_eq!(recipient.primary().domain(), policy.primary.domain());
            }
        }
    }

    #[test]
    fn priorities_are_numbers_without_a_gap_and_the_default_is_last(
        steps in prop::collection::vec((policy(), any::<bool>()), 0..12),
    ) {
        let mut snapshot = beginning();
        for (policy, removes) in steps {
            let (name, place) = (policy.name.clone(), policy.priority);
            let change = if removes {
                Change::RemoveAddressPolicy(name.clone())
            } else {
                Change::PutAddressPolicy(Box::new(policy))
            };
            let Ok(next) = snapshot.apply(&[change]) else { continue };
            snapshot = next;
            let policies = snapshot.address_policies();
            let numbered = policies.iter().filter(|policy| policy.priority != Priority::Lowest).count();
            for (seat, policy) in (1..).zip(policies) {
                let last = policy.priority == Priority::Lowest && seat as usize == policies.len();
                prop_assert!(policy.priority == Priority::Number(seat) || last, "{:?}", policies);
            }
            if let (false, Priority::Number(wanted)) = (removes, place) {
                let got = snapshot.address_policy(&name).unwrap().priority;
                prop_assert_eq!(got, Priority::Number(wanted.min(numbered as u32)));
            }
        }
    }

    #[test]
    fn any_text_is_a_template_or_is_refused(text in "(\\PC|%|@|[0-9]){0,40}", own in recipient()) {
        for text in [format!("{text}@contoso.example"), text] {
            let Ok(template) = text.parse::<AddressTemplate>() else { continue };
            prop_assert_eq!(template.to_string().parse::<AddressTemplate>().unwrap(), template.clone());
            let policy = AddressPolicy::new("any", template, Vec::new());
            let made = policy.first_addresses(&own, &|_| false).unwrap();
            prop_assert!(made.primary().is_ascii(), "{}", made.primary());
        }
    }
}

#[test]
fn a_domain_in_which_policies_make_addresses_stays() {
    let put = |name: &str, template: &str| {
        Change::PutAddressPolicy(Box::new(AddressPolicy::new(name, template.parse().unwrap(), Vec::new())))
    };
    let snapshot = beginning().apply(&[put("Staff", "%m@contoso.example"), put("Guests", "g-%m@contoso.example")]);
    let snapshot = snapshot.unwrap();
    let error = snapshot.apply(&[Change::RemoveDomain("contoso.example".parse().unwrap())]).unwrap_err();
    let text = "The domain contoso.example is still used by the email address policies \"Staff\", \"Guests\". Change or \
                remove them first.";
    assert_eq!(error.to_string(), text);
    assert!(snapshot.apply(&[Change::RemoveDomain("bücher.example".parse().unwrap())]).is_ok());
    let gone = [Change::RemoveAddressPolicy("staff".into()), Change::RemoveAddressPolicy("GUESTS".into())];
    let snapshot = snapshot.apply(&gone).unwrap();
    assert!(snapshot.apply(&[Change::RemoveDomain("contoso.example".parse().unwrap())]).is_ok());
}

#[test]
fn a_policy_that_cannot_be_is_refused_with_its_reason() {
    let plain = |name: &str| AddressPolicy::new(name, "%m@contoso.example".parse().unwrap(), Vec::new());
    let refused = |policy: AddressPolicy| {
        let default = AddressPolicy { priority: Priority::Lowest, ..plain("Default Policy") };
        let changes = [default, policy].map(|policy| Change::PutAddressPolicy(Box::new(policy)));
        beginning().apply(&changes).unwrap_err().to_string()
    };
    assert!(refused(plain(" blank")).contains("its name has 1 to 64 characters"));
    let elsewhere = AddressPolicy::new("x", "%m@fabrikam.example".parse().unwrap(), Vec::new());
    assert!(refused(elsewhere).contains("fabrikam.example is no accepted domain; add it first: franking domain add"));
    let filtered = |filter: &str| AddressPolicy { recipient_filter: Some(filter.into()), ..plain("x") };
    assert!(refused(filtered("Shoe -eq '44'")).contains("the recipient filter: at character 1"));
    assert!(refused(filtered("-not (EmailAddresses -like '*x*')")).contains("asks for addresses"));
    let lowest = |policy| AddressPolicy { priority: Priority::Lowest, ..policy };
    assert!(refused(lowest(plain("x"))).contains("\"Default Policy\" is the default policy"));
    let error = lowest(AddressPolicy { name: "default policy".into(), ..filtered("City -eq 'x'") });
    assert!(refused(error).contains("is for all recipients, so it has no recipient filter"));
    let many = AddressPolicy { secondary: vec!["%m@contoso.example".parse().unwrap(); 50], ..plain("x") };
    assert!(refused(many).contains("at most 50 templates"));
    let crowd: Vec<Change> =
        (0..101).map(|number| Change::PutAddressPolicy(Box::new(plain(&format!("p{number}"))))).collect();
    assert!(beginning().apply(&crowd).unwrap_err().to_string().contains("at most 100"));
    assert!(beginning().apply(&crowd[1..]).is_ok());
}
