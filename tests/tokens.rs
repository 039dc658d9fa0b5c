//! Signing in with tokens and with SCRAM on the whole server: with a client that others wrote, over changes of keys and
//! of the clock, and while the issuer is down.

mod issuer;

use std::path::Path;
use std::process::Command;

use franking::world::{Clock as _, SystemClock};
use serde_json::Value;

use self::issuer::{Signer, Web, table};
use crate::support::clocked::Clocked;
use crate::support::process::run;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Place, parts, wait_for};

const ALICE: &str = "alice@contoso.example";
/// From long ago to far ahead.
const ALWAYS: (u64, u64) = (0, 4_000_000_000);

/// What Python's library says of a sign-in and one message.
fn python(site: &Site, place: &Place, mechanism: &str, login: &str, secret: &str) -> Option<String> {
    let python = parts::find("python3")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens/client.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(site.submission().port().to_string()).arg(place.path().join("data/certs/ca.pem"));
    let outcome = run(command.args([mechanism, login]), secret);
    assert!(outcome.status.success(), "{}", outcome.text);
    Some(outcome.text.trim_end().to_owned())
}

fn logged(server: &Server, text: &str) -> bool {
    server.log().iter().any(|line| line.to_string().contains(text))
}

#[test]
fn a_client_that_others_wrote_signs_in_with_a_token_and_hears_of_wrong_ones() {
    let place = Place::new();
    let signer = Signer::new("one");
    place.file("keys.json", signer.set());
    let site = Site::set_up(&place, &[], &table("jwks_file = \"keys.json\""));
    let server = site.start(&place);
    let good = signer.token(ALICE, ALWAYS, "");
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let Some(said) = python(&site, &place, mechanism, ALICE, &good) else { return };
        assert_eq!(said, "accepted", "{mechanism}");
        server.mailbox("bob").wait_for(&format!("by-{mechanism}"));
        let refused = [
            ("bob@contoso.example", good.clone(), "which is another account"),
            (ALICE, signer.token(ALICE, (0, 1), ""), "the token ended at 1970-01-01T00:00:01.000Z"),
            (ALICE, signer.token(ALICE, ALWAYS, r#","exp":9"#), "names something twice"),
            (ALICE, Signer::new("one").token(ALICE, ALWAYS, ""), "the signature of the token is wrong"),
            (ALICE, Signer::new("two").token(ALICE, ALWAYS, ""), "which its issuer has not"),
            ("info@contoso.example", signer.token("info@contoso.example", ALWAYS, ""), "sign-in is blocked"),
        ];
        for (login, token, why) in refused {
            let said = python(&site, &place, mechanism, login, &token).unwrap();
            assert!(said.starts_with("535 5.7.3 Authentication unsuccessful ["), "{why}: {said}");
            wait_for(why, || logged(&server, why).then_some(()));
        }
    }
    let (login, secret) = ("quiet@contoso.example", signer.token("quiet@contoso.example", ALWAYS, ""));
    let said = python(&site, &place, "XOAUTH2", login, &secret).unwrap();
    assert!(said.starts_with("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication"), "{said}");
    // What forbids passwords does not forbid tokens.
    assert!(site.franking(&["organisation", "set", "--basic-auth-smtp", "off"]).0);
    assert_eq!(python(&site, &place, "XOAUTH2", ALICE, &good).unwrap(), "accepted");
    assert!(site.sign_in("alice").unwrap_err().to_string().starts_with("535 5.7.139 "));
    let explained = site.json(&["explain", "sign-in", "alice", "--token"]);
    assert_eq!(explained["accepted"], true, "{explained}");
    for part in good.split('.') {
        assert!(!logged(&server, part), "a part of a token stands in the log");
    }
}

#[test]
fn a_client_of_scram_proves_a_password_and_a_device_and_is_kept_out_as_with_plain() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "[policy]\nscram_sha_256 = \"on\"\n\n[limits]\nlockout_delay_seconds = 0\n");
    let server = site.start(&place);
    let scram = |login: &str, password: &str| python(&site, &place, "SCRAM-SHA-256", login, password);
    // Imported in clear text while it was on, so the keys are there.
    let Some(said) = scram(ALICE, "demo-alice") else { return };
    assert_eq!(said, "accepted");
    server.mailbox("bob").wait_for("by-SCRAM-SHA-256");
    let made = site.json(&["account", "password", "alice"])["password"].as_str().unwrap().to_owned();
    assert_eq!(scram(ALICE, &made).unwrap(), "accepted");
    let device = site.json(&["device", "add", "alice", "scanner-2"])["password"].as_str().unwrap().to_owned();
    assert_eq!(scram(ALICE, &device).unwrap(), "accepted");
    assert!(server.log().iter().any(|line| line["device"] == "scanner-2" && line["proof"] == "app-password"));
    for (login, password) in [
        (ALICE, "demo-alice"),
        ("nobody@contoso.example", "demo-alice"),
        ("info@contoso.example", "demo-info"),
        (ALICE, &*device.to_uppercase()),
    ] {
        let said = scram(login, password).unwrap();
        assert!(said.starts_with("535 5.7.3 Authentication unsuccessful ["), "{login}: {said}");
    }
    let unready = site.json(&["account", "scram"]);
    assert_eq!(unready["total"], 0, "{unready}");
    let checked = site.json(&["check"]);
    let scram = checked["findings"].as_array().unwrap().iter().find(|finding| finding["subject"] == "scram").unwrap();
    assert_eq!(scram["verdict"], "ok", "{scram}");
    assert!(!server.log().iter().any(|line| line.to_string().contains(&made)));
}

#[test]
fn keys_are_fetched_exchanged_and_kept_while_the_issuer_is_down() {
    let place = Place::new();
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let web = Web::start(&place, &one.set());
    let site = Site::set_up(&place, &[], &web.table());
    let checked = site.json(&["check", "--online"]);
    let findings = checked["findings"].as_array().unwrap();
    let detail = |finding: &&Value| finding["detail"] == "entra has 1 key, for ES256";
    assert!(findings.iter().any(|finding| detail(&finding)), "{checked}");
    let now = SystemClock::new().now();
    let mut server = Clocked::start(&site.config, &now.to_string());
    let sign_in = |token: &str| python(&site, &place, "XOAUTH2", ALICE, token);
    let refused = |token: &str| sign_in(token).unwrap().starts_with("535 5.7.3 ");
    for _ in 0..3 {
        let Some(said) = sign_in(&one.token(ALICE, ALWAYS, "")) else { return };
        assert_eq!(said, "accepted");
    }
    assert!(web.asked() <= 3, "{}: once by check, and once by the server", web.asked());
    // The issuer changes its key.
    web.publish(Some(two.set()));
    server.advance(1);
    assert_eq!(sign_in(&two.token(ALICE, ALWAYS, "")).unwrap(), "accepted");
    assert!(refused(&one.token(ALICE, ALWAYS, "")));
    // It is down for a day; the clock ends tokens all the same.
    web.publish(None);
    let begin = now.unix_seconds();
    let two_days = two.token(ALICE, (begin, begin + 2 * 86_400 + 3_600), "");
    server.advance(1);
    assert_eq!(sign_in(&two_days).unwrap(), "accepted");
    assert!(refused(&two.token(ALICE, (begin + 3 * 86_400, ALWAYS.1), "")), "it begins tomorrow");
    server.advance(1);
    assert!(refused(&two_days));
    assert_eq!(sign_in(&two.token(ALICE, ALWAYS, "")).unwrap(), "accepted");
}
