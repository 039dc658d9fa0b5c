//! Every way by which mail leaves the organisation without anybody writing to an address outside: what mailboxes
//! forward, mail users and contacts, groups with members outside, remote mailboxes, and domains that are passed on.
//!
//! The list is read in pages, section by section and within each by identity, so that it can be shown of a directory of
//! any size while it is made. A page is of one snapshot; what changes between two pages shows as it is when its place
//! comes.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::forwarding::{self, Exit};
use super::resolve::{Resolution, of_recipient};
use super::settings::Settings;
use super::trail::Unrecorded;
use crate::model::directory::filter::Filter;
use crate::model::directory::{Forwarding, Lifecycle, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::Address;

/// Ways of one page.
const PAGE_WAYS_MAX: usize = 500;
/// Objects that one page looks at. A dynamic group counts as the whole directory, which its filter is held against.
const PAGE_OBJECTS_MAX: usize = 50_000;
/// Members and groups that are named of one group; the others are only counted.
const NAMED_MAX: usize = 5;

/// A kind of way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What mailboxes forward by themselves.
    #[default]
    MailboxForwarding,
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
    pub const ALL: [Self; 5] = [
        Self::MailboxForwarding,
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
    /// The organisation's forwarding policy refuses it, and the sender hears of that (`550 5.7.520`).
    Blocked,
    /// The remote domain of the target drops it, and nobody hears of that.
    Dropped,
    /// Another property of the mailbox wins, so this one is kept for nothing.
    Ignored,
    /// The mailbox cannot be opened, so nothing comes to it that could be forwarded.
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
    /// Whether mail leaves by it now.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Forwarding { passage, .. } => *passage == Passage::Open,
            Self::Person { .. } | Self::Group { .. } | Self::RemoteMailbox { .. } | Self::InternalRelay { .. } => true,
        }
    }

    /// The section in which it stands.
    pub const fn section(&self) -> Section {
        match self {
            Self::Forwarding { .. } => Section::MailboxForwarding,
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
    let mut survey = Survey { snapshot, settings, reaching: HashMap::new() };
    let mut page = Page::default();
    if place.section == Section::InternalRelayDomains {
        page.ways.extend(survey.relays());
        return page;
    }
    let end = snapshot.next_id().0;
    let mut id = place.from;
    while id < end && page.ways.len() < PAGE_WAYS_MAX && page.looked_at < PAGE_OBJECTS_MAX {
        page.looked_at += 1;
        if let Some(recipient) = snapshot.recipient(RecipientId(id)) {
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
    /// Groups of which it is known whether anybody in them is outside.
    reaching: HashMap<RecipientId, bool>,
}

impl<'a> Survey<'a> {
    fn ways_of(&mut self, section: Section, recipient: &Recipient, page: &mut Page) {
        match section {
            Section::MailboxForwarding => page.ways.extend(self.forwardings(recipient)),
            Section::MailUsersAndContacts => page.ways.extend(self.person(recipient)),
            Section::Groups => page.ways.extend(self.group(recipient, &mut page.looked_at)),
            Section::RemoteMailboxes => page.ways.extend(self.remote(recipient)),
            Section::InternalRelayDomains => {}
        }
    }

    fn forwardings(&self, mailbox: &Recipient) -> Vec<WayOut> {
        let Some(set) = mailbox.forwarding.as_deref() else {
            return Vec::new();
        };
        let asleep = of_recipient(self.settings, mailbox, &mut Unrecorded).is_none();
        let one = |only: Forwarding, target: Box<str>, property: ForwardingProperty, wins: bool| {
            let resolution = forwarding::target(self.snapshot, self.settings, &only, &mut Unrecorded)?;
            let (address, passage) = match forwarding::exit(self.snapshot, self.settings, &resolution, &mut Unrecorded)
            {
                Exit::Inside => return None,
                Exit::Permitted(address) => (address, Passage::Open),
                Exit::Forbidden(address) => (address, Passage::Blocked),
                Exit::Suppressed(address) => (address, Passage::Dropped),
            };
            let passage = match (wins, asleep) {
                (false, _) => Passage::Ignored,
                (true, true) => Passage::Asleep,
                (true, false) => passage,
            };
            Some(WayOut::Forwarding {
                mailbox: text(mailbox.primary()),
                property,
                target,
                leaves_for: text(&address),
                keeps_copy: set.deliver_to_mailbox_and_forward,
                passage,
            })
        };
        let object = set.forwarding_address.and_then(|id| {
            let target = text(self.snapshot.recipient(id)?.primary());
            let only = Forwarding { forwarding_address: Some(id), ..Forwarding::default() };
            one(only, target, ForwardingProperty::ForwardingAddress, true)
        });
        let smtp = set.forwarding_smtp_address.as_ref().and_then(|address| {
            let only = Forwarding { forwarding_smtp_address: Some(address.clone()), ..Forwarding::default() };
            let wins = set.forwarding_address.is_none();
            one(only, text(address), ForwardingProperty::ForwardingSmtpAddress, wins)
        });
        object.into_iter().chain(smtp).collect()
    }

    /// Where a mail user, guest or contact leads outside, along a chain of them if need be.
    fn outside(&self, recipient: &Recipient) -> Option<Address> {
        let external = recipient.recipient_type.is_external() && !recipient.recipient_type.is_remote();
        let address = Address::clone(recipient.external_address.as_deref().filter(|_| external)?);
        forwarding::outside(self.snapshot, self.settings, &Resolution::Outside { owner: recipient.id, address })
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

    fn group(&mut self, group: &Recipient, looked_at: &mut usize) -> Option<WayOut> {
        if !group.recipient_type.is_group() {
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
            } else if member.recipient_type.is_distribution() && self.reaches_outside(member.id, looked_at) {
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
                    let inner = members.iter().filter(|member| member.recipient_type.is_distribution());
                    open.extend(inner.map(|member| member.id).filter(|id| seen.insert(*id)));
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
        if let Some(Ok(filter)) = set.recipient_filter.as_deref().map(Filter::parse) {
            *looked_at += self.snapshot.recipient_count();
            // Who is inside and no group matters to nobody here, so the filter need not be asked about them.
            let leads_on =
                |other: &Recipient| other.recipient_type.is_external() || other.recipient_type.is_distribution();
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
