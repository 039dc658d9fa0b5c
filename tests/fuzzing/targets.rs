//! One function for each thing that reads what comes from outside. It takes any octets and panics where a promise is
//! broken. The programs of `fuzz/` and the tests beside this file run the same functions.

use std::path::Path;
use std::sync::Arc;

use franking::config::Config;
use franking::model::directory::{Account, Document, Snapshot};
use franking::model::mail::header::{self, Mailboxes};
use franking::model::mail::{Address, Timestamp};
use franking::model::policy::scram::ScramSecrets;
use franking::model::policy::{Evidence, Proof, Settings, Uncounted};
use franking::model::smtp::line::{Line, LineBuffer};
use franking::model::smtp::{
    Action, Input, Limits, QueuedAs, Role, Session, SessionOptions, TlsFacts, TlsState, Verdict, Waiting, grammar,
};
use franking::store::journal::{Journal, JournalOptions};
use franking::world::disk::{Disk as _, SimulatedDisk};
use franking::world::proxy_protocol::{self, Reading};

/// The longest line that is asked for.
const LINE_BYTES_MAX: usize = 100;
/// Where journals are, and what their checksums begin with.
pub(crate) const JOURNAL: &str = "/journal";
pub(crate) const SALT: u64 = 7;

/// Lines are the same whether octets come at once or one by one, and what is held is bounded.
pub(crate) fn line(data: &[u8]) {
    let mut whole = LineBuffer::default();
    whole.push(data);
    let own = |line: Line<&[u8]>| line.map(<[u8]>::to_vec);
    let at_once: Vec<_> = core::iter::from_fn(|| whole.take_line(LINE_BYTES_MAX, own)).collect();
    let (mut pieces, mut one_by_one) = (LineBuffer::default(), Vec::new());
    for octet in data {
        pieces.push(&[*octet]);
        while let Some(line) = pieces.take_line(LINE_BYTES_MAX, own) {
            one_by_one.push(line);
        }
        assert!(pieces.held() <= LINE_BYTES_MAX + 2, "{} octets are held", pieces.held());
    }
    assert_eq!(format!("{at_once:?}"), format!("{one_by_one:?}"));
}

/// A line is a command or is refused; its paths are read again as they are written.
pub(crate) fn grammar(data: &[u8]) {
    let addresses = match grammar::parse(data) {
        Ok(grammar::Command::Mail(mail)) => mail.path.address().cloned().into_iter().collect::<Vec<_>>(),
        Ok(grammar::Command::Rcpt(rcpt)) => match rcpt.path {
            franking::model::mail::ForwardPath::Mailbox(address) => vec![address],
            franking::model::mail::ForwardPath::Postmaster => Vec::new(),
        },
        Ok(_) | Err(_) => Vec::new(),
    };
    for address in addresses {
        let command = format!("RCPT TO:<{address}>");
        let Ok(grammar::Command::Rcpt(again)) = grammar::parse(command.as_bytes()) else {
            // What was read from a longer line, or is refused for its length as it is written.
            assert!(command.len() > 500, "{command} is not read again");
            return;
        };
        let franking::model::mail::ForwardPath::Mailbox(again) = again.path else { panic!("{command}") };
        assert_eq!(again.key(), address.key());
    }
}

/// An address is read as it is written, and its key is that of what is written.
pub(crate) fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(address) = Address::parse(&text) else { return };
    let written = address.to_string();
    assert!(!written.contains(['\r', '\n', '\0']), "{written:?}");
    let again = Address::parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
    assert_eq!((again.key(), again.to_string()), (address.key(), written));
}

/// The octets are responses to AUTH, of every mechanism: a session answers each and goes on, or ends.
pub(crate) fn sasl(data: &[u8]) {
    for mechanism in ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256"] {
        let mut stage = Stage::new(Role::Submission);
        stage.hear(b"EHLO a.example\r\n");
        stage.hear(format!("AUTH {mechanism} ").as_bytes());
        stage.hear(data);
        stage.hear(b"\r\n");
        let mut stage = Stage::new(Role::Submission);
        stage.hear(format!("EHLO a.example\r\nAUTH {mechanism}\r\n").as_bytes());
        stage.hear(data);
        stage.hear(b"\r\nNOOP\r\n");
    }
}

/// The octets are all that a client says.
pub(crate) fn session(data: &[u8]) {
    for role in [Role::Inbound, Role::Submission] {
        let mut whole = Stage::new(role);
        whole.hear(data);
        let mut pieces = Stage::new(role);
        data.chunks(7).for_each(|piece| pieces.hear(piece));
        assert_eq!(String::from_utf8_lossy(&whole.said), String::from_utf8_lossy(&pieces.said));
        assert_eq!(whole.messages, pieces.messages);
    }
}

/// A header is whole by its own octets: those behind it change nothing, and fewer are never enough.
pub(crate) fn proxy(data: &[u8]) {
    match proxy_protocol::read(data) {
        Ok(Reading::Whole(header, bytes)) => {
            assert!(bytes > 0 && bytes <= data.len());
            let Ok(Reading::Whole(again, same)) = proxy_protocol::read(&data[..bytes]) else { panic!("it was whole") };
            assert_eq!((again, same), (header, bytes));
            for end in 0..bytes {
                let Ok(Reading::Needs(more)) = proxy_protocol::read(&data[..end]) else { panic!("whole at {end}") };
                // Who reads as many as are asked for never reads into what follows.
                assert!(more > 0 && end + more <= bytes, "{more} more after {end} of {bytes}");
            }
        }
        Ok(Reading::Needs(more)) => assert!(more > 0 && more < 70_000),
        Err(_) => {}
    }
}

/// A segment of any octets is read as far as it is sound, and the reader says where it ended.
pub(crate) fn journal(data: &[u8]) {
    let disk = SimulatedDisk::new(1);
    let (directory, options) = (Path::new(JOURNAL), JournalOptions::new(SALT));
    drop(Journal::open(Arc::new(disk.clone()), directory, options.clone(), |_, _| {}).unwrap());
    let names = disk.list(directory).unwrap();
    let segment = names.iter().find(|name| name.to_string_lossy().ends_with("segment")).expect("a segment");
    let path = directory.join(segment);
    disk.remove(&path).unwrap();
    let mut file = disk.create_new(&path).unwrap();
    file.append(data).unwrap();
    file.synchronize().unwrap();
    drop(file);
    let read = |disk: &SimulatedDisk| {
        let mut records = 0_usize;
        let opened = Journal::open(Arc::new(disk.clone()), directory, options.clone(), |_, _| records += 1);
        opened.map(|(journal, _)| drop(journal)).ok().map(|()| records)
    };
    // What was read once is read again, without what was cut off.
    if let Some(records) = read(&disk) {
        assert_eq!(read(&disk), Some(records));
    }
}

/// Any text is a configuration, or its faults are named by line.
pub(crate) fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(errors) = Config::parse(&text, Path::new("/etc/franking/franking.toml")) {
        assert!(!errors.to_string().is_empty());
    }
}

/// Any document is planned or refused, and what was planned can be carried out.
pub(crate) fn directory(data: &[u8]) {
    let Ok(document) = toml::from_str::<Document>(&String::from_utf8_lossy(data)) else { return };
    let clear = |text: &str, _: &Account| Ok(franking::model::directory::PasswordHash::from_phc(text));
    let plan = document.plan(&Snapshot::default(), &clear);
    let planned = Snapshot::default().apply(&plan.changes);
    assert!(planned.is_ok(), "{planned:?}");
}

/// The fields are the header, octet for octet, and whatever is in them is read in bounded time.
pub(crate) fn header(data: &[u8]) {
    let fields = header::fields(data);
    let together: Vec<u8> = fields.iter().flat_map(|field| field.raw).copied().collect();
    assert_eq!(together, data);
    for field in fields {
        assert!(!field.text().contains(['\r', '\n']));
        let _ = (field.first_word(), field.addressees(), field.resembles("From"), header::elements(field.value));
        if let Mailboxes::List(list) = header::mailboxes(field.value) {
            assert!(!list.is_empty());
        }
    }
}

/// A session for which everything succeeds, and what its client saw.
struct Stage {
    session: Session,
    snapshot: Snapshot,
    said: Vec<u8>,
    messages: usize,
}

impl Stage {
    fn new(role: Role) -> Self {
        let facts =
            TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), sni: None, client: None };
        let options = SessionOptions {
            role,
            hostname: "mx.contoso.example".into(),
            session_id: "08DE4C0000000001".into(),
            peer: "192.0.2.7".parse().unwrap(),
            peer_name: None,
            tls: if role == Role::Inbound { TlsState::Offered } else { TlsState::Active(facts) },
            auth_without_tls: false,
            emulate_exchange_online: false,
            scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
            settings: Arc::new(Settings { message_bytes_max: 2_000, ..Settings::default() }),
            limits: Limits { header_bytes_max: 500, ..Limits::default() },
        };
        let session = Session::new(options, Timestamp::EPOCH);
        let snapshot = Snapshot::default();
        let mut stage = Self { session, snapshot, said: Vec::new(), messages: 0 };
        stage.drain();
        stage
    }

    fn hear(&mut self, octets: &[u8]) {
        if self.session.waits() == Waiting::Bytes {
            self.tell(Input::Received(octets));
        }
        self.drain();
        assert!(self.session.held() < 64 * 1_024 + octets.len(), "{} octets are held", self.session.held());
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(Timestamp::EPOCH, &self.snapshot, &Uncounted, input);
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(octets) => {
                    for line in octets.split_inclusive(|octet| *octet == b'\n') {
                        assert!(line.len() <= 512 && line.ends_with(b"\r\n"), "{:?}", String::from_utf8_lossy(line));
                        assert!(line[..line.len() - 2].iter().all(|octet| (b' '..=b'~').contains(octet)));
                    }
                    self.said.extend(octets);
                }
                Action::CheckCredentials(_) => {
                    self.tell(Input::CredentialsJudged(Verdict::Judged(Evidence::Right(Proof::Password))));
                }
                Action::Commit(submission) => {
                    assert!(!submission.envelope.permits().is_empty());
                    self.messages += 1;
                    self.tell(Input::Committed(Ok(QueuedAs { queue_id: "1".to_owned() })));
                }
                // Nobody here speaks TLS.
                Action::StartTls
                | Action::Body(_)
                | Action::DiscardBody
                | Action::Delay(_)
                | Action::Misbehave(_)
                | Action::Close
                | Action::NoteRefusedRecipients(_) => {}
            }
        }
    }
}
