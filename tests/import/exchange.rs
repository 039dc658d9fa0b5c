//! What an Exchange administrator exports arrives as it was.

use franking::model::directory::document::Counts;
use franking::model::directory::{ExternalOofOptions, Limit, ModerationNotifications, RecipientType, Right, Snapshot};

use super::{export, find, import, lines};
use crate::directory::address;

const FILES: [&str; 6] = [
    "get-recipient-permission.csv",
    "get-mailbox-permission.json",
    "get-accepted-domain.csv",
    "get-mailbox.csv",
    "get-recipient.de.csv",
    "get-mailbox.single.json",
];

fn everything() -> (Snapshot, franking::admin::exchange::Report) {
    let files = FILES.map(|name| (name, export(name)));
    let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let report = import(&files, &Snapshot::default());
    (Snapshot::default().apply(&report.changes).unwrap(), report)
}

#[test]
fn a_whole_organisation_comes_in_from_six_files() {
    let (snapshot, report) = everything();
    assert_eq!(
        lines(&report.refused),
        [
            "get-mailbox-permission.json, row 4, staff: A MailUniversalDistributionGroup cannot have FullAccess permissions.",
            "get-mailbox.csv, row 8, discovery@contoso.example: a recipient of type \"DiscoveryMailbox\" has no counterpart here",
            "get-recipient-permission.csv, row 8, info: \"Partner\" cannot hold permissions: only mailbox users, mail users and security groups can.",
            "get-recipient-permission.csv, row 9, ghost: no recipient goes by this identity",
        ]
    );
    assert_eq!(lines(&report.notes), [""; 0]);
    assert_eq!(report.counts, Counts { created: 10, updated: 0, unchanged: 0 });
    assert_eq!(report.skipped, 4);
    assert!(report.to_string().ends_with("10 created, 0 updated, 0 unchanged, 4 rows refused, 4 rows skipped\n"));
    assert_eq!(snapshot.domains().count(), 2);
    assert_eq!(snapshot.default_domain().unwrap().to_string(), "contoso.example");
}

#[test]
fn properties_arrive_as_they_were() {
    let (snapshot, _) = everything();
    let alice = find(&snapshot, "alice");
    assert_eq!(alice.addresses.secondary(), [address("a.liddell@contoso.example")]);
    let other: Vec<_> = alice.addresses.other().iter().map(|proxy| &*proxy.value).collect();
    let legacy = "/o=Contoso/ou=Exchange Administrative Group (ABC)/cn=Recipients/cn=alice";
    assert_eq!(other, [legacy, "alice@contoso.example"], "a later file that lists fewer addresses takes none away");
    assert_eq!(alice.account.as_ref().unwrap().licences[..], ["ExchangeOnlinePlan2".into()]);
    let quota = alice.quota.as_ref().unwrap();
    assert_eq!(quota.prohibit_send, Some(Limit::Bytes(53_150_220_288)));
    assert_eq!(alice.restrictions.as_ref().unwrap().receive_bytes_max, Some(37_748_736));
    assert_eq!(alice.custom_attributes.as_ref().unwrap().get(&2).map(|value| &**value), Some("sales"));

    let bob = find(&snapshot, "bob");
    assert_eq!(&*bob.name, "Liddell, Bob");
    assert_eq!(bob.account.as_ref().unwrap().login, address("bob.login@contoso.example"));
    assert!(bob.quota.is_none() && bob.is_licensed());
    let forwarding = bob.forwarding.as_ref().unwrap();
    assert_eq!(forwarding.forwarding_address, Some(find(&snapshot, "partner").id));
    assert!(forwarding.deliver_to_mailbox_and_forward);

    let carol = find(&snapshot, "carol");
    assert!(!carol.is_licensed(), "SKUAssigned said False");
    assert_eq!(carol.forwarding.as_ref().unwrap().forwarding_smtp_address, Some(address("carol@fabrikam.example")));

    let kiosk = find(&snapshot, "kiosk");
    assert_eq!(kiosk.recipient_type, RecipientType::UserMailbox);
    assert_eq!(kiosk.addresses.secondary(), [address("front-desk@contoso.example")]);
    assert_eq!(kiosk.client_access.smtp_client_authentication_disabled, Some(true));
    assert_eq!(kiosk.quota.as_ref().unwrap().prohibit_send, Some(Limit::Bytes(53_150_220_288)));
    // Unlimited in Exchange is no word for a default.
    assert_eq!(kiosk.quota.as_ref().unwrap().prohibit_send_receive, Some(Limit::Unlimited));
    assert_eq!(kiosk.auto_reply.as_ref().unwrap().external_oof_options, ExternalOofOptions::InternalOnly);
    assert!(alice.auto_reply.is_none());

    assert_eq!(find(&snapshot, "partner").external_address, Some(Box::new(address("partner@fabrikam.example"))));
    assert_eq!(find(&snapshot, "staff").display_name.as_deref(), Some("Müller & Söhne"));
    assert_eq!(find(&snapshot, "delegates").group.as_ref().unwrap().managed_by.len(), 2);
}

#[test]
fn grants_and_restrictions_lead_to_the_right_recipients() {
    let (snapshot, _) = everything();
    let info = find(&snapshot, "info");
    let id = |local: &str| find(&snapshot, local).id;
    let sorted = |mut ids: Vec<_>| {
        ids.sort_unstable();
        ids
    };
    let trustees = |right, deny| sorted(info.trustees(right, deny).collect());
    assert_eq!(trustees(Right::SendAs, false), sorted(vec![id("alice"), id("delegates")]));
    assert_eq!(trustees(Right::SendAs, true), [id("bob")]);
    assert_eq!(trustees(Right::SendOnBehalf, false), [id("bob")]);
    assert_eq!(trustees(Right::FullAccess, false), [id("alice")]);
    assert_eq!(trustees(Right::FullAccess, true), [id("carol")]);
    assert_eq!(info.restrictions.as_ref().unwrap().accept_only_from, [id("alice"), id("staff")]);
    assert!(!info.account.as_ref().unwrap().enabled && info.account.as_ref().unwrap().sign_in_blocked);
    assert!(find(&snapshot, "alice").grants.is_empty(), "own, inherited and foreign permissions say nothing");
}

#[test]
fn importing_the_same_files_again_changes_nothing() {
    let (snapshot, first) = everything();
    let files = FILES.map(|name| (name, export(name)));
    let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let again = import(&files, &snapshot);
    assert_eq!(again.changes, []);
    assert_eq!(again.counts.unchanged, first.counts.created);
}

#[test]
fn permissions_alone_add_to_an_existing_directory() {
    let (snapshot, _) = everything();
    let file = "Identity,User,AccessRights,Deny,IsInherited\ninfo,bob,FullAccess,False,False\n";
    let report = import(&[("more.csv", file.as_bytes())], &snapshot);
    assert_eq!((report.counts.updated, lines(&report.refused).len()), (1, 0));
    let next = snapshot.apply(&report.changes).unwrap();
    assert_eq!(find(&next, "info").trustees(Right::FullAccess, false).count(), 2);
    assert_eq!(find(&next, "info").trustees(Right::SendAs, false).count(), 2);
}

#[test]
fn utf16_with_a_byte_order_mark_reads_like_utf8() {
    let text = String::from_utf8(export("get-recipient.de.csv")).unwrap();
    let little: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> = [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let marked: Vec<u8> = [0xEF, 0xBB, 0xBF].into_iter().chain(text.bytes()).collect();
    let plain = import(&[("a.csv", text.as_bytes())], &Snapshot::default());
    assert_eq!(plain.counts.created, 5, "{plain}");
    for bytes in [little, big, marked] {
        assert_eq!(import(&[("a.csv", &bytes)], &Snapshot::default()).changes, plain.changes);
    }
}

#[test]
fn a_refused_recipient_takes_only_what_depends_on_it() {
    let file = "Name,PrimarySmtpAddress,RecipientTypeDetails,ExternalEmailAddress,GrantSendOnBehalfTo,AcceptMessagesOnlyFromSendersOrMembers\n\
                scanner,scanner@contoso.example,MailUser,,,\n\
                info,info@contoso.example,SharedMailbox,,scanner,\n\
                sales,sales@contoso.example,SharedMailbox,,,scanner\n\
                alice,alice@contoso.example,UserMailbox,,ghost,\n\
                bob,bob@contoso.example,UserMailbox,,,ghost\n";
    let report = import(&[("a.csv", file.as_bytes())], &Snapshot::default());
    assert_eq!(
        lines(&report.refused),
        [
            "a.csv, row 2, scanner@contoso.example: A MailUser needs an external address: --external user@other.example",
            "a.csv, row 4, sales@contoso.example: accept_only_from: there is no recipient with the address \"scanner@contoso.example\"",
            "a.csv, row 6, bob@contoso.example: AcceptMessagesOnlyFromSendersOrMembers: \"ghost\": no recipient goes by this identity",
        ]
    );
    assert_eq!(
        lines(&report.notes),
        [
            "a.csv, row 5, alice@contoso.example: GrantSendOnBehalfTo is imported without \"ghost\": no recipient goes by this identity",
            "a.csv, row 3, info@contoso.example: imported without scanner@contoso.example, which was refused",
        ]
    );
    assert_eq!(report.counts.created, 2);
}

#[test]
fn an_ambiguous_name_is_not_guessed() {
    let file = "Name,DisplayName,PrimarySmtpAddress,RecipientTypeDetails,GrantSendOnBehalfTo\n\
                a1,Alice,a1@contoso.example,UserMailbox,\n\
                a2,Alice,a2@contoso.example,UserMailbox,\n\
                info,Info,info@contoso.example,SharedMailbox,Alice\n";
    let report = import(&[("a.csv", file.as_bytes())], &Snapshot::default());
    assert!(lines(&report.notes)[0].ends_with("several recipients go by this identity; use an address"), "{report}");
    assert_eq!(report.counts.created, 3);
}

#[test]
fn the_name_in_the_old_system_stays_as_an_x500_address() {
    let mailboxes = "Name,PrimarySmtpAddress,EmailAddresses,RecipientTypeDetails,LegacyExchangeDN\n\
                     info,info@contoso.example,SMTP:info@contoso.example X500:/o=Older/cn=info,SharedMailbox,/o=Old/cn=info\n\
                     desk,desk@contoso.example,SMTP:desk@contoso.example,SharedMailbox,\n";
    let report = import(&[("a.csv", mailboxes.as_bytes())], &Snapshot::default());
    assert_eq!(report.counts.created, 2, "{report}");
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let info = find(&snapshot, "info").id;
    for name in ["/o=Old/cn=info", "/o=older/cn=INFO"] {
        assert_eq!(snapshot.find_by_other("X500", name).map(|found| found.id), Some(info));
    }
    assert_eq!(find(&snapshot, "desk").addresses.other(), []);
}

#[test]
fn an_alias_arrives_where_it_says_more_than_login_and_name() {
    let mailboxes = "Name,Alias,PrimarySmtpAddress,RecipientTypeDetails,UserPrincipalName\n\
                     Alice L,al,alice@contoso.example,UserMailbox,alice@contoso.example\n\
                     Bob B,bob,b@contoso.example,UserMailbox,bob@contoso.example\n\
                     All staff,everybody,staff@contoso.example,MailUniversalDistributionGroup,\n\
                     Two words,Twowords,two@contoso.example,MailUniversalDistributionGroup,\n";
    let report = import(&[("a.csv", mailboxes.as_bytes())], &Snapshot::default());
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let told =
        |local: &str| (find(&snapshot, local).alias().into_owned(), find(&snapshot, local).mail_nickname.is_some());
    assert_eq!(told("alice"), ("al".to_owned(), true));
    assert_eq!(told("b"), ("bob".to_owned(), false));
    assert_eq!(told("staff"), ("everybody".to_owned(), true));
    assert_eq!(told("two"), ("Twowords".to_owned(), false));
}

#[test]
fn every_kind_of_identity_leads_to_its_recipient() {
    let mailboxes = "Name,Alias,DisplayName,PrimarySmtpAddress,RecipientTypeDetails,UserPrincipalName,Guid,LegacyExchangeDN\n\
                     alice-1,al,Alice L.,alice@contoso.example,UserMailbox,a.login@contoso.example,\
                     7b0c1c52-4c0e-4f0a-9a5e-0d4a4f0a0001,/o=Contoso/ou=First/cn=Recipients/cn=aliddell\n\
                     info,info,Info,info@contoso.example,SharedMailbox,,,\n";
    let identities = [
        "alice-1",
        "AL",
        "alice l.",
        "Alice@Contoso.Example",
        "smtp:alice@contoso.example",
        "a.login@contoso.example",
        "7B0C1C52-4c0e-4f0a-9a5e-0d4a4f0a0001",
        "/o=Contoso/ou=First/cn=Recipients/cn=aliddell",
        "/o=Contoso/ou=Second/cn=Recipients/cn=al",
        "CN=alice-1,OU=Users,DC=contoso,DC=example",
        "contoso.example/Users/alice-1",
        "CONTOSO\\al",
    ];
    for identity in identities {
        let grants = format!("Identity,Trustee,AccessRights\ninfo,\"{identity}\",SendAs\n");
        let files = [("a.csv", mailboxes.as_bytes()), ("b.csv", grants.as_bytes())];
        let report = import(&files, &Snapshot::default());
        assert_eq!(lines(&report.refused), [""; 0], "{identity}");
        let snapshot = Snapshot::default().apply(&report.changes).unwrap();
        assert_eq!(find(&snapshot, "info").trustees(Right::SendAs, false).count(), 1, "{identity}");
    }
}

#[test]
fn moderation_is_read_from_its_columns() {
    let file = "Name,PrimarySmtpAddress,RecipientTypeDetails,ModerationEnabled,ModeratedBy,\
                BypassModerationFromSendersOrMembers,BypassNestedModerationEnabled,SendModerationNotifications\n\
                alice,alice@contoso.example,UserMailbox,False,,,,Always\n\
                bob,bob@contoso.example,UserMailbox,True,alice;ghost,staff,False,2\n\
                staff,staff@contoso.example,MailUniversalDistributionGroup,True,\"{alice, bob}\",,True,Internal\n\
                info,info@contoso.example,SharedMailbox,True,alice,,False,Sometimes\n";
    let report = import(&[("a.csv", file.as_bytes())], &Snapshot::default());
    assert_eq!(
        lines(&report.notes),
        [
            "a.csv, row 3, bob@contoso.example: ModeratedBy is imported without \"ghost\": no recipient goes by this identity"
        ]
    );
    let said = "SendModerationNotifications is none of Always, Internal and Never";
    assert_eq!(lines(&report.refused), [format!("a.csv, row 5, info@contoso.example: {said}")]);
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let (alice, bob, staff) = (find(&snapshot, "alice"), find(&snapshot, "bob"), find(&snapshot, "staff"));
    assert_eq!(alice.moderation, None);
    let moderation = bob.moderation.as_deref().unwrap();
    assert!(moderation.enabled && !moderation.bypass_nested);
    assert_eq!((&moderation.moderated_by, &moderation.bypass_from), (&vec![alice.id], &vec![staff.id]));
    assert_eq!(moderation.notifications, ModerationNotifications::Always);
    let moderation = staff.moderation.as_deref().unwrap();
    assert!(moderation.enabled && moderation.bypass_nested);
    assert_eq!(moderation.moderated_by, [alice.id, bob.id]);
    assert_eq!(moderation.notifications, ModerationNotifications::Internal);
}

#[test]
fn email_address_policies_come_in_and_who_follows_them() {
    let users = "\"Name\",\"PrimarySmtpAddress\",\"RecipientTypeDetails\",\"EmailAddressPolicyEnabled\"\n\
                 \"erin\",\"erin@contoso.example\",\"UserMailbox\",\"True\"\n\
                 \"frank\",\"frank@contoso.example\",\"UserMailbox\",\"False\"\n";
    let domains = "\"DomainName\",\"DomainType\",\"Default\",\"SendingFromDomainDisabled\",\"SendingToDomainDisabled\"\n\
                   \"contoso.example\",\"Authoritative\",\"True\",\"False\",\"False\"\n\
                   \"relay.contoso.example\",\"InternalRelay\",\"False\",\"True\",\"True\"\n";
    let policies = export("get-email-address-policy.csv");
    let files: [(&str, &[u8]); 3] =
        [("domains.csv", domains.as_bytes()), ("users.csv", users.as_bytes()), ("policies.csv", &policies)];
    let report = import(&files, &Snapshot::default());
    let refused = "email address policies, Elsewhere: The email address policy is wrong: fabrikam.example is no \
                   accepted domain; add it first: franking domain add fabrikam.example.";
    assert_eq!(lines(&report.refused), [refused]);
    let note =
        "policies.csv, row 3, Sales: only templates of SMTP addresses are kept, not X400:c=US;a= ;p=Contoso;o=Exchange";
    assert_eq!(lines(&report.notes), [note]);
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    let told: Vec<String> = snapshot
        .address_policies()
        .iter()
        .map(|own| format!("{} {} {:?} {}", own.priority, own.name, own.recipient_filter, own.primary))
        .collect();
    let filter = "Some(\"((((Department -eq 'Sales') -and (Alias -ne $null))))\")";
    assert_eq!(
        told,
        [format!("1 Sales {filter} %g.%s@contoso.example"), "Lowest Default Policy None @contoso.example".to_owned()]
    );
    let follows = |name| find(&snapshot, name).email_address_policy_enabled;
    assert!(follows("erin") && !follows("frank"));
    let closed: Vec<_> = snapshot.domains().map(|own| (own.sending_from_disabled, own.sending_to_disabled)).collect();
    assert_eq!(closed, [(false, false), (true, true)]);
}
