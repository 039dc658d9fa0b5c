//! `franking recipient convert`.

use clap::{Args, ValueEnum, ValueHint};

use crate::admin::office::Request;
use crate::model::directory::RecipientType;

/// `recipient convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// What it becomes
    #[arg(long, value_name = "TYPE")]
    to: MailboxKind,
}

impl ConvertArgs {
    pub(super) fn request(self) -> Request {
        Request::RecipientConvert { identity: self.identity, recipient_type: self.to.recipient_type() }
    }
}

/// What a mailbox can be converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MailboxKind {
    /// A person's or a device's.
    #[value(alias = "regular", alias = "UserMailbox")]
    User,
    /// Without sign-in, for several people.
    #[value(alias = "SharedMailbox")]
    Shared,
    /// Of a room that is booked.
    #[value(alias = "RoomMailbox")]
    Room,
    /// Of equipment that is booked.
    #[value(alias = "EquipmentMailbox")]
    Equipment,
}

impl MailboxKind {
    const fn recipient_type(self) -> RecipientType {
        match self {
            Self::User => RecipientType::UserMailbox,
            Self::Shared => RecipientType::SharedMailbox,
            Self::Room => RecipientType::RoomMailbox,
            Self::Equipment => RecipientType::EquipmentMailbox,
        }
    }
}
