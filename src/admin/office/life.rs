//! Steps in the life of a mailbox as commands take them: what is refused in words, and what follows that may surprise.

use core::fmt::Display;

use super::failure::Failure;
use super::steward;
use crate::model::directory::lifecycle::hold::Hold;
use crate::model::directory::lifecycle::life::{Advanced, Said, Surroundings};
use crate::model::directory::lifecycle::machine::{Effect, LifecycleError, State, Trigger};
use crate::model::directory::provisioning::{Provisioning, ProvisioningErrorKind};
use crate::model::directory::{Change, Recipient, RecipientType, Snapshot};
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
            failure(&text).cured_by(instead(recipient, trigger))
        }
        LifecycleError::OnHold => failure(&on_hold(recipient)).cured_by(format!("franking hold list {primary}")),
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

/// What to do where nothing leads from here with that.
fn instead(recipient: &Recipient, trigger: Trigger) -> String {
    let primary = recipient.primary();
    let verb = if recipient.recipient_type.may_have_account() { "user" } else { "recipient" };
    let is_user_deleted = recipient.provisioning.as_deref().is_some_and(|own| own.user_deleted.is_some());
    match (trigger, recipient.state()) {
        // Only an inactive mailbox is recovered (spec T15); without a hold what is removed comes back as it was.
        (Trigger::Recover, State::Active | State::ActiveWithError | State::Disconnected) => {
            format!("a mailbox on hold becomes inactive when it is removed: franking {verb} remove {primary}")
        }
        (Trigger::Recover, State::SoftDeleted) if is_user_deleted => format!("franking user restore {primary}"),
        (Trigger::Recover, State::SoftDeleted) => format!("franking recipient restore {primary}"),
        _ => format!("franking recipient show {primary}"),
    }
}

/// That it is on hold, and by which, as `hold list` calls them. Exchange's own text says "litigation hold" of any
/// (spec T4), and is only told where Exchange tells it.
fn on_hold(recipient: &Recipient) -> String {
    let placed = recipient.provisioning.iter().flat_map(|own| own.holds.placed.iter());
    let named = |hold: &Hold| match &*hold.name {
        "" => hold.kind.to_string(),
        name => format!("{} \"{name}\"", hold.kind),
    };
    let names: Vec<String> = placed.map(named).collect();
    if names.is_empty() { "it is on hold".to_owned() } else { format!("it is on hold ({})", names.join(", ")) }
}

/// What resolves an error that is recorded on an object.
pub(super) fn cures(recipient: &Recipient) -> Vec<String> {
    let primary = recipient.primary();
    let error = recipient.provisioning.as_deref().and_then(|own| own.error.as_ref());
    match error.map(|error| error.kind) {
        None => Vec::new(),
        Some(ProvisioningErrorKind::OnHold) => {
            // What has no need of a licence is frozen for an order that can be taken back.
            let may_stay = recipient.recipient_type != RecipientType::UserMailbox || recipient.has_licences();
            let stay = if may_stay { "lifecycle retry" } else { "licence assign" };
            vec![
                format!("leave it in use: franking {stay} {primary}"),
                format!("or take the holds away: franking hold list {primary}"),
            ]
        }
        Some(ProvisioningErrorKind::NotMigrated) => vec![format!("franking mailbox migrated {primary}")],
        Some(ProvisioningErrorKind::CleanUp) => vec![format!("franking lifecycle retry {primary}")],
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
