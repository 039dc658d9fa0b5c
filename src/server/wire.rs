//! The connection below TLS, with as few calls into the system as there need be.
//!
//! A server ends the handshake of TLS 1.3 with a ticket for the next session, which nobody waits for (RFC 8446 section
//! 4.6.1). Alone it would be one more packet, and wake the client up for nothing; here it leaves with the first words
//! that follow. What has come is read in one piece, of which TLS takes as much as it asks for.

use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much is read at once: a record of TLS, and what is around it.
const READ_BYTES: usize = 17 * 1024;

/// What happens to what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It leaves when something is read: then a flight of the handshake is whole.
    Handshake,
    /// What is there leaves with what is written next.
    Company,
    /// It leaves at once.
    Open,
}

/// A connection that a handshake begins on.
#[derive(Debug)]
pub(super) struct Wire<S: AsyncWrite + Unpin> {
    socket: S,
    way: Way,
    /// Written and not sent.
    leaving: Vec<u8>,
    /// Received and not taken, from `taken` on.
    come: Vec<u8>,
    taken: usize,
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    pub(super) const fn new(socket: S) -> Self {
        Self { socket, way: Way::Handshake, leaving: Vec::new(), come: Vec::new(), taken: 0 }
    }

    /// What is underneath.
    pub(super) const fn socket(&self) -> &S {
        &self.socket
    }

    /// The handshake is over. Its last flight waits for what is written next if `may_wait`: the client must have all
    /// it needs. Otherwise it is to be flushed.
    pub(super) const fn open(&mut self, may_wait: bool) {
        self.way = if may_wait { Way::Company } else { Way::Open };
    }

    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let outcome = loop {
            let rest = self.leaving.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.socket).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        match self.leaving.len().checked_sub(sent) {
            // An idle session has no buffer.
            None | Some(0) => self.leaving = Vec::new(),
            Some(_) => drop(self.leaving.drain(..sent)),
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> Drop for Wire<S> {
    /// A handshake that fails leaves the alert that says why.
    fn drop(&mut self) {
        let _ = self.send(&mut Context::from_waker(Waker::noop()));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.way == Way::Handshake {
            ready!(this.send(context))?;
        }
        if this.come.is_empty() {
            if buffer.remaining() >= READ_BYTES {
                return Pin::new(&mut this.socket).poll_read(context, buffer);
            }
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut this.socket).poll_read(context, &mut space))?;
            let (now, later) = space.filled().split_at(space.filled().len().min(buffer.remaining()));
            buffer.put_slice(now);
            this.come.extend_from_slice(later);
            return Poll::Ready(Ok(()));
        }
        let rest = this.come.get(this.taken..).unwrap_or_default();
        let now = rest.get(..rest.len().min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(now);
        this.taken += now.len();
        if this.taken >= this.come.len() {
            (this.come, this.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.way == Way::Open {
            ready!(this.send(context))?;
            return Pin::new(&mut this.socket).poll_write_vectored(context, pieces);
        }
        pieces.iter().for_each(|piece| this.leaving.extend_from_slice(piece));
        if this.way == Way::Company {
            this.way = Way::Open;
            // What finds no room leaves with the flush.
            if let Poll::Ready(Err(error)) = this.send(context) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.way == Way::Open {
            ready!(this.send(context))?;
            return Pin::new(&mut this.socket).poll_flush(context);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(context))?;
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Notes each call that writes, takes at most so many octets at once, and gives what it has to read in pieces.
    #[derive(Debug, Default)]
    struct Recorder {
        writes: std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
        room: usize,
        pieces: Vec<Vec<u8>>,
        reads: usize,
    }

    impl AsyncRead for Recorder {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.reads += 1;
            if let Some(piece) = self.pieces.pop() {
                let (now, later) = piece.split_at(piece.len().min(buffer.remaining()));
                buffer.put_slice(now);
                if !later.is_empty() {
                    self.pieces.push(later.to_vec());
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
            let count = octets.len().min(self.room);
            self.writes.lock().unwrap().push(octets[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn recorder(room: usize) -> (Wire<Recorder>, impl Fn() -> Vec<String>) {
        let socket = Recorder { room, ..Recorder::default() };
        let writes = std::sync::Arc::clone(&socket.writes);
        let so_far = move || {
            let writes = writes.lock().unwrap();
            writes.iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
        };
        (Wire::new(socket), so_far)
    }

    #[tokio::test]
    async fn a_flight_leaves_when_the_next_is_read_and_the_last_one_with_what_follows() {
        let (mut wire, writes) = recorder(100);
        wire.write_all(b"hello ").await.unwrap();
        wire.write_all(b"finished").await.unwrap();
        wire.flush().await.unwrap();
        assert_eq!(writes(), [""; 0]);
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(writes(), ["hello finished"]);
        wire.write_all(b"ticket ").await.unwrap();
        wire.flush().await.unwrap();
        wire.open(true);
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
        wire.flush().await.unwrap();
        assert_eq!(writes(), ["hello finished"]);
        wire.write_all(b"220").await.unwrap();
        wire.write_all(b"250").await.unwrap();
        assert_eq!(writes(), ["hello finished", "ticket 220", "250"]);
    }

    #[tokio::test]
    async fn what_must_not_wait_leaves_with_the_flush_and_all_with_the_end() {
        let (mut wire, writes) = recorder(4);
        wire.write_all(b"finished").await.unwrap();
        wire.open(false);
        wire.flush().await.unwrap();
        assert_eq!(writes(), ["fini", "shed"]);
        let (mut wire, writes) = recorder(100);
        wire.write_all(b"ticket").await.unwrap();
        wire.open(true);
        wire.shutdown().await.unwrap();
        assert_eq!(writes(), ["ticket"]);
        let (mut wire, writes) = recorder(100);
        wire.write_all(b"alert").await.unwrap();
        drop(wire);
        assert_eq!(writes(), ["alert"]);
    }

    #[tokio::test]
    async fn what_came_is_read_once_and_taken_in_any_pieces() {
        let octets: Vec<u8> = (0..40_000_u32).map(|place| place as u8).collect();
        for size in [1, 5, 4_096, READ_BYTES - 1, READ_BYTES, 50_000] {
            let (mut wire, _) = recorder(100);
            wire.socket.pieces = vec![octets.clone()];
            let (mut taken, mut space) = (Vec::new(), vec![0; size]);
            loop {
                let count = wire.read(&mut space).await.unwrap();
                taken.extend_from_slice(&space[..count]);
                if count == 0 {
                    break;
                }
            }
            assert!(taken == octets, "{size}");
            assert!(wire.socket.reads <= octets.len().div_ceil(READ_BYTES) + 1, "{size}: {}", wire.socket.reads);
            assert_eq!(wire.come.capacity(), 0, "{size}");
        }
    }
}
