//! What mailboxes forward.

use super::{ForwardingProperty, Passage, Survey, WayOut, text};
use crate::model::directory::{Forwarding, Recipient};
use crate::model::policy::forwarding::{self, Exit};
use crate::model::policy::trail::Unrecorded;

/// A property of a mailbox, alone.
struct Set {
    only: Forwarding,
    property: ForwardingProperty,
    target: Box<str>,
    /// It is the one that counts.
    wins: bool,
}

/// The ways by which a mailbox forwards.
pub(super) fn of(survey: &mut Survey<'_>, mailbox: &Recipient, looked_at: &mut usize) -> Vec<WayOut> {
    let Some(set) = mailbox.forwarding.as_deref() else {
        return Vec::new();
    };
    let object = set.forwarding_address.and_then(|id| {
        let only = Forwarding { forwarding_address: Some(id), ..Forwarding::default() };
        let (property, target) =
            (ForwardingProperty::ForwardingAddress, text(survey.snapshot.recipient(id)?.primary()));
        Some(Set { only, property, target, wins: true })
    });
    let smtp = set.forwarding_smtp_address.as_ref().map(|address| {
        let only = Forwarding { forwarding_smtp_address: Some(address.clone()), ..Forwarding::default() };
        let (property, wins) = (ForwardingProperty::ForwardingSmtpAddress, set.forwarding_address.is_none());
        Set { only, property, target: text(address), wins }
    });
    let keeps_copy = set.deliver_to_mailbox_and_forward;
    let sets = object.into_iter().chain(smtp);
    sets.filter_map(|set| one(survey, mailbox, set, keeps_copy, looked_at)).collect()
}

fn one(
    survey: &mut Survey<'_>,
    mailbox: &Recipient,
    set: Set,
    keeps_copy: bool,
    looked_at: &mut usize,
) -> Option<WayOut> {
    let (snapshot, settings) = (survey.snapshot, survey.settings);
    let asleep = survey.is_asleep(mailbox);
    let judged = |passage| match (set.wins, asleep) {
        (false, _) => Passage::Ignored,
        (true, true) => Passage::Asleep,
        (true, false) => passage,
    };
    let resolution = forwarding::target(snapshot, settings, &set.only, &mut Unrecorded)?;
    let (address, passage) = match forwarding::exit(snapshot, settings, &resolution, &mut Unrecorded) {
        Exit::Permitted(address) => (address, Passage::Open),
        Exit::Forbidden(address) => (address, Passage::Blocked),
        Exit::Suppressed(address) => (address, Passage::Dropped),
        Exit::Inside => {
            let group = survey.group_at(resolution)?;
            let permits = snapshot.organisation().auto_forwarding_mode.permits();
            return survey.reaches_outside(group.id, looked_at).then(|| WayOut::GroupForwarding {
                mailbox: text(mailbox.primary()),
                property: set.property,
                target: set.target,
                group: text(group.primary()),
                keeps_copy,
                passage: judged(if permits { Passage::Open } else { Passage::Blocked }),
            });
        }
    };
    Some(WayOut::Forwarding {
        mailbox: text(mailbox.primary()),
        property: set.property,
        target: set.target,
        leaves_for: text(&address),
        keeps_copy,
        passage: judged(passage),
    })
}
