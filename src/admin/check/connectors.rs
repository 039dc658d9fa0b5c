//! Connectors: whom they let in, and whether that is more than anybody meant.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CheckReport, Verdict};
use crate::config::{Config, ListenerConfig, ListenerRole, ListenerTls};
use crate::model::mail::Network;
use crate::model::policy::connector::{Connector, Partner, Scope};
use crate::world::tls::ClientAuthorities;

const SUBJECT: &str = "connector";

/// A line for each connector, and one for whatever is wrong with it.
pub(super) fn connectors(config: &Config, report: &mut CheckReport) {
    let connectors = &config.settings.connectors;
    for connector in connectors.own() {
        report.put(SUBJECT, Verdict::Ok, in_words(connector), "");
        openness(connector, report);
        loopback(connector, report);
    }
    for partner in connectors.partners() {
        report.put(SUBJECT, Verdict::Ok, partner_in_words(partner), "");
    }
    if connectors.own().is_empty() && connectors.partners().is_empty() {
        return;
    }
    if let Err(error) = ClientAuthorities::open(connectors.authorities()) {
        report.put(SUBJECT, Verdict::Fail, error.to_string(), "the server does not start without them");
    }
    let inbound = |listener: &&ListenerConfig| listener.role == ListenerRole::Inbound;
    let listeners: Vec<_> = config.listeners.iter().filter(inbound).collect();
    if listeners.is_empty() {
        let cure = "add a [[listener]] with role = \"inbound\": connectors are for its clients alone";
        report.put(SUBJECT, Verdict::Warn, "no listener has connectors", cure);
    } else if connectors.want_certificates() && listeners.iter().all(|listener| listener.tls == ListenerTls::None) {
        let cure = "set tls = \"starttls\" on an inbound listener";
        report.put(SUBJECT, Verdict::Warn, "no certificate is ever seen: no inbound listener speaks TLS", cure);
    }
}

/// A public network can be reached from anywhere on the way to it, and addresses there change hands.
fn openness(connector: &Connector, report: &mut CheckReport) {
    let asks_enough = connector.require_tls || !connector.source.certificates.is_empty();
    let gives_little = connector.recipients == Scope::Inside && !connector.internal;
    let public = connector.source.networks.iter().find(|network| !Network::is_private(network));
    if let Some(public) = public.filter(|_| !asks_enough && !gives_little) {
        let detail =
            format!("{}: the public network {public}, in clear text and without a certificate", connector.name);
        let cure = "set require_tls = true, or ask for certificates: see franking explain --peer";
        report.put(SUBJECT, Verdict::Warn, detail, cure);
    }
}

/// Behind a proxy that does not say whose connection it is, everybody comes from this machine.
fn loopback(connector: &Connector, report: &mut CheckReport) {
    let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let is_known = here.iter().any(|own| connector.source.networks.iter().any(|network| network.contains(*own)));
    let gives_little = connector.recipients == Scope::Inside && !connector.internal;
    if is_known && !gives_little && connector.source.certificates.is_empty() {
        let detail = format!("{}: every client of a proxy on this machine is one of its own", connector.name);
        let cure = "let the proxy say where clients are: proxy_from on its listener; or leave loopback out";
        report.put(SUBJECT, Verdict::Warn, detail, cure);
    }
}

fn in_words(connector: &Connector) -> String {
    let Connector { name, source, senders, recipients, internal, require_tls, .. } = connector;
    let list = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>().join(", ");
    let senders = match senders.as_slice() {
        [] => String::new(),
        senders => format!(", from {}", list(&mut senders.iter().map(ToString::to_string))),
    };
    let recipients = match recipients {
        Scope::Inside => "inside".to_owned(),
        Scope::Anyone => "anyone".to_owned(),
        Scope::Domains(domains) => format!("inside and {}", list(&mut domains.iter().map(ToString::to_string))),
    };
    let internal = if *internal { ", as authenticated" } else { "" };
    let tls = if *require_tls { ", over TLS" } else { "" };
    format!("{name}: {source}{senders}, to {recipients}{internal}{tls}")
}

fn partner_in_words(partner: &Partner) -> String {
    let domains: Vec<String> = partner.domains.iter().map(ToString::to_string).collect();
    let source = if partner.source.is_empty() { String::new() } else { format!(" from {} only", partner.source) };
    let tls = if partner.require_tls { ", over TLS" } else { "" };
    format!("{}: the partner {}{source}{tls}", partner.name, domains.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn report(text: &str, place: &Path) -> Vec<(Verdict, String)> {
        let config = Config::parse(text, &place.join("franking.toml")).unwrap();
        let mut report = CheckReport::default();
        connectors(&config, &mut report);
        report.findings.into_iter().map(|finding| (finding.verdict, finding.detail)).collect()
    }

    fn one(more: &str) -> String {
        format!("[[connector]]\nname = \"a\"\n{more}\n")
    }

    #[test]
    fn a_connector_is_put_into_words() {
        let place = Path::new("/nowhere");
        let text = one(
            "networks = [\"192.168.10.0/24\"]\nsenders = [\"contoso.example\"]\nrecipients = [\"fabrikam.example\"]\n\
             require_tls = true\ninternal = true",
        );
        let partner = "[[connector]]\nname = \"b\"\ntype = \"partner\"\nsenders = [\"fabrikam.example\"]\n\
                       networks = [\"203.0.113.0/24\"]\n";
        let own =
            "a: 192.168.10.0/24, from contoso.example, to inside and fabrikam.example, as authenticated, over TLS";
        let other = "b: the partner fabrikam.example from 203.0.113.0/24 only";
        let found = report(&format!("{text}{partner}"), place);
        assert_eq!(found, [(Verdict::Ok, own.to_owned()), (Verdict::Ok, other.to_owned())]);
        assert_eq!(report("", place), []);
    }

    #[test]
    fn a_public_network_without_tls_is_warned_of() {
        let warned = |more: &str| {
            let found = report(&one(&format!("networks = [\"192.0.2.0/24\"]\n{more}")), Path::new("/nowhere"));
            found.iter().any(|(verdict, detail)| *verdict == Verdict::Warn && detail.contains("192.0.2.0/24"))
        };
        assert!(warned("recipients = \"anyone\"") && warned("internal = true"));
        assert!(!warned("") && !warned("recipients = \"anyone\"\nrequire_tls = true"));
        let here = report(&one("networks = [\"127.0.0.0/8\"]\ninternal = true"), Path::new("/nowhere"));
        assert!(here.iter().any(|(verdict, detail)| *verdict == Verdict::Warn && detail.contains("every client of a")));
        let private = report(&one("networks = [\"10.0.0.0/8\"]\nrecipients = \"anyone\""), Path::new("/nowhere"));
        assert_eq!(private.len(), 1);
    }

    #[test]
    fn what_keeps_certificates_from_being_seen_is_said() {
        let place = tempfile::tempdir().unwrap();
        let text = one("certificates = [\"mx.contoso.example\"]\nauthorities = \"no.pem\"");
        let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        let found = report(&format!("{text}{listener}"), place.path());
        assert!(
            found.iter().any(|(verdict, detail)| *verdict == Verdict::Fail && detail.contains("no.pem")),
            "{found:?}"
        );
        assert!(found.iter().any(|(_, detail)| detail == "no listener has connectors"), "{found:?}");
        let plain = "[[listener]]\naddress = \"127.0.0.1:0\"\nrole = \"inbound\"\ntls = \"none\"\n";
        let found = report(&format!("{text}{plain}"), place.path());
        assert!(found.iter().any(|(_, detail)| detail.starts_with("no certificate is ever seen")), "{found:?}");
    }
}
