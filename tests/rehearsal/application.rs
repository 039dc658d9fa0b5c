//! An application that reacts to faults, here with Python's mail library: what it tries again, and what it gives up.

use std::path::Path;
use std::process::Command;

use super::Double;
use crate::support::process::run;
use crate::support::{Place, parts, wait_for};

/// What each attempt of the application came to.
fn attempts(python: &Path, double: &Double, login: &str, from: &str, to: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/retrying.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(["localhost", &double.server.submission().port().to_string()]);
    command.arg(double.server.authority()).args([&format!("{login}@contoso.example"), &format!("demo-{login}")]);
    let outcome = run(command.args([from, to, "3"]), "");
    assert!(outcome.status.success(), "{}", outcome.text);
    serde_json::from_str(&outcome.text).unwrap_or_else(|error| panic!("{error}: {}", outcome.text))
}

#[test]
fn an_application_tries_again_what_may_pass_and_gives_up_what_will_not() {
    let Some(python) = parts::find("python3") else { return };
    let place = Place::new();
    let double = Double::start(&place);
    let scenarios: [(&[&str], &[&str]); 15] = [
        // Throttled, then let through.
        (
            &["refuse=ConcurrentSessionsExceeded", "times=2"],
            &["432 4.3.2 Concurrent", "432 4.3.2 Concurrent", "accepted"],
        ),
        (&["refuse=SenderThreadLimit", "times=1"], &["432 4.3.2 STOREDRV.ClientSubmit; sender thread", "accepted"]),
        (&["refuse=ServiceNotActive", "times=1", "listener=submission"], &["421 4.3.2 Service not active", "accepted"]),
        (&["refuse=ServerBusy", "recipient=*@fabrikam.example", "times=1"], &["451 4.7.500 Server busy", "accepted"]),
        // For good.
        (&["refuse=SendAsDenied"], &["554 5.2.252 SendAsDenied; alice@contoso.example not allowed"]),
        (&["refuse=SmtpAuthDisabledForTenant"], &["535 5.7.139 Authentication unsuccessful, SmtpClient"]),
        (&["refuse=TokenExpired", "login=alice@*"], &["535 5.7.3 Authentication unsuccessful"]),
        (&["refuse=BadOutboundSender"], &["550 5.1.8 Access denied, bad outbound sender"]),
        // The network.
        (&["step=mail", "drop=close", "times=1"], &["disconnected", "accepted"]),
        (&["step=connect", "drop=reset", "times=1"], &["disconnected", "accepted"]),
        (&["step=content", "octets=20", "drop=reset", "times=1"], &["disconnected", "accepted"]),
        (&["step=rcpt", "stall_seconds=20", "times=1"], &["timeout", "accepted"]),
        (&["step=ehlo", "trickle_milliseconds=2", "delay_milliseconds=20"], &["accepted"]),
        (&["tls=alert", "times=1"], &["tls: "]),
        (&["tls=expired"], &["certificate: certificate has expired"]),
    ];
    for (rule, expected) in scenarios {
        double.only(rule);
        let told = attempts(&python, &double, "alice", "alice@contoso.example", "partner@fabrikam.example");
        let fits = told.len() == expected.len()
            && told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected));
        assert!(fits, "{rule:?}: {told:?}, not {expected:?}");
    }
    double.only(&["tls=wrong-name"]);
    let told = attempts(&python, &double, "alice", "alice@contoso.example", "partner@fabrikam.example");
    assert!(told[0].starts_with("certificate: Hostname mismatch"), "{told:?}");
    double.only(&["tls=unknown-authority"]);
    let told = attempts(&python, &double, "alice", "alice@contoso.example", "partner@fabrikam.example");
    assert!(told[0].starts_with("certificate: ") && !told[0].contains("expired"), "{told:?}");
    double.server.stop();
}

#[test]
fn a_message_whose_250_was_lost_comes_twice_and_one_that_cannot_be_delivered_comes_back() {
    let Some(python) = parts::find("python3") else { return };
    let place = Place::new();
    let double = Double::start(&place);
    double.only(&["step=accepted", "drop=reset", "times=1"]);
    let told = attempts(&python, &double, "alice", "alice@contoso.example", "bob@contoso.example");
    assert_eq!(told, ["disconnected", "accepted"]);
    let found = double.ask(&["captured", "list", "--recipient", "bob@contoso.example"]);
    assert_eq!(found["total"], 2, "a library that sends again sends twice: {found}");
    // Accepted, and reported to the sender afterwards.
    double.only(&["refuse=RecipientMailboxFull", "recipient=bob@contoso.example"]);
    let told = attempts(&python, &double, "alice", "alice@contoso.example", "bob@contoso.example");
    assert_eq!(told, ["accepted"]);
    assert!(double.server.mailbox("alice").wait_for("Action: failed").contains("5.2.2"));
    // Late: in the mailbox after a while.
    double.only(&["step=delivery", "delay_milliseconds=300"]);
    let before = double.server.mailbox("bob").messages().len();
    attempts(&python, &double, "alice", "alice@contoso.example", "bob@contoso.example");
    wait_for("the late message", || (double.server.mailbox("bob").messages().len() > before).then_some(()));
    // Forgotten: acknowledged, and in no mailbox.
    double.ask(&["captured", "clear"]);
    double.only(&["discard=true"]);
    let told = attempts(&python, &double, "alice", "alice@contoso.example", "bob@contoso.example");
    assert_eq!(told, ["accepted"]);
    assert_eq!(double.ask(&["captured", "list"])["total"], 0);
    double.server.stop();
}
