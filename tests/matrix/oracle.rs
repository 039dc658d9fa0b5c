//! The second model: slow, plain, and written from the specification alone. It knows nothing of the product.
//!
//! Decisions are tables of text that a person can lay beside the specification; what is no table is the most naive
//! procedure there is: sets of names, closures by repetition, look-ups by going through everything.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::plain::{DOMAIN, RELAYED, Remote, Thing, World, address_of};
use super::table::Table;

mod admission;
mod authorship;
mod expansion;
mod quota;
mod replies;

pub(super) use admission::{Post, admit};
pub(super) use authorship::{Letter, author};
pub(super) use expansion::{approved, ends};
pub(super) use quota::{in_words, is_told_again, room, room_to_send};
pub(super) use replies::{Case, reasons};

/// What is assumed of each profile: the columns of decision D1, in words.
fn licences_count(world: &World) -> &'static str {
    if world.profile == "exchange-online" { "count" } else { "ignored" }
}

const fn yes_no(fact: bool) -> &'static str {
    if fact { "yes" } else { "no" }
}

// ---------------------------------------------------------------------------------------------------------------------
// Signing in: decision D2, spec section 3.5.

/// Whether an object has a mailbox here that can be opened and that takes mail: spec section 3.2 and decision D4.
static OPEN_MAILBOX: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "kind                                        | state  | licence | licences | open
         UserMailbox                                 | active | yes     | *        | yes
         UserMailbox                                 | active | no      | count    | no
         UserMailbox                                 | active | no      | ignored  | yes
         SharedMailbox/RoomMailbox/EquipmentMailbox  | active | *       | *        | yes
         GroupMailbox                                | active | *       | *        | yes
         *                                           | *      | *       | *        | no",
    )
});

pub(super) fn has_open_mailbox(world: &World, thing: &Thing) -> bool {
    let facts = [
        ("kind", thing.kind),
        ("state", thing.state),
        ("licence", yes_no(thing.licensed)),
        ("licences", licences_count(world)),
    ];
    OPEN_MAILBOX.answer(&facts) == "yes"
}

/// Decision D2, rows 1 to 5. They hold in both profiles: decision D1 has no difference there.
static CREDENTIALS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "account | proof    | defaults | passwords | switch | tenant   | answer
         none    | *        | *        | *         | *      | *        | AuthenticationUnsuccessful
         *       | wrong    | *        | *         | *      | *        | AuthenticationUnsuccessful
         disabled/blocked/disabled and blocked | * | * | *   | *      | *        | AuthenticationUnsuccessful
         enabled | password | on       | *         | *      | *        | SecurityDefaults
         enabled | password | off      | forbidden | *      | *        | BasicAuthenticationDisabled
         enabled | *        | *        | *         | true   | *        | SmtpAuthDisabledForMailbox
         enabled | *        | *        | *         | unset  | disabled | SmtpAuthDisabledForTenant
         enabled | *        | *        | *         | *      | *        | yes",
    )
});

/// Decision D2, rows 6 to 8, and the first row of D1.
static MAILBOX: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "profile         | open | kind                                       | licence | shared    | answer
         exchange-server | *    | *                                          | *       | *         | yes
         exchange-online | no   | *                                          | *       | *         | MailboxCannotBeAccessed
         exchange-online | yes  | UserMailbox                                | *       | *         | yes
         exchange-online | yes  | SharedMailbox/RoomMailbox/EquipmentMailbox | yes     | *         | yes
         exchange-online | yes  | SharedMailbox/RoomMailbox/EquipmentMailbox | no      | unblocked | yes
         exchange-online | yes  | SharedMailbox/RoomMailbox/EquipmentMailbox | no      | licensed  | MailboxCannotBeAccessed",
    )
});

/// The answers at the end of AUTH and, if that was good, at MAIL FROM.
pub(super) fn sign_in(world: &World, name: &str, proof: &str) -> Vec<&'static str> {
    let Some(thing) = world.thing(name) else {
        return vec!["AuthenticationUnsuccessful"];
    };
    let passwords = match (thing.policy, world.tenant_allows_passwords) {
        ("forbids", _) | ("unset", false) => "forbidden",
        _ => "allowed",
    };
    // Who removes a mailbox on premises deletes its account.
    let deleted = world.profile == "exchange-server" && matches!(thing.state, "soft-deleted" | "inactive");
    let credentials = CREDENTIALS.answer(&[
        ("account", if deleted { "disabled" } else { thing.account }),
        ("proof", proof),
        ("defaults", if world.security_defaults { "on" } else { "off" }),
        ("passwords", passwords),
        ("switch", thing.switch),
        ("tenant", if world.tenant_disables_smtp { "disabled" } else { "enabled" }),
    ]);
    if credentials != "yes" {
        return vec![credentials];
    }
    let mailbox = MAILBOX.answer(&[
        ("profile", world.profile),
        ("open", yes_no(has_open_mailbox(world, thing))),
        ("kind", thing.kind),
        ("licence", yes_no(thing.licensed)),
        ("shared", world.shared_sign_in),
    ]);
    if world.no_mailbox_step == "mail-from" || mailbox == "yes" { vec!["yes", mailbox] } else { vec![mailbox] }
}

// ---------------------------------------------------------------------------------------------------------------------
// As whom: decision D3, spec sections 3.2 ("can be sent as"), 4.1 and 4.3.

/// Whether an address of the object speaks for somebody at all. A mailbox that nobody can use does not.
static SPEAKS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "kind                                                                  | state              | open | speaks
         ShardMailbox                                                          | *                  | *    | no
         *                 | disconnected/soft-deleted/inactive/stale attributes/purged             | *    | no
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox   | awaiting migration | *    | yes
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox   | *                  | yes  | yes
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox   | *                  | no   | no
         *                                                                     | *                  | *    | yes",
    )
});

/// Spec section 4.1: a deny entry beats an allow entry of the same right, SendAs beats SendOnBehalf, and FullAccess
/// plays no part.
static CAPACITY: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "domain  | owner    | speaks | SendAs | SendOnBehalf | answer
         foreign | *        | *      | *      | *            | denied
         ours    | nobody   | *      | *      | *            | denied
         ours    | itself   | *      | *      | *            | itself
         ours    | somebody | no     | *      | *            | denied
         ours    | somebody | yes    | held   | *            | as
         ours    | somebody | yes    | not    | held         | on behalf of
         ours    | somebody | yes    | not    | not          | denied",
    )
});

/// In which capacity the account `name` may use an address: `itself`, `as X`, `on behalf of X` or `denied`.
pub(super) fn capacity(world: &World, name: &str, address: &str) -> String {
    let owner = owner_of(world, address);
    let facts = [
        ("domain", if is_ours(address) { "ours" } else { "foreign" }),
        ("owner", owner.map_or("nobody", |owner| if owner.name == name { "itself" } else { "somebody" })),
        ("speaks", yes_no(owner.is_some_and(|owner| speaks(world, owner)))),
        ("SendAs", held(world, name, owner, "SendAs")),
        ("SendOnBehalf", held(world, name, owner, "SendOnBehalf")),
    ];
    match CAPACITY.answer(&facts) {
        word @ ("as" | "on behalf of") => format!("{word} {}", owner.map_or("", |owner| owner.name)),
        word => word.to_owned(),
    }
}

fn speaks(world: &World, thing: &Thing) -> bool {
    let open = yes_no(has_open_mailbox(world, thing));
    SPEAKS.answer(&[("kind", thing.kind), ("state", thing.state), ("open", open)]) == "yes"
}

fn held(world: &World, name: &str, owner: Option<&Thing>, right: &str) -> &'static str {
    let principals = principals(world, name);
    let entries = |deny| {
        let grants = owner.map_or(&[][..], |owner| owner.grants.as_slice());
        grants.iter().any(|entry| entry.0 == right && entry.2 == deny && principals.contains(entry.1))
    };
    if entries(false) && !entries(true) { "held" } else { "not" }
}

/// The account and every security group that it is in, through security groups only: repeated until nothing is new.
fn principals(world: &World, name: &str) -> BTreeSet<&'static str> {
    let mut found: BTreeSet<&'static str> =
        world.things.iter().map(|t| t.name).filter(|other| *other == name).collect();
    loop {
        let before = found.len();
        for group in world.things.iter().filter(|thing| thing.kind == "MailUniversalSecurityGroup") {
            if group.members.iter().any(|member| found.contains(member)) {
                found.insert(group.name);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Addresses: spec sections 4.5 and 4.6, decision D4.

fn domain_of(address: &str) -> String {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
    // The one name beyond ASCII of the matrix, in both of its forms.
    domain.replace("xn--bcher-kva", "bücher")
}

/// Whether the domain is one that the organisation accepts mail for.
pub(super) fn is_ours(address: &str) -> bool {
    matches!(domain_of(address).as_str(), DOMAIN | RELAYED | "bücher.example")
}

fn is_relayed(address: &str) -> bool {
    domain_of(address) == RELAYED
}

/// The object that has an address, letter case and the form of the domain aside.
pub(super) fn owner_of<'world>(world: &'world World, address: &str) -> Option<&'world Thing> {
    let same = |other: &str| {
        let other = address_of(other);
        let local =
            |address: &str| address.rsplit_once('@').map_or_else(String::new, |(local, _)| local.to_lowercase());
        local(&other) == local(address) && domain_of(&other) == domain_of(address)
    };
    world.things.iter().find(|thing| same(thing.name) || thing.aliases.iter().any(|alias| same(alias)))
}

/// What an address leads to: decision D4.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place<'world> {
    Mailbox(&'world Thing),
    Group(&'world Thing),
    Outside(&'world Thing),
    Postmaster,
    NextHost,
    Foreign,
    Unknown,
}

/// Decision D4, row by row.
static LEADS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "kind           | state                                                              | open | outside | leads to
         *              | disconnected/soft-deleted/inactive/stale attributes/purged         | *    | *       | unknown
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox | awaiting migration | * | yes | outside
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox | awaiting migration | * | no  | unknown
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox | *             | yes  | *       | mailbox
         UserMailbox/SharedMailbox/RoomMailbox/EquipmentMailbox/GroupMailbox | *             | no   | *       | unknown
         MailUser/GuestMailUser/MailContact                                  | *             | *    | *       | outside
         RemoteUserMailbox/RemoteSharedMailbox/RemoteRoomMailbox/RemoteEquipmentMailbox | *  | *    | *       | outside
         MailUniversalDistributionGroup/MailUniversalSecurityGroup           | *             | *    | *       | group
         DynamicDistributionGroup/RoomList                                   | *             | *    | *       | group
         ShardMailbox                                                        | *             | *    | yes     | outside
         ShardMailbox                                                        | *             | *    | no      | unknown",
    )
});

pub(super) fn leads_to<'world>(world: &World, thing: &'world Thing) -> Place<'world> {
    let facts = [
        ("kind", thing.kind),
        ("state", thing.state),
        ("open", yes_no(has_open_mailbox(world, thing))),
        ("outside", yes_no(!thing.outside.is_empty())),
    ];
    match LEADS.answer(&facts) {
        "mailbox" => Place::Mailbox(thing),
        "group" => Place::Group(thing),
        "outside" => Place::Outside(thing),
        _ => Place::Unknown,
    }
}

/// Where an address leads: literally first, then without its tag; the postmaster always reaches someone.
pub(super) fn find<'world>(world: &'world World, address: &str) -> Place<'world> {
    if !is_ours(address) {
        // A contact may have a foreign address: the object stands for it (spec section 5.5, row 2).
        return owner_of(world, address).map_or(Place::Foreign, |holder| leads_to(world, holder));
    }
    let untagged = address.split_once('+').and_then(|(before, after)| {
        let (_, domain) = after.rsplit_once('@')?;
        Some(format!("{before}@{domain}"))
    });
    let holder = owner_of(world, address)
        .or_else(|| untagged.filter(|_| world.plus_addressing).and_then(|untagged| owner_of(world, &untagged)));
    let place = holder.map_or(Place::Unknown, |holder| leads_to(world, holder));
    match place {
        // Its next host answers for the postmaster of a relayed domain, too.
        Place::Unknown if is_relayed(address) => Place::NextHost,
        Place::Unknown if is_postmaster(address) => Place::Postmaster,
        place => place,
    }
}

/// RFC 5321 section 4.5.1, of every domain of ours.
pub(super) fn is_postmaster(address: &str) -> bool {
    is_ours(address) && address.to_lowercase().starts_with("postmaster@")
}

/// The remote domain entry that decides for an address: the domain itself, then the longest end of it under `*.`, then
/// `*` (spec section 5.2).
pub(super) fn remote_domain<'world>(world: &'world World, address: &str) -> Option<&'world Remote> {
    let domain = domain_of(address);
    let fits = |pattern: &str| match pattern.strip_prefix("*.") {
        _ if pattern == "*" => true,
        Some(end) => domain.ends_with(&format!(".{end}")),
        None => domain == pattern,
    };
    let fitting = world.remote_domains.iter().filter(|remote| fits(remote.pattern));
    fitting.max_by_key(|remote| (!remote.pattern.starts_with('*'), remote.pattern.len()))
}

/// Who sends: an account, a stranger or the system itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum From<'a> {
    Account(&'a str),
    Stranger,
    System,
}
