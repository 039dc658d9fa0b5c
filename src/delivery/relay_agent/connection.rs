//! One connection: carries octets between the socket and the session, and keeps the time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::pool::Seat;
use super::proof::{Proof, Unproved};
use super::source::{BlockReader, MessageSource};
use crate::model::smtp::client::{Action, ClientOptions, ClientSession, OutboundMessage, Patience, Settlement, Step};
use crate::world::network::Stream;

const READ_BYTES: usize = 4096;

/// How to speak to the host at the other end.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) options: ClientOptions,
    pub(super) proof: Proof,
    pub(super) patience: Patience,
    pub(super) patience_divisor: u32,
}

impl Hop {
    fn patience(&self, step: Step) -> Duration {
        self.patience.of(step) / self.patience_divisor
    }

    async fn shake_hands(&self, wire: Box<dyn Stream>, patience: Duration) -> Result<Box<dyn Stream>, Unproved> {
        timeout(patience, self.proof.ask(wire)).await.unwrap_or_else(|_| Err(Unproved::by_silence()))
    }
}

pub(super) struct Connection {
    wire: Box<dyn Stream>,
    hop: Hop,
    session: ClientSession,
    tls_failed: bool,
    messages: usize,
    /// When the attempt must be over, except for a host that judges a whole message.
    deadline: Instant,
    seat: Seat,
}

impl Connection {
    /// Makes ready to speak, with TLS first where the hop wants it so; the error is why that failed.
    pub(super) async fn establish(
        stream: Box<dyn Stream>,
        hop: Hop,
        message: OutboundMessage,
        deadline: Instant,
        seat: Seat,
    ) -> Result<Self, Unproved> {
        let mut wire = stream;
        if hop.options.implicit_tls {
            let patience = hop.patience(Step::Tls).min(deadline.saturating_duration_since(Instant::now()));
            wire = hop.shake_hands(wire, patience).await?;
        }
        let session = ClientSession::new(hop.options.clone(), message);
        Ok(Self { wire, hop, session, tls_failed: false, messages: 1, deadline, seat })
    }

    /// Whether the session ended because STARTTLS was agreed on and the handshake failed.
    pub(super) const fn tls_failed(&self) -> bool {
        self.tls_failed
    }

    /// Whether the connection can carry another message.
    pub(super) fn is_ready(&self) -> bool {
        !self.session.is_over() && self.session.step() == Step::Idle
    }

    /// How many messages were begun on it.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Its place among the open connections.
    pub(super) const fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Hands over another message, whose attempt must be over by `deadline`.
    pub(super) fn begin(&mut self, message: OutboundMessage, deadline: Instant) {
        self.messages = self.messages.saturating_add(1);
        self.deadline = deadline;
        self.session.begin(message);
    }

    /// Ends when the host speaks or hangs up, which it has no reason to do while nothing is asked of it.
    pub(super) async fn stirred(&mut self) {
        let mut buffer = [0; READ_BYTES];
        let heard = self.wire.read(&mut buffer).await;
        hear(&mut self.session, &buffer, heard);
    }

    /// Carries the message of the session to its end, or to the deadline.
    pub(super) async fn settle(&mut self, source: &Arc<dyn MessageSource>) -> Settlement {
        let mut blocks = BlockReader::new(source);
        loop {
            match self.session.poll_action() {
                Some(Action::Finished(settlement)) => return settlement,
                Some(Action::Send(octets)) => self.send(&octets).await,
                Some(Action::StartTls) => self.start_tls().await,
                Some(Action::NeedBody { bytes_max }) => match blocks.next_block(bytes_max).await {
                    Ok((block, last)) => self.session.body(&block, last),
                    Err(error) => self.session.body_failed(&error.to_string()),
                },
                // After `Finished` only; the connection is dropped then.
                Some(Action::Close) => {}
                None => self.listen().await,
            }
        }
    }

    /// How long to wait at this step: what is left of the attempt at most. A host that has the whole message gets its
    /// full time for a verdict, since what it has taken already would be sent twice.
    fn patience(&self, step: Step) -> Duration {
        let own = self.hop.patience(step);
        match step {
            Step::DataEnd | Step::Quit => own,
            Step::Greeting
            | Step::Hello
            | Step::Tls
            | Step::Auth
            | Step::Mail
            | Step::Rcpt
            | Step::DataStart
            | Step::DataBlock
            | Step::Idle => own.min(self.deadline.saturating_duration_since(Instant::now())),
        }
    }

    /// Waits for a whole reply. Single octets do not prolong the patience.
    async fn listen(&mut self) {
        let patience = self.patience(self.session.step());
        if patience.is_zero() {
            return self.session.timed_out();
        }
        let before = self.session.replies();
        let (wire, session) = (&mut self.wire, &mut self.session);
        let reply = async {
            let mut buffer = [0; READ_BYTES];
            while session.replies() == before && !session.is_over() {
                let heard = wire.read(&mut buffer).await;
                hear(session, &buffer, heard);
            }
        };
        if timeout(patience, reply).await.is_err() {
            self.session.timed_out();
        }
    }

    /// Writes, and reads meanwhile: a host that refuses in the middle of a message may not read on.
    async fn send(&mut self, octets: &[u8]) {
        let step = if self.session.step() == Step::Quit { Step::Quit } else { Step::DataBlock };
        let patience = self.patience(step);
        if patience.is_zero() {
            return self.session.timed_out();
        }
        let (mut reader, mut writer) = tokio::io::split(&mut self.wire);
        let session = &mut self.session;
        let exchange = async {
            let write = async {
                writer.write_all(octets).await?;
                writer.flush().await
            };
            tokio::pin!(write);
            let mut buffer = [0; READ_BYTES];
            loop {
                tokio::select! {
                    // In this order, so that the same events make the same dialogue.
                    biased;
                    written = &mut write => {
                        if written.is_err() {
                            session.closed();
                        }
                        return;
                    }
                    heard = reader.read(&mut buffer) => {
                        hear(session, &buffer, heard);
                        if session.is_over() {
                            return;
                        }
                    }
                }
            }
        };
        if timeout(patience, exchange).await.is_err() {
            self.session.timed_out();
        }
    }

    async fn start_tls(&mut self) {
        let wire = std::mem::replace(&mut self.wire, Box::new(tokio::io::empty()));
        match self.hop.shake_hands(wire, self.patience(Step::Tls)).await {
            Ok(secured) => {
                self.wire = secured;
                self.session.tls_established();
            }
            Err(Unproved { status, reason }) => {
                self.tls_failed = true;
                self.session.tls_refused(status, &reason);
            }
        }
    }

    /// Says goodbye, without insisting on an answer.
    pub(super) async fn farewell(mut self) {
        self.session.quit();
        while let Some(action) = self.session.poll_action() {
            if let Action::Send(octets) = action {
                self.send(&octets).await;
                self.listen().await;
            }
        }
        let _ = timeout(self.hop.patience(Step::Quit), self.wire.shutdown()).await;
    }
}

/// Gives the session what a read has brought.
fn hear(session: &mut ClientSession, buffer: &[u8], heard: io::Result<usize>) {
    match heard {
        Ok(0) | Err(_) => session.closed(),
        Ok(count) => session.receive(buffer.get(..count).unwrap_or_default()),
    }
}
