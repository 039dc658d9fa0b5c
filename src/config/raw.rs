//! The file as it is written, before anything is judged: names and types only.
//!
//! The fields here are the list of known keys; an unknown one is an error, never ignored.

mod connector;

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{
    AcmeChallenge, Emulate, ListenerRole, ListenerTls, LogFormat, LogLevel, RelayAuth, RelayTls, RouteTls, RouteVia,
};
use crate::model::mail::recipient_fields::OtherRecipients;
use crate::model::policy::settings::{Scram, Wording};
use crate::model::policy::{NoMailboxStep, Profile, SharedSignIn, TooSoon};
pub(super) use connector::{RawConnector, RawConnectorType, RawScope};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) hostname: Option<Spanned<String>>,
    pub(super) data: Option<PathBuf>,
    pub(super) profile: Profile,
    pub(super) emulate: Option<Emulate>,
    pub(super) drain_seconds: Option<Spanned<u64>>,
    pub(super) policy: RawPolicy,
    pub(super) listener: Option<Vec<RawListener>>,
    pub(super) tls: RawTls,
    pub(super) acme: Option<Spanned<RawAcme>>,
    pub(super) limits: RawLimits,
    pub(super) quota: RawQuota,
    pub(super) relay: RawRelay,
    pub(super) route: Vec<Spanned<RawRoute>>,
    pub(super) token: Vec<RawToken>,
    pub(super) connector: Vec<RawConnector>,
    pub(super) issuer: Vec<RawIssuer>,
    pub(super) queue: RawQueue,
    pub(super) trace: RawTrace,
    pub(super) lifecycle: RawLifecycle,
    pub(super) log: RawLog,
}

/// Overrides of the profile, a key for each field of the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) mailbox_required: Option<bool>,
    pub(super) no_mailbox_step: Option<NoMailboxStep>,
    pub(super) shared_sign_in: Option<SharedSignIn>,
    pub(super) scram_sha_256: Option<Scram>,
    pub(super) send_as_denied: Option<Wording>,
    pub(super) unknown_recipient: Option<Wording>,
    pub(super) relay_refused: Option<Wording>,
    pub(super) hop_limit_reached: Option<Wording>,
    pub(super) restriction_refused: Option<Wording>,
    pub(super) refuse_early: Option<bool>,
    pub(super) recipient_validation: Option<bool>,
    pub(super) large_group_limits: Option<bool>,
    pub(super) repair_from: Option<bool>,
    pub(super) sent_items_copy: Option<bool>,
    pub(super) address_policies_for_all: Option<bool>,
    pub(super) message_bytes_max: Option<Spanned<u64>>,
    pub(super) recipients_max: Option<Spanned<u64>>,
    pub(super) hops_max: Option<Spanned<u64>>,
    pub(super) moderation_expiry_seconds: Option<Spanned<u64>>,
    pub(super) known_sources: Option<Spanned<Vec<String>>>,
}

/// One `[[listener]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    pub(super) address: Spanned<String>,
    #[serde(default)]
    pub(super) role: ListenerRole,
    pub(super) tls: Option<Spanned<ListenerTls>>,
    pub(super) auth_without_tls: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) networks: Vec<Spanned<String>>,
    pub(super) proxy_from: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) proxy_tls: Option<Spanned<bool>>,
}

/// Certificates and their keys, pairwise.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) certificate: Option<Spanned<Vec<PathBuf>>>,
    pub(super) key: Option<Spanned<Vec<PathBuf>>>,
}

/// Certificates that an authority gives by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAcme {
    pub(super) directory_url: Option<Spanned<String>>,
    pub(super) contact: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) names: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) challenge: AcmeChallenge,
    pub(super) listen: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) authorities: Option<PathBuf>,
    pub(super) agree_to_terms: Option<Spanned<bool>>,
    pub(super) external_account_id: Option<Spanned<String>>,
    pub(super) external_account_key_file: Option<Spanned<PathBuf>>,
    pub(super) external_account_key_env: Option<Spanned<String>>,
    pub(super) external_account_key_credential: Option<Spanned<String>>,
}

/// What clients and accounts may use.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) sessions_max: Option<Spanned<u64>>,
    pub(super) sessions_per_address_max: Option<Spanned<u64>>,
    pub(super) command_timeout_seconds: Option<Spanned<u64>>,
    pub(super) data_timeout_seconds: Option<Spanned<u64>>,
    pub(super) handshake_timeout_seconds: Option<Spanned<u64>>,
    pub(super) sessions_per_account_max: Option<Spanned<u64>>,
    pub(super) messages_per_minute: Option<Spanned<u64>>,
    pub(super) too_soon: Option<TooSoon>,
    pub(super) recipients_per_day: Option<Spanned<u64>>,
    pub(super) received_per_hour: Option<Spanned<u64>>,
    pub(super) received_from_one_per_hour: Option<Spanned<u64>>,
    pub(super) external_recipients_per_hour: Option<Spanned<u64>>,
    pub(super) external_recipients_per_day: Option<Spanned<u64>>,
    pub(super) lockout_failures: Option<Spanned<u64>>,
    pub(super) lockout_source_failures: Option<Spanned<u64>>,
    pub(super) lockout_window_seconds: Option<Spanned<u64>>,
    pub(super) lockout_seconds: Option<Spanned<u64>>,
    pub(super) lockout_seconds_max: Option<Spanned<u64>>,
    pub(super) lockout_delay_seconds: Option<Spanned<u64>>,
    pub(super) lockout_exempt: Vec<Spanned<String>>,
    pub(super) refused_recipients_max: Option<Spanned<u64>>,
    pub(super) tarpit_seconds: Option<Spanned<u64>>,
    pub(super) refused_recipients_per_hour: Option<Spanned<u64>>,
    pub(super) connections_per_minute: Option<Spanned<u64>>,
    pub(super) inbound_messages_per_minute: Option<Spanned<u64>>,
    pub(super) network_exempt: Option<Vec<Spanned<String>>>,
}

/// What a mailbox may hold that has no values of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawQuota {
    pub(super) warning_bytes: Option<Spanned<u64>>,
    pub(super) send_bytes: Option<Spanned<u64>>,
    pub(super) receive_bytes: Option<Spanned<u64>>,
}

/// The smart host, and what is heeded of the demands of recipients' domains.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRelay {
    pub(super) smart_host: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<u64>>,
    pub(super) tls: Option<Spanned<RelayTls>>,
    pub(super) login: Option<Spanned<String>>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) password_env: Option<Spanned<String>>,
    pub(super) password_credential: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<RelayAuth>>,
    pub(super) token: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) rewrite_sender: Option<Spanned<String>>,
    pub(super) connections_max: Option<Spanned<u64>>,
    pub(super) mta_sts: Option<bool>,
    pub(super) dane: Option<Spanned<bool>>,
    pub(super) name_servers: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) trust_ad: Option<Spanned<bool>>,
    pub(super) authorities: Option<PathBuf>,
    pub(super) timeouts: RawTimeouts,
}

/// How long other hosts may take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTimeouts {
    pub(super) connect_seconds: Option<Spanned<u64>>,
    pub(super) greeting_seconds: Option<Spanned<u64>>,
    pub(super) command_seconds: Option<Spanned<u64>>,
    pub(super) tls_seconds: Option<Spanned<u64>>,
    pub(super) data_start_seconds: Option<Spanned<u64>>,
    pub(super) data_block_seconds: Option<Spanned<u64>>,
    pub(super) data_end_seconds: Option<Spanned<u64>>,
}

/// One `[[route]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) domains: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) senders: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) via: Option<Spanned<RouteVia>>,
    pub(super) endpoint: Option<Spanned<String>>,
    pub(super) other_recipients: Option<Spanned<OtherRecipients>>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<u64>>,
    pub(super) tls: Option<Spanned<RouteTls>>,
    pub(super) login: Option<Spanned<String>>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) password_env: Option<Spanned<String>>,
    pub(super) password_credential: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<RelayAuth>>,
    pub(super) token: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) rewrite_sender: Option<Spanned<String>>,
    pub(super) connections_max: Option<Spanned<u64>>,
}

/// One `[[token]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    pub(super) name: Spanned<String>,
    pub(super) flow: RawFlow,
    pub(super) token_url: Spanned<String>,
    pub(super) client_id: Spanned<String>,
    pub(super) scope: Option<Spanned<String>>,
    pub(super) client_secret_file: Option<Spanned<PathBuf>>,
    pub(super) client_secret_env: Option<Spanned<String>>,
    pub(super) client_secret_credential: Option<Spanned<String>>,
    pub(super) refresh_token_file: Option<Spanned<PathBuf>>,
    pub(super) refresh_token_env: Option<Spanned<String>>,
    pub(super) refresh_token_credential: Option<Spanned<String>>,
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawFlow {
    ClientCredentials,
    RefreshToken,
}

/// One `[[issuer]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    pub(super) name: Spanned<String>,
    pub(super) issuer: Spanned<String>,
    pub(super) audience: Spanned<Vec<Spanned<String>>>,
    pub(super) jwks_file: Option<Spanned<PathBuf>>,
    pub(super) jwks_url: Option<Spanned<String>>,
    pub(super) algorithms: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) login_claim: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) scope: Option<Spanned<String>>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) skew_seconds: Option<Spanned<u64>>,
}

/// Attempts and their end, and what may be under way at once.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawQueue {
    pub(super) retry_seconds: Option<Spanned<Vec<Spanned<u64>>>>,
    pub(super) expiry_seconds: Option<Spanned<u64>>,
    pub(super) delay_notice_seconds: Option<Spanned<u64>>,
    pub(super) free_bytes_min: Option<Spanned<u64>>,
    pub(super) free_files_min: Option<Spanned<u64>>,
    pub(super) connections_per_destination: Option<Spanned<u64>>,
    pub(super) connections_max: Option<Spanned<u64>>,
    pub(super) recipients_per_transaction: Option<Spanned<u64>>,
    pub(super) messages_per_connection: Option<Spanned<u64>>,
    pub(super) connection_idle_seconds: Option<Spanned<u64>>,
}

/// The message trace.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTrace {
    pub(super) days: Option<Spanned<u64>>,
    pub(super) bytes_max: Option<Spanned<u64>>,
}

/// How long what was taken away is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLifecycle {
    pub(super) disconnected_days: Option<Spanned<u64>>,
    pub(super) soft_deleted_days: Option<Spanned<u64>>,
    pub(super) deleted_user_days: Option<Spanned<u64>>,
    pub(super) delicensing_days: Option<Spanned<u64>>,
    pub(super) delay_hold_days: Option<Spanned<u64>>,
}

/// The log.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) format: LogFormat,
    pub(super) level: LogLevel,
}
