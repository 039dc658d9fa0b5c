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
    /// The system's, and `InvalidData` when the file is not what was stored.
    pub fn read_body(&self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.body_reader()?.read_to_end(&mut body)?;
        Ok(body)
    }

    fn body_reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.message.body {
            StoredBody::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            StoredBody::File { path, bytes, checksum } => {
                let file = self.disk.open_read(path)?;
                if file.length()? != *bytes {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the stored body has another length"));
                }
                let hasher = crc32fast::Hasher::new();
                Box::new(FileReader { file, offset: 0, end: *bytes, hasher, checksum: *checksum })
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
        let head = io::Cursor::new(self.message.head.clone());
        Ok(Box::new(front.chain(head).chain(self.body_reader()?)))
    }
}

/// Reads a file of the disk from its start to its end, and gives the last octets only if all of them are what was
/// written: a damaged message is not passed on.
struct FileReader {
    file: Box<dyn ReadFile>,
    offset: u64,
    end: u64,
    hasher: crc32fast::Hasher,
    checksum: u32,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        if let Some(part) = buffer.get_mut(..count).filter(|part| !part.is_empty()) {
            self.file.read_exact_at(part, self.offset)?;
            self.offset = self.offset.saturating_add(count as u64);
            self.hasher.update(part);
            if self.offset >= self.end && self.hasher.clone().finalize() != self.checksum {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the stored body is damaged"));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::model::directory::Snapshot;
    use crate::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
    use crate::model::policy::{DsnRequest, Envelope, MessageParameters, Posting, Sender, Settings, Unrecorded, admit};
    use crate::model::queue::QueueId;
    use crate::world::disk::SimulatedDisk;

    #[test]
    fn a_damaged_body_is_not_passed_off_as_whole() {
        let disk = SimulatedDisk::new(1);
        let path = PathBuf::from("/body");
        let body = vec![b'x'; 200_000];
        disk.create_new(&path).unwrap().append(&body).unwrap();
        let to = ForwardPath::Mailbox(Address::parse("bob@fabrikam.example").unwrap());
        let (snapshot, settings) = (Snapshot::default(), Settings::default());
        let permit = admit(&snapshot, &settings, &Posting::own(), to, DsnRequest::default(), &mut Unrecorded).unwrap();
        let parameters = MessageParameters::default();
        let envelope = Envelope::new(&Sender::System, ReversePath::Null, parameters, vec![permit]).unwrap();
        let (bytes, checksum) = (body.len() as u64, crc32fast::hash(&body));
        let message = StoredMessage {
            id: QueueId(1),
            accepted_at: Timestamp::EPOCH,
            envelope,
            head: b"Subject: x\r\n\r\n"[..].into(),
            body: StoredBody::File { path, bytes, checksum },
        };
        let content = MessageContent::new(Arc::new(disk.clone()), Arc::new(message), b"");
        assert_eq!(content.read_body().unwrap(), body);
        disk.damage(Path::new("/body"), 100_000, 1);
        assert_eq!(content.read_body().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut read = Vec::new();
        assert!(content.open().unwrap().read_to_end(&mut read).is_err());
        assert!((read.len() as u64) < content.bytes(), "a reader that ignores the error still finds it cut short");
    }
}
