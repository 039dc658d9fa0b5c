//! What a mailbox may hold: decision D5 and spec section 2.4.

use std::sync::LazyLock;

use super::super::plain::{Thing, World, address_of};
use super::super::table::Table;
use super::{capacity, expansion, has_open_mailbox, yes_no};

/// Spec section 2.4, second table, in hundredths of a gigabyte: a mailbox that needs no licence has what Plan 1 gives,
/// and Plan 2, or Plan 1 with archiving, lifts it.
static PLANS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "kind                                       | plan 2 | plan 1 | kiosk | archiving | answer
         UserMailbox                                | yes    | *      | *     | *         | 9800 9900 10000
         UserMailbox                                | no     | no     | yes   | *         | 196 198 200
         UserMailbox                                | no     | *      | *     | *         | 4900 4950 5000
         SharedMailbox/RoomMailbox/EquipmentMailbox | yes    | *      | *     | *         | 9800 9900 10000
         SharedMailbox/RoomMailbox/EquipmentMailbox | no     | yes    | *     | yes       | 9800 9900 10000
         *                                          | *      | *      | *     | *         | 4900 4950 5000",
    )
});

/// Exchange's defaults of a database: 1.9, 2 and 2.3 GB, which it keeps as these numbers of octets.
const DATABASE: [u64; 3] = [2_039_480_320, 2_147_483_648, 2_469_396_480];

/// What the licences of a mailbox are, for the table. Whatever licence has a mailbox and is not named there is of the
/// size of Plan 1: Business plans, E1.
fn plan_of(name: &str) -> &'static str {
    match name {
        "ExchangeOnlinePlan2" | "ENTERPRISEPACK" | "SPE_E5" | "Office 365 E3" => "plan 2",
        "ExchangeOnlineKiosk" | "SPE_F1" => "kiosk",
        "ExchangeOnlineArchiving" => "archiving",
        _ => "plan 1",
    }
}

fn usual(world: &World, thing: &Thing) -> [u64; 3] {
    if world.profile == "exchange-server" {
        return DATABASE;
    }
    let plans = if thing.plans.is_empty() { &["ExchangeOnlinePlan1"][..] } else { &thing.plans };
    let has = |wanted: &str| {
        // A group has no account, and so no licence.
        yes_no(thing.licensed && thing.account != "none" && plans.iter().any(|plan| plan_of(plan) == wanted))
    };
    let facts = [
        ("kind", thing.kind),
        ("plan 2", has("plan 2")),
        ("plan 1", has("plan 1")),
        ("kiosk", has("kiosk")),
        ("archiving", has("archiving")),
    ];
    let hundredths: Vec<u64> = PLANS.answer(&facts).split(' ').map(|number| number.parse().unwrap()).collect();
    [0, 1, 2].map(|place| (hundredths[place] << 30).div_ceil(100))
}

/// Own values stand. A default that contradicts one gives way, so that warning ≤ send ≤ send and receive (decision D5).
/// What is unlimited contradicts nothing.
fn bounds(world: &World, thing: &Thing) -> [u64; 3] {
    let usual = usual(world, thing);
    let own = thing.quota;
    [0, 1, 2].map(|place| {
        let above = own[place + 1..].iter().copied().filter(|bound| *bound > 0).min().unwrap_or(u64::MAX);
        let below = own[..place].iter().copied().filter(|bound| *bound < u64::MAX).max().unwrap_or(0);
        if own[place] > 0 { own[place] } else { usual[place].max(below).min(above) }
    })
}

static STAGES: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "warning | send  | receive | warned | may send            | may receive
         below   | *     | *       | no     | yes                 | yes
         reached | below | *       | yes    | yes                 | yes
         reached | reached | below | yes    | SenderQuotaExceeded | yes
         reached | reached | reached | yes  | SenderQuotaExceeded | RecipientMailboxFull",
    )
});

/// The thresholds and what follows while the mailbox holds so many octets.
pub(in super::super) fn room(world: &World, thing: &Thing, holds: u64) -> String {
    let bounds = bounds(world, thing);
    let reached = |place: usize| if holds >= bounds[place] { "reached" } else { "below" };
    let facts = [("warning", reached(0)), ("send", reached(1)), ("receive", reached(2))];
    let [warned, sends, takes] = STAGES.answers(&facts)[..] else { panic!("three answers") };
    // Only what stores mail is full: not what passes everything on, and not what is no mailbox here.
    let stores = has_open_mailbox(world, thing) && expansion::keeps_a_copy(thing);
    in_words(bounds, warned == "yes", sends, if stores { takes } else { "yes" })
}

/// Spec S3-9 and decision D5: a mailbox that may not send is not sent as either, whoever writes.
static SENDING: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "account | capacity     | owner | answer
         full    | *            | *     | SenderQuotaExceeded
         room    | itself       | *     | yes
         room    | denied       | *     | yes
         room    | as           | full  | SenderQuotaExceeded
         room    | on behalf of | full  | SenderQuotaExceeded
         room    | *            | room  | yes",
    )
});

/// Whether what `account` submits under an address of `owner` is taken while mailboxes hold so many octets.
pub(in super::super) fn room_to_send(
    world: &World,
    [account, owner]: [&str; 2],
    holds: impl Fn(&str) -> u64,
) -> String {
    let capacity = capacity(world, account, &address_of(owner));
    let full = |name: &str| {
        let thing = world.thing(name).unwrap();
        // What is no mailbox here holds nothing that could be too much.
        let full = has_open_mailbox(world, thing) && holds(name) >= bounds(world, thing)[1];
        if full { "full" } else { "room" }
    };
    let capacity = capacity.strip_suffix(owner).unwrap_or(&capacity).trim();
    SENDING.answer(&[("account", full(account)), ("capacity", capacity), ("owner", full(owner))]).to_owned()
}

/// The words of an answer, the same for both models.
pub(in super::super) fn in_words(bounds: [u64; 3], warned: bool, sends: &str, takes: &str) -> String {
    let warned = if warned { "warned" } else { "not warned" };
    format!("{bounds:?}: {warned}; sends: {sends}; takes: {takes}")
}

/// Decision D5: a notice at most once a day. A last notice in the future, from a clock that was wrong, does not silence
/// the owner for longer than a day.
pub(in super::super) fn is_told_again(hours_ago: Option<i64>) -> bool {
    !hours_ago.is_some_and(|hours| (-23..24).contains(&hours))
}
