//! Email address policies: what addresses recipients have by their names (spec section 4.6, `New-EmailAddressPolicy`).
//!
//! A policy is for whom its filter matches. Of several that match, the one of the highest priority counts: 1 comes
//! before 2, and the default policy, `Lowest`, is last and for everybody. Its first template makes the primary address,
//! the others secondary ones.
//!
//! Who follows policies at all is a property of each recipient (`EmailAddressPolicyEnabled`) and of the profile: on
//! premises everybody may, in the cloud Microsoft 365 groups alone.
//!
//! Where Exchange is silent or does otherwise:
//!
//! - A filter cannot ask for addresses. Exchange permits it, and two policies can then take turns for ever.
//! - There is no default policy until one is made. Nobody's addresses alter because this server learned of policies.
//! - A recipient that no policy is for keeps what it has.

mod assign;
mod outcome;
mod template;

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::ChangeError;
use super::filter::{Filter, FilterError};
use super::recipient::Recipient;
use super::recipient_type::RecipientType;
use super::snapshot::Snapshot;
use crate::model::mail::Domain;

pub use assign::{NoneFree, Taken};
pub use outcome::{Outcome, Selector};
pub use template::{AddressTemplate, TemplateError};

/// Policies of one organisation at most: each is compared with each recipient.
pub const POLICIES_MAX: usize = 100;
/// Templates of one policy at most.
pub const TEMPLATES_MAX: usize = 50;
/// Longest name, in characters.
const NAME_CHARACTERS_MAX: usize = 64;

/// The place of a policy among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "PriorityText")]
pub enum Priority {
    /// From 1 on, without a gap.
    Number(u32),
    /// The default policy, after all others.
    Lowest,
}

/// As documents write it: a number, or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum PriorityText {
    Number(u32),
    Text(String),
}

/// A text that is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a priority is a number from 1 on, or lowest for the default policy")]
pub struct PriorityError;

impl FromStr for Priority {
    type Err = PriorityError;

    fn from_str(text: &str) -> Result<Self, PriorityError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("lowest") {
            return Ok(Self::Lowest);
        }
        text.parse().ok().filter(|number| *number > 0).map(Self::Number).ok_or(PriorityError)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Lowest => formatter.write_str("Lowest"),
        }
    }
}

impl From<Priority> for String {
    fn from(priority: Priority) -> Self {
        priority.to_string()
    }
}

impl TryFrom<PriorityText> for Priority {
    type Error = PriorityError;
    fn try_from(text: PriorityText) -> Result<Self, PriorityError> {
        match text {
            PriorityText::Number(number) => number.to_string().parse(),
            PriorityText::Text(text) => text.parse(),
        }
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPolicy {
    /// Its name; letter case does not tell two apart.
    pub name: Box<str>,
    /// Its place. In a change the place it is to take: those from there on move down, and one beyond the end is the
    /// last number.
    pub priority: Priority,
    /// `RecipientFilter`; without it the policy is for all recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_filter: Option<Box<str>>,
    /// `EnabledPrimarySMTPAddressTemplate`.
    pub primary: AddressTemplate,
    /// The others of `EnabledEmailAddressTemplates`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<AddressTemplate>,
}

/// Why a policy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressPolicyError {
    /// Its name.
    #[error(
        "its name has 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character or a blank at an end"
    )]
    Name,
    /// There are too many.
    #[error("an organisation has at most {POLICIES_MAX}")]
    TooMany,
    /// It has too many templates.
    #[error("one has at most {TEMPLATES_MAX} templates")]
    Templates,
    /// A template makes addresses that nobody can have.
    #[error("{0} is no accepted domain; add it first: franking domain add {0}")]
    Domain(Domain),
    /// Its filter cannot be read.
    #[error("the recipient filter: {0}")]
    Filter(#[from] FilterError),
    /// Its filter asks for what the policy makes.
    #[error("the recipient filter asks for addresses, which the policy makes: two policies could take turns for ever")]
    FilterOnAddresses,
    /// A default policy with a filter.
    #[error("the default policy is for all recipients, so it has no recipient filter; give it a number as priority")]
    DefaultFilter,
    /// A second default policy.
    #[error("\"{0}\" is the default policy; give this one a number as priority, or remove that one")]
    SecondDefault(Box<str>),
}

impl AddressPolicy {
    /// A policy for all recipients that comes after every numbered one.
    pub fn new(name: impl Into<Box<str>>, primary: AddressTemplate, secondary: Vec<AddressTemplate>) -> Self {
        Self { name: name.into(), priority: Priority::Number(u32::MAX), recipient_filter: None, primary, secondary }
    }

    /// The text under which two names are the same.
    pub fn key(name: &str) -> Box<str> {
        name.to_lowercase().into()
    }

    /// Its templates, the primary one first.
    pub fn templates(&self) -> impl Iterator<Item = &AddressTemplate> {
        core::iter::once(&self.primary).chain(&self.secondary)
    }

    /// Whether it makes addresses in this domain or below it.
    fn uses(&self, domain: &Domain) -> bool {
        self.templates().any(|template| template.domain().is_within(domain))
    }

    fn is_called(&self, name: &str) -> bool {
        Self::key(&self.name) == Self::key(name)
    }
}

/// Whether a recipient follows policies: it says so, and the profile lets it.
pub fn is_governed(recipient: &Recipient, for_all: bool) -> bool {
    let kind = recipient.recipient_type;
    let permitted = for_all || kind == RecipientType::GroupMailbox;
    recipient.email_address_policy_enabled && may_follow(kind) && permitted && !recipient.is_user_deleted()
}

/// Whether recipients of this type can follow policies at all: a shard is a part of somebody else.
pub fn may_follow(kind: RecipientType) -> bool {
    kind != RecipientType::ShardMailbox
}

impl Snapshot {
    /// Every email address policy, the highest priority first.
    pub fn address_policies(&self) -> &[AddressPolicy] {
        &self.address_policies
    }

    /// The email address policy of this name, letter case aside.
    pub fn address_policy(&self, name: &str) -> Option<&AddressPolicy> {
        self.address_policies.iter().find(|policy| policy.is_called(name))
    }

    /// Puts a policy in its place, instead of the one of its name.
    pub(super) fn put_address_policy(&mut self, policy: &AddressPolicy) -> Result<(), ChangeError> {
        let mut policies = self.address_policies.to_vec();
        policies.retain(|other| !other.is_called(&policy.name));
        judge(self, policy, &policies)?;
        let numbered = policies.iter().take_while(|other| other.priority != Priority::Lowest).count();
        let place = match policy.priority {
            Priority::Number(number) => usize::try_from(number.saturating_sub(1)).unwrap_or(numbered).min(numbered),
            Priority::Lowest => policies.len(),
        };
        policies.insert(place, policy.clone());
        self.seat_address_policies(policies);
        Ok(())
    }

    pub(super) fn remove_address_policy(&mut self, name: &str) -> Result<(), ChangeError> {
        let mut policies = self.address_policies.to_vec();
        policies.retain(|policy| !policy.is_called(name));
        if policies.len() == self.address_policies.len() {
            return Err(ChangeError::UnknownAddressPolicy(name.into()));
        }
        self.seat_address_policies(policies);
        Ok(())
    }

    /// Numbers policies by their order.
    pub(super) fn seat_address_policies(&mut self, mut policies: Vec<AddressPolicy>) {
        for (place, policy) in policies.iter_mut().enumerate() {
            if let Priority::Number(number) = &mut policy.priority {
                *number = u32::try_from(place + 1).unwrap_or(u32::MAX);
            }
        }
        self.address_policies = policies.into();
    }

    /// Refuses to let go of a domain in which policies make addresses.
    pub(super) fn without_address_policies(&self, domain: &Domain) -> Result<(), ChangeError> {
        let users = self.address_policies.iter().filter(|policy| policy.uses(domain));
        let names: Vec<String> = users.map(|policy| format!("\"{}\"", policy.name)).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(ChangeError::DomainUsedByPolicies { domain: domain.clone(), policies: names.join(", ").into() })
    }
}

fn judge(snapshot: &Snapshot, policy: &AddressPolicy, others: &[AddressPolicy]) -> Result<(), AddressPolicyError> {
    let name = &*policy.name;
    let length = name.chars().count();
    if !(1..=NAME_CHARACTERS_MAX).contains(&length) || name.trim() != name || name.chars().any(char::is_control) {
        return Err(AddressPolicyError::Name);
    }
    if others.len() >= POLICIES_MAX {
        return Err(AddressPolicyError::TooMany);
    }
    if policy.templates().count() > TEMPLATES_MAX {
        return Err(AddressPolicyError::Templates);
    }
    if let Some(template) = policy.templates().find(|template| snapshot.accepted_domain(template.domain()).is_none()) {
        return Err(AddressPolicyError::Domain(template.domain().clone()));
    }
    let default = others.iter().find(|other| other.priority == Priority::Lowest);
    if let (Priority::Lowest, Some(default)) = (policy.priority, default) {
        return Err(AddressPolicyError::SecondDefault(default.name.clone()));
    }
    let Some(filter) = &policy.recipient_filter else {
        return Ok(());
    };
    if policy.priority == Priority::Lowest {
        return Err(AddressPolicyError::DefaultFilter);
    }
    if Filter::parse(filter)?.asks_for_addresses() { Err(AddressPolicyError::FilterOnAddresses) } else { Ok(()) }
}
