//! Who is known by what, and which of two connectors is the narrower. The whole decision has a table in `tests/policy`.

use super::*;
use crate::model::directory::{AcceptedDomain, Change, DomainType};
use crate::model::mail::{Address, Network};
use crate::model::policy::{Rule, Unrecorded};

fn name(pattern: &str) -> CertificateRule {
    CertificateRule::Name { pattern: pattern.parse().unwrap(), authorities: Authorities::System }
}

fn shown(names: &[&str]) -> ClientCertificate {
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    ClientCertificate { fingerprint: Fingerprint([7; 32]), names, vouched_by: vec![Authorities::System] }
}

fn connector(name: &str, networks: &[&str], certificates: &[CertificateRule]) -> Connector {
    let networks: Vec<Network> = networks.iter().map(|network| network.parse().unwrap()).collect();
    Connector {
        name: name.into(),
        source: Source { networks, certificates: certificates.to_vec() },
        senders: Vec::new(),
        recipients: Scope::Anyone,
        internal: false,
        require_tls: false,
        limits: ConnectorLimits::default(),
    }
}

fn client<'a>(peer: &str, certificate: Option<&'a ClientCertificate>) -> Client<'a> {
    Client { peer: peer.parse().unwrap(), has_tls: certificate.is_some(), certificate }
}

fn contoso() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative);
    Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap()
}

fn path(text: &str) -> ReversePath {
    if text.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(Address::parse(text).unwrap()) }
}

#[test]
fn a_fingerprint_is_what_openssl_prints() {
    let plain = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    let pairs: Vec<&str> = (0..32).map(|place| &plain[2 * place..2 * place + 2]).collect();
    let printed = pairs.join(":").to_uppercase();
    let read: Fingerprint = printed.parse().unwrap();
    assert_eq!((read, read.to_string()), (plain.parse().unwrap(), printed.clone()));
    let spoilt = ["", ":", &plain[1..], &format!("{plain}0"), &plain.replace("11", "1g"), &plain.replace("11", "+1")];
    for text in spoilt.into_iter().chain([&*printed.replace("00:11", "001:1"), &printed[3..], "\u{ff10}"]) {
        assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
    }
}

#[test]
fn the_narrowest_connector_counts() {
    let mut all = Connectors::new();
    for one in [
        connector("floor", &["192.168.0.0/16"], &[]),
        connector("room", &["192.168.10.0/24", "fd00::/8"], &[]),
        connector("printer", &["192.168.10.7"], &[]),
        connector("any", &[], &[name("*")]),
        connector("below", &[], &[name("*.contoso.example")]),
        connector("devices", &[], &[name("*.devices.contoso.example")]),
        connector("named", &[], &[name("p7.devices.contoso.example")]),
        connector("placed", &["192.168.10.0/24"], &[name("p7.devices.contoso.example")]),
        connector("pinned", &[], &[CertificateRule::Fingerprint(Fingerprint([9; 32]))]),
    ] {
        all.push(one);
    }
    let (p7, below, other) =
        (shown(&["p7.devices.contoso.example"]), shown(&["*.devices.contoso.example"]), shown(&[]));
    let pinned = ClientCertificate { fingerprint: Fingerprint([9; 32]), ..p7.clone() };
    let unvouched = ClientCertificate { vouched_by: Vec::new(), ..p7.clone() };
    let sub = shown(&["mx.contoso.example"]);
    for (peer, certificate, expected) in [
        ("10.0.0.1", None, None),
        ("192.168.11.1", None, Some("floor")),
        ("192.168.10.8", None, Some("room")),
        ("::ffff:192.168.10.8", None, Some("room")),
        ("fd00::1", None, Some("room")),
        ("192.168.10.7", None, Some("printer")),
        ("10.0.0.1", Some(&other), Some("any")),
        ("192.168.10.7", Some(&other), Some("any")),
        ("10.0.0.1", Some(&sub), Some("below")),
        ("10.0.0.1", Some(&below), Some("devices")),
        ("10.0.0.1", Some(&p7), Some("named")),
        ("192.168.10.7", Some(&p7), Some("placed")),
        ("192.168.10.7", Some(&pinned), Some("pinned")),
        ("10.0.0.1", Some(&unvouched), None),
        ("192.168.10.7", Some(&unvouched), Some("printer")),
    ] {
        let client = client(peer, certificate);
        let found = all.find(&client).map(|(own, _)| &*own.name);
        assert_eq!(found, expected, "{peer} {certificate:?}");
    }
}

#[test]
fn what_is_alike_is_decided_by_the_order() {
    let two = |first: &str, second: &str| {
        let mut all = Connectors::new();
        all.push(connector(first, &[], &[name(first)]));
        all.push(connector(second, &[], &[name(second)]));
        let both = shown(&["a.example", "b.example"]);
        all.find(&client("10.0.0.1", Some(&both))).map(|(own, _)| own.name.to_string())
    };
    assert_eq!(two("a.example", "b.example").as_deref(), Some("a.example"));
    assert_eq!(two("b.example", "a.example").as_deref(), Some("b.example"));
}

#[test]
fn a_wildcard_certificate_is_none_for_a_single_name() {
    let wide = shown(&["*.contoso.example"]);
    let asks = |rule: CertificateRule| {
        let source = Source { networks: Vec::new(), certificates: vec![rule] };
        source.door(&client("10.0.0.1", Some(&wide))).is_some()
    };
    assert!(asks(name("*.contoso.example")) && asks(name("*.example")));
    assert!(!asks(name("mx.contoso.example")) && !asks(name("*.devices.contoso.example")));
}

#[test]
fn the_name_of_a_certificate_stands_for_its_sender() {
    let snapshot = contoso();
    let judged = |rule: CertificateRule, certificate: &ClientCertificate, from: &str| {
        let mut all = Connectors::new();
        all.push(connector("server", &[], &[rule]));
        let settings = Settings { connectors: all, ..Settings::default() };
        let client = client("10.0.0.1", Some(certificate));
        sender(&snapshot, &settings, &client, &path(from), &mut Unrecorded).unwrap().vouched().is_some()
    };
    let (ours, theirs) = (shown(&["mx.contoso.example"]), shown(&["mx.fabrikam.example"]));
    for from in ["", "eve@adatum.example", "alice@contoso.example"] {
        assert!(judged(name("*.contoso.example"), &ours, from), "{from}");
        let is_ours = from.ends_with("@contoso.example");
        assert_eq!(judged(name("*"), &theirs, from), is_ours, "{from}");
        // Nobody vouches for the names of a certificate that is known by its fingerprint.
        assert_eq!(judged(CertificateRule::Fingerprint(ours.fingerprint), &ours, from), is_ours, "{from}");
    }
    // A name that is not the one by which it is known says nothing.
    let two = shown(&["mx.fabrikam.example", "mx.contoso.example"]);
    assert!(!judged(name("mx.fabrikam.example"), &two, ""));
}

#[test]
fn a_partner_is_found_by_its_nearest_domain() {
    let mut all = Connectors::new();
    for (name, domains) in [("all", "*"), ("below", "*.fabrikam.example"), ("one", "fabrikam.example")] {
        let domains = vec![domains.parse().unwrap()];
        all.push_partner(Partner { name: name.into(), domains, source: Source::default(), require_tls: true });
    }
    let of = |from: &str| all.partner_of(&path(from)).map(|partner| &*partner.name);
    assert_eq!(of("eve@fabrikam.example"), Some("one"));
    assert_eq!(of("eve@mail.fabrikam.example"), Some("below"));
    assert_eq!((of("eve@adatum.example"), of("")), (Some("all"), Some("all")));
}

#[test]
fn the_trail_says_which_connector_and_why_not() {
    let mut all = Connectors::new();
    all.push(Connector {
        senders: vec!["scanner@contoso.example".parse().unwrap()],
        ..connector("printers", &["192.168.10.0/24"], &[])
    });
    let settings = Settings { connectors: all, ..Settings::default() };
    let mut trail: Vec<Rule> = Vec::new();
    let client = client("192.168.10.7", None);
    let judged = sender(&contoso(), &settings, &client, &path("alice@contoso.example"), &mut trail);
    assert_eq!(judged, Ok(Sender::Anonymous));
    let said: Vec<_> = trail.iter().map(|rule| (rule.question, rule.held, rule.detail.as_str())).collect();
    let partner = ("a partner connector is for the sender's domain", false, "");
    let known = (CONNECTOR_RULE, true, "printers, by the network 192.168.10.0/24");
    assert_eq!(said, [known, (SENDERS_RULE, false, "scanner@contoso.example"), partner]);
}
