//! Automatic replies: spec section 6.1, with RFC 3834 and RFC 5230 where Exchange's own list is not established.
//!
//! The specification knows reasons against a reply and no order among them, so this model names them all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::plain::{Thing, World};
use super::super::table::Table;
use super::{From, Place, find, is_ours, is_postmaster, owner_of, remote_domain, yes_no};

/// One message that has come into a mailbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Case<'a> {
    pub(in super::super) from: From<'a>,
    /// The reverse-path; empty for the null path.
    pub(in super::super) path: &'a str,
    /// The recipient in the envelope: the mailbox itself, or what led to it.
    pub(in super::super) to: &'a str,
    pub(in super::super) head: &'a str,
    /// `SendOofMessageToOriginatorEnabled` of every group on the way.
    pub(in super::super) passed_by_groups: bool,
    pub(in super::super) answered: bool,
}

/// Who gets which text: internal text never leaves, external text never goes inside, and what leaves for a domain is its
/// remote domain's to say.
static AUDIENCE: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "sender   | address  | AllowedOOFType          | answer
         *        | group    | *                       | SenderIsGroup
         *        | unknown  | *                       | SenderUnknown
         *        | machine  | *                       | MachineAddress
         account  | inside   | *                       | the internal text
         stranger | inside   | *                       | ExternalToInternal
         *        | outside  | None                    | RemoteDomain
         *        | outside  | InternalLegacy          | the internal text
         account  | outside  | External/ExternalLegacy | InternalToExternal
         stranger | outside  | External/ExternalLegacy | the external text",
    )
});

/// Header fields that forbid a reply: a name, the words that do, and the reason. `*` is any word, `!` any but that one.
const FIELDS: [(&str, &[&str], &str); 6] = [
    ("auto-submitted", &["!no"], "AutoSubmitted"),
    ("x-auto-response-suppress", &["oof", "autoreply", "all"], "Suppressed"),
    ("precedence", &["bulk", "list", "junk"], "BulkPrecedence"),
    ("list-", &["*"], "MailingList"),
    ("content-type", &["multipart/report"], "Report"),
    ("x-spam-flag", &["yes"], "Junk"),
];

/// Every reason against a reply, and the text that it would have.
pub(in super::super) fn reasons(world: &World, it: &Thing, case: &Case<'_>) -> (BTreeSet<String>, String) {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let state = match it.away.state {
        "enabled" | "now" => "",
        "disabled" => "Disabled",
        _ => "OutsidePeriod",
    };
    let own_account = case.from == From::Account(it.name);
    let own = own_account || owner_of(world, case.path).or_else(|| owner_of(world, &untagged(case.path))) == Some(it);
    let facts = [
        (true, state),
        (!it.forward_smtp.is_empty(), "Forwards"),
        (case.from == From::System, "SystemMessage"),
        (case.path.is_empty(), "NullReversePath"),
        (own, "OwnMessage"),
        (is_machine(case.path), "MachineAddress"),
        (!case.passed_by_groups, "HeldByGroup"),
        (case.answered, "AnsweredBefore"),
    ];
    found.extend(facts.into_iter().filter(|(holds, reason)| *holds && !reason.is_empty()).map(|(_, reason)| reason));
    found.extend(fields(case.head).filter_map(|(name, value)| forbidding(&name, &value)));
    let audience = audience(world, case);
    match audience {
        "the internal text" if !it.away.internal => drop(found.insert("NoText")),
        "the external text" => found.extend(against_strangers(world, it, case)),
        "the internal text" => {}
        reason => drop(found.insert(reason)),
    }
    if case.from == From::Stranger && world.answers_only_when_named && !is_named(it, case) {
        found.insert("NotNamed");
    }
    (found.into_iter().map(str::to_owned).collect(), audience.to_owned())
}

fn audience(world: &World, case: &Case<'_>) -> &'static str {
    let address = match find(world, case.path) {
        _ if case.path.is_empty() => return "NullReversePath",
        _ if is_postmaster(case.path) => "machine",
        Place::Group(_) => "group",
        Place::Unknown => "unknown",
        Place::Postmaster => "machine",
        // A contact may have a foreign address of its own, which is outside all the same.
        Place::Outside(_) if !is_ours(case.path) => "outside",
        Place::Mailbox(_) | Place::Outside(_) | Place::NextHost => "inside",
        Place::Foreign => "outside",
    };
    let sender = if matches!(case.from, From::Account(_)) { "account" } else { "stranger" };
    let allowed = remote_domain(world, case.path).map_or("External", |remote| remote.replies);
    AUDIENCE.answer(&[("sender", sender), ("address", address), ("AllowedOOFType", allowed)])
}

static STRANGERS: LazyLock<Table> = LazyLock::new(|| {
    Table::read(
        "options      | audience | known | text | answer
         InternalOnly | *        | *     | *    | InternalOnly
         External     | None     | *     | *    | NoExternalAudience
         External     | Known    | no    | *    | SenderNotKnown
         External     | *        | *     | no   | NoText
         External     | *        | *     | yes  | none",
    )
});

/// Spec section 6.1, rows 2 and 4. Known are those whom the directory has an object for.
fn against_strangers(world: &World, it: &Thing, case: &Case<'_>) -> Option<&'static str> {
    let known = owner_of(world, case.path).is_some()
        || world.things.iter().any(|thing| !thing.outside.is_empty() && thing.outside.eq_ignore_ascii_case(case.path));
    let facts = [
        ("options", it.away.options),
        ("audience", it.away.audience),
        ("known", yes_no(known)),
        ("text", yes_no(it.away.external)),
    ];
    Some(STRANGERS.answer(&facts)).filter(|answer| *answer != "none")
}

/// RFC 5230 section 4.6 names these as examples.
fn is_machine(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or("", |(local, _)| local).to_lowercase();
    let names = ["mailer-daemon", "listserv", "majordomo", "postmaster", "noreply", "no-reply"];
    names.contains(&local.as_str()) || local.starts_with("owner-") || local.ends_with("-request")
}

/// Field names and values in lower case, with folded lines put together.
fn fields(head: &str) -> impl Iterator<Item = (String, String)> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ").to_lowercase();
    let lines: Vec<String> = unfolded.lines().map(str::to_owned).collect();
    lines.into_iter().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    })
}

fn forbidding(name: &str, value: &str) -> Option<&'static str> {
    let rule = FIELDS.iter().find(|(field, _, _)| name == *field || (*field == "list-" && name.starts_with(field)))?;
    let (_, words, reason) = rule;
    let first = value.split([';', ' ', '(']).next().unwrap_or_default();
    let listed: Vec<&str> = value.split(',').map(str::trim).collect();
    let matches = words.iter().any(|word| match word.strip_prefix('!') {
        Some(harmless) => first != harmless,
        None if name == "x-auto-response-suppress" => listed.contains(word),
        None => *word == "*" || first == *word,
    });
    matches.then_some(*reason)
}

/// RFC 5230 section 4.5: an address of the mailbox, or whatever led to it, is among the addressees.
fn is_named(it: &Thing, case: &Case<'_>) -> bool {
    let own = it.aliases.iter().map(|alias| super::address_of(alias)).chain([it.address(), case.to.to_owned()]);
    let own: Vec<String> = own.map(|address| untagged(&address).to_lowercase()).collect();
    let addressees = ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"];
    let readers = fields(case.head).filter(|(name, _)| addressees.contains(&name.as_str()));
    readers.into_iter().any(|(_, value)| {
        value.split([' ', ',', ';', ':', '<', '>']).any(|word| own.contains(&untagged(word).to_lowercase()))
    })
}

fn untagged(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
        None => address.to_owned(),
    }
}
