//! Answers that come late on purpose: nobody works meanwhile, no lock is held, and who leaves is gone at once.
//!
//! What the client sends ahead is kept for later, up to a bound, and never read as if it had come after a handshake.

use core::time::Duration;

use tokio::time::sleep;

use super::{Connection, End, read};
use crate::server::Acceptor;

/// What a client may send ahead while something of it waits; with so much, it is not read from any more. What was read
/// at once with the last of it comes on top.
pub(super) const AHEAD_BYTES_MAX: usize = 16 * 1024;

impl<A: Acceptor> Connection<A> {
    /// Lets time pass, unless the client leaves or the server stops: it does not wait for guessers.
    ///
    /// # Errors
    /// `Left`, and what the system says of the connection.
    pub(super) async fn linger(&mut self, time: Duration) -> Result<(), End> {
        if time.is_zero() {
            return Ok(());
        }
        self.write_out().await?;
        let over = sleep(time);
        tokio::pin!(over);
        loop {
            let stream = self.stream.as_mut().ok_or(End::Left)?;
            tokio::select! {
                biased;
                () = self.stop.asked() => return Ok(()),
                () = &mut over => return Ok(()),
                read = read(stream), if self.ahead.len() < AHEAD_BYTES_MAX => {
                    let octets = read?;
                    if octets.is_empty() {
                        return Err(End::Left);
                    }
                    self.ahead.extend_from_slice(&octets);
                }
            }
        }
    }
}
