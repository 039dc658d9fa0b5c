//! Clients that drag, flood, crowd or never listen: each costs a bounded amount of time and memory.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep, timeout};

use super::client::{Client, PATIENCE};
use super::rig::Rig;

const SHORT: Duration = Duration::from_millis(400);
const DRAIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_drips_is_cut_off_at_its_time_limit() {
    let rig = Rig::start_with(|settings| settings.session.command_timeout = SHORT, DRAIN).await;
    let mut client = Client::greeted(rig.inbound).await;
    let dripping = async {
        while client.try_send(b"E").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    // Each octet is progress for a counter of silence; the limit is for the line.
    timeout(PATIENCE, dripping).await.expect("cut off in time");
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    let mut silent = Client::greeted(rig.inbound).await;
    assert!(silent.rest().await.starts_with("421 4.4.1 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_drips_is_cut_off_at_its_time_limit() {
    let rig = Rig::start_with(|settings| settings.session.transaction_timeout = SHORT * 2, DRAIN).await;
    let mut client = Client::greeted(rig.inbound).await;
    client
        .expect(&[
            ("EHLO mail.fabrikam.example", "250"),
            ("MAIL FROM:<eve@fabrikam.example>", "250 "),
            ("RCPT TO:<alice@contoso.example>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    let dripping = async {
        while client.try_send(b"x\r\n").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, dripping).await.expect("cut off in time");
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    assert_eq!(rig.accepted().len(), 0);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_comes_is_given_up() {
    let rig = Rig::start_with(|settings| settings.handshake_timeout = SHORT, DRAIN).await;
    let mut implicit = Client::connect(rig.implicit).await;
    assert_eq!(implicit.rest().await, "");
    let mut upgrading = Client::greeted(rig.starttls).await;
    upgrading.expect(&[("EHLO a.example", "250"), ("STARTTLS", "220 ")]).await;
    assert_eq!(upgrading.rest().await, "");
    let mut clear_text = Client::connect(rig.implicit).await;
    clear_text.send("EHLO a.example\r\n").await;
    // An alert of TLS may come, but no word of SMTP.
    let mut heard = Vec::new();
    let _ = timeout(PATIENCE, clear_text.stream.read_to_end(&mut heard)).await.expect("the end in time");
    assert!(!heard.starts_with(b"2"), "{heard:?}");
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_and_never_reads_is_dropped() {
    let rig = Rig::start_with(|settings| settings.write_timeout = SHORT, DRAIN).await;
    let client = Client::greeted(rig.inbound).await;
    socket2::SockRef::from(&client.stream).set_recv_buffer_size(4096).unwrap();
    let (_unread, mut writing) = client.stream.into_split();
    let asking = async {
        let questions = "EHLO mail.fabrikam.example\r\n".repeat(100);
        while tokio::io::AsyncWriteExt::write_all(&mut writing, questions.as_bytes()).await.is_ok() {}
    };
    timeout(PATIENCE, asking).await.expect("dropped in time");
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_takes_no_memory_and_ends_in_a_refusal() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..32 {
        if client.try_send(&block).await.is_err() {
            break;
        }
    }
    let _ = client.try_send(b"\r\nNOOP\r\n").await;
    assert!(client.reply().await.starts_with("500 5.3.3 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_from_one_address_are_told_so_and_let_in_again_later() {
    let rig = Rig::start_with(|settings| settings.sessions_per_address_max = 3, DRAIN).await;
    let mut inside = Vec::new();
    for address in [rig.inbound, rig.starttls, rig.clear_text] {
        inside.push(Client::greeted(address).await);
    }
    let mut fourth = Client::connect(rig.inbound).await;
    let reply = fourth.rest().await;
    assert!(reply.starts_with("421 4.3.2 The maximum number of concurrent connections") && reply.ends_with("]\r\n"));
    assert_eq!(Client::connect(rig.implicit).await.rest().await, "");
    inside.pop();
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 2).await;
    Client::greeted(rig.inbound).await;
    for client in &mut inside {
        client.expect(&[("NOOP", "250 ")]).await;
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_bounded_in_all() {
    let rig = Rig::start_with(|settings| settings.sessions_max = 1, DRAIN).await;
    let _inside = Client::greeted(rig.inbound).await;
    assert!(Client::connect(rig.starttls).await.rest().await.starts_with("421 4.3.2 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_are_in_force_for_new_sessions() {
    let rig = Rig::start().await;
    let mut old = Client::greeted(rig.inbound).await;
    let mut settings = franking::server::ServerSettings::clone(&rig.services.settings.load());
    settings.hostname = "other.contoso.example".into();
    rig.services.settings.store(settings.into());
    assert!(old.say("EHLO mail.fabrikam.example").await.starts_with("250-mx.contoso.example "));
    assert!(Client::connect(rig.inbound).await.reply().await.starts_with("220 other.contoso.example "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_octets_end_in_refusals_and_never_in_silence() {
    let rig = Rig::start().await;
    let random = franking::world::SeededRandom::new(7);
    for _ in 0..50 {
        let mut client = Client::greeted(rig.inbound).await;
        let mut noise = vec![0; 4096];
        franking::world::Random::fill(&random, &mut noise);
        let _ = client.try_send(&noise).await;
        let _ = client.try_send(b"\r\nQUIT\r\n").await;
        let said = client.rest().await;
        assert!(said.lines().all(|line| line.starts_with(['4', '5']) || line.starts_with("221 ")), "{said}");
        assert!(said.contains("221 ") || said.contains("421 "), "{said}");
    }
    rig.end().await;
}
