//! From the raw file to [`Config`]: defaults filled in, every value judged, all problems gathered.

use core::ops::{Range, RangeInclusive};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::raw::{Raw, RawLifecycle, RawPolicy, RawQueue, RawQuota, RawTimeouts, RawTls, RawTrace};
use super::{Config, ConfigError, ConfigErrors, LogConfig, QueueConfig, RouteWay, TraceConfig};
use crate::model::directory::lifecycle::life::Periods;
use crate::model::mail::{Domain, Network, NetworkError};
use crate::model::policy::{AccountLimits, Profile, RouteTable, Settings, TooSoon};
use crate::model::smtp::client::Patience;
use crate::world::tls::CertificatePaths;

mod acme;
mod connectors;
mod faults;
mod graph;
mod issuers;
mod limits;
mod listeners;
mod outbound;
mod quota;
mod relay;
mod tokens;
mod transport;

pub use faults::{SCRIPT_BYTES_MAX, fault_script};

const DATA_DEFAULT: &str = "/var/lib/franking";
const HOUR_SECONDS: u64 = 3_600;
const WEEK_SECONDS: u64 = 7 * 24 * HOUR_SECONDS;
/// Numbers that TOML can write, and that fit wherever they go.
const COUNT_MAX: u64 = 1_000_000_000;
/// Longer waits hold a connection that other mail needs, and an attempt has to end within an hour.
const TIMEOUT_SECONDS_MAX: u64 = 600;
/// Less than this could not even take what is under way.
const FREE_BYTES_LEAST: u64 = 1 << 20;
const FREE_BYTES_USUAL: u64 = 256 << 20;
const FREE_FILES_USUAL: u64 = 1_000;
/// Ten years.
const TRACE_DAYS_MAX: u64 = 3_650;
/// A hundred years.
const KEPT_DAYS_MAX: u64 = 36_500;
/// Less than 16 MiB would not hold an hour of a busy server; more than 1 TiB nobody could search.
const TRACE_BYTES_MIN: u64 = 16 << 20;
const TRACE_BYTES_MAX: u64 = 1 << 40;
/// More problems than this help nobody, and finding the key of each takes time.
const PROBLEMS_MAX: usize = 50;

/// Reads values and gathers what is wrong with them.
struct Judge<'text> {
    text: &'text str,
    file: &'text Path,
    problems: Vec<(usize, ConfigError)>,
}

/// The raw file as a configuration, or everything that is wrong with it.
pub(super) fn config(mut raw: Raw, text: &str, file: &Path) -> Result<Config, ConfigErrors> {
    let mut judge = Judge { text, file, problems: Vec::new() };
    let transport = judge.transport(&mut raw.relay);
    let timeouts = judge.timeouts(core::mem::take(&mut raw.relay.timeouts));
    let tokens = judge.tokens(raw.token);
    let routes = judge.routes(raw.relay, raw.route, &tokens);
    judge.known_sources(raw.policy.known_sources.take());
    let issuers = judge.issuers(raw.issuer);
    let profile = Settings::of(raw.profile);
    let lockout = judge.lockout(&mut raw.limits);
    let traffic = judge.traffic(&mut raw.limits);
    let (limits, accounts) = judge.limits(raw.limits, (profile.limits, profile.too_soon));
    let connectors = judge.connectors(raw.connector, &accounts.0);
    let hostname = judge.hostname(raw.hostname);
    let listeners = judge.listeners(raw.listener);
    let config = Config {
        acme: judge.acme(raw.acme, &hostname, &listeners),
        hostname,
        data: judge.beside(&raw.data.unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))),
        profile: raw.profile,
        settings: Settings {
            periods: judge.periods(raw.lifecycle),
            lockout,
            connectors,
            issuers: issuers.iter().map(|issuer| issuer.rules.clone()).collect(),
            traffic,
            ..judge.settings(raw.profile, raw.policy, raw.quota, accounts, &routes)
        },
        emulate: raw.emulate,
        listeners,
        certificates: judge.certificates(raw.tls),
        limits,
        routes,
        tokens,
        issuers,
        transport,
        timeouts,
        queue: judge.queue(raw.profile, raw.queue),
        trace: judge.trace(raw.trace),
        log: LogConfig { format: raw.log.format, level: raw.log.level },
        drain: judge.seconds(raw.drain_seconds, 30, 0..=HOUR_SECONDS),
        checksum: crc32fast::hash(text.as_bytes()),
    };
    if judge.problems.is_empty() {
        return Ok(config);
    }
    judge.problems.sort_by_key(|(offset, _)| *offset);
    Err(ConfigErrors(judge.problems.into_iter().map(|(_, problem)| problem).collect()))
}

impl Judge<'_> {
    fn refuse(&mut self, span: &Range<usize>, problem: impl Into<String>, cure: impl Into<String>) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let error = ConfigError::at(self.file, self.text, span, problem.into(), cure.into());
        self.problems.push((span.start, error));
    }

    /// A path relative to the directory of the configuration.
    fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    fn number(&mut self, value: Option<Spanned<u64>>, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(value) = value else { return default };
        let (span, number) = (value.span(), value.into_inner());
        if !range.contains(&number) {
            let cure = format!("give a number from {} to {}; the default is {default}", range.start(), range.end());
            self.refuse(&span, format!("{number} is out of range"), cure);
        }
        number
    }

    fn count(&mut self, value: Option<Spanned<u64>>, default: usize, range: RangeInclusive<u64>) -> usize {
        let number = self.number(value, u64::try_from(default).unwrap_or(u64::MAX), range);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    fn seconds(&mut self, value: Option<Spanned<u64>>, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(value, default, range))
    }

    /// Without a name the server calls itself `localhost`: enough to try it out, and every greeting shows it.
    fn hostname(&mut self, value: Option<Spanned<String>>) -> Domain {
        let (span, text) = match value {
            Some(value) => (value.span(), value.into_inner()),
            None => (0..0, "localhost".to_owned()),
        };
        Domain::parse(&text).unwrap_or_else(|error| {
            self.refuse(&span, format!("\"{text}\" is no host name: {error}"), "write it like \"mx.contoso.example\"");
            IpAddr::V4(Ipv4Addr::LOCALHOST).into()
        })
    }

    fn settings(
        &mut self,
        profile: Profile,
        raw: RawPolicy,
        quota: RawQuota,
        (limits, too_soon): (AccountLimits, TooSoon),
        routes: &RouteTable<RouteWay>,
    ) -> Settings {
        let own = Settings::of(profile);
        Settings {
            mailbox_required: raw.mailbox_required.unwrap_or(own.mailbox_required),
            no_mailbox_step: raw.no_mailbox_step.unwrap_or(own.no_mailbox_step),
            shared_sign_in: raw.shared_sign_in.unwrap_or(own.shared_sign_in),
            send_as_denied: raw.send_as_denied.unwrap_or(own.send_as_denied),
            unknown_recipient: raw.unknown_recipient.unwrap_or(own.unknown_recipient),
            relay_refused: raw.relay_refused.unwrap_or(own.relay_refused),
            hop_limit_reached: raw.hop_limit_reached.unwrap_or(own.hop_limit_reached),
            restriction_refused: raw.restriction_refused.unwrap_or(own.restriction_refused),
            refuse_early: raw.refuse_early.unwrap_or(own.refuse_early),
            recipient_validation: raw.recipient_validation.unwrap_or(own.recipient_validation),
            large_group_limits: raw.large_group_limits.unwrap_or(own.large_group_limits),
            repair_from: raw.repair_from.unwrap_or(own.repair_from),
            sent_items_copy: raw.sent_items_copy.unwrap_or(own.sent_items_copy),
            address_policies_for_all: raw.address_policies_for_all.unwrap_or(own.address_policies_for_all),
            // RFC 5321 section 4.5.3.1.7 asks for at least 64 KiB; more than 1 GB nobody has tried.
            message_bytes_max: self.number(raw.message_bytes_max, own.message_bytes_max, 65_536..=COUNT_MAX),
            // RFC 5321 section 4.5.3.1.8: at least 100 recipients must be accepted.
            recipients_max: self.count(raw.recipients_max, own.recipients_max, 100..=100_000),
            hops_max: self.count(raw.hops_max, own.hops_max, 10..=1_000),
            moderation_expiry: self.seconds(
                raw.moderation_expiry_seconds,
                own.moderation_expiry.as_secs(),
                60..=WEEK_SECONDS,
            ),
            limits,
            too_soon,
            quota: self.quota(own.quota, quota),
            lockout: own.lockout,
            scram: raw.scram_sha_256.unwrap_or(own.scram),
            issuers: own.issuers,
            traffic: own.traffic,
            periods: own.periods,
            srs_keys: own.srs_keys,
            routes: routes.map(|way| way.to_string().into()),
            connectors: own.connectors,
        }
    }

    fn networks(&mut self, values: &[Spanned<String>]) -> Vec<Network> {
        values.iter().filter_map(|value| self.network(value)).collect()
    }

    fn network(&mut self, value: &Spanned<String>) -> Option<Network> {
        let (span, text) = (value.span(), value.get_ref());
        let (problem, cure) = match text.parse::<Network>() {
            Ok(network) => return Some(network),
            Err(NetworkError::Syntax) => ("is no network", "write it like \"192.168.10.0/24\" or \"fd00::/64\""),
            Err(NetworkError::HostBits) => ("has address bits beyond its prefix", "set them to zero"),
        };
        self.refuse(&span, format!("\"{text}\" {problem}"), cure);
        None
    }

    fn certificates(&mut self, raw: RawTls) -> Vec<CertificatePaths> {
        let span = raw.certificate.as_ref().or(raw.key.as_ref()).map_or(0..0, Spanned::span);
        let list = |value: Option<Spanned<Vec<PathBuf>>>| value.map(Spanned::into_inner).unwrap_or_default();
        let (certificates, keys) = (list(raw.certificate), list(raw.key));
        if certificates.len() != keys.len() {
            let problem = format!("{} certificates and {} keys", certificates.len(), keys.len());
            self.refuse(&span, problem, "give one key for each certificate, in the same order");
        }
        let pairs = certificates.iter().zip(&keys);
        pairs.map(|(own, key)| CertificatePaths { certificate: self.beside(own), key: self.beside(key) }).collect()
    }

    fn timeouts(&mut self, raw: RawTimeouts) -> Patience {
        let usual = Patience::USUAL;
        let mut judge = |value, usual: Duration| self.seconds(value, usual.as_secs(), 1..=TIMEOUT_SECONDS_MAX);
        Patience {
            connect: judge(raw.connect_seconds, usual.connect),
            greeting: judge(raw.greeting_seconds, usual.greeting),
            command: judge(raw.command_seconds, usual.command),
            tls: judge(raw.tls_seconds, usual.tls),
            data_start: judge(raw.data_start_seconds, usual.data_start),
            data_block: judge(raw.data_block_seconds, usual.data_block),
            data_end: judge(raw.data_end_seconds, usual.data_end),
        }
    }

    fn queue(&mut self, profile: Profile, raw: RawQueue) -> QueueConfig {
        // Quickly at first, since most delays are greylisting and restarts; then every half hour.
        let usual = || [60, 300, 600, 1_800].map(Duration::from_secs).to_vec();
        let retry_delays = match raw.retry_seconds {
            None => usual(),
            Some(delays) if delays.get_ref().is_empty() => {
                self.refuse(&delays.span(), "no delay at all", "give at least one, for example [60, 300, 1800]");
                usual()
            }
            Some(delays) => {
                let delays = delays.into_inner().into_iter();
                delays.map(|delay| self.seconds(Some(delay), 60, 1..=WEEK_SECONDS)).collect()
            }
        };
        let notice_span = raw.delay_notice_seconds.as_ref().or(raw.expiry_seconds.as_ref()).map_or(0..0, Spanned::span);
        // Spec section 2.2: a day in the cloud, two on premises. A notice of delay comes after four hours.
        let usual_expiry = match profile {
            Profile::ExchangeOnline => 24 * HOUR_SECONDS,
            Profile::ExchangeServer => 48 * HOUR_SECONDS,
        };
        let expiry = self.seconds(raw.expiry_seconds, usual_expiry, 60..=4 * WEEK_SECONDS);
        let usual_notice = (4 * HOUR_SECONDS).min(expiry.as_secs() / 2);
        let delay_notice = self.seconds(raw.delay_notice_seconds, usual_notice, 1..=4 * WEEK_SECONDS);
        if delay_notice >= expiry {
            let cure = "tell senders of a delay before their mail is given up, or raise expiry_seconds";
            self.refuse(&notice_span, "the notice of a delay would come after the end", cure);
        }
        let free_bytes_min = self.number(raw.free_bytes_min, FREE_BYTES_USUAL, FREE_BYTES_LEAST..=COUNT_MAX << 10);
        let free_files_min = self.number(raw.free_files_min, FREE_FILES_USUAL, 1..=COUNT_MAX);
        let outbound = self.outbound(
            raw.connections_per_destination,
            raw.connections_max,
            raw.recipients_per_transaction,
            raw.messages_per_connection,
            raw.connection_idle_seconds,
        );
        QueueConfig { retry_delays, expiry, delay_notice, free_bytes_min, free_files_min, outbound }
    }

    /// Thirty days each, as the cloud keeps them. Less than a day would leave nobody the time to notice a mistake.
    fn periods(&mut self, raw: RawLifecycle) -> Periods {
        let mut period =
            |days| Duration::from_secs(self.number(days, 30, 1..=KEPT_DAYS_MAX).saturating_mul(24 * HOUR_SECONDS));
        Periods {
            disconnected: period(raw.disconnected_days),
            soft_deleted: period(raw.soft_deleted_days),
            deleted_user: period(raw.deleted_user_days),
            delicensing: period(raw.delicensing_days),
            delay_hold: period(raw.delay_hold_days),
        }
    }

    fn trace(&mut self, raw: RawTrace) -> TraceConfig {
        // Ninety days, as Exchange Online keeps them; a busy small server fills a gibibyte in about that time.
        let days = self.number(raw.days, 90, 0..=TRACE_DAYS_MAX);
        TraceConfig {
            days: u32::try_from(days).unwrap_or(u32::MAX),
            bytes_max: self.number(raw.bytes_max, 1 << 30, TRACE_BYTES_MIN..=TRACE_BYTES_MAX),
        }
    }
}
