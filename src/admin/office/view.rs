//! How recipients look to an administrator: addresses instead of ids, and what follows from the settings.

mod lifecycle;

use serde::{Deserialize, Serialize};

use super::mailboxes::MailboxView;
use crate::model::directory::address_policy::{Selector, is_governed};
use crate::model::directory::document::RecipientEntry;
use crate::model::directory::{Lifecycle, Recipient, RecipientId, RecipientType, Right, Snapshot};
use crate::model::policy::{Evidence, Proof, Settings, Unrecorded, sign_in};
use crate::store::mailbox::MailboxName;

pub use lifecycle::LifecycleView;

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientSummary {
    /// Its primary address.
    pub address: String,
    /// What it is.
    #[serde(rename = "type")]
    pub recipient_type: RecipientType,
    /// Its display name, or its name when there is none.
    pub name: String,
    /// Where its mailbox stands, in a word; empty for recipients that never had one.
    pub state: String,
    /// Whether a licence is assigned.
    pub licensed: bool,
}

impl RecipientSummary {
    /// The line for a recipient.
    pub fn of(recipient: &Recipient, settings: &Settings) -> Self {
        Self {
            address: recipient.primary().to_string(),
            recipient_type: recipient.recipient_type,
            name: recipient.display_name.as_deref().unwrap_or(&recipient.name).to_owned(),
            state: state(recipient, settings),
            licensed: recipient.has_licences(),
        }
    }
}

/// One recipient with everything that is set, and what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecipientView {
    /// Its identity, which never changes.
    pub id: u64,
    /// Its properties, as an export writes them: what is not shown is the default.
    pub properties: RecipientEntry,
    /// Where its mailbox stands.
    pub state: String,
    /// The life of its mailbox, by the names of `Get-Mailbox`, where it has, had or awaits one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Box<LifecycleView>>,
    /// Its Maildir, relative to the data directory; made with the first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maildir: Option<String>,
    /// What its mailbox holds and may hold, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<MailboxView>,
    /// Whether a password is set.
    pub has_password: bool,
    /// Whether it may sign in to submit mail, given the right password.
    pub may_submit: bool,
    /// Why not: the reply that AUTH would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_with: Option<String>,
    /// For whom Outlook opens the mailbox by itself: those who hold FullAccess directly, not through a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub automapping: Vec<String>,
    /// The mailboxes that Outlook opens for it by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub automapped_mailboxes: Vec<String>,
    /// The email address policy that makes its addresses, where it follows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_policy: Option<String>,
    /// Groups it is a direct member of, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_of: Vec<String>,
}

impl RecipientView {
    /// Everything about a recipient, with what its mailbox holds.
    pub fn of(recipient: &Recipient, snapshot: &Snapshot, settings: &Settings, mailbox: Option<MailboxView>) -> Self {
        let account = recipient.account.as_deref();
        let evidence = Evidence::Right(Proof::Password);
        let refusal = account
            .and_then(|account| {
                sign_in(snapshot, settings, &account.login.to_string(), evidence, &mut Unrecorded).err()
            })
            .map(|refusal| refusal.bare_reply(settings).to_string());
        let mut member_of: Vec<String> =
            snapshot.groups_of(recipient.id).map(|group| group.primary().to_string()).collect();
        member_of.sort_unstable();
        let related = |ids: &mut dyn Iterator<Item = RecipientId>, is: &dyn Fn(&Recipient) -> bool| {
            let found = ids.filter_map(|id| snapshot.recipient(id)).filter(|other| is(other));
            found.map(|other| other.primary().to_string()).collect()
        };
        let mut holders = recipient.trustees(Right::FullAccess, false);
        let mut owners = snapshot.referrers(recipient.id).iter().copied();
        let has_password = account.is_some_and(|account| account.password.is_some());
        Self {
            id: recipient.id.0,
            properties: RecipientEntry::of(recipient, snapshot),
            state: state(recipient, settings),
            lifecycle: LifecycleView::of(recipient, snapshot.organisation()),
            maildir: recipient
                .recipient_type
                .is_mailbox()
                .then(|| format!("mailboxes/{}", MailboxName::of_recipient(recipient.id).as_str())),
            mailbox,
            has_password,
            may_submit: has_password && refusal.is_none(),
            refused_with: refusal,
            automapping: related(&mut holders, &|trustee| recipient.automaps(trustee)),
            automapped_mailboxes: related(&mut owners, &|owner| owner.automaps(recipient)),
            address_policy: address_policy(recipient, snapshot, settings.address_policies_for_all),
            member_of,
        }
    }
}

fn address_policy(recipient: &Recipient, snapshot: &Snapshot, for_all: bool) -> Option<String> {
    let selector = is_governed(recipient, for_all).then(|| Selector::of(snapshot, for_all))?;
    selector.policy(recipient).map(|policy| policy.name.to_string())
}

fn state(recipient: &Recipient, settings: &Settings) -> String {
    let day = |since: crate::model::mail::Timestamp| since.iso8601().to_string().chars().take(10).collect::<String>();
    let failed = recipient.provisioning.as_deref().is_some_and(|own| own.error.is_some());
    match recipient.lifecycle {
        Lifecycle::NoMailbox if recipient.recipient_type == RecipientType::UserMailbox => "no licence".to_owned(),
        Lifecycle::NoMailbox => String::new(),
        Lifecycle::Active if failed => "active, with an error".to_owned(),
        Lifecycle::Active if recipient.has_open_mailbox(settings.licensing()) => "active".to_owned(),
        Lifecycle::Active => "no licence".to_owned(),
        Lifecycle::AwaitingMigration => "awaiting migration".to_owned(),
        Lifecycle::Disconnected { since } => format!("disconnected since {}", day(since)),
        Lifecycle::SoftDeleted { since } => format!("removed {}", day(since)),
        Lifecycle::Inactive { since } => format!("inactive since {}", day(since)),
        Lifecycle::StaleAttributes => "stale attributes".to_owned(),
        Lifecycle::Purged => "purged".to_owned(),
        Lifecycle::Purging { since } => format!("being purged since {}", day(since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::{identity, tests::contoso};
    use crate::model::directory::provisioning::{ProvisioningError, ProvisioningErrorKind};
    use crate::model::mail::Timestamp;

    #[test]
    fn a_list_tells_an_error_and_no_licence_that_was_taken() {
        let mut alice = Recipient::clone(identity::find(&contoso(), "alice").unwrap());
        let line = |recipient: &Recipient| {
            let summary = RecipientSummary::of(recipient, &Settings::default());
            (summary.state, summary.licensed)
        };
        assert_eq!(line(&alice), ("active".to_owned(), true));
        alice.account.as_deref_mut().unwrap().licences = Default::default();
        let (since, kind, text) = (Timestamp::EPOCH, ProvisioningErrorKind::OnHold, "held".into());
        alice.provisioning.get_or_insert_default().error = Some(ProvisioningError { since, kind, text });
        assert_eq!(line(&alice), ("active, with an error".to_owned(), false));
    }
}
