//! Records of the change log with no more read of them than is asked for.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Place, Selection, Subject, address_policy, policy};
use crate::model::directory::{AuthenticationPolicy, ProxyAddresses, RecipientId};
use crate::model::mail::{Address, AddressKey, Domain, DomainPattern, Timestamp};

/// The version that a record led to, from its first octets; `None` where it does not begin as it is written today.
pub(super) fn version(payload: &[u8]) -> Option<u64> {
    let digits = payload.strip_prefix(br#"{"version":"#)?;
    let end = digits.iter().position(|octet| !octet.is_ascii_digit())?;
    core::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// An entry, and what its changes are about.
#[derive(Debug, Deserialize)]
pub(super) struct Outline<R = OfRecipient> {
    pub(super) version: u64,
    pub(super) at: Timestamp,
    pub(super) actor: String,
    pub(super) changes: Vec<Touch<R>>,
}

#[expect(private_bounds, reason = "the trait only joins the forms of this file")]
impl<R: Identified> Outline<R> {
    /// Those of its changes that are selected, with what they are about.
    pub(super) fn selected(&self, selection: &Selection) -> impl Iterator<Item = (Place, Subject)> {
        let all = self.changes.iter().enumerate().filter(|_| selection.has_entry(self.at, &self.actor));
        let placed = all.map(|(change, touch)| (Place { version: self.version, change }, touch.subject()));
        placed.filter(|(_, subject)| selection.has_subject(subject))
    }
}

/// A change, by what it is about. It has the names of `Change`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Touch<R> {
    PutOrganisation(IgnoredAny),
    PutDomain(OfDomain<Domain>),
    RemoveDomain(Domain),
    PutRecipient(R),
    RemoveRecipient(RecipientId),
    AddMembers(OfGroup),
    RemoveMembers(OfGroup),
    PutRemoteDomain(OfDomain<DomainPattern>),
    RemoveRemoteDomain(DomainPattern),
    RequestMembership(OfGroup),
    DropRequest(OfGroup),
    PutAuthenticationPolicy(OfPolicy),
    RemoveAuthenticationPolicy(Box<str>),
    PutAddressPolicy(OfPolicy),
    RemoveAddressPolicy(Box<str>),
}

#[derive(Debug, Deserialize)]
pub(super) struct OfDomain<D> {
    domain: D,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfRecipient {
    id: RecipientId,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfGroup {
    group: RecipientId,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfPolicy {
    name: Box<str>,
}

/// A recipient with its primary address.
#[derive(Debug, Deserialize)]
pub(super) struct Addressed {
    pub(super) id: RecipientId,
    pub(super) addresses: Primary,
}

#[derive(Debug, Deserialize)]
pub(super) struct Primary {
    pub(super) primary: Box<str>,
}

/// Everything that a recipient is called.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    id: RecipientId,
    name: Box<str>,
    addresses: ProxyAddresses,
    #[serde(default)]
    account: Option<Login>,
}

#[derive(Debug, Deserialize)]
struct Login {
    login: Address,
}

trait Identified {
    fn id(&self) -> RecipientId;
}

impl Identified for OfRecipient {
    fn id(&self) -> RecipientId {
        self.id
    }
}

impl Identified for Addressed {
    fn id(&self) -> RecipientId {
        self.id
    }
}

impl Identified for Description {
    fn id(&self) -> RecipientId {
        self.id
    }
}

#[expect(private_bounds, reason = "the trait only joins the forms of this file")]
impl<R: Identified> Touch<R> {
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::PutOrganisation(_) => Subject::Organisation,
            Self::PutDomain(OfDomain { domain }) | Self::RemoveDomain(domain) => Subject::Domain(domain.clone()),
            Self::PutRecipient(recipient) => Subject::Recipient(recipient.id()),
            Self::RemoveRecipient(id) => Subject::Recipient(*id),
            Self::AddMembers(of) | Self::RemoveMembers(of) | Self::RequestMembership(of) | Self::DropRequest(of) => {
                Subject::Recipient(of.group)
            }
            Self::PutRemoteDomain(OfDomain { domain }) | Self::RemoveRemoteDomain(domain) => {
                Subject::RemoteDomain(domain.clone())
            }
            Self::PutAuthenticationPolicy(OfPolicy { name }) | Self::RemoveAuthenticationPolicy(name) => policy(name),
            Self::PutAddressPolicy(OfPolicy { name }) | Self::RemoveAddressPolicy(name) => address_policy(name),
        }
    }

    /// Whether it removes a recipient: others lose their references to it.
    pub(super) const fn removes(&self) -> bool {
        matches!(self, Self::RemoveRecipient(_))
    }
}

/// What somebody looks for.
pub(super) struct Wanted {
    id: Option<RecipientId>,
    address: Option<AddressKey>,
    name: String,
    domain: Option<Domain>,
    pattern: Option<DomainPattern>,
    policy: Box<str>,
}

impl Wanted {
    pub(super) fn new(text: &str) -> Self {
        let text = text.trim();
        Self {
            id: text.strip_prefix('#').and_then(|digits| digits.parse().ok()).map(RecipientId),
            address: Address::parse(text).ok().map(|address| address.key()),
            name: text.to_lowercase(),
            domain: Domain::parse(text).ok(),
            pattern: text.parse().ok(),
            policy: AuthenticationPolicy::key(text),
        }
    }

    /// What a change is about, if that is looked for.
    pub(super) fn subject(&self, touch: &Touch<Description>) -> Option<Subject> {
        let subject = touch.subject();
        let is_it = match &subject {
            Subject::Organisation => matches!(&*self.name, "organisation" | "organization"),
            Subject::Domain(domain) => self.domain.as_ref() == Some(domain),
            Subject::RemoteDomain(pattern) => self.pattern.as_ref() == Some(pattern),
            // The names of both are compared alike.
            Subject::AuthenticationPolicy(key) | Subject::AddressPolicy(key) => self.policy == *key,
            Subject::Recipient(id) => self.id == Some(*id) || self.is_called(touch),
        };
        is_it.then_some(subject)
    }

    fn is_called(&self, touch: &Touch<Description>) -> bool {
        let Touch::PutRecipient(recipient) = touch else { return false };
        let has = |key: &AddressKey| {
            let login = recipient.account.as_ref().is_some_and(|account| account.login.has_key(key));
            login || recipient.addresses.contains(key)
        };
        self.address.as_ref().is_some_and(has) || recipient.name.to_lowercase() == self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_thing_of_a_record() {
        assert_eq!(version(br#"{"version":17,"at":0}"#), Some(17));
        for other in [&b""[..], b"{", br#"{"at":0,"version":17}"#, br#"{"version":"17"}"#, br#"{"version":17"#] {
            assert_eq!(version(other), None);
        }
    }
}
