//! What goes wrong in a run, drawn from the seed: how long each life of the server lasts, how it ends, and what the
//! disk, the wall clock and the administrators do meanwhile.

use std::path::Path;
use std::time::Duration;

use franking::world::disk::{Lie, SimulatedDisk};

use super::dice::{Concern, Dice};

/// Below here is everything that the queue keeps.
pub(super) const DATA: &str = "/data";

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The machine loses power.
    PowerCut,
    /// The process is killed; the machine runs on.
    Kill,
    /// The server is told to stop.
    Stop,
    /// Everything is delivered.
    Done,
}

/// A disk that fails for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ailment {
    pub(super) at: Duration,
    /// Octets that are left; none means that nothing can be changed at all.
    pub(super) room_bytes: Option<u64>,
    /// It ends after so many operations.
    pub(super) operations: u64,
}

/// What an administrator does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Retry,
    Hold,
    Release,
    Remove,
    GiveUp,
    Move,
    Suspend,
    Resume,
}

/// One life of the server.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// It ends after so many operations of the disk, or after this time.
    pub(super) operations: Option<u64>,
    pub(super) lasts: Duration,
    pub(super) end: End,
    /// How long the server is down afterwards.
    pub(super) down: Duration,
    pub(super) failing_write: Option<u64>,
    pub(super) failing_synchronization: Option<u64>,
    pub(super) ailment: Option<Ailment>,
    pub(super) orders: Vec<(Duration, Order)>,
    /// When somebody reads the mail that has come, which moves it within the mailbox.
    pub(super) readings: Vec<Duration>,
    /// Somebody waits for mail and reads it as soon as it is there, before the queue knows.
    pub(super) keen_reader: bool,
    /// When the wall clock is set, and by how many seconds.
    pub(super) clock: Vec<(Duration, i64)>,
    /// The disk lies once, at this write.
    pub(super) lie: Option<(u64, Lie)>,
    /// The disk skips this synchronisation.
    pub(super) skipped_synchronization: Option<u64>,
    /// Of so many attempts to relay one is broken off in the middle of nowhere, as by a panic.
    pub(super) lost_workers: u64,
    /// Of so many looks one finds the disk slow.
    pub(super) slow: u64,
    /// At the end so much is sent that the journal must let go of everything else.
    pub(super) fills: bool,
}

impl Life {
    /// Without trouble, until everything is delivered.
    pub(super) fn calm() -> Self {
        Self {
            operations: None,
            lasts: Duration::from_secs(6 * 86_400),
            end: End::Done,
            down: Duration::ZERO,
            failing_write: None,
            failing_synchronization: None,
            ailment: None,
            orders: Vec::new(),
            readings: Vec::new(),
            keen_reader: false,
            clock: Vec::new(),
            lie: None,
            skipped_synchronization: None,
            lost_workers: u64::MAX,
            slow: 1_000,
            fills: true,
        }
    }

    fn troubled(dice: &Dice) -> Self {
        let end = *dice.pick(&[End::PowerCut, End::PowerCut, End::Kill, End::Stop]);
        let lasts = Duration::from_secs(dice.scale(3 * 3600));
        let down = if dice.chance(4) { dice.scale(16 * 3600) } else { dice.scale(60) };
        let moment = || Duration::from_secs(dice.below(lasts.as_secs() + 1));
        let ailment = dice.chance(3).then(|| Ailment {
            at: moment(),
            room_bytes: (!dice.chance(3)).then(|| dice.scale(20_000)),
            operations: dice.scale(500),
        });
        let orders = [
            Order::Retry,
            Order::Hold,
            Order::Hold,
            Order::Release,
            Order::Release,
            Order::Remove,
            Order::GiveUp,
            Order::Move,
            Order::Suspend,
            Order::Suspend,
            Order::Resume,
        ];
        let orders = (0..dice.below(4)).map(|_| (moment(), *dice.pick(&orders))).collect();
        let seconds = |dice: &Dice| {
            let ahead = dice.chance(2);
            // Now and then by more than a lease.
            let seconds = dice.scale(if dice.chance(3) { 3 * 3600 } else { 900 }).cast_signed();
            if ahead { seconds } else { -seconds }
        };
        Self {
            operations: (end != End::Stop).then(|| dice.scale(500)),
            lasts,
            end,
            down: Duration::from_secs(down),
            failing_write: dice.chance(4).then(|| dice.scale(100)),
            failing_synchronization: dice.chance(4).then(|| dice.scale(100)),
            ailment,
            orders,
            readings: (0..dice.below(4)).map(|_| moment()).collect(),
            keen_reader: dice.chance(4),
            clock: if dice.chance(4) { vec![(moment(), seconds(dice))] } else { Vec::new() },
            lie: None,
            skipped_synchronization: None,
            lost_workers: *dice.pick(&[4, 20, u64::MAX]),
            slow: *dice.pick(&[2, 10, 1_000]),
            fills: true,
        }
    }

    /// The disk lies once; a power cut brings it to light later.
    fn lying(dice: &Dice) -> Self {
        let lie = *dice.pick(&[Lie::Lost, Lie::Elsewhere, Lie::OtherFile]);
        let skips = dice.chance(4);
        Self {
            end: End::PowerCut,
            lasts: Duration::from_secs(12 * 3600),
            lie: (!skips).then(|| (dice.scale(60), lie)),
            skipped_synchronization: skips.then(|| dice.scale(100)),
            slow: *dice.pick(&[2, 10, 1_000]),
            ..Self::calm()
        }
    }

    /// Prepares the disk.
    pub(super) fn arm(&self, disk: &SimulatedDisk) {
        if let Some(operations) = self.operations {
            disk.cut_power_after(operations);
        }
        if let Some(nth) = self.failing_write {
            disk.fail_write(nth);
        }
        if let Some(nth) = self.failing_synchronization {
            disk.fail_synchronization(nth);
        }
        if let Some((nth, lie)) = self.lie {
            disk.misdirect_write(Path::new(DATA), nth, lie);
        }
        if let Some(nth) = self.skipped_synchronization {
            disk.skip_synchronization(Path::new(DATA), nth);
        }
    }

    /// Whether the disk may fail without the power being gone.
    pub(super) const fn disk_may_fail(&self) -> bool {
        self.failing_write.is_some() || self.failing_synchronization.is_some() || self.ailment.is_some()
    }
}

/// The lives of a seed, the last one calm. One seed in six has a disk that lies, and no other trouble.
pub(super) fn draw(seed: u64) -> Vec<Life> {
    let dice = Dice::new(seed, Concern::Plan);
    let mut lives: Vec<Life> = if dice.chance(6) {
        vec![Life::lying(&dice)]
    } else {
        (0..dice.between(1, 4)).map(|_| Life::troubled(&dice)).collect()
    };
    lives.push(Life::calm());
    lives
}
