//! Dialogues with hosts good, old and hostile.

use proptest::prelude::*;

use super::*;
use crate::model::mail::{Address, EnhancedStatus};

mod tokens;

fn options() -> ClientOptions {
    ClientOptions {
        host: "mx.fabrikam.example".into(),
        own_name: Domain::parse("mx.contoso.example").unwrap(),
        tls: TlsPolicy::Opportunistic,
        implicit_tls: false,
        credentials: None,
        own_loop: true,
    }
}

fn message_to(recipients: &[&str]) -> OutboundMessage {
    let recipient = |text: &&str| OutboundRecipient {
        path: ForwardPath::Mailbox(Address::parse(text).unwrap()),
        dsn: DsnRequest::default(),
    };
    OutboundMessage {
        reverse_path: ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap()),
        bytes: 10,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        recipients: recipients.iter().map(recipient).collect(),
    }
}

fn message() -> OutboundMessage {
    message_to(&["bob@fabrikam.example"])
}

/// Runs the session against a list of (what it must send, what the host answers). Returns all that came of it.
struct Play {
    session: ClientSession,
    settlements: Vec<Settlement>,
    closed: bool,
    secured: bool,
}

const BODY: &[u8] = b"Hi\n.\r\n";

impl Play {
    fn new(options: ClientOptions, message: OutboundMessage) -> Self {
        Self { session: ClientSession::new(options, message), settlements: Vec::new(), closed: false, secured: false }
    }

    /// What the session sends now, as text; content and TLS are provided.
    fn sent(&mut self) -> String {
        let mut sent = Vec::new();
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(octets) => sent.extend(octets),
                Action::StartTls => {
                    self.secured = true;
                    self.session.tls_established();
                }
                Action::NeedBody { .. } => self.session.body(BODY, true),
                Action::Finished(settlement) => self.settlements.push(settlement),
                Action::Close => self.closed = true,
            }
        }
        String::from_utf8(sent).unwrap()
    }

    #[track_caller]
    fn say(&mut self, host: &str, expected: &str) -> &mut Self {
        self.session.receive(host.as_bytes());
        assert_eq!(self.sent(), expected, "after {host:?}");
        self
    }

    fn outcomes(&self) -> &[Outcome] {
        &self.settlements.last().expect("a finished message").outcomes
    }
}

fn status(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { reply, .. } => format!("delivered {}", reply.code()),
        Outcome::Deferred(trouble) => format!("deferred {}", trouble.status),
        Outcome::Failed(trouble) => format!("failed {}", trouble.status),
    }
}

fn statuses(play: &Play) -> Vec<String> {
    play.outcomes().iter().map(status).collect()
}

const EHLO: &str = "EHLO mx.contoso.example\r\n";
const MAIL: &str = "MAIL FROM:<alice@contoso.example>\r\n";
const RCPT: &str = "RCPT TO:<bob@fabrikam.example>\r\n";
const CONTENT: &str = "Hi\r\n..\r\n.\r\n";

#[test]
fn an_old_host_is_spoken_to_in_helo_one_command_at_a_time() {
    let mut play = Play::new(options(), message_to(&["bob@fabrikam.example", "carol@fabrikam.example"]));
    play.say("220 old\r\n", EHLO).say("502 what?\r\n", "HELO mx.contoso.example\r\n").say("250 old\r\n", MAIL);
    play.say("250 ok\r\n", RCPT).say("250 ok\r\n", "RCPT TO:<carol@fabrikam.example>\r\n");
    play.say("550 5.1.1 no such user\r\n", "DATA\r\n").say("354 go\r\n", CONTENT).say("250 queued as 1\r\n", "");
    assert_eq!(statuses(&play), ["delivered 250", "failed 5.1.1"]);
    play.session.quit();
    assert_eq!(play.sent(), "QUIT\r\n");
    play.say("221 bye\r\n", "");
    assert!(play.closed);
}

#[test]
fn a_pipelining_host_gets_the_envelope_at_once_and_several_messages() {
    let mut play = Play::new(options(), message());
    play.say("220 new\r\n", EHLO).say("250-new\r\n250 PIPELINING\r\n", &format!("{MAIL}{RCPT}DATA\r\n"));
    play.say("250 ok\r\n250 ok\r\n354 go\r\n", CONTENT).say("250 2.0.0 ok\r\n", "");
    play.session.begin(message());
    assert_eq!(play.sent(), format!("{MAIL}{RCPT}DATA\r\n"));
    play.say("250 ok\r\n550 no\r\n503 no recipients\r\n", "");
    assert_eq!(statuses(&play), ["failed 5.0.0"]);
    play.session.begin(message());
    assert_eq!(play.sent(), format!("RSET\r\n{MAIL}{RCPT}DATA\r\n"));
    play.say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", CONTENT).say("451 4.3.0 disk\r\n", "");
    assert_eq!(statuses(&play), ["deferred 4.3.0"]);
}

#[test]
fn data_accepted_for_nobody_is_ended_with_a_dot_and_delivers_nothing() {
    let mut play = Play::new(options(), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 PIPELINING\r\n", &format!("{MAIL}{RCPT}DATA\r\n"));
    play.say("250 ok\r\n550 5.1.1 no\r\n354 go\r\n", ".\r\n").say("250 strange\r\n", "");
    assert_eq!(statuses(&play), ["failed 5.1.1"]);
}

#[test]
fn chunks_replace_data_where_they_are_offered() {
    let mut play = Play::new(options(), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", &format!("{MAIL}{RCPT}"));
    play.say("250 ok\r\n250 ok\r\n", "BDAT 7 LAST\r\nHi\r\n.\r\n").say("250 ok\r\n", "");
    assert_eq!(statuses(&play), ["delivered 250"]);
}

#[test]
fn each_chunk_waits_for_its_reply_and_a_refused_one_ends_the_message() {
    let mut play = Play::new(options(), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 CHUNKING\r\n", MAIL).say("250 ok\r\n", RCPT);
    play.session.receive(b"250 ok\r\n");
    assert!(matches!(play.session.poll_action(), Some(Action::NeedBody { .. })));
    play.session.body(b"one\n", false);
    assert_eq!(play.sent(), "BDAT 5\r\none\r\n");
    play.session.receive(b"250 ok\r\n");
    assert!(matches!(play.session.poll_action(), Some(Action::NeedBody { .. })));
    play.session.body(b"two", false);
    assert_eq!(play.sent(), "BDAT 3\r\ntwo");
    play.say("552 5.3.4 too large\r\n", "");
    assert_eq!(statuses(&play), ["failed 5.3.4"]);
    play.session.begin(message());
    assert_eq!(play.sent(), "RSET\r\n");
}

#[test]
fn nothing_said_in_clear_counts_under_tls() {
    let mut play = Play::new(options(), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n");
    // The injected replies would make every recipient look delivered.
    play.say("220 go\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", EHLO);
    assert!(play.settlements.is_empty());
    play.say("250 x\r\n", MAIL).say("250 ok\r\n", RCPT).say("250 ok\r\n", "DATA\r\n").say("354 go\r\n", CONTENT);
    play.say("250 ok\r\n", "");
    assert!(matches!(play.outcomes(), [Outcome::Delivered { secured: true, .. }]));
}

#[test]
fn octets_during_the_handshake_are_dropped() {
    let mut session = ClientSession::new(options(), message());
    for line in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n"] {
        session.receive(line.as_bytes());
    }
    session.receive(b"250 injected\r\n");
    while let Some(action) = session.poll_action() {
        assert!(!matches!(action, Action::Finished(_)));
    }
    session.tls_established();
    assert_eq!(session.poll_action(), Some(Action::Send(EHLO.into())));
    assert_eq!(session.step(), Step::Hello);
}

#[test]
fn tls_is_taken_or_left_as_the_policy_says() {
    let hello = |tls, offer: &str| {
        let mut play = Play::new(ClientOptions { tls, ..options() }, message());
        play.say("220 x\r\n", EHLO);
        play.session.receive(offer.as_bytes());
        let sent = play.sent();
        (sent, play)
    };
    assert_eq!(hello(TlsPolicy::Off, "250-x\r\n250 STARTTLS\r\n").0, MAIL);
    assert_eq!(hello(TlsPolicy::Opportunistic, "250 x\r\n").0, MAIL);
    let (sent, play) = hello(TlsPolicy::Required, "250 x\r\n");
    assert_eq!((sent.as_str(), statuses(&play)), ("", vec!["deferred 4.7.10".to_owned()]));
    let (_, mut play) = hello(TlsPolicy::Required, "250-x\r\n250 STARTTLS\r\n");
    play.say("454 no\r\n", "");
    assert_eq!(statuses(&play), ["deferred 4.7.10"]);
    let (_, mut play) = hello(TlsPolicy::Opportunistic, "250-x\r\n250 STARTTLS\r\n");
    play.say("454 no\r\n", MAIL);
}

#[test]
fn what_the_domain_demands_has_its_own_status_and_is_never_left() {
    let demanded = || {
        let tls = TlsPolicy::Demanded { missing: EnhancedStatus(4, 7, 321) };
        let mut play = Play::new(ClientOptions { tls, ..options() }, message());
        play.say("220 x\r\n", EHLO);
        play
    };
    for hello in ["250 x\r\n", "502 what\r\n250 x\r\n"] {
        let mut play = demanded();
        play.session.receive(hello.as_bytes());
        assert!(!play.sent().contains("MAIL"));
        assert_eq!(statuses(&play), ["deferred 4.7.321"], "{hello}");
    }
    for refusal in ["454 no\r\n", "502 no\r\n", "334 no\r\n"] {
        let mut play = demanded();
        play.say("250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n");
        play.say(refusal, "");
        assert_eq!(statuses(&play), ["deferred 4.7.321"], "{refusal}");
    }
    let mut play = demanded();
    play.say("250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n");
    play.session.receive(b"220 go\r\n");
    assert_eq!(play.session.poll_action(), Some(Action::StartTls));
    play.session.tls_refused(EnhancedStatus(4, 7, 323), "no record fits");
    play.sent();
    assert_eq!(statuses(&play), ["deferred 4.7.323"]);
}

fn with_password(tls: TlsPolicy) -> ClientOptions {
    let credentials = Some(Credentials { login: "relay".into(), secret: Secret::Password("secret".into()) });
    ClientOptions { tls, credentials, ..options() }
}

#[test]
fn signing_in_uses_plain_or_login() {
    let mut play = Play::new(ClientOptions { implicit_tls: true, ..with_password(TlsPolicy::Off) }, message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 AUTH LOGIN PLAIN\r\n", "AUTH PLAIN AHJlbGF5AHNlY3JldA==\r\n");
    play.say("235 ok\r\n", MAIL);
    let mut play = Play::new(ClientOptions { implicit_tls: true, ..with_password(TlsPolicy::Off) }, message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 AUTH LOGIN\r\n", "AUTH LOGIN\r\n");
    play.say("334 VXNlcm5hbWU6\r\n", "cmVsYXk=\r\n").say("334 UGFzc3dvcmQ6\r\n", "c2VjcmV0\r\n");
    play.say("535 5.7.8 bad\r\n", "");
    assert_eq!(statuses(&play), ["deferred 4.7.8"]);
    assert!(play.closed);
}

#[test]
fn a_password_is_never_sent_in_clear_unless_plain_text_was_chosen() {
    let mut play = Play::new(with_password(TlsPolicy::Opportunistic), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 AUTH PLAIN\r\n", "");
    assert_eq!(statuses(&play), ["deferred 4.7.10"]);
    let mut play = Play::new(with_password(TlsPolicy::Off), message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 AUTH PLAIN\r\n", "AUTH PLAIN AHJlbGF5AHNlY3JldA==\r\n");
}

#[test]
fn what_a_host_cannot_take_is_failed_before_it_is_sent() {
    let refused = |message: OutboundMessage, offer: &str| {
        let mut play = Play::new(options(), message);
        play.say("220 x\r\n", EHLO).say(offer, "");
        statuses(&play).remove(0)
    };
    assert_eq!(refused(OutboundMessage { smtputf8: true, ..message() }, "250 x\r\n"), "failed 5.6.7");
    assert_eq!(refused(message_to(&["b\u{f6}b@fabrikam.example"]), "250 x\r\n"), "failed 5.6.7");
    assert_eq!(refused(OutboundMessage { bytes: 11, ..message() }, "250-x\r\n250 SIZE 10\r\n"), "failed 5.3.4");
    let eight = OutboundMessage { body: BodyKind::EightBitMime, ..message() };
    assert_eq!(refused(eight, "250 x\r\n"), "failed 5.6.3");
    let binary = OutboundMessage { body: BodyKind::BinaryMime, ..message() };
    assert_eq!(refused(binary, "250-x\r\n250 BINARYMIME\r\n"), "failed 5.6.3");
}

#[test]
fn one_international_recipient_does_not_keep_the_others_back() {
    let mut play = Play::new(options(), message_to(&["b\u{f6}b@fabrikam.example", "bob@fabrikam.example"]));
    play.say("220 x\r\n", EHLO).say("250 x\r\n", MAIL).say("250 ok\r\n", RCPT).say("250 ok\r\n", "DATA\r\n");
    play.say("354 go\r\n", CONTENT).say("250 ok\r\n", "");
    assert_eq!(statuses(&play), ["failed 5.6.7", "delivered 250"]);
}

#[test]
fn report_requests_are_handed_on_or_said_to_be_ours() {
    for (offer, parameters, handed_on) in
        [("250-x\r\n250 DSN\r\n", [" RET=HDRS", " NOTIFY=NEVER"], true), ("250 x\r\n", ["", ""], false)]
    {
        let mut message = OutboundMessage { ret: Some(Ret::Headers), ..message() };
        message.recipients[0].dsn.notify = Notify::Never;
        let mut play = Play::new(options(), message);
        play.say("220 x\r\n", EHLO);
        play.say(offer, &MAIL.replace("\r\n", &format!("{}\r\n", parameters[0])));
        play.say("250 ok\r\n", &RCPT.replace("\r\n", &format!("{}\r\n", parameters[1])));
        play.say("250 ok\r\n", "DATA\r\n").say("354 go\r\n", CONTENT).say("250 ok\r\n", "");
        assert!(matches!(play.outcomes(), [Outcome::Delivered { dsn_handed_on, .. }] if *dsn_handed_on == handed_on));
    }
}

#[test]
fn many_recipients_go_in_windows() {
    let names: Vec<String> = (0..500).map(|number| format!("user{number}@fabrikam.example")).collect();
    let mut play = Play::new(options(), message_to(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    play.say("220 x\r\n", EHLO);
    play.session.receive(b"250-x\r\n250 PIPELINING\r\n");
    let mut seen = 0;
    loop {
        let sent = play.sent();
        assert!(sent.len() < 9000, "{}", sent.len());
        seen += sent.matches("RCPT TO").count();
        if sent.ends_with(CONTENT) {
            break;
        }
        for line in sent.lines() {
            play.session.receive(if line == "DATA" { b"354 go\r\n" } else { b"250 ok\r\n" });
        }
    }
    assert_eq!(seen, 500);
    play.say("250 ok\r\n", "");
    assert!(statuses(&play).iter().all(|status| status == "delivered 250"));
}

/// The dialogue up to each step, for a host without extensions.
const STEPS: [&str; 6] = ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"];

#[test]
fn trouble_at_any_step_defers_the_message_and_ends_the_connection() {
    type Trouble = fn(&mut ClientSession);
    let troubles: [(&str, Trouble); 5] = [
        ("deferred 4.3.2", |session| session.receive(b"421 4.3.2 going down\r\n")),
        ("deferred 4.4.2", ClientSession::closed),
        ("deferred 4.4.2", ClientSession::timed_out),
        ("deferred 4.5.0", |session| session.receive(b"\0\xff\r\n")),
        ("deferred 4.5.0", |session| session.receive(&[b'2'; 3000])),
    ];
    for (index, (expected, cause)) in troubles.iter().enumerate() {
        for step in 0..STEPS.len() {
            let mut play = Play::new(options(), message());
            for line in STEPS.iter().take(step) {
                play.session.receive(line.as_bytes());
                play.sent();
            }
            cause(&mut play.session);
            play.sent();
            assert_eq!((statuses(&play), play.closed), (vec![(*expected).to_owned()], true), "{index} at {step}");
            // Once the message was complete, another host could make a second copy of it.
            assert_eq!(play.settlements[0].another_host, step < 5, "{index} at {step}");
            play.session.begin(message());
            play.sent();
            assert_eq!(play.settlements.len(), 2);
        }
    }
}

#[test]
fn a_refusal_in_the_middle_of_the_content_counts_and_cuts_the_connection() {
    let mut session = ClientSession::new(options(), message());
    for line in &STEPS[..5] {
        session.receive(line.as_bytes());
    }
    while session.poll_action().is_some_and(|action| !matches!(action, Action::NeedBody { .. })) {}
    session.body(b"first", false);
    session.receive(b"552 5.3.4 enough\r\n");
    let Some(Action::Finished(settlement)) = session.poll_action() else { panic!() };
    assert_eq!(status(&settlement.outcomes[0]), "failed 5.3.4");
    assert_eq!(session.poll_action(), Some(Action::Close));
    session.body(b"rest", true);
    assert_eq!(session.poll_action(), None);
}

#[test]
fn a_message_that_cannot_be_read_to_its_end_is_never_completed() {
    let mut session = ClientSession::new(options(), message());
    for line in &STEPS[..5] {
        session.receive(line.as_bytes());
    }
    while session.poll_action().is_some_and(|action| !matches!(action, Action::NeedBody { .. })) {}
    session.body_failed("the disk is gone");
    assert!(matches!(session.poll_action(), Some(Action::Finished(_))));
    assert_eq!((session.poll_action(), session.poll_action()), (Some(Action::Close), None));
}

#[test]
fn a_deferred_sender_may_be_tried_elsewhere_and_a_refused_one_may_not() {
    for (reply, expected, another_host) in
        [("450 4.7.1 later\r\n", "deferred 4.7.1", true), ("550 5.7.1 never\r\n", "failed 5.7.1", false)]
    {
        let mut play = Play::new(options(), message());
        play.say("220 x\r\n", EHLO).say("250 x\r\n", MAIL).say(reply, "");
        assert_eq!((statuses(&play)[0].as_str(), play.settlements[0].another_host), (expected, another_host));
    }
}

#[test]
fn only_what_may_be_about_the_connection_counts_as_such() {
    let settlement = |replies: &[&str]| {
        let mut play = Play::new(options(), message());
        for reply in ["220 x\r\n", "250 x\r\n"].iter().chain(replies) {
            play.session.receive(reply.as_bytes());
            play.sent();
        }
        play.settlements.remove(0)
    };
    let ok = "250 ok\r\n";
    for (replies, about_connection) in [
        (&["550 no\r\n"][..], true),
        (&["451 later\r\n"], true),
        (&["421 bye\r\n"], true),
        (&[ok, "550 no\r\n"], false),
        (&[ok, "451 later\r\n"], false),
        (&[ok, "421 bye\r\n"], true),
        (&[ok, ok, "554 no\r\n"], false),
        (&[ok, ok, "354 go\r\n", "421 bye\r\n"], false),
        (&[ok, ok, "354 go\r\n", "451 later\r\n"], false),
        (&[ok, ok, "354 go\r\n", ok], false),
    ] {
        assert_eq!(settlement(replies).is_about_connection(), about_connection, "{replies:?}");
    }
}

#[test]
fn a_host_that_greets_with_our_own_name_is_ourselves() {
    for hello in ["250 MX.contoso.example greets you\r\n", "250-mx.contoso.example\r\n250 PIPELINING\r\n"] {
        let mut play = Play::new(options(), message());
        play.say("220 x\r\n", EHLO).say(hello, "");
        assert_eq!((statuses(&play), play.closed), (vec!["failed 5.3.5".to_owned()], true));
        assert!(!play.settlements[0].another_host);
        // A host that the operator named may go by any name.
        let mut play = Play::new(ClientOptions { own_loop: false, ..options() }, message());
        play.session.receive(format!("220 x\r\n{hello}").as_bytes());
        assert!(play.sent().contains(MAIL));
    }
}

#[test]
fn outcomes_explain_themselves() {
    let mut play = Play::new(options(), message());
    play.say("220 x\r\n", EHLO).say("250 x\r\n", MAIL).say("250 ok\r\n", RCPT);
    play.say("550-5.1.1 no\r\n550 5.1.1 such user\r\n", "");
    let [Outcome::Failed(trouble)] = play.outcomes() else { panic!() };
    assert_eq!(trouble.to_string(), "mx.fabrikam.example: 550 5.1.1 no 5.1.1 such user (in reply to RCPT TO)");
    assert_eq!(trouble.diagnostic().as_deref(), Some("smtp; 550 5.1.1 no 5.1.1 such user"));
    assert_eq!(trouble.status, EnhancedStatus(5, 1, 1));
}

proptest! {
    #[test]
    fn every_message_ends_in_one_settlement_whatever_the_host_says(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("220 x\r\n"), Just("250 x\r\n"), Just("250-PIPELINING\r\n"), Just("250-CHUNKING\r\n"),
                Just("250-STARTTLS\r\n"), Just("250 SIZE 5\r\n"), Just("354 go\r\n"), Just("334 x\r\n"),
                Just("550 no\r\n"), Just("450 no\r\n"), Just("421 bye\r\n"), Just("235 ok\r\n"), Just("junk\r\n"),
                Just("250-AUTH PLAIN LOGIN XOAUTH2\r\n"), Just("5"), Just("\n"),
            ], 0..25),
        password in any::<bool>(),
        required in any::<bool>(),
        demanded in any::<bool>(),
    ) {
        let tls = match (required, demanded) {
            (false, _) => TlsPolicy::Opportunistic,
            (true, false) => TlsPolicy::Required,
            (true, true) => TlsPolicy::Demanded { missing: EnhancedStatus(4, 7, 5) },
        };
        let chosen = if password { with_password(tls) } else { ClientOptions { tls, ..options() } };
        let mut play = Play::new(chosen, message_to(&["bob@fabrikam.example", "carol@fabrikam.example"]));
        for line in lines {
            play.session.receive(line.as_bytes());
            let sent = play.sent();
            prop_assert!(!sent.replace("\r\n", "").contains(['\r', '\n']));
            prop_assert!(!required || play.secured || !sent.contains("MAIL FROM"));
        }
        play.session.closed();
        play.sent();
        prop_assert_eq!(play.settlements.len(), 1);
        prop_assert_eq!(play.outcomes().len(), 2);
        prop_assert!(play.closed);
    }
}
