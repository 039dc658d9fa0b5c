//! Whether there is room for another message, and what is in the way.

use super::Queue;
use crate::store::journal::Shortage;

impl Queue {
    /// Whether a message of `bytes` octets would be taken now. As [`Self::shortage`].
    pub fn has_room(&self, bytes: u64) -> bool {
        self.shortage(bytes).is_none()
    }

    /// What is in the way of a message of `bytes` octets. A journal that has failed is put in order first, if the disk
    /// works again: an idle queue writes nothing and would not find out. Blocks on the disk.
    pub fn shortage(&self, bytes: u64) -> Option<Shortage> {
        let journal = &self.shared.journal;
        let failed = journal.failure().is_some();
        if failed && let Err(failure) = journal.recover_blocking() {
            let reason = journal.failure().map_or_else(|| failure.to_string(), |reason| reason.to_string());
            return Some(Shortage::Unwritable { directory: journal.directory().to_owned(), reason });
        }
        let shortage = journal.shortage(bytes);
        if failed {
            // Attempts waited for this.
            self.shared.changed.notify_one();
        }
        shortage
    }
}
