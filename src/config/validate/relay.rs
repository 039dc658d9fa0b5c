//! Judges what is said about one host on the way out, in `[relay]` or in a `[[route]]`.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use toml::Spanned;

use super::Judge;
use super::tokens::{SecretKeys, span_of};
use crate::config::raw::{RawRelay, RawRoute};
use crate::config::{RelayAuth, RelayCredentials, RelayProof, RelayTls, SmartHost, TokenAuth, TokenConfig};
use crate::model::mail::{Address, Domain};
use crate::world::tls::CertificatePaths;

/// RFC 8314: mail from accounts, over TLS from the first octet.
const IMPLICIT_PORT: u64 = 465;
/// More at once no host takes from one sender.
const CONNECTIONS_MAX: u64 = 1_000;

/// The keys of a host besides its name and TLS, as they are written.
#[derive(Default)]
pub(super) struct HostKeys {
    pub(super) port: Option<Spanned<u64>>,
    pub(super) login: Option<Spanned<String>>,
    pub(super) password: SecretKeys,
    pub(super) auth: Option<Spanned<RelayAuth>>,
    pub(super) token: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) rewrite_sender: Option<Spanned<String>>,
    pub(super) connections_max: Option<Spanned<u64>>,
}

impl HostKeys {
    /// Takes its keys out of `[relay]`.
    pub(super) const fn of_relay(raw: &mut RawRelay) -> Self {
        Self {
            port: raw.port.take(),
            login: raw.login.take(),
            password: (raw.password_file.take(), raw.password_env.take(), raw.password_credential.take()),
            auth: raw.auth.take(),
            token: raw.token.take(),
            certificate: raw.certificate.take(),
            key: raw.key.take(),
            rewrite_sender: raw.rewrite_sender.take(),
            connections_max: raw.connections_max.take(),
        }
    }

    /// Takes its keys out of a `[[route]]`.
    pub(super) const fn of_route(raw: &mut RawRoute) -> Self {
        Self {
            port: raw.port.take(),
            login: raw.login.take(),
            password: (raw.password_file.take(), raw.password_env.take(), raw.password_credential.take()),
            auth: raw.auth.take(),
            token: raw.token.take(),
            certificate: raw.certificate.take(),
            key: raw.key.take(),
            rewrite_sender: raw.rewrite_sender.take(),
            connections_max: raw.connections_max.take(),
        }
    }

    /// Where each key that is there stands.
    pub(super) fn spans(&self) -> Vec<Range<usize>> {
        let spans = [
            self.port.as_ref().map(Spanned::span),
            self.login.as_ref().map(Spanned::span),
            span_of(&self.password),
            self.auth.as_ref().map(Spanned::span),
            self.token.as_ref().map(Spanned::span),
            self.certificate.as_ref().map(Spanned::span),
            self.key.as_ref().map(Spanned::span),
            self.rewrite_sender.as_ref().map(Spanned::span),
            self.connections_max.as_ref().map(Spanned::span),
        ];
        spans.into_iter().flatten().collect()
    }
}

impl Judge<'_> {
    pub(super) fn host(
        &mut self,
        host: Spanned<String>,
        tls: Option<Spanned<RelayTls>>,
        usual_port: u64,
        keys: HostKeys,
        tokens: &[TokenConfig],
    ) -> SmartHost {
        let (span, text) = (host.span(), host.into_inner());
        let host = Domain::parse(&text).unwrap_or_else(|error| {
            let cure = "write it like \"smtp.fabrikam.example\" or \"[192.0.2.1]\", the port apart";
            self.refuse(&span, format!("\"{text}\" is no host: {error}"), cure);
            IpAddr::V4(Ipv4Addr::LOCALHOST).into()
        });
        let tls_span = tls.as_ref().map_or(span, Spanned::span);
        let tls = tls.map(Spanned::into_inner).unwrap_or_default();
        let usual = if tls == RelayTls::Implicit { IMPLICIT_PORT } else { usual_port };
        let port = u16::try_from(self.number(keys.port, usual, 1..=u64::from(u16::MAX))).unwrap_or(u16::MAX);
        let credentials = self.credentials(keys.login, keys.password, (keys.auth, keys.token), tokens);
        let certificate = self.client_certificate(keys.certificate, keys.key);
        if matches!(tls, RelayTls::Opportunistic | RelayTls::None) {
            let problem = match &credentials {
                Some(RelayCredentials { proof: RelayProof::Password(_), .. }) => {
                    Some(("the password could be read on its way", "remove login and the password"))
                }
                Some(RelayCredentials { proof: RelayProof::Token { .. }, .. }) => {
                    Some(("the token could be read on its way", "remove login and token"))
                }
                None if certificate.is_some() => {
                    Some(("anybody could be shown the certificate", "remove certificate and key"))
                }
                None => None,
            };
            if let Some((problem, cure)) = problem {
                self.refuse(&tls_span, problem, format!("set tls = \"required\" or \"implicit\", or {cure}"));
            }
        }
        let connections_max = keys.connections_max.map(|value| self.count(Some(value), 1, 1..=CONNECTIONS_MAX));
        let rewrite_sender = keys.rewrite_sender.and_then(|value| self.mailbox(&value));
        SmartHost { host, port, tls, credentials, certificate, rewrite_sender, connections_max }
    }

    pub(super) fn mailbox(&mut self, value: &Spanned<String>) -> Option<Address> {
        let (span, text) = (value.span(), value.get_ref());
        match Address::parse(text) {
            // A header field must be able to hold it as it is, also at a host without SMTPUTF8.
            Ok(address) if address.to_string().is_ascii() => Some(address),
            Ok(_) => {
                self.refuse(&span, format!("\"{text}\" is not ASCII"), "give the mailbox an address in ASCII");
                None
            }
            Err(error) => {
                let cure = "write it like \"scanner@contoso.example\"";
                self.refuse(&span, format!("\"{text}\" is no address: {error}"), cure);
                None
            }
        }
    }

    fn client_certificate(
        &mut self,
        certificate: Option<Spanned<PathBuf>>,
        key: Option<Spanned<PathBuf>>,
    ) -> Option<CertificatePaths> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(CertificatePaths {
                certificate: self.beside(certificate.get_ref()),
                key: self.beside(key.get_ref()),
            }),
            (Some(certificate), None) => {
                self.refuse(&certificate.span(), "a certificate without key", "add key, or remove certificate");
                None
            }
            (None, Some(key)) => {
                self.refuse(&key.span(), "a key without certificate", "add certificate, or remove key");
                None
            }
            (None, None) => None,
        }
    }

    fn credentials(
        &mut self,
        login: Option<Spanned<String>>,
        password: SecretKeys,
        (auth, token): (Option<Spanned<RelayAuth>>, Option<Spanned<String>>),
        tokens: &[TokenConfig],
    ) -> Option<RelayCredentials> {
        let span = auth.as_ref().map(Spanned::span);
        let auth = match auth.map(Spanned::into_inner).unwrap_or_default() {
            RelayAuth::Password => None,
            RelayAuth::Xoauth2 => Some(TokenAuth::Xoauth2),
            RelayAuth::OauthBearer => Some(TokenAuth::OauthBearer),
        };
        let Some(auth) = auth else {
            if let Some(token) = token {
                let cure = "add auth = \"xoauth2\" or \"oauthbearer\", or remove token";
                self.refuse(&token.span(), "a token has no effect with a password", cure);
                return None;
            }
            return self.password(login, password);
        };
        if let Some(span) = span_of(&password) {
            let cure = "remove it, or the key auth";
            self.refuse(&span, "a password has no effect with a token", cure);
        }
        let span = span.unwrap_or_default();
        let Some(login) = login else {
            let cure = "add login, the mailbox that the token is for, such as \"scanner@contoso.example\"";
            self.refuse(&span, "a token without login", cure);
            return None;
        };
        let Some(token) = token else {
            self.refuse(&span, "no token is named", "add token = \"NAME\" and a [[token]] of that name");
            return None;
        };
        self.known_token(&token, tokens);
        let name = token.into_inner().into();
        Some(RelayCredentials { login: self.login(login), proof: RelayProof::Token { auth, name } })
    }

    /// Refuses a name that no token has.
    pub(super) fn known_token(&mut self, token: &Spanned<String>, tokens: &[TokenConfig]) {
        if !tokens.iter().any(|known| *known.name == **token.get_ref()) {
            let problem = format!("there is no [[token]] \"{}\"", token.get_ref());
            self.refuse(&token.span(), problem, "add it, or correct the name");
        }
    }

    fn password(&mut self, login: Option<Spanned<String>>, password: SecretKeys) -> Option<RelayCredentials> {
        let span = span_of(&password).unwrap_or_default();
        match (login, self.secret(password)) {
            (Some(login), Some(source)) => {
                let proof = RelayProof::Password(source);
                Some(RelayCredentials { login: self.login(login), proof })
            }
            (Some(login), None) => {
                let cure = "add password_file, password_env or password_credential, or auth and token, or remove login";
                self.refuse(&login.span(), "a login without password", cure);
                None
            }
            (None, Some(_)) => {
                self.refuse(&span, "a password without login", "add login, or remove the password");
                None
            }
            (None, None) => None,
        }
    }

    fn login(&mut self, login: Spanned<String>) -> String {
        let span = login.span();
        let login = login.into_inner();
        if login.is_empty() || login.contains(char::is_control) {
            self.refuse(&span, "no login", "give the name to sign in with, without control characters");
        }
        login
    }
}
