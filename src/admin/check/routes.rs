//! The ways for mail to other systems: can their hosts be found, and their passwords and certificates be read?

use std::collections::BTreeMap;

use super::names::resolve;
use super::{CheckReport, Verdict};
use crate::config::{Config, RelayCredentials, RelayProof, RouteWay, SmartHost};
use crate::model::mail::{Domain, Timestamp};
use crate::model::policy::SenderPattern;
use crate::world::tls::CertificateStore;

/// Hosts looked up at once; who has more of them has looked after them otherwise.
const HOSTS_MAX: usize = 32;

const SUBJECT: &str = "route";

/// A line for each way, and one for whatever is wrong with it.
pub(super) fn routes(config: &Config, now: Timestamp, report: &mut CheckReport) {
    let mut ways: BTreeMap<String, (usize, &RouteWay)> = BTreeMap::new();
    for (pattern, way) in config.routes.iter() {
        // Ways for some senders have lines of their own.
        let whose = match pattern.sender {
            SenderPattern::Anyone => "",
            SenderPattern::Domain(_) | SenderPattern::Address(_) => " for certain senders",
        };
        ways.entry(format!("{whose} by {way}")).or_insert((0, way)).0 += 1;
    }
    let mut hosts = Vec::new();
    for (words, (count, way)) in &ways {
        let count = if *count == 1 { "1 domain".to_owned() } else { format!("{count} domains") };
        report.put(SUBJECT, Verdict::Ok, format!("{count}{words}"), "");
        let RouteWay::Host(SmartHost { host, credentials, certificate, .. }) = way else { continue };
        if let Some(paths) = certificate {
            match CertificateStore::open(core::slice::from_ref(paths)) {
                Ok(store) => {
                    store.inventory(now).iter().for_each(|info| super::certificates::certificate(info, now, report))
                }
                Err(error) => report.put(SUBJECT, Verdict::Fail, error.to_string(), ""),
            }
        }
        if let Domain::Name(name) = host {
            hosts.push(name.to_string());
        }
        if let Some(RelayCredentials { proof: RelayProof::Password(place), .. }) = credentials {
            super::tokens::secret(SUBJECT, place, report);
        }
    }
    hosts.sort();
    hosts.dedup();
    hosts.truncate(HOSTS_MAX);
    for (host, answer) in hosts.iter().zip(resolve(hosts.clone())) {
        if let Err(problem) = answer {
            let cure = "mail for it waits until the name is found; correct host, or ask the name server's keeper";
            report.put(SUBJECT, Verdict::Warn, format!("{host}: {problem}"), cure);
        }
    }
}
