//! What one network may do on port 25 within a time, whoever it says it is: name recipients that are refused, connect,
//! and send messages.
//!
//! **A network is an IPv4 address or an IPv6 network of 64 bits** ([`Network::of_client`]). Each has a budget of every
//! [`Kind`] that refills steadily: who was quiet for as long as the budget's time has all of it. Budgets are generous:
//! they are for those who try out addresses and for loops, not for busy servers, and an operator exempts the hosts
//! through which all mail comes.
//!
//! **Whose refused recipients are used up learns nothing more**: every recipient is answered alike, whether it exists
//! or not, with a reply that says to come again later. So mail that is meant comes later, and a list of addresses that
//! is tried out costs a day for every few thousand, however many sessions there are.
//!
//! Memory is bounded. Of too many networks those go that used least, so whoever has many addresses forgets only those
//! that did next to nothing. Nothing is kept over restarts: at most one more budget is had by one.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::collections::HashMap;

use crate::model::mail::Network;

/// Networks that are remembered at once. One takes some hundred octets.
const NETWORKS_MAX: usize = 65_536;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A recipient that was refused to a stranger.
    RefusedRecipient,
    /// A connection to a listener of any role.
    Connection,
    /// A message that was accepted from a stranger.
    Message,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RefusedRecipient, Self::Connection, Self::Message];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::RefusedRecipient => "refused recipients",
            Self::Connection => "connections",
            Self::Message => "messages",
        }
    }

    /// The time within which the whole budget refills.
    const fn period(self) -> Duration {
        match self {
            Self::RefusedRecipient => Duration::from_secs(3_600),
            Self::Connection | Self::Message => Duration::from_secs(60),
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::RefusedRecipient => 0,
            Self::Connection => 1,
            Self::Message => 2,
        }
    }
}

/// What an operator decides; `None` is without bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Recipients that may be refused to one network in an hour.
    pub refused_recipients_per_hour: Option<u32>,
    /// Connections of one network in a minute.
    pub connections_per_minute: Option<u32>,
    /// Messages from strangers of one network in a minute.
    pub messages_per_minute: Option<u32>,
    /// Networks without bound; where none are named, this host itself.
    pub exempt: Option<Vec<Network>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::USUAL
    }
}

impl Rules {
    /// Generous: a busy host has fifty messages a second, and ten connections.
    pub const USUAL: Self = Self {
        refused_recipients_per_hour: Some(500),
        connections_per_minute: Some(600),
        messages_per_minute: Some(3_000),
        exempt: None,
    };

    const fn bound(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::RefusedRecipient => self.refused_recipients_per_hour,
            Kind::Connection => self.connections_per_minute,
            Kind::Message => self.messages_per_minute,
        }
    }

    /// Whether the network has no bounds. Of an IPv6 network of 64 bits one exempt address is enough.
    pub fn is_exempt(&self, network: &Network) -> bool {
        let loopback = || network.address().is_loopback() || network.contains(IpAddr::V6(Ipv6Addr::LOCALHOST));
        let meets = |own: &Network| own.contains(network.address()) || network.contains(own.address());
        self.exempt.as_ref().map_or_else(loopback, |networks| networks.iter().any(meets))
    }

    /// Whether a network has a bound: nothing is counted of one that has none.
    pub fn counts(&self, kind: Kind, network: &Network) -> bool {
        self.cost(kind, network).is_some()
    }

    /// How much of the budget's time one piece takes; `None` without bound.
    fn cost(&self, kind: Kind, network: &Network) -> Option<Duration> {
        let bound = self.bound(kind).filter(|_| !self.is_exempt(network))?;
        Some(kind.period() / bound.max(1))
    }
}

/// The moments, by a clock that only goes forward, at which each budget of a network is whole again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Whole([Duration; 3]);

impl Whole {
    fn of(&self, kind: Kind) -> Duration {
        self.0.get(kind.place()).copied().unwrap_or_default()
    }

    fn latest(&self) -> Duration {
        self.0.iter().copied().max().unwrap_or_default()
    }
}

/// What a network has used of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub network: Network,
    /// Of what.
    pub kind: Kind,
    /// Pieces that count at this moment.
    pub used: u32,
    /// The budget.
    pub bound: u32,
    /// How long it takes until one more is let pass; none when it is now.
    pub waits: Option<Duration>,
}

/// What every network has used.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    networks: HashMap<Network, Whole>,
}

impl Traffic {
    /// Whether a network has nothing left of a budget.
    pub fn is_used_up(&self, rules: &Rules, kind: Kind, network: &Network, now: Duration) -> bool {
        self.waits(rules, kind, network, now).is_some()
    }

    /// How long a network has to wait for one more piece; none when there is one.
    fn waits(&self, rules: &Rules, kind: Kind, network: &Network, now: Duration) -> Option<Duration> {
        let cost = rules.cost(kind, network)?;
        let whole = self.networks.get(network)?.of(kind);
        let debt = whole.saturating_sub(now).saturating_add(cost);
        // Pieces do not divide the time evenly: what is left of it by rounding is no piece.
        debt.checked_sub(kind.period()).filter(|wait| !wait.is_zero())
    }

    /// Takes a piece of a budget, which may be used up already: then nothing changes, so that nobody who goes on trying
    /// is kept out for longer.
    pub fn take(&mut self, rules: &Rules, kind: Kind, network: &Network, now: Duration) {
        let Some(cost) = rules.cost(kind, network) else { return };
        if self.is_used_up(rules, kind, network, now) {
            return;
        }
        self.make_room(network, now);
        let whole = self.networks.entry(*network).or_default();
        if let Some(own) = whole.0.get_mut(kind.place()) {
            *own = (*own).max(now).saturating_add(cost);
        }
    }

    /// Room for one more network: those whose budgets are whole go, then those that are so soonest.
    fn make_room(&mut self, network: &Network, now: Duration) {
        if self.networks.len() < NETWORKS_MAX || self.networks.contains_key(network) {
            return;
        }
        self.networks.retain(|_, whole| whole.latest() > now);
        let surplus = self.networks.len().saturating_sub(NETWORKS_MAX / 4 * 3);
        if surplus > 0 {
            let mut ranked: Vec<_> = self.networks.iter().map(|(network, whole)| (whole.latest(), *network)).collect();
            ranked.select_nth_unstable_by_key(surplus.saturating_sub(1), |(latest, _)| *latest);
            for (_, network) in ranked.iter().take(surplus) {
                self.networks.remove(network);
            }
        }
    }

    /// What is used of any budget, what is used up first.
    pub fn entries(&self, rules: &Rules, now: Duration) -> Vec<Entry> {
        let of = |(network, whole): (&Network, &Whole), kind: Kind| {
            let cost = rules.cost(kind, network)?;
            let debt = whole.of(kind).saturating_sub(now);
            let used = u32::try_from(debt.as_nanos().div_ceil(cost.as_nanos().max(1))).unwrap_or(u32::MAX);
            let bound = rules.bound(kind)?;
            let waits = self.waits(rules, kind, network, now);
            (used > 0).then_some(Entry { network: *network, kind, used, bound, waits })
        };
        let all = self.networks.iter().flat_map(|own| Kind::ALL.into_iter().filter_map(move |kind| of(own, kind)));
        let mut entries: Vec<Entry> = all.collect();
        entries.sort_by_cached_key(|own| (own.waits.is_none(), own.network.to_string(), own.kind));
        entries
    }

    /// Gives the networks within `network` their whole budgets back; how many they were.
    pub fn clear(&mut self, network: &Network) -> usize {
        let before = self.networks.len();
        self.networks.retain(|own, _| !network.contains(own.address()));
        before.saturating_sub(self.networks.len())
    }

    /// Networks that are remembered, for the proof that they are bounded.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUSY: Rules = Rules { refused_recipients_per_hour: Some(10), ..Rules::USUAL };

    fn client(text: &str) -> Network {
        Network::of_client(text.parse().unwrap())
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// How many pieces are let pass when one is asked for each second of `span`.
    fn passed(traffic: &mut Traffic, rules: &Rules, network: &Network, span: core::ops::Range<u64>) -> usize {
        let mut passed = 0;
        for second in span {
            if !traffic.is_used_up(rules, Kind::RefusedRecipient, network, seconds(second)) {
                traffic.take(rules, Kind::RefusedRecipient, network, seconds(second));
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn a_budget_is_used_up_and_refills_steadily_for_all_of_a_network() {
        let (mut traffic, own) = (Traffic::default(), client("2001:db8::1"));
        assert_eq!(passed(&mut traffic, &BUSY, &own, 0..100), 10);
        assert_eq!(passed(&mut traffic, &BUSY, &client("2001:db8::ffff:2"), 100..200), 0, "the same 64 bits");
        assert_eq!(passed(&mut traffic, &BUSY, &client("2001:db8:0:1::1"), 100..200), 10, "others are not hurt");
        assert_eq!(passed(&mut traffic, &BUSY, &own, 360..3_600), 9, "a tenth of an hour for each");
        assert_eq!(passed(&mut traffic, &BUSY, &own, 20_000..20_010), 10);
        let entries = traffic.entries(&BUSY, seconds(20_010));
        assert_eq!((entries.len(), entries[0].used, entries[0].bound), (1, 10, 10));
        assert!(entries[0].waits.unwrap() <= seconds(360));
        assert_eq!(traffic.clear(&"2001:db8::/32".parse().unwrap()), 2);
        assert!(traffic.is_empty());
    }

    #[test]
    fn who_is_exempt_and_what_has_no_bound_is_not_counted() {
        let without = Rules { refused_recipients_per_hour: None, ..Rules::USUAL };
        let named = Rules { exempt: Some(vec!["192.0.2.0/24".parse().unwrap()]), ..BUSY };
        for (rules, peer) in [(&without, "192.0.2.7"), (&named, "192.0.2.7"), (&BUSY, "127.0.0.1"), (&BUSY, "::1")] {
            let mut traffic = Traffic::default();
            assert_eq!(passed(&mut traffic, rules, &client(peer), 0..100), 100, "{peer}");
            assert!(traffic.is_empty());
        }
        assert_eq!(passed(&mut Traffic::default(), &named, &client("127.0.0.1"), 0..100), 10, "named ones only");
    }

    #[test]
    fn whoever_rotates_through_networks_neither_grows_it_nor_washes_a_budget_away() {
        let (mut traffic, own) = (Traffic::default(), client("192.0.2.7"));
        assert_eq!(passed(&mut traffic, &BUSY, &own, 0..100), 10);
        for number in 0..4 * NETWORKS_MAX as u128 {
            let peer = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (number << 64)));
            traffic.take(&BUSY, Kind::RefusedRecipient, &Network::of_client(peer), seconds(100));
            assert!(traffic.len() <= NETWORKS_MAX);
        }
        assert!(traffic.is_used_up(&BUSY, Kind::RefusedRecipient, &own, seconds(100)));
    }

    proptest! {
        /// In no hour more than twice the budget passes: all of it at once, and what refills meanwhile.
        #[test]
        fn no_hour_has_more_than_budget_and_refill(
            gaps in prop::collection::vec(0..400_u64, 1..200),
            bound in 1..20_u32,
        ) {
            let rules = Rules { refused_recipients_per_hour: Some(bound), ..Rules::USUAL };
            let (mut traffic, own, mut now, mut taken) = (Traffic::default(), client("192.0.2.7"), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if !traffic.is_used_up(&rules, Kind::RefusedRecipient, &own, seconds(now)) {
                    traffic.take(&rules, Kind::RefusedRecipient, &own, seconds(now));
                    taken.push(now);
                }
                let within = taken.iter().filter(|at| now - **at < 3_600).count();
                prop_assert!(within <= 2 * bound as usize, "{taken:?}");
            }
        }
    }
}
