//! Members of groups.

use super::failure::Failure;
use super::response::Response;
use super::view::RecipientSummary;
use super::{Office, change, identity};
use crate::model::directory::{Change, Filter, Recipient, RecipientType, Snapshot};
use crate::model::policy::Settings;

fn find<'snapshot>(snapshot: &'snapshot Snapshot, text: &str) -> Result<&'snapshot Recipient, Failure> {
    let group = identity::find(snapshot, text)?;
    let kind = group.recipient_type;
    if kind.is_group() {
        Ok(group)
    } else {
        Err(Failure::refused(format!("{} is a {kind}, not a group.", group.primary())))
    }
}

pub(super) fn members(
    office: &Office,
    actor: &str,
    group: &str,
    add: &[String],
    remove: &[String],
) -> Result<Response, Failure> {
    let (_, message) = change(office, actor, |snapshot| {
        let group = find(snapshot, group)?;
        if group.recipient_type == RecipientType::DynamicDistributionGroup {
            let primary = group.primary();
            let failure = Failure::refused(format!("The members of {primary} are what its filter matches."));
            return Err(failure.cured_by(format!("franking recipient set {primary} --recipient-filter \"…\"")));
        }
        let has = |id| group.group.as_deref().is_some_and(|half| half.has_member(id));
        let (joining, leaving) = (identity::find_all(snapshot, add)?, identity::find_all(snapshot, remove)?);
        for (text, id) in remove.iter().zip(&leaving) {
            if !has(*id) {
                return Err(Failure::not_found(format!("{text} is no direct member of {}.", group.primary())));
            }
        }
        let joined = joining.iter().filter(|id| !has(**id)).count();
        let message = format!("{}: {joined} joined, {} left.", group.primary(), leaving.len());
        let mut changes = Vec::new();
        if !joining.is_empty() {
            changes.push(Change::AddMembers { group: group.id, members: joining });
        }
        if !leaving.is_empty() {
            changes.push(Change::RemoveMembers { group: group.id, members: leaving });
        }
        Ok((changes, message))
    })?;
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

pub(super) fn list(snapshot: &Snapshot, settings: &Settings, group: &str) -> Result<Response, Failure> {
    let group = find(snapshot, group)?;
    let half = group.group.as_deref();
    let filter = half.and_then(|half| half.recipient_filter.as_deref()).and_then(|text| Filter::parse(text).ok());
    let mut members: Vec<RecipientSummary> = match filter {
        Some(filter) => snapshot
            .recipients()
            .filter(|recipient| recipient.id != group.id && filter.matches(recipient))
            .map(|recipient| RecipientSummary::of(recipient, settings))
            .collect(),
        None => half
            .into_iter()
            .flat_map(|half| half.members())
            .filter_map(|id| snapshot.recipient(*id))
            .map(|recipient| RecipientSummary::of(recipient, settings))
            .collect(),
    };
    members.sort_unstable_by(|left, right| left.address.cmp(&right.address));
    Ok(Response::Members { group: group.primary().to_string(), members })
}
