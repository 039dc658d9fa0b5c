//! Members of groups.

use super::failure::Failure;
use super::request::{MembershipOrder, MembershipStep};
use super::response::Response;
use super::view::RecipientSummary;
use super::{Office, change, identity};
use crate::model::directory::membership::{self, Joining, MembershipError};
use crate::model::directory::{Change, Recipient, RecipientType, Snapshot};
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

/// Carries out a step that the group's own rules judge.
pub(super) fn membership(office: &Office, actor: &str, order: &MembershipOrder) -> Result<Response, Failure> {
    let refused = |error: MembershipError| Failure::refused(error.to_string());
    let (_, message) = change(office, actor, |snapshot| {
        let group = find(snapshot, &order.group)?;
        let member = identity::find(snapshot, &order.member)?;
        let owner = order.owner.as_deref().map(|owner| identity::find(snapshot, owner)).transpose()?;
        let (who, whither) = (member.primary(), group.primary());
        let (group_id, id) = (group.id, member.id);
        let add = || Change::AddMembers { group: group_id, members: vec![id] };
        let planned = match order.step {
            MembershipStep::Join => match membership::join(group, member).map_err(refused)? {
                Joining::Joins => (add(), format!("{who} has joined {whither}.")),
                Joining::Waits => (
                    Change::RequestMembership { group: group_id, member: id },
                    format!("{who} has asked to join {whither}; an owner is to decide."),
                ),
            },
            MembershipStep::Leave => {
                membership::leave(group, member).map_err(refused)?;
                (Change::RemoveMembers { group: group_id, members: vec![id] }, format!("{who} has left {whither}."))
            }
            MembershipStep::Approve => {
                membership::decide(group, member, owner.map(|owner| &**owner)).map_err(refused)?;
                (add(), format!("{who} is a member of {whither} now."))
            }
            MembershipStep::Refuse => {
                membership::decide(group, member, owner.map(|owner| &**owner)).map_err(refused)?;
                let message = format!("The request of {who} to join {whither} is refused.");
                (Change::DropRequest { group: group_id, member: id }, message)
            }
        };
        Ok((vec![planned.0], planned.1))
    })?;
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

/// Who asked to join, in the order of asking.
pub(super) fn requests(snapshot: &Snapshot, settings: &Settings, group: &str) -> Result<Response, Failure> {
    let group = find(snapshot, group)?;
    let waiting = group.group.as_deref().into_iter().flat_map(|half| &half.membership.requests);
    let members = waiting.filter_map(|id| snapshot.recipient(*id)).map(|found| RecipientSummary::of(found, settings));
    Ok(Response::MembershipRequests { group: group.primary().to_string(), members: members.collect() })
}

pub(super) fn list(snapshot: &Snapshot, settings: &Settings, group: &str) -> Result<Response, Failure> {
    let group = find(snapshot, group)?;
    let half = group.group.as_deref();
    let mut members: Vec<RecipientSummary> = match snapshot.filter_of(group.id) {
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
