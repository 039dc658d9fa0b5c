//! What people expect of a shared mailbox, one test for each expectation (spec S3-1 to S3-14), on the whole server and its
//! commands.

use serde_json::Value;

use crate::support::Place;
use crate::support::maildir::{Stored, messages};
use crate::support::server::Server;
use crate::support::site::Site;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const INFO: &str = "info@contoso.example";

fn site(place: &Place) -> Site {
    Site::set_up(place, &[], "")
}

#[track_caller]
fn done(site: &Site, arguments: &[&str]) -> String {
    let (succeeded, text) = site.franking(arguments);
    assert!(succeeded, "{arguments:?}: {text}");
    text
}

#[track_caller]
fn refused(site: &Site, arguments: &[&str], expected: &str) {
    let (succeeded, text) = site.franking(arguments);
    assert!(!succeeded && text.contains(expected), "{arguments:?}: {text}");
}

fn shown(site: &Site, recipient: &str) -> Value {
    site.json(&["recipient", "show", recipient])
}

fn letter(from: &str, token: &str) -> String {
    format!("From: {from}\r\nSubject: {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\nHello\r\n")
}

/// The copies in Sent Items of a mailbox that has had mail before.
fn sent_items(server: &Server, of: &str) -> Vec<Stored> {
    messages(&server.mailbox(of).directory().expect("a mailbox").join(".Sent Items"))
}

/// Waits until nothing is left to deliver.
fn settle(site: &Site) {
    crate::support::wait_for("the end of the queue", || (site.queued() == 0).then_some(()));
}

#[test]
fn s3_1_a_reply_shows_the_shared_address_and_not_the_member() {
    let place = Place::new();
    let site = site(&place);
    let server = site.start(&place);
    site.alice().send(INFO, &[BOB], &letter(INFO, "reply")).unwrap();
    let stored = server.mailbox("bob").wait_for("reply");
    assert_eq!(stored.header("From"), [INFO]);
    assert_eq!(stored.header("Return-Path"), [format!("<{INFO}>")]);
    assert!(stored.header("Sender").is_empty() && !stored.contains("alice"), "{}", stored.text());
    server.stop();
}

#[test]
fn s3_2_only_who_administers_the_server_makes_one_and_others_are_told_so() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let place = Place::new();
    let site = site(&place);
    let server = site.start(&place);
    let socket = place.directory("data").join("admin.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "its owner alone");
    // Somebody else: another user where the test may become one, else a socket that nobody may open.
    // The program may be where only root goes. Copied by another process: none of ours may be about to start it.
    let program = socket.with_file_name("franking");
    let copied = std::process::Command::new("cp").arg(crate::support::server::PROGRAM).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = std::process::Command::new(&program);
    command.args(["--data".as_ref(), place.directory("data").as_os_str()]);
    command.args(["recipient", "new", "own@contoso.example", "--type", "SharedMailbox"]);
    let as_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if as_root {
        // The way to the socket is open; it is the socket that is not.
        for directory in socket.ancestors().skip(1).take_while(|directory| *directory != std::env::temp_dir()) {
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        command.uid(65_534).gid(65_534);
    } else {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let outcome = crate::support::process::run(&mut command, "");
    let expected = "You do not have permission to access this page or perform this action";
    assert!(!outcome.status.success() && outcome.text.contains(expected), "{}", outcome.text);
    if !as_root {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    refused(&site, &["recipient", "show", "own"], "own");
    server.stop();
}

#[test]
fn s3_3_the_account_is_blocked_its_password_unknown_and_unblocking_it_lets_it_send() {
    for (more, licensed) in [("", true), ("[policy]\nshared_sign_in = \"unblocked\"\n", false)] {
        let place = Place::new();
        let site = Site::set_up(&place, &[], more);
        done(&site, &["recipient", "new", "desk@contoso.example", "--type", "SharedMailbox"]);
        let desk = shown(&site, "desk");
        assert_eq!((&desk["has_password"], &desk["may_submit"]), (&Value::Bool(false), &Value::Bool(false)));
        assert!(desk["refused_with"].as_str().unwrap().starts_with("535 5.7.3"), "{desk}");
        let server = site.start(&place);
        // info has a password that somebody knows, and is blocked all the same.
        assert!(site.sign_in("info").unwrap_err().to_string().starts_with("535 5.7.3"));
        done(&site, &["account", "unblock", "info"]);
        if licensed {
            assert!(site.sign_in("info").unwrap_err().to_string().starts_with("550 5.2.1"));
            done(&site, &["licence", "assign", "info"]);
        }
        let mut session = site.sign_in("info").unwrap();
        session.send(INFO, &[BOB], &letter(INFO, "by-itself")).unwrap();
        server.mailbox("bob").wait_for("by-itself");
        done(&site, &["account", "block", "info"]);
        assert!(session.send(INFO, &[BOB], &letter(INFO, "blocked")).is_err(), "blocked from the next command on");
        server.stop();
    }
}

#[test]
fn s3_4_what_is_sent_stays_with_the_member_unless_the_shared_mailbox_wants_it_too() {
    let place = Place::new();
    let site = site(&place);
    let server = site.start(&place);
    let mut alice = site.alice();
    for of in [ALICE, INFO] {
        alice.send(ALICE, &[of], &letter(ALICE, "first")).unwrap();
    }
    alice.send(INFO, &[BOB], &letter(INFO, "by-default")).unwrap();
    done(&site, &["recipient", "set", "info", "--sent-as-copy", "on"]);
    alice.send(INFO, &[BOB], &letter(INFO, "wanted")).unwrap();
    settle(&site);
    let subjects = |of: &str| {
        let mut subjects: Vec<String> =
            sent_items(&server, of).iter().map(|one| one.header("Subject").concat()).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(subjects("alice"), ["by-default", "first", "first", "wanted"]);
    assert_eq!(subjects("info"), ["wanted"]);
    server.stop();
}

#[test]
fn s3_5_outlook_opens_it_for_who_is_granted_access_directly_and_not_by_group() {
    let place = Place::new();
    let site = site(&place);
    let group = "helpers@contoso.example";
    done(&site, &["recipient", "new", group, "--type", "MailUniversalSecurityGroup", "--member", "kiosk"]);
    let grant = |to: &str, more: &[&str]| {
        let arguments = [&["permission", "grant", "info", "--to", to, "--right", "full-access"], more].concat();
        done(&site, &arguments)
    };
    grant("alice", &[]);
    grant("bob", &["--no-automapping"]);
    assert!(grant("helpers", &[]).contains("nobody in a group"));
    assert_eq!(shown(&site, "info")["automapping"], serde_json::json!([ALICE]));
    assert_eq!(shown(&site, "alice")["automapped_mailboxes"], serde_json::json!([INFO]));
    for nobody in ["bob", "kiosk"] {
        assert!(shown(&site, nobody).get("automapped_mailboxes").is_none(), "{nobody}");
    }
    // The list survives an export and an import.
    let exported = done(&site, &["export"]);
    assert!(exported.contains("no_automapping = [\"bob@contoso.example\"]"), "{exported}");
    let file = place.file("again.toml", exported);
    assert!(done(&site, &["import", file.to_str().unwrap()]).contains("0 updated"));
    // Granted again with the wish to open it, and denied, which beats every grant.
    grant("bob", &["--automapping"]);
    assert_eq!(shown(&site, "info")["automapping"], serde_json::json!([ALICE, BOB]));
    grant("bob", &["--deny"]);
    assert_eq!(shown(&site, "info")["automapping"], serde_json::json!([ALICE]));
    let wrong = ["permission", "grant", "info", "--to", "bob", "--right", "send-as", "--no-automapping"];
    refused(&site, &wrong, "full-access, nothing else");
    // A grant taken back and given anew begins anew.
    done(&site, &["permission", "revoke", "info", "--to", "bob", "--right", "full-access", "--deny"]);
    grant("bob", &["--no-automapping"]);
    done(&site, &["permission", "revoke", "info", "--to", "bob", "--right", "full-access"]);
    grant("bob", &[]);
    assert_eq!(shown(&site, "info")["automapping"], serde_json::json!([ALICE, BOB]));
}

#[test]
fn s3_6_without_permission_sending_on_behalf_is_refused_and_a_grant_holds_at_once() {
    let place = Place::new();
    let site = site(&place);
    let server = site.start(&place);
    let mut bob = site.sign_in("bob").unwrap();
    let refusal = bob.send(INFO, &[ALICE], &letter(INFO, "too-early")).unwrap_err().to_string();
    assert!(
        refusal.starts_with("554 5.2.252 SendAsDenied; bob@contoso.example not allowed to send as info@"),
        "{refusal}"
    );
    done(&site, &["permission", "grant", "info", "--to", "bob", "--right", "send-on-behalf"]);
    // Exchange may take an hour; here the same session goes on.
    bob.send(INFO, &[ALICE], &letter(INFO, "in-force")).unwrap();
    let stored = server.mailbox("alice").wait_for("in-force");
    assert_eq!(stored.header("Sender"), ["\"Bob\" <bob@contoso.example>"]);
    server.stop();
}

#[test]
fn s3_7_it_forwards_to_one_address_or_group_without_a_licence() {
    let place = Place::new();
    let site = site(&place);
    assert!(shown(&site, "info")["properties"].get("licences").is_none());
    for several in ["alice,bob", "alice@contoso.example; bob@contoso.example"] {
        refused(&site, &["recipient", "set", "info", "--forward-to", several], "one address only");
        refused(&site, &["recipient", "set", "info", "--forward-to-smtp", several], "one address only");
    }
    let server = site.start(&place);
    let mut alice = site.alice();
    done(&site, &["recipient", "set", "info", "--forward-to", "bob"]);
    alice.send(ALICE, &[INFO], &letter(ALICE, "to-one")).unwrap();
    server.mailbox("bob").wait_for("to-one");
    let group = ["recipient", "new", "crew@contoso.example", "--type", "MailUniversalDistributionGroup"];
    done(&site, &[&group[..], &["--member", "alice,bob"]].concat());
    done(&site, &["recipient", "set", "info", "--forward-to", "crew"]);
    alice.send(ALICE, &[INFO], &letter(ALICE, "to-a-group")).unwrap();
    for member in ["alice", "bob"] {
        server.mailbox(member).wait_for("to-a-group");
    }
    server.stop();
}

#[test]
fn s3_8_its_automatic_reply_to_outside_needs_a_text_for_inside_too() {
    let place = Place::new();
    let site = site(&place);
    let outside = ["recipient", "auto-reply", "info", "--state", "enabled", "--external", "We are closed."];
    let (succeeded, text) = site.franking(&outside);
    assert!(!succeeded, "{text}");
    done(&site, &[&outside[..], &["--internal", "Closed."]].concat());
    let set = shown(&site, "info").to_string();
    assert!(set.contains("We are closed.") && set.contains("Closed."), "{set}");
}

#[test]
fn s3_9_as_it_fills_up_sending_stops_first_and_then_receiving() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "[policy]\nshared_sign_in = \"unblocked\"\n");
    let quota = |site: &Site| {
        let (_, text) = site.franking(&["mailbox", "show", "info"]);
        text
    };
    // 50 GB without a licence.
    let text = quota(&site);
    assert!(["49.0 GB", "49.5 GB", "50.0 GB"].iter().all(|bound| text.contains(bound)), "{text}");
    done(&site, &["account", "unblock", "info"]);
    let server = site.start(&place);
    let (mut alice, mut info) = (site.alice(), site.sign_in("info").unwrap());
    let filling = format!("From: {ALICE}\r\nSubject: filling\r\n\r\n{}\r\n", "0123456789\r\n".repeat(100));
    alice.send(ALICE, &[INFO], &filling).unwrap();
    server.mailbox("info").wait_for("filling");
    done(
        &site,
        &["recipient", "set", "info", "--quota-warning", "500", "--quota-send", "1000", "--quota-receive", "5000"],
    );
    let refusal = info.send(INFO, &[BOB], &letter(INFO, "too-full")).unwrap_err().to_string();
    assert!(refusal.starts_with("554 5.2.2 mailbox full; STOREDRV.Submission"), "{refusal}");
    // Nor does anybody send as it; what she sends as herself goes.
    let refusal = alice.send(INFO, &[BOB], &letter(INFO, "too-full-as")).unwrap_err().to_string();
    assert!(refusal.starts_with("554 5.2.2 mailbox full; STOREDRV.Submission"), "{refusal}");
    alice.send(ALICE, &[BOB], &letter(ALICE, "as-herself")).unwrap();
    // It still receives, up to the last threshold.
    for _ in 0..4 {
        alice.send(ALICE, &[INFO], &filling).unwrap();
    }
    settle(&site);
    assert!(server.mailbox("info").messages().len() >= 4);
    alice.send(ALICE, &[INFO], &letter(ALICE, "reported")).unwrap();
    let report = server.mailbox("alice").wait_for("Action: failed");
    assert!(report.contains("554 5.2.2 mailbox full"), "{}", report.text());
    let mut stranger = crate::support::smtp::Client::connect(site.inbound()).unwrap();
    let eve = "eve@fabrikam.example";
    let refusal = stranger.send(eve, &[INFO], &letter(eve, "refused")).unwrap_err().to_string();
    assert!(refusal.starts_with("554 5.2.2 mailbox full; STOREDRV.Deliver"), "{refusal}");
    // A licence, or here more room, lets everything through again.
    done(&site, &["recipient", "set", "info", "--quota-send", "1GB", "--quota-receive", "2GB"]);
    info.send(INFO, &[BOB], &letter(INFO, "room-again")).unwrap();
    alice.send(INFO, &[BOB], &letter(INFO, "room-again-as")).unwrap();
    let mut stranger = crate::support::smtp::Client::connect(site.inbound()).unwrap();
    stranger.send(eve, &[INFO], &letter(eve, "taken-again")).unwrap();
    server.mailbox("info").wait_for("taken-again");
    server.stop();
}

#[test]
fn s3_10_members_share_one_copy_and_a_group_gives_each_their_own() {
    let place = Place::new();
    let site = site(&place);
    let group = ["recipient", "new", "team@contoso.example", "--type", "GroupMailbox"];
    done(&site, &[&group[..], &["--member", "alice,bob", "--subscriber", "alice,bob"]].concat());
    for member in ["alice", "bob"] {
        done(&site, &["permission", "grant", "info", "--to", member, "--right", "full-access"]);
    }
    let server = site.start(&place);
    let mut alice = site.alice();
    alice.send(ALICE, &[INFO], &letter(ALICE, "shared")).unwrap();
    alice.send(ALICE, &["team@contoso.example"], &letter(ALICE, "grouped")).unwrap();
    settle(&site);
    let with = |of: &str, token: &str| server.mailbox(of).messages().iter().filter(|one| one.contains(token)).count();
    // One file: who deletes it deletes it for everybody who may open the mailbox.
    assert_eq!((with("info", "shared"), with("alice", "shared"), with("bob", "shared")), (1, 0, 0));
    assert_eq!((with("team", "grouped"), with("alice", "grouped"), with("bob", "grouped")), (1, 1, 1));
    server.stop();
}

#[test]
fn s3_11_only_people_from_inside_are_members() {
    let place = Place::new();
    let site = site(&place);
    let guest =
        ["recipient", "new", "guest@contoso.example", "--type", "GuestMailUser", "--external", "g@fabrikam.example"];
    done(&site, &guest);
    for outsider in ["partner", "guest", "staff"] {
        for right in ["full-access", "send-as", "send-on-behalf"] {
            let grant = ["permission", "grant", "info", "--to", outsider, "--right", right];
            refused(&site, &grant, "cannot hold permissions: only mailbox users, mail users and security groups can");
        }
    }
    let stranger = ["permission", "grant", "info", "--to", "someone@elsewhere.example", "--right", "full-access"];
    refused(&site, &stranger, "someone@elsewhere.example");
}

#[test]
fn s3_12_nothing_is_said_of_encryption_that_a_shared_mailbox_could_not_keep() {
    let place = Place::new();
    let site = site(&place);
    for text in [shown(&site, "info").to_string(), done(&site, &["recipient", "set", "--help"])] {
        let text = text.to_lowercase();
        assert!(["encrypt", "s/mime", "smime", "pgp"].iter().all(|word| !text.contains(word)), "{text}");
    }
}

#[test]
fn s3_13_a_mailbox_becomes_shared_and_a_users_again_with_everything_in_it() {
    let place = Place::new();
    let site = site(&place);
    let server = site.start(&place);
    let mut alice = site.alice();
    done(&site, &["recipient", "set", "bob", "--alias", "robert@contoso.example"]);
    done(&site, &["permission", "grant", "bob", "--to", "alice", "--right", "send-as"]);
    alice.send(ALICE, &[BOB], &letter(ALICE, "before")).unwrap();
    server.mailbox("bob").wait_for("before");
    let before = shown(&site, "bob");
    let mut bob = site.sign_in("bob").unwrap();
    let text = done(&site, &["recipient", "convert", "bob", "--to", "shared"]);
    assert!(text.contains("bob@contoso.example is a SharedMailbox now.") && text.contains("50 GB"), "{text}");
    assert!(bob.send(BOB, &[ALICE], &letter(BOB, "no-more")).is_err(), "blocked from the next command on");
    done(&site, &["licence", "remove", "bob"]);
    let shared = shown(&site, "bob");
    assert_eq!(
        (&shared["id"], &shared["maildir"], &shared["state"]),
        (&before["id"], &before["maildir"], &before["state"])
    );
    for kept in ["aliases", "send_as", "display_name"] {
        assert_eq!(shared["properties"][kept], before["properties"][kept], "{kept}");
    }
    // The former user's members send as it, and its mail still comes.
    alice.send(BOB, &["robert@contoso.example"], &letter(BOB, "as-shared")).unwrap();
    server.mailbox("bob").wait_for("as-shared");
    for (to, kind) in [("room", "RoomMailbox"), ("equipment", "EquipmentMailbox"), ("shared", "SharedMailbox")] {
        done(&site, &["recipient", "convert", "bob", "--to", to]);
        assert_eq!(shown(&site, "bob")["properties"]["type"], kind);
    }
    // Back to a user: only with a licence, by either command.
    for back in [["recipient", "convert", "bob", "--to", "user"], ["recipient", "set", "bob", "--type", "UserMailbox"]]
    {
        refused(&site, &back, "bob@contoso.example needs a licence to become a UserMailbox.");
    }
    done(&site, &["licence", "assign", "bob"]);
    assert!(done(&site, &["recipient", "convert", "bob", "--to", "user"]).contains("franking account unblock"));
    assert!(site.sign_in("bob").is_err(), "still blocked");
    done(&site, &["account", "unblock", "bob"]);
    assert_eq!(shown(&site, "bob")["properties"], before["properties"]);
    site.sign_in("bob").unwrap();
    assert_eq!(server.mailbox("bob").messages().len(), 2, "nothing is lost and nothing came twice");
    server.stop();
}

#[test]
fn s3_13_only_mailboxes_in_use_are_converted_and_on_premises_without_licence() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "[policy]\nmailbox_required = false\n");
    for (who, expected) in [
        ("partner", "partner@contoso.example is a MailContact, and only mailboxes are converted."),
        ("staff", "is a MailUniversalDistributionGroup, and only mailboxes are converted."),
        ("scanner", "is a MailUser, and only mailboxes are converted."),
        // It lost its licence long ago, and its time was over when it came here.
        ("dora", "The mailbox of dora@contoso.example is not in use: it is purged"),
    ] {
        refused(&site, &["recipient", "convert", who, "--to", "shared"], expected);
    }
    assert!(done(&site, &["recipient", "convert", "info", "--to", "shared"]).contains("It already was so."));
    done(&site, &["recipient", "convert", "info", "--to", "user"]);
    assert_eq!(shown(&site, "info")["properties"]["type"], "UserMailbox");
}

#[test]
fn s3_14_an_address_belongs_to_one_and_names_differ_between_domains() {
    let place = Place::new();
    let site = site(&place);
    let clash = "The proxy address \"SMTP:info@contoso.example\" is already being used by the proxy addresses or \
                 LegacyExchangeDN of \"info\". Please choose another proxy address.";
    refused(&site, &["recipient", "new", INFO, "--type", "SharedMailbox"], clash);
    refused(&site, &["recipient", "set", "bob", "--alias", INFO], clash);
    done(&site, &["domain", "add", "fabrikam.example"]);
    done(&site, &["recipient", "new", "info@fabrikam.example", "--type", "SharedMailbox"]);
    assert_eq!(shown(&site, "info@fabrikam.example")["properties"]["name"], "info@fabrikam.example");
    refused(&site, &["recipient", "set", "info@fabrikam.example", "--name", "info"], "is already being used by");
}
