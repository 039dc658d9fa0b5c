//! Every way by which mail leaves the organisation without anybody writing to an address outside: what mailboxes
//! forward, themselves or through a group, what they answer, mail users and contacts, groups with members outside,
//! remote mailboxes, and domains that are passed on.
//!
//! The list is read in pages, section by section and within each by identity, so that it can be shown of a directory of
//! any size while it is made. A page is of one snapshot; what changes between two pages shows as it is when its place
//! comes.

mod forwardings;
mod replies;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::forwarding;
use super::resolve::{Resolution, of_recipient, resolve};
use super::settings::Settings;
use super::trail::Unrecorded;
use crate::model::directory::{ExternalAudience, Lifecycle, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::{Address, ForwardPath, Timestamp};

use replies::Replies;

/// Ways of one page.
const PAGE_WAYS_MAX: usize = 500;
/// Objects that one page looks at. A dynamic group counts as the whole directory, which its filter is held against.
const PAGE_OBJECTS_MAX: usize = 50_000;
/// Members, groups and domains that are named of one way; the others are only counted.
const NAMED_MAX: usize = 5;
/// A contact that stands for another of ours, and so on: a longer chain goes round.
const CHAIN_MAX: usize = 20;

/// A kind of way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What mailboxes forward by themselves.
    #[default]
    MailboxForwarding,
    /// What mailboxes answer strangers by themselves.
    AutomaticReplies,
    /// Mail users, guests and contacts.
    MailUsersAndContacts,
    /// Groups with members outside.
    Groups,
    /// Mailboxes of the organisation in its other system, those that wait for their migration among them.
    RemoteMailboxes,
    /// Domains whose unknown recipients are passed on.
    InternalRelayDomains,
}

impl Section {
    /// Every section, in the order of the list.
    pub const ALL: [Self; 6] = [
        Self::MailboxForwarding,
        Self::AutomaticReplies,
        Self::MailUsersAndContacts,
        Self::Groups,
        Self::RemoteMailboxes,
        Self::InternalRelayDomains,
    ];

    fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|section| *section > self)
    }
}

/// A property of a mailbox that forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardingProperty {
    /// An object of the own directory.
    ForwardingAddress,
    /// Any address.
    ForwardingSmtpAddress,
}

/// Whether a way is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// Mail leaves.
    Open,
    /// The organisation's forwarding policy refuses it (`550 5.7.520`). The sender hears of that, unless it is a
    /// stranger and the mailbox keeps a copy.
    Blocked,
    /// The remote domain of the target drops it, and nobody hears of that.
    Dropped,
    /// Another property of the mailbox wins, or of the organisation, so this one means nothing.
    Ignored,
    /// The mailbox cannot be opened or is not here yet, so nothing comes to it that could be forwarded or answered.
    Asleep,
}

/// One way out. Addresses are in their text form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case")]
pub enum WayOut {
    /// A mailbox forwards.
    Forwarding {
        /// The mailbox.
        mailbox: Box<str>,
        /// By which of its properties.
        property: ForwardingProperty,
        /// The target, as it is set.
        target: Box<str>,
        /// Where that leads outside; the same as the target, unless that is a mail user or contact.
        leaves_for: Box<str>,
        /// Whether it keeps a copy.
        keeps_copy: bool,
        /// Whether mail leaves.
        passage: Passage,
    },
    /// A mailbox forwards to a group with members or subscribers outside.
    GroupForwarding {
        /// The mailbox.
        mailbox: Box<str>,
        /// By which of its properties.
        property: ForwardingProperty,
        /// The target, as it is set.
        target: Box<str>,
        /// The group where that leads to; the same as the target, unless that is a contact.
        group: Box<str>,
        /// Whether it keeps a copy.
        keeps_copy: bool,
        /// Whether mail leaves. What single remote domains drop is not looked at.
        passage: Passage,
    },
    /// A mailbox answers strangers with the text for people outside.
    AutomaticReply {
        /// The mailbox.
        mailbox: Box<str>,
        /// Whom.
        audience: ExternalAudience,
        /// The first instant, where it is scheduled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// The first instant after the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether replies leave, for any domain.
        passage: Passage,
    },
    /// A mailbox answers strangers with the text for colleagues, in domains that an administrator counts as the
    /// organisation's own (`AllowedOOFType` is `InternalLegacy`): whatever it says of strangers elsewhere.
    InternalReply {
        /// The mailbox.
        mailbox: Box<str>,
        /// The first of these domains.
        domains: Vec<Box<str>>,
        /// How many there are.
        domain_count: usize,
        /// The first instant, where it is scheduled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// The first instant after the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether replies leave.
        passage: Passage,
    },
    /// A mail user, guest or contact: all that is sent to it leaves.
    Person {
        /// Its primary address.
        recipient: Box<str>,
        /// What it is.
        #[serde(rename = "type")]
        recipient_type: RecipientType,
        /// Where mail goes.
        leaves_for: Box<str>,
    },
    /// A group with members outside.
    Group {
        /// The group.
        group: Box<str>,
        /// What it is.
        #[serde(rename = "type")]
        recipient_type: RecipientType,
        /// How many of its own members lead outside.
        members_outside: usize,
        /// The first of them, by where they lead.
        leaves_for: Vec<Box<str>>,
        /// How many of its member groups have members outside, at any depth.
        groups_outside: usize,
        /// The first of them.
        by_way_of: Vec<Box<str>>,
    },
    /// A mailbox in the organisation's other system.
    RemoteMailbox {
        /// Its primary address.
        recipient: Box<str>,
        /// What it is.
        #[serde(rename = "type")]
        recipient_type: RecipientType,
        /// Its remote routing address.
        leaves_for: Box<str>,
    },
    /// A domain whose unknown recipients are passed on.
    InternalRelay {
        /// The domain.
        domain: Box<str>,
        /// The next host; by its mail exchangers without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_host: Option<Box<str>>,
        /// Its subdomains, too.
        subdomains: bool,
    },
}

impl WayOut {
    /// Whether mail leaves by it. What is scheduled counts as if its time had come: the list has no clock.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Forwarding { passage, .. }
            | Self::GroupForwarding { passage, .. }
            | Self::AutomaticReply { passage, .. }
            | Self::InternalReply { passage, .. } => *passage == Passage::Open,
            Self::Person { .. } | Self::Group { .. } | Self::RemoteMailbox { .. } | Self::InternalRelay { .. } => true,
        }
    }

    /// The section in which it stands.
    pub const fn section(&self) -> Section {
        match self {
            Self::Forwarding { .. } | Self::GroupForwarding { .. } => Section::MailboxForwarding,
            Self::AutomaticReply { .. } | Self::InternalReply { .. } => Section::AutomaticReplies,
            Self::Person { .. } => Section::MailUsersAndContacts,
            Self::Group { .. } => Section::Groups,
            Self::RemoteMailbox { .. } => Section::RemoteMailboxes,
            Self::InternalRelay { .. } => Section::InternalRelayDomains,
        }
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// The section.
    pub section: Section,
    /// The first identity to look at.
    pub from: u64,
}

/// A part of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The ways, in order.
    pub ways: Vec<WayOut>,
    /// Where the next page begins; none after the last.
    pub next: Option<Place>,
    /// How many objects were looked at.
    pub looked_at: usize,
}

/// The part of the list that begins at `place`.
pub fn page(snapshot: &Snapshot, settings: &Settings, place: Place) -> Page {
    let mut survey = Survey { snapshot, settings, replies: Replies::of(snapshot), reaching: HashMap::new() };
    let mut page = Page::default();
    if place.section == Section::InternalRelayDomains {
        page.ways.extend(survey.relays());
        return page;
    }
    let end = snapshot.next_id().0;
    let mut id = place.from;
    while id < end && page.ways.len() < PAGE_WAYS_MAX && page.looked_at < PAGE_OBJECTS_MAX {
        page.looked_at += 1;
        // Through a deleted user nothing leaves.
        if let Some(recipient) = snapshot.recipient(RecipientId(id)).filter(|found| !found.is_user_deleted()) {
            survey.ways_of(place.section, recipient, &mut page);
        }
        id += 1;
    }
    page.next = if id < end {
        Some(Place { section: place.section, from: id })
    } else {
        place.section.next().map(|section| Place { section, from: 0 })
    };
    page
}

struct Survey<'a> {
    snapshot: &'a Snapshot,
    settings: &'a Settings,
    replies: Replies,
    /// Groups of which it is known whether anybody in them is outside.
    reaching: HashMap<RecipientId, bool>,
}

impl<'a> Survey<'a> {
    fn ways_of(&mut self, section: Section, recipient: &Recipient, page: &mut Page) {
        match section {
            Section::MailboxForwarding => {
                page.ways.extend(forwardings::of(self, recipient, &mut page.looked_at));
            }
            Section::AutomaticReplies => page.ways.extend(replies::of(self, recipient)),
            Section::MailUsersAndContacts => page.ways.extend(self.person(recipient)),
            Section::Groups => page.ways.extend(self.group(recipient, &mut page.looked_at)),
            Section::RemoteMailboxes => page.ways.extend(self.remote(recipient)),
            Section::InternalRelayDomains => {}
        }
    }

    /// Where a mail user, guest or contact leads outside, along a chain of them if need be.
    fn outside(&self, recipient: &Recipient) -> Option<Address> {
        let leads = recipient.recipient_type.leads_outside() && !recipient.is_user_deleted();
        let address = Address::clone(recipient.external_address.as_deref().filter(|_| leads)?);
        forwarding::outside(self.snapshot, self.settings, &Resolution::Outside { owner: recipient.id, address })
    }

    /// Whether nothing comes to a mailbox here.
    fn is_asleep(&self, mailbox: &Recipient) -> bool {
        !matches!(of_recipient(self.settings, mailbox, &mut Unrecorded), Some(Resolution::Mailbox(_)))
    }

    fn person(&self, recipient: &Recipient) -> Option<WayOut> {
        let address = self.outside(recipient)?;
        Some(WayOut::Person {
            recipient: text(recipient.primary()),
            recipient_type: recipient.recipient_type,
            leaves_for: text(&address),
        })
    }

    fn remote(&self, recipient: &Recipient) -> Option<WayOut> {
        let elsewhere = recipient.recipient_type.is_remote()
            || (recipient.recipient_type.is_mailbox() && recipient.lifecycle == Lifecycle::AwaitingMigration);
        let address = recipient.external_address.as_deref().filter(|_| elsewhere)?;
        Some(WayOut::RemoteMailbox {
            recipient: text(recipient.primary()),
            recipient_type: recipient.recipient_type,
            leaves_for: text(address),
        })
    }

    /// Where mail for an object ends inside: itself, or the end of a chain of contacts that stand for addresses of
    /// ours.
    fn end_of(&self, resolution: Resolution) -> Resolution {
        let mut next = resolution;
        for _ in 0..CHAIN_MAX {
            match &next {
                Resolution::Outside { address, .. } if self.snapshot.receiving_domain(address.domain()).is_some() => {
                    let path = ForwardPath::Mailbox(address.clone());
                    next = resolve(self.snapshot, self.settings, &path, &mut Unrecorded);
                }
                Resolution::Outside { .. }
                | Resolution::Mailbox(_)
                | Resolution::Group(_)
                | Resolution::PostmasterMailbox
                | Resolution::InternalRelay(_)
                | Resolution::Rewritten(_)
                | Resolution::Foreign(_)
                | Resolution::Unknown(_) => break,
            }
        }
        next
    }

    /// The group at which a resolution ends that does not lead outside; a Microsoft 365 group is one with a mailbox.
    fn group_at(&self, resolution: Resolution) -> Option<&'a Recipient> {
        let (Resolution::Group(id) | Resolution::Mailbox(id)) = self.end_of(resolution) else {
            return None;
        };
        let found = self.snapshot.recipient(id).map(|found| &**found);
        found.filter(|found| found.recipient_type.is_group())
    }

    /// The group that gets what is sent to an object, if one does.
    fn group_of(&self, recipient: &Recipient) -> Option<&'a Recipient> {
        let leads_on = recipient.recipient_type.is_group() || recipient.recipient_type.leads_outside();
        // Most members are people, and need not be resolved.
        let resolution = leads_on.then(|| of_recipient(self.settings, recipient, &mut Unrecorded)).flatten()?;
        self.group_at(resolution)
    }

    fn group(&mut self, group: &Recipient, looked_at: &mut usize) -> Option<WayOut> {
        // One that was deleted lets nothing through.
        let receives = group.recipient_type.is_group() && self.group_of(group).is_some();
        if !receives {
            return None;
        }
        let mut own = Vec::new();
        let (mut members_outside, mut groups) = (0, Vec::new());
        for member in self.members(group, looked_at) {
            if let Some(address) = self.outside(member) {
                members_outside += 1;
                if own.len() < NAMED_MAX {
                    own.push(text(&address));
                }
            } else if let Some(inner) = self.group_of(member)
                && self.reaches_outside(inner.id, looked_at)
            {
                groups.push(text(member.primary()));
            }
        }
        let groups_outside = groups.len();
        groups.truncate(NAMED_MAX);
        (members_outside + groups_outside > 0).then(|| WayOut::Group {
            group: text(group.primary()),
            recipient_type: group.recipient_type,
            members_outside,
            leaves_for: own,
            groups_outside,
            by_way_of: groups,
        })
    }

    /// Whether anybody in a group, at any depth, is outside. What was found out is kept for the rest of the page, so
    /// that groups which hold each other are not walked again and again.
    fn reaches_outside(&mut self, group: RecipientId, looked_at: &mut usize) -> bool {
        let mut seen = HashSet::from([group]);
        let mut open = vec![group];
        while let Some(next) = open.pop() {
            let found = match self.reaching.get(&next) {
                Some(known) => *known,
                None => {
                    let members = self.snapshot.recipient(next).map(|next| self.members(next, looked_at));
                    let members = members.unwrap_or_default();
                    let inner = members.iter().filter_map(|member| self.group_of(member));
                    open.extend(inner.map(|inner| inner.id).filter(|id| seen.insert(*id)));
                    members.iter().any(|member| self.outside(member).is_some())
                }
            };
            if found {
                self.reaching.insert(group, true);
                return true;
            }
        }
        // Nobody in any of them is outside, or the walk would have ended.
        self.reaching.extend(seen.into_iter().map(|id| (id, false)));
        false
    }

    /// Who gets what is sent to a group: its members, for a dynamic group those of its filter, for a Microsoft 365
    /// group its subscribers.
    fn members(&self, group: &Recipient, looked_at: &mut usize) -> Vec<&'a Recipient> {
        let Some(set) = group.group.as_deref() else {
            return Vec::new();
        };
        let listed =
            if group.recipient_type == RecipientType::GroupMailbox { &set.subscribers[..] } else { set.members() };
        *looked_at += listed.len();
        let mut members: Vec<&'a Recipient> =
            listed.iter().filter_map(|id| self.snapshot.recipient(*id)).map(|member| &**member).collect();
        if let Some(filter) = self.snapshot.filter_of(group.id) {
            *looked_at += self.snapshot.recipient_count();
            // Who is inside and no group matters to nobody here, so the filter need not be asked about them.
            let leads_on = |other: &Recipient| other.recipient_type.is_external() || other.recipient_type.is_group();
            let others = self.snapshot.recipients().map(|other| &**other);
            members.extend(others.filter(|other| other.id != group.id && leads_on(other) && filter.matches(other)));
            members.sort_unstable_by_key(|member| member.id);
        }
        members
    }

    fn relays(&self) -> impl Iterator<Item = WayOut> {
        let relays = self.snapshot.domains().filter(|domain| domain.domain_type.is_relay() && !domain.outbound_only);
        relays.map(|domain| WayOut::InternalRelay {
            domain: domain.domain.to_string().into(),
            next_host: domain.next_host.clone(),
            subdomains: domain.match_subdomains,
        })
    }
}

fn text(address: &Address) -> Box<str> {
    address.to_string().into()
}
