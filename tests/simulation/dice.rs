//! Draws from the seed. Every concern has dice of its own, so that a change of one leaves the others alone.

use franking::world::random::{Random as _, SeededRandom};

/// What is drawn for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concern {
    Disk = 1,
    Scenario,
    Plan,
    Network,
    Hands,
    Agents,
    Administrator,
    Moderation,
}

/// Dice.
#[derive(Debug)]
pub(super) struct Dice(SeededRandom);

impl Dice {
    pub(super) fn new(seed: u64, concern: Concern) -> Self {
        Self(SeededRandom::new(Self::seed(seed, concern)))
    }

    /// A seed for a generator of somebody else's. Mixed, since neighbouring states give overlapping sequences.
    pub(super) fn seed(seed: u64, concern: Concern) -> u64 {
        let first = SeededRandom::new(seed).next_u64();
        SeededRandom::new(first ^ ((concern as u64) << 32)).next_u64()
    }

    /// A number from 0 to `bound - 1`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// A number from 1 to `last`; small ones come as often as large ones.
    pub(super) fn scale(&self, last: u64) -> u64 {
        let bits = u64::from(last.ilog2()) + 1;
        let top = 1 << self.below(bits);
        self.between(top / 2 + 1, top.max(1)).min(last)
    }

    /// True once in `of` times.
    pub(super) fn chance(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}
