//! Listeners: what is said on them, or on the way to them, that others can read?

use super::{CheckReport, Verdict};
use crate::config::ListenerConfig;
use crate::model::mail::Network;

/// One listener: what whoever sends on it, or through it, should know.
pub(super) fn listener(listener: &ListenerConfig, report: &mut CheckReport) {
    let address = listener.address;
    let subject = format!("port {}", address.port());
    let names = |networks: &[Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !listener.clear_text_networks.is_empty() {
        let devices = names(&listener.clear_text_networks);
        let detail = format!(
            "{address}: devices of {devices} sign in without TLS, so that anybody between can read their secrets and \
             their mail"
        );
        let cure = "give what can speak TLS 1.2 a listener with TLS, and what speaks older TLS a proxy: README, \
                    \"Old TLS\"";
        report.put(&subject, Verdict::Warn, detail, cure);
    }
    let Some(proxy) = &listener.proxy else { return };
    let from = names(&proxy.from);
    report.put(&subject, Verdict::Ok, format!("{address}: connections are for the proxies {from} alone"), "");
    if proxy.tls && !proxy.from.iter().all(|network| network.address().is_loopback()) {
        let detail = format!("{address}: what the proxies {from} decipher comes here readable");
        let cure = "run the proxy on this machine, or on a network on which nobody can listen";
        report.put(&subject, Verdict::Warn, detail, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ListenerRole, ListenerTls, ProxyConfig};

    fn said(networks: &[&str], proxy: Option<(&str, bool)>) -> Vec<String> {
        let config = ListenerConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            role: ListenerRole::Submission,
            tls: ListenerTls::None,
            clear_text_networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            proxy: proxy.map(|(from, tls)| ProxyConfig { from: vec![from.parse().unwrap()], tls }),
        };
        let mut report = CheckReport::default();
        listener(&config, &mut report);
        report.findings.iter().map(|found| format!("{:?} {}", found.verdict, found.detail)).collect()
    }

    #[test]
    fn what_others_can_read_is_a_warning() {
        let proxies = |from: &str| format!("Ok 127.0.0.1:0: connections are for the proxies {from} alone");
        assert!(said(&[], None).is_empty());
        let [clear] = &said(&["10.0.0.0/8", "fd00::/8"], None)[..] else { panic!() };
        assert!(clear.starts_with("Warn 127.0.0.1:0: devices of 10.0.0.0/8, fd00::/8 sign in without TLS"), "{clear}");
        assert_eq!(said(&[], Some(("203.0.113.5", false))), [proxies("203.0.113.5/32")]);
        assert_eq!(said(&[], Some(("127.0.0.0/8", true))), [proxies("127.0.0.0/8")]);
        let [known, readable] = &said(&[], Some(("10.0.0.5", true)))[..] else { panic!() };
        assert_eq!(*known, proxies("10.0.0.5/32"));
        assert!(readable.starts_with("Warn 127.0.0.1:0: what the proxies 10.0.0.5/32 decipher"), "{readable}");
    }
}
