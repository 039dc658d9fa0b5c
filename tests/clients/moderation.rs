//! A moderated group in the hands of people: mail by SMTP, the request in a mailbox, decisions on the command line.

use serde_json::Value;

use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, wait_for};

/// A server whose group staff is moderated by bob, and open to strangers.
fn moderated(place: &Place) -> Site {
    let site = Site::set_up(place, &[], "");
    let set = ["recipient", "set", "staff", "--moderation", "on", "--moderator", "bob"];
    let (done, text) = site.franking(&[&set[..], &["--require-authentication", "no"]].concat());
    assert!(done, "{text}");
    site
}

fn send(site: &Site, token: &str) {
    let content = format!("From: eve@fabrikam.example\r\nSubject: {token}\r\n\r\n{token}\r\n");
    let mut client = Client::connect(site.inbound()).unwrap();
    client.send("eve@fabrikam.example", &["staff@contoso.example"], &content).unwrap();
}

/// The id of the one that waits, once its moderators were asked.
fn waiting(site: &Site, token: &str) -> String {
    let found = wait_for("what waits for a moderator", || {
        let list = site.json(&["moderation", "list"]);
        let waiting = list["waiting"].as_array()?.clone();
        waiting.into_iter().find(|one| one["subject"] == token && one["asked"] == true)
    });
    assert_eq!(found["moderators"], serde_json::json!(["bob@contoso.example"]), "{found}");
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn mail_to_a_moderated_group_is_decided_on_the_command_line_across_a_kill() {
    let place = Place::new();
    let site = moderated(&place);
    let server = site.start(&place);
    send(&site, "wanted");
    let id = waiting(&site, "wanted");
    let request = server.mailbox("bob").wait_for("Approval required: wanted");
    assert!(request.contains(&format!("franking moderation approve {id} --moderator")), "{}", request.text());
    assert_eq!(request.header("Auto-Submitted"), ["auto-generated"]);
    assert!(server.mailbox("alice").messages().is_empty());

    let explained = site.franking(&["explain", "--port", "25", "--from", "eve@fabrikam.example", "--to", "staff"]).1;
    let waits = "staff@contoso.example is moderated: the message waits until bob@contoso.example approves it";
    assert!(explained.contains(waits), "{explained}");
    let show = site.json(&["queue", "show", &id[..16]]);
    assert_eq!(show["recipients"][0]["state"], "moderated", "{show}");
    let (held, text) = site.franking(&["queue", "hold", &id[..16]]);
    let told = format!(
        "Nothing in the queue can be held. It waits for a moderator: franking moderation approve {}",
        &id[..16]
    );
    assert!(held && text.contains(&told), "{text}");
    let (retried, text) = site.franking(&["queue", "retry", "--all"]);
    assert!(retried && text.contains("1 message waits for a moderator: franking moderation list"), "{text}");

    let (done, text) = site.franking(&["moderation", "approve", &id, "--moderator", "alice"]);
    assert!(!done && text.contains("alice@contoso.example does not moderate staff@contoso.example"), "{text}");
    let (done, text) = site.franking(&["moderation", "approve", &id, "--moderator", "bob"]);
    assert!(done && text.contains("is approved by bob@contoso.example"), "{text}");
    // Between the decision and what follows from it, perhaps.
    server.kill();
    let server = site.start(&place);
    server.mailbox("alice").wait_for("Subject: wanted");
    let copies = |local: &str| {
        let found = server.mailbox(local).messages();
        found.into_iter().filter(|message| message.header("Subject") == ["wanted"]).count()
    };
    wait_for("bob's copy", || (copies("bob") == 1).then_some(()));
    assert_eq!(copies("alice"), 1);

    let told = site.franking(&["trace", "--id", &id[..16]]).1;
    for words in ["moderated", "requested", "approved", "by bob@contoso.example"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    server.stop();
}

#[test]
fn a_rejection_is_final_and_told_to_everybody_who_asks_again() {
    let place = Place::new();
    let site = moderated(&place);
    let server = site.start(&place);
    let mut alice = site.alice();
    let content = "From: alice@contoso.example\r\nSubject: unwanted\r\n\r\nunwanted\r\n";
    alice.send("alice@contoso.example", &["staff@contoso.example"], content).unwrap();
    let id = waiting(&site, "unwanted");
    let reject = ["moderation", "reject", &id, "--moderator", "bob", "--comment", "To sales only, please."];
    let (done, text) = site.franking(&reject);
    assert!(done && text.contains("Its sender gets a notice."), "{text}");
    let notice = server.mailbox("alice").wait_for("Subject: Rejected: unwanted");
    assert!(notice.contains("To sales only, please."), "{}", notice.text());
    wait_for("the end of the message", || (site.queued() == 0).then_some(()));
    let (done, text) = site.franking(&["moderation", "approve", &id]);
    assert!(!done && text.contains("it was rejected by bob@contoso.example"), "{text}");
    let list = site.json(&["moderation", "list"]);
    assert_eq!((&list["total"], &list["waiting"]), (&Value::from(0), &serde_json::json!([])), "{list}");

    // A server that does not run takes decisions as well; its next start goes on from there.
    alice.send("alice@contoso.example", &["staff@contoso.example"], &content.replace("unwanted", "late")).unwrap();
    let id = waiting(&site, "late");
    server.kill();
    let (done, text) = site.franking(&["moderation", "approve", &id]);
    assert!(done && text.contains("is approved by administrator"), "{text}");
    let (again, text) = site.franking(&["moderation", "approve", &id]);
    assert!(again && text.contains("was already approved by administrator"), "{text}");
    let (other, text) = site.franking(&["moderation", "reject", &id]);
    assert!(!other && text.contains("was already approved by administrator"), "{text}");
    let server = site.start(&place);
    let copies = || {
        let found = server.mailbox("alice").messages();
        found.into_iter().filter(|message| message.header("Subject") == ["late"]).count()
    };
    wait_for("her copy", || (copies() == 1).then_some(()));
    server.stop();
}

/// What the answer to a request came to, as its author reads it: a report, or nothing.
fn reported(server: &crate::support::server::Server, local: &str, code: &str) {
    let mailbox = server.mailbox(local);
    wait_for(code, || mailbox.messages().iter().any(|message| message.contains(code)).then_some(()));
}

#[test]
fn a_moderator_decides_by_mail_and_nobody_else_does() {
    let place = Place::new();
    let site = moderated(&place);
    let server = site.start(&place);
    let (mut alice, mut bob) = (site.alice(), site.sign_in("bob").unwrap());
    send(&site, "first");
    waiting(&site, "first");
    let request = server.mailbox("bob").wait_for("Approval required: first");
    let [answers_to] = request.header("Reply-To").try_into().unwrap();
    let answers_to = answers_to.trim_matches(['<', '>']).to_owned();
    assert!(request.contains(&format!("mailto:{answers_to}?subject=Approve")) || request.contains("subject=3DApprove"));
    let answer =
        |from: &str, subject: &str| format!("From: {from}@contoso.example\r\nSubject: {subject}\r\n\r\nYes.\r\n");

    // An ordinary reply, somebody else's answer, a forged address, and mail from outside decide nothing.
    bob.send("bob@contoso.example", &[&answers_to], &answer("bob", "Re: Approval required: first")).unwrap();
    reported(&server, "bob", "APPROVAL.NoDecision");
    alice.send("alice@contoso.example", &[&answers_to], &answer("alice", "Approve")).unwrap();
    reported(&server, "alice", "APPROVAL.NotModerator");
    let (head, tail) = answers_to.split_at("approval-".len());
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}{other}{}", &tail[1..]);
    bob.send("bob@contoso.example", &[&forged], &answer("bob", "Approve")).unwrap();
    reported(&server, "bob", "5.1.10");
    let mut stranger = Client::connect(site.inbound()).unwrap();
    let refused = stranger.send("bob@contoso.example", &[&answers_to], &answer("bob", "Approve")).unwrap_err();
    assert!(refused.to_string().contains("5.4.1"), "{refused}");
    assert_eq!(site.json(&["moderation", "list"])["total"], 1);

    // The moderator's own does, once.
    bob.send("bob@contoso.example", &[&answers_to], &answer("bob", "approve: Approval required: first")).unwrap();
    server.mailbox("alice").wait_for("Subject: first");
    bob.send("bob@contoso.example", &[&answers_to], &answer("bob", "Reject")).unwrap();
    reported(&server, "bob", "APPROVAL.NotWaiting");
    let told = site.franking(&["trace", "--id", &waiting_id(&answers_to)]).1;
    assert!(told.contains("by bob@contoso.example, entered by message "), "{told}");

    // A rejection tells its sender why.
    let content = "From: alice@contoso.example\r\nSubject: second\r\n\r\nsecond\r\n";
    alice.send("alice@contoso.example", &["staff@contoso.example"], content).unwrap();
    waiting(&site, "second");
    let request = server.mailbox("bob").wait_for("Approval required: second");
    let answers_to = request.header("Reply-To").concat();
    let why = answer("bob", "Reject: To sales, please.");
    bob.send("bob@contoso.example", &[answers_to.trim_matches(['<', '>'])], &why).unwrap();
    let notice = server.mailbox("alice").wait_for("Subject: Rejected: second");
    assert!(notice.contains("To sales, please."), "{}", notice.text());
    wait_for("the end of the queue", || (site.queued() == 0).then_some(()));
    server.stop();
}

/// The id of the message that an address for answers names.
fn waiting_id(answers_to: &str) -> String {
    answers_to.split('-').nth(2).unwrap().to_uppercase()
}
