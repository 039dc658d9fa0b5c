//! TLS and AUTH: who gets in, by which door, and what the others are told.

use std::sync::Arc;
use std::time::Duration;

use franking::model::directory::Device;
use franking::model::policy::Settings;
use franking::server::ServerSettings;
use franking::store::live::LiveSettings;
use franking::world::{SeededRandom, password};

use super::client::{Client, PATIENCE, encoded};
use super::rig::{PASSWORD, Rig, SECRET, alter};

const ALICE: &str = "alice@contoso.example";

#[tokio::test(flavor = "multi_thread")]
async fn an_account_submits_over_starttls_and_over_implicit_tls() {
    let rig = Rig::start().await;
    let mut upgraded = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
    let mut implicit = Client::connect(rig.implicit).await.shake(rig.directory.path()).await;
    assert!(implicit.reply().await.starts_with("220 mx.contoso.example "));
    for (number, client) in [&mut upgraded, &mut implicit].into_iter().enumerate() {
        assert!(client.sign_in(ALICE, PASSWORD).await.starts_with("235 2.7.0 "));
        let message = format!("From: {ALICE}\r\nSubject: {number}\r\n\r\nHello\r\n..dot\r\n.\r\n");
        assert!(client.submit(ALICE, "bob@contoso.example", &message).await.starts_with("250 2.0.0 "));
        client.expect(&[("QUIT", "221 ")]).await;
        assert_eq!(client.rest().await, "");
    }
    let accepted = rig.accepted();
    assert_eq!(accepted.len(), 2);
    assert!(accepted.iter().all(|message| message.body == b"Hello\r\n.dot\r\n" && !message.was_spooled));
    assert!(accepted.iter().all(|message| message.head.contains("TLS1_3")), "{accepted:?}");
    assert_eq!(rig.end().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_login_asks_for_both_halves() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
    client.expect(&[("EHLO a.example", "250"), ("AUTH LOGIN", "334 VXNlcm5hbWU6")]).await;
    client.expect(&[(&encoded(ALICE), "334 UGFzc3dvcmQ6"), (&encoded("wrong"), "535 5.7.3 ")]).await;
    client.expect(&[("AUTH LOGIN", "334 "), (&encoded(ALICE), "334 "), (&encoded(PASSWORD), "235 ")]).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_login_are_told_apart_by_neither_text_nor_work() {
    let rig = Rig::start().await;
    let mut seen = Vec::new();
    for login in [ALICE, "nobody@contoso.example"] {
        let mut client = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
        let before = rig.services.authenticator.verifications();
        let reply = client.sign_in(login, "a guess").await;
        let words = reply.split_once('[').map(|(words, _)| words.to_owned());
        seen.push((words, rig.services.authenticator.verifications() - before));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], (Some("535 5.7.3 Authentication unsuccessful ".to_owned()), 1));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_auth_is_offered_on_the_named_private_network_only() {
    let rig = Rig::start().await;
    for address in [rig.starttls, rig.inbound] {
        let mut client = Client::greeted(address).await;
        assert!(!client.say("EHLO a.example").await.contains("AUTH"));
        let reply = client.say(&format!("AUTH PLAIN {}", encoded(&format!("\0{ALICE}\0{PASSWORD}")))).await;
        assert!(reply.starts_with('5'), "{reply}");
    }
    assert_eq!(rig.services.authenticator.verifications(), 0);
    let mut device = Client::greeted(rig.clear_text).await;
    assert!(device.sign_in(ALICE, SECRET).await.starts_with("235 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_no_password_is_looked_at_and_no_device_gets_in_that_is_bound_to_less() {
    let unlocked = |settings: &mut ServerSettings| {
        let mut policy = Settings::clone(&settings.policy.current());
        policy.lockout.exempt = vec!["127.0.0.0/8".parse().unwrap()];
        policy.lockout.delay = Duration::ZERO;
        settings.policy = Arc::new(LiveSettings::new(policy));
        settings.session.tarpit = Duration::ZERO;
    };
    let rig = Rig::start_with(unlocked, PATIENCE).await;
    let ask = async |login: &str, shown: &str| {
        let mut client = Client::greeted(rig.clear_text).await;
        let before = rig.services.authenticator.verifications();
        let reply = client.sign_in(login, shown).await;
        let words = reply.split_once(" [").map_or(reply.as_str(), |(words, _)| words).to_owned();
        (words, rig.services.authenticator.verifications() - before)
    };
    let refused = ("538 5.7.11 Encryption required; without it only the secret of a device is looked at".to_owned(), 0);
    for login in [ALICE, "nobody@contoso.example", "kiosk@contoso.example"] {
        for shown in [PASSWORD, "wrong", "k7mq-x2rt-abcd-efgh-jkmn-pqr"] {
            assert_eq!(ask(login, shown).await, refused, "{login} {shown}");
        }
    }
    let wrong = ("535 5.7.3 Authentication unsuccessful".to_owned(), 1);
    let looks_like_one = "a0b1c2d3e4f5a0b1c2d3e4f5";
    alter(&rig.services.directory, "bob", |bob| {
        // Shown without TLS it is no device's, and the password is not compared.
        let hash = password::hash(looks_like_one, &SeededRandom::new(3)).unwrap();
        bob.account.as_mut().unwrap().password = Some(hash);
    });
    for (login, shown) in [
        (ALICE, "k7mq-0000-0000-0000-0000-0000"),
        ("nobody@contoso.example", SECRET),
        ("bob@contoso.example", looks_like_one),
    ] {
        assert_eq!(ask(login, shown).await, wrong, "{login} {shown}");
    }
    let loosen: [fn(&mut Device); 5] = [
        |device| device.networks.clear(),
        |device| device.networks = vec!["127.0.0.0/8".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
        |device| device.senders.clear(),
        |device| device.recipients.clear(),
        |device| device.networks = vec!["10.0.0.0/8".parse().unwrap()],
    ];
    assert!(ask(ALICE, SECRET).await.0.starts_with("235 "));
    for loosen in loosen {
        alter(&rig.services.directory, "kiosk", |kiosk| {
            let alices = rig.services.directory.current().find_by_name("alice").unwrap().account.clone().unwrap();
            let account = kiosk.account.as_mut().unwrap();
            (account.licences, account.devices) = (alices.licences.clone(), alices.devices.clone());
            loosen(&mut account.devices[0]);
        });
        for _ in 0..2 {
            assert_eq!(ask("kiosk@contoso.example", SECRET).await, wrong);
        }
        let mut over_tls = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
        let is_elsewhere = !over_tls.sign_in("kiosk@contoso.example", SECRET).await.starts_with("235 ");
        let kiosk = rig.services.directory.current().find_by_name("kiosk").unwrap().account.clone().unwrap();
        assert_eq!(is_elsewhere, !kiosk.devices[0].admits([127, 0, 0, 1].into()), "TLS asks for no pins");
    }
    // What is loosened while a session is open ends its right to send.
    let mut client = Client::greeted(rig.clear_text).await;
    assert!(client.sign_in(ALICE, SECRET).await.starts_with("235 "));
    client.expect(&[(&format!("MAIL FROM:<{ALICE}>"), "250 "), ("RSET", "250 ")]).await;
    alter(&rig.services.directory, "alice", |alice| alice.account.as_mut().unwrap().devices[0].recipients.clear());
    client.expect(&[(&format!("MAIL FROM:<{ALICE}>"), "530 5.7.57 ")]).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_mailbox_is_refused() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.clear_text).await;
    let reply = client.sign_in("kiosk@contoso.example", SECRET).await;
    assert!(reply.starts_with("550 5.2.1 Mailbox cannot be accessed ["), "{reply}");
    assert!(client.say("MAIL FROM:<kiosk@contoso.example>").await.starts_with("530 5.7.57 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_directory_is_in_force_for_the_next_command_of_an_open_session() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.clear_text).await;
    assert!(client.sign_in(ALICE, SECRET).await.starts_with("235 "));
    client.expect(&[(&format!("MAIL FROM:<{ALICE}>"), "250 "), ("RSET", "250 ")]).await;
    alter(&rig.services.directory, "alice", |alice| alice.account.as_mut().unwrap().sign_in_blocked = true);
    let reply = client.say(&format!("MAIL FROM:<{ALICE}>")).await;
    assert!(reply.starts_with("530 5.7.57 "), "{reply}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pipelined_behind_starttls_is_void() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.starttls).await;
    client.expect(&[("EHLO a.example", "250")]).await;
    client.send("STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<injected@fabrikam.example>\r\n").await;
    assert!(client.reply().await.starts_with("220 "));
    let mut client = client.shake(rig.directory.path()).await;
    // The first thing heard over TLS answers the first thing said over TLS.
    client.expect(&[("NOOP", "250 2.0.0 "), (&format!("MAIL FROM:<{ALICE}>"), "50")]).await;
    rig.end().await;
}
