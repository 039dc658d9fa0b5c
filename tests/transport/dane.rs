//! TLSA records (RFC 7672), and hosts that fit them or do not.

use franking::model::transport_security::Tlsa;
use franking::world::FixedResolver;

use super::certificates::Kind;
use super::rig::{DOMAIN, HOST, Host, LOOPBACK, Rig, Starttls, Web, names, to_domain};

/// The domain and its host, both signed.
fn signed() -> FixedResolver {
    names().with_signed(DOMAIN)
}

fn tlsa_name(host: &str, port: u16) -> String {
    format!("_{port}._tcp.{host}")
}

/// A record that fits nothing.
fn other(usage: u8) -> Tlsa {
    Tlsa { usage, selector: 1, matching: 1, data: vec![7; 32] }
}

/// What is published, what is shown, and what becomes of mail with STARTTLS and without.
struct Case {
    records: Vec<Tlsa>,
    shown: Kind,
    offered: &'static str,
    stripped: &'static str,
}

#[tokio::test]
async fn every_record_asks_for_what_it_says_and_is_never_weakened() {
    let rig = Rig::new();
    for kind in [Kind::Good, Kind::OtherName, Kind::Expired, Kind::SelfSigned] {
        let shown = rig.authority.show(HOST, kind);
        let anchor = rig.authority.anchor();
        let by_anchor = match kind {
            Kind::Good => "over TLS",
            Kind::OtherName => "deferred 4.7.325",
            Kind::Expired => "deferred 4.7.322",
            Kind::SelfSigned => "deferred 4.7.323",
        };
        let case = |records, offered| Case { records, shown: kind, offered, stripped: "deferred 4.7.321" };
        let cases = [
            case(vec![shown.end_entity.clone()], "over TLS"),
            case(vec![other(3), shown.end_entity.clone()], "over TLS"),
            case(vec![anchor.clone()], by_anchor),
            case(vec![other(3), anchor.clone()], by_anchor),
            case(vec![other(3)], "deferred 4.7.323"),
            case(vec![other(2)], "deferred 4.7.323"),
            // The certificate of the host where an authority is promised, and the other way round.
            case(vec![Tlsa { usage: 3, ..anchor.clone() }], "deferred 4.7.323"),
            // None that mail can go by: TLS is demanded, and nothing of the certificate.
            case(vec![other(0), other(1)], "over TLS"),
            // One that mail can go by counts, whatever else there is.
            case(vec![other(1), other(3)], "deferred 4.7.323"),
            Case { records: Vec::new(), shown: kind, offered: "over TLS", stripped: "in clear" },
        ];
        for (index, case) in cases.iter().enumerate() {
            let at = format!("{:?}, case {index}", case.shown);
            for (starttls, expected) in [
                (Starttls::Offered(shown.acceptor.clone()), case.offered),
                (Starttls::Stripped, case.stripped),
                (Starttls::Refused, case.stripped),
            ] {
                let host = Host::start(starttls);
                let name = tlsa_name(HOST, host.address.port());
                let resolver =
                    case.records.iter().fold(signed(), |resolver, record| resolver.with_tlsa(&name, record.clone()));
                let demands = rig.demands(&resolver, None);
                let outcome = rig.send(&to_domain(), host.address.port(), resolver, demands).await;
                assert_eq!(outcome, expected, "{at}");
                assert_eq!(host.heard_mail_in_clear(), expected == "in clear", "{at}");
                assert_eq!(host.heard_mail(), !expected.starts_with("deferred"), "{at}");
            }
        }
    }
}

#[tokio::test]
async fn tls_that_breaks_is_no_way_round_a_record() {
    let rig = Rig::new();
    for record in [other(3), other(2), other(1)] {
        let host = Host::start(Starttls::Broken);
        let resolver = signed().with_tlsa(&tlsa_name(HOST, host.address.port()), record);
        let demands = rig.demands(&resolver, None);
        assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, demands).await, "deferred 4.7.5");
        assert!(!host.heard_mail());
    }
}

#[tokio::test]
async fn records_that_nobody_vouches_for_do_not_count() {
    let rig = Rig::new();
    // The list of hosts, the host, or the records: one that is not signed is enough.
    for zone in ["", HOST, "contoso.example"] {
        for (starttls, expected) in [
            (Starttls::Offered(rig.authority.show(HOST, Kind::SelfSigned).acceptor), "over TLS"),
            (Starttls::Stripped, "in clear"),
        ] {
            let host = Host::start(starttls);
            let name = tlsa_name(HOST, host.address.port());
            let resolver = names().with_tlsa(&name, other(3));
            let resolver = if zone.is_empty() { resolver } else { resolver.with_signed(zone) };
            let demands = rig.demands(&resolver, None);
            assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, demands).await, expected, "{zone}");
        }
    }
    let host = Host::start(Starttls::Stripped);
    let name = tlsa_name(HOST, host.address.port());
    let resolver = signed().with_tlsa(&name, other(3)).with_unsigned(&name);
    let demands = rig.demands(&resolver, None);
    assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, demands).await, "in clear");
    // Nor does anything count where the operator does not want it.
    let host = Host::start(Starttls::Stripped);
    let resolver = signed().with_tlsa(&tlsa_name(HOST, host.address.port()), other(3));
    assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, Default::default()).await, "in clear");
}

#[tokio::test]
async fn a_host_whose_records_are_forged_is_passed_over() {
    let rig = Rig::new();
    let second = "mx2.fabrikam.example";
    let first = Host::start(Starttls::Offered(rig.authority.show(HOST, Kind::Good).acceptor));
    let port = first.address.port();
    let forged = || signed().with_failure(&tlsa_name(HOST, port), "SERVFAIL");
    let resolver = forged();
    let demands = rig.demands(&resolver, None);
    assert_eq!(rig.send(&to_domain(), port, resolver, demands).await, "deferred 4.7.324");
    assert!(first.heard_nothing());

    let address = format!("127.0.0.2:{port}").parse().unwrap();
    let next = Host::start_at(address, Starttls::Offered(rig.authority.show(second, Kind::Good).acceptor));
    let resolver = forged().with_exchanger(DOMAIN, 20, second).with_addresses(second, [address.ip()]);
    let demands = rig.demands(&resolver, None);
    assert_eq!(rig.send(&to_domain(), port, resolver, demands).await, "over TLS");
    assert!(first.heard_nothing() && next.heard_mail());
}

#[tokio::test]
async fn a_domain_without_exchangers_is_its_own_host() {
    let rig = Rig::new();
    let shown = rig.authority.show(DOMAIN, Kind::SelfSigned);
    for (record, expected) in [(shown.end_entity.clone(), "over TLS"), (other(3), "deferred 4.7.323")] {
        let host = Host::start(Starttls::Offered(shown.acceptor.clone()));
        let resolver = FixedResolver::new()
            .with_addresses(DOMAIN, [LOOPBACK])
            .with_signed(DOMAIN)
            .with_tlsa(&tlsa_name(DOMAIN, host.address.port()), record);
        let demands = rig.demands(&resolver, None);
        assert_eq!(rig.send(&to_domain(), host.address.port(), resolver, demands).await, expected);
    }
}

#[tokio::test]
async fn the_name_behind_an_alias_comes_first() {
    let rig = Rig::new();
    let (alias, real) = ("mail.fabrikam.example", "mx7.fabrikam.example");
    let shown = rig.authority.show(real, Kind::Good);
    let anchor = rig.authority.anchor();
    let host = Host::start(Starttls::Offered(shown.acceptor.clone()));
    let port = host.address.port();
    let names = || {
        FixedResolver::new()
            .with_exchanger(DOMAIN, 10, alias)
            .with_alias(alias, real)
            .with_addresses(real, [LOOPBACK])
            .with_signed(DOMAIN)
    };
    let (behind, before) = (tlsa_name(real, port), tlsa_name(alias, port));
    for (resolver, expected) in [
        (names().with_tlsa(&behind, anchor.clone()).with_tlsa(&before, other(3)), "over TLS"),
        (names().with_tlsa(&behind, other(3)).with_tlsa(&before, shown.end_entity.clone()), "deferred 4.7.323"),
        (names().with_tlsa(&before, shown.end_entity.clone()), "over TLS"),
        // By its first name, the authority does not vouch for it.
        (names().with_tlsa(&before, anchor), "deferred 4.7.325"),
    ] {
        let demands = rig.demands(&resolver, None);
        assert_eq!(rig.send(&to_domain(), port, resolver, demands).await, expected);
    }
}

#[tokio::test]
async fn dane_comes_before_a_policy() {
    let rig = Rig::new();
    let policy = |mode, mx| format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n");
    let text = format!("_mta-sts.{DOMAIN}");
    let (good, own) = (rig.authority.show(HOST, Kind::Good), rig.authority.show(HOST, Kind::SelfSigned));
    for (mode, mx, shown, record, expected) in [
        // A policy never makes good what DANE refuses, and DANE needs no authority of the web.
        ("enforce", HOST, &good, other(3), "deferred 4.7.323"),
        ("testing", HOST, &good, other(3), "deferred 4.7.323"),
        ("enforce", HOST, &own, own.end_entity.clone(), "over TLS"),
        ("enforce", "other.fabrikam.example", &own, own.end_entity.clone(), "over TLS"),
        // Where no record can be gone by, the policy says what the certificate must be.
        ("enforce", HOST, &good, other(1), "over TLS"),
        ("enforce", HOST, &own, other(1), "deferred 4.7.5"),
        ("enforce", "other.fabrikam.example", &good, other(1), "deferred 4.4.8"),
        ("testing", HOST, &own, other(1), "over TLS"),
    ] {
        let host = Host::start(Starttls::Offered(shown.acceptor.clone()));
        let web = Web::start(&rig.authority, policy(mode, mx));
        let resolver =
            signed().with_text(&text, "v=STSv1; id=1").with_tlsa(&tlsa_name(HOST, host.address.port()), record.clone());
        let demands = rig.demands(&resolver, Some(&web));
        let outcome = rig.send(&to_domain(), host.address.port(), resolver, demands).await;
        assert_eq!(outcome, expected, "{mode} {mx} {record:?}");
        assert!(!host.heard_mail_in_clear());
    }
}
