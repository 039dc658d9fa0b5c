//! Writes what was removed from a mailbox on hold into files of somebody's, one message each.
//!
//! A file is called after the name under which its message is kept, with `.eml` behind it; that name has no separator
//! and no leading dot, so nothing is ever written elsewhere. Files are made whole or not at all, and what has such a
//! name already is left alone: an export that was cut off goes on when it is begun again.

use std::io;
use std::path::Path;

use super::custody::{CustodyError, Progress, Watch};
use super::errand::copy_file;
use super::name::{MailboxName, is_kept_name};
use super::{MailboxFailure, MailboxStore};

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
        let (held, mut progress) = (self.held_path(mailbox), Progress::default());
        self.disk.create_directories(to)?;
        let mut each = |name: &str| {
            let (source, target) = (held.join(name), to.join(format!("{name}.eml")));
            if !is_kept_name(name) || self.disk.exists(&target)? {
                return Ok(());
            }
            let written = self.disk.facts(&source).and_then(|facts| {
                copy_file(&*self.disk, &source, &to.join(format!(".{name}.part")), &target)?;
                progress.add(Progress { files: 1, bytes: facts.bytes });
                Ok(())
            });
            match written {
                // The hold was released meanwhile; nothing else of the same message is left to be written.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(()) => Ok(progress.tell(watch)?),
            }
        };
        if only.is_empty() {
            self.removed(mailbox, &mut each)?;
        } else {
            only.iter().try_for_each(|name| each(name))?;
        }
        self.disk.synchronize_directory(to).map_err(|error| MailboxFailure::of_disk(&error))?;
        Ok(progress)
    }
}
