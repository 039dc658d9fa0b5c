//! What a script of faults does to accepted messages: deliveries that are late, fail for a time, or fail for good.
//!
//! Only in a rehearsal. A failure is told to the sender as every failure is.

use core::time::Duration;
use std::borrow::Cow;
use std::sync::Arc;

use super::worker::Agents;
use crate::model::faults::{
    Circumstances, Deed, FaultSource as _, Occasion, Rule, Step, Words, named_reply, own_reply,
};
use crate::model::mail::{Reply, ReversePath};
use crate::model::queue::{Addressee, Attempt, Hop, Job, Outcome};
use crate::store::queue::StoredMessage;

/// Longer would look like an attempt that hangs.
const DELAY_MAX: Duration = Duration::from_secs(600);
/// Codes from here on are for good (RFC 5321 section 4.2.1).
const FINAL: u16 = 500;

/// Lets the script have its way with the recipients of `job`: the outcomes of those that it strikes, and the job
/// without them.
pub(super) async fn struck<'job>(
    agents: &Agents,
    job: &'job Job,
    message: &StoredMessage,
) -> (Cow<'job, Job>, Vec<(u32, Outcome)>) {
    let mut outcomes = Vec::new();
    let Some(rehearsal) = &agents.rehearsal else { return (Cow::Borrowed(job), outcomes) };
    let sender = match message.envelope.reverse_path() {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Mailbox(address) => address.to_string(),
    };
    let mut left = job.clone();
    left.targets.clear();
    for (place, addressee) in &job.targets {
        // The sender's own copy is no delivery.
        let is_delivery = !matches!(addressee.hop, Hop::SentItems(_));
        let recipients = [addressee.address.to_string()];
        let occasion = Occasion {
            step: Step::Delivery,
            visit: None,
            message: 0,
            login: None,
            sender: Some(&sender),
            recipients: &recipients,
            octets: (0, 0),
        };
        let rule = is_delivery.then(|| rehearsal.strike(agents.clock.now(), &occasion)).flatten();
        if let Some(rule) = &rule {
            tokio::time::sleep(rule.delay.min(DELAY_MAX)).await;
        }
        match rule.and_then(|rule| reply(agents, &rule, message, addressee)) {
            None => left.targets.push((*place, Arc::clone(addressee))),
            Some(reply) => {
                let is_final = reply.code() >= FINAL;
                let attempt = Attempt { at: agents.clock.now(), host: None, reply };
                outcomes.push((*place, if is_final { Outcome::Failed(attempt) } else { Outcome::Deferred(attempt) }));
            }
        }
    }
    (Cow::Owned(left), outcomes)
}

/// What stands in the report, when the rule is about a failure.
fn reply(agents: &Agents, rule: &Rule, message: &StoredMessage, addressee: &Addressee) -> Option<Reply> {
    let words = match &rule.deed {
        Deed::Reply(words) => words,
        Deed::Slow | Deed::Close | Deed::Reset | Deed::Stall(_) | Deed::Tls(_) | Deed::Hide(_) | Deed::Discard => {
            return None;
        }
    };
    let worded = match words {
        Words::Own(reply) => own_reply(reply),
        Words::Named(named) => {
            let circumstances = Circumstances {
                login: None,
                sender: Some(message.envelope.reverse_path()),
                recipient: Some(&addressee.address),
                client: None,
            };
            named_reply(named, &agents.settings.current(), &circumstances, None)
        }
    };
    Some(worded.reply)
}
