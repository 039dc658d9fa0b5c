//! From permitted recipients to deliveries (decision D4): groups to members, mailboxes along their forwarding,
//! contacts to the outside. Every destination once, and an end for every graph, however it loops.
//!
//! Two kinds of loop are told apart (spec section 5.5, stage 7). A *harmless* one has a mailbox that keeps a copy, or
//! groups that contain each other: what was visited is not visited again. A *broken* one only forwards: nobody would
//! ever get the message, so it is refused with a report.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::admit::{Permit, judge};
use super::envelope::{DsnRequest, Notify, Origin};
use super::refusal::Refusal;
use super::resolve::{Resolution, resolve};
use super::settings::Settings;
use super::srs;
use super::trail::Trail;
use crate::model::directory::filter::Filter;
use crate::model::directory::{Forwarding, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::{Address, AddressKey, ForwardPath, ReversePath, Timestamp};

/// How mail to another system finds its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Route {
    /// By the address's domain: its mail exchangers, or the configured smart host.
    Domain,
    /// The next host of an internal relay domain, `host` or `host:port`.
    NextHost(Box<str>),
}

/// Where one copy of a message ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A local mailbox.
    Mailbox(RecipientId),
    /// The server's own postmaster mailbox.
    PostmasterMailbox,
    /// Another system.
    Relay {
        /// The recipient there.
        address: Address,
        /// The way there.
        route: Route,
    },
}

/// One copy to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it goes.
    pub to: Destination,
    /// The permitted path that led here, as the client gave it.
    pub path: ForwardPath,
    /// The reverse-path of this copy: rewritten for mail that is passed on, replaced by a group's rule.
    pub reverse_path: ReversePath,
    /// When to report, and about whom.
    pub dsn: DsnRequest,
    /// The mailbox that forwarded it, for `Resent-From`.
    pub resent_from: Option<Address>,
}

/// What became of one branch of the expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// A copy to deliver.
    Deliver(Delivery),
    /// A branch that ends in a report.
    Refused {
        /// The permitted path that led here.
        path: ForwardPath,
        /// The address at which it ended.
        address: Address,
        /// Why.
        refusal: Refusal,
        /// Who hears of it.
        reverse_path: ReversePath,
        /// The DSN parameters of the branch.
        dsn: DsnRequest,
    },
}

/// A node that waits to be expanded, with what it inherits from the way to it.
#[derive(Clone)]
struct Branch {
    resolution: Resolution,
    path: ForwardPath,
    reverse_path: ReversePath,
    dsn: DsnRequest,
    resent_from: Option<Address>,
    /// The object of ours that passes the message on, by whose address an outside copy is rewritten.
    via: Option<Address>,
    /// Mailboxes and contacts that passed the message on without keeping a copy, on the way here.
    forwarders: Vec<RecipientId>,
}

struct Expansion<'world, T: Trail> {
    snapshot: &'world Snapshot,
    settings: &'world Settings,
    origin: Origin,
    message_bytes: u64,
    now: Timestamp,
    trail: &'world mut T,
    pending: Vec<Branch>,
    groups: HashSet<RecipientId>,
    mailboxes: HashSet<RecipientId>,
    /// Mailboxes on a ring that only forwards: each path into the ring is refused, not only the first.
    ring: HashSet<RecipientId>,
    outside: HashSet<AddressKey>,
    postmaster: bool,
    result: Vec<Expanded>,
}

/// Expands the permitted recipients of one message of `message_bytes`. Each local mailbox and each outside address
/// appears once.
#[expect(clippy::too_many_arguments, reason = "each is a fact of its own; a struct would only rename them")]
pub fn expand(
    snapshot: &Snapshot,
    settings: &Settings,
    origin: Origin,
    reverse_path: &ReversePath,
    permits: &[Permit],
    message_bytes: u64,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Vec<Expanded> {
    let mut expansion = Expansion {
        snapshot,
        settings,
        origin,
        message_bytes,
        now,
        trail,
        pending: Vec::new(),
        groups: HashSet::new(),
        mailboxes: HashSet::new(),
        ring: HashSet::new(),
        outside: HashSet::new(),
        postmaster: false,
        result: Vec::with_capacity(permits.len()),
    };
    for permit in permits {
        // Resolved again: the directory may have changed since RCPT.
        let resolution = resolve(snapshot, settings, permit.path(), expansion.trail);
        expansion.pending.push(Branch {
            resolution,
            path: permit.path().clone(),
            reverse_path: reverse_path.clone(),
            dsn: permit.dsn().clone(),
            resent_from: None,
            via: None,
            forwarders: Vec::new(),
        });
        while let Some(branch) = expansion.pending.pop() {
            expansion.step(branch);
        }
    }
    expansion.result
}

impl<T: Trail> Expansion<'_, T> {
    fn step(&mut self, branch: Branch) {
        if let Err(refusal) = self.judge(&branch) {
            return self.refuse(branch, refusal);
        }
        match branch.resolution.clone() {
            Resolution::Group(id) => self.group(id, branch),
            Resolution::Mailbox(id) => self.mailbox(id, branch),
            Resolution::Outside { owner, address } => self.outside(owner, address, branch),
            Resolution::InternalRelay(address) => {
                let domain = self.snapshot.accepted_domain(address.domain());
                let next = domain.and_then(|domain| domain.next_host.clone());
                self.leave(address, next.map_or(Route::Domain, Route::NextHost), branch);
            }
            Resolution::Rewritten(address) => self.report_back(address, branch),
            Resolution::Foreign(address) => self.leave(address, Route::Domain, branch),
            Resolution::PostmasterMailbox => {
                if !core::mem::replace(&mut self.postmaster, true) {
                    self.deliver(Destination::PostmasterMailbox, branch);
                }
            }
            Resolution::Unknown(address) => {
                let refusal = Refusal::RecipientNotFound(address);
                self.refuse(branch, refusal);
            }
        }
    }

    /// Restrictions hold at delivery as at RCPT, for members of groups and forwarding targets, too.
    fn judge(&mut self, branch: &Branch) -> Result<(), Refusal> {
        match &branch.resolution {
            // A stranger was judged at RCPT; a forwarder or group of ours may send outside.
            Resolution::Foreign(_) if branch.via.is_some() => Ok(()),
            Resolution::Unknown(address) => Err(Refusal::RecipientNotFound(address.clone())),
            Resolution::Mailbox(_)
            | Resolution::Group(_)
            | Resolution::Outside { .. }
            | Resolution::PostmasterMailbox
            | Resolution::InternalRelay(_)
            | Resolution::Rewritten(_)
            | Resolution::Foreign(_) => {
                judge(self.snapshot, self.settings, self.origin, &branch.resolution, self.message_bytes, self.trail)
            }
        }
    }

    fn group(&mut self, id: RecipientId, branch: Branch) {
        if !self.groups.insert(id) {
            return;
        }
        let Some(group) = self.snapshot.recipient(id).cloned() else {
            return;
        };
        let (reverse_path, dsn) = self.report_rules(&group, &branch);
        let members = self.members_of(&group);
        self.trail.note("a group is expanded", true, || format!("{}: {} members", group.primary(), members.len()));
        let via = Some(self.rewriter(&group, branch.via.as_ref()));
        // Reversed, because branches are taken from the end: members come out in order.
        for member in members.into_iter().rev() {
            if let Some(resolution) = self.resolve_object(member) {
                self.pending.push(Branch {
                    resolution,
                    path: branch.path.clone(),
                    reverse_path: reverse_path.clone(),
                    dsn: dsn.clone(),
                    resent_from: branch.resent_from.clone(),
                    via: via.clone(),
                    forwarders: branch.forwarders.clone(),
                });
            }
        }
    }

    fn members_of(&self, group: &Recipient) -> Vec<RecipientId> {
        if group.recipient_type != RecipientType::DynamicDistributionGroup {
            return group.group.as_deref().map(|set| set.members().to_vec()).unwrap_or_default();
        }
        // Evaluated when the message is expanded (spec section 5.6); without a filter nobody is meant.
        let filter = group.group.as_deref().and_then(|set| set.recipient_filter.as_deref());
        let Some(Ok(filter)) = filter.map(Filter::parse) else {
            return Vec::new();
        };
        let others = self.snapshot.recipients().filter(|recipient| recipient.id != group.id);
        let mut members: Vec<_> = others.filter(|other| filter.matches(other)).map(|found| found.id).collect();
        members.sort_unstable();
        members
    }

    /// Who hears of failures below a group (spec section 5.6): the sender, the first owner, or nobody.
    fn report_rules(&self, group: &Recipient, branch: &Branch) -> (ReversePath, DsnRequest) {
        let inherited = (branch.reverse_path.clone(), branch.dsn.clone());
        let Some(rules) = group.group.as_deref() else {
            return inherited;
        };
        let owner = rules.managed_by.first().and_then(|owner| self.snapshot.recipient(*owner));
        match (rules.report_to_originator, owner) {
            (true, _) => inherited,
            (false, Some(owner)) if rules.report_to_manager && branch.reverse_path != ReversePath::Null => {
                (ReversePath::Mailbox(owner.primary().clone()), inherited.1)
            }
            (false, _) => {
                (inherited.0, DsnRequest { notify: Notify::Never, original_recipient: inherited.1.original_recipient })
            }
        }
    }

    fn mailbox(&mut self, id: RecipientId, mut branch: Branch) {
        let Some(mailbox) = self.snapshot.recipient(id).cloned() else {
            return;
        };
        if branch.forwarders.contains(&id) || self.ring.contains(&id) {
            self.ring.extend(branch.forwarders.iter().copied());
            return self.refuse(branch, Refusal::ForwardingLoop);
        }
        if !self.mailboxes.insert(id) {
            return;
        }
        let forwarding = mailbox.forwarding.as_deref().and_then(|set| Some((self.target(set)?, set)));
        let keeps = forwarding.as_ref().is_none_or(|(_, set)| set.deliver_to_mailbox_and_forward);
        self.trail.note("the mailbox keeps a copy", keeps, || mailbox.primary().to_string());
        self.subscribers(&mailbox, &branch);
        let Some((target, _)) = forwarding else {
            return self.deliver(Destination::Mailbox(id), branch);
        };
        if keeps {
            self.deliver(Destination::Mailbox(id), branch.clone());
        } else {
            branch.forwarders.push(id);
        }
        self.forward(&mailbox, target, branch);
    }

    /// A Microsoft 365 group gives its subscribers a copy of their own (spec section 5.7).
    fn subscribers(&mut self, mailbox: &Recipient, branch: &Branch) {
        let Some(group) = mailbox.group.as_deref() else {
            return;
        };
        for subscriber in group.subscribers.iter().rev() {
            if let Some(resolution) = self.resolve_object(*subscriber) {
                let via = Some(self.rewriter(mailbox, branch.via.as_ref()));
                self.pending.push(Branch { resolution, via, ..branch.clone() });
            }
        }
    }

    /// The forwarding target, the directory's before the SMTP one (spec section 5.1).
    fn target(&mut self, forwarding: &Forwarding) -> Option<Resolution> {
        if let Some(id) = forwarding.forwarding_address {
            return self.resolve_object(id);
        }
        let path = ForwardPath::Mailbox(forwarding.forwarding_smtp_address.clone()?);
        Some(resolve(self.snapshot, self.settings, &path, self.trail))
    }

    fn forward(&mut self, mailbox: &Recipient, target: Resolution, branch: Branch) {
        let outside = if let Resolution::Foreign(address) = &target { Some(address) } else { None };
        let forbidden = outside.is_some() && !self.snapshot.organisation().auto_forwarding_enabled;
        self.trail.note("forwarding leaves the organisation, which forbids it", forbidden, || {
            outside.map_or_else(|| "the target is inside".to_owned(), ToString::to_string)
        });
        if forbidden {
            return self.refuse(branch, Refusal::ExternalForwardingBlocked);
        }
        let via = Some(self.rewriter(mailbox, branch.via.as_ref()));
        self.pending.push(Branch { resolution: target, resent_from: Some(mailbox.primary().clone()), via, ..branch });
    }

    /// Resolves an object by its identity, through its primary address, so that its state counts.
    fn resolve_object(&mut self, id: RecipientId) -> Option<Resolution> {
        let recipient = self.snapshot.recipient(id)?;
        let path = ForwardPath::Mailbox(recipient.primary().clone());
        Some(resolve(self.snapshot, self.settings, &path, self.trail))
    }

    /// The address that stands in a rewritten reverse-path: ours, so that reports come back here.
    fn rewriter(&self, recipient: &Recipient, former: Option<&Address>) -> Address {
        let accepted = |address: &&Address| self.snapshot.accepted_domain(address.domain()).is_some();
        let own = recipient.addresses.smtp().find(accepted).or(former);
        own.unwrap_or_else(|| recipient.primary()).clone()
    }

    /// A mail user, contact or remote mailbox. Its address may lead back to us: then it is resolved again.
    fn outside(&mut self, owner: RecipientId, address: Address, mut branch: Branch) {
        if branch.forwarders.contains(&owner) {
            return self.refuse(branch, Refusal::ForwardingLoop);
        }
        if let Some(owner) = self.snapshot.recipient(owner) {
            branch.via = Some(self.rewriter(owner, branch.via.as_ref()));
        }
        if self.snapshot.accepted_domain(address.domain()).is_none() {
            return self.leave(address, Route::Domain, branch);
        }
        branch.forwarders.push(owner);
        branch.resolution = resolve(self.snapshot, self.settings, &ForwardPath::Mailbox(address), self.trail);
        self.pending.push(branch);
    }

    /// A report to mail that was passed on goes to its sender, as long as the rewritten address is fresh.
    fn report_back(&mut self, sender: Address, branch: Branch) {
        let fresh = match &branch.path {
            ForwardPath::Mailbox(address) => srs::is_current(address, self.now),
            ForwardPath::Postmaster => true,
        };
        if fresh {
            return self.leave(sender, Route::Domain, branch);
        }
        self.refuse(branch, Refusal::RecipientNotFound(sender));
    }

    fn leave(&mut self, address: Address, route: Route, mut branch: Branch) {
        if !self.outside.insert(address.key()) {
            return;
        }
        if let Some(via) = &branch.via {
            branch.reverse_path = srs::rewrite(&self.settings.srs_keys, via, &branch.reverse_path, self.now);
        }
        self.deliver(Destination::Relay { address, route }, branch);
    }

    fn deliver(&mut self, to: Destination, branch: Branch) {
        self.result.push(Expanded::Deliver(Delivery {
            to,
            path: branch.path,
            reverse_path: branch.reverse_path,
            dsn: branch.dsn,
            resent_from: branch.resent_from,
        }));
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
        let given = match &branch.path {
            ForwardPath::Mailbox(address) => Some(address.clone()),
            ForwardPath::Postmaster => None,
        };
        // Without any address there is nobody to report about: only the postmaster's own mailbox is like that.
        if let Some(address) = address.or(given) {
            self.result.push(Expanded::Refused {
                path: branch.path,
                address,
                refusal,
                reverse_path: branch.reverse_path,
                dsn: branch.dsn,
            });
        }
    }
}
