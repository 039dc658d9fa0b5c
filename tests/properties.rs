//! Laws of the session and its parts, for input that nobody chose.

use std::path::Path;
use std::sync::Arc;

use franking::config::fault_script;
use franking::model::directory::Snapshot;
use franking::model::faults::{Deed, Door, Rule, STEPS};
use franking::model::mail::Timestamp;
use franking::model::policy::scram::ScramSecrets;
use franking::model::policy::{Evidence, Proof, Settings, Uncounted};
use franking::model::smtp::data::DotReader;
use franking::model::smtp::grammar::{self, Command};
use franking::model::smtp::{
    Action, Input, Limits, QueuedAs, Role, Session, SessionOptions, TlsFacts, TlsState, Verdict, Waiting,
};
use franking::store::rehearsal::Rehearsal;
use proptest::prelude::*;

use crate::dialogues::directory;

/// What a client saw and a store got, put together so that the cuts do not show.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    said: Vec<u8>,
    messages: Vec<(String, Vec<u8>)>,
    closed: bool,
}

/// A session with the store and the password check that everything succeeds with.
struct Stage {
    session: Session,
    snapshot: Snapshot,
    seen: Seen,
    body: Vec<u8>,
    held_max: usize,
}

const NOW: Timestamp = Timestamp::EPOCH;

fn options(role: Role) -> SessionOptions {
    let mut settings = Settings { message_bytes_max: 2_000, recipients_max: 5, ..Settings::default() };
    settings.hops_max = 3;
    let facts = TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), sni: None, client: None };
    SessionOptions {
        role,
        hostname: "mx.contoso.example".into(),
        session_id: "08DE4C0000000001".into(),
        peer: "192.0.2.7".parse().unwrap(),
        peer_name: None,
        tls: if role == Role::Inbound { TlsState::Unavailable } else { TlsState::Active(facts) },
        auth_without_tls: false,
        emulate_exchange_online: false,
        scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
        settings: Arc::new(settings),
        limits: Limits { header_bytes_max: 500, ..Limits::default() },
    }
}

impl Stage {
    fn new(role: Role, snapshot: &Snapshot) -> Self {
        Self::of(Session::new(options(role), NOW), snapshot)
    }

    /// A session that obeys these rules.
    fn scripted(role: Role, snapshot: &Snapshot, rules: Vec<Rule>) -> Self {
        let rehearsal = Arc::new(Rehearsal::new(rules));
        let visit = rehearsal.visit("192.0.2.7".parse().unwrap(), 25, Door::Inbound);
        Self::of(Session::scripted(options(role), NOW, rehearsal, visit), snapshot)
    }

    fn of(session: Session, snapshot: &Snapshot) -> Self {
        let mut stage =
            Self { session, snapshot: snapshot.clone(), seen: Seen::default(), body: Vec::new(), held_max: 0 };
        stage.feed(b"");
        stage
    }

    fn feed(&mut self, octets: &[u8]) {
        self.tell(Input::Received(octets));
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(octets) => self.seen.said.extend(octets),
                Action::Body(octets) => self.body.extend(octets),
                Action::DiscardBody => self.body.clear(),
                Action::CheckCredentials(_) => {
                    self.tell(Input::CredentialsJudged(Verdict::Judged(Evidence::Right(Proof::Password))));
                }
                Action::Commit(submission) => {
                    let head = String::from_utf8_lossy(&submission.head).into_owned();
                    assert_eq!(self.body.len() as u64, submission.body_bytes);
                    assert!(!submission.envelope.permits().is_empty());
                    self.seen.messages.push((head, core::mem::take(&mut self.body)));
                    self.tell(Input::Committed(Ok(QueuedAs { queue_id: "1".to_owned() })));
                }
                Action::Close => self.seen.closed = true,
                Action::StartTls | Action::Delay(_) | Action::Misbehave(_) | Action::NoteRefusedRecipients(_) => {}
            }
        }
        self.held_max = self.held_max.max(self.session.held());
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(NOW, &self.snapshot, &Uncounted, input);
    }
}

fn whole(role: Role, snapshot: &Snapshot, octets: &[u8]) -> Seen {
    let mut stage = Stage::new(role, snapshot);
    stage.feed(octets);
    stage.seen
}

/// Lines that a session might understand, wholly or in part, and octets that it might not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "EHLO mail.fabrikam.example\r\n",
        "HELO x\r\n",
        "MAIL FROM:<eve@fabrikam.example>\r\n",
        "MAIL FROM:<> BODY=BINARYMIME SMTPUTF8\r\n",
        "MAIL FROM:<alice@contoso.example> SIZE=10\r\n",
        "RCPT TO:<alice@contoso.example>\r\n",
        "RCPT TO:<bob@contoso.example> NOTIFY=NEVER\r\n",
        "RCPT TO:<nobody@contoso.example>\r\n",
        "RCPT TO:<postmaster>\r\n",
        "DATA\r\n",
        "BDAT 5\r\n12345",
        "BDAT 10 LAST\r\nA: b\r\n\r\nxy",
        "BDAT 0 LAST\r\n",
        "BDAT 99999\r\n",
        "BDAT 3000\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "QUIT\r\n",
        "AUTH PLAIN AGFsaWNlAHg=\r\n",
        "AUTH LOGIN\r\nYWxpY2U=\r\neA==\r\n",
        "*\r\n",
        "STARTTLS x\r\n",
        "From: alice@contoso.example\r\n",
        "Received: a\r\n",
        "\r\n",
        ".\r\n",
        "..\r\n",
        ".",
        "\r",
        "\n",
        "\n.\r\n",
        "\r.\r\n",
        "\0",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (1_usize..3_000).prop_map(|count| vec![b'x'; count]),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let opening = prop::sample::select(vec![
        "",
        "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@contoso.example>\r\n",
        "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@contoso.example>\r\nDATA\r\n",
        "EHLO x\r\nAUTH PLAIN AGFsaWNlAHg=\r\nMAIL FROM:<alice@contoso.example>\r\nRCPT TO:<bob@contoso.example>\r\n",
        "EHLO x\r\nAUTH PLAIN AGFsaWNlAHg=\r\nMAIL FROM:<>\r\nRCPT TO:<bob@contoso.example>\r\nDATA\r\n\
         From: alice@contoso.example\r\n\r\n",
    ]);
    (opening, prop::collection::vec(line(), 0..25))
        .prop_map(|(opening, lines)| [opening.as_bytes().to_vec(), lines.concat()].concat())
}

/// Rules that a script may have, of any kind and at any step.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let steps: Vec<&str> = STEPS.iter().map(|step| step.name()).collect();
    let deeds = vec![
        "reply = \"451 4.7.500 busy\"",
        "reply = [\"421 4.3.2 one\", \"two\"]",
        "reply = \"554\"",
        "refuse = \"SendAsDenied\"",
        "refuse = \"RecipientNotFound\"",
        "refuse = \"NotAuthenticated\"",
        "drop = \"close\"",
        "drop = \"reset\"",
        "stall_seconds = 5",
        "delay_milliseconds = 5",
        "trickle_milliseconds = 5",
        "hide = [\"AUTH\", \"SIZE\"]",
        "discard = true",
    ];
    let turn = ["", "times = 1", "skip = 1", "every = 2", "recipient = \"bob@*\"", "every_octets = 7", "message = 1"];
    let rule = (prop::sample::select(steps), prop::sample::select(deeds), prop::sample::select(turn.to_vec()));
    let rule = rule.prop_map(|(step, deed, turn)| format!("[[fault]]\nstep = \"{step}\"\n{deed}\n{turn}\n"));
    prop::collection::vec(rule, 0..6).prop_map(|rules| {
        // What does nothing at its step is no rule.
        let read = |text: &String| fault_script(text, Path::new("faults.toml")).ok();
        rules.iter().filter_map(read).flatten().collect()
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Inbound), Just(Role::Submission)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_session_does_never_depends_on_how_its_input_is_cut(
        role in role(), octets in conversation(), cuts in prop::collection::vec(1_usize..200, 1..40)
    ) {
        let snapshot = directory("contoso");
        let expected = whole(role, &snapshot, &octets);
        let mut stage = Stage::new(role, &snapshot);
        let mut rest = octets.as_slice();
        let mut turn = cuts.iter().cycle();
        while let (false, Some(cut)) = (rest.is_empty(), turn.next()) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            stage.feed(piece);
            rest = after;
        }
        prop_assert_eq!(&stage.seen, &expected);
        let mut by_octet = Stage::new(role, &snapshot);
        for octet in &octets {
            by_octet.feed(core::slice::from_ref(octet));
        }
        prop_assert_eq!(&by_octet.seen, &expected);
        // One line, one header, and the piece that was last handed in.
        prop_assert!(by_octet.held_max <= 12_288 + 500 + 8);
    }

    #[test]
    fn every_reply_is_printable_within_512_octets_and_has_a_code(role in role(), octets in conversation()) {
        let said = String::from_utf8(whole(role, &directory("contoso"), &octets).said).unwrap();
        prop_assert!(said.ends_with("\r\n"));
        for line in said.split_terminator("\r\n") {
            prop_assert!(line.len() <= 510 && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", line);
            let (code, rest) = line.split_at(3);
            prop_assert!(matches!(code.parse::<u16>(), Ok(200..=599)), "{}", line);
            prop_assert!(rest.starts_with([' ', '-']), "{}", line);
        }
    }

    #[test]
    fn each_message_is_acknowledged_once_and_none_without_its_end(role in role(), octets in conversation()) {
        let seen = whole(role, &directory("contoso"), &octets);
        let said = String::from_utf8(seen.said).unwrap();
        let acknowledged = said.matches("Queued mail for delivery").count() + said.matches("250 2.0.0 OK <").count();
        prop_assert_eq!(acknowledged, seen.messages.len());
        let ends = String::from_utf8_lossy(&octets);
        let ends = ends.matches(".\r\n").count() + ends.matches("LAST\r\n").count();
        prop_assert!(seen.messages.len() <= ends);
    }

    #[test]
    fn a_script_without_rules_changes_nothing(role in role(), octets in conversation()) {
        let snapshot = directory("contoso");
        let mut scripted = Stage::scripted(role, &snapshot, Vec::new());
        scripted.feed(&octets);
        prop_assert_eq!(&scripted.seen, &whole(role, &snapshot, &octets));
    }

    #[test]
    fn whatever_a_script_says_nothing_is_acknowledged_but_what_is_stored_or_discarded_by_name(
        role in role(), octets in conversation(), rules in rules()
    ) {
        let discards = rules.iter().any(|rule| rule.deed == Deed::Discard);
        let mut scripted = Stage::scripted(role, &directory("contoso"), rules);
        scripted.feed(&octets);
        let said = String::from_utf8(scripted.seen.said).unwrap();
        let acknowledged = said.matches("Queued mail for delivery").count() + said.matches("250 2.0.0 OK <").count();
        prop_assert!(discards || acknowledged <= scripted.seen.messages.len(), "{}", said);
        prop_assert!(said.lines().all(|line| line.len() <= 510 && line.get(..3).is_some_and(|code| code.parse::<u16>().is_ok())));
        prop_assert!(scripted.held_max <= 12_288 + 500 + octets.len());
    }

    #[test]
    fn no_message_that_was_taken_has_a_bare_newline_in_its_header(role in role(), octets in conversation()) {
        for (head, _) in whole(role, &directory("contoso"), &octets).messages {
            prop_assert!(head.ends_with("\r\n\r\n"));
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head:?}");
        }
    }

    #[test]
    fn parsing_a_line_never_panics(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = grammar::parse(&line);
    }

    #[test]
    fn parsing_what_almost_is_a_command_never_panics(
        verb in prop::sample::select(
            vec!["EHLO ", "MAIL FROM:", "RCPT TO:<", "MAIL FROM:<@", "BDAT ", "AUTH ", "RCPT TO:<a@b> "]
        ),
        rest in "[ -~\u{80}-\u{17f}]{0,60}"
    ) {
        let _ = grammar::parse(format!("{verb}{rest}").as_bytes());
    }

    #[test]
    fn a_path_that_was_read_reads_the_same_when_written_again(
        local in "[a-z0-9!#$%&'*+/=?^_`{|}~.\" \\\\-]{1,20}", domain in "[a-z0-9.-]{1,20}"
    ) {
        let line = format!("RCPT TO:<{local}@{domain}>");
        if let Ok(Command::Rcpt(first)) = grammar::parse(line.as_bytes()) {
            let again = format!("RCPT TO:<{}>", first.path);
            prop_assert_eq!(grammar::parse(again.as_bytes()), Ok(Command::Rcpt(first)));
        }
    }

    #[test]
    fn unstuffing_is_the_inverse_of_stuffing(
        lines in prop::collection::vec("[.a\r]{0,6}", 0..20), cut in 1_usize..20
    ) {
        let lines: Vec<String> = lines.iter().map(|line| line.replace('\r', "")).collect();
        let plain: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let stuffed: String = lines
            .iter()
            .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
            .collect();
        let wire = format!("{stuffed}.\r\nQUIT\r\n");
        let mut reader = DotReader::default();
        let mut output = Vec::new();
        let mut used = 0;
        for piece in wire.as_bytes().chunks(cut) {
            let progress = reader.read(piece, &mut output);
            used += progress.consumed;
            if progress.ended {
                break;
            }
        }
        prop_assert_eq!(output, plain.as_bytes());
        prop_assert_eq!(&wire[used..], "QUIT\r\n");
    }
}

#[test]
fn a_hundred_thousand_recipients_end_the_session_and_not_the_memory() {
    let snapshot = directory("contoso");
    let mut stage = Stage::new(Role::Inbound, &snapshot);
    stage.feed(b"EHLO x\r\nMAIL FROM:<>\r\n");
    let many = b"RCPT TO:<alice@contoso.example>\r\n".repeat(1_000);
    for _ in 0..100 {
        stage.feed(&many);
    }
    assert!(stage.seen.closed);
    assert_eq!(stage.session.waits(), Waiting::Nothing);
    assert!(stage.held_max <= 64);
    assert!(String::from_utf8(stage.seen.said).unwrap().contains("421 4.7.0 Too many commands"));
}
