//! Who sends too much outside, and is restricted for it until an administrator says otherwise.
//!
//! A password that was guessed, or a scanner that somebody took over, shows by what it sends: many recipients in other
//! organisations. Whoever names more of them in an hour or a day than it may is *restricted*: the message that is one
//! too many is refused, and so is every other one after it, to whomever, as Exchange does (`550 5.1.8`). What was
//! accepted before and has not left is held, as far as it goes outside.
//!
//! **An account and each of its devices are counted and restricted apart**, so a scanner that was taken over does not
//! stop the person whose account it uses, and a password that was guessed does not stop the scanners. The clients of a
//! connector, who do not sign in, are counted and restricted together. Recipients count as they are named: a group is
//! none, whoever is in it, and so is a mailbox that forwards.

use serde::{Deserialize, Serialize};

use super::admit::Sender;
use super::device::device_of;
use super::envelope::{Envelope, Origin};
use super::limits::Tallies;
use super::refusal::Refusal;
use super::resolve::Resolution;
use crate::model::directory::{RecipientId, Snapshot};

/// Who hands mail in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Submitter {
    /// An account, signed in by itself.
    Account(RecipientId),
    /// A device of an account, by its name.
    Device(RecipientId, Box<str>),
    /// The clients of a connector, by its name.
    Connector(Box<str>),
}

impl Submitter {
    /// Who handed an envelope in; none for mail from other servers, and this server's own.
    pub fn of(envelope: &Envelope) -> Option<Self> {
        match (envelope.origin(), envelope.device(), envelope.connector()) {
            (Origin::Account(account), Some(device), _) => Some(Self::Device(account, device.into())),
            (Origin::Account(account), None, _) => Some(Self::Account(account)),
            (Origin::Anonymous | Origin::Connector { .. }, _, Some(connector)) => {
                Some(Self::Connector(connector.into()))
            }
            (Origin::Anonymous | Origin::System | Origin::Connector { .. }, _, _) => None,
        }
    }

    /// Who hands mail in on a session; none for strangers, and for a device whose credential has gone.
    pub fn on_session(snapshot: &Snapshot, sender: &Sender) -> Option<Self> {
        let signed_in = match sender {
            Sender::Account(signed_in) => signed_in,
            Sender::Connector(vouched) => return Some(Self::Connector(vouched.connector().name.clone())),
            Sender::Anonymous | Sender::System => return None,
        };
        let account = signed_in.account();
        match signed_in.selector() {
            None => Some(Self::Account(account)),
            Some(_) => device_of(snapshot, signed_in).map(|device| Self::Device(account, device.name.clone())),
        }
    }

    /// Whose account it is; nobody's for clients of a connector.
    pub const fn account(&self) -> Option<RecipientId> {
        match self {
            Self::Account(account) | Self::Device(account, _) => Some(*account),
            Self::Connector(_) => None,
        }
    }

    /// The name of the device.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Account(_) | Self::Connector(_) => None,
            Self::Device(_, device) => Some(device),
        }
    }

    /// The name of the connector.
    pub fn connector(&self) -> Option<&str> {
        match self {
            Self::Account(_) | Self::Device(..) => None,
            Self::Connector(connector) => Some(connector),
        }
    }
}

/// How many recipients of an envelope are in other organisations, as they were named.
pub fn external_recipients(envelope: &Envelope) -> u32 {
    let is_external = |resolution: &Resolution| match resolution {
        Resolution::Outside { .. } | Resolution::Rewritten(_) | Resolution::Foreign(_) => true,
        Resolution::Mailbox(_)
        | Resolution::Group(_)
        | Resolution::PostmasterMailbox
        | Resolution::InternalRelay(_)
        | Resolution::Unknown(_) => false,
    };
    let count = envelope.permits().iter().filter(|permit| is_external(permit.resolution())).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Judges whether a sender is restricted: at the end of a message, and already at MAIL FROM where accounts are to hear
/// early.
///
/// # Errors
/// `BadOutboundSender`.
pub fn may_send(snapshot: &Snapshot, tallies: &dyn Tallies, sender: &Sender) -> Result<(), Refusal> {
    let restricted = Submitter::on_session(snapshot, sender).is_some_and(|submitter| tallies.is_restricted(&submitter));
    if restricted { Err(Refusal::BadOutboundSender) } else { Ok(()) }
}
