//! Who has read what is not theirs: an administrator who looks into somebody's mailbox leaves an entry here, durably,
//! before anything of it is shown.
//!
//! One file that only grows, an entry a line, in JSON, so that it can be read without this program. A line that a crash
//! has cut off is passed over; what is written after it begins a line of its own.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::intake::locked;
use crate::model::directory::RecipientId;
use crate::world::disk::{AppendFile, Disk};

const FILE_NAME: &str = "accesses.jsonl";
/// So much is read at a time; no entry is longer.
const PART_BYTES: usize = 64 << 10;

/// What somebody did with a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// Saw a list of what was deleted from it.
    RecoverableListed,
    /// Read a message that was deleted from it.
    RecoverableShown,
    /// Wrote messages that were deleted from it into files.
    RecoverableExported,
    /// Copied what it holds into another mailbox.
    Copied,
    /// Let its account, a device of it, or the clients of a connector send again that were restricted.
    RestrictionReleased,
}

impl AccessKind {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::RecoverableListed => "listed what was deleted",
            Self::RecoverableShown => "read a deleted message",
            Self::RecoverableExported => "exported deleted messages",
            Self::Copied => "copied into another mailbox",
            Self::RestrictionReleased => "released a sender that was restricted",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// When, ISO 8601.
    pub at: Box<str>,
    /// Who, as in the change log of the directory.
    pub actor: Box<str>,
    /// What.
    pub kind: AccessKind,
    /// Whose mailbox; nobody's where it was clients of a connector that were released.
    #[serde(default)]
    pub mailbox: Option<RecipientId>,
    /// By what primary address it was known then, or the name of the connector.
    pub address: Box<str>,
    /// The message, the directory or the other mailbox; may be empty.
    pub detail: Box<str>,
}

/// The entries of a data directory. Share it in an `Arc`; everything here blocks.
#[derive(Debug)]
pub struct AccessLog {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file: Mutex<Option<Box<dyn AppendFile>>>,
}

impl AccessLog {
    /// Entries in a file of `directory`, which is made with the first of them.
    pub fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory, file: Mutex::default() }
    }

    /// Adds an entry, durably.
    ///
    /// # Errors
    /// The system's; then whoever asked must not see anything.
    pub fn record(&self, access: &Access) -> io::Result<()> {
        let mut file = locked(&self.file);
        let mut line = serde_json::to_vec(access)?;
        line.push(b'\n');
        let mut open = match file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        // What fails is opened anew by the next attempt, which sees how far this one came.
        open.append(&line)?;
        open.synchronize()?;
        *file = Some(open);
        Ok(())
    }

    /// The newest entries that are meant, oldest first, and how many more there are.
    ///
    /// # Errors
    /// The system's.
    pub fn newest(&self, count_max: usize, is_meant: impl Fn(&Access) -> bool) -> io::Result<(Vec<Access>, u64)> {
        let (mut newest, mut older) = (VecDeque::new(), 0_u64);
        let path = self.path();
        let read = each_line(&*self.disk, &path, &mut |line| {
            let Some(access) = serde_json::from_slice(line).ok().filter(|access| is_meant(access)) else { return };
            newest.push_back(access);
            if newest.len() > count_max {
                newest.pop_front();
                older = older.saturating_add(1);
            }
        });
        match read {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok((newest.into(), older)),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    fn open(&self) -> io::Result<Box<dyn AppendFile>> {
        let path = self.path();
        self.disk.create_directories(&self.directory)?;
        let mut file = match self.disk.open_append(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create_new(&path)?,
            result => result?,
        };
        // Also for a file that was made before: that attempt may have failed at this.
        self.disk.synchronize_directory(&self.directory)?;
        if !self.ends_with_a_line(&path)? {
            file.append(b"\n")?;
        }
        Ok(file)
    }

    fn ends_with_a_line(&self, path: &Path) -> io::Result<bool> {
        let file = self.disk.open_read(path)?;
        let Some(last) = file.length()?.checked_sub(1) else { return Ok(true) };
        let mut octet = [0];
        file.read_exact_at(&mut octet, last)?;
        Ok(octet == *b"\n")
    }
}

/// Tells each whole line of a file that may grow meanwhile. Longer ones than a part are passed over.
fn each_line(disk: &dyn Disk, path: &Path, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let file = disk.open_read(path)?;
    let (length, mut offset, mut rest) = (file.length()?, 0, Vec::new());
    while offset < length {
        let part = usize::try_from(length.saturating_sub(offset)).unwrap_or(PART_BYTES).min(PART_BYTES);
        let mut octets = vec![0; part];
        file.read_exact_at(&mut octets, offset)?;
        offset = offset.saturating_add(part as u64);
        rest.append(&mut octets);
        let Some(end) = memchr::memrchr(b'\n', &rest) else {
            if rest.len() > PART_BYTES {
                rest.clear();
            }
            continue;
        };
        let unfinished = rest.split_off(end);
        rest.split(|octet| *octet == b'\n').for_each(&mut *each);
        rest = unfinished.get(1..).unwrap_or_default().to_vec();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::disk::SimulatedDisk;

    fn access(number: u64) -> Access {
        Access {
            at: number.to_string().into(),
            actor: "uid 0".into(),
            kind: AccessKind::RecoverableShown,
            mailbox: Some(RecipientId(number % 3)),
            address: "alice@contoso.example".into(),
            detail: format!("message {number}\n").into(),
        }
    }

    fn log(disk: &SimulatedDisk) -> AccessLog {
        AccessLog::new(Arc::new(disk.clone()), PathBuf::from("/data/audit"))
    }

    fn numbers(log: &AccessLog, count_max: usize) -> (Vec<u64>, u64) {
        let (found, older) = log.newest(count_max, |_| true).unwrap();
        (found.iter().map(|access| access.at.parse().unwrap()).collect(), older)
    }

    #[test]
    fn the_newest_come_last_and_nothing_is_there_before_the_first() {
        let disk = SimulatedDisk::new(1);
        let log = log(&disk);
        assert_eq!(numbers(&log, 10), (Vec::new(), 0));
        (1..=1_000).for_each(|number| log.record(&access(number)).unwrap());
        assert_eq!(numbers(&log, 3), (vec![998, 999, 1_000], 997));
        let of_one = log.newest(2, |access| access.mailbox == Some(RecipientId(2))).unwrap();
        assert_eq!(of_one, (vec![access(995), access(998)], 331));
    }

    #[test]
    fn what_was_recorded_survives_a_power_cut_and_a_torn_line_hides_nothing() {
        let disk = SimulatedDisk::new(1);
        log(&disk).record(&access(1)).unwrap();
        disk.crash();
        disk.restart();
        assert_eq!(numbers(&log(&disk), 10).0, [1]);
        // A crash in the middle of a line that was never acknowledged.
        let mut torn = disk.open_append(Path::new("/data/audit/accesses.jsonl")).unwrap();
        torn.append(b"{\"at\":\"2\",\"actor\":\"uid").unwrap();
        torn.synchronize().unwrap();
        let log = log(&disk);
        log.record(&access(3)).unwrap();
        log.record(&access(4)).unwrap();
        assert_eq!(numbers(&log, 10).0, [1, 3, 4]);
    }
}
