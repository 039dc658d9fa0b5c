//! What a session does with a whole message, and with recipients that nobody has.

use std::hint::black_box;
use std::sync::Arc;

use franking::model::directory::Snapshot;
use franking::model::mail::Timestamp;
use franking::model::policy::scram::ScramSecrets;
use franking::model::policy::{Settings, Uncounted};
use franking::model::smtp::{Action, Input, Limits, QueuedAs, Role, Session, SessionOptions, TlsState};

use super::organisation::directory;
use super::steps::{RECIPIENTS, message};

struct Stage {
    session: Session,
    snapshot: Snapshot,
    messages: u64,
    sent_bytes: usize,
}

impl Stage {
    fn new() -> Self {
        let options = SessionOptions {
            role: Role::Inbound,
            hostname: "mx.contoso.example".into(),
            session_id: "08DE4C0000000001".into(),
            peer: core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7)),
            peer_name: None,
            tls: TlsState::Unavailable,
            auth_without_tls: false,
            emulate_exchange_online: false,
            scram: ScramSecrets { salts: [1; 32], nonces: [2; 32] },
            settings: Arc::new(Settings::default()),
            limits: Limits {
                commands_max: u32::MAX,
                errors_max: u32::MAX,
                refused_recipients_max: u32::MAX,
                ..Limits::default()
            },
        };
        let session = Session::new(options, Timestamp::EPOCH);
        let mut stage = Self { session, snapshot: directory(RECIPIENTS), messages: 0, sent_bytes: 0 };
        stage.hear(b"EHLO mail.fabrikam.example\r\n");
        stage
    }

    fn hear(&mut self, octets: &[u8]) {
        self.tell(Input::Received(octets));
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(octets) => self.sent_bytes += octets.len(),
                Action::Commit(submission) => {
                    black_box(submission);
                    self.messages += 1;
                    self.tell(Input::Committed(Ok(QueuedAs { queue_id: "1".to_owned() })));
                }
                other => drop(black_box(other)),
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(Timestamp::EPOCH, &self.snapshot, &Uncounted, input);
    }
}

/// As most clients send it: each command for itself, then the content.
pub(super) fn whole_messages(times: u64) {
    let (mut stage, message) = (Stage::new(), message());
    for _ in 0..times {
        for command in
            [&b"MAIL FROM:<eve@fabrikam.example>\r\n"[..], b"RCPT TO:<user7@contoso.example>\r\n", b"DATA\r\n"]
        {
            stage.hear(command);
        }
        stage.hear(&message);
    }
    assert_eq!(stage.messages, times);
}

/// Ten recipients in one piece, none of whom is there.
pub(super) fn refused_recipients(times: u64) {
    let mut stage = Stage::new();
    let recipients: String = (0..10).map(|number| format!("RCPT TO:<nobody{number}@contoso.example>\r\n")).collect();
    for _ in 0..times {
        stage.hear(b"MAIL FROM:<eve@fabrikam.example>\r\n");
        stage.hear(recipients.as_bytes());
        stage.hear(b"RSET\r\n");
    }
    assert!(stage.sent_bytes as u64 > times * 10 * 20);
}
