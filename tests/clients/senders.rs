//! What hands mail in from scripts and applications besides swaks and Python: curl, msmtp and nodemailer. Each signs in by
//! its own means, sends, and shows its user the reply when it may not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::{Outcome, run};
use crate::support::server::Server;
use crate::support::{Place, parts};

/// Where Debian's package has nodemailer.
const NODE_MODULES: &str = "/usr/share/nodejs";

fn message(from: &str, to: &str, subject: &str) -> String {
    format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nx\r\n.y\r\n")
}

/// How each client signs in.
const MECHANISMS: [&str; 2] = ["PLAIN", "LOGIN"];

#[test]
fn curl_submits_by_starttls_and_by_implicit_tls() {
    let Some(curl) = parts::find("curl") else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let send = |url: &str, mechanism: &str, local: &str, from: &str, subject: &str| -> Outcome {
        let file = place.file("message.eml", message(from, "bob@contoso.example", subject));
        let mut command = Command::new(&curl);
        command.args(["--silent", "--show-error", "--verbose", "--ssl-reqd", "--max-time", "60", "--url", url]);
        command.arg("--cacert").arg(server.authority()).args(["--login-options", &format!("AUTH={mechanism}")]);
        command.args(["--user", &format!("{local}@contoso.example:demo-{local}"), "--mail-from", from]);
        run(command.args(["--mail-rcpt", "bob@contoso.example", "--upload-file"]).arg(file), "")
    };
    let urls = [
        format!("smtp://localhost:{}/application", server.submission().port()),
        format!("smtps://localhost:{}/application", server.submissions().port()),
    ];
    for (number, url) in urls.iter().enumerate() {
        for mechanism in MECHANISMS {
            let subject = format!("curl-{number}-{mechanism}-end");
            let outcome = send(url, mechanism, "alice", "alice@contoso.example", &subject);
            assert!(outcome.status.success(), "{url} {mechanism}: {}", outcome.text);
            assert!(server.mailbox("bob").wait_for(&subject).contains("\n.y"), "{subject}");
        }
    }
    let refused = [
        ("scanner", "scanner@contoso.example", "< 550 5.2.1 Mailbox cannot be accessed"),
        ("quiet", "quiet@contoso.example", "< 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication"),
        ("bob", "info@contoso.example", "< 554 5.2.252 SendAsDenied"),
    ];
    for (local, from, expected) in refused {
        let outcome = send(&urls[0], "LOGIN", local, from, "in-vain");
        assert!(!outcome.status.success() && outcome.text.contains(expected), "{local}: {}", outcome.text);
    }
    server.stop();
}

#[test]
fn msmtp_submits_and_shows_why_not() {
    let Some(msmtp) = parts::find("msmtp") else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let send = |starttls: bool, mechanism: &str, local: &str, from: &str, subject: &str| -> Outcome {
        let (port, word) =
            if starttls { (server.submission().port(), "on") } else { (server.submissions().port(), "off") };
        let config = place.file(
            "msmtprc",
            format!(
                "account default\nhost localhost\nport {port}\ntls on\ntls_starttls {word}\ntls_trust_file {}\n\
                 auth {}\nuser {local}@contoso.example\npassword demo-{local}\nfrom {from}\n",
                server.authority().display(),
                mechanism.to_lowercase(),
            ),
        );
        // It takes no passwords from files that others may read.
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(&msmtp);
        command.arg("-C").arg(config).arg("bob@contoso.example");
        run(&mut command, &message(from, "bob@contoso.example", subject))
    };
    for starttls in [true, false] {
        for mechanism in MECHANISMS {
            let subject = format!("msmtp-{starttls}-{mechanism}-end");
            let outcome = send(starttls, mechanism, "alice", "alice@contoso.example", &subject);
            assert!(outcome.status.success(), "{starttls} {mechanism}: {}", outcome.text);
            server.mailbox("bob").wait_for(&subject);
        }
    }
    let refused = [
        ("scanner", "scanner@contoso.example", "550 5.2.1 Mailbox cannot be accessed"),
        ("quiet", "quiet@contoso.example", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication"),
        ("bob", "info@contoso.example", "554 5.2.252 SendAsDenied"),
    ];
    for (local, from, expected) in refused {
        let outcome = send(true, "LOGIN", local, from, "in-vain");
        assert!(!outcome.status.success() && outcome.text.contains(expected), "{local}: {}", outcome.text);
    }
    server.stop();
}

#[test]
fn nodemailer_submits_and_tells_its_application_why_not() {
    let Some(node) = parts::find("node") else { return };
    let Some(_) = parts::find_file(&Path::new(NODE_MODULES).join("nodemailer/package.json")) else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let order = |local: &str, from: &str, implicit: bool, method: &str, subject: &str| {
        json!({
            "login": format!("{local}@contoso.example"), "password": format!("demo-{local}"), "from": from,
            "to": "bob@contoso.example", "implicit": implicit, "method": method, "subject": subject,
        })
    };
    let alice = "alice@contoso.example";
    let orders: Value = [
        order("alice", alice, false, "PLAIN", "nodemailer-0-end"),
        order("alice", alice, false, "LOGIN", "nodemailer-1-end"),
        order("alice", alice, true, "PLAIN", "nodemailer-2-end"),
        order("scanner", "scanner@contoso.example", false, "LOGIN", "in-vain"),
        order("quiet", "quiet@contoso.example", false, "PLAIN", "in-vain"),
        order("bob", "info@contoso.example", false, "PLAIN", "in-vain"),
    ]
    .into_iter()
    .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/nodemailer.js");
    let mut command = Command::new(node);
    command.env("NODE_PATH", NODE_MODULES).arg(script).arg(server.submission().port().to_string());
    command.arg(server.submissions().port().to_string()).arg(server.authority());
    let outcome = run(&mut command, &orders.to_string());
    assert!(outcome.status.success(), "{}", outcome.text);
    let answers: Vec<String> =
        serde_json::from_str(&outcome.text).unwrap_or_else(|error| panic!("{error}: {}", outcome.text));
    let expected = [
        "accepted",
        "accepted",
        "accepted",
        "EAUTH AUTH LOGIN: 550 5.2.1 Mailbox cannot be accessed",
        "EAUTH AUTH PLAIN: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
        "EMESSAGE DATA: 554 5.2.252 SendAsDenied; bob@contoso.example not allowed to send as info@contoso.example",
    ];
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.starts_with(expected), "{answer}, not {expected}");
    }
    for number in 0..3 {
        server.mailbox("bob").wait_for(&format!("nodemailer-{number}-end"));
    }
    server.stop();
}
