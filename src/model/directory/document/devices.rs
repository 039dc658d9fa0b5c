//! Device credentials in a document: their hashes with an export that includes hashes, their secrets never.

use serde::{Deserialize, Serialize};

use super::RecipientEntry;
use super::export::Secrets;
use super::plan::Reason;
use super::shown::shown;
use crate::model::directory::account::{Account, PasswordHash};
use crate::model::directory::device::{DEVICES_MAX, Device, DeviceError, DeviceRecipient, Selector, Verifier};
use crate::model::mail::{Address, Network, Timestamp};

/// One credential; see [`Device`]. The list of an account replaces its former one. A credential that comes without
/// hash keeps the hash of the one of its name, or has none, and then no secret is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceEntry {
    /// What people call it.
    pub name: Box<str>,
    /// When it was made, such as `2026-01-05T09:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Box<str>>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Box<str>>,
    /// `192.168.10.0/24`: where it may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Box<str>>,
    /// The addresses that it may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<Box<str>>,
    /// `inside`, domains or addresses: whom it may write to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Box<str>>,
    /// The first group of its secret. Exported with the hash only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Box<str>>,
    /// The hash of its secret in PHC form. Exported only on explicit request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<PasswordHash>,
}

/// Why an entry about devices makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceEntryError {
    /// A value that cannot be read.
    #[error("{key}: {value} is no {wanted}")]
    Value {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
        /// What is expected.
        wanted: &'static str,
    },
    /// A hash without selector would never be found, and a selector alone says nothing.
    #[error("selector and secret_hash go together: the first group of a secret, and the hash of all of it")]
    Half,
    /// Credentials that cannot be.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl DeviceEntry {
    /// The credential as an entry.
    pub(super) fn of(device: &Device, secrets: Secrets) -> Self {
        let verifier = device.verifier.as_ref().filter(|_| secrets == Secrets::Include);
        let written = |at: Timestamp| at.iso8601().to_string().into();
        Self {
            name: device.name.clone(),
            created: Some(written(device.created)),
            expires: device.expires.map(written),
            networks: device.networks.iter().map(|own| own.to_string().into()).collect(),
            senders: device.senders.iter().map(|own| own.to_string().into()).collect(),
            recipients: device.recipients.iter().map(|own| own.to_string().into()).collect(),
            selector: verifier.map(|own| own.selector.to_string().into()),
            secret_hash: verifier.map(|own| own.hash.clone()),
        }
    }

    fn device(&self, former: Option<&Device>) -> Result<Device, DeviceEntryError> {
        let given = |text: &Option<Box<str>>, key| text.as_deref().map(|text| time(key, text)).transpose();
        let created = given(&self.created, "created")?;
        let verifier = match (&self.selector, &self.secret_hash) {
            (Some(selector), Some(hash)) => {
                let selector =
                    read("selector", selector, "group of four lower-case letters and digits", Selector::parse)?;
                Some(Verifier { selector, hash: hash.clone() })
            }
            (None, None) => former.and_then(|former| former.verifier.clone()),
            (Some(_), None) | (None, Some(_)) => return Err(DeviceEntryError::Half),
        };
        Ok(Device {
            name: self.name.clone(),
            verifier,
            created: created.or_else(|| former.map(|former| former.created)).unwrap_or(Timestamp::EPOCH),
            expires: given(&self.expires, "expires")?,
            networks: all("networks", &self.networks, "network", |text| text.parse::<Network>().ok())?,
            senders: all("senders", &self.senders, "address", |text| Address::parse(text).ok())?,
            recipients: all(
                "recipients",
                &self.recipients,
                "domain, no address and not \"inside\"",
                DeviceRecipient::parse,
            )?,
        })
    }
}

/// A point in time, or the beginning of a day.
fn time(key: &'static str, text: &str) -> Result<Timestamp, DeviceEntryError> {
    read(key, text, "time; write it as 2026-01-05T09:00:00Z", Timestamp::parse_iso8601)
}

fn read<T>(
    key: &'static str,
    text: &str,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, DeviceEntryError> {
    parse(text).ok_or_else(|| DeviceEntryError::Value { key, value: shown(text), wanted })
}

fn all<T>(
    key: &'static str,
    texts: &[Box<str>],
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, DeviceEntryError> {
    texts.iter().map(|text| read(key, text, wanted, &parse)).collect()
}

/// The credentials of an account, as its entry has them.
pub(super) fn put(entry: &mut RecipientEntry, account: &Account, secrets: Secrets) {
    let devices: Vec<DeviceEntry> = account.devices.iter().map(|device| DeviceEntry::of(device, secrets)).collect();
    entry.devices = (!devices.is_empty()).then_some(devices);
}

/// The credentials of an account after an entry.
pub(super) fn apply(entry: &RecipientEntry, account: &mut Account) -> Result<(), Reason> {
    let Some(given) = &entry.devices else {
        return Ok(());
    };
    // Each is looked for among the former ones, so the comparison must have an end.
    if given.len() > DEVICES_MAX {
        return Err(DeviceEntryError::from(DeviceError::TooMany).into());
    }
    let former = |name: &str| account.devices.iter().find(|device| device.is_called(name));
    let made: Result<Vec<Device>, _> = given.iter().map(|own| own.device(former(&own.name))).collect();
    account.devices = made?.into();
    Ok(())
}
