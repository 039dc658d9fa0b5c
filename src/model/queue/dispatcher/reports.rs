//! Reports and automatic replies that are owed, and the end of a message.

use super::{Dispatcher, Timer};
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::queue::entry::QueueId;
use crate::model::queue::target::{ReportKind, Target};
use crate::model::queue::work::{Effect, ReplyJob, ReportJob};

impl Dispatcher {
    /// Asks for what is owed, or forgets the message when nothing is left.
    pub(super) fn conclude(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if !live.entry.is_settled() {
            self.report(now, id, |_, target| target.owes());
            self.moderate(now, id);
            return self.reply(now, id);
        }
        self.timers.remove(&(live.ask_again, Timer::AskAgain(id)));
        self.timers.remove(&(live.expire, Timer::Expire(id)));
        for since in live.entry.beginnings() {
            self.timers.remove(&(self.schedule.notice_at(since), Timer::Notice(id)));
        }
        self.entries.remove(&id);
        self.effects.push_back(Effect::Forget(id));
    }

    /// Tells of the delay, unless the time is up already, as after a long standstill: the end is near then, and a
    /// notice would promise attempts that are not made.
    pub(super) fn notice(&mut self, now: Timestamp, id: QueueId) {
        // Those that were added by an approval are told of later.
        let schedule = self.schedule.clone();
        self.report(now, id, |since, target| {
            let is_time = schedule.notice_at(since) <= now && now < schedule.expires_at(since);
            (is_time && target.may_be_noticed()).then_some(ReportKind::Delayed)
        });
    }

    /// Asks for one report per reader and kind, about all recipients that `kind_of` names and none is asked for yet.
    pub(super) fn report(
        &mut self,
        now: Timestamp,
        id: QueueId,
        kind_of: impl Fn(Timestamp, &Target) -> Option<ReportKind>,
    ) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let mut reports: Vec<ReportJob> = Vec::new();
        for (place, target) in (0_u32..).zip(live.entry.targets()) {
            let since = live.entry.since(place);
            let (Some(kind), ReversePath::Mailbox(to)) = (kind_of(since, target), &target.addressee.reverse_path)
            else {
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

    /// Asks for each automatic reply that is owed and not asked for yet.
    pub(super) fn reply(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let owed = (0_u32..).zip(live.entry.targets()).filter(|(_, target)| target.owes_reply());
        let places: Vec<u32> = owed.map(|(place, _)| place).filter(|place| live.replying.insert(*place)).collect();
        if !places.is_empty() {
            self.ask_again_at(id, now.plus(self.limits.lease));
        }
        self.effects.extend(places.into_iter().map(|place| Effect::Reply(ReplyJob { id, place })));
    }
}
