//! Postfix: another organisation's server, which delivers to this one and takes what it sends out.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::swaks::Swaks;
use crate::support::maildir::{Stored, messages};
use crate::support::process::{Running, run};
use crate::support::server::Server;
use crate::support::smtp::Client;
use crate::support::{Place, free_port, parts, wait_for, wait_for_port};

/// One Postfix at a time: each is a dozen processes.
static TURN: Mutex<()> = Mutex::new(());

/// Owner of the mail that Postfix delivers; every system has this user.
const NOBODY: u32 = 65_534;

/// Settings beyond the usual ones.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Lines of main.cf, instead of the usual ones with the same names.
    pub(super) main: String,
    /// More ports where it takes mail, each with its options of smtpd.
    pub(super) ports: Vec<(u16, Vec<String>)>,
}

impl Extras {
    /// Each name once: Postfix warns of the second, and its logging daemon, which warns as well, can wait for itself then.
    fn over(&self, usual: &str) -> String {
        fn name(line: &str) -> &str {
            line.split_once(" = ").map_or(line, |(name, _)| name)
        }
        let is_replaced = |line: &str| self.main.lines().any(|own| name(own) == name(line));
        let kept: String = usual.lines().filter(|line| !is_replaced(line)).map(|line| format!("{line}\n")).collect();
        kept + &self.main
    }

    fn services(&self) -> String {
        let service = |(port, options): &(u16, Vec<String>)| {
            let options: String = options.iter().map(|option| format!("\n  -o {{ {option} }}")).collect();
            format!("127.0.0.1:{port} inet n - n - - smtpd{options}\n")
        };
        self.ports.iter().map(service).collect()
    }
}

/// A Postfix that is at home at fabrikam.example, with its own configuration, queue and data.
pub(super) struct Postfix {
    // First, so that it stops before its turn ends.
    process: Running,
    port: u16,
    home: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Postfix {
    /// `None` after saying that the test is left out. With `next`, mail for contoso.example goes to that port.
    pub(super) fn start(place: &Place, next: Option<u16>) -> Option<Self> {
        Self::start_with(place, next, &Extras::default())
    }

    /// The same with more settings.
    pub(super) fn start_with(place: &Place, next: Option<u16>, extras: &Extras) -> Option<Self> {
        let (postfix, postconf) = (parts::find("postfix")?, parts::find("postconf")?);
        if !parts::may_act_as_root("postfix cannot run as an ordinary user") {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (port, home) = (free_port(), place.directory("postfix"));
        let default = |name: &str| {
            let outcome = run(Command::new(&postconf).args(["-d", "-h", name]), "");
            outcome.text.trim().to_owned()
        };
        let daemons = default("daemon_directory");
        make_certificate(&home)?;
        let directories =
            format!("daemon_directory = {daemons}\ncommand_directory = {}\n", default("command_directory"));
        for directory in ["etc", "mail", "queue"] {
            std::fs::create_dir(home.join(directory)).unwrap();
        }
        chown(home.join("mail"), Some(NOBODY), Some(NOBODY)).unwrap();
        std::fs::write(home.join("etc/main.cf"), directories + &extras.over(&main_cf(&home, next))).unwrap();
        std::fs::write(home.join("etc/master.cf"), master_cf(port) + &extras.services()).unwrap();
        // Makes queue and data directories with the owners that they need.
        let outcome = run(Command::new(postfix).arg("-c").arg(home.join("etc")).arg("check"), "");
        let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
        assert!(outcome.status.success(), "{} {}{log}", outcome.status, outcome.text);
        let mut command = Command::new(Path::new(&daemons).join("master"));
        // In the foreground, and the leader of its processes: they end with it.
        command.arg("-s").arg("-c").arg(home.join("etc"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { process: Running::start(&mut command), port, home, _turn: turn };
        wait_for_port("postfix", port);
        Some(started)
    }

    /// Where it takes mail.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What it delivered to `local` at fabrikam.example.
    pub(super) fn messages(&self, local: &str) -> Vec<Stored> {
        messages(&self.home.join("mail").join(local))
    }

    /// Its log so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    pub(super) fn stop(mut self) {
        assert!(self.process.stop().is_some(), "postfix did not stop when asked to");
    }
}

impl Drop for Postfix {
    /// A failing test shows what it thought of all this.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("-- the end of Postfix's log:\n{}", tail.join("\n"));
        }
    }
}

/// A certificate that nobody vouches for, as most servers have.
fn make_certificate(home: &Path) -> Option<()> {
    let mut command = Command::new(parts::find("openssl")?);
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.args(["-subj", "/CN=mx.fabrikam.example", "-days", "2"]);
    command.arg("-keyout").arg(home.join("key.pem")).arg("-out").arg(home.join("certificate.pem"));
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{}", outcome.text);
    Some(())
}

fn main_cf(home: &Path, next: Option<u16>) -> String {
    let home = home.display();
    let transport = next.map_or_else(String::new, |port| {
        format!("transport_maps = inline:{{ {{ contoso.example = smtp:[127.0.0.1]:{port} }} }}\n")
    });
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {home}/queue\n\
         data_directory = {home}/data\n\
         maillog_file_prefixes = {home}\n\
         maillog_file = {home}/log\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = mx.fabrikam.example\n\
         mydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         alias_maps =\n\
         alias_database =\n\
         local_recipient_maps =\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         smtpd_tls_security_level = may\n\
         smtpd_tls_cert_file = {home}/certificate.pem\n\
         smtpd_tls_key_file = {home}/key.pem\n\
         smtpd_tls_loglevel = 1\n\
         smtpd_tls_received_header = yes\n\
         smtp_tls_security_level = may\n\
         smtp_tls_loglevel = 1\n\
         smtp_dns_support_level = disabled\n\
         {transport}\
         relay_domains = contoso.example\n\
         virtual_mailbox_domains = fabrikam.example\n\
         virtual_mailbox_base = {home}/mail\n\
         virtual_mailbox_maps = inline:{{ {{ carol@fabrikam.example = carol/ }}, \
         {{ partner@fabrikam.example = partner/ }}, {{ eve@fabrikam.example = eve/ }} }}\n\
         virtual_uid_maps = static:{NOBODY}\n\
         virtual_gid_maps = static:{NOBODY}\n"
    )
}

/// The usual services, none of them locked into the queue directory, which holds no libraries.
fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup    unix n - n 60 1 pickup\n\
         cleanup   unix n - n - 0 cleanup\n\
         qmgr      unix n - n 300 1 qmgr\n\
         tlsmgr    unix - - n 1000? 1 tlsmgr\n\
         rewrite   unix - - n - - trivial-rewrite\n\
         bounce    unix - - n - 0 bounce\n\
         defer     unix - - n - 0 bounce\n\
         trace     unix - - n - 0 bounce\n\
         verify    unix - - n - 1 verify\n\
         flush     unix n - n 1000? 0 flush\n\
         proxymap  unix - - n - - proxymap\n\
         smtp      unix - - n - - smtp\n\
         relay     unix - - n - - smtp\n\
         showq     unix n - n - - showq\n\
         error     unix - - n - - error\n\
         retry     unix - - n - - error\n\
         virtual   unix - n n - - virtual\n\
         anvil     unix - - n - 1 anvil\n\
         scache    unix - - n - 1 scache\n\
         postlog   unix-dgram n - n - 1 postlogd\n"
    )
}

#[test]
fn another_server_delivers_over_tls_and_hears_why_not() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let Some(postfix) = Postfix::start(&place, Some(server.inbound().port())) else { return };
    let hand_over = |to: &str, token: &str| {
        let subject = format!("Subject: {token}");
        let address = ([127, 0, 0, 1], postfix.port()).into();
        swaks.deliver(address, "eve@fabrikam.example", to, &["--header", &subject]).must_be_accepted();
    };
    hand_over("bob@contoso.example,alice@contoso.example", "by-postfix");
    for local in ["alice", "bob"] {
        let stored = server.mailbox(local).wait_for("by-postfix");
        assert_eq!(stored.header("Return-Path"), ["<eve@fabrikam.example>"]);
        let received = stored.header("Received");
        assert_eq!(received.len(), 2, "{received:?}");
        assert!(received[0].contains("mx.fabrikam.example") && received[0].contains("ESMTPS"), "{received:?}");
    }
    // What is refused at RCPT becomes the other server's report to its own user.
    hand_over("nobody@contoso.example,staff@contoso.example", "in-vain");
    let report = wait_for("the other server's report", || {
        let mut reports = postfix.messages("eve");
        reports.retain(|report| report.contains("550 5.4.1") && report.contains("550 5.7.133"));
        reports.pop()
    });
    assert!(report.contains("Recipient address rejected: Access denied"), "{}", report.text());
    let log = postfix.log();
    assert!(log.contains("Untrusted TLS connection established to 127.0.0.1"), "{log}");
    assert!(log.contains("dsn=2.6.0, status=sent (250 2.6.0") || log.contains("status=sent (250 2."), "{log}");
    postfix.stop();
    server.stop();
}

#[test]
fn another_server_signs_in_and_hands_its_mail_on() {
    let place = Place::new();
    let server = Server::demo(&place);
    let extras = Extras {
        main: format!(
            "relayhost = [localhost]:{port}\n\
             relay_domains =\n\
             smtp_sasl_auth_enable = yes\n\
             smtp_sasl_password_maps = inline:{{ {{ [localhost]:{port} = alice@contoso.example:demo-alice }} }}\n\
             smtp_sasl_security_options = noanonymous\n\
             smtp_host_lookup = native\n\
             smtp_tls_security_level = verify\n\
             smtp_tls_CAfile = {}\n",
            server.authority().display(),
            port = server.submission().port(),
        ),
        ports: Vec::new(),
    };
    let Some(postfix) = Postfix::start_with(&place, None, &extras) else { return };
    let hand_over = |from: &str, subject: &str| {
        let mut client = Client::connect(([127, 0, 0, 1], postfix.port()).into()).unwrap();
        let content = format!("From: {from}\r\nTo: bob@contoso.example\r\nSubject: {subject}\r\n\r\nx\r\n");
        client.send(from, &["bob@contoso.example"], &content).unwrap();
    };
    hand_over("alice@contoso.example", "signed-in-by-postfix");
    let stored = server.mailbox("bob").wait_for("signed-in-by-postfix");
    assert!(stored.header("Received")[0].contains("ESMTPSA"), "{}", stored.text());
    // Who it does not sign in as comes back to its own user.
    hand_over("carol@fabrikam.example", "not-as-carol");
    let report = wait_for("the other server's report", || {
        postfix.messages("carol").into_iter().find(|report| report.contains("not-as-carol"))
    });
    assert!(report.contains("554 5.2.252 SendAsDenied; alice@contoso.example not"), "{}", report.text());
    let log = postfix.log();
    assert!(log.contains("Verified TLS connection established to localhost"), "{log}");
    postfix.stop();
    server.stop();
}
