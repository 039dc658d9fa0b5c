//! Mail that waits for a moderator, as administrators and moderators see and decide it. The queue that has it is behind
//! [`ModerationDesk`].

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::trace::TraceDesk;
use super::{Actor, Office, identity};
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::policy::moderation::{deciders, may_decide};
use crate::model::queue::{ApprovalId, Decision, State, Verdict};
use crate::store::queue::{Decided, Moderation};

/// A queue in which mail waits for moderators. Everything blocks.
pub trait ModerationDesk: Send + Sync {
    /// The oldest `limit` recipients that wait for a moderator, and how many there are.
    ///
    /// # Errors
    /// A text that says why the queue cannot be read.
    fn waiting(&self, limit: usize) -> Result<(Vec<Moderation>, usize), String>;

    /// One recipient that is or was moderated, as long as its message is in the queue.
    ///
    /// # Errors
    /// As [`Self::waiting`].
    fn find(&self, id: ApprovalId) -> Result<Option<Moderation>, String>;

    /// The subject of a message; empty when it has none.
    ///
    /// # Errors
    /// As [`Self::waiting`].
    fn subject(&self, id: ApprovalId) -> Result<String, String>;

    /// Decides, durably.
    ///
    /// # Errors
    /// A text that says why the decision is not durable yet.
    fn decide(&self, id: ApprovalId, verdict: Verdict, decision: &Decision) -> Result<Decided, String>;
}

/// A recipient that is or was moderated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModerationView {
    /// Its name in commands: the message's id, a dot and a number.
    pub id: String,
    /// The moderated recipient.
    pub recipient: String,
    /// The message's reverse-path; empty for the null path.
    pub from: String,
    /// Its decoded subject.
    pub subject: String,
    /// Its size in octets.
    pub bytes: u64,
    /// Since when it waits, ISO 8601.
    pub since: String,
    /// When it is given up if nobody decides, ISO 8601.
    pub until: String,
    /// Where it stands: `moderated` while it waits, then `approved`, `branched` (its recipients have copies of their
    /// own), `rejected`, `failed` (nobody decided in time), `removed` or `reported`.
    pub state: State,
    /// Who may decide, by address.
    pub moderators: Vec<String>,
    /// Whether they were sent a request.
    pub asked: bool,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// When it was decided, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Who entered the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_by: Option<String>,
    /// The words for the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl ModerationView {
    fn of(own: &Moderation, subject: String, snapshot: &Snapshot) -> Option<Self> {
        let approval = own.target.addressee.approval()?;
        let (verdict, decision) = match &approval.decision {
            Some((verdict, decision)) => (Some(*verdict), Some(decision)),
            None => (None, None),
        };
        Some(Self {
            id: own.id().to_string(),
            recipient: own.target.addressee.address.to_string(),
            from: own.sender.clone(),
            subject,
            bytes: own.bytes,
            since: approval.since.to_string(),
            until: approval.until.to_string(),
            state: own.target.state,
            moderators: addresses(snapshot, &deciders(snapshot, &approval.waiting)),
            asked: own.target.noticed,
            verdict,
            decided_at: decision.map(|decision| decision.at.to_string()),
            decided_by: decision.map(|decision| decision.by.to_string()),
            entered_by: decision.map(|decision| decision.actor.to_string()),
            comment: decision.map(|decision| decision.comment.to_string()).filter(|comment| !comment.is_empty()),
        })
    }
}

fn addresses(snapshot: &Snapshot, ids: &[RecipientId]) -> Vec<String> {
    ids.iter().filter_map(|id| snapshot.recipient(*id)).map(|found| found.primary().to_string()).collect()
}

fn unreachable(text: String) -> Failure {
    Failure::unavailable(format!("The queue cannot be reached: {text}.")).cured_by("franking serve")
}

pub(super) fn list(office: &Office, limit: usize) -> Result<Response, Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (found, total) = office.moderation.waiting(limit).map_err(unreachable)?;
    let snapshot = office.directory.snapshot();
    let view = |own: &Moderation| {
        // What cannot be read now is listed without its subject.
        let subject = office.moderation.subject(own.id()).unwrap_or_default();
        ModerationView::of(own, subject, &snapshot)
    };
    Ok(Response::Moderations { total, waiting: found.iter().filter_map(view).collect() })
}

pub(super) fn show(office: &Office, id: ApprovalId) -> Result<Response, Failure> {
    let found = office.moderation.find(id).map_err(unreachable)?;
    let found = found.ok_or_else(|| gone(&*office.trace, id))?;
    let subject = office.moderation.subject(id).unwrap_or_default();
    let view = ModerationView::of(&found, subject, &office.directory.snapshot());
    view.map(|view| Response::Moderation(Box::new(view))).ok_or_else(|| gone(&*office.trace, id))
}

/// What somebody wants decided.
pub(super) struct Asked<'a> {
    pub(super) id: ApprovalId,
    pub(super) verdict: Verdict,
    /// Whose decision it is; the administrator's without.
    pub(super) moderator: Option<&'a str>,
    pub(super) comment: &'a str,
}

pub(super) fn decide(office: &Office, actor: Actor<'_>, asked: &Asked<'_>) -> Result<Response, Failure> {
    let Asked { id, verdict, moderator, comment } = *asked;
    let snapshot = office.directory.snapshot();
    let by = match moderator {
        Some(moderator) => moderator_of(office, &snapshot, id, moderator)?,
        None => format!("administrator {actor}"),
    };
    let decision = Decision::new(office.clock.now(), &by, actor, comment);
    let late = |text| {
        Failure::unavailable(format!("The decision is not durable yet: {text}.")).cured_by("franking moderation list")
    };
    match office.moderation.decide(id, verdict, &decision).map_err(late)? {
        Decided::Now(own) => {
            let recipient = &own.target.addressee.address;
            let notes = match verdict {
                Verdict::Approve => vec!["It goes on now, as the directory says at this moment.".to_owned()],
                Verdict::Reject => vec![hears(&own)],
            };
            let participle = verdict.participle();
            let message = format!("The message {} to {recipient} is {participle} by {by}.", own.message);
            Ok(Response::Done { message, notes, password: None })
        }
        Decided::Before(own) => before(&own, verdict),
        Decided::Unknown => Err(gone(&*office.trace, id)),
        Decided::Ambiguous(ids) => {
            let several = format!("Several recipients of the message {} wait for a moderator.", id.message);
            let named = ids.iter().map(|id| format!("franking moderation show {id}"));
            Err(named.fold(Failure::refused(several), Failure::cured_by))
        }
    }
}

fn hears(own: &Moderation) -> String {
    match own.target.owes().is_some() || own.target.state == State::Reported {
        true => "Its sender gets a notice.".to_owned(),
        false => "Its sender hears nothing of it.".to_owned(),
    }
}

/// The moderator's address, if it is one of this message.
fn moderator_of(office: &Office, snapshot: &Snapshot, id: ApprovalId, named: &str) -> Result<String, Failure> {
    let found = office.moderation.find(id).map_err(unreachable)?.ok_or_else(|| gone(&*office.trace, id))?;
    let waiting = found.target.addressee.approval().map(|approval| &approval.waiting);
    let waiting = waiting.ok_or_else(|| gone(&*office.trace, id))?;
    let moderator = identity::find(snapshot, named)?;
    if !may_decide(snapshot, waiting, moderator.id) {
        let recipient = &found.target.addressee.address;
        let own = addresses(snapshot, &deciders(snapshot, waiting));
        let own = if own.is_empty() { "nobody does".to_owned() } else { format!("{} may", own.join(" or ")) };
        let text = format!("{} does not moderate {recipient}; {own}.", moderator.primary());
        return Err(Failure::refused(text).cured_by("without --moderator the decision is the administrator's"));
    }
    Ok(moderator.primary().to_string())
}

/// It is too late: the same decision is no failure, another one is.
fn before(own: &Moderation, verdict: Verdict) -> Result<Response, Failure> {
    let (message, recipient) = (own.message, &own.target.addressee.address);
    let what = format!("The message {message} to {recipient}");
    let decision = own.target.addressee.approval().and_then(|approval| approval.decision.as_ref());
    match (decision, own.target.state) {
        (_, State::Removed) => Err(Failure::refused(format!("{what} was removed from the queue."))),
        (Some((made, decision)), _) => {
            let text = format!("{what} was already {} by {} at {}.", made.participle(), decision.by, decision.at);
            match *made == verdict {
                true => Ok(Response::Done { message: text, notes: Vec::new(), password: None }),
                false => Err(Failure::refused(text)),
            }
        }
        (None, State::Failed | State::Reported) => {
            Err(Failure::refused(format!("{what} was given up: nobody had decided in time, or it was removed.")))
        }
        (None, _) => Err(Failure::unavailable(format!("{what} is being decided at this moment; try again."))),
    }
}

/// It is not in the queue; the trace may know what became of it.
fn gone(trace: &dyn TraceDesk, id: ApprovalId) -> Failure {
    let mut text = format!("Nothing of the message {id} waits for a moderator.");
    let history = trace.history(id.message, None, &mut |_, _| {}).ok().flatten();
    for event in history.iter().flat_map(|history| &history.events) {
        if matches!(&*event.event, "approved" | "rejected") {
            let (recipient, by) = (event.recipient.as_deref(), event.reply.as_deref());
            let (recipient, by) = (recipient.unwrap_or_default(), by.unwrap_or_default());
            text.push_str(&format!(" For {recipient} it was {} {by}, at {}.", event.event, event.at));
        }
    }
    Failure::not_found(text)
        .cured_by("franking moderation list")
        .cured_by(format!("franking trace --id {}", id.message))
}
