//! The history of one message: everything the trace knows of it, in order.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::file::Day;
use super::record::{
    self, ACCEPTED, Accepted, EXPANDED, Expanded, GAP, Gap, Given, MOVED, Moved, Prefix, Recipient, Said, Source, Step,
};
use super::search::{LIFE_DAYS, Reading, is_recipient};
use super::view::{Entry, History, Status};
use crate::model::mail::Timestamp;
use crate::model::queue::{Party, QueueId};
use crate::store::journal::format::Found;
use crate::world::disk::Disk;

/// Events that are shown at most.
const EVENTS_MAX: usize = 100_000;

/// Finds the history of a message in the trace in `directory`, which may not exist; with `recipient`, the events of
/// that recipient alone. `None` when the trace does not know the message. `progress` hears how many octets of how many
/// were read. Blocks.
///
/// # Errors
/// The system's.
pub fn history(
    disk: &dyn Disk,
    directory: &Path,
    id: QueueId,
    recipient: Option<&Party>,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Option<History>> {
    let accepted = Day::of(id.given_at());
    let (first, last) = (accepted.back(1), accepted.on(LIFE_DAYS.saturating_add(1)));
    let mut reading = Reading::open(disk, directory, |day| first <= day && day <= last)?;
    let mut teller = Teller { id, recipient, ..Teller::default() };
    while let Some(content) = reading.next(progress)? {
        let sound = content.sound();
        teller.history.damaged = teller.history.damaged.saturating_add(reading.damaged(&sound));
        sound.records.iter().for_each(|found| teller.take(found));
    }
    let mut history = teller.history;
    history.id = id.to_string();
    Ok((history.accepted_at.is_some() || !history.events.is_empty()).then_some(history))
}

#[derive(Default)]
struct Teller<'party> {
    id: QueueId,
    recipient: Option<&'party Party>,
    history: History,
    /// Parts of the recipients given that are known.
    given: HashSet<u32>,
    /// Recipients that are known, by their places, and that the message was expanded at all.
    expanded: HashSet<u32>,
    is_expanded: bool,
    /// Records of steps that are known, by sequence and part.
    moved: HashSet<(u64, u32)>,
}

impl Teller<'_> {
    fn take(&mut self, found: &Found<'_>) {
        let Some((prefix, body)) = record::divide(found.payload) else { return };
        let (kind, part) = (found.label.kind, found.label.group_position);
        if kind == GAP && self.history.accepted_at.is_some() {
            let count = record::body::<Gap>(body).map_or(0, |gap| gap.count);
            self.history.lost = self.history.lost.saturating_add(count);
        }
        if prefix.id != self.id {
            return;
        }
        // What was written anew has another sequence and the same content; steps are told again under the same one.
        match kind {
            ACCEPTED if self.given.insert(part) => {
                if part == 0 {
                    record::body(body).into_iter().for_each(|accepted| self.accepted(prefix, accepted));
                } else if let Some(Given { given }) = record::body(body) {
                    self.history.given.extend(given.iter().map(ToString::to_string));
                }
            }
            EXPANDED => record::body(body).into_iter().for_each(|expanded| self.expanded(prefix, expanded)),
            MOVED if self.moved.insert((found.label.sequence, part)) => {
                record::body(body).into_iter().for_each(|moved| self.moved(prefix, moved));
            }
            _ => {}
        }
    }

    fn accepted(&mut self, prefix: Prefix, accepted: Accepted) {
        let own = &mut self.history;
        own.accepted_at = Some(prefix.at.to_string());
        own.from = accepted.reverse_path.to_string();
        own.origin = match accepted.source {
            Source::Account(name) => format!("account {name}"),
            Source::Device(name, device) => format!("account {name}, device={device}"),
            Source::Connector(name, connector) => format!("peer {name}, connector={connector}"),
            Source::Peer(name) => format!("peer {name}"),
            Source::System => "this server".to_owned(),
        };
        own.session = accepted.session.map(Into::into);
        own.subject = accepted.subject.into();
        own.message_id = accepted.message_id.into();
        own.bytes = accepted.bytes;
        // First, whatever parts have come before.
        let first = accepted.given.iter().map(ToString::to_string);
        own.given = first.chain(core::mem::take(&mut own.given)).collect();
        self.event(Entry { at: prefix.at.to_string(), event: "accepted".to_owned(), ..Entry::nothing() });
    }

    fn expanded(&mut self, prefix: Prefix, expanded: Expanded) {
        let first = !core::mem::replace(&mut self.is_expanded, true);
        if first && expanded.recipients.is_empty() && self.recipient.is_none() {
            self.event(Entry { at: prefix.at.to_string(), event: "expanded".to_owned(), ..Entry::nothing() });
        }
        // What was written anew is divided otherwise when recipients came later.
        for (place, (recipient, state, said)) in (expanded.first..).zip(expanded.recipients) {
            if !self.expanded.insert(place) {
                continue;
            }
            let event = match Status::of(state, &recipient.way, said.as_ref()) {
                Status::Due => "expanded".to_owned(),
                status => status.to_string(),
            };
            self.of_recipient(prefix.at, &recipient, &event, said.as_ref(), None);
        }
    }

    fn moved(&mut self, prefix: Prefix, moved: Moved) {
        for (_, mut recipient, step) in moved.happened {
            let (event, next) = match &step {
                Step::Deferred(_, next) => ("deferred", Some(*next)),
                Step::Delivered(_) => ("delivered", None),
                Step::Relayed(_) => ("relayed", None),
                Step::Failed(_) => ("failed", None),
                Step::Held => ("held", None),
                Step::Released => ("released", None),
                Step::Removed => ("removed", None),
                Step::Reported => ("reported", None),
                Step::Noticed => ("noticed", None),
                Step::Requested => ("requested", None),
                Step::Approved(_) => ("approved", None),
                Step::Rejected(_) => ("rejected", None),
                Step::Branched => ("branched", None),
                Step::GivenUp(_) => ("given up", None),
                Step::ReplyDue => ("reply due", None),
                Step::Replied(Some(_)) => ("replied", None),
                Step::Replied(None) => ("not replied", None),
                Step::Redirected(host) => {
                    // By the domain's own way again, or over a host.
                    recipient.way = match &**host {
                        "mx" => record::Way::Domain(recipient.address.domain().clone()),
                        _ => record::Way::Host(host.clone()),
                    };
                    ("redirected", None)
                }
            };
            self.of_recipient(prefix.at, &recipient, event, step.said(), next);
        }
    }

    fn of_recipient(
        &mut self,
        at: Timestamp,
        recipient: &Recipient,
        event: &str,
        said: Option<&Said>,
        next_attempt: Option<Timestamp>,
    ) {
        if !is_recipient(self.recipient, recipient) {
            return;
        }
        self.event(Entry {
            at: said.map_or(at, |said| said.at).to_string(),
            event: event.to_owned(),
            recipient: Some(recipient.address.to_string()),
            given: recipient.given.as_ref().map(ToString::to_string),
            destination: Some(recipient.way.to_string()),
            host: said.and_then(|said| said.host.as_deref()).map(str::to_owned),
            reply: said.map(|said| said.reply.to_string()),
            next_attempt: next_attempt.map(|at| at.to_string()),
        });
    }

    fn event(&mut self, entry: Entry) {
        if self.history.events.len() < EVENTS_MAX {
            self.history.events.push(entry);
        } else {
            self.history.more = true;
        }
    }
}
