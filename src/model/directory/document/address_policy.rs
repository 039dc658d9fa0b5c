//! Email address policies in a document.

use serde::{Deserialize, Serialize};

use super::plan::Reason;
use crate::model::directory::address_policy::{AddressPolicy, AddressTemplate, Priority, TemplateError};
use crate::model::directory::snapshot::Snapshot;

/// One email address policy; see [`AddressPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressPolicyEntry {
    /// Its name.
    pub name: Box<str>,
    /// Its place among the others, or `"Lowest"`; a new one comes after every numbered one unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// `RecipientFilter`; an empty text makes it for all recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_filter: Option<Box<str>>,
    /// `EnabledEmailAddressTemplates`: `SMTP:%m@contoso.example` makes the primary address, and a secondary one is made
    /// by `smtp:%g.%s@contoso.example`. Without any in capitals the first one is primary. The list replaces the former
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<Box<str>>>,
}

/// Why a list of templates makes no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplatesError {
    /// One of them is none.
    #[error("{template} is no template: {source}")]
    Template {
        /// Which.
        template: Box<str>,
        /// Why.
        source: TemplateError,
    },
    /// Addresses of another type.
    #[error("{0} makes no mail address; only SMTP is made here")]
    Type(Box<str>),
    /// Two in capitals.
    #[error("several templates are marked as primary by SMTP: in capitals; one is")]
    SeveralPrimaries,
    /// None at all.
    #[error("a policy needs a template, such as SMTP:%m@contoso.example")]
    Missing,
}

impl AddressPolicyEntry {
    /// One policy as an entry.
    pub fn of(policy: &AddressPolicy) -> Self {
        let secondary = policy.secondary.iter().map(|template| format!("smtp:{template}").into());
        let templates = core::iter::once(format!("SMTP:{}", policy.primary).into()).chain(secondary);
        Self {
            name: policy.name.clone(),
            priority: Some(policy.priority),
            recipient_filter: policy.recipient_filter.clone(),
            templates: Some(templates.collect()),
        }
    }
}

/// A policy after an entry.
pub(super) fn compose(entry: &AddressPolicyEntry, snapshot: &Snapshot) -> Result<AddressPolicy, Reason> {
    let given = entry.templates.as_deref().map(templates).transpose()?;
    let former = snapshot.address_policy(&entry.name).cloned();
    let mut next = match (former, given) {
        (Some(former), None) => former,
        (Some(former), Some((primary, secondary))) => AddressPolicy { primary, secondary, ..former },
        (None, Some((primary, secondary))) => AddressPolicy::new(entry.name.clone(), primary, secondary),
        (None, None) => return Err(TemplatesError::Missing.into()),
    };
    next.priority = entry.priority.unwrap_or(next.priority);
    if let Some(filter) = entry.recipient_filter.as_deref().map(str::trim) {
        next.recipient_filter = (!filter.is_empty()).then(|| filter.into());
    }
    Ok(next)
}

/// The primary template and the others.
fn templates(list: &[Box<str>]) -> Result<(AddressTemplate, Vec<AddressTemplate>), TemplatesError> {
    let mut parsed = Vec::with_capacity(list.len());
    for text in list.iter().map(|text| text.trim()) {
        let (primary, template) = match text.split_once(':') {
            Some((kind, template)) if kind.eq_ignore_ascii_case("smtp") => (kind == "SMTP", template),
            Some((kind, _)) if kind.bytes().all(|octet| octet.is_ascii_alphanumeric()) => {
                return Err(TemplatesError::Type(super::printable(text)));
            }
            Some(_) | None => (false, text),
        };
        let template = template.parse().map_err(|source| {
            let template = super::printable(text);
            TemplatesError::Template { template, source }
        })?;
        parsed.push((primary, template));
    }
    let mut marked = parsed.iter().enumerate().filter(|(_, (primary, _))| *primary).map(|(place, _)| place);
    let primary = marked.next().unwrap_or(0);
    if marked.next().is_some() {
        return Err(TemplatesError::SeveralPrimaries);
    }
    if parsed.is_empty() {
        return Err(TemplatesError::Missing);
    }
    let (_, primary) = parsed.remove(primary);
    Ok((primary, parsed.into_iter().map(|(_, template)| template).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_template_is_in_capitals_or_the_first() {
        let read = |list: &[&str]| {
            let list: Vec<Box<str>> = list.iter().map(|text| (*text).into()).collect();
            let texts = |(primary, others): (AddressTemplate, Vec<AddressTemplate>)| {
                core::iter::once(&primary).chain(&others).map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            templates(&list).map(texts)
        };
        assert_eq!(read(&["smtp:%m@a.example", "SMTP:%g@a.example"]).unwrap(), "%g@a.example %m@a.example");
        assert_eq!(read(&["%r:-%m@a.example", "smtp:@b.example"]).unwrap(), "%r:-%m@a.example @b.example");
        assert_eq!(read(&["SMTP:%m@a.example", "SMTP:%g@a.example"]), Err(TemplatesError::SeveralPrimaries));
        assert_eq!(read(&["X400:c=US"]), Err(TemplatesError::Type("X400:c=US".into())));
        assert_eq!(read(&[]), Err(TemplatesError::Missing));
        assert!(matches!(read(&["%m"]), Err(TemplatesError::Template { .. })));
    }
}
