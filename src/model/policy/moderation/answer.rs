//! The address to which a moderator answers by mail: it names what waits, and nobody else can make one.
//!
//! Its form is `approval-<hash>-<message>-<place>@<our default domain>`, the hash an HMAC-SHA-256 over message and
//! place under the keys of the Sender Rewriting Scheme. The hash is no password: who answers signs in and moderates the
//! recipient. It keeps others from laying answers into a moderator's mouth, as by a link that sends one.

use super::super::settings::Settings;
use super::super::srs;
use crate::model::directory::{DomainType, Snapshot};
use crate::model::mail::{Address, LocalPart};

const PREFIX: &str = "approval-";
/// Sixteen base-32 characters make 80 bits.
const HASH_CHARACTERS: usize = 16;

/// What waits for an answer: a message of the queue and the place of the moderated recipient in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The message's id.
    pub message: u64,
    /// The recipient's place.
    pub place: u32,
}

impl Awaited {
    /// The address that names it; none without a key, and where another system shares the default domain, which might
    /// have such an address.
    pub fn address(self, snapshot: &Snapshot, settings: &Settings) -> Option<Address> {
        let domain = snapshot.default_domain()?;
        let whole = snapshot.accepted_domain(domain)?.domain_type == DomainType::Authoritative;
        let key = settings.srs_keys.first().filter(|_| whole)?;
        let Self { message, place } = self;
        let text = format!("{PREFIX}{}-{message:016X}-{place}", self.hash(key));
        Some(Address::new(LocalPart::parse(&text).ok()?, domain.clone()))
    }

    /// What a genuine address names, letter case aside; none for every other address.
    pub fn of(address: &Address, settings: &Settings) -> Option<Self> {
        let text = address.local().as_str().to_ascii_lowercase();
        let mut parts = text.strip_prefix(PREFIX)?.split('-');
        let (hash, message, place) = (parts.next()?, parts.next()?, parts.next()?);
        let awaited = Self { message: u64::from_str_radix(message, 16).ok()?, place: place.parse().ok()? };
        let shown = hash.to_ascii_uppercase();
        let genuine = |key| srs::is_same(&awaited.hash(key), &shown);
        (parts.next().is_none() && settings.srs_keys.iter().any(genuine)).then_some(awaited)
    }

    fn hash(self, key: &super::super::settings::SrsKey) -> String {
        // No address holds a NUL, so no rewritten reverse-path has the same hash.
        let (message, place) = (format!("{:016x}", self.message), self.place.to_string());
        srs::keyed(key, &["\0approval", &message, &place], HASH_CHARACTERS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::settings::SrsKey;
    use super::*;
    use crate::model::directory::{AcceptedDomain, Change, RecipientId};
    use crate::model::mail::{ForwardPath, ReversePath};
    use crate::model::policy::{DsnRequest, Origin, Posting, Unrecorded, admit};

    fn settings(key: u8) -> Settings {
        Settings { srs_keys: vec![SrsKey([key; 32])], ..Settings::default() }
    }

    fn snapshot(kind: DomainType) -> Snapshot {
        let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), kind).as_default();
        Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap()
    }

    #[test]
    fn without_a_key_or_a_domain_of_our_own_there_is_no_address() {
        let awaited = Awaited { message: 7, place: 0 };
        let ours = snapshot(DomainType::Authoritative);
        assert!(awaited.address(&ours, &settings(1)).is_some());
        assert_eq!(awaited.address(&ours, &Settings::default()), None);
        assert_eq!(awaited.address(&snapshot(DomainType::InternalRelay), &settings(1)), None);
        assert_eq!(awaited.address(&Snapshot::default(), &settings(1)), None);
    }

    #[test]
    fn who_is_refused_early_reaches_it_all_the_same_and_strangers_do_not() {
        let (snapshot, settings) =
            (snapshot(DomainType::Authoritative), Settings { refuse_early: true, ..settings(1) });
        let genuine = Awaited { message: 7, place: 0 }.address(&snapshot, &settings).unwrap();
        let forged = Awaited { message: 7, place: 0 }.address(&snapshot, &self::settings(2)).unwrap();
        let admitted = |origin, to: &Address| {
            let posting = Posting::received(&snapshot, origin, &ReversePath::Null, b"", 1);
            let path = ForwardPath::Mailbox(to.clone());
            admit(&snapshot, &settings, &posting, path, DsnRequest::default(), &mut Unrecorded).is_ok()
        };
        let account = Origin::Account(RecipientId(1));
        assert!(admitted(account, &genuine) && !admitted(account, &forged) && !admitted(Origin::Anonymous, &genuine));
    }

    proptest! {
        #[test]
        fn an_address_names_what_it_was_made_for_and_no_other_key_makes_it(message: u64, place: u32, upper: bool) {
            let awaited = Awaited { message, place };
            let address = awaited.address(&snapshot(DomainType::Authoritative), &settings(1)).unwrap();
            let text = address.to_string();
            prop_assert!(address.local().as_str().len() <= 64);
            let seen = if upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() };
            prop_assert_eq!(Awaited::of(&Address::parse(&seen).unwrap(), &settings(1)), Some(awaited));
            prop_assert_eq!(Awaited::of(&address, &settings(2)), None);
            let longer = Address::parse(&text.replacen('@', "-0@", 1)).unwrap();
            prop_assert_eq!(Awaited::of(&longer, &settings(1)), None);
            let mut rotated = settings(2);
            rotated.srs_keys.extend(settings(1).srs_keys);
            prop_assert_eq!(Awaited::of(&address, &rotated), Some(awaited));
            let other = Awaited { message: message ^ 1, place };
            let other = other.address(&snapshot(DomainType::Authoritative), &settings(1));
            let (ours, theirs) = (text.split('-').nth(1), other.unwrap().to_string());
            let forged = theirs.replacen(theirs.split('-').nth(1).unwrap(), ours.unwrap(), 1);
            prop_assert_eq!(Awaited::of(&Address::parse(&forged).unwrap(), &settings(1)), None);
        }

        #[test]
        fn any_address_can_be_asked(local in "approval-[-A-Z2-7a-f0-9]{0,40}|\\PC{1,20}") {
            if let Ok(address) = Address::parse(&format!("{local}@contoso.example")) {
                prop_assert_eq!(Awaited::of(&address, &settings(1)), None);
            }
        }
    }
}
