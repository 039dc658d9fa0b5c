//! Messages and envelopes made to be expensive: each gets its reply soon, and the session goes on or ends in words.

use super::client::Client;
use super::rig::Rig;

const LEVELS: usize = 10_000;

async fn hand_in(client: &mut Client<tokio::net::TcpStream>, content: &str) -> String {
    client
        .expect(&[
            ("MAIL FROM:<eve@fabrikam.example>", "250 "),
            ("RCPT TO:<alice@contoso.example>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    client.send(content).await;
    client.send("\r\n.\r\n").await;
    client.reply().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_parts_and_overgrown_headers_are_answered_soon() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
    let head = "From: eve@fabrikam.example\r\nMIME-Version: 1.0\r\n";
    let parts: String = (0..LEVELS)
        .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"))
        .collect();
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(LEVELS);
    for bomb in [parts, messages] {
        let reply = hand_in(&mut client, &format!("{head}{bomb}")).await;
        assert!(reply.starts_with("250 2.6.0 "), "{reply}");
    }
    for header in ["X: y\r\n".repeat(1_000_000), format!("X: {}\r\n", "y".repeat(1_000_000))] {
        let reply = hand_in(&mut client, &format!("{head}{header}\r\nbody")).await;
        assert!(reply.starts_with("552 5.3.4 Header size"), "{reply}");
    }
    client.expect(&[("NOOP", "250 "), ("QUIT", "221 ")]).await;
    assert_eq!(rig.accepted().len(), 2);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_recipients_end_in_words() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250"), ("MAIL FROM:<eve@fabrikam.example>", "250 ")]).await;
    let hundred = "RCPT TO:<alice@contoso.example>\r\n".repeat(100);
    let (mut accepted, mut last) = (0, String::new());
    'sending: for _ in 0..1_000 {
        if client.try_send(&hundred).await.is_err() {
            break;
        }
        for _ in 0..100 {
            let reply = client.reply().await;
            if reply.is_empty() {
                break 'sending;
            }
            accepted += u32::from(reply.starts_with("250 "));
            last = reply;
        }
    }
    assert!(last.starts_with("421 4.7.0 Too many commands"), "{last}");
    assert!(accepted < 10_000, "{accepted}");
    Client::greeted(rig.inbound).await.expect(&[("QUIT", "221 ")]).await;
    rig.end().await;
}
