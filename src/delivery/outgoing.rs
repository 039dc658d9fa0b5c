//! The way out of this machine: to the next host, or, in a demonstration, into a directory.

use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use super::exchanger::{HopSecurity, Route as Way, SmartHost};
use super::relay_agent::{MessageSource, RelayAgent};
use crate::model::mail::{EnhancedStatus, ForwardPath, Reply, Timestamp};
use crate::model::policy::Route;
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

/// A way out. Bounded in time.
pub trait Outgoing: Send + Sync {
    /// Carries a parcel.
    fn carry(&self, parcel: Parcel) -> Outcomes<'_>;
}

/// The port of a next host that names none.
const PORT: u16 = 25;

/// The way out by SMTP.
pub struct Relay {
    agent: Arc<RelayAgent>,
    smart_host: Option<SmartHost>,
}

impl Relay {
    /// By mail exchangers, or by `smart_host` where there is one.
    pub fn new(agent: Arc<RelayAgent>, smart_host: Option<SmartHost>) -> Self {
        Self { agent, smart_host }
    }

    fn way(&self, addressee: &Addressee) -> Option<Way> {
        match &addressee.hop {
            Hop::Relay { route: Route::NextHost(host), .. } => Some(Way::SmartHost(next_host(host))),
            Hop::Relay { address, route: Route::Domain } => Some(match &self.smart_host {
                Some(host) => Way::SmartHost(host.clone()),
                None => Way::Mx(address.domain().clone()),
            }),
            Hop::Mailbox(_) | Hop::Postmaster | Hop::SentItems(_) | Hop::Nowhere => None,
        }
    }
}

impl Outgoing for Relay {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            let Some(way) = parcel.recipients.first().and_then(|(_, first)| self.way(first)) else {
                return Vec::new();
            };
            let outcomes = self.agent.deliver(&way, outbound(&parcel), &parcel.source).await;
            let places = parcel.recipients.iter().map(|(place, _)| *place);
            places.zip(outcomes).map(|(place, outcome)| (place, told(outcome, parcel.at))).collect()
        })
    }
}

/// `host`, `host:port` or `[address]:port`; anything after the last colon that is no port belongs to the host.
fn next_host(text: &str) -> SmartHost {
    let split = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let bare_ipv6 = text.parse::<core::net::Ipv6Addr>().is_ok();
    let (host, port) = split.filter(|_| !bare_ipv6).unwrap_or((text, PORT));
    SmartHost { host: host.to_owned(), port, security: HopSecurity::Opportunistic, credentials: None }
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
    Some(OutboundRecipient { path: ForwardPath::Mailbox(address.clone()), dsn: addressee.dsn.clone() })
}

/// What another host said, in the queue's words.
fn told(outcome: client::Outcome, at: Timestamp) -> Outcome {
    match outcome {
        client::Outcome::Delivered { host, reply, dsn_handed_on, .. } => {
            let lines = reply.lines().to_vec();
            let attempt = Attempt { at, host: Some(host), reply: Reply::plain(reply.code(), lines) };
            Outcome::Relayed { attempt, dsn_passed_on: dsn_handed_on }
        }
        client::Outcome::Deferred(trouble) if trouble.is_of_the_host() => {
            Outcome::Unreached(attempt_of(trouble, at, Finding::HostTrouble))
        }
        client::Outcome::Deferred(trouble) => Outcome::Deferred(attempt_of(trouble, at, Finding::HostTrouble)),
        client::Outcome::Failed(trouble) => Outcome::Failed(attempt_of(trouble, at, Finding::HostUnfit)),
    }
}

/// The host counts as the speaker only of words that it said.
fn attempt_of(trouble: Trouble, at: Timestamp, own: fn(EnhancedStatus, String) -> Finding) -> Attempt {
    let Trouble { status, host, cause, .. } = trouble;
    match cause {
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
    use super::*;

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
}
