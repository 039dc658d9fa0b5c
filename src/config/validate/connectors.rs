//! Judges `[[connector]]`: who may hand mail in on port 25 as more than a stranger.

use core::ops::Range;
use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;

use super::{COUNT_MAX, Judge};
use crate::config::raw::{RawConnector, RawConnectorType, RawScope};
use crate::config::report::line_of;
use crate::model::mail::{DomainPattern, Network};
use crate::model::policy::connector::{
    Authorities, CertificateRule, Connector, ConnectorLimits, Connectors, Partner, Scope, Source,
};
use crate::model::policy::{AccountLimits, SenderPattern};

/// Who has more of them has a directory of devices somewhere: each can have a certificate of one authority.
const CONNECTORS_MAX: usize = 1_000;
/// Of networks, certificates, senders or domains in one connector. Each is looked at for every message.
const ENTRIES_MAX: usize = 1_000;
/// The name stands in the trace field of each message.
const NAME_BYTES_MAX: usize = 64;
/// The widest public networks whose clients may be more than strangers: Exchange takes /24 at the most, and a site of
/// IPv6 has a /48.
const PUBLIC_PREFIX_MIN: (u8, u8) = (24, 48);

/// What is there of all connectors so far, and where.
#[derive(Default)]
struct Taken {
    names: HashMap<String, Range<usize>>,
    /// What the clients of a connector are known by, in words that are the same for the same thing.
    doors: HashMap<String, Range<usize>>,
    domains: HashMap<String, Range<usize>>,
}

impl Judge<'_> {
    /// All connectors, in their order; `usual` bounds what their clients send outside, where they say nothing of it.
    pub(super) fn connectors(&mut self, raw: Vec<RawConnector>, usual: &AccountLimits) -> Connectors {
        let mut connectors = Connectors::new();
        if let Some(over) = raw.get(CONNECTORS_MAX) {
            self.refuse(&over.name.span(), format!("more than {CONNECTORS_MAX} connectors"), "remove some");
        }
        let mut taken = Taken::default();
        for connector in raw.into_iter().take(CONNECTORS_MAX) {
            let (span, name) = (connector.name.span(), connector.name.get_ref().clone());
            self.connector_name(&name, &span);
            self.once(&mut taken.names, name, &span, "has the name of another", "give each its own name");
            match connector.connector_type {
                RawConnectorType::OnPremises => {
                    let connector = self.own_connector(connector, usual, &mut taken);
                    connectors.push(connector);
                }
                RawConnectorType::Partner => {
                    let partner = self.partner_connector(connector, &mut taken);
                    connectors.push_partner(partner);
                }
            }
        }
        connectors
    }

    /// A connector for these networks says the same, and more where more is wanted.
    pub(super) fn known_sources(&mut self, raw: Option<Spanned<Vec<String>>>) {
        let Some(networks) = raw else { return };
        let named: Vec<String> = networks.get_ref().iter().take(8).map(|network| format!("\"{network}\"")).collect();
        let cure = format!("write instead: [[connector]] name = \"known\" networks = [{}]", named.join(", "));
        self.refuse(&networks.span(), "is a connector now", cure);
    }

    fn connector_name(&mut self, name: &str, span: &Range<usize>) {
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            let cure = format!("write at most {NAME_BYTES_MAX} small letters, digits and hyphens");
            self.refuse(span, format!("\"{name}\" is no name for a connector"), cure);
        }
    }

    /// Refuses what stands in two places, and names both.
    fn once(
        &mut self,
        taken: &mut HashMap<String, Range<usize>>,
        what: String,
        span: &Range<usize>,
        problem: &str,
        cure: &str,
    ) {
        match taken.get(&what) {
            Some(first) => {
                let line = line_of(self.text, first.start);
                self.refuse(span, format!("{what}: {problem}, in line {line}"), cure);
            }
            None => drop(taken.insert(what, span.clone())),
        }
    }

    fn own_connector(&mut self, mut raw: RawConnector, usual: &AccountLimits, taken: &mut Taken) -> Connector {
        let span = raw.name.span();
        let source = self.source(&mut raw);
        if source.is_empty() {
            let cure = "name its clients: networks = [\"192.168.10.0/24\"], certificates or fingerprints";
            self.refuse(&span, "a connector for no client", cure);
        }
        for door in source.doors().take(ENTRIES_MAX) {
            let cure = "make one of the two narrower, or put both into one connector";
            self.once(&mut taken.doors, door.to_string(), &span, "is for the same clients as another", cure);
        }
        let scope_span = raw.recipients.as_ref().map(Spanned::span);
        let recipients = self.scope(raw.recipients);
        let internal_span = raw.internal.as_ref().map_or(0..0, Spanned::span);
        let internal = raw.internal.is_some_and(Spanned::into_inner);
        if internal || recipients != Scope::Inside {
            let span = scope_span.filter(|_| recipients != Scope::Inside).unwrap_or(internal_span);
            self.not_too_wide(&source, &span);
        }
        Connector {
            name: raw.name.into_inner().into(),
            senders: self.connector_senders(raw.senders),
            recipients,
            internal,
            require_tls: raw.require_tls,
            limits: ConnectorLimits {
                messages_per_minute: self
                    .at_least_one(raw.messages_per_minute)
                    .map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
                recipients_max: self
                    .at_least_one(raw.recipients_max)
                    .map(|number| usize::try_from(number).unwrap_or(usize::MAX)),
                message_bytes_max: self.at_least_one(raw.message_bytes_max),
                sessions_max: self
                    .at_least_one(raw.sessions_max)
                    .map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
                external_recipients_per_hour: self
                    .bound(raw.external_recipients_per_hour, usual.external_recipients_per_hour.filter(|_| !internal)),
                external_recipients_per_day: self
                    .bound(raw.external_recipients_per_day, usual.external_recipients_per_day.filter(|_| !internal)),
            },
            source,
        }
    }

    /// Rights for a large part of the Internet are an open relay in all but name.
    fn not_too_wide(&mut self, source: &Source, span: &Range<usize>) {
        let (v4, v6) = PUBLIC_PREFIX_MIN;
        let is_wide = |network: &&Network| {
            !network.is_private() && network.prefix() < if network.address().is_ipv4() { v4 } else { v6 }
        };
        if !source.certificates.is_empty() {
            return;
        }
        if let Some(wide) = source.networks.iter().find(is_wide) {
            let cure = format!(
                "name networks of /{v4} and narrower (IPv6: /{v6}), or ask for certificates as well; recipients = \
                 \"inside\" is for any network"
            );
            self.refuse(span, format!("too much for the public network {wide}"), cure);
        }
    }

    fn partner_connector(&mut self, mut raw: RawConnector, taken: &mut Taken) -> Partner {
        let span = raw.name.span();
        let source = self.source(&mut raw);
        let idle = [
            raw.recipients.map(|value| value.span()),
            raw.internal.map(|value| value.span()),
            raw.messages_per_minute.map(|value| value.span()),
            raw.recipients_max.map(|value| value.span()),
            raw.message_bytes_max.map(|value| value.span()),
            raw.sessions_max.map(|value| value.span()),
            raw.external_recipients_per_hour.map(|value| value.span()),
            raw.external_recipients_per_day.map(|value| value.span()),
        ];
        for span in idle.into_iter().flatten() {
            self.refuse(&span, "has no effect for a partner, whose servers are strangers", "remove it");
        }
        let mut domains = Vec::new();
        for pattern in self.connector_senders(raw.senders) {
            match pattern {
                SenderPattern::Domain(domain) => {
                    let cure = "remove one of the two";
                    self.once(&mut taken.domains, domain.to_string(), &span, "is a domain of another partner", cure);
                    domains.push(domain);
                }
                SenderPattern::Address(_) | SenderPattern::Anyone => {
                    let problem = format!("\"{pattern}\" is no domain");
                    self.refuse(&span, problem, "a partner has domains: senders = [\"fabrikam.example\"]");
                }
            }
        }
        if domains.is_empty() {
            self.refuse(&span, "a partner without domains", "name them: senders = [\"fabrikam.example\"]");
        }
        if source.is_empty() && !raw.require_tls {
            let cure = "add require_tls = true, or networks or certificates from which alone its mail comes";
            self.refuse(&span, "a partner of whom nothing is asked", cure);
        }
        Partner { name: raw.name.into_inner().into(), domains, source, require_tls: raw.require_tls }
    }

    fn source(&mut self, raw: &mut RawConnector) -> Source {
        let networks = self.bounded(core::mem::take(&mut raw.networks));
        let names = self.bounded(core::mem::take(&mut raw.certificates));
        let fingerprints = self.bounded(core::mem::take(&mut raw.fingerprints));
        let file = raw.authorities.take();
        if let Some(file) = file.as_ref().filter(|_| names.is_empty()) {
            let cure = "add certificates = [\"*.devices.contoso.example\"], or remove authorities";
            self.refuse(&file.span(), "has no effect without certificates", cure);
        }
        let authorities = match file {
            Some(file) => Authorities::File(Arc::from(self.beside(file.get_ref()))),
            None => Authorities::System,
        };
        let names = names.iter().filter_map(|name| self.certificate_name(name, &authorities));
        let mut certificates: Vec<CertificateRule> = names.collect();
        for text in fingerprints {
            match text.get_ref().parse() {
                Ok(fingerprint) => certificates.push(CertificateRule::Fingerprint(fingerprint)),
                Err(error) => {
                    let cure = "take it from: openssl x509 -in device.pem -noout -fingerprint -sha256";
                    self.refuse(&text.span(), format!("\"{}\" is none: {error}", text.get_ref()), cure);
                }
            }
        }
        Source { networks: self.networks(&networks), certificates }
    }

    fn certificate_name(&mut self, text: &Spanned<String>, authorities: &Authorities) -> Option<CertificateRule> {
        let pattern = match text.get_ref().parse() {
            Ok(DomainPattern::All) if *authorities == Authorities::System => {
                let cure = "name the certificates, or an authority of your own: authorities = \"devices-ca.pem\"";
                self.refuse(&text.span(), "anybody gets a certificate of a public authority", cure);
                return None;
            }
            Ok(pattern) => pattern,
            Err(error) => {
                let cure = "write \"mx.contoso.example\", or \"*.devices.contoso.example\" for all below a domain";
                self.refuse(&text.span(), format!("\"{}\" is no name: {error}", text.get_ref()), cure);
                return None;
            }
        };
        Some(CertificateRule::Name { pattern, authorities: authorities.clone() })
    }

    fn scope(&mut self, raw: Option<Spanned<RawScope>>) -> Scope {
        let Some(raw) = raw else { return Scope::Inside };
        let span = raw.span();
        let domains = match raw.into_inner() {
            RawScope::Word(word) if word == "inside" => return Scope::Inside,
            RawScope::Word(word) if word == "anyone" => return Scope::Anyone,
            RawScope::Word(word) => {
                let cure = "write \"inside\", \"anyone\", or a list of domains: [\"fabrikam.example\"]";
                self.refuse(&span, format!("\"{word}\" says not who the recipients are"), cure);
                return Scope::Inside;
            }
            RawScope::Domains(domains) => domains,
        };
        if domains.len() > ENTRIES_MAX {
            self.refuse(&span, format!("more than {ENTRIES_MAX} entries"), "remove some");
        }
        let mut patterns = Vec::new();
        for text in domains.iter().take(ENTRIES_MAX) {
            match text.parse() {
                Ok(DomainPattern::All) => return Scope::Anyone,
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let cure = "write \"fabrikam.example\", or \"*.fabrikam.example\" for all domains below";
                    self.refuse(&span, format!("\"{text}\" is no domain: {error}"), cure);
                }
            }
        }
        if patterns.is_empty() { Scope::Inside } else { Scope::Domains(patterns) }
    }

    /// None where none are named.
    fn connector_senders(&mut self, senders: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<SenderPattern> {
        let named = senders.is_some();
        let found = self.senders(senders);
        let patterns = found.into_iter().take(ENTRIES_MAX).map(|(pattern, _)| pattern);
        if named { patterns.collect() } else { Vec::new() }
    }

    fn bounded(&mut self, entries: Vec<Spanned<String>>) -> Vec<Spanned<String>> {
        if let Some(over) = entries.get(ENTRIES_MAX) {
            self.refuse(&over.span(), format!("more than {ENTRIES_MAX} entries"), "remove some");
        }
        entries.into_iter().take(ENTRIES_MAX).collect()
    }

    /// A number from 1 on where there is one.
    fn at_least_one(&mut self, value: Option<Spanned<u64>>) -> Option<u64> {
        let value = value?;
        let (span, number) = (value.span(), value.into_inner());
        if number == 0 || number > COUNT_MAX {
            let cure = format!("give a number from 1 to {COUNT_MAX}, or leave it out for none");
            self.refuse(&span, format!("{number} is out of range"), cure);
        }
        Some(number)
    }
}
