//! As whom an account may send (decision D3): itself, as an owner, on behalf of an owner, or not at all.
//!
//! SendAs beats SendOnBehalf, a deny entry beats an allow entry, and FullAccess never permits sending.

use std::collections::HashSet;

use super::settings::Settings;
use super::trail::Trail;
use crate::model::directory::{Lifecycle, Recipient, RecipientId, RecipientType, Right, Snapshot};
use crate::model::mail::Address;

/// In which capacity an account uses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitAs {
    /// One of its own proxy addresses.
    Own,
    /// As the owner, who is then the only sender to be seen.
    As(RecipientId),
    /// On behalf of the owner; the account shows in Sender.
    OnBehalf(RecipientId),
    /// Not at all.
    Denied,
}

/// Judges whether `account` may use `address` as author or reverse-path.
pub fn submit_as(
    snapshot: &Snapshot,
    settings: &Settings,
    account: RecipientId,
    address: &Address,
    trail: &mut impl Trail,
) -> SubmitAs {
    // A contact or mail user may hold a foreign address: nobody here speaks for that domain (spec section 4.3).
    let foreign = snapshot.accepted_domain(address.domain()).is_none();
    if trail.asks("the address lies in no domain of this organisation", foreign) {
        return SubmitAs::Denied;
    }
    let owner = snapshot.find_by_address(address);
    let own = owner.is_some_and(|owner| owner.id == account);
    trail.note("the address is one of the account's own", own, || address.to_string());
    if own {
        return SubmitAs::Own;
    }
    let Some(owner) = owner else {
        trail.note("the address belongs to a recipient of this organisation", false, || address.to_string());
        return SubmitAs::Denied;
    };
    if trail.asks("the owner has no mailbox that could be answered", !speaks(settings, owner)) {
        return SubmitAs::Denied;
    }
    let principals = principals(snapshot, account);
    if holds(owner, Right::SendAs, &principals, "the account holds SendAs", trail) {
        return SubmitAs::As(owner.id);
    }
    if holds(owner, Right::SendOnBehalf, &principals, "the account holds SendOnBehalf", trail) {
        return SubmitAs::OnBehalf(owner.id);
    }
    SubmitAs::Denied
}

/// Whether an address of `owner` speaks for somebody (spec section 3.2, column "can be sent as"): not for a mailbox
/// that was deleted or disconnected, never was, or lost its licence, and not for a shard, which nobody sees.
fn speaks(settings: &Settings, owner: &Recipient) -> bool {
    if owner.recipient_type.is_mailbox() {
        return owner.has_open_mailbox(settings.licensing()) || owner.lifecycle == Lifecycle::AwaitingMigration;
    }
    owner.recipient_type != RecipientType::ShardMailbox && !owner.lifecycle.is_gone()
}

/// The account itself and every security group it is in, directly or through other security groups.
///
/// Ends for every graph of groups, cyclic ones included: each group is visited once.
pub fn principals(snapshot: &Snapshot, account: RecipientId) -> HashSet<RecipientId> {
    let mut found = HashSet::from([account]);
    let mut pending = vec![account];
    while let Some(next) = pending.pop() {
        let groups = snapshot.groups_of(next).filter(|group| group.recipient_type.is_security_principal_group());
        pending.extend(groups.map(|group| group.id).filter(|group| found.insert(*group)));
    }
    found
}

fn holds(
    owner: &Recipient,
    right: Right,
    principals: &HashSet<RecipientId>,
    question: &'static str,
    trail: &mut impl Trail,
) -> bool {
    let among = |deny| owner.trustees(right, deny).any(|trustee| principals.contains(&trustee));
    let held = among(false) && !among(true);
    trail.note(question, held, || format!("{right} on {}", owner.primary()));
    held
}
