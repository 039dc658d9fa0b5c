//! An address has one holder at most, however it is written and whatever happened before.

use std::collections::BTreeMap;

use franking::model::directory::{AcceptedDomain, Change, ChangeError, DomainType, OtherProxy, Recipient, RecipientId};
use franking::model::directory::{RecipientType, Snapshot};
use franking::model::mail::{Address, ForwardPath};
use franking::model::policy::{Resolution, Settings, Unrecorded, resolve};
use proptest::prelude::*;

use super::spelling::{Identity, Spelling, identity, spelling};

const PEOPLE: u64 = 5;

/// The domains of everybody.
fn domains() -> Vec<Change> {
    let accepted = |text: &str| AcceptedDomain::new(text.parse().unwrap(), DomainType::Authoritative);
    let mut contoso = accepted("contoso.example").as_default();
    contoso.match_subdomains = true;
    let others = ["b\u{fc}cher.example", "\u{65e5}\u{672c}.example"].map(|text| Change::PutDomain(accepted(text)));
    [Change::PutDomain(contoso)].into_iter().chain(others).collect()
}

/// What a recipient of the draw has: whose addresses, and legacy names.
#[derive(Clone, Debug)]
struct Drawn {
    number: u64,
    primary: (Identity, Spelling),
    others: Vec<(Identity, Spelling)>,
    legacy: Option<(u8, bool)>,
    gone: bool,
}

impl Drawn {
    fn recipient(&self) -> Recipient {
        let id = RecipientId(self.number);
        let primary = self.primary.0.tagged("", &self.primary.1);
        let mut made = Recipient::new(id, RecipientType::SharedMailbox, format!("r{}", self.number), primary);
        // A login of its own, so that nothing but addresses can clash.
        made.account.as_mut().unwrap().login = Address::parse(&format!("login{}@x.example", self.number)).unwrap();
        for (who, spelling) in &self.others {
            made.addresses.add(who.tagged("", spelling));
        }
        if let Some((number, capitals)) = self.legacy {
            let value = format!("/o=Contoso/cn={number}");
            let value = if capitals { value.to_uppercase() } else { value };
            made.addresses.add_other(OtherProxy::new(if capitals { "x500" } else { "X500" }, &value).unwrap());
        }
        made
    }

    /// What nobody else may have, told without looking at the addresses that were made.
    fn claims(&self) -> Vec<String> {
        let own = [&self.primary].into_iter().chain(&self.others).map(|(who, _)| format!("{who:?}"));
        own.chain(self.legacy.map(|(number, _)| format!("X500 {number}"))).collect()
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let address = || (identity(), spelling());
    let legacy = prop::option::weighted(0.3, (0_u8..3, any::<bool>()));
    (1..=PEOPLE, address(), prop::collection::vec(address(), 0..6), legacy, prop::bool::weighted(0.2))
        .prop_map(|(number, primary, others, legacy, gone)| Drawn { number, primary, others, legacy, gone })
}

proptest! {
    #[test]
    fn an_address_belongs_to_one_recipient_at_most_after_any_changes(steps in prop::collection::vec(drawn(), 1..40)) {
        let mut snapshot = Snapshot::default().apply(&domains()).unwrap();
        let mut held: BTreeMap<String, u64> = BTreeMap::new();
        for step in steps {
            if step.gone {
                let removed = snapshot.apply(&[Change::RemoveRecipient(RecipientId(step.number))]);
                prop_assert_eq!(removed.is_ok(), held.values().any(|holder| *holder == step.number));
                snapshot = removed.unwrap_or(snapshot);
                held.retain(|_, holder| *holder != step.number);
                continue;
            }
            let clash = step.claims().iter().any(|claim| held.get(claim).is_some_and(|holder| *holder != step.number));
            match snapshot.apply(&[Change::PutRecipient(Box::new(step.recipient()))]) {
                Ok(next) => {
                    prop_assert!(!clash, "{:?} took what another has", step);
                    held.retain(|_, holder| *holder != step.number);
                    held.extend(step.claims().into_iter().map(|claim| (claim, step.number)));
                    snapshot = next;
                }
                Err(ChangeError::ProxyAddressInUse { .. } | ChangeError::OtherProxyInUse { .. }) => {
                    prop_assert!(clash, "{:?} was refused what nobody has", step);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
            for who in Identity::all() {
                let found = snapshot.find_by_address(&who.address()).map(|found| found.id.0);
                prop_assert_eq!(found, held.get(&format!("{who:?}")).copied(), "{:?}", who);
            }
            for number in 0..3 {
                let found = snapshot.find_by_other("X500", &format!("/o=contoso/CN={number}")).map(|found| found.id.0);
                prop_assert_eq!(found, held.get(&format!("X500 {number}")).copied());
            }
        }
    }

    #[test]
    fn every_spelling_and_every_tag_leads_to_the_same_recipient(
        who in identity(), spelling in spelling(), tag in "(\\+[a-zA-Z0-9+.]{0,8}[a-z])?",
    ) {
        let all = Identity::all().zip(1..).map(|(who, number)| {
            let name = format!("r{number}");
            let made = Recipient::new(RecipientId(number), RecipientType::SharedMailbox, name, who.address());
            Change::PutRecipient(Box::new(made))
        });
        let snapshot = Snapshot::default().apply(&domains().into_iter().chain(all).collect::<Vec<_>>()).unwrap();
        let holder = snapshot.find_by_address(&who.address()).unwrap().id;
        let path = ForwardPath::Mailbox(who.tagged(&tag, &spelling));
        let found = resolve(&snapshot, &Settings::default(), &path, &mut Unrecorded);
        prop_assert_eq!(found, Resolution::Mailbox(holder), "{}", path);
    }
}
