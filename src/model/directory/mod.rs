//! The directory: who and what can receive, sign in and send. An immutable [`Snapshot`], altered only by [`Change`]s.
//!
//! An object has two halves (decision D7): an [`Account`] (identity, licence, sign-in) and the mail facts of a
//! [`Recipient`]. Objects refer to each other by [`RecipientId`], so renaming an address never breaks a grant.

pub mod accepted_domain;
pub mod account;
pub mod address_book;
pub mod address_policy;
pub mod authentication_policy;
pub mod auto_forwarding;
pub mod auto_reply;
mod best_fit;
pub mod cap;
pub mod change;
pub mod device;
pub mod document;
mod domains;
pub mod filter;
pub mod group;
mod index;
mod keys;
pub mod licence;
pub mod lifecycle;
pub mod limit;
pub mod mail_nickname;
pub mod membership;
pub mod moderation;
pub mod permission;
pub mod provisioning;
mod proxy;
pub mod recipient;
pub mod recipient_type;
pub mod remote_domain;
pub mod restoration;
pub mod scram;
pub mod seldom;
mod shared;
pub mod snapshot;
mod validate;

pub use accepted_domain::{AcceptedDomain, DomainType};
pub use account::{Account, ClientAccess, PasswordHash};
pub use address_book::{AddressBook, AddressBookProperty};
pub use address_policy::{AddressPolicy, AddressTemplate, Priority};
pub use authentication_policy::AuthenticationPolicy;
pub use auto_forwarding::AutoForwardingMode;
pub use auto_reply::{AutoReply, AutoReplyState, ExternalAudience, ExternalOofOptions};
pub use cap::{Cap, OwnCap, RecipientLimits};
pub use change::{Change, ChangeError};
pub use device::{Device, DeviceError, DeviceRecipient, Selector};
pub use document::Document;
pub use filter::Filter;
pub use group::Group;
pub use licence::LicencePlan;
pub use lifecycle::Lifecycle;
pub use limit::{Limit, OwnLimit};
pub use mail_nickname::{MailNickname, MailNicknameError};
pub use membership::{DepartRestriction, JoinRestriction, Membership};
pub use moderation::{Moderation, ModerationNotifications};
pub use permission::{Grant, Right};
pub use proxy::{OtherProxy, ProxyAddress, ProxyAddressError, ProxyAddresses};
pub use recipient::{
    Forwarding, Licensing, Organisation, Quota, Recipient, RecipientId, Restrictions, SentItemsCopies,
};
pub use recipient_type::RecipientType;
pub use remote_domain::{AllowedOofType, RemoteDomain};
pub use restoration::{Objects, Portion, Restoration};
pub use scram::{ScramKeys, ScramSalt};
pub use seldom::{Seldom, SeldomText};
pub use snapshot::Snapshot;
