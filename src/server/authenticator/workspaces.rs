//! The memory that verifications work in: kept while they come one after another, given back to the system when none
//! has come for a while.
//!
//! Promises: there are never more than verifications at once, which the [`Authenticator`](super::Authenticator) bounds
//! by the cores, and none is kept that is larger than the server's own hashes need.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;

use crate::world::password::Workspace;

/// How long nobody signs in until the memory goes.
const KEPT: Duration = Duration::from_secs(60);

/// What is free at the moment.
#[derive(Debug, Default)]
pub(super) struct Workspaces {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    free: Vec<Workspace>,
    /// How many were given back so far.
    uses: u64,
    /// Somebody waits for the memory to be of no more use.
    watched: bool,
}

impl Workspaces {
    /// One to work in.
    pub(super) fn take(&self) -> Workspace {
        self.with(|held| held.free.pop()).unwrap_or_default()
    }

    /// Takes one back. Needs a tokio runtime.
    pub(super) fn give_back(self: &Arc<Self>, workspace: Workspace) {
        let begins = self.with(|held| {
            held.uses = held.uses.wrapping_add(1);
            if !workspace.is_large() {
                held.free.push(workspace);
            }
            !core::mem::replace(&mut held.watched, true)
        });
        if begins {
            drop(tokio::spawn(watch(Arc::downgrade(self))));
        }
    }

    /// Lets go of all that is free if no use came after so many; how many there have been otherwise.
    fn clear_after(&self, uses: u64) -> Option<u64> {
        let spare = self.with(|held| {
            if held.uses != uses {
                return Err(held.uses);
            }
            held.watched = false;
            Ok(core::mem::take(&mut held.free))
        });
        // Outside of the lock.
        spare.map(drop).err()
    }

    /// Every step is whole, so what is held is good even after a panic elsewhere.
    fn with<T>(&self, step: impl FnOnce(&mut Held) -> T) -> T {
        step(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn watch(own: Weak<Workspaces>) {
    let mut uses = 0;
    loop {
        sleep(KEPT).await;
        let Some(own) = own.upgrade() else { return };
        let Some(since) = own.clear_after(uses) else { return };
        uses = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_used_again_and_goes_when_nobody_signs_in() {
        let own = Arc::new(Workspaces::default());
        let free = || own.with(|held| held.free.len());
        for _ in 0..3 {
            let taken = [own.take(), own.take()];
            assert_eq!(free(), 0);
            taken.into_iter().for_each(|workspace| own.give_back(workspace));
            assert_eq!(free(), 2);
            // Within a while of the last one it stays.
            sleep(KEPT / 2).await;
            assert_eq!(free(), 2);
        }
        sleep(KEPT * 2).await;
        assert_eq!(free(), 0);
        // And another time.
        own.give_back(own.take());
        assert_eq!(free(), 1);
        sleep(KEPT * 3).await;
        assert_eq!(free(), 0);
    }

    #[tokio::test]
    async fn what_an_imported_hash_needed_beyond_our_own_is_not_kept() {
        let own = Arc::new(Workspaces::default());
        let mut workspace = own.take();
        workspace.make_large();
        own.give_back(workspace);
        assert_eq!(own.with(|held| held.free.len()), 0);
    }
}
