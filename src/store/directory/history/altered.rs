//! What a change altered: the object before beside the object after.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Entry, Subject};
use crate::model::directory::document::{
    AddressPolicyEntry, AuthenticationPolicyEntry, DomainEntry, OrganisationEntry, RecipientEntry, RemoteDomainEntry,
};
use crate::model::directory::{Change, Device, Recipient, RecipientId};

/// What recipients are called now; `None` for one that is gone.
pub type Names<'a> = &'a dyn Fn(RecipientId) -> Option<Box<str>>;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Added,
    /// It is another than before, or was written again as it was.
    Changed,
    /// It is gone.
    Removed,
}

/// One change of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alteration {
    /// The version of the directory that it led to, together with the others of its list.
    pub version: u64,
    /// When, in ISO 8601.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: Action,
    /// What the object is: `recipient`, `domain`, …
    pub kind: String,
    /// Its name: for a recipient its primary address, as it was then.
    pub object: String,
    /// The identity of a recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The properties that altered, by the names that exports have.
    pub properties: Vec<Property>,
}

impl Alteration {
    /// About how many octets it takes.
    pub(super) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }
}

/// One property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its name; a dot leads into a group of them, such as `quota.prohibit_send`.
    pub property: String,
    /// How it altered.
    #[serde(flatten)]
    pub altered: Altered,
}

/// How a property altered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Altered {
    /// From one value to another; null is the default, or none.
    Value {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
    /// Some of a list.
    List {
        /// Those that are new in it.
        added: Vec<Value>,
        /// Those that are not in it any more.
        removed: Vec<Value>,
    },
    /// It altered, and is never shown.
    Secret {
        /// True.
        changed: bool,
    },
}

/// The objects of interest as they were before the next change.
#[derive(Default)]
pub(super) struct Ledger {
    recipients: BTreeMap<RecipientId, Box<Recipient>>,
    /// All other objects, as they are exported.
    others: BTreeMap<Subject, Map<String, Value>>,
    /// Recipients that were removed before the next change.
    removed: BTreeSet<RecipientId>,
    /// What recipients are called that have another name now, or are gone.
    then: BTreeMap<RecipientId, Box<str>>,
}

/// More recipients with another name than now are called as now, and by their identities where they are gone.
const THEN_MAX: usize = 100_000;

impl Ledger {
    /// Remembers what a recipient is called from here on, where that is not what it is called `now`.
    pub(super) fn call(&mut self, id: RecipientId, address: &str, now: Option<&str>) {
        if now == Some(address) {
            self.then.remove(&id);
        } else if self.then.len() < THEN_MAX || self.then.contains_key(&id) {
            self.then.insert(id, address.into());
        }
    }

    /// What a change of an object of interest alters.
    pub(super) fn alteration(&self, entry: &Entry, change: &Change, subject: &Subject, names: Names<'_>) -> Alteration {
        let id = match subject {
            Subject::Recipient(id) => Some(*id),
            Subject::Organisation
            | Subject::Domain(_)
            | Subject::RemoteDomain(_)
            | Subject::AuthenticationPolicy(_)
            | Subject::AddressPolicy(_) => None,
        };
        let known = match id {
            Some(id) => self.recipients.contains_key(&id),
            // There always is one.
            None => *subject == Subject::Organisation || self.others.contains_key(subject),
        };
        let action = match change {
            Change::RemoveDomain(_)
            | Change::RemoveRecipient(_)
            | Change::RemoveRemoteDomain(_)
            | Change::RemoveAuthenticationPolicy(_)
            | Change::RemoveAddressPolicy(_) => Action::Removed,
            Change::PutOrganisation(_)
            | Change::PutDomain(_)
            | Change::PutRecipient(_)
            | Change::PutRemoteDomain(_)
            | Change::PutAuthenticationPolicy(_)
            | Change::PutAddressPolicy(_)
                if !known =>
            {
                Action::Added
            }
            Change::PutOrganisation(_)
            | Change::PutDomain(_)
            | Change::PutRecipient(_)
            | Change::AddMembers { .. }
            | Change::RemoveMembers { .. }
            | Change::PutRemoteDomain(_)
            | Change::RequestMembership { .. }
            | Change::DropRequest { .. }
            | Change::PutAuthenticationPolicy(_)
            | Change::PutAddressPolicy(_) => Action::Changed,
        };
        let (kind, object) = self.called(change, subject, names);
        Alteration {
            version: entry.version,
            at: entry.at.iso8601().to_string(),
            actor: entry.actor.clone(),
            action,
            kind: kind.to_owned(),
            object,
            id: id.map(|id| id.0),
            properties: self.properties(change, subject, names),
        }
    }

    fn called(&self, change: &Change, subject: &Subject, names: Names<'_>) -> (&'static str, String) {
        match subject {
            Subject::Organisation => ("organisation", "organisation".to_owned()),
            Subject::Domain(domain) => ("domain", domain.to_string()),
            Subject::RemoteDomain(pattern) => ("remote-domain", pattern.to_string()),
            Subject::AuthenticationPolicy(key) => ("authentication-policy", key.to_string()),
            Subject::AddressPolicy(key) => ("address-policy", key.to_string()),
            Subject::Recipient(id) => {
                let name = match change {
                    Change::PutRecipient(recipient) => recipient.primary().to_string(),
                    _ => match self.recipients.get(id) {
                        Some(recipient) => recipient.primary().to_string(),
                        None => self.name(*id, names).into(),
                    },
                };
                ("recipient", name)
            }
        }
    }

    fn name(&self, id: RecipientId, names: Names<'_>) -> Box<str> {
        let then = self.then.get(&id).cloned();
        then.or_else(|| names(id)).unwrap_or_else(|| format!("#{id}").into())
    }

    fn properties(&self, change: &Change, subject: &Subject, names: Names<'_>) -> Vec<Property> {
        let listed = |property: &str, added: Vec<RecipientId>, removed: Vec<RecipientId>| {
            let named = |ids: Vec<RecipientId>| ids.iter().map(|id| Value::from(&*self.name(*id, names))).collect();
            if added.is_empty() && removed.is_empty() {
                return Vec::new();
            }
            let altered = Altered::List { added: named(added), removed: named(removed) };
            vec![Property { property: property.to_owned(), altered }]
        };
        match change {
            Change::PutRecipient(recipient) => self.recipient(recipient, names),
            Change::AddMembers { group, members } => {
                let new = members.iter().copied().filter(|member| !self.is_member(*group, *member));
                listed("members", new.collect(), Vec::new())
            }
            Change::RemoveMembers { group, members } => {
                let gone = members.iter().copied().filter(|member| self.is_member(*group, *member));
                listed("members", Vec::new(), gone.collect())
            }
            Change::RequestMembership { member, .. } => listed("membership_requests", vec![*member], Vec::new()),
            Change::DropRequest { member, .. } => listed("membership_requests", Vec::new(), vec![*member]),
            Change::PutOrganisation(_)
            | Change::PutDomain(_)
            | Change::PutRemoteDomain(_)
            | Change::PutAuthenticationPolicy(_)
            | Change::PutAddressPolicy(_) => {
                let former = self.others.get(subject).cloned();
                // The organisation begins with its defaults.
                let former = former.or_else(|| (*subject == Subject::Organisation).then(organisation));
                differences(&former.unwrap_or_default(), &exported(change))
            }
            Change::RemoveDomain(_)
            | Change::RemoveRecipient(_)
            | Change::RemoveRemoteDomain(_)
            | Change::RemoveAuthenticationPolicy(_)
            | Change::RemoveAddressPolicy(_) => Vec::new(),
        }
    }

    fn is_member(&self, group: RecipientId, member: RecipientId) -> bool {
        let group = self.recipients.get(&group).and_then(|recipient| recipient.group.as_deref());
        group.is_some_and(|group| group.has_member(member))
    }

    fn recipient(&self, next: &Recipient, names: Names<'_>) -> Vec<Property> {
        let mut former = self.recipients.get(&next.id).cloned();
        if let Some(former) = &mut former {
            // What went with a removed object was not this change's doing.
            let gone: BTreeSet<RecipientId> = former.references().filter(|id| self.removed.contains(id)).collect();
            gone.into_iter().for_each(|id| former.drop_references(id));
        }
        let name = |id| Some(self.name(id, names));
        let entry = |recipient: &Recipient| object(&RecipientEntry::named(recipient, &name));
        let mut found = differences(&former.as_deref().map(entry).unwrap_or_default(), &entry(next));
        let password = |recipient: &Recipient| recipient.account.as_deref().and_then(|own| own.password.clone());
        let secret =
            |property: &str| Property { property: property.to_owned(), altered: Altered::Secret { changed: true } };
        if former.as_deref().and_then(password) != password(next) {
            found.push(secret("password"));
        }
        found.extend(renewed_devices(former.as_deref(), next).map(|name| secret(&format!("devices.{name}.secret"))));
        found
    }

    /// Takes a change of `subject` into account; of objects without interest only that they are removed.
    pub(super) fn remember(&mut self, change: &Change, subject: &Subject, of_interest: bool) {
        match change {
            Change::RemoveRecipient(id) => {
                self.recipients.remove(id);
                self.removed.insert(*id);
            }
            _ if !of_interest => {}
            Change::PutRecipient(recipient) => {
                self.recipients.insert(recipient.id, recipient.clone());
            }
            Change::AddMembers { group, members } => {
                self.group(*group, |group| group.add_members(members));
            }
            Change::RemoveMembers { group, members } => {
                self.group(*group, |group| group.remove_members(members));
            }
            Change::RequestMembership { group, member } => self.group(*group, |group| group.add_request(*member)),
            Change::DropRequest { group, member } => self.group(*group, |group| group.drop_request(*member)),
            Change::PutOrganisation(_)
            | Change::PutDomain(_)
            | Change::PutRemoteDomain(_)
            | Change::PutAuthenticationPolicy(_)
            | Change::PutAddressPolicy(_) => {
                self.others.insert(subject.clone(), exported(change));
            }
            Change::RemoveDomain(_)
            | Change::RemoveRemoteDomain(_)
            | Change::RemoveAuthenticationPolicy(_)
            | Change::RemoveAddressPolicy(_) => {
                self.others.remove(subject);
            }
        }
    }

    fn group(&mut self, id: RecipientId, alter: impl FnOnce(&mut crate::model::directory::Group)) {
        if let Some(recipient) = self.recipients.get_mut(&id) {
            alter(recipient.group.get_or_insert_default());
        }
    }
}

/// Devices that have another secret than before, or none any more, or one for the first time.
fn renewed_devices<'next>(
    former: Option<&'next Recipient>,
    next: &'next Recipient,
) -> impl Iterator<Item = &'next str> {
    let devices = |recipient: &'next Recipient| recipient.account.as_deref().map(|account| &account.devices);
    let former = former.and_then(devices);
    let before = move |device: &Device| {
        let same = former.into_iter().flatten().find(|own| own.is_called(&device.name));
        same.and_then(|own| own.verifier.as_ref())
    };
    let renewed = devices(next).into_iter().flatten().filter(move |own| own.verifier.as_ref() != before(own));
    renewed.map(|device| &*device.name)
}

fn organisation() -> Map<String, Value> {
    object(&OrganisationEntry::of(&crate::model::directory::Organisation::default()))
}

/// What a change puts, as it would be exported. Nothing for recipients, which refer to others, and for removals.
fn exported(change: &Change) -> Map<String, Value> {
    match change {
        Change::PutOrganisation(next) => object(&OrganisationEntry::of(next)),
        Change::PutDomain(next) => object(&DomainEntry::of(next)),
        Change::PutRemoteDomain(next) => object(&RemoteDomainEntry::of(next)),
        Change::PutAuthenticationPolicy(next) => object(&AuthenticationPolicyEntry::of(next)),
        Change::PutAddressPolicy(next) => object(&AddressPolicyEntry::of(next)),
        Change::RemoveDomain(_)
        | Change::PutRecipient(_)
        | Change::RemoveRecipient(_)
        | Change::AddMembers { .. }
        | Change::RemoveMembers { .. }
        | Change::RemoveRemoteDomain(_)
        | Change::RequestMembership { .. }
        | Change::DropRequest { .. }
        | Change::RemoveAuthenticationPolicy(_)
        | Change::RemoveAddressPolicy(_) => Map::new(),
    }
}

/// An entry as a JSON object, with the members of objects in it under names with a dot.
fn object(entry: &impl Serialize) -> Map<String, Value> {
    let mut flat = Map::new();
    if let Ok(Value::Object(nested)) = serde_json::to_value(entry) {
        flatten("", nested, &mut flat);
    }
    flat
}

fn flatten(before: &str, nested: Map<String, Value>, flat: &mut Map<String, Value>) {
    for (key, value) in nested {
        let key = format!("{before}{key}");
        match value {
            // Entries are a few levels deep, by their type.
            Value::Object(inner) => flatten(&format!("{key}."), inner, flat),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                flat.insert(key, value);
            }
        }
    }
}

fn differences(former: &Map<String, Value>, next: &Map<String, Value>) -> Vec<Property> {
    let keys: BTreeSet<&String> = former.keys().chain(next.keys()).collect();
    let differing = keys.into_iter().filter(|key| former.get(*key) != next.get(*key));
    differing
        .map(|key| Property { property: key.clone(), altered: difference(former.get(key), next.get(key)) })
        .collect()
}

fn difference(former: Option<&Value>, next: Option<&Value>) -> Altered {
    let value = || Altered::Value { old: former.cloned().unwrap_or_default(), new: next.cloned().unwrap_or_default() };
    let list = |value: Option<&Value>| match value {
        None => Some(Vec::new()),
        Some(value) => value.as_array().cloned(),
    };
    let (Some(before), Some(after)) = (list(former), list(next)) else { return value() };
    let texts = |list: &[Value]| list.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    let (had, has) = (texts(&before), texts(&after));
    let without = |list: Vec<Value>, other: &BTreeSet<String>| -> Vec<Value> {
        list.into_iter().filter(|value| !other.contains(&value.to_string())).collect()
    };
    let (added, removed) = (without(after, &had), without(before, &has));
    // Another order, which matters for owners.
    if added.is_empty() && removed.is_empty() { value() } else { Altered::List { added, removed } }
}
