//! What the reconciler remembers from one start to the next: a small file in the data directory, written anew whenever
//! something in it alters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::brake::Cause;
use crate::model::directory::lifecycle::calendar::{Calendar, Look};
use crate::model::mail::Timestamp;
use crate::world::Clock;
use crate::world::disk::{Disk, replace};

/// The name of the file.
const FILE_NAME: &str = "lifecycle.json";
/// A larger file is not ours.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// That the server is there is written down so often: as much counts as unseen after a crash.
const ROUND: Duration = Duration::from_secs(3600);
/// A disk that failed is asked again after this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in the file. A reader of a later version finds the fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// What waits until somebody confirms it.
    waits: BTreeSet<Cause>,
    /// When the server was there.
    calendar: Calendar,
}

/// What is remembered, and where.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Kept,
    /// None where nothing outlives the process.
    place: Option<(Arc<dyn Disk>, PathBuf)>,
    /// What is kept is not what the file says: it could not be written.
    unwritten: bool,
    /// What has passed by the clock that nobody sets, at the last look.
    looked: Option<Duration>,
    /// When a disk that failed is asked again, by the same clock.
    patience: Option<Duration>,
    /// The last moment of which the file says that the server was there.
    written: Timestamp,
    /// The gaps as everybody reads them.
    shared: Arc<Calendar>,
}

impl Memory {
    /// What the file in this directory says; nothing when there is none yet.
    ///
    /// A file that cannot be read is as good as one that says that everything waits: what is not doubtful goes on all
    /// the same, and what is waits for somebody to look.
    pub(super) fn open(disk: Arc<dyn Disk>, directory: &Path) -> Self {
        let path = directory.join(FILE_NAME);
        let (kept, unwritten) = match read(&*disk, &path) {
            Ok(Some(kept)) => (kept, false),
            Ok(None) => (Kept::default(), false),
            Err(error) => {
                let path = path.display();
                tracing::error!(%error, %path, "what the lifecycle remembers is lost: what is doubtful waits");
                (Kept { waits: Cause::ALL.into(), ..Kept::default() }, true)
            }
        };
        let written = kept.calendar.seen().unwrap_or_default();
        Self { kept, place: Some((disk, path)), unwritten, written, ..Self::default() }
    }

    /// Looks at the clock, and says which time has passed unseen.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> Arc<Calendar> {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let calendar = &mut self.kept.calendar;
        let first = self.looked.is_none();
        let look = match self.looked.replace(elapsed) {
            None => calendar.start(now),
            Some(before) => calendar.look(now, elapsed.saturating_sub(before)),
        };
        match look {
            Look::AsUsual => {}
            Look::Ahead(gap) => tracing::warn!(from = %gap.from, to = %gap.to,
                "the server was off for long, or its clock was set ahead: this time does not count for what mailboxes \
                 are kept for, unless you say so: franking lifecycle confirm time"),
            Look::Back(by) => tracing::warn!(seconds = by.as_secs(), "the clock went back"),
        }
        let seen = calendar.seen().unwrap_or(now);
        if first || look != Look::AsUsual {
            self.shared = Arc::new(calendar.clone());
        }
        self.unwritten |= look != Look::AsUsual || seen.since(self.written) >= ROUND;
        self.write();
        Arc::clone(&self.shared)
    }

    /// Lets time that passed unseen count. Gives how much there was.
    pub(super) fn count_everything(&mut self) -> Duration {
        let gaps = self.kept.calendar.gaps();
        let length = gaps.iter().fold(Duration::ZERO, |sum, gap| sum.saturating_add(gap.length()));
        self.unwritten |= self.kept.calendar.count_everything() > 0;
        self.shared = Arc::new(self.kept.calendar.clone());
        self.write();
        length
    }

    /// Whether this waits for somebody.
    pub(super) fn waits(&self, cause: Cause) -> bool {
        self.kept.waits.contains(&cause)
    }

    /// Says whether it does; true when that is new.
    pub(super) fn set_waits(&mut self, cause: Cause, waits: bool) -> bool {
        let alters = if waits { self.kept.waits.insert(cause) } else { self.kept.waits.remove(&cause) };
        self.unwritten |= alters;
        alters
    }

    /// Makes durable what altered. A disk that fails is told of, and asked again at the next time: until then what
    /// waits does so in this process.
    pub(super) fn write(&mut self) {
        let elapsed = self.looked.unwrap_or_default();
        if !self.unwritten || self.patience.is_some_and(|until| elapsed < until) {
            return;
        }
        let Some((disk, path)) = &self.place else {
            (self.unwritten, self.written) = (false, self.kept.calendar.seen().unwrap_or_default());
            return;
        };
        let draft = path.with_extension("new");
        let written = serde_json::to_vec(&self.kept)
            .map_err(std::io::Error::other)
            .and_then(|content| replace(&**disk, path, &draft, std::iter::once(content)));
        match written {
            Ok(_) => (self.unwritten, self.written) = (false, self.kept.calendar.seen().unwrap_or_default()),
            Err(error) => {
                tracing::error!(%error, "what the lifecycle remembers could not be written; it is tried again");
                self.patience = Some(elapsed.saturating_add(PATIENCE));
            }
        }
    }
}

fn read(disk: &dyn Disk, path: &Path) -> std::io::Result<Option<Kept>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    if disk.length(path)? > FILE_BYTES_MAX {
        return Err(std::io::Error::other("the file is larger than any that was written"));
    }
    serde_json::from_slice(&disk.read(path)?).map(Some).map_err(std::io::Error::other)
}
