//! Judges a `[[route]]` by Microsoft Graph.

use core::ops::Range;

use toml::Spanned;

use super::Judge;
use super::relay::HostKeys;
use crate::config::raw::RawRoute;
use crate::config::{GraphConfig, RouteVia, RouteWay, TokenConfig};

const ENDPOINT: &str = "https://graph.microsoft.com/v1.0";
const CONNECTIONS_MAX: u64 = 100;

impl Judge<'_> {
    /// The way of a route that says `via = "graph"`, or nothing for every other. What such a route says in vain is
    /// refused.
    pub(super) fn graph(
        &mut self,
        raw: &mut RawRoute,
        keys: &mut HostKeys,
        tokens: &[TokenConfig],
    ) -> Option<Option<RouteWay>> {
        let (endpoint, others) = (raw.endpoint.take(), raw.other_recipients.take());
        let via = raw.via.take();
        let Some(via) = via.filter(|via| *via.get_ref() == RouteVia::Graph) else {
            let spans = [endpoint.as_ref().map(Spanned::span), others.as_ref().map(Spanned::span)];
            for span in spans.into_iter().flatten() {
                self.refuse(&span, "has no effect by SMTP", "add via = \"graph\", or remove the key");
            }
            return None;
        };
        let (token, mailbox, connections) =
            (keys.token.take(), keys.rewrite_sender.take(), keys.connections_max.take());
        let idle = [raw.host.as_ref().map(Spanned::span), raw.tls.as_ref().map(Spanned::span)];
        for span in idle.into_iter().flatten().chain(keys.spans()) {
            self.refuse(&span, "has no effect by Graph", "remove the key, or via");
        }
        let Some(token) = token else {
            self.refuse(&via.span(), "no token is named", "add token = \"NAME\" and a [[token]] of that name");
            return Some(None);
        };
        self.known_token(&token, tokens);
        let place: Range<usize> = endpoint.as_ref().map_or_else(|| via.span(), Spanned::span);
        let endpoint = endpoint.map_or_else(|| ENDPOINT.to_owned(), Spanned::into_inner);
        let Some(endpoint) = self.url(Spanned::new(place, endpoint)) else { return Some(None) };
        Some(Some(RouteWay::Graph(GraphConfig {
            endpoint,
            token: token.into_inner().into(),
            rewrite_sender: mailbox.and_then(|value| self.mailbox(&value)),
            other_recipients: others.map(Spanned::into_inner).unwrap_or_default(),
            connections_max: connections.map(|value| self.count(Some(value), 1, 1..=CONNECTIONS_MAX)),
        })))
    }
}
