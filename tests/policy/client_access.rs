//! Client access (spec sections 3.4 and 3.5): what matters for SMTP, what does not, and who says so.

use franking::model::directory::{
    AuthenticationPolicy, Change, ClientAccess, Organisation, Recipient, RecipientType, Snapshot,
};
use franking::model::mail::{ForwardPath, ReversePath, Timestamp};
use franking::model::policy::sign_in::may_submit;
use franking::model::policy::{
    DsnRequest, Evidence, Origin, Posting, Profile, Proof, Refusal, Settings, SignedIn, Unrecorded, admit, author,
    sign_in, submit_as,
};
use proptest::prelude::*;

use super::{Drawn, address, directory, drawn, expanded, id, permit};

fn signed_in(snapshot: &Snapshot, settings: &Settings, number: usize, proof: Proof) -> Result<SignedIn, Refusal> {
    let login = address(number).to_string();
    sign_in(snapshot, settings, &login, Evidence::Right(proof), &mut Unrecorded)
}

/// Everything that a session of account `number` is told, whatever it tries; the profiles' words aside.
fn told(snapshot: &Snapshot, settings: &Settings, number: usize, count: usize) -> Vec<String> {
    let Ok(account) = signed_in(snapshot, settings, number, Proof::Password) else {
        return vec!["kept out".to_owned()];
    };
    let mut told = vec![format!("{:?}", may_submit(snapshot, settings, &account, Timestamp::EPOCH, &mut Unrecorded))];
    for other in 0..count {
        let from = address(other);
        let head = format!("From: <{from}>\r\nTo: <bob@fabrikam.example>\r\n");
        let path = ReversePath::Mailbox(from.clone());
        told.push(format!("{:?}", submit_as(snapshot, settings, account.account(), &from, &mut Unrecorded)));
        let authored = author(snapshot, settings, &account, &path, head.as_bytes(), &mut Unrecorded);
        told.push(format!("{:?}", authored.map_err(|_| "refused")));
        let dsn = DsnRequest::default();
        let posting = Posting::announced(snapshot, Origin::Account(account.account()), &path, 1);
        let to = ForwardPath::Mailbox(from);
        told.push(format!("{:?}", admit(snapshot, settings, &posting, to, dsn, &mut Unrecorded).is_ok()));
    }
    told
}

/// Everybody licensed, so that only the account in question differs between the profiles.
fn people() -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec(drawn(), 2..8).prop_map(|mut people| {
        people.iter_mut().for_each(|one| one.licensed = true);
        people
    })
}

fn altered(snapshot: &Snapshot, number: usize, alter: impl FnOnce(&mut Recipient)) -> Snapshot {
    let mut recipient = Recipient::clone(snapshot.recipient(id(number)).unwrap());
    alter(&mut recipient);
    snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap()
}

/// The mail apps from twelve bits.
fn apps(bits: u16) -> ClientAccess {
    let bit = |number: u16| bits >> number & 1 == 1;
    ClientAccess {
        owa: bit(0),
        owa_for_devices: bit(1),
        ecp: bit(2),
        active_sync: bit(3),
        mapi: bit(4),
        imap: bit(5),
        pop: bit(6),
        ews: bit(7),
        universal_outlook: bit(8),
        outlook_mobile: bit(9),
        mac_outlook: bit(10),
        one_win_native_outlook: bit(11),
        smtp_client_authentication_disabled: None,
    }
}

proptest! {
    /// Spec S1-3: SMTP is the only protocol here, and of the switches only its own has any bearing on it.
    #[test]
    fn no_mail_app_has_any_bearing_on_what_is_sent_received_or_forwarded(
        people in people(), bits in 0_u16..1 << 12, place in any::<prop::sample::Index>(),
        switch in prop::option::of(any::<bool>()), tenant in any::<bool>(), cloud in any::<bool>(),
    ) {
        let number = place.index(people.len());
        let settings = Settings::of(if cloud { Profile::ExchangeOnline } else { Profile::ExchangeServer });
        let organisation = Organisation { smtp_client_authentication_disabled: tenant, ..Organisation::default() };
        let all_on = directory(&people).apply(&[Change::PutOrganisation(organisation)]).unwrap();
        let all_on = altered(&all_on, number, |one| one.client_access.smtp_client_authentication_disabled = switch);
        let some = altered(&all_on, number, |one| {
            one.client_access = ClientAccess { smtp_client_authentication_disabled: switch, ..apps(bits) };
        });
        prop_assert_eq!(
            told(&all_on, &settings, number, people.len()),
            told(&some, &settings, number, people.len())
        );
        for other in 0..people.len() {
            prop_assert_eq!(
                expanded(&all_on, &[permit(&all_on, other)]),
                expanded(&some, &[permit(&some, other)])
            );
        }
    }

    /// Spec S1-4: a mailbox with every app off in the cloud and a mail user on premises are told the same throughout.
    #[test]
    fn a_mailbox_without_apps_in_the_cloud_submits_as_a_mail_user_on_premises_does(mut people in people()) {
        people[0].recipient_type = RecipientType::UserMailbox;
        people[0].forward = None;
        let kiosk = altered(&directory(&people), 0, |one| one.client_access = ClientAccess::with_every_app(false));
        people[0].recipient_type = RecipientType::MailUser;
        let mail_user = directory(&people);
        let (cloud, premises) = (Settings::of(Profile::ExchangeOnline), Settings::of(Profile::ExchangeServer));
        let count = people.len();
        prop_assert_eq!(told(&kiosk, &cloud, 0, count), told(&mail_user, &premises, 0, count));
        // And in the cloud the mail user is kept out (spec S0-2, S1-2).
        let refused = signed_in(&mail_user, &cloud, 0, Proof::Password);
        prop_assert_eq!(refused.unwrap_err(), Refusal::MailboxCannotBeAccessed);
    }
}

const SAYS: [Option<bool>; 3] = [None, Some(true), Some(false)];

/// Row 3 of spec section 3.5: the account's own word, its policy, the default policy, the organisation's word. A token
/// is none of their business.
#[test]
fn of_all_that_speak_of_passwords_the_nearest_to_the_account_is_heard() {
    let mut cells = 0;
    for own in SAYS {
        for assigned in SAYS {
            for default in SAYS {
                for organisation in [true, false] {
                    for proof in [Proof::Password, Proof::Token] {
                        let snapshot = speaking(own, assigned, default, organisation);
                        let allowed = own.or(assigned).or(default).unwrap_or(organisation) || proof == Proof::Token;
                        let answer = signed_in(&snapshot, &Settings::default(), 0, proof).map(drop);
                        let expected = if allowed { Ok(()) } else { Err(Refusal::BasicAuthenticationDisabled) };
                        assert_eq!(answer, expected, "{own:?} {assigned:?} {default:?} {organisation} {proof:?}");
                        cells += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cells, 108);
}

fn speaking(own: Option<bool>, assigned: Option<bool>, default: Option<bool>, organisation: bool) -> Snapshot {
    let somebody = Drawn {
        recipient_type: RecipientType::UserMailbox,
        members: Vec::new(),
        forward: None,
        keep: false,
        licensed: true,
        grants: Vec::new(),
    };
    let mut changes = Vec::new();
    let mut policy = |name: &'static str, says: Option<bool>| {
        let allow_basic_auth_smtp = says?;
        changes
            .push(Change::PutAuthenticationPolicy(AuthenticationPolicy { name: name.into(), allow_basic_auth_smtp }));
        // Names are compared letter case aside.
        Some(name.to_uppercase().into())
    };
    let (assigned, default) = (policy("Assigned", assigned), policy("Default", default));
    changes.push(Change::PutOrganisation(Organisation {
        allow_basic_auth_smtp: organisation,
        default_authentication_policy: default,
        ..Organisation::default()
    }));
    let snapshot = directory(&[somebody]).apply(&changes).unwrap();
    altered(&snapshot, 0, |one| {
        let account = one.account.as_mut().unwrap();
        account.allow_basic_auth_smtp = own;
        account.authentication_policy = assigned.into();
    })
}

/// Rows 4 to 6, as the second table of spec section 3.5 has them.
#[test]
fn the_mailbox_s_own_switch_beats_the_organisation_s() {
    for (mailbox, open, closed) in [
        (Some(true), Err(Refusal::SmtpAuthDisabledForMailbox), Err(Refusal::SmtpAuthDisabledForMailbox)),
        (Some(false), Ok(()), Ok(())),
        (None, Ok(()), Err(Refusal::SmtpAuthDisabledForTenant)),
    ] {
        for (tenant, expected) in [(false, open), (true, closed)] {
            let organisation = Organisation { smtp_client_authentication_disabled: tenant, ..Organisation::default() };
            let snapshot = speaking(None, None, None, true).apply(&[Change::PutOrganisation(organisation)]).unwrap();
            let snapshot = altered(&snapshot, 0, |one| one.client_access.smtp_client_authentication_disabled = mailbox);
            // It governs passwords and tokens alike.
            for proof in [Proof::Password, Proof::Token] {
                let answer = signed_in(&snapshot, &Settings::default(), 0, proof).map(drop);
                assert_eq!(answer, expected, "{mailbox:?} {tenant} {proof:?}");
            }
        }
    }
}
