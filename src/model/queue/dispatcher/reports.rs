//! Reports and automatic replies that are owed, and the end of a message.

use super::Dispatcher;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::queue::entry::QueueId;
use crate::model::queue::target::{ReportKind, Target};
use crate::model::queue::work::{Effect, ReplyJob, ReportJob};

impl Dispatcher {
    /// Asks for what these recipients have come to owe, or forgets the message when nothing is left of it.
    pub(super) fn conclude(&mut self, now: Timestamp, id: QueueId, places: &[u32]) {
        let Some(live) = self.book.get_mut(id) else { return };
        if !live.entry.is_settled() {
            return self.ask_for_owed(now, id, places);
        }
        self.book.forget(id, &self.schedule);
        self.effects.push_back(Effect::Forget(id));
    }

    /// Asks for all that these recipients owe. A record about one of many must not cost a look at all of them.
    pub(super) fn ask_for_owed(&mut self, now: Timestamp, id: QueueId, places: &[u32]) {
        self.report(now, id, places, |_, target| target.owes());
        self.moderate(now, id, places);
        self.reply(now, id, places);
    }

    /// Every recipient of a message.
    pub(super) fn places(&self, id: QueueId) -> Vec<u32> {
        let count = self.book.get(id).map_or(0, |live| live.entry.targets().len());
        (0..u32::try_from(count).unwrap_or(u32::MAX)).collect()
    }

    /// Tells of the delay, unless the time is up already, as after a long standstill: the end is near then, and a
    /// notice would promise attempts that are not made.
    pub(super) fn notice(&mut self, now: Timestamp, id: QueueId) {
        // Those that were added by an approval are told of later.
        let schedule = self.schedule.clone();
        self.report(now, id, &self.places(id), |since, target| {
            let is_time = schedule.notice_at(since) <= now && now < schedule.expires_at(since);
            (is_time && target.may_be_noticed()).then_some(ReportKind::Delayed)
        });
    }

    /// Asks for one report per reader and kind, about those of the recipients that `kind_of` names and for whom none is
    /// asked for yet.
    pub(super) fn report(
        &mut self,
        now: Timestamp,
        id: QueueId,
        places: &[u32],
        kind_of: impl Fn(Timestamp, &Target) -> Option<ReportKind>,
    ) {
        let Some(live) = self.book.get_mut(id) else { return };
        let mut reports: Vec<ReportJob> = Vec::new();
        for place in places.iter().copied() {
            let Some(target) = live.entry.target(place) else { continue };
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
            self.book.ask_again_at(id, now.plus(self.limits.lease));
        }
        self.effects.extend(reports.into_iter().map(Effect::Report));
    }

    /// Asks for each automatic reply that is owed and not asked for yet.
    fn reply(&mut self, now: Timestamp, id: QueueId, places: &[u32]) {
        let Some(live) = self.book.get_mut(id) else { return };
        let owes = |place: &u32| live.entry.target(*place).is_some_and(Target::owes_reply);
        let owed = places.iter().copied().filter(owes);
        let places: Vec<u32> = owed.filter(|place| live.replying.insert(*place)).collect();
        if !places.is_empty() {
            self.book.ask_again_at(id, now.plus(self.limits.lease));
        }
        self.effects.extend(places.into_iter().map(|place| Effect::Reply(ReplyJob { id, place })));
    }
}
