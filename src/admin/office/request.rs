//! Everything an administrator can ask for. One value is one line on the local socket.

mod edits;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use edits::{DomainEdit, MembershipOrder, MembershipStep, PermissionEdit};

use super::address_policies::AddressPolicyOrder;
use super::audit::ChangeQuery;
use super::certificates::CertificateOrder;
use super::contents::ContentsOrder;
use super::devices::DeviceOrder;
use super::edit::RecipientEdit;
use super::keys::Rotation;
use super::lockouts::LockoutOrder;
use super::orders::{LifeOrder, LifeQuestion};
use super::queue::QueueOrder;
use super::rehearsal::{CapturedOrder, FaultOrder};
use super::restrictions::RestrictionOrder;
use super::trace::TraceQuery;
use crate::admin::explain::{Query, SignInQuery};
use crate::model::directory::RecipientType;
use crate::model::directory::document::{AuthenticationPolicyEntry, OrganisationEntry, RemoteDomainEntry};
use crate::model::policy::ways_out::Place;
use crate::model::queue::{ApprovalId, Party, QueueId, Selection, Suspendable, Verdict};

/// A password in clear text on its way to being hashed, or to being shown once. Hidden in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password in clear text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// A request. Recipients are named as in [`identity::find`](super::identity::find).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Is anybody there?
    Ping,
    /// A new recipient.
    RecipientNew {
        /// Its primary address.
        address: String,
        /// What it is.
        recipient_type: RecipientType,
        /// Its properties, where they differ from the defaults.
        edit: Box<RecipientEdit>,
        /// Its password; generated when there is none and the type signs in.
        password: Option<Secret>,
    },
    /// Changes properties of a recipient.
    RecipientSet {
        /// Which.
        identity: String,
        /// What changes.
        edit: Box<RecipientEdit>,
    },
    /// Makes a mailbox one of another type.
    RecipientConvert {
        /// Which.
        identity: String,
        /// What it becomes: a user, shared, room or equipment mailbox.
        recipient_type: RecipientType,
    },
    /// One recipient with all its properties.
    RecipientShow {
        /// Which.
        identity: String,
    },
    /// A list of recipients.
    RecipientList(ListQuery),
    /// Removes a recipient. A mailbox is kept for thirty days, unless `permanently`.
    RecipientRemove {
        /// Which.
        identity: String,
        /// The object goes now, and with it its addresses, permissions and memberships.
        permanently: bool,
    },
    /// Brings a removed mailbox back.
    RecipientRestore {
        /// Which.
        identity: String,
    },
    /// Sets a password.
    AccountPassword {
        /// Whose.
        identity: String,
        /// The password; generated when there is none.
        password: Option<Secret>,
    },
    /// Blocks or permits sign-in.
    AccountBlock {
        /// Whose.
        identity: String,
        /// True blocks.
        blocked: bool,
    },
    /// Makes, binds, renews, revokes or lists secrets of devices.
    Device(DeviceOrder),
    /// Lists who is locked out, or forgets failures to sign in.
    Lockout(LockoutOrder),
    /// Lists secrets that have no keys for SCRAM-SHA-256.
    ScramUnready,
    /// Who is restricted for sending too much outside.
    Restriction(RestrictionOrder),
    /// Assigns or removes a licence.
    Licence {
        /// Whose.
        identity: String,
        /// Its label.
        licence: String,
        /// True assigns.
        assign: bool,
    },
    /// Alters the life of a mailbox, a user or a licence.
    Life(LifeOrder),
    /// Asks about them.
    LifeQuestion(LifeQuestion),
    /// Grants or revokes a permission.
    Permission(PermissionEdit),
    /// The permissions on a recipient and those that it holds on others.
    PermissionList {
        /// Which.
        identity: String,
    },
    /// Adds an accepted domain or changes one.
    DomainPut {
        /// The domain and its properties.
        edit: DomainEdit,
        /// It must not exist yet; otherwise it must.
        new: bool,
    },
    /// Removes an accepted domain.
    DomainRemove {
        /// Its name.
        domain: String,
    },
    /// All accepted domains.
    DomainList,
    /// Adds a remote domain or changes one; what is not given stays, or is the default.
    RemoteDomainPut {
        /// The domains and what they are sent.
        entry: RemoteDomainEntry,
        /// It must not exist yet; otherwise it must.
        new: bool,
    },
    /// Removes a remote domain.
    RemoteDomainRemove {
        /// Its pattern.
        domain: String,
    },
    /// All remote domains.
    RemoteDomainList,
    /// Adds an authentication policy or changes one.
    AuthenticationPolicyPut {
        /// Its name and what it says.
        entry: AuthenticationPolicyEntry,
        /// It must not exist yet; otherwise it must.
        new: bool,
    },
    /// Removes an authentication policy that nobody has.
    AuthenticationPolicyRemove {
        /// Its name.
        name: String,
    },
    /// All authentication policies.
    AuthenticationPolicyList,
    /// Makes, changes, removes, lists or applies email address policies.
    AddressPolicy(AddressPolicyOrder),
    /// A part of the ways by which mail leaves the organisation.
    AuditForwarding {
        /// Where the part begins.
        place: Place,
    },
    /// A part of the history of the directory.
    AuditChanges(Box<ChangeQuery>),
    /// Changes the members of a group.
    GroupMembers {
        /// The group.
        group: String,
        /// Who joins.
        add: Vec<String>,
        /// Who leaves.
        remove: Vec<String>,
    },
    /// Somebody joins or leaves a group, or an owner decides on a request.
    GroupMembership(MembershipOrder),
    /// Who asked to join a group.
    GroupRequests {
        /// The group.
        group: String,
    },
    /// The members of a group.
    GroupList {
        /// The group.
        group: String,
    },
    /// The limits of a recipient, and what it has used up.
    LimitsShow {
        /// Which.
        identity: String,
    },
    /// How full a mailbox is.
    MailboxShow {
        /// Which.
        identity: String,
    },
    /// Counts a mailbox anew, or all of them.
    MailboxRecount {
        /// Which; none means all.
        identity: Option<String>,
    },
    /// Deals with what mailboxes hold, message by message.
    Contents(ContentsOrder),
    /// The organisation's settings.
    OrganisationShow,
    /// Changes the organisation's settings; what is not given stays.
    OrganisationSet(OrganisationEntry),
    /// Brings a directory document in.
    Import {
        /// The file's name, for messages.
        name: String,
        /// `toml` or `json`.
        form: String,
        /// The file's content.
        text: String,
        /// The licence of new user mailboxes whose entries say nothing of licences; none leaves them without.
        #[serde(default)]
        licence: Option<String>,
        /// One refused entry refuses all.
        all_or_nothing: bool,
        /// Only say what would happen.
        dry_run: bool,
    },
    /// Brings in what an Exchange administrator exported.
    ImportExchange {
        /// The files.
        files: Vec<ExchangeFile>,
        /// The licence of user mailboxes whose rows name none; none leaves them without.
        licence: Option<String>,
        /// Accept every domain that a mailbox or group has an address in.
        add_domains: bool,
        /// One refused row refuses all.
        all_or_nothing: bool,
        /// Only say what would happen.
        dry_run: bool,
    },
    /// The whole directory as a document.
    Export {
        /// With password hashes.
        hashes: bool,
    },
    /// Messages in the queue, oldest first.
    QueueList {
        /// Which.
        selection: Box<Selection>,
        /// Those after this one only, for the next page.
        after: Option<QueueId>,
        /// How many at most; 0 means all.
        limit: usize,
    },
    /// One message of the queue.
    QueueShow {
        /// Its id.
        id: String,
    },
    /// Carries out an order on messages of the queue.
    QueueOrder {
        /// Which.
        selection: Box<Selection>,
        /// What.
        order: QueueOrder,
        /// Only count.
        dry_run: bool,
    },
    /// Every destination outside, and what is suspended.
    QueueDestinations,
    /// Stops what goes to a destination or comes from a sender.
    QueueSuspend {
        /// Which.
        what: Suspendable,
        /// The administrator's words.
        reason: String,
    },
    /// Lets it go on.
    QueueResume {
        /// Which.
        what: Suspendable,
    },
    /// What waits for a moderator, oldest first.
    ModerationList {
        /// How many at most; 0 means all.
        limit: usize,
    },
    /// One recipient of one message that is or was moderated.
    ModerationShow {
        /// Which.
        id: ApprovalId,
    },
    /// Decides about it.
    ModerationDecide {
        /// Which.
        id: ApprovalId,
        /// How.
        verdict: Verdict,
        /// Whose decision it is; the administrator's without.
        moderator: Option<String>,
        /// Words for the sender; may be empty.
        comment: String,
    },
    /// Messages in the trace, one line for each recipient, the newest first.
    Trace(Box<TraceQuery>),
    /// Everything that happened to one message.
    TraceMessage {
        /// Its id.
        id: QueueId,
        /// Only what happened to this recipient.
        recipient: Option<Party>,
    },
    /// Why would the server answer as it does?
    Explain(Query),
    /// May this login sign in?
    ExplainSignIn(SignInQuery),
    /// Shows certificates, or renews one.
    Certificate(CertificateOrder),
    /// Which keys sign and verify rewritten reverse-paths?
    SrsShow,
    /// Makes a new key that signs them.
    SrsRotate(Rotation),
    /// Scripted faults of a test double.
    Faults(FaultOrder),
    /// Messages that came in there.
    Captured(CapturedOrder),
    /// Copies everything that matters to a new directory.
    Backup {
        /// Where; it must not exist, or be empty.
        to: PathBuf,
    },
}

impl Request {
    /// Whether it changes nothing, so that there must be something to look at.
    pub const fn only_looks(&self) -> bool {
        if let Self::Contents(order) = self {
            return order.only_looks();
        }
        if let Self::AddressPolicy(order) = self {
            return order.only_looks();
        }
        matches!(
            self,
            Self::Ping
                | Self::RecipientShow { .. }
                | Self::RecipientList(_)
                | Self::Device(DeviceOrder::List(_))
                | Self::Lockout(LockoutOrder::List { .. })
                | Self::Restriction(RestrictionOrder::List | RestrictionOrder::Show { .. })
                | Self::LifeQuestion(_)
                | Self::PermissionList { .. }
                | Self::DomainList
                | Self::RemoteDomainList
                | Self::AuthenticationPolicyList
                | Self::AuditForwarding { .. }
                | Self::AuditChanges(_)
                | Self::GroupList { .. }
                | Self::GroupRequests { .. }
                | Self::LimitsShow { .. }
                | Self::MailboxShow { .. }
                | Self::OrganisationShow
                | Self::Export { .. }
                | Self::QueueList { .. }
                | Self::QueueShow { .. }
                | Self::QueueDestinations
                | Self::ModerationList { .. }
                | Self::ModerationShow { .. }
                | Self::Trace(_)
                | Self::TraceMessage { .. }
                | Self::Explain(_)
                | Self::ExplainSignIn(_)
                | Self::Certificate(CertificateOrder::Show)
                | Self::SrsShow
                | Self::Backup { .. }
                | Self::Faults(_)
                | Self::Captured(_)
        )
    }

    /// Whether only a test double can answer, while it runs.
    pub const fn needs_rehearsal(&self) -> bool {
        matches!(self, Self::Faults(_) | Self::Captured(_))
    }
}

/// A file that an Exchange administrator exported: CSV or JSON, in any encoding that PowerShell writes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeFile {
    /// Its name, for reports.
    pub name: String,
    /// Its octets in base64.
    pub content: String,
}

impl core::fmt::Debug for ExchangeFile {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "ExchangeFile({:?}, {} characters)", self.name, self.content.len())
    }
}

/// Which recipients to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    /// Only of this type.
    pub recipient_type: Option<RecipientType>,
    /// Only those with this text in an address, a name or a login, letter case aside.
    pub text: Option<String>,
    /// Only those that match this filter, for example `CustomAttribute2 -eq 'sales'`.
    pub filter: Option<String>,
    /// How many at most; 0 means all.
    pub limit: usize,
}
