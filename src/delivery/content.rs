//! A stored message as the agents read it: header lines in front, the header, the body from memory or from its file.

use std::io::{self, Read};
use std::sync::Arc;

use super::relay_agent::MessageSource;
use crate::store::queue::{StoredBody, StoredMessage};
use crate::world::disk::{Disk, ReadFile};

/// A message with lines of our own in front.
#[derive(Clone, Debug)]
pub struct MessageContent {
    disk: Arc<dyn Disk>,
    message: Arc<StoredMessage>,
    front: Arc<[u8]>,
}

impl MessageContent {
    /// `front` is whole header lines, each with CRLF, or nothing.
    pub fn new(disk: Arc<dyn Disk>, message: Arc<StoredMessage>, front: &[u8]) -> Self {
        Self { disk, message, front: front.into() }
    }

    /// The body alone, wholly in memory. Blocks.
    ///
    /// # Errors
    /// The system's, and `InvalidData` when the file has not the length it should have.
    pub fn read_body(&self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.body_reader()?.read_to_end(&mut body)?;
        Ok(body)
    }

    fn body_reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.message.body {
            StoredBody::Memory(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
            StoredBody::File { path, bytes } => {
                let file = self.disk.open_read(path)?;
                if file.length()? != *bytes {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the stored body has another length"));
                }
                Box::new(FileReader { file, offset: 0, end: *bytes })
            }
        })
    }
}

impl MessageSource for MessageContent {
    fn bytes(&self) -> u64 {
        self.message.bytes().saturating_add(self.front.len() as u64)
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let front = io::Cursor::new(Arc::clone(&self.front));
        let head = io::Cursor::new(Arc::clone(&self.message.head));
        Ok(Box::new(front.chain(head).chain(self.body_reader()?)))
    }
}

/// Reads a file of the disk from its start to its end.
struct FileReader {
    file: Box<dyn ReadFile>,
    offset: u64,
    end: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        if let Some(part) = buffer.get_mut(..count).filter(|part| !part.is_empty()) {
            self.file.read_exact_at(part, self.offset)?;
            self.offset = self.offset.saturating_add(count as u64);
        }
        Ok(count)
    }
}
