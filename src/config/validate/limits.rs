//! What clients, and what accounts, may use.

use super::{COUNT_MAX, HOUR_SECONDS, Judge};
use crate::config::Limits;
use crate::config::raw::RawLimits;
use crate::model::policy::lockout::Rules;
use crate::model::policy::{AccountLimits, TooSoon, traffic};
use toml::Spanned;

/// Longer locks are for administrators: franking account block.
const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;

impl Judge<'_> {
    /// Bounds on clients, and those of accounts without bounds of their own; zero is without.
    pub(super) fn limits(
        &mut self,
        raw: RawLimits,
        usual: (AccountLimits, TooSoon),
    ) -> (Limits, (AccountLimits, TooSoon)) {
        // Spec section 2.3: 20 sessions from one address, 5,000 in all.
        let limits = Limits {
            sessions_max: self.count(raw.sessions_max, 5_000, 1..=COUNT_MAX),
            sessions_per_address_max: self.count(raw.sessions_per_address_max, 20, 1..=COUNT_MAX),
            command_timeout: self.seconds(raw.command_timeout_seconds, 300, 1..=HOUR_SECONDS),
            data_timeout: self.seconds(raw.data_timeout_seconds, 600, 1..=HOUR_SECONDS),
            handshake_timeout: self.seconds(raw.handshake_timeout_seconds, 30, 1..=HOUR_SECONDS),
            refused_recipients_max: self.count(raw.refused_recipients_max, 100, 1..=COUNT_MAX),
            // Exchange's TarpitInterval. Clients wait five minutes for a reply, and several may be due at once.
            tarpit: self.seconds(raw.tarpit_seconds, 1, 0..=30),
        };
        let (own, too_soon) = usual;
        let accounts = AccountLimits {
            messages_per_minute: self.bound(raw.messages_per_minute, own.messages_per_minute),
            recipients_per_day: self.bound(raw.recipients_per_day, own.recipients_per_day),
            sessions: self.bound(raw.sessions_per_account_max, own.sessions),
            received_per_hour: self.bound(raw.received_per_hour, own.received_per_hour),
            received_from_one_per_hour: self.bound(raw.received_from_one_per_hour, own.received_from_one_per_hour),
            external_recipients_per_hour: self
                .bound(raw.external_recipients_per_hour, own.external_recipients_per_hour),
            external_recipients_per_day: self.bound(raw.external_recipients_per_day, own.external_recipients_per_day),
        };
        (limits, (accounts, raw.too_soon.unwrap_or(too_soon)))
    }

    /// When failures to sign in lock out; a bound of zero is none.
    pub(super) fn lockout(&mut self, raw: &mut RawLimits) -> Rules {
        let own = Rules::USUAL;
        let first = self.seconds(raw.lockout_seconds.take(), own.first.as_secs(), 1..=DAY_SECONDS);
        let longest = raw.lockout_seconds_max.take();
        let span = longest.as_ref().map_or(0..0, Spanned::span);
        let longest = self.seconds(longest, own.longest.as_secs().max(first.as_secs()), 1..=DAY_SECONDS);
        if longest < first {
            self.refuse(&span, "the longest lock is shorter than the first", "raise it, or lower lockout_seconds");
        }
        Rules {
            failures: self.bound(raw.lockout_failures.take(), own.failures),
            source_failures: self.bound(raw.lockout_source_failures.take(), own.source_failures),
            window: self.seconds(raw.lockout_window_seconds.take(), own.window.as_secs(), 1..=DAY_SECONDS),
            first,
            longest,
            delay: self.seconds(raw.lockout_delay_seconds.take(), own.delay.as_secs(), 0..=30),
            exempt: self.networks(&core::mem::take(&mut raw.lockout_exempt)),
        }
    }

    /// What one network may do within a time; a bound of zero is none.
    pub(super) fn traffic(&mut self, raw: &mut RawLimits) -> traffic::Rules {
        let own = traffic::Rules::USUAL;
        let exempt = raw.network_exempt.take();
        traffic::Rules {
            refused_recipients_per_hour: self
                .bound(raw.refused_recipients_per_hour.take(), own.refused_recipients_per_hour),
            connections_per_minute: self.bound(raw.connections_per_minute.take(), own.connections_per_minute),
            messages_per_minute: self.bound(raw.inbound_messages_per_minute.take(), own.messages_per_minute),
            exempt: exempt.map(|exempt| self.networks(&exempt)),
        }
    }

    pub(super) fn bound(&mut self, value: Option<Spanned<u64>>, usual: Option<u32>) -> Option<u32> {
        let number = self.number(value, usual.map_or(0, u64::from), 0..=COUNT_MAX);
        u32::try_from(number).ok().filter(|number| *number > 0)
    }
}
