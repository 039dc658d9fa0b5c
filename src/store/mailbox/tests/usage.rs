//! What mailboxes hold: exact whatever deliveries, readers, kills and power cuts do.

use super::*;
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::store::hands::Hands;

pub(super) const BOB: RecipientId = RecipientId(7);

fn bob() -> MailboxName {
    MailboxName::of_recipient(BOB)
}

pub(super) fn by_hand(disk: &SimulatedDisk) -> MailboxStore {
    MailboxStore::open_with(Arc::new(disk.clone()), Path::new(ROOT), "mx.contoso.example", 2, Hands::Caller).unwrap()
}

/// What is really there.
fn on_disk(disk: &SimulatedDisk) -> Usage {
    let path = Path::new(ROOT).join(bob().as_str());
    let stamps = count::Stamps::of(disk, &path).unwrap();
    count::Count::of(disk, &path, &stamps, &count::Count::default()).unwrap().usage()
}

/// Two rounds: one for what is due, one more for what was only touched in the first.
pub(super) fn tend(store: &MailboxStore) {
    for _ in 0..6 {
        store.tend();
        while store.turn() {}
    }
}

pub(super) fn to_bob(queue_id: &str, bytes: usize) -> Delivery {
    Delivery { mailbox: bob(), ..delivery(queue_id, &b"x".repeat(bytes)) }
}

pub(super) fn deliver_by_hand(store: &MailboxStore, delivery: Delivery) -> Result<Delivered, MailboxFailure> {
    let ticket = store.deliver_blocking(delivery).unwrap();
    while store.turn() {}
    ticket.wait()
}

/// Files of a mailbox, as a reader sees them.
fn files(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let mailbox = Path::new(ROOT).join(bob().as_str());
    let parts = ["new", "cur", ".Sent/cur", ".Sent/new"].map(|part| mailbox.join(part));
    let names = |part: &PathBuf| disk.list(part).unwrap_or_default().into_iter().map(|name| part.join(name)).collect();
    parts.iter().flat_map(|part| -> Vec<PathBuf> { names(part) }).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Deliver { id: u8, bytes: usize, sent: bool },
    Remove(usize),
    MarkSeen(usize),
    Append(usize),
    Tend,
    Kill,
    CutPower,
    Recount,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12_u8, 0..3_000_usize, any::<bool>())
            .prop_map(|(id, bytes, sent)| Step::Deliver { id, bytes, sent }),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::MarkSeen),
        1 => (0..500_usize).prop_map(Step::Append),
        3 => Just(Step::Tend),
        2 => Just(Step::Kill),
        1 => Just(Step::CutPower),
        1 => Just(Step::Recount),
    ]
}

/// A mailbox, its readers and its server.
struct Scene {
    disk: SimulatedDisk,
    store: Option<MailboxStore>,
    appended: usize,
    /// Readers have done something since the server looked.
    behind_our_back: bool,
}

impl Scene {
    fn store(&self) -> &MailboxStore {
        self.store.as_ref().unwrap()
    }

    fn restart(&mut self, power_cut: bool) {
        // Nothing is written when the old one goes: what is not in the file by now never gets there.
        self.store = None;
        if power_cut {
            self.disk.crash()
        } else {
            self.disk.restart()
        }
        self.store = Some(by_hand(&self.disk));
    }

    fn take(&mut self, step: &Step) {
        let files = files(&self.disk);
        let chosen = |number: &usize| files.get(number.checked_rem(files.len()).unwrap_or(0)).cloned();
        match step {
            Step::Deliver { id, bytes, sent } => {
                let folder = if *sent { Folder::named("Sent").unwrap() } else { Folder::Inbox };
                let flags = if *sent { Flags::SEEN } else { Flags::NONE };
                let repeat = Repeat::Possible;
                let delivery = Delivery { folder, flags, repeat, ..to_bob(&format!("q{id}"), *bytes) };
                deliver_by_hand(self.store(), delivery).unwrap();
            }
            Step::Remove(number) => {
                let Some(file) = chosen(number) else { return };
                self.disk.remove(&file).unwrap();
                self.behind_our_back = true;
            }
            Step::MarkSeen(number) => {
                let Some(file) = chosen(number).filter(|file| file.parent().unwrap().ends_with("new")) else { return };
                let name = format!("{}:2,S", file.file_name().unwrap().to_str().unwrap());
                let seen = file.parent().unwrap().parent().unwrap().join("cur").join(name);
                self.disk.rename(&file, &seen).unwrap();
            }
            Step::Append(bytes) => {
                let directory = Path::new(ROOT).join(bob().as_str()).join("cur");
                self.appended += 1;
                if let Ok(mut file) = self.disk.create_new(&directory.join(format!("{}.foreign:2,S", self.appended))) {
                    file.append(&vec![b'x'; *bytes]).unwrap();
                    self.behind_our_back = true;
                }
            }
            Step::Tend => self.look(),
            Step::Kill => self.restart(false),
            Step::CutPower => {
                self.restart(true);
                // The power cut may have undone what was believed; a look sees it.
                self.behind_our_back = true;
            }
            Step::Recount => {
                assert_eq!(self.store().recount(&bob()).unwrap(), on_disk(&self.disk));
                self.behind_our_back = false;
            }
        }
    }

    fn look(&mut self) {
        self.store().attend(BOB);
        tend(self.store());
        self.behind_our_back = false;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 512 }))]
    #[test]
    fn what_is_known_is_what_is_there_after_every_history(steps in prop::collection::vec(step(), 1..40)) {
        let disk = SimulatedDisk::new(steps.len() as u64);
        let store = Some(by_hand(&disk));
        let mut scene = Scene { disk, store, appended: 0, behind_our_back: false };
        for step in &steps {
            scene.take(step);
            if !scene.behind_our_back {
                let known = scene.store().usage(BOB).unwrap_or_default();
                prop_assert_eq!(known, on_disk(&scene.disk), "after {:?}", step);
            }
        }
        scene.look();
        prop_assert_eq!(scene.store().usage(BOB).unwrap_or_default(), on_disk(&scene.disk));
    }
}

#[test]
fn after_a_kill_the_usage_is_right_before_anybody_asks() {
    let disk = SimulatedDisk::new(1);
    let store = by_hand(&disk);
    let first = deliver_by_hand(&store, to_bob("a1", 100)).unwrap();
    tend(&store);
    deliver_by_hand(&store, to_bob("a2", 50)).unwrap();
    drop(store);
    disk.restart();
    let store = by_hand(&disk);
    assert_eq!(store.usage(BOB), Some(on_disk(&disk)));
    // Repeated after the kill, a delivery counts no second time.
    let again = Delivery { repeat: Repeat::Possible, ..to_bob("a1", 100) };
    assert!(deliver_by_hand(&store, again).unwrap().was_there);
    assert_eq!(store.usage(BOB), Some(Usage { bytes: first.bytes + first.bytes - 50, messages: 2 }));
}

#[test]
fn a_full_mailbox_is_overshot_by_one_message_however_many_come_at_once() {
    for at_once in [1_usize, 2, 7, 40] {
        let disk = SimulatedDisk::new(2);
        let store = by_hand(&disk);
        let bytes = deliver_by_hand(&store, to_bob("first", 400)).unwrap().bytes;
        let full_at = Some(bytes * 5 - 10);
        let send = |number: usize| Delivery { full_at, ..to_bob(&format!("b{number:02}"), 398) };
        let tickets: Vec<_> = (0..at_once).map(|number| store.deliver_blocking(send(number)).unwrap()).collect();
        while store.turn() {}
        let taken = tickets.into_iter().map(Ticket::wait).filter(Result::is_ok).count();
        // Four of these reach the line with what was there; whoever comes after finds it reached.
        assert_eq!(taken, at_once.min(4), "{at_once} at once");
        assert_eq!(store.usage(BOB), Some(on_disk(&disk)));
        let last = deliver_by_hand(&store, Delivery { full_at, ..to_bob("last", 1) });
        assert_eq!(last.is_ok(), at_once < 4, "{last:?}");
        if at_once >= 4 {
            assert_eq!(last.unwrap_err(), MailboxFailure::Full);
            // The reader makes room, and nobody has told us: the next message finds it.
            disk.remove(&files(&disk)[0]).unwrap();
            assert!(deliver_by_hand(&store, Delivery { full_at, ..to_bob("last", 1) }).is_ok());
        }
        // What was delivered before is found, also in a mailbox that has filled up since.
        let again = Delivery { repeat: Repeat::Possible, full_at: Some(0), ..to_bob("b00", 398) };
        assert!(at_once >= 4 || deliver_by_hand(&store, again).unwrap().was_there);
    }
}

#[test]
fn the_room_on_the_disk_is_asked_for_once_a_round() {
    let disk = SimulatedDisk::new(3);
    let store = by_hand(&disk);
    store.create(&bob()).unwrap();
    deliver_by_hand(&store, to_bob("a0", 1)).unwrap();
    let operations = |count: usize, first: usize| {
        let before = disk.operations();
        let tickets: Vec<_> = (0..count)
            .map(|number| store.deliver_blocking(to_bob(&format!("c{}", first + number), 1)).unwrap())
            .collect();
        while store.turn() {}
        tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
        disk.operations() - before
    };
    let without = operations(10, 0);
    store.keep_free(1);
    assert_eq!(operations(10, 10), without + 1);
}

#[test]
fn a_damaged_file_of_usages_costs_a_count_and_nothing_else() {
    let disk = SimulatedDisk::new(4);
    let store = by_hand(&disk);
    deliver_by_hand(&store, to_bob("a1", 100)).unwrap();
    tend(&store);
    let at = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    store.warn(BOB, at).unwrap();
    drop(store);
    let path = Path::new(ROOT).join(log::LOG_NAME);
    let octets = disk.read(&path).unwrap();
    for damage in 0..octets.len() {
        let copy = SimulatedDisk::new(5);
        let mut damaged = octets.clone();
        damaged[damage] ^= 1;
        copy.create_directories(&Path::new(ROOT).join(bob().as_str()).join("new")).unwrap();
        let mut file = copy.create_new(&path).unwrap();
        file.append(&damaged).unwrap();
        let store = by_hand(&copy);
        tend(&store);
        // The mailbox is empty on this disk, whatever the file says.
        assert_eq!(store.usage(BOB).unwrap_or_default(), Usage::default(), "octet {damage}");
    }
    assert_eq!(by_hand(&disk).warned_at(BOB), Some(at));
}

#[test]
fn a_mailbox_that_nobody_told_us_of_is_counted_soon() {
    let disk = SimulatedDisk::new(6);
    let store = by_hand(&disk);
    deliver_by_hand(&store, to_bob("a1", 100)).unwrap();
    drop(store);
    disk.remove(&Path::new(ROOT).join(log::LOG_NAME)).unwrap();
    let store = by_hand(&disk);
    tend(&store);
    assert_eq!(store.usage(BOB), Some(on_disk(&disk)));
    assert_eq!(store.take_judged(), [BOB]);
}
