//! Leads accepted messages from a session into the queue, past what can only be counted.

mod captured;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

mod outbound;

use super::counts::Counters;
use crate::model::directory::{Organisation, Recipient, RecipientId};
use crate::model::policy::limits::limits_of;
use crate::model::policy::{Origin, Refusal, Settings, SubmitAs, Tallies, TooSoon, quota};
use crate::model::smtp::{CommitFailure, QueuedAs, Submission};
use crate::server::Acceptor;
use crate::store::live::{LiveDirectory, LiveSettings};
use crate::store::queue::{CommitFailure as QueueFailure, Queue};
use crate::store::rehearsal::Rehearsal;
use crate::store::spool::SpooledBody;
use crate::store::tally::{Hold, OutboundHold, Turn};
use crate::world::Clock;

/// The queue as sessions see it.
pub(super) struct Intake {
    queue: Arc<Queue>,
    directory: Arc<LiveDirectory>,
    settings: Arc<LiveSettings>,
    counters: Counters,
    clock: Arc<dyn Clock>,
    /// This server's name.
    host: Box<str>,
    room: AtomicBool,
    /// Looks since there was room.
    looks_in_vain: AtomicU32,
    /// Where what comes in is remembered, in a rehearsal alone.
    rehearsal: Option<Arc<Rehearsal>>,
}

/// An operator who missed the first line of the log sees one of the next.
const LOOKS_PER_REMINDER: u32 = 60;

impl Intake {
    pub(super) fn new(
        queue: Arc<Queue>,
        directory: Arc<LiveDirectory>,
        settings: Arc<LiveSettings>,
        counters: Counters,
        clock: Arc<dyn Clock>,
        host: &str,
    ) -> Self {
        // As if there were room, so that the first look tells when there is none.
        let (room, looks_in_vain) = (AtomicBool::new(true), AtomicU32::new(0));
        let host = host.into();
        let intake = Self { queue, directory, settings, counters, clock, host, room, looks_in_vain, rehearsal: None };
        intake.look();
        intake
    }

    /// The same, which remembers what comes in where there is a rehearsal.
    pub(super) fn rehearsing(mut self, rehearsal: Option<Arc<Rehearsal>>) -> Self {
        self.rehearsal = rehearsal;
        self
    }

    /// Asks the disk again. Sessions read the answer with each command, so they must not ask themselves.
    pub(super) fn look(&self) {
        // What sessions have under way goes into the space that is kept free.
        let shortage = self.queue.shortage(0);
        self.room.store(shortage.is_none(), Ordering::Relaxed);
        match shortage {
            Some(shortage) => {
                let looks = self.looks_in_vain.fetch_add(1, Ordering::Relaxed);
                if looks.is_multiple_of(LOOKS_PER_REMINDER) {
                    tracing::error!("new mail is refused with 452: {shortage}");
                }
            }
            None if self.looks_in_vain.swap(0, Ordering::Relaxed) > 0 => {
                tracing::info!("there is room again: new mail is accepted");
            }
            None => {}
        }
    }

    /// Whether a mailbox of which the message is sent is too full to send. Before it is refused its directories are
    /// looked at: somebody may just have made room.
    async fn may_send(&self, account: RecipientId, submit_as: Option<SubmitAs>) -> Result<(), Refusal> {
        let (snapshot, settings) = (self.directory.current(), self.settings.current());
        for mailbox in quota::sending_mailboxes(&snapshot, &settings, account, submit_as) {
            self.has_room_to_send(mailbox, snapshot.organisation(), &settings).await?;
        }
        Ok(())
    }

    async fn has_room_to_send(
        &self,
        mailbox: &Recipient,
        organisation: &Organisation,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let judge = |usage| quota::may_send(mailbox, organisation, settings, usage);
        if let Some(usage) = self.counters.usage(mailbox.id)
            && judge(usage).is_ok()
        {
            return Ok(());
        }
        match self.counters.mailboxes.examine(mailbox.id).await {
            Ok(usage) => judge(usage),
            Err(error) => {
                tracing::warn!(%error, "what the mailbox of a sender holds cannot be counted; the message is taken");
                Ok(())
            }
        }
    }
}

impl Intake {
    /// Judges what can only be counted of a client that did not sign in: a connector may bound its own.
    async fn admit_client(&self, submission: &Submission, earlier_sessions: usize) -> Result<Admitted, Refusal> {
        let settings = self.settings.current();
        let connector = submission.envelope.connector().and_then(|name| settings.connectors.named(name));
        let Some(connector) = connector else { return Ok(Admitted::default()) };
        if are_too_many(earlier_sessions, connector.limits.sessions_max) {
            return Err(Refusal::ConcurrentSessionsExceeded);
        }
        let limits = &connector.limits;
        let bounds = (limits.external_recipients_per_hour, limits.external_recipients_per_day);
        let outbound = Some(self.hold_outbound(submission, bounds, None).await?);
        let turn = self.counters.tally.connector_turn(&connector.name, limits.messages_per_minute);
        let turn = turn.map_err(|_| Refusal::MessageRateExceeded)?;
        wait_for(&turn, settings.too_soon).await?;
        Ok(Admitted { hold: None, outbound, turn: Some(turn) })
    }
}

fn are_too_many(earlier_sessions: usize, sessions_max: Option<u32>) -> bool {
    sessions_max.is_some_and(|most| earlier_sessions >= usize::try_from(most).unwrap_or(usize::MAX))
}

/// Holds a message back until it is its turn, or refuses it where such are refused.
async fn wait_for(turn: &Turn, too_soon: TooSoon) -> Result<(), Refusal> {
    match too_soon {
        _ if turn.wait().is_zero() => Ok(()),
        TooSoon::Refuse => Err(Refusal::MessageRateExceeded),
        TooSoon::Delay => {
            tracing::info!(seconds = turn.wait().as_secs(), "the message waits for its turn");
            tokio::time::sleep(turn.wait()).await;
            Ok(())
        }
    }
}

/// What is held for a message until it is accepted.
#[derive(Default)]
pub(super) struct Admitted {
    /// None for mail from other servers.
    hold: Option<Hold>,
    /// None for mail from other servers that no connector vouches for.
    outbound: Option<OutboundHold>,
    /// None for mail from other servers that no connector vouches for.
    turn: Option<Turn>,
}

impl Acceptor for Intake {
    type Admitted = Admitted;

    fn has_room(&self) -> bool {
        self.room.load(Ordering::Relaxed)
    }

    fn tallies(&self) -> &dyn Tallies {
        &self.counters
    }

    async fn admit(&self, submission: &Submission, earlier_sessions: usize) -> Result<Admitted, Refusal> {
        let account = match submission.envelope.origin() {
            Origin::Account(account) => account,
            Origin::Anonymous | Origin::System | Origin::Connector { .. } => {
                return self.admit_client(submission, earlier_sessions).await;
            }
        };
        let settings = self.settings.current();
        let snapshot = self.directory.current();
        let recipient = snapshot.recipient(account);
        let limits = recipient.map_or(settings.limits, |recipient| limits_of(recipient, &settings));
        if are_too_many(earlier_sessions, limits.sessions) {
            return Err(Refusal::ConcurrentSessionsExceeded);
        }
        self.may_send(account, submission.submit_as).await?;
        let (tally, recipients) = (&self.counters.tally, submission.envelope.permits().len());
        let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
        let hold = tally.hold(account, recipients, limits.recipients_per_day);
        let hold = hold.map_err(|left| {
            tracing::info!(recipients, left, "the account has used up its recipients of the day");
            Refusal::DailyRecipientsExceeded
        })?;
        let bounds = (limits.external_recipients_per_hour, limits.external_recipients_per_day);
        let outbound = Some(self.hold_outbound(submission, bounds, recipient).await?);
        let turn = tally.turn(account, limits.messages_per_minute).map_err(|_| Refusal::MessageRateExceeded)?;
        wait_for(&turn, settings.too_soon).await?;
        Ok(Admitted { hold: Some(hold), outbound, turn: Some(turn) })
    }

    async fn commit(
        &self,
        admitted: Admitted,
        submission: Submission,
        body: SpooledBody,
    ) -> Result<QueuedAs, CommitFailure> {
        let (body, draft) = match &self.rehearsal {
            Some(_) => {
                let (body, draft) = captured::draft(&submission, body, &self.directory.current()).await;
                (body, Some(draft))
            }
            None => (body, None),
        };
        let Submission { envelope, head, .. } = submission;
        let id = self.queue.reserve_id();
        admitted.hold.iter().for_each(|hold| hold.bind(id));
        admitted.outbound.iter().for_each(|outbound| outbound.bind(id));
        match self.queue.commit(id, envelope, head, body).await {
            Ok(id) => {
                if let Some(turn) = admitted.turn {
                    turn.keep();
                }
                if let (Some(rehearsal), Some(draft)) = (&self.rehearsal, draft) {
                    rehearsal.captured().keep(id.given_at(), id.to_string(), draft);
                }
                Ok(QueuedAs { queue_id: id.to_string() })
            }
            Err(error @ QueueFailure::NoRoom) => {
                tracing::error!(%error, "a message was not accepted");
                self.room.store(false, Ordering::Relaxed);
                Err(CommitFailure::NoRoom)
            }
            Err(error) => {
                tracing::error!(%error, "a message was not accepted");
                Err(CommitFailure::Temporary)
            }
        }
    }
}

#[cfg(test)]
mod tests;
