//! What spec section 7 says of a mailbox, told clause by clause as its reader would apply it: no rows and no order.
//!
//! Written from the specification, not from the table that it is compared with. Where the specification is silent, the
//! comment says what was decided.

use franking::model::directory::lifecycle::machine::{Effect, Facts, LifecycleError, State, Trigger};

/// What is to come of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) to: State,
    /// The error that is recorded and told.
    pub(super) error: Option<LifecycleError>,
    /// What goes along with it, one bit each.
    pub(super) effects: u32,
}

type Answer = Result<Expected, LifecycleError>;

/// A set of effects.
pub(super) fn bits(effects: &[Effect]) -> u32 {
    effects.iter().fold(0, |bits, effect| bits | 1 << (*effect as u32))
}

/// What the specification says.
pub(super) fn expected(state: State, trigger: Trigger, facts: &Facts) -> Answer {
    let case = Case { state, facts };
    match trigger {
        Trigger::LicenceRemoved => case.loses_its_licence(),
        Trigger::DelicensingDue => case.delay_is_over(),
        Trigger::LicenceAssigned => case.gets_a_licence(),
        Trigger::MigrationCompleted => case.has_come_from_elsewhere(),
        Trigger::Disable => case.is_disabled(),
        Trigger::DisablePermanently => case.is_disabled_for_good(),
        Trigger::Enable => case.is_enabled(),
        Trigger::Remove => case.is_removed(),
        Trigger::RemovePermanently => case.is_removed_for_good(),
        Trigger::Undo => case.is_undone(),
        Trigger::Recover => case.is_recovered(),
        Trigger::CopyContents => case.is_copied(),
        Trigger::HoldsEnded => case.is_held_no_more(),
        Trigger::PeriodOver => case.has_been_kept_long_enough(),
        Trigger::SameGuidLicensed => case.is_replaced(),
        Trigger::ContentsGone => case.is_empty(),
        Trigger::ClearPreviousInfo => case.is_forgotten(),
        Trigger::Convert => case.becomes_another_type(),
    }
}

struct Case<'a> {
    state: State,
    facts: &'a Facts,
}

const NOTHING: Answer = Err(LifecycleError::NotFromHere);

fn leads(to: State, effects: &[Effect]) -> Answer {
    Ok(Expected { to, error: None, effects: bits(effects) })
}

fn refused_unless(permitted: bool, error: LifecycleError) -> Result<(), LifecycleError> {
    if permitted { Ok(()) } else { Err(error) }
}

impl Case<'_> {
    fn in_use(&self) -> bool {
        self.state == State::Active || self.state == State::ActiveWithError
    }

    /// 7.2: no mailbox data, and none in another system.
    fn has_nothing(&self) -> bool {
        matches!(self.state, State::NoMailbox | State::StaleAttributes | State::Purged)
    }

    fn lacks_licence(&self) -> bool {
        self.facts.needs_licence && !self.facts.licensed
    }

    /// 7.6: never purge while any hold is active, even by explicit command.
    fn unheld(&self) -> Result<(), LifecycleError> {
        refused_unless(!self.facts.on_hold, LifecycleError::OnHold)
    }

    /// An identity that is deleted gets nothing before it is restored.
    fn user_is_there(&self) -> Result<(), LifecycleError> {
        refused_unless(!self.facts.user_deleted, LifecycleError::UserDeleted)
    }

    /// T1, T2, T3, T23: Disconnected, with the three attributes saved. T4: with a hold, Active+Error instead.
    fn deactivated(&self) -> Answer {
        if self.facts.on_hold {
            let (to, error) = (State::ActiveWithError, Some(LifecycleError::OnHold));
            return Ok(Expected { to, error, effects: bits(&[Effect::RecordError]) });
        }
        leads(State::Disconnected, &[Effect::SavePrevious, Effect::ClearError, Effect::EndDelay])
    }

    /// Check 2 of T19 and T20.
    fn gets_a_new_mailbox(&self) -> Answer {
        if self.facts.guid_synchronised {
            return Ok(waits());
        }
        leads(State::Active, &[Effect::CreateMailbox, Effect::ClearPrevious])
    }

    fn loses_its_licence(&self) -> Answer {
        if self.state == State::AwaitingMigration {
            // The error was that of the licence.
            return leads(State::NoMailbox, &[Effect::ClearError, Effect::ClearPrevious]);
        }
        if !self.in_use() {
            return NOTHING;
        }
        // S2-1: only a user's mailbox always requires one.
        if !self.facts.needs_licence {
            return leads(self.state, &[]);
        }
        if self.state == State::Active {
            // T3: the licence and the other system's cmdlet, both.
            if self.facts.synchronised {
                return leads(State::Active, &[]);
            }
            // T23.
            if self.facts.delicensing_delayed {
                return leads(State::Active, &[Effect::DelayDelicensing]);
            }
        }
        self.deactivated()
    }

    fn delay_is_over(&self) -> Answer {
        if !self.in_use() {
            return NOTHING;
        }
        if self.facts.licensed {
            return leads(State::Active, &[Effect::ClearError, Effect::EndDelay]);
        }
        let half_of_it = self.facts.synchronised && self.state == State::Active;
        if half_of_it || !self.facts.needs_licence {
            return leads(self.state, &[Effect::EndDelay]);
        }
        self.deactivated()
            .map(|expected| Expected { effects: expected.effects | bits(&[Effect::EndDelay]), ..expected })
    }

    fn gets_a_licence(&self) -> Answer {
        if self.in_use() {
            // T5: synchronisation resumes.
            return leads(State::Active, &[Effect::ClearError, Effect::EndDelay]);
        }
        if self.state == State::AwaitingMigration {
            return Ok(waits());
        }
        if self.has_nothing() {
            self.user_is_there()?;
            return self.gets_a_new_mailbox();
        }
        if self.state != State::Disconnected && self.state != State::SoftDeleted {
            return NOTHING;
        }
        self.user_is_there()?;
        // T18, check 1.
        if self.facts.previous_found {
            return leads(State::Active, &[Effect::Reconnect, Effect::ClearPrevious]);
        }
        // T17: what needs no licence waits for Enable-Mailbox. A new mailbox in place of one that is kept (T19) would
        // lose what it holds; it is made when that is gone.
        if self.state == State::Disconnected { leads(State::Disconnected, &[]) } else { NOTHING }
    }

    fn has_come_from_elsewhere(&self) -> Answer {
        if self.state != State::AwaitingMigration {
            return NOTHING;
        }
        let over = [Effect::ClearError, Effect::ClearPrevious];
        if self.lacks_licence() {
            return leads(State::NoMailbox, &over);
        }
        leads(State::Active, &[over[0], over[1], Effect::CreateMailbox])
    }

    fn is_disabled(&self) -> Answer {
        if !self.in_use() {
            return NOTHING;
        }
        if self.facts.on_hold {
            return self.deactivated();
        }
        // T2: unlicensed. T3: the licence is removed first, and archive and type are seen to.
        refused_unless(!self.facts.licensed, LifecycleError::LicenceFirst)?;
        let misused = self.facts.synchronised && self.facts.remote_unprepared;
        refused_unless(!misused, LifecycleError::RemoteUnprepared)?;
        self.deactivated()
    }

    fn is_disabled_for_good(&self) -> Answer {
        if !self.in_use() && self.state != State::Disconnected {
            return NOTHING;
        }
        self.unheld()?;
        refused_unless(!self.facts.licensed, LifecycleError::LicenceFirst)?;
        leads(State::Purging, &[Effect::DeleteContents, Effect::ClearError, Effect::EndDelay])
    }

    fn is_enabled(&self) -> Answer {
        if self.state != State::Disconnected && !self.has_nothing() {
            return NOTHING;
        }
        self.user_is_there()?;
        refused_unless(!self.lacks_licence(), LifecycleError::NeedsLicence)?;
        if self.has_nothing() {
            return self.gets_a_new_mailbox();
        }
        // T17: below 50 GB, or a licence first.
        let too_large = self.facts.beyond_unlicensed && !self.facts.licensed;
        refused_unless(!too_large, LifecycleError::NeedsLicenceForSize)?;
        leads(State::Active, &[Effect::Reconnect, Effect::ClearPrevious])
    }

    fn is_removed(&self) -> Answer {
        if self.has_nothing() || self.state == State::AwaitingMigration {
            return leads(State::Purged, &[Effect::ClearPrevious, Effect::ClearError, Effect::TakeLicences]);
        }
        if !self.in_use() && self.state != State::Disconnected {
            return NOTHING;
        }
        let kept = bits(&[Effect::SavePrevious, Effect::ClearError, Effect::EndDelay]);
        // T10: 7.2 has the user soft-deleted then.
        if self.facts.on_hold {
            let effects = kept | bits(&[Effect::DeleteUser, Effect::TakeLicences]);
            return Ok(Expected { to: State::Inactive, error: None, effects });
        }
        let synchronised = self.facts.synchronised && self.in_use();
        if synchronised {
            // T9: licence removed beforehand.
            refused_unless(!self.facts.licensed, LifecycleError::LicenceFirst)?;
        }
        let taken = if synchronised { 0 } else { bits(&[Effect::TakeLicences]) };
        Ok(Expected { to: State::SoftDeleted, error: None, effects: kept | taken })
    }

    fn is_removed_for_good(&self) -> Answer {
        match self.state {
            // Whatever the facts: it is inactive because it was held (T12).
            State::Inactive => Err(LifecycleError::OnHold),
            State::Purging => NOTHING,
            State::NoMailbox | State::Purged | State::StaleAttributes | State::AwaitingMigration => self.is_removed(),
            State::Active | State::ActiveWithError | State::Disconnected | State::SoftDeleted => {
                self.unheld()?;
                let early = self.in_use() && self.facts.synchronised && self.facts.licensed;
                refused_unless(!early, LifecycleError::LicenceFirst)?;
                let effects = [Effect::DeleteContents, Effect::TakeLicences, Effect::ClearError, Effect::EndDelay];
                leads(State::Purging, &effects)
            }
        }
    }

    fn is_undone(&self) -> Answer {
        if self.state != State::SoftDeleted && self.state != State::Inactive {
            return NOTHING;
        }
        refused_unless(!self.facts.conflicts, LifecycleError::Conflict)?;
        // 7.2: the user of an inactive mailbox is soft-deleted for 30 days, then gone. What is soft-deleted itself can
        // be given to another login (Undo-SoftDeletedMailbox).
        let gone = self.state == State::Inactive && self.facts.identity_gone;
        refused_unless(!gone, LifecycleError::IdentityGone)?;
        if self.lacks_licence() {
            return leads(State::Disconnected, &[Effect::RestoreUser]);
        }
        leads(State::Active, &[Effect::Reconnect, Effect::RestoreUser, Effect::ClearPrevious])
    }

    fn is_recovered(&self) -> Answer {
        if self.state != State::Inactive {
            return NOTHING;
        }
        refused_unless(!self.facts.has_shards, LifecycleError::Shards)?;
        refused_unless(!self.facts.conflicts, LifecycleError::Conflict)?;
        let back = [Effect::Reconnect, Effect::RestoreUser, Effect::ClearPrevious, Effect::HoldForRecovery];
        // A new user has 30 days to get its licence.
        let grace = if self.lacks_licence() { bits(&[Effect::DelayDelicensing]) } else { 0 };
        Ok(Expected { to: State::Active, error: None, effects: bits(&back) | grace })
    }

    fn is_copied(&self) -> Answer {
        if !matches!(self.state, State::SoftDeleted | State::Inactive | State::Disconnected) {
            return NOTHING;
        }
        refused_unless(self.facts.legacy_dn_agrees, LifecycleError::LegacyDnMismatch)?;
        leads(self.state, &[Effect::CopyContents])
    }

    fn is_held_no_more(&self) -> Answer {
        if self.state != State::Inactive && self.state != State::ActiveWithError {
            return NOTHING;
        }
        self.unheld()?;
        if self.state == State::Inactive {
            return leads(State::SoftDeleted, &[Effect::DeleteUser]);
        }
        // T5: what was refused is done now, if it was the licence; a cmdlet is typed again.
        if self.lacks_licence() { self.deactivated() } else { leads(State::Active, &[Effect::ClearError]) }
    }

    fn has_been_kept_long_enough(&self) -> Answer {
        if self.state == State::Disconnected { self.purged_silently() } else { self.is_replaced() }
    }

    /// T11, T24.
    fn is_replaced(&self) -> Answer {
        if self.state == State::SoftDeleted { self.purged_silently() } else { NOTHING }
    }

    fn purged_silently(&self) -> Answer {
        self.unheld()?;
        leads(State::Purging, &[Effect::DeleteContents])
    }

    fn is_empty(&self) -> Answer {
        match (self.state, self.facts.cleanup_fails) {
            (State::Purging, true) => leads(State::StaleAttributes, &[]),
            (State::Purging, false) => leads(State::Purged, &[Effect::ClearPrevious]),
            _ => NOTHING,
        }
    }

    fn is_forgotten(&self) -> Answer {
        match (self.state, self.facts.cleanup_fails) {
            // T7: the old mailbox can no longer be reconnected, so nobody needs what it holds.
            (State::Disconnected, _) => self.purged_silently(),
            (State::StaleAttributes, true) => leads(State::StaleAttributes, &[]),
            (State::StaleAttributes, false) => leads(State::NoMailbox, &[Effect::ClearPrevious]),
            _ => NOTHING,
        }
    }

    fn becomes_another_type(&self) -> Answer {
        if !self.in_use() {
            return NOTHING;
        }
        // 7.1: nothing of it alters until the error is resolved.
        refused_unless(self.state == State::Active, LifecycleError::Frozen)?;
        refused_unless(!self.lacks_licence(), LifecycleError::NeedsLicence)?;
        let too_large = self.facts.beyond_unlicensed && !self.facts.licensed;
        refused_unless(!too_large, LifecycleError::NeedsLicenceForSize)?;
        leads(State::Active, &[Effect::AlterType])
    }
}

/// T20.
fn waits() -> Expected {
    let (to, error) = (State::AwaitingMigration, Some(LifecycleError::NotMigrated));
    Expected { to, error, effects: bits(&[Effect::RecordError]) }
}
