//! The organisation that benchmarks ask: licensed users, the first of whom holds SendAs on the second, and a group.

use franking::model::directory::{
    AcceptedDomain, Change, DomainType, Grant, Recipient, RecipientId, RecipientType, Right, Snapshot,
};
use franking::model::mail::Address;

pub(crate) fn address(number: u64) -> Address {
    Address::parse(&format!("user{number}@contoso.example")).unwrap()
}

pub(crate) fn user(number: u64) -> Recipient {
    let mut recipient =
        Recipient::new(RecipientId(number + 1), RecipientType::UserMailbox, format!("user{number}"), address(number));
    if let Some(account) = &mut recipient.account {
        account.licences.push("ExchangeOnlinePlan1".into());
    }
    recipient
}

/// Users, the first of whom holds SendAs on the second, and a group of a hundred of them, or of all if they are fewer.
pub(crate) fn directory(size: u64) -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let mut changes = vec![Change::PutDomain(domain)];
    changes.extend((0..size).map(|number| Change::PutRecipient(Box::new(user(number)))));
    let mut owner = user(1);
    owner.grants.push(Grant { right: Right::SendAs, trustee: RecipientId(1), deny: false });
    changes.push(Change::PutRecipient(Box::new(owner)));
    let id = RecipientId(size + 1);
    let name = Address::parse("staff@contoso.example").unwrap();
    let mut group = Recipient::new(id, RecipientType::MailUniversalDistributionGroup, "staff", name);
    group.group.get_or_insert_default().set_members((1..=100.min(size)).map(RecipientId).collect());
    changes.push(Change::PutRecipient(Box::new(group)));
    Snapshot::default().apply(&changes).unwrap()
}
