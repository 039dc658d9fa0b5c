//! What networks have used of their budgets, as sessions, listeners and administrators share it (see
//! `model::policy::traffic`). Kept in memory only.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::intake::locked;
use crate::model::mail::Network;
use crate::model::policy::traffic::{Entry, Kind, Rules, Traffic};
use crate::world::clock::Clock;

/// The budgets of a server. Every answer is given at once.
pub struct TrafficStore {
    own: Mutex<Traffic>,
    clock: Arc<dyn Clock>,
}

impl core::fmt::Debug for TrafficStore {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("TrafficStore").finish_non_exhaustive()
    }
}

impl TrafficStore {
    /// Nothing is used yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { own: Mutex::default(), clock }
    }

    /// Whether the network of a client has nothing left.
    pub fn is_used_up(&self, rules: &Rules, kind: Kind, peer: IpAddr) -> bool {
        let network = Network::of_client(peer);
        // Who has no bound waits for nobody.
        rules.counts(kind, &network) && locked(&self.own).is_used_up(rules, kind, &network, self.clock.elapsed())
    }

    /// Takes `pieces` of the budget of a client's network; true when the last one for now was among them.
    pub fn take(&self, rules: &Rules, kind: Kind, peer: IpAddr, pieces: u32) -> bool {
        let network = Network::of_client(peer);
        if !rules.counts(kind, &network) {
            return false;
        }
        let (now, mut own) = (self.clock.elapsed(), locked(&self.own));
        let before = own.is_used_up(rules, kind, &network, now);
        for _ in 0..pieces {
            if own.is_used_up(rules, kind, &network, now) {
                break;
            }
            own.take(rules, kind, &network, now);
        }
        !before && own.is_used_up(rules, kind, &network, now)
    }

    /// What is used of any budget, what is used up first.
    pub fn entries(&self, rules: &Rules) -> Vec<Entry> {
        locked(&self.own).entries(rules, self.clock.elapsed())
    }

    /// Gives networks their whole budgets back; how many they were.
    pub fn clear(&self, network: &Network) -> usize {
        locked(&self.own).clear(network)
    }
}
