//! The queue in the hands of administrators: lists of what is selected, orders on it, suspended destinations.
//!
//! Orders work through a selection in slices. The queue's lock is held for a slice at a time, and the next one begins
//! when the one before is durable, so thousands of messages delay neither a new one nor each other's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::list::{DestinationSummary, Summary};
use super::recorder::Fact;
use super::table::Table;
use super::{CommitFailure, Queue};
use crate::model::mail::Timestamp;
use crate::model::policy::Route;
use crate::model::policy::restricted::Submitter;
use crate::model::queue::suspension::{REASON_CHARACTERS_MAX, SUSPENSIONS_MAX};
use crate::model::queue::{
    Attempt, Command, Entry, LaneKey, QueueId, Seen, Selection, State, Suspendable, Suspension, Suspensions,
};
use crate::store::Hands;
use crate::store::intake::locked;
use crate::store::ticket::{GLANCE, Stopped, Ticket, ticket};

/// An administrator who waits for a disk that fails is told after this time.
const DISK_PATIENCE_MILLISECONDS: u128 = 5_000;

/// Messages looked at under the queue's lock at once.
const SLICE: usize = 500;

/// What an administrator orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Try again at once what waits for another attempt.
    Retry,
    /// Stop; the time still runs out.
    Hold,
    /// Let go what is held.
    Release,
    /// Drop; nobody is told.
    Remove,
    /// Give up, as if an attempt had ended so; the senders are told.
    GiveUp(Attempt),
    /// Send what goes to other systems on another way, at once.
    Move(Route),
}

impl Order {
    fn command(&self, id: QueueId) -> Command {
        match self {
            Self::Retry => Command::Retry(id),
            Self::Hold => Command::Hold(id),
            Self::Release => Command::Release(id),
            Self::Remove => Command::Remove(id),
            Self::GiveUp(attempt) => Command::GiveUp(id, attempt.clone()),
            Self::Move(route) => Command::Move(id, route.clone()),
        }
    }
}

/// How much obeyed an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obeyed {
    /// Messages of which something obeyed.
    pub messages: usize,
    /// Their recipients that obeyed; a message that is not expanded yet counts as one.
    pub recipients: usize,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages, oldest first.
    pub messages: Vec<Summary>,
    /// How many are selected in all.
    pub total: usize,
}

/// Why something is not suspended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuspendError {
    /// There are too many already.
    #[error("{SUSPENSIONS_MAX} destinations and senders are suspended already; resume one first")]
    TooMany,
    /// It could not be made durable.
    #[error(transparent)]
    Failed(#[from] CommitFailure),
}

/// Why an order is not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// The queue closes.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The disk cannot be written. What was ordered waits for it; a crash before that undoes it.
    #[error("the disk cannot be written ({0}); what was ordered so far is carried out once it can")]
    Unwritable(Arc<str>),
}

impl Queue {
    /// Obeys an administrator; false when the message is not in the queue or nothing of it can obey. What is decided
    /// becomes durable soon.
    pub fn command(&self, command: Command) -> bool {
        let mut table = locked(&self.shared.table);
        let obeyed = table.dispatcher.command(&command);
        self.shared.route(&mut table);
        drop(table);
        self.shared.changed.notify_one();
        obeyed
    }

    /// Carries out an order on everything selected and says how much obeyed; all of it is durable then. An attempt
    /// under way is not interrupted. `dry_run` only counts. `progress` hears how many messages were looked at and how
    /// many there are. Blocks.
    ///
    /// # Errors
    /// When the queue closes or its disk fails meanwhile; then a part may have been done.
    pub fn order(
        &self,
        selection: &Selection,
        order: &Order,
        dry_run: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Obeyed, Unsettled> {
        let now = self.shared.clock.now();
        let (mut obeyed, mut next, mut looked) = (Obeyed::default(), Some(QueueId(0)), 0_usize);
        while let Some(first) = next {
            let mut table = locked(&self.shared.table);
            let total = table.dispatcher.count();
            let slice: Vec<QueueId> =
                table.dispatcher.entries_from(first).take(SLICE).map(|one| one.facts.id).collect();
            looked = looked.saturating_add(slice.len());
            next = slice.last().filter(|_| slice.len() == SLICE).map(|id| id.following());
            for id in slice {
                let recipients = one(&mut table, id, selection, order, dry_run, now);
                obeyed.messages = obeyed.messages.saturating_add(usize::from(recipients > 0));
                obeyed.recipients = obeyed.recipients.saturating_add(recipients);
            }
            self.shared.route(&mut table);
            drop(table);
            self.shared.changed.notify_one();
            if !dry_run {
                self.settled()?;
            }
            progress(looked, total.max(looked));
        }
        Ok(obeyed)
    }

    /// Waits until everything that was decided so far is durable. Blocks, for seconds while the disk fails.
    ///
    /// # Errors
    /// When the queue closes meanwhile, or its disk fails.
    pub fn settled(&self) -> Result<(), Unsettled> {
        let (promise, ticket) = ticket::<(), Stopped>();
        self.shared.say(Fact::Barrier(promise));
        self.by_hand();
        self.answer(ticket).map_err(Unsettled::Unwritable)?.map_err(Unsettled::Stopped)
    }

    /// Waits for the recorder, which tries again and again while the disk fails; the error is what the disk said.
    fn answer<T, E: From<Stopped>>(&self, ticket: Ticket<T, E>) -> Result<Result<T, E>, Arc<str>> {
        let mut glances_left = DISK_PATIENCE_MILLISECONDS / GLANCE.as_millis().max(1);
        let mut said = None;
        let answer = ticket.wait_while(|| {
            said = self.shared.journal.failure().or_else(|| said.take());
            // Only a failing disk uses patience up: a long queue of work does not.
            glances_left = glances_left.saturating_sub(u128::from(said.is_some()));
            glances_left > 0
        });
        answer.ok_or_else(|| said.unwrap_or_default())
    }

    /// Where nobody else works, the caller does.
    fn by_hand(&self) {
        if self.shared.hands == Hands::Caller {
            while self.turn() {}
        }
    }

    /// The oldest `limit` messages that are selected, from `first` on, without their recipients' details.
    pub fn list(&self, selection: &Selection, first: QueueId, limit: usize) -> Page {
        let now = self.shared.clock.now();
        let mut page = Page { messages: Vec::new(), total: 0 };
        self.each(|table, entry| {
            if !selection.selects(entry, now) {
                return;
            }
            page.total = page.total.saturating_add(1);
            if entry.facts.id >= first && page.messages.len() < limit {
                page.messages.push(Summary::of(entry, &table.dispatcher, now, false));
            }
        });
        page
    }

    /// Shows every message, oldest first, a slice under the lock at a time.
    pub(super) fn each(&self, mut show: impl FnMut(&Table, &Entry)) {
        let mut next = Some(QueueId(0));
        while let Some(first) = next {
            let table = locked(&self.shared.table);
            let (mut count, mut last) = (0_usize, first);
            for entry in table.dispatcher.entries_from(first).take(SLICE) {
                show(&table, &entry);
                (count, last) = (count.saturating_add(1), entry.facts.id);
            }
            next = (count == SLICE).then(|| last.following());
        }
    }

    /// One message with all its recipients.
    pub fn show(&self, id: QueueId) -> Option<Summary> {
        let now = self.shared.clock.now();
        let table = locked(&self.shared.table);
        table.dispatcher.entry(id).map(|entry| Summary::of(&entry, &table.dispatcher, now, true))
    }

    /// What is known of a message and its recipients.
    pub fn entry(&self, id: QueueId) -> Option<Entry> {
        locked(&self.shared.table).dispatcher.entry(id).map(Seen::into_owned)
    }

    /// How many messages are in the queue.
    pub fn count(&self) -> usize {
        locked(&self.shared.table).dispatcher.count()
    }

    /// Every destination outside that something waits for, and every suspended one, by name.
    pub fn destinations(&self) -> Vec<DestinationSummary> {
        let mut found: BTreeMap<LaneKey, DestinationSummary> = BTreeMap::new();
        self.each(|table, entry| {
            for target in entry.targets().iter().filter(|target| target.state.is_open()) {
                let hop = &target.addressee.hop;
                let lane = hop.lane();
                if lane.is_local() {
                    continue;
                }
                let known =
                    found.entry(lane).or_insert_with(|| DestinationSummary::of(&table.dispatcher.destination(hop)));
                known.recipients = known.recipients.saturating_add(1);
                known.held = known.held.saturating_add(usize::from(target.state == State::Held));
                known.learn(target);
            }
        });
        let mut all: Vec<DestinationSummary> = found.into_values().collect();
        for (what, suspension) in self.suspensions().all() {
            if let Suspendable::Destination(name) = what
                && !all.iter().any(|own| own.is_named(&name))
            {
                all.push(DestinationSummary::suspended(&name, suspension));
            }
        }
        all
    }

    /// What is suspended.
    pub fn suspensions(&self) -> Suspensions {
        locked(&self.shared.table).dispatcher.suspensions().clone()
    }

    /// Suspends a destination or a sender: mail is accepted and waits. Durable and in force on return. Blocks.
    ///
    /// # Errors
    /// [`SuspendError`]; nothing has changed then.
    pub fn suspend(&self, what: Suspendable, reason: &str) -> Result<(), SuspendError> {
        let since = self.shared.clock.now();
        let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        let _turn = locked(&self.suspending);
        let mut suspensions = self.suspensions();
        if !suspensions.suspend(what, Suspension { since, reason: reason.into() }) {
            return Err(SuspendError::TooMany);
        }
        Ok(self.say_suspended(suspensions)?)
    }

    /// Lets a destination or a sender go on; false when it was not suspended. Durable and in force on return. Blocks.
    ///
    /// # Errors
    /// When it cannot be made durable; nothing has changed then.
    pub fn resume(&self, what: &Suspendable) -> Result<bool, CommitFailure> {
        let _turn = locked(&self.suspending);
        let mut suspensions = self.suspensions();
        if !suspensions.resume(what) {
            return Ok(false);
        }
        self.say_suspended(suspensions).map(|()| true)
    }

    /// Goes by who is restricted from now on: their mail to other systems waits. `restricted` is asked where nobody
    /// else restricts or releases at the same time.
    pub fn restrict(&self, restricted: impl FnOnce() -> BTreeSet<Submitter>) {
        let mut table = locked(&self.shared.table);
        table.dispatcher.restrict(restricted());
        self.shared.route(&mut table);
        drop(table);
        self.shared.changed.notify_one();
    }

    fn say_suspended(&self, suspensions: Suspensions) -> Result<(), CommitFailure> {
        let (promise, ticket): (_, Ticket<(), CommitFailure>) = ticket();
        self.shared.say(Fact::Suspend { suspensions, promise });
        self.by_hand();
        let failed = |said| CommitFailure::Failed(format!("{said}; it takes effect once the disk works again").into());
        self.answer(ticket).map_err(failed)?
    }
}

/// Orders one message, if it is selected; gives how many recipients obey.
fn one(table: &mut Table, id: QueueId, selection: &Selection, order: &Order, dry_run: bool, now: Timestamp) -> usize {
    let Some(entry) = table.dispatcher.entry(id) else { return 0 };
    if !selection.selects(&entry, now) {
        return 0;
    }
    drop(entry);
    let command = order.command(id);
    if dry_run {
        return table.dispatcher.would_obey(&command, |target| selection.means(target));
    }
    table.dispatcher.command_where(&command, |target| selection.means(target))
}
