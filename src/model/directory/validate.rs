//! What makes a recipient valid in the directory it is to join. Called by `Snapshot::apply` only.

use super::authentication_policy::AuthenticationPolicy;
use super::auto_reply;
use super::cap::Cap;
use super::change::ChangeError;
use super::device;
use super::filter::Filter;
use super::licence::{LicencePlan, PLANS_MAX};
use super::lifecycle::Lifecycle;
use super::limit::Limit;
use super::membership::{DepartRestriction, JoinRestriction, MEMBERS_MAX, OWNERS_MAX, REQUESTS_MAX};
use super::moderation::MODERATORS_MAX;
use super::recipient::{Organisation, Recipient, RecipientId};
use super::recipient_type::RecipientType;
use super::snapshot::Snapshot;

const NAME_CHARACTERS_MAX: usize = 64;

/// Whether numbers are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As many as today's rules permit.
    Judged,
    /// As many as there were: the change log holds what was permitted when it was written, and a directory that has
    /// more than today's rules permit must open all the same.
    AsRecorded,
}

impl Numbers {
    /// Refuses more than `max`, unless it was so.
    fn judge(self, count: usize, max: usize, refusal: impl FnOnce() -> ChangeError) -> Result<(), ChangeError> {
        if self == Self::Judged && count > max { Err(refusal()) } else { Ok(()) }
    }
}

/// Judges a recipient that is about to be put in.
pub(super) fn recipient(snapshot: &Snapshot, recipient: &Recipient, numbers: Numbers) -> Result<(), ChangeError> {
    texts(recipient)?;
    // What a deleted user was called is free for others.
    if !recipient.is_user_deleted() {
        proxy_count(snapshot, recipient, numbers)?;
        keys(snapshot, recipient)?;
    }
    shape(recipient)?;
    quota(recipient)?;
    limits(recipient)?;
    recipient.account.as_deref().map_or(Ok(()), device::judge)?;
    recipient.provisioning.as_deref().map_or(Ok(()), |provisioning| provisioning.holds.judge())?;
    moderation(snapshot, recipient, numbers)?;
    auto_reply::judge(recipient)?;
    group_rules(snapshot, recipient, numbers)?;
    references(snapshot, recipient)
}

/// Judges what no two objects may share: name, addresses and login.
pub(super) fn keys(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), ChangeError> {
    name(snapshot, recipient)?;
    addresses(snapshot, recipient)?;
    login(snapshot, recipient)
}

/// Judges settings that the organisation is about to have.
pub(super) fn organisation(snapshot: &Snapshot, organisation: &Organisation) -> Result<(), ChangeError> {
    let plans = &organisation.licence_plans;
    if plans.len() > PLANS_MAX || !plans.iter().all(LicencePlan::is_sound) {
        return Err(ChangeError::BadLicencePlan);
    }
    organisation.default_authentication_policy.as_deref().map_or(Ok(()), |name| policy(snapshot, name))
}

fn policy(snapshot: &Snapshot, name: &str) -> Result<(), ChangeError> {
    let found = snapshot.authentication_policy(name);
    found.map(drop).ok_or_else(|| ChangeError::UnknownAuthenticationPolicy(name.into()))
}

/// Judges an authentication policy that is about to go: it must exist, and nobody may have it.
pub(super) fn unused_policy(snapshot: &Snapshot, name: &str) -> Result<(), ChangeError> {
    policy(snapshot, name)?;
    let key = AuthenticationPolicy::key(name);
    let is_it = |other: Option<&str>| other.is_some_and(|other| AuthenticationPolicy::key(other) == key);
    let in_use = |holder: Box<str>| Err(ChangeError::AuthenticationPolicyInUse { policy: name.into(), holder });
    if is_it(snapshot.organisation().default_authentication_policy.as_deref()) {
        return in_use("the organisation as its default".into());
    }
    let has_it = |recipient: &Recipient| {
        is_it(recipient.account.as_deref().and_then(|account| account.authentication_policy.as_deref()))
    };
    match snapshot.recipients().find(|recipient| has_it(recipient)) {
        Some(holder) => in_use(holder.primary().to_string().into()),
        None => Ok(()),
    }
}

/// Judges members that are about to join a group.
pub(super) fn members(
    snapshot: &Snapshot,
    group: RecipientId,
    members: &[RecipientId],
    numbers: Numbers,
) -> Result<(), ChangeError> {
    let group = snapshot.recipient(group).ok_or(ChangeError::UnknownRecipient(group))?;
    if !group.recipient_type.is_group() || group.recipient_type == RecipientType::DynamicDistributionGroup {
        return Err(ChangeError::NotAGroup(group.name.as_str().into()));
    }
    let has = |id: &RecipientId| group.group.as_deref().is_some_and(|half| half.has_member(*id));
    let mut joining: Vec<RecipientId> = members.iter().copied().filter(|id| !has(id)).collect();
    joining.sort_unstable();
    joining.dedup();
    member_count(group, member_count_of(group), member_count_of(group) + joining.len(), numbers)?;
    rooms(snapshot, group, members)
}

fn member_count_of(group: &Recipient) -> usize {
    group.group.as_deref().map_or(0, |half| half.members().len())
}

/// Refuses growth beyond what a group may have.
fn member_count(group: &Recipient, former: usize, count: usize, numbers: Numbers) -> Result<(), ChangeError> {
    numbers.judge(count, MEMBERS_MAX.max(former), || {
        let group = group.name.as_str().into();
        ChangeError::TooManyMembers { group, count, max: MEMBERS_MAX }
    })
}

/// Judges a request to join a group.
pub(super) fn request(
    snapshot: &Snapshot,
    group: RecipientId,
    member: RecipientId,
    numbers: Numbers,
) -> Result<(), ChangeError> {
    members(snapshot, group, &[member], numbers)?;
    let waiting = snapshot.recipient(group).and_then(|group| Some(group.group.as_deref()?.membership.requests.len()));
    let count = waiting.unwrap_or(0) + 1;
    numbers.judge(count, REQUESTS_MAX, || ChangeError::TooManyRequests { max: REQUESTS_MAX })
}

/// Members exist, and those of a room list are rooms or equipment, here or in another system.
fn rooms(snapshot: &Snapshot, group: &Recipient, members: &[RecipientId]) -> Result<(), ChangeError> {
    let is_list = group.recipient_type == RecipientType::RoomList;
    for member in members.iter().filter(|member| **member != group.id) {
        let member = snapshot.recipient(*member).ok_or(ChangeError::UnknownRecipient(*member))?;
        if is_list && !member.recipient_type.is_resource() {
            return Err(ChangeError::NotARoom {
                member: member.name.as_str().into(),
                list: group.name.as_str().into(),
            });
        }
    }
    Ok(())
}

/// The rules of a group's own: owners, room lists, and security groups that nobody may enter freely.
fn group_rules(snapshot: &Snapshot, recipient: &Recipient, numbers: Numbers) -> Result<(), ChangeError> {
    let Some(group) = recipient.group.as_deref() else {
        return Ok(());
    };
    let former = snapshot.recipient(recipient.id).map_or(0, |former| member_count_of(former));
    member_count(recipient, former, group.members().len(), numbers)?;
    numbers.judge(group.managed_by.len(), OWNERS_MAX, || ChangeError::TooManyOwners { max: OWNERS_MAX })?;
    let requests = group.membership.requests.len();
    numbers.judge(requests, REQUESTS_MAX, || ChangeError::TooManyRequests { max: REQUESTS_MAX })?;
    let open = group.membership.join == Some(JoinRestriction::Open)
        || group.membership.depart == Some(DepartRestriction::Open);
    if open && recipient.recipient_type == RecipientType::MailUniversalSecurityGroup {
        return Err(ChangeError::OpenSecurityGroup);
    }
    rooms(snapshot, recipient, group.members())
}

/// Takes every reference to `gone` out of a recipient.
pub(super) fn drop_references(recipient: &mut Recipient, gone: RecipientId) {
    recipient.grants.retain(|grant| grant.trustee != gone);
    recipient.not_automapped.retain(|trustee| *trustee != gone);
    if let Some(group) = &mut recipient.group {
        group.remove_members(&[gone]);
        group.managed_by.retain(|owner| *owner != gone);
        group.membership.requests.retain(|waiting| *waiting != gone);
    }
    if let Some(restrictions) = &mut recipient.restrictions {
        restrictions.accept_only_from.retain(|id| *id != gone);
        restrictions.reject_from.retain(|id| *id != gone);
    }
    if let Some(moderation) = &mut recipient.moderation {
        moderation.moderated_by.retain(|id| *id != gone);
        moderation.bypass_from.retain(|id| *id != gone);
    }
    if let Some(forwarding) = &mut recipient.forwarding
        && forwarding.forwarding_address == Some(gone)
    {
        forwarding.forwarding_address = None;
    }
}

fn texts(recipient: &Recipient) -> Result<(), ChangeError> {
    let name = &recipient.name;
    let bad = |text: &str| text.chars().any(char::is_control);
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || bad(name) {
        return Err(bad_name(name));
    }
    // A display name ends up in header fields; a line break in it would forge one.
    if let Some(display_name) = recipient.display_name.as_ref().filter(|text| bad(text)) {
        return Err(bad_name(display_name));
    }
    match recipient.address_book.iter().find(|(property, text)| !property.permits(text)) {
        Some((property, _)) => Err(ChangeError::AddressBookText { property, max: property.characters_max() }),
        None => Ok(()),
    }
}

fn name(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), ChangeError> {
    let name = &recipient.name;
    match snapshot.find_by_name(name).filter(|holder| holder.id != recipient.id) {
        Some(holder) => {
            Err(ChangeError::NameInUse { name: name.as_str().into(), holder: holder.addresses.primary().clone() })
        }
        None => Ok(()),
    }
}

/// Reports quote no more of a bad name than shows which one is meant.
pub(super) fn bad_name(name: &str) -> ChangeError {
    ChangeError::BadName(name.chars().take(2 * NAME_CHARACTERS_MAX).collect())
}

fn proxy_count(snapshot: &Snapshot, recipient: &Recipient, numbers: Numbers) -> Result<(), ChangeError> {
    let (count, max) = (recipient.addresses.count(), snapshot.organisation().proxy_addresses());
    numbers.judge(count, max, || ChangeError::TooManyProxyAddresses { count, max })
}

fn addresses(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), ChangeError> {
    let other_holder = |id: Option<RecipientId>| {
        let holder = id.filter(|id| *id != recipient.id).and_then(|id| snapshot.recipient(id));
        holder.map(|holder| holder.name.as_str().into())
    };
    for address in recipient.addresses.smtp() {
        if let Some(holder) = other_holder(snapshot.holder_of_address(&address.key())) {
            return Err(ChangeError::ProxyAddressInUse { address: address.clone(), holder });
        }
        // The other half of the rule in `login`: an address that is another account's login.
        if recipient.account.is_some()
            && let Some(holder) = other_holder(snapshot.holder_of_login(&address.key()))
        {
            return Err(ChangeError::LoginInUse { login: address.clone(), holder });
        }
        // The external address of a contact or mail user may be its only, foreign, proxy address (spec section 4.5).
        let foreign = snapshot.accepted_domain(address.domain()).is_none();
        if foreign && !recipient.recipient_type.is_external() {
            return Err(ChangeError::NotAcceptedDomain { domain: address.domain().clone() });
        }
    }
    for other in recipient.addresses.other() {
        let key = other.key();
        if let Some(holder) = other_holder(snapshot.holder_of_other(&key)) {
            return Err(ChangeError::OtherProxyInUse { proxy: key, holder });
        }
    }
    Ok(())
}

fn login(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), ChangeError> {
    let Some(account) = &recipient.account else {
        return Ok(());
    };
    if let Some(name) = account.authentication_policy.as_deref() {
        policy(snapshot, name)?;
    }
    let key = account.login.key();
    let by_login = snapshot.holder_of_login(&key);
    // A login that is another object's address would let two accounts answer to one name.
    let by_address = snapshot
        .holder_of_address(&key)
        .filter(|id| snapshot.recipient(*id).is_some_and(|holder| holder.account.is_some()));
    match by_login.or(by_address).filter(|id| *id != recipient.id).and_then(|id| snapshot.recipient(id)) {
        Some(holder) => {
            Err(ChangeError::LoginInUse { login: account.login.clone(), holder: holder.name.as_str().into() })
        }
        None => Ok(()),
    }
}

fn shape(recipient: &Recipient) -> Result<(), ChangeError> {
    let kind = recipient.recipient_type;
    let not_for = |what| Err(ChangeError::NotForThisType { kind: kind.name(), what });
    if kind.is_external() && recipient.external_address.is_none() {
        return Err(ChangeError::ExternalAddressMissing { kind: kind.name() });
    }
    // A mailbox that still waits for its migration is reached at its old place.
    let elsewhere = kind == RecipientType::ShardMailbox || recipient.lifecycle == Lifecycle::AwaitingMigration;
    if !kind.is_external() && !elsewhere && recipient.external_address.is_some() {
        return not_for("an external address");
    }
    if recipient.account.is_some() && !kind.may_have_account() {
        return not_for("an account");
    }
    if recipient.group.is_some() && !kind.is_group() {
        return not_for("members");
    }
    if recipient.forwarding.is_some() && !kind.is_mailbox() {
        return not_for("forwarding");
    }
    if recipient.trustees(super::Right::FullAccess, false).next().is_some() && !kind.is_mailbox() {
        return not_for("FullAccess permissions");
    }
    let dynamic = kind == RecipientType::DynamicDistributionGroup;
    if let Some(group) = &recipient.group {
        if dynamic && !group.members().is_empty() {
            return not_for("listed members");
        }
        if !dynamic && group.recipient_filter.is_some() {
            return not_for("a recipient filter");
        }
        if let Some(filter) = &group.recipient_filter {
            Filter::parse(filter).map_err(|error| ChangeError::BadFilter(error.to_string().into()))?;
        }
    }
    Ok(())
}

fn quota(recipient: &Recipient) -> Result<(), ChangeError> {
    let Some(quota) = &recipient.quota else {
        return Ok(());
    };
    // What has no limit has no place in the order.
    let set = [quota.issue_warning, quota.prohibit_send, quota.prohibit_send_receive];
    if set.into_iter().flatten().filter_map(Limit::bytes).is_sorted() { Ok(()) } else { Err(ChangeError::QuotaOrder) }
}

/// Somebody must be able to answer for each moderator, so a group is none; owners may be groups all the same.
fn moderation(snapshot: &Snapshot, recipient: &Recipient, numbers: Numbers) -> Result<(), ChangeError> {
    let Some(set) = recipient.moderation.as_deref() else {
        return Ok(());
    };
    let kind = recipient.recipient_type;
    if set.bypass_nested && !kind.is_group() {
        return Err(ChangeError::NotForThisType { kind: kind.name(), what: "nested groups" });
    }
    let count = set.moderated_by.len();
    numbers.judge(count, MODERATORS_MAX, || ChangeError::TooManyModerators { count, max: MODERATORS_MAX })?;
    let moderators = set.moderated_by.iter().filter_map(|id| snapshot.recipient(*id));
    match moderators.into_iter().find(|one| one.recipient_type.is_group()) {
        Some(group) => Err(ChangeError::NotAModerator { moderator: group.name.as_str().into() }),
        None => Ok(()),
    }
}

/// Spec section 2.1: `RecipientLimits` is 1 to 1000. A rate of nothing would be a block that looks like a fault.
fn limits(recipient: &Recipient) -> Result<(), ChangeError> {
    let Some(limits) = recipient.limits.as_deref() else {
        return Ok(());
    };
    let per_message = limits.recipients_per_message.is_none_or(|count| (1..=1_000).contains(&count));
    let others = [
        limits.messages_per_minute,
        limits.recipients_per_day,
        limits.sessions,
        limits.received_per_hour,
        limits.received_from_one_per_hour,
        limits.external_recipients_per_hour,
        limits.external_recipients_per_day,
    ];
    let zero = others.into_iter().flatten().any(|cap| cap == Cap::Count(0));
    if per_message && !zero { Ok(()) } else { Err(ChangeError::LimitRange) }
}

fn references(snapshot: &Snapshot, recipient: &Recipient) -> Result<(), ChangeError> {
    for id in recipient.references().filter(|id| *id != recipient.id) {
        snapshot.recipient(id).ok_or(ChangeError::UnknownRecipient(id))?;
    }
    for grant in &recipient.grants {
        if let Some(trustee) = snapshot.recipient(grant.trustee)
            && !trustee.can_hold_permissions()
        {
            return Err(ChangeError::NotATrustee { trustee: trustee.name.as_str().into() });
        }
    }
    Ok(())
}
