//! Where the copies of a message end: spec sections 5.1 to 5.7 and decision D4, walked as a person would walk them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::plain::{NEXT_HOST, Thing, World};
use super::super::table::Table;
use super::admission::{Post, is_among, is_blind_copy, members, restricted, sends_too_much};
use super::{From, Place, find, has_open_mailbox, is_ours, is_postmaster, leads_to, yes_no};

/// The forwarding table of spec section 5.1, and the policy of section 5.2 in its last columns.
static FORWARDING: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "object | smtp | keep | answer
         no     | no   | *    | mailbox
         yes    | *    | no   | object
         yes    | *    | yes  | mailbox and object
         no     | yes  | no   | smtp
         no     | yes  | yes  | mailbox and smtp",
    )
});

/// What one branch of the walk carries along.
#[derive(Clone)]
struct Branch {
    /// The objects that led here, nearest last, and whether each kept a copy.
    chain: Vec<(&'static str, bool)>,
    /// The mailbox that forwarded last.
    resent_from: &'static str,
    /// Who hears of failures: `the sender`, `nobody` or an object.
    hears: &'static str,
    /// Decision D9: a stranger hears nothing of it.
    hushed: bool,
    /// A moderator's approval holds for the groups below.
    approved: bool,
    /// It is the postmaster's mail, which reaches someone at once (decision D4).
    postmaster: bool,
}

impl Branch {
    fn first(address: &str) -> Self {
        let postmaster = is_postmaster(address);
        Self { chain: Vec::new(), resent_from: "", hears: "the sender", hushed: false, approved: false, postmaster }
    }
}

/// Where the copies of a message end, one line for each end.
pub(in super::super) fn ends(world: &World, post: &Post<'_>, to: &[String]) -> BTreeSet<String> {
    walked(world, post, to).found
}

/// What follows when the moderators of each recipient that waits approve, one set of ends for each, in order of name.
pub(in super::super) fn approved(world: &World, post: &Post<'_>, to: &[String]) -> Vec<BTreeSet<String>> {
    let mut first = walked(world, post, to);
    first.waiting.sort_by_key(|(name, _)| *name);
    let on = |(name, branch): &(&'static str, Branch)| {
        let mut walk = Walk::new(world, post);
        // Nobody gets a second copy, and nobody is asked twice.
        walk.reached = first.reached.clone();
        walk.reached.remove(&format!("moderated {name}"));
        walk.passed = name;
        world.thing(name).into_iter().for_each(|thing| walk.thing(thing, branch));
        walk.tell_of_what_reached_nobody();
        walk.found
    };
    first.waiting.iter().map(on).collect()
}

fn walked<'a>(world: &'a World, post: &'a Post<'a>, to: &[String]) -> Walk<'a> {
    let mut walk = Walk::new(world, post);
    to.iter().for_each(|address| walk.go_directly(address));
    for address in to {
        let first = Branch::first(address);
        let before = walk.found.clone();
        match find(world, address) {
            Place::Mailbox(thing) | Place::Group(thing) if is_blind_copy(post, thing) => {
                walk.refuse("GroupInBcc", &thing.address(), &first);
            }
            _ => walk.address(address, &first),
        }
        walk.tell_of_what_reached_nobody();
        let new: Vec<&String> = walk.found.difference(&before).collect();
        // Decision D4: the postmaster always reaches someone, also when its holder takes no mail or is an empty group.
        let (nothing, refused) = (new.is_empty(), new.iter().all(|end| end.contains(" at ")));
        if is_postmaster(address) && refused {
            walk.found = before;
            walk.deliver("postmaster mailbox".to_owned(), &first);
        } else if nothing && walk.went_round {
            walk.refuse("ForwardingLoop", address, &first);
        }
    }
    walk
}

struct Walk<'a> {
    world: &'a World,
    post: &'a Post<'a>,
    /// Whose moderators have just approved; empty for nobody.
    passed: &'a str,
    /// Somebody forwards, keeping nothing, into a group that the message came from.
    went_round: bool,
    reached: BTreeSet<String>,
    waiting: Vec<(&'static str, Branch)>,
    /// Everybody that the message is for without any forwarding.
    direct: BTreeSet<&'static str>,
    /// Who passes on without keeping, through others, what the policy stops.
    blocked: Vec<(&'static str, Branch)>,
    /// Who passes on without keeping, and somebody has it.
    arrived: BTreeSet<&'static str>,
    found: BTreeSet<String>,
}

/// Spec section 5.5, row 5 and section 5.6. What a moderator sends counts as approved by one: Exchange's documentation
/// speaks of the approval only, and it would be odd to ask the person again who gave it.
static MODERATION: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "enabled | exempt | passed | above | kind  | moderates | owns | bypasses | answer
         no      | *      | *      | *     | *     | *         | *    | *        | passes
         yes     | yes    | *      | *     | *     | *         | *    | *        | passes
         yes     | no     | yes    | *     | *     | *         | *    | *        | approved
         yes     | no     | no     | yes   | group | *         | *    | *        | passes
         yes     | no     | no     | *     | *     | yes       | *    | *        | approved
         yes     | no     | no     | *     | *     | no        | yes  | *        | passes
         yes     | no     | no     | *     | *     | no        | no   | yes      | passes
         yes     | no     | no     | *     | *     | no        | no   | no       | waits",
    )
});

static NOTIFICATIONS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "setting  | sender   | answer
         Always   | *        | told of a refusal
         Internal | stranger | not told
         Internal | *        | told of a refusal
         Never    | *        | not told",
    )
});

impl<'a> Walk<'a> {
    fn new(world: &'a World, post: &'a Post<'a>) -> Self {
        let (reached, found) = (BTreeSet::new(), BTreeSet::new());
        let (direct, arrived) = (BTreeSet::new(), BTreeSet::new());
        let (waiting, blocked) = (Vec::new(), Vec::new());
        Self { world, post, passed: "", went_round: false, reached, waiting, direct, blocked, arrived, found }
    }

    /// Notes whom a message is for, as its sender would see it.
    fn go_directly(&mut self, address: &str) {
        let (Place::Mailbox(thing) | Place::Group(thing) | Place::Outside(thing)) = find(self.world, address) else {
            return;
        };
        self.note_directly(thing);
    }

    fn note_directly(&mut self, thing: &Thing) {
        if !self.direct.insert(thing.name) {
            return;
        }
        match leads_to(self.world, thing) {
            Place::Outside(_) => self.go_directly(thing.outside),
            Place::Group(_) => {
                let below = members(self.world, thing);
                below.iter().filter_map(|name| self.world.thing(name)).for_each(|thing| self.note_directly(thing));
            }
            _ => {
                let below = thing.subscribers.iter().filter_map(|name| self.world.thing(name));
                below.for_each(|thing| self.note_directly(thing));
            }
        }
    }

    fn address(&mut self, address: &str, branch: &Branch) {
        match find(self.world, address) {
            Place::Unknown => self.refuse("RecipientNotFound", address, branch),
            Place::Postmaster => self.deliver("postmaster mailbox".to_owned(), branch),
            Place::NextHost | Place::Foreign
                if branch.chain.is_empty() && sends_too_much(self.world, self.post).is_some() =>
            {
                self.refuse(sends_too_much(self.world, self.post).unwrap_or_default(), address, branch);
            }
            Place::NextHost => self.deliver(format!("relay {address} by {NEXT_HOST}"), branch),
            Place::Foreign => self.relay(address, branch),
            Place::Mailbox(thing) | Place::Group(thing) | Place::Outside(thing) => self.thing(thing, branch),
        }
    }

    fn thing(&mut self, thing: &Thing, branch: &Branch) {
        if let Some(place) = branch.chain.iter().position(|(name, _)| *name == thing.name) {
            // Spec section 5.5, row 7: a ring that comes back to somebody who passes everything on, past nobody who keeps a
            // copy, is broken; groups that contain each other are harmless.
            let is_group = leads_to(self.world, thing) == Place::Group(thing);
            self.went_round |= is_group && !branch.resent_from.is_empty();
            if !is_group && !branch.chain[place..].iter().any(|(_, keeps)| *keeps) {
                self.refuse("ForwardingLoop", &thing.address(), branch);
            }
            return;
        }
        if let Some(refusal) = restricted(self.world, self.post, thing) {
            return self.refuse(refusal, &thing.address(), branch);
        }
        let Some(approved) = self.moderated(thing, branch) else { return };
        let hushed = branch.hushed && !self.direct.contains(thing.name);
        let branch = &Branch { approved, hushed, ..branch.clone() };
        match leads_to(self.world, thing) {
            Place::Mailbox(_) => self.mailbox(thing, branch),
            Place::Group(_) => self.group(thing, branch),
            Place::Outside(_) => {
                let mut next = branch.clone();
                next.chain.push((thing.name, false));
                if is_ours(thing.outside) {
                    self.address(thing.outside, &next)
                } else {
                    self.relay(thing.outside, &next)
                }
            }
            Place::Postmaster | Place::NextHost | Place::Foreign | Place::Unknown => {
                self.refuse("RecipientNotFound", &thing.address(), branch);
            }
        }
    }

    /// Whether moderators have approved the groups below; `None` when the message waits here.
    fn moderated(&mut self, thing: &Thing, branch: &Branch) -> Option<bool> {
        let known = leads_to(self.world, thing) != Place::Unknown;
        let inside = matches!(self.post.from, From::Account(_));
        let moderators = if thing.moderators.is_empty() { &thing.owners } else { &thing.moderators };
        let among = |list: &[&'static str]| is_among(self.world, self.post, list, true);
        let is_group = thing.kind.contains("Group") || thing.kind == "RoomList";
        let answer = MODERATION.answer(&[
            ("enabled", yes_no(known && thing.moderated)),
            ("exempt", yes_no(self.post.is_exempt() || branch.postmaster)),
            ("passed", yes_no(self.passed == thing.name)),
            ("above", yes_no(branch.approved)),
            ("kind", if is_group { "group" } else { "other" }),
            ("moderates", yes_no(inside && among(moderators))),
            ("owns", yes_no(inside && among(&thing.owners))),
            ("bypasses", yes_no(among(&thing.bypass))),
        ]);
        match answer {
            "passes" => return Some(branch.approved),
            "approved" => return Some(branch.approved || thing.bypass_nested),
            _ => {}
        }
        self.arrived.extend(self.passes_on(branch));
        if self.reached.insert(format!("moderated {}", thing.name)) {
            let who = if moderators.is_empty() { "the postmaster".to_owned() } else { moderators.join(" or ") };
            let sender = if inside { "account" } else { "stranger" };
            let told = NOTIFICATIONS.answer(&[("setting", thing.notifications), ("sender", sender)]);
            let end = format!("waits for {who}: {}, sender {told}{}", thing.address(), self.told(branch));
            self.found.insert(end);
            self.waiting.push((thing.name, branch.clone()));
        }
        None
    }

    fn mailbox(&mut self, thing: &Thing, branch: &Branch) {
        let row = forwarding_row(thing);
        if row.contains("mailbox") {
            self.deliver(format!("mailbox {}", thing.name), branch);
        }
        let mut next = branch.clone();
        next.chain.push((thing.name, row.contains("mailbox")));
        next.resent_from = thing.name;
        next = self.heard(&next);
        if row.ends_with("object") || row.ends_with("smtp") {
            let target = forwarding_target(self.world, thing);
            let outside = leaves(self.world, &target);
            let dropped = outside.as_ref().filter(|address| !remote_domain_takes(self.world, address));
            if outside.is_some() && !self.world.forwards_outside {
                let next = self.block(&next, !branch.resent_from.is_empty());
                self.refuse("ExternalForwardingBlocked", &thing.address(), &next);
            } else if let Some(address) = dropped {
                self.found.insert(format!("AutoForward dropped at {address}"));
            } else if row.ends_with("object") {
                let object = self.world.thing(thing.forward_object);
                object.into_iter().for_each(|object| self.thing(object, &next));
            } else {
                self.address(&target, &next);
            }
        }
        // Spec section 5.7: a Microsoft 365 group keeps the message, and its subscribers get copies.
        if thing.kind == "GroupMailbox" {
            self.members(thing, &thing.subscribers.clone(), row.contains("mailbox"), branch);
        }
    }

    fn group(&mut self, group: &Thing, branch: &Branch) {
        self.members(group, &members(self.world, group), false, branch);
    }

    fn members(&mut self, group: &Thing, members: &[&'static str], keeps: bool, branch: &Branch) {
        let mut next = branch.clone();
        next.chain.push((group.name, keeps));
        // Spec section 5.6: failures of members go to the sender, to the first owner, or to nobody. A Microsoft 365 group
        // has no such settings (section 5.7).
        next.hears = match group.reports {
            _ if group.kind == "GroupMailbox" => branch.hears,
            "manager" => group.owners.first().copied().unwrap_or("nobody"),
            "nobody" => "nobody",
            _ => branch.hears,
        };
        for member in members.iter().filter_map(|name| self.world.thing(name)) {
            // A filter finds only what can get mail.
            let findable = leads_to(self.world, member) != Place::Unknown;
            if !group.filter_kind.is_empty() && !findable {
                continue;
            }
            // Spec section 5.2 is about what a mailbox forwards, whatever stands between it and the outside.
            let outside = leaves(self.world, &member.address()).filter(|_| !branch.resent_from.is_empty());
            match outside {
                Some(_) if !self.world.forwards_outside => {
                    let next = self.block(&next, true);
                    self.refuse("ExternalForwardingBlocked", &member.address(), &next);
                }
                Some(address) if !remote_domain_takes(self.world, &address) => {
                    self.found.insert(format!("AutoForward dropped at {address}"));
                }
                _ => self.thing(member, &next),
            }
        }
    }

    /// Decision D9: a stranger hears nothing of what became of copies, when what was written to a mailbox is in it.
    fn heard(&self, branch: &Branch) -> Branch {
        let arrived = branch.chain.iter().any(|(_, keeps)| *keeps);
        let hushed = branch.hushed || (arrived && self.is_told_a_stranger(branch));
        Branch { hushed, ..branch.clone() }
    }

    fn is_told_a_stranger(&self, branch: &Branch) -> bool {
        branch.hears == "the sender" && matches!(self.post.from, From::Stranger)
    }

    /// The first who passes the message on without keeping it.
    fn passes_on(&self, branch: &Branch) -> Option<&'static str> {
        let is_group = |name: &str| {
            self.world.thing(name).is_some_and(|thing| matches!(leads_to(self.world, thing), Place::Group(_)))
        };
        branch.chain.iter().find(|(name, keeps)| !keeps && !is_group(name)).map(|(name, _)| *name)
    }

    /// Decision D9: of what is stopped behind somebody who passes it on, a stranger hears once, and only if nobody has
    /// it.
    fn block(&mut self, branch: &Branch, behind: bool) -> Branch {
        if !behind || branch.hushed || !self.is_told_a_stranger(branch) {
            return branch.clone();
        }
        self.blocked.extend(self.passes_on(branch).map(|name| (name, branch.clone())));
        Branch { hushed: true, ..branch.clone() }
    }

    fn tell_of_what_reached_nobody(&mut self) {
        for (name, branch) in core::mem::take(&mut self.blocked) {
            if !self.arrived.contains(name) {
                let address = self.world.thing(name).map(Thing::address).unwrap_or_default();
                self.refuse("ExternalForwardingBlocked", &address, &branch);
            }
        }
    }

    /// Mail that leaves. Spec section 5.3: what an object of ours passes on for a stranger leaves under its name. On the
    /// way to a mailbox in the organisation's other system it leaves as it came.
    fn relay(&mut self, address: &str, branch: &Branch) {
        let over_there = |name: &str| {
            let thing = self.world.thing(name).filter(|thing| is_the_organisations(thing));
            thing.is_some_and(|thing| matches!(leads_to(self.world, thing), Place::Outside(_)))
        };
        let passes_on = branch.chain.last().map(|(name, _)| *name).filter(|name| !over_there(name));
        let rewritten = passes_on
            .filter(|_| self.world.rewrites_senders && self.post.has_foreign_path())
            .filter(|_| ["the sender", "nobody"].contains(&branch.hears));
        let rewritten = rewritten.map_or_else(String::new, |name| format!(", sender rewritten by {name}"));
        self.deliver_as(format!("relay {address}"), &rewritten, branch);
    }

    fn deliver(&mut self, to: String, branch: &Branch) {
        self.deliver_as(to, "", branch);
    }

    fn deliver_as(&mut self, to: String, rewritten: &str, branch: &Branch) {
        self.arrived.extend(self.passes_on(branch));
        // Decision D4: letter case never makes another destination.
        if self.reached.insert(to.to_lowercase()) {
            let resent = if branch.resent_from.is_empty() {
                String::new()
            } else {
                format!(", resent from {}", branch.resent_from)
            };
            self.found.insert(format!("{to}{resent}{rewritten}{}", self.told(branch)));
        }
    }

    fn refuse(&mut self, refusal: &str, address: &str, branch: &Branch) {
        self.found.insert(format!("{refusal} at {}{}", in_a_labels(address), self.told(branch)));
    }

    fn told(&self, branch: &Branch) -> String {
        match (self.post.path, branch.hears) {
            _ if branch.hushed => ", nobody hears of failures".to_owned(),
            ("", _) | (_, "nobody") => ", nobody hears of failures".to_owned(),
            (_, "the sender") => String::new(),
            (_, owner) => format!(", {owner} hears of failures"),
        }
    }
}

/// How an address travels: its domain in A-labels. The matrix has one name beyond ASCII.
fn in_a_labels(address: &str) -> String {
    address.replace("bücher", "xn--bcher-kva")
}

fn forwarding_row(thing: &Thing) -> &'static str {
    let yes_no = |text: &str| if text.is_empty() { "no" } else { "yes" };
    FORWARDING.answer(&[
        ("object", yes_no(thing.forward_object)),
        ("smtp", yes_no(thing.forward_smtp)),
        ("keep", if thing.keep_copy { "yes" } else { "no" }),
    ])
}

/// The address that a mailbox forwards to; empty for none.
fn forwarding_target(world: &World, thing: &Thing) -> String {
    match world.thing(thing.forward_object) {
        Some(object) => object.address(),
        None => thing.forward_smtp.to_owned(),
    }
}

/// Where mail to an address leaves the organisation, if it does: at once, or through a contact, mail user or guest.
fn leaves(world: &World, address: &str) -> Option<String> {
    let mut next = address.to_owned();
    // A chain of contacts is no longer than there are objects, or goes round.
    for _ in 0..=world.things.len() {
        match find(world, &next) {
            Place::Outside(thing) if !is_the_organisations(thing) && is_ours(thing.outside) => {
                next = thing.outside.to_owned();
            }
            _ => return leaves_from(world, &next),
        }
    }
    None
}

/// A remote mailbox is the organisation's own, wherever its routing address lies, and so is a mailbox that waits for its
/// migration: decision D4 sends its mail to where it still is. Spec section 5.2 is about what goes to others.
fn is_the_organisations(thing: &Thing) -> bool {
    thing.kind.ends_with("Mailbox")
}

fn leaves_from(world: &World, address: &str) -> Option<String> {
    match find(world, address) {
        Place::Foreign => Some(address.to_owned()),
        Place::Outside(thing) if is_the_organisations(thing) => None,
        Place::Outside(thing) => Some(thing.outside.to_owned()),
        Place::Mailbox(_) | Place::Group(_) | Place::Postmaster | Place::NextHost | Place::Unknown => None,
    }
}

/// Spec section 5.2, second row: whether the remote domain of an address takes what is forwarded by itself. The most
/// specific entry decides: the domain itself, then `*.` and the longest end of it, then `*`.
fn remote_domain_takes(world: &World, address: &str) -> bool {
    super::remote_domain(world, address).is_none_or(|remote| remote.forwards)
}

/// Whether a mailbox stores what comes to it.
pub(super) fn keeps_a_copy(thing: &Thing) -> bool {
    forwarding_row(thing).contains("mailbox")
}

/// Decision D9: what a stranger is told at RCPT of a mailbox that would only forward outside, where that is forbidden.
pub(super) fn forwards_only_outside(world: &World, thing: &Thing) -> bool {
    let forwards = has_open_mailbox(world, thing) && !keeps_a_copy(thing);
    forwards && !world.forwards_outside && leaves(world, &forwarding_target(world, thing)).is_some()
}
