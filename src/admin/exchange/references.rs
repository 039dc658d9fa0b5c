//! References between rows: which columns hold them, how they are joined in one text, and whom they mean.

use super::identity::{Index, Unresolved};
use super::table::{Cell, Row};
use crate::model::directory::RecipientType;
use crate::model::directory::document::{RecipientEntry, printable};

/// A column that refers to other recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    ForwardTo,
    SendOnBehalf,
    AcceptOnlyFrom,
    RejectFrom,
    ModeratedBy,
    BypassModeration,
    Owners,
    Members,
}

impl Field {
    pub(super) const ALL: [Self; 8] = [
        Self::ForwardTo,
        Self::SendOnBehalf,
        Self::AcceptOnlyFrom,
        Self::RejectFrom,
        Self::ModeratedBy,
        Self::BypassModeration,
        Self::Owners,
        Self::Members,
    ];

    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::ForwardTo => "ForwardingAddress",
            Self::SendOnBehalf => "GrantSendOnBehalfTo",
            Self::AcceptOnlyFrom => "AcceptMessagesOnlyFromSendersOrMembers",
            Self::RejectFrom => "RejectMessagesFromSendersOrMembers",
            Self::ModeratedBy => "ModeratedBy",
            Self::BypassModeration => "BypassModerationFromSendersOrMembers",
            Self::Owners => "ManagedBy",
            Self::Members => "Members",
        }
    }

    /// Whether leaving a name out would let someone send who may not.
    pub(super) const fn fails_open(self) -> bool {
        matches!(self, Self::AcceptOnlyFrom | Self::RejectFrom)
    }

    fn belongs_to(self, kind: Option<RecipientType>) -> bool {
        match self {
            Self::ForwardTo => kind.is_none_or(RecipientType::is_mailbox),
            Self::Owners => kind.is_some_and(RecipientType::is_group),
            Self::Members => {
                kind.is_some_and(|kind| kind.is_group() && kind != RecipientType::DynamicDistributionGroup)
            }
            Self::SendOnBehalf
            | Self::AcceptOnlyFrom
            | Self::RejectFrom
            | Self::ModeratedBy
            | Self::BypassModeration => true,
        }
    }

    /// Puts resolved references into an entry.
    pub(super) fn put(self, entry: &mut RecipientEntry, mut addresses: Vec<Box<str>>) {
        match self {
            // A mailbox forwards to one object; an empty text clears.
            Self::ForwardTo => entry.forward_to = Some(addresses.pop().unwrap_or_default()),
            Self::SendOnBehalf => entry.send_on_behalf = Some(addresses),
            Self::AcceptOnlyFrom => entry.accept_only_from = Some(addresses),
            Self::RejectFrom => entry.reject_from = Some(addresses),
            Self::ModeratedBy => entry.moderated_by = Some(addresses),
            Self::BypassModeration => entry.bypass_moderation_from = Some(addresses),
            Self::Owners => entry.owners = Some(addresses),
            Self::Members => entry.members = Some(addresses),
        }
    }
}

/// References that wait until every row is known.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) field: Field,
    cell: Cell,
}

/// What references come to.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Primary addresses.
    pub(super) addresses: Vec<Box<str>>,
    /// What leads to nobody, with the reason, fit for printing.
    pub(super) missing: Vec<String>,
}

impl Pending {
    /// The references of a row in one column; `None` when the row says nothing about it.
    pub(super) fn of(row: &Row<'_>, field: Field, kind: Option<RecipientType>) -> Option<Self> {
        let cell = row.cell(field.column()).filter(|_| field.belongs_to(kind))?.clone();
        Some(Self { field, cell })
    }

    pub(super) fn resolve(&self, index: &Index) -> Resolved {
        let text = match &self.cell {
            Cell::Many(many) => {
                return each(many.iter().map(|text| text.trim()).filter(|text| !text.is_empty()), index, self.field);
            }
            Cell::Text(text) => text.trim(),
        };
        let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text).trim();
        if text.is_empty() {
            return Resolved::default();
        }
        // Names may hold the very characters that join them. The first way of reading that leads to somebody throughout
        // is taken, else the first one that divides the text at all.
        let mut divided = None;
        for separators in [&[][..], &[';', '|', '\n'][..], &[','][..], &[' ', ','][..]] {
            let parts: Vec<&str> = text.split(separators).map(str::trim).filter(|part| !part.is_empty()).collect();
            if parts.len() < 2 && !separators.is_empty() {
                continue;
            }
            let resolved = each(parts.iter().copied(), index, self.field);
            if resolved.missing.is_empty() {
                return resolved;
            }
            if parts.len() > 1 && divided.is_none() {
                divided = Some(resolved);
            }
        }
        divided.unwrap_or_else(|| each(core::iter::once(text), index, self.field))
    }
}

fn each<'a>(identities: impl Iterator<Item = &'a str>, index: &Index, field: Field) -> Resolved {
    let mut resolved = Resolved::default();
    for identity in identities {
        let reason = match index.find(identity) {
            Ok(holder) if field == Field::SendOnBehalf && !holder.is_trustee() => {
                "it cannot hold permissions".to_owned()
            }
            Ok(holder) => {
                resolved.addresses.push(holder.primary.to_string().into());
                continue;
            }
            Err(error @ (Unresolved::Unknown | Unresolved::Ambiguous)) => error.to_string(),
        };
        resolved.missing.push(format!("\"{}\": {reason}", printable(identity)));
    }
    resolved
}
