//! What the log says of how a message was protected.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::certificates::Kind;
use super::rig::{DOMAIN, HOST, Host, Rig, Starttls, Web, names, to_domain};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged while one message goes to a host with this certificate, by a policy of this mode.
async fn logged(mode: &str, mx: &str, kind: Option<Kind>) -> String {
    let rig = Rig::new();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let host =
        Host::start(kind.map_or(Starttls::Stripped, |kind| Starttls::Offered(rig.authority.show(HOST, kind).acceptor)));
    let text = format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n");
    let web = Web::start(&rig.authority, text);
    let resolver = names().with_text(&format!("_mta-sts.{DOMAIN}"), "v=STSv1; id=1");
    let demands = rig.demands(&resolver, Some(&web));
    rig.send(&to_domain(), host.address.port(), resolver, demands).await;
    drop(guard);
    let octets = log.0.lock().unwrap().clone();
    String::from_utf8(octets).unwrap()
}

#[tokio::test]
async fn every_message_has_a_word_for_its_protection() {
    for (mode, kind, word) in [
        ("enforce", Some(Kind::Good), "tls=\"mta-sts\""),
        ("testing", Some(Kind::Good), "tls=\"opportunistic\""),
        ("none", Some(Kind::SelfSigned), "tls=\"opportunistic\""),
        ("none", None, "tls=\"none\""),
    ] {
        let log = logged(mode, HOST, kind).await;
        let lines: Vec<_> = log.lines().filter(|line| line.contains("a host has taken a message")).collect();
        assert!(lines.len() == 1 && lines[0].contains(word), "{mode} {kind:?}: {log}");
        assert!(!log.contains("in testing"), "{mode} {kind:?}: {log}");
    }
}

#[tokio::test]
async fn a_policy_in_testing_says_what_it_would_have_refused() {
    for (mx, kind, words) in [
        (HOST, Some(Kind::OtherName), "the certificate fails the MTA-STS policy, which is in testing"),
        (HOST, Some(Kind::SelfSigned), "the certificate fails the MTA-STS policy, which is in testing"),
        (HOST, None, "clear text fails the MTA-STS policy, which is in testing"),
        ("other.fabrikam.example", Some(Kind::Good), "which is in testing, does not list this host"),
    ] {
        let log = logged("testing", mx, kind).await;
        assert!(log.lines().filter(|line| line.contains(words)).count() == 1, "{mx} {kind:?}: {log}");
        assert_eq!(log.matches("in testing").count(), 1, "{mx} {kind:?}: {log}");
    }
}
