//! What was removed from a mailbox on hold and is kept all the same: to be listed, measured and read.
//!
//! A kept message counts as in its mailbox while any file there has the same unique part in its name, or is the same
//! file: a reader that copies a message to another folder gives it another name. Mailboxes of any size are compared a
//! part at a time, and looked through twice, since a name that changes at that moment can be missed once.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use super::name::{MailboxName, is_kept_name, kept_name, seconds_of, unique_of};
use super::walk::{Parts, file_count, files, folders, messages};
use super::{MailboxFailure, MailboxStore};
use crate::model::mail::Timestamp;
use crate::model::policy::quota::Usage;
use crate::model::report::Original;
use crate::world::disk::{Kind, ReadFile};

/// A subject further down is none.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A message that was removed from a mailbox on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverableMessage {
    /// What it is called among those that are kept, in printable ASCII.
    pub name: Box<str>,
    /// Its size as stored, in octets.
    pub bytes: u64,
    /// When it came, if its name tells.
    pub received_at: Option<Timestamp>,
    /// The decoded subject on one line; empty when there is none.
    pub subject: String,
}

impl MailboxStore {
    /// The messages that were removed from a mailbox on hold, ordered by name: at most `count_max` of those after the
    /// name `after`. Nothing tells from which folder. Reads the names of the whole mailbox each time. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn recoverable(
        &self,
        mailbox: &MailboxName,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<RecoverableMessage>, MailboxFailure> {
        let mut names = BTreeSet::new();
        let found = self.removed(mailbox, &mut |name| {
            if after.is_none_or(|after| name > after) {
                names.insert(name.to_owned());
                if names.len() > count_max {
                    names.pop_last();
                }
            }
            Ok(())
        });
        let held = self.held_path(mailbox);
        let messages = found.and_then(|()| names.into_iter().map(|name| self.describe(&held, name)).collect());
        messages.map_err(|error| MailboxFailure::of_disk(&error))
    }

    /// What they hold in all: this counts to a quota of its own (spec section 2.4: 100 GB on hold). Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn recoverable_usage(&self, mailbox: &MailboxName) -> Result<Usage, MailboxFailure> {
        let (mut usage, held) = (Usage::default(), self.held_path(mailbox));
        let measured = self.removed(mailbox, &mut |name| {
            let bytes = self.disk.facts(&held.join(name))?.bytes;
            usage.bytes = usage.bytes.saturating_add(bytes);
            usage.messages = usage.messages.saturating_add(1);
            Ok(())
        });
        measured.map(|()| usage).map_err(|error| MailboxFailure::of_disk(&error))
    }

    /// A message that is kept, by its name there, to be read in parts; none when there is no such. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn recoverable_message(
        &self,
        mailbox: &MailboxName,
        name: &str,
    ) -> Result<Option<Box<dyn ReadFile>>, MailboxFailure> {
        if !is_kept_name(name) {
            return Ok(None);
        }
        let path = self.held_path(mailbox).join(name);
        let opened = match self.disk.facts(&path) {
            Ok(facts) if facts.kind == Kind::File => self.disk.open_read(&path).map(Some),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map_err(|error| MailboxFailure::of_disk(&error)),
        }
    }

    /// Tells the name of each kept message that is not in the mailbox.
    pub(super) fn removed(
        &self,
        mailbox: &MailboxName,
        each: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let (path, held) = (self.path_of(mailbox), self.held_path(mailbox));
        let names = file_count(&*self.disk, &held)?;
        let parts = Parts::of(names);
        for part in parts.numbers() {
            let mut copies: HashMap<String, u64> = HashMap::new();
            files(&*self.disk, &held, &mut |entry| {
                let name = entry.name.into_string().ok().filter(|name| parts.has(part, name));
                copies.extend(name.map(|name| (name, entry.identity)));
                Ok(())
            })?;
            for _ in 0..2 {
                self.strike_out(&path, &mut copies)?;
            }
            copies.into_keys().try_for_each(|name| each(&name))?;
        }
        Ok(())
    }

    /// Takes away what is in the mailbox.
    fn strike_out(&self, path: &Path, copies: &mut HashMap<String, u64>) -> io::Result<()> {
        let of_file: HashMap<u64, String> = copies.iter().map(|(name, file)| (*file, name.clone())).collect();
        // Nothing left to look for is the usual case in a mailbox from which little is removed.
        for folder in if copies.is_empty() { Vec::new() } else { folders(&*self.disk, path)? } {
            messages(&*self.disk, &path.join(folder), &mut |_, entry| {
                copies.remove(&kept_name(unique_of(&entry.name)));
                if let Some(name) = of_file.get(&entry.identity) {
                    copies.remove(name);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn describe(&self, held: &Path, name: String) -> io::Result<RecoverableMessage> {
        let file = self.disk.open_read(&held.join(&name))?;
        let bytes = file.length()?;
        let mut head = vec![0; usize::try_from(bytes.min(HEAD_BYTES_MAX)).unwrap_or(0)];
        file.read_exact_at(&mut head, 0)?;
        let subject = Original { head: &head, body: None, international: false }.subject();
        let seconds = seconds_of(&name).map(|seconds| seconds.saturating_mul(1_000));
        let received_at = seconds.map(Timestamp::from_unix_milliseconds);
        Ok(RecoverableMessage { name: name.into(), bytes, received_at, subject })
    }
}
