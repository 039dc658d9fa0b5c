//! What exports say of automatic replies, limits, remote domains and authentication policies.

use franking::admin::exchange::Kind;
use franking::model::directory::{
    AllowedOofType, AutoReplyState, ExternalAudience, ExternalOofOptions, Limit, Snapshot,
};

use super::{export, find, import, import_as, lines};

const FILES: [&str; 6] = [
    "get-mailbox.csv",
    "get-mailbox.single.json",
    "get-mailbox-auto-reply-configuration.json",
    "get-remote-domain.csv",
    "get-user.csv",
    "get-authentication-policy.csv",
];

fn everything(snapshot: &Snapshot) -> franking::admin::exchange::Report {
    let files = FILES.map(|name| (name, export(name)));
    let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    import(&files, snapshot)
}

fn arrived() -> Snapshot {
    // The contact that a mailbox forwards to comes from another file.
    let report = everything(&Snapshot::default());
    Snapshot::default().apply(&report.changes).unwrap()
}

#[test]
fn automatic_replies_arrive_and_a_row_in_doubt_is_refused_alone() {
    let report = everything(&Snapshot::default());
    let refused: Vec<String> = lines(&report.refused).into_iter().filter(|line| line.contains("auto-reply")).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused[0].contains("row 3, carol: StartTime cannot be read without doubt"), "{refused:?}");
    assert!(refused[1].contains("row 4, info: A shared mailbox"), "{refused:?}");
    assert!(refused[2].contains("row 5, ghost: no recipient goes by this identity"), "{refused:?}");
    let snapshot = arrived();
    let alice = find(&snapshot, "alice").auto_reply.as_deref().unwrap();
    let AutoReplyState::Scheduled { start, end } = alice.state else { panic!("{alice:?}") };
    assert_eq!(
        (start.to_string().as_str(), end.to_string().as_str()),
        ("2026-12-24T12:00:00.000Z", "2026-12-30T08:00:00.000Z")
    );
    assert_eq!(&*alice.external_message, "<html>\n<body>\nClosed until <b>Monday</b>.\n</body>\n</html>");
    assert_eq!(alice.external_audience, ExternalAudience::Known);
    // Two files speak of one mailbox's replies.
    let kiosk = find(&snapshot, "kiosk").auto_reply.as_deref().unwrap();
    assert_eq!((kiosk.state, kiosk.external_oof_options), (AutoReplyState::Disabled, ExternalOofOptions::InternalOnly));
    assert!(find(&snapshot, "carol").auto_reply.is_none());
}

#[test]
fn automatic_replies_come_from_csv_as_well() {
    let mailbox = "Name,PrimarySmtpAddress,RecipientTypeDetails\nann,ann@contoso.example,UserMailbox\n";
    let replies = "#TYPE x\n\"Identity\",\"AutoReplyState\",\"StartTime\",\"EndTime\",\"InternalMessage\"\n\
\"ann\",\"Scheduled\",\"12/24/2026 12:00:00 PM\",\"1/4/2027 8:00:00 AM\",\"<p>Away,\nback \"\"soon\"\"</p>\"\n";
    let report = import(&[("a.csv", replies.as_bytes()), ("b.csv", mailbox.as_bytes())], &Snapshot::default());
    assert_eq!(lines(&report.refused), [""; 0]);
    assert_eq!(
        lines(&report.notes),
        ["a.csv, row 3, ann: StartTime and EndTime name no time zone and are taken as UTC"]
    );
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    assert_eq!(&*find(&snapshot, "ann").auto_reply.as_deref().unwrap().internal_message, "<p>Away,\nback \"soon\"</p>");
    // A period that ends before it begins takes no mailbox with it, nor does too long a text.
    let backwards = "Identity,AutoReplyState,StartTime,EndTime,InternalMessage\n\
                     ann,Scheduled,2027-01-04T08:00:00Z,2026-12-24T12:00:00Z,Away.\n";
    let files = [("a.csv", backwards.as_bytes()), ("b.csv", mailbox.as_bytes())];
    let report = import(&files, &Snapshot::default());
    let refused = lines(&report.refused);
    assert!(refused.len() == 1 && refused[0].starts_with("a.csv, row 2, ann: "), "{refused:?}");
    let fresh = Snapshot::default().apply(&report.changes).unwrap();
    assert!(find(&fresh, "ann").auto_reply.is_none());
    let long = format!("Identity,AutoReplyState,InternalMessage\nann,Enabled,{}\n", "x".repeat(20_000));
    let report = import_as(&[("c.csv", long.as_bytes())], Some(Kind::AutoReplies), &snapshot);
    assert!(lines(&report.refused)[0].contains("at most 16384"), "{:?}", lines(&report.refused));
}

#[test]
fn remote_domains_arrive_with_what_each_is_sent() {
    let report = everything(&Snapshot::default());
    let strange = "get-remote-domain.csv, row 4, strange.example: AllowedOOFType: write External";
    assert!(lines(&report.refused).iter().any(|line| line.starts_with(strange)), "{:?}", lines(&report.refused));
    let snapshot = arrived();
    let remote: Vec<_> = snapshot
        .remote_domains()
        .map(|one| {
            let flags =
                [one.auto_forward_enabled, one.auto_reply_enabled, one.ndr_enabled, one.delivery_report_enabled];
            (one.domain.to_string(), one.allowed_oof_type, flags)
        })
        .collect();
    let everybody = ("*".to_owned(), AllowedOofType::External, [false, true, true, true]);
    let fabrikam = ("*.fabrikam.example".to_owned(), AllowedOofType::InternalLegacy, [true, false, false, false]);
    assert_eq!(remote.len(), 2);
    assert!(remote.contains(&everybody) && remote.contains(&fabrikam), "{remote:?}");
}

#[test]
fn authentication_policies_and_who_has_them_arrive() {
    let report = everything(&Snapshot::default());
    let snapshot = arrived();
    assert!(!snapshot.authentication_policy("Block Basic Auth").unwrap().allow_basic_auth_smtp);
    let policy = |local: &str| find(&snapshot, local).account.as_ref().unwrap().authentication_policy.clone();
    for local in ["alice", "carol"] {
        assert_eq!(policy(local).as_deref(), Some("Block Basic Auth"), "{local}");
    }
    assert!(policy("bob").is_none());
    // Without its policy the account would be more open than it was.
    let dave = "get-user.csv, row 4, dave@contoso.example: There is no authentication policy";
    assert!(lines(&report.refused).iter().any(|line| line.starts_with(dave)), "{:?}", lines(&report.refused));
    // The account without mail says nothing here.
    assert!(!lines(&report.refused).iter().any(|line| line.contains("krbtgt")) && report.skipped >= 1);
    let again = everything(&snapshot);
    assert_eq!(again.changes, []);
}

#[test]
fn what_the_address_book_tells_comes_from_every_file_that_knows_of_it() {
    let told = |snapshot: &Snapshot, local: &str| -> Vec<String> {
        find(snapshot, local).address_book.iter().map(|(property, text)| format!("{property} {text}")).collect()
    };
    let snapshot = arrived();
    // Get-Mailbox knows of the office, Get-User of the rest.
    let all = ["City Köln", "Company Contoso", "Department Sales", "Office 3.14", "Title Head of Sales"];
    assert_eq!(told(&snapshot, "alice"), all);
    assert_eq!(told(&snapshot, "carol"), [""; 0]);
    // A later export that leaves a cell empty takes the text away, and one without the column says nothing of it.
    let file = "Name,PrimarySmtpAddress,RecipientTypeDetails,City,Department,Phone\n\
        alice,alice@contoso.example,UserMailbox,,Marketing,+49 221 100\n";
    let report = import(&[("get-recipient.csv", file.as_bytes())], &snapshot);
    let next = snapshot.apply(&report.changes).unwrap();
    let now = ["Company Contoso", "Department Marketing", "Office 3.14", "Phone +49 221 100", "Title Head of Sales"];
    assert_eq!(told(&next, "alice"), now);
    let long = file.replace("Marketing", &"x".repeat(65));
    let refused = lines(&import(&[("get-recipient.csv", long.as_bytes())], &snapshot).refused);
    assert!(refused[0].contains("Department has at most 64 characters"), "{refused:?}");
}

#[test]
fn what_a_mailbox_has_from_its_organisation_stays_the_organisations() {
    let file = "Name,PrimarySmtpAddress,RecipientTypeDetails,RecipientLimits,UseDatabaseQuotaDefaults,ProhibitSendQuota\n\
        a,a@contoso.example,UserMailbox,500,True,2 GB\nb,b@contoso.example,UserMailbox,Unlimited,False,Unlimited\n\
        c,c@contoso.example,UserMailbox,100,False,1 GB\nd,d@contoso.example,UserMailbox,,,\n";
    let report = import(&[("mailboxes.csv", file.as_bytes())], &Snapshot::default());
    assert_eq!(lines(&report.refused), [""; 0]);
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let per_message = |local: &str| find(&snapshot, local).limits.as_deref().and_then(|own| own.recipients_per_message);
    assert_eq!(["a", "b", "c", "d"].map(per_message), [None, None, Some(100), None]);
    let send = |local: &str| find(&snapshot, local).quota.as_deref().and_then(|own| own.prohibit_send);
    assert_eq!(["a", "b", "c", "d"].map(send), [None, Some(Limit::Unlimited), Some(Limit::Bytes(1 << 30)), None]);
    // A later export in which it follows the organisation again takes its own value away.
    let later = file.replace(",100,False,1 GB", ",500,True,1 GB");
    let report = import(&[("mailboxes.csv", later.as_bytes())], &snapshot);
    let next = snapshot.apply(&report.changes).unwrap();
    assert!(find(&next, "c").limits.is_none() && find(&next, "c").quota.is_none());
}
