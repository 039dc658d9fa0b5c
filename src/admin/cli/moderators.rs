//! The moderation of a recipient, as `franking recipient` sets it.

use clap::{Args, ValueEnum};

use super::values::{Toggle, list};
use crate::admin::office::ModerationEdit;
use crate::model::directory::ModerationNotifications;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Moderation")]
pub(super) struct ModerationProperties {
    /// Hold mail until a moderator approves it (`ModerationEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    moderation: Option<Toggle>,
    /// All moderators, at most 10; without any the owners of a group moderate
    #[arg(long = "moderator", value_name = "RECIPIENTS", value_delimiter = ',')]
    moderators: Option<Vec<String>>,
    /// Whose mail needs no approval, and groups whose members' mail needs none
    #[arg(long, value_name = "RECIPIENTS", value_delimiter = ',')]
    bypass_moderation_from: Option<Vec<String>>,
    /// What was approved for this group is approved for the groups within it
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    bypass_nested_moderation: Option<Toggle>,
    /// Which senders hear that their mail was not approved
    #[arg(long, value_name = "WHO")]
    moderation_notifications: Option<Audience>,
}

/// `SendModerationNotifications`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Audience {
    /// All of them
    Always,
    /// Those of this organisation
    Internal,
    /// None
    Never,
}

impl From<Audience> for ModerationNotifications {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Always => Self::Always,
            Audience::Internal => Self::Internal,
            Audience::Never => Self::Never,
        }
    }
}

impl ModerationProperties {
    pub(super) fn edit(self) -> ModerationEdit {
        ModerationEdit {
            enabled: self.moderation.map(Toggle::is_on),
            moderated_by: list(self.moderators),
            bypass_from: list(self.bypass_moderation_from),
            bypass_nested: self.bypass_nested_moderation.map(Toggle::is_on),
            notifications: self.moderation_notifications.map(Into::into),
        }
    }
}
