//! The life of a mailbox as a table: from every state, what every trigger leads to, with its guards, side effects and
//! error texts (spec section 7.3, decision D7). `fixtures/lifecycle.md` prints it.
//!
//! Rows are tried from the top; the first whose state, trigger and guards fit decides. What no row fits is refused as
//! [`LifecycleError::NotFromHere`], so every trigger has an answer in every state.

use serde::{Deserialize, Serialize};

/// Where a mailbox stands, without the times (spec section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// There is no mailbox and never was, or nothing of it is remembered.
    NoMailbox,
    /// In use.
    Active,
    /// In use, although it should not be: its deactivation was refused, and the two halves of the object are not
    /// synchronised until that is resolved.
    ActiveWithError,
    /// Deactivated, contents kept.
    Disconnected,
    /// Deleted without hold, contents kept.
    SoftDeleted,
    /// Deleted while on hold, contents kept until the last hold ends.
    Inactive,
    /// The mailbox is still in another system.
    AwaitingMigration,
    /// The time is up or somebody said so: the contents are being deleted. There is no way back.
    Purging,
    /// Contents are gone, and the memory of the previous mailbox could not be cleared.
    StaleAttributes,
    /// Contents are gone.
    Purged,
}

impl State {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::NoMailbox,
        Self::Active,
        Self::ActiveWithError,
        Self::Disconnected,
        Self::SoftDeleted,
        Self::Inactive,
        Self::AwaitingMigration,
        Self::Purging,
        Self::StaleAttributes,
        Self::Purged,
    ];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoMailbox => "NoMailbox",
            Self::Active => "Active",
            Self::ActiveWithError => "Active+Error",
            Self::Disconnected => "Disconnected",
            Self::SoftDeleted => "SoftDeleted",
            Self::Inactive => "Inactive",
            Self::AwaitingMigration => "AwaitingMigration",
            Self::Purging => "Purging",
            Self::StaleAttributes => "StaleAttributes",
            Self::Purged => "Purged",
        }
    }
}

/// What moves a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// The identity half lost the last licence that the mailbox needs.
    LicenceRemoved,
    /// The identity half got a licence.
    LicenceAssigned,
    /// The licence that was taken runs out, by time or by `Expedite-Delicensing`.
    DelicensingDue,
    /// `Disable-Mailbox`, `Disable-RemoteMailbox`.
    Disable,
    /// `Disable-Mailbox -PermanentlyDisable`.
    DisablePermanently,
    /// `Enable-Mailbox`.
    Enable,
    /// `Remove-Mailbox`, or the user is deleted.
    Remove,
    /// `Remove-Mailbox -PermanentlyDelete`.
    RemovePermanently,
    /// `Undo-SoftDeletedMailbox`, or the user is restored.
    Undo,
    /// The last hold ended.
    HoldsEnded,
    /// The time for which contents are kept is over.
    PeriodOver,
    /// The contents are deleted, and the object is to be cleaned up.
    ContentsGone,
    /// `Set-User -PermanentlyClearPreviousMailboxInfo`.
    ClearPreviousInfo,
    /// `New-Mailbox -InactiveMailbox`: the mailbox becomes that of a new user.
    Recover,
    /// `New-MailboxRestoreRequest`: the contents are copied into another mailbox.
    CopyContents,
    /// The mailbox has come from the other system, or its `ExchangeGuid` was cleared.
    MigrationCompleted,
    /// `Set-Mailbox -Type`.
    Convert,
    /// A new synchronised object with the same `ExchangeGuid` got a licence.
    SameGuidLicensed,
}

impl Trigger {
    /// Every trigger, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::LicenceRemoved,
        Self::LicenceAssigned,
        Self::DelicensingDue,
        Self::Disable,
        Self::DisablePermanently,
        Self::Enable,
        Self::Remove,
        Self::RemovePermanently,
        Self::Undo,
        Self::HoldsEnded,
        Self::PeriodOver,
        Self::ContentsGone,
        Self::ClearPreviousInfo,
        Self::Recover,
        Self::CopyContents,
        Self::MigrationCompleted,
        Self::Convert,
        Self::SameGuidLicensed,
    ];

    /// In words, and what an Exchange administrator calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LicenceRemoved => "last licence removed",
            Self::LicenceAssigned => "licence assigned",
            Self::DelicensingDue => "delayed removal of the licence is due (Expedite-Delicensing)",
            Self::Disable => "Disable-Mailbox, Disable-RemoteMailbox",
            Self::DisablePermanently => "Disable-Mailbox -PermanentlyDisable",
            Self::Enable => "Enable-Mailbox",
            Self::Remove => "Remove-Mailbox, user deleted",
            Self::RemovePermanently => "Remove-Mailbox -PermanentlyDelete",
            Self::Undo => "Undo-SoftDeletedMailbox, user restored",
            Self::HoldsEnded => "last hold ended",
            Self::PeriodOver => "period over",
            Self::ContentsGone => "contents deleted",
            Self::ClearPreviousInfo => "Set-User -PermanentlyClearPreviousMailboxInfo",
            Self::Recover => "New-Mailbox -InactiveMailbox",
            Self::CopyContents => "New-MailboxRestoreRequest",
            Self::MigrationCompleted => "migration completed, or ExchangeGuid cleared",
            Self::Convert => "Set-Mailbox -Type",
            Self::SameGuidLicensed => "another object with the same ExchangeGuid licensed",
        }
    }
}

/// What the guards ask of an object and its organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a guard of its own, and every combination is possible")]
pub struct Facts {
    /// Any hold is in force.
    pub on_hold: bool,
    /// The identity half has a licence with a mailbox in it.
    pub licensed: bool,
    /// The type cannot be without a licence (spec S2-1).
    pub needs_licence: bool,
    /// Licences are taken with a delay (`DelayedDelicensingEnabled`).
    pub delicensing_delayed: bool,
    /// The object is synchronised from the other system.
    pub synchronised: bool,
    /// The object remembers a user's mailbox that is still there.
    pub previous_found: bool,
    /// The other system has given the object an `ExchangeGuid`.
    pub guid_synchronised: bool,
    /// The contents are larger than what is free of licence (50 GB).
    pub beyond_unlicensed: bool,
    /// An address, login or name of the object has another holder by now.
    pub conflicts: bool,
    /// The mailbox has shards that nobody has recovered.
    pub has_shards: bool,
    /// The user was deleted so long ago that only the mailbox is left.
    pub identity_gone: bool,
    /// What the object remembers of its previous mailbox cannot be cleared.
    pub cleanup_fails: bool,
    /// The legacy distinguished name of source and target agree, or that is not asked for.
    pub legacy_dn_agrees: bool,
    /// The user is deleted, lately or long ago.
    pub user_deleted: bool,
    /// The other system still has more of it than a user's mailbox: an archive, or a type that is no user's.
    pub remote_unprepared: bool,
}

/// One condition of a row.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// In words.
    pub words: &'static str,
    /// Whether it holds.
    pub holds: fn(&Facts) -> bool,
}

/// What goes along with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// The object remembers type, `ExchangeGuid` and home of its mailbox (the `msExchPrevious…` attributes).
    SavePrevious,
    /// Forgets them.
    ClearPrevious,
    /// The error is recorded on the object, whose halves are frozen.
    RecordError,
    /// The error is taken away; the halves follow each other again.
    ClearError,
    /// The mailbox is in use without a licence for the time of the delay, which begins once.
    DelayDelicensing,
    /// A new, empty mailbox is made.
    CreateMailbox,
    /// The mailbox that was kept is used again, with all it holds.
    Reconnect,
    /// Files of the mailbox, its archive and what is kept for holds are deleted.
    DeleteContents,
    /// Contents are copied; the source does not change.
    CopyContents,
    /// The mailbox is in use without a licence no longer than this.
    EndDelay,
    /// Licences are taken from the identity half.
    TakeLicences,
    /// The user is deleted, too, unless it was before.
    DeleteUser,
    /// The user is there again.
    RestoreUser,
    /// The recovered mailbox keeps everything for 30 days (retention hold, single item recovery); litigation hold is
    /// not carried over.
    HoldForRecovery,
    /// The type alters.
    AlterType,
}

/// Why a trigger does not move a mailbox. The text is Exchange's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// Nothing leads from here with that.
    #[error("nothing to do")]
    NotFromHere,
    /// Spec T4. The caller fills in who.
    #[error("it is on litigation hold")]
    OnHold,
    /// Spec T20.
    #[error(
        "This user's on-premises mailbox hasn't been migrated to Exchange Online. The Exchange Online mailbox will be \
         available after migration is completed."
    )]
    NotMigrated,
    /// Spec T15.
    #[error("it cannot be recovered because the mailbox has additional shards that need recovery")]
    Shards,
    /// Spec T13.
    #[error("an address, login or name of it has another holder by now")]
    Conflict,
    /// Spec T17, T22.
    #[error("it holds more than 50 GB, and beyond that a licence is needed first")]
    NeedsLicenceForSize,
    /// Spec T13, T22.
    #[error("a licence is needed first")]
    NeedsLicence,
    /// Spec T2: a licensed mailbox is deactivated by taking the licence.
    #[error("it is licensed: its licence is removed first")]
    LicenceFirst,
    /// Spec T13: what is left can be recovered for a new user.
    #[error("its user is gone for good, and only the mailbox is left")]
    IdentityGone,
    /// The object is frozen by a recorded error.
    #[error("it is frozen by an error; resolve that first")]
    Frozen,
    /// An identity that is deleted has no use for a licence or a mailbox.
    #[error("its user is deleted and has to be restored first")]
    UserDeleted,
    /// Spec T3: the archive is disabled and a shared mailbox becomes a user's before.
    #[error("remoteMailbox.RemoteRecipientType must include ProvisionMailbox")]
    RemoteUnprepared,
    /// Spec T16.
    #[error("source and target mailbox belong to different users")]
    LegacyDnMismatch,
}

/// What a row leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another state, or the same.
    To(State, &'static [Effect]),
    /// Another state, with an error recorded and told.
    ToWithError(State, LifecycleError, &'static [Effect]),
    /// A refusal; nothing alters.
    Refused(LifecycleError),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The transition's name in the specification; several rows share one where it has several outcomes.
    pub id: &'static str,
    /// From where; several states share a row where all answer alike.
    pub from: &'static [State],
    /// By what.
    pub trigger: Trigger,
    /// All of these must hold.
    pub guards: &'static [Guard],
    /// To what.
    pub outcome: Outcome,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The row that decided.
    pub id: &'static str,
    /// The new state.
    pub to: State,
    /// What goes along with it.
    pub effects: &'static [Effect],
    /// The error that is recorded and told, although the step is taken.
    pub error: Option<LifecycleError>,
}

/// What becomes of a mailbox in that state.
///
/// # Errors
/// Those of the rows; `NotFromHere` where no row fits.
pub fn step(state: State, trigger: Trigger, facts: &Facts) -> Result<Step, LifecycleError> {
    let fits = |row: &&Row| {
        row.trigger == trigger && row.from.contains(&state) && row.guards.iter().all(|guard| (guard.holds)(facts))
    };
    let Some(row) = super::table::ROWS.iter().find(fits) else { return Err(LifecycleError::NotFromHere) };
    match row.outcome {
        Outcome::To(to, effects) => Ok(Step { id: row.id, to, effects, error: None }),
        Outcome::ToWithError(to, error, effects) => Ok(Step { id: row.id, to, effects, error: Some(error) }),
        Outcome::Refused(error) => Err(error),
    }
}
