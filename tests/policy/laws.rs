//! Laws that hold between two directories, or two ways to ask: what only takes away never gives, what does not matter
//! changes nothing.

use franking::model::directory::{Change, Grant, Recipient, RecipientId, RecipientType, Restrictions, Right, Snapshot};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::settings::SrsKey;
use franking::model::policy::{
    DsnRequest, Evidence, Origin, Permit, Posting, Proof, Refusal, Sender, Settings, SubmitAs, Unrecorded, admit,
    expand, sign_in, srs, submit_as,
};
use proptest::prelude::*;

use super::{Drawn, address, directory, drawn, id};

/// Everything is judged at once, so that nothing hides behind a report.
fn early() -> Settings {
    Settings { refuse_early: true, ..super::settings() }
}

fn altered(snapshot: &Snapshot, id: RecipientId, alter: impl FnOnce(&mut Recipient)) -> Snapshot {
    let mut recipient = Recipient::clone(snapshot.recipient(id).unwrap());
    alter(&mut recipient);
    snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap()
}

fn signs_in(snapshot: &Snapshot, number: usize) -> Result<Sender, Refusal> {
    let login = address(number).to_string();
    sign_in(snapshot, &early(), &login, Evidence::Right(Proof::Password), &mut Unrecorded).map(Sender::Account)
}

/// Strangers, the system, and whoever can sign in.
fn senders(snapshot: &Snapshot, count: usize) -> Vec<Sender> {
    let accounts = (0..count).filter_map(|number| signs_in(snapshot, number).ok());
    [Sender::Anonymous, Sender::System].into_iter().chain(accounts).collect()
}

fn asked(snapshot: &Snapshot, sender: &Sender, to: &Address) -> Result<Permit, Refusal> {
    let path = ForwardPath::Mailbox(to.clone());
    let posting = Posting::received(snapshot, sender.origin(), &ReversePath::Null, b"", 0);
    admit(snapshot, &early(), &posting, path, DsnRequest::default(), &mut Unrecorded)
}

/// How much a capacity permits.
const fn rank(capacity: SubmitAs) -> u8 {
    match capacity {
        SubmitAs::Denied => 0,
        SubmitAs::OnBehalf(_) => 1,
        SubmitAs::As(_) => 2,
        SubmitAs::Own => 3,
    }
}

fn capacity(snapshot: &Snapshot, account: usize, used: usize) -> SubmitAs {
    submit_as(snapshot, &early(), id(account), &address(used), &mut Unrecorded)
}

/// Whatever is permitted `after` was permitted `before`: sending to, sending as, and signing in.
fn permits_no_more(before: &Snapshot, after: &Snapshot, count: usize) -> Result<(), TestCaseError> {
    for sender in senders(after, count) {
        for number in 0..count {
            let (then, now) = (asked(before, &sender, &address(number)), asked(after, &sender, &address(number)));
            prop_assert!(then.is_ok() || now.is_err(), "{:?} may now send to r{}: {:?}", sender, number, then);
        }
    }
    for account in 0..count {
        prop_assert!(signs_in(before, account).is_ok() || signs_in(after, account).is_err());
        for used in 0..count {
            let (then, now) = (capacity(before, account, used), capacity(after, account, used));
            prop_assert!(rank(now) <= rank(then), "r{} as r{}: {:?}, before {:?}", account, used, now, then);
        }
    }
    Ok(())
}

/// Letters of `text` in the case that `bits` say.
fn in_case(text: &str, bits: u64) -> String {
    let cased = text.chars().enumerate().map(|(place, letter)| {
        if bits >> (place % 64) & 1 == 1 { letter.to_uppercase().collect::<String>() } else { letter.to_string() }
    });
    cased.collect()
}

proptest! {
    #[test]
    fn a_deny_entry_never_permits_more(
        all in prop::collection::vec(drawn(), 2..7),
        (owner, trustee) in any::<(prop::sample::Index, prop::sample::Index)>(),
        right in prop::sample::select(vec![Right::SendAs, Right::SendOnBehalf, Right::FullAccess]),
    ) {
        let before = directory(&all);
        let can_hold = |number: &usize| {
            let one = before.recipient(id(*number)).unwrap();
            one.account.is_some() || one.recipient_type == RecipientType::MailUniversalSecurityGroup
        };
        let able: Vec<usize> = (0..all.len()).filter(can_hold).collect();
        if able.is_empty() {
            return Ok(());
        }
        let grant = Grant { right, trustee: id(able[trustee.index(able.len())]), deny: true };
        let after = altered(&before, id(owner.index(all.len())), |owner| owner.grants.push(grant));
        permits_no_more(&before, &after, all.len())?;
    }

    #[test]
    fn a_reject_entry_never_permits_more(
        all in prop::collection::vec(drawn(), 2..7),
        (owner, rejected) in any::<(prop::sample::Index, prop::sample::Index)>(),
        accepted in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let owner = id(owner.index(all.len()));
        let accept_only_from = accepted.map(|accepted| id(accepted.index(all.len()))).into_iter().collect();
        let restrictions = Restrictions { accept_only_from, ..Restrictions::default() };
        let before = altered(&directory(&all), owner, |owner| owner.restrictions = Some(Box::new(restrictions)));
        let after = altered(&before, owner, |owner| {
            owner.restrictions.get_or_insert_default().reject_from.push(id(rejected.index(all.len())));
        });
        permits_no_more(&before, &after, all.len())?;
    }

    #[test]
    fn removing_a_licence_never_permits_more(
        all in prop::collection::vec(drawn(), 2..7),
        one in any::<prop::sample::Index>(),
    ) {
        let before = directory(&all);
        let after = altered(&before, id(one.index(all.len())), |recipient| {
            if let Some(account) = recipient.account.as_deref_mut() {
                account.licences.clear();
            }
        });
        permits_no_more(&before, &after, all.len())?;
    }

    #[test]
    fn an_unrelated_recipient_changes_no_decision(all in prop::collection::vec(drawn(), 1..7), new in drawn()) {
        let before = directory(&all);
        let unrelated = super::bare(all.len(), &Drawn { members: Vec::new(), forward: None, grants: Vec::new(), ..new });
        let after = before.apply(&[Change::PutRecipient(Box::new(unrelated))]).unwrap();
        let from = ReversePath::Mailbox(address(0));
        for number in 0..all.len() {
            prop_assert_eq!(signs_in(&before, number), signs_in(&after, number));
            for sender in senders(&before, all.len()) {
                let (then, now) = (asked(&before, &sender, &address(number)), asked(&after, &sender, &address(number)));
                prop_assert_eq!(&then, &now);
                let ends = |snapshot| then.as_ref().map(|permit| {
                    let posting = Posting::received(snapshot, Origin::System, &from, b"", 1);
                    let permits = core::slice::from_ref(permit);
                    expand(snapshot, &early(), &posting, permits, Timestamp::EPOCH, &mut Unrecorded)
                });
                prop_assert_eq!(ends(&before), ends(&after));
            }
            for used in 0..all.len() {
                prop_assert_eq!(capacity(&before, number, used), capacity(&after, number, used));
            }
        }
    }

    #[test]
    fn a_permit_that_is_judged_again_is_still_a_permit(all in prop::collection::vec(drawn(), 1..7)) {
        let snapshot = directory(&all);
        for sender in senders(&snapshot, all.len()) {
            for number in 0..all.len() {
                if let Ok(permit) = asked(&snapshot, &sender, &address(number)) {
                    let (path, dsn) = (permit.path().clone(), permit.dsn().clone());
                    let posting = Posting::received(&snapshot, sender.origin(), &ReversePath::Null, b"", 0);
                    let again = admit(&snapshot, &early(), &posting, path, dsn, &mut Unrecorded);
                    prop_assert_eq!(again, Ok(permit));
                }
            }
        }
    }

    #[test]
    fn admitting_never_depends_on_letter_case_or_label_form_of_the_domain(
        all in prop::collection::vec(drawn(), 1..5),
        bits in any::<u64>(),
        local in "(r[0-6]|nobody|postmaster|r0\\+tag)",
    ) {
        let kind = franking::model::directory::DomainType::Authoritative;
        let mut domain = franking::model::directory::AcceptedDomain::new("bücher.example".parse().unwrap(), kind);
        domain.match_subdomains = true;
        let snapshot = directory(&all).apply(&[Change::PutDomain(domain)]).unwrap();
        let snapshot = altered(&snapshot, id(0), |first| first.addresses.add("r0@bücher.example".parse().unwrap()));
        let forms: [&[&str]; 4] = [
            &["contoso.example"],
            &["bücher.example", "xn--bcher-kva.example"],
            &["a.bücher.example", "a.xn--bcher-kva.example"],
            &["elsewhere.example"],
        ];
        for sender in senders(&snapshot, all.len()) {
            for forms in forms {
                let spelled = |form: &str| Address::parse(&format!("{local}@{form}")).unwrap();
                let usual = asked(&snapshot, &sender, &spelled(forms[0]));
                for form in forms {
                    prop_assert_eq!(&usual, &asked(&snapshot, &sender, &spelled(&in_case(form, bits))));
                }
            }
        }
    }

    #[test]
    fn a_wrong_password_an_unknown_account_and_a_blocked_one_are_answered_alike(
        all in prop::collection::vec(drawn(), 1..7),
        unknown in "[a-z]{1,8}(@contoso\\.example|@elsewhere\\.example|)",
    ) {
        let snapshot = directory(&all);
        let login = |snapshot: &Snapshot, login: &str, evidence| {
            sign_in(snapshot, &early(), login, evidence, &mut Unrecorded).unwrap_err()
        };
        let alike = login(&snapshot, &unknown, Evidence::Wrong);
        for number in 0..all.len() {
            let known = address(number).to_string();
            prop_assert_eq!(&login(&snapshot, &known, Evidence::Wrong), &alike);
            if snapshot.recipient(id(number)).unwrap().account.is_some() {
                let blocked = altered(&snapshot, id(number), |recipient| {
                    recipient.account.as_deref_mut().unwrap().sign_in_blocked = true;
                });
                prop_assert_eq!(&login(&blocked, &known, Evidence::Right(Proof::Password)), &alike);
            }
        }
        prop_assert_eq!(alike.bare_reply(&early()).to_string(), "535 5.7.3 Authentication unsuccessful");
    }

    #[test]
    fn a_rewritten_sender_is_found_again(
        local in "[a-z0-9+=.]{1,20}",
        domain in "[a-z]{1,10}(\\.[a-z]{1,10}){1,2}",
        forwarder in "[a-z]{1,10}",
        days in 0_u64..20_000,
        key in any::<[u8; 32]>(),
    ) {
        let Ok(original) = Address::parse(&format!("{local}@{domain}")) else { return Ok(()) };
        let forwarder = Address::parse(&format!("{forwarder}@contoso.example")).unwrap();
        let now = Timestamp::from_unix_milliseconds(days * 86_400_000);
        let given = ReversePath::Mailbox(original.clone());
        let rewritten = srs::rewrite(&[SrsKey(key)], &forwarder, None, &given, now);
        let address = rewritten.address().unwrap();
        let keys = [SrsKey([1; 32]), SrsKey(key)];
        match srs::reverse(&keys, address) {
            Some(srs::Original::Sender(found)) => prop_assert_eq!(found.key(), original.key()),
            // What would grow too long is a bounce of ours: reports come home, but go no further.
            Some(srs::Original::Lost) => prop_assert!(address.to_string().starts_with("bounces+SRS=")),
            None => prop_assert_eq!(address, &original),
        }
        prop_assert_eq!(address.domain() == forwarder.domain(), *address != original);
        prop_assert!(srs::is_current(&keys, address, now));
        prop_assert!(*address == original || srs::reverse(&[SrsKey([1; 32])], address).is_none());
    }
}
