//! Who sent too much outside and is restricted until an administrator releases it (see `model::policy::restricted`).
//!
//! A restriction is durable before anybody is refused for it, and a release before anybody is let in by it, so neither
//! a kill nor a power cut undoes one. The table is small and written as a whole. A disk that fails restricts all the
//! same, for as long as the process lasts, and it is tried again; it releases nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::intake::locked;
use super::sign_ins::kept::Kept;
use crate::model::mail::Timestamp;
use crate::model::policy::restricted::Submitter;
use crate::world::disk::Disk;

/// Why, and since when, somebody is restricted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Who.
    pub submitter: Submitter,
    /// The primary address of the account at that time; empty for the clients of a connector.
    pub address: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Recipients outside within the hour before, with the message that was one too many.
    pub of_hour: u32,
    /// The same within the day before.
    pub of_day: u32,
    /// Whether the administrators were told.
    pub told: bool,
}

type Table = BTreeMap<Submitter, Restriction>;

/// The restrictions of a server. Share it in an `Arc`.
pub struct RestrictionStore {
    state: Mutex<State>,
    /// Held while the file is written, so that an older table never replaces a newer one.
    writing: Mutex<Option<Kept>>,
}

#[derive(Default)]
struct State {
    table: Table,
    altered: bool,
}

impl core::fmt::Debug for RestrictionStore {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("RestrictionStore").finish_non_exhaustive()
    }
}

impl Default for RestrictionStore {
    fn default() -> Self {
        Self { state: Mutex::default(), writing: Mutex::new(None) }
    }
}

impl RestrictionStore {
    /// Reads what the last life left in `directory`. Blocks.
    ///
    /// # Errors
    /// The system's: a server that cannot see who is restricted must not start. A file that is damaged is no error; it
    /// is logged and counts as empty.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path) -> io::Result<Self> {
        let kept = Kept::within(disk, directory, "restricted")?;
        let table: Table = kept.read()?;
        Ok(Self { state: Mutex::new(State { table, altered: false }), writing: Mutex::new(Some(kept)) })
    }

    /// Whether somebody is restricted.
    pub fn is_restricted(&self, submitter: &Submitter) -> bool {
        locked(&self.state).table.contains_key(submitter)
    }

    /// Everybody who is, in order.
    pub fn all(&self) -> Vec<Restriction> {
        locked(&self.state).table.values().cloned().collect()
    }

    /// The same, who only.
    pub fn submitters(&self) -> BTreeSet<Submitter> {
        locked(&self.state).table.keys().cloned().collect()
    }

    /// Restricts somebody, durably; false when it was already. Blocks.
    pub fn restrict(&self, restriction: Restriction) -> bool {
        let is_new = {
            let mut state = locked(&self.state);
            let is_new = !state.table.contains_key(&restriction.submitter);
            if is_new {
                state.table.insert(restriction.submitter.clone(), restriction);
                state.altered = true;
            }
            is_new
        };
        self.tend();
        is_new
    }

    /// Releases somebody, durably; none when it was not restricted. Blocks.
    ///
    /// # Errors
    /// When it cannot be made durable; then nobody is released.
    pub fn release(&self, submitter: &Submitter) -> io::Result<Option<Restriction>> {
        let mut writing = locked(&self.writing);
        let (found, rest) = {
            let state = locked(&self.state);
            let Some(found) = state.table.get(submitter).cloned() else { return Ok(None) };
            let mut rest = state.table.clone();
            rest.remove(submitter);
            (found, rest)
        };
        if let Some(kept) = writing.as_mut() {
            kept.write(&rest)?;
        }
        // Whoever was restricted meanwhile is in the table still, and is written by the next round.
        let mut state = locked(&self.state);
        state.table.remove(submitter);
        state.altered |= state.table != rest;
        Ok(Some(found))
    }

    /// Notes that the administrators were told of somebody. Blocks.
    pub fn told(&self, submitter: &Submitter) {
        if let Some(own) = locked(&self.state).table.get_mut(submitter) {
            own.told = true;
        }
        locked(&self.state).altered = true;
        self.tend();
    }

    /// Writes what could not be written before. Blocks.
    pub fn tend(&self) {
        let writing = locked(&self.writing);
        let table = {
            let mut state = locked(&self.state);
            if !core::mem::take(&mut state.altered) {
                return;
            }
            state.table.clone()
        };
        if let Some(Err(error)) = writing.as_ref().map(|kept| kept.write(&table)) {
            tracing::error!(%error, "who is restricted could not be written; it is tried again");
            locked(&self.state).altered = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::RecipientId;
    use crate::world::disk::SimulatedDisk;

    fn open(disk: &SimulatedDisk) -> RestrictionStore {
        RestrictionStore::open(Arc::new(disk.clone()), Path::new("/sign-ins")).unwrap()
    }

    fn restriction(submitter: Submitter) -> Restriction {
        let since = Timestamp::from_unix_milliseconds(1_000);
        Restriction { submitter, address: "a@contoso.example".into(), since, of_hour: 501, of_day: 501, told: false }
    }

    #[test]
    fn a_restriction_outlasts_every_kill_and_power_cut_and_so_does_a_release() {
        let disk = SimulatedDisk::new(1);
        let (alice, scanner) =
            (Submitter::Account(RecipientId(1)), Submitter::Device(RecipientId(1), "scanner".into()));
        let own = open(&disk);
        assert!(own.restrict(restriction(scanner.clone())));
        assert!(!own.restrict(restriction(scanner.clone())), "once");
        disk.crash();
        let own = open(&disk);
        assert!(own.is_restricted(&scanner) && !own.is_restricted(&alice));
        own.told(&scanner);
        disk.crash();
        let own = open(&disk);
        assert!(own.all()[0].told);
        assert!(own.restrict(restriction(alice.clone())));
        assert_eq!(own.release(&scanner).unwrap().unwrap().submitter, scanner);
        disk.crash();
        let own = open(&disk);
        assert!(!own.is_restricted(&scanner) && own.is_restricted(&alice));
        assert_eq!(own.release(&scanner).unwrap(), None);
    }

    #[test]
    fn a_disk_that_fails_restricts_and_releases_nobody() {
        let disk = SimulatedDisk::new(1);
        let (own, alice) = (open(&disk), Submitter::Account(RecipientId(1)));
        disk.set_read_only(true);
        assert!(own.restrict(restriction(alice.clone())) && own.is_restricted(&alice));
        assert!(own.release(&alice).is_err() && own.is_restricted(&alice));
        disk.set_read_only(false);
        own.tend();
        assert!(open(&disk).is_restricted(&alice));
    }
}
