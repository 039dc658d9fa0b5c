//! Values by message, of which a bounded number is at hand and the others lie packed.
//!
//! A queue may carry a million messages that wait for hours. One at hand takes kilobytes; packed with its neighbours,
//! which mostly share its sender, its destination and its last answer, it takes about a hundred octets. What is in use
//! stays at hand, and a queue that is not full never packs anything. Nothing else tells the two apart: this is a map.

mod packs;
#[cfg(test)]
mod tests;

use core::ops::Deref;
use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::QueueId;
use packs::{Packs, Reader};

/// How many that may not be packed are passed over before the next try.
const TRIES: usize = 4;
/// So many names of values that have gone are not worth looking for.
const STALE_MIN: usize = 64;

/// What can lie on a shelf.
pub trait Shelved: Serialize + DeserializeOwned {
    /// Does what must be done after unpacking, such as sharing again what was shared.
    fn unpacked(&mut self) {}
}

/// See the head of this file.
#[derive(Debug)]
pub struct Shelf<T> {
    /// In boxes: what a map moves about is small.
    awake: BTreeMap<QueueId, Box<T>>,
    /// Those at hand, in the order in which they came to hand; some of them may have gone.
    order: VecDeque<QueueId>,
    packs: Packs<T>,
}

/// A value to be read.
#[derive(Debug)]
pub enum Seen<'a, T> {
    /// At hand.
    AtHand(&'a T),
    /// Unpacked to be looked at; its pack stays as it is.
    Unpacked(T),
}

impl<T> Deref for Seen<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::AtHand(value) => value,
            Self::Unpacked(value) => value,
        }
    }
}

impl<'a, T> Seen<'a, T> {
    /// A part of it.
    pub fn part<P>(self, borrow: impl FnOnce(&'a T) -> &'a P, own: impl FnOnce(T) -> P) -> Seen<'a, P> {
        match self {
            Self::AtHand(value) => Seen::AtHand(borrow(value)),
            Self::Unpacked(value) => Seen::Unpacked(own(value)),
        }
    }
}

impl<T: Clone> Seen<'_, T> {
    /// A copy of one's own.
    pub fn into_owned(self) -> T {
        match self {
            Self::AtHand(value) => value.clone(),
            Self::Unpacked(value) => value,
        }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { awake: BTreeMap::new(), order: VecDeque::new(), packs: Packs::default() }
    }
}

impl<T: Shelved> Shelf<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.awake.len().saturating_add(self.packs.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a value in; it is at hand then. A former one of this id goes.
    pub fn insert(&mut self, id: QueueId, value: T) {
        self.packs.forget(id);
        if self.awake.insert(id, Box::new(value)).is_none() {
            self.came_to_hand(id);
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, id: QueueId) -> Option<T> {
        self.awake.remove(&id).map(|value| *value).or_else(|| self.unpack(id))
    }

    /// The id of every value, in order.
    pub fn ids(&self) -> Vec<QueueId> {
        let mut ids: Vec<QueueId> = self.packs.ids_from(QueueId(0)).chain(self.awake.keys().copied()).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether there is a value of this id and it is not packed.
    pub fn is_at_hand(&self, id: QueueId) -> bool {
        self.awake.contains_key(&id)
    }

    /// Unpacks a value, if it is packed, and tells whether it was.
    pub fn wake(&mut self, id: QueueId) -> bool {
        // What is at hand is found in a small map; the other one can be large.
        if self.awake.contains_key(&id) {
            return false;
        }
        let Some(value) = self.unpack(id) else { return false };
        self.awake.insert(id, Box::new(value));
        self.came_to_hand(id);
        true
    }

    /// A value to be altered; it is at hand then.
    pub fn get_mut(&mut self, id: QueueId) -> Option<&mut T> {
        self.wake(id);
        self.awake.get_mut(&id).map(|value| &mut **value)
    }

    /// A value to be read; it stays where it is.
    pub fn get(&self, id: QueueId) -> Option<Seen<'_, T>> {
        match self.awake.get(&id) {
            Some(value) => Some(Seen::AtHand(value)),
            None => self.packs.look(id, &mut Reader::default()).map(Seen::Unpacked),
        }
    }

    /// The values from `first` on, by id, to be read.
    pub fn iter_from(&self, first: QueueId) -> impl Iterator<Item = (QueueId, Seen<'_, T>)> {
        let (mut awake, mut packed) = (self.awake.range(first..).peekable(), self.packs.ids_from(first).peekable());
        let mut reader = Reader::default();
        core::iter::from_fn(move || {
            loop {
                let next = awake.peek().map(|(id, _)| **id);
                let is_packed = packed.peek().is_some_and(|id| next.is_none_or(|next| *id < next));
                if !is_packed {
                    return awake.next().map(|(id, value)| (*id, Seen::AtHand(&**value)));
                }
                let id = packed.next()?;
                if let Some(value) = self.packs.look(id, &mut reader) {
                    return Some((id, Seen::Unpacked(value)));
                }
            }
        })
    }

    /// Packs a few of those that have been at hand longest, if more than `awake_max` are; `may_rest` prepares a value
    /// for that, or says that it is in use.
    pub fn relieve(&mut self, awake_max: usize, mut may_rest: impl FnMut(QueueId, &mut T) -> bool) {
        for _ in 0..TRIES {
            if self.awake.len() <= awake_max {
                return;
            }
            let Some(id) = self.order.pop_front() else { return };
            let Some(value) = self.awake.get_mut(&id) else { continue };
            if may_rest(id, value) && self.packs.put(id, value) {
                self.awake.remove(&id);
            } else {
                self.order.push_back(id);
            }
        }
    }

    fn unpack(&mut self, id: QueueId) -> Option<T> {
        let mut value = self.packs.take(id)?;
        value.unpacked();
        Some(value)
    }

    fn came_to_hand(&mut self, id: QueueId) {
        self.order.push_back(id);
        let Self { awake, order, .. } = self;
        if order.len() > awake.len().saturating_mul(2).saturating_add(STALE_MIN) {
            order.retain(|id| awake.contains_key(id));
        }
    }
}
