//! The program itself with an authority: it serves from the first moment, takes a certificate over without a restart,
//! and says what it has and what it lacks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use franking::model::mail::Timestamp;
use franking::world::tls::{Roots, server_name, verified};
use franking::world::{Clock as _, SystemClock};

use super::authority::Authority;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Place, free_port, wait_for};

const HOST: &str = "mx.contoso.example";

fn now() -> Timestamp {
    SystemClock::new().now()
}

struct Rig {
    authority: Authority,
    place: Place,
    site: Site,
    tls_port: u16,
}

impl Rig {
    fn new(challenge: &str) -> Self {
        let authority = Authority::start(now());
        let (place, port) = (Place::new(), free_port());
        place.file("root.pem", &authority.root);
        authority.facts().port = port;
        let acme = format!(
            "[acme]\nagree_to_terms = true\ndirectory_url = \"{}\"\nauthorities = \"root.pem\"\n\
             challenge = \"{challenge}\"\nlisten = [\"127.0.0.1:{port}\"]\n",
            authority.directory
        );
        let site = Site::set_up(&place, &[], &acme);
        let tls_port = site.ports()[2];
        Self { authority, place, site, tls_port }
    }

    fn start(&self) -> Server {
        self.site.start(&self.place)
    }

    /// The certificate that the listener with TLS from the first octet shows; `None` when the authority gave none such.
    fn shown(&self) -> Option<Vec<u8>> {
        let config = verified(&Roots::File(self.place.path().join("root.pem"))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address: SocketAddr = ([127, 0, 0, 1], self.tls_port).into();
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
            let stream = connector.connect(server_name(HOST).unwrap(), stream).await.ok()?;
            Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
        })
    }

    fn end(&self, server: Server) {
        server.stop();
        assert_eq!(self.authority.facts().wrong, Vec::<String>::new());
    }
}

#[test]
fn the_program_gets_its_certificate_and_shows_it_without_a_restart() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let rig = Rig::new(challenge);
        // Sessions are served from the first moment, whatever the authority does.
        rig.authority.facts().moods.processing = (1, None);
        let server = rig.start();
        rig.site.alice();
        let first = wait_for("a certificate of the authority", || rig.shown());
        let shown = rig.site.json(&["certificate", "show"]);
        let own = &shown["certificates"][0];
        assert_eq!((&own["source"], &own["names"][0], &own["days_left"]), (&"acme".into(), &HOST.into(), &89.into()));
        assert_eq!((&shown["acme"]["failures"], &shown["acme"]["challenge"]), (&0.into(), &challenge.into()));
        let (_, text) = rig.site.franking(&["certificate", "show"]);
        for words in ["DAYS LEFT", "CN=Authority of the tests", "the authority is asked next: 20"] {
            assert!(text.contains(words), "{text}");
        }
        let (good, text) = rig.site.franking(&["certificate", "renew"]);
        assert!(good && text.contains("A new certificate is in use, until 20"), "{text}");
        let second = rig.shown().unwrap();
        assert_ne!(first, second);
        let (_, report) = rig.site.franking(&["check"]);
        assert!(
            report.contains("mx.contoso.example from https://127.0.0.1") && report.contains("89 days left"),
            "{report}"
        );
        rig.end(server);
        // What was given is shown from the start, and nothing is asked again.
        rig.authority.facts().asked.clear();
        let server = rig.start();
        assert_eq!(rig.shown().unwrap(), second);
        rig.end(server);
        assert!(!rig.authority.facts().asked.contains(&"order"));
    }
}

#[test]
fn mail_goes_on_while_the_authority_says_no_and_the_administrator_reads_why() {
    let rig = Rig::new("http-01");
    rig.authority.facts().moods.rate_limit = Some(3_600);
    let server = rig.start();
    rig.site.alice();
    let words = "too many certificates already issued for these names (rateLimited); it is tried again when";
    let text = wait_for("the trouble", || {
        let (_, text) = rig.site.franking(&["certificate", "show"]);
        Some(text).filter(|text| text.contains(words))
    });
    assert!(text.contains("development") && text.contains("failed since the last success: 1"), "{text}");
    let (good, text) = rig.site.franking(&["certificate", "renew"]);
    assert!(!good && text.contains(words) && text.contains("certificate show"), "{text}");
    let log = std::fs::read_to_string(rig.place.path().join("server.log")).unwrap();
    assert!(log.contains("no new certificate by ACME") && log.contains("(rateLimited)"), "{log}");
    rig.authority.facts().moods.rate_limit = None;
    let (good, text) = rig.site.franking(&["certificate", "renew"]);
    assert!(good, "{text}");
    assert!(rig.shown().is_some());
    rig.end(server);
}

#[test]
fn a_killed_server_goes_on_with_its_order() {
    let rig = Rig::new("http-01");
    rig.authority.facts().moods.silent_at = Some("finalize");
    let server = rig.start();
    wait_for("the request", || rig.authority.facts().asked.contains(&"finalize").then_some(()));
    server.kill();
    rig.authority.facts().moods.silent_at = None;
    let server = rig.start();
    let (good, text) = rig.site.franking(&["certificate", "renew"]);
    assert!(good, "{text}");
    assert!(rig.shown().is_some());
    let facts = rig.authority.facts();
    assert_eq!((facts.accounts.len(), facts.orders.len(), facts.given.len()), (1, 1, 1));
    drop(facts);
    rig.end(server);
}

#[test]
fn a_certificate_that_ends_soon_is_told_of_in_the_log() {
    let rig = Rig::new("http-01");
    rig.authority.facts().lifetime = Duration::from_secs(20 * 86_400);
    let server = rig.start();
    wait_for("a certificate", || rig.shown());
    rig.end(server);
    let server = rig.start();
    wait_for("the warning", || {
        let log = std::fs::read_to_string(rig.place.path().join("server.log")).unwrap();
        log.contains("a certificate ends in less than 21 days").then_some(())
    });
    rig.end(server);
}

#[test]
fn without_a_server_or_an_authority_the_commands_say_what_is_missing() {
    let rig = Rig::new("http-01");
    let (good, text) = rig.site.franking(&["certificate", "renew"]);
    assert!(!good && text.contains("No server runs"), "{text}");
    let (good, text) = rig.site.franking(&["certificate", "show"]);
    assert!(good && text.contains("There is no certificate") && text.contains("none runs"), "{text}");
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let (good, text) = site.franking(&["certificate", "show"]);
    assert!(good && text.contains("development") && !text.contains("ACME"), "{text}");
    let (good, text) = site.franking(&["certificate", "renew"]);
    assert!(!good && text.contains("There is no [acme]"), "{text}");
    server.stop();
}
