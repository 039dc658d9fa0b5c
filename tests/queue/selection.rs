//! A selection means exactly what its words say, however it is put together.

use franking::model::queue::{Entry, Party, Selection, State};
use proptest::prelude::*;

use super::*;

fn entry(id: u64, age_seconds: u64, sender: &str, targets: Vec<Target>) -> Entry {
    let at = Timestamp::from_unix_milliseconds(start().unix_milliseconds() - age_seconds * 1000);
    let mut facts = facts(id, at);
    facts.reverse_path = if sender.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(address(sender)) };
    let mut entry = Entry::accepted(facts);
    entry.expand(targets);
    entry
}

fn a_party() -> impl Strategy<Value = Option<&'static str>> {
    let texts = ["alice@contoso.example", "BOB@fabrikam.example", "@contoso.example", "@fabrikam.example", "<>"];
    proptest::option::of(proptest::sample::select(texts.to_vec()))
}

/// The slow and simple reading of a party: as texts.
fn is(party: &str, address: &str) -> bool {
    let (party, address) = (party.to_lowercase(), address.to_lowercase());
    match party.strip_prefix('@') {
        Some(domain) => address.split_once('@').is_some_and(|(_, own)| own == domain),
        None => party == if address.is_empty() { "<>".to_owned() } else { address },
    }
}

proptest! {
    #[test]
    fn everything_given_must_hold(
        sender in a_party(),
        recipient in a_party(),
        destination in proptest::option::of(proptest::sample::select(vec!["fabrikam.example", "dead.example"])),
        older in proptest::option::of(0_u64..7_200),
        held in any::<bool>(),
        ids in proptest::collection::vec(1_u64..4, 0..3),
        age in 0_u64..7_200,
        from in proptest::sample::select(vec!["", "alice@contoso.example", "bob@fabrikam.example"]),
        to in proptest::sample::select(vec!["fabrikam.example", "dead.example"]),
    ) {
        let mut target = relay_to(to);
        if held {
            target.apply(&Event::Held).unwrap();
        }
        let entry = entry(2, age, from, vec![target.clone()]);
        let selection = Selection {
            ids: ids.iter().copied().map(QueueId).collect(),
            sender: sender.map(|text| text.parse::<Party>().unwrap()),
            recipient: recipient.map(|text| text.parse::<Party>().unwrap()),
            destination: destination.map(|text| text.parse().unwrap()),
            older_than_seconds: older,
            state: held.then_some(State::Held),
            submitter: None,
        };
        let by_hand = (ids.is_empty() || ids.contains(&2))
            && sender.is_none_or(|party| is(party, from))
            && recipient.is_none_or(|party| is(party, &format!("partner@{to}")))
            && destination.is_none_or(|name| name == to)
            && older.is_none_or(|seconds| age >= seconds);
        prop_assert_eq!(selection.selects(&entry, start()), by_hand);
        let text = serde_json::to_string(&selection).unwrap();
        prop_assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), selection);
    }
}

#[test]
fn a_recipient_is_meant_by_the_address_given_and_by_the_one_behind_it() {
    let mut target = mailbox(1);
    let mut addressee = Addressee::clone(&target.addressee);
    Arc::make_mut(&mut addressee.passage).path = ForwardPath::Mailbox(address("staff@contoso.example"));
    target.addressee = Arc::new(addressee);
    for (text, meant) in
        [("staff@contoso.example", true), ("alice@contoso.example", true), ("eve@contoso.example", false)]
    {
        let selection = Selection { recipient: Some(text.parse().unwrap()), ..Selection::default() };
        assert_eq!(selection.means(&target), meant, "{text}");
    }
}
