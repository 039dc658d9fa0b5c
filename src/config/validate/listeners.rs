//! Judges `[[listener]]`: where connections are taken, from whom, and what may be said there without TLS.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::Spanned;

use super::Judge;
use crate::config::raw::RawListener;
use crate::config::{ListenerConfig, ListenerRole, ListenerTls, ProxyConfig};
use crate::model::mail::Network;

const LISTENERS_MAX: usize = 64;
/// RFC 8314 section 7.3.
const IMPLICIT_PORT: u16 = 465;

impl Judge<'_> {
    /// Without any `[[listener]]` the three well-known ports are listened on.
    pub(super) fn listeners(&mut self, raw: Option<Vec<RawListener>>) -> Vec<ListenerConfig> {
        let usual = |port, role, tls| ListenerConfig {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            role,
            tls,
            clear_text_networks: Vec::new(),
            proxy: None,
        };
        let Some(raw) = raw.filter(|listeners| !listeners.is_empty()) else {
            return vec![
                usual(587, ListenerRole::Submission, ListenerTls::Starttls),
                usual(IMPLICIT_PORT, ListenerRole::Submission, ListenerTls::Implicit),
                usual(25, ListenerRole::Inbound, ListenerTls::Starttls),
            ];
        };
        let mut taken: Vec<SocketAddr> = Vec::new();
        let mut listeners = Vec::with_capacity(raw.len());
        if let Some(over) = raw.get(LISTENERS_MAX) {
            self.refuse(&over.address.span(), format!("more than {LISTENERS_MAX} listeners"), "remove some");
        }
        for own in raw.into_iter().take(LISTENERS_MAX) {
            let span = own.address.span();
            let listener = self.listener(own);
            if listener.address.port() != 0 && taken.contains(&listener.address) {
                self.refuse(&span, format!("{} is listened on twice", listener.address), "remove one of the two");
            }
            taken.push(listener.address);
            listeners.push(listener);
        }
        listeners
    }

    fn listener(&mut self, raw: RawListener) -> ListenerConfig {
        let (span, text) = (raw.address.span(), raw.address.into_inner());
        let address: SocketAddr = text.parse().unwrap_or_else(|_| {
            let cure = "write address and port like \"0.0.0.0:587\" or \"[::]:587\"";
            self.refuse(&span, format!("\"{text}\" is no address with port"), cure);
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
        });
        let tls_span = raw.tls.as_ref().map_or_else(|| span.clone(), Spanned::span);
        let usual = if address.port() == IMPLICIT_PORT { ListenerTls::Implicit } else { ListenerTls::Starttls };
        let tls = raw.tls.map_or(usual, Spanned::into_inner);
        let allowed = raw.auth_without_tls.filter(|value| *value.get_ref()).map(|value| value.span());
        let clear_text_networks = self.clear_text_networks(allowed.as_ref(), raw.networks, raw.role, tls);
        let proxy = self.proxy(raw.proxy_from, raw.proxy_tls, tls);
        let ends_tls = proxy.as_ref().is_some_and(|proxy| proxy.tls);
        let nobody = tls == ListenerTls::None && clear_text_networks.is_empty() && allowed.is_none() && !ends_tls;
        if nobody && raw.role == ListenerRole::Submission {
            let cure = "use \"starttls\", or name the private networks of devices that cannot speak TLS: \
                        auth_without_tls = true, networks = [\"192.168.10.0/24\"]";
            self.refuse(&tls_span, "without TLS nobody could sign in here", cure);
        }
        if allowed.is_some() || ends_tls {
            self.private_address(address.ip(), &span);
        }
        ListenerConfig { address, role: raw.role, tls, clear_text_networks, proxy }
    }

    /// What is said without TLS must not be said on an address that the whole world can reach, whoever is let in.
    fn private_address(&mut self, address: IpAddr, span: &Range<usize>) {
        if Network::is_private_address(address) {
            return;
        }
        let what = if address.is_unspecified() { "every address of this machine" } else { "a public address" };
        let cure = "listen on a private address or on loopback, such as \"192.168.10.1:2525\", apart from the others";
        self.refuse(span, format!("without TLS nobody signs in on {what}"), cure);
    }

    fn clear_text_networks(
        &mut self,
        allowed: Option<&Range<usize>>,
        networks: Vec<Spanned<String>>,
        role: ListenerRole,
        tls: ListenerTls,
    ) -> Vec<Network> {
        let Some(span) = allowed else {
            if let Some(first) = networks.first() {
                let cure = "add auth_without_tls = true, or remove networks";
                self.refuse(&first.span(), "has no effect without auth_without_tls", cure);
            }
            return Vec::new();
        };
        if role == ListenerRole::Inbound {
            self.refuse(span, "nobody signs in on an inbound listener", "remove it, or set role = \"submission\"");
        }
        if tls == ListenerTls::Implicit {
            let cure = "remove it, or give the devices a listener of their own with tls = \"none\"";
            self.refuse(span, "has no effect where TLS begins with the first octet", cure);
        }
        if networks.is_empty() {
            let cure = "name them, for example networks = [\"192.168.10.0/24\"]";
            self.refuse(span, "passwords in clear text are for named private networks only", cure);
        }
        let problem = "is public, and passwords would cross it readable";
        networks.iter().filter_map(|network| self.private_network(network, problem)).collect()
    }

    fn private_network(&mut self, value: &Spanned<String>, problem: &str) -> Option<Network> {
        let network = self.network(value)?;
        if network.is_private() {
            return Some(network);
        }
        self.refuse(&value.span(), format!("\"{}\" {problem}", value.get_ref()), "name private addresses only");
        None
    }

    fn proxy(
        &mut self,
        from: Option<Spanned<Vec<Spanned<String>>>>,
        ends_tls: Option<Spanned<bool>>,
        tls: ListenerTls,
    ) -> Option<ProxyConfig> {
        let ends_tls = ends_tls.filter(|value| *value.get_ref()).map(|value| value.span());
        let Some(from) = from else {
            if let Some(span) = ends_tls {
                let cure = "name the proxies, for example proxy_from = [\"127.0.0.1\"], or remove it";
                self.refuse(&span, "has no effect without proxy_from", cure);
            }
            return None;
        };
        if from.get_ref().is_empty() {
            let cure = "name the proxies, for example proxy_from = [\"10.0.0.5\"], or remove the key";
            self.refuse(&from.span(), "nobody could connect here", cure);
        }
        let Some(span) = ends_tls else {
            return Some(ProxyConfig { from: self.networks(from.get_ref()), tls: false });
        };
        if tls != ListenerTls::None {
            let cure = "set tls = \"none\" if the proxy ends TLS, or remove proxy_tls if this server does";
            self.refuse(&span, "TLS ends at the proxy or here, not at both", cure);
        }
        let problem = "is public, and what the proxy deciphered would cross it readable";
        let from = from.get_ref().iter().filter_map(|network| self.private_network(network, problem)).collect();
        Some(ProxyConfig { from, tls: true })
    }
}
