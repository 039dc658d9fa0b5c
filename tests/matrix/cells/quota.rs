//! How full a mailbox may be, by kind, licence and own values, at every threshold and one octet below it.

use franking::model::mail::Timestamp;
use franking::model::policy::quota::notice_is_due;

use super::super::asked::Asked;
use super::super::oracle;
use super::super::plain::{KINDS, Thing, World, address_of};
use super::super::tally::{Question, Tally};
use super::sign_in::product;
use super::{BOTH, PROFILES};

const GIB: u64 = 1 << 30;

/// Licences alone and together.
pub(in super::super) const PLANS: [&[&str]; 13] = [
    &["ExchangeOnlinePlan1"],
    &["ExchangeOnlinePlan2"],
    &["ExchangeOnlineKiosk"],
    &["ExchangeOnlineArchiving"],
    &["ExchangeOnlinePlan1", "ExchangeOnlineArchiving"],
    &["ExchangeOnlineKiosk", "ExchangeOnlineArchiving"],
    &["ExchangeOnlineKiosk", "ExchangeOnlinePlan1"],
    &["ExchangeOnlinePlan2", "ExchangeOnlineKiosk"],
    &["ENTERPRISEPACK"],
    &["SPE_E5"],
    &["Office 365 E3"],
    &["SPE_F1"],
    &["O365_BUSINESS_PREMIUM"],
];

/// No limit.
const NONE: u64 = u64::MAX;

/// Own values: none, each alone, low and high, all, and unlimited ones.
const OWN: [[u64; 3]; 13] = [
    [0, 0, 0],
    [GIB, 0, 0],
    [70 * GIB, 0, 0],
    [0, GIB, 0],
    [0, 70 * GIB, 0],
    [0, 0, GIB],
    [0, 0, 70 * GIB],
    [GIB, 2 * GIB, 3 * GIB],
    [GIB, 0, GIB],
    [0, 0, NONE],
    [0, NONE, NONE],
    [NONE, NONE, NONE],
    [70 * GIB, NONE, NONE],
];

pub(in super::super) fn all(tally: &mut Tally) {
    sending(tally);
    let mailboxes = KINDS.into_iter().filter(|kind| kind.ends_with("Mailbox") && !kind.starts_with("Remote"));
    for kind in mailboxes.filter(|kind| *kind != "ShardMailbox") {
        for (plans, own, profile) in product(&PLANS, &OWN, &PROFILES) {
            for (licensed, forwards, keep) in product(&BOTH, &["", "bob"], &BOTH) {
                let it = Thing::new("it", kind).with(|thing| {
                    (thing.plans, thing.quota, thing.licensed) = (plans.to_vec(), own, licensed);
                    (thing.forward_object, thing.keep_copy) = (forwards, keep);
                });
                ask(tally, &World::new(profile, vec![Thing::new("bob", "SharedMailbox"), it]));
            }
        }
    }
}

/// Whose mailbox must have room: every kind of owner, open or not, sent as in every way, around the threshold of either.
fn sending(tally: &mut Tally) {
    const SHAPES: [&[(&str, &str, bool)]; 5] = [
        &[],
        &[("SendAs", "alice", false)],
        &[("SendOnBehalf", "alice", false)],
        &[("SendAs", "alice", false), ("SendAs", "alice", true), ("SendOnBehalf", "alice", false)],
        &[("SendOnBehalf", "alice", false), ("SendAs", "alice", false)],
    ];
    let own = [GIB, 2 * GIB, 3 * GIB];
    let holds = [0, 2 * GIB - 1, 2 * GIB, 3 * GIB];
    for (kind, shape, profile) in product(&KINDS, &SHAPES, &PROFILES) {
        for (licensed, state) in [(true, ""), (false, ""), (true, "disconnected"), (true, "awaiting migration")] {
            if !state.is_empty() && kind != "UserMailbox" {
                continue;
            }
            let alice = Thing::new("alice", "UserMailbox").with(|thing| thing.quota = own);
            let owner = Thing::new("owner", kind).with(|thing| {
                if kind.ends_with("Mailbox") && !kind.starts_with("Remote") && kind != "ShardMailbox" {
                    thing.quota = own;
                }
                if !state.is_empty() {
                    thing.state = state;
                }
                (thing.licensed, thing.grants) = (licensed, shape.to_vec());
            });
            let world = World::new(profile, vec![alice, owner]);
            let asked = Asked::new(&world);
            for (hers, its, used) in product(&holds, &holds, &["owner", "alice"]) {
                let held = |name: &str| if name == "alice" { hers } else { its };
                let expected = oracle::room_to_send(&world, ["alice", used], held);
                let actual = asked.room_to_send("alice", &address_of(used), held);
                let question = || format!("Alice holds {hers} octets, the owner {its}; she sends as {used}.");
                tally.cell(&asked, (&expected, &actual), question, Question::sign_in("alice"));
            }
        }
    }
}

fn ask(tally: &mut Tally, world: &World) {
    let asked = Asked::new(world);
    // The very octets at which something changes in any plan, and what lies between.
    let thresholds = [2_039_480_320, 2_147_483_648, 2_469_396_480, GIB, 2 * GIB, 3 * GIB, 70 * GIB];
    let plans = [196, 198, 200, 4_900, 4_950, 5_000, 9_800, 9_900, 10_000].map(|hundredths| {
        let octets: u64 = hundredths * GIB;
        octets.div_ceil(100)
    });
    let it = world.thing("it").unwrap();
    let holds = thresholds.into_iter().chain(plans).flat_map(|octets| [octets - 1, octets]);
    for holds in holds.chain([0, u64::MAX - 1]) {
        let (expected, actual) = (oracle::room(world, it, holds), asked.room("it", holds));
        let question = || format!("it holds {holds} octets.");
        tally.cell(&asked, (&expected, &actual), question, Question::sign_in("it"));
    }
}

/// The notice of a mailbox that fills up, at every hour around a day before and after the last one.
pub(in super::super) fn notices() {
    let hour = 3_600_000;
    let now = Timestamp::from_unix_milliseconds(1_000 * hour);
    for hours_ago in -50..50_i64 {
        let last = Timestamp::from_unix_milliseconds(u64::try_from(1_000 - hours_ago).unwrap() * hour);
        assert_eq!(notice_is_due(Some(last), now), oracle::is_told_again(Some(hours_ago)), "{hours_ago} hours ago");
    }
    assert_eq!(notice_is_due(None, now), oracle::is_told_again(None));
}
