//! The rows of the state machine, in the order in which they are tried. See [`machine`](super::machine).

use super::machine::{Effect, Guard, LifecycleError, Outcome, Row, State, Trigger};

macro_rules! guards {
    ($($name:ident $words:literal $holds:expr;)*) => {
        $(const $name: Guard = Guard { words: $words, holds: $holds };)*
    };
}

guards! {
    ON_HOLD "on hold" |facts| facts.on_hold;
    LICENSED "licensed" |facts| facts.licensed;
    NEEDS_LICENCE "the type needs a licence" |facts| facts.needs_licence;
    LACKS_LICENCE "the type needs a licence and has none" |facts| facts.needs_licence && !facts.licensed;
    DELAYED "delayed de-licensing" |facts| facts.delicensing_delayed;
    SYNCHRONISED "synchronised from the other system" |facts| facts.synchronised;
    PREVIOUS_FOUND "a user's mailbox is remembered and found" |facts| facts.previous_found;
    GUID_SYNCHRONISED "its ExchangeGuid is synchronised" |facts| facts.guid_synchronised;
    BEYOND_UNLICENSED "unlicensed and beyond 50 GB" |facts| facts.beyond_unlicensed && !facts.licensed;
    CONFLICTS "an address, login or name has another holder" |facts| facts.conflicts;
    HAS_SHARDS "has shards" |facts| facts.has_shards;
    IDENTITY_GONE "the user is gone for good" |facts| facts.identity_gone;
    CLEANUP_FAILS "the clean-up fails" |facts| facts.cleanup_fails;
    USER_DELETED "the user is deleted" |facts| facts.user_deleted;
    UNPREPARED "has an archive, or is no user's, there" |facts| facts.remote_unprepared;
    LEGACY_DN_DIFFERS "another user's, by the legacy name" |facts| !facts.legacy_dn_agrees;
}

macro_rules! states {
    ($($name:ident [$($state:ident)*];)*) => {
        $(const $name: &[State] = &[$(State::$state),*];)*
    };
}

states! {
    ACTIVE [Active];
    WITH_ERROR [ActiveWithError];
    IN_USE [Active ActiveWithError];
    DISCONNECTED [Disconnected];
    SOFT_DELETED [SoftDeleted];
    INACTIVE [Inactive];
    AWAITING [AwaitingMigration];
    PURGING [Purging];
    STALE [StaleAttributes];
    KEPT [Disconnected SoftDeleted];
    DELETED [SoftDeleted Inactive];
    KEPT_OR_USED [Active ActiveWithError Disconnected];
    HOLDING [Active ActiveWithError Disconnected SoftDeleted];
    MAILBOXLESS [NoMailbox Purged StaleAttributes];
    NEVER_HELD [NoMailbox AwaitingMigration StaleAttributes Purged];
}

macro_rules! outcome {
    (refused $error:ident) => {
        Outcome::Refused(LifecycleError::$error)
    };
    ($state:ident [$($effect:ident)*]) => {
        Outcome::To(State::$state, &[$(Effect::$effect),*])
    };
    ($state:ident with $error:ident [$($effect:ident)*]) => {
        Outcome::ToWithError(State::$state, LifecycleError::$error, &[$(Effect::$effect),*])
    };
}

macro_rules! rows {
    ($($id:ident $from:ident $trigger:ident [$($guard:ident)*] => $outcome:tt;)*) => {
        &[$(Row {
            id: stringify!($id),
            from: $from,
            trigger: Trigger::$trigger,
            guards: &[$($guard),*],
            outcome: outcome! $outcome,
        }),*]
    };
}

/// The table. Refusals for a hold come before everything that would lose contents (spec section 7.6).
pub const ROWS: &[Row] = rows! {
    // A licence goes. That of a synchronised object is half of its deactivation; the other system does the rest.
    T3  ACTIVE       LicenceRemoved     [SYNCHRONISED]          => (Active []);
    T23 ACTIVE       LicenceRemoved     [NEEDS_LICENCE DELAYED] => (Active [DelayDelicensing]);
    T4  IN_USE       LicenceRemoved     [NEEDS_LICENCE ON_HOLD] => (ActiveWithError with OnHold [RecordError]);
    T1  IN_USE       LicenceRemoved     [NEEDS_LICENCE]         => (Disconnected [SavePrevious ClearError EndDelay]);
    T22 ACTIVE       LicenceRemoved     []                      => (Active []);
    T4  WITH_ERROR   LicenceRemoved     []                      => (ActiveWithError []);
    T20 AWAITING     LicenceRemoved     []                      => (NoMailbox [ClearError ClearPrevious]);
    T23 IN_USE       DelicensingDue     [LICENSED]              => (Active [ClearError EndDelay]);
    T3  ACTIVE       DelicensingDue     [SYNCHRONISED]          => (Active [EndDelay]);
    T4  IN_USE       DelicensingDue     [NEEDS_LICENCE ON_HOLD] => (ActiveWithError with OnHold [RecordError EndDelay]);
    T23 IN_USE       DelicensingDue     [NEEDS_LICENCE]         => (Disconnected [SavePrevious ClearError EndDelay]);
    // Its type was altered meanwhile, or licences do not count any more.
    T22 ACTIVE       DelicensingDue     []                      => (Active [EndDelay]);
    T4  WITH_ERROR   DelicensingDue     []                      => (ActiveWithError [EndDelay]);
    // A licence comes. As long as a mailbox is kept, none is made in its place: that would lose what it holds (T7 does
    // so when it is told to).
    T5  IN_USE       LicenceAssigned    []                      => (Active [ClearError EndDelay]);
    T18 KEPT         LicenceAssigned    [USER_DELETED]          => (refused UserDeleted);
    T18 KEPT         LicenceAssigned    [PREVIOUS_FOUND]        => (Active [Reconnect ClearPrevious]);
    T17 DISCONNECTED LicenceAssigned    []                      => (Disconnected []);
    T19 MAILBOXLESS  LicenceAssigned    [USER_DELETED]          => (refused UserDeleted);
    T20 MAILBOXLESS  LicenceAssigned    [GUID_SYNCHRONISED]     => (AwaitingMigration with NotMigrated [RecordError]);
    T19 MAILBOXLESS  LicenceAssigned    []                      => (Active [CreateMailbox ClearPrevious]);
    T20 AWAITING     LicenceAssigned    []                      => (AwaitingMigration with NotMigrated [RecordError]);
    T21 AWAITING     MigrationCompleted [LACKS_LICENCE]         => (NoMailbox [ClearError ClearPrevious]);
    T21 AWAITING     MigrationCompleted []                      => (Active [CreateMailbox ClearError ClearPrevious]);
    // Deactivation and its way back.
    T4  IN_USE       Disable            [ON_HOLD]               => (ActiveWithError with OnHold [RecordError]);
    T2  IN_USE       Disable            [LICENSED]              => (refused LicenceFirst);
    T3  IN_USE       Disable            [SYNCHRONISED UNPREPARED] => (refused RemoteUnprepared);
    T3  IN_USE       Disable            [SYNCHRONISED]          => (Disconnected [SavePrevious ClearError EndDelay]);
    T2  IN_USE       Disable            []                      => (Disconnected [SavePrevious ClearError EndDelay]);
    T25 KEPT_OR_USED DisablePermanently [ON_HOLD]               => (refused OnHold);
    T25 KEPT_OR_USED DisablePermanently [LICENSED]              => (refused LicenceFirst);
    T25 KEPT_OR_USED DisablePermanently []                      => (Purging [ClearError EndDelay DeleteContents]);
    T17 DISCONNECTED Enable             [USER_DELETED]          => (refused UserDeleted);
    T17 DISCONNECTED Enable             [LACKS_LICENCE]         => (refused NeedsLicence);
    T17 DISCONNECTED Enable             [BEYOND_UNLICENSED]     => (refused NeedsLicenceForSize);
    T17 DISCONNECTED Enable             []                      => (Active [Reconnect ClearPrevious]);
    T19 MAILBOXLESS  Enable             [USER_DELETED]          => (refused UserDeleted);
    T19 MAILBOXLESS  Enable             [LACKS_LICENCE]         => (refused NeedsLicence);
    T20 MAILBOXLESS  Enable             [GUID_SYNCHRONISED]     => (AwaitingMigration with NotMigrated [RecordError]);
    T19 MAILBOXLESS  Enable             []                      => (Active [CreateMailbox ClearPrevious]);
    T22 WITH_ERROR   Convert            []                      => (refused Frozen);
    T22 ACTIVE       Convert            [LACKS_LICENCE]         => (refused NeedsLicence);
    T22 ACTIVE       Convert            [BEYOND_UNLICENSED]     => (refused NeedsLicenceForSize);
    T22 ACTIVE       Convert            []                      => (Active [AlterType]);
    // Deletion and its way back. What is deleted while on hold is deleted with its user (spec section 7.2).
    T10 KEPT_OR_USED Remove             [ON_HOLD]
        => (Inactive [SavePrevious DeleteUser TakeLicences ClearError EndDelay]);
    T9  IN_USE       Remove             [SYNCHRONISED LICENSED] => (refused LicenceFirst);
    T9  IN_USE       Remove             [SYNCHRONISED]          => (SoftDeleted [SavePrevious ClearError EndDelay]);
    T8  KEPT_OR_USED Remove             []
        => (SoftDeleted [SavePrevious TakeLicences ClearError EndDelay]);
    T8  NEVER_HELD   Remove             []                      => (Purged [ClearPrevious ClearError TakeLicences]);
    T12 HOLDING      RemovePermanently  [ON_HOLD]               => (refused OnHold);
    T9  IN_USE       RemovePermanently  [SYNCHRONISED LICENSED] => (refused LicenceFirst);
    T12 HOLDING      RemovePermanently  []
        => (Purging [TakeLicences ClearError EndDelay DeleteContents]);
    T12 INACTIVE     RemovePermanently  []                      => (refused OnHold);
    T12 NEVER_HELD   RemovePermanently  []                      => (Purged [ClearPrevious ClearError TakeLicences]);
    T13 DELETED      Undo               [CONFLICTS]             => (refused Conflict);
    T13 INACTIVE     Undo               [IDENTITY_GONE]         => (refused IdentityGone);
    T13 DELETED      Undo               [LACKS_LICENCE]         => (Disconnected [RestoreUser]);
    T13 DELETED      Undo               []                      => (Active [Reconnect RestoreUser ClearPrevious]);
    // The new user has as much time to get its licence as one whose licence is taken with delay.
    T15 INACTIVE     Recover            [HAS_SHARDS]            => (refused Shards);
    T15 INACTIVE     Recover            [CONFLICTS]             => (refused Conflict);
    T15 INACTIVE     Recover            [LACKS_LICENCE]
        => (Active [Reconnect RestoreUser ClearPrevious HoldForRecovery DelayDelicensing]);
    T15 INACTIVE     Recover            []
        => (Active [Reconnect RestoreUser ClearPrevious HoldForRecovery]);
    T16 INACTIVE     CopyContents       [LEGACY_DN_DIFFERS]     => (refused LegacyDnMismatch);
    T16 INACTIVE     CopyContents       []                      => (Inactive [CopyContents]);
    T16 SOFT_DELETED CopyContents       [LEGACY_DN_DIFFERS]     => (refused LegacyDnMismatch);
    T16 SOFT_DELETED CopyContents       []                      => (SoftDeleted [CopyContents]);
    // The cmdlet restores disconnected mailboxes as well.
    T16 DISCONNECTED CopyContents       [LEGACY_DN_DIFFERS]     => (refused LegacyDnMismatch);
    T16 DISCONNECTED CopyContents       []                      => (Disconnected [CopyContents]);
    // Holds end, time passes, contents go.
    T5  WITH_ERROR   HoldsEnded         [ON_HOLD]               => (refused OnHold);
    T5  WITH_ERROR   HoldsEnded         [LACKS_LICENCE]         => (Disconnected [SavePrevious ClearError EndDelay]);
    T5  WITH_ERROR   HoldsEnded         []                      => (Active [ClearError]);
    T14 INACTIVE     HoldsEnded         [ON_HOLD]               => (refused OnHold);
    T14 INACTIVE     HoldsEnded         []                      => (SoftDeleted [DeleteUser]);
    T6  DISCONNECTED PeriodOver         [ON_HOLD]               => (refused OnHold);
    T6  DISCONNECTED PeriodOver         []                      => (Purging [DeleteContents]);
    T11 SOFT_DELETED PeriodOver         [ON_HOLD]               => (refused OnHold);
    T11 SOFT_DELETED PeriodOver         []                      => (Purging [DeleteContents]);
    T24 SOFT_DELETED SameGuidLicensed   [ON_HOLD]               => (refused OnHold);
    T24 SOFT_DELETED SameGuidLicensed   []                      => (Purging [DeleteContents]);
    T6  PURGING      ContentsGone       [CLEANUP_FAILS]         => (StaleAttributes []);
    T6  PURGING      ContentsGone       []                      => (Purged [ClearPrevious]);
    T7  STALE        ClearPreviousInfo  [CLEANUP_FAILS]         => (StaleAttributes []);
    T7  STALE        ClearPreviousInfo  []                      => (NoMailbox [ClearPrevious]);
    T7  DISCONNECTED ClearPreviousInfo  [ON_HOLD]               => (refused OnHold);
    T7  DISCONNECTED ClearPreviousInfo  []                      => (Purging [DeleteContents]);
};
