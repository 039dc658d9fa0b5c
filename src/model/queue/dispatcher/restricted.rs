//! Mail of those who are restricted: it is kept, and what of it goes to other systems is not attempted until they are
//! released. Its time runs on, as that of a suspended sender's.

use std::collections::BTreeSet;

use super::{Dispatcher, Phase};
use crate::model::policy::restricted::Submitter;
use crate::model::queue::entry::{EntryFacts, QueueId};
use crate::model::queue::suspension::Suspensions;
use crate::model::queue::target::Hop;

impl Dispatcher {
    /// Obeys from now on who is restricted, and lets the mail of those go on who are not any more.
    pub fn restrict(&mut self, restricted: BTreeSet<Submitter>) {
        let former = core::mem::replace(&mut self.restricted, restricted);
        let altered = |facts: &EntryFacts| {
            let submitter = facts.submitter.as_ref()?;
            let (before, now) = (former.contains(submitter), self.restricted.contains(submitter));
            (before != now).then_some(now)
        };
        let mut messages: Vec<(QueueId, bool)> = Vec::new();
        // Nobody else's messages need a look.
        if former != self.restricted {
            let all = self.book.iter_from(QueueId(0));
            messages.extend(all.filter_map(|(id, live)| Some((id, altered(&live.entry.facts)?))));
        }
        for (id, stops) in messages {
            for place in self.places(id) {
                if !stops {
                    self.enlist(id, place);
                } else if let Some(live) = self.book.get_mut(id)
                    && live.entry.target(place).is_some_and(|target| target.addressee.hop.leaves())
                {
                    // Passed over where it waits; an attempt under way ends by itself.
                    live.release(place, |phase| phase == Phase::Queued);
                }
            }
            self.relieve();
        }
    }

    /// Who is restricted.
    pub const fn restricted(&self) -> &BTreeSet<Submitter> {
        &self.restricted
    }

    /// Whether a copy stays here because of who handed the message in.
    pub fn holds_back(&self, facts: &EntryFacts, hop: &Hop) -> bool {
        is_held_back(&self.restricted, facts, hop)
    }
}

/// Whether a copy is not to be attempted for now, because of who sent it.
pub(super) fn is_stopped(
    suspensions: &Suspensions,
    restricted: &BTreeSet<Submitter>,
    facts: &EntryFacts,
    hop: &Hop,
) -> bool {
    suspensions.of_sender(facts).is_some() || is_held_back(restricted, facts, hop)
}

fn is_held_back(restricted: &BTreeSet<Submitter>, facts: &EntryFacts, hop: &Hop) -> bool {
    !restricted.is_empty()
        && hop.leaves()
        && facts.submitter.as_ref().is_some_and(|submitter| restricted.contains(submitter))
}
