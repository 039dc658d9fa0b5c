//! The part of `[relay]` that is about the demands of recipients' domains.

use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use super::Judge;
use crate::config::TransportConfig;
use crate::config::raw::RawRelay;

const NAME_SERVERS_MAX: usize = 8;
const DNS_PORT: u16 = 53;

impl Judge<'_> {
    /// Takes its keys out of `raw`.
    pub(super) fn transport(&mut self, raw: &mut RawRelay) -> TransportConfig {
        let span = raw.name_servers.as_ref().map_or(0..0, Spanned::span);
        let listed = raw.name_servers.take().map(Spanned::into_inner).unwrap_or_default();
        if listed.len() > NAME_SERVERS_MAX {
            self.refuse(&span, format!("more than {NAME_SERVERS_MAX} name servers"), "remove some");
        }
        let listed: Vec<_> =
            listed.into_iter().take(NAME_SERVERS_MAX).filter_map(|text| self.name_server(text)).collect();
        let trusted = raw.trust_ad.take();
        let dane = raw.dane.take().filter(|value| *value.get_ref());
        match (&dane, &trusted) {
            (Some(dane), _) if span.is_empty() => {
                let cure = "name one that validates DNSSEC, best on this machine: name_servers = [\"127.0.0.1:53\"]";
                self.refuse(&dane.span(), "needs a name server that can be relied on", cure);
            }
            (Some(dane), trusted) if !trusted.as_ref().is_some_and(|value| *value.get_ref()) => {
                if let Some(far) = listed.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
                    let problem = format!("the answers of {far} could be forged on their way");
                    let cure = "name a server on this machine, or set trust_ad = true if the way to it is safe";
                    self.refuse(&dane.span(), problem, cure);
                }
            }
            (None, Some(trusted)) if *trusted.get_ref() => {
                self.refuse(&trusted.span(), "has no effect without dane", "add dane = true, or remove the key");
            }
            (Some(_) | None, _) => {}
        }
        TransportConfig {
            mta_sts: raw.mta_sts.take().unwrap_or(true),
            dane: dane.is_some(),
            name_servers: listed,
            authorities: raw.authorities.take().map(|path| self.beside(&path)),
        }
    }

    /// An address, the port apart or left to be 53.
    fn name_server(&mut self, value: Spanned<String>) -> Option<SocketAddr> {
        let (span, text) = (value.span(), value.into_inner());
        let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
        match bare.or_else(|_| text.parse::<SocketAddr>()) {
            Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Some(address),
            Ok(_) | Err(_) => {
                let cure = "write it like \"127.0.0.1:53\" or \"[::1]:53\"";
                self.refuse(&span, format!("\"{text}\" is no address of a name server"), cure);
                None
            }
        }
    }
}
