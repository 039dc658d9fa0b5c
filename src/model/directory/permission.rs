//! Permissions that one recipient grants on itself to others (spec section 4.1).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::recipient::RecipientId;

/// A right that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Right {
    /// Messages may carry the owner as their only sender.
    SendAs,
    /// Messages may carry the owner in From and the delegate in Sender.
    SendOnBehalf,
    /// The mailbox may be opened. It never permits sending.
    FullAccess,
}

impl Right {
    /// Exchange's name for the right.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendAs => "SendAs",
            Self::SendOnBehalf => "SendOnBehalf",
            Self::FullAccess => "FullAccess",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A text that names no right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no right; write SendAs, SendOnBehalf or FullAccess")]
pub struct UnknownRight(pub String);

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        let compact: String = text.chars().filter(|character| character.is_ascii_alphanumeric()).collect();
        [Self::SendAs, Self::SendOnBehalf, Self::FullAccess]
            .into_iter()
            .find(|right| right.name().eq_ignore_ascii_case(&compact))
            .ok_or_else(|| UnknownRight(text.to_owned()))
    }
}

/// One permission entry, kept on the recipient that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// What is granted.
    pub right: Right,
    /// To whom: an account's recipient, or a security group whose members (nested) hold it.
    pub trustee: RecipientId,
    /// A deny entry: it beats every allow entry for the same right.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deny: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
