//! Up to which record the witness has heard everything.
//!
//! Records get their sequences in the journal, and several threads tell the witness of them afterwards, so what comes
//! later may be told earlier. Whoever writes something that is to be told says so before: as long as that is not told,
//! nothing from there on counts as settled. Records written later have greater sequences than any seen before.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::store::intake::locked;

/// What is under way.
#[derive(Debug)]
pub(super) struct Telling {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The greatest sequence seen when each of them began, and how many began so.
    begun: BTreeMap<u64, usize>,
    /// The greatest sequence seen.
    last: u64,
    /// What was settled last.
    settled: u64,
}

/// Somebody is about to write what is to be told. When this is dropped without [`Telling::end`] nothing later is ever
/// settled: the next start tells it again.
#[derive(Debug)]
#[must_use = "what has begun must end"]
pub(super) struct Begun(u64);

impl Telling {
    /// Everything up to `last` is settled.
    pub(super) const fn new(last: u64) -> Self {
        Self { state: Mutex::new(State { begun: BTreeMap::new(), last, settled: last }) }
    }

    /// To be called before a record that is to be told is handed to the journal.
    pub(super) fn begin(&self) -> Begun {
        let mut state = locked(&self.state);
        let last = state.last;
        *state.begun.entry(last).or_default() += 1;
        Begun(last)
    }

    /// To be called when it has been told, with its sequence, or when nothing was written. Gives the sequence up to
    /// which everything is settled, if that has grown.
    pub(super) fn end(&self, begun: Begun, told: Option<u64>) -> Option<u64> {
        let mut state = locked(&self.state);
        state.last = state.last.max(told.unwrap_or(0));
        if let Some(count) = state.begun.get_mut(&begun.0) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.begun.remove(&begun.0);
            }
        }
        let settled = state.begun.first_key_value().map_or(state.last, |(first, _)| *first);
        let grown = settled > state.settled;
        state.settled = state.settled.max(settled);
        grown.then_some(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_settled_while_an_earlier_record_may_be_untold() {
        let telling = Telling::new(10);
        let (first, second) = (telling.begin(), telling.begin());
        // The second got the later sequence and is told earlier.
        assert_eq!(telling.end(second, Some(12)), None);
        let third = telling.begin();
        assert_eq!(telling.end(first, Some(11)), Some(12));
        let fourth = telling.begin();
        assert_eq!(telling.end(third, None), None);
        assert_eq!(telling.end(fourth, Some(15)), Some(15));
        drop(telling.begin());
        let last = telling.begin();
        assert_eq!(telling.end(last, Some(20)), None, "what was dropped is never settled");
    }
}
