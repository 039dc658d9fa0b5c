//! The ways for mail to other systems: can their hosts be found, and their passwords be read?

use std::collections::BTreeMap;

use super::names::resolve;
use super::{CheckReport, Verdict};
use crate::config::{Config, RouteWay, SmartHost};
use crate::model::mail::Domain;
use crate::world::disk::open_regular;

/// Hosts looked up at once; who has more of them has looked after them otherwise.
const HOSTS_MAX: usize = 32;

const SUBJECT: &str = "route";

/// A line for each way, and one for whatever is wrong with it.
pub(super) fn routes(config: &Config, report: &mut CheckReport) {
    let mut ways: BTreeMap<String, (usize, &RouteWay)> = BTreeMap::new();
    for (_, way) in config.routes.iter() {
        ways.entry(way.to_string()).or_insert((0, way)).0 += 1;
    }
    let mut hosts = Vec::new();
    for (words, (count, way)) in &ways {
        let count = if *count == 1 { "1 domain".to_owned() } else { format!("{count} domains") };
        let RouteWay::Host(SmartHost { host, credentials, .. }) = way else {
            report.put(SUBJECT, Verdict::Ok, format!("{count} by {words}"), "");
            continue;
        };
        report.put(SUBJECT, Verdict::Ok, format!("{count} by {words}"), "");
        if let Domain::Name(name) = host {
            hosts.push(name.to_string());
        }
        if let Some((_, path)) = credentials
            && let Err(error) = open_regular(path)
        {
            let cure = "write the password into the first line of this file, readable by the server's user";
            report.put(SUBJECT, Verdict::Fail, format!("{}: {error}", path.display()), cure);
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
