//! `[[connector]]`: what it may say, and what would leave a door open.

use super::*;
use crate::model::policy::SenderPattern;
use crate::model::policy::connector::{Authorities, CertificateRule, Fingerprint, Scope};

const DIGEST: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn one(more: &str) -> String {
    format!("[[connector]]\nname = \"a\"\n{more}\n")
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn everything_about_a_connector_reaches_the_configuration() {
    let keys = format!(
        "networks = [\"192.168.10.0/24\", \"fd00::/64\"]\ncertificates = [\"*.devices.contoso.example\", \"*\"]\n\
         authorities = \"devices-ca.pem\"\nfingerprints = [\"{DIGEST}\"]\nsenders = [\"scanner@contoso.example\", \
         \"contoso.example\"]\nrecipients = [\"fabrikam.example\", \"*.fabrikam.example\"]\nrequire_tls = true\n\
         internal = true\nmessages_per_minute = 1\nrecipients_max = 2\nmessage_bytes_max = 3\nsessions_max = 4\n\
         external_recipients_per_hour = 5\nexternal_recipients_per_day = 0"
    );
    let config = parse(&one(&keys)).unwrap();
    let [own] = config.settings.connectors.own() else { panic!("one connector") };
    let authorities = Authorities::File(Path::new("/etc/franking/devices-ca.pem").into());
    let name =
        |pattern: &str| CertificateRule::Name { pattern: pattern.parse().unwrap(), authorities: authorities.clone() };
    let fingerprint: Fingerprint = DIGEST.parse().unwrap();
    let certificates = [name("*.devices.contoso.example"), name("*"), CertificateRule::Fingerprint(fingerprint)];
    assert_eq!(own.source.networks.len(), 2);
    assert_eq!(own.source.certificates, certificates);
    assert_eq!(own.senders.len(), 2);
    assert!(matches!(&own.senders[0], SenderPattern::Address(_)));
    assert!(matches!(&own.recipients, Scope::Domains(domains) if domains.len() == 2));
    assert!(own.require_tls && own.internal);
    let limits = own.limits;
    let bounds = (limits.messages_per_minute, limits.recipients_max, limits.message_bytes_max, limits.sessions_max);
    assert_eq!(bounds, (Some(1), Some(2), Some(3), Some(4)));
    assert_eq!((limits.external_recipients_per_hour, limits.external_recipients_per_day), (Some(5), None));
    assert!(config.settings.connectors.want_certificates());
    assert_eq!(config.settings.connectors.authorities().collect::<Vec<_>>(), [&authorities, &authorities]);
    let scope = |words: &str| {
        let text = one(&format!("networks = [\"10.0.0.1\"]\nrecipients = {words}"));
        parse(&text).unwrap().settings.connectors.own()[0].recipients.clone()
    };
    assert_eq!(
        (scope("\"inside\""), scope("\"anyone\""), scope("[\"*\"]")),
        (Scope::Inside, Scope::Anyone, Scope::Anyone)
    );
    let plain = parse(&one("networks = [\"10.0.0.1\"]")).unwrap();
    let own = &plain.settings.connectors.own()[0];
    assert!(own.recipients == Scope::Inside && own.senders.is_empty() && !own.require_tls && !own.internal);
    // What its clients send outside is bounded as what an account sends, but for servers that look after their own.
    let usual = |more: &str| {
        let text = one(&format!("networks = [\"10.0.0.1\"]\n{more}\n[limits]\nexternal_recipients_per_hour = 7"));
        let limits = parse(&text).unwrap().settings.connectors.own()[0].limits;
        (limits.external_recipients_per_hour, limits.external_recipients_per_day)
    };
    assert_eq!(usual(""), (Some(7), Some(2_000)));
    assert_eq!(usual("internal = true"), (None, None));
    assert!(!plain.settings.connectors.want_certificates());
}

#[test]
fn a_partner_reaches_the_configuration() {
    let text = one("type = \"partner\"\nsenders = [\"fabrikam.example\", \"*\"]\nnetworks = [\"203.0.113.0/24\"]");
    let config = parse(&text).unwrap();
    let [partner] = config.settings.connectors.partners() else { panic!("one partner") };
    assert_eq!((partner.domains.len(), partner.source.networks.len(), partner.require_tls), (2, 1, false));
    assert!(config.settings.connectors.own().is_empty());
}

#[test]
fn what_is_wrong_with_a_connector_is_said_with_its_cure() {
    for (text, expected) in [
        (one(""), ":2: connector[1].name: a connector for no client; name its clients"),
        (one("networks = [\"10.0.0.0/8\"]").replace("\"a\"", "\"A b\""), "is no name for a connector"),
        (one("networks = [\"10.0.0.1/8\"]"), "has address bits beyond its prefix"),
        (one("networks = [\"10.0.0.1\"]\nauthorities = \"a\""), "has no effect without certificates"),
        (one("certificates = [\"*\"]"), "anybody gets a certificate of a public authority"),
        (one("certificates = [\"a b\"]"), "\"a b\" is no name"),
        (one("fingerprints = [\"00\"]"), "take it from: openssl x509"),
        (one("networks = [\"10.0.0.1\"]\nrecipients = \"all\""), "\"all\" says not who the recipients are"),
        (one("networks = [\"10.0.0.1\"]\nrecipients = [\"a b\"]"), "\"a b\" is no domain"),
        (one("networks = [\"10.0.0.1\"]\nsenders = []"), "names no sender"),
        (one("networks = [\"10.0.0.1\"]\nsessions_max = 0"), "0 is out of range"),
        (one("type = \"partner\"\nrequire_tls = true"), "a partner without domains"),
        (one("type = \"partner\"\nsenders = [\"a.example\"]"), "a partner of whom nothing is asked"),
        (one("type = \"partner\"\nsenders = [\"x@a.example\"]\nrequire_tls = true"), "is no domain"),
        (
            one("type = \"partner\"\nsenders = [\"a.example\"]\nrequire_tls = true\nrecipients = \"anyone\""),
            "has no effect for a partner",
        ),
        (one("networks = [\"10.0.0.1\"]\nrelay = true"), "unknown key `relay`"),
    ] {
        let found = refused(&text);
        assert!(found.contains(expected), "{text}: {found}");
    }
    let known = refused("[policy]\nknown_sources = [\"192.0.2.0/24\", \"10.0.0.1\"]\n");
    let cure = "write instead: [[connector]] name = \"known\" networks = [\"192.0.2.0/24\", \"10.0.0.1\"]";
    assert!(known.contains(":2: policy.known_sources: is a connector now") && known.contains(cure), "{known}");
}

#[test]
fn two_connectors_for_the_same_clients_are_named_both() {
    let of = |first: &str, second: &str| {
        let text = format!("{}{}", one(first), one(second).replace("\"a\"", "\"b\""));
        parse(&text).map(|_| ()).map_err(|errors| errors.to_string())
    };
    let network = "networks = [\"10.0.0.0/8\", \"10.0.0.1\"]";
    let same = of(network, "networks = [\"192.168.0.1\", \"10.0.0.1/32\"]").unwrap_err();
    assert!(same.contains(":5: connector[2].name: the network 10.0.0.1/32: is for the same"), "{same}");
    assert!(same.contains("in line 2; make one of the two narrower"), "{same}");
    let pinned = format!("fingerprints = [\"{DIGEST}\"]");
    assert!(of(&pinned, &pinned.to_uppercase().replace("FINGERPRINTS", "fingerprints")).is_err());
    assert!(of("certificates = [\"mx.a.example\"]", "certificates = [\"MX.A.example\"]").is_err());
    // What one says besides makes them different.
    assert_eq!(of(network, "networks = [\"10.0.0.0/9\"]"), Ok(()));
    assert_eq!(of(network, &format!("{network}\n{pinned}")), Ok(()));
    let own = "certificates = [\"mx.a.example\"]\nauthorities = \"ca.pem\"";
    assert_eq!(of("certificates = [\"mx.a.example\"]", own), Ok(()));
    let named = format!("{}{}", one(network), one("networks = [\"192.168.0.1\"]"));
    assert!(refused(&named).contains("a: has the name of another, in line 2"));
    let partner = "type = \"partner\"\nsenders = [\"a.example\"]\nrequire_tls = true";
    assert!(of(partner, partner).unwrap_err().contains("a.example: is a domain of another partner, in line 2"));
}

#[test]
fn no_large_part_of_the_internet_is_let_in() {
    let of = |network: &str, right: &str| parse(&one(&format!("networks = [\"{network}\"]\n{right}"))).is_ok();
    for right in ["recipients = \"anyone\"", "recipients = [\"a.example\"]", "internal = true"] {
        for wide in ["0.0.0.0/0", "0.0.0.0/1", "192.0.0.0/16", "8.0.0.0/6", "::/0", "2001:db8::/32", "fc00::/6"] {
            assert!(!of(wide, right), "{wide} {right}");
            assert!(of(wide, "recipients = \"inside\""), "{wide}");
            let certified = format!("{right}\nfingerprints = [\"{DIGEST}\"]");
            assert!(of(wide, &certified), "{wide} {right}");
        }
        for narrow in ["192.0.2.0/24", "203.0.113.7", "2001:db8:1::/48", "10.0.0.0/8", "fd00::/8"] {
            assert!(of(narrow, right), "{narrow} {right}");
        }
    }
    let found = refused(&one("recipients = \"anyone\"\nnetworks = [\"0.0.0.0/0\"]"));
    assert!(found.contains(":3: connector[1].recipients: too much for the public network 0.0.0.0/0"), "{found}");
}
