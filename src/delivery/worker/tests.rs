//! Messages on their whole way: from the queue into mailboxes, out of the house, and back as reports.

mod counting;
mod moderation;

use std::path::{Path, PathBuf};

use super::super::outbox::Outbox;
use super::super::outgoing::{Closing, Outcomes};
use super::*;
use crate::model::directory::{
    AcceptedDomain, Cap, Change, DomainType, Forwarding, Grant, Group, Limit, Quota, Recipient, RecipientId,
    RecipientLimits, RecipientType, Right,
};
use crate::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use crate::model::policy::{
    DsnRequest, Envelope, Evidence, MessageParameters, Posting, Proof, Refusal, Sender, Settings, admit, sent_items,
    sign_in, submit_as,
};
use crate::model::queue::{Addressee, Limits};
use crate::store::journal::JournalOptions;
use crate::store::mailbox::MailboxName;
use crate::store::mailbox::MailboxStore;
use crate::store::queue::{OwnMessage, QueueOptions};
use crate::store::spool::SpooledBody;
use crate::world::clock::ManualClock;
use crate::world::disk::SimulatedDisk;
use crate::world::random::SeededRandom;

const ALICE: RecipientId = RecipientId(1);
const BOB: RecipientId = RecipientId(2);
const STAFF: RecipientId = RecipientId(3);
const CAROL: RecipientId = RecipientId(4);
const INFO: RecipientId = RecipientId(5);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn mailbox(id: RecipientId, name: &str) -> Recipient {
    let mut recipient =
        Recipient::new(id, RecipientType::UserMailbox, name, address(&format!("{name}@contoso.example")));
    recipient.account.as_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
    recipient
}

/// Alice and Bob; staff with both; Carol forwards to Bob; info, in whose name Alice may send.
fn contoso() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let mut staff =
        Recipient::new(STAFF, RecipientType::MailUniversalDistributionGroup, "staff", address("staff@contoso.example"));
    let mut group = Group::default();
    group.set_members(vec![ALICE, BOB]);
    staff.group = Some(Box::new(group));
    let mut carol = mailbox(CAROL, "carol");
    let forwarding = Forwarding { forwarding_address: Some(BOB), ..Forwarding::default() };
    carol.forwarding = Some(Box::new(forwarding));
    let mut info = Recipient::new(INFO, RecipientType::SharedMailbox, "info", address("info@contoso.example"));
    info.grants.push(Grant { trustee: ALICE, right: Right::SendAs, deny: false });
    info.sent_items.sent_as = true;
    let put = |recipient: Recipient| Change::PutRecipient(Box::new(recipient));
    let first = [Change::PutDomain(domain), put(mailbox(ALICE, "alice")), put(mailbox(BOB, "bob"))];
    Snapshot::default().apply(&first).unwrap().apply(&[put(staff), put(carol), put(info)]).unwrap()
}

/// What makes one of them another.
fn altered(snapshot: &Snapshot, id: RecipientId, alter: impl FnOnce(&mut Recipient)) -> Change {
    let mut recipient = Recipient::clone(snapshot.recipient(id).unwrap());
    alter(&mut recipient);
    Change::PutRecipient(Box::new(recipient))
}

/// A house with everything but sockets.
struct House {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    agents: Arc<Agents>,
}

impl House {
    fn new(outgoing: Option<Arc<dyn Outgoing>>) -> Self {
        Self::of(contoso(), outgoing)
    }

    fn of(snapshot: Snapshot, outgoing: Option<Arc<dyn Outgoing>>) -> Self {
        let disk = SimulatedDisk::new(1);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()));
        let tally = Arc::new(Tally::unkept(Arc::<ManualClock>::clone(&clock)));
        let options = QueueOptions {
            journal: JournalOptions { free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) },
            schedule: Schedule::exchange_online(),
            limits: Limits::default(),
            expired: Refusal::MessageExpired.bare_reply(&Settings::default()),
            witness: Arc::<Tally>::clone(&tally),
        };
        let own: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let (queue, _) = Queue::open(Arc::clone(&shared), Path::new("/queue"), options, Arc::clone(&own)).unwrap();
        let store = MailboxStore::open(Arc::clone(&shared), Path::new("/mail"), "mx.contoso.example", 2).unwrap();
        let outbox = || Arc::new(Outbox::open(Arc::clone(&shared), Path::new("/outbox")).unwrap());
        let snapshot = Arc::new(snapshot);
        let agents = Agents {
            queue: Arc::new(queue),
            directory: Arc::new(move || Arc::clone(&snapshot)),
            settings: Arc::default(),
            schedule: Schedule::exchange_online(),
            tally: Arc::clone(&tally),
            mailboxes: MailboxAgent::new(Arc::new(store)),
            answered: Arc::new(AnsweredSenders::open(Arc::clone(&shared), Path::new("/replies")).unwrap()),
            outgoing: outgoing.unwrap_or_else(|| outbox()),
            disk: shared,
            clock: own,
            random: Arc::new(SeededRandom::new(1)),
            host: "mx.contoso.example".into(),
            rehearsal: None,
        };
        Self { disk, clock, agents: Arc::new(agents) }
    }

    fn alice(&self) -> Sender {
        let snapshot = self.agents.directory.snapshot();
        let evidence = Evidence::Right(Proof::Password);
        let signed_in =
            sign_in(&snapshot, &self.agents.settings.current(), "alice@contoso.example", evidence, &mut Unrecorded);
        Sender::Account(signed_in.unwrap())
    }

    async fn submit(&self, from: &str, to: &[&str]) -> QueueId {
        let (snapshot, sender) = (self.agents.directory.snapshot(), self.alice());
        let reverse_path = ReversePath::Mailbox(address(from));
        let posting = Posting::announced(&snapshot, sender.origin(), &reverse_path, 0);
        let permit = |to: &&str| {
            let path = ForwardPath::Mailbox(address(to));
            let dsn = DsnRequest::default();
            admit(&snapshot, &self.agents.settings.current(), &posting, path, dsn, &mut Unrecorded).unwrap()
        };
        let permits = to.iter().map(permit).collect();
        let capacity = submit_as(&snapshot, &self.agents.settings.current(), ALICE, &address(from), &mut Unrecorded);
        let kept =
            sent_items(&snapshot, &self.agents.settings.current(), ALICE, capacity, &reverse_path, &mut Unrecorded);
        let envelope = Envelope::new(&sender, reverse_path, MessageParameters::default(), permits).unwrap();
        let envelope = envelope.with_sent_items(kept.with_blind(b"Bcc: <bob@contoso.example>\r\n".to_vec()));
        let head = format!("From: <{from}>\r\nSubject: Hello\r\nMessage-ID: <1@contoso.example>\r\n\r\n");
        let queue = &self.agents.queue;
        let body = SpooledBody::Memory(b"Good morning\r\n".to_vec());
        queue.commit(queue.reserve_id(), envelope, head.into_bytes(), body).await.unwrap()
    }

    /// Runs the worker until the queue is empty, or for a second.
    async fn settle(&self) {
        let queue = Arc::clone(&self.agents.queue);
        let empty = async move {
            for _ in 0..200 {
                if queue.count() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        run(Arc::clone(&self.agents), empty, Duration::from_secs(5)).await;
    }

    fn files(&self, directory: impl AsRef<Path>) -> Vec<(PathBuf, String)> {
        let directory = directory.as_ref();
        let names = self.disk.list(directory).unwrap_or_default();
        let paths = names.into_iter().map(|name| directory.join(name));
        paths.filter_map(|path| Some((path.clone(), String::from_utf8(self.disk.read(&path).ok()?).unwrap()))).collect()
    }

    fn inbox(&self, id: RecipientId) -> Vec<String> {
        let place = Path::new("/mail").join(MailboxName::of_recipient(id).as_str()).join("new");
        self.files(place).into_iter().map(|(_, content)| content).collect()
    }

    fn sent(&self, id: RecipientId) -> Vec<(PathBuf, String)> {
        self.files(Path::new("/mail").join(MailboxName::of_recipient(id).as_str()).join(".Sent Items/cur"))
    }
}

fn in_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await.unwrap() });
}

#[test]
fn a_group_gets_one_copy_each_and_the_sender_one_in_sent_items() {
    in_runtime(async {
        let house = House::new(None);
        house.submit("alice@contoso.example", &["staff@contoso.example", "bob@contoso.example"]).await;
        house.settle().await;
        for (id, name) in [(ALICE, "alice"), (BOB, "bob")] {
            let [mail] = house.inbox(id).try_into().unwrap();
            let trace = format!("Return-Path: <alice@contoso.example>\nDelivered-To: {name}@contoso.example\nFrom:");
            assert!(mail.starts_with(&trace), "{mail}");
            assert!(mail.ends_with("\n\nGood morning\n"));
        }
        let [(path, copy)] = house.sent(ALICE).try_into().unwrap();
        assert!(path.to_string_lossy().ends_with(":2,S"), "{path:?}");
        assert!(copy.starts_with("Bcc: <bob@contoso.example>\nFrom: <alice@contoso.example>\n"), "{copy}");
        assert_eq!(house.agents.queue.count(), 0);
    });
}

#[test]
fn forwarded_mail_names_who_forwarded_it_and_a_shared_mailbox_keeps_what_is_sent_as_it() {
    in_runtime(async {
        let house = House::new(None);
        house.submit("info@contoso.example", &["carol@contoso.example"]).await;
        house.settle().await;
        assert!(house.inbox(CAROL).is_empty());
        let [mail] = house.inbox(BOB).try_into().unwrap();
        assert!(mail.contains("Resent-From: <carol@contoso.example>\n"), "{mail}");
        assert_eq!((house.sent(ALICE).len(), house.sent(INFO).len()), (1, 1));
    });
}

#[test]
fn mail_for_others_is_written_to_the_outbox_with_its_envelope() {
    in_runtime(async {
        let house = House::new(None);
        let id = house.submit("alice@contoso.example", &["partner@fabrikam.example", "x@fabrikam.example"]).await;
        house.settle().await;
        let [(eml, mail), (json, envelope)] = house.files("/outbox").try_into().unwrap();
        assert_eq!(eml, Path::new("/outbox").join(format!("{id}-0.eml")));
        assert!(mail.ends_with("\r\n\r\nGood morning\r\n"));
        assert_eq!(json, Path::new("/outbox").join(format!("{id}-0.json")));
        let envelope: serde_json::Value = serde_json::from_str(&envelope).unwrap();
        assert_eq!(envelope["reverse_path"], "alice@contoso.example");
        assert_eq!(envelope["recipients"], serde_json::json!(["partner@fabrikam.example", "x@fabrikam.example"]));
    });
}

#[test]
fn what_fails_comes_back_as_a_report_and_a_report_never_begets_another() {
    in_runtime(async {
        let house = House::new(None);
        house.submit("alice@contoso.example", &["nobody@contoso.example", "bob@contoso.example"]).await;
        house.settle().await;
        let [report] = house.inbox(ALICE).try_into().unwrap();
        assert!(report.starts_with("Return-Path: <>\n"), "{report}");
        assert!(report.contains("\nSubject: Undeliverable: Hello\n"));
        assert!(report.contains("\nFrom: Mail Delivery <postmaster@contoso.example>\n"));
        assert!(report.contains("\nFinal-Recipient: rfc822;nobody@contoso.example\n"));
        assert!(report.contains("\nIn-Reply-To: <1@contoso.example>\n"));
        assert!(report.contains("Good morning"));
        assert_eq!((house.inbox(BOB).len(), house.agents.queue.count()), (1, 0));

        // A report to an address that is refused ends in silence.
        let (snapshot, settings) = (house.agents.directory.snapshot(), house.agents.settings.current());
        let path = ForwardPath::Mailbox(address("nobody@contoso.example"));
        let permit =
            admit(&snapshot, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap();
        let envelope =
            Envelope::new(&Sender::System, ReversePath::Null, MessageParameters::default(), vec![permit]).unwrap();
        let content = b"Subject: Undeliverable: x\r\n\r\n".to_vec();
        house.agents.queue.commit_own(OwnMessage { envelope, content }).await.unwrap();
        house.settle().await;
        assert_eq!((house.inbox(ALICE).len(), house.agents.queue.count()), (1, 0));
    });
}

#[test]
fn a_full_mailbox_takes_nothing_and_the_sender_hears_of_it() {
    in_runtime(async {
        let snapshot = contoso();
        let mut bob = Recipient::clone(snapshot.recipient(BOB).unwrap());
        bob.quota = Some(Box::new(Quota { prohibit_send_receive: Some(Limit::Bytes(1)), ..Quota::default() }));
        let house = House::of(snapshot.apply(&[Change::PutRecipient(Box::new(bob))]).unwrap(), None);
        // The first message is larger than what is left, and arrives; it fills the mailbox.
        for _ in 0..2 {
            house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
            house.settle().await;
        }
        let [report] = house.inbox(ALICE).try_into().unwrap();
        assert!(report.contains("\nStatus: 5.2.2\n"), "{report}");
        assert_eq!(house.inbox(BOB).len(), 1);
    });
}

/// A way out on which nothing gets through.
struct Blocked;

impl Outgoing for Blocked {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            let reply = Reply::new(451, EnhancedStatus(4, 4, 1), "connection refused");
            let outcome = Outcome::Deferred(Attempt { at: parcel.at, host: None, reply });
            parcel.recipients.iter().map(|(place, _)| (*place, outcome.clone())).collect()
        })
    }
}

#[test]
fn what_cannot_leave_is_announced_after_hours_and_given_up_after_a_day() {
    in_runtime(async {
        let house = House::new(Some(Arc::new(Blocked)));
        let id = house.submit("alice@contoso.example", &["partner@fabrikam.example"]).await;
        house.settle().await;
        let summary = house.agents.queue.show(id).unwrap();
        assert_eq!(summary.last_reply.as_deref(), Some("451 4.4.1 connection refused"));
        assert!(summary.next_attempt.is_some() && house.inbox(ALICE).is_empty());

        house.clock.advance(Duration::from_secs(4 * 3600));
        house.settle().await;
        let [notice] = house.inbox(ALICE).try_into().unwrap();
        assert!(notice.contains("\nSubject: Delivery delayed: Hello\n"), "{notice}");

        house.clock.advance(Duration::from_secs(20 * 3600));
        house.settle().await;
        let reports = house.inbox(ALICE);
        assert_eq!((reports.len(), house.agents.queue.count()), (2, 0));
        assert!(reports.iter().any(|report| report.contains("\nStatus: 4.4.7\n")), "{reports:?}");
    });
}

/// A way out that is busy with a message until it is told to close.
#[derive(Default)]
struct Lingering {
    events: std::sync::Mutex<Vec<&'static str>>,
    busy: tokio::sync::Notify,
    closing: tokio::sync::Notify,
}

impl Outgoing for Lingering {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            self.busy.notify_one();
            self.closing.notified().await;
            self.events.lock().unwrap().push("carried");
            Blocked.carry(parcel).await
        })
    }

    fn close(&self) -> Closing<'_> {
        Box::pin(async {
            self.events.lock().unwrap().push("closed");
            self.closing.notify_one();
        })
    }
}

#[test]
fn the_way_out_is_closed_at_once_when_told_to_stop_and_again_when_the_last_delivery_has_ended() {
    in_runtime(async {
        let lingering = Arc::new(Lingering::default());
        let house = House::new(Some(Arc::clone(&lingering) as Arc<dyn Outgoing>));
        house.submit("alice@contoso.example", &["partner@fabrikam.example"]).await;
        run(Arc::clone(&house.agents), lingering.busy.notified(), Duration::from_secs(60)).await;
        assert_eq!(*lingering.events.lock().unwrap(), ["closed", "carried", "closed"]);
    });
}

#[test]
fn who_was_disabled_after_the_message_came_has_it_all_the_same() {
    in_runtime(async {
        let house = House::new(None);
        let id = house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
        let message = house.agents.queue.message(id).await.unwrap();
        let bob = address("bob@contoso.example");
        let path = ForwardPath::Mailbox(bob.clone());
        let addressee = Addressee::nowhere(bob, path, ReversePath::Null, DsnRequest::default());
        let addressee = Addressee { hop: Hop::Mailbox(BOB), ..addressee };
        let copy = |place, repeat_possible| Copy { message: &message, place, addressee: &addressee, repeat_possible };
        let (settings, now) = (house.agents.settings.current(), house.clock.now());
        let (bob_is_here, bob_is_gone) = (house.agents.directory.snapshot(), Snapshot::default());
        let deliver = |copy, snapshot| house.agents.mailboxes.deliver(copy, snapshot, &settings, now);
        assert!(matches!(deliver(copy(0, false), &bob_is_here).await, Outcome::Delivered(_)));
        assert!(matches!(deliver(copy(0, true), &bob_is_gone).await, Outcome::Delivered(_)));
        assert!(matches!(deliver(copy(1, true), &bob_is_gone).await, Outcome::Failed(_)));
        // Whether it is there cannot be said: it is asked again.
        house.disk.fail_synchronization(1);
        assert!(matches!(deliver(copy(0, true), &bob_is_gone).await, Outcome::Deferred(_)));
    });
}

#[test]
fn a_copy_for_sent_items_that_is_delivered_again_after_a_crash_is_there_once() {
    in_runtime(async {
        let house = House::new(None);
        let id = house.submit("info@contoso.example", &["bob@contoso.example"]).await;
        let message = house.agents.queue.message(id).await.unwrap();
        let (snapshot, settings) = (house.agents.directory.snapshot(), house.agents.settings.current());
        assert_eq!(message.envelope.sent_items().keepers(), [ALICE, INFO]);
        for (place, keeper) in [(1, ALICE), (2, INFO)] {
            let Target { addressee, .. } = Target::sent_copy(snapshot.recipient(keeper).unwrap());
            let deliver = async |agent: &MailboxAgent, repeat_possible| {
                let copy = Copy { message: &message, place, addressee: &addressee, repeat_possible };
                let outcome = agent.deliver(copy, &snapshot, &settings, house.clock.now()).await;
                assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
            };
            deliver(&house.agents.mailboxes, false).await;
            // The outcome was not recorded any more: whoever starts next knows of no delivery, and makes it again.
            let disk: Arc<dyn Disk> = Arc::new(house.disk.clone());
            let next = MailboxStore::open(disk, Path::new("/mail"), "mx.contoso.example", 2).unwrap();
            deliver(&MailboxAgent::new(Arc::new(next)), true).await;
            let [(path, copy)] = house.sent(keeper).try_into().unwrap();
            assert!(
                path.to_string_lossy().ends_with(":2,S") && copy.contains("\n\nGood morning\n"),
                "{path:?}: {copy}"
            );
        }
    });
}

/// A way out that never answers, and counts how often it was tried.
#[derive(Default)]
struct Hanging(std::sync::atomic::AtomicUsize);

impl Outgoing for Hanging {
    fn carry(&self, _: Parcel) -> Outcomes<'_> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(core::future::pending())
    }
}

#[test]
fn a_worker_that_hangs_keeps_its_message_for_hours_and_not_for_ever() {
    in_runtime(async {
        let hanging = Arc::new(Hanging::default());
        let house = House::new(Some(Arc::<Hanging>::clone(&hanging)));
        house.submit("alice@contoso.example", &["partner@fabrikam.example"]).await;
        let attempts = || hanging.0.load(std::sync::atomic::Ordering::Relaxed);
        let (agents, clock) = (Arc::clone(&house.agents), Arc::clone(&house.clock));
        let watch = async {
            let mut minutes = 0_u32;
            while attempts() < 2 && minutes < 300 {
                tokio::time::sleep(Duration::from_millis(3)).await;
                if attempts() == 1 {
                    minutes += 1;
                    clock.advance(Duration::from_secs(60));
                }
                // Wakes the worker, as any event does.
                agents.queue.command(crate::model::queue::Command::Hold(QueueId(0)));
            }
            assert!((60..=125).contains(&minutes), "tried again after {minutes} minutes");
        };
        run(Arc::clone(&house.agents), watch, Duration::from_millis(1)).await;
    });
}

#[test]
fn a_mailbox_takes_so_many_messages_an_hour_and_the_sender_hears_of_the_others() {
    in_runtime(async {
        let snapshot = contoso();
        let mut bob = Recipient::clone(snapshot.recipient(BOB).unwrap());
        let received_per_hour = Some(Cap::Count(2));
        bob.limits = Some(Box::new(RecipientLimits { received_per_hour, ..RecipientLimits::default() }));
        let house = House::of(snapshot.apply(&[Change::PutRecipient(Box::new(bob))]).unwrap(), None);
        for _ in 0..3 {
            house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
            house.settle().await;
        }
        let [report] = house.inbox(ALICE).try_into().unwrap();
        assert!(report.contains("\nStatus: 5.2.122\n"), "{report}");
        assert_eq!(house.inbox(BOB).len(), 2);
        // The report to alice, this server's own, is not counted; and after an hour, ten minutes at a time, there is room
        // again.
        assert_eq!(house.agents.tally.received(ALICE, &ReversePath::Null, house.clock.now()).of_all, 0);
        house.clock.advance(Duration::from_secs(4_200));
        house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
        house.settle().await;
        assert_eq!(house.inbox(BOB).len(), 3);
    });
}
