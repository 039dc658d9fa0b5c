//! Where the content of a message comes from: octets in memory, or a file that is read block by block.

use std::io::{self, Read};
use std::sync::Arc;

use crate::world::offload;

/// The content of a message. It can be read several times, since several hosts may be tried.
pub trait MessageSource: Send + Sync {
    /// How many octets a reader gives. One that gives another number is taken for broken, and the message is deferred.
    fn bytes(&self) -> u64;

    /// A reader at the start of the message. Opening and reading may block: both happen on a thread for that.
    ///
    /// # Errors
    /// When the content cannot be had; the message is deferred.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// A message in memory.
#[derive(Clone, Debug)]
pub struct MessageBytes(pub Arc<[u8]>);

impl MessageSource for MessageBytes {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(Arc::clone(&self.0))))
    }
}

/// Reads a source block by block, away from the threads of the runtime.
pub(super) struct BlockReader {
    source: Arc<dyn MessageSource>,
    reader: Option<Box<dyn Read + Send>>,
    given: u64,
}

impl BlockReader {
    pub(super) fn new(source: &Arc<dyn MessageSource>) -> Self {
        Self { source: Arc::clone(source), reader: None, given: 0 }
    }

    /// The next block of at most `bytes_max` octets, and whether it is the last.
    pub(super) async fn next_block(&mut self, bytes_max: usize) -> io::Result<(Vec<u8>, bool)> {
        let (source, reader) = (Arc::clone(&self.source), self.reader.take());
        let read = move || -> io::Result<(Box<dyn Read + Send>, Vec<u8>)> {
            let mut reader = match reader {
                Some(reader) => reader,
                None => source.open()?,
            };
            let mut block = Vec::new();
            (&mut reader).take(bytes_max as u64).read_to_end(&mut block)?;
            Ok((reader, block))
        };
        let (reader, block) = offload(read).await??;
        self.reader = Some(reader);
        self.given = self.given.saturating_add(block.len() as u64);
        let last = block.len() < bytes_max;
        let (given, announced) = (self.given, self.source.bytes());
        if given > announced || (last && given < announced) {
            // A message cut short by a damaged disk must not be passed off as whole.
            return Err(io::Error::other(format!("the stored message has {given} octets instead of {announced}")));
        }
        Ok((block, last))
    }
}
