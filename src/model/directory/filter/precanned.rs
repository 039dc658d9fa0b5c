//! Precanned filters: what Exchange's `-IncludedRecipients` and `-Conditional…` parameters say, as a filter.
//!
//! Several values of one condition are alternatives, several conditions all hold (`New-DynamicDistributionGroup`,
//! `New-EmailAddressPolicy`). Exchange writes its own filter for them, with much in it about objects that are not here;
//! this one asks for the same recipients. Only the filter is kept.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Filter, FilterError};

/// A value of `-IncludedRecipients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludedRecipients {
    /// Everybody.
    AllRecipients,
    /// User and shared mailboxes.
    MailboxUsers,
    /// Rooms and equipment.
    Resources,
    /// Contacts.
    MailContacts,
    /// Groups of every type, Microsoft 365 groups among them.
    MailGroups,
    /// Mail users, guests and those whose mailbox is in another system.
    MailUsers,
}

/// A text that is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write AllRecipients, MailboxUsers, Resources, MailContacts, MailGroups or MailUsers")]
pub struct IncludedRecipientsError;

impl FromStr for IncludedRecipients {
    type Err = IncludedRecipientsError;

    fn from_str(text: &str) -> Result<Self, IncludedRecipientsError> {
        // mailbox-users, as options are written, is MailboxUsers.
        let name: String = text.chars().filter(|character| !matches!(character, '-' | '_' | ' ')).collect();
        let all = [
            ("AllRecipients", Self::AllRecipients),
            ("MailboxUsers", Self::MailboxUsers),
            ("Resources", Self::Resources),
            ("MailContacts", Self::MailContacts),
            ("MailGroups", Self::MailGroups),
            ("MailUsers", Self::MailUsers),
        ];
        let found = all.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(&name));
        found.map(|(_, included)| included).ok_or(IncludedRecipientsError)
    }
}

impl IncludedRecipients {
    const fn property(self) -> &'static str {
        match self {
            Self::MailboxUsers | Self::Resources => "RecipientTypeDetails",
            Self::AllRecipients | Self::MailContacts | Self::MailGroups | Self::MailUsers => "RecipientType",
        }
    }

    const fn values(self) -> &'static [&'static str] {
        match self {
            Self::AllRecipients => &[],
            Self::MailboxUsers => &["UserMailbox", "SharedMailbox"],
            Self::Resources => &["RoomMailbox", "EquipmentMailbox"],
            Self::MailContacts => &["MailContact"],
            Self::MailGroups => {
                &["MailUniversalDistributionGroup", "MailUniversalSecurityGroup", "DynamicDistributionGroup"]
            }
            Self::MailUsers => &["MailUser"],
        }
    }
}

/// Conditions; none of a kind asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precanned {
    /// `IncludedRecipients`.
    pub included: Vec<IncludedRecipients>,
    /// `ConditionalCompany`.
    pub company: Vec<String>,
    /// `ConditionalDepartment`.
    pub department: Vec<String>,
    /// `ConditionalStateOrProvince`.
    pub state_or_province: Vec<String>,
    /// `ConditionalCustomAttribute1` to `ConditionalCustomAttribute15`.
    pub custom_attributes: BTreeMap<u8, Vec<String>>,
}

impl Precanned {
    /// The filter that asks for the same; none where nothing was said.
    ///
    /// # Errors
    /// When it would be longer than a filter may be, or a value has control characters.
    pub fn filter(&self) -> Result<Option<Filter>, FilterError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let mut terms = Vec::new();
        if !self.included.contains(&IncludedRecipients::AllRecipients) {
            let values = self.included.iter().flat_map(|own| own.values().iter().map(|value| (own.property(), *value)));
            terms.extend(any(values.map(|(property, value)| equal(property, value))));
        }
        let texts = [
            ("Company", &self.company),
            ("Department", &self.department),
            ("StateOrProvince", &self.state_or_province),
        ];
        for (property, values) in texts {
            terms.extend(any(values.iter().map(|value| equal(property, value))));
        }
        for (number, values) in &self.custom_attributes {
            terms.extend(any(values.iter().map(|value| equal(&format!("CustomAttribute{number}"), value))));
        }
        // Everybody has an alias, so this is what Exchange writes for all.
        let text = if terms.is_empty() { "Alias -ne $null".to_owned() } else { terms.join(" -and ") };
        Filter::parse(&text).map(Some)
    }
}

fn equal(property: &str, value: &str) -> String {
    format!("{property} -eq '{}'", value.replace('\'', "''"))
}

/// One of several, in parentheses where there are several; nothing of none.
fn any(terms: impl Iterator<Item = String>) -> Option<String> {
    let terms: Vec<String> = terms.collect();
    match terms.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [..] => Some(format!("({})", terms.join(" -or "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(precanned: &Precanned) -> Option<String> {
        precanned.filter().unwrap().map(|filter| filter.to_string())
    }

    #[test]
    fn values_are_alternatives_and_conditions_all_hold() {
        assert_eq!(shown(&Precanned::default()), None);
        let included = |text: &str| text.split(',').map(|name| name.parse().unwrap()).collect::<Vec<_>>();
        let mut own = Precanned { included: included("AllRecipients,mail-users"), ..Precanned::default() };
        assert_eq!(shown(&own).unwrap(), "Alias -ne $null");
        own.department = vec!["Sales".to_owned(), "R'n'D".to_owned()];
        assert_eq!(shown(&own).unwrap(), "Department -eq 'Sales' -or Department -eq 'R''n''D'");
        own.included = included("mailbox-users,MailContacts");
        own.custom_attributes.insert(3, vec!["x".to_owned()]);
        assert_eq!(
            shown(&own).unwrap(),
            "(RecipientTypeDetails -eq 'UserMailbox' -or RecipientTypeDetails -eq 'SharedMailbox' -or RecipientType \
             -eq 'MailContact') -and (Department -eq 'Sales' -or Department -eq 'R''n''D') -and CustomAttribute3 -eq \
             'x'"
        );
        own.company = vec!["x".repeat(5000)];
        assert!(own.filter().is_err());
        assert!("everybody".parse::<IncludedRecipients>().is_err());
    }
}
