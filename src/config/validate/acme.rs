//! Judges `[acme]`: certificates that an authority gives by itself.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::Spanned;

use super::Judge;
use super::tokens::{SecretKeys, span_of};
use crate::config::raw::RawAcme;
use crate::config::{AcmeChallenge, AcmeConfig, ExternalAccount, ListenerConfig};
use crate::model::mail::{Address, Domain};
use crate::world::https::HttpsUrl;

/// Let's Encrypt's.
const DIRECTORY_USUAL: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Let's Encrypt takes no more for one certificate.
const NAMES_MAX: usize = 100;
const CONTACTS_MAX: usize = 10;
const LISTEN_MAX: usize = 8;

impl Judge<'_> {
    /// `None` without the table.
    pub(super) fn acme(
        &mut self,
        raw: Option<Spanned<RawAcme>>,
        hostname: &Domain,
        listeners: &[ListenerConfig],
    ) -> Option<AcmeConfig> {
        let raw = raw?;
        let (span, raw) = (raw.span(), raw.into_inner());
        let agreed = raw.agree_to_terms.as_ref().is_some_and(|value| *value.get_ref());
        if !agreed {
            let cure = "read the terms of the authority (its directory names them), then set agree_to_terms = true";
            let span = raw.agree_to_terms.as_ref().map_or_else(|| span.clone(), Spanned::span);
            self.refuse(&span, "no certificate is given without agreeing to the authority's terms", cure);
        }
        let challenge = raw.challenge;
        let keys = (raw.external_account_key_file, raw.external_account_key_env, raw.external_account_key_credential);
        let external_account = self.external_account(raw.external_account_id, keys);
        let listen = self.challenge_listeners(raw.listen, challenge, listeners);
        let contact = self.contacts(raw.contact.map(Spanned::into_inner).unwrap_or_default());
        let names = self.acme_names(raw.names, hostname, &span);
        let directory = match raw.directory_url {
            Some(url) => self.url(url)?,
            // The address above is one; without `unwrap`, which is for tests.
            None => DIRECTORY_USUAL.parse::<HttpsUrl>().ok()?,
        };
        let authorities = raw.authorities.map(|path| self.beside(&path));
        Some(AcmeConfig { directory, contact, names, challenge, listen, authorities, external_account })
    }

    fn acme_names(
        &mut self,
        raw: Option<Spanned<Vec<Spanned<String>>>>,
        hostname: &Domain,
        table: &Range<usize>,
    ) -> Vec<Domain> {
        let Some(raw) = raw else {
            if hostname.name().is_none() || hostname.to_string() == "localhost" {
                let cure = "set hostname, or list names = [\"mx.contoso.example\"]";
                self.refuse(table, format!("nobody gives a certificate for {hostname}"), cure);
            }
            return vec![hostname.clone()];
        };
        let (span, raw) = (raw.span(), raw.into_inner());
        if raw.is_empty() || raw.len() > NAMES_MAX {
            let cure = format!("list 1 to {NAMES_MAX} names, or remove the key: then it is the hostname");
            self.refuse(&span, format!("{} names", raw.len()), cure);
        }
        let mut names: Vec<Domain> = Vec::new();
        for value in raw.into_iter().take(NAMES_MAX) {
            let (span, text) = (value.span(), value.into_inner());
            if text.starts_with("*.") {
                let cure = "only DNS can prove it: get it with another program, and name its files under [tls]";
                self.refuse(&span, format!("\"{text}\" stands for many names"), cure);
                continue;
            }
            match Domain::parse(&text) {
                Ok(name) if name.name().is_some() && text.contains('.') => {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                Ok(_) | Err(_) => {
                    let cure = "write it like \"mx.contoso.example\"";
                    self.refuse(&span, format!("\"{text}\" is no name that an authority could look up"), cure);
                }
            }
        }
        names
    }

    fn contacts(&mut self, raw: Vec<Spanned<String>>) -> Vec<Address> {
        if let Some(over) = raw.get(CONTACTS_MAX) {
            self.refuse(&over.span(), format!("more than {CONTACTS_MAX} contacts"), "remove some");
        }
        raw.iter().take(CONTACTS_MAX).filter_map(|value| self.mailbox(value)).collect()
    }

    fn challenge_listeners(
        &mut self,
        raw: Option<Spanned<Vec<Spanned<String>>>>,
        challenge: AcmeChallenge,
        listeners: &[ListenerConfig],
    ) -> Vec<SocketAddr> {
        let Some(raw) = raw else { return vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), challenge.port())] };
        let (span, raw) = (raw.span(), raw.into_inner());
        if raw.is_empty() || raw.len() > LISTEN_MAX {
            let cure = format!("list 1 to {LISTEN_MAX} addresses, or remove the key");
            self.refuse(&span, format!("{} addresses", raw.len()), cure);
        }
        let mut found: Vec<SocketAddr> = Vec::new();
        for value in raw.into_iter().take(LISTEN_MAX) {
            let (span, text) = (value.span(), value.into_inner());
            let Ok(address) = text.parse::<SocketAddr>() else {
                let cure = format!("write address and port like \"0.0.0.0:{}\"", challenge.port());
                self.refuse(&span, format!("\"{text}\" is no address with port"), cure);
                continue;
            };
            let taken = found.contains(&address) || listeners.iter().any(|listener| listener.address == address);
            if taken && address.port() != 0 {
                let cure = "give the proof a port of its own";
                self.refuse(&span, format!("{address} is listened on already"), cure);
            }
            found.push(address);
        }
        found
    }

    fn external_account(&mut self, id: Option<Spanned<String>>, keys: SecretKeys) -> Option<ExternalAccount> {
        let span = id.as_ref().map(Spanned::span).or_else(|| span_of(&keys));
        let key = self.secret(keys);
        match (id, key) {
            (Some(id), Some(key)) => Some(ExternalAccount { key_id: self.text(id), key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let cure = "give external_account_id and one of external_account_key_file, _env, _credential";
                self.refuse(&span.unwrap_or(0..0), "half of an external account", cure);
                None
            }
        }
    }
}
