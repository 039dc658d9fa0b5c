//! Setting who may join and leave a group.

use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use crate::model::directory::{DepartRestriction, JoinRestriction, Recipient};

/// What is to change of it; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is named and described at the property of Membership that it sets")]
pub struct MembershipEdit {
    pub join: Option<JoinRestriction>,
    pub depart: Option<DepartRestriction>,
    pub hidden: Option<bool>,
    pub auto_subscribe: Option<bool>,
}

impl MembershipEdit {
    /// Makes the changes.
    ///
    /// # Errors
    /// For what is no group.
    pub(super) fn apply(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        if *self == Self::default() {
            return Ok(());
        }
        let (kind, primary) = (recipient.recipient_type, recipient.primary().clone());
        if !kind.is_group() {
            return Err(Failure::refused(format!("{primary} is a {kind}, not a group.")));
        }
        let rules = &mut recipient.group.get_or_insert_default().membership;
        rules.join = self.join.or(rules.join);
        rules.depart = self.depart.or(rules.depart);
        rules.hidden = self.hidden.unwrap_or(rules.hidden);
        rules.auto_subscribe = self.auto_subscribe.unwrap_or(rules.auto_subscribe);
        Ok(())
    }
}
