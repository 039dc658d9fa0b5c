//! One accepted message in the queue: what is known of it, and its recipients.
//!
//! Accepted, then expanded, then each recipient by the table of `state.rs`, then forgotten. A message is expanded in
//! one step, which is durable before any copy leaves; it is forgotten when nothing is left to do for any recipient.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::state::TransitionError;
use super::target::{Event, Target};
use crate::model::mail::{LocalPart, ReversePath, Timestamp};
use crate::model::policy::restricted::Submitter;
use crate::model::policy::{Envelope, MessageParameters, Origin};

/// Names an accepted message for ever: milliseconds since 1970 and a counter. Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueId(pub u64);

/// Messages of one millisecond that get ids without borrowing from the next.
const COUNTER_BITS: u32 = 12;

impl QueueId {
    /// The id after `last`, at `now`. It grows even when the clock stands still or steps back.
    pub fn after(last: Self, now: Timestamp) -> Self {
        // Milliseconds take 48 bits until the year 9999.
        Self((now.unix_milliseconds() << COUNTER_BITS).max(last.following().0))
    }

    /// The least id that is greater.
    pub const fn following(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// When it was given, as far as the clock was right and not overtaken by ids of one moment.
    pub const fn given_at(self) -> Timestamp {
        Timestamp::from_unix_milliseconds(self.0 >> COUNTER_BITS)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016X}", self.0)
    }
}

/// A text that is no queue id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a queue id has 16 hexadecimal digits")]
pub struct QueueIdError;

impl FromStr for QueueId {
    type Err = QueueIdError;
    fn from_str(text: &str) -> Result<Self, QueueIdError> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        value.map(Self).ok_or(QueueIdError)
    }
}

/// What is known of a message before it is expanded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFacts {
    /// Its id.
    pub id: QueueId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Who handed it in.
    pub origin: Origin,
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// The parameters of MAIL FROM.
    pub parameters: MessageParameters,
    /// Its size in octets.
    pub bytes: u64,
    /// Whose restriction holds it.
    pub submitter: Option<Submitter>,
}

impl EntryFacts {
    /// The facts of an envelope.
    pub fn new(id: QueueId, accepted_at: Timestamp, envelope: &Envelope, bytes: u64) -> Self {
        Self {
            id,
            accepted_at,
            origin: envelope.origin(),
            reverse_path: envelope.reverse_path().clone(),
            parameters: envelope.parameters().clone(),
            bytes,
            submitter: Submitter::of(envelope),
        }
    }
}

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What is known of it.
    pub facts: EntryFacts,
    /// Its recipients; none before it is expanded.
    targets: Option<Vec<Target>>,
    /// From which places on recipients were added by an approval, and since when their time runs.
    added: Vec<(u32, Timestamp)>,
}

impl Entry {
    /// A message that has just been accepted.
    pub const fn accepted(facts: EntryFacts) -> Self {
        Self { facts, targets: None, added: Vec::new() }
    }

    /// The recipients; empty before expansion.
    pub fn targets(&self) -> &[Target] {
        self.targets.as_deref().unwrap_or_default()
    }

    /// One recipient.
    pub fn target(&self, index: u32) -> Option<&Target> {
        self.targets().get(usize::try_from(index).ok()?)
    }

    /// Whether expansion is done.
    pub const fn is_expanded(&self) -> bool {
        self.targets.is_some()
    }

    /// Sets the recipients. A second expansion replaces the first: the replay of a present state written anew.
    pub fn expand(&mut self, targets: Vec<Target>) {
        let begun = |target: &Target| {
            let approval = target.addressee.approval()?;
            Some((approval.first_below?, approval.decision.as_ref()?.1.at))
        };
        self.added = targets.iter().filter_map(begun).collect();
        self.added.sort_unstable();
        self.targets = Some(targets);
    }

    /// Lets the recipients share again what they shared before they were written down.
    pub fn share(&mut self) {
        let targets = self.targets.as_deref_mut().unwrap_or_default();
        for place in 1..targets.len() {
            if let Some((former, [target, ..])) = targets.split_at_mut_checked(place)
                && let Some(former) = former.last()
            {
                target.share(former);
            }
        }
    }

    /// Adds those whom the approval of the recipient at `place` led to; false when that one does not wait for them, or
    /// not any more.
    pub fn branch(&mut self, place: u32, below: Vec<Target>) -> bool {
        let (Some(targets), Ok(index)) = (&mut self.targets, usize::try_from(place)) else { return false };
        let first = u32::try_from(targets.len()).ok().filter(|_| !below.is_empty());
        let Some(target) = targets.get_mut(index) else { return false };
        if target.apply(&Event::Branched(first)).is_err() {
            return false;
        }
        let decided = target.addressee.approval().and_then(|approval| approval.decision.as_ref());
        let since = decided.map_or(self.facts.accepted_at, |(_, decision)| decision.at);
        self.added.extend(first.map(|first| (first, since)));
        targets.extend(below);
        true
    }

    /// Since when the time of the recipient at `place` runs: its message's acceptance, or the approval that led there.
    pub fn since(&self, place: u32) -> Timestamp {
        let after = self.added.partition_point(|(first, _)| *first <= place);
        let before = after.checked_sub(1).and_then(|index| self.added.get(index));
        before.map_or(self.facts.accepted_at, |(_, since)| *since)
    }

    /// Since when the time of any recipient runs.
    pub fn beginnings(&self) -> impl Iterator<Item = Timestamp> {
        core::iter::once(self.facts.accepted_at).chain(self.added.iter().map(|(_, since)| *since))
    }

    /// Applies an event to a recipient. Unknown places are passed over: they can only come from a foreign record.
    ///
    /// # Errors
    /// Those of the table; then nothing has changed.
    pub fn apply(&mut self, index: u32, event: &Event) -> Result<(), TransitionError> {
        let targets = self.targets.as_deref_mut().unwrap_or_default();
        match usize::try_from(index).ok().and_then(|index| targets.get_mut(index)) {
            Some(target) => target.apply(event),
            None => Ok(()),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_settled(&self) -> bool {
        self.targets.as_ref().is_some_and(|targets| targets.iter().all(Target::is_settled))
    }
}

/// `postmaster`, before the `@`.
pub(super) fn postmaster_local() -> LocalPart {
    constant_local("postmaster")
}

/// `unknown`, before the `@`.
pub(super) fn unknown_local() -> LocalPart {
    constant_local("unknown")
}

fn constant_local(text: &'static str) -> LocalPart {
    // A constant dot-atom always parses; the other branch only satisfies the type.
    LocalPart::parse(text).unwrap_or_else(|_| unreachable!("{text} is a dot-atom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let first = QueueId::after(QueueId(0), now);
        let second = QueueId::after(first, now);
        let back = QueueId::after(second, Timestamp::EPOCH);
        assert!(first < second && second < back);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert_eq!((first.to_string().len(), first.given_at(), back.given_at()), (16, now, now));
        assert_eq!("zz".parse::<QueueId>(), Err(QueueIdError));
        assert_eq!("+00000000000000F".parse::<QueueId>(), Err(QueueIdError));
    }
}
