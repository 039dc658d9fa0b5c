//! What is judged and waited for before a message is accepted, on a simulated disk and a clock that stands.

use core::time::Duration;
use std::path::Path;

use tokio::time::Instant;

use super::*;
use crate::model::directory::{AcceptedDomain, Cap, Change, DomainType, Limit, Quota, Recipient, RecipientLimits};
use crate::model::directory::{RecipientType, Snapshot};
use crate::model::mail::{Address, Domain, ForwardPath, ReversePath, Timestamp};
use crate::model::policy::{
    DsnRequest, Envelope, Evidence, MessageParameters, Posting, Profile, Proof, Sender, Settings, Unrecorded, admit,
    sign_in,
};
use crate::model::queue::{Limits, Schedule};
use crate::store::journal::JournalOptions;
use crate::store::mailbox::{Delivery, DeliveryName, Flags, Folder, MailboxName, MailboxStore, Message, Repeat};
use crate::store::queue::QueueOptions;
use crate::store::restrictions::RestrictionStore;
use crate::store::tally::Tally;
use crate::store::traffic::TrafficStore;
use crate::world::ManualClock;
use crate::world::disk::{Disk, SimulatedDisk};

const ALICE: RecipientId = RecipientId(1);
/// A shared mailbox that may send up to 100 octets.
const INFO: RecipientId = RecipientId(3);
const BOB: &str = "bob@contoso.example";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Alice, whom `change` changes, bob, and info.
fn contoso(change: impl FnOnce(&mut Recipient)) -> Snapshot {
    let domain = AcceptedDomain::new(Domain::parse("contoso.example").unwrap(), DomainType::Authoritative).as_default();
    let user = |id: u64, name: &str| {
        let primary = address(&format!("{name}@contoso.example"));
        let mut user = Recipient::new(RecipientId(id), RecipientType::UserMailbox, name, primary);
        user.account.as_deref_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
        user
    };
    let mut alice = user(1, "alice");
    change(&mut alice);
    let put = |user: Recipient| Change::PutRecipient(Box::new(user));
    let mut info = Recipient::new(INFO, RecipientType::SharedMailbox, "info", address("info@contoso.example"));
    info.quota = Some(Box::new(Quota { prohibit_send: Some(Limit::Bytes(100)), ..Quota::default() }));
    Snapshot::default().apply(&[Change::PutDomain(domain), put(alice), put(user(2, "bob")), put(info)]).unwrap()
}

mod outbound;

/// An intake that survives a kill.
struct Scene {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    snapshot: Arc<Snapshot>,
    settings: Arc<Settings>,
    intake: Intake,
}

fn intake(disk: &SimulatedDisk, clock: &Arc<ManualClock>, snapshot: &Arc<Snapshot>, own: &Arc<Settings>) -> Intake {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let tally = Tally::open(Arc::clone(&shared), Path::new("/limits"), Arc::<ManualClock>::clone(clock));
    let tally = Arc::new(tally);
    let options = QueueOptions {
        journal: JournalOptions { free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) },
        schedule: Schedule::exchange_online(),
        limits: Limits::default(),
        expired: Refusal::MessageExpired.bare_reply(own),
        witness: Arc::<Tally>::clone(&tally),
    };
    let opened = Queue::open(Arc::clone(&shared), Path::new("/queue"), options, Arc::<ManualClock>::clone(clock));
    let mailboxes = Arc::new(MailboxStore::open(shared, Path::new("/mail"), "mx.contoso.example", 1).unwrap());
    let restrictions = Arc::new(RestrictionStore::open(Arc::new(disk.clone()), Path::new("/sign-ins")).unwrap());
    let directory = Arc::new(LiveDirectory::new(Arc::clone(snapshot)));
    let traffic = Arc::new(TrafficStore::new(Arc::<ManualClock>::clone(clock)));
    Intake::new(
        Arc::new(opened.unwrap().0),
        directory,
        Arc::new(LiveSettings::new(Settings::clone(own))),
        Counters { mailboxes, tally, restrictions, traffic },
        Arc::<ManualClock>::clone(clock),
        "mx.contoso.example",
    )
}

impl Scene {
    fn new(profile: Profile, change: impl FnOnce(&mut Recipient)) -> Self {
        let (disk, settings) = (SimulatedDisk::new(1), Arc::new(Settings::of(profile)));
        let start = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let (clock, snapshot) = (Arc::new(ManualClock::new(start)), Arc::new(contoso(change)));
        let intake = intake(&disk, &clock, &snapshot, &settings);
        Self { disk, clock, snapshot, settings, intake }
    }

    fn kill(self) -> Self {
        let Self { disk, clock, snapshot, settings, intake: former } = self;
        drop(former);
        disk.restart();
        let intake = intake(&disk, &clock, &snapshot, &settings);
        Self { disk, clock, snapshot, settings, intake }
    }

    /// A message of alice's to so many recipients.
    fn submission(&self, recipients: usize) -> Submission {
        self.submission_to((0..recipients).map(|number| format!("bob+{number}@contoso.example")))
    }

    fn submission_to(&self, recipients: impl Iterator<Item = String>) -> Submission {
        let evidence = Evidence::Right(Proof::Password);
        let signed_in = sign_in(&self.snapshot, &self.settings, "alice@contoso.example", evidence, &mut Unrecorded);
        self.submission_by(&Sender::Account(signed_in.unwrap()), recipients)
    }

    fn submission_by(&self, sender: &Sender, recipients: impl Iterator<Item = String>) -> Submission {
        let reverse_path = ReversePath::Mailbox(address("alice@contoso.example"));
        let posting = Posting::announced(&self.snapshot, sender.origin(), &reverse_path, 0);
        let posting = posting.by_connector(sender.vouched());
        let permit = |recipient: String| {
            let path = ForwardPath::Mailbox(address(&recipient));
            admit(&self.snapshot, &self.settings, &posting, path, DsnRequest::default(), &mut Unrecorded).unwrap()
        };
        let permits = recipients.map(permit).collect();
        let envelope = Envelope::new(sender, reverse_path, MessageParameters::default(), permits).unwrap();
        let head = format!("From: alice@contoso.example\r\nTo: {BOB}\r\n\r\n").into_bytes();
        Submission { envelope, submit_as: None, head, body_bytes: 0, message_id: String::new() }
    }

    /// Admits a message and makes it durable.
    async fn accept(&self, recipients: usize) -> Result<(), Refusal> {
        self.take(self.submission(recipients)).await
    }

    async fn take(&self, submission: Submission) -> Result<(), Refusal> {
        let admitted = self.intake.admit(&submission, 0).await?;
        self.intake.commit(admitted, submission, SpooledBody::Memory(Vec::new())).await.unwrap();
        Ok(())
    }

    /// Admits what alice sends in this capacity.
    async fn admit(&self, submit_as: SubmitAs) -> Result<(), Refusal> {
        let submission = Submission { submit_as: Some(submit_as), ..self.submission(1) };
        self.intake.admit(&submission, 0).await.map(drop)
    }

    /// Puts octets into a mailbox.
    async fn fill(&self, mailbox: RecipientId, id: &str, bytes: usize) -> std::path::PathBuf {
        let delivery = Delivery {
            mailbox: MailboxName::of_recipient(mailbox),
            folder: Folder::Inbox,
            name: DeliveryName::new(id, 0, 1).unwrap(),
            head: Vec::new(),
            message: Message::Bytes(b"x".repeat(bytes).into()),
            flags: Flags::NONE,
            repeat: Repeat::Never,
            full_at: None,
        };
        self.intake.counters.mailboxes.deliver(delivery).await.unwrap().await.unwrap().path
    }
}

fn limited(change: impl FnOnce(&mut RecipientLimits)) -> impl FnOnce(&mut Recipient) {
    move |recipient| change(recipient.limits.get_or_insert_default())
}

#[tokio::test(start_paused = true)]
async fn thirty_messages_a_minute_pass_and_the_next_is_held_back_until_the_minute_is_over() {
    let scene = Scene::new(Profile::ExchangeOnline, |_| {});
    let began = Instant::now();
    for _ in 0..30 {
        scene.accept(1).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    // One whose client leaves meanwhile gives its moment to the next.
    let submission = scene.submission(1);
    let leaves = tokio::time::timeout(Duration::from_secs(5), scene.intake.admit(&submission, 0)).await;
    assert!(leaves.is_err());
    assert_eq!(scene.intake.tallies().submitted(ALICE), 30);
    scene.accept(1).await.unwrap();
    // The clock of the server stands still, so that the wait is a whole minute.
    assert_eq!(began.elapsed(), Duration::from_secs(65));
}

#[tokio::test(start_paused = true)]
async fn on_premises_the_sixth_message_of_a_minute_is_refused() {
    let scene = Scene::new(Profile::ExchangeServer, |_| {});
    for _ in 0..5 {
        scene.accept(1).await.unwrap();
    }
    assert_eq!(scene.accept(1).await, Err(Refusal::MessageRateExceeded));
    assert_eq!(scene.intake.tallies().submitted(ALICE), 5);
    scene.clock.advance(Duration::from_secs(60));
    scene.accept(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn recipients_of_a_day_are_counted_over_kills_and_free_themselves_by_the_hour() {
    let mut scene =
        Scene::new(Profile::ExchangeOnline, limited(|limits| limits.recipients_per_day = Some(Cap::Count(10))));
    scene.accept(4).await.unwrap();
    scene.clock.advance(Duration::from_secs(3_600));
    scene.accept(5).await.unwrap();
    scene = scene.kill();
    assert_eq!(scene.accept(2).await, Err(Refusal::DailyRecipientsExceeded));
    scene.accept(1).await.unwrap();
    scene = scene.kill();
    assert_eq!(scene.accept(1).await, Err(Refusal::DailyRecipientsExceeded));
    scene.clock.advance(Duration::from_secs(23 * 3_600));
    // A day after the first, its hour is not over yet by a day.
    assert_eq!(scene.accept(1).await, Err(Refusal::DailyRecipientsExceeded));
    scene.clock.advance(Duration::from_secs(3_600));
    // The four of the first hour are free, and no more.
    assert_eq!(scene.accept(5).await, Err(Refusal::DailyRecipientsExceeded));
    scene.accept(4).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_at_once_do_not_overshoot_the_day() {
    let scene = Scene::new(Profile::ExchangeOnline, limited(|limits| limits.recipients_per_day = Some(Cap::Count(7))));
    let submissions: Vec<Submission> = (0..5).map(|_| scene.submission(2)).collect();
    let mut admitted = Vec::new();
    for submission in &submissions {
        admitted.extend(scene.intake.admit(submission, 0).await.ok());
    }
    // Three are held before any of them is accepted; what is given up is free again.
    assert_eq!(admitted.len(), 3);
    admitted.pop();
    assert!(scene.intake.admit(&submissions[0], 0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_fourth_session_is_refused_and_an_account_may_have_more() {
    let scene = Scene::new(Profile::ExchangeOnline, |_| {});
    let submission = scene.submission(1);
    assert!(scene.intake.admit(&submission, 2).await.is_ok());
    assert_eq!(scene.intake.admit(&submission, 3).await.err(), Some(Refusal::ConcurrentSessionsExceeded));
    let more = limited(|limits| limits.sessions = Some(Cap::Unlimited));
    let scene = Scene::new(Profile::ExchangeOnline, more);
    assert!(scene.intake.admit(&scene.submission(1), 100).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whose_own_mailbox_is_full_does_not_send_until_room_was_made() {
    let scene = Scene::new(Profile::ExchangeOnline, |alice| {
        alice.quota = Some(Box::new(Quota { prohibit_send: Some(Limit::Bytes(100)), ..Quota::default() }));
    });
    scene.fill(ALICE, "a1", 99).await;
    scene.accept(1).await.unwrap();
    let file = scene.fill(ALICE, "a2", 1).await;
    let mut scene = scene.kill();
    assert_eq!(scene.accept(1).await, Err(Refusal::SenderQuotaExceeded));
    // A reader removes a message behind our back: the very next one is accepted.
    scene.disk.remove(&file).unwrap();
    scene.accept(1).await.unwrap();
    // Refused messages use nothing up.
    scene = scene.kill();
    let tally = &scene.intake.counters.tally;
    assert_eq!(tally.sent(ALICE).recipients_of_day, 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_shared_mailbox_is_not_sent_as_until_room_was_made() {
    let scene = Scene::new(Profile::ExchangeOnline, |_| {});
    scene.fill(INFO, "a1", 99).await;
    let capacities = [SubmitAs::As(INFO), SubmitAs::OnBehalf(INFO)];
    for capacity in capacities {
        assert_eq!(scene.admit(capacity).await, Ok(()), "{capacity:?}");
    }
    let file = scene.fill(INFO, "a2", 1).await;
    for capacity in capacities {
        assert_eq!(scene.admit(capacity).await, Err(Refusal::SenderQuotaExceeded), "{capacity:?}");
    }
    // What she sends as herself is none of its business.
    assert_eq!(scene.admit(SubmitAs::Own).await, Ok(()));
    scene.disk.remove(&file).unwrap();
    for capacity in capacities {
        assert_eq!(scene.admit(capacity).await, Ok(()), "{capacity:?}");
    }
}
