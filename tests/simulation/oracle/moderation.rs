//! What was decided about moderated recipients, against what became of them.

use std::collections::BTreeSet;

use franking::model::queue::{Hop, QueueId, State, Verdict};

use super::Oracle;
use crate::simulation::ledger::{Ending, Letter};
use crate::simulation::organisation::{COUNCIL_MEMBERS, End, HOST};
use crate::simulation::scenario::Draft;

/// Where an approval leads; what is sent as the moderator itself needs none. Whoever is named and a member of the council
/// as well has one copy.
pub(super) fn lead_on(expected: &mut BTreeSet<End>, draft: &Draft, endings: &[Ending]) {
    let own = draft.author == "info@contoso.example" && expected.remove(&End::Moderators);
    if own || endings.iter().any(|ending| ending.fate == Some(State::Branched)) {
        expected.extend(COUNCIL_MEMBERS.map(End::Mailbox));
    }
}

impl Oracle<'_> {
    /// A decision that was answered stands, unless an administrator ended the message; moderators are asked once.
    pub(super) fn is_as_decided(&mut self, id: QueueId, place: u32, letter: &Letter, ending: &Ending) {
        if !matches!(ending.addressee.hop, Hop::Approval(_)) || self.lenient {
            return;
        }
        self.counts.moderated += 1;
        let forced = letter.commands.contains("remove") || letter.commands.contains("give up");
        let stands = match letter.decided.get(&place) {
            Some(Verdict::Approve) => ending.fate == Some(State::Branched) || forced,
            Some(Verdict::Reject) => ending.fate == Some(State::Rejected) || forced,
            // Decided when the power went, or not in time.
            None => true,
        };
        if !stands {
            self.breach(format!("{id} {place} was decided and ended otherwise: {:?}", ending.fate));
        }
        let name = format!("{id}.approval.{place}@{HOST}");
        let is_it = |other: &&Letter| other.report.as_ref().is_some_and(|report| report.message_id == name);
        let requests = self.books.letters.values().filter(|other| other.committed).filter(is_it).count();
        if requests != usize::from(ending.requested) {
            self.breach(format!("the moderators of {id} {place} were asked {requests} times"));
        }
    }
}
