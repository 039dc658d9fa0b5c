//! Deliveries to hosts on loopback that behave, misbehave and attack.

mod host;
mod patience;
mod reuse;

use std::net::SocketAddr;
use std::sync::Mutex;

use tokio_rustls::TlsAcceptor;

use self::host::Move::{Drip, Flood, Hear, HearContent, Say, Secure, Stall};
use self::host::{Host, Move, plain, play};
use super::*;
use crate::delivery::exchanger::{SignIn, SmartHost};
use crate::model::mail::{Address, ForwardPath, ReversePath};
use crate::model::smtp::client::{BodyKind, DsnRequest, OutboundRecipient, Secret};
use crate::world::network::{self, TcpDialer};
use crate::world::tls::{
    CertificateStore, Roots, ensure_development_certificates, opportunistic, server_config, verified,
};
use crate::world::{Clock as _, FixedResolver, SeededRandom, SystemClock};

/// An agent with the patience of 300 s divided by `patience_divisor`, and a DNS that knows `fabrikam.example`.
fn agent_with(patience_divisor: u32, port: u16, hosts: &[SocketAddr], tls: RelayTls) -> RelayAgent {
    let mut resolver = FixedResolver::new();
    for (index, address) in hosts.iter().enumerate() {
        let name = format!("mx{index}.fabrikam.example");
        let preference = u16::try_from(index).unwrap();
        resolver = resolver.with_exchanger("fabrikam.example", preference, &name).with_addresses(&name, [address.ip()]);
    }
    let exchanger = ExchangerOptions { own_names: Vec::new(), own_addresses: Vec::new(), port, loopback_allowed: true };
    let options = RelayOptions {
        own_name: Domain::parse("mx.contoso.example").unwrap(),
        local_ipv4: Some(Ipv4Addr::LOCALHOST),
        local_ipv6: None,
        exchanger,
        patience_divisor,
        attempt_max: Duration::from_secs(20),
    };
    RelayAgent::new(Arc::new(resolver), Arc::new(TcpDialer), Arc::new(SeededRandom::new(1)), tls, options)
}

fn any_certificate() -> RelayTls {
    RelayTls { opportunistic: opportunistic().unwrap(), verified: None }
}

fn agent_for(host: &Host) -> RelayAgent {
    agent_with(30, host.address.port(), &[host.address], any_certificate())
}

fn message_to(count: usize) -> OutboundMessage {
    let recipient = |index| OutboundRecipient {
        path: ForwardPath::Mailbox(Address::parse(&format!("user{index}@fabrikam.example")).unwrap()),
        dsn: DsnRequest::default(),
    };
    OutboundMessage {
        reverse_path: ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap()),
        bytes: 0,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        recipients: (0..count).map(recipient).collect(),
    }
}

fn source(content: &[u8]) -> Arc<dyn MessageSource> {
    Arc::new(MessageBytes(content.into()))
}

fn to_domain() -> Route {
    Route::Mx(Domain::parse("fabrikam.example").unwrap())
}

const CONTENT: &[u8] = b"Subject: hi\r\n\r\n.dot\n";

async fn deliver(agent: &RelayAgent, route: &Route, count: usize) -> Vec<String> {
    let outcomes = agent.deliver(route, message_to(count), &source(CONTENT)).await;
    // So that every goodbye has been said.
    agent.close().await;
    outcomes.iter().map(status).collect()
}

fn status(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { secured, .. } => format!("delivered {}", if *secured { "over TLS" } else { "in clear" }),
        Outcome::Deferred(trouble) => format!("deferred {}", trouble.status),
        Outcome::Failed(trouble) => format!("failed {}", trouble.status),
    }
}

#[tokio::test]
async fn a_message_arrives_line_by_line_as_it_should() {
    let host = Host::play(vec![plain("250 2.0.0 queued as 7\r\n")]);
    assert_eq!(deliver(&agent_for(&host), &to_domain(), 1).await, ["delivered in clear"]);
    assert_eq!(
        host.heard(),
        "EHLO mx.contoso.example\r\nMAIL FROM:<alice@contoso.example>\r\nRCPT TO:<user0@fabrikam.example>\r\nDATA\r\n\
         Subject: hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    );
}

#[tokio::test]
async fn a_message_larger_than_any_buffer_is_streamed() {
    let host = Host::play(vec![plain("250 ok\r\n")]);
    let content = "0123456789 .\r\n.\r\n".repeat(100_000);
    let agent = agent_for(&host);
    let outcomes = agent.deliver(&to_domain(), message_to(1), &source(content.as_bytes())).await;
    agent.close().await;
    assert_eq!(status(&outcomes[0]), "delivered in clear");
    let heard = host.heard();
    let body = heard.split_once("DATA\r\n").unwrap().1.replace("\r\n..\r\n", "\r\n.\r\n");
    assert_eq!(body, format!("{content}.\r\nQUIT\r\n"));
}

#[tokio::test]
async fn the_next_exchanger_is_tried_when_one_fails_before_it_judges() {
    for first in [vec![Say("421 4.3.2 busy\r\n")], vec![], vec![Say("554 5.7.1 go away\r\n")]] {
        let bad = Host::play(vec![first]);
        // Two hosts on one port: the second listens on another loopback address.
        let second = SocketAddr::new("127.0.0.2".parse().unwrap(), bad.address.port());
        let listener = network::listen(second).unwrap();
        let task = tokio::spawn(async move {
            let (stream, _) = network::accept(&listener).await.unwrap();
            play(Box::new(stream), plain("250 ok\r\n"), None, &Mutex::new(Vec::new())).await
        });
        let agent = agent_with(30, second.port(), &[bad.address, second], any_certificate());
        assert_eq!(deliver(&agent, &to_domain(), 1).await, ["delivered in clear"]);
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn no_other_host_is_asked_once_one_may_have_the_message() {
    let mut moves = plain("");
    moves.truncate(10);
    let host = Host::play(vec![moves.clone(), plain("250 ok\r\n")]);
    let agent = agent_with(30, host.address.port(), &[host.address, host.address], any_certificate());
    assert_eq!(deliver(&agent, &to_domain(), 1).await, ["deferred 4.4.2"]);
    assert_eq!(host.heard().matches("EHLO").count(), 1);
}

#[tokio::test]
async fn hostile_hosts_cost_an_attempt_and_nothing_else() {
    let scripts: Vec<(&str, Vec<Move>)> = vec![
        ("deferred 4.5.0", vec![Flood(b"\xff\0\r\n")]),
        ("deferred 4.5.0", vec![Flood(b"2")]),
        ("deferred 4.5.0", vec![Flood(b"220-x\r\n")]),
        ("deferred 4.5.0", vec![Say("220 x\r\n"), Hear(1), Say("250 x\r\n250 unasked\r\n354 unasked\r\n"), Stall]),
        ("deferred 4.5.0", vec![Say("220 x\r\n"), Hear(1), Flood(b"250-X\r\n")]),
        ("deferred 4.5.0", vec![Say("HTTP/1.1 400 Bad Request\r\n")]),
        ("deferred 4.4.2", vec![Say("220 x\r\n"), Hear(1), Say("250 x\r\n"), Hear(1)]),
        ("deferred 4.0.0", vec![Say("220 x\r\n"), Hear(1), Say("250 x\r\n"), Hear(1), Say("421 bye\r\n")]),
    ];
    for (index, (expected, script)) in scripts.into_iter().enumerate() {
        let host = Host::play(vec![script]);
        assert_eq!(deliver(&agent_for(&host), &to_domain(), 2).await, [expected, expected], "script {index}");
    }
}

#[tokio::test]
async fn silence_and_dripping_end_with_the_patience_of_the_step() {
    let after_data = || {
        let mut moves = plain("");
        moves.truncate(9);
        moves
    };
    let scripts = [
        vec![Stall],
        vec![Drip],
        vec![Say("220 x\r\n"), Hear(1), Drip],
        [after_data(), vec![HearContent, Stall]].concat(),
    ];
    for (index, script) in scripts.into_iter().enumerate() {
        let host = Host::play(vec![script]);
        // 300 s become half a second, the 600 s for the end of the message one second.
        let agent = agent_with(600, host.address.port(), &[host.address], any_certificate());
        let waited = SystemClock::new();
        assert_eq!(deliver(&agent, &to_domain(), 1).await, ["deferred 4.4.2"], "script {index}");
        assert!(waited.elapsed() < Duration::from_secs(15), "script {index}: {:?}", waited.elapsed());
    }
}

#[tokio::test]
async fn a_host_that_stops_reading_in_the_middle_is_heard_all_the_same() {
    let mut moves = plain("");
    moves.truncate(9);
    moves.extend([Say("552 5.3.4 too large for me\r\n"), Stall]);
    let host = Host::play(vec![moves]);
    let content = vec![b'x'; 32 << 20];
    let outcomes = agent_for(&host).deliver(&to_domain(), message_to(1), &source(&content)).await;
    assert_eq!(status(&outcomes[0]), "failed 5.3.4");
}

#[tokio::test]
async fn recipients_over_the_limit_go_in_a_second_transaction() {
    let mut moves = vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 PIPELINING\r\n"), Hear(5)];
    moves.extend([Say("250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n550 5.1.1 no\r\n354 go\r\n"), HearContent]);
    moves.extend([Say("250 ok\r\n"), Hear(3), Say("250 ok\r\n250 ok\r\n354 go\r\n"), HearContent, Say("250 ok\r\n")]);
    moves.extend([Hear(1), Say("221 bye\r\n")]);
    let host = Host::play(vec![moves]);
    let statuses = deliver(&agent_for(&host), &to_domain(), 3).await;
    assert_eq!(statuses, ["delivered in clear", "delivered in clear", "failed 5.1.1"]);
    assert_eq!(host.heard().matches("RCPT TO:<user1@").count(), 2);
    assert_eq!(host.heard().matches("RCPT TO:<user0@").count(), 1);
}

#[tokio::test]
async fn a_message_cut_short_on_disk_is_never_completed() {
    struct Torn;
    impl MessageSource for Torn {
        fn bytes(&self) -> u64 {
            100
        }
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Ok(Box::new(&b"only this"[..]))
        }
    }
    let host = Host::play(vec![plain("250 ok\r\n")]);
    let torn: Arc<dyn MessageSource> = Arc::new(Torn);
    let outcomes = agent_for(&host).deliver(&to_domain(), message_to(1), &torn).await;
    assert_eq!(status(&outcomes[0]), "deferred 4.3.0");
    assert!(!host.heard().contains("\r\n.\r\n"));
}

struct Tls {
    directory: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

fn tls() -> Tls {
    let directory = tempfile::TempDir::new().unwrap();
    let hosts = [Domain::parse("mx0.fabrikam.example").unwrap()];
    let now = SystemClock::new().now();
    let random = SeededRandom::new(3);
    let (paths, _) = ensure_development_certificates(directory.path(), &hosts, now, &random).unwrap();
    let store = Arc::new(CertificateStore::open(&[paths]).unwrap());
    Tls { directory, acceptor: TlsAcceptor::from(server_config(store).unwrap()) }
}

fn after_starttls(verdict: &'static str, injected: &'static str) -> Vec<Move> {
    let mut moves = vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 STARTTLS\r\n"), Hear(1), Say(injected), Secure];
    moves.extend(plain(verdict).split_off(1));
    moves
}

#[tokio::test]
async fn tls_is_used_where_it_is_offered_and_injected_replies_are_dropped() {
    let tls = tls();
    // Were the injected replies believed, the message would count as delivered before it was sent.
    for go in ["220 go\r\n", "220 go\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 injected\r\n"] {
        let script = after_starttls("250 ok\r\n", go);
        let host = Host::play_with(vec![script], Some(tls.acceptor.clone()));
        let agent = agent_for(&host);
        let outcomes = agent.deliver(&to_domain(), message_to(1), &source(CONTENT)).await;
        agent.close().await;
        let Outcome::Delivered { reply, secured, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
        assert_eq!((reply.to_string().as_str(), *secured), ("250 ok", true));
        assert!(host.heard().ends_with("..dot\r\n.\r\nQUIT\r\n"));
    }
}

#[tokio::test]
async fn broken_tls_falls_back_to_clear_text_once() {
    let broken =
        vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 STARTTLS\r\n"), Hear(1), Say("220 go\r\nnot TLS at all\r\n")];
    let mut plain_text = plain("250 ok\r\n");
    plain_text[2] = Say("250-x\r\n250 STARTTLS\r\n");
    let host = Host::play(vec![broken, plain_text]);
    assert_eq!(deliver(&agent_for(&host), &to_domain(), 1).await, ["delivered in clear"]);
    assert_eq!(host.heard().matches("STARTTLS").count(), 1);
}

fn smart_host(host: &str, port: u16, security: HopSecurity) -> Route {
    let credentials = Credentials { login: "relay".into(), secret: Secret::Password("secret".into()) };
    let sign_in = Some(SignIn::Fixed(credentials));
    Route::SmartHost(SmartHost { host: host.to_owned(), port, security, sign_in, identity: None })
}

#[tokio::test]
async fn a_smart_host_gets_the_password_only_over_verified_tls() {
    let tls = tls();
    let roots = Roots::File(tls.directory.path().join("ca.pem"));
    let trusting = RelayTls { verified: Some(verified(&roots).unwrap()), ..any_certificate() };
    let with_auth = |moves: Vec<Move>| {
        let hello = [Hear(1), Say("250-x\r\n250 AUTH PLAIN\r\n"), Hear(1), Say("235 ok\r\n")];
        [moves, hello.to_vec(), plain("250 ok\r\n").split_off(3)].concat()
    };
    let starttls = with_auth(after_starttls("", "220 go\r\n")[..6].to_vec());
    let implicit = with_auth(vec![Secure, Say("220 x\r\n")]);
    for (security, script) in [(HopSecurity::StartTls, starttls), (HopSecurity::ImplicitTls, implicit)] {
        let host = Host::play_with(vec![script.clone()], Some(tls.acceptor.clone()));
        let agent = agent_with(30, 1, &[host.address], trusting.clone());
        let route = smart_host("127.0.0.1", host.address.port(), security);
        assert_eq!(deliver(&agent, &route, 1).await, ["delivered over TLS"], "{security:?}");
        assert!(host.heard().contains("AUTH PLAIN AHJlbGF5AHNlY3JldA==\r\n"));

        // The same host under a name that its certificate does not have, and with nobody to vouch for it.
        let script = vec![script; 2];
        let host = Host::play_with(script, Some(tls.acceptor.clone()));
        let agent = agent_with(30, 1, &[host.address, host.address], trusting.clone());
        let route = smart_host("mx1.fabrikam.example", host.address.port(), security);
        assert_eq!(deliver(&agent, &route, 1).await, ["deferred 4.7.5"], "{security:?}");
        let agent = agent_with(30, 1, &[host.address], any_certificate());
        let route = smart_host("127.0.0.1", host.address.port(), security);
        assert_eq!(deliver(&agent, &route, 1).await, ["deferred 4.7.5"], "{security:?}");
        assert!(!host.heard().contains("AUTH"));
    }
}

#[tokio::test]
async fn opportunistic_tls_that_breaks_never_lets_a_password_out() {
    let broken =
        vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"), Hear(1), Say("220 go\r\n")];
    let host = Host::play(vec![broken, plain("250 ok\r\n")]);
    let route = smart_host("127.0.0.1", host.address.port(), HopSecurity::Opportunistic);
    assert_eq!(deliver(&agent_for(&host), &route, 1).await, ["deferred 4.7.5"]);
    assert!(!host.heard().contains("AUTH"));
}

#[tokio::test]
async fn nobody_listening_and_no_such_domain_have_their_own_status() {
    let host = Host::play(vec![]);
    let agent = agent_for(&host);
    drop(host);
    tokio::task::yield_now().await;
    assert_eq!(deliver(&agent, &to_domain(), 2).await, ["deferred 4.4.316", "deferred 4.4.316"]);
    let nowhere = Route::Mx(Domain::parse("nowhere.example").unwrap());
    assert_eq!(deliver(&agent, &nowhere, 1).await, ["failed 5.1.2"]);
}
