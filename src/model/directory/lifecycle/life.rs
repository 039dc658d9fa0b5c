//! The state machine at work on an object: what its guards see, what a step alters, what is due and when.
//!
//! Everything here is a function of the object, the organisation and the time. Files are deleted, copied and made by
//! others, who are told so by the effects of a step.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::calendar::{Calendar, Time};
use super::hold::{Hold, HoldKind, Kept};
use super::machine::{Effect, Facts, LifecycleError, State, Step, Trigger, step};
use crate::model::directory::provisioning::{
    ExchangeGuid, PreviousMailbox, Provisioning, ProvisioningError, ProvisioningErrorKind,
};
use crate::model::directory::seldom::Seldom;
use crate::model::directory::{Licensing, Organisation, Recipient, RecipientType};
use crate::model::mail::Timestamp;

/// How long things are kept (spec sections 2.5 and 7.3), each at least a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// A disconnected mailbox (T6).
    pub disconnected: Duration,
    /// A soft-deleted mailbox (T11).
    pub soft_deleted: Duration,
    /// A deleted user whose mailbox is inactive (spec section 7.2).
    pub deleted_user: Duration,
    /// A licence that is taken with delay (T23).
    pub delicensing: Duration,
    /// What was on hold, after the last hold was lifted (`DelayHoldApplied`, spec section 7.4).
    pub delay_hold: Duration,
}

impl Periods {
    /// Thirty days each, as in the cloud.
    pub const USUAL: Self = {
        let month = Duration::from_secs(30 * 24 * 3600);
        Self { disconnected: month, soft_deleted: month, deleted_user: month, delicensing: month, delay_hold: month }
    };
}

impl Default for Periods {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What a step sees beside the object.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The organisation.
    pub organisation: &'a Organisation,
    /// Whether a user's mailbox needs a licence.
    pub licensing: Licensing,
    /// How long things are kept.
    pub periods: Periods,
    /// The host whose disk has the mailbox.
    pub home: &'a str,
    /// The time.
    pub now: Timestamp,
    /// When the server was there to see it pass.
    pub calendar: &'a Calendar,
}

impl<'a> Surroundings<'a> {
    /// What holds depend on.
    pub const fn time(&self) -> Time<'a> {
        Time { now: self.now, calendar: self.calendar, delay_hold: self.periods.delay_hold }
    }
}

/// What only the caller can say of a step; all false unless it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a guard of its own")]
pub struct Said {
    /// The contents are larger than what is free of licence.
    pub beyond_unlicensed: bool,
    /// An address, login or name has another holder.
    pub conflicts: bool,
    /// The clean-up fails.
    pub cleanup_fails: bool,
    /// Source and target of a copy belong to different users.
    pub legacy_dn_differs: bool,
    /// What a mailbox is converted to.
    pub becomes: Option<RecipientType>,
}

/// A step that was taken, and the object after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// The object.
    pub recipient: Recipient,
    /// The step.
    pub step: Step,
    /// What its administrator is told, if the step left an error.
    pub error: Option<Box<str>>,
}

impl Recipient {
    /// Where its mailbox stands, without the times.
    pub fn state(&self) -> State {
        let has_error = self.provisioning.as_ref().is_some_and(|provisioning| provisioning.error.is_some());
        match self.lifecycle {
            Lifecycle::NoMailbox => State::NoMailbox,
            Lifecycle::Active if has_error => State::ActiveWithError,
            Lifecycle::Active => State::Active,
            Lifecycle::AwaitingMigration => State::AwaitingMigration,
            Lifecycle::Disconnected { .. } => State::Disconnected,
            Lifecycle::SoftDeleted { .. } => State::SoftDeleted,
            Lifecycle::Inactive { .. } => State::Inactive,
            Lifecycle::StaleAttributes => State::StaleAttributes,
            Lifecycle::Purged => State::Purged,
            Lifecycle::Purging { .. } => State::Purging,
        }
    }

    /// How long the longest hold keeps its contents.
    pub fn kept(&self, around: Surroundings<'_>) -> Kept {
        let none = super::hold::Holds::default();
        let holds = self.provisioning.as_ref().map_or(&none, |provisioning| &provisioning.holds);
        // A policy for everybody holds mailboxes; what has none has nothing to hold.
        let policies: &[_] =
            if self.recipient_type.is_mailbox() { &around.organisation.retention_policies } else { Default::default() };
        holds.keep(policies, self.at_rest_since(), around.time())
    }

    /// Since when nothing new can come into a mailbox that is kept: what keeps things for some days counts from then.
    /// A mailbox whose holds have ended is deleted a second time, so to speak (spec T14), but its user only once.
    fn at_rest_since(&self) -> Option<Timestamp> {
        let deleted = self.provisioning.as_ref().and_then(|provisioning| provisioning.user_deleted);
        match self.lifecycle {
            Lifecycle::Disconnected { since } | Lifecycle::SoftDeleted { since } | Lifecycle::Inactive { since } => {
                Some(deleted.map_or(since, |deleted| deleted.min(since)))
            }
            Lifecycle::NoMailbox
            | Lifecycle::Active
            | Lifecycle::AwaitingMigration
            | Lifecycle::StaleAttributes
            | Lifecycle::Purged
            | Lifecycle::Purging { .. } => None,
        }
    }

    /// `ExchangeGuid`: the other system's, else one of its own that follows from its identity.
    pub fn exchange_guid(&self) -> ExchangeGuid {
        let given = self.provisioning.as_ref().and_then(|provisioning| provisioning.exchange_guid);
        given.unwrap_or_else(|| ExchangeGuid(GUIDS_OF_OUR_OWN | u128::from(self.id.0)))
    }

    /// Whether it is frozen by an error, and this is another object all the same: what resolves the error apart
    /// (another state, other holds, other licences; decision D7), and who may sign in, since an account in wrong hands
    /// must not wait.
    pub fn is_frozen_against(&self, next: &Self) -> bool {
        if self.state() != State::ActiveWithError || next.state() != self.state() {
            return false;
        }
        let mut rest = next.clone();
        rest.provisioning.clone_from(&self.provisioning);
        if let (Some(own), Some(was)) = (rest.account.as_deref_mut(), self.account.as_deref()) {
            own.licences.clone_from(&was.licences);
            own.password.clone_from(&was.password);
            (own.sign_in_blocked, own.enabled) = (was.sign_in_blocked, was.enabled);
        }
        rest != *self
    }

    /// Whether there are contents that are used or kept.
    pub const fn has_contents(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Active
            | Lifecycle::Disconnected { .. }
            | Lifecycle::SoftDeleted { .. }
            | Lifecycle::Inactive { .. } => true,
            Lifecycle::NoMailbox
            | Lifecycle::AwaitingMigration
            | Lifecycle::StaleAttributes
            | Lifecycle::Purged
            | Lifecycle::Purging { .. } => false,
        }
    }

    /// Whether contents that it had would be deleted, or nobody's, in its state.
    pub const fn gives_contents_up(&self) -> bool {
        match self.lifecycle {
            Lifecycle::NoMailbox | Lifecycle::StaleAttributes | Lifecycle::Purged | Lifecycle::Purging { .. } => true,
            Lifecycle::Active
            | Lifecycle::AwaitingMigration
            | Lifecycle::Disconnected { .. }
            | Lifecycle::SoftDeleted { .. }
            | Lifecycle::Inactive { .. } => false,
        }
    }

    /// Takes a step of its life.
    ///
    /// # Errors
    /// Those of [`step`], and `NotFromHere` for what the type never does; then nothing alters.
    pub fn advance(&self, trigger: Trigger, around: Surroundings<'_>, said: Said) -> Result<Advanced, LifecycleError> {
        if !may_be_asked(self, trigger, said) {
            return Err(LifecycleError::NotFromHere);
        }
        let step = step(self.state(), trigger, &facts(self, around, said))?;
        let mut recipient = self.clone();
        let error = step.error.map(|error| text(self, around, error));
        for effect in step.effects {
            recipient.take_effect(*effect, around, said, step, error.as_deref());
        }
        recipient.enter(step.to, around.now);
        recipient.tidy_provisioning();
        Ok(Advanced { recipient, step, error })
    }

    fn enter(&mut self, state: State, now: Timestamp) {
        let before = self.state();
        self.lifecycle = match state {
            // The time of a state begins once.
            _ if state == before => return,
            State::NoMailbox => Lifecycle::NoMailbox,
            State::Active | State::ActiveWithError => Lifecycle::Active,
            State::AwaitingMigration => Lifecycle::AwaitingMigration,
            State::Disconnected => Lifecycle::Disconnected { since: now },
            State::SoftDeleted => Lifecycle::SoftDeleted { since: now },
            State::Inactive => Lifecycle::Inactive { since: now },
            State::Purging => Lifecycle::Purging { since: now },
            State::StaleAttributes => Lifecycle::StaleAttributes,
            State::Purged => Lifecycle::Purged,
        };
        if let Some(provisioning) = self.provisioning.as_deref_mut() {
            keep_what_belongs_to(state, provisioning);
        }
    }

    fn take_effect(&mut self, effect: Effect, around: Surroundings<'_>, said: Said, step: Step, error: Option<&str>) {
        let (recipient_type, mailbox_guid) = (self.recipient_type, self.exchange_guid());
        let inactive_since = if let Lifecycle::Inactive { since } = self.lifecycle { Some(since) } else { None };
        let provisioning = self.provisioning.get_or_insert_default();
        match effect {
            Effect::SavePrevious => {
                let home = around.home.into();
                provisioning.previous = Some(PreviousMailbox { recipient_type, mailbox_guid, home });
            }
            Effect::ClearPrevious => provisioning.previous = None,
            Effect::RecordError => {
                let kind = match step.error {
                    Some(LifecycleError::NotMigrated) => ProvisioningErrorKind::NotMigrated,
                    Some(_) | None => ProvisioningErrorKind::OnHold,
                };
                let since = provisioning.error.as_ref().filter(|error| error.kind == kind).map(|error| error.since);
                let (since, text) = (since.unwrap_or(around.now), error.unwrap_or_default().into());
                provisioning.error = Some(ProvisioningError { since, kind, text });
            }
            Effect::ClearError => provisioning.error = None,
            Effect::DelayDelicensing => provisioning.delicensed = provisioning.delicensed.or(Some(around.now)),
            Effect::EndDelay => provisioning.delicensed = None,
            Effect::TakeLicences => {
                if let Some(account) = &mut self.account {
                    account.licences = Seldom::new();
                }
            }
            Effect::DeleteUser => {
                let since = inactive_since.unwrap_or(around.now);
                provisioning.user_deleted = provisioning.user_deleted.or(Some(since));
            }
            Effect::RestoreUser => provisioning.user_deleted = None,
            Effect::HoldForRecovery => {
                let stays = |hold: &Hold| !matches!(hold.kind, HoldKind::LitigationHold | HoldKind::RecoveryHold);
                provisioning.holds.placed.retain(stays);
                let (kind, name) = (HoldKind::RecoveryHold, "".into());
                provisioning.holds.placed.push(Hold { kind, name, since: around.now, days: None });
            }
            Effect::AlterType => self.recipient_type = said.becomes.unwrap_or(recipient_type),
            Effect::CreateMailbox => {
                if !recipient_type.is_mailbox() {
                    self.recipient_type = RecipientType::UserMailbox;
                }
                self.external_address = None;
            }
            // The lifecycle says all of it, or others do it.
            Effect::Reconnect | Effect::DeleteContents | Effect::CopyContents => {}
        }
    }

    /// Keeps no [`Provisioning`] that says nothing.
    pub fn tidy_provisioning(&mut self) {
        self.provisioning.take_if(|provisioning| provisioning.is_empty());
    }

    /// Whether its identity half has licences, whatever is to become of them.
    pub fn has_licences(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.is_licensed())
    }
}

/// GUIDs of mailboxes that were made here: version 8 (RFC 9562 section 5.8), the identity in the last 62 bits.
const GUIDS_OF_OUR_OWN: u128 = 0x4652_414E_4B49_8000_8000_0000_0000_0000;

/// Whether the trigger makes sense for an object of this type at all: nobody makes a mailbox of a contact or a list,
/// and `Set-Mailbox -Type` leads from one type of mailbox to another.
fn may_be_asked(recipient: &Recipient, trigger: Trigger, said: Said) -> bool {
    let kind = recipient.recipient_type;
    let convertible = |kind: RecipientType| kind.is_mailbox() && kind.may_have_account();
    match trigger {
        Trigger::LicenceAssigned | Trigger::Enable | Trigger::MigrationCompleted => {
            kind.is_mailbox() || kind.is_external() && kind.may_have_account()
        }
        Trigger::Convert => convertible(kind) && said.becomes.is_some_and(convertible),
        Trigger::LicenceRemoved
        | Trigger::DelicensingDue
        | Trigger::Disable
        | Trigger::DisablePermanently
        | Trigger::Remove
        | Trigger::RemovePermanently
        | Trigger::Undo
        | Trigger::HoldsEnded
        | Trigger::PeriodOver
        | Trigger::ContentsGone
        | Trigger::ClearPreviousInfo
        | Trigger::Recover
        | Trigger::CopyContents
        | Trigger::SameGuidLicensed => true,
    }
}

/// Takes away what has no meaning in a state, whatever the way there.
fn keep_what_belongs_to(state: State, provisioning: &mut Provisioning) {
    let in_use = matches!(state, State::Active | State::ActiveWithError);
    if !in_use {
        provisioning.delicensed = None;
    }
    provisioning.error.take_if(|error| match error.kind {
        ProvisioningErrorKind::OnHold => !in_use,
        ProvisioningErrorKind::NotMigrated => state != State::AwaitingMigration,
        ProvisioningErrorKind::CleanUp => state != State::StaleAttributes,
    });
}

fn facts(recipient: &Recipient, around: Surroundings<'_>, said: Said) -> Facts {
    let kind = said.becomes.unwrap_or(recipient.recipient_type);
    let counts = around.licensing == Licensing::Counts;
    let none = Provisioning::default();
    let provisioning = recipient.provisioning.as_deref().unwrap_or(&none);
    let gone = |since: Timestamp| {
        around.calendar.after(since, around.periods.deleted_user).is_some_and(|end| around.now >= end)
    };
    let has_archive = provisioning.archive.is_some_and(|archive| archive.disabled.is_none());
    Facts {
        on_hold: recipient.kept(around) != Kept::NotAtAll,
        licensed: counts && recipient.has_licences(),
        needs_licence: counts && needs_licence(kind),
        delicensing_delayed: around.organisation.delayed_delicensing_enabled,
        synchronised: provisioning.synchronised,
        previous_found: remembers_users_mailbox(recipient),
        // What is nobody else's is the object's own GUID, wherever it was imported from.
        guid_synchronised: provisioning.synchronised && provisioning.exchange_guid.is_some(),
        beyond_unlicensed: counts && said.beyond_unlicensed,
        conflicts: said.conflicts,
        has_shards: provisioning.has_shards,
        identity_gone: provisioning.user_deleted.is_some_and(gone),
        cleanup_fails: said.cleanup_fails,
        legacy_dn_agrees: !said.legacy_dn_differs,
        user_deleted: provisioning.user_deleted.is_some(),
        remote_unprepared: has_archive || recipient.recipient_type != RecipientType::UserMailbox,
    }
}

/// Check 1 of spec T18, for a mailbox that is kept: was it a user's? It is found by what is remembered of it, not by a
/// GUID that was synchronised since, which belongs to the mailbox in the other system. The home is told and not
/// compared, for a host that was given another name has the disk that it had. What was disconnected by a file or before
/// anything was remembered is what the object is.
fn remembers_users_mailbox(recipient: &Recipient) -> bool {
    let previous = recipient.provisioning.as_deref().and_then(|provisioning| provisioning.previous.as_ref());
    previous.map_or(recipient.recipient_type, |previous| previous.recipient_type) == RecipientType::UserMailbox
}

/// Whether the type cannot have a mailbox without a licence; a mail user that gets a mailbox becomes a user's.
const fn needs_licence(kind: RecipientType) -> bool {
    matches!(kind, RecipientType::UserMailbox | RecipientType::MailUser)
}

/// The text of an error that is recorded. The hold's is Exchange's, with the object in its place (spec T4).
fn text(recipient: &Recipient, around: Surroundings<'_>, error: LifecycleError) -> Box<str> {
    if error != LifecycleError::OnHold {
        return error.to_string().into();
    }
    let (home, organisation, name) = (around.home, &around.organisation.name, &recipient.name);
    format!(
        "Exchange can't disable the mailbox \"{home}/Microsoft Exchange Hosted Organizations/{organisation}/{name}\" \
         because it is on litigation hold."
    )
    .into()
}

/// What is to happen to an object by itself, and when: at once where its halves differ, else when its time comes. None
/// when nothing is.
pub fn due(recipient: &Recipient, around: Surroundings<'_>) -> Option<(Timestamp, Trigger)> {
    if let Some(trigger) = divergence(recipient, around) {
        return Some((around.now, trigger));
    }
    let provisioning = recipient.provisioning.as_deref();
    let after_holds = |at: Timestamp| match recipient.kept(around) {
        Kept::NotAtAll => Some(at),
        Kept::Until(end) => Some(at.max(end)),
        Kept::ForEver => None,
    };
    match recipient.lifecycle {
        Lifecycle::Disconnected { since } => {
            let end = around.calendar.after(since, around.periods.disconnected)?;
            Some((after_holds(end)?, Trigger::PeriodOver))
        }
        Lifecycle::SoftDeleted { since } => {
            let end = around.calendar.after(since, around.periods.soft_deleted)?;
            Some((after_holds(end)?, Trigger::PeriodOver))
        }
        // A clock that stepped back makes nobody wait.
        Lifecycle::Inactive { since } => Some((after_holds(since.min(around.now))?, Trigger::HoldsEnded)),
        Lifecycle::Purging { since } => Some((since.min(around.now), Trigger::ContentsGone)),
        Lifecycle::Active => {
            let provisioning = provisioning?;
            if let Some(error) = provisioning.error.as_ref().filter(|error| error.kind == ProvisioningErrorKind::OnHold)
            {
                return Some((after_holds(error.since.min(around.now))?, Trigger::HoldsEnded));
            }
            let since = provisioning.delicensed?;
            Some((around.calendar.after(since, around.periods.delicensing)?, Trigger::DelicensingDue))
        }
        Lifecycle::NoMailbox | Lifecycle::AwaitingMigration | Lifecycle::StaleAttributes | Lifecycle::Purged => None,
    }
}

/// What the mailbox half must do to follow the identity half.
fn divergence(recipient: &Recipient, around: Surroundings<'_>) -> Option<Trigger> {
    if around.licensing == Licensing::Ignored {
        return None;
    }
    let provisioning = recipient.provisioning.as_deref();
    let (kind, licensed) = (recipient.recipient_type, recipient.has_licences());
    let delicensed = provisioning.is_some_and(|provisioning| provisioning.delicensed.is_some());
    let synchronised = provisioning.is_some_and(|provisioning| provisioning.synchronised);
    let error = provisioning.and_then(|provisioning| provisioning.error.as_ref());
    let not_migrated = error.is_some_and(|error| error.kind == ProvisioningErrorKind::NotMigrated);
    let user_deleted = provisioning.is_some_and(|provisioning| provisioning.user_deleted.is_some());
    match recipient.state() {
        State::Active if needs_licence(kind) && !licensed && !delicensed && !synchronised => {
            Some(Trigger::LicenceRemoved)
        }
        State::Active if licensed && delicensed => Some(Trigger::LicenceAssigned),
        // Whatever was refused, the halves agree.
        State::ActiveWithError if licensed => Some(Trigger::LicenceAssigned),
        State::Disconnected | State::SoftDeleted if licensed && !user_deleted && remembers_users_mailbox(recipient) => {
            Some(Trigger::LicenceAssigned)
        }
        State::NoMailbox | State::Purged | State::StaleAttributes
            if licensed && needs_licence(kind) && !user_deleted =>
        {
            Some(Trigger::LicenceAssigned)
        }
        // What was imported so waits without a licence.
        State::AwaitingMigration if !licensed && not_migrated => Some(Trigger::LicenceRemoved),
        State::NoMailbox
        | State::Active
        | State::ActiveWithError
        | State::Disconnected
        | State::SoftDeleted
        | State::Inactive
        | State::AwaitingMigration
        | State::Purging
        | State::StaleAttributes
        | State::Purged => None,
    }
}
