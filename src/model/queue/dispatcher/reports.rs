//! Reports that are owed, and the end of a message.

use super::{Dispatcher, Timer};
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::queue::entry::QueueId;
use crate::model::queue::target::{ReportKind, Target};
use crate::model::queue::work::{Effect, ReportJob};

impl Dispatcher {
    /// Asks for the reports that are owed, or forgets the message when nothing is left.
    pub(super) fn conclude(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if !live.entry.is_settled() {
            return self.report(now, id, Target::owes);
        }
        let accepted_at = live.entry.facts.accepted_at;
        self.timers.remove(&(live.ask_again, Timer::AskAgain(id)));
        self.timers.remove(&(live.expire, Timer::Expire(id)));
        self.timers.remove(&(self.schedule.notice_at(accepted_at), Timer::Notice(id)));
        self.entries.remove(&id);
        self.effects.push_back(Effect::Forget(id));
    }

    /// Tells of the delay, unless the time is up already, as after a long standstill: the end is near then, and a
    /// notice would promise attempts that are not made.
    pub(super) fn notice(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get(&id) else { return };
        if now < self.schedule.expires_at(live.entry.facts.accepted_at) {
            self.report(now, id, |target| target.may_be_noticed().then_some(ReportKind::Delayed));
        }
    }

    /// Asks for one report per reader and kind, about all recipients that `kind_of` names and none is asked for yet.
    pub(super) fn report(&mut self, now: Timestamp, id: QueueId, kind_of: impl Fn(&Target) -> Option<ReportKind>) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let mut reports: Vec<ReportJob> = Vec::new();
        for (place, target) in (0_u32..).zip(live.entry.targets()) {
            let (Some(kind), ReversePath::Mailbox(to)) = (kind_of(target), &target.addressee.reverse_path) else {
                continue;
            };
            if !live.reporting.insert((place, kind)) {
                continue;
            }
            match reports.iter_mut().find(|report| report.kind == kind && report.to == *to) {
                Some(report) => report.targets.push(place),
                None => reports.push(ReportJob { id, kind, to: to.clone(), targets: vec![place] }),
            }
        }
        if !reports.is_empty() {
            self.ask_again_at(id, now.plus(self.limits.lease));
        }
        self.effects.extend(reports.into_iter().map(Effect::Report));
    }
}
