//! Counts against a slow model that remembers every message, over kills, power cuts and damaged files.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::directory::Snapshot;
use crate::model::mail::{Address, ForwardPath};
use crate::model::policy::{
    DsnRequest, Envelope, MessageParameters, Origin, Passage, Posting, Sender as PolicySender, Settings, Unrecorded,
    admit, sign_in,
};
use crate::model::queue::{Addressee, EntryFacts, Hop, Target};
use crate::store::queue::Witness as _;
use crate::world::ManualClock;
use crate::world::disk::SimulatedDisk;

const DIRECTORY: &str = "/limits";
const START: &str = "2026-01-05T09:30:00Z";

/// One message of the slow model.
#[derive(Clone, Debug)]
struct Message {
    facts: EntryFacts,
    envelope: Envelope,
    targets: Vec<Target>,
    expanded: bool,
    /// It has left the queue, and the replay does not tell of it.
    gone: bool,
}

struct Scene {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    tally: Arc<Tally>,
    messages: Vec<Message>,
}

fn account(number: u64) -> RecipientId {
    RecipientId(number)
}

fn address(number: u64) -> Address {
    Address::parse(&format!("user{number}@contoso.example")).unwrap()
}

/// Three accounts with mailboxes.
fn contoso() -> Snapshot {
    use crate::model::directory::{AcceptedDomain, Change, DomainType, Recipient, RecipientType};
    let domain =
        AcceptedDomain::new(crate::model::mail::Domain::parse("contoso.example").unwrap(), DomainType::Authoritative)
            .as_default();
    let put = |number: u64| {
        let name = format!("user{number}");
        let mut user = Recipient::new(account(number), RecipientType::UserMailbox, name, address(number));
        user.account.as_deref_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
        Change::PutRecipient(Box::new(user))
    };
    Snapshot::default().apply(&[Change::PutDomain(domain), put(1), put(2), put(3)]).unwrap()
}

impl Scene {
    fn new() -> Self {
        let disk = SimulatedDisk::new(3);
        let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601(START).unwrap()));
        let tally = open(&disk, &clock);
        tally.settled(0);
        Self { disk, clock, tally, messages: Vec::new() }
    }

    /// A message of an account to the others, durable in the queue and not yet told.
    fn accept(&mut self, from: u64, to: &[u64]) -> usize {
        let (snapshot, settings) = (contoso(), Settings::default());
        let evidence = crate::model::policy::Evidence::Right(crate::model::policy::Proof::Password);
        let login = address(from).to_string();
        let signed_in = sign_in(&snapshot, &settings, &login, evidence, &mut Unrecorded).unwrap();
        let sender = PolicySender::Account(signed_in);
        let reverse_path = ReversePath::Mailbox(address(from));
        let posting = Posting::announced(&snapshot, sender.origin(), &reverse_path, 0);
        let permits = to.iter().map(|to| {
            let path = ForwardPath::Mailbox(address(*to));
            admit(&snapshot, &settings, &posting, path, DsnRequest::default(), &mut Unrecorded).unwrap()
        });
        let permits: Vec<_> = permits.collect();
        let envelope = Envelope::new(&sender, reverse_path.clone(), MessageParameters::default(), permits).unwrap();
        let facts = EntryFacts::new(QueueId(self.messages.len() as u64), self.clock.now(), &envelope, 1_000);
        let target = |to: &u64| {
            Target::new(Addressee {
                hop: Hop::Mailbox(account(*to)),
                address: address(*to),
                passage: Arc::new(Passage {
                    path: ForwardPath::Mailbox(address(*to)),
                    reverse_path: reverse_path.clone(),
                    dsn: DsnRequest::default(),
                    resent_from: None,
                    automatic_replies: true,
                }),
            })
        };
        let targets = to.iter().map(target).collect();
        self.messages.push(Message { facts, envelope, targets, expanded: false, gone: false });
        self.messages.len() - 1
    }

    fn tell_committed(&self, place: usize) {
        let message = &self.messages[place];
        self.tally.committed(0, &message.facts, &message.envelope, b"");
    }

    /// Expands a message, as the worker does, and tells so unless the machine ends before.
    fn expand(&mut self, place: usize, told: bool) {
        let message = &mut self.messages[place];
        message.expanded = true;
        let branch = Branch { id: message.facts.id, below: None };
        let taken = self.tally.take(branch, message.facts.accepted_at);
        for target in &message.targets {
            let Hop::Mailbox(mailbox) = target.addressee.hop else { unreachable!() };
            taken.one(mailbox, &message.facts.reverse_path, |_| Ok::<(), ()>(())).unwrap();
        }
        if told {
            self.tally.expanded(0, &message.facts, &message.targets);
            self.tally.paused();
        }
    }

    fn restart(&mut self) {
        self.tally = open(&self.disk, &self.clock);
        for message in self.messages.iter().filter(|message| !message.gone) {
            self.tally.committed(0, &message.facts, &message.envelope, b"");
            if message.expanded {
                self.tally.expanded(0, &message.facts, &message.targets);
            }
        }
        self.tally.settled(0);
    }

    /// What the model says of an account's day.
    fn of_day(&self, from: u64) -> u32 {
        let now = Hour::of(self.clock.now());
        let counts = |message: &&Message| {
            message.envelope.origin() == Origin::Account(account(from))
                && Hour::of(message.facts.accepted_at).0 + 25 > now.0
        };
        self.messages.iter().filter(counts).map(|message| message.envelope.permits().len() as u32).sum()
    }

    /// What it says of a mailbox's hour: all, and from one account.
    fn of_hour(&self, to: u64, from: u64) -> Received {
        let now = Slot::of(self.clock.now());
        let there = |message: &&Message| {
            let hop = Hop::Mailbox(account(to));
            let mine = message.targets.iter().any(|target| target.addressee.hop == hop);
            mine && message.expanded && Slot::of(message.facts.accepted_at).is_within_hour_of(now)
        };
        let all: Vec<&Message> = self.messages.iter().filter(there).collect();
        let own = ReversePath::Mailbox(address(from));
        let pair = all.iter().filter(|message| message.facts.reverse_path == own).count();
        Received { of_all: all.len() as u32, of_pair: pair as u32 }
    }

    fn agrees(&self) -> Result<(), TestCaseError> {
        for number in 1..=3 {
            prop_assert_eq!(self.tally.sent(account(number)).recipients_of_day, self.of_day(number));
            for from in 1..=3 {
                let sender = ReversePath::Mailbox(address(from));
                let known = self.tally.received(account(number), &sender, self.clock.now());
                prop_assert_eq!(known, self.of_hour(number, from));
            }
        }
        Ok(())
    }
}

fn open(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> Arc<Tally> {
    Arc::new(Tally::open(Arc::new(disk.clone()), Path::new(DIRECTORY), Arc::<ManualClock>::clone(clock)))
}

#[derive(Clone, Debug)]
enum Step {
    /// A message is accepted, expanded, and leaves the queue or not.
    Pass {
        from: u64,
        to: Vec<u64>,
        leaves: bool,
    },
    /// The process is killed at some moment of a message's way.
    Killed {
        from: u64,
        to: Vec<u64>,
        moment: u8,
    },
    /// An expansion is broken off and made again.
    Again {
        from: u64,
        to: Vec<u64>,
    },
    Minutes(u64),
    Tend,
    Kill,
}

fn recipients() -> impl Strategy<Value = Vec<u64>> {
    prop::sample::subsequence(vec![1_u64, 2, 3], 1..=3)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u64, recipients(), any::<bool>()).prop_map(|(from, to, leaves)| Step::Pass { from, to, leaves }),
        3 => (1..4_u64, recipients(), 0..4_u8).prop_map(|(from, to, moment)| Step::Killed { from, to, moment }),
        1 => (1..4_u64, recipients()).prop_map(|(from, to)| Step::Again { from, to }),
        3 => prop_oneof![0..50_u64, 50..1_500_u64].prop_map(Step::Minutes),
        3 => Just(Step::Tend),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_accepted_message_counts_once_after_every_history(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::new();
        for step in steps {
            match step {
                Step::Pass { from, to, leaves } => {
                    let place = scene.accept(from, &to);
                    scene.tell_committed(place);
                    scene.expand(place, true);
                    scene.messages[place].gone = leaves;
                }
                Step::Killed { from, to, moment } => {
                    let place = scene.accept(from, &to);
                    if moment > 0 {
                        scene.tell_committed(place);
                    }
                    if moment > 1 {
                        scene.expand(place, moment > 2);
                    }
                    scene.restart();
                }
                Step::Again { from, to } => {
                    let place = scene.accept(from, &to);
                    scene.tell_committed(place);
                    scene.expand(place, false);
                    scene.expand(place, true);
                }
                Step::Minutes(minutes) => scene.clock.advance(Duration::from_secs(minutes * 60)),
                Step::Tend => scene.tally.tend(),
                Step::Kill => scene.restart(),
            }
            scene.agrees()?;
        }
    }
}

#[test]
fn what_is_held_counts_until_it_is_given_back_or_accepted() {
    let mut scene = Scene::new();
    let sent = |scene: &Scene| scene.tally.sent(account(1)).recipients_of_day;
    let first = scene.tally.hold(account(1), 7, Some(10)).unwrap();
    assert_eq!(scene.tally.hold(account(1), 4, Some(10)).unwrap_err(), 3);
    let second = scene.tally.hold(account(1), 3, Some(10)).unwrap();
    assert_eq!(sent(&scene), 10);
    drop(second);
    assert_eq!(sent(&scene), 7);
    let place = scene.accept(1, &[1, 2, 3]);
    first.bind(scene.messages[place].facts.id);
    scene.tell_committed(place);
    // At no moment both.
    assert_eq!(sent(&scene), 3);
    drop(first);
    assert_eq!(sent(&scene), 3);
    assert!(scene.tally.hold(account(1), u32::MAX, None).is_ok() && scene.tally.hold(account(2), 1, Some(0)).is_err());
}

#[test]
fn each_hour_frees_itself_a_day_later() {
    let mut scene = Scene::new();
    for hour in 0..30_u32 {
        let place = scene.accept(1, &[1, 2]);
        scene.tell_committed(place);
        scene.tally.tend();
        assert_eq!(scene.tally.sent(account(1)).recipients_of_day, 2 * (hour + 1).min(25), "hour {hour}");
        if hour % 7 == 3 {
            scene.restart();
        }
        scene.clock.advance(Duration::from_secs(3_600));
    }
    // Hours that are over take one slip for each account, and those of yesterday are gone.
    scene.tally.tend();
    let names: Vec<String> =
        scene.disk.list(Path::new(DIRECTORY)).unwrap().into_iter().map(|name| name.into_string().unwrap()).collect();
    assert!(names.len() <= 28, "{names:?}");
    assert!(names.iter().filter(|name| name.ends_with(".sum")).count() > 15, "{names:?}");
}

#[test]
fn a_clock_that_was_years_ahead_neither_uses_up_a_limit_for_good_nor_silences_it() {
    let mut scene = Scene::new();
    let day_of = |scene: &Scene| scene.tally.sent(account(1)).recipients_of_day;
    let submit = |scene: &mut Scene| {
        let place = scene.accept(1, &[1, 2]);
        scene.tell_committed(place);
        scene.expand(place, true);
    };
    let now = scene.clock.now();
    scene.clock.set(now.plus(Duration::from_secs(20 * 365 * 86_400)));
    submit(&mut scene);
    assert_eq!(day_of(&scene), 2);
    scene.clock.set(now);
    assert_eq!(day_of(&scene), 0, "nothing was submitted today");
    submit(&mut scene);
    submit(&mut scene);
    assert_eq!(day_of(&scene), 4, "and what is submitted today counts");
    scene.messages.clear();
    scene.restart();
    assert_eq!(day_of(&scene), 4);
    let received = scene.tally.received(account(1), &ReversePath::Null, now);
    assert_eq!(received.of_all, 2);
    // Set back by an hour it was the same day.
    scene.clock.set(Timestamp::from_unix_milliseconds(now.unix_milliseconds() - 3_600_000));
    assert_eq!(day_of(&scene), 4);
}

#[test]
fn a_power_cut_or_damage_costs_no_more_than_the_end_of_a_file() {
    for seed in 0..40 {
        let mut scene = Scene::new();
        scene.disk = SimulatedDisk::new(seed);
        scene.tally = open(&scene.disk, &scene.clock);
        scene.tally.settled(0);
        for number in 0..20_u64 {
            let place = scene.accept(1 + number % 3, &[1, 2]);
            scene.tell_committed(place);
            scene.expand(place, true);
            if number == 9 {
                scene.tally.tend();
                scene.messages.iter_mut().for_each(|message| message.gone = true);
            }
        }
        scene.disk.crash();
        scene.restart();
        // Ten were durable, and the queue tells of the other ten.
        scene.agrees().unwrap();
    }
    let mut scene = Scene::new();
    let place = scene.accept(1, &[1, 2]);
    scene.tell_committed(place);
    let files: Vec<PathBuf> =
        scene.disk.list(Path::new(DIRECTORY)).unwrap().iter().map(|name| Path::new(DIRECTORY).join(name)).collect();
    scene.disk.damage(&files[0], 17, 0x40);
    scene.restart();
    scene.agrees().unwrap();
    assert!(!files.is_empty());
}

#[test]
fn pairs_take_a_bounded_amount_of_memory_and_the_busy_ones_stay() {
    let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601(START).unwrap()));
    let tally = Tally::unkept(Arc::<ManualClock>::clone(&clock));
    let slot = Slot::of(clock.now());
    // All in one shard.
    let one = |number: u64| Delivered { mailbox: account(1), pair: number * SHARDS as u64, slot };
    (0..50).for_each(|_| tally.received_one(one(0)));
    (1..100_000).for_each(|number| tally.received_one(one(number)));
    let shard = tally.shard(0);
    assert!(shard.pairs.len() <= PAIRS_OF_A_SHARD);
    assert_eq!(shard.pairs.get(&0).unwrap().of_hour(slot), 50);
}

#[test]
fn nothing_is_remembered_of_those_who_were_not_active_for_a_day() {
    let scene = Scene::new();
    for number in 1..=1_000 {
        let turn = scene.tally.turn(account(number), Some(5)).unwrap();
        turn.keep();
        drop(scene.tally.hold(account(number), 1, None).unwrap());
    }
    scene.clock.advance(Duration::from_secs(61));
    (0..SHARDS).for_each(|_| scene.tally.tend());
    assert!(scene.tally.shards.iter().all(|shard| locked(shard).senders.is_empty()));
}

#[test]
fn counts_of_an_older_file_are_read_and_last_as_long_as_its_hour() {
    use crate::store::slip::Slip;
    let scene = Scene::new();
    // As it was written when the hour was all that a file knew: the fourth number is none.
    let pair = pair_of(account(1), &ReversePath::Mailbox(address(2)));
    let slip = |id: u64| Slip { kind: 3, numbers: [id, 1, pair, 0] }.encode();
    let hour = Hour::of(scene.clock.now());
    let path = Path::new(DIRECTORY).join(format!("received-{:010}.log", hour.0));
    let mut file = scene.disk.create_new(&path).unwrap();
    file.append(&[slip(1), slip(2)].concat()).unwrap();
    let read = |clock: &Arc<ManualClock>| {
        let tally = open(&scene.disk, clock);
        tally.received(account(1), &ReversePath::Mailbox(address(2)), clock.now())
    };
    assert_eq!(read(&scene.clock), Received { of_all: 2, of_pair: 2 });
    // It is half past nine; all of it counts until an hour after ten.
    scene.clock.advance(Duration::from_secs(89 * 60));
    assert_eq!(read(&scene.clock), Received { of_all: 2, of_pair: 2 });
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(read(&scene.clock), Received::default());
}

#[test]
fn what_was_approved_counts_at_that_time_once_over_restarts() {
    use crate::model::queue::{Decision, Event};
    use crate::store::queue::Happened;
    let mut scene = Scene::new();
    let place = scene.accept(1, &[2]);
    let message = scene.messages[place].clone();
    // It waits for three hours.
    scene.clock.advance(Duration::from_secs(3 * 3_600));
    let approved_at = scene.clock.now();
    let tell = |tally: &Tally| {
        let decision = Decision::new(approved_at, "carol@contoso.example", "root", "");
        let addressee = Arc::clone(&message.targets[0].addressee);
        tally.moved(0, &message.facts, &[Happened { place: 0, addressee, event: Event::Approved(decision) }]);
        tally.branched(0, &message.facts, 0, 1, &message.targets);
    };
    let received =
        |scene: &Scene| scene.tally.received(account(2), &ReversePath::Mailbox(address(1)), scene.clock.now());
    // Judged and counted when it is expanded, as the worker does, and told afterwards.
    let branch = Branch { id: message.facts.id, below: Some(0) };
    let judge = |_| Ok::<(), ()>(());
    scene.tally.take(branch, approved_at).one(account(2), &message.facts.reverse_path, judge).unwrap();
    tell(&scene.tally);
    assert_eq!(received(&scene), Received { of_all: 1, of_pair: 1 });
    for _ in 0..2 {
        scene.tally = open(&scene.disk, &scene.clock);
        tell(&scene.tally);
        scene.tally.settled(0);
        assert_eq!(received(&scene), Received { of_all: 1, of_pair: 1 });
    }
    // Told again long after, it is over.
    scene.clock.advance(Duration::from_secs(4_200));
    scene.tally = open(&scene.disk, &scene.clock);
    tell(&scene.tally);
    assert_eq!(received(&scene), Received::default());
}
