//! Packed values: encoded one by one, and compressed a block at a time.
//!
//! In a block each value is its id and its length, in eight and four octets, and itself. A block never alters. A value
//! that is taken out stays in it as waste, and a block of which half is waste is packed anew, so at most half of what
//! is kept is waste.

use core::marker::PhantomData;
use std::collections::BTreeMap;

use lz4_flex::block::{compress_into, compress_prepend_size, decompress_size_prepended, get_maximum_output_size};

use super::Shelved;
use crate::model::queue::encoding::append;
use crate::model::queue::entry::QueueId;

/// A block is closed with so many values, or so many octets.
const BLOCK_VALUES: u16 = 16;
const BLOCK_BYTES: usize = 8 << 10;
/// In front of a compressed block.
const SIZE_BYTES: usize = size_of::<u32>();
/// The number of the block that is still open.
const OPEN: u32 = u32::MAX;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Packs<T> {
    /// In which block each value is.
    index: BTreeMap<QueueId, u32>,
    blocks: Vec<Block>,
    /// Numbers of blocks that are not used.
    free: Vec<u32>,
    /// The block that is not compressed yet.
    open: Vec<u8>,
    open_values: u16,
    /// Room to encode in.
    scratch: Vec<u8>,
    /// Room to compress in: what remains of a block is copied out of it.
    compressed: Vec<u8>,
    /// The block that was read last: what wakes together was mostly packed together.
    reader: Reader,
    values: PhantomData<T>,
}

#[derive(Debug, Default)]
struct Block {
    /// Compressed.
    bytes: Box<[u8]>,
    values: u16,
    live: u16,
}

/// A block that is unpacked.
#[derive(Debug, Default)]
pub(super) struct Reader {
    block: Option<u32>,
    bytes: Vec<u8>,
}

impl<T> Default for Packs<T> {
    fn default() -> Self {
        Self {
            index: BTreeMap::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            open: Vec::new(),
            open_values: 0,
            scratch: Vec::new(),
            compressed: Vec::new(),
            reader: Reader::default(),
            values: PhantomData,
        }
    }
}

impl<T: Shelved> Packs<T> {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn ids_from(&self, first: QueueId) -> impl Iterator<Item = QueueId> {
        self.index.range(first..).map(|(id, _)| *id)
    }

    /// Packs a value; false when it cannot be encoded.
    pub(super) fn put(&mut self, id: QueueId, value: &T) -> bool {
        self.scratch.clear();
        let Ok(bytes) = append(value, core::mem::take(&mut self.scratch)) else { return false };
        self.forget(id);
        self.add(id, &bytes);
        self.scratch = bytes;
        true
    }

    /// Unpacks a value and forgets it.
    pub(super) fn take(&mut self, id: QueueId) -> Option<T> {
        let mut reader = core::mem::take(&mut self.reader);
        let value = self.look(id, &mut reader);
        self.reader = reader;
        if value.is_some() {
            self.forget(id);
        }
        value
    }

    /// Unpacks a value and keeps it; `reader` has the block afterwards.
    pub(super) fn look(&self, id: QueueId, reader: &mut Reader) -> Option<T> {
        let number = *self.index.get(&id)?;
        let bytes = match number {
            OPEN => values(&self.open).find(|(own, _)| *own == id)?.1,
            number => reader.of(number, self.block(number)?).find(|(own, _)| *own == id)?.1,
        };
        postcard::from_bytes(bytes).ok()
    }

    /// Forgets a value, if there is one of this id.
    pub(super) fn forget(&mut self, id: QueueId) {
        let Some(number) = self.index.remove(&id) else { return };
        if number == OPEN {
            let former = core::mem::take(&mut self.open);
            self.open_values = self.open_values.saturating_sub(1);
            values(&former).filter(|(own, _)| *own != id).for_each(|(own, bytes)| write(&mut self.open, own, bytes));
            return;
        }
        let Some(block) = self.block_mut(number) else { return };
        block.live = block.live.saturating_sub(1);
        if block.live.saturating_mul(2) <= block.values {
            self.dissolve(number);
        }
    }

    /// The octets of all blocks.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes.len()).sum()
    }

    fn block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    fn block_mut(&mut self, number: u32) -> Option<&mut Block> {
        self.blocks.get_mut(usize::try_from(number).ok()?)
    }

    fn add(&mut self, id: QueueId, bytes: &[u8]) {
        self.index.insert(id, OPEN);
        write(&mut self.open, id, bytes);
        self.open_values = self.open_values.saturating_add(1);
        if self.open_values >= BLOCK_VALUES || self.open.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    /// Compresses the open block.
    fn close(&mut self) {
        let block = Block { bytes: self.compress(), values: self.open_values, live: self.open_values };
        let number = match self.free.pop() {
            Some(number) => number,
            // As many blocks as there are numbers would take more memory than any machine has.
            None => u32::try_from(self.blocks.len()).unwrap_or(OPEN.saturating_sub(1)),
        };
        match self.block_mut(number) {
            Some(place) => *place = block,
            None => self.blocks.push(block),
        }
        self.reader.forget(number);
        for (id, _) in values(&self.open) {
            self.index.insert(id, number);
        }
        self.open.clear();
        self.open_values = 0;
    }

    /// The open block, compressed, with its size in front.
    fn compress(&mut self) -> Box<[u8]> {
        let Self { open, compressed, .. } = self;
        let most = SIZE_BYTES.saturating_add(get_maximum_output_size(open.len()));
        if compressed.len() < most {
            compressed.resize(most, 0);
        }
        let size = u32::try_from(open.len()).unwrap_or(u32::MAX).to_le_bytes();
        let length = compressed.split_first_chunk_mut().and_then(|(place, rest)| {
            *place = size;
            compress_into(open, rest).ok()
        });
        // There is room for whatever comes of it; the other branch only satisfies the type.
        let end = length.map(|length| SIZE_BYTES.saturating_add(length));
        end.and_then(|end| compressed.get(..end)).map_or_else(|| compress_prepend_size(open).into(), Into::into)
    }

    /// Takes what is left out of a block, to be packed anew, and frees it.
    fn dissolve(&mut self, number: u32) {
        let Some(block) = self.block_mut(number).map(core::mem::take) else { return };
        let mut reader = core::mem::take(&mut self.reader);
        let left: Vec<(QueueId, Box<[u8]>)> = reader
            .of(number, &block)
            .filter(|(id, _)| self.index.get(id) == Some(&number))
            .map(|(id, bytes)| (id, bytes.into()))
            .collect();
        // Its number is given to another block.
        reader.forget(number);
        self.reader = reader;
        self.free.push(number);
        for (id, bytes) in left {
            self.add(id, &bytes);
        }
    }
}

impl Reader {
    /// The values of a block, those included that were taken out.
    fn of(&mut self, number: u32, block: &Block) -> impl Iterator<Item = (QueueId, &[u8])> {
        if self.block != Some(number) {
            self.bytes = decompress_size_prepended(&block.bytes).unwrap_or_default();
            self.block = Some(number);
        }
        values(&self.bytes)
    }

    fn forget(&mut self, number: u32) {
        if self.block == Some(number) {
            *self = Self::default();
        }
    }
}

fn write(block: &mut Vec<u8>, id: QueueId, value: &[u8]) {
    block.extend_from_slice(&id.0.to_le_bytes());
    block.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    block.extend_from_slice(value);
}

fn values(block: &[u8]) -> impl Iterator<Item = (QueueId, &[u8])> {
    let mut rest = block;
    core::iter::from_fn(move || {
        let (id, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let (value, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        rest = after;
        Some((QueueId(u64::from_le_bytes(*id)), value))
    })
}
