//! Warns the owners of mailboxes that fill up, at most once a day each (decision D5).
//!
//! The notice goes straight into the mailbox, whatever its quota: it is the one message that a full mailbox must take.
//! It is put there first and recorded as said afterwards; its file name is a function of mailbox and day, so a crash
//! between the two makes no second one. What it costs is bounded: a few notices a round, the others wait.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use crate::model::directory::{Lifecycle, Recipient, RecipientId, Snapshot};
use crate::model::mail::{Address, Timestamp};
use crate::model::policy::quota::{Stage, notice_is_due, thresholds};
use crate::model::report::{NoticeFacts, Reporter, quota_notice};
use crate::store::answered::AnsweredSenders;
use crate::store::live::{LiveDirectory, LiveSettings};
use crate::store::mailbox::{
    Delivery, DeliveryName, Flags, Folder, MailboxFailure, MailboxName, MailboxStore, Message, Repeat,
};
use crate::store::sign_ins::{LastUses, LockoutStore};
use crate::store::tally::Tally;
use crate::world::Clock;

/// Each takes some synchronisations of the disk.
const NOTICES_OF_A_ROUND: usize = 16;
const DAY_SECONDS: u64 = 86_400;
/// All that was answered is looked through in a little more than an hour.
const ROUNDS_PER_SWEEP: u32 = 16;

/// Looks after what mailboxes hold and what accounts have used up.
pub(super) struct QuotaKeeper {
    pub(super) mailboxes: Arc<MailboxStore>,
    pub(super) tally: Arc<Tally>,
    pub(super) last_uses: Arc<LastUses>,
    pub(super) lockouts: Arc<LockoutStore>,
    pub(super) directory: Arc<LiveDirectory>,
    pub(super) settings: Arc<LiveSettings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host: Box<str>,
    pub(super) answered: Arc<AnsweredSenders>,
    /// Rounds so far.
    pub(super) rounds: AtomicU32,
}

impl QuotaKeeper {
    /// One round: mailboxes that readers may have changed are looked at, counts are kept, and owners are warned.
    /// Blocks.
    pub(super) fn round(&self) {
        self.mailboxes.tend();
        self.tally.tend();
        self.keep_last_uses(false);
        self.lockouts.tend(false);
        self.sweep_answered();
        let (snapshot, now) = (self.directory.current(), self.clock.now());
        let mut notices = 0;
        for id in self.mailboxes.take_judged() {
            let Some(recipient) =
                snapshot.recipient(id).filter(|recipient| self.must_be_told(&snapshot, recipient, now))
            else {
                continue;
            };
            if notices >= NOTICES_OF_A_ROUND {
                self.mailboxes.attend(id);
                continue;
            }
            notices += 1;
            match self.tell(&snapshot, recipient, now) {
                Ok(()) => {
                    tracing::info!(mailbox = %recipient.primary(), "the owner of a mailbox is told that it is full")
                }
                Err(error) => tracing::warn!(%error, "a notice of quota could not be delivered; it is tried again"),
            }
        }
    }

    /// Writes down what may wait and should not be lost: the last thing that a server does. Blocks.
    pub(super) fn close(&self) {
        self.keep_last_uses(true);
        self.lockouts.tend(true);
    }

    fn keep_last_uses(&self, at_once: bool) {
        let snapshot = self.directory.current();
        self.last_uses.tend(at_once, |account, device| {
            let account = snapshot.recipient(account).and_then(|found| found.account.as_deref());
            account.is_some_and(|account| account.devices.iter().any(|own| own.is_called(device)))
        });
    }

    /// Whom a mailbox has answered goes when the mailbox has gone, one directory of 256 at a time.
    fn sweep_answered(&self) {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let Ok(place) = u8::try_from((round / ROUNDS_PER_SWEEP) % 256) else { return };
        if !round.is_multiple_of(ROUNDS_PER_SWEEP) {
            return;
        }
        let is_gone = |id| {
            let snapshot = self.directory.current();
            snapshot.recipient(id).is_none_or(|recipient| recipient.lifecycle == Lifecycle::Purged)
        };
        match self.answered.sweep(place, is_gone) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "forgot whom mailboxes that are gone had answered"),
            Err(error) => tracing::warn!(%error, "whom mailboxes that are gone had answered could not be removed"),
        }
    }

    fn must_be_told(&self, snapshot: &Snapshot, recipient: &Recipient, now: Timestamp) -> bool {
        let settings = self.settings.current();
        let usage = self.mailboxes.usage(recipient.id).unwrap_or_default();
        recipient.has_open_mailbox(settings.licensing())
            && thresholds(recipient, snapshot.organisation(), &settings).stage(usage.bytes) > Stage::Normal
            && notice_is_due(self.mailboxes.warned_at(recipient.id), now)
    }

    fn tell(&self, snapshot: &Snapshot, recipient: &Recipient, now: Timestamp) -> Result<(), MailboxFailure> {
        let domain = snapshot.default_domain().map_or_else(|| self.host.to_string(), ToString::to_string);
        let failed = |reason: String| MailboxFailure::Message { reason: reason.into() };
        let author = Address::parse(&format!("postmaster@{domain}")).map_err(|error| failed(error.to_string()))?;
        let facts = NoticeFacts {
            reporter: &Reporter { host: self.host.clone(), author },
            to: recipient.primary(),
            name: recipient.display_name.as_deref().unwrap_or(&recipient.name),
            mailbox: recipient.id,
            usage: self.mailboxes.usage(recipient.id).unwrap_or_default(),
            thresholds: thresholds(recipient, snapshot.organisation(), &self.settings.current()),
            at: now,
        };
        let Some(notice) = quota_notice(&facts) else { return Ok(()) };
        let day = now.unix_seconds() / DAY_SECONDS;
        let name = DeliveryName::new(&format!("quota-{}", recipient.id), 0, day.saturating_mul(DAY_SECONDS));
        let delivery = Delivery {
            mailbox: MailboxName::of_recipient(recipient.id),
            folder: Folder::Inbox,
            name: name.map_err(|error| failed(error.to_string()))?,
            head: format!("Return-Path: <>\r\nDelivered-To: {}\r\n", recipient.primary()).into_bytes(),
            message: Message::Bytes(notice.into()),
            flags: Flags::NONE,
            repeat: Repeat::Possible,
            full_at: None,
        };
        self.mailboxes.deliver_blocking(delivery)?.wait()?;
        self.warned(recipient.id, now)
    }

    fn warned(&self, mailbox: RecipientId, now: Timestamp) -> Result<(), MailboxFailure> {
        let recorded = self.mailboxes.warn(mailbox, now);
        recorded.map_err(|error| MailboxFailure::Disk { reason: error.to_string().into() })
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::path::Path;

    use super::*;
    use crate::model::directory::{AcceptedDomain, Change, DomainType, Limit, Quota, RecipientType};
    use crate::model::mail::Domain;
    use crate::model::policy::Settings;
    use crate::world::ManualClock;
    use crate::world::disk::{Disk, SimulatedDisk};

    const INFO: RecipientId = RecipientId(1);

    struct Scene {
        disk: SimulatedDisk,
        clock: Arc<ManualClock>,
        keeper: QuotaKeeper,
    }

    fn contoso() -> Snapshot {
        let domain =
            AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative).as_default();
        let primary = Address::parse("info@contoso.example").unwrap();
        let mut info = Recipient::new(INFO, RecipientType::SharedMailbox, "info", primary);
        let [issue_warning, prohibit_send, prohibit_send_receive] =
            [1_000, 2_000, 3_000].map(|bytes| Some(Limit::Bytes(bytes)));
        info.quota = Some(Box::new(Quota { issue_warning, prohibit_send, prohibit_send_receive }));
        let changes = [Change::PutDomain(domain), Change::PutRecipient(Box::new(info))];
        Snapshot::default().apply(&changes).unwrap()
    }

    fn keeper(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> QuotaKeeper {
        let mailboxes = MailboxStore::open(Arc::new(disk.clone()), Path::new("/mail"), "mx", 1).unwrap();
        QuotaKeeper {
            mailboxes: Arc::new(mailboxes),
            tally: Arc::new(Tally::unkept(Arc::<ManualClock>::clone(clock))),
            last_uses: Arc::new(LastUses::unkept(Arc::<ManualClock>::clone(clock))),
            lockouts: Arc::new(LockoutStore::unkept(Arc::<ManualClock>::clone(clock))),
            directory: Arc::new(LiveDirectory::new(Arc::new(contoso()))),
            settings: Arc::default(),
            clock: Arc::<ManualClock>::clone(clock),
            host: "mx.contoso.example".into(),
            answered: Arc::new(AnsweredSenders::open(Arc::new(disk.clone()), Path::new("/replies")).unwrap()),
            rounds: AtomicU32::new(0),
        }
    }

    impl Scene {
        fn new() -> Self {
            let disk = SimulatedDisk::new(1);
            let start = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
            let clock = Arc::new(ManualClock::new(start));
            let keeper = keeper(&disk, &clock);
            Self { disk, clock, keeper }
        }

        fn receive(&self, id: &str, bytes: usize) {
            let delivery = Delivery {
                mailbox: MailboxName::of_recipient(INFO),
                folder: Folder::Inbox,
                name: DeliveryName::new(id, 0, 1).unwrap(),
                head: Vec::new(),
                message: Message::Bytes(b"x".repeat(bytes).into()),
                flags: Flags::NONE,
                repeat: Repeat::Never,
                full_at: None,
            };
            self.keeper.mailboxes.deliver_blocking(delivery).unwrap().wait().unwrap();
        }

        /// Subjects of the notices that are there.
        fn subjects(&self) -> Vec<String> {
            let new = Path::new("/mail").join(MailboxName::of_recipient(INFO).as_str()).join("new");
            let names = self.disk.list(&new).unwrap_or_default();
            let texts = names.iter().map(|name| String::from_utf8(self.disk.read(&new.join(name)).unwrap()).unwrap());
            texts.filter_map(|text| Some(text.split_once("Subject: ")?.1.lines().next()?.to_owned())).collect()
        }

        fn restart(&mut self) {
            self.keeper = keeper(&SimulatedDisk::new(9), &self.clock);
            self.disk.crash();
            self.keeper = keeper(&self.disk, &self.clock);
        }
    }

    #[test]
    fn an_owner_is_told_at_most_once_a_day_over_restarts_and_as_long_as_it_is_so() {
        let mut scene = Scene::new();
        scene.receive("a1", 999);
        scene.keeper.round();
        assert!(scene.subjects().is_empty());
        scene.receive("a2", 1);
        scene.keeper.round();
        assert_eq!(scene.subjects(), ["Your mailbox is almost full"]);
        // Fuller on the same day, and after a power cut: nothing more is said.
        scene.receive("a3", 2_000);
        scene.keeper.round();
        scene.restart();
        scene.clock.advance(Duration::from_secs(23 * 3_600));
        for _ in 0..8 {
            scene.keeper.round();
        }
        assert_eq!(scene.subjects().len(), 1);
        // The next day, into a mailbox that takes nothing else.
        scene.clock.advance(Duration::from_secs(3_600));
        scene.keeper.mailboxes.attend(INFO);
        for _ in 0..3 {
            scene.keeper.round();
            scene.keeper.mailboxes.examine_blocking(INFO).unwrap();
        }
        let mut subjects = scene.subjects();
        subjects.sort_unstable();
        assert_eq!(subjects.len(), 2);
        assert_eq!(subjects[1], "Your mailbox is full: you can't send or receive messages");
    }

    #[test]
    fn whom_a_removed_mailbox_has_answered_is_forgotten_even_after_a_crash() {
        use crate::model::queue::QueueId;
        use crate::store::answered::{Claim, Claimant};
        let mut scene = Scene::new();
        let sender = Address::parse("eve@fabrikam.example").unwrap().key();
        let claim = |scene: &Scene, mailbox, message| {
            let (sender, message) = (&sender, QueueId(message));
            let claimant = Claimant { mailbox, revision: 1, sender, message, senders_max: 10, regardless: false };
            scene.keeper.answered.claim(&claimant).unwrap()
        };
        assert_eq!((claim(&scene, INFO, 1), claim(&scene, RecipientId(2), 2)), (Claim::Granted, Claim::Granted));
        // The second one was removed from the directory, and then came the crash.
        scene.restart();
        for _ in 0..ROUNDS_PER_SWEEP * 256 {
            scene.keeper.round();
        }
        assert_eq!(claim(&scene, INFO, 3), Claim::Answered);
        let file = Path::new("/replies/02/0000000000000002");
        assert!(scene.disk.read(file).is_err() && scene.disk.read(Path::new("/replies/01/0000000000000001")).is_ok());
    }

    /// What the configuration says of mailboxes without values of their own counts as soon as it was read again.
    #[test]
    fn thresholds_that_were_read_again_count_for_the_next_notice() {
        use crate::model::policy::quota::Thresholds;
        let scene = Scene::new();
        let plain = |snapshot: &Snapshot| {
            let mut info = Recipient::clone(snapshot.recipient(INFO).unwrap());
            info.quota = None;
            snapshot.apply(&[Change::PutRecipient(Box::new(info))]).unwrap()
        };
        scene.keeper.directory.publish(Arc::new(plain(&scene.keeper.directory.current())));
        scene.receive("a1", 500);
        scene.keeper.round();
        assert!(scene.subjects().is_empty());
        let quota = Some(Thresholds { issue_warning: Some(400), ..Thresholds::default() });
        scene.keeper.settings.reload(&Settings { quota, ..Settings::default() });
        scene.keeper.mailboxes.attend(INFO);
        for _ in 0..3 {
            scene.keeper.mailboxes.examine_blocking(INFO).unwrap();
            scene.keeper.round();
        }
        assert_eq!(scene.subjects(), ["Your mailbox is almost full"]);
    }

    #[test]
    fn a_notice_that_was_put_there_before_a_crash_is_not_put_there_again() {
        let scene = Scene::new();
        scene.receive("a1", 1_000);
        let snapshot = scene.keeper.directory.current();
        let info = snapshot.recipient(INFO).unwrap();
        scene.keeper.tell(&snapshot, info, scene.clock.now()).unwrap();
        // As if the record of it had been lost.
        scene.keeper.tell(&snapshot, info, scene.clock.now()).unwrap();
        assert_eq!(scene.subjects().len(), 1);
    }
}
