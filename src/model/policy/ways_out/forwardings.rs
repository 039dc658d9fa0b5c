//! What leaves a mailbox by itself: what it forwards and what it answers.

use super::{ForwardingProperty, Passage, Survey, WayOut, text};
use crate::model::directory::{
    AllowedOofType, AutoReplyState, ExternalAudience, ExternalOofOptions, Forwarding, Recipient,
};
use crate::model::mail::{DomainPattern, ForwardPath};
use crate::model::policy::forwarding::{self, Exit};
use crate::model::policy::resolve::{Resolution, of_recipient, resolve};
use crate::model::policy::trail::Unrecorded;

/// A contact that stands for another of ours, and so on: a longer chain goes round.
const CHAIN_MAX: usize = 20;

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
    let asleep = of_recipient(settings, mailbox, &mut Unrecorded).is_none();
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
            let Resolution::Group(id) = end_of(survey, resolution) else { return None };
            let group = text(snapshot.recipient(id)?.primary());
            let permits = snapshot.organisation().auto_forwarding_mode.permits();
            return survey.reaches_outside(id, looked_at).then(|| WayOut::GroupForwarding {
                mailbox: text(mailbox.primary()),
                property: set.property,
                target: set.target,
                group,
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

/// Where a chain of contacts that stand for addresses of ours ends.
fn end_of(survey: &Survey<'_>, resolution: Resolution) -> Resolution {
    let mut next = resolution;
    for _ in 0..CHAIN_MAX {
        match &next {
            Resolution::Outside { address, .. } if survey.snapshot.accepted_domain(address.domain()).is_some() => {
                let path = ForwardPath::Mailbox(address.clone());
                next = resolve(survey.snapshot, survey.settings, &path, &mut Unrecorded);
            }
            Resolution::Outside { .. }
            | Resolution::Mailbox(_)
            | Resolution::Group(_)
            | Resolution::PostmasterMailbox
            | Resolution::InternalRelay(_)
            | Resolution::Rewritten(_)
            | Resolution::Foreign(_)
            | Resolution::Unknown(_) => break,
        }
    }
    next
}

/// What a mailbox answers strangers, if it does.
pub(super) fn automatic_reply(survey: &Survey<'_>, mailbox: &Recipient) -> Option<WayOut> {
    let set = mailbox.auto_reply.as_deref()?;
    let (from, until) = match set.state {
        AutoReplyState::Disabled => return None,
        AutoReplyState::Enabled => (None, None),
        AutoReplyState::Scheduled { start, end } => (Some(start), Some(end)),
    };
    let answers = set.external_audience != ExternalAudience::None
        && set.external_oof_options == ExternalOofOptions::External
        && !set.external_message.is_empty();
    if !answers {
        return None;
    }
    let forwards = mailbox.forwarding.as_deref().is_some_and(|set| set.forwarding_smtp_address.is_some());
    let everybody = || survey.snapshot.remote_domains().find(|remote| remote.domain == DomainPattern::All);
    let passage = if of_recipient(survey.settings, mailbox, &mut Unrecorded).is_none() {
        Passage::Asleep
    } else if forwards {
        Passage::Ignored
    } else if everybody().is_some_and(|remote| remote.allowed_oof_type == AllowedOofType::None) {
        Passage::Dropped
    } else {
        Passage::Open
    };
    Some(WayOut::AutomaticReply {
        mailbox: text(mailbox.primary()),
        audience: set.external_audience,
        from,
        until,
        passage,
    })
}
