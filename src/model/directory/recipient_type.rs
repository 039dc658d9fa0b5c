//! The kinds of recipient, named as Exchange's `RecipientTypeDetails` names them (spec section 3.1).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a recipient is. The kind decides who may sign in, who may send, and where mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecipientType {
    /// A person's (or a device's) mailbox. Always needs a licence.
    UserMailbox,
    /// A mailbox without sign-in that members send as, or on behalf of.
    SharedMailbox,
    /// A room that receives bookings.
    RoomMailbox,
    /// Equipment that receives bookings.
    EquipmentMailbox,
    /// A Microsoft 365 group: a distribution list with a mailbox of its own and no account.
    GroupMailbox,
    /// Credentials and an external address, but no mailbox (spec S0-1).
    MailUser,
    /// A guest: foreign credentials and an external address, no mailbox.
    GuestMailUser,
    /// An external address without credentials (spec S0-3).
    MailContact,
    /// A group that only distributes mail.
    MailUniversalDistributionGroup,
    /// A group that distributes mail and can hold permissions.
    MailUniversalSecurityGroup,
    /// A group whose members are whatever its filter matches.
    DynamicDistributionGroup,
    /// A distribution group of rooms.
    RoomList,
    /// A user whose mailbox lives in another system; mail goes to the remote routing address.
    RemoteUserMailbox,
    /// A shared mailbox in another system.
    RemoteSharedMailbox,
    /// A room in another system.
    RemoteRoomMailbox,
    /// Equipment in another system.
    RemoteEquipmentMailbox,
    /// A service's store for a user whose primary mailbox is elsewhere: invisible, never a destination (spec S2-11).
    ShardMailbox,
}

impl RecipientType {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::UserMailbox,
        Self::SharedMailbox,
        Self::RoomMailbox,
        Self::EquipmentMailbox,
        Self::GroupMailbox,
        Self::MailUser,
        Self::GuestMailUser,
        Self::MailContact,
        Self::MailUniversalDistributionGroup,
        Self::MailUniversalSecurityGroup,
        Self::DynamicDistributionGroup,
        Self::RoomList,
        Self::RemoteUserMailbox,
        Self::RemoteSharedMailbox,
        Self::RemoteRoomMailbox,
        Self::RemoteEquipmentMailbox,
        Self::ShardMailbox,
    ];

    /// Exchange's name for the kind, for example `SharedMailbox`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserMailbox => "UserMailbox",
            Self::SharedMailbox => "SharedMailbox",
            Self::RoomMailbox => "RoomMailbox",
            Self::EquipmentMailbox => "EquipmentMailbox",
            Self::GroupMailbox => "GroupMailbox",
            Self::MailUser => "MailUser",
            Self::GuestMailUser => "GuestMailUser",
            Self::MailContact => "MailContact",
            Self::MailUniversalDistributionGroup => "MailUniversalDistributionGroup",
            Self::MailUniversalSecurityGroup => "MailUniversalSecurityGroup",
            Self::DynamicDistributionGroup => "DynamicDistributionGroup",
            Self::RoomList => "RoomList",
            Self::RemoteUserMailbox => "RemoteUserMailbox",
            Self::RemoteSharedMailbox => "RemoteSharedMailbox",
            Self::RemoteRoomMailbox => "RemoteRoomMailbox",
            Self::RemoteEquipmentMailbox => "RemoteEquipmentMailbox",
            Self::ShardMailbox => "ShardMailbox",
        }
    }

    /// Whether mail to it is kept in a local mailbox while its lifecycle is active.
    pub const fn is_mailbox(self) -> bool {
        match self {
            Self::UserMailbox
            | Self::SharedMailbox
            | Self::RoomMailbox
            | Self::EquipmentMailbox
            | Self::GroupMailbox => true,
            Self::MailUser
            | Self::GuestMailUser
            | Self::MailContact
            | Self::MailUniversalDistributionGroup
            | Self::MailUniversalSecurityGroup
            | Self::DynamicDistributionGroup
            | Self::RoomList
            | Self::RemoteUserMailbox
            | Self::RemoteSharedMailbox
            | Self::RemoteRoomMailbox
            | Self::RemoteEquipmentMailbox
            | Self::ShardMailbox => false,
        }
    }

    /// Whether mail to it goes to its members. A Microsoft 365 group is a mailbox first and not counted here.
    pub const fn is_distribution(self) -> bool {
        matches!(
            self,
            Self::MailUniversalDistributionGroup
                | Self::MailUniversalSecurityGroup
                | Self::DynamicDistributionGroup
                | Self::RoomList
        )
    }

    /// Whether it has members, owners or subscribers at all.
    pub const fn is_group(self) -> bool {
        self.is_distribution() || matches!(self, Self::GroupMailbox)
    }

    /// Whether it can be trustee of a permission through membership: security groups only (spec section 5.6).
    pub const fn is_security_principal_group(self) -> bool {
        matches!(self, Self::MailUniversalSecurityGroup)
    }

    /// Whether mail leaves to its external (or remote routing) address.
    pub const fn is_external(self) -> bool {
        self.leads_outside() || self.is_remote()
    }

    /// Whether mail to it leaves the organisation. A remote mailbox is reached at its other place, which is inside.
    pub const fn leads_outside(self) -> bool {
        matches!(self, Self::MailUser | Self::GuestMailUser | Self::MailContact)
    }

    /// Whether it is a room or equipment, here or in another system.
    pub const fn is_resource(self) -> bool {
        matches!(
            self,
            Self::RoomMailbox | Self::EquipmentMailbox | Self::RemoteRoomMailbox | Self::RemoteEquipmentMailbox
        )
    }

    /// Whether its mailbox lives in another system.
    pub const fn is_remote(self) -> bool {
        matches!(
            self,
            Self::RemoteUserMailbox
                | Self::RemoteSharedMailbox
                | Self::RemoteRoomMailbox
                | Self::RemoteEquipmentMailbox
        )
    }

    /// Whether it may have an account, that is, a login and a password.
    pub const fn may_have_account(self) -> bool {
        match self {
            Self::UserMailbox
            | Self::SharedMailbox
            | Self::RoomMailbox
            | Self::EquipmentMailbox
            | Self::MailUser
            | Self::GuestMailUser
            | Self::RemoteUserMailbox
            | Self::RemoteSharedMailbox
            | Self::RemoteRoomMailbox
            | Self::RemoteEquipmentMailbox => true,
            Self::GroupMailbox
            | Self::MailContact
            | Self::MailUniversalDistributionGroup
            | Self::MailUniversalSecurityGroup
            | Self::DynamicDistributionGroup
            | Self::RoomList
            | Self::ShardMailbox => false,
        }
    }

    /// Whether its account is created with sign-in blocked (decision D2, row 1).
    pub const fn is_born_blocked(self) -> bool {
        matches!(self, Self::SharedMailbox | Self::RoomMailbox | Self::EquipmentMailbox)
            || matches!(self, Self::RemoteSharedMailbox | Self::RemoteRoomMailbox | Self::RemoteEquipmentMailbox)
    }
}

impl fmt::Display for RecipientType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A text that names no kind of recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no recipient type; write one of UserMailbox, SharedMailbox, RoomMailbox, MailUser, MailContact, …")]
pub struct UnknownRecipientType(pub String);

impl FromStr for RecipientType {
    type Err = UnknownRecipientType;

    fn from_str(text: &str) -> Result<Self, UnknownRecipientType> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownRecipientType(text.to_owned()))
    }
}
