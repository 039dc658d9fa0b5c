//! The way out of this machine: to the next host, or, in a demonstration, into a directory.

mod gate;
mod graph;
mod rewritten;

use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::Instrument as _;

pub use self::gate::{Gate, WAIT_MAX};
pub use self::graph::{Graph, PLACES_MAX};
use self::rewritten::Rewritten;
use super::exchanger::{HopSecurity, Route as NextHop, SmartHost};
use super::relay_agent::{MessageSource, RelayAgent};
use crate::model::mail::borrowed_name::in_the_name_of;
use crate::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use crate::model::policy::{DsnRequest, Route, RouteTable};
use crate::model::queue::{Addressee, Attempt, Finding, Hop, Outcome, QueueId};
use crate::model::smtp::client::{self, Cause, OutboundMessage, OutboundRecipient, Trouble};
use crate::store::queue::StoredMessage;

/// One message on its way to recipients that share destination and reverse-path.
#[derive(Clone)]
pub struct Parcel {
    /// Its id.
    pub id: QueueId,
    /// The recipients, by their places in the message; all of them lead to other systems.
    pub recipients: Vec<(u32, Arc<Addressee>)>,
    /// Envelope and parameters.
    pub message: Arc<StoredMessage>,
    /// The content, with what is put in front.
    pub source: Arc<dyn MessageSource>,
    /// When the attempt began.
    pub at: Timestamp,
}

/// What a way out answers: an outcome for each recipient, by place.
pub type Outcomes<'a> = Pin<Box<dyn Future<Output = Vec<(u32, Outcome)>> + Send + 'a>>;

/// The end of a way out, in progress.
pub type Closing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A way out. Bounded in time.
pub trait Outgoing: Send + Sync {
    /// Carries a parcel.
    fn carry(&self, parcel: Parcel) -> Outcomes<'_>;

    /// Lets go of what is held open for the next parcel, within seconds, and holds nothing from now on. What is under
    /// way goes on.
    fn close(&self) -> Closing<'_> {
        Box::pin(async {})
    }
}

/// The port of a next host that names none.
const PORT: u16 = 25;

/// A way that the operator named for a domain. Printing it for debugging shows no password.
#[derive(Clone, Debug)]
pub enum Way {
    /// To one host.
    Host(Uplink),
    /// To Microsoft Graph.
    Graph(Graph),
    /// To the mail exchangers of the domain.
    Exchangers {
        /// Only over TLS, with a certificate for the exchanger's name.
        verified: bool,
    },
}

/// A host that the operator named, and on which terms it takes mail.
#[derive(Clone)]
pub struct Uplink {
    /// The host.
    pub host: SmartHost,
    /// The mailbox in whose name all mail goes there; everybody's own without one. The null reverse-path stays null, so
    /// that no report is reported about.
    pub rewrite_sender: Option<Address>,
    /// The way into the host, shared by all routes that lead there.
    pub gate: Arc<Gate>,
}

impl core::fmt::Debug for Uplink {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_tuple("Uplink").field(&self.host).field(&self.rewrite_sender).finish()
    }
}

/// The way out by SMTP. A message that is on its way goes it to the end, whatever is exchanged meanwhile.
pub struct Relay {
    current: ArcSwap<Ways>,
}

/// What mail goes by that sets out now.
struct Ways {
    agent: Arc<RelayAgent>,
    table: RouteTable<Way>,
}

impl Relay {
    /// By the way that `ways` has for the domain of a recipient, otherwise by its mail exchangers.
    pub fn new(agent: Arc<RelayAgent>, ways: RouteTable<Way>) -> Self {
        Self { current: ArcSwap::from_pointee(Ways { agent, table: ways }) }
    }

    /// Goes by other ways from now on, all at once. What it gives says goodbye to the hosts whose connections are idle,
    /// which takes seconds at most.
    #[must_use = "hosts are told goodbye by what it gives"]
    pub fn exchange(&self, agent: Arc<RelayAgent>, ways: RouteTable<Way>) -> Closing<'static> {
        let former = self.current.swap(Arc::new(Ways { agent, table: ways }));
        Box::pin(async move { former.agent.close().await })
    }
}

/// Where a message goes next.
enum Next {
    /// To a host of the configuration, on its terms.
    Uplink(Uplink),
    /// To Microsoft Graph.
    Graph(Graph),
    /// Elsewhere.
    Hop(NextHop),
}

/// Where a hop leads; none for those that stay here. What the directory says of a domain goes before the configuration.
fn next_hop(ways: &RouteTable<Way>, addressee: &Addressee) -> Option<Next> {
    match &addressee.hop {
        Hop::Relay { route: Route::NextHost(host), .. } => Some(Next::Hop(NextHop::SmartHost(next_host(host)))),
        Hop::Relay { address, route: Route::Domain } => {
            let domain = address.domain();
            Some(match ways.find(addressee.reverse_path.address(), domain) {
                Some((_, Way::Host(uplink))) => Next::Uplink(uplink.clone()),
                Some((_, Way::Graph(graph))) => Next::Graph(graph.clone()),
                Some((_, Way::Exchangers { verified: true })) => Next::Hop(NextHop::VerifiedMx(domain.clone())),
                Some((_, Way::Exchangers { verified: false })) | None => Next::Hop(NextHop::Mx(domain.clone())),
            })
        }
        Hop::Mailbox(_) | Hop::Postmaster | Hop::SentItems(_) | Hop::Nowhere | Hop::Approval(_) => None,
    }
}

impl Ways {
    /// Hands over to a host of the configuration, on its terms.
    async fn by(&self, uplink: &Uplink, parcel: &Parcel) -> Vec<client::Outcome> {
        let place = match uplink.gate.enter().await {
            Ok(place) => place,
            Err(trouble) => return vec![client::Outcome::Deferred(trouble); parcel.recipients.len()],
        };
        let (message, source) = match &uplink.rewrite_sender {
            None => (outbound(parcel), Arc::clone(&parcel.source)),
            Some(mailbox) => borrowed(parcel, mailbox),
        };
        let next = NextHop::SmartHost(uplink.host.clone());
        let outcomes = self.agent.deliver(&next, message, &source).await;
        drop(place);
        uplink.gate.learn(&outcomes);
        outcomes
    }
}

/// A parcel in the name of `mailbox`.
fn borrowed(parcel: &Parcel, mailbox: &Address) -> (OutboundMessage, Arc<dyn MessageSource>) {
    let mut message = outbound(parcel);
    if let ReversePath::Mailbox(sender) = &mut message.reverse_path {
        *sender = mailbox.clone();
    }
    let (former, source) = (&parcel.message.head, Arc::clone(&parcel.source));
    let front_bytes = source.bytes().saturating_sub(parcel.message.bytes());
    let head = in_the_name_of(former, mailbox);
    (message, Arc::new(Rewritten::new(source, front_bytes, former.len() as u64, head)))
}

impl Outgoing for Relay {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            // All recipients share a lane, which is a domain or a named host, and the reverse-path: the first speaks
            // for all.
            let ways = self.current.load_full();
            let Some(next) = parcel.recipients.first().and_then(|(_, first)| next_hop(&ways.table, first)) else {
                return Vec::new();
            };
            // The id leads through what the agent logs, too.
            let span = tracing::info_span!("relay", queue_id = %parcel.id);
            let outcomes = match next {
                Next::Uplink(uplink) => ways.by(&uplink, &parcel).instrument(span).await,
                Next::Graph(graph) => {
                    let outcome = graph.carry(&parcel).instrument(span).await;
                    return parcel.recipients.iter().map(|(place, _)| (*place, outcome.clone())).collect();
                }
                Next::Hop(next) => ways.agent.deliver(&next, outbound(&parcel), &parcel.source).instrument(span).await,
            };
            let places = parcel.recipients.iter().map(|(place, _)| *place);
            places.zip(outcomes).map(|(place, outcome)| (place, told(outcome, parcel.at))).collect()
        })
    }

    fn close(&self) -> Closing<'_> {
        Box::pin(async move { self.current.load_full().agent.close().await })
    }
}

/// `host`, `host:port` or `[address]:port`; anything after the last colon that is no port belongs to the host.
fn next_host(text: &str) -> SmartHost {
    let split = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let bare_ipv6 = text.parse::<core::net::Ipv6Addr>().is_ok();
    let (host, port) = split.filter(|_| !bare_ipv6).unwrap_or((text, PORT));
    SmartHost { host: host.to_owned(), port, security: HopSecurity::Opportunistic, sign_in: None, identity: None }
}

/// The message as the sending side of SMTP wants it.
fn outbound(parcel: &Parcel) -> OutboundMessage {
    let parameters = parcel.message.envelope.parameters();
    let reverse_path = parcel.recipients.first().map(|(_, first)| first.reverse_path.clone());
    OutboundMessage {
        reverse_path: reverse_path.unwrap_or_else(|| parcel.message.envelope.reverse_path().clone()),
        bytes: parcel.source.bytes(),
        body: parameters.body,
        smtputf8: parameters.smtputf8,
        ret: parameters.ret,
        envelope_id: parameters.envelope_id.clone(),
        recipients: parcel.recipients.iter().filter_map(|(_, addressee)| recipient(addressee)).collect(),
    }
}

fn recipient(addressee: &Addressee) -> Option<OutboundRecipient> {
    let Hop::Relay { address, .. } = &addressee.hop else { return None };
    // What stands for another address leaves with the one that the sender gave.
    let original_recipient = addressee.original_recipient(address);
    let dsn = DsnRequest { original_recipient, ..addressee.dsn.clone() };
    Some(OutboundRecipient { path: ForwardPath::Mailbox(address.clone()), dsn })
}

/// What another host said, in the queue's words.
fn told(outcome: client::Outcome, at: Timestamp) -> Outcome {
    match outcome {
        client::Outcome::Delivered { host, reply, dsn_handed_on, .. } => {
            let lines = reply.lines().to_vec();
            let attempt = Attempt { at, host: Some(host), reply: Reply::plain(reply.code(), lines) };
            Outcome::Relayed { attempt, dsn_passed_on: dsn_handed_on }
        }
        // Whom a host asks to be spared by is the destination as a whole.
        client::Outcome::Deferred(trouble) if trouble.is_of_the_host() || trouble.is_throttling() => {
            Outcome::Unreached(attempt_of(trouble, at, Finding::HostTrouble))
        }
        client::Outcome::Deferred(trouble) => Outcome::Deferred(attempt_of(trouble, at, Finding::HostTrouble)),
        client::Outcome::Failed(trouble) => Outcome::Failed(attempt_of(trouble, at, Finding::HostUnfit)),
    }
}

/// The host counts as the speaker only of words that it said, and that mean what they say: a host that refuses for good
/// to talk to us at all has not judged the message, which waits, so its words stand inside ours.
fn attempt_of(trouble: Trouble, at: Timestamp, own: fn(EnhancedStatus, String) -> Finding) -> Attempt {
    let Trouble { status, host, cause, .. } = trouble;
    match cause {
        Cause::Reply { step, reply } if reply.is_permanent() && status.0 == 4 => {
            let host = host.unwrap_or_default();
            let text = format!("{host} said {reply} in reply to {}", step.words());
            Attempt { at, host: None, reply: own(status, text).reply() }
        }
        Cause::Reply { reply, .. } => {
            let said = reply.lines().join(" ");
            let shown = reply.enhanced().map(|status| status.to_string());
            let text = shown.and_then(|shown| said.strip_prefix(&shown).map(|rest| rest.trim_start().to_owned()));
            Attempt { at, host, reply: Reply::new(reply.code(), status, text.unwrap_or(said)) }
        }
        Cause::Local(text) => {
            let text = host.map_or_else(|| text.to_string(), |host| format!("{host}: {text}"));
            Attempt { at, host: None, reply: own(status, text).reply() }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::str::FromStr as _;
    use core::time::Duration;

    use super::*;
    use crate::delivery::exchanger::SignIn;
    use crate::model::mail::DomainPattern;
    use crate::model::policy::{RoutePattern, SenderPattern};
    use crate::model::smtp::client::{Credentials, Secret};
    use crate::world::ManualClock;

    #[test]
    fn next_hosts_may_name_a_port() {
        let parsed = |text| {
            let host = next_host(text);
            (host.host, host.port)
        };
        assert_eq!(parsed("mx.fabrikam.example"), ("mx.fabrikam.example".to_owned(), 25));
        assert_eq!(parsed("mx.fabrikam.example:2525"), ("mx.fabrikam.example".to_owned(), 2525));
        assert_eq!(parsed("[2001:db8::1]:26"), ("[2001:db8::1]".to_owned(), 26));
        assert_eq!(parsed("2001:db8::1"), ("2001:db8::1".to_owned(), 25));
    }

    #[test]
    fn the_most_specific_way_is_taken_and_a_next_host_of_the_directory_beats_them_all() {
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let named = |host: &str| {
            let credentials = Credentials { login: "relay".to_owned(), secret: Secret::Password("hush-hush".into()) };
            let (sign_in, security) = (Some(SignIn::Fixed(credentials)), HopSecurity::StartTls);
            let gate = Arc::new(Gate::new(host, None, Duration::ZERO, Arc::<ManualClock>::clone(&clock)));
            let host = SmartHost { host: host.to_owned(), port: 587, security, sign_in, identity: None };
            Way::Host(Uplink { host, rewrite_sender: None, gate })
        };
        let mut ways = RouteTable::new();
        for (pattern, way) in [
            ("*", named("smart.example")),
            ("fabrikam.example", named("partner.example")),
            ("*.fabrikam.example", Way::Exchangers { verified: false }),
            ("bank.example", Way::Exchangers { verified: true }),
        ] {
            ways.insert(pattern.parse().unwrap(), way);
        }
        let scanner = SenderPattern::from_str("scanner@contoso.example").unwrap();
        ways.insert_for(RoutePattern { sender: scanner, domain: DomainPattern::All }, named("uplink.example"));
        let by = |sender: &str, domain: &str, route| {
            let (address, path) = (Address::parse(&format!("carol@{domain}")).unwrap(), ForwardPath::Postmaster);
            let reverse_path = Address::parse(sender).map_or(ReversePath::Null, ReversePath::Mailbox);
            let nowhere = Addressee::nowhere(address.clone(), path, reverse_path, DsnRequest::default());
            match next_hop(&ways, &Addressee { hop: Hop::Relay { address, route }, ..nowhere }).unwrap() {
                Next::Uplink(uplink) => uplink.host.host,
                Next::Graph(graph) => graph.endpoint.host(),
                Next::Hop(NextHop::SmartHost(host)) => host.host,
                Next::Hop(NextHop::Mx(domain)) => format!("MX of {domain}"),
                Next::Hop(NextHop::VerifiedMx(domain)) => format!("verified MX of {domain}"),
            }
        };
        let hop = |domain: &str, route| by("", domain, route);
        assert_eq!(hop("fabrikam.example", Route::Domain), "partner.example");
        assert_eq!(hop("a.fabrikam.example", Route::Domain), "MX of a.fabrikam.example");
        assert_eq!(hop("bank.example", Route::Domain), "verified MX of bank.example");
        assert_eq!(hop("adatum.example", Route::Domain), "smart.example");
        assert_eq!(hop("fabrikam.example", Route::NextHost("inner.example".into())), "inner.example");
        assert_eq!(by("scanner@contoso.example", "fabrikam.example", Route::Domain), "uplink.example");
        assert_eq!(by("alice@contoso.example", "fabrikam.example", Route::Domain), "partner.example");
        let shown = format!("{ways:?}");
        assert!(shown.contains("relay") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_stands_for_another_address_leaves_with_the_one_that_the_sender_gave() {
        let left = |given: &str, to: &str, orcpt: Option<(&str, &str)>| {
            let parse = |text| Address::parse(text).unwrap();
            let original_recipient = orcpt.map(|(kind, text)| (kind.into(), text.into()));
            let dsn = DsnRequest { original_recipient, ..DsnRequest::default() };
            let path = ForwardPath::Mailbox(parse(given));
            let mut addressee = Addressee::nowhere(parse(to), path, ReversePath::Null, dsn);
            addressee.hop = Hop::Relay { address: parse(to), route: Route::Domain };
            let left = recipient(&addressee).unwrap();
            assert_eq!(left.path.to_string(), to);
            left.dsn.original_recipient.map(|(kind, text)| format!("{kind};{text}"))
        };
        let (partner, out) = ("partner@contoso.example", "partner@fabrikam.example");
        assert_eq!(left(partner, out, None).as_deref(), Some("rfc822;partner@contoso.example"));
        let umlaut = "m\u{fc}ller@contoso.example";
        assert_eq!(left(umlaut, out, None), Some(format!("utf-8;{umlaut}")));
        // Written to itself, in whatever case, there is nothing to tell.
        assert_eq!(left(out, out, None), None);
        assert_eq!(left("Partner@Fabrikam.Example", out, None), None);
        // What the client gave is passed on as it is.
        assert_eq!(left(partner, out, Some(("rfc822", "first@x.example"))).as_deref(), Some("rfc822;first@x.example"));
        assert_eq!(left(out, out, Some(("rfc822", "first@x.example"))).as_deref(), Some("rfc822;first@x.example"));
    }

    #[test]
    fn domains_that_share_a_next_host_wait_on_lanes_of_their_own() {
        let lane = |domain: &str| {
            let address = Address::parse(&format!("carol@{domain}")).unwrap();
            Hop::Relay { address, route: Route::Domain }.lane()
        };
        assert_ne!(lane("fabrikam.example"), lane("adatum.example"));
        assert_eq!(lane("fabrikam.example"), lane("FABRIKAM.example"));
    }
}
