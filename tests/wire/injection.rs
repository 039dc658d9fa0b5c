//! What is said in clear text before TLS, and who says who he is: tables of what must have no effect.

use std::time::Duration;

use franking::config::{ListenerConfig, ListenerRole, ListenerTls, ProxyConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::timeout;

use super::client::{Client, PATIENCE, encoded};
use super::rig::{PASSWORD, Rig, SECRET, listener};

const ALICE: &str = "alice@contoso.example";

/// A listener on which commands come in the segment after a proxy's header.
fn by_proxy() -> ListenerConfig {
    let proxy = Some(ProxyConfig { from: vec!["127.0.0.1".parse().unwrap()], tls: false });
    ListenerConfig { proxy, ..listener(ListenerRole::Submission, ListenerTls::Starttls, "") }
}

async fn rig() -> Rig {
    Rig::start_listening(&[by_proxy()], |settings| settings.session.tarpit = Duration::ZERO, PATIENCE).await
}

/// Every command, half of one, and more than a command.
fn injected() -> Vec<String> {
    let auth = encoded(&format!("\0{ALICE}\0{PASSWORD}"));
    let message = "MAIL FROM:<alice@contoso.example>\r\nRCPT TO:<bob@contoso.example>\r\nDATA\r\n\
                   From: alice@contoso.example\r\n\r\ninjected\r\n.\r\n";
    [
        "EHLO injected.example\r\n",
        "HELO injected.example\r\n",
        "MAIL FROM:<alice@contoso.example>\r\n",
        "RCPT TO:<bob@contoso.example>\r\n",
        "DATA\r\n",
        "BDAT 4 LAST\r\nabcd",
        "RSET\r\n",
        "NOOP\r\n",
        "VRFY alice\r\n",
        "HELP\r\n",
        "STARTTLS\r\n",
        "AUTH LOGIN\r\n",
        "XCLIENT ADDR=192.0.2.66\r\n",
        "PROXY TCP4 192.0.2.66 127.0.0.1 1 25\r\n",
        "QUIT\r\n",
        "EHLO inj",
        "\r\n",
        "\r",
        "\0\n.\r\n",
    ]
    .iter()
    .map(|&text| text.to_owned())
    .chain([format!("AUTH PLAIN {auth}\r\n"), format!("EHLO a\r\n{message}"), "x".repeat(900)])
    .collect()
}

/// What a session says over TLS, without names of its moment.
async fn transcript<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> Vec<String> {
    let mut said = Vec::new();
    for line in ["NOOP", &format!("MAIL FROM:<{ALICE}>"), "EHLO after.example", "RCPT TO:<bob@contoso.example>"] {
        let reply = client.say(line).await;
        said.push(reply.split_once(" [").map_or(reply.as_str(), |(words, _)| words).to_owned() + &addresses(&reply));
    }
    said.push(client.say("QUIT").await);
    said.push(client.rest().await);
    said
}

/// Addresses of clients that a reply names.
fn addresses(reply: &str) -> String {
    reply.lines().filter(|line| line.contains("Hello [")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_comes_with_starttls_counts_after_it_on_any_door() {
    let rig = rig().await;
    let header = "PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n";
    for (door, first) in [(rig.starttls, ""), (rig.inbound, ""), (rig.more[0], header)] {
        let mut usual = None;
        for injected in core::iter::once(String::new()).chain(injected()) {
            let mut client = Client::connect(door).await;
            // In one segment: header, greeting, STARTTLS, and what must not count.
            client.send(format!("{first}EHLO before.example\r\nSTARTTLS\r\n{injected}")).await;
            for class in ["220 ", "250-", "220 "] {
                let reply = client.reply().await;
                assert!(reply.starts_with(class), "{injected:?}: {reply}");
            }
            let mut client = client.shake(rig.directory.path()).await;
            let said = transcript(&mut client).await;
            assert!(said[0].starts_with("250 ") && said[1].starts_with("503 5.5.2 Send hello first"), "{said:?}");
            assert_eq!(usual.get_or_insert_with(|| said.clone()), &said, "{injected:?}");
        }
    }
    assert_eq!((rig.accepted().len(), rig.services.authenticator.verifications()), (0, 0));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_in_place_of_the_handshake_ends_the_session() {
    let rig = rig().await;
    for injected in injected().into_iter().filter(|text| text.len() > 4) {
        let mut client = Client::greeted(rig.starttls).await;
        client.expect(&[("EHLO before.example", "250-"), ("STARTTLS", "220 ")]).await;
        client.send(&injected).await;
        let mut heard = Vec::new();
        client.stream.shutdown_writing();
        let _ = timeout(PATIENCE, client.stream.read_to_end(&mut heard)).await.expect("the end in time");
        // An alert of TLS may come, but no word of SMTP.
        assert!(!heard.first().is_some_and(u8::is_ascii_digit), "{injected:?}: {heard:?}");
    }
    assert_eq!(rig.accepted().len(), 0);
    rig.end().await;
}

/// So that a half record is known to be all there is.
trait ShutdownWriting {
    fn shutdown_writing(&self);
}

impl ShutdownWriting for tokio::net::TcpStream {
    fn shutdown_writing(&self) {
        let _ = socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_tls_is_forgotten_and_said_anew() {
    let rig = rig().await;
    let mut client = Client::greeted(rig.inbound).await;
    let before = client.say("EHLO mail.fabrikam.example").await;
    assert!(before.contains("STARTTLS") && !before.contains("AUTH"), "{before}");
    let (mail, rcpt) = ("MAIL FROM:<eve@fabrikam.example>", "RCPT TO:<alice@contoso.example>");
    client.expect(&[(mail, "250 "), (rcpt, "250 "), ("STARTTLS", "220 ")]).await;
    let mut client = client.shake(rig.directory.path()).await;
    client.expect(&[(rcpt, "503 "), ("DATA", "503 "), ("BDAT 0 LAST", "503 "), (mail, "503 5.5.2 Send hello")]).await;
    let after = client.say("EHLO mail.fabrikam.example").await;
    assert!(!after.contains("STARTTLS") && !after.contains("AUTH"), "{after}");
    client.expect(&[("STARTTLS", "503 "), (rcpt, "503 "), (mail, "250 "), (rcpt, "250 ")]).await;
    let mut upgraded = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
    let after = upgraded.say("EHLO a.example").await;
    assert!(after.contains("AUTH PLAIN LOGIN") && !after.contains("STARTTLS"), "{after}");
    // A server that ends waits for transactions that are open.
    drop((client, upgraded));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mechanism_is_taken_before_tls() {
    let rig = rig().await;
    let blob = encoded(&format!("\0{ALICE}\0{PASSWORD}"));
    let device = encoded(&format!("\0{ALICE}\0{SECRET}"));
    for (line, on_submission) in [
        (format!("AUTH PLAIN {blob}"), "538 5.7.11 Encryption required"),
        (format!("AUTH PLAIN {device}"), "538 5.7.11 Encryption required"),
        ("AUTH PLAIN".to_owned(), "538 5.7.11 "),
        ("AUTH LOGIN".to_owned(), "538 5.7.11 "),
        (format!("AUTH LOGIN {}", encoded(ALICE)), "538 5.7.11 "),
        ("AUTH XOAUTH2 dXNlcj0=".to_owned(), "538 5.7.11 "),
        ("AUTH OAUTHBEARER bixh".to_owned(), "538 5.7.11 "),
        ("AUTH SCRAM-SHA-256 biwsbj0=".to_owned(), "538 5.7.11 "),
        ("AUTH CRAM-MD5".to_owned(), "538 5.7.11 "),
        ("AUTH EXTERNAL =".to_owned(), "538 5.7.11 "),
        ("AUTH".to_owned(), "501 "),
    ] {
        for (door, expected) in [(rig.starttls, on_submission), (rig.inbound, "50")] {
            let mut client = Client::greeted(door).await;
            client.expect(&[(&line, "50"), ("EHLO a.example", "250"), (&line, expected), ("NOOP", "250 ")]).await;
        }
    }
    assert_eq!(rig.services.authenticator.verifications(), 0);
    rig.end().await;
}

/// A hello of TLS 1.0 with the cipher suites that every old device has.
fn old_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn hellos_of_old_versions_get_an_alert_and_nothing_else() {
    let rig = rig().await;
    for hello in [old_hello(0), old_hello(1), old_hello(2)] {
        let implicit = Client::connect(rig.implicit).await;
        let mut upgrading = Client::greeted(rig.starttls).await;
        upgrading.expect(&[("EHLO a.example", "250"), ("STARTTLS", "220 ")]).await;
        for mut client in [implicit, upgrading] {
            client.send(&hello).await;
            let mut heard = Vec::new();
            let _ = timeout(PATIENCE, client.stream.read_to_end(&mut heard)).await.expect("the end in time");
            // A fatal alert: protocol_version, or handshake_failure where the offer lacks what later versions need.
            let [0x15, 3, _, 0, 2, 2, 70 | 40] = heard[..] else { panic!("{heard:02x?}") };
        }
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xclient_is_an_unknown_command_in_every_state_and_changes_nothing() {
    let rig = rig().await;
    let mail = format!("MAIL FROM:<{ALICE}>");
    let states: [&[(&str, &str)]; 6] = [
        &[],
        &[("HELO a.example", "250 ")],
        &[("EHLO a.example", "250-")],
        &[("EHLO a.example", "250-"), ("AUTH PLAIN AGEAYg==", "535 ")],
        &[("EHLO a.example", "250-"), (&mail, "530 ")],
        &[("EHLO a.example", "250-"), ("VRFY x", "252 ")],
    ];
    let commands = [
        "XCLIENT ADDR=192.0.2.66",
        "XCLIENT NAME=mx.contoso.example ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=a LOGIN=alice@contoso.example",
        "XCLIENT",
        "xclient addr=[UNAVAILABLE]",
        "XFORWARD ADDR=192.0.2.66",
    ];
    for state in states {
        for command in commands {
            let mut client = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
            client.expect(state).await;
            client.expect(&[(command, "500 5.3.3 Unrecognized command [")]).await;
            let hello = client.say("EHLO again.example").await;
            assert!(hello.contains("Hello [127.0.0.1]") && !hello.contains("XCLIENT") && !hello.contains("XFORWARD"));
            client.expect(&[(&mail, "530 5.7.57 ")]).await;
        }
    }
    // Signed in, and within a transaction, also by a proxy that is listed: nothing is forgotten or gained.
    let mut client = Client::connect(rig.more[0]).await;
    client.send("PROXY TCP4 192.0.2.7 127.0.0.1 1 25\r\n").await;
    assert!(client.reply().await.starts_with("220 "));
    client.expect(&[(commands[0], "500 5.3.3 ")]).await;
    let mut client = client.start_tls(rig.directory.path()).await;
    assert!(client.sign_in(ALICE, PASSWORD).await.starts_with("235 "));
    client.expect(&[(&mail, "250 "), (commands[1], "500 5.3.3 "), ("RCPT TO:<bob@contoso.example>", "250 ")]).await;
    client.expect(&[(commands[0], "500 5.3.3 "), ("DATA", "354 ")]).await;
    client.send(format!("From: {ALICE}\r\n\r\n{}\r\n.\r\n", commands[0])).await;
    assert!(client.reply().await.starts_with("250 2.0.0 "));
    let accepted = rig.accepted();
    assert!(accepted.len() == 1 && accepted[0].head.contains("([192.0.2.7])"), "{accepted:?}");
    rig.end().await;
}
