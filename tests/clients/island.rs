//! The whole server on an island: a network of its own with a name service that validates DNSSEC, a host that takes
//! mail, and a web server with a policy.
//!
//! The addresses on the island are no loopback addresses, the ports are the real ones (25, 443), the zone is signed,
//! and the resolver is unbound. So nothing is made easier for the server than it is in the world.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::process::{Running, run};
use crate::support::server::PROGRAM;
use crate::support::site::Site;
use crate::support::{PATIENCE, Place, parts, wait_for, within};

const ZONE: &str = "fabrikam.example";
/// Addresses for documentation (RFC 5737), which exist on the island only.
const HOST: &str = "192.0.2.25";
const WEB: &str = "192.0.2.80";
const DNS_PORT: u16 = 5353;

/// A domain on the island, and what becomes of mail for it.
struct Case {
    domain: &'static str,
    records: fn(&Certificates) -> String,
    state: &'static str,
    answer: &'static str,
}

/// The exchanger `mx` of `domain`, at the one host.
fn exchanger(domain: &str, mx: &str) -> String {
    format!("{domain} IN MX 10 {mx}\n{mx} IN A {HOST}\n")
}

fn with_policy(domain: &str, mx: &str) -> String {
    let web = format!("_mta-sts.{domain} IN TXT \"v=STSv1; id=1\"\nmta-sts.{domain} IN A {WEB}\n");
    exchanger(domain, mx) + &web
}

fn with_tlsa(domain: &str, mx: &str, hash: &str) -> String {
    format!("{}_25._tcp.{mx} IN TLSA 3 1 1 {hash}\n", exchanger(domain, mx))
}

const CASES: [Case; 7] = [
    Case { domain: "plain", records: |_| exchanger("plain", "mx-plain"), state: "relayed", answer: "250 2.6.0" },
    Case {
        domain: "dane",
        records: |shown| with_tlsa("dane", "mx-dane", &shown.hash),
        state: "relayed",
        answer: "250 2.6.0",
    },
    Case {
        domain: "other",
        records: |_| with_tlsa("other", "mx-other", &"07".repeat(32)),
        state: "deferred",
        answer: "4.7.323",
    },
    // Its address is altered after the zone was signed: nobody may be sent there.
    Case { domain: "forged", records: |_| exchanger("forged", "mx-forged"), state: "deferred", answer: "4.4." },
    Case { domain: "policy", records: |_| with_policy("policy", "mx-policy"), state: "relayed", answer: "250 2.6.0" },
    // The policy names this exchanger, and its certificate does not.
    Case {
        domain: "unproven",
        records: |_| with_policy("unproven", "mx-unproven"),
        state: "deferred",
        answer: "4.7.5",
    },
    // The certificate names this exchanger, and the policy does not.
    Case { domain: "stray", records: |_| with_policy("stray", "mx-stray"), state: "deferred", answer: "4.4.8" },
];

const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx-policy.fabrikam.example\r\n\
                      mx: mx-unproven.fabrikam.example\r\nmax_age: 604800\r\n";

/// An authority and what it says of the island's hosts, as files.
struct Certificates {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    /// Of the public key, as a TLSA record has it.
    hash: String,
}

impl Certificates {
    fn make(place: &Place) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Authority of the island");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let names = ["mx-policy", "mx-stray", "mta-sts.policy", "mta-sts.unproven", "mta-sts.stray"];
        let names: Vec<String> = names.iter().map(|name| format!("{name}.{ZONE}")).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let digest = Sha256::digest(key.subject_public_key_info());
        Self {
            authority: place.file("ca.pem", &authority),
            certificate: place.file("island.pem", certificate.pem() + &authority),
            key: place.file("island.key", key.serialize_pem()),
            hash: digest.iter().fold(String::new(), |mut text, octet| {
                write!(text, "{octet:02x}").unwrap();
                text
            }),
        }
    }
}

/// A network of its own, for as long as the process in it runs.
struct Island {
    keeper: Running,
}

impl Island {
    /// `None` after saying that the test is left out.
    fn rise() -> Option<Self> {
        if !parts::may_act_as_root("a network of its own cannot be made by an ordinary user") {
            return None;
        }
        let script = format!(
            "ip link set lo up && ip address add {HOST}/32 dev lo && ip address add {WEB}/32 dev lo && \
             echo risen && exec sleep 600"
        );
        let mut command = Command::new(parts::find("unshare")?);
        parts::find("ip")?;
        command.args(["--net", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut keeper = Running::start(&mut command);
        let mut said = String::new();
        let stdout = keeper.child().stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).unwrap();
        if said.trim() != "risen" {
            parts::left_out("no network of its own can be made here");
            return None;
        }
        Some(Self { keeper })
    }

    /// A program that is to run there.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.keeper.id())).arg("--").arg(program);
        command
    }

    /// Starts a server there; what it says goes to a file of the place.
    fn start(&self, place: &Place, log: &str, command: &mut Command) -> Running {
        let log = std::fs::File::create(place.path().join(log)).unwrap();
        let again = log.try_clone().unwrap();
        Running::start(command.stdin(Stdio::null()).stdout(again).stderr(log))
    }
}

/// Signs the zone, alters an address in it, and writes what unbound needs; its configuration.
fn name_service(place: &Place, certificates: &Certificates) -> Option<PathBuf> {
    let (keygen, sign) = (parts::find("ldns-keygen")?, parts::find("ldns-signzone")?);
    let records: String = CASES.iter().map(|case| (case.records)(certificates)).collect();
    let zone = format!(
        "$ORIGIN {ZONE}.\n$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ IN NS ns\nns IN A {WEB}\n{records}"
    );
    place.file("zone", zone);
    let made = run(Command::new(keygen).args(["-k", "-a", "ECDSAP256SHA256", ZONE]).current_dir(place.path()), "");
    assert!(made.status.success(), "{}", made.text);
    let key = made.text.lines().find(|line| line.starts_with("Kfabrikam")).expect("the name of a key").trim();
    let signed = run(Command::new(sign).args(["-o", ZONE, "zone", key]).current_dir(place.path()), "");
    assert!(signed.status.success(), "{}", signed.text);
    let text = std::fs::read_to_string(place.path().join("zone.signed")).unwrap();
    let is_forged = |line: &&str| line.starts_with("mx-forged.") && line.contains("\tA\t");
    let forged = text.lines().find(is_forged).expect("the record to forge");
    let directory = place.path().display();
    place.file("zone.signed", text.replace(forged, &forged.replace(HOST, WEB)));
    Some(place.file(
        "unbound.conf",
        format!(
            "server:\n interface: 127.0.0.1\n port: {DNS_PORT}\n username: \"\"\n chroot: \"\"\n \
             directory: \"{directory}\"\n pidfile: \"unbound.pid\"\n use-syslog: no\n do-daemonize: no\n \
             do-ip6: no\n val-log-level: 2\n trust-anchor-file: \"{key}.ds\"\nremote-control:\n control-enable: no\n\
             auth-zone:\n name: \"{ZONE}.\"\n zonefile: \"zone.signed\"\n for-downstream: no\n for-upstream: yes\n"
        ),
    ))
}

/// The host that takes mail for every domain of the island: this program again.
fn host(place: &Place, certificates: &Certificates) -> PathBuf {
    let data = place.directory("host-data");
    let text = format!(
        "hostname = \"mx-plain.{ZONE}\"\ndata = \"{}\"\n\n[[listener]]\naddress = \"{HOST}:25\"\nrole = \"inbound\"\n\n\
         [tls]\ncertificate = [\"{}\"]\nkey = [\"{}\"]\n",
        data.display(),
        certificates.certificate.display(),
        certificates.key.display(),
    );
    let config = place.file("host.toml", text);
    let domains = CASES.iter().enumerate().map(|(place, Case { domain, .. })| {
        let default = if place == 0 { "default = true\n" } else { "" };
        format!(
            "[[domain]]\ndomain = \"{domain}.{ZONE}\"\ntype = \"Authoritative\"\n{default}\n[[recipient]]\n\
             type = \"SharedMailbox\"\naddress = \"{domain}@{domain}.{ZONE}\"\n\n"
        )
    });
    let organisation = place.file("host-organisation.toml", domains.collect::<String>());
    let imported = run(Command::new(PROGRAM).arg("--config").arg(&config).arg("import").arg(organisation), "");
    assert!(imported.status.success(), "{}", imported.text);
    config
}

fn listens(island: &Island, address: &str, port: u16) -> bool {
    let script = format!("exec 3<>/dev/tcp/{address}/{port}");
    run(island.command("bash").args(["-c", &script]), "").status.success()
}

/// What became of each recipient of the one message, once each was tried: address, state and last answer.
fn fates(site: &Site) -> Vec<(String, String, String)> {
    let mut show = Value::Null;
    let fates = within(PATIENCE, || {
        let list = site.json(&["queue", "list"]);
        let id = list["messages"].get(0)?["id"].as_str()?.to_owned();
        show = site.json(&["queue", "show", &id]);
        let text = |one: &Value, key: &str| one[key].as_str().map(str::to_owned);
        let of = |one: &Value| Some((text(one, "address")?, text(one, "state")?, text(one, "last_answer")?));
        let fates = show["recipients"].as_array()?.iter().filter_map(of);
        // Not the copy in alice's Sent Items.
        let fates: Vec<_> = fates.filter(|(address, ..)| address.ends_with(ZONE)).collect();
        (fates.len() == CASES.len()).then_some(fates)
    });
    fates.unwrap_or_else(|| panic!("not every recipient was tried: {show:#}"))
}

#[test]
fn what_domains_demand_is_heeded_by_the_whole_server_with_a_validating_resolver() {
    let (Some(unbound), Some(openssl), Some(swaks)) =
        (parts::find("unbound"), parts::find("openssl"), parts::find("swaks"))
    else {
        return;
    };
    let Some(island) = Island::rise() else { return };
    let place = Place::new();
    let certificates = Certificates::make(&place);
    let Some(dns) = name_service(&place, &certificates) else { return };
    let _dns = island.start(&place, "unbound.log", island.command(unbound).args(["-d", "-c"]).arg(dns));
    std::fs::create_dir_all(place.path().join("web/.well-known")).unwrap();
    std::fs::write(place.path().join("web/.well-known/mta-sts.txt"), POLICY).unwrap();
    let mut web = island.command(openssl);
    web.args(["s_server", "-WWW", "-accept", &format!("{WEB}:443"), "-cert"]).arg(&certificates.certificate);
    web.arg("-key").arg(&certificates.key).current_dir(place.path().join("web"));
    let _web = island.start(&place, "web.log", &mut web);
    let host = host(&place, &certificates);
    let _host = island.start(&place, "host.log", island.command(PROGRAM).arg("serve").arg("--config").arg(host));
    let more = format!(
        "[queue]\nretry_seconds = [3600]\n\n[relay]\ndane = true\nname_servers = [\"127.0.0.1:{DNS_PORT}\"]\n\
         authorities = \"{}\"\n",
        certificates.authority.display()
    );
    let site = Site::set_up(&place, &[], &more);
    let config = &site.config;
    let _server = island.start(&place, "server.log", island.command(PROGRAM).arg("serve").arg("--config").arg(config));
    for (address, port) in [("127.0.0.1", DNS_PORT), (WEB, 443), (HOST, 25), ("127.0.0.1", site.submission().port())] {
        wait_for(&format!("{address}:{port}"), || listens(&island, address, port).then_some(()));
    }
    let to: Vec<String> = CASES.iter().map(|Case { domain, .. }| format!("{domain}@{domain}.{ZONE}")).collect();
    let mut submit = island.command(swaks);
    submit.args(["--server", "127.0.0.1", "--port", &site.submission().port().to_string(), "--tls"]);
    submit.args(["--auth", "LOGIN", "--auth-user", "alice@contoso.example", "--auth-password", "demo-alice"]);
    submit.args(["--from", "alice@contoso.example", "--to", &to.join(",")]);
    let said = run(&mut submit, "");
    assert!(said.status.success(), "{}", said.text);
    let fates = fates(&site);
    for Case { domain, state, answer, .. } in CASES {
        let address = format!("{domain}@{domain}.{ZONE}");
        let fate = fates.iter().find(|(own, ..)| *own == address).unwrap_or_else(|| panic!("{address}: {fates:?}"));
        assert!(fate.1 == state && fate.2.contains(answer), "{fate:?}, not {state} with {answer}");
    }
    assert_eq!(arrived(&place.path().join("host-data/mailboxes")), 3, "only what may go there came there");
}

/// Messages in all mailboxes of a server.
fn arrived(mailboxes: &Path) -> usize {
    let mailboxes = mailboxes.read_dir().unwrap().flatten();
    mailboxes.map(|mailbox| crate::support::maildir::messages(&mailbox.path()).len()).sum()
}
