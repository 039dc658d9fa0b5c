//! Mailboxes as a whole: what it takes to purge one, and what all such work has in common.
//!
//! **Purging.** A tree is renamed out of reach first, in one step and durably, into `.purged` beside the mailboxes;
//! only then its files are deleted, one by one. The thread that writes into the mailbox does the renaming, between two
//! deliveries: one that comes later begins an empty mailbox, so that nothing old returns and nothing new fails. What a
//! crash leaves in `.purged` nobody can reach any more; the next call of the same kind deletes it, else the rounds of
//! [`MailboxStore::tend`] after the next start. Nothing outside the trees is deleted: links are removed and not
//! followed.
//!
//! All of it blocks, can be ended between two files, and can be done again after any error: then it goes on where it
//! was.

use core::ops::ControlFlow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use super::errand::{Errand, Trees};
use super::name::MailboxName;
use super::writer::Job;
use super::{MailboxFailure, MailboxStore};
use crate::model::directory::RecipientId;
use crate::store::hands::Hands;
use crate::store::intake::locked;
use crate::store::ticket::{Promise, ticket};
use crate::world::disk::Disk;

/// A leading dot, which no name of a mailbox has.
pub(super) const PURGED: &str = ".purged";
/// So many files a round are deleted of what a crash has left.
const FILES_OF_A_ROUND: u64 = 1_000;

/// What work on a whole mailbox has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files, each a message but for a few.
    pub files: u64,
    /// Their sizes in octets, where these are known.
    pub bytes: u64,
}

/// Hears how far the work is, after each few files, and may end it.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Why work on a whole mailbox was not done, or not to its end. It can always be done again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustodyError {
    /// Nothing of a mailbox on hold is deleted.
    #[error("the mailbox is on hold: nothing of it is deleted")]
    OnHold,
    /// Who is not on hold has no copies kept.
    #[error("the mailbox is not on hold")]
    NotOnHold,
    /// Source and target are the same.
    #[error("a mailbox cannot be copied into itself")]
    Itself,
    /// The watch has ended it.
    #[error("the work was interrupted; what is done stays done")]
    Interrupted,
    /// The disk, the room on it or in the mailbox.
    #[error(transparent)]
    Failed(#[from] MailboxFailure),
}

impl From<io::Error> for CustodyError {
    fn from(error: io::Error) -> Self {
        // It may have come through a call of the disk.
        error.downcast().unwrap_or_else(|error| Self::Failed(MailboxFailure::of_disk(&error)))
    }
}

impl From<CustodyError> for io::Error {
    fn from(error: CustodyError) -> Self {
        Self::other(error)
    }
}

impl Progress {
    pub(super) fn add(&mut self, other: Self) {
        self.files = self.files.saturating_add(other.files);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) fn tell(self, watch: Watch<'_>) -> Result<(), CustodyError> {
        if watch(self).is_break() { Err(CustodyError::Interrupted) } else { Ok(()) }
    }
}

/// What earlier lives have left in `.purged`.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<Vec<OsString>>);

impl Rests {
    pub(super) fn open(disk: &dyn Disk, root: &Path) -> Self {
        let names = match disk.list(&root.join(PURGED)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "what is left of purged mailboxes cannot be listed, and stays");
                Vec::new()
            }
        };
        Self(Mutex::new(names))
    }
}

/// The mailboxes that a recipient may have. The primary one comes last: while it is there, nothing counts as done.
pub(super) fn mailboxes_of(recipient: RecipientId) -> [MailboxName; 2] {
    [MailboxName::of_archive(recipient), MailboxName::of_recipient(recipient)]
}

impl MailboxStore {
    /// Deletes all that a recipient's mailbox, archive and kept copies hold, for good, and forgets what it held;
    /// nothing when there is nothing. On return it is durable that everything is gone. Readers should have no access
    /// any more: what they write afterwards begins a new mailbox. Blocks.
    ///
    /// # Errors
    /// `OnHold`, `Interrupted`, those of the disk (also when the mailbox is a symbolic link: it is not followed), and
    /// `Closed`.
    pub fn purge(&self, recipient: RecipientId, watch: Watch<'_>) -> Result<Progress, CustodyError> {
        self.give_up(recipient, Trees::All, watch)
    }

    /// Deletes trees of who is not on hold.
    pub(super) fn give_up(
        &self,
        recipient: RecipientId,
        trees: Trees,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        if self.is_on_hold(recipient) {
            return Err(CustodyError::OnHold);
        }
        for mailbox in mailboxes_of(recipient) {
            self.ask(&mailbox, |promise| Errand::Detach(mailbox.clone(), trees, promise))?;
        }
        self.erase(recipient, watch)
    }

    /// Deletes what was moved out of reach for this recipient.
    fn erase(&self, recipient: RecipientId, watch: Watch<'_>) -> Result<Progress, CustodyError> {
        let purged = self.root.join(PURGED);
        let beginnings =
            mailboxes_of(recipient).map(|mailbox| [Trees::rest_name(&mailbox), Trees::held_name(&mailbox)]);
        let beginnings = beginnings.as_flattened();
        let mut rests = BTreeSet::new();
        let visited = self.disk.visit(&purged, &mut |entry| {
            let name = entry.name.to_string_lossy();
            let number = |begin: &String| name.strip_prefix(begin.as_str()).and_then(|rest| rest.strip_prefix('.'));
            if beginnings.iter().filter_map(number).any(|number| number.parse::<u64>().is_ok()) {
                rests.insert(entry.name);
            }
            Ok(())
        });
        match visited {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::default()),
            result => result?,
        }
        let mut progress = Progress::default();
        for rest in rests {
            let each = &mut || {
                progress.add(Progress { files: 1, bytes: 0 });
                watch(progress)
            };
            if self.disk.remove_tree(&purged.join(rest), each)?.is_break() {
                return Err(CustodyError::Interrupted);
            }
        }
        self.disk.synchronize_directory(&purged)?;
        Ok(progress)
    }

    /// Deletes a part of what earlier lives have left.
    pub(super) fn finish_purges(&self) {
        let mut files = 0_u64;
        let mut rests = locked(&self.rests.0);
        while files < FILES_OF_A_ROUND
            && let Some(rest) = rests.last()
        {
            let each = &mut || {
                files = files.saturating_add(1);
                if files < FILES_OF_A_ROUND { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            match self.disk.remove_tree(&self.root.join(PURGED).join(rest), each) {
                Ok(ControlFlow::Break(())) => return,
                Ok(ControlFlow::Continue(())) => tracing::info!(?rest, "what was left of a purged mailbox is deleted"),
                // Nobody can reach it, so it may wait for the next start.
                Err(error) => tracing::warn!(%error, "what is left of a purged mailbox cannot be deleted"),
            }
            rests.pop();
        }
    }

    /// Has the thread of a mailbox do something between two deliveries, and waits for the answer.
    pub(super) fn ask<T>(
        &self,
        mailbox: &MailboxName,
        errand: impl FnOnce(Promise<T, MailboxFailure>) -> Errand,
    ) -> Result<T, MailboxFailure> {
        let (promise, ticket) = ticket();
        let job = Job::Errand(errand(promise));
        self.intake(mailbox)?.push_blocking(job, 0).map_err(|_| MailboxFailure::Closed)?;
        while self.hands == Hands::Caller && self.turn() {}
        ticket.wait()
    }
}
