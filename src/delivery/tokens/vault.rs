//! The refresh token that a provider gave in exchange for the last one, kept over restarts.
//!
//! It promises that what is found after a crash is the former token or the new one, whole; that a token which the
//! operator configures anew counts before what was kept for the former; and that nothing of either shows in a log. A
//! provider that forgets the former token at once, and a crash between its answer and our write, cost the token: the
//! operator then signs in anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::world::disk::{Disk, replace};

/// What a file begins with.
const FORMAT: &str = "refresh-token 1";
/// The longest file, in octets.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Keeps one refresh token.
#[derive(Clone, Debug)]
pub struct Vault {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Vault {
    /// Keeps what comes of the token `name` in a file of that name within `directory`; both are made when there is
    /// something to keep.
    pub fn new(disk: Arc<dyn Disk>, directory: &Path, name: &str) -> Self {
        Self { disk, path: directory.join(format!("{name}.token")) }
    }

    /// The token to use where the operator configured `configured`: what came of it, or itself. Blocks.
    pub(super) fn current(&self, configured: &str) -> String {
        match self.read() {
            Ok(Some((origin, token))) if origin == fingerprint(configured) => token,
            Ok(_) => configured.to_owned(),
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "a renewed refresh token cannot be read; the configured one is used");
                configured.to_owned()
            }
        }
    }

    /// Keeps what came of `configured`, durably when this returns. Blocks.
    ///
    /// # Errors
    /// The system's; then what was kept before is still there.
    pub(super) fn keep(&self, configured: &str, token: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(&self.path);
        self.disk.create_directories(directory)?;
        let content = format!("{}\n{token}\n", fingerprint(configured));
        let file = format!("{FORMAT} {:08x}\n{content}", crc32fast::hash(content.as_bytes()));
        replace(&*self.disk, &self.path, &self.path.with_extension("new"), core::iter::once(file)).map(drop)
    }

    /// The fingerprint of the configured token and what came of it; none before anything was kept.
    fn read(&self) -> io::Result<Option<(String, String)>> {
        if !self.disk.exists(&self.path)? {
            return Ok(None);
        }
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
        if self.disk.length(&self.path)? > FILE_BYTES_MAX {
            return Err(damaged());
        }
        let text = String::from_utf8(self.disk.read(&self.path)?).map_err(|_| damaged())?;
        let (head, content) = text.split_once('\n').ok_or_else(damaged)?;
        let checksum = head.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(damaged)?;
        if u32::from_str_radix(checksum, 16).ok() != Some(crc32fast::hash(content.as_bytes())) {
            return Err(damaged());
        }
        let mut lines = content.lines().map(str::to_owned);
        lines.next().zip(lines.next()).map(Some).ok_or_else(damaged)
    }
}

/// Tells configured tokens apart without keeping them.
fn fingerprint(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::disk::SimulatedDisk;

    fn vault(disk: &SimulatedDisk) -> Vault {
        Vault::new(Arc::new(disk.clone()), Path::new("/data/tokens"), "uplink")
    }

    #[test]
    fn what_came_of_a_token_counts_until_another_is_configured() {
        let disk = SimulatedDisk::new(1);
        let vault = vault(&disk);
        assert_eq!(vault.current("first"), "first");
        vault.keep("first", "second").unwrap();
        vault.keep("first", "third").unwrap();
        assert_eq!(vault.current("first"), "third");
        assert_eq!(vault.current("anew"), "anew");
        let kept = disk.read(Path::new("/data/tokens/uplink.token")).unwrap();
        assert!(!String::from_utf8(kept).unwrap().contains("first"), "the configured token is not written down");
    }

    #[test]
    fn a_damaged_file_gives_the_configured_token() {
        let disk = SimulatedDisk::new(1);
        let vault = vault(&disk);
        vault.keep("first", "second").unwrap();
        disk.damage(Path::new("/data/tokens/uplink.token"), 92, 1);
        assert_eq!(vault.current("first"), "first");
        vault.keep("first", "third").unwrap();
        assert_eq!(vault.current("first"), "third");
    }

    #[test]
    fn a_power_cut_leaves_the_former_token_or_the_new_one() {
        for operations in 0..16 {
            let disk = SimulatedDisk::new(operations);
            vault(&disk).keep("first", "second").unwrap();
            disk.cut_power_after(operations);
            let kept = vault(&disk).keep("first", "third");
            disk.crash();
            disk.restart();
            let found = vault(&disk).current("first");
            assert!(found == "third" || (found == "second" && kept.is_err()), "{operations}: {found}");
        }
    }
}
