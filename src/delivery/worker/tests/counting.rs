//! What counts, for whom, and by which settings.

use super::*;
use crate::model::directory::{AutoReply, AutoReplyState, Limit};
use crate::model::policy::quota::Thresholds;

#[test]
fn an_automatic_reply_counts_for_nobodys_limits() {
    in_runtime(async {
        let snapshot = contoso();
        let away = altered(&snapshot, BOB, |bob| {
            let (state, internal_message) = (AutoReplyState::Enabled, "Back on Monday.".into());
            bob.auto_reply = Some(Box::new(AutoReply { state, internal_message, ..AutoReply::default() }));
        });
        // The reply would be one too many for her mailbox, if it counted.
        let busy = altered(&snapshot, ALICE, |alice| {
            let received_per_hour = Some(Cap::Count(1));
            alice.limits = Some(Box::new(RecipientLimits { received_per_hour, ..RecipientLimits::default() }));
        });
        let house = House::of(snapshot.apply(&[away, busy]).unwrap(), None);
        house.submit("alice@contoso.example", &["alice@contoso.example"]).await;
        house.settle().await;
        house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
        house.settle().await;
        let replies = house.inbox(ALICE).iter().filter(|one| one.contains("Back on Monday.")).count();
        assert_eq!((replies, house.inbox(BOB).len()), (1, 1));
        let tally = &house.agents.tally;
        assert_eq!((tally.sent(BOB).recipients_of_day, tally.sent(BOB).messages_of_minute), (0, 0));
        assert_eq!(tally.received(ALICE, &ReversePath::Null, house.clock.now()).of_all, 1);
    });
}

#[test]
fn delivery_goes_by_settings_that_were_read_again() {
    in_runtime(async {
        let snapshot = contoso();
        let mut alice = Recipient::clone(snapshot.recipient(ALICE).unwrap());
        let unlimited = Some(Limit::Unlimited);
        alice.quota = Some(Box::new(Quota { prohibit_send_receive: unlimited, ..Quota::default() }));
        let house = House::of(snapshot.apply(&[Change::PutRecipient(Box::new(alice))]).unwrap(), None);
        let send = async || {
            house.submit("alice@contoso.example", &["bob@contoso.example"]).await;
            house.settle().await;
        };
        send().await;
        assert_eq!(house.inbox(BOB).len(), 1);
        let quota = Some(Thresholds { prohibit_send_receive: Some(1), ..Thresholds::default() });
        house.agents.settings.reload(&Settings { quota, ..Settings::default() });
        send().await;
        assert_eq!(house.inbox(BOB).len(), 1);
        // Hers is without limit, whatever the configuration says: the report arrives.
        assert!(house.inbox(ALICE).iter().any(|report| report.contains("\nStatus: 5.2.2\n")));
    });
}
