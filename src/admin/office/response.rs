//! Everything an administrator can be told. The same values are printed with `--json`.

use serde::{Deserialize, Serialize};

use super::ConfigurationView;
use super::address_policies::{AddressPolicyView, AppliedPolicies};
use super::audit::ChangeAudit;
use super::certificates::CertificatesView;
use super::contents::CopyReport;
use super::devices::DeviceView;
use super::failure::Failure;
use super::keys::SrsKeysView;
use super::limits::LimitsView;
use super::lockouts::{LockoutView, NetworkView};
use super::mailboxes::MailboxView;
use super::moderation::ModerationView;
use super::orders::{DoubtView, HoldView, LifeView, PlanView};
use super::queue::{QueueDestination, QueueDetail, QueueSummary, SuspendedSender};
use super::recoverable::{AccessAudit, RecoverableExport, RecoverablePage, RecoverableText};
use super::rehearsal::{CapturedView, FaultView};
use super::request::Secret;
use super::restrictions::RestrictionView;
use super::view::{RecipientSummary, RecipientView};
use crate::admin::backup::BackupReport;
use crate::admin::explain::{Explanation, SignInExplanation};
use crate::model::directory::document::{Document, DomainEntry, OrganisationEntry, RemoteDomainEntry};
use crate::model::directory::{AutoForwardingMode, RecipientType, Right};
use crate::model::faults::Struck;
use crate::model::policy::ways_out::{Place, WayOut};
use crate::store::trace::{History, Page};

/// An answer. Its JSON form has a field `result` that names the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Response {
    /// Somebody is there.
    Alive {
        /// The server's version.
        version: String,
        /// The configuration that it goes by; none for one without a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        configuration: Option<ConfigurationView>,
    },
    /// A change was made and is in force.
    Done {
        /// What was done, in one sentence.
        message: String,
        /// What follows from it that may surprise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// A generated password, shown this once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Secret>,
    },
    /// One recipient.
    Recipient(Box<RecipientView>),
    /// A list of recipients.
    Recipients {
        /// How many match.
        total: usize,
        /// The first of them by address.
        recipients: Vec<RecipientSummary>,
    },
    /// Permissions on a recipient and permissions that it holds.
    Permissions {
        /// The recipient's primary address.
        recipient: String,
        /// What others hold on it.
        granted: Vec<PermissionView>,
        /// What it holds on others, directly.
        held: Vec<PermissionView>,
    },
    /// Accepted domains by name.
    Domains {
        /// The domains.
        domains: Vec<DomainEntry>,
    },
    /// Remote domains by pattern; that for every other domain is always among them.
    RemoteDomains {
        /// The remote domains.
        remote_domains: Vec<RemoteDomainEntry>,
    },
    /// Authentication policies by name.
    AuthenticationPolicies {
        /// The policies.
        policies: Vec<AuthenticationPolicyView>,
    },
    /// Email address policies, the highest priority first.
    AddressPolicies {
        /// They.
        policies: Vec<AddressPolicyView>,
        /// What is to be known about them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// Email address policies were applied, or would be.
    AppliedPolicies(AppliedPolicies),
    /// A part of the ways by which mail leaves the organisation.
    ForwardingAudit(ForwardingAudit),
    /// A part of the history of the directory.
    ChangeAudit(ChangeAudit),
    /// The organisation's settings.
    Organisation(OrganisationEntry),
    /// Who asked to join a group.
    MembershipRequests {
        /// Its address.
        group: String,
        /// They, in the order of asking.
        members: Vec<RecipientSummary>,
    },
    /// Members of a group.
    Members {
        /// The group's primary address.
        group: String,
        /// Its members by address; for a dynamic group those that its filter matches now.
        members: Vec<RecipientSummary>,
    },
    /// Devices by account and name.
    Devices {
        /// They.
        devices: Vec<DeviceView>,
    },
    /// Who failed to sign in, those that are locked out first.
    Lockouts {
        /// They.
        lockouts: Vec<LockoutView>,
        /// What networks have used of their budgets, what is used up first.
        #[serde(default)]
        networks: Vec<NetworkView>,
    },
    /// Who is restricted.
    Restrictions {
        /// They.
        restrictions: Vec<RestrictionView>,
    },
    /// Secrets that have no keys for SCRAM-SHA-256, some of them by name.
    ScramUnready {
        /// Logins, and devices as `login: name`.
        secrets: Vec<String>,
        /// How many there are.
        total: usize,
    },
    /// What a recipient may do and has done.
    Limits(LimitsView),
    /// How full mailboxes are.
    Mailboxes {
        /// The mailboxes by address.
        mailboxes: Vec<MailboxView>,
    },
    /// Mailboxes were counted.
    Recounted {
        /// How many.
        counted: u64,
        /// Of one that was asked for by name, or those of which something else was known, by address.
        mailboxes: Vec<MailboxView>,
    },
    /// A mailbox was copied into another.
    Copied(CopyReport),
    /// What was deleted from a mailbox on hold.
    Recoverable(RecoverablePage),
    /// One message of that.
    RecoverableMessage(RecoverableText),
    /// It was written into files.
    RecoverableExported(RecoverableExport),
    /// Which administrator has read or copied what is in whose mailbox.
    AccessAudit(AccessAudit),
    /// What is before mailboxes, by time and address.
    Lives {
        /// They.
        lives: Vec<LifeView>,
        /// What makes something happen later than it would.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// Names that nobody has, with their lines where they are from a file.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown: Vec<String>,
    },
    /// Licences with their seats.
    LicencePlans {
        /// The licences.
        plans: Vec<PlanView>,
    },
    /// What keeps a mailbox, or every one.
    Holds {
        /// Which mailbox, or the organisation.
        about: String,
        /// What it comes to, in words.
        until: String,
        /// They.
        holds: Vec<HoldView>,
    },
    /// What would happen to how many at once.
    Doubts {
        /// It.
        doubts: Vec<DoubtView>,
        /// Days that passed unseen, lately, and do not count.
        unseen_days: u64,
    },
    /// The state machine of mailboxes.
    LifecycleTable {
        /// In Markdown, with a diagram.
        text: String,
    },
    /// The certificates that the server shows.
    Certificates(CertificatesView),
    /// The keys that sign rewritten reverse-paths.
    SrsKeys(SrsKeysView),
    /// What an import did.
    Imported(ImportReport),
    /// The directory.
    Directory {
        /// As a document.
        document: Box<Document>,
    },
    /// Messages of the queue.
    Queue {
        /// How many there are.
        total: usize,
        /// The oldest of them.
        messages: Vec<QueueSummary>,
    },
    /// One message of the queue.
    QueueMessage(QueueDetail),
    /// An order on messages of the queue was carried out, durably, or would be.
    QueueObeyed {
        /// Nothing was done: it was only counted.
        dry_run: bool,
        /// Messages of which something obeyed.
        messages: usize,
        /// Their recipients that obeyed.
        recipients: usize,
        /// The same in a sentence.
        message: String,
    },
    /// Every destination outside that something waits for, and what is suspended.
    QueueDestinations {
        /// By name.
        destinations: Vec<QueueDestination>,
        /// Senders whose mail waits.
        suspended_senders: Vec<SuspendedSender>,
    },
    /// What waits for a moderator.
    Moderations {
        /// How much there is.
        total: usize,
        /// The oldest of it.
        waiting: Vec<ModerationView>,
    },
    /// One recipient of one message that is or was moderated.
    Moderation(Box<ModerationView>),
    /// Lines of the message trace.
    Trace(Page),
    /// Everything that happened to one message.
    TraceMessage(History),
    /// What the server would answer, and why.
    Explanation(Explanation),
    /// How signing in would turn out, and why.
    SignIn(SignInExplanation),
    /// A backup was taken.
    BackedUp(BackupReport),
    /// A script of faults.
    Faults {
        /// Its rules, in their order.
        rules: Vec<FaultView>,
        /// Strikes since the server began.
        strikes: u64,
    },
    /// What has struck.
    Strikes {
        /// The strikes that were asked for, the oldest first.
        strikes: Vec<Struck>,
        /// Strikes since the server began, remembered or not.
        total: u64,
    },
    /// Messages that came in.
    Captured {
        /// How many match.
        total: u64,
        /// The latest of them, the oldest first.
        messages: Vec<CapturedView>,
    },
    /// One of them.
    CapturedMessage(Box<CapturedView>),
    /// The request was not carried out.
    Failed(Failure),
}

/// One authentication policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationPolicyView {
    /// Its name.
    pub name: String,
    /// Whether a password may be used for SMTP.
    pub allow_basic_auth_smtp: bool,
    /// Whether accounts without a policy of their own have it.
    pub default: bool,
    /// How many accounts it is assigned to.
    pub accounts: usize,
}

/// A part of the ways by which mail leaves the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardingAudit {
    /// The organisation's forwarding policy.
    pub auto_forwarding_mode: AutoForwardingMode,
    /// The ways, in order.
    pub ways: Vec<WayOut>,
    /// Where the next part begins; none after the last.
    pub next: Option<Place>,
}

/// One permission entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionView {
    /// The recipient it is about.
    pub owner: String,
    /// Who holds it.
    pub trustee: String,
    /// What the trustee is.
    pub trustee_type: RecipientType,
    /// The right.
    pub right: Right,
    /// A deny entry.
    pub deny: bool,
    /// Of a grant of FullAccess: whether Outlook opens the mailbox for the trustee by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automapping: Option<bool>,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Nothing was changed: it was only asked what would be.
    pub dry_run: bool,
    /// False when refused entries kept everything out.
    pub applied: bool,
    /// New recipients.
    pub created: usize,
    /// Recipients that altered.
    pub updated: usize,
    /// Recipients that were already so.
    pub unchanged: usize,
    /// Entries that were refused, in order.
    pub rejected: Vec<RejectedRow>,
    /// Parts of entries that were left out, while the rest went in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<RejectedRow>,
    /// What follows from it that may surprise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An entry that an import refused, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// Where it stands: `recipient 3`, or the file and row it came from.
    pub place: String,
    /// The address or name it gives.
    pub address: String,
    /// Why it was refused.
    pub reason: String,
}
