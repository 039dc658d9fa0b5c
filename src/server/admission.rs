//! Who is in: open sessions are counted in all, by where they come from, and by the account that signed in; no more are
//! let in than fit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::directory::RecipientId;

/// One in so many places may be held by connections that a proxy has not announced yet.
const UNANNOUNCED_PART: usize = 4;

/// Where a client comes from, as far as counting goes. Whoever has an IPv6 address has its whole network of 64 bits, so
/// that network counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    V4(u32),
    V6Network(u64),
}

impl Origin {
    fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            // The upper half: the shift leaves 64 bits, so the conversion loses nothing.
            IpAddr::V6(address) => Self::V6Network(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)),
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    total: usize,
    /// Connections of proxies that have not said yet for whom.
    unannounced: usize,
    by_origin: HashMap<Origin, usize>,
    /// The seats of each account that is signed in, and of each connector, in the order of their coming.
    by_occupant: HashMap<Occupant, Vec<u64>>,
    seats: u64,
}

/// Counts open sessions.
#[derive(Debug, Default)]
pub struct Admission {
    count: Mutex<Count>,
}

/// A place in the count; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Slot {
    admission: Arc<Admission>,
    /// None for a connection of a proxy that has not said yet for whom.
    origin: Option<Origin>,
}

/// Whose sessions are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Occupant {
    /// An account that signed in.
    Account(RecipientId),
    /// The clients of a connector, by its name.
    Connector(Box<str>),
}

/// The place of a session among those of its account or connector; dropping it lets the later ones move up.
#[derive(Debug)]
pub(super) struct Seat {
    admission: Arc<Admission>,
    occupant: Occupant,
    number: u64,
}

impl Seat {
    /// Whose it is.
    pub(super) const fn occupant(&self) -> &Occupant {
        &self.occupant
    }

    /// How many sessions of the same occupant began before this one and are open still.
    pub(super) fn earlier(&self) -> usize {
        self.admission.locked(|count| {
            let seats = count.by_occupant.get(&self.occupant).map_or(&[] as &[u64], Vec::as_slice);
            seats.iter().take_while(|number| **number != self.number).count()
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.admission.locked(|count| {
            let Some(seats) = count.by_occupant.get_mut(&self.occupant) else { return };
            seats.retain(|number| *number != self.number);
            if seats.is_empty() {
                count.by_occupant.remove(&self.occupant);
            }
        });
    }
}

/// There is no room for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All sessions are taken.
    InAll,
    /// Those for its address are.
    ForAddress,
    /// Proxies hold too many that they have not announced.
    Unannounced,
}

impl Admission {
    /// Sessions that are open now.
    pub fn open_sessions(&self) -> usize {
        self.locked(|count| count.total)
    }

    /// Takes a place for a client at `peer`, unless `total_max` sessions are open, or `address_max` from there.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, total_max: usize, address_max: usize) -> Result<Slot, Full> {
        let origin = Origin::of(peer);
        self.locked(|count| {
            if count.total >= total_max {
                return Err(Full::InAll);
            }
            count.enter(origin, address_max)?;
            count.total += 1;
            Ok(Slot { admission: Arc::clone(self), origin: Some(origin) })
        })
    }

    /// Takes a place for a connection from a proxy, before it has said for whom. A quarter of all places are for
    /// those: a proxy that is slow, or hostile, leaves the rest to others.
    pub(super) fn admit_unannounced(self: &Arc<Self>, total_max: usize) -> Result<Slot, Full> {
        self.locked(|count| {
            if count.total >= total_max {
                return Err(Full::InAll);
            }
            if count.unannounced >= total_max.div_ceil(UNANNOUNCED_PART) {
                return Err(Full::Unannounced);
            }
            count.unannounced += 1;
            count.total += 1;
            Ok(Slot { admission: Arc::clone(self), origin: None })
        })
    }

    /// Takes a seat for a session that an account has signed in on, or that a connector vouches for. There are as many
    /// as sessions: those that are too many are refused at the end of their messages (spec section 1.6, row D4).
    pub(super) fn take_seat(self: &Arc<Self>, occupant: Occupant) -> Seat {
        self.locked(|count| {
            count.seats = count.seats.wrapping_add(1);
            count.by_occupant.entry(occupant.clone()).or_default().push(count.seats);
            Seat { admission: Arc::clone(self), occupant, number: count.seats }
        })
    }

    /// Every change of the count is whole, so it is good even after a panic elsewhere.
    fn locked<T>(&self, step: impl FnOnce(&mut Count) -> T) -> T {
        step(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Count {
    /// Takes a place among those of one origin.
    fn enter(&mut self, origin: Origin, address_max: usize) -> Result<(), Full> {
        let own = self.by_origin.get(&origin).copied().unwrap_or(0);
        if own >= address_max {
            return Err(Full::ForAddress);
        }
        self.by_origin.insert(origin, own + 1);
        Ok(())
    }
}

impl Slot {
    /// From now on the place is that of the client at `peer`, unless `address_max` sessions are open from there.
    pub(super) fn announce(&mut self, peer: IpAddr, address_max: usize) -> Result<(), Full> {
        let origin = Origin::of(peer);
        let admission = Arc::clone(&self.admission);
        admission.locked(|count| {
            if self.origin.is_none() {
                count.enter(origin, address_max)?;
                count.unannounced = count.unannounced.saturating_sub(1);
                self.origin = Some(origin);
            }
            Ok(())
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.locked(|count| {
            count.total = count.total.saturating_sub(1);
            let Some(origin) = self.origin else {
                count.unannounced = count.unannounced.saturating_sub(1);
                return;
            };
            let left = count.by_origin.get(&origin).map_or(0, |own| own.saturating_sub(1));
            if left == 0 {
                count.by_origin.remove(&origin);
            } else {
                count.by_origin.insert(origin, left);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_gets_its_places_back_and_no_more() {
        let admission = Arc::new(Admission::default());
        let admit = |text: &str| admission.admit(peer(text), 3, 2);
        let (first, _second) = (admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap());
        assert_eq!(admit("192.0.2.1").unwrap_err(), Full::ForAddress);
        let _third = admit("192.0.2.2").unwrap();
        assert_eq!(admit("192.0.2.3").unwrap_err(), Full::InAll);
        drop(first);
        assert_eq!(admission.open_sessions(), 2);
        assert!(admit("192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let admission = Arc::new(Admission::default());
        let _one = admission.admit(peer("2001:db8::1"), 9, 1).unwrap();
        assert_eq!(admission.admit(peer("2001:db8::ffff:1"), 9, 1).unwrap_err(), Full::ForAddress);
        assert!(admission.admit(peer("2001:db8:0:1::1"), 9, 1).is_ok());
    }

    #[test]
    fn sessions_of_an_account_move_up_when_an_earlier_one_ends() {
        let admission = Arc::new(Admission::default());
        let (alice, printers) = (|| Occupant::Account(RecipientId(1)), Occupant::Connector("printers".into()));
        let seats: Vec<Seat> = (0..4).map(|_| admission.take_seat(alice())).collect();
        assert_eq!(seats.iter().map(Seat::earlier).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(admission.take_seat(printers).earlier(), 0);
        let mut seats = seats.into_iter();
        drop(seats.nth(1));
        let left: Vec<Seat> = seats.collect();
        assert_eq!(left.iter().map(Seat::earlier).collect::<Vec<_>>(), [0, 1]);
        drop(left);
        assert!(admission.locked(|count| count.by_occupant.is_empty()));
    }

    #[test]
    fn what_proxies_have_not_announced_takes_a_quarter_of_all_places() {
        let admission = Arc::new(Admission::default());
        let (mut first, second) = (admission.admit_unannounced(8).unwrap(), admission.admit_unannounced(8).unwrap());
        assert_eq!(admission.admit_unannounced(8).unwrap_err(), Full::Unannounced);
        assert_eq!(first.announce(peer("192.0.2.1"), 1), Ok(()));
        let mut third = admission.admit_unannounced(8).unwrap();
        assert_eq!(admission.admit(peer("192.0.2.1"), 8, 1).unwrap_err(), Full::ForAddress);
        assert_eq!(third.announce(peer("::ffff:192.0.2.1"), 1), Err(Full::ForAddress));
        assert_eq!(third.announce(peer("192.0.2.2"), 1), Ok(()));
        assert_eq!(admission.admit_unannounced(3).unwrap_err(), Full::InAll);
        assert_eq!(admission.open_sessions(), 3);
        drop((first, second, third));
        assert!(admission.locked(|count| count.by_origin.is_empty() && count.total == 0 && count.unannounced == 0));
    }

    #[test]
    fn nothing_is_remembered_of_clients_that_left() {
        let admission = Arc::new(Admission::default());
        for address in 0..1_000_u32 {
            drop(admission.admit(IpAddr::V4(address.into()), 9, 1).unwrap());
        }
        assert!(admission.locked(|count| count.by_origin.is_empty() && count.total == 0));
    }
}
