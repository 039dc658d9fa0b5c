//! The queue in an operator's hands: held, moved, suspended, removed on the command line, across `kill -9`.

use std::process::Command;

use serde_json::Value;

use super::relay::{Relaying, Sink};
use crate::support::process::run;
use crate::support::server::{PROGRAM, Server};
use crate::support::smtp::Client;
use crate::support::{Place, free_port, parts, wait_for};

fn franking(relaying: &Relaying, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(&relaying.config).args(arguments);
    let outcome = run(&mut command, "");
    (outcome.status.success(), outcome.text)
}

fn json(relaying: &Relaying, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (_, text) = franking(relaying, &arguments);
    let start = text.find('{').unwrap_or_else(|| panic!("{text}"));
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
    values.next().expect("an answer").unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sends a message that leaves again: `partner` is a contact outside.
fn send(server: &Server, token: &str) {
    let mut client = Client::connect(server.inbound()).unwrap();
    let content = format!("From: eve@fabrikam.example\r\nSubject: {token}\r\n\r\n{token}\r\n");
    client.send("eve@fabrikam.example", &["partner@contoso.example"], &content).unwrap();
}

#[test]
fn mail_for_a_host_that_is_away_is_steered_on_the_command_line() {
    if parts::find("smtp-sink").is_none() {
        return;
    }
    let place = Place::new();
    let relaying = Relaying::set_up(&place, free_port(), "none");
    let server = relaying.start(&place);
    send(&server, "first");
    let waiting = wait_for("the refused connection in the list", || {
        let list = json(&relaying, &["queue", "list", "--destination", "fabrikam.example"]);
        let message = list["messages"].get(0)?.clone();
        message["last_answer"].as_str()?.contains("onnect").then_some(message)
    });
    let id = waiting["id"].as_str().unwrap();
    let destinations = json(&relaying, &["queue", "destinations"]);
    assert_eq!(destinations["destinations"][0]["name"], "fabrikam.example", "{destinations}");
    assert_eq!(destinations["destinations"][0]["state"], "retry", "{destinations}");

    let held = json(&relaying, &["queue", "hold", id]);
    assert_eq!((&held["messages"], &held["recipients"]), (&Value::from(1), &Value::from(1)), "{held}");
    server.kill();
    // The queue of a server that does not run can be looked at as well.
    let show = json(&relaying, &["queue", "show", id]);
    assert_eq!(show["recipients"][0]["state"], "held", "{show}");
    let server = relaying.start(&place);
    let suspend = ["queue", "suspend", "--destination", "fabrikam.example", "--reason", "they asked"];
    assert!(franking(&relaying, &suspend).0);
    send(&server, "second");
    let list = |arguments: &[&str]| json(&relaying, &[&["queue", "list"], arguments].concat())["total"].as_u64();
    wait_for("both in the list", || (list(&["--destination", "fabrikam.example"]) == Some(2)).then_some(()));
    server.kill();

    let server = relaying.start(&place);
    let destinations = json(&relaying, &["queue", "destinations"]);
    assert_eq!(destinations["destinations"][0]["state"], "suspended", "{destinations}");
    assert_eq!(destinations["destinations"][0]["reason"], "they asked", "{destinations}");
    assert_eq!((list(&["--state", "held"]), list(&["--state", "due"])), (Some(1), Some(1)));
    let Some(sink) = Sink::start(&place) else { return };
    let to = format!("127.0.0.1:{}", sink.port);
    let dry = json(&relaying, &["queue", "move", "--all", "--to", &to, "--dry-run"]);
    assert_eq!(dry["recipients"], 2, "{dry}");
    let moved = json(&relaying, &["queue", "move", "--state", "due", "--to", &to]);
    assert_eq!(moved["recipients"], 1, "{moved}");
    sink.wait_for("second");
    wait_for("its end", || (list(&[]) == Some(1)).then_some(()));

    let (removed, text) = franking(&relaying, &["queue", "remove", "--sender", "@fabrikam.example", "--silently"]);
    assert!(removed && text.contains("1 recipient of 1 message is removed. Nobody is told."), "{text}");
    assert_eq!(list(&[]), Some(0));
    assert!(franking(&relaying, &["queue", "resume", "--destination", "fabrikam.example"]).0);
    let (resumed, text) = franking(&relaying, &["queue", "resume", "--destination", "fabrikam.example"]);
    assert!(!resumed && text.contains("franking queue destinations"), "{text}");
    server.stop();
}
