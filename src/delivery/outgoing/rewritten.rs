//! A message with another header than the stored one.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use crate::delivery::relay_agent::MessageSource;

/// A message whose header is replaced. What stands before and after it stays.
pub(super) struct Rewritten {
    inner: Arc<dyn MessageSource>,
    /// The octets before the header.
    front_bytes: u64,
    /// The length of the header that is replaced.
    former_bytes: u64,
    head: Arc<[u8]>,
}

impl Rewritten {
    /// `head` in the place of the `former_bytes` octets that begin at `front_bytes`.
    pub(super) fn new(inner: Arc<dyn MessageSource>, front_bytes: u64, former_bytes: u64, head: Vec<u8>) -> Self {
        Self { inner, front_bytes, former_bytes, head: head.into() }
    }
}

impl MessageSource for Rewritten {
    fn bytes(&self) -> u64 {
        self.inner.bytes().saturating_sub(self.former_bytes).saturating_add(self.head.len() as u64)
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut inner = self.inner.open()?;
        let mut front = Vec::new();
        inner.by_ref().take(self.front_bytes).read_to_end(&mut front)?;
        let passed = io::copy(&mut inner.by_ref().take(self.former_bytes), &mut io::sink())?;
        if front.len() as u64 != self.front_bytes || passed != self.former_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the stored message is cut short"));
        }
        Ok(Box::new(Cursor::new(front).chain(Cursor::new(Arc::clone(&self.head))).chain(inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::relay_agent::MessageBytes;

    fn read(front_bytes: u64, former_bytes: u64) -> io::Result<(u64, String)> {
        let inner = Arc::new(MessageBytes(b"R: f\r\nS: x\r\n\r\nbody"[..].into()));
        let source = Rewritten::new(inner, front_bytes, former_bytes, b"S: other\r\n\r\n".to_vec());
        let mut text = String::new();
        source.open()?.read_to_string(&mut text)?;
        Ok((source.bytes(), text))
    }

    #[test]
    fn only_the_header_is_replaced() {
        let whole = "R: f\r\nS: other\r\n\r\nbody";
        assert_eq!(read(6, 8).unwrap(), (whole.len() as u64, whole.to_owned()));
    }

    #[test]
    fn what_is_cut_short_is_not_passed_on() {
        assert!(read(6, 80).is_err() && read(60, 1).is_err());
    }
}
