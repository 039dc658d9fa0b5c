//! What is to happen to which object by itself, in order of time.
//!
//! Kept up from one version of the directory to the next at the cost of what altered between them: most objects of a
//! million have nothing before them, and nobody looks at them again until they are altered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::brake::Cause;
use crate::model::directory::lifecycle::calendar::Gap;
use crate::model::directory::lifecycle::hold::{Kept, OrganisationRetention};
use crate::model::directory::lifecycle::life::{Periods, Surroundings, due};
use crate::model::directory::lifecycle::machine::Trigger;
use crate::model::directory::{Licensing, Lifecycle, Recipient, RecipientId, Snapshot};
use crate::model::mail::Timestamp;

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin::office) enum Errand {
    /// Its life goes on.
    Step(Trigger),
    /// Its user was deleted and nothing is left of its mailbox: the object goes.
    Forget,
}

/// What is to happen to an object by itself and when; none when nothing is.
pub(in crate::admin::office) fn errand(recipient: &Recipient, around: Surroundings<'_>) -> Option<(Timestamp, Errand)> {
    let deleted = recipient.provisioning.as_deref().and_then(|provisioning| provisioning.user_deleted);
    match (deleted, recipient.lifecycle) {
        (Some(since), Lifecycle::Purged) => Some((since, Errand::Forget)),
        // Whoever never had a mailbox can be restored as long as any deleted user.
        (Some(since), Lifecycle::NoMailbox) => {
            Some((around.calendar.after(since, around.periods.deleted_user)?, Errand::Forget))
        }
        (Some(_) | None, _) => due(recipient, around).map(|(at, trigger)| (at, Errand::Step(trigger))),
    }
}

/// The same where others have a say: a removed mailbox goes when another object has taken its place (spec T24).
pub(in crate::admin::office) fn errand_among(
    snapshot: &Snapshot,
    recipient: &Recipient,
    around: Surroundings<'_>,
) -> Option<(Timestamp, Errand)> {
    let superseded = around.licensing == Licensing::Counts
        && snapshot.is_superseded(recipient)
        && recipient.kept(around) == Kept::NotAtAll;
    if superseded { Some((around.now, Errand::Step(Trigger::SameGuidLicensed))) } else { errand(recipient, around) }
}

/// What the times depend on beside the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ground {
    retention_policies: Vec<OrganisationRetention>,
    licensing: Licensing,
    periods: Periods,
    gaps: Vec<Gap>,
}

impl Ground {
    fn of(around: Surroundings<'_>) -> Self {
        Self {
            retention_policies: around.organisation.retention_policies.clone(),
            licensing: around.licensing,
            periods: around.periods,
            gaps: around.calendar.gaps().to_vec(),
        }
    }

    fn is_same(&self, around: Surroundings<'_>) -> bool {
        self.licensing == around.licensing
            && self.periods == around.periods
            && self.gaps == around.calendar.gaps()
            && self.retention_policies == around.organisation.retention_policies
    }
}

/// The order of what is to be done.
#[derive(Debug, Default)]
pub(in crate::admin::office) struct Agenda {
    /// The version of the directory that the times are those of.
    seen: Option<Arc<Snapshot>>,
    ground: Option<Ground>,
    by_time: BTreeSet<(Timestamp, RecipientId)>,
    times: BTreeMap<RecipientId, Timestamp>,
    /// Whose mailboxes are on hold.
    held: Arc<BTreeSet<RecipientId>>,
    /// Whose are or are not since the last time that anybody asked.
    turned: BTreeSet<RecipientId>,
    /// Of whom that could not be brought up to date, and when it is tried again.
    behind: BTreeMap<RecipientId, Timestamp>,
    /// Those of whom it was told last that they are on hold; none before the first time.
    told: Option<Arc<BTreeSet<RecipientId>>>,
    /// Whether what an earlier life has kept was looked through.
    looked_back: bool,
    /// What somebody is just carrying out.
    under_way: BTreeSet<RecipientId>,
    /// What is due and has no time, since it may be a mistake; [`brake`](super::brake) says what becomes of it.
    doubtful: BTreeMap<Cause, BTreeSet<RecipientId>>,
}

impl Agenda {
    /// Goes by this version of the directory from now on.
    pub(super) fn follow(&mut self, snapshot: &Arc<Snapshot>, around: Surroundings<'_>) {
        let is_same = self.ground.as_ref().is_some_and(|ground| ground.is_same(around));
        match self.seen.take().filter(|_| is_same) {
            Some(seen) if Arc::ptr_eq(&seen, snapshot) => {}
            Some(seen) => {
                snapshot.altered_since(&seen).for_each(|recipient| self.note_all(snapshot, recipient, around))
            }
            None => {
                self.by_time.clear();
                self.times.clear();
                self.doubtful.clear();
                snapshot.recipients().for_each(|recipient| self.note(snapshot, recipient, around));
                // Who is gone meanwhile is not among those who come now; of the others only those turn who are or are
                // not on hold since.
                let gone: Vec<_> = self.held.iter().filter(|id| snapshot.recipient(**id).is_none()).copied().collect();
                if !gone.is_empty() {
                    Arc::make_mut(&mut self.held).retain(|id| snapshot.recipient(*id).is_some());
                    self.turned.extend(gone);
                }
                self.ground = Some(Ground::of(around));
            }
        }
        self.seen = Some(Arc::clone(snapshot));
    }

    /// Notes an object that altered, and those that go by it.
    fn note_all(&mut self, snapshot: &Snapshot, recipient: &Recipient, around: Surroundings<'_>) {
        self.note(snapshot, recipient, around);
        for twin in snapshot.twins(recipient).filter(|twin| twin.id < recipient.id) {
            self.note(snapshot, twin, around);
        }
    }

    fn note(&mut self, snapshot: &Snapshot, recipient: &Recipient, around: Surroundings<'_>) {
        let kept = if recipient.has_contents() { recipient.kept(around) } else { Kept::NotAtAll };
        let held = kept != Kept::NotAtAll;
        if held != self.held.contains(&recipient.id) {
            let all = Arc::make_mut(&mut self.held);
            let _ = if held { all.insert(recipient.id) } else { all.remove(&recipient.id) };
            self.turned.insert(recipient.id);
        }
        // A hold that ends by itself is noticed then.
        let end = if let Kept::Until(end) = kept { Some(end) } else { None };
        let doubtful = Cause::of(snapshot, recipient, around);
        let at = errand_among(snapshot, recipient, around).map(|(at, _)| at).filter(|_| doubtful.is_none());
        match [at, end].into_iter().flatten().min() {
            Some(at) => self.put_off(recipient.id, at),
            None => self.forget(recipient.id),
        }
        if let Some(cause) = doubtful {
            self.doubtful.entry(cause).or_default().insert(recipient.id);
        }
    }

    /// How many have this before them, doubtful as it is.
    pub(super) fn doubted(&self, cause: Cause) -> usize {
        self.doubtful.get(&cause).map_or(0, BTreeSet::len)
    }

    /// It is no longer doubtful, and due now.
    pub(super) fn trust(&mut self, cause: Cause, now: Timestamp) {
        for id in self.doubtful.remove(&cause).unwrap_or_default() {
            self.put_off(id, now);
        }
    }

    /// It is looked at anew, and if it is due still, not before then.
    pub(super) fn look_again(
        &mut self,
        snapshot: &Snapshot,
        recipient: &Recipient,
        around: Surroundings<'_>,
        then: Timestamp,
    ) {
        self.note(snapshot, recipient, around);
        let is_doubtful = self.doubtful.values().any(|ids| ids.contains(&recipient.id));
        if is_doubtful || self.times.get(&recipient.id).is_some_and(|at| *at <= around.now) {
            self.put_off(recipient.id, then);
        }
    }

    /// Whose mailboxes are on hold, unless that was asked since it altered.
    pub(super) fn untold(&mut self) -> Option<Arc<BTreeSet<RecipientId>>> {
        let is_told = self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &self.held));
        (!is_told).then(|| Arc::clone(self.told.insert(Arc::clone(&self.held))))
    }

    /// Those whose mailboxes are or are not on hold since this was asked last, or of whom it is time to try again what
    /// failed, each with whether it is; at first also those of whom, as `kept` says, something is kept.
    pub(super) fn turned(
        &mut self,
        now: Timestamp,
        kept: impl FnOnce() -> Option<BTreeSet<RecipientId>>,
    ) -> BTreeMap<RecipientId, bool> {
        let mut turned = core::mem::take(&mut self.turned);
        if !self.looked_back
            && let Some(kept) = kept()
        {
            self.looked_back = true;
            turned.extend(kept.difference(&self.held));
        }
        turned.extend(self.behind.extract_if(.., |_, at| *at <= now).map(|(id, _)| id));
        turned.into_iter().map(|id| (id, self.held.contains(&id))).collect()
    }

    /// What a hold keeps of it could not be brought up to date.
    pub(super) fn left_behind(&mut self, id: RecipientId, then: Timestamp) {
        self.behind.insert(id, then);
    }

    /// Nothing is to be done with it.
    pub(super) fn forget(&mut self, id: RecipientId) {
        self.doubtful.retain(|_, ids| {
            ids.remove(&id);
            !ids.is_empty()
        });
        if let Some(at) = self.times.remove(&id) {
            self.by_time.remove(&(at, id));
        }
    }

    /// It is looked at again then, or when it is altered.
    pub(super) fn put_off(&mut self, id: RecipientId, at: Timestamp) {
        self.forget(id);
        self.times.insert(id, at);
        self.by_time.insert((at, id));
    }

    /// Objects whose time has come and that nobody is at work on, the earliest first, as many as asked for. They count
    /// as under way until [`Self::end`].
    pub(super) fn begin(&mut self, now: Timestamp, count: usize) -> Vec<RecipientId> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id);
        let ids: Vec<RecipientId> = due.filter(|id| !self.under_way.contains(id)).take(count).collect();
        self.under_way.extend(&ids);
        ids
    }

    /// They are done, or put off.
    pub(super) fn end(&mut self, ids: &[RecipientId]) {
        for id in ids {
            self.under_way.remove(id);
        }
    }

    /// When the next object's time comes.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
