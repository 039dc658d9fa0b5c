//! Where the copies of a message end: spec sections 5.1 to 5.7 and decision D4, walked as a person would walk them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::plain::{NEXT_HOST, Thing, World};
use super::super::table::Table;
use super::{From, Place, find, has_open_mailbox, is_ours, is_postmaster, leads_to, members, restricted};

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
}

/// Where the copies of a message end, one line for each end.
///
/// `sender` is the reverse-path: `ours`, `foreign` or `null`.
pub(in super::super) fn ends(
    world: &World,
    from: From<'_>,
    sender: &str,
    to: &[String],
    octets: u64,
) -> BTreeSet<String> {
    let mut walk =
        Walk { world, from, sender, octets, went_round: false, reached: BTreeSet::new(), found: BTreeSet::new() };
    for address in to {
        let first = Branch { chain: Vec::new(), resent_from: "", hears: "the sender" };
        let before = walk.found.clone();
        walk.address(address, &first);
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
    walk.found
}

struct Walk<'a> {
    world: &'a World,
    from: From<'a>,
    sender: &'a str,
    octets: u64,
    /// Somebody forwards, keeping nothing, into a group that the message came from.
    went_round: bool,
    reached: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Walk<'_> {
    fn address(&mut self, address: &str, branch: &Branch) {
        match find(self.world, address) {
            Place::Unknown => self.refuse("RecipientNotFound", address, branch),
            Place::Postmaster => self.deliver("postmaster mailbox".to_owned(), branch),
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
        if let Some(refusal) = restricted(self.world, self.from, thing, self.octets) {
            return self.refuse(refusal, &thing.address(), branch);
        }
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

    fn mailbox(&mut self, thing: &Thing, branch: &Branch) {
        let row = forwarding_row(thing);
        if row.contains("mailbox") {
            self.deliver(format!("mailbox {}", thing.name), branch);
        }
        let mut next = branch.clone();
        next.chain.push((thing.name, row.contains("mailbox")));
        next.resent_from = thing.name;
        if row.ends_with("object") || row.ends_with("smtp") {
            let target = forwarding_target(self.world, thing);
            if leaves(self.world, &target) && !self.world.forwards_outside {
                self.refuse("ExternalForwardingBlocked", &thing.address(), branch);
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
            if group.filter_kind.is_empty() || findable {
                self.thing(member, &next);
            }
        }
    }

    /// Mail that leaves. Spec section 5.3: what an object of ours passes on for a stranger leaves under its name.
    fn relay(&mut self, address: &str, branch: &Branch) {
        let passes_on = branch.chain.last().map(|(name, _)| *name);
        let rewritten = passes_on
            .filter(|_| self.world.rewrites_senders && self.sender == "foreign" && branch.hears == "the sender");
        let rewritten = rewritten.map_or_else(String::new, |name| format!(", sender rewritten by {name}"));
        self.deliver_as(format!("relay {address}"), &rewritten, branch);
    }

    fn deliver(&mut self, to: String, branch: &Branch) {
        self.deliver_as(to, "", branch);
    }

    fn deliver_as(&mut self, to: String, rewritten: &str, branch: &Branch) {
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
        match (self.sender, branch.hears) {
            ("null", _) | (_, "nobody") => ", nobody hears of failures".to_owned(),
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

/// Whether mail to an address leaves the organisation: at once, or through a contact or mail user.
fn leaves(world: &World, address: &str) -> bool {
    match find(world, address) {
        Place::Foreign => true,
        // A remote mailbox is the organisation's own, wherever its routing address lies.
        Place::Outside(thing) => !thing.kind.starts_with("Remote") && !is_ours(thing.outside),
        Place::Mailbox(_) | Place::Group(_) | Place::Postmaster | Place::NextHost | Place::Unknown => false,
    }
}

/// Decision D9: what a stranger is told at RCPT of a mailbox that would only forward outside, where that is forbidden.
pub(super) fn forwards_only_outside(world: &World, thing: &Thing) -> bool {
    let forwards = has_open_mailbox(world, thing) && !forwarding_row(thing).contains("mailbox");
    forwards && !world.forwards_outside && leaves(world, &forwarding_target(world, thing))
}
