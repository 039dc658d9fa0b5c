//! An application that sends through a mail library, here Python's: what it runs into in each visible scenario.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::run;
use crate::support::server::Server;
use crate::support::{Place, parts};

/// Who signs in (nobody: a stranger's server), the author, whom it goes to, and what the library says of it.
struct Scenario {
    login: &'static str,
    from: &'static str,
    to: &'static [&'static str],
    said: &'static [&'static str],
}

const fn scenario(
    login: &'static str,
    from: &'static str,
    to: &'static [&'static str],
    said: &'static [&'static str],
) -> Scenario {
    Scenario { login, from, to, said }
}

const BOB: &[&str] = &["bob@contoso.example"];

const SCENARIOS: [Scenario; 15] = [
    scenario("alice", "alice@contoso.example", BOB, &["accepted"]),
    // Every mail app is off, and it submits all the same.
    scenario("kiosk", "kiosk@contoso.example", BOB, &["accepted"]),
    // Credentials without a mailbox.
    scenario("scanner", "scanner@contoso.example", BOB, &["SMTPAuthenticationError", "550 5.2.1 Mailbox cannot be"]),
    scenario("dora", "dora@contoso.example", BOB, &["SMTPAuthenticationError", "550 5.2.1 Mailbox cannot be"]),
    scenario("quiet", "quiet@contoso.example", BOB, &["SMTPAuthenticationError", "535 5.7.139 Authentication"]),
    scenario("info", "info@contoso.example", BOB, &["SMTPAuthenticationError", "535 5.7.3 Authentication"]),
    // Send as, and on behalf.
    scenario("alice", "info@contoso.example", BOB, &["accepted"]),
    scenario("alice", "sales@contoso.example", BOB, &["accepted"]),
    scenario("bob", "info@contoso.example", BOB, &["SMTPDataError", "554 5.2.252 SendAsDenied; bob@contoso.example"]),
    scenario("alice", "alice@contoso.example", &["staff@contoso.example"], &["accepted"]),
    // Accepted, and reported.
    scenario("alice", "alice@contoso.example", &["nobody@contoso.example"], &["accepted"]),
    scenario("", "eve@fabrikam.example", BOB, &["accepted"]),
    scenario("", "eve@fabrikam.example", &["nobody@contoso.example"], &["SMTPRecipientsRefused", "550 5.4.1 "]),
    scenario("", "eve@fabrikam.example", &["staff@contoso.example"], &["SMTPRecipientsRefused", "550 5.7.133 "]),
    scenario("", "eve@fabrikam.example", &["eve@elsewhere.example"], &["SMTPRecipientsRefused", "550 5.7.64 "]),
];

/// What the library says of each message.
fn said(python: &Path, server: &Server, orders: &Value) -> Vec<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/application.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(server.submission().port().to_string()).arg(server.inbound().port().to_string());
    let outcome = run(command.arg(server.authority()), &orders.to_string());
    assert!(outcome.status.success(), "{}", outcome.text);
    serde_json::from_str(&outcome.text).unwrap_or_else(|error| panic!("{error}: {}", outcome.text))
}

fn token(number: usize) -> String {
    format!("scenario-{number}-end")
}

#[test]
fn an_application_runs_into_what_exchange_would_tell_it() {
    let Some(python) = parts::find("python3") else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let orders = SCENARIOS.iter().enumerate().map(|(number, Scenario { login, from, to, .. })| {
        json!({
            "login": if login.is_empty() { String::new() } else { format!("{login}@contoso.example") },
            "password": format!("demo-{login}"),
            "reverse_path": from,
            "to": to,
            "fields": [["From", from], ["To", to.join(", ")], ["Subject", token(number)]],
        })
    });
    let answers = said(&python, &server, &orders.collect());
    assert_eq!(answers.len(), SCENARIOS.len());
    for (number, (scenario, answer)) in SCENARIOS.iter().zip(&answers).enumerate() {
        let fits = answer.len() == scenario.said.len()
            && answer.iter().zip(scenario.said).all(|(said, expected)| said.starts_with(expected));
        assert!(fits, "scenario {number}: {answer:?}, not {:?}", scenario.said);
    }
    let accepted = |number: &usize| SCENARIOS[*number].said == ["accepted"];
    let to_bob = |number: &usize| SCENARIOS[*number].to == BOB;
    for number in (0..SCENARIOS.len()).filter(accepted).filter(to_bob) {
        let stored = server.mailbox("bob").wait_for(&token(number));
        assert!(stored.header("From").concat().contains(SCENARIOS[number].from), "{}", stored.text());
    }
    let on_behalf = server.mailbox("bob").wait_for(&token(7));
    assert!(on_behalf.header("Sender").concat().contains("alice@contoso.example"), "{}", on_behalf.text());
    let as_info = server.mailbox("bob").wait_for(&token(6));
    assert!(as_info.header("Sender").is_empty(), "{}", as_info.text());
    server.mailbox("bob").wait_for(&token(9));
    assert!(server.mailbox("alice").wait_for("Action: failed").contains("nobody@contoso.example"));
    let refused = (0..SCENARIOS.len()).filter(|number| !accepted(number)).map(token);
    let bobs = server.mailbox("bob").messages();
    refused.for_each(|token| assert!(!bobs.iter().any(|message| message.contains(&token)), "{token} came through"));
    server.stop();
}
