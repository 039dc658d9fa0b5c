//! Will the server run, and run well? Looks at everything it depends on and says for each what is wrong and the cure.
//!
//! Changes nothing but a probe file in the data directory, which it takes away again.

mod certificates;
mod connectors;
mod in_force;
mod issuers;
mod lifecycle;
mod listeners;
mod names;
mod routes;
mod scram;
mod tokens;
mod transport;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::names::resolve;
use super::cli::Premises;
use super::office::{DeviceOrder, DeviceQuery, Failure, Request, Response, handle};
use super::socket::{self, SocketError};
use crate::config::{Config, QueueConfig};
use crate::model::mail::Timestamp;
use crate::world::disk::{Disk as _, RealDisk};

/// Somebody is told of the end of a device's secret so many days before it.
const DEVICE_DAYS_LEFT_MIN: u32 = 21;
/// Less room than this deserves a warning.
const FREE_BYTES_WARN: u64 = 2 << 30;
const FREE_FILES_WARN: u64 = 10_000;

/// How a check turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The server runs, but somebody should look.
    Warn,
    /// The server does not run, or not as configured.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it turned out.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when nothing is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cure: String,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The findings, in the order of the work.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// The worst verdict; `Ok` for an empty report.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    fn put(&mut self, subject: &str, verdict: Verdict, detail: impl Into<String>, cure: impl Into<String>) {
        let (detail, cure) = (detail.into(), cure.into());
        self.findings.push(Finding { subject: subject.to_owned(), verdict, detail, cure });
    }
}

/// Checks the configuration at `path` and what it leads to. `at` is the administration socket. `online` asks token
/// endpoints, too, which is the one thing that others notice.
pub fn check(
    path: &Path,
    config: &Config,
    at: &Path,
    premises: &dyn Premises,
    now: Timestamp,
    online: bool,
) -> CheckReport {
    let mut report = CheckReport::default();
    let profile = format!("{}, profile {:?}", path.display(), config.profile);
    report.put("configuration", Verdict::Ok, profile, "");
    certificates::certificates(config, now, &mut report);
    let running = server(config, at, &mut report);
    let proofs = config.acme.iter().flat_map(|acme| &acme.listen);
    for address in config.listeners.iter().map(|listener| &listener.address).chain(proofs) {
        port(*address, running, &mut report);
    }
    config.listeners.iter().for_each(|listener| listeners::listener(listener, &mut report));
    hostname(config, &mut report);
    connectors::connectors(config, &mut report);
    routes::routes(config, now, &mut report);
    tokens::tokens(config, online.then_some(premises), &mut report);
    issuers::issuers(config, online.then_some(premises), &mut report);
    transport::transport(config, &mut report);
    disk(&config.data, &config.queue, &mut report);
    directory(path, config, at, running, premises, &mut report);
    lifecycle::lifecycle(path, config, at, running, premises, &mut report);
    scram::scram(path, config, at, running, premises, &mut report);
    report
}

/// Whether a server answers, and by what it goes.
fn server(config: &Config, at: &Path, report: &mut CheckReport) -> bool {
    match socket::ask(at, Request::Ping, &mut |_| {}) {
        Ok(Response::Alive { version, configuration }) => {
            report.put("server", Verdict::Ok, format!("version {version} is running"), "");
            if let Some(own) = configuration {
                in_force::in_force(config, &own, report);
            }
            true
        }
        Err(SocketError::NotRunning(_)) => {
            report.put("server", Verdict::Ok, "not running", "");
            false
        }
        Ok(_) => {
            report.put("server", Verdict::Fail, "answers, but not as this version does", "restart it after an upgrade");
            true
        }
        Err(error) => {
            report.put("server", Verdict::Fail, error.to_string(), "");
            true
        }
    }
}

fn port(address: SocketAddr, running: bool, report: &mut CheckReport) {
    let subject = format!("port {}", address.port());
    match TcpListener::bind(address) {
        Ok(_) if running && address.port() != 0 => {
            let detail = format!("{address} is configured, but the running server does not listen there");
            report.put(&subject, Verdict::Fail, detail, "restart the server after a change of the configuration");
        }
        Ok(_) => report.put(&subject, Verdict::Ok, format!("{address} is free"), ""),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && running => {
            report.put(&subject, Verdict::Ok, format!("{address} is in use, by the running server"), "");
        }
        Err(error) => {
            let cure = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("another program listens there; see which: ss -ltnp 'sport = :{}'", address.port())
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need CAP_NET_BIND_SERVICE, which the system service has; or choose higher ones"
                        .to_owned()
                }
                std::io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
                _ => String::new(),
            };
            report.put(&subject, Verdict::Fail, format!("{address}: {error}"), cure);
        }
    }
}

fn hostname(config: &Config, report: &mut CheckReport) {
    let host = config.hostname.to_string();
    let cure = "other servers look this name up; set its A and AAAA records, or correct hostname";
    for answer in resolve(vec![host.clone()]) {
        match answer {
            Ok(found) => report.put("host name", Verdict::Ok, format!("{host} is {found}"), ""),
            Err(problem) => report.put("host name", Verdict::Warn, format!("{host}: {problem}"), cure),
        }
    }
}

fn disk(data: &Path, queue: &QueueConfig, report: &mut CheckReport) {
    match RealDisk.space(data) {
        Ok(space) => {
            let detail =
                format!("{} MiB and {} files free at {}", space.free_bytes >> 20, space.free_inodes, data.display());
            let short = space.free_bytes < queue.free_bytes_min || space.free_inodes < queue.free_files_min;
            let (verdict, cure) = if short {
                (Verdict::Fail, "make room: the server refuses mail now")
            } else if space.free_bytes < FREE_BYTES_WARN.max(queue.free_bytes_min.saturating_mul(2))
                || space.free_inodes < FREE_FILES_WARN
            {
                (Verdict::Warn, "make room before mail is refused")
            } else {
                (Verdict::Ok, "")
            };
            report.put("disk", verdict, detail, cure);
        }
        Err(error) => {
            return report.put("disk", Verdict::Fail, error.to_string(), "franking init makes the data directory");
        }
    }
    match probe(data) {
        Ok(()) => report.put("disk", Verdict::Ok, "the data directory can be written and synchronised", ""),
        Err(error) => {
            let cure = "give it to the server's user: chown -R franking, and run this command as that user";
            report.put("disk", Verdict::Fail, format!("{}: {error}", data.display()), cure);
        }
    }
}

/// Writes and synchronises a file as the journal does, and takes it away again.
fn probe(data: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".check-").suffix(".tmp").tempfile_in(data)?;
    file.write_all(b"franking check")?;
    file.as_file().sync_data()?;
    std::fs::File::open(data)?.sync_all()
}

fn directory(
    path: &Path,
    config: &Config,
    at: &Path,
    running: bool,
    premises: &dyn Premises,
    report: &mut CheckReport,
) {
    let subject = "directory";
    if running {
        let query = super::office::ListQuery { limit: 1, ..Default::default() };
        return match socket::ask(at, Request::RecipientList(query), &mut |_| {}) {
            Ok(Response::Recipients { total, .. }) => {
                report.put(subject, Verdict::Ok, format!("{total} recipients, in the running server"), "");
                let asked = socket::ask(at, ending_devices(), &mut |_| {});
                devices(
                    asked.unwrap_or_else(|error| Response::Failed(Failure::unavailable(error.to_string()))),
                    report,
                );
            }
            Ok(_) | Err(_) => report.put(subject, Verdict::Fail, "the running server does not answer", "see its log"),
        };
    }
    match premises.open(config, Some(path)) {
        Ok(office) => {
            let snapshot = office.directory.snapshot();
            let domains = snapshot.domains().count();
            let detail = format!("{} recipients, {domains} accepted domains", snapshot.recipient_count());
            if domains == 0 {
                report.put(subject, Verdict::Warn, detail, "franking domain add DOMAIN --default");
            } else {
                report.put(subject, Verdict::Ok, detail, "");
            }
            devices(handle(&office, "command line", ending_devices(), &mut |_| {}), report);
        }
        Err(failure) => report.put(subject, Verdict::Fail, failure.message, failure.cures.join("; ")),
    }
}

fn ending_devices() -> Request {
    let query = DeviceQuery { expires_within_days: Some(DEVICE_DAYS_LEFT_MIN), ..DeviceQuery::default() };
    Request::Device(DeviceOrder::List(query))
}

/// A line for each secret that a device cannot use any more, or not for long: nobody is told when it stops.
fn devices(response: Response, report: &mut CheckReport) {
    let subject = "device";
    let devices = match response {
        Response::Devices { devices } => devices,
        Response::Failed(failure) => return report.put(subject, Verdict::Fail, failure.message, ""),
        _ => return report.put(subject, Verdict::Fail, "the running server does not answer", "see its log"),
    };
    for own in devices {
        let (name, account) = (&own.name, &own.account);
        let verb = if own.expired { "expired" } else { "expires" };
        let detail = format!("{name} of {account} {verb} on {}", own.expires.as_deref().unwrap_or_default());
        let cure = match own.expired {
            true => format!("franking device revoke {account} {name}"),
            false => format!("franking device set {account} {name} --expires 365d"),
        };
        report.put(subject, Verdict::Warn, detail, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::cli::tests::InMemory;

    fn report(text: &str, data: &Path) -> CheckReport {
        let path = data.join("franking.toml");
        let config = Config::parse(text, &path).unwrap();
        check(&path, &config, &data.join("admin.sock"), &InMemory::default(), Timestamp::EPOCH, true)
    }

    fn of<'a>(report: &'a CheckReport, subject: &str) -> Vec<&'a Finding> {
        report.findings.iter().filter(|finding| finding.subject == subject).collect()
    }

    #[test]
    fn a_next_host_that_is_not_found_and_a_missing_password_are_noted() {
        let place = tempfile::tempdir().unwrap();
        let route = "[[route]]\ndomains = [\"fabrikam.example\"]\nhost = \"127.0.0.1\"\n\
                     [[route]]\ndomains = [\"*\"]\nhost = \"nowhere.invalid\"\nlogin = \"a\"\npassword_file = \"b\"\n";
        let report = report(&format!("{BASE}{}", route.replace("127.0.0.1", "[127.0.0.1]")), place.path());
        let found = of(&report, "route");
        let said: Vec<_> = found.iter().map(|finding| (finding.verdict, finding.detail.as_str())).collect();
        assert_eq!(said[0], (Verdict::Ok, "1 domain by the host [127.0.0.1], port 25, with verified TLS"));
        assert_eq!(said[1], (Verdict::Ok, "1 domain by the host nowhere.invalid, port 587, with verified TLS"));
        assert!(said[2].0 == Verdict::Fail && said[2].1.contains("/b: "), "{said:?}");
        assert!(said[3].0 == Verdict::Warn && said[3].1.starts_with("nowhere.invalid: "), "{said:?}");
        assert_eq!(said.len(), 4);
    }

    const BASE: &str = "hostname = \"localhost\"\ndata = \".\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n";

    #[test]
    fn a_sound_machine_has_nothing_that_fails() {
        let place = tempfile::tempdir().unwrap();
        let report = report(BASE, place.path());
        assert!(report.verdict() < Verdict::Fail, "{report:?}");
        assert_eq!(of(&report, "disk").len(), 2);
        assert_eq!(of(&report, "certificate")[0].verdict, Verdict::Warn);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the probe is taken away");
    }

    #[test]
    fn a_taken_port_and_a_missing_certificate_fail_with_a_cure() {
        let place = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let text = format!(
            "{}[tls]\ncertificate = [\"no.pem\"]\nkey = [\"no.key\"]\n",
            BASE.replace(":0\"", &format!(":{number}\""))
        );
        let report = report(&text, place.path());
        let port = of(&report, &format!("port {number}"));
        assert_eq!(port[0].verdict, Verdict::Fail);
        assert!(port[0].cure.contains("ss -ltnp"));
        assert_eq!(of(&report, "certificate")[0].verdict, Verdict::Fail);
    }
}
