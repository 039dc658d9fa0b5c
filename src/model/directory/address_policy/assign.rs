//! Which addresses a policy gives one recipient.

use super::AddressPolicy;
use super::template::AddressTemplate;
use crate::model::directory::best_fit;
use crate::model::directory::proxy::ProxyAddresses;
use crate::model::directory::recipient::Recipient;
use crate::model::mail::address::LOCAL_PART_BYTES_MAX;
use crate::model::mail::{Address, LocalPart};

/// Numbers that are tried one after the other; then comes one that follows from the recipient's identity.
const NUMBERS_TRIED: u64 = 1_000;

/// Whether anybody but the recipient has an address, or signs in by it.
pub type Taken<'a> = &'a dyn Fn(&Address) -> bool;

/// Every number for an address is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every address that {0} could make for it is taken")]
pub struct NoneFree(pub String);

impl AddressPolicy {
    /// The addresses of a recipient that the policy is for. Those that it has stay: the former primary address and what
    /// former templates made are secondary. Doing it again with the outcome changes nothing.
    ///
    /// # Errors
    /// [`NoneFree`].
    pub fn addresses(&self, recipient: &Recipient, taken: Taken<'_>) -> Result<ProxyAddresses, NoneFree> {
        let mut addresses = recipient.addresses.clone();
        let primary = choose(&self.primary, recipient, &addresses, taken)?;
        if primary.key() != addresses.primary().key() {
            addresses.set_primary(primary);
        }
        for template in &self.secondary {
            let address = choose(template, recipient, &addresses, taken)?;
            addresses.add(address);
        }
        Ok(addresses)
    }

    /// The addresses of a recipient that is new, so that the one it has for the time being is not kept.
    ///
    /// # Errors
    /// [`NoneFree`].
    pub fn first_addresses(&self, recipient: &Recipient, taken: Taken<'_>) -> Result<ProxyAddresses, NoneFree> {
        let mut addresses = recipient.addresses.clone();
        let provisional = addresses.primary().key();
        let primary = choose(&self.primary, recipient, &addresses, taken)?;
        if primary.key() != provisional {
            addresses.replace_primary(primary);
        }
        let given = Recipient { addresses, ..recipient.clone() };
        self.addresses(&given, taken)
    }
}

/// The address that a template makes: one that the recipient has by it already, else the first that is free.
///
/// Whoever has a number keeps it. Otherwise somebody would be given the address of another the day after that one left,
/// and with it the mail that is still sent there.
fn choose(
    template: &AddressTemplate,
    recipient: &Recipient,
    own: &ProxyAddresses,
    taken: Taken<'_>,
) -> Result<Address, NoneFree> {
    let base = base(template, recipient);
    let made = |number: Option<u64>| {
        let local = LocalPart::parse(&numbered(&base, number)).ok()?;
        Some(Address::new(local, template.domain().clone()))
    };
    let here = || own.smtp().filter(|address| address.domain() == template.domain());
    let plain = made(None).map(|address| address.key());
    let exact = here().find(|address| Some(address.key()) == plain);
    if let Some(kept) = exact.or_else(|| here().find(|address| is_numbered(address.local().as_str(), &base))) {
        return Ok(kept.clone());
    }
    let last = NUMBERS_TRIED.saturating_add(recipient.id.0);
    let numbers = (2..=NUMBERS_TRIED).chain([last]).map(Some);
    let free = core::iter::once(None).chain(numbers).filter_map(made).find(|address| !taken(address));
    free.ok_or_else(|| NoneFree(template.to_string()))
}

/// What is before the `@` while no number is needed. A template that comes to nothing, since the recipient has no such
/// name or none that ASCII can write, stands for the alias; and where that is nothing either, for the word `user`.
fn base(template: &AddressTemplate, recipient: &Recipient) -> String {
    let text = template.local_text(recipient);
    if !text.is_empty() {
        return text;
    }
    let alias = recipient.alias();
    let ascii = alias.chars().filter_map(best_fit::ascii).collect::<String>();
    let letters: String = ascii.chars().filter(char::is_ascii_alphanumeric).take(LOCAL_PART_BYTES_MAX).collect();
    if letters.is_empty() { "user".to_owned() } else { letters }
}

/// The base with a number behind it, shortened where both are too long together.
fn numbered(base: &str, number: Option<u64>) -> String {
    let Some(number) = number else { return base.to_owned() };
    let digits = number.to_string();
    let room = LOCAL_PART_BYTES_MAX - digits.len();
    // All of it is ASCII.
    let kept = base.get(..base.len().min(room)).unwrap_or(base).trim_end_matches('.');
    format!("{kept}{digits}")
}

/// Whether a local part is the base with a number that [`choose`] could have given.
fn is_numbered(local: &str, base: &str) -> bool {
    let digits = local.bytes().rev().take_while(u8::is_ascii_digit).count();
    let numbers = (1..=digits).filter_map(|length| local.get(local.len() - length..));
    numbers
        .filter(|text| !text.starts_with('0'))
        .filter_map(|text| text.parse::<u64>().ok())
        .any(|number| number >= 2 && numbered(base, Some(number)).eq_ignore_ascii_case(local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::address_book::AddressBookProperty;
    use crate::model::directory::{RecipientId, RecipientType};

    fn policy(templates: &[&str]) -> AddressPolicy {
        let templates = templates.iter().map(|text| text.parse().unwrap()).collect::<Vec<AddressTemplate>>();
        let (primary, secondary) = templates.split_first().unwrap();
        AddressPolicy::new("all", primary.clone(), secondary.to_vec())
    }

    fn alice() -> Recipient {
        let address = "al@contoso.example".parse().unwrap();
        let mut own = Recipient::new(RecipientId(9), RecipientType::UserMailbox, "al", address);
        own.address_book.set(AddressBookProperty::FirstName, "Alice");
        own
    }

    fn shown(addresses: &ProxyAddresses) -> Vec<String> {
        addresses.smtp().map(ToString::to_string).collect()
    }

    #[test]
    fn the_former_primary_stays_and_numbers_begin_with_two() {
        let policy = policy(&["%g@contoso.example", "%m@fabrikam.example"]);
        let taken = |address: &Address| address.local().as_str() == "Alice";
        let mut own = alice();
        own.addresses = policy.addresses(&own, &taken).unwrap();
        let all = ["Alice2@contoso.example", "al@contoso.example", "al@fabrikam.example"];
        assert_eq!(shown(&own.addresses), all);
        // The one whose name it was is gone: the number stays all the same.
        assert_eq!(shown(&policy.addresses(&own, &|_| false).unwrap()), all);
        // Somebody who was given the plain address besides has it as the primary one.
        own.addresses.add("alice@contoso.example".parse().unwrap());
        assert_eq!(policy.addresses(&own, &|_| false).unwrap().primary().to_string(), "alice@contoso.example");
    }

    #[test]
    fn a_new_recipient_keeps_no_address_that_it_never_had() {
        let policy = policy(&["%g@contoso.example"]);
        assert_eq!(shown(&policy.first_addresses(&alice(), &|_| false).unwrap()), ["Alice@contoso.example"]);
        let own = policy.first_addresses(&alice(), &|_| false).unwrap();
        assert_eq!(policy.addresses(&Recipient { addresses: own.clone(), ..alice() }, &|_| false).unwrap(), own);
    }

    #[test]
    fn without_a_name_it_is_the_alias_and_after_many_the_identity() {
        let policy = policy(&["%s@contoso.example"]);
        assert_eq!(policy.addresses(&alice(), &|_| false).unwrap().primary().to_string(), "al@contoso.example");
        let mut own = alice();
        own.address_book.set(AddressBookProperty::LastName, "Smith");
        let crowded = |address: &Address| {
            let number = address.local().as_str().trim_start_matches("Smith");
            number.parse().unwrap_or(0_u64) <= NUMBERS_TRIED
        };
        own.addresses = policy.addresses(&own, &crowded).unwrap();
        assert_eq!(own.primary().to_string(), "Smith1009@contoso.example");
        assert_eq!(policy.addresses(&own, &|_| false).unwrap(), own.addresses);
        own.addresses = ProxyAddresses::new("al@contoso.example".parse().unwrap());
        assert_eq!(policy.addresses(&own, &|_| true), Err(NoneFree("%s@contoso.example".to_owned())));
    }

    #[test]
    fn a_long_name_makes_room_for_its_number() {
        let base = format!("{}.{}", "a".repeat(62), "b");
        assert_eq!(numbered(&base, None).len(), 64);
        assert_eq!(numbered(&base, Some(2)), format!("{}2", "a".repeat(62)));
        assert!(is_numbered(&numbered(&base, Some(17)), &base));
        for no in ["al0", "al1", "al02", "bo2", "al", "2"] {
            assert!(!is_numbered(no, "al"), "{no}");
        }
        assert!(is_numbered("AL22", "al") && is_numbered("al22", "al2"));
    }
}
