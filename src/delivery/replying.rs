//! The automatic reply of a mailbox: whether one is due when a copy is delivered, and later the reply itself.
//!
//! Judged twice, by the same function of `policy`: when the copy is durable in its mailbox, so that only messages that
//! may be answered owe anything, and when the reply is written, since the mailbox's owner may be back by then. In
//! between stands a record of the queue, so a crash forgets no reply; how it comes that none is sent twice is told at
//! [`AnsweredSenders`](crate::store::answered::AnsweredSenders).

use std::io;
use std::sync::Arc;

use super::worker::Agents;
use crate::model::directory::{Recipient, Snapshot};
use crate::model::mail::Timestamp;
use crate::model::policy::auto_reply::sender_key;
use crate::model::policy::{
    AutomaticReply, Envelope, History, MessageParameters, NoReply, Occasion, Settings, Unrecorded, auto_reply,
};
use crate::model::queue::{Addressee, Hop, ReplyJob};
use crate::model::report::{AutomaticReplyFacts, Original, compose_automatic_reply};
use crate::store::answered::{Claim, Claimant};
use crate::store::queue::{OwnMessage, StoredMessage};
use crate::world::offload;

/// What a job comes to.
enum Decision {
    /// The reply, to be queued.
    Reply(Box<OwnMessage>),
    /// None is to be sent.
    Silence,
    /// The disk does not work now.
    Later(io::Error),
}

/// Somebody changes texts faster than they are read: the directory of the moment is believed in the end.
const ROUNDS_MAX: usize = 3;

/// Whether a copy that has just been delivered may be answered.
pub(super) fn is_due(
    snapshot: &Snapshot,
    settings: &Settings,
    message: &StoredMessage,
    addressee: &Addressee,
    now: Timestamp,
) -> bool {
    let Some(mailbox) = mailbox_of(snapshot, addressee) else { return false };
    let judged = judge(snapshot, settings, mailbox, message, addressee, now);
    if let Err(reason) = judged
        && reason != NoReply::Disabled
    {
        tracing::debug!(queue_id = %message.id, mailbox = %addressee.address, "not answered: {}", reason.text());
    }
    judged.is_ok()
}

/// The mailbox whose copy it is: nobody answers what it sent itself.
fn mailbox_of<'a>(snapshot: &'a Snapshot, addressee: &Addressee) -> Option<&'a Recipient> {
    match &addressee.hop {
        Hop::Mailbox(id) => snapshot.recipient(*id).map(|mailbox| &**mailbox),
        Hop::Postmaster | Hop::SentItems(_) | Hop::Relay { .. } | Hop::Approval(_) | Hop::Nowhere => None,
    }
}

fn judge<'a>(
    snapshot: &Snapshot,
    settings: &Settings,
    mailbox: &'a Recipient,
    message: &'a StoredMessage,
    addressee: &'a Addressee,
    now: Timestamp,
) -> Result<AutomaticReply<'a>, NoReply> {
    let occasion = Occasion {
        origin: message.envelope.origin(),
        reverse_path: message.envelope.reverse_path(),
        head: &message.head,
        path: &addressee.path,
        passed_by_groups: addressee.automatic_replies,
    };
    auto_reply(snapshot, settings, mailbox, &occasion, History::New, now, &mut Unrecorded)
}

/// Carries out a job, or leaves it: what is not answered for is asked again after a lease, as long as the message has
/// time.
pub(super) async fn reply(agents: Arc<Agents>, job: ReplyJob) {
    let Some(entry) = agents.queue.entry(job.id) else { return };
    let Some(addressee) = entry.target(job.place).map(|target| Arc::clone(&target.addressee)) else { return };
    let decided = match agents.queue.message(job.id).await {
        Ok(message) => {
            let (thinker, about, place) = (Arc::clone(&agents), Arc::clone(&addressee), job.place);
            offload(move || decide(&thinker, &message, place, &about)).await.unwrap_or_else(Decision::Later)
        }
        Err(error) => Decision::Later(io::Error::other(error)),
    };
    let reply = match decided {
        Decision::Reply(reply) => Some(*reply),
        Decision::Silence => None,
        Decision::Later(error) if agents.clock.now() < agents.schedule.expires_at(entry.facts.accepted_at) => {
            return tracing::warn!(queue_id = %job.id, %error, "an automatic reply has to wait");
        }
        Decision::Later(error) => {
            tracing::error!(queue_id = %job.id, %error, "an automatic reply is given up with its message");
            None
        }
    };
    let id = job.id;
    match agents.queue.replied(job, reply).await {
        Ok(Some(reply)) => {
            tracing::info!(queue_id = %id, reply_id = %reply, mailbox = %addressee.address, "answered automatically");
        }
        Ok(None) => tracing::debug!(queue_id = %id, mailbox = %addressee.address, "not answered"),
        Err(error) => tracing::warn!(queue_id = %id, %error, "an automatic reply was not queued; it is judged again"),
    }
}

/// Judges by the directory of the moment, claims the sender and writes the reply. Blocks.
fn decide(agents: &Agents, message: &StoredMessage, place: u32, addressee: &Addressee) -> Decision {
    for round in 1..=ROUNDS_MAX {
        let (snapshot, now) = (agents.directory.snapshot(), agents.clock.now());
        let settings = agents.settings.current();
        let Some(mailbox) = mailbox_of(&snapshot, addressee) else { return Decision::Silence };
        let due = match judge(&snapshot, &settings, mailbox, message, addressee, now) {
            Ok(due) => due,
            Err(reason) => {
                let reason = reason.text();
                tracing::debug!(queue_id = %message.id, mailbox = %addressee.address, "not answered: {reason}");
                return Decision::Silence;
            }
        };
        let claimed = agents.answered.claim(&Claimant {
            mailbox: mailbox.id,
            revision: due.revision,
            sender: &sender_key(&snapshot, due.to),
            message: message.id,
            senders_max: usize::try_from(snapshot.organisation().auto_reply_senders()).unwrap_or(usize::MAX),
            regardless: round == ROUNDS_MAX,
        });
        match claimed {
            Ok(Claim::Granted) => {
                let content = write(agents, mailbox, message, place, &due, now);
                let parameters = MessageParameters::needed_by(&content, due.to);
                // None when the sender's address leads nowhere any more.
                let envelope = Envelope::report(&snapshot, &settings, due.to, parameters);
                return envelope
                    .map_or(Decision::Silence, |envelope| Decision::Reply(Box::new(OwnMessage { envelope, content })));
            }
            Ok(Claim::Answered) => {
                let reason = NoReply::AnsweredBefore.text();
                tracing::debug!(queue_id = %message.id, mailbox = %addressee.address, "not answered: {reason}");
                return Decision::Silence;
            }
            Ok(Claim::Superseded) => {}
            Err(error) => return Decision::Later(error),
        }
    }
    Decision::Silence
}

fn write(
    agents: &Agents,
    mailbox: &Recipient,
    message: &StoredMessage,
    place: u32,
    due: &AutomaticReply<'_>,
    now: Timestamp,
) -> Vec<u8> {
    let international = message.envelope.parameters().smtputf8;
    compose_automatic_reply(&AutomaticReplyFacts {
        host: &agents.host,
        author: mailbox.primary(),
        author_name: mailbox.display_name.as_deref(),
        to: due.to,
        text: due.text,
        message: (message.id, place),
        original: Original { head: &message.head, body: None, international },
        at: now,
    })
}
