//! Who joins and leaves groups, and what groups may be.

use franking::model::directory::document::{Document, Secrets};
use franking::model::directory::membership::{Joining, MembershipError, OWNERS_MAX, REQUESTS_MAX, decide, join, leave};
use franking::model::directory::{Change, ChangeError, Recipient, RecipientId, RecipientType, Snapshot};
use franking::model::mail::Address;

use crate::dialogues::CLEAR;

fn organisation(recipients: &str) -> Result<Snapshot, String> {
    let text = format!("[[domain]]\ndomain = \"contoso.example\"\n{PEOPLE}{recipients}");
    let document: Document = toml::from_str(&text).unwrap();
    let changes = document.plan(&Snapshot::default(), CLEAR).strict();
    let changes = changes.map_err(|rejected| rejected[0].reason.to_string())?;
    Ok(Snapshot::default().apply(&changes).unwrap())
}

const PEOPLE: &str = r#"
    [[recipient]]
    type = "UserMailbox"
    address = "alice@contoso.example"
    [[recipient]]
    type = "UserMailbox"
    address = "bob@contoso.example"
    [[recipient]]
    type = "RoomMailbox"
    address = "room-1@contoso.example"
"#;

fn group(kind: &str, rules: &str) -> Result<Snapshot, String> {
    organisation(&format!("[[recipient]]\ntype = \"{kind}\"\naddress = \"group@contoso.example\"\n{rules}\n"))
}

fn named<'snapshot>(snapshot: &'snapshot Snapshot, local: &str) -> &'snapshot Recipient {
    snapshot.find_by_address(&Address::parse(&format!("{local}@contoso.example")).unwrap()).unwrap()
}

#[test]
fn the_rules_of_a_group_say_who_joins_and_leaves() {
    use MembershipError as E;
    let address = |local: &str| Address::parse(&format!("{local}@contoso.example")).unwrap();
    let (alice, whole) = (|| address("alice"), || address("group"));
    let asks = |kind: &str, rules: &str| {
        let snapshot = group(kind, rules).unwrap();
        let (group, alice) = (named(&snapshot, "group"), named(&snapshot, "alice"));
        (join(group, alice), leave(group, alice))
    };
    let list = "MailUniversalDistributionGroup";
    let no_member = || Err(E::NoMember { member: alice(), group: whole() });
    let member = || Err(E::Member { member: alice(), group: whole() });
    let within = "members = [\"alice@contoso.example\"]";
    assert_eq!(asks(list, ""), (Err(E::JoinClosed(whole())), no_member()));
    assert_eq!(asks(list, "member_join_restriction = \"Open\""), (Ok(Joining::Joins), no_member()));
    assert_eq!(asks(list, "member_join_restriction = \"ApprovalRequired\"").0, Ok(Joining::Waits));
    assert_eq!(asks(list, within), (member(), Ok(())));
    let kept = format!("member_depart_restriction = \"Closed\"\n{within}");
    assert_eq!(asks(list, &kept).1, Err(E::DepartClosed(whole())));
    assert_eq!(asks("MailUniversalSecurityGroup", within).1, Err(E::DepartClosed(whole())));
    assert_eq!(asks("DynamicDistributionGroup", "").0, Err(E::NoList(whole())));
    let asked = "member_join_restriction = \"ApprovalRequired\"\nmembership_requests = [\"alice@contoso.example\"]";
    assert_eq!(asks(list, asked).0, Err(E::Waiting { member: alice(), group: whole() }));
}

#[test]
fn a_request_waits_for_an_owner_and_goes_with_the_answer_or_with_who_asked() {
    let rules = "member_join_restriction = \"ApprovalRequired\"\nowners = [\"bob@contoso.example\"]";
    let snapshot = group("MailUniversalDistributionGroup", rules).unwrap();
    let (id, alice) = (named(&snapshot, "group").id, named(&snapshot, "alice").id);
    let asked = snapshot.apply(&[Change::RequestMembership { group: id, member: alice }]).unwrap();
    let requests =
        |snapshot: &Snapshot| snapshot.recipient(id).unwrap().group.as_ref().unwrap().membership.requests.clone();
    assert_eq!(requests(&asked), [alice]);
    assert_eq!(asked.referrers(alice), [id]);
    let decided = |owner: Option<&str>| {
        decide(named(&asked, "group"), named(&asked, "alice"), owner.map(|owner| named(&asked, owner)))
    };
    assert_eq!(decided(Some("bob")), Ok(()));
    assert_eq!(decided(None), Ok(()));
    assert!(matches!(decided(Some("room-1")), Err(MembershipError::NotOwner { .. })));
    let granted = asked.apply(&[Change::AddMembers { group: id, members: vec![alice] }]).unwrap();
    assert!(requests(&granted).is_empty() && granted.recipient(id).unwrap().group.as_ref().unwrap().has_member(alice));
    let refused = asked.apply(&[Change::DropRequest { group: id, member: alice }]).unwrap();
    assert!(requests(&refused).is_empty() && refused.referrers(alice).is_empty());
    assert!(requests(&asked.apply(&[Change::RemoveRecipient(alice)]).unwrap()).is_empty());
    // What is exported comes back, the request included.
    let document = Document::of(&asked, Secrets::Hide);
    let text = toml::to_string(&document).unwrap();
    let again: Document = toml::from_str(&text).unwrap();
    let changes = again.plan(&Snapshot::default(), CLEAR).strict().unwrap();
    let restored = Snapshot::default().apply(&changes).unwrap();
    assert_eq!(Document::of(&restored, Secrets::Hide), document);
    assert_eq!(named(&restored, "group").group.as_ref().unwrap().membership.requests.len(), 1);
}

#[test]
fn requests_and_owners_are_bounded() {
    let snapshot = group("MailUniversalDistributionGroup", "member_join_restriction = \"ApprovalRequired\"").unwrap();
    let mut full = Recipient::clone(named(&snapshot, "group"));
    let rules = full.group.as_mut().unwrap();
    rules.membership.requests = vec![RecipientId(1); REQUESTS_MAX];
    rules.managed_by = vec![RecipientId(2); OWNERS_MAX];
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(full.clone()))]).unwrap();
    let one_more = Change::RequestMembership { group: full.id, member: RecipientId(2) };
    assert!(matches!(snapshot.apply(&[one_more]), Err(ChangeError::TooManyRequests { .. })));
    assert!(matches!(join(&full, named(&snapshot, "bob")), Err(MembershipError::TooManyRequests { .. })));
    full.group.as_mut().unwrap().managed_by.push(RecipientId(2));
    let refused = snapshot.apply(&[Change::PutRecipient(Box::new(full))]).unwrap_err();
    assert_eq!(refused, ChangeError::TooManyOwners { max: OWNERS_MAX });
}

#[test]
fn a_group_has_no_more_than_100_000_direct_members() {
    let snapshot = group("MailUniversalDistributionGroup", "").unwrap();
    let id = named(&snapshot, "group").id;
    // Nobody has these identities: what is within the bound fails for that.
    let joining =
        |count: u64| Change::AddMembers { group: id, members: (1_000..1_000 + count).map(RecipientId).collect() };
    let refused = |change: Change| snapshot.apply(&[change]).unwrap_err();
    assert!(matches!(refused(joining(100_000)), ChangeError::UnknownRecipient(_)));
    let error = refused(joining(100_001));
    assert!(matches!(error, ChangeError::TooManyMembers { count: 100_001, .. }), "{error}");
    assert!(
        error.to_string().starts_with("A group has at most 100000 direct members, and \"group\" would have 100001.")
    );
    // Twice the same is once.
    let mut twice: Vec<RecipientId> = (1_000..101_000).map(RecipientId).collect();
    twice.push(RecipientId(1_000));
    let twice = Change::AddMembers { group: id, members: twice };
    assert!(matches!(refused(twice), ChangeError::UnknownRecipient(_)));
    let mut whole = Recipient::clone(named(&snapshot, "group"));
    whole.group.as_mut().unwrap().set_members((1_000..101_001).map(RecipientId).collect());
    let error = refused(Change::PutRecipient(Box::new(whole)));
    assert!(matches!(error, ChangeError::TooManyMembers { .. }), "{error}");
}

#[test]
fn security_groups_are_never_open_and_room_lists_hold_rooms() {
    for open in ["member_join_restriction = \"Open\"", "member_depart_restriction = \"Open\""] {
        let refused = group("MailUniversalSecurityGroup", open).unwrap_err();
        assert!(refused.contains("cannot be open"), "{refused}");
    }
    let rooms = group("RoomList", "members = [\"room-1@contoso.example\"]").unwrap();
    let refused = group("RoomList", "members = [\"alice@contoso.example\"]").unwrap_err();
    assert_eq!(refused, "\"alice\" is no room or equipment, and \"group\" is a room list.");
    let (list, alice) = (named(&rooms, "group").id, named(&rooms, "alice").id);
    let joins = rooms.apply(&[Change::AddMembers { group: list, members: vec![alice] }]);
    assert!(matches!(joins, Err(ChangeError::NotARoom { .. })));
    let mut converted =
        Recipient::clone(&named(&group("MailUniversalDistributionGroup", "").unwrap(), "group").clone());
    converted.group.as_mut().unwrap().set_members(vec![alice]);
    converted.recipient_type = RecipientType::RoomList;
    assert!(matches!(rooms.apply(&[Change::PutRecipient(Box::new(converted))]), Err(ChangeError::NotARoom { .. })));
}

#[test]
fn new_members_of_a_microsoft_365_group_are_subscribed_where_it_says_so() {
    for (subscribes, expected) in [(true, 1), (false, 0)] {
        let rules = format!("auto_subscribe_new_members = {subscribes}\nmembers = [\"bob@contoso.example\"]");
        let snapshot = group("GroupMailbox", &rules).unwrap();
        let (id, alice, bob) = (named(&snapshot, "group").id, named(&snapshot, "alice").id, named(&snapshot, "bob").id);
        let next = snapshot.apply(&[Change::AddMembers { group: id, members: vec![alice, bob] }]).unwrap();
        let subscribers = &next.recipient(id).unwrap().group.as_ref().unwrap().subscribers;
        assert_eq!(subscribers.len(), expected, "only who is new");
        assert!(!subscribers.contains(&bob));
    }
}
