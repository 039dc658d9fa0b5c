//! The content of a message: it streams out, is judged at its end, made durable, and only then acknowledged (law 5).

use super::super::data::{Fed, Progress};
use super::super::interface::{Action, CommitFailure, QueuedAs, Role, Waiting};
use super::super::replies::Answer;
use super::super::transaction::{Ending, Transaction};
use super::scripted::Fate;
use super::{Chunk, Moment, Phase, Session};
use crate::model::policy::{Refusal, restricted};

impl Session {
    /// Takes what has come of a message sent by DATA.
    pub(super) fn data_step(&mut self, moment: Moment<'_>) -> bool {
        let Phase::Data(reader) = &mut self.phase else {
            return false;
        };
        let octets = self.input.rest();
        if octets.is_empty() {
            return false;
        }
        let mut content = Vec::with_capacity(octets.len());
        let progress = reader.read(octets, &mut content);
        self.input.consume(progress.consumed);
        self.take_data(moment, content, progress)
    }

    /// Takes what has just come of a message sent by DATA, without a copy in between, and keeps what follows it.
    pub(super) fn data_received(&mut self, moment: Moment<'_>, octets: &[u8]) -> bool {
        let Phase::Data(reader) = &mut self.phase else {
            return false;
        };
        let mut content = Vec::with_capacity(octets.len());
        let progress = reader.read(octets, &mut content);
        let goes_on = self.take_data(moment, content, progress);
        if self.waits != Waiting::Nothing {
            self.input.push(octets.get(progress.consumed..).unwrap_or_default());
        }
        goes_on
    }

    fn take_data(&mut self, moment: Moment<'_>, content: Vec<u8>, progress: Progress) -> bool {
        self.progressed = moment.now;
        self.feed(content);
        if self.give_up_if_endless(moment) || self.is_struck_in_content(moment.now, progress.consumed) {
            return false;
        }
        if progress.ended {
            self.phase = Phase::Command;
            self.finish_message(moment);
        }
        true
    }

    /// Takes what has come of a chunk.
    pub(super) fn chunk_step(&mut self, moment: Moment<'_>) -> bool {
        let Phase::Chunk(chunk) = &mut self.phase else {
            return false;
        };
        let octets = self.input.rest();
        let taken = usize::try_from(chunk.remaining).unwrap_or(usize::MAX).min(octets.len());
        if taken == 0 && chunk.remaining > 0 {
            return false;
        }
        chunk.remaining -= taken as u64;
        let swallowed = chunk.refused.is_some();
        let ended = chunk.remaining == 0;
        let content = octets.get(..taken).filter(|_| !swallowed).unwrap_or_default().to_vec();
        self.input.consume(taken);
        self.progressed = moment.now;
        if !swallowed {
            self.feed(content);
            if self.give_up_if_endless(moment) || self.is_struck_in_content(moment.now, taken) {
                return false;
            }
        }
        if ended && let Phase::Chunk(chunk) = core::mem::replace(&mut self.phase, Phase::Command) {
            self.end_chunk(moment, chunk);
        }
        true
    }

    fn end_chunk(&mut self, moment: Moment<'_>, chunk: Chunk) {
        if let Some(refusal) = chunk.refused {
            if chunk.last {
                self.end_transaction();
            }
            self.refuse(moment, refusal);
            return self.count_error(moment);
        }
        if chunk.last {
            return self.finish_message(moment);
        }
        let hopeless = self.transaction.as_mut().and_then(|transaction| {
            let content = transaction.content.take_if(|content| content.is_hopeless())?;
            let refusal = content.finish().err().unwrap_or(Refusal::TemporaryServerError);
            transaction.spoilt = Some(refusal.clone());
            Some(refusal)
        });
        match hopeless {
            Some(refusal) => self.refuse(moment, refusal),
            None => self.say(&Answer::ChunkReceived(chunk.bytes)),
        }
    }

    /// Passes content on: the header stays here, the body goes out.
    fn feed(&mut self, octets: Vec<u8>) {
        let Some(transaction) = self.transaction.as_mut() else {
            return;
        };
        let Some(content) = transaction.content.as_mut() else {
            return;
        };
        match content.feed(octets) {
            Fed::Nothing => {}
            Fed::Body(body) => {
                transaction.body_begun = true;
                self.outbox.push(Action::Body(body));
            }
            Fed::Hopeless => {
                if core::mem::take(&mut transaction.body_begun) {
                    self.outbox.push(Action::DiscardBody);
                }
            }
        }
    }

    /// A message twice as large as permitted is not waited for any longer.
    fn give_up_if_endless(&mut self, moment: Moment<'_>) -> bool {
        let content = self.transaction.as_ref().and_then(|transaction| transaction.content.as_ref());
        let endless = content.is_some_and(|content| content.is_endless());
        if endless {
            self.refuse(moment, Refusal::MessageTooLarge);
            self.close();
        }
        endless
    }

    /// The message has ended: judge all of it, then let it be made durable.
    fn finish_message(&mut self, moment: Moment<'_>) {
        let about = self.about_message();
        let Some(transaction) = self.transaction.take() else {
            return;
        };
        self.counts.messages += 1;
        let body_begun = transaction.body_begun;
        match self.judge_message(moment, transaction) {
            Ok((message_id, commit)) => match self.fate(moment.now, about) {
                Fate::Stored => {
                    self.committing = Some(message_id);
                    self.outbox.push(commit);
                    self.waits = Waiting::Commit;
                    self.progressed = moment.now;
                }
                Fate::Refused if body_begun => self.outbox.push(Action::DiscardBody),
                Fate::Refused => {}
                Fate::Discarded => {
                    if body_begun {
                        self.outbox.push(Action::DiscardBody);
                    }
                    self.acknowledge(&message_id, "discarded");
                }
            },
            Err(refusal) => {
                if body_begun {
                    self.outbox.push(Action::DiscardBody);
                }
                self.refuse(moment, refusal);
            }
        }
    }

    fn judge_message(&mut self, moment: Moment<'_>, mut transaction: Transaction) -> Result<(String, Action), Refusal> {
        // Judged again: the account may have been blocked while its message was under way, or a domain removed by which
        // a connector vouched for its client.
        transaction.sender = self.sender(moment, &transaction.reverse_path)?;
        restricted::may_send(moment.snapshot, moment.tallies, &transaction.sender)?;
        let greeting = self.greeting.as_ref().ok_or(Refusal::SendHelloFirst)?;
        let id = format!("{}-{}", self.options.session_id, self.counts.messages);
        let submission = transaction.finish(&Ending {
            options: &self.options,
            client_name: &greeting.name,
            extended: greeting.extended,
            id: &id,
            now: moment.now,
            snapshot: moment.snapshot,
        })?;
        Ok((submission.message_id.clone(), Action::Commit(Box::new(submission))))
    }

    /// What became of the message: the only place that says 250 after one (law 5), but for a script that discards it.
    pub(super) fn committed(&mut self, moment: Moment<'_>, outcome: Result<QueuedAs, CommitFailure>) {
        if self.waits != Waiting::Commit {
            return;
        }
        self.resume(moment.now);
        let message_id = self.committing.take().unwrap_or_default();
        let refusal = match outcome {
            Ok(QueuedAs { queue_id }) => {
                if !self.is_struck_after_commit(moment.now) {
                    self.acknowledge(&message_id, &queue_id);
                }
                return;
            }
            Err(CommitFailure::Temporary) => Refusal::TemporaryServerError,
            Err(CommitFailure::NoRoom) => Refusal::InsufficientSystemResources,
            Err(CommitFailure::Refused(refusal)) => refusal,
        };
        self.outbox.push(Action::DiscardBody);
        self.refuse(moment, refusal);
    }

    fn acknowledge(&mut self, message_id: &str, queue_id: &str) {
        self.counts.commands = 0;
        self.counts.errors = 0;
        let hostname = &*self.options.hostname;
        let reply = match self.options.role {
            Role::Submission => Answer::Submitted { message_id, hostname }.reply(),
            Role::Inbound => Answer::Queued { message_id, queue_id, hostname }.reply(),
        };
        self.outbox.say(&reply);
    }

    /// The spool is full. The message is refused at its end, or now when its end has come and its commit has not begun.
    pub(super) fn body_failed(&mut self, moment: Moment<'_>) {
        if let Some(transaction) = self.transaction.as_mut()
            && let Some(content) = transaction.content.as_mut()
        {
            content.fail_for_room();
            transaction.body_begun = false;
            self.outbox.retract_message();
            self.outbox.push(Action::DiscardBody);
        } else if self.waits == Waiting::Commit && self.outbox.retract_message() {
            self.resume(moment.now);
            self.committing = None;
            self.outbox.push(Action::DiscardBody);
            self.refuse(moment, Refusal::InsufficientSystemResources);
        }
    }
}
