//! Which demands of recipients' domains are heeded, and whether that works.

use std::time::Duration;

use super::{CheckReport, Verdict};
use crate::config::Config;
use crate::world::resolver::SystemResolver;
use crate::world::tls::{Roots, verified};

/// How long a name server may take to answer.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn transport(config: &Config, report: &mut CheckReport) {
    let transport = &config.transport;
    let roots = transport.authorities.clone().map_or(Roots::System, Roots::File);
    match (verified(&roots), &transport.authorities) {
        (Ok(_), None) => {}
        (Ok(_), Some(path)) => {
            let detail = format!("those in {}, and no others, vouch for other hosts", path.display());
            report.put("authorities", Verdict::Ok, detail, "");
        }
        // A file that cannot be read keeps the server from starting; a system without authorities does not.
        (Err(error), Some(_)) => report.put("authorities", Verdict::Fail, error.to_string(), ""),
        (Err(error), None) => report.put("authorities", Verdict::Warn, error.to_string(), ""),
    }
    if transport.mta_sts {
        report.put("MTA-STS", Verdict::Ok, "policies of recipients' domains are heeded", "");
    } else {
        let cure = "remove mta_sts = false unless you have a reason";
        report.put("MTA-STS", Verdict::Warn, "policies of recipients' domains are not heeded", cure);
    }
    if !transport.dane {
        let detail = "TLSA records are not heeded: that needs dane = true and a name server that validates";
        return report.put("DANE", Verdict::Ok, detail, "");
    }
    let servers: Vec<String> = transport.name_servers.iter().map(ToString::to_string).collect();
    let servers = servers.join(", ");
    let cure =
        "let it validate DNSSEC (unbound does by default), or set dane = false: TLSA records count for nothing now";
    match validates(config) {
        Ok(true) => {
            report.put("DANE", Verdict::Ok, format!("TLSA records are heeded, and {servers} validates DNSSEC"), "");
        }
        Ok(false) => report.put("DANE", Verdict::Fail, format!("{servers} does not validate DNSSEC"), cure),
        Err(reason) => {
            report.put("DANE", Verdict::Fail, format!("{servers}: {reason}"), "start it, or correct name_servers")
        }
    }
}

fn validates(config: &Config) -> Result<bool, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let resolver = SystemResolver::trusting(&config.transport.name_servers, RESOLVE_TIMEOUT)
            .map_err(|error| error.to_string())?;
        resolver.validates().await.map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;
    use std::net::UdpSocket;
    use std::path::Path;

    fn report(relay: &str) -> Vec<Finding> {
        let config = Config::parse(&format!("[relay]\n{relay}\n"), Path::new("/franking.toml")).unwrap();
        let mut report = CheckReport::default();
        transport(&config, &mut report);
        report.findings
    }

    fn verdict(findings: &[Finding], subject: &str) -> (Verdict, String) {
        let finding = findings.iter().find(|finding| finding.subject == subject).unwrap();
        (finding.verdict, finding.detail.clone())
    }

    /// A name server that answers questions about the root, with or without the AD bit, until nobody asks any more.
    fn name_server(validates: bool) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((_, peer)) = socket.recv_from(&mut question) {
                let asked_for_ad = question[3] & 0x20 != 0;
                let flags = if validates && asked_for_ad { 0xa0 } else { 0x80 };
                let head = [question[0], question[1], 0x81, flags, 0, 1, 0, 1, 0, 0, 0, 0];
                let root_ns = [0, 0, 2, 0, 1];
                let answer = [&head[..], &root_ns, &root_ns, &[0, 0, 0, 60, 0, 1, 0]].concat();
                socket.send_to(&answer, peer).unwrap();
            }
        });
        address.to_string()
    }

    #[test]
    fn what_is_heeded_is_said() {
        let usual = report("");
        assert_eq!(verdict(&usual, "MTA-STS").0, Verdict::Ok);
        assert!(verdict(&usual, "DANE").1.contains("not heeded"));
        assert_eq!(verdict(&report("mta_sts = false"), "MTA-STS").0, Verdict::Warn);
        let (verdict, detail) = verdict(&report("authorities = \"/nonexistent/ca.pem\""), "authorities");
        assert!(verdict == Verdict::Fail && detail.contains("/nonexistent/ca.pem"), "{detail}");
    }

    #[test]
    fn a_name_server_that_does_not_validate_is_found_out() {
        for (validates, expected) in [(true, Verdict::Ok), (false, Verdict::Fail)] {
            let server = name_server(validates);
            let findings = report(&format!("dane = true\nname_servers = [\"{server}\"]"));
            let (verdict, detail) = verdict(&findings, "DANE");
            assert!(verdict == expected && detail.contains(&server), "{detail}");
        }
    }
}
