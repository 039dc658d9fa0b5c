//! Email address policies, and what they make of recipients.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, Progress, change, change_freely, life};
use crate::model::directory::address_policy::{Outcome, Selector, is_governed, may_follow};
use crate::model::directory::document::{AddressPolicyEntry, Document};
use crate::model::directory::{AddressPolicy, Change, MailNickname, Recipient, RecipientId, RecipientType, Snapshot};

/// Recipients that are looked at in one change of the directory: it holds up every other change.
const BATCH: usize = 256;
/// Refusals that are told one by one.
const REFUSALS_SHOWN: usize = 20;

/// What can be asked about email address policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressPolicyOrder {
    /// Makes one or changes it; what is not given stays, or is the default.
    Put {
        /// Its name and what it says.
        entry: AddressPolicyEntry,
        /// It must not exist yet; otherwise it must.
        new: bool,
        /// What it is called from now on.
        rename: Option<String>,
    },
    /// Removes one.
    Remove {
        /// Its name.
        name: String,
    },
    /// All of them, the highest priority first.
    List,
    /// One, and how many recipients follow it.
    Show {
        /// Its name.
        name: String,
    },
    /// Gives recipients the addresses that their policies make.
    Apply {
        /// Only those that follow this one.
        name: Option<String>,
        /// Only say what would happen.
        preview: bool,
        /// How many are shown.
        limit: usize,
    },
}

impl AddressPolicyOrder {
    /// Whether it changes nothing.
    pub const fn only_looks(&self) -> bool {
        matches!(self, Self::List | Self::Show { .. } | Self::Apply { preview: true, .. })
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPolicyView {
    /// It.
    #[serde(flatten)]
    pub entry: AddressPolicyEntry,
    /// How many recipients follow it, where one was asked for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<usize>,
}

/// What applying the policies did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPolicies {
    /// Nothing was changed: it was only asked what would be.
    pub preview: bool,
    /// Recipients that follow a policy.
    pub governed: usize,
    /// Those whose addresses altered.
    pub altered: usize,
    /// Those whose addresses could not be altered.
    pub refused: usize,
    /// The first of those that altered, in the order of their making.
    pub rows: Vec<AlteredAddresses>,
    /// The first of those that were refused: whose, and why.
    pub refusals: Vec<(String, String)>,
}

/// How the addresses of one recipient altered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlteredAddresses {
    /// Its primary address before, which it keeps as a secondary one where it has another.
    pub former: String,
    /// Its primary address after.
    pub primary: String,
    /// Secondary addresses that are new.
    pub added: Vec<String>,
    /// The name of its policy.
    pub policy: String,
}

pub(super) fn obey(
    office: &Office,
    actor: &str,
    order: AddressPolicyOrder,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    match order {
        AddressPolicyOrder::Put { entry, new, rename } => put(office, actor, entry, new, rename.as_deref()),
        AddressPolicyOrder::Remove { name } => remove(office, actor, &name),
        AddressPolicyOrder::List => {
            let snapshot = office.directory.snapshot();
            let view = |policy| AddressPolicyView { entry: AddressPolicyEntry::of(policy), recipients: None };
            let policies = snapshot.address_policies().iter().map(view).collect();
            Ok(Response::AddressPolicies { policies, notes: whom(office).into_iter().collect() })
        }
        AddressPolicyOrder::Show { name } => show(office, &name),
        AddressPolicyOrder::Apply { name, preview, limit } => {
            apply(office, actor, name.as_deref(), preview, limit, progress)
        }
    }
}

/// What the profile says about who may follow policies, where not everybody may.
fn whom(office: &Office) -> Option<String> {
    let only_groups = !office.settings().address_policies_for_all;
    only_groups.then(|| "As in the cloud, only Microsoft 365 groups follow email address policies.".to_owned())
}

fn find<'snapshot>(snapshot: &'snapshot Snapshot, name: &str) -> Result<&'snapshot AddressPolicy, Failure> {
    let name = name.trim();
    snapshot.address_policy(name).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        let failure = Failure::not_found(format!("There is no email address policy \"{shown}\"."));
        let names: Vec<String> =
            snapshot.address_policies().iter().map(|policy| format!("\"{}\"", policy.name)).collect();
        match names.as_slice() {
            [] => failure.cured_by(format!("franking address-policy new \"{shown}\" --template SMTP:%m@DOMAIN")),
            [..] => failure.cured_by(format!("one of {}", names.join(", "))),
        }
    })
}

fn put(
    office: &Office,
    actor: &str,
    mut entry: AddressPolicyEntry,
    new: bool,
    rename: Option<&str>,
) -> Result<Response, Failure> {
    entry.name = entry.name.trim().into();
    let nothing = AddressPolicyEntry { name: entry.name.clone(), ..AddressPolicyEntry::default() };
    if !new && entry == nothing && rename.is_none() {
        return Err(Failure::refused("Nothing to set.").cured_by("franking address-policy set --help"));
    }
    let document = Document { address_policies: vec![entry.clone()], ..Document::default() };
    let (_, (name, changed)) = change(office, actor, |snapshot| {
        if !new {
            find(snapshot, &entry.name)?;
        } else if let Some(policy) = snapshot.address_policy(&entry.name) {
            let failure = Failure::refused(format!("There is an email address policy \"{}\" already.", policy.name));
            return Err(failure.cured_by(format!("franking address-policy set \"{}\"", policy.name)));
        }
        let plan = document.plan(snapshot, &|_, _| Err("no passwords here".into()));
        if let Some(rejected) = plan.rejected.first() {
            return Err(Failure::refused(rejected.reason.to_string()));
        }
        let mut changes = plan.changes;
        let name = match rename.map(str::trim) {
            Some(next) => {
                changes.extend(renamed(&snapshot.apply(&changes)?, &entry.name, next)?);
                next
            }
            None => &entry.name,
        };
        let changed = !changes.is_empty();
        Ok((changes, (name.to_owned(), changed)))
    })?;
    let mut notes: Vec<String> = whom(office).into_iter().collect();
    notes.push(if changed {
        "Addresses stay as they are until it is applied; what would alter: franking address-policy apply --preview"
            .to_owned()
    } else {
        "It already was so.".to_owned()
    });
    if new {
        notes.push(
            "It is for recipients that follow policies: franking recipient set RECIPIENT \
             --email-address-policy-enabled on"
                .to_owned(),
        );
    }
    Ok(Response::Done { message: format!("The email address policy \"{name}\" is set."), notes, password: None })
}

/// The same policy in the same place under another name.
fn renamed(snapshot: &Snapshot, name: &str, next: &str) -> Result<Vec<Change>, Failure> {
    let policy = find(snapshot, name)?;
    if let Some(other) = snapshot.address_policy(next).filter(|other| other.name != policy.name) {
        return Err(Failure::refused(format!("There is an email address policy \"{}\" already.", other.name)));
    }
    let changed = AddressPolicy { name: next.into(), ..policy.clone() };
    Ok(vec![Change::RemoveAddressPolicy(policy.name.clone()), Change::PutAddressPolicy(Box::new(changed))])
}

fn remove(office: &Office, actor: &str, name: &str) -> Result<Response, Failure> {
    let (_, name) = change(office, actor, |snapshot| {
        let name = find(snapshot, name)?.name.clone();
        Ok((vec![Change::RemoveAddressPolicy(name.clone())], name))
    })?;
    let message = format!("The email address policy \"{name}\" is removed.");
    let note = "Nobody's addresses alter by that; whom another policy is for follows that one once it is applied.";
    Ok(Response::Done { message, notes: vec![note.to_owned()], password: None })
}

fn show(office: &Office, name: &str) -> Result<Response, Failure> {
    let (snapshot, for_all) = (office.directory.snapshot(), office.settings().address_policies_for_all);
    let policy = find(&snapshot, name)?;
    let selector = Selector::of(&snapshot, for_all);
    let follows = |recipient: &Recipient| {
        is_governed(recipient, for_all) && selector.policy(recipient).is_some_and(|own| own.name == policy.name)
    };
    let recipients = snapshot.recipients().filter(|recipient| follows(recipient)).count();
    let view = AddressPolicyView { entry: AddressPolicyEntry::of(policy), recipients: Some(recipients) };
    Ok(Response::AddressPolicies { policies: vec![view], notes: whom(office).into_iter().collect() })
}

/// Looks at every recipient once, a batch in each change, so that other changes come between. What was done stays done
/// when the rest fails, and doing it again goes on from there, since whoever has its addresses is left alone.
fn apply(
    office: &Office,
    actor: &str,
    name: Option<&str>,
    preview: bool,
    limit: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let mut ids: Vec<RecipientId> = office.directory.snapshot().recipients().map(|recipient| recipient.id).collect();
    // In the order of their making: of two with one name the older has it without a number.
    ids.sort_unstable();
    let only =
        name.map(|name| find(&office.directory.snapshot(), name).map(|policy| policy.name.clone())).transpose()?;
    let work = Work { for_all: office.settings().address_policies_for_all, only };
    let mut report = AppliedPolicies { preview, ..AppliedPolicies::default() };
    let mut supposed = Snapshot::clone(&office.directory.snapshot());
    let total = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let mut done = 0_u64;
    for batch in ids.chunks(BATCH) {
        progress(Progress { what: "recipients".to_owned(), done, total });
        let part = if preview {
            let (next, _, part) = work.batch(&supposed, batch);
            supposed = next;
            part
        } else {
            let changed = change_freely(office, actor, |snapshot| {
                let (_, changes, part) = work.batch(snapshot, batch);
                Ok((changes, part))
            });
            let (_, part) = changed.map_err(|failure| {
                let altered = report.altered;
                failure.cured_by(format!(
                    "{altered} recipients were changed before it; franking address-policy apply goes on from there"
                ))
            })?;
            part
        };
        report.take(part, limit);
        done = done.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
    }
    progress(Progress { what: "recipients".to_owned(), done, total });
    Ok(Response::AppliedPolicies(report))
}

impl AppliedPolicies {
    fn take(&mut self, part: Self, limit: usize) {
        self.governed += part.governed;
        self.altered += part.altered;
        self.refused += part.refused;
        let room = if limit == 0 { usize::MAX } else { limit.saturating_sub(self.rows.len()) };
        self.rows.extend(part.rows.into_iter().take(room));
        let room = REFUSALS_SHOWN.saturating_sub(self.refusals.len());
        self.refusals.extend(part.refusals.into_iter().take(room));
    }

    fn refuse(&mut self, recipient: &Recipient, reason: String) {
        self.refused += 1;
        self.refusals.push((recipient.primary().to_string(), reason));
    }
}

struct Work {
    for_all: bool,
    only: Option<Box<str>>,
}

impl Work {
    /// What becomes of some recipients, one after the other: the directory after them, and the changes that lead there.
    fn batch(&self, snapshot: &Snapshot, ids: &[RecipientId]) -> (Snapshot, Vec<Change>, AppliedPolicies) {
        let (mut next, mut changes, mut part) = (snapshot.clone(), Vec::new(), AppliedPolicies::default());
        let selector = Selector::of(snapshot, self.for_all);
        for id in ids {
            let Some(recipient) = next.recipient(*id).cloned() else { continue };
            let outcome = selector.outcome(&recipient, &next);
            let policy = match &outcome {
                Outcome::NotGoverned | Outcome::NoPolicy => continue,
                Outcome::AsItIs(policy) | Outcome::Altered(policy, _) | Outcome::NoneFree(policy, _) => *policy,
            };
            if self.only.as_ref().is_some_and(|only| *only != policy.name) {
                continue;
            }
            part.governed += 1;
            match outcome {
                Outcome::NotGoverned | Outcome::NoPolicy | Outcome::AsItIs(_) => {}
                Outcome::NoneFree(_, error) => part.refuse(&recipient, error.to_string()),
                Outcome::Altered(_, altered) => {
                    let row = row(&recipient, &altered, policy);
                    let change = [Change::PutRecipient(altered)];
                    let judged = life::frozen(&next, &change).map_err(|failure| failure.message);
                    match judged.and_then(|()| next.apply(&change).map_err(|error| error.to_string())) {
                        Ok(after) => {
                            next = after;
                            changes.extend(change);
                            part.altered += 1;
                            part.rows.push(row);
                        }
                        Err(reason) => part.refuse(&recipient, reason),
                    }
                }
            }
        }
        (next, changes, part)
    }
}

fn row(former: &Recipient, next: &Recipient, policy: &AddressPolicy) -> AlteredAddresses {
    let secondary = next.addresses.secondary().iter().filter(|address| !former.addresses.contains(&address.key()));
    AlteredAddresses {
        former: former.primary().to_string(),
        primary: next.primary().to_string(),
        added: secondary.map(ToString::to_string).collect(),
        policy: policy.name.to_string(),
    }
}

/// Lets a recipient that somebody changes follow policies: refuses a primary address that they would take back, and
/// gives it the addresses that its names make now. `names` says whether anything changed by which policies go.
pub(super) fn follow(
    office: &Office,
    snapshot: &Snapshot,
    former: &Recipient,
    recipient: &mut Recipient,
    names: bool,
) -> Result<Option<String>, Failure> {
    let for_all = office.settings().address_policies_for_all;
    if recipient.email_address_policy_enabled && !former.email_address_policy_enabled {
        permitted(recipient.recipient_type, for_all)?;
    }
    if !is_governed(recipient, for_all) {
        return Ok(None);
    }
    if former.primary().key() != recipient.primary().key() && former.email_address_policy_enabled {
        let (primary, wanted) = (former.primary(), recipient.primary());
        let failure = Failure::refused(format!(
            "The primary address of {primary} is made by email address policies and cannot be set while \
             EmailAddressPolicyEnabled is on."
        ));
        return Err(failure.cured_by(format!(
            "franking recipient set {primary} --email-address-policy-enabled off --primary {wanted}"
        )));
    }
    if !names {
        return Ok(None);
    }
    match Selector::of(snapshot, for_all).outcome(recipient, snapshot) {
        Outcome::NotGoverned | Outcome::NoPolicy | Outcome::AsItIs(_) => Ok(None),
        Outcome::NoneFree(policy, error) => {
            Err(Failure::refused(format!("The email address policy \"{}\": {error}.", policy.name)))
        }
        Outcome::Altered(policy, altered) => {
            let (before, after) = (recipient.primary().clone(), altered.primary().clone());
            *recipient = *altered;
            let named = format!("by the email address policy \"{}\"", policy.name);
            Ok(Some(if before.key() == after.key() {
                format!("It has more addresses {named}.")
            } else {
                format!("Its primary address is {after} now, {named}; {before} stays as a secondary one.")
            }))
        }
    }
}

/// Whether recipients of a type may follow policies here.
fn permitted(kind: RecipientType, for_all: bool) -> Result<(), Failure> {
    if !may_follow(kind) {
        return Err(Failure::refused(format!("A {kind} has no addresses of its own.")));
    }
    if for_all || kind == RecipientType::GroupMailbox {
        return Ok(());
    }
    let text = format!("A {kind} cannot follow email address policies: in the cloud only Microsoft 365 groups do.");
    Err(Failure::refused(text).cured_by("in franking.toml, [policy]: address_policies_for_all = true"))
}

/// Gives a new recipient without an address the ones that a policy makes of its names, and says which one did; nothing
/// where none is for it, or it may follow none. The primary address that it has is provisional.
pub(super) fn first(
    office: &Office,
    snapshot: &Snapshot,
    recipient: &mut Recipient,
) -> Result<Option<String>, Failure> {
    let for_all = office.settings().address_policies_for_all;
    let mut governed = recipient.clone();
    governed.email_address_policy_enabled = true;
    let selector = Selector::of(snapshot, for_all);
    let Some(policy) = selector.policy(&governed).filter(|_| is_governed(&governed, for_all)) else {
        return Ok(None);
    };
    let addresses = policy.first_addresses(&governed, &|address| snapshot.is_taken(address, &governed));
    governed.addresses = addresses.map_err(|error| Failure::refused(format!("\"{}\": {error}.", policy.name)))?;
    let (provisional, alias) = (recipient.primary().clone(), recipient.alias().into_owned());
    // Who cannot sign in by the alias in the default domain, since another does, does so by the address.
    if snapshot.is_taken(&provisional, recipient)
        && let Some(account) = governed.account.as_deref_mut().filter(|account| account.login == provisional)
    {
        account.login = governed.addresses.primary().clone();
        governed.mail_nickname = MailNickname::parse(&alias).ok().map(Box::new);
    }
    *recipient = governed;
    Ok(Some(policy.name.to_string()))
}

#[cfg(test)]
mod tests;
