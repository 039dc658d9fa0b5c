//! Connectors of the whole product, with a mail library as the device: log, trace, explanation, check, and reload.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::certificates::Authority;
use crate::support::process::run;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, parts};

const ALICE: &str = "alice@contoso.example";
const OUTSIDE: &str = "x@adatum.example";

/// What goes outside stays in the queue: nobody listens there.
const ROUTE: &str = "[[route]]\ndomains = [\"*\"]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n";

struct Device {
    python: PathBuf,
    port: u16,
}

impl Device {
    /// What it is told, from this address, with this certificate, over TLS or not.
    fn send(&self, (source, identity, tls): (&str, &str, bool), from: &str, to: &str) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relaying/device.py");
        let port = self.port.to_string();
        let tls = if tls { "tls" } else { "plain" };
        let mut command = Command::new(&self.python);
        let outcome = run(command.arg(script).args([&*port, source, identity, tls, from, to]), "");
        assert!(outcome.status.success(), "{}", outcome.text);
        outcome.text.lines().map(str::to_owned).collect()
    }
}

/// The last of the replies, which must begin like this.
#[track_caller]
fn ends(replies: &[String], start: &str) {
    assert!(replies.last().is_some_and(|last| last.starts_with(start)), "{start}: {replies:?}");
}

#[test]
fn a_device_is_known_by_its_certificate_then_by_its_network_and_everybody_says_so() {
    let Some(python) = parts::find("python3") else { return };
    let place = Place::new();
    let authority = Authority::new();
    place.file("devices-ca.pem", authority.pem());
    let (_, certificate, key) = authority.sign(&["p7.devices.contoso.example"], 2090);
    let identity = place.file("p7.pem", format!("{certificate}{key}"));
    let identity = identity.to_str().unwrap();
    let connector = "[[connector]]\nname = \"devices\"\ncertificates = [\"*.devices.contoso.example\"]\n\
                     authorities = \"devices-ca.pem\"\nrecipients = \"anyone\"\n";
    let site = Site::set_up(&place, &[], &format!("{ROUTE}{connector}"));
    let server = site.start(&place);
    let device = Device { python, port: site.inbound().port() };
    ends(&device.send(("127.0.0.5", identity, true), ALICE, OUTSIDE), "250 2.6.0 ");
    ends(&device.send(("127.0.0.5", "-", true), ALICE, OUTSIDE), "550 5.7.64 ");
    ends(&device.send(("127.0.0.5", "-", false), ALICE, OUTSIDE), "550 5.7.64 ");

    let log = server.log();
    let named =
        |message: &str| log.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{log:#?}"));
    assert_eq!(named("message accepted")["connector"], "devices");
    assert_eq!(named("the client showed a certificate")["names"], "p7.devices.contoso.example");
    let trace = site.json(&["trace", "--sender", ALICE, "--since", "1h"]);
    let id = trace["lines"][0]["id"].as_str().unwrap_or_else(|| panic!("{trace}")).to_owned();
    let (_, shown) = site.franking(&["trace", "--id", &id]);
    assert!(shown.contains("peer device.contoso.example") && shown.contains(", connector=devices"), "{shown}");
    let ask = ["explain", "--port", "25", "--from", ALICE, "--to", OUTSIDE];
    let (accepted, text) = site.franking(&[&ask[..], &["--certificate", "p7.devices.contoso.example"]].concat());
    assert!(accepted && text.contains("the connector devices vouches for the client"), "{text}");
    let (accepted, text) = site.franking(&[&ask[..], &["--peer", "127.0.0.5"]].concat());
    assert!(!accepted && text.contains("[[connector]] with networks = [\"127.0.0.5\"]"), "{text}");
    let (_, text) = site.franking(&["check"]);
    assert!(text.contains("devices: the certificate name *.devices.contoso.example of the authorities in"), "{text}");

    // Another configuration, from the next session on; a file that is not there changes nothing.
    let former = std::fs::read_to_string(&site.config).unwrap();
    let by_network = "[[connector]]\nname = \"devices\"\nnetworks = [\"127.0.0.5\"]\nrecipients = \"anyone\"\n\
                      require_tls = true\n";
    std::fs::write(&site.config, former.replace(connector, by_network)).unwrap();
    server.reload();
    ends(&device.send(("127.0.0.5", "-", false), ALICE, OUTSIDE), "451 5.7.3 STARTTLS is required to send mail ");
    ends(&device.send(("127.0.0.5", "-", true), ALICE, OUTSIDE), "250 2.6.0 ");
    ends(&device.send(("127.0.0.6", "-", true), ALICE, OUTSIDE), "550 5.7.64 ");
    std::fs::write(&site.config, former.replace("devices-ca.pem", "no-such.pem")).unwrap();
    assert_eq!(server.reload()["message"], "the new configuration has a fault and is not used");
    ends(&device.send(("127.0.0.5", "-", true), ALICE, OUTSIDE), "250 2.6.0 ");
    server.stop();
}

#[test]
fn a_certificate_that_is_too_old_to_be_read_keeps_nobody_out() {
    let (Some(python), Some(openssl)) = (parts::find("python3"), parts::find("openssl")) else { return };
    let place = Place::new();
    let of = |name: &str| place.path().join(name).display().to_string();
    let (key, request, certificate) = (of("p.key"), of("p.csr"), of("p.pem"));
    let make = |arguments: &[&str]| assert!(run(Command::new(&openssl).args(arguments), "").status.success());
    make(&["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=printer", "-keyout", &key, "-out", &request]);
    // Without extensions OpenSSL makes one of X.509 version 1, as old devices do.
    make(&["x509", "-req", "-in", &request, "-signkey", &key, "-days", "3650", "-out", &certificate]);
    let print =
        run(Command::new(&openssl).args(["x509", "-in", &certificate, "-noout", "-fingerprint", "-sha256"]), "");
    let print = print.text.trim().rsplit('=').next().unwrap().to_owned();
    let both = [&key, &certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let identity = place.file("both.pem", both);
    let connector = format!("[[connector]]\nname = \"p\"\nfingerprints = [\"{print}\"]\nrecipients = \"anyone\"\n");
    let site = Site::set_up(&place, &[], &connector);
    let server = site.start(&place);
    let device = Device { python, port: site.inbound().port() };
    let client = ("127.0.0.5", identity.to_str().unwrap(), true);
    ends(&device.send(client, ALICE, OUTSIDE), "550 5.7.64 ");
    ends(&device.send(client, ALICE, "bob@contoso.example"), "250 2.6.0 ");
    let why = |line: &Value| line["why"].as_str().is_some_and(|why| why.contains("older than X.509 version 3"));
    assert!(server.log().iter().any(why));
    server.stop();
}

#[test]
fn the_clients_of_a_connector_share_its_bounds() {
    let place = Place::new();
    let more = format!(
        "[limits]\ntoo_soon = \"refuse\"\n\n{ROUTE}[[connector]]\nname = \"printers\"\nnetworks = [\"127.0.0.0/8\"]\n\
         recipients = \"anyone\"\nmessages_per_minute = 2\nsessions_max = 1\nrecipients_max = 1\n\
         message_bytes_max = 300\n"
    );
    let site = Site::set_up(&place, &[], &more);
    let server = site.start(&place);
    let letter = |token: &str| format!("From: {ALICE}\r\nSubject: {token}\r\n\r\nHello\r\n");
    let (mut first, mut second) = (Client::connect(site.inbound()).unwrap(), Client::connect(site.inbound()).unwrap());
    first.send(ALICE, &[OUTSIDE], &letter("one")).unwrap();
    let many = second.send(ALICE, &[OUTSIDE], &letter("another session")).unwrap_err().to_string();
    assert!(many.starts_with("432 4.3.2 "), "{many}");
    let two = first.send(ALICE, &[OUTSIDE, "y@adatum.example"], &letter("two")).unwrap_err().to_string();
    assert!(two.starts_with("452 4.5.3 "), "{two}");
    first.command("RSET", '2').unwrap();
    let large = first.send(ALICE, &[OUTSIDE], &letter(&"x".repeat(400))).unwrap_err().to_string();
    assert!(large.starts_with("552 5.3.4 "), "{large}");
    // Who is not vouched for is not counted, and a message that was refused is none.
    second.send("eve@fabrikam.example", &["bob@contoso.example"], &letter("a stranger's")).unwrap();
    first.send(ALICE, &[OUTSIDE], &letter("three")).unwrap();
    let soon = first.send(ALICE, &[OUTSIDE], &letter("four")).unwrap_err().to_string();
    assert!(soon.starts_with("421 4.4.2 "), "{soon}");
    server.stop();
}

#[test]
fn a_partner_sends_from_its_own_servers_over_tls_or_not_at_all() {
    let Some(python) = parts::find("python3") else { return };
    let place = Place::new();
    let partner = "[[connector]]\nname = \"fabrikam\"\ntype = \"partner\"\nsenders = [\"fabrikam.example\"]\n\
                   networks = [\"127.0.0.8\"]\nrequire_tls = true\n";
    let site = Site::set_up(&place, &[], partner);
    let server = site.start(&place);
    let device = Device { python, port: site.inbound().port() };
    let (eve, bob) = ("eve@fabrikam.example", "bob@contoso.example");
    ends(&device.send(("127.0.0.8", "-", true), eve, bob), "250 2.6.0 ");
    ends(&device.send(("127.0.0.8", "-", false), eve, bob), "451 5.7.3 ");
    ends(&device.send(("127.0.0.9", "-", true), eve, bob), "550 5.7.51 TenantInboundAttribution; There is a partner ");
    ends(&device.send(("127.0.0.9", "-", false), "eve@adatum.example", bob), "250 2.6.0 ");
    ends(&device.send(("127.0.0.8", "-", true), eve, OUTSIDE), "550 5.7.64 ");
    server.stop();
}
