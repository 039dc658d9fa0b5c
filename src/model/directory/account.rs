//! The identity half of an object: login, password, licence, and the switches that govern client access.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::device::{Device, Selector};
use super::scram::{self, ScramKeys};
use super::seldom::{Seldom, SeldomText};
use crate::model::mail::Address;

/// An argon2id hash in PHC form, and behind it the SCRAM keys of the same password, where there are any. It never shows
/// in logs or debug output; only storage and the verifiers see it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Wraps a PHC string such as `$argon2id$v=19$…`; the verifier judges whether it is well-formed.
    pub fn from_phc(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The PHC string, for the verifier.
    pub fn phc(&self) -> &str {
        scram::divide(&self.0).0
    }

    /// The SCRAM keys; none where they were never made, or cannot be used.
    pub fn scram(&self) -> Option<ScramKeys> {
        ScramKeys::parse(scram::divide(&self.0).1?)
    }

    /// The same hash with these SCRAM keys.
    #[must_use]
    pub fn with_scram(&self, keys: &ScramKeys) -> Self {
        Self(format!("{} {}", self.phc(), keys.text()).into())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(hidden)")
    }
}

/// What signs in: every user, shared, room and equipment mailbox has one, mail users and guests too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user principal name. Usually the primary address, but nothing makes it so.
    pub login: Address,
    /// `AccountDisabled` false.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Sign-in is blocked, as for every shared, room and equipment mailbox when it is created (spec S3-3).
    #[serde(default, skip_serializing_if = "is_false")]
    pub sign_in_blocked: bool,
    /// No hash means that no password is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Labels of assigned licences that include a mailbox, for example `ExchangeOnlinePlan1`.
    #[serde(default, skip_serializing_if = "Seldom::is_empty")]
    pub licences: Seldom<Box<str>>,
    /// `AllowBasicAuthSmtp` for this account alone, which beats every policy. `None` leaves it to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_basic_auth_smtp: Option<bool>,
    /// The name of the authentication policy that is assigned to it; None leaves it to the organisation's.
    #[serde(default, skip_serializing_if = "SeldomText::is_none")]
    pub authentication_policy: SeldomText,
    /// Secrets of devices that submit for it.
    #[serde(default, skip_serializing_if = "Seldom::is_empty")]
    pub devices: Seldom<Device>,
}

impl Account {
    /// An enabled account without password or licence.
    pub const fn new(login: Address) -> Self {
        Self {
            login,
            enabled: true,
            sign_in_blocked: false,
            password: None,
            licences: Seldom::new(),
            allow_basic_auth_smtp: None,
            authentication_policy: SeldomText::new(),
            devices: Seldom::new(),
        }
    }

    /// The device whose secrets begin with `selector`.
    pub fn device(&self, selector: Selector) -> Option<&Device> {
        self.devices.iter().find(|device| device.verifier.as_ref().is_some_and(|own| own.selector == selector))
    }

    /// Whether any licence is assigned.
    pub fn is_licensed(&self) -> bool {
        !self.licences.is_empty()
    }
}

/// The switches of `Set-CASMailbox` (spec section 3.4). Only the last one has any bearing on SMTP (spec S1-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in Exchange")]
pub struct ClientAccess {
    /// `OWAEnabled`.
    pub owa: bool,
    /// `OWAforDevicesEnabled`.
    pub owa_for_devices: bool,
    /// `ECPEnabled`.
    pub ecp: bool,
    /// `ActiveSyncEnabled`.
    pub active_sync: bool,
    /// `MAPIEnabled`.
    pub mapi: bool,
    /// `ImapEnabled`.
    pub imap: bool,
    /// `PopEnabled`.
    pub pop: bool,
    /// `EwsEnabled`.
    pub ews: bool,
    /// `UniversalOutlookEnabled`.
    pub universal_outlook: bool,
    /// `OutlookMobileEnabled`.
    pub outlook_mobile: bool,
    /// `MacOutlookEnabled`.
    pub mac_outlook: bool,
    /// `OneWinNativeOutlookEnabled`.
    pub one_win_native_outlook: bool,
    /// `SmtpClientAuthenticationDisabled`: true forbids, false permits, unset follows the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_client_authentication_disabled: Option<bool>,
}

impl Default for ClientAccess {
    fn default() -> Self {
        Self::with_every_app(true)
    }
}

impl ClientAccess {
    /// All mail apps on, or all off; the SMTP switch unset.
    pub const fn with_every_app(enabled: bool) -> Self {
        Self {
            owa: enabled,
            owa_for_devices: enabled,
            ecp: enabled,
            active_sync: enabled,
            mapi: enabled,
            imap: enabled,
            pop: enabled,
            ews: enabled,
            universal_outlook: enabled,
            outlook_mobile: enabled,
            mac_outlook: enabled,
            one_win_native_outlook: enabled,
            smtp_client_authentication_disabled: None,
        }
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
