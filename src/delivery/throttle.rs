//! Holds the bounds on what a mailbox takes in an hour against the copies of one message, before they leave (decision
//! D6).
//!
//! On port 25 the recipient of a stranger was judged at RCPT already; this is for members of groups, forwarding
//! targets, and mail of accounts, whose senders are told by a report. Messages of this server's own always pass.

use super::worker::Agents;
use crate::model::directory::Snapshot;
use crate::model::mail::Timestamp;
use crate::model::policy::limits::{limits_of, may_take};
use crate::model::policy::{Delivery, Destination, Expanded, Origin, Settings};
use crate::store::queue::StoredMessage;
use crate::store::tally::Branch;

/// Counts every copy for a local mailbox, and puts a refusal in the place of those that are too many. `below` is the
/// place of a recipient that was approved, and when; without it the message itself is expanded.
pub(super) fn throttle(
    agents: &Agents,
    snapshot: &Snapshot,
    settings: &Settings,
    message: &StoredMessage,
    below: Option<(u32, Timestamp)>,
    found: Vec<Expanded>,
) -> Vec<Expanded> {
    if message.envelope.origin() == Origin::System {
        return found;
    }
    let branch = Branch { id: message.id, below: below.map(|(place, _)| place) };
    let taken = agents.tally.take(branch, below.map_or(message.accepted_at, |(_, approved_at)| approved_at));
    let judged = found.into_iter().map(|expanded| {
        let Expanded::Deliver(Delivery { to: Destination::Mailbox(mailbox), .. }) = &expanded else { return expanded };
        let Some(recipient) = snapshot.recipient(*mailbox) else { return expanded };
        let limits = limits_of(recipient, settings);
        // By the sender that the client gave: one who is passed on by others is the same.
        let sender = message.envelope.reverse_path();
        match (taken.one(*mailbox, sender, |received| may_take(&limits, received)), expanded) {
            (Err(refusal), Expanded::Deliver(Delivery { passage, .. })) => {
                Expanded::Refused { address: recipient.primary().clone(), refusal: Box::new(refusal), passage }
            }
            (Ok(()) | Err(_), expanded) => expanded,
        }
    });
    judged.collect()
}
