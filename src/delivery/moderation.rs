//! What moderated recipients need of an agent: the request to their moderators, and the expansion below an approved
//! one.

use std::sync::Arc;

use super::content::MessageContent;
use super::reporting::reporter;
use super::throttle::throttle;
use super::worker::Agents;
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::mail::Address;
use crate::model::policy::moderation::{Awaited, deciders};
use crate::model::policy::{Envelope, MessageParameters, Posting, Settings, Unrecorded, expand_approved};
use crate::model::queue::{Entry, QueueId, Target};
use crate::model::report::{Original, RequestFacts, carries_body, compose_request};
use crate::store::queue::{OwnMessage, StoredMessage};
use crate::world::offload;

/// Writes the request about the recipient at `place` and queues it.
pub(super) async fn request(agents: Arc<Agents>, id: QueueId, place: u32) {
    let Some(entry) = agents.queue.entry(id) else { return };
    let message = agents.queue.message(id).await;
    let message = message
        .inspect_err(|error| tracing::error!(queue_id = %id, %error, "a message cannot be read for its moderators"))
        .ok();
    let writer = Arc::clone(&agents);
    let written = match offload(move || write(&writer, &entry, place, message)).await {
        Ok(written) => written,
        Err(error) => return tracing::error!(queue_id = %id, %error, "a request to moderators was broken off"),
    };
    match agents.queue.requested(id, place, written).await {
        Ok(Some(request)) => tracing::info!(queue_id = %id, place, request_id = %request, "moderators are asked"),
        Ok(None) => tracing::warn!(queue_id = %id, place, "there is nobody to ask for approval"),
        Err(error) => tracing::warn!(queue_id = %id, %error, "a request was not queued; it is written again later"),
    }
}

/// Expands below the approved recipient at `place`, with the directory of now.
pub(super) async fn branch(agents: Arc<Agents>, id: QueueId, place: u32) {
    let Some(entry) = agents.queue.entry(id) else { return };
    let message = match agents.queue.message(id).await {
        Ok(message) => message,
        // It is asked for again after a lease, and given up in time.
        Err(error) => return tracing::error!(queue_id = %id, %error, "an approved message cannot be read"),
    };
    let thinker = Arc::clone(&agents);
    match offload(move || below(&thinker, &entry, &message, place)).await {
        Ok(targets) => {
            tracing::info!(queue_id = %id, place, recipients = targets.len(), "expanded after approval");
            // A queue that closes expands it again at the next start.
            let _ = agents.queue.branched(id, place, targets).await;
        }
        // It is asked for again after a lease.
        Err(error) => tracing::error!(queue_id = %id, %error, "an expansion was broken off"),
    }
}

/// Those whom an approval leads to.
fn below(agents: &Agents, entry: &Entry, message: &StoredMessage, place: u32) -> Vec<Target> {
    let Some(approved) = entry.target(place).and_then(|target| target.addressee.approved()) else {
        return Vec::new();
    };
    let (snapshot, settings, now) = (agents.directory.snapshot(), &*agents.settings.current(), agents.clock.now());
    let others = (0_u32..).zip(entry.targets()).filter(|(other, _)| *other != place);
    let known = others.filter_map(|(_, target)| target.known());
    let posting = Posting::of(&snapshot, &message.envelope, &message.head, message.bytes());
    let found = expand_approved(&snapshot, settings, &posting, &approved, known, now, &mut Unrecorded);
    let decision = entry.target(place).and_then(|target| target.addressee.approval()?.decision.as_ref());
    let approved_at = decision.map_or(now, |(_, decision)| decision.at);
    let found = throttle(agents, &snapshot, settings, message, Some((place, approved_at)), found);
    found.into_iter().map(|expanded| Target::of(expanded, &snapshot, settings, now)).collect()
}

/// The request; none when nobody can read it. Blocks.
fn write(agents: &Agents, entry: &Entry, place: u32, message: Option<Arc<StoredMessage>>) -> Option<OwnMessage> {
    let target = entry.target(place)?;
    let approval = target.addressee.approval()?;
    let (snapshot, settings) = (agents.directory.snapshot(), agents.settings.current());
    let reporter = reporter(agents, &snapshot)?;
    let moderators = readers(&settings, &snapshot, &deciders(&snapshot, &approval.waiting), &reporter.author);
    let body = message.as_ref().filter(|_| carries_body(&entry.facts)).and_then(|message| {
        let content = MessageContent::new(Arc::clone(&agents.disk), Arc::clone(message), b"");
        // A request without the body is better than none.
        content.read_body().inspect_err(|error| tracing::warn!(%error, "a body cannot be read for moderators")).ok()
    });
    let head = message.as_ref().map(|message| message.head.clone()).unwrap_or_default();
    let answers_to = Awaited { message: entry.facts.id.0, place }.address(&snapshot, &settings);
    let content = compose_request(&RequestFacts {
        reporter: &reporter,
        moderators: &moderators,
        recipient: &target.addressee.address,
        message: &entry.facts,
        place,
        until: approval.until,
        notifies_sender: approval.waiting.notifies_sender,
        answers_to: answers_to.as_ref(),
        at: agents.clock.now(),
        original: Original { head: &head, body: body.as_deref(), international: entry.facts.parameters.smtputf8 },
    });
    let envelope = Envelope::notice(&snapshot, &settings, &moderators, &content)?;
    Some(OwnMessage { envelope, content })
}

/// Whom mail reaches of those who may decide; the postmaster, who always can be reached, when it reaches none of them.
fn readers(settings: &Settings, snapshot: &Snapshot, deciders: &[RecipientId], postmaster: &Address) -> Vec<Address> {
    let addresses = deciders.iter().filter_map(|id| snapshot.recipient(*id)).map(|found| found.primary().clone());
    let reached = |to: &Address| Envelope::report(snapshot, settings, to, MessageParameters::default()).is_some();
    let readers: Vec<Address> = addresses.filter(reached).collect();
    if readers.is_empty() { vec![postmaster.clone()] } else { readers }
}
