//! How a server for tests begins and ends, and that no other obeys a script.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Double;
use crate::support::process::{Running, run};
use crate::support::server::PROGRAM;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, free_port, wait_for};

#[test]
fn a_server_in_service_obeys_no_script() {
    let place = Place::new();
    let script = place.file("faults.toml", "[[fault]]\nstep = \"mail\"\ndrop = \"close\"\n");
    let outcome = run(Command::new(PROGRAM).arg("serve").arg("--faults").arg(&script), "");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.text.contains("--faults is for servers for tests"), "{}", outcome.text);
    assert!(outcome.text.contains("franking serve --ephemeral"), "{}", outcome.text);
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    for arguments in [
        &["faults", "set", script.to_str().unwrap()][..],
        &["faults", "add", "step=mail", "drop=close"],
        &["faults", "list"],
        &["faults", "clear"],
        &["faults", "log"],
        &["captured", "list"],
        &["captured", "wait", "--timeout", "0"],
    ] {
        let (done, text) = site.franking(arguments);
        assert!(!done && text.contains("This server is in service"), "{arguments:?}: {text}");
    }
    Client::connect(server.inbound())
        .unwrap()
        .send("eve@fabrikam.example", &["bob@contoso.example"], "x: y\r\n")
        .unwrap();
    server.stop();
    let (done, text) = site.franking(&["faults", "add", "step=mail", "drop=close"]);
    assert!(!done && text.contains("No server for tests answers"), "{text}");
}

#[test]
fn it_ends_with_standard_input_and_leaves_nothing() {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--ephemeral", "--json", "--until-stdin-closes"]);
    let mut server = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut line = String::new();
    BufReader::new(server.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let path = |key: &str| PathBuf::from(ready[key].as_str().unwrap());
    let listeners = ready["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 3);
    assert!(listeners.iter().all(|own| own["address"].as_str().unwrap().starts_with("127.0.0.1:")), "{ready}");
    assert!(path("socket").exists() && path("authority").exists());
    drop(server.child().stdin.take());
    let status = wait_for("its end", || server.ended());
    assert!(status.success(), "{status}");
    assert!(!path("data").exists() && !path("authority").exists());
}

#[test]
fn what_would_be_reachable_or_kept_is_refused() {
    let place = Place::new();
    let config =
        place.file("far.toml", format!("[[listener]]\naddress = \"0.0.0.0:{}\"\nrole = \"inbound\"\n", free_port()));
    let refused = |arguments: &[&str], expected: &str| {
        let outcome = run(Command::new(PROGRAM).args(arguments), "");
        assert!(!outcome.status.success() && outcome.text.contains(expected), "{arguments:?}: {}", outcome.text);
    };
    refused(&["serve", "--ephemeral", "--config", config.to_str().unwrap()], "is no loopback address");
    refused(&["serve", "--ephemeral", "--data", "/nowhere"], "An ephemeral server keeps nothing");
    let wrong = place.file("faults.toml", "[[fault]]\nstep = \"rcpt\"\nreply = \"250 yes\"\n");
    let problem = format!("{}:3: fault[1].reply: the reply is no refusal", wrong.display());
    refused(&["serve", "--ephemeral", "--faults", wrong.to_str().unwrap()], &problem);
    let nobody = place.file("organisation.toml", "[[recipient]]\naddress = 1\n");
    refused(&["serve", "--ephemeral", "--directory", nobody.to_str().unwrap()], "organisation.toml cannot be imported");
}

#[test]
fn it_serves_the_organisation_and_the_script_that_it_is_given() {
    let place = Place::new();
    let organisation = place.file(
        "organisation.toml",
        "[[domain]]\ndomain = \"shop.example\"\ndefault = true\n\
         [[recipient]]\naddress = \"till@shop.example\"\ntype = \"UserMailbox\"\n\
         licences = [\"ExchangeOnlinePlan1\"]\n",
    );
    let faults = place.file("faults.toml", "[[fault]]\nname = \"once\"\nrefuse = \"ServerBusy\"\ntimes = 1\n");
    let server = crate::support::server::Server::ephemeral(
        &place,
        &["--directory", organisation.to_str().unwrap(), "--faults", faults.to_str().unwrap()],
    );
    let mut client = Client::connect(server.inbound()).unwrap();
    let first = client.send("eve@fabrikam.example", &["till@shop.example"], "Subject: one\r\n").unwrap_err();
    assert!(
        first.to_string().starts_with("451 4.7.500 Server busy. Please try again later from [127.0.0.1]."),
        "{first}"
    );
    client.command("RSET", '2').unwrap();
    client.send("eve@fabrikam.example", &["till@shop.example"], "Subject: one\r\n").unwrap();
    server.stop();
}

#[test]
fn what_came_in_can_be_listed_awaited_shown_and_forgotten() {
    let place = Place::new();
    let double = Double::start(&place);
    let outcome = double.try_to(&["captured", "wait", "--timeout", "0"]);
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.text);
    let mut waiting = Command::new(PROGRAM);
    waiting.arg("--socket").arg(&double.socket).args(["--json", "captured", "wait", "--count", "2", "--timeout", "30"]);
    let mut waiting = Running::start(waiting.stdout(Stdio::piped()));
    let mut client = Client::connect(double.server.inbound()).unwrap();
    let long = "x".repeat(70).repeat(3);
    for (number, recipient) in ["bob@contoso.example", "carol@contoso.example"].iter().enumerate() {
        let content = format!("From: eve@fabrikam.example\r\nSubject: message {number}\r\n\r\n{long}\r\n");
        client.send("eve@fabrikam.example", &[recipient], &content).unwrap();
    }
    let status = wait_for("both messages", || waiting.ended());
    let mut text = String::new();
    waiting.child().stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(status.success(), "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found["total"], &found["messages"][1]["number"]), (&2.into(), &2.into()), "{text}");
    let to_bob = double.ask(&["captured", "list", "--recipient", "bob@*"]);
    assert_eq!(to_bob["total"], 1);
    let message = &to_bob["messages"][0];
    assert_eq!(
        (&message["sender"], &message["recipients"][0]),
        (&"eve@fabrikam.example".into(), &"bob@contoso.example".into())
    );
    assert!(message["headers"].as_array().unwrap().contains(&serde_json::json!(["Subject", "message 0"])), "{message}");
    let shown = double.ask(&["captured", "show", "2"]);
    assert!(shown["content"].as_str().unwrap().ends_with(&format!("{long}\r\n")), "{shown}");
    assert_eq!(shown["truncated"], false);
    double.ask(&["captured", "clear"]);
    assert_eq!(double.ask(&["captured", "list"])["total"], 0);
    assert_eq!(double.try_to(&["captured", "show", "2"]).status.code(), Some(3));
    double.server.stop();
}

#[test]
fn rules_are_added_listed_counted_and_taken_away_while_it_runs() {
    let place = Place::new();
    let double = Double::start(&place);
    double.ask(&[
        "faults",
        "add",
        "name=busy",
        "step=rcpt",
        "reply=451 4.7.500 Server busy",
        "times=2",
        "recipient=bob@*",
    ]);
    double.ask(&["faults", "add", "hide=PIPELINING"]);
    let wrong = double.try_to(&["faults", "add", "step=rcpt", "reply=250 fine"]);
    assert!(!wrong.status.success() && wrong.text.contains("a fault never says yes"), "{}", wrong.text);
    let mut client = Client::connect(double.server.inbound()).unwrap();
    client.command("MAIL FROM:<eve@fabrikam.example>", '2').unwrap();
    for _ in 0..2 {
        let said = client.command("RCPT TO:<bob@contoso.example>", '2').unwrap_err().to_string();
        assert_eq!(said, "451 4.7.500 Server busy\r\n");
    }
    client.command("RCPT TO:<bob@contoso.example>", '2').unwrap();
    let listed = double.ask(&["faults", "list"]);
    let [busy, hidden] = &listed["rules"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(
        (&busy["matched"], &busy["struck"], &busy["exhausted"]),
        (&3.into(), &2.into(), &true.into()),
        "{listed}"
    );
    assert_eq!((&hidden["step"], &hidden["struck"]), (&"ehlo".into(), &1.into()));
    let log = double.ask(&["faults", "log", "--after", "1"]);
    assert_eq!(log["total"], 3);
    let strikes = log["strikes"].as_array().unwrap();
    assert!(strikes.iter().all(|struck| struck["recipients"][0] == "bob@contoso.example"), "{log}");
    double.ask(&["faults", "clear", "busy"]);
    assert_eq!(double.try_to(&["faults", "clear", "busy"]).status.code(), Some(3));
    double.ask(&["faults", "clear"]);
    assert_eq!(double.ask(&["faults", "list"])["rules"], serde_json::json!([]));
    double.server.stop();
}
