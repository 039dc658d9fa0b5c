//! Who hears of what becomes of a message below a group (spec section 5.6).

use super::Expansion;
use super::way::Way;
use crate::model::directory::Recipient;
use crate::model::mail::ReversePath;
use crate::model::policy::delivery::Passage;
use crate::model::policy::envelope::{DsnRequest, Notify};
use crate::model::policy::trail::Trail;

impl<T: Trail> Expansion<'_, T> {
    /// What the members of a group have from the way to them, and whether its sender hears nothing of that.
    pub(super) fn below_group(&self, group: &Recipient, former: &Way) -> (Passage, Option<Notify>) {
        let (reverse_path, mut dsn) = self.report_rules(group, &former.passage);
        // An owner hears of what a stranger does not.
        let hushed = former.hushed.filter(|_| reverse_path == former.passage.reverse_path);
        if let (Some(asked), None) = (former.hushed, hushed) {
            dsn.notify = asked;
        }
        let automatic_replies = former.passage.automatic_replies && passes_replies(group);
        (Passage { reverse_path, dsn, automatic_replies, ..Passage::clone(&former.passage) }, hushed)
    }

    /// Who hears of failures below a group (spec section 5.6): the sender, the first owner, or nobody.
    fn report_rules(&self, group: &Recipient, former: &Passage) -> (ReversePath, DsnRequest) {
        let inherited = (former.reverse_path.clone(), former.dsn.clone());
        let Some(rules) = group.group.as_deref() else {
            return inherited;
        };
        let owner = rules.managed_by.first().and_then(|owner| self.snapshot.recipient(*owner));
        match (rules.report_to_originator, owner) {
            (true, _) => inherited,
            (false, Some(owner)) if rules.report_to_manager && former.reverse_path != ReversePath::Null => {
                (ReversePath::Mailbox(owner.primary().clone()), inherited.1)
            }
            (false, _) => {
                (inherited.0, DsnRequest { notify: Notify::Never, original_recipient: inherited.1.original_recipient })
            }
        }
    }
}

/// Whether automatic replies of a group's members reach the sender (spec section 5.6).
pub(super) fn passes_replies(group: &Recipient) -> bool {
    group.group.as_deref().is_none_or(|set| set.send_oof_message_to_originator)
}
