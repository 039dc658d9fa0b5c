//! From permitted recipients to deliveries (decision D4): groups to members, mailboxes along their forwarding,
//! contacts to the outside. Every destination once, and an end for every graph, however it loops.
//!
//! Two kinds of loop are told apart (spec section 5.5, stage 7). A *harmless* one has a mailbox that keeps a copy, or
//! groups that contain each other: what was visited is not visited again. A *broken* one only forwards: nobody would
//! ever get the message, so it is refused with a report.

mod approval;
mod forwarded;
mod reporting;
mod way;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::admit::{Permit, blind_copy, judge};
use super::delivery::{Delivery, Destination, Expanded, Passage, Route};
use super::forwarding;
use super::posting::Posting;
use super::refusal::Refusal;
use super::resolve::{Resolution, not_found, of_recipient, reaches_someone, resolve, resolve_object};
use super::settings::Settings;
use super::srs;
use super::trail::{Trail, Unrecorded};
use crate::model::directory::{DomainType, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::{Address, AddressKey, ForwardPath, Timestamp};

use reporting::passes_replies;
use way::{Branch, Members, Pending, Way};

pub use approval::{Known, expand_approved};

struct Expansion<'world, T: Trail> {
    snapshot: &'world Snapshot,
    settings: &'world Settings,
    posting: &'world Posting<'world>,
    now: Timestamp,
    trail: &'world mut T,
    pending: Vec<Pending>,
    /// Groups and mailboxes that were seen to, with the place of the permit that led there first.
    seen: HashMap<RecipientId, usize>,
    /// The place of the present permit.
    place: usize,
    /// Who is on a ring that only forwards: each path into the ring is refused, not only the first.
    ring: HashSet<RecipientId>,
    outside: HashSet<AddressKey>,
    postmaster: bool,
    /// Mailboxes that the message names itself, not only through a group: they answer whatever the group says.
    named: HashSet<RecipientId>,
    /// Of the present permit: some of it is what an earlier permit has seen to.
    merged: bool,
    /// Of the present permit: who forwarded, keeping nothing, back into a group it came from, and those groups.
    returned: Vec<RecipientId>,
    /// Of the present permit: a group that somebody forwards to, keeping nothing.
    relied_on: Option<Address>,
    /// Whose moderators have approved.
    passed: Option<RecipientId>,
    /// What the message itself is for.
    first: Vec<Resolution>,
    /// All that it reaches from there without any forwarding, once that was asked.
    direct: Option<HashSet<RecipientId>>,
    /// Of the present permit: who forwards, keeping nothing, through others, and what the policy let nobody have.
    blocked: Vec<(RecipientId, Arc<Passage>)>,
    /// Who forwards, keeping nothing, and something of that has arrived.
    reached: HashSet<RecipientId>,
    result: Vec<Expanded>,
}

/// Expands the permitted recipients of one message. Each local mailbox and each outside address appears once.
pub fn expand(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    permits: &[Permit],
    now: Timestamp,
    trail: &mut impl Trail,
) -> Vec<Expanded> {
    let mut expansion = Expansion::new(snapshot, settings, posting, now, trail);
    // Resolved again: the directory may have changed since RCPT.
    let resolved: Vec<_> =
        permits.iter().map(|permit| resolve(snapshot, settings, permit.path(), expansion.trail)).collect();
    expansion.named.extend(resolved.iter().filter_map(|resolution| match resolution {
        Resolution::Mailbox(id) => Some(*id),
        Resolution::Group(_)
        | Resolution::Outside { .. }
        | Resolution::PostmasterMailbox
        | Resolution::InternalRelay(_)
        | Resolution::Rewritten(_)
        | Resolution::Foreign(_)
        | Resolution::Unknown(_) => None,
    }));
    expansion.first.clone_from(&resolved);
    for (permit, resolution) in permits.iter().zip(resolved) {
        let passage = Passage {
            path: permit.path().clone(),
            reverse_path: posting.reverse_path().clone(),
            dsn: permit.dsn().clone(),
            resent_from: None,
            automatic_replies: true,
        };
        let way = Way {
            passage: Arc::new(passage),
            via: srs::relayer(snapshot, posting.origin()),
            forwarders: Vec::new(),
            within: Vec::new(),
            copied: false,
            hushed: None,
            nested_approved: false,
        };
        expansion.permit(Branch { resolution, way: Arc::new(way) });
    }
    expansion.result
}

impl<'world, T: Trail> Expansion<'world, T> {
    fn new(
        snapshot: &'world Snapshot,
        settings: &'world Settings,
        posting: &'world Posting<'world>,
        now: Timestamp,
        trail: &'world mut T,
    ) -> Self {
        Self {
            snapshot,
            settings,
            posting,
            now,
            trail,
            pending: Vec::new(),
            seen: HashMap::new(),
            place: 0,
            ring: HashSet::new(),
            outside: HashSet::new(),
            postmaster: false,
            named: HashSet::new(),
            merged: false,
            returned: Vec::new(),
            relied_on: None,
            passed: None,
            first: Vec::new(),
            direct: None,
            blocked: Vec::new(),
            reached: HashSet::new(),
            result: Vec::new(),
        }
    }

    fn permit(&mut self, first: Branch) {
        // The last of the restrictions: it holds for what the message names, and not for groups inside groups.
        match blind_copy(self.snapshot, self.posting, &first.resolution, first.path(), self.trail) {
            Ok(()) => self.follow(first),
            Err(refusal) => self.refuse(first, refusal),
        }
    }

    /// Expands to the ends. What leads nowhere, although a message was accepted for it, is not lost: the postmaster's
    /// mail goes to the server's own mailbox, and who forwards to nobody is reported.
    fn follow(&mut self, first: Branch) {
        let from = self.result.len();
        self.place += 1;
        (self.merged, self.returned, self.relied_on) = (false, Vec::new(), None);
        self.pending.push(Pending::One(first.clone()));
        while let Some(pending) = self.pending.pop() {
            match pending {
                Pending::One(branch) => self.step(branch),
                Pending::Several { members, next, way } => self.several(members, next, way),
            }
        }
        let blocked = self.blocked_altogether();
        let arrived =
            self.result.iter().skip(from).any(|end| matches!(end, Expanded::Deliver(_) | Expanded::Moderated(_)));
        if arrived || self.merged {
            return self.result.extend(blocked);
        }
        let nothing = self.result.len() == from;
        if reaches_someone(self.snapshot, first.path()) {
            self.result.truncate(from);
            return self.step(Branch { resolution: Resolution::PostmasterMailbox, ..first });
        }
        self.result.extend(blocked);
        if nothing && !self.returned.is_empty() {
            self.ring.extend(self.returned.drain(..));
            self.refuse(first, Refusal::ForwardingLoop);
        } else if nothing && let Some(group) = self.relied_on.take() {
            self.refuse(first, Refusal::RecipientNotFound(group));
        }
    }

    /// Takes the next of a list; the rest waits, so that members come out in order.
    fn several(&mut self, members: Members, next: usize, way: Arc<Way>) {
        let Some(member) = members.list().get(next).copied() else {
            return;
        };
        let resolution = self.resolve_object(member);
        self.pending.push(Pending::Several { members, next: next + 1, way: Arc::clone(&way) });
        if let Some(resolution) = resolution {
            let branch = Branch { resolution, way };
            // A group is no way around the policy on what a mailbox forwards.
            if branch.way.passage.resent_from.is_none() || self.may_leave(&branch.resolution, &branch) {
                self.step(branch);
            }
        }
    }

    fn step(&mut self, mut branch: Branch) {
        match self.judge(&branch) {
            Ok(()) => {}
            Err(Refusal::ExternalForwardingBlocked) => return self.forbid(branch),
            Err(refusal) => return self.refuse(branch, refusal),
        }
        self.be_direct(&mut branch);
        let Some(branch) = self.moderate(branch) else { return };
        match branch.resolution.clone() {
            Resolution::Group(id) => self.group(id, branch),
            Resolution::Mailbox(id) => self.mailbox(id, branch),
            Resolution::Outside { owner, address } => self.outside(owner, address, branch),
            Resolution::InternalRelay(address) => {
                let route = self.relay_route(&address);
                self.leave(address, route, branch);
            }
            Resolution::Rewritten(address) => self.report_back(address, branch),
            Resolution::Foreign(address) => self.leave(address, Route::Domain, branch),
            Resolution::PostmasterMailbox => {
                self.merged |= self.postmaster;
                if !core::mem::replace(&mut self.postmaster, true) {
                    self.deliver(Destination::PostmasterMailbox, branch);
                }
            }
            Resolution::Unknown(address) => {
                let refusal = not_found(&address);
                self.refuse(branch, refusal);
            }
        }
    }

    /// Restrictions hold at delivery as at RCPT, for members of groups and forwarding targets, too.
    fn judge(&mut self, branch: &Branch) -> Result<(), Refusal> {
        match &branch.resolution {
            // A stranger was judged at RCPT; a forwarder or group of ours may send outside.
            Resolution::Foreign(_) if branch.way.via.is_some() => Ok(()),
            Resolution::Unknown(address) => Err(not_found(address)),
            Resolution::Mailbox(_)
            | Resolution::Group(_)
            | Resolution::Outside { .. }
            | Resolution::PostmasterMailbox
            | Resolution::InternalRelay(_)
            | Resolution::Rewritten(_)
            | Resolution::Foreign(_) => {
                judge(self.snapshot, self.settings, self.posting, &branch.resolution, self.trail)
            }
        }
    }

    fn group(&mut self, id: RecipientId, branch: Branch) {
        if self.ring.contains(&id) {
            return self.refuse(branch, Refusal::ForwardingLoop);
        }
        let former = &branch.way;
        if former.within.contains(&id) && !former.forwarders.is_empty() {
            self.returned.extend(former.forwarders.iter().chain(&former.within).copied());
        }
        let Some(group) = self.snapshot.recipient(id).cloned() else {
            return;
        };
        if !former.forwarders.is_empty() {
            self.relied_on = Some(group.primary().clone());
        }
        if self.was_seen(id) {
            return;
        }
        if self.trail.asks("delivery reports to a group are deleted", self.posting.is_delivery_report()) {
            self.merged = true;
            return;
        }
        let members = self.members_of(&group);
        let count = members.list().len();
        self.trail.note("a group is expanded", true, || format!("{}: {count} members", group.primary()));
        let (passage, hushed) = self.below_group(&group, former);
        let way = Way {
            passage: Arc::new(passage),
            via: Some(self.rewriter(&group, former.via.as_ref())),
            forwarders: former.forwarders.clone(),
            within: [former.within.as_slice(), &[id]].concat(),
            copied: former.copied,
            hushed,
            nested_approved: former.nested_approved,
        };
        self.pending.push(Pending::Several { members, next: 0, way: Arc::new(way) });
    }

    /// Whether a group or mailbox was seen to before; from here on it was.
    fn was_seen(&mut self, id: RecipientId) -> bool {
        let Some(first) = self.seen.insert(id, self.place) else {
            return false;
        };
        self.merged |= first != self.place;
        true
    }

    fn members_of(&self, group: &Arc<Recipient>) -> Members {
        if group.recipient_type != RecipientType::DynamicDistributionGroup {
            return Members::Listed(Arc::clone(group));
        }
        // Evaluated when the message is expanded (spec section 5.6); without a filter nobody is meant.
        let Some(filter) = self.snapshot.filter_of(group.id) else {
            return Members::Matched(Vec::new());
        };
        // A filter means recipients: a mailbox that was deleted or lost its licence is none any more.
        let is_recipient = |other: &Recipient| of_recipient(self.settings, other, &mut Unrecorded).is_some();
        let others = self.snapshot.recipients().filter(|other| other.id != group.id && filter.matches(other));
        let mut members: Vec<_> = others.filter(|other| is_recipient(other)).map(|found| found.id).collect();
        members.sort_unstable();
        Members::Matched(members)
    }

    fn mailbox(&mut self, id: RecipientId, mut branch: Branch) {
        let Some(mailbox) = self.snapshot.recipient(id).cloned() else {
            return;
        };
        if branch.way.forwarders.contains(&id) || self.ring.contains(&id) {
            self.ring.extend(branch.way.forwarders.iter().copied());
            return self.refuse(branch, Refusal::ForwardingLoop);
        }
        if self.was_seen(id) {
            return self.reach(&branch);
        }
        let forwarding = mailbox
            .forwarding
            .as_deref()
            .and_then(|set| Some((forwarding::target(self.snapshot, self.settings, set, self.trail)?, set)));
        let keeps = forwarding.as_ref().is_none_or(|(_, set)| set.deliver_to_mailbox_and_forward);
        self.trail.note("the mailbox keeps a copy", keeps, || mailbox.primary().to_string());
        if keeps && !branch.way.copied {
            Arc::make_mut(&mut branch.way).copied = true;
        }
        self.subscribers(&mailbox, &branch);
        let Some((target, _)) = forwarding else {
            return self.deliver(Destination::Mailbox(id), branch);
        };
        if keeps {
            self.deliver(Destination::Mailbox(id), branch.clone());
        } else {
            Arc::make_mut(&mut branch.way).forwarders.push(id);
        }
        self.forward(&mailbox, target, branch);
    }

    /// A Microsoft 365 group gives its subscribers a copy of their own (spec section 5.7).
    fn subscribers(&mut self, mailbox: &Arc<Recipient>, branch: &Branch) {
        if mailbox.group.as_deref().is_none_or(|group| group.subscribers.is_empty()) {
            return;
        }
        let mut way = Way::clone(&branch.way);
        way.via = Some(self.rewriter(mailbox, branch.way.via.as_ref()));
        Arc::make_mut(&mut way.passage).automatic_replies &= passes_replies(mailbox);
        let members = Members::Subscribed(Arc::clone(mailbox));
        self.pending.push(Pending::Several { members, next: 0, way: Arc::new(way) });
    }

    fn resolve_object(&mut self, id: RecipientId) -> Option<Resolution> {
        resolve_object(self.snapshot, self.settings, id, self.trail)
    }

    /// The address that stands in a rewritten reverse-path: ours, so that reports come back here.
    fn rewriter(&self, recipient: &Recipient, former: Option<&Address>) -> Address {
        let own = recipient.addresses.smtp().find(|address| self.receives(address)).or(former);
        own.unwrap_or_else(|| recipient.primary()).clone()
    }

    /// A mail user, contact or remote mailbox. Its address may lead back to us: then it is resolved again.
    fn outside(&mut self, owner: RecipientId, address: Address, mut branch: Branch) {
        if branch.way.forwarders.contains(&owner) {
            return self.refuse(branch, Refusal::ForwardingLoop);
        }
        if let Some(owner) = self.snapshot.recipient(owner) {
            let via = self.rewriter(owner, branch.way.via.as_ref());
            // A mailbox of ours in our other system gets mail as it was sent: that is no way out (spec section 5.3).
            let others = owner.recipient_type.leads_outside();
            let leaves = self.snapshot.receiving_domain(address.domain()).is_none();
            Arc::make_mut(&mut branch.way).via = Some(via).filter(|_| others || !leaves);
        }
        let Some(domain) = self.snapshot.receiving_domain(address.domain()) else {
            return self.leave(address, Route::Domain, branch);
        };
        // A domain shared with another system: the address is the object's own here, and its mailbox is over there.
        let own = self.snapshot.find_by_address(&address).is_some_and(|holder| holder.id == owner);
        if own && domain.domain_type.is_relay() {
            let route = self.relay_route(&address);
            return self.leave(address, route, branch);
        }
        Arc::make_mut(&mut branch.way).forwarders.push(owner);
        branch.resolution = resolve(self.snapshot, self.settings, &ForwardPath::Mailbox(address), self.trail);
        self.pending.push(Pending::One(branch));
    }

    /// A report to mail that was passed on goes to its sender, as long as the rewritten address is fresh.
    fn report_back(&mut self, sender: Address, mut branch: Branch) {
        let fresh = match branch.path() {
            ForwardPath::Mailbox(address) => srs::is_current(&self.settings.srs_keys, address, self.now),
            ForwardPath::Postmaster => true,
        };
        if !fresh {
            return self.refuse(branch, Refusal::RecipientNotFound(sender));
        }
        if !self.is_ours(&sender) {
            return self.leave(sender, Route::Domain, branch);
        }
        // Rewritten addresses within rewritten ones grow shorter with each step, so this ends.
        branch.resolution = resolve(self.snapshot, self.settings, &ForwardPath::Mailbox(sender), self.trail);
        self.pending.push(Pending::One(branch));
    }

    fn is_ours(&self, address: &Address) -> bool {
        self.snapshot.accepted_domain(address.domain()).is_some()
    }

    /// Whether mail for the address comes here, and is not passed on unseen.
    fn receives(&self, address: &Address) -> bool {
        let domain = self.snapshot.receiving_domain(address.domain());
        domain.is_some_and(|domain| domain.domain_type != DomainType::ExternalRelay)
    }

    /// The way to an unknown recipient of a relay domain.
    fn relay_route(&self, address: &Address) -> Route {
        let domain = self.snapshot.accepted_domain(address.domain());
        domain.and_then(|domain| domain.next_host.clone()).map_or(Route::Domain, Route::NextHost)
    }

    fn leave(&mut self, address: Address, route: Route, mut branch: Branch) {
        if !self.outside.insert(address.key()) {
            self.reach(&branch);
            self.merged = true;
            return;
        }
        // Only what leaves under a foreign sender is rewritten, and only to an address at which reports come back here
        // (spec section 5.3).
        let given = &branch.way.passage.reverse_path;
        let foreign_sender = given.address().is_some_and(|sender| !self.is_ours(sender));
        let rewrites = foreign_sender && !self.is_ours(&address);
        if let Some(via) = branch.way.via.as_ref().filter(|via| rewrites && self.receives(via)) {
            let (keys, default) = (&self.settings.srs_keys, self.snapshot.default_domain());
            let reverse_path = srs::rewrite(keys, via, default, given, self.now);
            if reverse_path != *given {
                Arc::make_mut(&mut Arc::make_mut(&mut branch.way).passage).reverse_path = reverse_path;
            }
        }
        self.deliver(Destination::Relay { address, route }, branch);
    }

    fn deliver(&mut self, to: Destination, branch: Branch) {
        self.reach(&branch);
        let mut passage = Arc::clone(&branch.way.passage);
        let named = matches!(to, Destination::Mailbox(id) if self.named.contains(&id));
        if named && !passage.automatic_replies {
            Arc::make_mut(&mut passage).automatic_replies = true;
        }
        self.result.push(Expanded::Deliver(Delivery { to, passage }));
    }

    fn refuse(&mut self, branch: Branch, refusal: Refusal) {
        let of_object = |id: RecipientId| self.snapshot.recipient(id).map(|found| found.primary().clone());
        let address = match &branch.resolution {
            Resolution::Mailbox(id) | Resolution::Group(id) | Resolution::Outside { owner: id, .. } => of_object(*id),
            Resolution::InternalRelay(address)
            | Resolution::Rewritten(address)
            | Resolution::Foreign(address)
            | Resolution::Unknown(address) => Some(address.clone()),
            Resolution::PostmasterMailbox => None,
        };
        let given = match branch.path() {
            ForwardPath::Mailbox(address) => Some(address.clone()),
            ForwardPath::Postmaster => None,
        };
        // Without any address there is nobody to report about: only the postmaster's own mailbox is like that.
        if let Some(address) = address.or(given) {
            let passage = Arc::clone(&branch.way.passage);
            self.result.push(Expanded::Refused { address, refusal: Box::new(refusal), passage });
        }
    }
}
