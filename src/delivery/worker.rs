//! The shell around the dispatcher: takes its work, gives it to the agents, feeds what they say back.
//!
//! No decision is made here. How much runs at once is the dispatcher's affair; expansions and reports, which it does
//! not count, are bounded here. When told to stop, the worker begins nothing new and gives what runs a limited time;
//! what is cut off is tried again at the next start.

use core::future::Future;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::content::MessageContent;
use super::mailbox_agent::{Copy, MailboxAgent, resent_line};
use super::outgoing::{Outgoing, Parcel};
use super::throttle::throttle;
use super::{answering, moderation, rehearsed, replying, reporting};
use crate::model::directory::Snapshot;
use crate::model::policy::{Expanded, Permit, Posting, Resolution, Unrecorded, expand};
use crate::model::queue::{
    Attempt, FindJob, Finding, Hop, Job, Lease, Outcome, QueueId, ReportJob, Schedule, Sight, Target,
};
use crate::store::answered::AnsweredSenders;
use crate::store::live::LiveSettings;
use crate::store::queue::{Queue, StoredMessage, Unsettled, Work};
use crate::store::rehearsal::Rehearsal;
use crate::store::tally::Tally;
use crate::store::{Stopped, Ticket};
use crate::world::clock::Clock;
use crate::world::disk::Disk;
use crate::world::offload;
use crate::world::random::Random;

/// Gives the directory of the moment.
pub trait Directory: Send + Sync {
    /// The directory of the moment.
    fn snapshot(&self) -> Arc<Snapshot>;
}

impl<F: Fn() -> Arc<Snapshot> + Send + Sync> Directory for F {
    fn snapshot(&self) -> Arc<Snapshot> {
        self()
    }
}

/// Everything that delivery needs.
pub struct Agents {
    /// The queue.
    pub queue: Arc<Queue>,
    /// The directory.
    pub directory: Arc<dyn Directory>,
    /// The settings.
    pub settings: Arc<LiveSettings>,
    /// The times, for reports; the same that the queue has.
    pub schedule: Schedule,
    /// What mailboxes have taken within an hour.
    pub tally: Arc<Tally>,
    /// Local mailboxes.
    pub mailboxes: MailboxAgent,
    /// Whom mailboxes have answered by themselves.
    pub answered: Arc<AnsweredSenders>,
    /// The way out.
    pub outgoing: Arc<dyn Outgoing>,
    /// Where large bodies are.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Spreads attempts.
    pub random: Arc<dyn Random>,
    /// This server's name.
    pub host: Box<str>,
    /// A script of faults, where applications are tested against this server.
    pub rehearsal: Option<Arc<Rehearsal>>,
}

/// Expansions and reports at once: each may hold a message of ten megabytes.
const THINKING_MAX: usize = 8;
/// What comes within this time is expanded together, and delivered together: each message costs less than it would
/// alone. The first after a quiet time waits for nobody.
const PACE: Duration = Duration::from_millis(3);
/// The wall clock may be set: timers are looked at this often at least.
const LOOK_SECONDS_MAX: u64 = 30;
/// How often the leases of attempts under way are renewed; they last far longer.
const RENEWAL: Duration = Duration::from_secs(60);
/// The longest attempt that is spoken for, on the clock that nobody sets. Agents end theirs before it; a task that is
/// still there hangs, and its lease ends as if it were gone.
const ATTEMPT_MAX: Duration = Duration::from_secs(3600);

/// Delivers until `stop` is done, then gives what runs `drain` to end.
pub async fn run(agents: Arc<Agents>, stop: impl Future<Output = ()> + Send, drain: Duration) {
    let thinking = Arc::new(Semaphore::new(THINKING_MAX));
    let mut tasks = JoinSet::new();
    // A lease is kept on the wall clock, which may be set: what runs here and does not hang is not lost.
    let mut alive: HashMap<Id, (Lease, Duration)> = HashMap::new();
    let mut renewed = agents.clock.now();
    let mut rested = Instant::now();
    tokio::pin!(stop);
    loop {
        let now = agents.clock.now();
        // Before the look for work, so that a wall clock that was set ahead costs no lease.
        if now < renewed || now.since(renewed) >= RENEWAL {
            renewed = now;
            let hangs = |begun: Duration| agents.clock.elapsed().saturating_sub(begun) >= ATTEMPT_MAX;
            agents.queue.renew(alive.values().filter(|(_, begun)| !hangs(*begun)).map(|(lease, _)| *lease));
        }
        while let Some(work) = agents.queue.take_work() {
            if matches!(&work, Work::Expand(id) if expand_at_once(&agents, *id)) {
                continue;
            }
            let lease = lease_of(&work).map(|lease| (lease, agents.clock.elapsed()));
            let task = tasks.spawn(carry_out(Arc::clone(&agents), Arc::clone(&thinking), work));
            alive.extend(lease.map(|lease| (task.id(), lease)));
        }
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = agents.queue.changed() => {}
            () = at_pace(&agents.queue, rested) => rested = Instant::now(),
            () = tokio::time::sleep(pause(&agents)) => {}
            Some(ended) = tasks.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a delivery was broken off; it is tried again after its lease");
                        error.id()
                    }
                };
                alive.remove(&task);
            }
        }
    }
    tracing::info!(running = tasks.len(), "delivery begins nothing new");
    let draining = async {
        let waiting = async { while tasks.join_next().await.is_some() {} };
        // At once, so that no host is kept waiting by a long delivery to another; then for what ended meanwhile.
        tokio::join!(agents.outgoing.close(), waiting);
        agents.outgoing.close().await;
    };
    let ended = tokio::time::timeout(drain, draining).await;
    if ended.is_err() {
        tracing::warn!(running = tasks.len(), "deliveries are cut off; they are tried again at the next start");
    }
}

/// Waits until a message has come, and until it is time for it when one came just before.
async fn at_pace(queue: &Queue, rested: Instant) {
    queue.came().await;
    tokio::time::sleep_until(rested + PACE).await;
}

const fn lease_of(work: &Work) -> Option<Lease> {
    match work {
        Work::Attempt(job) => Some(job.lease),
        Work::Expand(_) | Work::Report(_) | Work::Reply(_) | Work::Request(..) | Work::Branch(..) | Work::Find(_) => {
            None
        }
    }
}

fn pause(agents: &Agents) -> Duration {
    let longest = Duration::from_secs(LOOK_SECONDS_MAX);
    let Some(at) = agents.queue.next_tick() else { return longest };
    at.since(agents.clock.now()).clamp(Duration::from_millis(5), longest)
}

async fn carry_out(agents: Arc<Agents>, thinking: Arc<Semaphore>, work: Work) {
    match work {
        Work::Attempt(job) => attempt(&agents, job).await,
        Work::Expand(id) => {
            let _turn = thinking.acquire().await;
            expand_message(agents, id).await;
        }
        Work::Report(job) => {
            let _turn = thinking.acquire().await;
            report(agents, job).await;
        }
        Work::Request(id, place) => {
            let _turn = thinking.acquire().await;
            moderation::request(agents, id, place).await;
        }
        Work::Branch(id, place) => {
            let _turn = thinking.acquire().await;
            moderation::branch(agents, id, place).await;
        }
        Work::Reply(job) => {
            let _turn = thinking.acquire().await;
            replying::reply(agents, job).await;
        }
        Work::Find(job) => {
            let _turn = thinking.acquire().await;
            find(&agents, job).await;
        }
    }
}

/// Expands a message in place if that is quick and the message at hand; false when it is to be handed on.
fn expand_at_once(agents: &Agents, id: QueueId) -> bool {
    let Some(message) = agents.queue.at_hand(id) else { return false };
    if !is_brief(&agents.directory.snapshot(), &message) {
        return false;
    }
    // Nobody waits until it is durable: what is brief takes no memory worth a bound.
    drop(expanded(agents, &message, targets_of(agents, &message)));
    true
}

async fn expand_message(agents: Arc<Agents>, id: QueueId) {
    let message = match agents.queue.message(id).await {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(queue_id = %id, %error, "a message cannot be read and is not expanded");
            return agents.queue.unexpanded(id);
        }
    };
    let (thinker, thought) = (Arc::clone(&agents), Arc::clone(&message));
    match offload(move || targets_of(&thinker, &thought)).await {
        Ok(targets) => {
            if let Some(durable) = expanded(&agents, &message, targets) {
                // A queue that closes expands the message again at the next start.
                let _ = durable.await;
            }
        }
        Err(error) => {
            tracing::error!(queue_id = %id, %error, "an expansion was broken off");
            agents.queue.unexpanded(id);
        }
    }
}

/// Tells the queue what an expansion came to; the ticket answers when the recipients are durable.
fn expanded(
    agents: &Agents,
    message: &StoredMessage,
    targets: Result<Vec<Target>, Unsettled>,
) -> Option<Ticket<(), Stopped>> {
    let (session, id) = (session_of(message), message.id);
    match targets {
        Ok(targets) => {
            // One recipient for each that was given is what everybody expects, and `delivered` tells of it.
            let recipients = targets.len();
            if recipients == message.envelope.permits().len() {
                tracing::debug!(session, queue_id = %id, recipients, "expanded");
            } else {
                tracing::info!(session, queue_id = %id, recipients, "expanded");
            }
            Some(agents.queue.expanded(id, targets))
        }
        Err(error) => {
            tracing::warn!(session, queue_id = %id, %error, "a moderator's answer waits for the disk");
            agents.queue.unexpanded(id);
            None
        }
    }
}

/// Whether a message is expanded in less time than it takes to hand it to another thread: few recipients, none of them
/// a group, and no answer of a moderator, which waits for the disk.
fn is_brief(snapshot: &Snapshot, message: &StoredMessage) -> bool {
    const PERMITS_MAX: usize = 16;
    let permits = message.envelope.permits();
    let leads_to_one = |permit: &Permit| match permit.resolution() {
        // Forwarding may lead to a group.
        Resolution::Mailbox(id) => snapshot.recipient(*id).is_some_and(|recipient| recipient.forwarding.is_none()),
        Resolution::Outside { .. } | Resolution::InternalRelay(_) | Resolution::Foreign(_) => true,
        Resolution::Group(_) | Resolution::PostmasterMailbox | Resolution::Rewritten(_) | Resolution::Unknown(_) => {
            false
        }
    };
    permits.len() <= PERMITS_MAX && permits.iter().all(leads_to_one)
}

/// The recipients of a message, and the copies for its sender. What a moderator answers is carried out here.
///
/// # Errors
/// When such an answer is not durable yet.
fn targets_of(agents: &Agents, message: &StoredMessage) -> Result<Vec<Target>, Unsettled> {
    let (snapshot, settings) = (agents.directory.snapshot(), &*agents.settings.current());
    let (now, envelope) = (agents.clock.now(), &message.envelope);
    let posting = Posting::of(&snapshot, envelope, &message.head, message.bytes());
    let found = expand(&snapshot, settings, &posting, envelope.permits(), now, &mut Unrecorded);
    let found = throttle(agents, &snapshot, settings, message, None, found);
    let target = |expanded: Expanded| {
        let answered = answering::answered(agents, &snapshot, settings, message, &expanded)?;
        Ok(answered.unwrap_or_else(|| Target::of(expanded, &snapshot, settings, now)))
    };
    let mut targets = found.into_iter().map(target).collect::<Result<Vec<Target>, Unsettled>>()?;
    // A keeper that is gone by now has no mailbox to put a copy into; nobody is told.
    let keepers = envelope.sent_items().keepers().iter().filter_map(|keeper| snapshot.recipient(*keeper));
    targets.extend(keepers.map(|keeper| Target::sent_copy(keeper)));
    Ok(targets)
}

async fn attempt(agents: &Arc<Agents>, job: Job) {
    let now = agents.clock.now();
    let message = agents.queue.message(job.id).await;
    let session = message.as_ref().map(|message| session_of(message)).unwrap_or_default();
    let outcomes = match message {
        Ok(message) => {
            let (left, mut outcomes) = rehearsed::struck(agents, &job, &message).await;
            if left.targets.is_empty() {
                // The script has answered for all.
            } else if job.lane.is_local() {
                outcomes.extend(to_mailboxes(agents, &left, &message).await);
            } else {
                outcomes.extend(outside(agents, &left, message).await);
            }
            outcomes
        }
        Err(error) => {
            tracing::error!(queue_id = %job.id, %error, "a message cannot be read and is not delivered");
            let reply = Finding::MessageUnreadable.reply();
            let outcome = Outcome::Deferred(Attempt { at: now, host: None, reply });
            job.targets.iter().map(|(place, _)| (*place, outcome.clone())).collect()
        }
    };
    for (place, outcome) in &outcomes {
        log(&session, &job, *place, outcome);
    }
    let comes_again = |outcome: &Outcome| matches!(outcome, Outcome::Deferred(_) | Outcome::Unreached(_));
    // Only what is tried again is spread over time.
    let spread = if outcomes.iter().any(|(_, outcome)| comes_again(outcome)) { agents.random.next_u64() } else { 0 };
    agents.queue.outcomes(job.lease, outcomes, spread);
}

async fn to_mailboxes(agents: &Agents, job: &Job, message: &StoredMessage) -> Vec<(u32, Outcome)> {
    let mut outcomes = Vec::with_capacity(job.targets.len());
    for (place, addressee) in &job.targets {
        let copy = Copy { message, place: *place, addressee, repeat_possible: job.repeat_possible };
        let (snapshot, settings) = (agents.directory.snapshot(), agents.settings.current());
        let now = agents.clock.now();
        let outcome = match agents.mailboxes.deliver(copy, &snapshot, &settings, now).await {
            Outcome::Delivered(attempt) if replying::is_due(&snapshot, &settings, message, addressee, now) => {
                Outcome::DeliveredReplyDue(attempt)
            }
            other => other,
        };
        outcomes.push((*place, outcome));
    }
    outcomes
}

/// Looks into the mailboxes of recipients whose time is up. What is found there is answered like what has just come.
async fn find(agents: &Agents, job: FindJob) {
    let mut sights = Vec::with_capacity(job.targets.len());
    for (place, addressee) in &job.targets {
        let now = agents.clock.now();
        let sight = agents.mailboxes.look(job.id, job.accepted_at, *place, addressee, now).await;
        tracing::info!(queue_id = %job.id, recipient = %addressee.address, ?sight, "looked for after its time");
        sights.push((*place, sight));
    }
    // The message is read for what was found alone, which is seldom.
    if sights.iter().any(|(_, sight)| matches!(sight, Sight::There(_)))
        && let Ok(message) = agents.queue.message(job.id).await
    {
        let (snapshot, settings, now) = (agents.directory.snapshot(), agents.settings.current(), agents.clock.now());
        for ((_, addressee), (_, sight)) in job.targets.iter().zip(&mut sights) {
            if let Sight::There(attempt) = sight
                && replying::is_due(&snapshot, &settings, &message, addressee, now)
            {
                *sight = Sight::ThereReplyDue(attempt.clone());
            }
        }
    }
    agents.queue.found(job.id, sights);
}

async fn outside(agents: &Agents, job: &Job, message: Arc<StoredMessage>) -> Vec<(u32, Outcome)> {
    // The dispatcher puts only recipients forwarded by the same mailbox into one job.
    let front = job.targets.first().map_or_else(String::new, |(_, first)| resent_line(first));
    let source = MessageContent::new(Arc::clone(&agents.disk), Arc::clone(&message), front.as_bytes());
    let parcel = Parcel {
        id: job.id,
        recipients: job.targets.clone(),
        message,
        source: Arc::new(source),
        at: agents.clock.now(),
    };
    agents.outgoing.carry(parcel).await
}

async fn report(agents: Arc<Agents>, job: ReportJob) {
    let Some(entry) = agents.queue.entry(job.id) else { return };
    let message = agents.queue.message(job.id).await;
    let message = message
        .inspect_err(|error| tracing::error!(queue_id = %job.id, %error, "a message cannot be read for its report"))
        .ok();
    let writer = Arc::clone(&agents);
    let asked = job.clone();
    let written = offload(move || reporting::write(&writer, &asked, &entry, message)).await;
    let written = match written {
        Ok(written) => written,
        Err(error) => return tracing::error!(queue_id = %job.id, %error, "a report was broken off"),
    };
    let (id, kind) = (job.id, job.kind);
    match agents.queue.reported(job, written).await {
        Ok(Some(report)) => tracing::info!(queue_id = %id, report_id = %report, ?kind, "reported"),
        Ok(None) => tracing::info!(queue_id = %id, ?kind, "nobody is to be told"),
        Err(error) => tracing::warn!(queue_id = %id, %error, "a report was not queued; it is written again later"),
    }
}

/// The session that a message came in by; empty for this server's own messages.
fn session_of(message: &StoredMessage) -> String {
    message.envelope.parameters().session.as_deref().unwrap_or_default().to_owned()
}

fn log(session: &str, job: &Job, place: u32, outcome: &Outcome) {
    let addressee = job.targets.iter().find(|(target, _)| *target == place).map(|(_, addressee)| addressee);
    let recipient = addressee.map(|addressee| addressee.address.to_string()).unwrap_or_default();
    let sent_copy = addressee.is_some_and(|addressee| matches!(addressee.hop, Hop::SentItems(_)));
    let (word, attempt) = match outcome {
        Outcome::Delivered(attempt) if sent_copy => ("kept in Sent Items", attempt),
        Outcome::Delivered(attempt) | Outcome::DeliveredReplyDue(attempt) => ("delivered", attempt),
        Outcome::Relayed { attempt, .. } => ("relayed", attempt),
        Outcome::Deferred(attempt) => ("deferred", attempt),
        Outcome::Unreached(attempt) => ("deferred, no host could be used", attempt),
        Outcome::Failed(attempt) => ("failed", attempt),
    };
    let host = attempt.host.as_deref().unwrap_or_default();
    tracing::info!(session, queue_id = %job.id, %recipient, lane = %job.lane, host, reply = %attempt.reply, "{word}");
}

#[cfg(test)]
mod tests;
