//! What outlives the server: disk, clock, network, the organisation; and how a server is set up in it.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use franking::delivery::exchanger::ExchangerOptions;
use franking::delivery::mailbox_agent::MailboxAgent;
use franking::delivery::outgoing::{Closing, Outcomes, Outgoing, Parcel, Relay};
use franking::delivery::relay_agent::{RelayAgent, RelayOptions, RelayTls};
use franking::delivery::worker::Agents;
use franking::model::directory::Snapshot;
use franking::model::mail::Domain;
use franking::model::policy::{Refusal, RouteTable};
use franking::model::queue::{Limits, Schedule};
use franking::store::Hands;
use franking::store::answered::AnsweredSenders;
use franking::store::journal::JournalOptions;
use franking::store::live::LiveSettings;
use franking::store::mailbox::MailboxStore;
use franking::store::queue::{OpenError, Opened, Queue, QueueOptions, Witness};
use franking::store::spool::{SpoolDirectory, SpoolLimits};
use franking::store::tally::Tally;
use franking::world::clock::Clock;
use franking::world::disk::{Disk, SimulatedDisk};
use franking::world::random::{Random, SeededRandom};
use franking::world::tls::opportunistic;

use super::clock::{Chronicle, SimulatedClock};
use super::dice::{Concern, Dice};
use super::ledger::Ledger;
use super::network::{Names, Network, Wires};
use super::organisation::{HOST, contoso};
use super::scenario::MEMORY_BYTES;

pub(super) const QUEUE: &str = "/data/queue";
const REPLIES: &str = "/data/replies";
const SPOOL: &str = "/data/spool";
pub(super) const MAIL: &str = "/mail";

/// Everything but the server.
pub(super) struct World {
    pub(super) disk: SimulatedDisk,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) network: Arc<Network>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) settings: Arc<LiveSettings>,
    pub(super) schedule: Schedule,
    pub(super) limits: Limits,
    pub(super) journal: JournalOptions,
    pub(super) hands: Dice,
    pub(super) administrator: Dice,
    pub(super) moderator: Dice,
    random: Arc<SeededRandom>,
}

/// A running server without sockets.
pub(super) struct House {
    pub(super) queue: Arc<Queue>,
    pub(super) mailboxes: Arc<MailboxStore>,
    pub(super) spool: SpoolDirectory,
    pub(super) agents: Arc<Agents>,
}

fn tls() -> RelayTls {
    static TLS: OnceLock<RelayTls> = OnceLock::new();
    TLS.get_or_init(|| RelayTls { opportunistic: opportunistic().unwrap(), verified: None }).clone()
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new(Dice::seed(seed, Concern::Disk));
        let clock = Arc::new(SimulatedClock::new());
        let chronicle = Arc::new(Chronicle::new(Arc::clone(&clock)));
        let ledger = Arc::new(Ledger::new(Arc::clone(&chronicle)));
        let (own_clock, own_chronicle) = (Arc::clone(&clock), Arc::clone(&chronicle));
        let network = Network::new(seed, own_clock, own_chronicle, Arc::clone(&ledger), disk.clone());
        let dice = Dice::new(seed, Concern::Agents);
        let hours = |count| Duration::from_secs(count * 3600);
        let schedule = Schedule {
            expiry: hours(dice.between(4, 12)),
            delay_notice: hours(dice.between(1, 3)),
            ..Schedule::exchange_online()
        };
        let limits = Limits {
            per_lane: *dice.pick(&[1, 2, 5]),
            per_mailbox: *dice.pick(&[1, 5, 100]),
            relays: *dice.pick(&[1, 4, 64]),
            mailboxes: *dice.pick(&[1, 4, 32]),
            batch: *dice.pick(&[1, 2, 100]),
            lease: Duration::from_secs(*dice.pick(&[600, 3_600])),
            awake_max: *dice.pick(&[0, 3, 4_096]),
        };
        let journal = JournalOptions {
            segment_bytes: *dice.pick(&[3_000, 4_500, 6_000]),
            free_bytes_floor: 0,
            free_inodes_floor: 0,
            queue_items_max: *dice.pick(&[2, 4_096]),
            hands: Hands::Caller,
            ..JournalOptions::new(seed)
        };
        Self {
            disk,
            clock,
            chronicle,
            ledger,
            network: Arc::new(network),
            snapshot: contoso(),
            settings: Arc::default(),
            schedule,
            limits,
            journal,
            hands: Dice::new(seed, Concern::Hands),
            administrator: Dice::new(seed, Concern::Administrator),
            moderator: Dice::new(seed, Concern::Moderation),
            random: Arc::new(SeededRandom::new(dice.below(u64::MAX))),
        }
    }

    pub(super) fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }
}

impl House {
    /// Starts a server; of so many attempts to relay one is lost.
    pub(super) fn open(world: &Arc<World>, lost_workers: u64) -> Result<(Self, Opened), OpenError> {
        let disk = world.shared_disk();
        let clock: Arc<dyn Clock> = Arc::<SimulatedClock>::clone(&world.clock);
        let witness: Arc<dyn Witness> = Arc::<Ledger>::clone(&world.ledger);
        let options = QueueOptions {
            journal: world.journal.clone(),
            schedule: world.schedule.clone(),
            limits: world.limits,
            expired: Refusal::MessageExpired.bare_reply(&world.settings.current()),
            witness,
        };
        let (queue, opened) = Queue::open(Arc::clone(&disk), Path::new(QUEUE), options, Arc::clone(&clock))?;
        let limits = SpoolLimits { memory_bytes: MEMORY_BYTES, body_bytes_max: 10 << 20 };
        let spool = SpoolDirectory::open(Arc::clone(&disk), Path::new(SPOOL), limits)?;
        let mailboxes = MailboxStore::open_with(Arc::clone(&disk), Path::new(MAIL), HOST, 2, Hands::Caller)?;
        let (queue, mailboxes) = (Arc::new(queue), Arc::new(mailboxes));
        let random: Arc<dyn Random> = Arc::<SeededRandom>::clone(&world.random);
        let snapshot = Arc::clone(&world.snapshot);
        let agents = Agents {
            queue: Arc::clone(&queue),
            directory: Arc::new(move || Arc::clone(&snapshot)),
            settings: Arc::clone(&world.settings),
            schedule: world.schedule.clone(),
            tally: Arc::new(Tally::unkept(Arc::clone(&clock))),
            mailboxes: MailboxAgent::new(Arc::clone(&mailboxes)),
            answered: Arc::new(AnsweredSenders::open(world.shared_disk(), Path::new(REPLIES))?),
            outgoing: Arc::new(Fragile {
                relay: relay(world, Arc::clone(&random)),
                world: Arc::clone(world),
                lost_workers,
            }),
            disk,
            clock,
            random,
            host: HOST.into(),
            rehearsal: None,
        };
        Ok((Self { queue, mailboxes, spool, agents: Arc::new(agents) }, opened))
    }
}

/// A way out whose workers get lost now and then.
struct Fragile {
    relay: Relay,
    world: Arc<World>,
    lost_workers: u64,
}

impl Outgoing for Fragile {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            if self.world.hands.chance(self.lost_workers) {
                self.world.chronicle.note(&format!("a worker is lost with {}", parcel.id));
                // As a panic does, without its words.
                std::panic::resume_unwind(Box::new("lost"));
            }
            self.relay.carry(parcel).await
        })
    }

    fn close(&self) -> Closing<'_> {
        self.relay.close()
    }
}

/// As the server sets it up.
fn relay(world: &World, random: Arc<dyn Random>) -> Relay {
    let options = RelayOptions {
        own_name: Domain::parse(HOST).unwrap(),
        local_ipv4: None,
        local_ipv6: None,
        exchanger: ExchangerOptions {
            own_names: vec![Domain::parse(HOST).unwrap()],
            own_addresses: Vec::new(),
            port: 25,
            loopback_allowed: false,
        },
        patience_divisor: 1,
        attempt_max: Duration::from_secs(2 * 3600),
    };
    let (names, wires) = (Names(Arc::clone(&world.network)), Wires(Arc::clone(&world.network)));
    let agent = RelayAgent::new(Arc::new(names), Arc::new(wires), random, tls(), options);
    Relay::new(Arc::new(agent), RouteTable::new())
}
