//! The data directory: everything that survives a restart, in one place, with a format version in it.
//!
//! ```text
//! format           the version of all that follows, a number and a line end
//! directory/       the change log and its index
//! lifecycle.json   what the reconciler of mailboxes remembers from one start to the next
//! queue/           the journal of accepted messages, their large bodies, the spool
//! mailboxes/       one Maildir++ for each mailbox, and .occupancy: what each of them holds
//! sign-ins/        who failed to sign in, when devices were last used, who is restricted
//! limits/          what accounts and mailboxes have used up of their hours and days
//! replies/         whom each mailbox has answered by itself
//! audit/           which administrator has read or copied what is in whose mailbox
//! trace/           who sent what to whom, by day; may be deleted while the server is stopped
//! keys/            secrets that this server made for itself
//! mta-sts/         what other domains have promised about the way to them
//! acme/            certificates that an authority gave by itself, with their keys and the account there
//! tokens/          refresh tokens that providers gave in exchange for the configured ones
//! admin.sock       where commands reach the running server
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::admin::socket::SOCKET_NAME;
use crate::world::disk::{close_to_others, read_regular};

/// The format that this program reads and writes.
pub const FORMAT_VERSION: u32 = 2;
/// More than any file that is read here as a whole may hold.
pub(super) const FILE_BYTES_MAX: u64 = 4096;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program, or a later version of this one, made it.
    #[error(
        "{path} says format {found:?}, this program reads {FORMAT_VERSION}. Run the version of franking that made \
         this data, or choose another directory with --data"
    )]
    Format {
        /// The format file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// There is something in it that is not ours.
    #[error("{path} is not empty and was not made by franking. Choose another directory with --data")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// A key file is not what it should be.
    #[error(
        "{path} must hold 32 octets. Restore it from a backup; without it, reports to forwarded mail get lost (srs), \
         or clients can find out which accounts there are (scram)"
    )]
    Key {
        /// The key file.
        path: PathBuf,
    },
}

/// The paths within a data directory that exists and has the right format.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// Opens a data directory, or makes it when it is not there or empty.
    ///
    /// # Errors
    /// [`DataError`]; nothing in a foreign directory is touched.
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Io { path, source }
        };
        // The index's library makes its files readable for everybody.
        close_to_others();
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed(root))?;
        let root = fs::canonicalize(root).map_err(failed(root))?;
        let format = root.join("format");
        match read_regular(&format, FILE_BYTES_MAX) {
            Ok(content) => {
                let found = String::from_utf8_lossy(content.get(..32).unwrap_or(&content)).trim().to_owned();
                if found != FORMAT_VERSION.to_string() {
                    return Err(DataError::Format { path: format, found });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::read_dir(&root).map_err(failed(&root))?.next().is_some() {
                    return Err(DataError::Foreign { path: root });
                }
                write_secret(&format, format!("{FORMAT_VERSION}\n").as_bytes()).map_err(failed(&format))?;
            }
            Err(source) => return Err(DataError::Io { path: format, source }),
        }
        Ok(Self { root })
    }

    /// The directory itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Change log and index.
    pub fn directory(&self) -> PathBuf {
        self.root.join("directory")
    }

    /// Accepted messages.
    pub fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// MTA-STS policies of other domains.
    pub fn mta_sts(&self) -> PathBuf {
        self.root.join("mta-sts")
    }

    /// Refresh tokens that were exchanged.
    pub fn tokens(&self) -> PathBuf {
        self.root.join("tokens")
    }

    /// Bodies that are still being received.
    pub fn spool(&self) -> PathBuf {
        self.root.join("queue").join("spool")
    }

    /// Maildirs.
    pub fn mailboxes(&self) -> PathBuf {
        self.root.join("mailboxes")
    }

    /// What accounts and mailboxes have used up.
    pub fn limits(&self) -> PathBuf {
        self.root.join("limits")
    }

    /// What is remembered about signing in.
    pub fn sign_ins(&self) -> PathBuf {
        self.root.join("sign-ins")
    }

    /// Whom mailboxes have answered by themselves.
    pub fn replies(&self) -> PathBuf {
        self.root.join("replies")
    }

    /// Who looked into whose mailbox.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The message trace.
    pub fn trace(&self) -> PathBuf {
        self.root.join("trace")
    }

    /// The administrators' socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join(SOCKET_NAME)
    }

    /// Certificates that were made because none was configured.
    pub fn certificates(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// This server's own secrets.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
}

/// Writes a new file that only its owner reads, whole or not at all, durable when this returns.
pub(super) fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_named_and_never_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&place.path().join("data")).unwrap();
        fs::write(data.root().join("format"), "\u{1b}[2J\u{202e}").unwrap();
        let failed = DataDirectory::open(data.root()).unwrap_err().to_string();
        assert!(failed.is_ascii() && !failed.chars().any(char::is_control), "{failed}");
        fs::remove_file(data.root().join("format")).unwrap();
        fs::create_dir(data.root().join("format")).unwrap();
        assert!(matches!(DataDirectory::open(data.root()), Err(DataError::Io { .. })));
        fs::write(place.path().join("file"), "").unwrap();
        assert!(matches!(DataDirectory::open(&place.path().join("file")), Err(DataError::Io { .. })));
    }

    #[test]
    fn nothing_in_a_data_directory_is_open_to_others() {
        use crate::store::engine::EmbeddedEngine;
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&place.path().join("data")).unwrap();
        drop(EmbeddedEngine::open(&data.directory()).unwrap());
        let mut waiting = vec![data.root().to_owned()];
        while let Some(path) = waiting.pop() {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
            if metadata.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    #[test]
    fn foreign_past_and_future_directories_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(DataDirectory::open(place.path()), Err(DataError::Foreign { .. })));
        for other in [FORMAT_VERSION - 1, FORMAT_VERSION + 1] {
            fs::write(place.path().join("format"), format!("{other}\n")).unwrap();
            let refused = DataDirectory::open(place.path()).unwrap_err();
            assert!(matches!(&refused, DataError::Format { found, .. } if *found == other.to_string()), "{refused}");
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
