//! What is known about the recipients of a message while hosts are tried.

use crate::model::mail::EnhancedStatus;
use crate::model::smtp::client::{OutboundMessage, Outcome, Settlement, Trouble};

/// Those of `batch` whom the host may take in a further transaction.
pub(super) fn over_limit(batch: &[usize], settlement: &Settlement) -> Vec<usize> {
    let pairs = batch.iter().zip(&settlement.outcomes);
    pairs.filter(|(_, outcome)| outcome.is_over_recipient_limit()).map(|(&index, _)| index).collect()
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversation {
    /// The host has judged, or may have: what is open waits for the next attempt.
    Over,
    /// The host could not be used.
    AnotherHost,
    /// The host could not be used, because of TLS.
    TlsFailed,
    /// The host does not take what we sign in with.
    SignInRefused,
}

/// A message and what is known about its recipients.
pub(super) struct Ledger {
    message: OutboundMessage,
    outcomes: Vec<Option<Outcome>>,
}

impl Ledger {
    pub(super) fn new(message: OutboundMessage) -> Self {
        let outcomes = vec![None; message.recipients.len()];
        Self { message, outcomes }
    }

    /// The recipients that a host may still be asked to take.
    pub(super) fn open(&self) -> Vec<usize> {
        let is_open = |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Deferred(_)));
        self.outcomes.iter().enumerate().filter(|(_, outcome)| is_open(outcome)).map(|(index, _)| index).collect()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.open().is_empty()
    }

    /// The message to these recipients only.
    pub(super) fn part(&self, indices: &[usize]) -> OutboundMessage {
        let recipients = indices.iter().filter_map(|&index| self.message.recipients.get(index)).cloned().collect();
        OutboundMessage { recipients, ..self.message.clone() }
    }

    pub(super) fn note(&mut self, indices: &[usize], settlement: Settlement) {
        for (&index, outcome) in indices.iter().zip(settlement.outcomes) {
            self.learn(index, outcome);
        }
    }

    pub(super) fn defer_all(&mut self, trouble: Trouble) -> Conversation {
        for index in self.open() {
            self.learn(index, Outcome::Deferred(trouble.clone()));
        }
        Conversation::AnotherHost
    }

    /// What one host said of the message outweighs that another one could not be reached.
    fn learn(&mut self, index: usize, outcome: Outcome) {
        let of_the_host = |outcome: &Outcome| matches!(outcome, Outcome::Deferred(trouble) if trouble.is_of_the_host());
        if let Some(place) = self.outcomes.get_mut(index)
            && (!of_the_host(&outcome) || place.as_ref().is_none_or(of_the_host))
        {
            *place = Some(outcome);
        }
    }

    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        let untried = || Outcome::Deferred(Trouble::local(EnhancedStatus(4, 4, 1), None, "no host was tried"));
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(untried)).collect()
    }
}
