//! The only way anything in the directory alters: a list of changes that is valid as a whole or refused as a whole.
//!
//! Validation happens in [`Snapshot::apply`]; the error texts are Exchange's where it has one.

use serde::{Deserialize, Serialize};

use super::accepted_domain::AcceptedDomain;
use super::address_book::AddressBookProperty;
use super::address_policy::{AddressPolicy, AddressPolicyError};
use super::authentication_policy::AuthenticationPolicy;
use super::device::DeviceError;
use super::lifecycle::hold::HoldError;
use super::recipient::{Organisation, Recipient, RecipientId};
use super::remote_domain::RemoteDomain;
use crate::model::mail::{Address, Domain, DomainPattern};

#[cfg(doc)]
use super::snapshot::Snapshot;

/// One step. Changes are stored in the change log as they are, so their form is part of the on-disk format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Replaces the organisation's settings.
    PutOrganisation(Organisation),
    /// Adds a domain or replaces the one of that name.
    PutDomain(AcceptedDomain),
    /// Removes a domain that no address uses.
    RemoveDomain(Domain),
    /// Adds a recipient or replaces the one with that id.
    PutRecipient(Box<Recipient>),
    /// Removes a recipient and every reference to it.
    RemoveRecipient(RecipientId),
    /// Adds direct members to a group.
    AddMembers {
        /// The group.
        group: RecipientId,
        /// Who joins.
        members: Vec<RecipientId>,
    },
    /// Takes direct members out of a group.
    RemoveMembers {
        /// The group.
        group: RecipientId,
        /// Who leaves.
        members: Vec<RecipientId>,
    },
    /// Adds a remote domain or replaces the one of that pattern.
    PutRemoteDomain(RemoteDomain),
    /// Removes a remote domain; what is wider holds for it from now on.
    RemoveRemoteDomain(DomainPattern),
    /// Somebody asks to join a group; the request waits there. It ends by `AddMembers` or `DropRequest`.
    RequestMembership {
        /// The group.
        group: RecipientId,
        /// Who asks.
        member: RecipientId,
    },
    /// A request to join is refused.
    DropRequest {
        /// The group.
        group: RecipientId,
        /// Who asked.
        member: RecipientId,
    },
    /// Adds an authentication policy or replaces the one of that name.
    PutAuthenticationPolicy(AuthenticationPolicy),
    /// Removes an authentication policy that nobody has.
    RemoveAuthenticationPolicy(Box<str>),
    /// Adds an email address policy or replaces the one of that name; others make room.
    PutAddressPolicy(Box<AddressPolicy>),
    /// Removes an email address policy; nobody's addresses alter by that.
    RemoveAddressPolicy(Box<str>),
}

/// Why a change is refused. The text says what is wrong and what would cure it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Two objects cannot share an address (spec S3-14, Exchange's wording).
    #[error(
        "The proxy address \"SMTP:{address}\" is already being used by the proxy addresses or LegacyExchangeDN of \
         \"{holder}\". Please choose another proxy address."
    )]
    ProxyAddressInUse {
        /// The address.
        address: Address,
        /// The name of the object that has it.
        holder: Box<str>,
    },
    /// Two objects cannot share a non-SMTP address either.
    #[error(
        "The proxy address \"{proxy}\" is already being used by the proxy addresses or LegacyExchangeDN of \
         \"{holder}\". Please choose another proxy address."
    )]
    OtherProxyInUse {
        /// Type and value.
        proxy: Box<str>,
        /// The name of the object that has it.
        holder: Box<str>,
    },
    /// Names are unique in the organisation: `info` of two domains needs two names (spec S3-14).
    #[error("The name \"{name}\" is already being used by \"{holder}\". Give this object another name with --name.")]
    NameInUse {
        /// The name.
        name: Box<str>,
        /// The primary address of the object that has it.
        holder: Address,
    },
    /// A name is empty, longer than 64 characters or has control characters.
    #[error("The name {0:?} must have 1 to 64 characters, none of them a control character.")]
    BadName(Box<str>),
    /// A text of the address book is too long or has control characters.
    #[error("{property} has at most {max} characters, none of them a control character.")]
    AddressBookText {
        /// Which one.
        property: AddressBookProperty,
        /// How many characters are permitted.
        max: usize,
    },
    /// Two accounts cannot share a login.
    #[error("The login {login} is already being used by \"{holder}\". Choose another login.")]
    LoginInUse {
        /// The login.
        login: Address,
        /// The name of the object that has it.
        holder: Box<str>,
    },
    /// The address lies in no accepted domain.
    #[error(
        "You can't use the domain {domain} because it's not an accepted domain for your organization. \
         Add it first: franking domain add {domain}"
    )]
    NotAcceptedDomain {
        /// The domain.
        domain: Domain,
    },
    /// A type that leads outside has no external address.
    #[error("A {kind} needs an external address: --external user@other.example")]
    ExternalAddressMissing {
        /// The recipient type.
        kind: &'static str,
    },
    /// A property that the type cannot have.
    #[error("A {kind} cannot have {what}.")]
    NotForThisType {
        /// The recipient type.
        kind: &'static str,
        /// The property, in words.
        what: &'static str,
    },
    /// More proxy addresses than one object may have.
    #[error("There are too many proxy addresses: {count}, and maximum supported number is {max}.")]
    TooManyProxyAddresses {
        /// How many were given.
        count: usize,
        /// How many are permitted.
        max: usize,
    },
    /// A limit outside of its range (spec section 2.1).
    #[error("Recipients per message must be 1 to 1000, and every other limit at least 1, or \"unlimited\".")]
    LimitRange,
    /// Licences are told apart by labels.
    #[error("At most 256 licences are plans, each named by 1 to 64 printable characters and described by 200.")]
    BadLicencePlan,
    /// Quota thresholds must rise (decision D5).
    #[error("Quota values must satisfy warning ≤ send ≤ send and receive.")]
    QuotaOrder,
    /// Holds that cannot be kept (spec section 7.4).
    #[error("The holds are wrong: {0}.")]
    Holds(#[from] HoldError),
    /// Device credentials that cannot be kept.
    #[error("The devices are wrong: {0}.")]
    Devices(#[from] DeviceError),
    /// A trustee must be an account's recipient or a security group of this organisation (spec S3-11).
    #[error("\"{trustee}\" cannot hold permissions: only mailbox users, mail users and security groups can.")]
    NotATrustee {
        /// The name of the would-be trustee.
        trustee: Box<str>,
    },
    /// More moderators than one recipient may have (spec section 2.5).
    #[error("There are too many moderators: {count}, and at most {max} can be given.")]
    TooManyModerators {
        /// How many were given.
        count: usize,
        /// How many are permitted.
        max: usize,
    },
    /// A moderator must be somebody who can answer.
    #[error("\"{moderator}\" cannot moderate: a moderator is a mailbox, a mail user or a contact, not a group.")]
    NotAModerator {
        /// The name of the would-be moderator.
        moderator: Box<str>,
    },
    /// Automatic replies that end before they begin.
    #[error("Automatic replies must begin before they end.")]
    AutoReplyPeriod,
    /// The text of an automatic reply is too long.
    #[error("The text of the automatic reply has {bytes} octets; at most {max} are kept.")]
    AutoReplyTooLong {
        /// How many were given.
        bytes: usize,
        /// How many are permitted.
        max: usize,
    },
    /// The text of an automatic reply would not be shown as it was meant.
    #[error("The text of an automatic reply must have no control characters.")]
    AutoReplyControls,
    /// A shared mailbox that answers strangers answers its organisation, too (spec S3-8).
    #[error("A shared mailbox that answers senders outside needs a text for senders inside, too: --internal TEXT")]
    AutoReplyInternalMissing,
    /// A reference to an object that does not exist.
    #[error("There is no recipient with the identity {0}.")]
    UnknownRecipient(RecipientId),
    /// The object is no group.
    #[error("\"{0}\" is no group with a list of members.")]
    NotAGroup(Box<str>),
    /// More owners than a group may have (spec section 2.5).
    #[error("A group has at most {max} owners.")]
    TooManyOwners {
        /// How many are permitted.
        max: usize,
    },
    /// More direct members than a group may have (spec section 2.5).
    #[error(
        "A group has at most {max} direct members, and \"{group}\" would have {count}. Make groups of some of them, \
         and those its members."
    )]
    TooManyMembers {
        /// The name of the group.
        group: Box<str>,
        /// How many it would have.
        count: usize,
        /// How many are permitted.
        max: usize,
    },
    /// More requests to join than may wait.
    #[error("A group has at most {max} requests that wait.")]
    TooManyRequests {
        /// How many are permitted.
        max: usize,
    },
    /// A security group that anybody could enter or leave would give rights away.
    #[error("A MailUniversalSecurityGroup cannot be open: its members hold permissions.")]
    OpenSecurityGroup,
    /// A room list has a member that is neither room nor equipment.
    #[error("\"{member}\" is no room or equipment, and \"{list}\" is a room list.")]
    NotARoom {
        /// The name of the would-be member.
        member: Box<str>,
        /// The name of the room list.
        list: Box<str>,
    },
    /// A filter that cannot be read.
    #[error("The recipient filter is wrong: {0}")]
    BadFilter(Box<str>),
    /// The domain does not exist.
    #[error("The domain {0} is not an accepted domain.")]
    UnknownDomain(Domain),
    /// The domain is still in use.
    #[error("The domain {domain} is still used by \"{holder}\". Change that address first.")]
    DomainInUse {
        /// The domain.
        domain: Domain,
        /// The name of an object with an address in it.
        holder: Box<str>,
    },
    /// There is no such authentication policy.
    #[error("There is no authentication policy \"{0}\". Make it first: franking authentication-policy add \"{0}\"")]
    UnknownAuthenticationPolicy(Box<str>),
    /// The authentication policy is still in use.
    #[error("The authentication policy \"{policy}\" is still assigned to {holder}.")]
    AuthenticationPolicyInUse {
        /// The policy.
        policy: Box<str>,
        /// An account that has it, or the organisation.
        holder: Box<str>,
    },
    /// An email address policy that cannot be.
    #[error("The email address policy is wrong: {0}.")]
    AddressPolicy(#[from] AddressPolicyError),
    /// There is no such email address policy.
    #[error("There is no email address policy \"{0}\".")]
    UnknownAddressPolicy(Box<str>),
    /// Email address policies make addresses in the domain.
    #[error("The domain {domain} is still used by the email address policies {policies}. Change or remove them first.")]
    DomainUsedByPolicies {
        /// The domain.
        domain: Domain,
        /// Their names in quotes.
        policies: Box<str>,
    },
    /// There is no such remote domain.
    #[error("There is no remote domain {0}.")]
    UnknownRemoteDomain(DomainPattern),
    /// The default domain receives mail.
    #[error("{0} cannot be both the default domain and outbound only: reports are answered at the default domain.")]
    DefaultOutboundOnly(Domain),
    /// An accepted domain must be a name.
    #[error("{0} is an address literal; an accepted domain must be a name.")]
    DomainIsLiteral(Domain),
}
