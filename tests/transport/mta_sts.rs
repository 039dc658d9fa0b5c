//! A domain's policy (RFC 8461), and hosts that keep to it or do not.

use franking::delivery::exchanger::{HopSecurity, Route, SmartHost};
use franking::world::FixedResolver;

use super::certificates::Kind;
use super::rig::{DOMAIN, HOST, Host, LOOPBACK, Rig, Starttls, Web, names, to_domain};

fn announced(resolver: FixedResolver) -> FixedResolver {
    resolver.with_text(&format!("_mta-sts.{DOMAIN}"), "v=STSv1; id=1")
}

fn policy(mode: &str, mx: &str) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n")
}

/// How a host goes about TLS, and what becomes of mail that demands nothing.
fn hosts(rig: &Rig) -> Vec<(String, Starttls, &'static str)> {
    let mut hosts: Vec<_> = [Kind::Good, Kind::OtherName, Kind::Expired, Kind::SelfSigned]
        .into_iter()
        .map(|kind| (format!("{kind:?}"), Starttls::Offered(rig.authority.show(HOST, kind).acceptor), "over TLS"))
        .collect();
    hosts.push(("stripped".to_owned(), Starttls::Stripped, "in clear"));
    hosts.push(("refused".to_owned(), Starttls::Refused, "in clear"));
    hosts.push(("broken".to_owned(), Starttls::Broken, "in clear"));
    hosts
}

#[tokio::test]
async fn what_is_enforced_is_never_weakened() {
    let rig = Rig::new();
    let mut delivered = 0;
    for (name, starttls, _) in hosts(&rig) {
        for (mx, covers) in [(HOST, true), ("*.fabrikam.example", true), ("other.fabrikam.example", false)] {
            let host = Host::start(starttls.clone());
            let web = Web::start(&rig.authority, policy("enforce", mx));
            let resolver = announced(names());
            let demands = rig.demands(&resolver, Some(&web));
            let outcome = rig.send(&to_domain(), host.address.port(), resolver, demands).await;
            let expected = match (covers, name.as_str()) {
                (false, _) => "deferred 4.4.8",
                (true, "Good") => "over TLS",
                (true, _) => "deferred 4.7.5",
            };
            assert_eq!(outcome, expected, "{name} {mx}");
            assert!(!host.heard_mail_in_clear(), "{name} {mx}");
            assert_eq!(host.heard_mail(), outcome == "over TLS", "{name} {mx}");
            assert_eq!(host.heard_nothing(), !covers, "{name} {mx}");
            delivered += usize::from(outcome == "over TLS");
        }
    }
    assert_eq!(delivered, 2);
}

#[tokio::test]
async fn a_policy_in_testing_and_one_of_none_hold_up_nothing() {
    let rig = Rig::new();
    for mode in ["testing", "none"] {
        for (name, starttls, expected) in hosts(&rig) {
            for mx in [HOST, "other.fabrikam.example"] {
                let host = Host::start(starttls.clone());
                let web = Web::start(&rig.authority, policy(mode, mx));
                let resolver = announced(names());
                let demands = rig.demands(&resolver, Some(&web));
                let outcome = rig.send(&to_domain(), host.address.port(), resolver, demands).await;
                assert_eq!(outcome, expected, "{mode} {name} {mx}");
            }
        }
    }
}

#[tokio::test]
async fn a_domain_whose_policy_cannot_be_had_gets_its_mail() {
    let rig = Rig::new();
    let text = format!("_mta-sts.{DOMAIN}");
    for (resolver, content) in [
        (names(), policy("enforce", "other.fabrikam.example")),
        (names().with_failure(&text, "timed out"), policy("enforce", "other.fabrikam.example")),
        (announced(announced(names())), policy("enforce", "other.fabrikam.example")),
        (announced(names()), "<html>no policy</html>".to_owned()),
    ] {
        let host = Host::start(Starttls::Stripped);
        let web = Web::start(&rig.authority, content);
        let demands = rig.demands(&resolver, Some(&web));
        assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, demands).await, "in clear");
    }
}

#[tokio::test]
async fn a_policy_that_was_known_outlasts_the_dns() {
    let rig = Rig::new();
    let host = Host::start(Starttls::Stripped);
    let web = Web::start(&rig.authority, policy("enforce", HOST));
    let demands = rig.demands(&announced(names()), Some(&web));
    let text = format!("_mta-sts.{DOMAIN}");
    for resolver in [announced(names()), names(), names().with_failure(&text, "timed out")] {
        let outcome = rig.send(&to_domain(), host.address.port(), resolver, demands.clone()).await;
        assert_eq!(outcome, "deferred 4.7.5");
    }
    assert!(!host.heard_mail());
}

#[tokio::test]
async fn the_next_exchanger_is_tried_when_one_does_not_keep_to_the_policy() {
    let rig = Rig::new();
    let second = "mx2.fabrikam.example";
    let good = || Starttls::Offered(rig.authority.show(second, Kind::Good).acceptor);
    for (mx, first_is_covered) in [("*.fabrikam.example", true), (second, false)] {
        let first = Host::start(Starttls::Stripped);
        let other = format!("127.0.0.2:{}", first.address.port()).parse().unwrap();
        let next = Host::start_at(other, good());
        let web = Web::start(&rig.authority, policy("enforce", mx));
        let resolver = announced(names()).with_exchanger(DOMAIN, 20, second).with_addresses(second, [other.ip()]);
        let demands = rig.demands(&resolver, Some(&web));
        let outcome = rig.send(&to_domain(), first.address.port(), resolver, demands).await;
        assert_eq!(outcome, "over TLS", "{mx}");
        assert!(!first.heard_mail() && next.heard_mail());
        assert_eq!(first.heard_nothing(), !first_is_covered);
    }
}

#[tokio::test]
async fn hosts_that_the_operator_named_are_his_own_affair() {
    let rig = Rig::new();
    let host = Host::start(Starttls::Stripped);
    let web = Web::start(&rig.authority, policy("enforce", "other.fabrikam.example"));
    let resolver = announced(names()).with_signed("fabrikam.example");
    let smart_host = SmartHost {
        host: HOST.to_owned(),
        port: host.address.port(),
        security: HopSecurity::Opportunistic,
        sign_in: None,
        identity: None,
    };
    let literal = franking::model::mail::Domain::from(LOOPBACK);
    for route in [Route::SmartHost(smart_host), Route::Mx(literal)] {
        let demands = rig.demands(&resolver, Some(&web));
        assert_eq!(rig.send(&route, host.address.port(), resolver.clone(), demands).await, "in clear");
    }
}
