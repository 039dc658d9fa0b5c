//! A disk that lies: writes and synchronisations that are said to be done and are not.

use super::content::DataChange;
use super::*;

/// What becomes of a write that the disk says it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It reaches no platter.
    Lost,
    /// It lands in the same file, over what is there already.
    Elsewhere,
    /// It lands in another file of the same directory, as far from its start as it should be here.
    OtherFile,
}

/// A lie to come, and what has followed it.
#[derive(Debug)]
pub(super) struct Astray {
    directory: PathBuf,
    /// Writes below the directory until the lie; then those after it.
    countdown: u64,
    lie: Option<Lie>,
}

impl SimulatedDisk {
    /// Makes the `nth` write from now (1 is the next) to a file below `directory` go astray. The write and its
    /// synchronisation say that all is well, and readers see the truth until the power cut, as from a page cache.
    pub fn misdirect_write(&self, directory: &Path, nth: u64, lie: Lie) {
        self.state().faults.astray = Some(Astray { directory: directory.to_owned(), countdown: nth, lie: Some(lie) });
    }

    /// Makes the `nth` synchronisation from now (1 is the next) of a file or a directory below `directory` do nothing
    /// and say that all is well.
    pub fn skip_synchronization(&self, directory: &Path, nth: u64) {
        self.state().faults.skipped_synchronization = Some((directory.to_owned(), nth));
    }

    /// How often this disk has lied.
    pub fn lies(&self) -> u64 {
        self.state().counts.lies
    }

    /// How many writes came below the directory of [`Self::misdirect_write`] after the one that went astray; none as
    /// long as none has.
    pub fn writes_since_lie(&self) -> Option<u64> {
        self.state().faults.astray.as_ref().filter(|astray| astray.lie.is_none()).map(|astray| astray.countdown)
    }
}

impl State {
    pub(super) fn next_lie(&mut self, path: &Path) -> Option<Lie> {
        let astray = self.faults.astray.as_mut().filter(|astray| path.starts_with(&astray.directory))?;
        if astray.lie.is_none() {
            astray.countdown = astray.countdown.saturating_add(1);
            return None;
        }
        astray.countdown = astray.countdown.saturating_sub(1);
        if astray.countdown > 0 {
            return None;
        }
        self.counts.lies = self.counts.lies.saturating_add(1);
        astray.lie.take()
    }

    /// Puts a write where it does not belong, at once.
    pub(super) fn go_astray(&mut self, inode: Inode, path: &Path, write: DataChange, lie: Lie) {
        let (DataChange::Write { offset, bytes } | DataChange::Over { offset, bytes }) = write else { return };
        let (target, offset) = match lie {
            Lie::Lost => return,
            Lie::Elsewhere if offset == 0 => return,
            Lie::Elsewhere => (inode, self.random_up_to(offset.saturating_sub(1))),
            Lie::OtherFile => {
                let Ok((directory, own)) = self.name(path) else { return };
                let others = self.files_in(directory).filter(|(other, _)| **other != own);
                let others: Vec<Inode> = others.map(|(_, other)| other).collect();
                let Some(last) = others.len().checked_sub(1) else { return };
                let drawn = self.random_up_to(last);
                (others.get(drawn).copied().unwrap_or(inode), offset)
            }
        };
        if let Some(content) = self.files.get_mut(&target) {
            DataChange::Write { offset, bytes }.apply(&mut content.durable);
        }
    }

    pub(super) fn synchronization_is_skipped(&mut self, path: &Path) -> bool {
        let skipped = self.faults.skipped_synchronization.as_mut().filter(|(directory, _)| path.starts_with(directory));
        let Some((_, countdown)) = skipped else { return false };
        *countdown = countdown.saturating_sub(1);
        if *countdown > 0 {
            return false;
        }
        self.faults.skipped_synchronization = None;
        self.counts.lies = self.counts.lies.saturating_add(1);
        true
    }
}
