//! Holds a dialogue with a session: what the shell, the password check and the store would do, without any of them.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use franking::config::{Config, fault_script};
use franking::model::directory::device::Secret;
use franking::model::directory::{Document, Recipient, RecipientId, Snapshot};
use franking::model::faults::Door;
use franking::model::mail::{Address, Domain, ReversePath, Timestamp};
use franking::model::policy::connector::{Authorities, ClientCertificate, Connectors, Fingerprint};
use franking::model::policy::device::Checked;
use franking::model::policy::limits::Received;
use franking::model::policy::quota::{self, Usage};
use franking::model::policy::restricted::Submitter;
use franking::model::policy::scram::{self, Proven, ScramSecrets};
use franking::model::policy::settings::Scram;
use franking::model::policy::sign_in::find_account;
use franking::model::policy::token::{Algorithm, Issuer, is_for};
use franking::model::policy::traffic::{Kind, Rules};
use franking::model::policy::{
    AppPassword, Delivery, Destination, Evidence, Expanded, NoMailboxStep, Origin, Permit, Posting, Profile, Proof,
    Refusal, Resolution, Settings, SharedSignIn, Tallies, Unrecorded, Whence, expand,
};
use franking::model::smtp::{
    Action, CommitFailure, Credentials, Input, Limits, Misbehaviour, Presented, QueuedAs, Role, Session,
    SessionOptions, Submission, TlsFacts, TlsState, Verdict,
};

use franking::store::rehearsal::Rehearsal;

use super::script::{Script, Step};
use super::{CLEAR, directory, root};

/// Everything around the session.
struct Stage {
    session: Session,
    /// What a script does besides talking is written down.
    is_rehearsal: bool,
    snapshot: Snapshot,
    settings: Arc<Settings>,
    now: Timestamp,
    peer: IpAddr,
    /// The name in the client's certificate.
    certificate: Option<String>,
    /// The dialogue as it came out.
    text: String,
    next_check_fails: bool,
    next_commit: Option<CommitFailure>,
    counts: Told,
}

/// What the stores would have counted, as the dialogue says.
#[derive(Default)]
struct Told {
    usage: HashMap<RecipientId, Usage>,
    received: HashMap<RecipientId, Received>,
    submitted: HashMap<RecipientId, u32>,
    addressed: HashMap<RecipientId, u32>,
    restricted: HashSet<Submitter>,
    used_up: HashSet<Kind>,
}

impl Tallies for Told {
    fn usage(&self, mailbox: RecipientId) -> Option<Usage> {
        self.usage.get(&mailbox).copied()
    }

    fn received(&self, mailbox: RecipientId, _: &ReversePath, _: Timestamp) -> Received {
        self.received.get(&mailbox).copied().unwrap_or_default()
    }

    fn submitted(&self, account: RecipientId) -> u32 {
        self.submitted.get(&account).copied().unwrap_or(0)
    }

    fn addressed(&self, account: RecipientId) -> u32 {
        self.addressed.get(&account).copied().unwrap_or(0)
    }

    fn is_restricted(&self, submitter: &Submitter) -> bool {
        self.restricted.contains(submitter)
    }

    fn is_used_up(&self, _: &Rules, kind: Kind, _: IpAddr) -> bool {
        self.used_up.contains(&kind)
    }
}

/// The dialogue as it really goes.
pub(super) fn hold(script: &Script) -> String {
    let now = Timestamp::parse_iso8601(script.key("now").unwrap_or("2026-01-05T09:00:00Z")).unwrap();
    let snapshot = directory(script.key("directory").unwrap_or("contoso"));
    let mut text = script.head.join("\n");
    text.push('\n');
    let options = options(script);
    let (settings, peer) = (Arc::clone(&options.settings), options.peer);
    let rehearsal = script.key("faults").map(rehearsal);
    let session = match &rehearsal {
        None => Session::new(options, now),
        Some(rehearsal) => {
            let door = if options.role == Role::Inbound { Door::Inbound } else { Door::Submission };
            let visit = rehearsal.visit(peer, 2587, door);
            Session::scripted(options, now, Arc::<Rehearsal>::clone(rehearsal), visit)
        }
    };
    let mut stage = Stage {
        session,
        is_rehearsal: rehearsal.is_some(),
        snapshot,
        settings,
        now,
        peer,
        certificate: certificate(script),
        text,
        next_check_fails: false,
        next_commit: None,
        counts: Told::default(),
    };
    // What is set up before the client says anything stands before the banner.
    let set_up = script.steps.iter().position(|step| matches!(step, Step::Client { .. })).unwrap_or(0);
    for (index, step) in script.steps.iter().enumerate() {
        if index == set_up {
            stage.drain();
        }
        stage.step(step);
        if index >= set_up {
            stage.drain();
        }
    }
    stage.text
}

impl Stage {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Client { lines, octets } => {
                for line in lines {
                    let _ = writeln!(self.text, "{line}");
                }
                self.tell(Input::Received(octets));
            }
            Step::Change { line, document } => {
                let _ = writeln!(self.text, "{line}");
                let document: Document = toml::from_str(document).unwrap();
                let changes = document.plan(&self.snapshot, CLEAR).strict().unwrap();
                self.snapshot = self.snapshot.apply(&changes).unwrap();
            }
            Step::Event { line, words } => {
                let _ = writeln!(self.text, "{line}");
                self.event(&words.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Step::Comment(line) => {
                let _ = writeln!(self.text, "{line}");
            }
        }
    }

    fn event(&mut self, words: &[&str]) {
        match words {
            ["handshake"] => self.tell(Input::TlsEstablished(tls_facts(self.certificate.as_deref()))),
            ["silence", seconds] => {
                self.now = self.now.plus(Duration::from_secs(seconds.parse().unwrap()));
                self.tell(Input::TimedOut);
            }
            ["drain"] => self.tell(Input::Draining),
            ["room", has_room] => self.tell(Input::RoomChanged(has_room.parse().unwrap())),
            ["body-fails"] => self.tell(Input::BodyFailed),
            ["next-check", "fails"] => self.next_check_fails = true,
            ["next-commit", "temporary"] => self.next_commit = Some(CommitFailure::Temporary),
            ["next-commit", "no-room"] => self.next_commit = Some(CommitFailure::NoRoom),
            ["next-commit", reason] => self.next_commit = Some(CommitFailure::Refused(counted(reason))),
            ["received", mailbox, all, pair] => {
                let received = Received { of_all: all.parse().unwrap(), of_pair: pair.parse().unwrap() };
                self.counts.received.insert(self.named(mailbox), received);
            }
            ["submitted", account, count] => {
                self.counts.submitted.insert(self.named(account), count.parse().unwrap());
            }
            ["restricted", account] => {
                self.counts.restricted.insert(Submitter::Account(self.named(account)));
            }
            ["restricted", account, device] => {
                self.counts.restricted.insert(Submitter::Device(self.named(account), (*device).into()));
            }
            ["released", account] => {
                self.counts.restricted.remove(&Submitter::Account(self.named(account)));
            }
            ["used-up", "recipients"] => drop(self.counts.used_up.insert(Kind::RefusedRecipient)),
            ["used-up", "messages"] => drop(self.counts.used_up.insert(Kind::Message)),
            ["addressed", account, count] => {
                self.counts.addressed.insert(self.named(account), count.parse().unwrap());
            }
            ["holds", mailbox, bytes] => {
                let usage = Usage { bytes: bytes.parse().unwrap(), messages: 1 };
                self.counts.usage.insert(self.named(mailbox), usage);
            }
            other => panic!("unknown event {other:?}"),
        }
    }

    fn named(&self, address: &str) -> RecipientId {
        self.snapshot.find_by_address(&Address::parse(address).unwrap()).unwrap().id
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(self.now, &self.snapshot, &self.counts, input);
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(octets) => {
                    let said = String::from_utf8(octets).unwrap();
                    for line in said.split_terminator("\r\n") {
                        let _ = writeln!(self.text, "{}", format!("S: {line}").trim_end());
                    }
                }
                Action::Close => self.text.push_str("S: <closed>\n"),
                Action::CheckCredentials(credentials) => {
                    let verdict = self.check(&credentials);
                    self.tell(Input::CredentialsJudged(verdict));
                }
                Action::Commit(submission) => {
                    let outcome = match self.next_commit.take().or_else(|| self.too_full_to_send(&submission)) {
                        Some(failure) => Err(failure),
                        None => {
                            self.print(&submission);
                            Ok(QueuedAs { queue_id: "{queue-id}".to_owned() })
                        }
                    };
                    self.tell(Input::Committed(outcome));
                }
                // The handshake is an event of its own; bodies and delays are looked at elsewhere.
                Action::Delay(pause) if self.is_rehearsal => {
                    let _ = writeln!(self.text, "S: <{} ms later>", pause.as_millis());
                }
                Action::Misbehave(Misbehaviour::Trickle(pause)) => {
                    let _ = writeln!(self.text, "S: <{} ms between two octets>", pause.as_millis());
                }
                Action::Misbehave(Misbehaviour::Stall(longest)) => {
                    let _ = writeln!(self.text, "S: <silence for {} s>", longest.as_secs());
                }
                Action::Misbehave(Misbehaviour::Reset) => self.text.push_str("S: <reset>\n"),
                Action::StartTls
                | Action::Body(_)
                | Action::DiscardBody
                | Action::Delay(_)
                | Action::NoteRefusedRecipients(_) => {}
            }
        }
    }

    /// What the shell does with a mailbox of the sender that the dialogue says is full.
    fn too_full_to_send(&self, submission: &Submission) -> Option<CommitFailure> {
        let Origin::Account(account) = submission.envelope.origin() else { return None };
        let judge = |mailbox: &Recipient| {
            let usage = self.counts.usage(mailbox.id).unwrap_or_default();
            quota::may_send(mailbox, self.snapshot.organisation(), &self.settings, usage).err()
        };
        let mut mailboxes = quota::sending_mailboxes(&self.snapshot, &self.settings, account, submission.submit_as);
        mailboxes.find_map(judge).map(CommitFailure::Refused)
    }

    fn check(&mut self, credentials: &Credentials) -> Verdict {
        if core::mem::take(&mut self.next_check_fails) {
            return Verdict::TemporaryFailure;
        }
        let account = find_account(&self.snapshot, &credentials.login).and_then(|found| found.account.as_deref());
        let password = match &credentials.presented {
            Presented::Password(password) => password,
            Presented::Token(token) => return self.check_token(&credentials.login, token),
            Presented::Scram(shown) => {
                let (at, whence) = (self.now, Whence { peer: self.peer, in_clear: self.session.is_in_clear() });
                return Verdict::Judged(match scram::verify(account, shown, whence.in_clear) {
                    Some(Proven::Password) => Evidence::Right(Proof::Password),
                    Some(Proven::Device(selector)) => {
                        Evidence::Right(Proof::AppPassword(AppPassword { selector, whence, at }))
                    }
                    None => Evidence::Wrong,
                });
            }
        };
        let secret = Secret::read(password);
        let whence = Whence { peer: self.peer, in_clear: self.session.is_in_clear() };
        let checked = Checked::of(account, password, secret.as_ref(), whence, self.now);
        let expected = format!("clear:{}", checked.text);
        let right = checked.hash.is_some_and(|hash| hash.phc() == expected);
        Verdict::Judged(if right { Evidence::Right(checked.proof) } else { Evidence::Wrong })
    }

    /// `for.alice` is the token of alice in the default domain; every other is wrong.
    fn check_token(&self, login: &str, token: &str) -> Verdict {
        let named =
            token.strip_prefix("for.").and_then(|local| Address::parse(&format!("{local}@contoso.example")).ok());
        match named {
            Some(named) if login.is_empty() || is_for(&self.snapshot, login, &named).is_ok() => {
                let login = if login.is_empty() { named.to_string() } else { login.to_owned() };
                Verdict::Identified { proof: Proof::Token, login }
            }
            Some(_) | None => Verdict::Judged(Evidence::Wrong),
        }
    }

    fn print(&mut self, submission: &Submission) {
        let envelope = &submission.envelope;
        let capacity = submission.submit_as.map_or_else(|| "stranger".to_owned(), |capacity| format!("{capacity:?}"));
        let _ = write!(self.text, "Q: from <{}> {capacity}", envelope.reverse_path());
        let _ = writeln!(self.text, ", {:?}, body of {} octets", envelope.parameters(), submission.body_bytes);
        if let Some(device) = envelope.device() {
            let _ = writeln!(self.text, "Q: by the device {device}");
        }
        if let Some(connector) = envelope.connector() {
            let _ = writeln!(self.text, "Q: by the connector {connector}, {:?}", envelope.origin());
        }
        for permit in envelope.permits() {
            let resolution = self.resolution(permit);
            let _ = writeln!(self.text, "Q: to <{}> {resolution}, {:?}", permit.path(), permit.dsn());
        }
        let posting = Posting::of(&self.snapshot, envelope, &submission.head, submission.body_bytes);
        let expanded = expand(&self.snapshot, &self.settings, &posting, envelope.permits(), self.now, &mut Unrecorded);
        for end in expanded {
            if let Expanded::Deliver(delivery) = &end {
                if envelope.connector().is_some() && delivery.reverse_path != *envelope.reverse_path() {
                    let _ = writeln!(self.text, "Q: <{}> leaves from <{}>", delivery.path, delivery.reverse_path);
                }
                self.print_member(envelope.permits(), delivery);
            }
            if let Expanded::Moderated(moderated) = end {
                let address = |id: &RecipientId| self.snapshot.recipient(*id).unwrap().primary().to_string();
                let moderators: Vec<String> = moderated.waiting.moderators.iter().map(address).collect();
                let _ = writeln!(self.text, "Q: <{}> waits for {moderators:?}", moderated.address);
            }
        }
        for keeper in envelope.sent_items().keepers() {
            let keeper = self.snapshot.recipient(*keeper).map_or_else(String::new, |found| found.primary().to_string());
            let _ = writeln!(self.text, "Q: copy in Sent Items of {keeper}");
        }
        for line in String::from_utf8_lossy(envelope.sent_items().blind()).split_terminator("\r\n") {
            let _ = writeln!(self.text, "Q: copies alone | {line}");
        }
        for line in String::from_utf8_lossy(&submission.head).split_terminator("\r\n") {
            let visible: String = line.chars().map(visible).collect();
            let _ = writeln!(self.text, "{}", format!("Q: | {visible}").trim_end());
        }
    }

    /// Who has a copy because a filter matches today.
    fn print_member(&mut self, permits: &[Permit], delivery: &Delivery) {
        let permit = permits.iter().find(|permit| *permit.path() == delivery.path);
        let Some(Resolution::Group(group)) = permit.map(Permit::resolution) else { return };
        let Destination::Mailbox(member) = &delivery.to else { return };
        if self.snapshot.filter_of(*group).is_some() {
            let member = self.snapshot.recipient(*member).unwrap().primary();
            let _ = writeln!(self.text, "Q: <{}> reaches {member}", delivery.path);
        }
    }

    fn resolution(&self, permit: &Permit) -> String {
        let name = |id| self.snapshot.recipient(id).map_or_else(String::new, |found| found.primary().to_string());
        match permit.resolution() {
            Resolution::Mailbox(id) => format!("Mailbox {}", name(*id)),
            Resolution::Group(id) => format!("Group {}", name(*id)),
            Resolution::Outside { owner, address } => format!("Outside {} of {}", address, name(*owner)),
            Resolution::PostmasterMailbox => "PostmasterMailbox".to_owned(),
            Resolution::InternalRelay(address) => format!("InternalRelay {address}"),
            Resolution::Rewritten(address) => format!("Rewritten {address}"),
            Resolution::Foreign(address) => format!("Foreign {address}"),
            Resolution::Unknown(address) => format!("Unknown {address}"),
        }
    }
}

/// The script of this name, which lies beside the dialogues about it.
fn rehearsal(name: &str) -> Arc<Rehearsal> {
    let file = root().join("dialogues/faults").join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    Arc::new(Rehearsal::new(fault_script(&text, &file).unwrap_or_else(|errors| panic!("{errors}"))))
}

/// What only the stores can count.
fn counted(reason: &str) -> Refusal {
    match reason {
        "sessions" => Refusal::ConcurrentSessionsExceeded,
        "quota" => Refusal::SenderQuotaExceeded,
        "recipients" => Refusal::DailyRecipientsExceeded,
        other => panic!("unknown reason {other}"),
    }
}

/// Control characters other than TAB show as a question mark in a golden file.
fn visible(character: char) -> char {
    if character.is_control() && character != '\t' { '?' } else { character }
}

/// What the client shows, when the dialogue says so, and the authorities of the system vouch for.
fn certificate(script: &Script) -> Option<String> {
    script.settings().find(|(key, _)| *key == "certificate").map(|(_, name)| name.to_owned())
}

fn tls_facts(certificate: Option<&str>) -> TlsFacts {
    let client = certificate.map(|name| {
        let (fingerprint, names) = (Fingerprint([7; 32]), vec![name.parse().unwrap()]);
        Box::new(ClientCertificate { fingerprint, names, vouched_by: vec![Authorities::System] })
    });
    TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), sni: None, client }
}

/// The connectors of a file in `fixtures/connectors`.
fn connectors(name: &str) -> Connectors {
    let file = root().join("connectors").join(format!("{name}.toml"));
    Config::load(&file).unwrap().settings.connectors
}

fn options(script: &Script) -> SessionOptions {
    let profile = match script.key("profile").unwrap_or("exchange-online") {
        "exchange-online" => Profile::ExchangeOnline,
        "exchange-server" => Profile::ExchangeServer,
        other => panic!("unknown profile {other}"),
    };
    let role = match script.key("role").unwrap() {
        "submission" => Role::Submission,
        "inbound" => Role::Inbound,
        other => panic!("unknown role {other}"),
    };
    let tls = match script.key("tls").unwrap_or("offered") {
        "offered" => TlsState::Offered,
        "active" => TlsState::Active(tls_facts(certificate(script).as_deref())),
        "none" => TlsState::Unavailable,
        other => panic!("unknown state of TLS {other}"),
    };
    let hostname = if role == Role::Submission { "smtp.contoso.example" } else { "mx.contoso.example" };
    let mut options = SessionOptions {
        role,
        hostname: hostname.into(),
        session_id: "08DE4C0000000001".into(),
        peer: "192.0.2.7".parse().unwrap(),
        peer_name: None,
        tls,
        auth_without_tls: false,
        emulate_exchange_online: false,
        scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
        settings: Arc::new(Settings::of(profile)),
        limits: Limits::default(),
    };
    if let Some(name) = script.key("connectors") {
        Arc::make_mut(&mut options.settings).connectors = connectors(name);
    }
    for (key, value) in script.settings() {
        set(&mut options, key, value);
    }
    options
}

/// Somebody whose tokens are believed; `scope` is what they must have.
fn issuer(scope: &str) -> Issuer {
    Issuer {
        name: "entra".into(),
        issuer: "https://login.example/v2.0".into(),
        audiences: vec!["franking".into()],
        algorithms: vec![Algorithm::Rs256],
        login_claims: vec!["upn".into()],
        scope: (scope != "true").then(|| scope.into()),
        role: None,
        skew: Duration::from_secs(60),
    }
}

fn set(options: &mut SessionOptions, key: &str, value: &str) {
    let yes = || value.parse().unwrap();
    let number = || value.parse().unwrap();
    let settings = Arc::make_mut(&mut options.settings);
    match key {
        "emulate" => options.emulate_exchange_online = yes(),
        "auth_without_tls" => options.auth_without_tls = yes(),
        "certificate" => {}
        "peer" => options.peer = value.parse().unwrap(),
        "peer_name" => options.peer_name = Some(Domain::parse(value).unwrap()),
        "refuse_early" => settings.refuse_early = yes(),
        "recipient_validation" => settings.recipient_validation = yes(),
        "repair_from" => settings.repair_from = yes(),
        "no_mailbox_step" if value == "mail-from" => settings.no_mailbox_step = NoMailboxStep::MailFrom,
        "scram" if value == "on" => settings.scram = Scram::On,
        "scram" if value == "prepare" => settings.scram = Scram::Prepare,
        "issuer" => settings.issuers = vec![issuer(value)],
        "shared_sign_in" if value == "unblocked" => settings.shared_sign_in = SharedSignIn::Unblocked,
        "message_bytes_max" => settings.message_bytes_max = value.parse().unwrap(),
        "recipients_max" => settings.recipients_max = number(),
        "hops_max" => settings.hops_max = number(),
        "header_bytes_max" => options.limits.header_bytes_max = number(),
        "commands_max" => options.limits.commands_max = value.parse().unwrap(),
        "errors_max" => options.limits.errors_max = value.parse().unwrap(),
        "refused_recipients_max" => options.limits.refused_recipients_max = value.parse().unwrap(),
        other => panic!("unknown setting {other}={value}"),
    }
}
