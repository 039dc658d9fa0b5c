//! What a mailbox may hold, and what happens at each threshold (decision D5, spec section 2.4).
//!
//! A threshold counts by what is *reached*: at `ProhibitSendReceiveQuota` and beyond nothing more is taken, below it
//! one more message is, whatever its size. So a mailbox ends at most one message above its quota, and a message that
//! alone is larger than what is left is not refused for that: its own size limits are for this.

use core::time::Duration;

use super::refusal::Refusal;
use super::settings::Settings;
use super::submit_as::SubmitAs;
use crate::model::directory::{Limit, Organisation, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::Timestamp;

/// What a mailbox holds, over all its folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Octets as stored.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// The octets at which each stage begins; `None` never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Thresholds {
    /// `IssueWarningQuota`.
    pub issue_warning: Option<u64>,
    /// `ProhibitSendQuota`.
    pub prohibit_send: Option<u64>,
    /// `ProhibitSendReceiveQuota`.
    pub prohibit_send_receive: Option<u64>,
}

/// How full a mailbox is, in what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing does.
    Normal,
    /// The owner is warned.
    Warning,
    /// The owner cannot send.
    ProhibitSend,
    /// Nor receive.
    ProhibitSendReceive,
}

impl core::fmt::Display for Stage {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::ProhibitSend => "may not send",
            Self::ProhibitSendReceive => "may neither send nor receive",
        })
    }
}

const GIB: u64 = 1 << 30;

/// Thresholds of a plan of the cloud.
const fn plan(issue_warning: u64, prohibit_send: u64, prohibit_send_receive: u64) -> Thresholds {
    Thresholds {
        issue_warning: Some(issue_warning),
        prohibit_send: Some(prohibit_send),
        prohibit_send_receive: Some(prohibit_send_receive),
    }
}

/// Exchange Online Plan 1, Business plans, E1, and whatever needs no licence: 49, 49.5 and 50 GB.
pub const PLAN_1: Thresholds = plan(49 * GIB, 99 * GIB / 2, 50 * GIB);
/// Exchange Online Plan 2, E3, E5: 98, 99 and 100 GB.
pub const PLAN_2: Thresholds = plan(98 * GIB, 99 * GIB, 100 * GIB);
/// Kiosk, F3: 1.96, 1.98 and 2 GB.
pub const KIOSK: Thresholds = plan((196 * GIB).div_ceil(100), (198 * GIB).div_ceil(100), 2 * GIB);
/// A database on premises: 1.9, 2 and 2.3 GB, to the kilobyte as Exchange sets them.
pub const DATABASE: Thresholds = plan(2_039_480_320, 2_147_483_648, 2_469_396_480);

/// An archive: `ArchiveWarningQuota` and `ArchiveQuota` as Exchange sets them, 90 and 100 GB. Nobody sends from one.
pub const ARCHIVE: Thresholds =
    Thresholds { issue_warning: Some(90 * GIB), prohibit_send: None, prohibit_send_receive: Some(100 * GIB) };

/// Licences that give a mailbox of [`PLAN_2`], by label without case, blanks and punctuation: the names of the plans,
/// and the `SkuPartNumber`s of Microsoft 365.
const PLAN_2_LABELS: [&str; 15] = [
    "exchangeonlineplan2",
    "exchangeplan2",
    "exchangeenterprise",
    "office365e3",
    "office365e4",
    "office365e5",
    "microsoft365e3",
    "microsoft365e5",
    "e3",
    "e5",
    "enterprisepack",
    "enterprisewithscal",
    "enterprisepremium",
    "spee3",
    "spee5",
];
/// Licences that give a mailbox of [`KIOSK`].
const KIOSK_LABELS: [&str; 9] = [
    "exchangeonlinekiosk",
    "exchangekiosk",
    "exchangedeskless",
    "deskless",
    "desklesspack",
    "office365f3",
    "microsoft365f3",
    "spef1",
    "f3",
];
/// Archiving add-ons: with a Plan 1 they lift a mailbox that is no user's (spec section 2.4).
const ARCHIVING_LABELS: [&str; 3] = ["exchangeonlinearchiving", "exchangearchiveaddon", "exchangearchive"];

/// The thresholds that apply to a mailbox: each of its own values, `Unlimited` among them, else that of its licence in
/// the cloud, or of the database on premises. A default that would contradict an own value gives way, so that the order
/// always holds.
pub fn thresholds(recipient: &Recipient, organisation: &Organisation, settings: &Settings) -> Thresholds {
    let usual = settings.quota.unwrap_or_else(|| by_licence(recipient, organisation));
    let Some(own) = recipient.quota.as_deref() else {
        return usual;
    };
    let within = |usual: Option<u64>, least: Option<u64>, most: Option<u64>| {
        let raised = usual.map(|usual| usual.max(least.unwrap_or(0)));
        [raised, most].into_iter().flatten().min()
    };
    let bytes = |own: Option<Limit>| own.and_then(Limit::bytes);
    let lower = bytes(own.prohibit_send).max(bytes(own.issue_warning));
    let raised = || usual.prohibit_send_receive.map(|usual| usual.max(lower.unwrap_or(0)));
    let prohibit_send_receive = own.prohibit_send_receive.map_or_else(raised, Limit::bytes);
    let raised = || within(usual.prohibit_send, bytes(own.issue_warning), prohibit_send_receive);
    let prohibit_send = own.prohibit_send.map_or_else(raised, Limit::bytes);
    let lowered = || within(usual.issue_warning, None, prohibit_send.or(prohibit_send_receive));
    let issue_warning = own.issue_warning.map_or_else(lowered, Limit::bytes);
    Thresholds { issue_warning, prohibit_send, prohibit_send_receive }
}

/// What a user's mailbox may hold with this licence alone; none for an add-on.
pub fn of_licence(label: &str) -> Option<Thresholds> {
    let is = |known: &[&str]| is_one_of(label, known);
    if is(&ARCHIVING_LABELS) {
        return None;
    }
    Some(if is(&PLAN_2_LABELS) {
        PLAN_2
    } else if is(&KIOSK_LABELS) {
        KIOSK
    } else {
        PLAN_1
    })
}

/// Whether what a licence of this label gives is known from the label; others are taken for an Exchange Online Plan 1.
pub fn is_known_label(label: &str) -> bool {
    [&ARCHIVING_LABELS[..], &PLAN_2_LABELS, &KIOSK_LABELS].iter().any(|known| is_one_of(label, known))
}

/// Whether a label is one of these, which are known without case, blanks and punctuation.
fn is_one_of(label: &str, known: &[&str]) -> bool {
    let letters = || label.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let length = letters().count();
    known.iter().any(|known| known.len() == length && letters().eq(known.bytes()))
}

/// The thresholds of the best licence (spec section 2.4): what the organisation says of its plan, else what its label
/// does.
fn by_licence(recipient: &Recipient, organisation: &Organisation) -> Thresholds {
    let labels = || recipient.account.iter().flat_map(|account| account.licences.iter());
    let said = |label: &str| organisation.plan(label).and_then(|plan| plan.quota).map(Thresholds::of_quota);
    let given = labels().filter_map(|label| said(label).or_else(|| of_licence(label)));
    let best = given.max_by_key(Thresholds::room);
    match recipient.recipient_type {
        RecipientType::UserMailbox => best.unwrap_or(PLAN_1),
        // These have as much without any licence.
        RecipientType::SharedMailbox | RecipientType::RoomMailbox | RecipientType::EquipmentMailbox => {
            let archiving = labels().any(|label| is_one_of(label, &ARCHIVING_LABELS));
            let lifts = |label: &str| !is_one_of(label, &KIOSK_LABELS) && !is_one_of(label, &ARCHIVING_LABELS);
            let lifted = (archiving && labels().any(|label| lifts(label))).then_some(PLAN_2);
            [Some(PLAN_1), best, lifted].into_iter().flatten().max_by_key(Thresholds::room).unwrap_or(PLAN_1)
        }
        RecipientType::GroupMailbox
        | RecipientType::MailUser
        | RecipientType::GuestMailUser
        | RecipientType::MailContact
        | RecipientType::RemoteUserMailbox
        | RecipientType::RemoteSharedMailbox
        | RecipientType::RemoteRoomMailbox
        | RecipientType::RemoteEquipmentMailbox
        | RecipientType::MailUniversalDistributionGroup
        | RecipientType::MailUniversalSecurityGroup
        | RecipientType::DynamicDistributionGroup
        | RecipientType::RoomList
        | RecipientType::ShardMailbox => PLAN_1,
    }
}

impl Thresholds {
    /// Those of a plan with this quota, in the proportions of the plans of the cloud.
    pub fn of_quota(quota: Limit) -> Self {
        let Some(bytes) = quota.bytes() else { return Self::default() };
        let part = |percent: u64| (bytes / 100).saturating_mul(percent).saturating_add(bytes % 100 * percent / 100);
        plan(part(98), part(99), bytes)
    }

    fn room(&self) -> u64 {
        self.prohibit_send_receive.unwrap_or(u64::MAX)
    }

    /// Whether warning ≤ send ≤ send and receive (decision D5).
    pub fn rise(&self) -> bool {
        [self.issue_warning, self.prohibit_send, self.prohibit_send_receive].into_iter().flatten().is_sorted()
    }

    /// The stage of a mailbox that holds so many octets: each begins when its threshold is reached.
    pub fn stage(&self, bytes: u64) -> Stage {
        let reached = |threshold: Option<u64>| threshold.is_some_and(|threshold| bytes >= threshold);
        if reached(self.prohibit_send_receive) {
            Stage::ProhibitSendReceive
        } else if reached(self.prohibit_send) {
            Stage::ProhibitSend
        } else if reached(self.issue_warning) {
            Stage::Warning
        } else {
            Stage::Normal
        }
    }
}

/// The mailboxes that must have room for what `account` submits: its own, and that of the owner as whom or on whose
/// behalf it sends. A mailbox that reached `ProhibitSendQuota` sends nothing, whoever writes for it: nobody signs in as
/// a shared mailbox, so nothing else would stop it (spec S3-9). Only mailboxes that are open here are among them: a
/// group or contact stores nothing.
///
/// A message of several authors is judged by the one who answers for it, as everywhere else.
pub fn sending_mailboxes<'a>(
    snapshot: &'a Snapshot,
    settings: &Settings,
    account: RecipientId,
    submit_as: Option<SubmitAs>,
) -> impl Iterator<Item = &'a Recipient> {
    let licensing = settings.licensing();
    let owner = match submit_as {
        Some(SubmitAs::As(owner) | SubmitAs::OnBehalf(owner)) => Some(owner),
        Some(SubmitAs::Own | SubmitAs::Denied) | None => None,
    };
    let found = core::iter::once(account).chain(owner).filter_map(|id| snapshot.recipient(id));
    found.map(|recipient| &**recipient).filter(move |recipient| recipient.has_open_mailbox(licensing))
}

/// Whether a mailbox may send, or be sent as.
///
/// # Errors
/// `SenderQuotaExceeded`, for the end of the message.
pub fn may_send(
    recipient: &Recipient,
    organisation: &Organisation,
    settings: &Settings,
    usage: Usage,
) -> Result<(), Refusal> {
    match thresholds(recipient, organisation, settings).stage(usage.bytes) {
        Stage::Normal | Stage::Warning => Ok(()),
        Stage::ProhibitSend | Stage::ProhibitSendReceive => Err(Refusal::SenderQuotaExceeded),
    }
}

/// Whether a mailbox takes another message. A mailbox that keeps nothing and only forwards takes whatever comes.
///
/// # Errors
/// `RecipientMailboxFull`, for RCPT and for reports.
pub fn may_receive(
    recipient: &Recipient,
    organisation: &Organisation,
    settings: &Settings,
    usage: Usage,
) -> Result<(), Refusal> {
    let forwards = recipient.forwarding.as_deref().is_some_and(|set| {
        let target = set.forwarding_address.is_some() || set.forwarding_smtp_address.is_some();
        target && !set.deliver_to_mailbox_and_forward
    });
    if forwards || !recipient.has_open_mailbox(settings.licensing()) {
        return Ok(());
    }
    match thresholds(recipient, organisation, settings).stage(usage.bytes) {
        Stage::Normal | Stage::Warning | Stage::ProhibitSend => Ok(()),
        Stage::ProhibitSendReceive => Err(Refusal::RecipientMailboxFull),
    }
}

/// The owner of a mailbox is told no more than once in this time.
const NOTICE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the owner may be told again that the mailbox fills up. A last notice in the future, by a clock that was
/// wrong, does not silence it for longer than one from now.
pub fn notice_is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.since(last) >= NOTICE_INTERVAL || last.since(now) >= NOTICE_INTERVAL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::directory::Quota;
    use crate::model::mail::Address;
    use crate::model::policy::Profile;

    fn mailbox(kind: RecipientType, licences: &[&str]) -> Recipient {
        let address = Address::parse("info@contoso.example").unwrap();
        let mut recipient = Recipient::new(RecipientId(1), kind, "info", address);
        if let Some(account) = recipient.account.as_deref_mut() {
            account.licences = licences.iter().map(|label| (*label).into()).collect();
        }
        recipient
    }

    #[test]
    fn the_best_licence_decides_in_the_cloud() {
        use RecipientType::{EquipmentMailbox, GroupMailbox, RoomMailbox, SharedMailbox, UserMailbox};
        let cases: [(RecipientType, &[&str], Thresholds); 14] = [
            (UserMailbox, &[], PLAN_1),
            (UserMailbox, &["ExchangeOnlinePlan1"], PLAN_1),
            (UserMailbox, &["Office 365 E1"], PLAN_1),
            (UserMailbox, &["Exchange Online (Plan 2)"], PLAN_2),
            (UserMailbox, &["SPE_E5"], PLAN_2),
            (UserMailbox, &["ExchangeOnlineKiosk"], KIOSK),
            (UserMailbox, &["ExchangeOnlineKiosk", "ExchangeOnlinePlan1"], PLAN_1),
            (UserMailbox, &["ENTERPRISEPACK", "DESKLESSPACK"], PLAN_2),
            (SharedMailbox, &[], PLAN_1),
            (SharedMailbox, &["ExchangeOnlinePlan2"], PLAN_2),
            (RoomMailbox, &["ExchangeOnlinePlan1", "ExchangeOnlineArchiving"], PLAN_2),
            (EquipmentMailbox, &["ExchangeOnlineArchiving"], PLAN_1),
            (SharedMailbox, &["ExchangeOnlineKiosk"], PLAN_1),
            (GroupMailbox, &[], PLAN_1),
        ];
        for (kind, licences, expected) in cases {
            let (cloud, premises) = (Settings::of(Profile::ExchangeOnline), Settings::of(Profile::ExchangeServer));
            assert_eq!(
                thresholds(&mailbox(kind, licences), &Organisation::default(), &cloud),
                expected,
                "{kind} {licences:?}"
            );
            assert_eq!(thresholds(&mailbox(kind, licences), &Organisation::default(), &premises), DATABASE);
        }
        assert!([PLAN_1, PLAN_2, KIOSK, DATABASE].iter().all(Thresholds::rise));
        assert_eq!(PLAN_1.prohibit_send, Some(53_150_220_288));
    }

    #[test]
    fn a_stage_begins_when_its_threshold_is_reached() {
        let thresholds = plan(10, 20, 30);
        let stages = [(9, Stage::Normal), (10, Stage::Warning), (19, Stage::Warning), (20, Stage::ProhibitSend)];
        for (bytes, stage) in stages.into_iter().chain([(29, Stage::ProhibitSend), (30, Stage::ProhibitSendReceive)]) {
            assert_eq!(thresholds.stage(bytes), stage, "{bytes}");
        }
        assert_eq!(Thresholds::default().stage(u64::MAX), Stage::Normal);
    }

    #[test]
    fn a_mailbox_that_only_forwards_is_never_full() {
        let settings = Settings::of(Profile::ExchangeOnline);
        let mut shared = mailbox(RecipientType::SharedMailbox, &[]);
        let full = Usage { bytes: 50 * GIB, messages: 1 };
        assert_eq!(may_receive(&shared, &Organisation::default(), &settings, full), Err(Refusal::RecipientMailboxFull));
        let target = Some(Address::parse("partner@fabrikam.example").unwrap());
        let mut set = crate::model::directory::Forwarding { forwarding_smtp_address: target, ..Default::default() };
        shared.forwarding = Some(Box::new(set.clone()));
        assert_eq!(may_receive(&shared, &Organisation::default(), &settings, full), Ok(()));
        set.deliver_to_mailbox_and_forward = true;
        shared.forwarding = Some(Box::new(set));
        assert_eq!(may_receive(&shared, &Organisation::default(), &settings, full), Err(Refusal::RecipientMailboxFull));
    }

    #[test]
    fn owners_are_told_once_a_day() {
        let at = |hours: u64| Timestamp::from_unix_milliseconds(hours * 3_600_000);
        assert!(notice_is_due(None, at(0)) && notice_is_due(Some(at(100)), at(124)));
        assert!(!notice_is_due(Some(at(100)), at(123)) && !notice_is_due(Some(at(100)), at(99)));
        // The clock once stood far in the future.
        assert!(notice_is_due(Some(at(900)), at(100)));
    }

    #[test]
    fn without_limit_is_without_whatever_the_licence_says() {
        let settings = Settings::of(Profile::ExchangeOnline);
        let mut shared = mailbox(RecipientType::SharedMailbox, &[]);
        let own = Quota { prohibit_send_receive: Some(Limit::Unlimited), ..Quota::default() };
        shared.quota = Some(Box::new(own));
        let found = thresholds(&shared, &Organisation::default(), &settings);
        assert_eq!(found, Thresholds { prohibit_send_receive: None, ..PLAN_1 });
        assert_eq!(
            may_receive(&shared, &Organisation::default(), &settings, Usage { bytes: u64::MAX, messages: 1 }),
            Ok(())
        );
        let none = Some(Limit::Unlimited);
        shared.quota = Some(Box::new(Quota { issue_warning: none, prohibit_send: none, prohibit_send_receive: none }));
        assert_eq!(thresholds(&shared, &Organisation::default(), &settings).stage(u64::MAX), Stage::Normal);
        // Thresholds below one that is without still count.
        let own = Quota { issue_warning: Some(Limit::Bytes(90 * GIB)), prohibit_send: none, ..Quota::default() };
        shared.quota = Some(Box::new(own));
        let expected = [Some(90 * GIB), None, Some(90 * GIB)];
        let found = thresholds(&shared, &Organisation::default(), &settings);
        assert_eq!([found.issue_warning, found.prohibit_send, found.prohibit_send_receive], expected);
    }

    fn value() -> impl Strategy<Value = Option<u64>> {
        prop::option::of(prop_oneof![0..200_u64 * GIB, Just(0), Just(u64::MAX)])
    }

    proptest! {
        #[test]
        fn own_values_stand_and_the_order_always_holds(
            mut own in [value(), value(), value()],
            without in any::<[bool; 3]>(),
            cloud in any::<bool>(),
        ) {
            let mut values: Vec<u64> = own.iter().copied().flatten().collect();
            values.sort_unstable();
            let mut rising = values.into_iter();
            own.iter_mut().filter(|value| value.is_some()).for_each(|value| *value = rising.next());
            let mut own = own.map(|bytes| bytes.map(Limit::Bytes));
            let unlimited = own.iter_mut().zip(without).filter(|(_, without)| *without);
            unlimited.for_each(|(own, _)| *own = Some(Limit::Unlimited));
            let [issue_warning, prohibit_send, prohibit_send_receive] = own;
            let mut shared = mailbox(RecipientType::SharedMailbox, &[]);
            shared.quota = Some(Box::new(Quota { issue_warning, prohibit_send, prohibit_send_receive }));
            let profile = if cloud { Profile::ExchangeOnline } else { Profile::ExchangeServer };
            let found = thresholds(&shared, &Organisation::default(), &Settings::of(profile));
            prop_assert!(found.rise(), "{found:?}");
            let all = [found.issue_warning, found.prohibit_send, found.prohibit_send_receive];
            for (own, found) in own.iter().zip(all) {
                prop_assert!(own.is_none_or(|own| own.bytes() == found));
            }
        }
    }
}
