//! The reconciler: makes the mailbox half of every object follow its identity half, and carries out what is due (spec
//! section 7.1, decision D7).
//!
//! [`reconcile`] is the same function for a command that has changed something, for the server's task that watches the
//! clock, and for a command without a server. A step is written into the directory before its contents are touched, and
//! contents are gone before the directory says so: whoever is interrupted finds the object in a state from which the
//! same step can be taken again (decision D7, spec section 7.6).

mod agenda;
pub(super) mod brake;
mod custody;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use brake::Cause;
pub use custody::{Custody, NoCustody};

use super::{DeskFailure, Office};
use crate::model::directory::lifecycle::calendar::Calendar;
use crate::model::directory::lifecycle::life::{Advanced, Said, Surroundings};
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::provisioning::{ProvisioningError, ProvisioningErrorKind};
use crate::model::directory::{Change, Recipient, RecipientId, Snapshot};
use crate::model::mail::Timestamp;
use crate::model::policy::Settings;
use crate::world::disk::Disk;
pub(super) use agenda::{Agenda, Errand, errand, errand_among};
use memory::Memory;

/// Who makes the changes of the reconciler, in the directory's change log.
pub const ACTOR: &str = "franking-lifecycle";

/// Objects that one change of the directory moves at most: it holds up every other change.
const BATCH: usize = 128;
/// Changes of one call at most; the rest is done with the next one.
const BATCHES_MAX: usize = 4096;
/// What failed is tried again after this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the reconciler of an office has beside the office.
pub struct Steward {
    /// The host whose disk has the mailboxes (`msExchPreviousHomeMDBSL`).
    pub home: Box<str>,
    /// Contents of mailboxes.
    pub custody: Arc<dyn Custody>,
    agenda: Mutex<Agenda>,
    memory: Mutex<Memory>,
}

impl Steward {
    /// One that has looked at nothing yet, and remembers nothing after its end.
    pub fn new(home: impl Into<Box<str>>, custody: Arc<dyn Custody>) -> Self {
        Self { home: home.into(), custody, agenda: Mutex::default(), memory: Mutex::default() }
    }

    /// The same, which remembers in this directory what has to outlive the process. Blocks.
    #[must_use]
    pub fn remembering(mut self, disk: Arc<dyn Disk>, directory: &Path) -> Self {
        self.memory = Mutex::new(Memory::open(disk, directory));
        self
    }

    /// Lets go on what waits for somebody's word, as of the version of the directory that was looked at last.
    fn confirm(&self, cause: Cause, now: Timestamp) -> usize {
        let mut agenda = self.agenda();
        let count = agenda.doubted(cause);
        agenda.trust(cause, now);
        let mut memory = self.memory();
        memory.set_waits(cause, false);
        memory.write();
        count
    }

    /// Whether this waits for somebody's word, where so many have it before them.
    pub(super) fn holds_back(&self, cause: Cause, count: usize, snapshot: &Snapshot) -> bool {
        count > 0 && (self.memory().waits(cause) || brake::is_mass(snapshot, count))
    }

    /// Lets what is doubtful go on where it is little, and wait where it is much.
    fn brake(&self, agenda: &mut Agenda, snapshot: &Snapshot, now: Timestamp) {
        let mut memory = self.memory();
        for cause in Cause::ALL {
            let count = agenda.doubted(cause);
            let waits = count > 0 && (memory.waits(cause) || brake::is_mass(snapshot, count));
            if memory.set_waits(cause, waits) {
                match (waits, cause) {
                    (true, Cause::Disconnections) => tracing::error!(
                        mailboxes = count,
                        "mailboxes have no licence and would be disconnected, so many that this waits for somebody's \
                         word: franking licence assign --unlicensed, or franking lifecycle confirm disconnections"
                    ),
                    (true, Cause::Deletions) => tracing::error!(
                        mailboxes = count,
                        "the time of mailboxes was over long ago and they would be deleted for good, so many that \
                         this waits for somebody's word: franking lifecycle preview, then franking lifecycle confirm \
                         deletions"
                    ),
                    (false, _) => tracing::info!(what = cause.name(), "nothing waits for somebody's word any more"),
                }
            }
            if !waits {
                agenda.trust(cause, now);
            }
        }
        memory.write();
    }

    /// Lets time that passed unseen count. Gives how much there was.
    pub(super) fn count_everything(&self) -> Duration {
        self.memory().count_everything()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On this machine, with nothing in any mailbox.
impl Default for Steward {
    fn default() -> Self {
        Self::new("localhost", Arc::new(NoCustody))
    }
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub address: String,
    /// What moved it; none when the object was forgotten.
    pub trigger: Option<Trigger>,
    /// Where it stands now.
    pub state: State,
}

/// What all steps of one piece of work go by.
pub(super) struct Moment {
    /// The time.
    pub(super) now: Timestamp,
    /// The policy in force.
    pub(super) settings: Arc<Settings>,
    calendar: Arc<Calendar>,
}

impl Moment {
    /// This one.
    pub(super) fn of(office: &Office) -> Self {
        let calendar = office.steward.memory().look(&*office.clock);
        Self { now: office.clock.now(), settings: office.settings(), calendar }
    }
}

/// What a step sees.
pub(super) fn around<'a>(office: &'a Office, moment: &'a Moment, snapshot: &'a Snapshot) -> Surroundings<'a> {
    Surroundings {
        organisation: snapshot.organisation(),
        licensing: moment.settings.licensing(),
        periods: moment.settings.periods,
        home: &office.steward.home,
        now: moment.now,
        calendar: &moment.calendar,
    }
}

/// Does everything that is due, and says what was done. What fails is told to the log and tried again later. Blocks.
pub fn reconcile(office: &Office) -> Vec<Moved> {
    let mut moved = Vec::new();
    for _ in 0..BATCHES_MAX {
        let moment = Moment::of(office);
        let now = moment.now;
        let mut agenda = office.steward.agenda();
        let snapshot = office.directory.snapshot();
        agenda.follow(&snapshot, around(office, &moment, &snapshot));
        office.steward.brake(&mut agenda, &snapshot, now);
        // Before anything is deleted: who is off hold may be purged, and who is on hold must not.
        if let Some(held) = agenda.untold() {
            office.steward.custody.hold(&held);
        }
        let ids = agenda.begin(now, BATCH);
        drop(agenda);
        if ids.is_empty() {
            break;
        }
        let put_off = carry_out(office, &moment, &ids, &mut moved);
        let mut agenda = office.steward.agenda();
        // First the version that came of it, in which what was done has another time or none.
        let snapshot = office.directory.snapshot();
        agenda.follow(&snapshot, around(office, &moment, &snapshot));
        for id in put_off {
            match snapshot.recipient(id) {
                Some(recipient) => {
                    let around = around(office, &moment, &snapshot);
                    agenda.look_again(&snapshot, recipient, around, now.plus(PATIENCE));
                }
                None => agenda.forget(id),
            }
        }
        agenda.end(&ids);
    }
    keep_what_is_held(office);
    for step in &moved {
        tracing::info!(recipient = %step.address, trigger = step.trigger.map_or("forgotten", Trigger::name),
            state = step.state.name(), "the life of a mailbox went on");
    }
    moved
}

/// Carries out what waits for somebody's word, and says how many that are. Blocks.
pub(super) fn confirm(office: &Office, actor: &str, cause: Cause) -> usize {
    // What came since the last look waits, too, and is part of what is confirmed.
    reconcile(office);
    let count = office.steward.confirm(cause, office.clock.now());
    tracing::warn!(actor, what = cause.name(), mailboxes = count, "what waited was confirmed");
    reconcile(office);
    count
}

/// Keeps what is in mailboxes that are on hold since the last time, and gives up what was kept of those that are no
/// longer. What fails is tried again, also by the next life: it keeps whoever is on hold then, and gives up what is
/// kept of others, so that a hold that ended while no server ran leaves nothing behind.
fn keep_what_is_held(office: &Office) {
    let (custody, now) = (&office.steward.custody, office.clock.now());
    let turned = office.steward.agenda().turned(now, || custody.kept());
    let snapshot = office.directory.snapshot();
    for (id, is_held) in turned {
        let done = match (is_held, snapshot.recipient(id).map(|recipient| recipient.state())) {
            (true, _) => custody.keep(id),
            // What was kept goes with the mailbox; of what no directory knows nobody can say that it may go.
            (false, None | Some(State::Purging | State::Purged | State::StaleAttributes)) => Ok(()),
            (false, Some(_)) => custody.release(id),
        };
        if let Err(error) = done {
            tracing::error!(%error, mailbox = %id, "what a hold keeps is not up to date; it is tried again");
            office.steward.agenda().left_behind(id, now.plus(PATIENCE));
        }
    }
}

/// When something is due next, as of the last look.
pub fn next_due(office: &Office) -> Option<Timestamp> {
    office.steward.agenda().next()
}

/// Contents first, then one change for all, or one for each where they cannot go together. Gives those that are to be
/// tried again later.
fn carry_out(office: &Office, moment: &Moment, ids: &[RecipientId], moved: &mut Vec<Moved>) -> Vec<RecipientId> {
    let mut put_off = Vec::new();
    let emptied = empty(office, ids, &mut put_off);
    let ready: Vec<RecipientId> = ids.iter().copied().filter(|id| !put_off.contains(id)).collect();
    let work = Work { office, moment, emptied: &emptied };
    match work.step(&ready, moved, &mut put_off) {
        Ok(()) => return put_off,
        Err(error) if ready.len() == 1 => {
            tracing::error!(%error, recipient = %ready[0], "a mailbox's life stands still")
        }
        Err(_) => {
            for id in &ready {
                if let Err(error) = work.step(&[*id], moved, &mut put_off) {
                    tracing::error!(%error, recipient = %id, "a mailbox's life stands still");
                    put_off.push(*id);
                }
            }
            return put_off;
        }
    }
    put_off.extend(ready);
    put_off
}

/// Deletes the contents of those that are being purged. Repeatable: what is gone is gone.
///
/// Gives for each whether the clean-up after it failed, and why.
fn empty(
    office: &Office,
    ids: &[RecipientId],
    put_off: &mut Vec<RecipientId>,
) -> BTreeMap<RecipientId, Option<String>> {
    let snapshot = office.directory.snapshot();
    let mut emptied = BTreeMap::new();
    for id in ids {
        let Some(recipient) = snapshot.recipient(*id).filter(|recipient| recipient.state() == State::Purging) else {
            continue;
        };
        match office.steward.custody.purge(*id) {
            Ok(()) => {
                let failed = office.steward.custody.clean_up(*id).err();
                emptied.insert(*id, failed);
            }
            Err(error) => {
                let recipient = recipient.primary();
                tracing::error!(%error, %recipient, "a mailbox could not be purged; it is tried again");
                put_off.push(*id);
            }
        }
    }
    emptied
}

struct Work<'a> {
    office: &'a Office,
    moment: &'a Moment,
    emptied: &'a BTreeMap<RecipientId, Option<String>>,
}

impl Work<'_> {
    /// Takes the next step of each in one change.
    fn step(
        &self,
        ids: &[RecipientId],
        moved: &mut Vec<Moved>,
        put_off: &mut Vec<RecipientId>,
    ) -> Result<(), DeskFailure> {
        let (mut steps, mut idle) = (Vec::new(), Vec::new());
        let mut plan = |snapshot: &Snapshot| {
            (steps, idle) = (Vec::new(), Vec::new());
            let mut changes = Vec::new();
            for id in ids {
                // Who is gone is forgotten by those that ask.
                match snapshot.recipient(*id).and_then(|recipient| self.next(snapshot, recipient)) {
                    Some((change, step)) => {
                        changes.push(change);
                        steps.push(step);
                    }
                    None => idle.push(*id),
                }
            }
            Ok(changes)
        };
        self.office.directory.change(ACTOR, &mut plan)?;
        moved.append(&mut steps);
        put_off.append(&mut idle);
        Ok(())
    }

    /// The next step of one; none when its time has not come after all, or when it leads nowhere.
    fn next(&self, snapshot: &Snapshot, recipient: &Recipient) -> Option<(Change, Moved)> {
        let around = around(self.office, self.moment, snapshot);
        let (_, errand) = errand_among(snapshot, recipient, around).filter(|(at, _)| *at <= self.moment.now)?;
        let address = recipient.primary().to_string();
        let trigger = match errand {
            Errand::Forget => {
                let moved = Moved { address, trigger: None, state: State::Purged };
                return Some((Change::RemoveRecipient(recipient.id), moved));
            }
            Errand::Step(trigger) => trigger,
        };
        let cleanup = match trigger {
            Trigger::ContentsGone => self.emptied.get(&recipient.id)?.as_deref(),
            _ => None,
        };
        let said = Said { cleanup_fails: cleanup.is_some(), ..Said::default() };
        let next = advance(recipient, trigger, around, said, cleanup).ok()?.recipient;
        if next == *recipient {
            return None;
        }
        let moved = Moved { address, trigger: Some(trigger), state: next.state() };
        Some((Change::PutRecipient(Box::new(next)), moved))
    }
}

/// Takes a step, and keeps the record of a failed clean-up as long as what it is about: `cleanup` says why one failed.
///
/// # Errors
/// As [`Recipient::advance`].
pub(super) fn advance(
    recipient: &Recipient,
    trigger: Trigger,
    around: Surroundings<'_>,
    said: Said,
    cleanup: Option<&str>,
) -> Result<Advanced, crate::model::directory::lifecycle::machine::LifecycleError> {
    let mut advanced = recipient.advance(trigger, around, said)?;
    let next = &mut advanced.recipient;
    let is_cleanup = |error: &ProvisioningError| error.kind == ProvisioningErrorKind::CleanUp;
    match (next.state(), cleanup) {
        (State::StaleAttributes, Some(why)) => {
            let kind = ProvisioningErrorKind::CleanUp;
            let text = format!("The previous mailbox of \"{}\" could not be cleared: {why}", next.name).into();
            next.provisioning.get_or_insert_default().error = Some(ProvisioningError { since: around.now, kind, text });
        }
        (State::StaleAttributes, None) => {}
        (_, _) => {
            if let Some(own) = next.provisioning.as_deref_mut()
                && own.error.as_ref().is_some_and(is_cleanup)
            {
                own.error = None;
            }
            next.tidy_provisioning();
        }
    }
    Ok(advanced)
}
