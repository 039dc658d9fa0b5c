//! What an administrator asks for and what comes back: one function, [`handle`], run by the server and, when none runs,
//! by the command line itself. So both do exactly the same.
//!
//! Every change is planned against the newest snapshot while the directory is locked for writing, is durable before it
//! is answered, and is in force for the next SMTP command of every open session. Everything here blocks.

mod accounts;
mod address_policies;
mod audit;
mod authentication_policies;
mod certificates;
mod configuration;
mod contents;
mod desk;
mod devices;
mod domains;
mod doubts;
pub mod edit;
mod failure;
mod groups;
mod holds;
pub mod identity;
mod import;
mod keys;
mod licences;
mod life;
mod limits;
mod lives;
mod lockouts;
mod mailboxes;
mod moderation;
mod orders;
mod outlook;
mod queue;
mod recipients;
mod recoverable;
pub mod rehearsal;
mod remote_domains;
mod request;
mod response;
mod restrictions;
mod secrets;
mod sign_ins;
mod steward;
#[cfg(test)]
pub(in crate::admin) mod tests;
mod trace;
mod view;

use std::path::PathBuf;
use std::sync::Arc;

pub use address_policies::{AddressPolicyOrder, AddressPolicyView, AlteredAddresses, AppliedPolicies};
pub use audit::{ChangeAudit, ChangePlace, ChangeQuery};
pub use certificates::{
    AcmeView, CertificateDesk, CertificateOrder, CertificateView, CertificatesView, NoCertificates,
};
pub use configuration::{ConfigurationView, InForce};
pub use contents::{ContentsDesk, ContentsOrder, CopyReport, NoContents};
pub use desk::{DeskFailure, DirectoryDesk, EmptyQueue, MemoryDirectory, Planner, QueueDesk};
pub use devices::{DeviceEdit, DeviceOrder, DeviceQuery, DeviceView};
pub(in crate::admin) use doubts::counted;
pub use edit::{MembershipEdit, ModerationEdit, RecipientEdit, Switch};
pub use failure::{Failure, FailureKind};
pub use keys::{FormerKey, KeyDesk, NoKeys, Rotation, SrsKeysView};
pub use limits::{LimitsView, Measure, Used};
pub use lockouts::{LockoutOrder, LockoutView, NetworkView};
pub use mailboxes::{ArchiveView, EmptyMailboxes, MailboxDesk, MailboxView};
pub use moderation::{ModerationDesk, ModerationView};
pub use orders::{
    DoubtView, HoldOrder, HoldView, Kept, LifeOrder, LifeQuestion, LifeView, PlanEdit, PlanView, Supposed,
};
pub use queue::{
    QueueDestination, QueueDetail, QueueObeyed, QueueOrder, QueueRecipient, QueueSummary, SuspendedSender,
};
pub use recoverable::{
    AccessAudit, RecoverableExport, RecoverableItem, RecoverablePage, RecoverableQuestion, RecoverableText,
};
pub use rehearsal::{CapturedOrder, CapturedView, FaultOrder, FaultView};
pub use request::{
    DomainEdit, ExchangeFile, ListQuery, MembershipOrder, MembershipStep, PermissionEdit, Request, Secret,
};
pub use response::{AuthenticationPolicyView, ForwardingAudit, ImportReport, PermissionView, RejectedRow, Response};
pub use restrictions::{KeptMail, NoRestrictions, RestrictionDesk, RestrictionOrder, RestrictionView};
pub use sign_ins::{LastUse, NoSignIns, SignInDesk};
pub use steward::{ACTOR as LIFECYCLE_ACTOR, Cause, Custody, Moved, NoCustody, Steward, next_due, reconcile};
pub use trace::{EmptyTrace, LINES_MAX, Moment, MomentError, TraceDesk, TraceQuery};
pub use view::{LifecycleView, RecipientSummary, RecipientView};

use crate::admin::{backup, explain};
use crate::model::directory::{Change, Snapshot};
use crate::model::policy::Settings;
use crate::store::live::LiveSettings;
use crate::store::rehearsal::Rehearsal;
use crate::world::{Clock, Random};

/// What the office works with.
#[derive(Clone)]
pub struct Office {
    /// The directory.
    pub directory: Arc<dyn DirectoryDesk>,
    /// The policy of the configuration.
    pub settings: Arc<LiveSettings>,
    /// This server's own secrets.
    pub keys: Arc<dyn KeyDesk>,
    /// The certificates that it shows.
    pub certificates: Arc<dyn CertificateDesk>,
    /// The queue.
    pub queue: Arc<dyn QueueDesk>,
    /// What of it waits for moderators.
    pub moderation: Arc<dyn ModerationDesk>,
    /// What was delivered.
    pub mailboxes: Arc<dyn MailboxDesk>,
    /// The same, message by message.
    pub contents: Arc<dyn ContentsDesk>,
    /// What is remembered about signing in.
    pub sign_ins: Arc<dyn SignInDesk>,
    /// Who is restricted.
    pub restrictions: Arc<dyn RestrictionDesk>,
    /// What makes mailboxes follow their users, and time.
    pub steward: Arc<Steward>,
    /// The message trace.
    pub trace: Arc<dyn TraceDesk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For passwords.
    pub random: Arc<dyn Random>,
    /// The data directory, for backups.
    pub data: PathBuf,
    /// The configuration file, which a backup includes; `None` when there is none.
    pub configuration: Option<PathBuf>,
    /// What of it a running server goes by.
    pub in_force: Arc<InForce>,
    /// The script of faults and what came in; `None` for every server in service, and where none runs.
    pub rehearsal: Option<Arc<Rehearsal>>,
}

impl core::fmt::Debug for Office {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Office").field("data", &self.data).finish_non_exhaustive()
    }
}

impl Office {
    /// The settings of this moment.
    fn settings(&self) -> Arc<Settings> {
        self.settings.current()
    }
}

/// How far long work has come.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What is being done.
    pub what: String,
    /// How much is done.
    pub done: u64,
    /// How much there is; 0 while that is not known.
    pub total: u64,
}

/// Who asks, for the audit trail: the name of the operating system's account.
pub type Actor<'a> = &'a str;

/// Carries out a request. Never panics, whatever is asked; a failure is a response like any other. What follows from a
/// change for the mailboxes has happened when this returns.
pub fn handle(office: &Office, actor: Actor<'_>, request: Request, progress: &mut dyn FnMut(Progress)) -> Response {
    let looks = request.only_looks();
    let response = respond(office, actor, request, progress).unwrap_or_else(Response::Failed);
    if !looks {
        reconcile(office);
    }
    response
}

fn alive(office: &Office) -> Response {
    Response::Alive { version: env!("CARGO_PKG_VERSION").to_owned(), configuration: office.in_force.view() }
}

fn respond(
    office: &Office,
    actor: Actor<'_>,
    request: Request,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let snapshot = || office.directory.snapshot();
    match request {
        Request::Ping => Ok(alive(office)),
        Request::RecipientNew { address, recipient_type, edit, password } => {
            recipients::create(office, actor, &address, recipient_type, &edit, password)
        }
        Request::RecipientSet { identity, edit } => recipients::set(office, actor, &identity, &edit),
        Request::RecipientConvert { identity, recipient_type } => {
            recipients::convert(office, actor, &identity, recipient_type)
        }
        Request::RecipientShow { identity } => recipients::show(office, &identity),
        Request::RecipientList(query) => recipients::list(&snapshot(), &office.settings(), &query),
        Request::RecipientRemove { identity, permanently } => recipients::remove(office, actor, &identity, permanently),
        Request::RecipientRestore { identity } => recipients::restore(office, actor, &identity),
        Request::AccountPassword { identity, password } => accounts::password(office, actor, &identity, password),
        Request::AccountBlock { identity, blocked } => accounts::block(office, actor, &identity, blocked),
        asked @ (Request::Device(_) | Request::Lockout(_) | Request::ExplainSignIn(_) | Request::ScramUnready) => {
            sign_in(office, actor, asked)
        }
        Request::Licence { identity, licence, assign } => accounts::licence(office, actor, &identity, &licence, assign),
        Request::Life(order) => lives::obey(office, actor, order),
        Request::LifeQuestion(question) => outlook::answer(office, &question),
        Request::Permission(edit) => accounts::permission(office, actor, &edit),
        Request::PermissionList { identity } => accounts::permissions(&snapshot(), &identity),
        Request::DomainPut { edit, new } => domains::put(office, actor, &edit, new),
        Request::DomainRemove { domain } => domains::remove(office, actor, &domain),
        Request::DomainList => Ok(domains::list(&snapshot())),
        Request::RemoteDomainPut { entry, new } => remote_domains::put(office, actor, &entry, new),
        Request::RemoteDomainRemove { domain } => remote_domains::remove(office, actor, &domain),
        Request::RemoteDomainList => Ok(remote_domains::list(&snapshot())),
        Request::AuthenticationPolicyPut { entry, new } => authentication_policies::put(office, actor, &entry, new),
        Request::AuthenticationPolicyRemove { name } => authentication_policies::remove(office, actor, &name),
        Request::AuthenticationPolicyList => Ok(authentication_policies::list(&snapshot())),
        Request::AddressPolicy(order) => address_policies::obey(office, actor, order, progress),
        Request::AuditForwarding { place } => Ok(audit::forwarding(&snapshot(), &office.settings(), place)),
        Request::AuditChanges(query) => audit::changes(office, *query, progress),
        Request::GroupMembers { group, add, remove } => groups::members(office, actor, &group, &add, &remove),
        Request::GroupMembership(order) => groups::membership(office, actor, &order),
        Request::GroupRequests { group } => groups::requests(&snapshot(), &office.settings(), &group),
        Request::GroupList { group } => groups::list(&snapshot(), &office.settings(), &group),
        Request::Restriction(order) => restrictions::obey(office, actor, order, progress),
        Request::LimitsShow { identity } => limits::show(office, &identity),
        Request::MailboxShow { identity } => mailboxes::show(office, &identity),
        Request::MailboxRecount { identity } => mailboxes::recount(office, identity.as_deref(), progress),
        Request::Contents(order) => contents::obey(office, actor, &order, progress),
        Request::OrganisationShow => Ok(domains::organisation(&snapshot())),
        Request::OrganisationSet(entry) => domains::set_organisation(office, actor, &entry),
        asked @ (Request::Import { .. } | Request::ImportExchange { .. }) => imported(office, actor, asked),
        Request::Export { hashes } => Ok(import::export(&snapshot(), hashes)),
        Request::QueueList { selection, after, limit } => queue::list(&*office.queue, &selection, after, limit),
        Request::QueueShow { id } => queue::show(&*office.queue, &*office.trace, &id),
        Request::QueueOrder { selection, order, dry_run } => {
            queue::order(&*office.queue, &selection, &order, dry_run, progress)
        }
        Request::QueueDestinations => queue::destinations(&*office.queue),
        Request::QueueSuspend { what, reason } => queue::suspend(&*office.queue, what, &reason),
        Request::QueueResume { what } => queue::resume(&*office.queue, &what),
        asked
        @ (Request::ModerationList { .. } | Request::ModerationShow { .. } | Request::ModerationDecide { .. }) => {
            moderated(office, actor, asked)
        }
        Request::Trace(query) => trace::search(office, *query, progress),
        Request::TraceMessage { id, recipient } => trace::history(office, id, recipient.as_ref(), progress),
        Request::Explain(query) => explained(office, query),
        Request::Certificate(order) => certificates::obey(office, actor, order, progress),
        asked @ (Request::SrsShow | Request::SrsRotate(_)) => srs(office, actor, asked),
        Request::Faults(order) => rehearsal::faults(office, order),
        Request::Captured(order) => rehearsal::captured(office, &order),
        Request::Backup { to } => backup::take(office, &to, progress).map(Response::BackedUp),
    }
}

fn imported(office: &Office, actor: Actor<'_>, request: Request) -> Result<Response, Failure> {
    match request {
        Request::Import { name, form, text, licence, all_or_nothing, dry_run } => {
            import::import(office, actor, &import::Source { name, form, text, licence }, all_or_nothing, dry_run)
        }
        Request::ImportExchange { files, licence, add_domains, all_or_nothing, dry_run } => {
            let options = import::ExchangeOptions { licence, add_domains, all_or_nothing, dry_run };
            import::import_exchange(office, actor, &files, &options)
        }
        _ => Err(Failure::refused("That brings nothing in.")),
    }
}

fn srs(office: &Office, actor: Actor<'_>, request: Request) -> Result<Response, Failure> {
    match request {
        Request::SrsShow => keys::show(office),
        Request::SrsRotate(rotation) => keys::rotate(office, actor, rotation),
        _ => Err(Failure::refused("That is no question about keys.")),
    }
}

fn moderated(office: &Office, actor: Actor<'_>, request: Request) -> Result<Response, Failure> {
    match request {
        Request::ModerationList { limit } => moderation::list(office, limit),
        Request::ModerationShow { id } => moderation::show(office, id),
        Request::ModerationDecide { id, verdict, moderator, comment } => {
            let asked = moderation::Asked { id, verdict, moderator: moderator.as_deref(), comment: &comment };
            moderation::decide(office, actor, &asked)
        }
        _ => Err(Failure::refused("That is no question about moderation.")),
    }
}

fn sign_in(office: &Office, actor: Actor<'_>, request: Request) -> Result<Response, Failure> {
    match request {
        Request::Device(order) => devices::obey(office, actor, order),
        Request::Lockout(LockoutOrder::List { all }) => Ok(lockouts::list(office, all)),
        Request::Lockout(LockoutOrder::Clear { whom }) => lockouts::clear(office, actor, &whom),
        Request::ExplainSignIn(query) => Ok(signed_in(office, &query)),
        Request::ScramUnready => Ok(secrets::unready(&office.directory.snapshot())),
        _ => Err(Failure::refused("That is no question about signing in.")),
    }
}

fn signed_in(office: &Office, query: &explain::SignInQuery) -> Response {
    Response::SignIn(explain::explain_sign_in(
        &office.directory.snapshot(),
        &office.settings(),
        query,
        office.clock.now(),
    ))
}

fn explained(office: &Office, query: explain::Query) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let query = identity::complete(&snapshot, query)?;
    let mut explanation = explain::explain(&snapshot, &office.settings(), &query, office.clock.now());
    restrictions::explained(office, &query, &mut explanation);
    Ok(Response::Explanation(explanation))
}

/// Plans and makes a change while nobody else can. What `plan` gives besides the changes comes back. Objects that an
/// error has frozen are altered by what resolves it only.
fn change<T>(
    office: &Office,
    actor: Actor<'_>,
    mut plan: impl FnMut(&Snapshot) -> Result<(Vec<Change>, T), Failure>,
) -> Result<(Arc<Snapshot>, T), Failure> {
    change_freely(office, actor, |snapshot| {
        let (changes, value) = plan(snapshot)?;
        life::frozen(snapshot, &changes)?;
        Ok((changes, value))
    })
}

/// The same for documents, which bring objects as they are elsewhere.
fn change_freely<T>(
    office: &Office,
    actor: Actor<'_>,
    mut plan: impl FnMut(&Snapshot) -> Result<(Vec<Change>, T), Failure>,
) -> Result<(Arc<Snapshot>, T), Failure> {
    let mut outcome = None;
    let mut failure = None;
    let mut planner = |snapshot: &Snapshot| match plan(snapshot) {
        Ok((changes, value)) => {
            outcome = Some(value);
            Ok(changes)
        }
        Err(refused) => {
            let text = refused.message.clone();
            failure = Some(refused);
            Err(text)
        }
    };
    let changed = office.directory.change(actor, &mut planner);
    match (changed, failure, outcome) {
        (Ok(snapshot), None, Some(value)) => Ok((snapshot, value)),
        (_, Some(failure), _) => Err(failure),
        (Err(error), None, _) => Err(error.into()),
        (Ok(_), None, None) => Err(Failure::unavailable("The directory took a change without planning it.")),
    }
}
