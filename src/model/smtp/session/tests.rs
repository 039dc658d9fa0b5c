//! What the golden dialogues cannot show: time, order of actions, faults of the shell, and what must not happen twice.

use core::time::Duration;
use std::sync::Arc;

use super::super::interface::{CommitFailure, QueuedAs, Role, TlsFacts, Verdict};
use super::super::limits::Limits;
use super::*;
use crate::model::directory::{AcceptedDomain, Change, DomainType, Recipient, RecipientId, RecipientType};
use crate::model::mail::Address;
use crate::model::policy::scram::ScramSecrets;
use crate::model::policy::{Evidence, Proof, Settings, Uncounted};

const NOW: Timestamp = Timestamp::EPOCH;

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Alice, with a mailbox, in contoso.example.
fn snapshot() -> Snapshot {
    let address = Address::parse("alice@contoso.example").unwrap();
    let domain = AcceptedDomain::new(address.domain().clone(), DomainType::Authoritative).as_default();
    let mut alice = Recipient::new(RecipientId(1), RecipientType::UserMailbox, "alice", address);
    alice.account.as_mut().unwrap().licences = vec!["ExchangeOnlinePlan1".into()].into();
    Snapshot::default().apply(&[Change::PutDomain(domain), Change::PutRecipient(Box::new(alice))]).unwrap()
}

fn session(role: Role) -> Session {
    let facts = TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_128_GCM_SHA256".into(), sni: None, client: None };
    let options = SessionOptions {
        role,
        hostname: "mx.contoso.example".into(),
        session_id: "08DE4C0000000001".into(),
        peer: "192.0.2.7".parse().unwrap(),
        peer_name: None,
        tls: if role == Role::Submission { TlsState::Active(facts) } else { TlsState::Offered },
        auth_without_tls: false,
        emulate_exchange_online: false,
        scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
        settings: Arc::new(Settings::default()),
        limits: Limits::default(),
    };
    let mut session = Session::new(options, NOW);
    assert!(matches!(session.poll_action(), Some(Action::Send(banner)) if banner.starts_with(b"220 ")));
    session
}

fn tell(session: &mut Session, now: Timestamp, octets: &[u8]) -> Vec<Action> {
    hand(session, now, Input::Received(octets))
}

fn hand(session: &mut Session, now: Timestamp, input: Input<'_>) -> Vec<Action> {
    session.handle(now, &snapshot(), &Uncounted, input);
    core::iter::from_fn(|| session.poll_action()).collect()
}

/// The kinds of actions in order, replies by their codes.
fn kinds(actions: &[Action]) -> String {
    let kind = |action: &Action| match action {
        Action::Send(octets) => {
            let text = String::from_utf8_lossy(octets);
            text.lines().map(|line| line.get(..3).unwrap_or_default().to_owned()).collect::<Vec<_>>().join("+")
        }
        Action::StartTls => "tls".to_owned(),
        Action::CheckCredentials(_) => "check".to_owned(),
        Action::Body(_) => "body".to_owned(),
        Action::DiscardBody => "discard".to_owned(),
        Action::Commit(_) => "commit".to_owned(),
        Action::Delay(_) => "delay".to_owned(),
        Action::Misbehave(what) => format!("{what:?}"),
        Action::Close => "close".to_owned(),
        Action::NoteRefusedRecipients(count) => format!("note{count}"),
    };
    actions.iter().map(kind).collect::<Vec<_>>().join(" ")
}

const ENVELOPE: &[u8] = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@contoso.example>\r\nDATA\r\n";
const MESSAGE: &[u8] = b"From: <eve@fabrikam.example>\r\n\r\nHello.\r\n.\r\n";

fn queued() -> Input<'static> {
    Input::Committed(Ok(QueuedAs { queue_id: "1".to_owned() }))
}

#[test]
fn replies_to_pipelined_commands_leave_in_one_piece() {
    let mut session = session(Role::Inbound);
    let actions = tell(&mut session, NOW, b"NOOP\r\nNOOP\r\nMAIL FROM:<>\r\nQUIT\r\n");
    assert_eq!(kinds(&actions), "250+250+503+221 close");
}

#[test]
fn nothing_is_parsed_while_a_message_is_made_durable() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, ENVELOPE);
    let actions = tell(&mut session, NOW, &[MESSAGE, b"RSET\r\nQUIT\r\n"].concat());
    assert_eq!(kinds(&actions), "body commit");
    assert_eq!(session.waits(), Waiting::Commit);
    assert_eq!(kinds(&tell(&mut session, NOW, b"NOOP\r\n")), "");
    assert_eq!(kinds(&hand(&mut session, NOW, queued())), "250+250+221 close");
    assert_eq!(kinds(&hand(&mut session, NOW, queued())), "");
}

#[test]
fn a_message_is_acknowledged_only_when_it_is_durable() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, &[ENVELOPE, MESSAGE].concat());
    assert_eq!(kinds(&hand(&mut session, NOW, Input::Committed(Err(CommitFailure::Temporary)))), "discard 451");
    assert_eq!(kinds(&hand(&mut session, NOW, queued())), "");
}

#[test]
fn a_commit_that_has_not_begun_is_taken_back_when_the_spool_fails() {
    let mut session = session(Role::Inbound);
    session.handle(NOW, &snapshot(), &Uncounted, Input::Received(&[ENVELOPE, MESSAGE, b"NOOP\r\n"].concat()));
    assert!(matches!(session.poll_action(), Some(Action::Send(_))));
    assert!(matches!(session.poll_action(), Some(Action::Body(_))));
    assert_eq!(kinds(&hand(&mut session, NOW, Input::BodyFailed)), "discard 452+250");
    assert_eq!(session.waits(), Waiting::Bytes);
}

#[test]
fn a_body_without_room_is_swallowed_to_its_end() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, ENVELOPE);
    assert_eq!(kinds(&tell(&mut session, NOW, b"A: b\r\n\r\none\r\n")), "body");
    assert_eq!(kinds(&hand(&mut session, NOW, Input::BodyFailed)), "discard");
    assert_eq!(kinds(&tell(&mut session, NOW, b"two\r\n")), "");
    assert_eq!(kinds(&tell(&mut session, NOW, b".\r\nNOOP\r\n")), "452+250");
}

#[test]
fn drops_of_a_line_do_not_keep_a_session_open() {
    let mut session = session(Role::Inbound);
    let deadline = session.deadline();
    for second in 0..299 {
        tell(&mut session, after(second), b"x");
    }
    assert_eq!(session.deadline(), deadline);
    tell(&mut session, after(299), b"\r\n");
    assert!(session.deadline() > deadline);
}

#[test]
fn drops_of_a_message_keep_a_transaction_open_up_to_its_limit() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, ENVELOPE);
    let mut now = NOW;
    while now < session.deadline() {
        tell(&mut session, now, b"x");
        now = now.plus(Duration::from_secs(500));
    }
    assert_eq!(session.deadline(), NOW.plus(Limits::default().transaction_timeout));
    assert_eq!(kinds(&hand(&mut session, now, Input::TimedOut)), "421 close");
}

#[test]
fn an_idle_session_ends_however_busy_it_looks() {
    let mut session = session(Role::Inbound);
    let end = NOW.plus(Limits::default().session_timeout);
    let mut now = NOW;
    while now < end {
        tell(&mut session, now, b"NOOP\r\n");
        now = now.plus(Duration::from_secs(299));
    }
    assert_eq!(session.deadline(), end);
}

#[test]
fn a_time_out_that_comes_too_early_changes_nothing() {
    let mut session = session(Role::Inbound);
    assert_eq!(kinds(&hand(&mut session, after(1), Input::TimedOut)), "");
    assert_eq!(session.waits(), Waiting::Bytes);
}

#[test]
fn a_time_out_within_a_message_drops_its_body() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, &[ENVELOPE, b"A: b\r\n\r\nbody"].concat());
    assert_eq!(kinds(&hand(&mut session, after(601), Input::TimedOut)), "421 discard close");
    assert_eq!(session.waits(), Waiting::Nothing);
    assert_eq!(kinds(&tell(&mut session, after(602), b"NOOP\r\n")), "");
}

#[test]
fn guesses_are_answered_late() {
    let mut session = session(Role::Submission);
    let actions = tell(&mut session, NOW, b"EHLO x\r\nAUTH PLAIN AGFsaWNlAHg=\r\nNOOP\r\n");
    assert_eq!(kinds(&actions).split(' ').next_back(), Some("check"));
    assert_eq!(session.waits(), Waiting::Verdict);
    let verdict = Input::CredentialsJudged(Verdict::Judged(Evidence::Wrong));
    assert_eq!(kinds(&hand(&mut session, NOW, verdict)), "delay 535+250");
}

/// Two recipients that nobody has.
const NOBODIES: &[u8] = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@contoso.example>\r\nRCPT TO:<b@contoso.example>\r\n";

#[test]
fn refused_recipients_are_counted_before_whatever_is_to_follow() {
    let mut slow = session(Role::Inbound);
    // Each before its delay, or many sessions at once would have many budgets.
    assert_eq!(kinds(&tell(&mut slow, NOW, NOBODIES)), "note1 250+250 delay note1 550 delay 550");
    let mut fast = session(Role::Inbound);
    fast.options.limits.tarpit = Duration::ZERO;
    assert_eq!(kinds(&tell(&mut fast, NOW, NOBODIES)), "note2 250+250+550+550");
}

#[test]
fn a_refusal_that_is_said_again_has_the_words_of_its_own_moment() {
    let mut session = session(Role::Inbound);
    session.options.limits.tarpit = Duration::ZERO;
    let mut refusals = |now: Timestamp, octets: &[u8]| {
        let said = tell(&mut session, now, octets);
        let sent = |action: &Action| if let Action::Send(octets) = action { octets.clone() } else { Vec::new() };
        let said = String::from_utf8(said.iter().flat_map(sent).collect()).unwrap();
        said.lines().filter(|line| line.starts_with('5')).map(str::to_owned).collect::<Vec<_>>()
    };
    let unknown = |second: u64| {
        let moment = format!("1970-01-01T00:00:0{second}.000Z");
        let text = "550 5.4.1 Recipient address rejected: Access denied";
        format!("{text} [mx.contoso.example {moment} 08DE4C0000000001]")
    };
    assert_eq!(refusals(NOW, NOBODIES), [unknown(0), unknown(0)]);
    assert_eq!(refusals(after(1), b"RCPT TO:<c@contoso.example>\r\n"), [unknown(1)]);
    let mixed = b"RCPT TO:<c@contoso.example>\r\nRCPT TO:<c@fabrikam.example>\r\nRCPT TO:<d@contoso.example>\r\n";
    let said = refusals(after(1), mixed);
    assert_eq!((said.len(), &said[0], &said[2]), (3, &unknown(1), &unknown(1)));
    assert!(said[1].starts_with("550 5.7.64 ") && said[1].contains("00:00:01.000Z"), "{}", said[1]);
}

#[test]
fn a_verdict_that_nobody_asked_for_signs_nobody_in() {
    let mut session = session(Role::Submission);
    tell(&mut session, NOW, b"EHLO x\r\n");
    let verdict = || Input::CredentialsJudged(Verdict::Judged(Evidence::Right(Proof::Password)));
    assert_eq!(kinds(&hand(&mut session, NOW, verdict())), "");
    assert_eq!(kinds(&tell(&mut session, NOW, b"MAIL FROM:<alice@contoso.example>\r\n")), "530");
}

#[test]
fn a_new_greeting_drops_a_message_in_chunks() {
    let mut session = session(Role::Inbound);
    tell(&mut session, NOW, b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@contoso.example>\r\n");
    assert_eq!(kinds(&tell(&mut session, NOW, b"BDAT 10\r\nA: b\r\n\r\nxx")), "body 250");
    assert_eq!(kinds(&tell(&mut session, NOW, b"RSET\r\n")), "discard 250");
}

#[test]
fn debug_output_shows_no_password_on_its_way() {
    let mut session = session(Role::Submission);
    let shown = |session: &Session| format!("{session:?}");
    tell(&mut session, NOW, b"EHLO x\r\nAUTH LOGIN\r\nYWxpY2U=\r\naHVudGVyMg=");
    let octets = format!("{:?}", b"aHVudGVyMg").trim_matches(['[', ']']).to_owned();
    assert!(!shown(&session).contains(&octets));
    session.handle(NOW, &snapshot(), &Uncounted, Input::Received(b"=\r\n"));
    assert!(!shown(&session).contains("hunter2"));
}
