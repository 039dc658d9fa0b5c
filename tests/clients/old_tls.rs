//! Devices that know TLS 1.0 alone: OpenSSL as the device, stunnel and HAProxy in front, speaking the PROXY protocol.
//!
//! The configurations are those of the README, with other addresses and paths.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::support::process::{Running, run};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Place, free_port, parts, wait_for, wait_for_port};

const ALICE: &str = "alice@contoso.example";
/// Where the device is; everything else is at 127.0.0.1.
const DEVICE: &str = "127.0.0.9";

/// A text of the README that stands in a file of its own as well.
fn documented(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("fixtures/old-tls").join(file)).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&text), "the README has another {file} than fixtures/old-tls");
    text
}

/// A certificate as old devices understand it, with its key in the same file.
fn certificate(openssl: &Path, place: &Place) -> PathBuf {
    let (own, key, both) =
        (place.path().join("own.pem"), place.path().join("key.pem"), place.path().join("franking.pem"));
    let mut command = Command::new(openssl);
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.contoso.example", "-days", "2"]);
    let outcome = run(command.arg("-keyout").arg(&key).arg("-out").arg(&own), "");
    assert!(outcome.status.success(), "{}", outcome.text);
    std::fs::write(&both, std::fs::read_to_string(own).unwrap() + &std::fs::read_to_string(key).unwrap()).unwrap();
    both
}

/// A server with the documented listener, a device of alice's, and whatever else a test needs.
struct Scene {
    place: Place,
    site: Site,
    server: Server,
    openssl: PathBuf,
    certificate: PathBuf,
    secret: String,
    /// Where the proxies connect: for devices alone, and where the TLS that they end counts.
    ports: [u16; 2],
}

impl Scene {
    fn set_up() -> Option<Self> {
        let openssl = parts::find("openssl")?;
        let (place, ports) = (Place::new(), [free_port(), free_port()]);
        let for_devices = documented("franking.toml")
            .replace("127.0.0.1:2526", &format!("127.0.0.1:{}", ports[0]))
            .replace("192.168.10.0/24", &format!("{DEVICE}/32"));
        let counting = for_devices
            .replace(&ports[0].to_string(), &ports[1].to_string())
            .lines()
            .filter(|line| !line.starts_with("auth_without_tls") && !line.starts_with("networks"))
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        let site = Site::set_up(&place, &[], &format!("{for_devices}\n{counting}proxy_tls = true\n"));
        let bounds = ["--network", DEVICE, "--sender", ALICE, "--recipient", "inside"];
        let added = site.json(&[&["device", "add", "alice", "scanner-2"], &bounds[..]].concat());
        let secret = added["password"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned();
        let server = site.start(&place);
        let certificate = certificate(&openssl, &place);
        Some(Self { place, site, server, openssl, certificate, secret, ports })
    }

    /// Starts a proxy with the configuration `text` in `file`.
    fn proxy(&self, file: &str, text: &str, options: &[&str], program: &Path) -> Running {
        let path = self.place.file(file, text);
        let log = std::fs::File::create(self.place.path().join(format!("{file}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(options).arg(path);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Running::start(&mut command)
    }

    fn stunnel(&self, accept: u16, connect: u16) -> Option<Running> {
        let program = parts::find("stunnel4")?;
        let text = documented("stunnel.conf")
            .replace("192.168.10.1:4650", &format!("127.0.0.1:{accept}"))
            .replace("127.0.0.1:2526", &format!("127.0.0.1:{connect}"))
            .replace("/etc/stunnel/franking.pem", self.certificate.to_str().unwrap());
        // In the foreground, as whoever runs the test.
        let own = |line: &&str| !line.starts_with("setuid") && !line.starts_with("setgid");
        let text: String = text.lines().filter(own).map(|line| format!("{line}\n")).collect();
        let text = format!("foreground = yes\npid =\n{text}");
        let proxy = self.proxy("stunnel.conf", &text, &[], &program);
        wait_for_port("stunnel", accept);
        Some(proxy)
    }

    fn haproxy(&self, accept: u16, connect: u16) -> Option<Running> {
        let program = parts::find("haproxy")?;
        let text = documented("haproxy.cfg")
            .replace("192.168.10.1:4650", &format!("127.0.0.1:{accept}"))
            .replace("127.0.0.1:2526", &format!("127.0.0.1:{connect}"))
            .replace("/etc/haproxy/franking.pem", self.certificate.to_str().unwrap());
        let own = |line: &&str| !line.trim_start().starts_with("user") && !line.trim_start().starts_with("group");
        let text: String = text.lines().filter(own).map(|line| format!("{line}\n")).collect();
        let proxy = self.proxy("haproxy.cfg", &text, &["-db", "-f"], &program);
        wait_for_port("haproxy", accept);
        Some(proxy)
    }

    /// What a device says that knows TLS 1.0 alone, and what it hears.
    fn device(&self, port: u16, secret: &str, token: &str) -> String {
        let blob = BASE64_STANDARD.encode(format!("\0{ALICE}\0{secret}"));
        let lines = format!(
            "EHLO scanner\nAUTH PLAIN {blob}\nMAIL FROM:<{ALICE}>\nrcpt TO:<bob@contoso.example>\nDATA\n\
             From: {ALICE}\nSubject: {token}\n\npage 1\n.\nQUIT\n"
        );
        let mut command = Command::new(&self.openssl);
        command.args(["s_client", "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-crlf", "-ign_eof", "-bind", DEVICE]);
        let outcome = run(command.args(["-connect", &format!("127.0.0.1:{port}")]), &lines);
        assert!(outcome.text.contains("Protocol  : TLSv1\n"), "{}", outcome.text);
        outcome.text
    }

    /// How the message with `token` says that it came.
    fn trace_of(&self, token: &str) -> String {
        let stored = self.server.mailbox("bob").wait_for(token);
        let text = String::from_utf8_lossy(&stored.bytes).into_owned();
        let start = text.find("Received: from scanner").unwrap_or_else(|| panic!("{text}"));
        text[start..].chars().take(300).collect()
    }
}

#[test]
fn a_device_that_knows_tls_1_0_alone_hands_in_by_stunnel_and_by_haproxy() {
    let Some(scene) = Scene::set_up() else { return };
    let [devices, counting] = scene.ports;
    let (by_stunnel, by_haproxy, counted, counted_v1) = (free_port(), free_port(), free_port(), free_port());
    let started = [
        scene.stunnel(by_stunnel, devices),
        scene.haproxy(by_haproxy, devices),
        scene.haproxy(counted, counting),
        scene.stunnel(counted_v1, counting),
    ];
    if started.iter().any(Option::is_none) {
        return;
    }
    for (port, token, said) in [
        (by_stunnel, "by-stunnel", " with ESMTPA id "),
        (by_haproxy, "by-haproxy", " with ESMTPA id "),
        (counted, "counted", "(version=TLSv1 cipher="),
        (counted_v1, "counted-v1", "(version=TLS cipher=unknown)"),
    ] {
        let heard = scene.device(port, &scene.secret, token);
        assert!(heard.contains("235 2.7.0 ") && heard.contains("221 2.0.0 "), "{token}: {heard}");
        let trace = scene.trace_of(token);
        assert!(trace.starts_with(&format!("Received: from scanner ([{DEVICE}])")), "{trace}");
        assert!(trace.contains(said), "{trace}");
    }
    // The password of the account is looked at only where the proxy's TLS counts.
    let refused = scene.device(by_stunnel, "demo-alice", "refused");
    assert!(refused.contains("538 5.7.11 ") && !refused.contains("235 "), "{refused}");
    assert!(scene.device(counted, "demo-alice", "by-password").contains("235 2.7.0 "));
    let log = scene.server.log();
    let is_told = |said: &str, level: &str| {
        let of_device = |line: &&serde_json::Value| {
            let span = &line["span"];
            span["peer"].as_str().is_some_and(|peer| peer.starts_with(&format!("{DEVICE}:")))
                && span["proxy"].as_str().is_some_and(|proxy| proxy.starts_with("127.0.0.1:"))
        };
        log.iter().filter(of_device).any(|line| line["level"] == level && line.to_string().contains(said))
    };
    assert!(is_told("anybody between could read them", "WARN"), "{log:?}");
    assert!(is_told("connection closed", "INFO"), "{log:?}");
    // Whoever goes round the proxy is not heard, and what speaks newer TLS may use the same way.
    let around = run(Command::new(&scene.openssl).args(["s_client", "-connect", &format!("127.0.0.1:{devices}")]), "");
    assert!(!around.status.success() && !around.text.contains("220 "), "{}", around.text);
    wait_for("the word on it in the log", || {
        let said = |line: &serde_json::Value| line.to_string().contains("there is no PROXY header");
        scene.server.log().iter().any(said).then_some(())
    });
    let (checked, text) = scene.site.franking(&["check"]);
    assert!(checked && text.contains("sign in without TLS") && text.contains("for the proxies 127.0.0.1/32"), "{text}");
    drop(started);
    scene.server.stop();
}
