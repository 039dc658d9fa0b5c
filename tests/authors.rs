//! Headers as attackers send them: what is let through is read as the permitted author only, whoever reads it.
//!
//! `fixtures/messages/hostile/*.eml` are submitted by alice of contoso.example, who may send as info and on behalf of
//! sales. `fixtures/messages/hostile.txt` says what becomes of each; `BLESS=1` rewrites it.

mod readers;

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use franking::model::directory::Snapshot;
use franking::model::mail::Timestamp;
use franking::model::policy::scram::ScramSecrets;
use franking::model::policy::{Evidence, Proof, Settings, SubmitAs, Uncounted};
use franking::model::smtp::{
    Action, Input, Limits, QueuedAs, Role, Session, SessionOptions, Submission, TlsFacts, TlsState, Verdict,
};
use proptest::prelude::*;

use crate::dialogues::directory;
use readers::{Reading, lenient, strict};

const ALICE: &str = "alice@contoso.example";
const INFO: &str = "info@contoso.example";
const SALES: &str = "sales@contoso.example";

/// What the end of DATA came to.
enum Outcome {
    Queued(Box<Submission>),
    Refused(String),
}

fn session(settings: &Settings) -> Session {
    let facts = TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), sni: None, client: None };
    let options = SessionOptions {
        role: Role::Submission,
        hostname: "smtp.contoso.example".into(),
        session_id: "08DE4C0000000001".into(),
        peer: "192.0.2.7".parse().unwrap(),
        peer_name: None,
        tls: TlsState::Active(facts),
        auth_without_tls: false,
        emulate_exchange_online: false,
        scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
        settings: Arc::new(settings.clone()),
        limits: Limits::default(),
    };
    Session::new(options, Timestamp::EPOCH)
}

/// Submits a message as alice, through a session of its own.
fn submit(snapshot: &Snapshot, settings: &Settings, content: &[u8]) -> Outcome {
    let mut session = session(settings);
    let mut said = Vec::new();
    let mut queued = None;
    let commands = "EHLO laptop\r\nAUTH PLAIN AGFsaWNlQGNvbnRvc28uZXhhbXBsZQBkZW1vLWFsaWNl\r\n\
                    MAIL FROM:<alice@contoso.example>\r\nRCPT TO:<partner@fabrikam.example>\r\nDATA\r\n";
    for octets in [commands.as_bytes(), content, b".\r\n"] {
        session.handle(Timestamp::EPOCH, snapshot, &Uncounted, Input::Received(octets));
        while let Some(action) = session.poll_action() {
            let answer = match action {
                Action::Send(octets) => {
                    said.extend_from_slice(&octets);
                    continue;
                }
                Action::CheckCredentials(_) => {
                    Input::CredentialsJudged(Verdict::Judged(Evidence::Right(Proof::Password)))
                }
                Action::Commit(submission) => {
                    queued = Some(submission);
                    Input::Committed(Ok(QueuedAs { queue_id: "1".to_owned() }))
                }
                Action::StartTls
                | Action::Body(_)
                | Action::DiscardBody
                | Action::Delay(_)
                | Action::Misbehave(_)
                | Action::Close
                | Action::NoteRefusedRecipients(_) => continue,
            };
            session.handle(Timestamp::EPOCH, snapshot, &Uncounted, answer);
        }
    }
    let said = String::from_utf8(said).unwrap();
    let last = said.lines().last().unwrap_or_default();
    queued.map_or_else(|| Outcome::Refused(last.split(" [").next().unwrap_or_default().to_owned()), Outcome::Queued)
}

/// What every reader must find in a header that left in this capacity. Other resent blocks than those that alice may
/// use are none of hers.
fn assert_read_alike(stem: &str, submission: &Submission) {
    let octets = submission.head.strip_suffix(b"\r\n").unwrap();
    let head = &*String::from_utf8_lossy(octets);
    let strictly = strict(head).unwrap_or_else(|| panic!("{stem} is let through and strictly wrong:\n{head}"));
    let leniently = lenient(octets).unwrap_or_else(|| panic!("{stem} is let through and unreadable:\n{head}"));
    assert_eq!(strictly, leniently, "{stem} is read in two ways:\n{head}");
    let Reading { from, sender, resent_from, resent_sender } = &strictly;
    let foreign = strictly.all().find(|address| ![ALICE, INFO, SALES].contains(&address.as_str()));
    assert_eq!(foreign, None, "{stem} shows somebody who permitted nothing:\n{head}");
    let shows = |list: &[String], address: &str| list.iter().any(|own| own == address);
    let sender_wanted = from.len() > 1 || shows(from, SALES);
    assert_eq!(sender.len(), usize::from(sender_wanted), "{stem}:\n{head}");
    assert!(!shows(from, SALES) || shows(sender, ALICE), "{stem} hides who wrote on behalf:\n{head}");
    let on_behalf = resent_from.iter().filter(|address| *address == SALES).count();
    assert_eq!(resent_sender, &vec![ALICE.to_owned(); on_behalf], "{stem}:\n{head}");
    match submission.submit_as {
        Some(SubmitAs::Own) => assert!(shows(from, ALICE), "{stem}"),
        Some(SubmitAs::As(_)) => assert!(shows(from, INFO), "{stem}"),
        Some(SubmitAs::OnBehalf(_)) => assert!(shows(from, SALES), "{stem}"),
        Some(SubmitAs::Denied) | None => panic!("{stem} was queued in no capacity"),
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages/hostile");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_hostile_header_is_refused_or_read_as_the_permitted_author_only() {
    let (snapshot, settings) = (directory("contoso"), Settings::default());
    let mut table = String::new();
    let files = corpus();
    assert!(files.len() >= 40, "the corpus is missing");
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let content = std::fs::read(&file).unwrap();
        let wire: Vec<u8> = content.split_inclusive(|octet| *octet == b'\n').flat_map(on_the_wire).collect();
        let verdict = match submit(&snapshot, &settings, &wire) {
            Outcome::Refused(reply) => reply,
            Outcome::Queued(submission) => {
                assert_read_alike(&stem, &submission);
                match submission.submit_as {
                    Some(SubmitAs::As(_)) => "250 as info".to_owned(),
                    Some(SubmitAs::OnBehalf(_)) => "250 on behalf of sales".to_owned(),
                    Some(SubmitAs::Own | SubmitAs::Denied) | None => "250 as alice".to_owned(),
                }
            }
        };
        let _ = writeln!(table, "{stem}: {verdict}");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages/hostile.txt");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&golden, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(&golden).unwrap());
}

fn on_the_wire(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let dot: &[u8] = if line.starts_with(b".") { b"." } else { b"" };
    [dot, line, b"\r\n"].concat()
}

/// Read once: thousands of headers are judged by it.
static CONTOSO: LazyLock<Snapshot> = LazyLock::new(|| directory("contoso"));

/// What headers are made of, and what they are not made of.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "From:",
        "From: ",
        "\r\nFrom: ",
        "\r\nfrom:",
        "\r\nSender: ",
        "\r\nResent-From: ",
        "\r\nResent-Sender: ",
        "\r\nFr om: ",
        "\r\nFrom : ",
        "alice@contoso.example",
        "<alice@contoso.example>",
        "bob@contoso.example",
        "<bob@contoso.example>",
        "info@contoso.example",
        "sales@contoso.example",
        "<sales@contoso.example>",
        "Alice",
        "\u{fc} <alice@contoso.example>",
        "\"alice\"@contoso.example",
        "\"",
        "\\",
        "\\\"",
        "(",
        ")",
        "<",
        ">",
        ",",
        ";",
        ":",
        "@",
        ".",
        " ",
        "\t",
        "\r\n ",
        "\r\nX:",
        "\r\n\t",
        "\r\n",
        "=?utf-8?q?bob=40contoso.example?=",
        "=?utf-8?q?=3Cbob=40contoso.example=3E=2C?=",
        "=?utf-8?b?AA==?=",
        "=?utf-8?q?",
        "?=",
        "\u{e9}",
        "\u{a0}",
        "[",
        "]",
        "'",
    ])
}

/// A text in UTF-8, or in Latin-1 as old devices write it.
fn octets(text: &str, latin: bool) -> Vec<u8> {
    let in_latin = |character: char| u8::try_from(u32::from(character)).unwrap_or(b'?');
    if latin { text.chars().map(in_latin).collect() } else { text.as_bytes().to_vec() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_let_through_is_read_as_the_permitted_author_only(
        begins in prop::sample::select(vec!["", "From: alice@contoso.example", "From: \"alice\"@contoso.example"]),
        pieces in prop::collection::vec(piece(), 0..12),
        latin in any::<bool>(),
    ) {
        let (snapshot, settings) = (&*CONTOSO, Settings::default());
        let head = format!("{begins}{}", pieces.concat());
        if let Outcome::Queued(submission) = submit(snapshot, &settings, &octets(&format!("{head}\r\n\r\nx\r\n"), latin)) {
            assert_read_alike(&head, &submission);
        }
    }

    #[test]
    fn a_repaired_header_has_no_author_but_the_account(pieces in prop::collection::vec(piece(), 0..12)) {
        let (snapshot, settings) = (&*CONTOSO, Settings { repair_from: true, ..Settings::default() });
        let content = format!("{}\r\n\r\nx\r\n", pieces.concat());
        if let Outcome::Queued(submission) = submit(snapshot, &settings, content.as_bytes()) {
            assert_read_alike(&content, &submission);
        }
    }
}
