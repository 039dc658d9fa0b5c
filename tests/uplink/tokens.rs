//! Access tokens: fetched once, renewed, exchanged, refused; refresh tokens over a kill.

use super::provider::{CLIENT, LICENSED, Provider, SCOPE, SECRET, TOKEN_PATH};
use super::{QUICK, end, is_discreet, send};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

/// What the queue says of its destinations.
fn destinations(site: &Site) -> String {
    site.franking(&["queue", "destinations"]).1
}

#[test]
fn mail_for_many_domains_leaves_by_one_token() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + QUICK));
    let server = site.start(&place);
    let to: Vec<String> = (0..12).map(|number| format!("somebody@d{number}.example")).collect();
    send(&site, "alice", &to.iter().map(String::as_str).collect::<Vec<_>>(), "to-many");
    wait_for("twelve messages", || (provider.facts().mail.len() == 12).then_some(()));
    let facts = provider.facts();
    for mail in &facts.mail {
        assert_eq!(mail.login, Some((LICENSED.to_owned(), "XOAUTH2".to_owned())));
        assert!(mail.from.starts_with(&format!("FROM:<{LICENSED}>")) && mail.to.len() == 1, "{mail:?}");
    }
    let form =
        [("client_id", CLIENT), ("client_secret", SECRET), ("grant_type", "client_credentials"), ("scope", SCOPE)];
    assert_eq!(facts.asked, [form.map(|(key, value)| (key.to_owned(), value.to_owned())).into()]);
    drop(facts);
    end(&place, &site, &provider, server);
}

#[test]
fn the_mechanism_of_the_rfc_works_as_well_from_the_first_octet() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let relay = provider.relay("oauthbearer").replace(&provider.smtp.to_string(), &provider.smtps.to_string());
    let site = Site::set_up(&place, &[], &(provider.token() + &relay + "tls = \"implicit\"\n" + QUICK));
    let server = site.start(&place);
    send(&site, "alice", &["bob@fabrikam.example"], "by-the-rfc");
    let mail = provider.wait_for("by-the-rfc");
    assert_eq!(mail.login, Some((LICENSED.to_owned(), "OAUTHBEARER".to_owned())));
    end(&place, &site, &provider, server);
}

#[test]
fn a_token_that_was_taken_back_is_exchanged_and_nobody_notices() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let more = "\n[queue]\nretry_seconds = [1]\nconnection_idle_seconds = 0\n";
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + more));
    let server = site.start(&place);
    send(&site, "alice", &["bob@fabrikam.example"], "with-the-first");
    provider.wait_for("with-the-first");
    provider.facts().good.clear();
    send(&site, "alice", &["bob@fabrikam.example"], "with-the-second");
    provider.wait_for("with-the-second");
    let facts = provider.facts();
    assert_eq!((facts.asked.len(), facts.sign_ins), (2, 3));
    drop(facts);
    end(&place, &site, &provider, server);
}

#[test]
fn mail_waits_with_a_clear_line_when_the_host_takes_no_token() {
    let place = Place::new();
    let provider = Provider::start(&place);
    provider.facts().refusing = true;
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + QUICK));
    let server = site.start(&place);
    send(&site, "alice", &["bob@fabrikam.example"], "it-waits");
    let said = wait_for("the refusal", || Some(destinations(&site)).filter(|said| said.contains("4.7.8")));
    for part in ["535 5.7.3 Authentication unsuccessful", "\"status\":\"401\""] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(site.queued(), 1);
    is_discreet(&place, &site, &provider);
    // The refused token was exchanged once. From then on neither side is asked again and again.
    assert_eq!(provider.facts().asked.len(), 2);
    assert!(provider.facts().sign_ins < 8, "{}", provider.facts().sign_ins);
    server.stop();
}

#[test]
fn mail_waits_with_the_words_of_the_endpoint_when_there_is_no_token() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + QUICK));
    place.file("secret", "hush-hush-of-last-year\n");
    let (good, report) = site.franking(&["check", "--online"]);
    let wanted = "invalid_client: AADSTS7000215: Invalid client secret provided: ...";
    assert!(!good && report.contains(wanted) && report.contains("its value is needed"), "{report}");
    let server = site.start(&place);
    send(&site, "alice", &["bob@fabrikam.example"], "it-waits");
    let said = wait_for("the refusal", || Some(destinations(&site)).filter(|said| said.contains("4.7.8")));
    assert!(said.contains(wanted) && !said.contains("of-last-year"), "{said}");
    assert!(provider.facts().connections == 0, "nobody connects without a token");
    // Mended without a restart: the secret is read when it is needed.
    place.file("secret", SECRET);
    let (good, report) = site.franking(&["check", "--online"]);
    assert!(good && report.contains("provider was given"), "{report}");
    provider.wait_for("it-waits");
    end(&place, &site, &provider, server);
}

#[test]
fn redirects_long_answers_and_wishes_of_an_endpoint_do_no_harm() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let redirect = format!("302 Found\r\nLocation: https://127.0.0.1:{}/elsewhere", provider.web);
    provider.facts().answers.extend([
        (redirect, String::new()),
        ("200 OK\r\nContent-Type: application/json".to_owned(), "x".repeat(1 << 20)),
        ("429 Too Many Requests\r\nRetry-After: 3600".to_owned(), String::new()),
    ]);
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + QUICK));
    for wanted in ["redirects are not followed", "length limit exceeded", "it answered 429"] {
        let (good, report) = site.franking(&["check", "--online"]);
        assert!(!good && report.contains(wanted), "{report}");
    }
    is_discreet(&place, &site, &provider);
    assert_eq!(provider.facts().asked.len(), 3);
}

#[test]
fn an_exchanged_refresh_token_survives_a_kill() {
    let place = Place::new();
    let provider = Provider::start(&place);
    // Each is good for one use.
    provider.facts().refresh_token = Some("first-refresh".to_owned());
    provider.facts().lifetime = 1;
    place.file("refresh", "first-refresh\n");
    let token = provider.token().replace("client-credentials", "refresh-token");
    let token = token.trim_end().to_owned() + "\nrefresh_token_file = \"refresh\"\n\n";
    assert!(token.contains(TOKEN_PATH));
    let more = "\n[queue]\nretry_seconds = [1]\nconnection_idle_seconds = 0\n";
    let site = Site::set_up(&place, &[], &(token + &provider.relay("xoauth2") + more));
    for life in 0..3 {
        let server = site.start(&place);
        let subject = format!("in-life-{life}");
        send(&site, "alice", &["bob@fabrikam.example"], &subject);
        provider.wait_for(&subject);
        is_discreet(&place, &site, &provider);
        server.kill();
    }
    let used: Vec<String> = provider.facts().asked.iter().map(|form| form["refresh_token"].clone()).collect();
    assert!(used.len() >= 3 && used.iter().enumerate().all(|(uses, token)| token.len() == 13 + uses), "{used:?}");
    let kept = std::fs::read_to_string(place.path().join("data/tokens/provider.token")).unwrap();
    assert!(kept.contains("first-refresh+"), "{kept}");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(place.path().join("data/tokens/provider.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
