//! What the journal of a walk tells of its recipients.

use super::*;

impl Walk {
    /// Whose delivery was to be answered when it came to be known.
    pub(super) fn answerable(&self) -> BTreeSet<(QueueId, u32)> {
        let mut entries: BTreeMap<QueueId, Entry> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for fact in &self.journal {
            match fact {
                Fact::Committed(facts) => drop(entries.insert(facts.id, Entry::accepted(facts.clone()))),
                Fact::Expanded(id, targets) => entries.get_mut(id).unwrap().expand(targets.clone()),
                Fact::Moved(id, events) => {
                    for (place, event) in events {
                        let applied = entries.get_mut(id).unwrap().apply(*place, event).is_ok();
                        if applied && *event == Event::ReplyDue {
                            found.insert((*id, *place));
                        }
                    }
                }
                Fact::Branched(id, place, targets) => {
                    assert!(entries.get_mut(id).unwrap().branch(*place, targets.clone()));
                }
                Fact::Suspended(_) => {}
            }
        }
        found
    }

    /// How often the events of the journal, as applied, ended each recipient.
    pub(super) fn endings(&self) -> BTreeMap<(QueueId, u32), u32> {
        let mut entries: BTreeMap<QueueId, Entry> = BTreeMap::new();
        let mut endings = BTreeMap::new();
        for fact in &self.journal {
            match fact {
                Fact::Committed(facts) => drop(entries.insert(facts.id, Entry::accepted(facts.clone()))),
                Fact::Expanded(id, targets) => {
                    for (place, target) in (0_u32..).zip(targets) {
                        endings.insert((*id, place), u32::from(!target.state.is_open()));
                    }
                    entries.get_mut(id).unwrap().expand(targets.clone());
                }
                Fact::Moved(id, events) => {
                    for (place, event) in events {
                        let applied = entries.get_mut(id).unwrap().apply(*place, event).is_ok();
                        let ends = matches!(
                            event,
                            Event::Delivered(_)
                                | Event::Relayed { .. }
                                | Event::Failed(_)
                                | Event::Removed
                                | Event::Rejected(_)
                        );
                        *endings.entry((*id, *place)).or_default() += u32::from(applied && ends);
                    }
                }
                Fact::Branched(id, place, targets) => {
                    let entry = entries.get_mut(id).unwrap();
                    let first = u32::try_from(entry.targets().len()).unwrap();
                    assert!(entry.branch(*place, targets.clone()));
                    *endings.entry((*id, *place)).or_default() += 1;
                    for (place, target) in (first..).zip(targets) {
                        endings.insert((*id, place), u32::from(!target.state.is_open()));
                    }
                }
                Fact::Suspended(_) => {}
            }
        }
        endings
    }
}
