//! Steps in the life of a mailbox as commands take them: what is refused in words, and what follows that may surprise.

use core::fmt::Display;

use super::failure::Failure;
use super::steward;
use crate::model::directory::lifecycle::life::{Advanced, Said, Surroundings};
use crate::model::directory::lifecycle::machine::{Effect, LifecycleError, State, Trigger};
use crate::model::directory::provisioning::Provisioning;
use crate::model::directory::{Change, Recipient, Snapshot};
use crate::model::mail::Timestamp;

/// Takes a step of a mailbox's life because somebody said so.
///
/// # Errors
/// The refusal in words, with cures.
pub(super) fn step(
    recipient: &Recipient,
    trigger: Trigger,
    around: Surroundings<'_>,
    said: Said,
) -> Result<Advanced, Failure> {
    steward::advance(recipient, trigger, around, said, None).map_err(|error| refused(recipient, trigger, error))
}

/// Why a step is not taken.
pub(super) fn refused(recipient: &Recipient, trigger: Trigger, error: LifecycleError) -> Failure {
    let primary = recipient.primary();
    let failure = |reason: &dyn Display| {
        Failure::refused(format!("The mailbox of {primary} is not {}: {reason}.", participle(trigger)))
    };
    let assign = format!("franking licence assign {primary}");
    match error {
        LifecycleError::NotFromHere => {
            let text = format!("it is {}", recipient.lifecycle);
            failure(&text).cured_by(format!("franking recipient show {primary}"))
        }
        LifecycleError::OnHold => failure(&error).cured_by(format!("franking hold list {primary}")),
        LifecycleError::LicenceFirst => failure(&error).cured_by(format!("franking licence remove {primary}")),
        LifecycleError::NeedsLicence => failure(&error).cured_by(assign),
        LifecycleError::NeedsLicenceForSize => {
            failure(&error).cured_by(format!("franking licence assign {primary} ExchangeOnlinePlan2"))
        }
        LifecycleError::Frozen => failure(&error).cured_by(format!("franking recipient show {primary}")),
        LifecycleError::IdentityGone => {
            failure(&error).cured_by(format!("franking mailbox recover {primary} --as ADDRESS"))
        }
        LifecycleError::Shards => Failure::refused(format!(
            "The inactive mailbox '{primary}' cannot be recovered because the mailbox has additional shards that need \
             recovery."
        )),
        LifecycleError::Conflict => failure(&error),
        LifecycleError::NotMigrated => {
            Failure::refused(error.to_string()).cured_by(format!("franking mailbox migrated {primary}"))
        }
        LifecycleError::UserDeleted => failure(&error).cured_by(format!("franking user restore {primary}")),
        LifecycleError::RemoteUnprepared => Failure::refused(format!("{error}."))
            .cured_by("disable its archive, or make it a user's mailbox, in the other system first"),
        LifecycleError::LegacyDnMismatch => failure(&error).cured_by("add --allow-legacy-dn-mismatch"),
    }
}

const fn participle(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::LicenceRemoved
        | Trigger::LicenceAssigned
        | Trigger::DelicensingDue
        | Trigger::HoldsEnded
        | Trigger::PeriodOver
        | Trigger::ContentsGone
        | Trigger::SameGuidLicensed => "moved",
        Trigger::Disable => "disabled",
        Trigger::DisablePermanently => "disabled for good",
        Trigger::Enable => "enabled",
        Trigger::Remove => "removed",
        Trigger::RemovePermanently => "removed for good",
        Trigger::Undo => "restored",
        Trigger::ClearPreviousInfo => "forgotten",
        Trigger::Recover => "recovered",
        Trigger::CopyContents => "copied",
        Trigger::MigrationCompleted => "taken over",
        Trigger::Convert => "converted",
    }
}

/// Lets the mailbox half follow the identity half, which somebody just altered, and says what follows.
pub(super) fn follow(recipient: &mut Recipient, around: Surroundings<'_>, notes: &mut Vec<String>) {
    let now = |(at, errand): (Timestamp, steward::Errand)| match errand {
        steward::Errand::Step(trigger @ (Trigger::LicenceAssigned | Trigger::LicenceRemoved)) if at <= around.now => {
            Some(trigger)
        }
        _ => None,
    };
    let Some(trigger) = steward::errand(recipient, around).and_then(now) else { return };
    // What cannot go on stays as it is, and shows in the object.
    let Ok(advanced) = steward::advance(recipient, trigger, around, Said::default(), None) else { return };
    notes.extend(consequences(recipient, &advanced, around));
    *recipient = advanced.recipient;
}

/// Says which licences a removal took, since a restored mailbox needs one again.
pub(super) fn taken_licences(former: &Recipient, next: &Recipient) -> Option<String> {
    let licences = |recipient: &Recipient| recipient.account.as_deref().map(|own| own.licences.clone());
    let (before, after) = (licences(former)?, licences(next).unwrap_or_default());
    let taken: Vec<&str> = before.iter().filter(|label| !after.contains(label)).map(|label| &**label).collect();
    (!taken.is_empty()).then(|| format!("{} is free for others; who is restored needs one again.", taken.join(", ")))
}

/// What a step that followed from a licence means for people.
pub(super) fn consequences(former: &Recipient, advanced: &Advanced, around: Surroundings<'_>) -> Vec<String> {
    let (primary, recipient, step) = (former.primary(), &advanced.recipient, advanced.step);
    if let Some(error) = &advanced.error {
        return match step.to {
            State::ActiveWithError => vec![
                error.to_string(),
                format!("Until that is resolved the object is frozen: franking licence assign {primary}"),
                format!("or take the holds away: franking hold list {primary}"),
            ],
            _ => vec![error.to_string(), format!("When it is: franking mailbox migrated {primary}")],
        };
    }
    let has = |effect| step.effects.contains(&effect);
    let delicensed = recipient.provisioning.as_deref().and_then(|own| own.delicensed);
    match step.to {
        State::Disconnected => vec![format!(
            "That was its last licence. The mailbox is disconnected and kept for {}: franking licence assign {primary} \
             reconnects it.",
            days(around.periods.disconnected)
        )],
        State::Active if has(Effect::Reconnect) => vec!["The mailbox is reconnected, with its mail.".to_owned()],
        State::Active if has(Effect::CreateMailbox) && former.state() != State::NoMailbox => {
            vec!["It has a new, empty mailbox.".to_owned()]
        }
        State::Active if has(Effect::DelayDelicensing) => {
            let until = delicensed.and_then(|since| around.calendar.after(since, around.periods.delicensing));
            let until = until.unwrap_or(around.now);
            vec![format!(
                "That was its last licence. The mailbox stays in use until {until}: \
                 franking licence expedite {primary} ends that now."
            )]
        }
        _ => Vec::new(),
    }
}

/// Refuses changes of objects that an error has frozen, but for those that resolve it: another state, other holds,
/// other licences (decision D7). Who may sign in is altered all the same: an account in wrong hands must not wait.
///
/// # Errors
/// The first that is refused, with what resolves the error.
pub(super) fn frozen(snapshot: &Snapshot, changes: &[Change]) -> Result<(), Failure> {
    for change in changes {
        let Change::PutRecipient(next) = change else { continue };
        let former = snapshot.recipient(next.id).filter(|former| former.is_frozen_against(next));
        let Some(former) = former else { continue };
        let primary = former.primary();
        let why = former.provisioning.as_deref().and_then(Provisioning::error_text).unwrap_or_default();
        return Err(Failure::refused(format!("{primary} is frozen until an error is resolved: {why}"))
            .cured_by(format!("franking licence assign {primary}"))
            .cured_by(format!("or take the holds away: franking hold list {primary}"))
            .cured_by(format!("or, where it was not to be disabled: franking lifecycle retry {primary}")));
    }
    Ok(())
}

/// Whether a mailbox was removed, as opposed to deactivated (`IsSoftDeletedByRemove`).
pub(super) const fn is_deleted(state: State) -> bool {
    matches!(state, State::SoftDeleted | State::Inactive)
}

/// A period in words.
pub(super) fn days(period: core::time::Duration) -> String {
    let seconds = period.as_secs();
    match (seconds / 86_400, seconds) {
        (1, 86_400) => "a day".to_owned(),
        (whole, _) if whole > 0 && seconds.is_multiple_of(86_400) => format!("{whole} days"),
        _ => format!("{seconds} seconds"),
    }
}
