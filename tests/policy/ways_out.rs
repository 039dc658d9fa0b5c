//! The list of ways by which mail leaves, against what expansion does.

use franking::model::directory::{
    AcceptedDomain, AutoForwardingMode, Change, DomainType, Lifecycle, Organisation, Recipient, Snapshot,
};
use franking::model::mail::Timestamp;
use franking::model::policy::ways_out::{Passage, Place, Section, WayOut, page};
use franking::model::policy::{Destination, Expanded, Route, Settings};
use proptest::prelude::*;

use super::paths::organisation;
use super::{directory, drawn, expanded, permit, settings};

fn all(snapshot: &Snapshot, settings: &Settings) -> Vec<WayOut> {
    let (mut ways, mut next) = (Vec::new(), Some(Place::default()));
    while let Some(place) = next {
        let page = page(snapshot, settings, place);
        ways.extend(page.ways);
        next = page.next;
    }
    ways
}

const EVERYTHING: &str = r#"
    [organisation]
    auto_forwarding_mode = "On"
    [[remote_domain]]
    domain = "adatum.example"
    auto_forward_enabled = false
    [[recipient]]
    type = "MailContact"
    address = "contact@contoso.example"
    external = "contact@fabrikam.example"
    custom_attributes = { 1 = "x" }
    [[recipient]]
    type = "MailContact"
    address = "inside@contoso.example"
    external = "open@contoso.example"
    [[recipient]]
    type = "SharedMailbox"
    address = "open@contoso.example"
    forward_to_smtp = "a@fabrikam.example"
    custom_attributes = { 1 = "x" }
    [[recipient]]
    type = "SharedMailbox"
    address = "both@contoso.example"
    forward_to = "contact@contoso.example"
    forward_to_smtp = "b@fabrikam.example"
    keep_copy = true
    [[recipient]]
    type = "SharedMailbox"
    address = "dropped@contoso.example"
    forward_to_smtp = "c@adatum.example"
    [[recipient]]
    type = "UserMailbox"
    address = "asleep@contoso.example"
    forward_to_smtp = "d@fabrikam.example"
    [[recipient]]
    type = "SharedMailbox"
    address = "stays@contoso.example"
    forward_to = "open@contoso.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "partners@contoso.example"
    members = ["contact@contoso.example", "open@contoso.example", "inside@contoso.example"]
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "nested@contoso.example"
    members = ["partners@contoso.example", "ring@contoso.example", "open@contoso.example"]
    [[recipient]]
    type = "MailUniversalSecurityGroup"
    address = "ring@contoso.example"
    members = ["nested@contoso.example"]
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "colleagues@contoso.example"
    members = ["open@contoso.example"]
    [[recipient]]
    type = "DynamicDistributionGroup"
    address = "dynamic@contoso.example"
    recipient_filter = "CustomAttribute1 -eq 'x'"
    [[recipient]]
    type = "GroupMailbox"
    address = "team@contoso.example"
    members = ["contact@contoso.example"]
    subscribers = ["contact@contoso.example"]
    # A member that has not subscribed gets nothing.
    [[recipient]]
    type = "GroupMailbox"
    address = "quiet@contoso.example"
    members = ["contact@contoso.example"]
    subscribers = []
    [[recipient]]
    type = "RemoteUserMailbox"
    address = "remote@contoso.example"
    external = "remote@tenant.example"
    [[recipient]]
    type = "UserMailbox"
    address = "waiting@contoso.example"
    lifecycle = "AwaitingMigration"
    external = "waiting@tenant.example"
    forward_to_smtp = "e@fabrikam.example"
    # What is for a domain that we only send from does not come here.
    [[domain]]
    domain = "sends.contoso.example"
    type = "InternalRelay"
    outbound_only = true
    # Microsoft 365 groups pass mail on to guests, and contacts stand for groups.
    [[recipient]]
    type = "SharedMailbox"
    address = "by-team@contoso.example"
    forward_to = "team@contoso.example"
    [[recipient]]
    type = "MailContact"
    address = "stands-for@contoso.example"
    external = "partners@contoso.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "mixed@contoso.example"
    members = ["team@contoso.example", "stands-for@contoso.example", "quiet@contoso.example"]
"#;

fn line(way: &WayOut) -> String {
    match way {
        WayOut::Forwarding { mailbox, target, leaves_for, keeps_copy, passage, property } => {
            format!("{mailbox} {property:?} {target} {leaves_for} {keeps_copy} {passage:?}")
        }
        WayOut::GroupForwarding { mailbox, target, group, keeps_copy, passage, .. } => {
            format!("{mailbox} {target} members of {group} {keeps_copy} {passage:?}")
        }
        WayOut::AutomaticReply { mailbox, audience, from, until, passage } => {
            let time = |time: &Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
            format!("{mailbox} answers {audience:?} {} {} {passage:?}", time(from), time(until))
        }
        WayOut::InternalReply { mailbox, domains, domain_count, passage, .. } => {
            format!("{mailbox} answers as inside {} {domain_count} {passage:?}", domains.join(","))
        }
        WayOut::Person { recipient, leaves_for, .. } | WayOut::RemoteMailbox { recipient, leaves_for, .. } => {
            format!("{recipient} {leaves_for}")
        }
        WayOut::Group { group, members_outside, leaves_for, groups_outside, by_way_of, .. } => {
            format!("{group} {members_outside} {} {groups_outside} {}", leaves_for.join(","), by_way_of.join(","))
        }
        WayOut::InternalRelay { domain, next_host, .. } => format!("{domain} {}", next_host.as_deref().unwrap_or("MX")),
    }
}

#[test]
fn every_kind_of_way_is_listed_and_nothing_else() {
    let snapshot = organisation(EVERYTHING);
    let lines: Vec<String> = all(&snapshot, &Settings::default()).iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "open@contoso.example ForwardingSmtpAddress a@fabrikam.example a@fabrikam.example false Open",
            "both@contoso.example ForwardingAddress contact@contoso.example contact@fabrikam.example true Open",
            "both@contoso.example ForwardingSmtpAddress b@fabrikam.example b@fabrikam.example true Ignored",
            "dropped@contoso.example ForwardingSmtpAddress c@adatum.example c@adatum.example false Dropped",
            "asleep@contoso.example ForwardingSmtpAddress d@fabrikam.example d@fabrikam.example false Asleep",
            "waiting@contoso.example ForwardingSmtpAddress e@fabrikam.example e@fabrikam.example false Asleep",
            "by-team@contoso.example team@contoso.example members of team@contoso.example false Open",
            "contact@contoso.example contact@fabrikam.example",
            "partners@contoso.example 1 contact@fabrikam.example 0 ",
            "nested@contoso.example 0  2 partners@contoso.example,ring@contoso.example",
            "ring@contoso.example 0  1 nested@contoso.example",
            "dynamic@contoso.example 1 contact@fabrikam.example 0 ",
            "team@contoso.example 1 contact@fabrikam.example 0 ",
            "mixed@contoso.example 0  2 team@contoso.example,stands-for@contoso.example",
            "remote@contoso.example remote@tenant.example",
            "waiting@contoso.example waiting@tenant.example",
            "hybrid.contoso.example old.contoso.example",
        ]
    );
}

const BY_ITSELF: &str = r#"
    [[recipient]]
    type = "MailContact"
    address = "contact@contoso.example"
    external = "contact@fabrikam.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "partners@contoso.example"
    members = ["contact@contoso.example"]
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "around@contoso.example"
    members = ["partners@contoso.example", "around@contoso.example"]
    [[recipient]]
    type = "MailContact"
    address = "chain@contoso.example"
    external = "around@contoso.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "inside@contoso.example"
    members = ["quiet@contoso.example"]
    [[recipient]]
    type = "SharedMailbox"
    address = "quiet@contoso.example"
    forward_to = "inside@contoso.example"
    auto_reply = { state = "Enabled", internal_message = "Away." }
    [[recipient]]
    type = "SharedMailbox"
    address = "one@contoso.example"
    forward_to = "partners@contoso.example"
    keep_copy = true
    auto_reply = { state = "Enabled", internal_message = "Away.", external_message = "Away." }
    [[recipient]]
    type = "SharedMailbox"
    address = "two@contoso.example"
    forward_to = "chain@contoso.example"
    auto_reply = { start_time = "2026-12-24T12:00:00Z", end_time = "2027-01-04T08:00:00Z", internal_message = "Away.", external_message = "Away.", external_audience = "Known" }
    [[recipient]]
    type = "SharedMailbox"
    address = "three@contoso.example"
    forward_to_smtp = "quiet@contoso.example"
    auto_reply = { state = "Enabled", internal_message = "Away.", external_message = "Away." }
    [[recipient]]
    type = "SharedMailbox"
    address = "four@contoso.example"
    auto_reply = { state = "Enabled", internal_message = "Away.", external_message = "Away.", external_oof_options = "InternalOnly" }
"#;

#[test]
fn groups_that_mailboxes_forward_to_and_automatic_replies_are_ways_out() {
    let lines = |document: &str| -> Vec<String> {
        let found = all(&organisation(document), &Settings::default());
        let by_itself = |way: &&WayOut| way.section() <= Section::AutomaticReplies;
        found.iter().filter(by_itself).map(line).collect()
    };
    assert_eq!(
        lines(BY_ITSELF),
        [
            "one@contoso.example partners@contoso.example members of partners@contoso.example true Blocked",
            "two@contoso.example chain@contoso.example members of around@contoso.example false Blocked",
            "one@contoso.example answers All - - Open",
            "two@contoso.example answers Known 2026-12-24T12:00:00.000Z 2027-01-04T08:00:00.000Z Open",
            "three@contoso.example answers All - - Ignored",
        ]
    );
    let open = lines(&format!("[organisation]\nauto_forwarding_mode = \"On\"\n{BY_ITSELF}"));
    assert!(open[0].ends_with("true Open") && open[1].ends_with("false Open"), "{open:?}");
    let with = |more: &str| lines(&format!("{BY_ITSELF}{more}"));
    let remote = |domain: &str, kind: &str| {
        format!("\n[[remote_domain]]\ndomain = \"{domain}\"\nallowed_oof_type = \"{kind}\"\n")
    };
    let held = remote("*", "None");
    assert!(with(&held)[2].ends_with("Dropped"));
    // For one domain they leave.
    let but_one = format!("{held}{}", remote("fabrikam.example", "ExternalLegacy"));
    assert!(with(&but_one)[2].ends_with("Open"));
    // Without an entry for all others the defaults hold for them.
    let others = with(&remote("fabrikam.example", "InternalLegacy"));
    assert!(others.contains(&"one@contoso.example answers All - - Open".to_owned()), "{others:#?}");
    // The text for colleagues leaves, too, whatever a mailbox says of strangers.
    let as_inside = format!("{held}{}", remote("fabrikam.example", "InternalLegacy"));
    assert_eq!(
        with(&as_inside)[2..],
        [
            "quiet@contoso.example answers as inside fabrikam.example 1 Open",
            "one@contoso.example answers All - - Dropped",
            "one@contoso.example answers as inside fabrikam.example 1 Open",
            "two@contoso.example answers Known 2026-12-24T12:00:00.000Z 2027-01-04T08:00:00.000Z Dropped",
            "two@contoso.example answers as inside fabrikam.example 1 Open",
            "three@contoso.example answers All - - Ignored",
            "three@contoso.example answers as inside fabrikam.example 1 Ignored",
            "four@contoso.example answers as inside fabrikam.example 1 Open",
        ]
    );
    let journal = with("\n[organisation]\njournaling_report_ndr_to = \"one@contoso.example\"\n");
    assert!(journal[2].ends_with("Ignored"), "{journal:?}");
}

#[test]
fn a_group_that_was_deleted_lets_nothing_through() {
    let snapshot = organisation(EVERYTHING);
    let mut team = Recipient::clone(snapshot.find_by_address(&"team@contoso.example".parse().unwrap()).unwrap());
    team.lifecycle = Lifecycle::SoftDeleted { since: Timestamp::EPOCH };
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(team))]).unwrap();
    let lines: Vec<String> = all(&snapshot, &Settings::default()).iter().map(line).collect();
    assert!(!lines.iter().any(|line| line.contains("team@contoso.example")), "{lines:#?}");
    assert!(lines.contains(&"mixed@contoso.example 0  1 stands-for@contoso.example".to_owned()), "{lines:#?}");
}

#[test]
fn what_the_policy_blocks_is_listed_as_blocked() {
    let organisation = Organisation::default();
    let snapshot = super::paths::organisation(EVERYTHING).apply(&[Change::PutOrganisation(organisation)]).unwrap();
    for way in all(&snapshot, &Settings::default()) {
        if let WayOut::Forwarding { passage, .. } = way {
            assert!(matches!(passage, Passage::Blocked | Passage::Ignored | Passage::Asleep), "{passage:?}");
        }
    }
}

#[test]
fn a_directory_of_many_pages_is_listed_whole_and_no_page_is_long() {
    let plain = organisation("");
    let contacts = (1..=1_700_u64).map(|number| {
        let address = format!("c{number}@contoso.example").parse().unwrap();
        let kind = franking::model::directory::RecipientType::MailContact;
        let id = franking::model::directory::RecipientId(number);
        let mut contact = Recipient::new(id, kind, format!("c{number}"), address);
        contact.external_address = Some(Box::new(format!("c{number}@fabrikam.example").parse().unwrap()));
        Change::PutRecipient(Box::new(contact))
    });
    let snapshot = plain.apply(&contacts.collect::<Vec<_>>()).unwrap();
    let (mut ways, mut pages, mut next) = (0, 0, Some(Place::default()));
    while let Some(place) = next {
        let page = page(&snapshot, &Settings::default(), place);
        assert!(page.ways.len() <= 500);
        ways += page.ways.iter().filter(|way| way.section() == Section::MailUsersAndContacts).count();
        pages += 1;
        next = page.next;
    }
    assert_eq!((ways, pages), (1_700, 9));
}

proptest! {
    #[test]
    fn whatever_leaves_is_listed_as_an_open_way(all_drawn in prop::collection::vec(drawn(), 1..12), on in any::<bool>()) {
        let mode = if on { AutoForwardingMode::On } else { AutoForwardingMode::Automatic };
        let organisation = Organisation { auto_forwarding_mode: mode, ..Organisation::default() };
        let relay = AcceptedDomain::new("relay.example".parse().unwrap(), DomainType::InternalRelay);
        let changes = [Change::PutOrganisation(organisation), Change::PutDomain(relay)];
        let snapshot = directory(&all_drawn).apply(&changes).unwrap();
        let open: Vec<WayOut> = all(&snapshot, &settings()).into_iter().filter(WayOut::is_open).collect();
        let mut listed: Vec<String> = Vec::new();
        for way in &open {
            match way {
                WayOut::Forwarding { leaves_for, .. } | WayOut::Person { leaves_for, .. } => listed.push(leaves_for.to_string()),
                WayOut::Group { .. }
                | WayOut::GroupForwarding { .. }
                | WayOut::AutomaticReply { .. }
                | WayOut::InternalReply { .. }
                | WayOut::RemoteMailbox { .. }
                | WayOut::InternalRelay { .. } => {}
            }
        }
        for number in 0..all_drawn.len() {
            let leaves: Vec<String> = expanded(&snapshot, &[permit(&snapshot, number)])
                .into_iter()
                .filter_map(|end| match end {
                    Expanded::Deliver(copy) => match copy.to {
                        Destination::Relay { address, route: Route::Domain } => Some(address.to_string()),
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
            for address in &leaves {
                prop_assert!(listed.contains(address), "r{} leaves for {}, which is not listed", number, address);
            }
            // And a group from which something leaves is listed itself, unless only its mailboxes forward.
            let (own, one) = (format!("r{number}@contoso.example"), &all_drawn[number]);
            if one.recipient_type.is_group() && all_drawn.iter().all(|one| one.forward.is_none()) {
                let listed = open.iter().any(|way| matches!(way, WayOut::Group { group, .. } if **group == *own));
                prop_assert_eq!(listed, !leaves.is_empty(), "{}", own);
            }
            // Where something leaves by a mailbox that is no group, some mailbox is listed as forwarding it.
            if one.recipient_type.is_mailbox() && !one.recipient_type.is_group() && !leaves.is_empty() {
                let listed = open.iter().any(|way| way.section() == Section::MailboxForwarding);
                prop_assert!(listed, "{}", own);
            }
        }
    }
}
