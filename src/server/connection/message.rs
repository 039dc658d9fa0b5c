//! The end of a message: it is admitted, which may take its time, made durable, and told to the session and the log.

use core::pin::pin;

use tokio::time::timeout;

use super::waiting::AHEAD_BYTES_MAX;
use super::{Connection, End, read};
use crate::model::policy::traffic::Kind;
use crate::model::policy::{Origin, Refusal};
use crate::model::smtp::{CommitFailure, Input, QueuedAs, Submission};
use crate::server::Acceptor;
use crate::server::visible::Visible;

impl<A: Acceptor> Connection<A> {
    pub(super) async fn commit(&mut self, submission: Submission) -> Result<(), End> {
        let record = MessageRecord::of(&submission);
        let from_stranger = submission.envelope.origin() == Origin::Anonymous;
        let admitted = match self.admit(&submission).await? {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let outcome = Err(CommitFailure::Refused(refusal));
                record.log(&outcome);
                self.tell(Input::Committed(outcome));
                return Ok(());
            }
        };
        let body = self.body.finish().await;
        let acceptor = std::sync::Arc::clone(&self.services.acceptor);
        let outcome = match body {
            // Not the session's patience: the message may have waited for its turn all that time.
            Ok(body) => timeout(self.settings.session.wait_timeout, acceptor.commit(admitted, submission, body)).await,
            Err(_) => Ok(Err(CommitFailure::Temporary)),
        };
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!("the message was not made durable in time");
            Err(CommitFailure::Temporary)
        });
        self.tally.messages += u32::from(outcome.is_ok());
        if outcome.is_ok() && from_stranger {
            self.count(Kind::Message, 1);
        }
        record.log(&outcome);
        self.tell(Input::Committed(outcome));
        Ok(())
    }

    /// Waits until the message is admitted. A client that leaves meanwhile gives up its place, and its message was
    /// never there; what it sends ahead is kept for later, up to a bound.
    async fn admit(&mut self, submission: &Submission) -> Result<Result<A::Admitted, Refusal>, End> {
        let acceptor = std::sync::Arc::clone(&self.services.acceptor);
        let earlier = self.seat.as_ref().map_or(0, super::Seat::earlier);
        let mut admission = pin!(acceptor.admit(submission, earlier));
        loop {
            let stream = self.stream.as_mut().ok_or(End::Left)?;
            tokio::select! {
                biased;
                outcome = &mut admission => return Ok(outcome),
                // A message that waits is none that is under way: it can be sent to another server.
                () = self.stop.asked() => return Ok(Err(Refusal::ServiceNotAvailable)),
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

/// What the log says about a message.
struct MessageRecord {
    message_id: String,
    reverse_path: String,
    recipients: usize,
    bytes: u64,
    /// The device whose credential the client used; empty without.
    device: String,
    /// The connector that vouched for the client; empty without.
    connector: String,
}

impl MessageRecord {
    fn of(submission: &Submission) -> Self {
        Self {
            message_id: submission.message_id.clone(),
            reverse_path: submission.envelope.reverse_path().to_string(),
            recipients: submission.envelope.permits().len(),
            bytes: submission.body_bytes.saturating_add(submission.head.len() as u64),
            device: submission.envelope.device().unwrap_or_default().to_owned(),
            connector: submission.envelope.connector().unwrap_or_default().to_owned(),
        }
    }

    fn log(&self, outcome: &Result<QueuedAs, CommitFailure>) {
        let Self { message_id, reverse_path, recipients, bytes, .. } = self;
        let shown = |name| (!str::is_empty(name)).then_some(Visible(name)).map(tracing::field::display);
        let (device, connector) = (shown(self.device.as_str()), shown(self.connector.as_str()));
        let (message_id, reverse_path) = (Visible(message_id), Visible(reverse_path));
        match outcome {
            Ok(QueuedAs { queue_id }) => {
                tracing::info!(%queue_id, %message_id, %reverse_path, recipients, bytes, device, connector,
                    "message accepted");
            }
            Err(failure) => {
                tracing::warn!(?failure, %message_id, %reverse_path, recipients, bytes, device, connector,
                    "message not accepted");
            }
        }
    }
}
