//! How much goes to one next host, and when nothing does.
//!
//! Each domain has its lane in the queue and pauses by itself; a host that takes mail for many of them is one, and what
//! it says to one delivery it says to all. It promises that no more messages are on their way to the host at once than
//! the operator allows, and that a host which throttles us, or does not let us sign in, is left alone: as long as the
//! queue waits after a first attempt, then twice as long each time, up to a quarter of an hour. What comes meanwhile
//! waits in the queue without a connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::model::mail::EnhancedStatus;
use crate::model::smtp::client::{Outcome, Step, Trouble};
use crate::world::Clock;

/// The longest that a host is left alone which does not wish for more.
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// The longest wait for one of the places. Whoever waits keeps a place of the queue's own, which other hosts need, and
/// the attempt must still end within its lease.
pub const WAIT_MAX: Duration = Duration::from_secs(120);

/// The way into one next host, shared by everything that goes there.
pub struct Gate {
    host: Box<str>,
    places: Option<Semaphore>,
    /// How long the host is left alone after the first trouble; twice as long after each further one.
    pause: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often in a row there was trouble. What was under way together counts once.
    troubles: u32,
    /// Nothing goes there until then, on the clock that nobody sets.
    until: Duration,
    /// What was wrong.
    last: Option<Trouble>,
}

impl Gate {
    /// An open gate; `places_max` bounds what passes at once, `pause` is the first that follows trouble.
    pub fn new(host: &str, places_max: Option<usize>, pause: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { host: host.into(), places: places_max.map(Semaphore::new), pause, clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, to be kept until the message has passed; none where places are not counted.
    ///
    /// # Errors
    /// Why nothing passes now.
    pub async fn enter(&self) -> Result<Option<SemaphorePermit<'_>>, Trouble> {
        self.ask()?;
        let Some(places) = &self.places else { return Ok(None) };
        let place = timeout(WAIT_MAX, places.acquire()).await.ok().and_then(Result::ok).ok_or_else(|| {
            let text = "all connections that it may have from us are busy";
            Trouble::local(EnhancedStatus(4, 4, 5), Some(&self.host), text)
        })?;
        // It may have closed during the wait.
        self.ask()?;
        Ok(Some(place))
    }

    fn ask(&self) -> Result<(), Trouble> {
        let (now, state) = (self.clock.elapsed(), self.state());
        match &state.last {
            Some(last) if now < state.until => {
                let seconds = state.until.saturating_sub(now).as_secs().saturating_add(1);
                let text = format!("it is left alone for {seconds} seconds more, because of this: {last}");
                Err(Trouble::local(last.status, Some(&self.host), text))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Learns from what became of a message.
    pub fn learn(&self, outcomes: &[Outcome]) {
        let trouble = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Deferred(trouble) if closes(trouble) => Some(trouble),
            Outcome::Deferred(_) | Outcome::Delivered { .. } | Outcome::Failed(_) => None,
        });
        match trouble {
            Some(trouble) => self.close(trouble, None),
            // That the host could not be reached says nothing about what it would say.
            None if outcomes.iter().any(is_judged) => self.open(),
            None => {}
        }
    }

    /// The host has taken something: whatever was, is forgiven.
    pub fn open(&self) {
        *self.state() = State::default();
    }

    /// Closes for a while, or as long as the host wishes if that is longer.
    pub fn close(&self, trouble: &Trouble, wish: Option<Duration>) {
        let (now, mut state) = (self.clock.elapsed(), self.state());
        if now >= state.until {
            state.troubles = state.troubles.saturating_add(1);
        }
        let doubled =
            self.pause.saturating_mul(1_u32.checked_shl(state.troubles.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = doubled.min(PAUSE_MAX).max(wish.unwrap_or_default());
        let until = now.saturating_add(pause);
        if until > state.until {
            let seconds = pause.as_secs();
            tracing::warn!(host = %self.host, seconds, %trouble, "the host is left alone for a while");
            state.until = until;
        }
        state.last = Some(trouble.clone());
    }
}

fn closes(trouble: &Trouble) -> bool {
    trouble.is_throttling() || trouble.step == Some(Step::Auth)
}

fn is_judged(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered { .. } | Outcome::Failed(_) => true,
        Outcome::Deferred(trouble) => !trouble.is_of_the_host(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::Timestamp;
    use crate::world::ManualClock;

    fn gate(places: Option<usize>) -> (Gate, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        (Gate::new("smtp.example", places, Duration::from_secs(60), Arc::<ManualClock>::clone(&clock)), clock)
    }

    fn refused() -> Outcome {
        let trouble = Trouble::local(EnhancedStatus(4, 7, 8), Some("smtp.example"), "the token was refused");
        Outcome::Deferred(Trouble { step: Some(Step::Auth), ..trouble })
    }

    fn failed() -> Outcome {
        Outcome::Failed(Trouble::local(EnhancedStatus(5, 1, 1), None, "no such user"))
    }

    #[tokio::test]
    async fn a_host_in_trouble_is_left_alone_ever_longer_and_forgiven_at_once() {
        let (gate, clock) = gate(None);
        for seconds in [60, 120, 240, 480, 900, 900] {
            assert!(gate.enter().await.is_ok());
            // Several that were under way together count once.
            gate.learn(&[failed(), refused()]);
            gate.learn(&[refused()]);
            clock.advance(Duration::from_secs(seconds - 1));
            let said = gate.enter().await.err().unwrap().to_string();
            assert_eq!(
                said,
                "smtp.example: 4.7.8 it is left alone for 2 seconds more, because of this: smtp.example: 4.7.8 the \
                 token was refused"
            );
            clock.advance(Duration::from_secs(1));
        }
        gate.learn(&[failed()]);
        gate.learn(&[refused()]);
        clock.advance(Duration::from_secs(60));
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn a_wish_to_be_left_alone_is_obeyed() {
        let (gate, clock) = gate(None);
        let trouble = Trouble::local(EnhancedStatus(4, 7, 0), None, "429");
        gate.close(&trouble, Some(Duration::from_secs(1_000)));
        gate.close(&trouble, None);
        clock.advance(Duration::from_secs(999));
        assert!(gate.enter().await.is_err());
        clock.advance(Duration::from_secs(1));
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_pass_at_once_than_have_places() {
        let (gate, _) = gate(Some(2));
        let (first, second) = (gate.enter().await.unwrap(), gate.enter().await.unwrap());
        assert!(first.is_some() && second.is_some());
        // Time passes by itself where nothing else happens.
        assert!(gate.enter().await.err().unwrap().to_string().contains("busy"));
        drop(first);
        assert!(gate.enter().await.is_ok());
    }
}
