//! Who keeps a copy in Sent Items, against every combination of what it depends on (spec section 4.4).

use franking::model::directory::{Change, Recipient, RecipientType, Snapshot};
use franking::model::mail::{Address, ReversePath};
use franking::model::policy::sent_items::part_blind;
use franking::model::policy::{Profile, Settings, SubmitAs, Unrecorded, sent_items};
use proptest::prelude::*;

use super::id;

/// The account is 0 and the owner 1.
fn pair(own: Option<bool>, sent_as: bool, on_behalf: bool, licensed: [bool; 2]) -> Snapshot {
    let mut changes = vec![Change::PutDomain(super::contoso_domain())];
    for (number, licensed) in licensed.into_iter().enumerate() {
        let mut recipient =
            Recipient::new(id(number), RecipientType::UserMailbox, format!("r{number}"), super::address(number));
        recipient.account.as_mut().unwrap().licences.extend(licensed.then(|| "ExchangeOnlinePlan1".into()));
        if number == 0 {
            recipient.sent_items.smtp_client_submission = own;
        } else {
            recipient.sent_items.sent_as = sent_as;
            recipient.sent_items.sent_on_behalf = on_behalf;
        }
        changes.push(Change::PutRecipient(Box::new(recipient)));
    }
    Snapshot::default().apply(&changes).unwrap()
}

proptest! {
    #[test]
    fn a_copy_is_kept_by_who_wants_it_and_has_a_mailbox(
        cloud: bool,
        own: Option<bool>,
        sent_as: bool,
        on_behalf: bool,
        licensed: [bool; 2],
        capacity in 0_u8..4,
        null: bool,
    ) {
        let settings = Settings::of(if cloud { Profile::ExchangeOnline } else { Profile::ExchangeServer });
        let snapshot = pair(own, sent_as, on_behalf, licensed);
        let (account, owner) = (id(0), id(1));
        let submit_as =
            [SubmitAs::Own, SubmitAs::As(owner), SubmitAs::OnBehalf(owner), SubmitAs::Denied][usize::from(capacity)];
        let path = if null { ReversePath::Null } else { ReversePath::Mailbox(super::address(0)) };
        let kept = sent_items(&snapshot, &settings, account, submit_as, &path, &mut Unrecorded);
        // On premises licences are labels without effect.
        let open = |number: usize| licensed[number] || !cloud;
        let sends = !null && submit_as != SubmitAs::Denied;
        prop_assert_eq!(kept.keepers().contains(&account), sends && open(0) && own.unwrap_or(cloud));
        let wanted = match submit_as {
            SubmitAs::As(_) => sent_as,
            SubmitAs::OnBehalf(_) => on_behalf,
            SubmitAs::Own | SubmitAs::Denied => false,
        };
        prop_assert_eq!(kept.keepers().contains(&owner), sends && open(1) && wanted);
        let kept = kept.with_blind(b"Bcc: x\r\n".to_vec());
        prop_assert_eq!(kept.blind().is_empty(), kept.keepers().is_empty(), "nobody's secret is stored for nothing");
    }

    #[test]
    fn parting_blind_copies_loses_no_field_and_leaves_none_of_them(
        names in prop::collection::vec(prop::sample::select(vec!["Bcc", "bCC", "Resent-Bcc", "Bcc ", "To", "X-Bcc", "From"]), 0..8),
        folded: bool,
    ) {
        let fields: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(number, name)| format!("{name}: {number}{}\r\n", if folded { "\r\n Bcc: more" } else { "" }))
            .collect();
        let (rest, blind) = part_blind(fields.concat().as_bytes());
        let is_blind = |field: &&String| ["bcc", "resent-bcc", "bcc "].contains(&field.split(':').next().unwrap().to_lowercase().as_str());
        let expected = |wanted: bool| fields.iter().filter(|field| is_blind(field) == wanted).map(String::as_str).collect::<String>();
        prop_assert_eq!(String::from_utf8(rest).unwrap(), expected(false));
        prop_assert_eq!(String::from_utf8(blind).unwrap(), expected(true));
    }
}

#[test]
fn an_owner_that_is_the_account_itself_keeps_one_copy() {
    let snapshot = pair(Some(true), true, true, [true, true]);
    let path = ReversePath::Mailbox(Address::parse("r0@contoso.example").unwrap());
    let mut both = Recipient::clone(snapshot.recipient(id(0)).unwrap());
    both.sent_items.sent_as = true;
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(both))]).unwrap();
    let kept = sent_items(&snapshot, &Settings::default(), id(0), SubmitAs::As(id(0)), &path, &mut Unrecorded);
    assert_eq!(kept.keepers(), [id(0)]);
}
