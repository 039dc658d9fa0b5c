//! `[[connector]]` as it is written.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// One `[[connector]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawConnector {
    pub(in crate::config) name: Spanned<String>,
    #[serde(default, rename = "type")]
    pub(in crate::config) connector_type: RawConnectorType,
    #[serde(default)]
    pub(in crate::config) networks: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) certificates: Vec<Spanned<String>>,
    pub(in crate::config) authorities: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(in crate::config) fingerprints: Vec<Spanned<String>>,
    pub(in crate::config) senders: Option<Spanned<Vec<Spanned<String>>>>,
    pub(in crate::config) recipients: Option<Spanned<RawScope>>,
    pub(in crate::config) internal: Option<Spanned<bool>>,
    #[serde(default)]
    pub(in crate::config) require_tls: bool,
    pub(in crate::config) messages_per_minute: Option<Spanned<u64>>,
    pub(in crate::config) recipients_max: Option<Spanned<u64>>,
    pub(in crate::config) message_bytes_max: Option<Spanned<u64>>,
    pub(in crate::config) sessions_max: Option<Spanned<u64>>,
    pub(in crate::config) external_recipients_per_hour: Option<Spanned<u64>>,
    pub(in crate::config) external_recipients_per_day: Option<Spanned<u64>>,
}

/// Whose servers and devices it is for (`ConnectorType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawConnectorType {
    /// The organisation's own.
    #[default]
    OnPremises,
    /// Another organisation's.
    Partner,
}

/// To whom clients may write.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum RawScope {
    /// `inside` or `anyone`.
    Word(String),
    /// Domains outside.
    Domains(Vec<String>),
}
