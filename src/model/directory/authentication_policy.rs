//! Authentication policies: whether a password is enough (spec section 3.5, `New-AuthenticationPolicy`).
//!
//! A policy has a name, letter case aside. It is assigned to accounts, and one may be the organisation's default.
//! Exchange has a switch for each protocol; of those that are here only SMTP knows passwords.

use serde::{Deserialize, Serialize};

/// Longest name, in characters.
const NAME_CHARACTERS_MAX: usize = 64;

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationPolicy {
    /// Its name.
    pub name: Box<str>,
    /// `AllowBasicAuthSmtp`: a password may be used to submit mail. A new policy forbids what it does not permit.
    #[serde(default)]
    pub allow_basic_auth_smtp: bool,
}

impl AuthenticationPolicy {
    /// A policy that permits no password.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), allow_basic_auth_smtp: false }
    }

    /// The text under which two names are the same.
    pub fn key(name: &str) -> Box<str> {
        name.to_lowercase().into()
    }

    /// Whether a text can be the name of a policy: 1 to 64 characters, none of them a control character, and no blank
    /// at either end.
    pub fn is_name(text: &str) -> bool {
        let length = text.chars().count();
        (1..=NAME_CHARACTERS_MAX).contains(&length) && text.trim() == text && !text.chars().any(char::is_control)
    }
}
