//! A deleted user is nobody: mail, sign-in and the lists of auditors pass it over at once.

use franking::model::directory::{Change, Recipient, Snapshot};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::ways_out::{Place, Section, page};
use franking::model::policy::{
    DsnRequest, Evidence, Expanded, Origin, Posting, Proof, Resolution, Settings, Unrecorded, admit, expand, resolve,
    sign_in,
};

use super::paths::organisation;

const PEOPLE: &str = r#"
    [[recipient]]
    type = "UserMailbox"
    address = "alice@contoso.example"
    licences = ["ExchangeOnlinePlan1"]
    password = "x"
    [[recipient]]
    type = "MailUser"
    address = "scanner@contoso.example"
    external = "scanner@fabrikam.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "staff@contoso.example"
    members = ["alice@contoso.example", "scanner@contoso.example"]
    require_sender_authentication = false
"#;

fn path(local: &str) -> ForwardPath {
    ForwardPath::Mailbox(Address::parse(&format!("{local}@contoso.example")).unwrap())
}

fn comes_to(snapshot: &Snapshot, local: &str) -> Vec<Expanded> {
    let settings = Settings::default();
    let permit =
        admit(snapshot, &settings, &Posting::own(), path(local), DsnRequest::default(), &mut Unrecorded).unwrap();
    let posting = Posting::received(snapshot, Origin::System, &ReversePath::Null, b"", 1_000);
    expand(snapshot, &settings, &posting, &[permit], Timestamp::EPOCH, &mut Unrecorded)
}

fn persons(snapshot: &Snapshot) -> usize {
    let place = Place { section: Section::MailUsersAndContacts, from: 0 };
    let groups = Place { section: Section::Groups, from: 0 };
    [place, groups].into_iter().map(|place| page(snapshot, &Settings::default(), place).ways.len()).sum()
}

fn signs_in(snapshot: &Snapshot) -> bool {
    let evidence = Evidence::Right(Proof::Password);
    sign_in(snapshot, &Settings::default(), "alice@contoso.example", evidence, &mut Unrecorded).is_ok()
}

#[test]
fn a_deleted_user_neither_receives_nor_signs_in_nor_lets_mail_out() {
    let snapshot = organisation(PEOPLE);
    assert!(signs_in(&snapshot) && persons(&snapshot) == 2);
    let deleted = |local: &str| {
        let address = Address::parse(&format!("{local}@contoso.example")).unwrap();
        let mut gone = Recipient::clone(snapshot.find_by_address(&address).unwrap());
        gone.provisioning.get_or_insert_default().user_deleted = Some(Timestamp::EPOCH);
        Change::PutRecipient(Box::new(gone))
    };
    let next = snapshot.apply(&[deleted("scanner"), deleted("alice")]).unwrap();
    assert!(!signs_in(&next));
    assert_eq!(persons(&next), 0);
    for local in ["alice", "scanner"] {
        let found = resolve(&next, &Settings::default(), &path(local), &mut Unrecorded);
        assert!(matches!(found, Resolution::Unknown(_)), "{local}: {found:?}");
    }
    let left = comes_to(&next, "staff");
    assert!(left.iter().all(|one| !format!("{one:?}").contains("fabrikam")), "{left:?}");
}
