//! When messages of one account, or of one connector, may be accepted: so many a minute, in the order of their coming.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use super::{Tally, locked};
use crate::model::directory::RecipientId;

const MINUTE: Duration = Duration::from_secs(60);
/// Clients wait ten minutes for the reply to a message (RFC 5321 section 4.5.3.2.6); this leaves them a margin.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// The moments at which messages of the last minute were, or will be, accepted; in order.
#[derive(Debug, Default)]
pub(super) struct Turns(VecDeque<Duration>);

/// The moment at which a message may be accepted. Dropping it gives the moment back, unless it was used.
#[derive(Debug)]
#[must_use = "a turn that is not kept is given back at once"]
pub struct Turn {
    tally: Arc<Tally>,
    of: Whose,
    at: Duration,
    wait: Duration,
    used: bool,
}

/// Whose messages are counted together.
#[derive(Debug)]
enum Whose {
    Account(RecipientId),
    /// By its name.
    Connector(Box<str>),
}

/// A message would have to wait for longer than its client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnFailure;

impl Turns {
    /// Messages within the minute before `now`, and those to come.
    pub(super) fn within_minute(&self, now: Duration) -> u32 {
        let count = self.0.iter().filter(|at| at.saturating_add(MINUTE) > now).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The first moment from `now` on at which no minute has more than `bound` messages; it is taken.
    fn take(&mut self, now: Duration, bound: Option<u32>) -> Result<Duration, TurnFailure> {
        while self.0.front().is_some_and(|at| at.saturating_add(MINUTE) <= now) {
            self.0.pop_front();
        }
        // Without a bound nobody counts; the next one who does begins a new minute.
        let Some(bound) = bound else { return Ok(now) };
        let bound = usize::try_from(bound.max(1)).unwrap_or(usize::MAX);
        let before = self.0.len().checked_sub(bound).and_then(|place| self.0.get(place));
        let at = before.map_or(now, |before| before.saturating_add(MINUTE).max(now));
        if at.saturating_sub(now) > WAIT_MAX {
            return Err(TurnFailure);
        }
        // Behind those of the same moment.
        let place = self.0.partition_point(|other| *other <= at);
        self.0.insert(place, at);
        Ok(at)
    }

    fn give_back(&mut self, at: Duration) {
        if let Some(place) = self.0.iter().rposition(|other| *other == at) {
            self.0.remove(place);
        }
    }
}

impl Tally {
    /// Takes the next free moment of an account that may submit `bound` messages a minute. Moments are given in the
    /// order in which they are asked for, so no session of the account is passed over.
    ///
    /// # Errors
    /// [`TurnFailure`].
    pub fn turn(self: &Arc<Self>, account: RecipientId, bound: Option<u32>) -> Result<Turn, TurnFailure> {
        let now = self.clock.elapsed();
        let at = self.shard(account.0).senders.entry(account).or_default().turns.take(now, bound)?;
        Ok(self.turn_at(Whose::Account(account), at, now))
    }

    /// The same for a connector, whose name comes from the configuration, so that there are few.
    ///
    /// # Errors
    /// [`TurnFailure`].
    pub fn connector_turn(self: &Arc<Self>, connector: &str, bound: Option<u32>) -> Result<Turn, TurnFailure> {
        let now = self.clock.elapsed();
        let at = locked(&self.connectors).entry(connector.into()).or_default().take(now, bound)?;
        Ok(self.turn_at(Whose::Connector(connector.into()), at, now))
    }

    fn turn_at(self: &Arc<Self>, of: Whose, at: Duration, now: Duration) -> Turn {
        Turn { tally: Arc::clone(self), of, at, wait: at.saturating_sub(now), used: false }
    }
}

impl Turn {
    /// How long it is until then.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// The message is accepted: the moment stays taken.
    pub fn keep(mut self) {
        self.used = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        match &self.of {
            Whose::Account(account) => {
                if let Some(sender) = self.tally.shard(account.0).senders.get_mut(account) {
                    sender.turns.give_back(self.at);
                }
            }
            Whose::Connector(name) => {
                if let Some(turns) = locked(&self.tally.connectors).get_mut(name) {
                    turns.give_back(self.at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn messages_beyond_the_rate_come_a_minute_after_those_before() {
        let mut turns = Turns::default();
        let mut at = |now: u64| turns.take(seconds(now), Some(2)).unwrap();
        assert_eq!([at(10), at(20), at(30), at(30), at(31)].map(|at| at.as_secs()), [10, 20, 70, 80, 130]);
        assert_eq!(turns.within_minute(seconds(31)), 5);
        turns.give_back(seconds(70));
        assert_eq!(turns.take(seconds(75), Some(2)).unwrap(), seconds(140));
        assert_eq!(Turns::default().take(seconds(5), None), Ok(seconds(5)));
    }

    #[test]
    fn nobody_waits_for_longer_than_clients_do() {
        let mut turns = Turns::default();
        let taken = (0..20).map_while(|_| turns.take(seconds(100), Some(1)).ok()).count();
        assert_eq!(taken, 6);
        assert_eq!(turns.take(seconds(100), Some(1)), Err(TurnFailure));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_messages_than_it_may_and_nobody_waits_in_vain(
            gaps in prop::collection::vec(0..40_u64, 1..60),
            bound in 1..6_u32,
        ) {
            let (mut turns, mut now, mut all) = (Turns::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                let Ok(at) = turns.take(seconds(now), Some(bound)) else { continue };
                all.push(at);
                let fits = |at: Duration, all: &[Duration]| {
                    let within = all.iter().filter(|other| **other <= at && other.saturating_add(MINUTE) > at);
                    within.count() <= bound as usize
                };
                prop_assert!(fits(at, &all), "{at:?} of {all:?}");
                // A second earlier would have been too early.
                if at > seconds(now) {
                    let mut earlier = all.clone();
                    *earlier.last_mut().unwrap() = at - seconds(1);
                    prop_assert!(!fits(at - seconds(1), &earlier));
                }
            }
        }
    }
}
