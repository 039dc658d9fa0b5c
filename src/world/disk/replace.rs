//! Writes a file anew in the place of what is there: whoever looks after a crash finds the old content or the new.

use std::io;
use std::path::Path;

use super::{AppendFile, Disk, remove_if_there};

/// So many octets are written at once.
const PIECE_BYTES: usize = 1 << 20;

/// Writes `content` into `draft`, makes it durable and gives it the name `path`, durably; both are in one directory,
/// which must be there. What an earlier attempt has left of the draft goes. The file, to be written on. Blocks.
///
/// # Errors
/// The system's. Unless the very last step failed, `path` is as it was.
pub fn replace(
    disk: &dyn Disk,
    path: &Path,
    draft: &Path,
    content: impl Iterator<Item = impl AsRef<[u8]>>,
) -> io::Result<Box<dyn AppendFile>> {
    remove_if_there(disk, draft)?;
    let mut file = disk.create_new(draft)?;
    let mut piece = Vec::new();
    for part in content {
        piece.extend_from_slice(part.as_ref());
        if piece.len() >= PIECE_BYTES {
            file.append(&piece)?;
            piece.clear();
        }
    }
    file.append(&piece)?;
    file.synchronize()?;
    disk.rename(draft, path)?;
    disk.synchronize_directory(path.parent().unwrap_or(path))?;
    Ok(file)
}
