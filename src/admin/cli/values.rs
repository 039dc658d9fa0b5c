//! Values that several commands take.

use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::admin::office::{Moment, Switch};
use crate::model::directory::{RecipientType, Right};
use crate::model::policy::Profile;

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Toggle {
    /// On.
    #[value(alias = "yes", alias = "true")]
    On,
    /// Off.
    #[value(alias = "no", alias = "false")]
    Off,
}

impl Toggle {
    pub(super) const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Yes, no, or as it would be by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// Yes.
    #[value(alias = "on", alias = "true", alias = "allow")]
    Yes,
    /// No.
    #[value(alias = "off", alias = "false", alias = "forbid")]
    No,
    /// As the type or the profile says.
    #[value(alias = "inherit")]
    Default,
}

/// Allowed, forbidden, or as the organisation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Allowance {
    /// Allowed, whatever the organisation says.
    #[value(alias = "yes", alias = "on")]
    Allow,
    /// Forbidden.
    #[value(alias = "no", alias = "off")]
    Forbid,
    /// As the organisation says.
    #[value(alias = "default")]
    Inherit,
}

impl From<Choice> for Switch {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Yes => Self::Yes,
            Choice::No => Self::No,
            Choice::Default => Self::Default,
        }
    }
}

impl From<Allowance> for Switch {
    fn from(allowance: Allowance) -> Self {
        match allowance {
            Allowance::Allow => Self::Yes,
            Allowance::Forbid => Self::No,
            Allowance::Inherit => Self::Default,
        }
    }
}

/// The semantics profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileName {
    /// The cloud: a mailbox is needed to submit.
    ExchangeOnline,
    /// On premises: an account is enough.
    ExchangeServer,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::ExchangeOnline => Self::ExchangeOnline,
            ProfileName::ExchangeServer => Self::ExchangeServer,
        }
    }
}

/// Recipient types by Exchange's names, letter case aside.
pub(super) fn recipient_type() -> impl TypedValueParser<Value = RecipientType> {
    PossibleValuesParser::new(RecipientType::ALL.map(RecipientType::name))
        .try_map(|text| RecipientType::from_str(&text))
}

/// Rights as people write them: `send-as`, `SendAs`.
pub(super) fn right(text: &str) -> Result<Right, String> {
    Right::from_str(text).map_err(|error| error.to_string())
}

/// `2=sales`.
pub(super) fn custom_attribute(text: &str) -> Result<(u8, String), String> {
    let wrong = || "write NUMBER=TEXT with a number from 1 to 15, for example 2=sales".to_owned();
    let (number, value) = text.split_once('=').ok_or_else(wrong)?;
    let number = number.trim().parse().ok().filter(|number| (1..=15).contains(number)).ok_or_else(wrong)?;
    Ok((number, value.to_owned()))
}

/// A list in which an empty text stands for nothing at all.
pub(super) fn list(given: Option<Vec<String>>) -> Option<Vec<String>> {
    given.map(|list| list.into_iter().filter(|text| !text.trim().is_empty()).collect())
}

/// A time span as people write it, in seconds: `90s`, `30m`, `2h`, `3d`.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Moment::Ago(seconds)) => Ok(seconds),
        Ok(Moment::At(_)) | Err(_) => {
            Err("write a number with s, m, h or d, for example 90s, 30m, 2h or 3d".to_owned())
        }
    }
}
