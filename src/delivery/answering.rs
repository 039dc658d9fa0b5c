//! Decisions by mail: a moderator answers the request, and the answer is carried out instead of delivered.
//!
//! The account that signed in decides, whatever the header says. Whatever is no decision of a moderator about something
//! that waits changes nothing, and its sender gets a report that says why. After a crash an answer may be looked at
//! twice: its own id is in the decision that it made, so the second look finds it done.

use super::worker::Agents;
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::mail::ForwardPath;
use crate::model::policy::moderation::{Awaited, may_decide};
use crate::model::policy::{Expanded, Origin, Settings};
use crate::model::queue::{Addressee, Answer, ApprovalId, Attempt, Decision, Finding, QueueId, Target};
use crate::model::report::Original;
use crate::store::queue::{Decided, Moderation, StoredMessage, Unsettled};

/// Carries out what this branch of a message decides; none when it decides nothing. Blocks.
///
/// # Errors
/// When the decision is not durable yet: the message is to be looked at again.
pub(super) fn answered(
    agents: &Agents,
    snapshot: &Snapshot,
    settings: &Settings,
    message: &StoredMessage,
    branch: &Expanded,
) -> Result<Option<Target>, Unsettled> {
    let Expanded::Refused { address, passage, .. } = branch else { return Ok(None) };
    let Origin::Account(account) = message.envelope.origin() else { return Ok(None) };
    // Not what a mailbox forwards there: the message itself names the address.
    let named = matches!(&passage.path, ForwardPath::Mailbox(path) if path == address);
    let Some(Awaited { message: id, place }) = Awaited::of(address, settings).filter(|_| named) else {
        return Ok(None);
    };
    let id = ApprovalId { message: QueueId(id), place: Some(place) };
    let finding = decide(agents, snapshot, account, message, id)?;
    let reply = finding.reply();
    tracing::info!(queue_id = %message.id, approval = %id, %account, %reply, "a moderator's answer");
    let attempt = Attempt { at: agents.clock.now(), host: None, reply };
    let (dsn, reverse_path) = (passage.dsn.clone(), passage.reverse_path.clone());
    let addressee = Addressee::nowhere(address.clone(), passage.path.clone(), reverse_path, dsn);
    Ok(Some(Target::answered(addressee, attempt)))
}

/// What becomes of the answer.
fn decide(
    agents: &Agents,
    snapshot: &Snapshot,
    account: RecipientId,
    message: &StoredMessage,
    id: ApprovalId,
) -> Result<Finding, Unsettled> {
    let subject = Original { head: &message.head, body: None, international: false }.subject();
    let moderation = agents.queue.moderation(id);
    let approval = moderation.as_ref().and_then(|found| found.target.addressee.approval());
    let Some(approval) = approval else { return Ok(Finding::AnswerTooLate) };
    let moderator = snapshot.recipient(account).filter(|_| may_decide(snapshot, &approval.waiting, account));
    let Some(moderator) = moderator else { return Ok(Finding::AnswerOfNoModerator) };
    let Some(Answer { verdict, comment }) = Answer::parse(&subject) else { return Ok(Finding::AnswerUnclear) };
    let by = moderator.primary().to_string();
    let actor = format!("message {}", message.id);
    let decision = Decision::new(agents.clock.now(), &by, &actor, &comment);
    let own = |made: &Moderation| {
        let decided = made.target.addressee.approval().and_then(|approval| approval.decision.as_ref());
        decided.is_some_and(|(_, decision)| *decision.actor == *actor)
    };
    Ok(match agents.queue.decide(id, verdict, &decision)? {
        Decided::Now(_) => Finding::Answered(verdict),
        Decided::Before(made) if own(&made) => Finding::Answered(verdict),
        Decided::Before(_) | Decided::Unknown | Decided::Ambiguous(_) => Finding::AnswerTooLate,
    })
}
