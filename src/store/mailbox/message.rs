//! The content of a delivery: where it comes from, and how it is written with LF line ends.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::MailboxFailure;
use crate::world::disk::{AppendFile, Disk};

/// Where a message is. One message for many mailboxes is shared, not copied.
#[derive(Clone, Debug)]
pub enum Message {
    /// In memory.
    Bytes(Bytes),
    /// In a file, for example a large body; read in parts.
    File {
        /// The file.
        path: PathBuf,
        /// CRC-32 of its content; another content is not delivered.
        checksum: u32,
    },
}

/// Read and written at a time, in octets.
const PART_BYTES: usize = 64 << 10;

/// Sizes of a message as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// As stored.
    pub(super) bytes: u64,
    /// As sent, with CRLF for every LF.
    pub(super) wire_bytes: u64,
}

impl Message {
    pub(super) fn bytes_in_memory(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File { .. } => 0,
        }
    }

    /// Writes `head` and the message to `file` with LF line ends, by way of `buffer`.
    pub(super) fn write(
        &self,
        disk: &dyn Disk,
        head: &[u8],
        file: &mut dyn AppendFile,
        buffer: &mut Vec<u8>,
    ) -> Result<Sizes, MailboxFailure> {
        buffer.clear();
        let mut lines = Lines { file, buffer, has_carriage_return: false, sizes: Sizes::default() };
        let written = |error: io::Error| MailboxFailure::of_disk(&error);
        let unreadable = |error: io::Error| MailboxFailure::Message { reason: error.to_string().into() };
        lines.write(head).map_err(written)?;
        match self {
            Self::Bytes(bytes) => {
                for part in bytes.chunks(PART_BYTES) {
                    lines.write(part).map_err(written)?;
                }
            }
            Self::File { path, checksum } => {
                let source = disk.open_read(path).map_err(unreadable)?;
                let length = source.length().map_err(unreadable)?;
                let mut part = vec![0; PART_BYTES];
                let mut offset = 0;
                let mut hasher = crc32fast::Hasher::new();
                while offset < length {
                    let wanted = usize::try_from(length.saturating_sub(offset)).unwrap_or(PART_BYTES);
                    part.truncate(wanted);
                    source.read_exact_at(&mut part, offset).map_err(unreadable)?;
                    hasher.update(&part);
                    lines.write(&part).map_err(written)?;
                    offset = offset.saturating_add(part.len() as u64);
                }
                if hasher.finalize() != *checksum {
                    return Err(MailboxFailure::Message { reason: "the stored body is damaged".into() });
                }
            }
        }
        lines.finish().map_err(written)
    }
}

/// Turns CRLF into LF on the way to a file.
struct Lines<'a> {
    file: &'a mut dyn AppendFile,
    buffer: &'a mut Vec<u8>,
    /// The last octet so far was a carriage return, and it is not yet clear whether a line feed follows.
    has_carriage_return: bool,
    sizes: Sizes,
}

impl Lines<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let begins_with_line_feed = part.first() == Some(&b'\n');
        if core::mem::take(&mut self.has_carriage_return) && !begins_with_line_feed {
            self.buffer.push(b'\r');
        }
        let part = match part.split_last() {
            Some((b'\r', rest)) => {
                self.has_carriage_return = true;
                rest
            }
            Some(_) | None => part,
        };
        let mut begin = 0;
        for at in memchr::memchr_iter(b'\r', part) {
            if part.get(at.saturating_add(1)) == Some(&b'\n') {
                self.buffer.extend_from_slice(part.get(begin..at).unwrap_or_default());
                begin = at.saturating_add(1);
            }
        }
        self.buffer.extend_from_slice(part.get(begin..).unwrap_or_default());
        if self.buffer.len() >= PART_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = self.buffer.len() as u64;
        let lines = memchr::memchr_iter(b'\n', self.buffer).count() as u64;
        self.file.append(self.buffer)?;
        self.buffer.clear();
        self.sizes.bytes = self.sizes.bytes.saturating_add(bytes);
        self.sizes.wire_bytes = self.sizes.wire_bytes.saturating_add(bytes).saturating_add(lines);
        Ok(())
    }

    fn finish(mut self) -> io::Result<Sizes> {
        if self.has_carriage_return {
            self.buffer.push(b'\r');
        }
        self.flush()?;
        Ok(self.sizes)
    }
}
