//! What the journal of a walk tells of its recipients.

use super::*;

impl Walk {
    /// Applies the journal as a start does; `each` sees every event, and whether it could be applied.
    pub(super) fn replay(&self, mut each: impl FnMut(QueueId, u32, &Event, bool)) -> BTreeMap<QueueId, Entry> {
        let mut entries = BTreeMap::new();
        for fact in &self.journal {
            match fact {
                Fact::Committed(facts) => drop(entries.insert(facts.id, Entry::accepted(facts.clone()))),
                Fact::Expanded(id, targets) => entries.get_mut(id).unwrap().expand(targets.clone()),
                Fact::Moved(id, events) => {
                    for (place, event) in events {
                        let applied = entries.get_mut(id).unwrap().apply(*place, event).is_ok();
                        each(*id, *place, event, applied);
                    }
                }
                Fact::Branched(id, place, targets) => {
                    assert!(entries.get_mut(id).unwrap().branch(*place, targets.clone()));
                }
                Fact::Suspended(_) => {}
            }
        }
        entries
    }

    /// Whose delivery was to be answered when it came to be known.
    pub(super) fn answerable(&self) -> BTreeSet<(QueueId, u32)> {
        let mut found = BTreeSet::new();
        self.replay(|id, place, event, applied| {
            if applied && *event == Event::ReplyDue {
                found.insert((id, place));
            }
        });
        found
    }

    /// How often each recipient ended: before it could be attempted, by an event of the journal, as applied, or by
    /// becoming others.
    pub(super) fn endings(&self) -> BTreeMap<(QueueId, u32), u32> {
        let mut endings: BTreeMap<(QueueId, u32), u32> = BTreeMap::new();
        self.replay(|id, place, event, applied| {
            let ends = matches!(
                event,
                Event::Delivered(_) | Event::Relayed { .. } | Event::Failed(_) | Event::Removed | Event::Rejected(_)
            );
            *endings.entry((id, place)).or_default() += u32::from(applied && ends);
        });
        let mut counts: BTreeMap<QueueId, u32> = BTreeMap::new();
        for fact in &self.journal {
            let (id, drawn) = match fact {
                Fact::Expanded(id, targets) => (id, targets),
                Fact::Branched(id, place, targets) => {
                    *endings.entry((*id, *place)).or_default() += 1;
                    (id, targets)
                }
                Fact::Committed(_) | Fact::Moved(..) | Fact::Suspended(_) => continue,
            };
            let first = counts.entry(*id).or_default();
            for target in drawn {
                *endings.entry((*id, *first)).or_default() += u32::from(!target.state.is_open());
                *first += 1;
            }
        }
        endings
    }
}
