//! What Exchange's `Get-Mailbox` shows of a mailbox's life, by the names that scripts know.

use serde::{Deserialize, Serialize};

use crate::model::directory::lifecycle::hold::{Hold, HoldKind, Holds};
use crate::model::directory::provisioning::{ExchangeGuid, ProvisioningErrorKind};
use crate::model::directory::{Lifecycle, Organisation, Recipient, RecipientType};
use crate::model::mail::Timestamp;

/// The life of a mailbox; times are ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in Exchange")]
pub struct LifecycleView {
    /// `ExchangeGuid`: the other system's, else one that follows from the identity; all zeros without a mailbox.
    pub exchange_guid: String,
    /// `IsDirSynced`.
    pub is_dir_synced: bool,
    /// `ArchiveStatus`: `Active` or `None`.
    pub archive_status: String,
    /// `LitigationHoldEnabled`.
    pub litigation_hold_enabled: bool,
    /// `LitigationHoldDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub litigation_hold_date: Option<String>,
    /// `LitigationHoldDuration`: days, as Exchange writes them, or `Unlimited`.
    pub litigation_hold_duration: String,
    /// `InPlaceHolds`: In-Place and eDiscovery holds and retention policies that name the mailbox, and with a hyphen
    /// those of the organisation that leave it out.
    pub in_place_holds: Vec<String>,
    /// `ComplianceTagHoldApplied`: true for any hold (spec section 7.4).
    pub compliance_tag_hold_applied: bool,
    /// `DelayHoldApplied`.
    pub delay_hold_applied: bool,
    /// `RetentionHoldEnabled`, which a recovered mailbox has for a time.
    pub retention_hold_enabled: bool,
    /// `IsInactiveMailbox`.
    pub is_inactive_mailbox: bool,
    /// `IsSoftDeletedByRemove`: the mailbox was removed, or its user deleted.
    pub is_soft_deleted_by_remove: bool,
    /// `IsSoftDeletedByDisable`: the mailbox was disabled, or lost its licence.
    pub is_soft_deleted_by_disable: bool,
    /// `WhenSoftDeleted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_soft_deleted: Option<String>,
    /// When its user was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_user_deleted: Option<String>,
    /// When its licence was taken with delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_delicensed: Option<String>,
    /// `PreviousRecipientTypeDetails`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_recipient_type_details: Option<RecipientType>,
    /// `msExchPreviousMailboxGuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_mailbox_guid: Option<String>,
    /// `msExchPreviousHomeMDBSL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_home: Option<String>,
    /// What went wrong, of an object that is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ProvisioningErrorKind>,
    /// `ErrorRecord`: the whole text of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_record: Option<String>,
}

impl LifecycleView {
    /// The life of a mailbox that is, was, or is awaited; none for objects without one.
    pub(super) fn of(recipient: &Recipient, organisation: &Organisation) -> Option<Box<Self>> {
        let own = recipient.provisioning.as_deref();
        if own.is_none() && recipient.lifecycle == Lifecycle::NoMailbox {
            return None;
        }
        let none = Holds::default();
        let holds = own.map_or(&none, |own| &own.holds);
        let placed = |kind| holds.placed.iter().find(move |hold| hold.kind == kind);
        let litigation = placed(HoldKind::LitigationHold);
        let policies = organisation.retention_policies.iter();
        let held_by_policy = policies.clone().any(|policy| !holds.excluded.contains(&policy.name));
        let (by_remove, by_disable, since) = deletion(recipient.lifecycle);
        let previous = own.and_then(|own| own.previous.as_ref());
        let error = own.and_then(|own| own.error.as_ref());
        let guid =
            if recipient.lifecycle == Lifecycle::NoMailbox { given(recipient) } else { recipient.exchange_guid() };
        let archived = own.and_then(|own| own.archive).is_some_and(|archive| archive.disabled.is_none());
        Some(Box::new(Self {
            exchange_guid: guid.to_string(),
            is_dir_synced: own.is_some_and(|own| own.synchronised),
            archive_status: if archived { "Active" } else { "None" }.to_owned(),
            litigation_hold_enabled: litigation.is_some(),
            litigation_hold_date: litigation.map(|hold| written(hold.since)),
            litigation_hold_duration: duration(litigation),
            in_place_holds: in_place_holds(holds),
            compliance_tag_hold_applied: !holds.placed.is_empty()
                || (held_by_policy && recipient.recipient_type.is_mailbox()),
            delay_hold_applied: placed(HoldKind::DelayHold).is_some(),
            retention_hold_enabled: placed(HoldKind::RecoveryHold).is_some(),
            is_inactive_mailbox: matches!(recipient.lifecycle, Lifecycle::Inactive { .. }),
            is_soft_deleted_by_remove: by_remove,
            is_soft_deleted_by_disable: by_disable,
            when_soft_deleted: since.map(written),
            when_user_deleted: own.and_then(|own| own.user_deleted).map(written),
            when_delicensed: own.and_then(|own| own.delicensed).map(written),
            previous_recipient_type_details: previous.map(|previous| previous.recipient_type),
            previous_mailbox_guid: previous.map(|previous| previous.mailbox_guid.to_string()),
            previous_home: previous.map(|previous| previous.home.to_string()),
            error_kind: error.map(|error| error.kind),
            error_record: error.map(|error| error.text.to_string()),
        }))
    }
}

/// The other system's GUID, of what has no mailbox here.
fn given(recipient: &Recipient) -> ExchangeGuid {
    recipient.provisioning.as_deref().and_then(|own| own.exchange_guid).unwrap_or(ExchangeGuid(0))
}

/// Whether it was removed, whether it was disabled, and when.
const fn deletion(lifecycle: Lifecycle) -> (bool, bool, Option<Timestamp>) {
    match lifecycle {
        Lifecycle::SoftDeleted { since } | Lifecycle::Inactive { since } => (true, false, Some(since)),
        Lifecycle::Disconnected { since } => (false, true, Some(since)),
        Lifecycle::NoMailbox
        | Lifecycle::Active
        | Lifecycle::AwaitingMigration
        | Lifecycle::StaleAttributes
        | Lifecycle::Purged
        | Lifecycle::Purging { .. } => (false, false, None),
    }
}

/// As a time span is written: `365.00:00:00`.
fn duration(hold: Option<&Hold>) -> String {
    hold.and_then(|hold| hold.days).map_or_else(|| "Unlimited".to_owned(), |days| format!("{days}.00:00:00"))
}

fn in_place_holds(holds: &Holds) -> Vec<String> {
    let listed = |hold: &&Hold| match hold.kind {
        HoldKind::InPlaceHold | HoldKind::EDiscoveryHold | HoldKind::RetentionPolicy => true,
        HoldKind::LitigationHold | HoldKind::RetentionLabel | HoldKind::DelayHold | HoldKind::RecoveryHold => false,
    };
    let placed = holds.placed.iter().filter(listed).map(|hold| hold.name.to_string());
    placed.chain(holds.excluded.iter().map(|name| format!("-{name}"))).collect()
}

fn written(time: Timestamp) -> String {
    time.iso8601().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::directory::document::Document;
    use crate::model::directory::{Change, Snapshot};

    fn shown(local: &str) -> serde_json::Value {
        let text = include_str!("../../../../fixtures/directories/lifecycle.toml");
        let document: Document = toml::from_str(text).unwrap();
        let changes: Vec<Change> =
            document.plan(&Snapshot::default(), &|_, _| Err("no passwords".into())).strict().unwrap();
        let snapshot = Snapshot::default().apply(&changes).unwrap();
        let address = format!("{local}@contoso.example");
        let gone = snapshot.find_deleted(&address).next().cloned();
        let one = gone.or_else(|| snapshot.find_by_address(&address.parse().unwrap()).cloned()).unwrap();
        serde_json::to_value(LifecycleView::of(&one, snapshot.organisation())).unwrap()
    }

    #[test]
    fn the_life_of_a_mailbox_has_the_names_that_scripts_know() {
        let alice = shown("alice");
        assert_eq!(alice["LitigationHoldEnabled"], true);
        assert_eq!(alice["LitigationHoldDuration"], "365.00:00:00");
        assert_eq!(alice["InPlaceHolds"], json!(["UniHf86b5ed7", "-For ever"]));
        assert_eq!((&alice["ArchiveStatus"], &alice["ComplianceTagHoldApplied"]), (&json!("Active"), &json!(true)));
        assert_eq!((&alice["IsDirSynced"], &alice["WhenSoftDeleted"]), (&json!(false), &json!(null)));
        let bob = shown("bob");
        assert_eq!((&bob["IsSoftDeletedByDisable"], &bob["IsSoftDeletedByRemove"]), (&json!(true), &json!(false)));
        assert_eq!(bob["WhenSoftDeleted"], "2026-01-05T09:00:00.000Z");
        assert_eq!(bob["PreviousRecipientTypeDetails"], "UserMailbox");
        assert_eq!(bob["PreviousMailboxGuid"], "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
        let carol = shown("carol");
        assert_eq!((&carol["ErrorKind"], &carol["DelayHoldApplied"]), (&json!("OnHold"), &json!(false)));
        assert_eq!(carol["ErrorRecord"], "It is on litigation hold.");
        let dora = shown("dora");
        assert_eq!(dora["ExchangeGuid"], "12345678-9abc-def0-1234-56789abcdef0");
        assert_eq!(dora["IsDirSynced"], true);
        let info = shown("info");
        assert_eq!((&info["IsInactiveMailbox"], &info["IsSoftDeletedByRemove"]), (&json!(true), &json!(true)));
        assert_eq!(info["WhenUserDeleted"], "2026-01-05T09:00:00.000Z");
    }

    #[test]
    fn what_has_no_mailbox_has_no_life() {
        let contact = Recipient::new(
            crate::model::directory::RecipientId(1),
            RecipientType::MailContact,
            "partner",
            "partner@contoso.example".parse().unwrap(),
        );
        assert!(LifecycleView::of(&contact, &Organisation::default()).is_none());
    }
}
