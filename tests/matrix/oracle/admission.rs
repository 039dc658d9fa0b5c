//! Who may send to whom: spec sections 5.5 (order), 5.6 and 5.7, decisions D1, D4 and D9.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::plain::{Thing, World};
use super::super::table::Table;
use super::{From, Place, expansion, find, is_ours, is_postmaster, owner_of, yes_no};

/// One message on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Post<'a> {
    pub(in super::super) from: From<'a>,
    /// The reverse-path; empty for the null path.
    pub(in super::super) path: &'a str,
    pub(in super::super) octets: u64,
    /// Fields of the header that name readers, as written.
    pub(in super::super) head: &'a str,
    /// Handed in on port 25 from where nobody expects the organisation's own addresses.
    pub(in super::super) direct: bool,
}

impl<'a> Post<'a> {
    /// A message without a header, under a usual reverse-path of its sender.
    pub(in super::super) fn new(from: From<'a>, octets: u64) -> Self {
        let path = match from {
            From::Account(_) => "alice@contoso.example",
            From::Stranger => "eve@fabrikam.example",
            From::System => "",
        };
        Self { from, path, octets, head: "", direct: false }
    }

    pub(in super::super) fn has_foreign_path(&self) -> bool {
        !self.path.is_empty() && !is_ours(self.path)
    }

    fn sender(&self) -> &'static str {
        match self.from {
            From::Account(_) => "account",
            From::Stranger => "stranger",
            From::System => "system",
        }
    }

    /// Spec section 5.5, last row: the system, and an account that writes as the postmaster.
    pub(super) fn is_exempt(&self) -> bool {
        match self.from {
            From::System => true,
            From::Account(_) => is_postmaster(self.path),
            From::Stranger => false,
        }
    }
}

/// Spec section 5.5, row 1: the objects that the sender is known as. An address of ours proves nothing when a stranger
/// writes it, so `for_certain` leaves it out.
fn known_as<'world>(world: &'world World, post: &Post<'_>, for_certain: bool) -> Vec<&'world str> {
    let account = match post.from {
        From::Account(name) => world.thing(name).map(|thing| thing.name),
        From::Stranger | From::System => None,
    };
    let trusted = !for_certain || post.from != From::Stranger || !is_ours(post.path);
    let named = world.things.iter().filter(|thing| {
        let leads_there = !thing.outside.is_empty() && thing.outside.eq_ignore_ascii_case(post.path);
        trusted && (owner_of(world, post.path) == Some(thing) || leads_there)
    });
    account.into_iter().chain(named.map(|thing| thing.name)).collect()
}

/// Whether the sender is in a list of senders and groups.
pub(super) fn is_among(world: &World, post: &Post<'_>, list: &[&'static str], for_certain: bool) -> bool {
    let known = known_as(world, post, for_certain);
    list.iter().any(|entry| known.iter().any(|name| entry == name || contains(world, entry, name)))
}

static AUTHENTICATION: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "sender   | setting | kind                                                      | answer
         system   | *       | *                                                         | passes
         account  | *       | *                                                         | passes
         stranger | false   | *                                                         | passes
         stranger | *       | GroupMailbox                                              | UnifiedGroupOutsider
         stranger | *       | MailUniversalDistributionGroup/MailUniversalSecurityGroup | SenderNotAuthenticatedForGroup
         stranger | *       | DynamicDistributionGroup/RoomList                         | SenderNotAuthenticatedForGroup
         stranger | unset   | *                                                         | passes
         stranger | true    | UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox    | SenderNotAuthenticatedForMailbox
         stranger | true    | *                                                         | SenderNotAuthenticatedForMailUser",
    )
});

static LISTS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "rejected | accepting | accepted | kind                                                      | answer
         yes      | *         | *        | *                                                         | NotAuthorized
         no       | everyone  | *        | *                                                         | passes
         no       | some      | yes      | *                                                         | passes
         no       | some      | no       | MailUniversalDistributionGroup/MailUniversalSecurityGroup | RestrictedToGroupPermission
         no       | some      | no       | DynamicDistributionGroup/RoomList/GroupMailbox            | RestrictedToGroupPermission
         no       | some      | no       | *                                                         | RestrictedToRecipientsPermission",
    )
});

/// Spec section 2.2: the tightest layer that applies decides, the organisation's before the account's own. What comes
/// from outside is nobody's to send.
pub(super) fn sends_too_much(world: &World, post: &Post<'_>) -> Option<&'static str> {
    let From::Account(name) = post.from else { return None };
    let over = |max: u64| !post.is_exempt() && max > 0 && post.octets > max;
    let own = world.thing(name).map_or(0, |account| account.send_max);
    if over(world.send_max) {
        return Some("OrganisationSendSizeLimit");
    }
    over(own).then_some("SenderSendSizeLimit")
}

/// The refusal of a recipient's restrictions, if any: size first, then authentication, then the lists.
pub(super) fn restricted(world: &World, post: &Post<'_>, thing: &Thing) -> Option<&'static str> {
    if post.is_exempt() {
        return None;
    }
    let too_much = sends_too_much(world, post);
    if too_much.is_some() {
        return too_much;
    }
    if thing.receive_max > 0 && post.octets > thing.receive_max {
        return Some("RecipientSizeLimit");
    }
    let facts = [("sender", post.sender()), ("setting", thing.authentication), ("kind", thing.kind)];
    let authentication = AUTHENTICATION.answer(&facts);
    if authentication != "passes" {
        return Some(authentication);
    }
    let lists = LISTS.answer(&[
        ("rejected", yes_no(is_among(world, post, &thing.reject, false))),
        ("accepting", if thing.accept.is_empty() { "everyone" } else { "some" }),
        ("accepted", yes_no(is_among(world, post, &thing.accept, true))),
        ("kind", thing.kind),
    ]);
    (lists != "passes").then_some(lists)
}

/// Spec section 5.6, `BccBlocked`: a group that the header does not name is not for the members, whoever inside sends.
/// It holds for what the envelope names, not for groups within.
pub(super) fn is_blind_copy(post: &Post<'_>, thing: &Thing) -> bool {
    let addresses = thing.aliases.iter().map(|alias| super::address_of(alias)).chain([thing.address()]);
    let readers =
        post.head.lines().filter(|line| ["to:", "cc:"].iter().any(|name| line.to_lowercase().starts_with(name)));
    let words: Vec<&str> = readers.flat_map(|line| line.split([' ', '<', '>', ',', ';', ':'])).collect();
    let named = addresses.into_iter().any(|address| words.iter().any(|word| word.eq_ignore_ascii_case(&address)));
    thing.bcc_blocked && matches!(post.from, From::Account(_)) && !post.is_exempt() && !named
}

/// Whether a group has somebody as a member, at any depth and through groups of any kind.
fn contains(world: &World, group: &str, name: &str) -> bool {
    let mut inside: BTreeSet<&str> = BTreeSet::from([group]);
    loop {
        let before = inside.len();
        let groups: Vec<&Thing> = inside.iter().filter_map(|name| world.thing(name)).collect();
        inside.extend(groups.into_iter().flat_map(|group| members(world, group)));
        if inside.len() == before {
            return inside.contains(name);
        }
    }
}

/// A group's direct members: listed, or whatever the filter matches.
pub(super) fn members(world: &World, group: &Thing) -> Vec<&'static str> {
    if group.filter_kind.is_empty() {
        return group.members.clone();
    }
    world.things.iter().filter(|thing| thing.kind == group.filter_kind).map(|thing| thing.name).collect()
}

static ADMISSION: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "sender   | place     | direct    | restricted | early | validated | answer
         stranger | foreign   | *         | *          | *     | *         | RelayRefused
         stranger | always    | *         | *          | *     | *         | yes
         stranger | *         | forbidden | *          | *     | *         | DirectSendNotAllowed
         stranger | unknown   | *         | *          | *     | *         | UnknownRecipientInbound
         account  | unknown   | *         | *          | yes   | *         | RecipientNotFound
         account  | unknown   | *         | *          | no    | yes       | RecipientNotFound
         account  | unknown   | *         | *          | no    | no        | yes
         *        | unknown   | *         | *          | *     | *         | yes
         *        | always    | *         | *          | *     | *         | yes
         stranger | known     | *         | yes        | *     | *         | restricted
         account  | *         | *         | yes        | yes   | *         | restricted
         account  | *         | *         | yes        | no    | *         | yes
         *        | *         | *         | *          | *     | *         | yes",
    )
});

/// The answer to RCPT TO.
pub(in super::super) fn admit(world: &World, post: &Post<'_>, address: &str) -> &'static str {
    let place = find(world, address);
    let (word, refusal) = match &place {
        // Whatever stands in the way, somebody reads it.
        _ if is_postmaster(address) => ("always", None),
        // A stranger may not relay, not even to a contact that has a foreign address.
        _ if !is_ours(address) && post.from == From::Stranger => ("foreign", None),
        Place::Foreign => ("foreign", sends_too_much(world, post)),
        Place::Unknown => ("unknown", None),
        Place::NextHost => ("next host", sends_too_much(world, post)),
        Place::Postmaster => ("always", None),
        Place::Mailbox(thing) => {
            let blocked = || expansion::forwards_only_outside(world, thing).then_some("ExternalForwardingBlocked");
            // Decision D9: a report is for what nobody could know at RCPT. The system's own mail is answered by nobody.
            let told_at_once = || (post.from != From::System).then(blocked).flatten();
            ("known", restricted(world, post, thing).or_else(told_at_once).or_else(|| blind(post, thing)))
        }
        Place::Group(thing) => ("known", restricted(world, post, thing).or_else(|| blind(post, thing))),
        Place::Outside(thing) => ("known", restricted(world, post, thing)),
    };
    // Spec section 1.5 group 4: a stranger under an address of ours, from a source that nobody named.
    let direct = world.rejects_direct_send && post.direct && !post.path.is_empty() && is_ours(post.path);
    let answer = ADMISSION.answer(&[
        ("sender", post.sender()),
        ("place", word),
        ("direct", if direct { "forbidden" } else { "permitted" }),
        ("restricted", yes_no(refusal.is_some())),
        ("early", yes_no(world.refuse_early)),
        ("validated", yes_no(world.recipient_validation)),
    ]);
    if answer == "restricted" { refusal.unwrap_or(answer) } else { answer }
}

fn blind(post: &Post<'_>, thing: &Thing) -> Option<&'static str> {
    is_blind_copy(post, thing).then_some("GroupInBcc")
}
