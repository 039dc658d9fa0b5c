//! Routes, `[relay]` and tokens follow the configuration at SIGHUP, as a whole or not at all.

use super::provider::{LICENSED, Provider};
use super::{QUICK, end, is_discreet, send};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

/// Writes another end of the configuration in the place of the former one.
fn rewrite(site: &Site, former: &str, new: &str) {
    let text = std::fs::read_to_string(&site.config).unwrap();
    assert!(text.ends_with(former), "{text}");
    std::fs::write(&site.config, text.replace(former, new)).unwrap();
}

/// Token and `[relay]` of a provider whose files are in `place`.
fn by(provider: &Provider, place: &Place) -> String {
    let at = |file: &str| format!("\"{}\"", place.path().join(file).display());
    let text = provider.token() + &provider.relay("xoauth2") + QUICK;
    text.replace("\"ca.pem\"", &at("ca.pem")).replace("\"secret\"", &at("secret"))
}

#[test]
fn the_next_message_goes_the_new_way_and_the_one_under_way_ends_on_the_former() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let (former, other) = (Provider::start(&place), Provider::start(&elsewhere));
    let (by_former, by_other) = (by(&former, &place), by(&other, &elsewhere));
    let site = Site::set_up(&place, &[], &by_former);
    let server = site.start(&place);
    former.facts().holding = true;
    send(&site, "alice", &["carol@fabrikam.example"], "under-way");
    wait_for("the message at the former provider", || (former.facts().held == 1).then_some(()));
    // Another host, another token under the same name, another authority: everything at once.
    rewrite(&site, &by_former, &by_other);
    let (_, report) = site.franking(&["check"]);
    assert!(report.contains("the file was changed since"), "{report}");
    let said = server.reload();
    assert_eq!((&said["level"], &said["routes"], &said["tokens"]), (&"INFO".into(), &1.into(), &1.into()), "{said}");
    send(&site, "alice", &["carol@fabrikam.example"], "after-the-change");
    assert_eq!(other.wait_for("after-the-change").login, Some((LICENSED.to_owned(), "XOAUTH2".to_owned())));
    let (_, way) = site.franking(&["explain", "--as", LICENSED, "--to", "carol@fabrikam.example"]);
    assert!(way.contains(&format!("the host 127.0.0.1, port {},", other.smtp)), "{way}");
    let (_, report) = site.franking(&["check"]);
    assert!(report.contains("in force in the running server since"), "{report}");
    let mut facts = former.facts();
    assert!(facts.mail.is_empty() && facts.held == 1);
    facts.holding = false;
    drop(facts);
    former.wait_for("under-way");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for provider in [&former, &other] {
        let facts = provider.facts();
        assert_eq!((facts.mail.len(), facts.asked.len()), (1, 1));
    }
    is_discreet(&place, &site, &former);
    end(&place, &site, &other, server);
}

#[test]
fn a_token_that_did_not_change_is_not_asked_for_again_and_new_certificates_are_shown() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let former = by(&provider, &place);
    let site = Site::set_up(&place, &[], &former);
    let server = site.start(&place);
    send(&site, "alice", &["carol@fabrikam.example"], "before");
    provider.wait_for("before");
    let route = format!(
        "[[route]]\nsenders = [\"bob@contoso.example\"]\nhost = \"127.0.0.1\"\nport = {}\ncertificate = \
         \"client.pem\"\nkey = \"client.key\"\n",
        provider.smtp
    );
    // A listener waits for a restart, and so it is said.
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    rewrite(&site, &former, &format!("{former}{route}{listener}"));
    assert_eq!(server.reload()["routes"], 2);
    send(&site, "bob", &["carol@fabrikam.example"], "by-certificate");
    assert!(provider.wait_for("by-certificate").certificate);
    send(&site, "alice", &["carol@fabrikam.example"], "by-the-same-token");
    provider.wait_for("by-the-same-token");
    assert_eq!(provider.facts().asked.len(), 1);
    let (_, shown) = site.franking(&["certificate", "show"]);
    assert!(shown.contains("client.pem"), "{shown}");
    let (_, report) = site.franking(&["check"]);
    assert!(report.contains("but for what was changed of [[listener]]"), "{report}");
    end(&place, &site, &provider, server);
}

#[test]
fn a_file_with_a_fault_changes_nothing_and_is_told_with_line_and_key() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let former = by(&provider, &place);
    let site = Site::set_up(&place, &[], &former);
    let server = site.start(&place);
    let refused = |new: &str, reasons: &[&str]| {
        rewrite(&site, &former, new);
        let said = server.reload();
        assert_eq!(
            (&said["level"], &said["message"]),
            (&"ERROR".into(), &"the new configuration has a fault and is not used".into(),)
        );
        let (_, report) = site.franking(&["check"]);
        for reason in reasons {
            assert!(said["error"].as_str().unwrap().contains(reason), "{said}");
        }
        send(&site, "alice", &["carol@fabrikam.example"], reasons[0]);
        provider.wait_for(reasons[0]);
        rewrite(&site, new, &former);
        report
    };
    let line = std::fs::read_to_string(&site.config).unwrap().lines().count() + 1;
    let misspelt = format!("{former}[[route]]\ndomains = [\"*.example\"]\nhots = \"127.0.0.1\"\n");
    refused(&misspelt, &["hots", "franking.toml", &format!("{}", line + 2)]);
    // What the file says is right, and the password that it names is not there.
    let without = format!(
        "{former}[[route]]\ndomains = [\"fabrikam.example\"]\nhost = \"127.0.0.1\"\nport = 9\nlogin = \"a\"\n\
         password_file = \"no-such-password\"\n"
    );
    let report = refused(&without, &["no-such-password"]);
    assert!(report.contains("it did not take what it read last: ") && report.contains("no-such-password"), "{report}");
    // As it was.
    assert_eq!(server.reload()["level"], "INFO");
    assert!(site.franking(&["check"]).1.contains("in force in the running server since"));
    let facts = provider.facts();
    assert_eq!((facts.asked.len(), facts.mail.len()), (1, 2));
    drop(facts);
    end(&place, &site, &provider, server);
}
