//! What is sent in a run: by whom, to whom, how large, with which wishes for reports.

use std::time::Duration;

use franking::model::directory::Snapshot;
use franking::model::mail::{ForwardPath, ReversePath};
use franking::model::policy::{
    BodyKind, DsnRequest, Envelope, Evidence, MessageParameters, Notify, Posting, Proof, Ret, Sender, SentItems,
    Settings, Unrecorded, admit, sent_items, sign_in, submit_as,
};

use super::dice::{Concern, Dice};
use super::organisation::address;

/// A message that somebody is going to send.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Its number, which its Message-ID tells.
    pub(super) token: usize,
    /// When it is sent, since the beginning.
    pub(super) at: Duration,
    pub(super) envelope: Envelope,
    pub(super) paths: Vec<String>,
    /// The account that sends, and the address it sends as.
    pub(super) account: Option<&'static str>,
    pub(super) author: String,
    /// The sender asks for no report of failures.
    pub(super) suppressed: bool,
    /// The author's own copies say that somebody got it in secret.
    pub(super) secret: bool,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// How much is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A few messages within minutes, for a crash at every step.
    Short,
    /// Some messages over hours.
    Usual,
}

const INSIDE: [&str; 7] = [
    "alice@contoso.example",
    "bob@contoso.example",
    "carol@contoso.example",
    "staff@contoso.example",
    "project@contoso.example",
    "info@contoso.example",
    "nobody@contoso.example",
];

const OUTSIDE: [&str; 9] = [
    "partner@fabrikam.example",
    "other@fabrikam.example",
    "third@fabrikam.example",
    "eve@slow.example",
    "someone@dead.example",
    "someone@quiet.example",
    "someone@nowhere.example",
    "someone@broken.example",
    "someone@loop.example",
];

/// The number of the first message that only moves the journal on.
pub(super) const FILLERS_FROM: usize = 9_000;
/// Larger bodies than this go through a file, in octets.
pub(super) const MEMORY_BYTES: usize = 3_000;

/// The drafts of a seed, in the order in which they are sent.
pub(super) fn drafts(seed: u64, size: Size, snapshot: &Snapshot, settings: &Settings) -> Vec<Draft> {
    let dice = Dice::new(seed, Concern::Scenario);
    let (count, hours) = match size {
        Size::Short => (3, 0),
        Size::Usual => (dice.between(3, 10), dice.below(4)),
    };
    let mut drafts: Vec<Draft> = Vec::new();
    let mut token = 1_000;
    while (drafts.len() as u64) < count {
        token += 1;
        let at = Duration::from_millis(dice.below(60_000 + hours * 3_600_000));
        drafts.extend(draft(&dice, (seed, token), at, size, snapshot, settings));
    }
    drafts.sort_by_key(|draft| (draft.at, draft.token));
    drafts
}

fn draft(
    dice: &Dice,
    (seed, token): (u64, usize),
    at: Duration,
    size: Size,
    snapshot: &Snapshot,
    settings: &Settings,
) -> Option<Draft> {
    let (account, author) = match dice.below(8) {
        0..3 => (Some("alice@contoso.example"), "alice@contoso.example"),
        3 => (Some("alice@contoso.example"), "info@contoso.example"),
        4 => (Some("bob@contoso.example"), "bob@contoso.example"),
        5 => {
            (Some("bob@contoso.example"), if dice.chance(2) { "sales@contoso.example" } else { "bob@contoso.example" })
        }
        6 => (None, "partner@fabrikam.example"),
        _ => (None, "eve@slow.example"),
    };
    let null = if account.is_some() { dice.chance(12) } else { dice.chance(4) };
    let sender = match account {
        None => Sender::Anonymous,
        Some(name) => {
            let evidence = Evidence::Right(Proof::Password);
            Sender::Account(sign_in(snapshot, settings, name, evidence, &mut Unrecorded).unwrap())
        }
    };
    let notify = match dice.below(6) {
        0 => Notify::Never,
        1 => Notify::On { success: true, failure: true, delay: true },
        2 => Notify::On { success: dice.chance(2), failure: dice.chance(2), delay: dice.chance(2) },
        _ => Notify::Unspecified,
    };
    let mut paths: Vec<String> = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let path = if account.is_none() || dice.chance(2) { dice.pick(&INSIDE) } else { dice.pick(&OUTSIDE) };
        if !paths.iter().any(|known| known == path) {
            paths.push((*path).to_owned());
        }
    }
    // Drawn apart, so that everything else of a seed stays as it was. Who sends as the moderator approves by sending.
    if Dice::new(seed.wrapping_add(token as u64), Concern::Moderation).chance(4) && author != "info@contoso.example" {
        paths.push("council@contoso.example".to_owned());
    }
    let dsn = DsnRequest { notify, original_recipient: None };
    let reverse_path = if null { ReversePath::Null } else { ReversePath::Mailbox(address(author)) };
    let posting = Posting::announced(snapshot, sender.origin(), &reverse_path, 0);
    let permit = |path: &String| {
        let path = ForwardPath::Mailbox(address(path));
        admit(snapshot, settings, &posting, path, dsn.clone(), &mut Unrecorded).ok()
    };
    let permits: Vec<_> = paths.iter().map(|path| (path.clone(), permit(path))).collect();
    let paths = permits.iter().filter(|(_, permit)| permit.is_some()).map(|(path, _)| path.clone()).collect();
    let permits = permits.into_iter().filter_map(|(_, permit)| permit).collect();
    let suppressed = dice.chance(10);
    let body = body(dice, token, size);
    let parameters = MessageParameters {
        body: if body.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBitMime },
        ret: *dice.pick(&[None, Some(Ret::Full), Some(Ret::Headers)]),
        envelope_id: dice.chance(3).then(|| format!("envelope-{token}").into()),
        ..MessageParameters::default()
    };
    let secret = dice.chance(3);
    let kept = match &sender {
        Sender::Account(signed_in) => {
            let account = signed_in.account();
            let capacity = submit_as(snapshot, settings, account, &address(author), &mut Unrecorded);
            sent_items(snapshot, settings, account, capacity, &reverse_path, &mut Unrecorded)
        }
        Sender::Anonymous | Sender::System | Sender::Connector(_) => SentItems::default(),
    };
    let blind = if secret { b"Bcc: someone@contoso.example\r\n".to_vec() } else { Vec::new() };
    let envelope = Envelope::new(&sender, reverse_path, parameters, permits)?.with_sent_items(kept.with_blind(blind));
    let mut head = format!("From: <{author}>\r\nSubject: Number {token}\r\nMessage-ID: <{token}@draft.example>\r\n");
    if suppressed {
        head.push_str("X-Auto-Response-Suppress: NDR, DR\r\n");
    }
    head.push_str("\r\n");
    let author = author.to_owned();
    Some(Draft { token, at, envelope, paths, account, author, suppressed, secret, head: head.into_bytes(), body })
}

/// Lines, some of them awkward: with dots at their beginning, empty, long, with octets above 127.
fn body(dice: &Dice, token: usize, size: Size) -> Vec<u8> {
    let bytes = match dice.below(12) {
        0..2 if size == Size::Usual => dice.between(5_000, 40_000),
        0..2 => 4_000,
        2 if size == Size::Usual && dice.chance(12) => 400_000,
        3 => 0,
        _ => dice.between(1, 1_500),
    };
    let eight_bit = dice.chance(4);
    let mut body = Vec::new();
    while (body.len() as u64) < bytes {
        let line = match dice.below(6) {
            0 => ".".to_owned(),
            1 => "..two dots".to_owned(),
            2 => String::new(),
            3 if eight_bit => "gr\u{fc}n".to_owned(),
            _ => format!("{token} {}", "x".repeat(usize::try_from(dice.below(900)).unwrap())),
        };
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body
}

/// A message for Alice that only moves the journal on.
pub(super) fn filler(token: usize, at: Duration, snapshot: &Snapshot, settings: &Settings) -> Draft {
    let path = "alice@contoso.example";
    let permit = admit(
        snapshot,
        settings,
        &Posting::announced(snapshot, Sender::Anonymous.origin(), &ReversePath::Null, 0),
        ForwardPath::Mailbox(address(path)),
        DsnRequest::default(),
        &mut Unrecorded,
    );
    let parameters = MessageParameters::default();
    let envelope = Envelope::new(&Sender::Anonymous, ReversePath::Null, parameters, vec![permit.unwrap()]).unwrap();
    let head =
        format!("From: <eve@slow.example>\r\nSubject: Number {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\n");
    Draft {
        token,
        at,
        envelope,
        paths: vec![path.to_owned()],
        account: None,
        author: "eve@slow.example".to_owned(),
        suppressed: false,
        secret: false,
        head: head.into_bytes(),
        body: vec![b'f'; 2_500],
    }
}
