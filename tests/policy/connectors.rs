//! Connectors: every combination of clients, senders and recipients against a second statement of the rules; the laws.

use franking::model::directory::{Change, Organisation, Snapshot};
use franking::model::mail::{Address, DomainPattern, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::connector::{
    Authorities, CertificateRule, Client, ClientCertificate, Connector, ConnectorLimits, Connectors, Fingerprint,
    Partner, Scope, Source, sender,
};
use franking::model::policy::settings::SrsKey;
use franking::model::policy::{
    Destination, DsnRequest, Envelope, Expanded, MessageParameters, Origin, Permit, Posting, Refusal, Resolution,
    Sender, Settings, Unrecorded, admit, expand,
};
use proptest::prelude::*;

use crate::dialogues::directory;

/// A connector as an administrator says it.
#[derive(Clone, Copy, Debug)]
struct Plain {
    name: &'static str,
    networks: &'static [&'static str],
    /// Names in certificates, of the authorities of the system.
    certificates: &'static [&'static str],
    fingerprint: Option<u8>,
    senders: &'static [&'static str],
    /// `inside`, `anyone`, or a domain.
    recipients: &'static str,
    require_tls: bool,
    internal: bool,
}

const PLAIN: Plain = Plain {
    name: "",
    networks: &[],
    certificates: &[],
    fingerprint: None,
    senders: &[],
    recipients: "inside",
    require_tls: false,
    internal: false,
};

const ALL: [Plain; 8] = [
    Plain { name: "site", networks: &["10.0.0.0/8"], recipients: "anyone", ..PLAIN },
    Plain { name: "floor", networks: &["10.1.0.0/16", "192.168.0.0/16"], internal: true, ..PLAIN },
    Plain {
        name: "scanner",
        networks: &["10.1.2.3"],
        senders: &["scanner@contoso.example"],
        recipients: "fabrikam.example",
        ..PLAIN
    },
    Plain { name: "secure", networks: &["10.1.2.0/24"], require_tls: true, recipients: "anyone", ..PLAIN },
    Plain { name: "server", certificates: &["mx.contoso.example"], recipients: "anyone", internal: true, ..PLAIN },
    Plain { name: "devices", certificates: &["*.contoso.example"], recipients: "*.fabrikam.example", ..PLAIN },
    Plain {
        name: "branch",
        certificates: &["mx.adatum.example"],
        networks: &["10.0.0.0/8"],
        recipients: "anyone",
        ..PLAIN
    },
    Plain { name: "pinned", fingerprint: Some(9), senders: &["contoso.example"], recipients: "anyone", ..PLAIN },
];

/// What a client shows: TLS, the names in its certificate, and which one it is; `!` before a name that nobody vouches
/// for.
type Shown = (bool, Option<(&'static str, u8)>);

const SHOWN: [Shown; 8] = [
    (false, None),
    (true, None),
    (true, Some(("mx.contoso.example", 1))),
    (true, Some(("!mx.contoso.example", 1))),
    (true, Some(("p7.contoso.example", 2))),
    (true, Some(("mx.adatum.example", 3))),
    (true, Some(("*.contoso.example", 4))),
    (true, Some(("!nobody.example", 9))),
];
const PEERS: [&str; 5] = ["10.1.2.3", "10.1.2.4", "10.9.9.9", "192.168.7.7", "203.0.113.5"];
const SENDERS: [&str; 5] =
    ["", "alice@contoso.example", "scanner@contoso.example", "eve@adatum.example", "x@fabrikam.example"];
const RECIPIENTS: [&str; 6] = [
    "bob@contoso.example",
    "staff@contoso.example",
    "nobody@contoso.example",
    "eve@adatum.example",
    "x@fabrikam.example",
    "x@sub.fabrikam.example",
];

// --- the product ---

impl Plain {
    fn build(&self) -> Connector {
        let named = |pattern: &&str| CertificateRule::Name {
            pattern: pattern.parse().unwrap(),
            authorities: Authorities::System,
        };
        let prints = self.fingerprint.map(|number| CertificateRule::Fingerprint(Fingerprint([number; 32])));
        Connector {
            name: self.name.into(),
            source: Source {
                networks: self.networks.iter().map(|network| network.parse().unwrap()).collect(),
                certificates: self.certificates.iter().map(named).chain(prints).collect(),
            },
            senders: self.senders.iter().map(|sender| sender.parse().unwrap()).collect(),
            recipients: match self.recipients {
                "inside" => Scope::Inside,
                "anyone" => Scope::Anyone,
                domain => Scope::Domains(vec![domain.parse().unwrap()]),
            },
            internal: self.internal,
            require_tls: self.require_tls,
            limits: ConnectorLimits::default(),
        }
    }
}

fn certificate(shown: Shown) -> Option<ClientCertificate> {
    let (name, number) = shown.1?;
    let vouched_by = if name.starts_with('!') { Vec::new() } else { vec![Authorities::System] };
    let names = vec![name.trim_start_matches('!').parse::<DomainPattern>().unwrap()];
    Some(ClientCertificate { fingerprint: Fingerprint([number; 32]), names, vouched_by })
}

fn path(text: &str) -> ReversePath {
    if text.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(Address::parse(text).unwrap()) }
}

/// Contoso, whose addresses are for those who are known.
fn contoso() -> Snapshot {
    let organisation = Organisation { reject_direct_send: true, ..Organisation::default() };
    directory("contoso").apply(&[Change::PutOrganisation(organisation)]).unwrap()
}

fn settings(connectors: impl IntoIterator<Item = Plain>, partner: bool) -> Settings {
    let mut all = Connectors::new();
    for plain in connectors {
        all.push(plain.build());
    }
    if partner {
        all.push_partner(Partner {
            name: "fabrikam".into(),
            domains: vec!["fabrikam.example".parse().unwrap()],
            source: Source { networks: vec!["203.0.113.0/24".parse().unwrap()], certificates: Vec::new() },
            require_tls: true,
        });
    }
    Settings { connectors: all, ..Settings::default() }
}

fn permit(
    snapshot: &Snapshot,
    settings: &Settings,
    sender: &Sender,
    from: &ReversePath,
    to: &str,
) -> Result<Permit, Refusal> {
    let posting = Posting::announced(snapshot, sender.origin(), from, 0).by_connector(sender.vouched());
    let posting = if sender.vouched().is_some() { posting } else { posting.from_unknown_source() };
    let to = ForwardPath::Mailbox(Address::parse(to).unwrap());
    admit(snapshot, settings, &posting, to, DsnRequest::default(), &mut Unrecorded)
}

/// The answers to MAIL and to each RCPT, in words.
fn asked(snapshot: &Snapshot, settings: &Settings, peer: &str, shown: Shown, from: &str) -> String {
    let certificate = certificate(shown);
    let client = Client { peer: peer.parse().unwrap(), has_tls: shown.0, certificate: certificate.as_ref() };
    let from = path(from);
    let sender = match sender(snapshot, settings, &client, &from, &mut Unrecorded) {
        Ok(sender) => sender,
        Err(refusal) => return format!("{refusal:?}"),
    };
    let who = sender.vouched().map_or("stranger", |vouched| &*vouched.connector().name).to_owned();
    let answers = RECIPIENTS.map(|to| match permit(snapshot, settings, &sender, &from, to) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => format!("{refusal:?}"),
    });
    format!("{who}: {}", answers.join(" "))
}

// --- the second statement ---

fn number(address: &str) -> u32 {
    address.split('.').fold(0, |sum, part| sum * 256 + part.parse::<u32>().unwrap())
}

/// How many bits the narrowest of the networks fixes; none when the client is in no network.
fn bits(networks: &[&str], peer: &str) -> Option<i32> {
    let fixed = |network: &&str| {
        let (base, bits) = network.split_once('/').unwrap_or((network, "32"));
        let bits: u32 = bits.parse().unwrap();
        let rest = 32 - bits;
        (number(base) >> rest == number(peer) >> rest).then_some(bits as i32)
    };
    networks.iter().filter_map(fixed).max()
}

/// How well a connector knows a client; none when it does not.
fn knows(plain: &Plain, peer: &str, shown: Shown) -> Option<(i32, i32)> {
    let by_network = if plain.networks.is_empty() { 0 } else { bits(plain.networks, peer)? };
    if plain.certificates.is_empty() && plain.fingerprint.is_none() {
        return Some((0, by_network));
    }
    let (name, number) = shown.1?;
    if plain.fingerprint == Some(number) {
        return Some((1_000, by_network));
    }
    let of = |pattern: &&str| match pattern.strip_prefix('*') {
        None => (name == *pattern).then_some(500),
        Some(tail) => name.ends_with(tail).then_some(tail.len() as i32),
    };
    let best = plain.certificates.iter().filter_map(of).max().filter(|_| !name.starts_with('!'))?;
    Some((best, by_network))
}

fn is_ours(domain: &str) -> bool {
    domain == "contoso.example" || domain.ends_with(".contoso.example")
}

fn domain_of(address: &str) -> &str {
    address.split_once('@').map_or("", |(_, domain)| domain)
}

fn expected(connectors: &[Plain], partner: bool, peer: &str, shown: Shown, from: &str) -> String {
    let mut best: Option<(Plain, (i32, i32))> = None;
    for plain in connectors {
        let Some(known) = knows(plain, peer, shown) else { continue };
        if best.is_none_or(|(_, other)| known > other) {
            best = Some((*plain, known));
        }
    }
    let own_sender = domain_of(from) == "contoso.example";
    let vouched = best.map(|(plain, _)| plain).filter(|plain| {
        let is_for = |sender: &&str| from == *sender || domain_of(from) == *sender;
        let sent_for = plain.senders.is_empty() || plain.senders.iter().any(is_for);
        let by_name = !plain.certificates.is_empty() && shown.1.is_some_and(|(name, _)| is_ours(name));
        sent_for && (own_sender || by_name)
    });
    if let Some(plain) = vouched {
        if plain.require_tls && !shown.0 {
            return "TlsRequired".to_owned();
        }
    } else if partner && from.ends_with("@fabrikam.example") {
        if !shown.0 {
            return "TlsRequired".to_owned();
        }
        if peer != "203.0.113.5" {
            return "PartnerRestricted".to_owned();
        }
    }
    let answers = RECIPIENTS.map(|to| {
        let domain = domain_of(to);
        if domain != "contoso.example" {
            let reached = vouched.is_some_and(|plain| match plain.recipients {
                "anyone" => true,
                "*.fabrikam.example" => domain == "sub.fabrikam.example",
                other => other == domain,
            });
            return if reached { "ok" } else { "RelayRefused" };
        }
        let inside = vouched.is_some_and(|plain| plain.internal && (own_sender || from.is_empty()));
        match (vouched, to) {
            (None, _) if own_sender => "DirectSendNotAllowed",
            (_, "nobody@contoso.example") => "UnknownRecipientInbound",
            (_, "staff@contoso.example") if !inside => "SenderNotAuthenticatedForGroup",
            _ => "ok",
        }
    });
    format!("{}: {}", vouched.map_or("stranger", |plain| plain.name), answers.join(" "))
}

#[test]
fn every_client_gets_what_the_second_statement_says() {
    let snapshot = contoso();
    let (mut cells, mut relays, mut wrong) = (0_usize, 0_usize, Vec::new());
    for mask in 0_u32..256 {
        let some: Vec<Plain> = (0..8).filter(|bit| mask >> bit & 1 == 1).map(|bit| ALL[bit]).collect();
        // Each set with the partner or without: together they have every pair.
        let partner = mask.count_ones() % 2 == 0;
        let settings = settings(some.iter().copied(), partner);
        for peer in PEERS {
            for shown in SHOWN {
                for from in SENDERS {
                    let (asked, expected) =
                        (asked(&snapshot, &settings, peer, shown, from), expected(&some, partner, peer, shown, from));
                    cells += RECIPIENTS.len();
                    relays += usize::from(asked.ends_with("ok"));
                    if asked != expected && wrong.len() < 12 {
                        let names: Vec<_> = some.iter().map(|plain| plain.name).collect();
                        wrong.push(format!("{names:?} {peer} {shown:?} <{from}>\n  {asked}\n  {expected}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the product, and the second statement:\n{}", wrong.join("\n"));
    assert!(cells > 300_000 && relays > 1_000, "{cells} cells, {relays} relays");
}

fn some_connectors() -> impl Strategy<Value = Vec<Plain>> {
    prop::sample::subsequence(ALL.to_vec(), 0..=8).prop_shuffle()
}

proptest! {
    #[test]
    fn a_stranger_never_gets_a_recipient_outside(
        connectors in some_connectors(),
        peer in any::<u32>(),
        near in prop::option::of(prop::sample::select(PEERS.to_vec())),
        shown in prop::sample::select(SHOWN.to_vec()),
        from in prop::sample::select(SENDERS.to_vec()),
        to in prop::sample::select(RECIPIENTS[3..].to_vec()),
    ) {
        let snapshot = contoso();
        let settings = settings(connectors.iter().copied(), false);
        let peer = near.map_or_else(|| core::net::Ipv4Addr::from(peer).to_string(), str::to_owned);
        let certificate = certificate(shown);
        let client = Client { peer: peer.parse().unwrap(), has_tls: shown.0, certificate: certificate.as_ref() };
        let from = path(from);
        if let Ok(found) = sender(&snapshot, &settings, &client, &from, &mut Unrecorded) {
            let known = connectors.iter().any(|plain| knows(plain, &peer, shown).is_some());
            prop_assert!(known || found == Sender::Anonymous);
            let permitted = permit(&snapshot, &settings, &found, &from, to).is_ok();
            prop_assert!(!permitted || known, "{peer} {to}");
            // Whatever the origin says: without the connector's word there is no way out.
            let by_connector = |internal| Origin::Connector { internal };
            for origin in [Origin::Anonymous, by_connector(false), by_connector(true)] {
                let posting = Posting::announced(&snapshot, origin, &from, 0);
                let to = ForwardPath::Mailbox(Address::parse(to).unwrap());
                let admitted = admit(&snapshot, &settings, &posting, to, DsnRequest::default(), &mut Unrecorded);
                prop_assert_eq!(admitted.err(), Some(Refusal::RelayRefused));
            }
        }
    }

    #[test]
    fn another_connector_never_widens_one_that_is_there(
        connectors in some_connectors(),
        added in prop::sample::select(ALL.to_vec()),
        place in any::<prop::sample::Index>(),
        peer in prop::sample::select(PEERS.to_vec()),
        shown in prop::sample::select(SHOWN.to_vec()),
    ) {
        let certificate = certificate(shown);
        let client = Client { peer: peer.parse().unwrap(), has_tls: shown.0, certificate: certificate.as_ref() };
        let of = |all: &[Plain]| {
            let connectors = settings(all.iter().copied(), false).connectors;
            connectors.find(&client).map(|(own, _)| own.name.to_string())
        };
        let before: Vec<Plain> = connectors.into_iter().filter(|plain| plain.name != added.name).collect();
        let mut after = before.clone();
        after.insert(place.index(before.len() + 1), added);
        let (former, found) = (of(&before), of(&after));
        prop_assert!(found == former || found.as_deref() == Some(added.name), "{former:?} {found:?}");
        // No two of them are for the same clients, so their order says nothing.
        after.reverse();
        prop_assert_eq!(of(&after), found);
    }
}

#[test]
fn what_a_server_of_ours_passes_on_for_others_leaves_rewritten() {
    let snapshot = contoso();
    let mut settings = settings([ALL[4]], false);
    settings.srs_keys = vec![SrsKey([7; 32])];
    let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    let certificate = certificate(SHOWN[2]).unwrap();
    let client = Client { peer: "203.0.113.5".parse().unwrap(), has_tls: true, certificate: Some(&certificate) };
    let leaves = |from: &str| {
        let from = path(from);
        let sender = sender(&snapshot, &settings, &client, &from, &mut Unrecorded).unwrap();
        let permits = vec![permit(&snapshot, &settings, &sender, &from, "x@fabrikam.example").unwrap()];
        let envelope = Envelope::new(&sender, from, MessageParameters::default(), permits).unwrap();
        assert_eq!(envelope.connector(), Some("server"));
        let posting = Posting::of(&snapshot, &envelope, b"", 1);
        let found = expand(&snapshot, &settings, &posting, envelope.permits(), now, &mut Unrecorded);
        let [Expanded::Deliver(delivery)] = found.as_slice() else { panic!("{found:?}") };
        assert!(matches!(&delivery.to, Destination::Relay { .. }), "{delivery:?}");
        delivery.reverse_path.to_string()
    };
    assert_eq!(leaves("alice@contoso.example"), "alice@contoso.example");
    assert_eq!(leaves(""), "");
    let rewritten = leaves("eve@adatum.example");
    assert!(rewritten.starts_with("bounces+SRS=") && rewritten.ends_with("=adatum.example=eve@contoso.example"));
    // And a report finds its way back.
    let stranger = permit(&snapshot, &settings, &Sender::Anonymous, &ReversePath::Null, &rewritten).unwrap();
    let original = Address::parse("eve@adatum.example").unwrap();
    assert_eq!(*stranger.resolution(), Resolution::Rewritten(original));
}
