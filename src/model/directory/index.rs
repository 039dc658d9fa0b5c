//! Persistent hash tables for a million recipients: a copy costs nothing, the next version shares all but what changed,
//! and an entry takes little more than its own octets. (A hash trie with a node for each entry took 170 octets of
//! memory where 20 do.)
//!
//! A table is three levels of shared pointers: the table, pages of [`PAGE`] buckets, buckets of a few entries. To alter
//! one entry copies one bucket, one page of pointers and the table's pointers to pages, and where nobody shares them
//! not even that. The table doubles when buckets fill up; the work of that is shared by as many insertions.

use core::cmp::Reverse;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use super::recipient::{Recipient, RecipientId};

/// Buckets of one page.
const PAGE: usize = 256;
/// Entries of a bucket on average at which a table doubles.
const BUCKET_ENTRIES_MAX: usize = 24;

/// Something that has its place by a hash.
trait Entry: Clone {
    /// The same for the life of the entry; its highest bits name the bucket.
    fn hash(&self) -> u32;
}

type Bucket<E> = Arc<Vec<E>>;

/// A persistent hash table that may have several entries under one hash.
#[derive(Clone, Debug)]
struct Table<E> {
    pages: Arc<Vec<Arc<Vec<Bucket<E>>>>>,
    /// The table has two to the power of this many buckets.
    bits: u32,
    entries: usize,
}

impl<E: Entry> Table<E> {
    fn new() -> Self {
        Self::with_bits(0)
    }

    /// An empty table of `1 << bits` buckets, all of which share one empty bucket until they are used.
    fn with_bits(bits: u32) -> Self {
        let empty = Bucket::<E>::default();
        let buckets = 1_usize << bits;
        let page = Arc::new(vec![empty; buckets.min(PAGE)]);
        Self { pages: Arc::new(vec![page; buckets.div_ceil(PAGE)]), bits, entries: 0 }
    }

    /// A table of these entries, each bucket as large as it needs to be. Filled one by one, a large table is doubled
    /// many times and its buckets are moved whenever they grow.
    fn of(mut entries: Vec<E>) -> Self {
        let mut table = Self { pages: Arc::default(), bits: 0, entries: entries.len() };
        while entries.len() > BUCKET_ENTRIES_MAX << table.bits && table.bits < 31 {
            table.bits += 1;
        }
        // One bucket after the other is taken off the end, and the memory of each page of them is given back before the
        // next is made: a million entries are never there twice.
        entries.sort_unstable_by_key(|entry| Reverse(entry.hash()));
        let buckets = 1_usize << table.bits;
        let mut pages = Vec::with_capacity(buckets.div_ceil(PAGE));
        for first in (0..buckets).step_by(PAGE) {
            let page = first..buckets.min(first.saturating_add(PAGE));
            let mut take = |bucket| {
                let own = |entry: &&E| bucket_of(entry.hash(), table.bits) == bucket;
                let count = entries.iter().rev().take_while(own).count();
                Arc::new(entries.drain(entries.len().saturating_sub(count)..).collect())
            };
            pages.push(Arc::new(page.map(&mut take).collect()));
            entries.shrink_to_fit();
        }
        table.pages = Arc::new(pages);
        table
    }

    /// Page and place of the bucket for a hash.
    fn place(&self, hash: u32) -> (usize, usize) {
        let bucket = bucket_of(hash, self.bits);
        (bucket / PAGE, bucket % PAGE)
    }

    fn bucket(&self, hash: u32) -> &[E] {
        let (page, place) = self.place(hash);
        self.pages.get(page).and_then(|page| page.get(place)).map_or(&[], |bucket| bucket.as_slice())
    }

    fn alter(&mut self, hash: u32, alter: impl FnOnce(&mut Vec<E>)) {
        let (page, place) = self.place(hash);
        let page = Arc::make_mut(&mut self.pages).get_mut(page);
        if let Some(bucket) = page.and_then(|page| Arc::make_mut(page).get_mut(place)) {
            let bucket = Arc::make_mut(bucket);
            let before = bucket.len();
            alter(bucket);
            self.entries = self.entries + bucket.len() - before;
        }
    }

    fn insert(&mut self, entry: E) {
        if self.entries >= BUCKET_ENTRIES_MAX << self.bits && self.bits < 31 {
            self.double();
        }
        self.alter(entry.hash(), |bucket| {
            // A few at a time: half of a million buckets empty is what this table is there to avoid.
            if bucket.len() == bucket.capacity() {
                bucket.reserve_exact(4);
            }
            bucket.push(entry);
        });
    }

    fn remove(&mut self, hash: u32, is: impl Fn(&E) -> bool) {
        if self.bucket(hash).iter().any(&is) {
            self.alter(hash, |bucket| bucket.retain(|entry| !is(entry)));
        }
    }

    fn double(&mut self) {
        let mut next = Self::with_bits(self.bits + 1);
        for entry in self.iter() {
            next.insert(entry.clone());
        }
        *self = next;
    }

    /// The entries of every bucket that the two tables do not share, at the cost of what they do not share: all of them
    /// when one has doubled meanwhile.
    fn unshared<'table>(&'table self, former: &'table Self) -> impl Iterator<Item = &'table E> {
        let comparable = self.bits == former.bits;
        let pages = self.pages.iter().enumerate().filter_map(move |(place, page)| {
            let old = former.pages.get(place).filter(|_| comparable);
            (!old.is_some_and(|old| Arc::ptr_eq(old, page))).then_some((page, old))
        });
        let buckets = pages.flat_map(|(page, old)| {
            page.iter().enumerate().filter(move |(place, bucket)| {
                let old = old.and_then(|old| old.get(*place));
                !old.is_some_and(|old| Arc::ptr_eq(old, bucket))
            })
        });
        buckets.flat_map(|(_, bucket)| bucket.iter())
    }

    fn iter(&self) -> impl Iterator<Item = &E> {
        self.pages.iter().flat_map(|page| page.iter()).flat_map(|bucket| bucket.iter())
    }
}

/// The number of the bucket for a hash in a table of two to the power of `bits`.
fn bucket_of(hash: u32, bits: u32) -> usize {
    usize::try_from(u64::from(hash) << bits >> 32).unwrap_or(0)
}

/// A text's hash, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Named {
    hash: u32,
    /// The halves of the identity, since a whole one would leave a third of the entry empty.
    id: [u32; 2],
}

impl Named {
    const fn new(hash: u32, id: RecipientId) -> Self {
        Self { hash, id: [(id.0 >> 32) as u32, id.0 as u32] }
    }

    const fn id(self) -> RecipientId {
        let [high, low] = self.id;
        RecipientId((high as u64) << 32 | low as u64)
    }
}

impl Entry for Named {
    fn hash(&self) -> u32 {
        self.hash
    }
}

/// From a text to whose it is. The text itself is not kept: who looks something up says whether a candidate has it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    table: Table<Named>,
    hasher: RandomState,
}

/// What is to go into an [`Index`] at once, or a part of it.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    entries: Vec<Named>,
    hasher: RandomState,
}

impl Gathered {
    /// See [`Index::insert`].
    pub(super) fn insert(&mut self, text: &str, id: RecipientId) {
        self.entries.push(Named::new(hash(&self.hasher, text), id));
    }

    /// Makes room for so many texts.
    pub(super) fn reserve(&mut self, texts: usize) {
        self.entries.reserve_exact(texts);
    }

    /// Takes over what was gathered elsewhere for the same index.
    pub(super) fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
    }
}

fn hash(hasher: &RandomState, text: &str) -> u32 {
    // The upper half: any will do, and a table never needs more bits.
    (hasher.hash_one(text) >> 32) as u32
}

impl Index {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), hasher: RandomState::new() }
    }

    /// An empty list of what is to go in with [`Self::fill`].
    pub(super) fn gather(&self) -> Gathered {
        Gathered { entries: Vec::new(), hasher: self.hasher.clone() }
    }

    /// Puts in what was gathered for it, in the place of all that is there.
    pub(super) fn fill(&mut self, gathered: Gathered) {
        self.table = Table::of(gathered.entries);
    }

    /// The one of whom `has` says that the text is its own.
    pub(super) fn find<'found, T>(
        &self,
        text: &str,
        has: impl Fn(RecipientId) -> Option<&'found T>,
    ) -> Option<&'found T> {
        let hash = hash(&self.hasher, text);
        let candidates = self.table.bucket(hash).iter().filter(|entry| entry.hash == hash);
        candidates.into_iter().find_map(|entry| has(entry.id()))
    }

    /// Notes that the text is the recipient's own. The same twice is kept twice, so it has to be removed before.
    pub(super) fn insert(&mut self, text: &str, id: RecipientId) {
        self.table.insert(Named::new(hash(&self.hasher, text), id));
    }

    /// Forgets that the text is the recipient's own.
    pub(super) fn remove(&mut self, text: &str, id: RecipientId) {
        let hash = hash(&self.hasher, text);
        self.table.remove(hash, |entry| entry.hash == hash && entry.id() == id);
    }
}

/// A recipient with its identity beside it, so that looking for another one does not have to go to it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    id: RecipientId,
    recipient: Arc<Recipient>,
}

impl From<Arc<Recipient>> for Kept {
    fn from(recipient: Arc<Recipient>) -> Self {
        Self { id: recipient.id, recipient }
    }
}

/// Spreads ids, which are given one after the other, over all buckets.
const fn spread(id: RecipientId) -> u32 {
    // Fibonacci hashing: the golden ratio of 64 bits.
    (id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

impl Entry for Kept {
    fn hash(&self) -> u32 {
        spread(self.id)
    }
}

/// Every recipient by its identity.
#[derive(Clone, Debug)]
pub(super) struct Recipients(Table<Kept>);

impl Recipients {
    pub(super) fn new() -> Self {
        Self(Table::new())
    }

    /// All of these, no two of whom have the same identity.
    pub(super) fn of(recipients: Vec<Kept>) -> Self {
        Self(Table::of(recipients))
    }

    pub(super) const fn len(&self) -> usize {
        self.0.entries
    }

    /// Recipients that are not as `former` has them, the new ones among them.
    pub(super) fn altered_since<'table>(
        &'table self,
        former: &'table Self,
    ) -> impl Iterator<Item = &'table Arc<Recipient>> {
        let same = |kept: &&Kept| former.get(kept.id).is_some_and(|old| Arc::ptr_eq(old, &kept.recipient));
        self.0.unshared(&former.0).filter(move |kept| !same(kept)).map(|kept| &kept.recipient)
    }

    pub(super) fn get(&self, id: RecipientId) -> Option<&Arc<Recipient>> {
        self.0.bucket(spread(id)).iter().find(|kept| kept.id == id).map(|kept| &kept.recipient)
    }

    /// Puts a recipient in, in the place of the one with its id.
    pub(super) fn insert(&mut self, recipient: Arc<Recipient>) {
        self.remove(recipient.id);
        self.0.insert(Kept::from(recipient));
    }

    pub(super) fn remove(&mut self, id: RecipientId) {
        self.0.remove(spread(id), |kept| kept.id == id);
    }

    /// All of them, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Recipient>> {
        self.0.iter().map(|kept| &kept.recipient)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_answers_like_a_set_and_earlier_copies_stay_as_they_were(
            steps in prop::collection::vec((any::<bool>(), 0_u64..200), 0..600),
        ) {
            let (mut index, mut set) = (Index::new(), BTreeSet::new());
            let mut copies = Vec::new();
            for (number, (adds, id)) in steps.into_iter().enumerate() {
                let text = format!("text {id}");
                index.remove(&text, RecipientId(id));
                set.remove(&id);
                if adds {
                    index.insert(&text, RecipientId(id));
                    set.insert(id);
                }
                if number % 50 == 0 {
                    copies.push((index.clone(), set.clone()));
                }
            }
            copies.push((index, set));
            let ids: Vec<RecipientId> = (0..200).map(RecipientId).collect();
            for (index, set) in copies {
                prop_assert_eq!(index.table.entries, set.len());
                prop_assert_eq!(index.table.iter().count(), set.len());
                for id in &ids {
                    let found = index.find(&format!("text {id}"), |candidate| ids.get(candidate.0 as usize));
                    prop_assert_eq!(found.is_some(), set.contains(&id.0));
                }
            }
        }
    }

    #[test]
    fn a_table_made_at_once_is_as_one_filled_one_by_one_and_grows_on() {
        for count in [0_u64, 1, 23, 24, 25, 5_000, 50_000] {
            let entries: Vec<Named> =
                (0..count).map(|number| Named::new(spread(RecipientId(number)), RecipientId(number))).collect();
            let mut filled = Table::new();
            entries.iter().for_each(|entry| filled.insert(*entry));
            let mut made = Table::of(entries);
            assert_eq!((made.bits, made.entries), (filled.bits, filled.entries), "{count}");
            let next = Named::new(spread(RecipientId(count)), RecipientId(count));
            made.insert(next);
            filled.insert(next);
            assert_eq!(made.bits, filled.bits);
            for number in 0..=count {
                let bucket = made.bucket(spread(RecipientId(number)));
                assert_eq!(bucket.iter().filter(|entry| entry.id().0 == number).count(), 1, "{number} of {count}");
            }
            assert_eq!(made.iter().count() as u64, count + 1);
        }
    }

    #[test]
    fn an_entry_takes_no_more_than_it_holds_and_keeps_every_identity() {
        assert_eq!(size_of::<Named>(), 12);
        for id in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX - 1, u64::MAX].map(RecipientId) {
            assert_eq!(Named::new(7, id).id(), id);
        }
    }

    #[test]
    fn a_table_doubles_before_its_buckets_grow_long() {
        let mut table = Table::new();
        for number in 0..100_000_u64 {
            let id = RecipientId(number);
            table.insert(Named::new(spread(id), id));
        }
        let longest = table.pages.iter().flat_map(|page| page.iter()).map(|bucket| bucket.len()).max();
        assert!(longest.is_some_and(|longest| longest < 4 * BUCKET_ENTRIES_MAX), "{longest:?}");
        assert_eq!(table.iter().count(), 100_000);
    }
}
