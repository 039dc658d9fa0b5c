//! Which way mail takes to a provider and on which terms: senders, a client certificate, a licensed mailbox, throttling.

use super::provider::{LICENSED, Provider};
use super::{QUICK, end, send};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

#[test]
fn an_inbound_connector_knows_us_by_our_certificate() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let route = |more: &str| {
        format!(
            "[relay]\nauthorities = \"ca.pem\"\n\n[[route]]\ndomains = [\"*\"]\nhost = \"127.0.0.1\"\nport = {}\n{more}",
            provider.smtp
        )
    };
    let own = "certificate = \"client.pem\"\nkey = \"client.key\"\n";
    let site = Site::set_up(&place, &[], &(route(own) + QUICK));
    let (_, report) = site.franking(&["check"]);
    assert!(report.contains("with verified TLS and a client certificate"), "{report}");
    assert!(report.contains("client.pem for mx.contoso.example"), "{report}");
    let server = site.start(&place);
    send(&site, "bob", &["carol@fabrikam.example"], "by-connector");
    let mail = provider.wait_for("by-connector");
    assert!(mail.certificate && mail.login.is_none() && mail.from.contains("<bob@contoso.example>"), "{mail:?}");
    end(&place, &site, &provider, server);
    // Without it the provider turns us away, and the sender hears of that.
    let stranger = Place::new();
    let other = Provider::start(&stranger);
    let without = route("").replace(&provider.smtp.to_string(), &other.smtp.to_string());
    let site = Site::set_up(&stranger, &[], &(without + QUICK));
    let server = site.start(&stranger);
    send(&site, "bob", &["carol@fabrikam.example"], "by-nobody");
    server.mailbox("bob").wait_for("5.7.57 Client not authenticated to send mail");
    end(&stranger, &site, &other, server);
}

#[test]
fn each_sender_has_its_way_and_others_borrow_the_licensed_name() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let routes = format!(
        "[[route]]\nsenders = [\"kiosk@contoso.example\"]\nhost = \"127.0.0.1\"\nport = {}\nauth = \"xoauth2\"\n\
         login = \"{LICENSED}\"\ntoken = \"provider\"\nrewrite_sender = \"{LICENSED}\"\n\n\
         [[route]]\ndomains = [\"partner.example\"]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"opportunistic\"\n",
        provider.smtp
    );
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.relay("xoauth2") + &routes + QUICK));
    let by = |sender: &str, to: &str| site.franking(&["explain", "--as", sender, "--to", to]).1;
    let borrowed = by("kiosk@contoso.example", "carol@partner.example");
    let words = format!(
        "by the route for * from kiosk@contoso.example: the host 127.0.0.1, port {}, with verified TLS, signed in as \
         {LICENSED} by XOAUTH2 with the token provider, in the name of {LICENSED}",
        provider.smtp
    );
    assert!(borrowed.contains(&words), "{borrowed}");
    assert!(by("bob@contoso.example", "carol@partner.example").contains("by the route for partner.example: "));
    let server = site.start(&place);
    send(&site, "kiosk", &["carol@partner.example"], "from-the-kiosk");
    let mail = provider.wait_for("from-the-kiosk");
    assert!(mail.from.starts_with(&format!("FROM:<{LICENSED}>")), "{mail:?}");
    assert!(mail.content.contains(&format!("\r\nFrom: A Person <{LICENSED}>\r\n")), "{}", mail.content);
    assert!(mail.content.contains("\r\nReply-To: A Person <kiosk@contoso.example>\r\n"), "{}", mail.content);
    send(&site, "alice", &["carol@fabrikam.example"], "from-alice");
    assert!(!provider.wait_for("from-alice").content.contains("Reply-To"));
    // Whose name the provider does not know is told so, and hears of it.
    send(&site, "bob", &["carol@fabrikam.example"], "from-bob");
    server.mailbox("bob").wait_for("5.2.252 SendAsDenied");
    end(&place, &site, &provider, server);
}

#[test]
fn a_provider_that_throttles_is_left_alone_as_a_whole_and_gets_everything() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let throttle = "432 4.3.2 Concurrent connections limit exceeded. [Hostname=provider]";
    provider.facts().throttles.extend([throttle, "451 4.7.500 Server busy. Please try again later", throttle]);
    let relay = provider.relay("xoauth2") + "connections_max = 1\n";
    let site = Site::set_up(&place, &[], &(provider.token() + &relay + QUICK));
    let server = site.start(&place);
    for number in 0..8 {
        send(&site, "alice", &[&format!("carol@d{number}.example")], &format!("throttled-{number}"));
    }
    wait_for("eight messages", || (provider.facts().mail.len() == 8).then_some(()));
    let facts = provider.facts();
    // Three were turned away; those to other domains waited without a connection.
    assert!(facts.connections <= 11 && facts.asked.len() == 1, "{} connections", facts.connections);
    drop(facts);
    let log = server.log();
    let alone = log.iter().filter(|line| line.to_string().contains("is left alone for a while")).count();
    assert!((1..=3).contains(&alone), "{alone}");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    end(&place, &site, &provider, server);
}
