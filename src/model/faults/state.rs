//! A script with what happened so far. Pure: what is due follows from the script, the counts and the occasion.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Occasion, Rule};
use crate::model::mail::Timestamp;

/// Strikes that are remembered one by one; older ones stay counted.
pub const LOG_MAX: usize = 1_000;
/// Recipients that the log names of one strike.
const LOGGED_RECIPIENTS_MAX: usize = 10;

/// What became of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Occasions that met its conditions while it was asked; an earlier rule that strikes leaves it unasked.
    pub matched: u64,
    /// Strikes.
    pub struck: u64,
}

/// A strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Struck {
    /// Its number since the server began.
    pub number: u64,
    /// When; in JSON by ISO 8601.
    #[serde(with = "iso")]
    pub at: Timestamp,
    /// The rule.
    pub rule: String,
    /// Where.
    pub step: super::Step,
    /// What happened: the name of the deed.
    pub deed: String,
    /// The number of the session since the script was set; `None` at a delivery.
    pub session: Option<u64>,
    /// The number of the message in it.
    pub message: u64,
    /// The client.
    pub client: Option<IpAddr>,
    /// Who was signed in.
    pub login: Option<String>,
    /// The reverse-path.
    pub sender: Option<String>,
    /// The recipients, ten at most.
    pub recipients: Vec<String>,
}

/// The script and its state.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<(Arc<Rule>, Count)>,
    /// Sessions in all, and those that began before the script was set.
    sessions: u64,
    sessions_before: u64,
    strikes: u64,
    log: VecDeque<Struck>,
}

impl Faults {
    /// Replaces the script; all counts begin anew, sessions too. The log goes on.
    pub fn set(&mut self, rules: Vec<Rule>) {
        self.rules = rules.into_iter().map(|rule| (Arc::new(rule), Count::default())).collect();
        self.sessions_before = self.sessions;
    }

    /// Adds rules behind those that are there, whose counts go on. `false`, and nothing happens, when they would be
    /// more than [`RULES_MAX`](super::RULES_MAX).
    pub fn add(&mut self, rules: Vec<Rule>) -> bool {
        let fits = self.rules.len().saturating_add(rules.len()) <= super::RULES_MAX;
        for mut rule in rules.into_iter().filter(|_| fits) {
            rule.name = self.free_name(rule.name);
            self.rules.push((Arc::new(rule), Count::default()));
        }
        fits
    }

    /// `name`, or the next number where a rule that was given none has the number of another.
    fn free_name(&self, name: Box<str>) -> Box<str> {
        let is_taken = |name: &str| self.rules.iter().any(|(rule, _)| &*rule.name == name);
        if !name.starts_with(super::NAMELESS) || !is_taken(&name) {
            return name;
        }
        let mut numbered = (1..=super::RULES_MAX + 1).map(|number| format!("{}{number}", super::NAMELESS));
        numbered.find(|name| !is_taken(name)).map_or(name, String::into_boxed_str)
    }

    /// Takes away the rules of this name, or all; says how many.
    pub fn clear(&mut self, name: Option<&str>) -> usize {
        let before = self.rules.len();
        self.rules.retain(|(rule, _)| name.is_some_and(|name| name != &*rule.name));
        before - self.rules.len()
    }

    /// A session begins; gives its number.
    pub const fn begin_session(&mut self) -> u64 {
        self.sessions = self.sessions.saturating_add(1);
        self.sessions
    }

    /// Whether there is no rule.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules with their counts, in their order.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, Count)> {
        self.rules.iter().map(|(rule, count)| (&**rule, *count))
    }

    /// The latest strikes, the oldest first.
    pub const fn log(&self) -> &VecDeque<Struck> {
        &self.log
    }

    /// Strikes in all.
    pub const fn strikes(&self) -> u64 {
        self.strikes
    }

    /// The rule that strikes at this occasion, which is counted and remembered. Total.
    pub fn judge(&mut self, now: Timestamp, occasion: &Occasion<'_>) -> Option<Arc<Rule>> {
        // Who came before the script was set has no number in it.
        let session = occasion.visit.map_or(0, |visit| visit.session.saturating_sub(self.sessions_before));
        let mut rules = self.rules.iter_mut();
        let due = rules.find_map(|(rule, count)| is_due(rule, count, occasion, session).then_some(&*rule));
        let rule = Arc::clone(due?);
        self.strikes = self.strikes.saturating_add(1);
        if self.log.len() >= LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(Struck {
            number: self.strikes,
            at: now,
            rule: rule.name.to_string(),
            step: rule.step,
            deed: rule.deed.name().to_owned(),
            session: occasion.visit.map(|_| session),
            message: occasion.message,
            client: occasion.visit.map(|visit| visit.client),
            login: occasion.login.map(str::to_owned),
            sender: occasion.sender.map(str::to_owned),
            recipients: occasion.recipients.iter().take(LOGGED_RECIPIENTS_MAX).cloned().collect(),
        });
        Some(rule)
    }
}

/// Asks one rule: an occasion that meets its conditions is counted, and struck when it is its turn.
fn is_due(rule: &Rule, count: &mut Count, occasion: &Occasion<'_>, session: u64) -> bool {
    if rule.step != occasion.step || !rule.when.hold(occasion, session) {
        return false;
    }
    count.matched = count.matched.saturating_add(1);
    let later = count.matched.saturating_sub(1).checked_sub(rule.skip);
    let is_its_turn = later.is_some_and(|later| later.checked_rem(rule.every).unwrap_or(0) == 0);
    let is_left = rule.times.is_none_or(|times| count.struck < times);
    if is_its_turn && is_left {
        count.struck = count.struck.saturating_add(1);
    }
    is_its_turn && is_left
}

/// Moments in JSON as people and programs read them: `2026-01-05T09:00:00.000Z`.
pub mod iso {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::model::mail::Timestamp;

    /// Writes it.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(at)
    }

    /// Reads it.
    ///
    /// # Errors
    /// The deserializer's, and when it is no moment.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_iso8601(&text).ok_or_else(|| de::Error::custom("this is no moment"))
    }
}
