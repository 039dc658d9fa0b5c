//! Holds, archives and deleted mailboxes as `Get-Mailbox` exports them.

use franking::model::directory::lifecycle::hold::HoldKind;
use franking::model::directory::provisioning::Provisioning;
use franking::model::directory::{Lifecycle, Recipient, Snapshot};
use franking::model::mail::Timestamp;

use super::{find, import, lines};

const HEAD: &str = "PrimarySmtpAddress,RecipientTypeDetails,ExchangeGuid,IsDirSynced,LitigationHoldEnabled,\
                    LitigationHoldDate,LitigationHoldDuration,InPlaceHolds,ComplianceTagHoldApplied,DelayHoldApplied,\
                    ArchiveStatus,IsInactiveMailbox,WhenSoftDeleted,IsSoftDeletedByDisable\n";
const DAY: &str = "2026-01-05T09:00:00Z";

fn csv(rows: &[&str]) -> Vec<u8> {
    format!("{HEAD}{}\n", rows.join("\n")).into_bytes()
}

fn own(recipient: &Recipient) -> &Provisioning {
    recipient.provisioning.as_deref().unwrap()
}

fn day() -> Timestamp {
    Timestamp::parse_iso8601(DAY).unwrap()
}

#[test]
fn holds_archives_and_synchronised_objects_arrive() {
    let guid = "12345678-9abc-def0-1234-56789abcdef0";
    let file = csv(&[
        &format!(
            "alice@contoso.example,UserMailbox,{guid},False,True,{DAY},365.00:00:00,mbx7c:2 UniH1 -mbx9 cld3,True,False,Active,False,,"
        ),
        &format!("bob@contoso.example,UserMailbox,{guid},True,False,,Unlimited,,True,True,None,False,,"),
        "carol@contoso.example,UserMailbox,,False,False,,,,False,False,None,False,,",
    ]);
    let report = import(&[("mailboxes.csv", &file)], &Snapshot::default());
    assert_eq!(lines(&report.refused), [""; 0]);
    let told = lines(&report.notes);
    assert!(told.len() == 1 && told[0].contains("excluded from the retention policy mbx9"), "{told:?}");
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let alice = own(find(&snapshot, "alice"));
    let placed: Vec<(HoldKind, &str)> = alice.holds.placed.iter().map(|hold| (hold.kind, &*hold.name)).collect();
    let expected = [
        (HoldKind::LitigationHold, ""),
        (HoldKind::RetentionPolicy, "mbx7c"),
        (HoldKind::EDiscoveryHold, "UniH1"),
        (HoldKind::InPlaceHold, "cld3"),
    ];
    assert_eq!(placed, expected);
    assert_eq!((alice.holds.placed[0].since, alice.holds.placed[0].days), (day(), Some(365)));
    assert_eq!(*alice.holds.excluded, ["mbx9".into()]);
    // What Exchange gave its own mailbox means nothing here.
    assert!(alice.archive.is_some() && alice.exchange_guid.is_none());
    let bob = own(find(&snapshot, "bob"));
    assert_eq!(bob.exchange_guid.unwrap().to_string(), guid);
    let kinds: Vec<HoldKind> = bob.holds.placed.iter().map(|hold| hold.kind).collect();
    assert_eq!((bob.synchronised, kinds), (true, vec![HoldKind::RetentionLabel, HoldKind::DelayHold]));
    assert!(find(&snapshot, "carol").provisioning.is_none());

    // A second import, which knows of other holds or of none, takes none away.
    let again = csv(&[
        "alice@contoso.example,UserMailbox,,False,False,,,UniH8,False,False,None,False,,",
        "bob@contoso.example,UserMailbox,,True,False,,,,False,False,None,False,,",
    ]);
    let report = import(&[("again.csv", &again)], &snapshot);
    let next = snapshot.apply(&report.changes).unwrap();
    assert_eq!(own(find(&next, "alice")).holds.placed.len(), 5);
    assert_eq!(own(find(&next, "bob")), bob);
}

#[test]
fn deleted_mailboxes_come_beside_those_that_have_their_address_now() {
    let file = csv(&[
        "info@contoso.example,SharedMailbox,,False,False,,,,False,False,None,False,,",
        &format!("info@contoso.example,UserMailbox,,False,True,{DAY},,,False,False,None,True,{DAY},False"),
        &format!("dora@contoso.example,UserMailbox,,False,False,,,,False,False,None,False,{DAY},True"),
        "bob@contoso.example,UserMailbox,,False,False,,,,False,False,None,True,1/5/2026 9:00:00 AM,False",
    ]);
    let report = import(&[("mailboxes.csv", &file)], &Snapshot::default());
    assert_eq!(lines(&report.refused), [""; 0]);
    let told = lines(&report.notes);
    assert!(told[0].contains("WhenSoftDeleted names no time zone and is taken as UTC"), "{told:?}");
    assert!(told[1].contains("names no hold"), "{told:?}");
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    assert_eq!(find(&snapshot, "info").recipient_type.name(), "SharedMailbox");
    let gone = snapshot.find_deleted("info@contoso.example").next().unwrap();
    assert_eq!((gone.lifecycle, own(gone).user_deleted), (Lifecycle::Inactive { since: day() }, Some(day())));
    assert!(!gone.is_licensed());
    // Its user is still there: only the mailbox was disabled.
    assert_eq!(find(&snapshot, "dora").lifecycle, Lifecycle::Disconnected { since: day() });
    assert_eq!(snapshot.deleted().count(), 2);
}

#[test]
fn what_is_no_hold_refuses_its_row() {
    let file = csv(&["alice@contoso.example,UserMailbox,,False,maybe,,,,False,False,None,False,,"]);
    let report = import(&[("mailboxes.csv", &file)], &Snapshot::default());
    assert!(lines(&report.refused)[0].contains("LitigationHoldEnabled is neither True nor False"));
    let long = "x".repeat(65);
    let file = csv(&[&format!("alice@contoso.example,UserMailbox,,False,False,,,{long},False,False,None,False,,")]);
    let report = import(&[("mailboxes.csv", &file)], &Snapshot::default());
    assert!(lines(&report.refused)[0].contains("the name of no hold"));
}
