//! Gives the administrators' office what it needs of directory and queue.

use std::sync::{Arc, OnceLock};

use crate::admin::office::{
    DeskFailure, DirectoryDesk, ModerationDesk, QueueDesk, QueueDestination, QueueDetail, QueueObeyed, QueueOrder,
    QueueRecipient, QueueSummary, SuspendedSender,
};
use crate::model::directory::{Change, Snapshot};
use crate::model::policy::{Refusal, Route};
use crate::model::queue::{ApprovalId, Attempt, Decision, QueueId, Selection, Suspendable, Verdict};
use crate::model::report::Original;
use crate::store::directory::{DirectoryError, DirectoryStore, History};
use crate::store::live::LiveSettings;
use crate::store::queue::{Decided, DestinationSummary, Moderation, Obeyed, Order, Queue, RecipientSummary, Summary};
use crate::world::Clock;

/// The directory store as the office sees it.
pub(super) struct DirectoryCounter(pub(super) Arc<DirectoryStore>);

impl DirectoryDesk for DirectoryCounter {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot()
    }

    fn change(
        &self,
        actor: &str,
        plan: &mut dyn FnMut(&Snapshot) -> Result<Vec<Change>, String>,
    ) -> Result<Arc<Snapshot>, DeskFailure> {
        self.0.change(actor, plan).map_err(|error| match error {
            DirectoryError::Refused(_) | DirectoryError::Planned(_) | DirectoryError::TooLarge { .. } => {
                DeskFailure::Refused(error.to_string())
            }
            DirectoryError::NotDurable(_) | DirectoryError::Encoding(_) => DeskFailure::Store(error.to_string()),
        })
    }

    fn history(&self) -> Option<History> {
        Some(self.0.past())
    }
}

/// The queue as the office sees it.
pub(super) struct QueueCounter {
    pub(super) queue: Arc<Queue>,
    pub(super) settings: Arc<LiveSettings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl QueueCounter {
    fn order_of(&self, order: &QueueOrder) -> Order {
        match order {
            QueueOrder::Retry => Order::Retry,
            QueueOrder::Hold => Order::Hold,
            QueueOrder::Release => Order::Release,
            QueueOrder::Remove { silently: true } => Order::Remove,
            QueueOrder::Remove { silently: false } => {
                let reply = Refusal::GivenUpByAdministrator.bare_reply(&self.settings.current());
                Order::GiveUp(Attempt { at: self.clock.now(), host: None, reply })
            }
            QueueOrder::Move { to: Some(host) } => Order::Move(Route::NextHost(host.to_string().into())),
            QueueOrder::Move { to: None } => Order::Move(Route::Domain),
        }
    }
}

impl QueueDesk for QueueCounter {
    fn list(
        &self,
        selection: &Selection,
        after: Option<QueueId>,
        limit: usize,
    ) -> Result<(Vec<QueueSummary>, usize), String> {
        let first = after.map_or(QueueId(0), QueueId::following);
        let page = self.queue.list(selection, first, limit);
        Ok((page.messages.iter().map(summary).collect(), page.total))
    }

    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        let found = id.parse().ok().and_then(|id: QueueId| self.queue.show(id));
        Ok(found.map(|found| QueueDetail {
            summary: summary(&found),
            recipients: found.recipients.iter().map(recipient).collect(),
            // The office adds them: they are in the trace.
            attempts: Vec::new(),
        }))
    }

    fn order(
        &self,
        selection: &Selection,
        order: &QueueOrder,
        dry_run: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<QueueObeyed, String> {
        let obeyed = self.queue.order(selection, &self.order_of(order), dry_run, progress);
        let Obeyed { messages, recipients } = obeyed.map_err(|error| error.to_string())?;
        Ok(QueueObeyed { messages, recipients })
    }

    fn destinations(&self) -> Result<(Vec<QueueDestination>, Vec<SuspendedSender>), String> {
        let suspensions = self.queue.suspensions();
        let senders = suspensions.all().filter_map(|(what, own)| match what {
            Suspendable::Sender(party) => Some(SuspendedSender {
                sender: party.to_string(),
                since: own.since.to_string(),
                reason: own.reason.to_string(),
            }),
            Suspendable::Destination(_) => None,
        });
        Ok((self.queue.destinations().into_iter().map(destination).collect(), senders.collect()))
    }

    fn suspend(&self, what: Suspendable, reason: &str) -> Result<(), String> {
        self.queue.suspend(what, reason).map_err(|error| error.to_string())
    }

    fn resume(&self, what: &Suspendable) -> Result<bool, String> {
        self.queue.resume(what).map_err(|error| error.to_string())
    }
}

impl ModerationDesk for QueueCounter {
    fn waiting(&self, limit: usize) -> Result<(Vec<Moderation>, usize), String> {
        Ok(self.queue.moderations(limit))
    }

    fn find(&self, id: ApprovalId) -> Result<Option<Moderation>, String> {
        Ok(self.queue.moderation(id))
    }

    fn subject(&self, id: ApprovalId) -> Result<String, String> {
        let head = self.queue.head(id.message).map_err(|error| error.to_string())?;
        Ok(Original { head: &head, body: None, international: false }.subject())
    }

    fn decide(&self, id: ApprovalId, verdict: Verdict, decision: &Decision) -> Result<Decided, String> {
        self.queue.decide(id, verdict, decision).map_err(|error| error.to_string())
    }
}

fn destination(found: DestinationSummary) -> QueueDestination {
    let state = match (&found.suspended_since, found.paused, &found.next_attempt) {
        (Some(_), ..) => "suspended",
        (None, true, _) => "retry",
        (None, false, Some(_)) => "waiting",
        (None, false, None) => "active",
    };
    QueueDestination {
        name: found.name,
        state: state.to_owned(),
        recipients: found.recipients,
        held: found.held,
        next_attempt: found.next_attempt,
        suspended_since: found.suspended_since,
        reason: found.reason.filter(|reason| !reason.is_empty()),
        last_answer: found.last_reply,
    }
}

fn summary(found: &Summary) -> QueueSummary {
    QueueSummary {
        id: found.id.clone(),
        accepted_at: found.accepted_at.clone(),
        from: found.sender.clone(),
        bytes: found.bytes,
        recipients: found.recipient_count,
        waiting: found.open_count,
        next_attempt: found.next_attempt.clone(),
        last_answer: found.last_reply.clone(),
    }
}

fn recipient(found: &RecipientSummary) -> QueueRecipient {
    QueueRecipient {
        address: found.address.clone(),
        destination: found.destination.clone(),
        state: found.state.to_string(),
        attempts: u32::from(found.attempts),
        next_attempt: found.next_attempt.clone(),
        last_answer: found.last_reply.clone(),
    }
}

/// The queue of a server that does not run, opened when a command first asks for it. Nothing is delivered meanwhile:
/// what a command changes is recorded, and the next start goes on from there.
pub(super) struct QueueAtRest {
    open: Box<dyn Fn() -> Result<QueueCounter, String> + Send + Sync>,
    opened: OnceLock<Result<QueueCounter, String>>,
}

impl QueueAtRest {
    pub(super) fn new(open: impl Fn() -> Result<QueueCounter, String> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open), opened: OnceLock::new() }
    }

    fn counter(&self) -> Result<&QueueCounter, String> {
        self.opened.get_or_init(|| (self.open)()).as_ref().map_err(Clone::clone)
    }
}

impl ModerationDesk for QueueAtRest {
    fn waiting(&self, limit: usize) -> Result<(Vec<Moderation>, usize), String> {
        self.counter()?.waiting(limit)
    }

    fn find(&self, id: ApprovalId) -> Result<Option<Moderation>, String> {
        self.counter()?.find(id)
    }

    fn subject(&self, id: ApprovalId) -> Result<String, String> {
        self.counter()?.subject(id)
    }

    fn decide(&self, id: ApprovalId, verdict: Verdict, decision: &Decision) -> Result<Decided, String> {
        self.counter()?.decide(id, verdict, decision)
    }
}

impl QueueDesk for QueueAtRest {
    fn list(
        &self,
        selection: &Selection,
        after: Option<QueueId>,
        limit: usize,
    ) -> Result<(Vec<QueueSummary>, usize), String> {
        self.counter()?.list(selection, after, limit)
    }

    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        self.counter()?.show(id)
    }

    fn order(
        &self,
        selection: &Selection,
        order: &QueueOrder,
        dry_run: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<QueueObeyed, String> {
        self.counter()?.order(selection, order, dry_run, progress)
    }

    fn destinations(&self) -> Result<(Vec<QueueDestination>, Vec<SuspendedSender>), String> {
        self.counter()?.destinations()
    }

    fn suspend(&self, what: Suspendable, reason: &str) -> Result<(), String> {
        self.counter()?.suspend(what, reason)
    }

    fn resume(&self, what: &Suspendable) -> Result<bool, String> {
        self.counter()?.resume(what)
    }
}
