//! Writes what was removed from a mailbox on hold into files of somebody's, one message each.
//!
//! A file is called after the name under which its message is kept, with `.eml` behind it; that name has no separator
//! and no leading dot, so nothing is ever written elsewhere. Files are made whole or not at all, and what has such a
//! name already is left alone: an export that was cut off goes on when it is begun again.

use std::io;
use std::path::{Path, PathBuf};

use super::custody::{CustodyError, Progress, Watch};
use super::errand::write_draft;
use super::name::{MailboxName, is_kept_name};
use super::{MailboxFailure, MailboxStore};
use crate::world::disk::{AppendFile, Disk};

/// So many files share the time of the disk.
const BATCH: usize = 64;

/// A file that has not got its name yet.
struct Draft {
    file: Box<dyn AppendFile>,
    path: PathBuf,
    target: PathBuf,
    bytes: u64,
}

/// Files on their way.
struct Export<'a> {
    disk: &'a dyn Disk,
    to: &'a Path,
    drafts: Vec<Draft>,
    progress: Progress,
    watch: Watch<'a>,
}

impl Export<'_> {
    fn take(&mut self, held: &Path, name: &str) -> io::Result<()> {
        let target = self.to.join(format!("{name}.eml"));
        if !is_kept_name(name) || self.disk.exists(&target)? {
            return Ok(());
        }
        let (source, path) = (held.join(name), self.to.join(format!(".{name}.part")));
        let written = self.disk.facts(&source).and_then(|facts| {
            let file = write_draft(self.disk, &source, &path)?;
            self.drafts.push(Draft { file, path, target, bytes: facts.bytes });
            Ok(())
        });
        match written {
            // The hold was released meanwhile; nothing of the message is left to be written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(()) if self.drafts.len() >= BATCH => self.flush(),
            result => result,
        }
    }

    /// Gives the drafts their names, once they are durable.
    fn flush(&mut self) -> io::Result<()> {
        self.drafts.iter_mut().for_each(|draft| draft.file.begin_synchronizing());
        for mut draft in self.drafts.drain(..) {
            draft.file.synchronize()?;
            self.disk.rename(&draft.path, &draft.target)?;
            self.progress.add(Progress { files: 1, bytes: draft.bytes });
        }
        Ok(self.progress.tell(self.watch)?)
    }
}

impl MailboxStore {
    /// Writes messages that are kept of a mailbox into `to`, which is made if it is not there: those that `only` names,
    /// or all that were removed when it names none. Durable on return. The progress is of what was not there before.
    /// Memory is bounded, however many there are. Blocks.
    ///
    /// # Errors
    /// `Interrupted`, and those of the disk. What was written until then stays.
    pub fn export_recoverable(
        &self,
        mailbox: &MailboxName,
        only: &[String],
        to: &Path,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        let held = self.held_path(mailbox);
        self.disk.create_directories(to)?;
        let (drafts, progress) = (Vec::new(), Progress::default());
        let mut export = Export { disk: &*self.disk, to, drafts, progress, watch };
        if only.is_empty() {
            self.removed(mailbox, &mut |name| export.take(&held, name))?;
        } else {
            only.iter().try_for_each(|name| export.take(&held, name))?;
        }
        export.flush()?;
        self.disk.synchronize_directory(to).map_err(|error| MailboxFailure::of_disk(&error))?;
        Ok(export.progress)
    }
}
