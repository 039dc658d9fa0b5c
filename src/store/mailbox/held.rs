//! What is kept of mailboxes on hold: Exchange's Recoverable Items, as files.
//!
//! Every message of a mailbox on hold has a second name in `.held/<mailbox>/`, beside the mailboxes and in none of
//! them, so that no reader of mail shows it or reaches it. Removing a message removes its name in the mailbox; the file
//! stays. Second names are hard links and cost no room while the message is in the mailbox; where the file system knows
//! none, a copy does the same. They are called after the unique part of the message's own name: other flags, and
//! another folder, make no other message of it.
//!
//! **What a delivery brings** is kept before any reader can see it, and that is durable before the delivery is
//! answered.
//!
//! **What readers bring** (IMAP APPEND, copies) is found in turn, 64 recipients a round: within seconds where few are
//! on hold, and later where many are, or in mailboxes with a million messages. What is removed before that is not kept.
//!
//! Who is on hold comes from the caller, as a whole set at a time. Until it has come, those are held of whom something
//! is kept, so that a start without it loses nothing.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::count::Stamps;
use super::custody::{CustodyError, Progress, Watch, mailboxes_of};
use super::errand::{Errand, Trees};
use super::name::{MailboxName, kept_name, unique_of};
use super::walk::{NAMES_MAX, Parts, file_count, files, folders, messages};
use super::{MailboxFailure, MailboxStore};
use crate::model::directory::RecipientId;
use crate::store::intake::locked;
use crate::world::disk::Disk;

/// A leading dot, which no name of a mailbox has.
pub(super) const HELD: &str = ".held";

/// So many messages share a synchronisation.
const BATCH: usize = 64;
/// A round looks at so many recipients, and reads about so many names.
const RECIPIENTS_OF_A_ROUND: usize = 64;
const NAMES_OF_A_ROUND: u64 = 131_072;
/// A mailbox is read again after so many rounds at the earliest, and one more for as many messages.
const ROUNDS_BETWEEN: u64 = 3;
const MESSAGES_OF_A_ROUND: u64 = 4_096;

/// Who is on hold.
#[derive(Debug, Default)]
pub(super) struct Held(ArcSwap<BTreeSet<RecipientId>>);

impl Held {
    /// Those of whom something is kept.
    pub(super) fn open(disk: &dyn Disk, root: &Path) -> io::Result<Self> {
        Ok(Self(ArcSwap::from_pointee(owners(disk, root)?)))
    }

    pub(super) fn current(&self) -> Arc<BTreeSet<RecipientId>> {
        self.0.load_full()
    }
}

fn owners(disk: &dyn Disk, root: &Path) -> io::Result<BTreeSet<RecipientId>> {
    let mut owners = BTreeSet::new();
    match disk.visit(&root.join(HELD), &mut |entry| {
        let owner = entry.name.to_str().and_then(|name| MailboxName::encode(name).ok()?.owner());
        owners.extend(owner);
        Ok(())
    }) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(owners),
    }
}

/// Whose mailboxes are read next for what readers have brought.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    round: u64,
    last: Option<RecipientId>,
    /// How mailboxes were when all in them was kept, and the round before which they are not read again.
    kept: BTreeMap<MailboxName, (u64, u64)>,
}

impl MailboxStore {
    /// Says who is on hold from now on: a delivery that is handed over afterwards is kept, or is not. Cheap. After
    /// that, [`Self::begin_hold`] keeps what a mailbox holds already, [`Self::release_hold`] gives up what was kept of
    /// one.
    pub fn set_on_hold(&self, recipients: Arc<BTreeSet<RecipientId>>) {
        self.held.0.store(recipients);
    }

    /// Whether messages of this recipient are kept.
    pub fn is_on_hold(&self, recipient: RecipientId) -> bool {
        self.held.0.load().contains(&recipient)
    }

    /// Keeps all that a recipient's mailbox and archive hold, durably on return; what is kept already costs a look. The
    /// recipient must be among those [on hold](Self::set_on_hold). The progress is of what was not kept before. Blocks.
    ///
    /// # Errors
    /// `NotOnHold`, `Interrupted`, those of the disk, and `Closed`.
    pub fn begin_hold(&self, recipient: RecipientId, watch: Watch<'_>) -> Result<Progress, CustodyError> {
        let mut progress = Progress::default();
        for mailbox in mailboxes_of(recipient) {
            // The primary one counts as held also when it is empty.
            if mailbox.recipient().is_some() || self.disk.exists(&self.path_of(&mailbox))? {
                let before = progress;
                let (kept, _) = self.keep_mailbox(&mailbox, &mut |now| {
                    let mut sum = before;
                    sum.add(now);
                    watch(sum)
                })?;
                progress.add(kept);
            }
        }
        Ok(progress)
    }

    /// Gives up what was kept of a recipient, for good: what is in its mailbox stays, what was removed from it is gone.
    /// The recipient must not be among those [on hold](Self::set_on_hold). Blocks.
    ///
    /// # Errors
    /// `OnHold`, `Interrupted`, those of the disk, and `Closed`.
    pub fn release_hold(&self, recipient: RecipientId, watch: Watch<'_>) -> Result<Progress, CustodyError> {
        self.give_up(recipient, Trees::Held, watch)
    }

    /// Those of whom something is kept, on hold or not any more. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn owners_of_kept(&self) -> io::Result<BTreeSet<RecipientId>> {
        owners(&*self.disk, &self.root)
    }

    pub(super) fn held_path(&self, mailbox: &MailboxName) -> PathBuf {
        self.root.join(HELD).join(mailbox.as_str())
    }

    /// Keeps what a mailbox holds and is not kept yet; also how many messages there were.
    fn keep_mailbox(&self, mailbox: &MailboxName, watch: Watch<'_>) -> Result<(Progress, u64), CustodyError> {
        // Deliveries that did not know of the hold are in their places once this is answered.
        self.keep(mailbox, Vec::new())?;
        let (path, held) = (self.path_of(mailbox), self.held_path(mailbox));
        let names = file_count(&*self.disk, &held)?;
        let (parts, mut progress, mut found) = (Parts::of(names), Progress::default(), 0_u64);
        for part in parts.numbers() {
            let mut known = HashSet::new();
            files(&*self.disk, &held, &mut |entry| {
                known.extend(entry.name.into_string().ok().filter(|name| parts.has(part, name)));
                Ok(())
            })?;
            let mut missing = HashMap::new();
            for folder in folders(&*self.disk, &path)? {
                let folder = path.join(folder);
                messages(&*self.disk, &folder, &mut |directory, entry| {
                    found = found.saturating_add(u64::from(part == 0));
                    let name = kept_name(unique_of(&entry.name));
                    if parts.has(part, &name) && !known.contains(&name) {
                        missing.insert(entry.identity, folder.join(directory).join(entry.name));
                    }
                    if missing.len() >= NAMES_MAX {
                        self.keep_missing(mailbox, &mut missing, &mut progress, watch)?;
                    }
                    Ok(())
                })?;
            }
            self.keep_missing(mailbox, &mut missing, &mut progress, watch)?;
        }
        Ok((progress, found))
    }

    /// Keeps messages of whose names none is kept, but those whose file is: a reader copies a message by giving its
    /// file a name in another folder.
    fn keep_missing(
        &self,
        mailbox: &MailboxName,
        missing: &mut HashMap<u64, PathBuf>,
        progress: &mut Progress,
        watch: Watch<'_>,
    ) -> Result<(), CustodyError> {
        if missing.is_empty() {
            return Ok(());
        }
        files(&*self.disk, &self.held_path(mailbox), &mut |entry| {
            missing.remove(&entry.identity);
            Ok(())
        })?;
        let missing: Vec<PathBuf> = missing.drain().map(|(_, path)| path).collect();
        for batch in missing.chunks(BATCH) {
            progress.add(self.keep(mailbox, batch.to_vec())?);
            progress.tell(watch)?;
        }
        Ok(())
    }

    fn keep(&self, mailbox: &MailboxName, files: Vec<PathBuf>) -> Result<Progress, CustodyError> {
        let kept = self.ask(mailbox, |promise| Errand::Keep(mailbox.clone(), files, promise))?;
        kept.ok_or(CustodyError::NotOnHold)
    }

    /// One round of keeping what readers have brought.
    pub(super) fn keep_in_turn(&self) {
        let on_hold = self.held.current();
        let mut rounds = locked(&self.rounds);
        rounds.round = rounds.round.saturating_add(1);
        let begin = rounds.last.map_or(Bound::Unbounded, Bound::Excluded);
        let turn: Vec<RecipientId> =
            on_hold.range((begin, Bound::Unbounded)).take(RECIPIENTS_OF_A_ROUND).copied().collect();
        let mut names = 0_u64;
        rounds.last = None;
        for recipient in turn {
            for mailbox in mailboxes_of(recipient) {
                match self.keep_if_changed(&mailbox, &mut rounds) {
                    Ok(read) => names = names.saturating_add(read),
                    Err(error) => {
                        tracing::warn!(%error, mailbox = mailbox.as_str(), "a mailbox on hold cannot be kept")
                    }
                }
            }
            rounds.last = Some(recipient);
            if names >= NAMES_OF_A_ROUND {
                break;
            }
        }
        if rounds.last.is_none() || rounds.last >= on_hold.last().copied() {
            rounds.last = None;
            rounds.kept.retain(|mailbox, _| mailbox.owner().is_some_and(|owner| on_hold.contains(&owner)));
        }
    }

    /// Keeps what has come into a mailbox since it was read last; how many names were read.
    fn keep_if_changed(&self, mailbox: &MailboxName, rounds: &mut Rounds) -> Result<u64, CustodyError> {
        let (former, due) = rounds.kept.get(mailbox).copied().unwrap_or_default();
        if due > rounds.round {
            return Ok(0);
        }
        // Before the names: what changes meanwhile is seen by the next look.
        let stamps =
            Stamps::of(&*self.disk, &self.path_of(mailbox)).map_err(|error| MailboxFailure::of_disk(&error))?;
        // Zero for a mailbox that is not there.
        let fingerprint = stamps.fingerprint();
        if fingerprint == former {
            return Ok(0);
        }
        let (progress, names) = self.keep_mailbox(mailbox, &mut |_| core::ops::ControlFlow::Continue(()))?;
        if progress.files > 0 {
            tracing::debug!(mailbox = mailbox.as_str(), kept = progress.files, "kept what has come by itself");
        }
        let due = rounds.round.saturating_add(ROUNDS_BETWEEN).saturating_add(names / MESSAGES_OF_A_ROUND);
        // A directory that changed just now may change once more without another stamp.
        let fingerprint = if stamps.are_settled() { fingerprint } else { 0 };
        rounds.kept.insert(mailbox.clone(), (fingerprint, due));
        Ok(names)
    }
}
