//! Judges what is said about mail to other systems: `[relay]`, `[[route]]` and the connections of `[queue]`.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use toml::Spanned;

use super::Judge;
use crate::config::raw::{RawRelay, RawRoute};
use crate::config::{OutboundConfig, RelayTls, RouteTls, RouteWay, SmartHost};
use crate::model::mail::{Domain, DomainPattern};
use crate::model::policy::RouteTable;

/// More than this belongs into a smart host of its own.
const ROUTES_MAX: usize = 1_000;
const PATTERNS_MAX: usize = 10_000;

/// RFC 6409 and RFC 8314: where accounts hand mail in. Other servers listen at 25.
const SUBMISSION_PORT: u64 = 587;
const IMPLICIT_PORT: u64 = 465;
const SMTP_PORT: u64 = 25;

type Number = Option<Spanned<u64>>;

impl Judge<'_> {
    /// All ways for mail to other systems; the smart host is the way for what has no other.
    pub(super) fn routes(&mut self, relay: RawRelay, raw: Vec<RawRoute>) -> RouteTable<RouteWay> {
        let mut routes = RouteTable::new();
        if let Some(host) = self.smart_host(relay) {
            routes.insert(DomainPattern::All, RouteWay::Host(host));
        }
        if let Some(over) = raw.get(ROUTES_MAX) {
            self.refuse(&over.domains.span(), format!("more than {ROUTES_MAX} routes"), "remove some");
        }
        let mut patterns = 0;
        for route in raw.into_iter().take(ROUTES_MAX) {
            let (span, domains) = (route.domains.span(), route.domains.get_ref().clone());
            let Some(way) = self.way(route) else { continue };
            if domains.is_empty() {
                let cure = "name them, for example domains = [\"fabrikam.example\", \"*.fabrikam.example\"]";
                self.refuse(&span, "a route for no domain", cure);
            }
            for domain in domains {
                patterns += 1;
                if patterns == PATTERNS_MAX {
                    self.refuse(&domain.span(), format!("more than {PATTERNS_MAX} domains in routes"), "remove some");
                }
                if patterns < PATTERNS_MAX {
                    self.put_route(&mut routes, &domain, &way);
                }
            }
        }
        routes
    }

    fn put_route(&mut self, routes: &mut RouteTable<RouteWay>, domain: &Spanned<String>, way: &RouteWay) {
        let (span, text) = (domain.span(), domain.get_ref());
        let pattern = match text.parse::<DomainPattern>() {
            Ok(pattern) => pattern,
            Err(error) => {
                let cure = "write \"fabrikam.example\", \"*.fabrikam.example\" for all domains below, or \"*\" for all";
                return self.refuse(&span, format!("\"{text}\" is no domain: {error}"), cure);
            }
        };
        if routes.contains(&pattern) {
            let (problem, cure) = if pattern == DomainPattern::All {
                ("there are two ways for all other mail", "keep one: this \"*\", another, or smart_host under [relay]")
            } else {
                ("has a route already", "remove one of the two")
            };
            return self.refuse(&span, format!("\"{text}\": {problem}"), cure);
        }
        routes.insert(pattern, way.clone());
    }

    fn way(&mut self, raw: RawRoute) -> Option<RouteWay> {
        let Some(host) = raw.host else {
            return self.exchangers(
                &raw.domains.span(),
                raw.tls,
                [
                    raw.port.map(|value| value.span()),
                    raw.login.map(|value| value.span()),
                    raw.password_file.map(|value| value.span()),
                ],
            );
        };
        let tls = match raw.tls {
            None => None,
            Some(tls) => {
                let span = tls.span();
                let plain = match tls.into_inner() {
                    RouteTls::Required => RelayTls::Required,
                    RouteTls::Opportunistic => RelayTls::Opportunistic,
                    RouteTls::Implicit => RelayTls::Implicit,
                    RouteTls::None => RelayTls::None,
                    RouteTls::VerifiedMx => {
                        let cure = "remove host, or set tls = \"required\", which verifies this host";
                        self.refuse(&span, "\"verified-mx\" is for the mail exchangers of the domain", cure);
                        return None;
                    }
                };
                Some(Spanned::new(span, plain))
            }
        };
        let usual = if raw.login.is_some() { SUBMISSION_PORT } else { SMTP_PORT };
        Some(RouteWay::Host(self.host(host, raw.port, usual, tls, raw.login, raw.password_file)))
    }

    /// A route without a host.
    fn exchangers(
        &mut self,
        domains: &Range<usize>,
        tls: Option<Spanned<RouteTls>>,
        idle: [Option<Range<usize>>; 3],
    ) -> Option<RouteWay> {
        for span in idle.into_iter().flatten() {
            self.refuse(&span, "has no effect without host", "name the host, or remove the key");
        }
        let span = tls.as_ref().map_or_else(|| domains.clone(), Spanned::span);
        match tls.map(Spanned::into_inner) {
            Some(RouteTls::VerifiedMx) => Some(RouteWay::Exchangers { verified: true }),
            Some(RouteTls::Opportunistic) => Some(RouteWay::Exchangers { verified: false }),
            Some(RouteTls::Required | RouteTls::Implicit | RouteTls::None) | None => {
                let cure = "name the host; or set tls = \"verified-mx\" for mail exchangers that must prove their \
                            names, or \"opportunistic\" for mail exchangers as usual";
                self.refuse(&span, "a route without a host", cure);
                None
            }
        }
    }

    fn smart_host(&mut self, raw: RawRelay) -> Option<SmartHost> {
        let Some(host) = raw.smart_host else {
            let spans = [raw.port.map(|value| value.span()), raw.tls.map(|value| value.span())];
            let more = [raw.login.map(|value| value.span()), raw.password_file.map(|value| value.span())];
            if let Some(span) = spans.into_iter().chain(more).flatten().next() {
                self.refuse(&span, "has no effect without smart_host", "name the host, or remove the key");
            }
            return None;
        };
        Some(self.host(host, raw.port, SUBMISSION_PORT, raw.tls, raw.login, raw.password_file))
    }

    fn host(
        &mut self,
        host: Spanned<String>,
        port: Number,
        usual_port: u64,
        tls: Option<Spanned<RelayTls>>,
        login: Option<Spanned<String>>,
        password_file: Option<Spanned<PathBuf>>,
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
        let port = u16::try_from(self.number(port, usual, 1..=u64::from(u16::MAX))).unwrap_or(u16::MAX);
        let credentials = self.credentials(login, password_file);
        if credentials.is_some() && matches!(tls, RelayTls::Opportunistic | RelayTls::None) {
            let cure = "set tls = \"required\" or \"implicit\", or remove login and password_file";
            self.refuse(&tls_span, "the password could be read on its way", cure);
        }
        SmartHost { host, port, tls, credentials }
    }

    fn credentials(
        &mut self,
        login: Option<Spanned<String>>,
        password_file: Option<Spanned<PathBuf>>,
    ) -> Option<(String, PathBuf)> {
        match (login, password_file) {
            (Some(login), Some(file)) => {
                let span = login.span();
                let login = login.into_inner();
                if login.is_empty() || login.contains(char::is_control) {
                    self.refuse(&span, "no login", "give the name to sign in with, without control characters");
                }
                Some((login, self.beside(file.get_ref())))
            }
            (Some(login), None) => {
                self.refuse(&login.span(), "a login without password", "add password_file, or remove login");
                None
            }
            (None, Some(file)) => {
                self.refuse(&file.span(), "a password without login", "add login, or remove password_file");
                None
            }
            (None, None) => None,
        }
    }

    /// What may be under way to other systems at once.
    pub(super) fn outbound(
        &mut self,
        per_destination: Number,
        in_all: Number,
        recipients: Number,
        messages: Number,
        idle: Number,
    ) -> OutboundConfig {
        let span = per_destination.as_ref().or(in_all.as_ref()).map_or(0..0, Spanned::span);
        // Spec section 2.2 for the messages. RFC 5321 section 4.5.3.1.8: every host takes 100 recipients.
        let connections_max = self.count(in_all, 64, 1..=10_000);
        let connections_per_destination = self.count(per_destination, connections_max.min(5), 1..=1_000);
        if connections_per_destination > connections_max {
            let cure = "raise connections_max, or lower connections_per_destination";
            self.refuse(&span, "one destination may not have more connections than there are", cure);
        }
        OutboundConfig {
            connections_per_destination,
            connections_max,
            recipients_per_transaction: self.count(recipients, 100, 1..=1_000),
            messages_per_connection: self.count(messages, 20, 1..=10_000),
            // A host that waits for a command (RFC 5321 section 4.5.3.2.7) holds a place for us all that time.
            connection_idle: self.seconds(idle, 5, 0..=60),
        }
    }
}
