//! Judges what is said about mail to other systems: `[relay]`, `[[route]]` and the connections of `[queue]`.

use core::ops::Range;

use toml::Spanned;

use super::Judge;
use super::relay::HostKeys;
use crate::config::raw::{RawRelay, RawRoute};
use crate::config::{OutboundConfig, RelayTls, RouteTls, RouteWay, SmartHost, TokenConfig};
use crate::model::mail::DomainPattern;
use crate::model::policy::{RoutePattern, RouteTable, SenderPattern};

/// More than this belongs into a smart host of its own.
const ROUTES_MAX: usize = 1_000;
const PATTERNS_MAX: usize = 10_000;
/// RFC 6409: where accounts hand mail in. Other servers listen at 25.
const SUBMISSION_PORT: u64 = 587;
const SMTP_PORT: u64 = 25;
const DOMAINS_CURE: &str = "name them, for example domains = [\"fabrikam.example\", \"*.fabrikam.example\"]";

type Number = Option<Spanned<u64>>;
type Words = Option<Spanned<Vec<Spanned<String>>>>;

impl Judge<'_> {
    /// All ways for mail to other systems; the smart host is the way for what has no other.
    pub(super) fn routes(
        &mut self,
        relay: RawRelay,
        raw: Vec<Spanned<RawRoute>>,
        tokens: &[TokenConfig],
    ) -> RouteTable<RouteWay> {
        let mut routes = RouteTable::new();
        if let Some(host) = self.smart_host(relay, tokens) {
            routes.insert(DomainPattern::All, RouteWay::Host(host));
        }
        if let Some(over) = raw.get(ROUTES_MAX) {
            self.refuse(&over.span(), format!("more than {ROUTES_MAX} routes"), "remove some");
        }
        let mut patterns = 0;
        for route in raw.into_iter().take(ROUTES_MAX) {
            let (whole, mut route) = (route.span(), route.into_inner());
            let (domains, senders) = (route.domains.take(), route.senders.take());
            if domains.is_none() && senders.is_none() {
                self.refuse(&whole, "a route for no domain and no sender", DOMAINS_CURE);
                continue;
            }
            let span = domains.as_ref().or(senders.as_ref()).map_or(whole, Spanned::span);
            let Some(way) = self.way(route, &span, tokens) else { continue };
            let (senders, domains) = (self.senders(senders), self.domains(domains));
            for (sender, sender_span) in &senders {
                for (domain, domain_span) in &domains {
                    patterns += 1;
                    let span = sender_span.as_ref().or(domain_span.as_ref()).unwrap_or(&span);
                    if patterns == PATTERNS_MAX {
                        self.refuse(span, format!("more than {PATTERNS_MAX} senders and domains"), "remove some");
                    }
                    if patterns < PATTERNS_MAX {
                        let pattern = RoutePattern { sender: sender.clone(), domain: domain.clone() };
                        self.put_route(&mut routes, pattern, span, &way);
                    }
                }
            }
        }
        routes
    }

    fn put_route(
        &mut self,
        routes: &mut RouteTable<RouteWay>,
        pattern: RoutePattern,
        span: &Range<usize>,
        way: &RouteWay,
    ) {
        if routes.contains(&pattern) {
            let (problem, cure) = if pattern == DomainPattern::All.into() {
                ("there are two ways for all other mail", "keep one: this \"*\", another, or smart_host under [relay]")
            } else {
                ("has a route already", "remove one of the two")
            };
            return self.refuse(span, format!("\"{pattern}\": {problem}"), cure);
        }
        routes.insert_for(pattern, way.clone());
    }

    /// Everybody where no senders are named.
    pub(super) fn senders(&mut self, senders: Words) -> Vec<(SenderPattern, Option<Range<usize>>)> {
        let Some(senders) = senders else { return vec![(SenderPattern::Anyone, None)] };
        if senders.get_ref().is_empty() {
            let cure = "name them, for example senders = [\"scanner@contoso.example\", \"contoso.example\"]";
            self.refuse(&senders.span(), "names no sender", cure);
        }
        let mut found = Vec::new();
        for sender in senders.into_inner().into_iter().take(PATTERNS_MAX) {
            let (span, text) = (sender.span(), sender.get_ref());
            match text.parse() {
                Ok(pattern) => found.push((pattern, Some(span))),
                Err(error) => {
                    let cure = "write \"scanner@contoso.example\", or \"contoso.example\" for all senders of a domain";
                    self.refuse(&span, format!("\"{text}\" is no sender: {error}"), cure);
                }
            }
        }
        found
    }

    /// All domains where senders are named and no domains.
    fn domains(&mut self, domains: Words) -> Vec<(DomainPattern, Option<Range<usize>>)> {
        let Some(domains) = domains else { return vec![(DomainPattern::All, None)] };
        if domains.get_ref().is_empty() {
            self.refuse(&domains.span(), "a route for no domain", DOMAINS_CURE);
        }
        let mut found = Vec::new();
        for domain in domains.into_inner().into_iter().take(PATTERNS_MAX) {
            let (span, text) = (domain.span(), domain.get_ref());
            match text.parse() {
                Ok(pattern) => found.push((pattern, Some(span))),
                Err(error) => {
                    let cure =
                        "write \"fabrikam.example\", \"*.fabrikam.example\" for all domains below, or \"*\" for all";
                    self.refuse(&span, format!("\"{text}\" is no domain: {error}"), cure);
                }
            }
        }
        found
    }

    fn way(&mut self, mut raw: RawRoute, place: &Range<usize>, tokens: &[TokenConfig]) -> Option<RouteWay> {
        let mut keys = HostKeys::of_route(&mut raw);
        if let Some(way) = self.graph(&mut raw, &mut keys, tokens) {
            return way;
        }
        let Some(host) = raw.host else { return self.exchangers(place, raw.tls, keys.spans()) };
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
        let usual = if keys.login.is_some() { SUBMISSION_PORT } else { SMTP_PORT };
        Some(RouteWay::Host(self.host(host, tls, usual, keys, tokens)))
    }

    /// A route without a host.
    fn exchangers(
        &mut self,
        place: &Range<usize>,
        tls: Option<Spanned<RouteTls>>,
        idle: Vec<Range<usize>>,
    ) -> Option<RouteWay> {
        for span in idle {
            self.refuse(&span, "has no effect without host", "name the host, or remove the key");
        }
        let span = tls.as_ref().map_or_else(|| place.clone(), Spanned::span);
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

    fn smart_host(&mut self, mut raw: RawRelay, tokens: &[TokenConfig]) -> Option<SmartHost> {
        let keys = HostKeys::of_relay(&mut raw);
        let Some(host) = raw.smart_host else {
            if let Some(span) = raw.tls.map(|value| value.span()).into_iter().chain(keys.spans()).next() {
                self.refuse(&span, "has no effect without smart_host", "name the host, or remove the key");
            }
            return None;
        };
        Some(self.host(host, raw.tls, SUBMISSION_PORT, keys, tokens))
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
