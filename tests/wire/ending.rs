//! The end of the server, and what may change while it runs.

use std::fs;
use std::time::Duration;

use franking::model::mail::Domain;
use franking::world::SeededRandom;
use franking::world::tls::ensure_development_certificates;
use tokio::net::TcpStream;

use super::client::Client;
use super::rig::Rig;

const MESSAGE: &str = "From: eve@fabrikam.example\r\n\r\nHello\r\n.\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_idle_sessions_go_and_a_message_under_way_is_finished() {
    let rig = Rig::start_with(|_| {}, Duration::from_secs(15)).await;
    let mut idle = Client::greeted(rig.inbound).await;
    let mut sending = Client::greeted(rig.inbound).await;
    sending
        .expect(&[
            ("EHLO mail.fabrikam.example", "250"),
            ("MAIL FROM:<eve@fabrikam.example>", "250 "),
            ("RCPT TO:<alice@contoso.example>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    let address = rig.inbound;
    rig.ask_to_stop();
    assert!(idle.rest().await.starts_with("421 4.3.2 Service not available"));
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 1).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    sending.send(MESSAGE).await;
    let said = sending.rest().await;
    let codes: Vec<&str> = said.lines().map(|line| &line[..4]).collect();
    assert_eq!(codes, ["250 ", "421 "], "{said}");
    assert_eq!(rig.accepted().len(), 1);
    assert_eq!(rig.end().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_come_to_its_end_is_cut_off() {
    let rig = Rig::start_with(|_| {}, Duration::from_millis(300)).await;
    let mut stuck = Client::greeted(rig.inbound).await;
    stuck
        .expect(&[
            ("EHLO mail.fabrikam.example", "250"),
            ("MAIL FROM:<eve@fabrikam.example>", "250 "),
            ("RCPT TO:<alice@contoso.example>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    stuck.send("From: eve@fabrikam.example\r\n\r\nto be continued").await;
    let (services, drained) = (rig.services.clone(), rig.end().await);
    assert_eq!(drained.cut_off, 1);
    assert_eq!(stuck.rest().await, "");
    assert_eq!(services.admission.open_sessions(), 0);
    assert!(services.acceptor.accepted.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_to_new_clients_and_open_sessions_go_on() {
    let rig = Rig::start().await;
    let place = rig.directory.path();
    let mut old = Client::greeted(rig.starttls).await.start_tls(place).await;
    let shown = |client: &Client<tokio_rustls::client::TlsStream<TcpStream>>| {
        client.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown(&old);
    fs::remove_file(place.join("server.pem")).unwrap();
    let hosts = [Domain::parse("mx.contoso.example").unwrap()];
    let now = rig.services.clock.now();
    ensure_development_certificates(place, &hosts, now, &SeededRandom::new(9)).unwrap();
    assert_eq!(rig.certificates.reload(now).replaced.len(), 1);
    old.expect(&[("EHLO a.example", "250"), ("NOOP", "250 ")]).await;
    let new = Client::greeted(rig.starttls).await.start_tls(place).await;
    assert_ne!(shown(&new), before);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_are_all_served() {
    let rig = Rig::start_with(|settings| settings.sessions_per_address_max = 200, Duration::from_secs(5)).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let address = rig.inbound;
        clients.spawn(async move {
            let mut client = Client::greeted(address).await;
            client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
            for _ in 0..3 {
                let reply = client.submit("eve@fabrikam.example", "alice@contoso.example", MESSAGE).await;
                assert!(reply.starts_with("250 "), "{reply}");
            }
            client.expect(&[("QUIT", "221 ")]).await;
        });
    }
    while let Some(outcome) = clients.join_next().await {
        outcome.unwrap();
    }
    assert_eq!(rig.accepted().len(), 300);
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    assert_eq!(rig.end().await.cut_off, 0);
}
