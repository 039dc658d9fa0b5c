//! What recipients want, as a real client runs into it: restrictions, moderation, forwarding, automatic replies, quotas
//! and limits, each told at the step at which Exchange tells it, or by a report.

use super::{Conversation, Swaks, Tls};
use crate::support::Place;
use crate::support::server::Server;
use crate::support::site::Site;

const STRANGER: &str = "eve@fabrikam.example";

/// A server, and swaks to talk to it.
struct Scene {
    swaks: Swaks,
    site: Site,
    server: Server,
}

impl Scene {
    fn set_up(place: &Place, more: &str) -> Option<Self> {
        let swaks = Swaks::find()?;
        let site = Site::set_up(place, &[], more);
        let server = site.start(place);
        Some(Self { swaks, site, server })
    }

    #[track_caller]
    fn does(&self, arguments: &[&str]) {
        let (succeeded, text) = self.site.franking(arguments);
        assert!(succeeded, "{arguments:?}: {text}");
    }

    fn submits(&self, local: &str, to: &str, token: &str) -> Conversation {
        let subject = format!("Subject: {token}");
        self.swaks.submit(self.site.submission(), Tls::Starttls, local, &full(to), &["--header", &subject])
    }

    fn delivers(&self, to: &str, token: &str) -> Conversation {
        let subject = format!("Subject: {token}");
        self.swaks.deliver(self.site.inbound(), STRANGER, &full(to), &["--header", &subject])
    }

    /// The report about a message, in the sender's mailbox.
    #[track_caller]
    fn is_reported(&self, local: &str, token: &str, reply: &str) {
        let report = self.server.mailbox(local).wait_for(&format!("Undeliverable: {token}"));
        assert!(report.contains(reply), "{}", report.text());
    }
}

/// The addresses of a list of local parts.
fn full(locals: &str) -> String {
    locals.split(',').map(|local| format!("{local}@contoso.example")).collect::<Vec<_>>().join(",")
}

#[test]
fn who_may_not_send_to_a_recipient_hears_of_it_in_the_recipients_own_words() {
    let place = Place::new();
    let Some(scene) = Scene::set_up(&place, "") else { return };
    scene.does(&["recipient", "set", "bob", "--accept-only-from", "kiosk", "--receive-bytes-max", "100KB"]);
    scene.submits("kiosk", "bob", "on-the-list").must_be_accepted();
    scene.server.mailbox("bob").wait_for("on-the-list");
    // An account is known, so it hears by a report, and a stranger at RCPT.
    scene.submits("alice", "bob", "not-on-the-list").must_be_accepted();
    scene.is_reported("alice", "not-on-the-list", "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission");
    let refused = scene.delivers("bob", "from-outside");
    refused.must_be_refused("550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission");
    assert!(refused.refused_step().starts_with("RCPT TO:<bob@"), "{}", refused.text);
    scene.does(&["recipient", "set", "info", "--reject-from", "alice"]);
    scene.submits("alice", "info", "on-the-reject-list").must_be_accepted();
    scene.is_reported("alice", "on-the-reject-list", "550 5.7.1 RESOLVER.RST.NotAuthorized");
    scene.delivers("staff", "to-a-group").must_be_refused("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup");
    scene.server.stop();
}

#[test]
fn what_is_moderated_waits_and_what_is_forwarded_goes_on() {
    let place = Place::new();
    let Some(scene) = Scene::set_up(&place, "") else { return };
    scene.does(&["recipient", "set", "info", "--moderation", "on", "--moderator", "bob"]);
    scene.submits("alice", "info", "for-approval").must_be_accepted();
    scene.server.mailbox("bob").wait_for("Approval required: for-approval");
    // Who moderates needs nobody's approval.
    scene.submits("bob", "info", "by-the-moderator").must_be_accepted();
    scene.server.mailbox("info").wait_for("by-the-moderator");
    let came = scene.server.mailbox("info").messages();
    assert!(!came.iter().any(|message| message.contains("for-approval")), "nobody has approved");

    scene.does(&["recipient", "set", "kiosk", "--forward-to", "bob", "--keep-copy", "on"]);
    scene.submits("alice", "kiosk", "forwarded").must_be_accepted();
    for both in ["bob", "kiosk"] {
        scene.server.mailbox(both).wait_for("Subject: forwarded");
    }
    scene.does(&["organisation", "set", "--auto-forwarding", "Off"]);
    scene.does(&["recipient", "new", "away@contoso.example", "--type", "SharedMailbox"]);
    scene.does(&["recipient", "set", "away", "--forward-to-smtp", "away@adatum.example"]);
    let refused = scene.delivers("away", "let-out");
    refused.must_be_refused("550 5.7.520 Access denied, Your organization does not allow external forwarding.");
    scene.submits("alice", "away", "let-out").must_be_accepted();
    scene.is_reported("alice", "let-out", "550 5.7.520 Access denied");
    scene.server.stop();
}

#[test]
fn a_mailbox_answers_each_sender_once() {
    let place = Place::new();
    let Some(scene) = Scene::set_up(&place, "") else { return };
    let reply = ["recipient", "auto-reply", "bob", "--state", "enabled", "--internal", "Back on Monday."];
    scene.does(&reply);
    for token in ["first-question", "second-question"] {
        scene.submits("alice", "bob", token).must_be_accepted();
        scene.server.mailbox("bob").wait_for(token);
    }
    let answer = scene.server.mailbox("alice").wait_for("Automatic reply: first-question");
    assert!(answer.contains("Back on Monday.") && answer.header("Return-Path") == ["<>"], "{}", answer.text());
    crate::support::wait_for("the end of the queue", || (scene.site.queued() == 0).then_some(()));
    let answers = scene.server.mailbox("alice").messages();
    assert!(!answers.iter().any(|one| one.contains("Automatic reply: second-question")), "answered twice");
    scene.server.stop();
}

#[test]
fn a_full_mailbox_and_a_spent_limit_are_told_at_their_steps() {
    let place = Place::new();
    let Some(scene) = Scene::set_up(&place, "") else { return };
    scene.submits("alice", "bob", "to-fill-it").must_be_accepted();
    scene.server.mailbox("bob").wait_for("to-fill-it");
    scene.does(&["recipient", "set", "bob", "--quota-warning", "1", "--quota-send", "1", "--quota-receive", "1GB"]);
    let refused = scene.submits("bob", "alice", "too-full-to-send");
    refused.must_be_refused("554 5.2.2 mailbox full; STOREDRV.Submission");
    assert!(refused.has_reply("354"), "refused after DATA:\n{}", refused.text);
    scene.submits("alice", "bob", "still-received").must_be_accepted();
    scene.server.mailbox("bob").wait_for("still-received");
    scene.does(&["recipient", "set", "bob", "--quota-receive", "1"]);
    let refused = scene.delivers("bob", "too-full-to-receive");
    refused.must_be_refused("554 5.2.2 mailbox full; STOREDRV.Deliver");
    assert!(refused.refused_step().starts_with("RCPT TO:<bob@"), "{}", refused.text);
    scene.submits("alice", "bob", "too-full").must_be_accepted();
    scene.is_reported("alice", "too-full", "554 5.2.2 mailbox full");

    scene.does(&["recipient", "set", "alice", "--recipients-per-message", "2"]);
    let conversation = scene.submits("alice", "info,kiosk,room-1", "for-three");
    assert!(conversation.has_reply("452 4.5.3 Too many recipients"), "{}", conversation.text);
    scene.does(&["recipient", "set", "alice", "--recipients-per-day", "1"]);
    scene.submits("alice", "info", "spent").must_be_refused("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuota");
    scene.does(&["recipient", "set", "kiosk", "--send-bytes-max", "100"]);
    scene.submits("kiosk", "info", "too-large").must_be_accepted();
    scene.is_reported("kiosk", "too-large", "550 5.2.11 RESOLVER.RST.SendSizeLimit.Sender");
    scene.server.stop();
}
