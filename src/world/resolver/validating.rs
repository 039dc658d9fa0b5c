//! Name servers that are believed when they say that they have validated an answer.
//!
//! The DNS library asks for that only when it validates by itself, so its lower half is used here, with the AD bit set
//! in the question (RFC 6840 section 5.7): a server then sets it in an answer that it has validated, and answers
//! SERVFAIL where validation failed. What the library does not tell is whether the *absence* of records was proved;
//! nothing here depends on that, since a server that validates does not pass on a forged absence within a signed zone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::ResolverOpts;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _, RetryDnsHandle};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, Query};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use super::{
    Absence, Answer, HostAddresses, LookupError, MxAnswer, adjust, alternate, found, full_name, host_text, mx_answer,
    name_server,
};
use crate::model::transport_security::Tlsa;
use crate::model::transport_security::tlsa::RECORDS_MAX;

/// Aliases of aliases that are followed.
const ALIASES_MAX: usize = 16;

/// Asks the name servers that the operator trusts.
pub(super) struct ValidatingServers {
    servers: RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>,
}

impl ValidatingServers {
    pub(super) fn new(name_servers: &[SocketAddr], timeout: Duration) -> Result<Self, NetError> {
        let mut options = ResolverOpts::default();
        adjust(&mut options, timeout);
        let attempts = options.attempts;
        let context = Arc::new(PoolContext::new(options, TlsConfig::new()?));
        let servers = name_servers.iter().map(name_server);
        let pool = NameServerPool::from_config(servers, context, TokioRuntimeProvider::default());
        Ok(Self { servers: RetryDnsHandle::new(pool, attempts) })
    }

    /// The answer section, and whether the server vouches for it.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Result<Answer<Vec<Record>>, Absence>, LookupError> {
        let Some(asked) = full_name(name) else { return Ok(Err(Absence::Name)) };
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.recursion_desired = true;
        let (mut message, options) = DnsRequest::from_query(Query::query(asked, kind), options).into_parts();
        message.metadata.authentic_data = true;
        let response = self.servers.send(DnsRequest::new(message, options)).first_answer().await;
        found(name, response).map(|response| {
            response.map(|response| Answer {
                authenticated: response.metadata.authentic_data,
                value: response.into_message().answers,
            })
        })
    }

    /// Whether the servers validate what every one that validates can: the root zone.
    pub(super) async fn validate(&self) -> Result<bool, LookupError> {
        Ok(self.ask(".", RecordType::NS).await?.is_ok_and(|answer| answer.authenticated))
    }

    pub(super) async fn mx(&self, domain: &str) -> Result<Answer<MxAnswer>, LookupError> {
        Ok(match self.ask(domain, RecordType::MX).await? {
            Ok(answer) => Answer { value: mx_answer(&answer.value), authenticated: answer.authenticated },
            Err(Absence::Records) => Answer::unauthenticated(MxAnswer::None),
            Err(Absence::Name) => Answer::unauthenticated(MxAnswer::NoSuchDomain),
        })
    }

    pub(super) async fn addresses(&self, host: &str) -> Result<Answer<HostAddresses>, LookupError> {
        let (v4, v6) = tokio::join!(self.ask(host, RecordType::A), self.ask(host, RecordType::AAAA));
        let (mut families, mut failure) = ([Vec::new(), Vec::new()], None);
        let (mut canonical, mut proofs) = (None, Vec::new());
        for (family, outcome) in families.iter_mut().zip([v4, v6]) {
            match outcome {
                Ok(Ok(answer)) => {
                    let (name, addresses) = followed(host, &answer.value);
                    if !addresses.is_empty() {
                        *family = addresses;
                        canonical = name;
                        proofs.push(answer.authenticated);
                    }
                }
                Ok(Err(_)) => {}
                Err(error) => failure = Some(error),
            }
        }
        let addresses = alternate(families);
        match failure {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(Answer {
                // Both families, where there are both: mail may go to any address.
                authenticated: !proofs.is_empty() && proofs.iter().all(|proof| *proof),
                value: HostAddresses { addresses, canonical },
            }),
        }
    }

    pub(super) async fn tlsa(&self, name: &str) -> Result<Answer<Vec<Tlsa>>, LookupError> {
        let Ok(answer) = self.ask(name, RecordType::TLSA).await? else {
            return Ok(Answer::unauthenticated(Vec::new()));
        };
        let records = answer.value.iter().filter_map(|record| match &record.data {
            RData::TLSA(record) => Some(Tlsa {
                usage: record.cert_usage.into(),
                selector: record.selector.into(),
                matching: record.matching.into(),
                data: record.cert_data.clone(),
            }),
            _ => None,
        });
        Ok(Answer { value: records.take(RECORDS_MAX).collect(), authenticated: answer.authenticated })
    }
}

/// The addresses at the end of the aliases of `host`, and the name there if it is another.
fn followed(host: &str, answers: &[Record]) -> (Option<String>, Vec<IpAddr>) {
    let Some(first) = full_name(host) else { return (None, Vec::new()) };
    let mut name: &Name = &first;
    for _ in 0..ALIASES_MAX {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *name => Some(&target.0),
            _ => None,
        });
        match alias {
            Some(target) => name = target,
            None => break,
        }
    }
    let own = answers.iter().filter(|record| record.name == *name);
    let addresses = own.filter_map(|record| record.data.ip_addr()).collect();
    (host_text(&name.to_ascii()).filter(|text| *text != host), addresses)
}
