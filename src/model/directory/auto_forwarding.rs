//! Whether mailboxes may forward outside by themselves: `AutoForwardingMode` of the outbound spam policy (spec section
//! 5.2).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// The organisation's forwarding policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoForwardingMode {
    /// As the service thinks best, which is to forbid since 2021.
    #[default]
    Automatic,
    /// Permitted.
    On,
    /// Forbidden.
    Off,
}

impl AutoForwardingMode {
    /// Every value, in the order of Exchange's documentation.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::On, Self::Off];

    /// Exchange's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "Automatic",
            Self::On => "On",
            Self::Off => "Off",
        }
    }

    /// Whether forwarded mail may leave.
    pub const fn permits(self) -> bool {
        matches!(self, Self::On)
    }
}

impl fmt::Display for AutoForwardingMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A text that names no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write Automatic, On or Off")]
pub struct UnknownMode;

impl FromStr for AutoForwardingMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or(UnknownMode)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ModeOrSwitch {
    Mode(AutoForwardingMode),
    Switch(bool),
}

impl From<ModeOrSwitch> for AutoForwardingMode {
    fn from(value: ModeOrSwitch) -> Self {
        match value {
            ModeOrSwitch::Mode(mode) => mode,
            ModeOrSwitch::Switch(true) => Self::On,
            // The switch was off unless somebody turned it on, so this is no decision of anybody's.
            ModeOrSwitch::Switch(false) => Self::Automatic,
        }
    }
}

/// Reads a mode, or the switch that older data have in its place.
pub(super) fn mode_or_switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AutoForwardingMode, D::Error> {
    ModeOrSwitch::deserialize(deserializer).map(Into::into)
}

/// The same where it may be missing.
pub(super) fn optional_mode_or_switch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AutoForwardingMode>, D::Error> {
    Option::<ModeOrSwitch>::deserialize(deserializer).map(|value| value.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::Organisation;

    #[test]
    fn data_from_before_there_were_three_modes_are_still_read() {
        let read = |text: &str| serde_json::from_str::<Organisation>(text).unwrap().auto_forwarding_mode;
        assert_eq!(read(r#"{"auto_forwarding_enabled":true}"#), AutoForwardingMode::On);
        assert_eq!(read(r#"{"auto_forwarding_enabled":false}"#), AutoForwardingMode::Automatic);
        assert_eq!(read(r#"{"auto_forwarding_mode":"Off"}"#), AutoForwardingMode::Off);
        assert_eq!(read("{}"), AutoForwardingMode::Automatic);
    }

    #[test]
    fn only_one_mode_permits() {
        let permitting: Vec<_> = AutoForwardingMode::ALL.into_iter().filter(|mode| mode.permits()).collect();
        assert_eq!(permitting, [AutoForwardingMode::On]);
        for mode in AutoForwardingMode::ALL {
            assert_eq!(mode.name().to_lowercase().parse(), Ok(mode));
        }
    }
}
