//! One connection: carries octets between the socket and the session, and keeps the time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::source::{BlockReader, MessageSource};
use crate::model::mail::EnhancedStatus;
use crate::model::smtp::client::{
    Action, ClientOptions, ClientSession, OutboundMessage, Outcome, Settlement, Step, Trouble,
};
use crate::world::network::Stream;

const READ_BYTES: usize = 4096;

/// How to speak to the host at the other end.
pub(super) struct Hop {
    pub(super) options: ClientOptions,
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) patience_divisor: u32,
}

impl Hop {
    fn patience(&self, step: Step) -> Duration {
        step.patience() / self.patience_divisor
    }

    async fn shake_hands(&self, wire: Box<dyn Stream>) -> Result<Box<dyn Stream>, String> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match timeout(self.patience(Step::Tls), connector.connect(self.name.clone(), wire)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

pub(super) struct Connection {
    wire: Box<dyn Stream>,
    hop: Hop,
    session: ClientSession,
    tls_failed: bool,
}

impl Connection {
    /// Makes ready to speak, with TLS first where the hop wants it so; the error is why that failed.
    pub(super) async fn establish(stream: Box<dyn Stream>, hop: Hop, message: OutboundMessage) -> Result<Self, String> {
        let mut wire = stream;
        if hop.options.implicit_tls {
            wire = hop.shake_hands(wire).await?;
        }
        let session = ClientSession::new(hop.options.clone(), message);
        Ok(Self { wire, hop, session, tls_failed: false })
    }

    /// Whether the session ended because STARTTLS was agreed on and the handshake failed.
    pub(super) const fn tls_failed(&self) -> bool {
        self.tls_failed
    }

    /// Whether the connection has failed.
    pub(super) const fn is_over(&self) -> bool {
        self.session.is_over()
    }

    /// Hands over another message.
    pub(super) fn begin(&mut self, message: OutboundMessage) {
        self.session.begin(message);
    }

    /// Carries the message of the session to its end, in `attempt_max` at most.
    pub(super) async fn settle(&mut self, source: &Arc<dyn MessageSource>, attempt_max: Duration) -> Settlement {
        if let Ok(settlement) = timeout(attempt_max, self.run(source)).await {
            return settlement;
        }
        self.session.timed_out();
        self.finished().unwrap_or_else(|| {
            // The session promises a settlement after a timeout; without one, nothing is known.
            let mut trouble = Trouble::local(EnhancedStatus(4, 4, 2), Some(&self.hop.options.host), "it took too long");
            trouble.step = Some(Step::DataBlock);
            Settlement { outcomes: vec![Outcome::Deferred(trouble)], another_host: false }
        })
    }

    fn finished(&mut self) -> Option<Settlement> {
        while let Some(action) = self.session.poll_action() {
            if let Action::Finished(settlement) = action {
                return Some(settlement);
            }
        }
        None
    }

    async fn run(&mut self, source: &Arc<dyn MessageSource>) -> Settlement {
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

    /// Waits for a whole reply. Single octets do not prolong the patience.
    async fn listen(&mut self) {
        let patience = self.hop.patience(self.session.step());
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
        let patience = self.hop.patience(step);
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
        match self.hop.shake_hands(wire).await {
            Ok(secured) => {
                self.wire = secured;
                self.session.tls_established();
            }
            Err(reason) => {
                self.tls_failed = true;
                self.session.tls_failed(&reason);
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
