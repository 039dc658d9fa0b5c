//! Mail to a moderated group: the request, the decision, and what follows from it, with the hours of days passing.

use super::*;
use crate::model::directory::{Moderation, ModerationNotifications};
use crate::model::queue::{ApprovalId, Decision, Verdict};
use crate::store::queue::Decided;

/// Staff is moderated by these.
fn moderated(moderators: &[RecipientId], notifications: ModerationNotifications) -> House {
    let snapshot = contoso();
    let mut staff = Recipient::clone(snapshot.recipient(STAFF).unwrap());
    let moderated_by = moderators.to_vec();
    let set = Moderation { enabled: true, moderated_by, notifications, ..Moderation::default() };
    staff.moderation = Some(Box::new(set));
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(staff))]).unwrap();
    House::of(snapshot, None)
}

impl House {
    /// Runs the worker until so many messages are left, all of them waiting, or for a second.
    async fn settle_to(&self, messages: usize) {
        let queue = Arc::clone(&self.agents.queue);
        let few = async move {
            for _ in 0..200 {
                let (waiting, total) = queue.moderations(10);
                let asked = total == messages && waiting.iter().all(|one| one.target.noticed);
                if queue.count() == messages && asked {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        run(Arc::clone(&self.agents), few, Duration::from_secs(5)).await;
        assert_eq!(self.agents.queue.count(), messages);
    }

    fn decide(&self, id: QueueId, verdict: Verdict, comment: &str) {
        let decision = Decision::new(self.clock.now(), "carol@contoso.example", "root", comment);
        let decided = self.agents.queue.decide(ApprovalId { message: id, place: None }, verdict, &decision);
        assert!(matches!(decided, Ok(Decided::Now(_))), "{decided:?}");
    }

    fn postmaster(&self) -> Vec<String> {
        let place = Path::new("/mail").join(MailboxName::postmaster().as_str()).join("new");
        self.files(place).into_iter().map(|(_, content)| content).collect()
    }
}

const ALICE_ADDRESS: &str = "alice@contoso.example";

#[test]
fn moderators_are_asked_by_mail_and_an_approval_delivers_to_those_who_have_no_copy_yet() {
    in_runtime(async {
        let house = moderated(&[CAROL, INFO], ModerationNotifications::Always);
        let id = house.submit(ALICE_ADDRESS, &["staff@contoso.example", "bob@contoso.example"]).await;
        house.settle_to(1).await;
        // Carol forwards to Bob; requests are as any mail, and are not moderated.
        let mails = house.inbox(BOB);
        let [request] = house.inbox(INFO).try_into().unwrap();
        assert!(request.starts_with("Return-Path: <>\n") && request.contains(&format!("approve {id}.0 --moderator")));
        assert!(request.contains("\nTo: <carol@contoso.example>,\n\t<info@contoso.example>\n"), "{request}");
        assert!(request.contains("\nGood morning\n"), "{request}");
        assert_eq!((mails.len(), house.inbox(ALICE).len()), (2, 0), "Bob's own copy, and the request to Carol");
        house.clock.advance(Duration::from_secs(36 * 3600));
        house.settle_to(1).await;
        assert!(house.inbox(ALICE).is_empty(), "nobody is told of a delay");
        house.decide(id, Verdict::Approve, "");
        house.settle_to(0).await;
        assert_eq!((house.inbox(ALICE).len(), house.inbox(BOB).len()), (1, 2), "no second copy for Bob");
        assert!(house.inbox(ALICE)[0].ends_with("\n\nGood morning\n"));
    });
}

#[test]
fn a_rejection_and_an_expiry_are_told_to_the_sender() {
    in_runtime(async {
        let house = moderated(&[INFO], ModerationNotifications::Internal);
        let id = house.submit(ALICE_ADDRESS, &["staff@contoso.example"]).await;
        house.settle_to(1).await;
        house.decide(id, Verdict::Reject, "Not today.");
        house.settle_to(0).await;
        let [notice] = house.inbox(ALICE).try_into().unwrap();
        assert!(notice.contains("\nSubject: Rejected: Hello\n") && notice.contains("\nNot today.\n"), "{notice}");
        assert!(notice.starts_with("Return-Path: <>\n"));

        house.submit(ALICE_ADDRESS, &["staff@contoso.example"]).await;
        house.settle_to(1).await;
        house.clock.advance(Duration::from_secs(2 * 24 * 3600 - 60));
        house.settle_to(1).await;
        house.clock.advance(Duration::from_secs(60));
        house.settle_to(0).await;
        let notices = house.inbox(ALICE);
        let expired = notices.iter().find(|text| text.contains("\nSubject: Undeliverable: Hello\n")).unwrap();
        assert!(expired.contains("550 5.6.0 APPROVAL.InvalidExpiry"), "{expired}");
        assert_eq!((notices.len(), house.inbox(BOB).len()), (2, 0));
    });
}

#[test]
fn where_nobody_is_to_hear_nobody_does_and_where_nobody_moderates_the_postmaster_is_asked() {
    in_runtime(async {
        let house = moderated(&[], ModerationNotifications::Never);
        let id = house.submit(ALICE_ADDRESS, &["staff@contoso.example"]).await;
        house.settle_to(1).await;
        let [request] = house.postmaster().try_into().unwrap();
        assert!(request.contains("\nTo: <postmaster@contoso.example>\n"), "{request}");
        assert!(!request.contains("its sender is told"), "{request}");
        house.decide(id, Verdict::Reject, "Never.");
        house.settle_to(0).await;
        assert!(house.inbox(ALICE).is_empty());
    });
}

#[test]
fn a_moderators_own_mail_is_not_held() {
    in_runtime(async {
        let house = moderated(&[ALICE], ModerationNotifications::Always);
        house.submit(ALICE_ADDRESS, &["staff@contoso.example"]).await;
        house.settle_to(0).await;
        assert_eq!((house.inbox(ALICE).len(), house.inbox(BOB).len()), (1, 1));
    });
}

#[test]
fn what_moderators_let_pass_at_once_is_counted_like_any_mail() {
    in_runtime(async {
        let snapshot = contoso();
        let waits = altered(&snapshot, STAFF, |staff| {
            let set = Moderation { enabled: true, moderated_by: vec![INFO], ..Moderation::default() };
            staff.moderation = Some(Box::new(set));
        });
        let slow = altered(&snapshot, BOB, |bob| {
            let received_per_hour = Some(Cap::Count(1));
            bob.limits = Some(Box::new(RecipientLimits { received_per_hour, ..RecipientLimits::default() }));
        });
        let house = House::of(snapshot.apply(&[waits, slow]).unwrap(), None);
        let mut ids = Vec::new();
        for messages in 1..=2 {
            ids.push(house.submit(ALICE_ADDRESS, &["staff@contoso.example"]).await);
            house.settle_to(messages).await;
        }
        // They wait for hours: it is the approval that makes them arrive together.
        house.clock.advance(Duration::from_secs(5 * 3_600));
        for (place, id) in ids.into_iter().enumerate() {
            house.decide(id, Verdict::Approve, "");
            house.settle_to(1 - place).await;
        }
        assert_eq!(house.inbox(BOB).len(), 1);
        let reports: Vec<String> = house.inbox(ALICE);
        assert!(reports.iter().any(|report| report.contains("\nStatus: 5.2.122\n")), "{reports:?}");
    });
}
