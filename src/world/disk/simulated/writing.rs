//! Writes to the simulated disk, and what is left of them when nothing made them durable.

use super::content::{Content, DataChange};
use super::*;

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the end of the file.
    End,
    /// Over what is there from this octet on, and beyond the end.
    At(usize),
}

/// What is written over survives in pieces of so many octets. A disk's are larger; smaller ones find more.
const PIECE_BYTES: usize = 32;

impl State {
    pub(super) fn write(&mut self, inode: Inode, path: &Path, place: Place, bytes: &[u8]) -> io::Result<()> {
        self.counts.writes = self.counts.writes.saturating_add(1);
        let length = self.content(inode)?.seen.len();
        let offset = match place {
            Place::End => length,
            Place::At(offset) => offset,
        };
        let mut written = bytes.len();
        let mut outcome = Ok(());
        if self.faults.failing_write == Some(self.counts.writes) {
            written = self.random_up_to(bytes.len());
            outcome = Err(input_output_error());
        }
        if let Some(room) = &mut self.faults.room_bytes {
            // What is written over takes no room.
            let end_max = length.saturating_add(usize::try_from(*room).unwrap_or(usize::MAX));
            if end_max < offset.saturating_add(written) {
                written = end_max.saturating_sub(offset);
                outcome = Err(failure(io::ErrorKind::StorageFull, "no space left on device"));
            }
            let grown = offset.saturating_add(written).saturating_sub(length);
            *room = room.saturating_sub(if written == 0 { 0 } else { grown as u64 });
        }
        let kept = bytes.get(..written).unwrap_or(bytes).to_vec();
        let change = match place {
            Place::End => DataChange::Write { offset, bytes: kept },
            Place::At(_) => DataChange::Over { offset, bytes: kept },
        };
        let lie = self.next_lie(path);
        let content = self.content(inode)?;
        change.apply(&mut content.seen);
        match lie {
            None => content.pending.push(change),
            Some(lie) => self.go_astray(inode, path, change, lie),
        }
        outcome
    }

    /// Leaves of the pending changes of one file what chance leaves, and drops the rest: of what was written over any
    /// pieces, of everything else the first changes, the last of them perhaps in part.
    pub(super) fn settle_some(&mut self, inode: Inode) {
        let Some(pending) = self.files.get_mut(&inode).map(|content| core::mem::take(&mut content.pending)) else {
            return;
        };
        let (over, in_order): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|change| matches!(change, DataChange::Over { .. }));
        for change in over {
            self.settle_pieces(inode, &change);
        }
        let whole = self.random_up_to(in_order.len());
        let zeros = self.random().is_multiple_of(4);
        for (number, mut change) in in_order.into_iter().enumerate() {
            if number > whole {
                break;
            }
            if let (true, DataChange::Write { bytes, .. }) = (number == whole, &mut change) {
                let kept = self.random_up_to(bytes.len());
                let written = if zeros { self.random_up_to(kept) } else { kept };
                bytes.truncate(written);
                bytes.resize(kept, 0);
            }
            if let Some(content) = self.files.get_mut(&inode) {
                change.apply(&mut content.durable);
            }
        }
    }

    /// All of it, nothing of it, or any pieces of it.
    fn settle_pieces(&mut self, inode: Inode, change: &DataChange) {
        let DataChange::Over { offset, bytes } = change else { return };
        let share = self.random_up_to(4) as u64;
        for (number, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            if self.random() % 4 >= share {
                continue;
            }
            let offset = offset.saturating_add(number.saturating_mul(PIECE_BYTES));
            if let Some(Content { durable, .. }) = self.files.get_mut(&inode) {
                DataChange::Over { offset, bytes: piece.to_vec() }.apply(durable);
            }
        }
    }
}
