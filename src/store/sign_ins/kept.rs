//! A table in one file, written as a whole: magic, checksum, postcard.
//!
//! A file that is damaged counts as none: what it held is worth less than a server that does not start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::disk::{Disk, replace};

const MAGIC: &[u8; 8] = b"FRKSGN01";

/// The file of a table.
#[derive(Clone)]
pub(in crate::store) struct Kept {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Kept {
    /// The file `name` in `directory`, which is made if it is not there.
    pub(in crate::store) fn within(disk: Arc<dyn Disk>, directory: &Path, name: &str) -> io::Result<Self> {
        disk.create_directories(directory)?;
        Ok(Self { disk, path: directory.join(name) })
    }

    /// What was written last; the default when there is nothing that can be read.
    pub(in crate::store) fn read<T: DeserializeOwned + Default>(&self) -> io::Result<T> {
        let octets = match self.disk.read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            read => read?,
        };
        let table = decode(&octets);
        if table.is_none() {
            tracing::error!(path = %self.path.display(), "the file is damaged; what it remembered is forgotten");
        }
        Ok(table.unwrap_or_default())
    }

    /// Writes a table in place of the former one, durably.
    pub(in crate::store) fn write(&self, table: &impl Serialize) -> io::Result<()> {
        let body = postcard::to_stdvec(table).map_err(io::Error::other)?;
        let checksum = crc32fast::hash(&body).to_le_bytes();
        let content = [MAGIC.as_slice(), &checksum, &body];
        replace(&*self.disk, &self.path, &self.path.with_extension("new"), content.into_iter()).map(drop)
    }
}

fn decode<T: DeserializeOwned>(octets: &[u8]) -> Option<T> {
    let (checksum, body) = octets.strip_prefix(MAGIC.as_slice())?.split_first_chunk::<4>()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*checksum)).then(|| postcard::from_bytes(body).ok())?
}
