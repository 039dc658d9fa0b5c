//! Whom each mailbox has answered by itself: once per sender, over restarts and crashes (spec section 6.1).
//!
//! A mailbox that has answered anybody has a file of its own, which is the truth and no index (law 6): nothing rebuilds
//! it, and deleting the engine's files does not touch it. It holds one history, named by the revision of the mailbox's
//! automatic replies; another revision begins it anew. A million mailboxes cost nothing in memory.
//!
//! **The order that makes a reply happen once.** A message delivered to the mailbox owes a reply by a record of the
//! queue's journal. First the sender is written here, durably, together with the message that earns the reply; then the
//! reply is queued in one batch with the record that the debt is paid. So, wherever a crash comes:
//!
//! - before the entry is durable: the message still owes, and everything is done as if for the first time;
//! - between the two: the message still owes, finds its own entry and is answered. Another message of the sender finds
//!   that entry as well, which is not its own, and is not answered;
//! - after the batch: nothing is owed any more.
//!
//! None is lost and none is sent twice. A reply can be missing only when its message ends before the disk works again:
//! the entry is there, and the sender counts as answered until the texts change. The other order, or none, would send a
//! second reply after a crash; a history that lives in the queue's journal would be carried from segment to segment for
//! as long as the mailbox is away.
//!
//! **What a disk may do.** Entries have checksums bound to mailbox and revision; reading ends at the first that does
//! not hold, which is what a torn write leaves. After a failure nothing that was appended counts as durable, so that
//! mailbox's file is written anew before anything is added.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::intake::locked;
use crate::model::directory::RecipientId;
use crate::model::mail::AddressKey;
use crate::model::queue::QueueId;
use crate::world::disk::{Disk, remove_if_there, replace, synchronize_if_there};

/// The first octets of every file, with the version of the form.
const MAGIC: [u8; 8] = *b"answers1";
/// Header and entries alike: a name or hash, a number, a checksum.
const ENTRY_BYTES: usize = 28;
/// How many entries beyond the bound gather before the oldest are dropped from the file.
const SLACK: usize = 1_000;
/// Mailboxes that are looked after at the same time.
const ROOMS: usize = 16;

/// Whether a sender may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yes, by this message; that is durable.
    Granted,
    /// No: another message was.
    Answered,
    /// The file holds the history of a later revision: the caller's directory is old.
    Superseded,
}

/// A message that asks to answer its sender.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The mailbox that would answer.
    pub mailbox: RecipientId,
    /// The history.
    pub revision: u64,
    /// The sender.
    pub sender: &'a AddressKey,
    /// The message.
    pub message: QueueId,
    /// How many senders are remembered; the oldest is forgotten beyond that. At least one.
    pub senders_max: usize,
    /// A history of a later revision is of a directory that is lost: it is begun anew as well.
    pub regardless: bool,
}

/// The histories below one directory. Share it in an `Arc`; everything here blocks.
#[derive(Debug)]
pub struct AnsweredSenders {
    disk: Arc<dyn Disk>,
    place: PathBuf,
    rooms: [Mutex<()>; ROOMS],
    /// Mailboxes whose last write failed.
    doubtful: Mutex<HashSet<RecipientId>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    sender: [u8; 16],
    message: QueueId,
}

/// What a file holds.
#[derive(Debug, Default)]
struct History {
    revision: u64,
    entries: Vec<Entry>,
    /// Nothing else is in the file, so that something can be added at its end.
    is_whole: bool,
}

impl AnsweredSenders {
    /// Opens or creates the directory. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: Arc<dyn Disk>, place: &Path) -> io::Result<Self> {
        disk.create_directories(place)?;
        let (rooms, doubtful) = (core::array::from_fn(|_| Mutex::default()), Mutex::default());
        Ok(Self { disk, place: place.to_owned(), rooms, doubtful })
    }

    /// Asks for the right to answer a sender. `Granted` is given to one message for each sender and history, and to
    /// that one as often as it asks. Blocks.
    ///
    /// # Errors
    /// The system's; then nothing is granted, and the same message may ask again.
    pub fn claim(&self, claimant: &Claimant<'_>) -> io::Result<Claim> {
        let mailbox = claimant.mailbox;
        let _turn = self.room(mailbox).map(locked);
        let path = self.path_of(mailbox);
        let known = self.read(&path, mailbox)?;
        if known.revision > claimant.revision && !claimant.regardless {
            return Ok(Claim::Superseded);
        }
        let current = known.revision == claimant.revision;
        let mut entries = if current { known.entries } else { Vec::new() };
        let entry = Entry { sender: hash(claimant.sender), message: claimant.message };
        let bound = claimant.senders_max.max(1);
        let remembered = entries.iter().skip(entries.len().saturating_sub(bound));
        let found = remembered.rev().find(|known| known.sender == entry.sender);
        if found.is_some_and(|known| known.message != entry.message) {
            return Ok(Claim::Answered);
        }
        // An earlier attempt of this message may have come so far; whether that is durable is not known.
        let repeated = found.is_some();
        let sound = current && known.is_whole && !locked(&self.doubtful).contains(&mailbox);
        let written = if sound && !repeated && entries.len() < bound.saturating_add(SLACK) {
            self.append(&path, claimant, &entry)
        } else {
            entries.extend((!repeated).then_some(entry));
            let forgotten = entries.len().saturating_sub(bound);
            self.write(&path, claimant, entries.get(forgotten..).unwrap_or_default())
        };
        let mut doubtful = locked(&self.doubtful);
        let noted = if written.is_ok() { doubtful.remove(&mailbox) } else { doubtful.insert(mailbox) };
        drop(doubtful);
        if let Err(error) = &written {
            tracing::debug!(%mailbox, %error, noted, "a history of automatic replies is written anew next time");
        }
        written.map(|()| Claim::Granted)
    }

    /// Removes the histories of mailboxes that are gone for good, in the directory with the number `place`: those that
    /// `is_gone` says so of. It is asked after the files were found, so it must know every mailbox that answered
    /// before. That a mailbox is gone is durable by then and no id is given twice; after a crash the next look finds
    /// what is left. Gives how many there were. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn sweep(&self, place: u8, is_gone: impl Fn(RecipientId) -> bool) -> io::Result<usize> {
        let directory = self.place.join(format!("{place:02x}"));
        let names = match self.disk.list(&directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0_usize;
        for name in names {
            // What a crash left of a write has the same name, with an ending.
            let id = name.to_str().and_then(|name| u64::from_str_radix(name.get(..16)?, 16).ok()).map(RecipientId);
            let Some(id) = id.filter(|id| is_gone(*id)) else { continue };
            let _turn = self.room(id).map(locked);
            self.disk.remove(&directory.join(name))?;
            removed = removed.saturating_add(1);
        }
        Ok(removed)
    }

    /// Removes the history of a mailbox that is gone for good, durably; nothing when it has none. Blocks.
    ///
    /// # Errors
    /// The system's; then it can be done again.
    pub fn forget(&self, mailbox: RecipientId) -> io::Result<()> {
        let _turn = self.room(mailbox).map(locked);
        let path = self.path_of(mailbox);
        for file in [path.with_extension("new"), path.clone()] {
            remove_if_there(&*self.disk, &file)?;
        }
        locked(&self.doubtful).remove(&mailbox);
        // Also when nothing was there: an attempt before may have failed at this.
        synchronize_if_there(&*self.disk, path.parent().unwrap_or(&self.place))
    }

    fn room(&self, mailbox: RecipientId) -> Option<&Mutex<()>> {
        usize::try_from(mailbox.0 % ROOMS as u64).ok().and_then(|room| self.rooms.get(room))
    }

    /// `3f/000000000000003f`: at most so many files in a directory.
    fn path_of(&self, mailbox: RecipientId) -> PathBuf {
        self.place.join(format!("{:02x}", mailbox.0 & 0xFF)).join(format!("{:016x}", mailbox.0))
    }

    fn read(&self, path: &Path, mailbox: RecipientId) -> io::Result<History> {
        let content = match self.disk.read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(History::default()),
            Err(error) => return Err(error),
        };
        let (pieces, rest) = content.as_chunks::<ENTRY_BYTES>();
        let Some((header, pieces)) = pieces.split_first() else { return Ok(History::default()) };
        let revision = u64::from_be_bytes(part(header, 16));
        if *header != header_of(mailbox, revision) {
            // Made by a power cut during the very first write, or by somebody else: there is no history to go on with.
            tracing::warn!(path = %path.display(), "a history of automatic replies cannot be read and begins anew");
            return Ok(History::default());
        }
        let of_file = |piece: &[u8; ENTRY_BYTES]| {
            let entry = Entry { sender: part(piece, 0), message: QueueId(u64::from_be_bytes(part(piece, 16))) };
            (encoded(mailbox, revision, &entry) == *piece).then_some(entry)
        };
        let entries: Vec<Entry> = pieces.iter().map_while(of_file).collect();
        let is_whole = entries.len() == pieces.len() && rest.is_empty();
        Ok(History { revision, entries, is_whole })
    }

    fn append(&self, path: &Path, claimant: &Claimant<'_>, entry: &Entry) -> io::Result<()> {
        let mut file = self.disk.open_append(path)?;
        file.append(&encoded(claimant.mailbox, claimant.revision, entry))?;
        file.synchronize()
    }

    /// Writes the whole file, in the place of what is there.
    fn write(&self, path: &Path, claimant: &Claimant<'_>, entries: &[Entry]) -> io::Result<()> {
        let directory = path.parent().unwrap_or(&self.place);
        self.disk.create_directories(directory)?;
        let header = header_of(claimant.mailbox, claimant.revision);
        let entries = entries.iter().map(|entry| encoded(claimant.mailbox, claimant.revision, entry));
        let content = core::iter::once(header).chain(entries);
        replace(&*self.disk, path, &path.with_extension("new"), content).map(drop)
    }
}

/// `N` octets of an entry.
fn part<const N: usize>(piece: &[u8; ENTRY_BYTES], from: usize) -> [u8; N] {
    let found = piece.get(from..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

/// The same 24 octets with their checksum behind them.
fn with_checksum(content: [u8; 24], seed: u32) -> [u8; ENTRY_BYTES] {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&content);
    let checksum = hasher.finalize().to_be_bytes();
    core::array::from_fn(|at| content.get(at).or_else(|| checksum.get(at.wrapping_sub(24))).copied().unwrap_or(0))
}

fn header_of(mailbox: RecipientId, revision: u64) -> [u8; ENTRY_BYTES] {
    let (mailbox, revision) = (mailbox.0.to_be_bytes(), revision.to_be_bytes());
    let content = [MAGIC, mailbox, revision].concat();
    with_checksum(content.try_into().unwrap_or([0; 24]), 0)
}

fn encoded(mailbox: RecipientId, revision: u64, entry: &Entry) -> [u8; ENTRY_BYTES] {
    let mut content = [0; 24];
    let (sender, message) = content.split_at_mut(16);
    sender.copy_from_slice(&entry.sender);
    message.copy_from_slice(&entry.message.0.to_be_bytes());
    // Bound to the file: an entry that strayed here from another history is none.
    let seed = part::<4>(&header_of(mailbox, revision), 24);
    with_checksum(content, u32::from_be_bytes(seed))
}

/// What stands for a sender. The address itself is nobody's business here.
fn hash(sender: &AddressKey) -> [u8; 16] {
    let digest = Sha256::digest(sender.as_str().as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
