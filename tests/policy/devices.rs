//! Device credentials: every combination of what one is bound to, against a second statement of the rules; the laws.

use core::time::Duration;

use franking::model::directory::device::{Secret, Verifier};
use franking::model::directory::{
    Account, Change, Device, DeviceRecipient, Organisation, PasswordHash, Recipient, Selector, Snapshot,
};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::device::{Checked, device_of};
use franking::model::policy::sign_in::may_submit;
use franking::model::policy::{
    AppPassword, DsnRequest, Evidence, Origin, Posting, Profile, Proof, Refusal, Settings, SignedIn, Unrecorded,
    Whence, admit, author, sign_in,
};
use proptest::prelude::*;

use crate::dialogues::directory;

const SECRET: &str = "k7mq-x2rt-abcd-efgh-jkmn-pqrs";

fn now() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

fn whence(peer: &str, in_clear: bool) -> Whence {
    Whence { peer: peer.parse().unwrap(), in_clear }
}

fn seconds(from: i64) -> Timestamp {
    Timestamp::from_unix_milliseconds((now().unix_milliseconds() as i64 + from * 1_000) as u64)
}

fn device() -> Device {
    let mut device = Device::new("scanner-2", Timestamp::EPOCH);
    let (selector, hash) = (Selector::parse("k7mq").unwrap(), PasswordHash::from_phc("clear"));
    device.verifier = Some(Verifier { selector, hash });
    device
}

fn with(snapshot: &Snapshot, alter: impl FnOnce(&mut Account)) -> Snapshot {
    let alice = Address::parse("alice@contoso.example").unwrap();
    let mut recipient = Recipient::clone(snapshot.find_by_address(&alice).unwrap());
    alter(recipient.account.as_mut().unwrap());
    snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap()
}

fn signed_in(snapshot: &Snapshot, settings: &Settings, peer: &str, at: Timestamp) -> Result<SignedIn, Refusal> {
    let account = snapshot.find_by_login(&"alice@contoso.example".parse().unwrap()).unwrap().account.as_deref();
    let secret = Secret::read(SECRET);
    let checked = Checked::of(account, SECRET, secret.as_ref(), whence(peer, false), at);
    sign_in(snapshot, settings, "alice@contoso.example", Evidence::Right(checked.proof), &mut Unrecorded)
}

/// What becomes of a message from an address to another, in one word.
fn sent(snapshot: &Snapshot, settings: &Settings, peer: &str, from: &str, to: &str) -> String {
    let signed_in = match signed_in(snapshot, settings, peer, now()) {
        Ok(signed_in) => signed_in,
        Err(refusal) => return format!("{refusal:?}"),
    };
    if let Err(refusal) = may_submit(snapshot, settings, &signed_in, now(), &mut Unrecorded) {
        return format!("at MAIL FROM {refusal:?}");
    }
    let path = ReversePath::Mailbox(from.parse().unwrap());
    let posting = Posting::announced(snapshot, Origin::Account(signed_in.account()), &path, 0)
        .by_device(device_of(snapshot, &signed_in));
    let to = ForwardPath::Mailbox(to.parse().unwrap());
    if let Err(refusal) = admit(snapshot, settings, &posting, to, DsnRequest::default(), &mut Unrecorded) {
        return format!("at RCPT TO {refusal:?}");
    }
    let head = format!("From: <{from}>\r\n");
    match author(snapshot, settings, &signed_in, &path, head.as_bytes(), &mut Unrecorded) {
        Ok(_) => "sent".to_owned(),
        Err(Refusal::SendAsDenied { .. }) => "after DATA SendAsDenied".to_owned(),
        Err(other) => format!("after DATA {other:?}"),
    }
}

const NETWORKS: [(&str, bool); 4] =
    [("", true), ("192.168.10.0/24", true), ("192.168.11.0/24", false), ("fd00::/64,192.168.10.7", true)];
const EXPIRIES: [(Option<i64>, bool); 4] = [(None, true), (Some(1), true), (Some(0), false), (Some(-86_400), false)];
/// Senders, and whether the list has alice, info (as whom alice may send) and bob (as whom she may not).
const SENDERS: [(&str, [bool; 3]); 4] = [
    ("", [true, true, true]),
    ("alice@contoso.example", [true, false, false]),
    ("info@contoso.example,bob@contoso.example", [false, true, true]),
    ("nobody@contoso.example", [false, false, false]),
];
/// Recipients, and whether the list has bob, a stranger, and a contact whose address is outside.
const RECIPIENTS: [(&str, [bool; 3]); 5] = [
    ("", [true, true, true]),
    ("inside", [true, false, false]),
    ("fabrikam.example", [false, true, true]),
    ("inside,eve@fabrikam.example", [true, true, false]),
    ("bob@contoso.example", [true, false, false]),
];
/// What the account or the organisation forbids, and the answer; `None` for nothing.
const SWITCHES: [(&str, Option<&str>); 6] = [
    ("nothing", None),
    ("blocked", Some("AuthenticationUnsuccessful")),
    ("disabled", Some("AuthenticationUnsuccessful")),
    ("no passwords for the account", Some("BasicAuthenticationDisabled")),
    ("no passwords at all", Some("SecurityDefaults")),
    ("no SMTP in the organisation", Some("SmtpAuthDisabledForTenant")),
];

fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    text.split(',').filter(|part| !part.is_empty()).map(|part| parse(part).unwrap()).collect()
}

fn switched(snapshot: &Snapshot, switch: &str) -> Snapshot {
    let organisation = |alter: &dyn Fn(&mut Organisation)| {
        let mut next = snapshot.organisation().clone();
        alter(&mut next);
        snapshot.apply(&[Change::PutOrganisation(next)]).unwrap()
    };
    match switch {
        "blocked" => with(snapshot, |account| account.sign_in_blocked = true),
        "disabled" => with(snapshot, |account| account.enabled = false),
        "no passwords for the account" => with(snapshot, |account| account.allow_basic_auth_smtp = Some(false)),
        "no passwords at all" => organisation(&|own| own.security_defaults = true),
        "no SMTP in the organisation" => organisation(&|own| own.smtp_client_authentication_disabled = true),
        _ => snapshot.clone(),
    }
}

#[test]
fn what_a_device_is_bound_to_holds_in_every_combination() {
    let (contoso, mut cells) = (directory("contoso"), 0);
    let from = ["alice@contoso.example", "info@contoso.example", "bob@contoso.example"];
    let to = ["bob@contoso.example", "eve@fabrikam.example", "partner@fabrikam.example"];
    for (switch, forbidden) in SWITCHES {
        let ground = switched(&contoso, switch);
        for (networks, there) in NETWORKS {
            for (expiry, in_time) in EXPIRIES {
                for (senders, may_use) in SENDERS {
                    for (recipients, may_name) in RECIPIENTS {
                        let mut own = device();
                        own.networks = list(networks, |text| text.parse().ok());
                        own.expires = expiry.map(seconds);
                        own.senders = list(senders, |text| text.parse().ok());
                        own.recipients = list(recipients, DeviceRecipient::parse);
                        let snapshot = with(&ground, |account| account.devices = vec![own].into());
                        for profile in [Profile::ExchangeOnline, Profile::ExchangeServer] {
                            let settings = Settings::of(profile);
                            for (from, may_use, by_account) in
                                [(from[0], may_use[0], true), (from[1], may_use[1], true), (from[2], may_use[2], false)]
                            {
                                for (place, may_name) in may_name.into_iter().enumerate() {
                                    let found = sent(&snapshot, &settings, "192.168.10.7", from, to[place]);
                                    // What is answered like a wrong secret comes before what has words of its own.
                                    let expected = match (there && in_time, forbidden) {
                                        (false, _) => "AuthenticationUnsuccessful",
                                        (true, Some(refusal)) => refusal,
                                        (true, None) if !may_name => "at RCPT TO DeviceRecipientNotPermitted",
                                        (true, None) if !may_use || !by_account => "after DATA SendAsDenied",
                                        (true, None) => "sent",
                                    };
                                    assert_eq!(
                                        found, expected,
                                        "{switch}; {networks:?}; {expiry:?}; {senders:?}; {recipients:?}; {profile:?}; \
                                         from {from} to {}",
                                        to[place]
                                    );
                                    cells += 1;
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cells, 6 * 4 * 4 * 4 * 5 * 2 * 9);
}

/// Networks, whether 192.168.10.7 is in one of them, and whether all are private.
const PLACES: [(&str, bool, bool); 8] = [
    ("", true, false),
    ("192.168.10.7", true, true),
    ("10.0.0.0/8,192.168.0.0/16", true, true),
    ("fd00::/8", false, true),
    ("192.168.11.0/24", false, true),
    ("203.0.113.0/24", false, false),
    ("192.168.10.0/24,203.0.113.0/24", true, false),
    ("0.0.0.0/0", true, false),
];

/// Over TLS, and without it where a device must be bound to private networks, senders and recipients, all three.
#[test]
fn what_a_device_is_bound_to_decides_in_every_combination_whether_it_may_do_without_tls() {
    let (contoso, settings, mut cells) = (directory("contoso"), Settings::default(), 0);
    for (networks, here, nearby) in PLACES {
        for senders in ["", "alice@contoso.example", "alice@contoso.example,info@contoso.example"] {
            for recipients in ["", "inside", "bob@contoso.example,fabrikam.example"] {
                for (expiry, in_time) in EXPIRIES {
                    let mut own = device();
                    own.networks = list(networks, |text| text.parse().ok());
                    own.senders = list(senders, |text| text.parse().ok());
                    own.recipients = list(recipients, DeviceRecipient::parse);
                    own.expires = expiry.map(seconds);
                    let snapshot = with(&contoso, |account| account.devices = vec![own].into());
                    let account = snapshot.find_by_login(&"alice@contoso.example".parse().unwrap()).unwrap();
                    let account = account.account.as_deref();
                    for in_clear in [false, true] {
                        let (from, secret) = (whence("192.168.10.7", in_clear), Secret::read(SECRET));
                        let checked = Checked::of(account, SECRET, secret.as_ref(), from, now());
                        assert!(checked.hash.is_some(), "its secret is compared in any case");
                        let remembered = checked.may_be_remembered(account.unwrap());
                        let evidence = Evidence::Right(checked.proof);
                        let found = sign_in(&snapshot, &settings, "alice@contoso.example", evidence, &mut Unrecorded);
                        let is_pinned = nearby && !senders.is_empty() && !recipients.is_empty();
                        let expected = here && in_time && (!in_clear || is_pinned);
                        let cell = format!("{networks:?}; {senders:?}; {recipients:?}; {expiry:?}; clear {in_clear}");
                        assert_eq!((found.is_ok(), remembered), (expected, expected), "{cell}");
                        let refusal = found.err();
                        assert!(refusal.is_none_or(|own| own == Refusal::AuthenticationUnsuccessful), "{cell}");
                        // The password of the account is not even compared there.
                        let password = Checked::of(account, "demo-alice", None, from, now());
                        assert_eq!(password.hash.is_some(), !in_clear, "{cell}");
                        cells += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cells, 8 * 3 * 3 * 4 * 2);
}

#[test]
fn inside_is_what_is_named_not_where_it_leads() {
    let mut own = device();
    own.recipients = vec![DeviceRecipient::Inside];
    let snapshot = with(&directory("contoso"), |account| account.devices = vec![own].into());
    let to = |to: &str| sent(&snapshot, &Settings::default(), "192.0.2.7", "alice@contoso.example", to);
    // A group with members outside, a mailbox that forwards outside, and an unknown address that a report tells of.
    for named in ["staff@contoso.example", "carol@contoso.example", "nobody@contoso.example"] {
        assert_eq!(to(named), "sent", "{named}");
    }
    // A contact is named by its address outside.
    assert_eq!(to("partner@fabrikam.example"), "at RCPT TO DeviceRecipientNotPermitted");
}

#[test]
fn a_secret_is_checked_against_one_hash_whatever_is_shown() {
    let snapshot = with(&directory("contoso"), |account| {
        account.password = Some(PasswordHash::from_phc("own"));
        account.devices = vec![device()].into();
    });
    let account = snapshot.find_by_name("alice").unwrap().account.as_deref();
    let (from, at) = (whence("192.0.2.7", false), now());
    for (shown, hash, is_device) in [
        (SECRET, Some("clear"), true),
        ("K7MQ-0000-0000-0000-0000-0000", Some("clear"), true),
        ("abcd-x2rt-abcd-efgh-jkmn-pqrs", Some("own"), false),
        ("k7mq", Some("own"), false),
        ("demo-alice", Some("own"), false),
    ] {
        let secret = Secret::read(shown);
        let checked = Checked::of(account, shown, secret.as_ref(), from, at);
        assert_eq!(checked.hash.map(PasswordHash::phc), hash, "{shown}");
        assert_eq!(matches!(checked.proof, Proof::AppPassword(_)), is_device, "{shown}");
        assert!(Checked::of(None, shown, secret.as_ref(), from, at).hash.is_none(), "a login that nobody has");
    }
}

#[test]
fn a_session_ends_with_its_credential() {
    let contoso = directory("contoso");
    let mut own = device();
    own.expires = Some(seconds(60));
    let snapshot = with(&contoso, |account| account.devices = vec![own].into());
    let settings = Settings::default();
    let session = signed_in(&snapshot, &settings, "192.0.2.7", now()).unwrap();
    let later = |seconds| now().plus(Duration::from_secs(seconds));
    let may = |snapshot: &Snapshot, at| may_submit(snapshot, &settings, &session, at, &mut Unrecorded);
    assert_eq!(may(&snapshot, later(59)), Ok(()));
    assert_eq!(may(&snapshot, later(60)), Err(Refusal::AuthenticationUnsuccessful));
    assert_eq!(may(&contoso, later(0)), Err(Refusal::AuthenticationUnsuccessful), "revoked");
    let renewed = with(&snapshot, |account| {
        account.devices[0].verifier.as_mut().unwrap().selector = Selector::parse("zzzz").unwrap();
    });
    assert_eq!(may(&renewed, later(0)), Err(Refusal::AuthenticationUnsuccessful), "renewed");
}

fn bounds() -> impl Strategy<Value = Device> {
    let pick = |texts: &[&'static str]| prop::sample::subsequence(texts.to_vec(), 0..=texts.len());
    let networks = pick(&["192.168.10.0/24", "192.168.0.0/16", "10.0.0.0/8", "fd00::/8"]);
    let senders = pick(&["alice@contoso.example", "info@contoso.example", "sales@contoso.example"]);
    let recipients = pick(&["inside", "fabrikam.example", "bob@contoso.example", "eve@fabrikam.example"]);
    (networks, senders, recipients, prop::option::of(-5_i64..5)).prop_map(|(networks, senders, recipients, end)| {
        let mut own = device();
        own.networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        own.senders = senders.iter().map(|text| text.parse().unwrap()).collect();
        own.recipients = recipients.iter().filter_map(|text| DeviceRecipient::parse(text)).collect();
        own.expires = end.map(seconds);
        own
    })
}

/// The same with one entry of one list less, unless nothing would be left: an empty list binds to nothing.
fn tightened(own: &Device, which: u8, place: prop::sample::Index) -> Device {
    let mut tight = own.clone();
    fn shorten<T>(list: &mut Vec<T>, place: prop::sample::Index) {
        if list.len() > 1 {
            list.remove(place.index(list.len()));
        }
    }
    match which {
        0 => shorten(&mut tight.networks, place),
        1 => shorten(&mut tight.senders, place),
        2 => shorten(&mut tight.recipients, place),
        3 if tight.networks.is_empty() => tight.networks = vec!["192.168.10.0/24".parse().unwrap()],
        4 if tight.senders.is_empty() => tight.senders = vec!["info@contoso.example".parse().unwrap()],
        5 if tight.recipients.is_empty() => tight.recipients = vec![DeviceRecipient::Inside],
        _ => tight.expires = Some(tight.expires.unwrap_or_else(|| seconds(0)).min(seconds(0))),
    }
    tight
}

proptest! {
    #[test]
    fn binding_a_device_to_less_never_permits_more(
        own in bounds(), which in 0_u8..7, place: prop::sample::Index,
        peer in prop::sample::select(vec!["192.168.10.7", "192.168.11.7", "10.1.2.3", "fd00::7", "203.0.113.9"]),
        from in prop::sample::select(vec!["alice@contoso.example", "info@contoso.example", "bob@contoso.example"]),
        to in prop::sample::select(vec!["bob@contoso.example", "eve@fabrikam.example", "x@adatum.example"]),
    ) {
        let contoso = directory("contoso");
        let tight = tightened(&own, which, place);
        let asked = |own: &Device| {
            let snapshot = with(&contoso, |account| account.devices = vec![own.clone()].into());
            sent(&snapshot, &Settings::default(), peer, from, to)
        };
        let (loose, tight) = (asked(&own), asked(&tight));
        prop_assert!(tight != "sent" || loose == "sent", "{loose} became {tight}");
    }

    #[test]
    fn a_device_can_nothing_that_its_account_cannot(
        own in bounds(),
        peer in prop::sample::select(vec!["192.168.10.7", "203.0.113.9"]),
        from in prop::sample::select(vec!["alice@contoso.example", "info@contoso.example", "bob@contoso.example"]),
        to in prop::sample::select(vec!["bob@contoso.example", "eve@fabrikam.example"]),
        blocked: bool,
    ) {
        let contoso = with(&directory("contoso"), |account| account.sign_in_blocked = blocked);
        let snapshot = with(&contoso, |account| account.devices = vec![own.clone()].into());
        let settings = Settings::default();
        if sent(&snapshot, &settings, peer, from, to) == "sent" {
            let by_password = sign_in(
                &snapshot, &settings, "alice@contoso.example", Evidence::Right(Proof::Password), &mut Unrecorded,
            );
            prop_assert!(by_password.is_ok());
            let head = format!("From: <{from}>\r\n");
            let path = ReversePath::Mailbox(from.parse().unwrap());
            let authored =
                author(&snapshot, &settings, &by_password.unwrap(), &path, head.as_bytes(), &mut Unrecorded);
            prop_assert!(authored.is_ok());
        }
    }

    #[test]
    fn no_text_makes_reading_a_secret_panic(text in "\\PC{0,40}") {
        let account = directory("contoso").find_by_name("alice").unwrap().account.clone();
        let secret = Secret::read(&text);
        for in_clear in [false, true] {
            let from = whence("192.0.2.7", in_clear);
            let checked = Checked::of(account.as_deref(), &text, secret.as_ref(), from, Timestamp::EPOCH);
            // Without TLS there is no password to compare with.
            prop_assert_eq!(checked.hash.is_some(), !in_clear);
        }
    }
}

/// The proof that a client showed the secret is made nowhere but where it is checked.
#[test]
fn a_proof_says_whence_and_when() {
    let snapshot = with(&directory("contoso"), |account| account.devices = vec![device()].into());
    let account = snapshot.find_by_name("alice").unwrap().account.as_deref();
    let secret = Secret::read(SECRET);
    let checked = Checked::of(account, SECRET, secret.as_ref(), whence("192.0.2.7", true), now());
    let selector = Selector::parse("k7mq").unwrap();
    assert_eq!(
        checked.proof,
        Proof::AppPassword(AppPassword { selector, whence: whence("192.0.2.7", true), at: now() })
    );
}
