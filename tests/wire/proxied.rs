//! Clients that come by a proxy: where they are is what the proxy says, and nobody but a listed proxy may say so.

use std::time::Duration;

use franking::config::{ListenerConfig, ListenerRole, ListenerTls, ProxyConfig};
use franking::server::ServerSettings;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::log::logged;
use super::rig::{PASSWORD, Rig, listener};

const DRAIN: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(400);
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const ALICE: &str = "alice@contoso.example";
const MESSAGE: &str = "From: alice@contoso.example\r\n\r\nHello\r\n.\r\n";

fn text(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 45678 25\r\n").into_bytes()
}

/// Version 2 with this command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v4(client: [u8; 4], fields: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&client[..], &[127, 0, 0, 1, 0xb2, 0x6e, 0, 25], fields].concat())
}

/// The field that says whether the client speaks TLS with the proxy, and which.
fn tls_field(flags: u8) -> Vec<u8> {
    let more = [&[0x21, 0, 5][..], b"TLSv1", &[0x23, 0, 10], b"AES128-SHA"].concat();
    let length = u16::try_from(5 + more.len()).unwrap().to_be_bytes();
    [&[0x20][..], &length, &[flags, 0, 0, 0, 0], &more].concat()
}

fn by_proxy(role: ListenerRole, tls: ListenerTls, networks: &str, from: &str, ends_tls: bool) -> ListenerConfig {
    let proxy = Some(ProxyConfig { from: vec![from.parse().unwrap()], tls: ends_tls });
    ListenerConfig { proxy, ..listener(role, tls, networks) }
}

async fn rig(listeners: &[ListenerConfig], change: impl FnOnce(&mut ServerSettings)) -> Rig {
    Rig::start_listening(listeners, change, DRAIN).await
}

fn inbound() -> ListenerConfig {
    by_proxy(ListenerRole::Inbound, ListenerTls::Starttls, "", "127.0.0.1", false)
}

/// Connects, says `header`, and nothing more.
async fn announced(rig: &Rig, header: &[u8]) -> Client<TcpStream> {
    let mut client = Client::connect(rig.more[0]).await;
    client.send(header).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_address_is_the_clients_for_session_trace_and_log() {
    let rig = rig(&[inbound()], |_| {}).await;
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 9], &[0; 15], &[1, 0xb2, 0x6e, 0, 25]].concat();
    for (header, address) in [
        (text("192.0.2.7"), "192.0.2.7"),
        (v4([192, 0, 2, 8], &[]), "192.0.2.8"),
        (v4([192, 0, 2, 10], &tls_field(1)), "192.0.2.10"),
        (binary(0x21, 0x21, &mapped), "192.0.2.9"),
        (b"PROXY TCP6 2001:db8::7 ::1 45678 25\r\n".to_vec(), "IPv6:2001:db8::7"),
    ] {
        let mut client = announced(&rig, &header).await;
        assert!(client.reply().await.starts_with("220 "), "{address}");
        let hello = client.say("EHLO mail.fabrikam.example").await;
        let bare = address.trim_start_matches("IPv6:");
        assert!(hello.contains(&format!("Hello [{bare}]")) && hello.contains("STARTTLS"), "{hello}");
        let message = "From: eve@fabrikam.example\r\n\r\nHello\r\n.\r\n";
        assert!(client.submit("eve@fabrikam.example", ALICE, message).await.starts_with("250 "));
        let head = rig.accepted().pop().unwrap().head;
        assert!(head.starts_with(&format!("Received: from mail.fabrikam.example ([{address}])")), "{head}");
        // What the proxy says of TLS is nobody's word here.
        assert!(head.contains(" with ESMTP id "), "{head}");
        let proxy = format!("proxy={}", client.stream.local_addr().unwrap());
        let said = |line: &str| line.contains(&proxy) && line.contains(bare) && line.contains("accepted");
        assert!(logged().lines().any(said), "{proxy} {bare}");
    }
    assert_eq!(rig.end().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_in_single_octets_with_commands_behind_it_is_taken_apart() {
    let rig = rig(&[inbound()], |_| {}).await;
    for header in [text("192.0.2.7"), v4([192, 0, 2, 7], &[4, 0, 1, 0])] {
        let mut client = Client::connect(rig.more[0]).await;
        for octet in [&header[..], b"EHLO mail.fabrikam.example\r\nQUIT\r\n"].concat() {
            client.send([octet]).await;
        }
        let said = client.rest().await;
        assert!(said.starts_with("220 ") && said.contains("Hello [192.0.2.7]") && said.contains("\n221 "), "{said}");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_comes_before_implicit_tls() {
    let listener = by_proxy(ListenerRole::Submission, ListenerTls::Implicit, "", "127.0.0.1", false);
    let rig = rig(&[listener], |_| {}).await;
    for header in [text("192.0.2.7"), v4([192, 0, 2, 7], &[])] {
        let client = announced(&rig, &header).await;
        let mut client = client.shake(rig.directory.path()).await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.sign_in(ALICE, PASSWORD).await.starts_with("235 "));
        assert!(client.submit(ALICE, "bob@contoso.example", MESSAGE).await.starts_with("250 "));
        let head = rig.accepted().pop().unwrap().head;
        assert!(head.contains("([192.0.2.7])") && head.contains("TLS1_3"), "{head}");
    }
    let mut without = announced(&rig, b"\x16\x03\x01\x02\0").await;
    assert_eq!(without.rest().await, "");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_header_is_closed_without_a_word() {
    let rig = rig(&[inbound()], |settings| settings.proxy_header_timeout = SHORT).await;
    let long = format!("PROXY UNKNOWN {}", "x".repeat(300));
    let broken = [
        &b"EHLO mail.fabrikam.example\r\n"[..],
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n",
        b"PROXY TCP4 0.0.0.0 127.0.0.1 1 25\r\n",
        long.as_bytes(),
        &binary(0x21, 0x55, &[0; 12]),
        &binary(0x31, 0x11, &[0; 12]),
        &binary(0x20, 0x00, &vec![0; 5_000]),
        &v4([192, 0, 2, 7], &[3, 0, 4, 0, 0, 0, 0]),
    ];
    for header in broken {
        let mut client = Client::connect(rig.more[0]).await;
        let _ = client.try_send(header).await;
        assert_eq!(client.rest().await, "", "{:?}", header.escape_ascii().to_string());
    }
    let began = Instant::now();
    let mut silent = Client::connect(rig.more[0]).await;
    let mut dripping = announced(&rig, b"PROXY TCP4 192.").await;
    assert_eq!((silent.rest().await, dripping.rest().await), (String::new(), String::new()));
    assert!(began.elapsed() >= SHORT);
    assert!(logged().contains("no PROXY header came in time"));
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_listed_proxy_is_turned_away_and_not_heard() {
    let elsewhere = by_proxy(ListenerRole::Inbound, ListenerTls::Starttls, "", "10.0.0.5", false);
    let rig = rig(&[elsewhere], |_| {}).await;
    for header in [&b""[..], &text("10.0.0.5")] {
        let mut client = Client::connect(rig.more[0]).await;
        let _ = client.try_send(header).await;
        let said = client.rest().await;
        // What was sent and not read may take the reply back on its way.
        assert!(said.is_empty() && !header.is_empty() || said.starts_with("554 5.7.1 No SMTP service"), "{said}");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_proxies_never_believes_a_header() {
    let rig = rig(&[], |_| {}).await;
    for address in [rig.inbound, rig.starttls, rig.clear_text] {
        let mut client = Client::greeted(address).await;
        let line = String::from_utf8(text("192.0.2.7")).unwrap();
        let reply = client.say(line.trim_end()).await;
        assert!(reply.starts_with("500 5.3.3 Unrecognized command"), "{reply}");
        assert!(client.say("EHLO mail.fabrikam.example").await.contains("Hello [127.0.0.1]"));
        client.send(v4([192, 0, 2, 7], &[])).await;
        client.send("\r\nEHLO again.example\r\n").await;
        let mut said = client.reply().await;
        while said.starts_with('5') {
            said = client.reply().await;
        }
        assert!(said.contains("Hello [127.0.0.1]"), "{said}");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_looks_whether_we_are_well_gets_a_session_and_no_more() {
    let listener = by_proxy(ListenerRole::Submission, ListenerTls::None, "127.0.0.0/8", "127.0.0.1", false);
    let rig = rig(&[listener], |_| {}).await;
    for header in [binary(0x20, 0, &[]), binary(0x21, 0x31, &[0; 216]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut client = announced(&rig, &header).await;
        assert!(client.reply().await.starts_with("220 "));
        // Its own address is among the networks; it is the proxy's, though, and everybody's who comes by it.
        let hello = client.say("EHLO a.example").await;
        assert!(hello.contains("Hello [127.0.0.1]") && !hello.contains("AUTH"), "{hello}");
        client.expect(&[("AUTH LOGIN", "538 "), ("QUIT", "221 ")]).await;
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_the_proxy_ends_counts_where_the_operator_says_so() {
    let listener = by_proxy(ListenerRole::Submission, ListenerTls::None, "", "127.0.0.1", true);
    let rig = rig(&[listener], |_| {}).await;
    for (header, said) in [
        (text("192.0.2.7"), "(version=TLS cipher=unknown)"),
        (v4([192, 0, 2, 7], &tls_field(1)), "(version=TLSv1 cipher=AES128-SHA)"),
    ] {
        let mut client = announced(&rig, &header).await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(!client.say("EHLO a.example").await.contains("STARTTLS"));
        assert!(client.sign_in(ALICE, PASSWORD).await.starts_with("235 "));
        assert!(client.submit(ALICE, "bob@contoso.example", MESSAGE).await.starts_with("250 "));
        let head = rig.accepted().pop().unwrap().head;
        assert!(head.contains("with ESMTPSA id") && head.contains(said), "{head}");
    }
    // The proxy itself says that there is none, or speaks for itself.
    for header in [v4([192, 0, 2, 7], &tls_field(0)), binary(0x20, 0, &[]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut client = announced(&rig, &header).await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(!client.say("EHLO a.example").await.contains("AUTH"));
        client.expect(&[("AUTH LOGIN", "538 "), ("STARTTLS", "454 ")]).await;
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_counted_by_the_announced_address() {
    let rig = rig(&[inbound()], |settings| settings.sessions_per_address_max = 2).await;
    let (mut first, mut second) =
        (announced(&rig, &text("192.0.2.7")).await, announced(&rig, &text("192.0.2.7")).await);
    assert!(first.reply().await.starts_with("220 ") && second.reply().await.starts_with("220 "));
    let third = announced(&rig, &v4([192, 0, 2, 7], &[])).await.rest().await;
    assert!(third.starts_with("421 4.3.2 "), "{third}");
    let mut other = announced(&rig, &text("192.0.2.8")).await;
    assert!(other.reply().await.starts_with("220 "));
    // One that comes itself is no other than one that was announced.
    drop(first);
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 2).await;
    assert!(announced(&rig, &text("192.0.2.7")).await.reply().await.starts_with("220 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_announces_nobody_holds_a_quarter_of_all_places() {
    let few = |settings: &mut ServerSettings| {
        settings.sessions_max = 8;
        settings.proxy_header_timeout = SHORT;
    };
    let rig = rig(&[inbound()], few).await;
    let _silent = (Client::connect(rig.more[0]).await, Client::connect(rig.more[0]).await);
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 2).await;
    assert!(Client::connect(rig.more[0]).await.rest().await.starts_with("421 4.3.2 "));
    Client::greeted(rig.inbound).await;
    sleep(SHORT).await;
    rig.wait_until(|rig| rig.services.admission.open_sessions() < 2).await;
    assert!(announced(&rig, &text("192.0.2.7")).await.reply().await.starts_with("220 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_for_networks_alone_turns_others_away() {
    let listeners = [
        by_proxy(ListenerRole::Submission, ListenerTls::None, "192.168.10.0/24", "127.0.0.1", false),
        listener(ListenerRole::Submission, ListenerTls::None, "192.168.10.0/24"),
        listener(ListenerRole::Submission, ListenerTls::Starttls, "192.168.10.0/24"),
    ];
    let rig = rig(&listeners, |_| {}).await;
    let inside = announced(&rig, &text("192.168.10.7")).await.reply().await;
    assert!(inside.starts_with("220 "), "{inside}");
    let outside = announced(&rig, &text("192.168.11.7")).await.rest().await;
    assert!(outside.starts_with("554 5.7.1 No SMTP service for this network ["), "{outside}");
    let direct = Client::connect(rig.more[1]).await.rest().await;
    assert!(direct.starts_with("554 5.7.1 No SMTP service for this network ["), "{direct}");
    // Whoever can speak TLS is welcome where it is spoken.
    let mut elsewhere = Client::greeted(rig.more[2]).await;
    let hello = elsewhere.say("EHLO a.example").await;
    assert!(hello.contains("STARTTLS") && !hello.contains("AUTH"), "{hello}");
    rig.end().await;
}
