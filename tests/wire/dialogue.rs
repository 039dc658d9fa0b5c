//! Messages as they really come: in pieces, in heaps, in chunks, large, and cut off in the middle.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt as _;

use super::client::Client;
use super::rig::{Rig, SECRET};

const MESSAGE: &str = "From: eve@fabrikam.example\r\nSubject: x\r\n\r\nHello\r\n";
const ENVELOPE: [(&str, &str); 2] =
    [("MAIL FROM:<eve@fabrikam.example>", "250 2.1.0 "), ("RCPT TO:<alice@contoso.example>", "250 2.1.5 ")];

#[tokio::test(flavor = "multi_thread")]
async fn another_server_delivers_in_one_octet_writes_and_in_one_heap() {
    let rig = Rig::start().await;
    let text = format!(
        "EHLO mail.fabrikam.example\r\nMAIL FROM:<eve@fabrikam.example>\r\nRCPT TO:<alice@contoso.example>\r\n\
         RCPT TO:<nobody@contoso.example>\r\nDATA\r\n{MESSAGE}.\r\nQUIT\r\n"
    );
    let mut heap = Client::greeted(rig.inbound).await;
    heap.send(&text).await;
    let mut pieces = Client::greeted(rig.inbound).await;
    for octet in text.as_bytes() {
        pieces.send([*octet]).await;
    }
    for client in [&mut heap, &mut pieces] {
        let codes: Vec<String> = client.rest().await.lines().map(|line| line[..4].to_owned()).collect();
        let finals: Vec<&str> = codes.iter().map(String::as_str).filter(|code| code.ends_with(' ')).collect();
        assert_eq!(finals, ["250 ", "250 ", "250 ", "550 ", "354 ", "250 ", "221 "]);
    }
    assert_eq!(rig.accepted().len(), 2);
    assert_eq!(rig.end().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_become_one_message() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    assert!(client.say("EHLO mail.fabrikam.example").await.contains("CHUNKING"));
    client.expect(&ENVELOPE).await;
    let (first, second) = MESSAGE.split_at(20);
    client.send(format!("BDAT {}\r\n{first}", first.len())).await;
    assert!(client.reply().await.starts_with("250 "));
    client.send(format!("BDAT {} LAST\r\n{second}", second.len())).await;
    assert!(client.reply().await.starts_with("250 "));
    assert_eq!(rig.accepted()[0].body, b"Hello\r\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_goes_to_the_spool_and_not_into_memory() {
    const LINES: usize = 20 * 1024 * 1024 / 80;
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
    client.expect(&ENVELOPE).await;
    client.expect(&[("DATA", "354 ")]).await;
    client.send("From: eve@fabrikam.example\r\n\r\n").await;
    let before = resident_kib();
    let block = format!("{}\r\n", "x".repeat(78)).repeat(1024);
    for _ in 0..LINES / 1024 {
        client.send(&block).await;
    }
    // All but what a session may hold in memory is in its one file before the message ends.
    rig.wait_until(|rig| rig.spooled().1 > 19 * 1024 * 1024).await;
    assert_eq!(rig.spooled().0, 1);
    let grown = resident_kib().saturating_sub(before);
    // Other tests of this program hash passwords at 19 MiB each meanwhile, two at a time for each of their servers.
    assert!(grown < 400 * 1024, "{grown} KiB more in memory");
    client.send(".\r\n").await;
    assert!(client.reply().await.starts_with("250 "));
    let accepted = rig.accepted();
    assert_eq!((accepted[0].body_bytes, accepted[0].was_spooled), ((LINES / 1024 * 1024 * 80) as u64, true));
    rig.wait_until(|rig| rig.spooled().0 == 0).await;
    rig.end().await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_the_middle_leaves_no_message_and_no_file() {
    let rig = Rig::start().await;
    let beginning = format!("From: eve@fabrikam.example\r\n\r\n{}", "line\r\n".repeat(100_000));
    for (tls, reset) in [(false, false), (false, true), (true, false)] {
        let mut client = Client::greeted(rig.inbound).await;
        client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
        if tls {
            assert!(client.say("STARTTLS").await.starts_with("220 "));
            let mut client = client.shake(rig.directory.path()).await;
            client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
            client.expect(&ENVELOPE).await;
            client.expect(&[("DATA", "354 ")]).await;
            client.send(&beginning).await;
            client.send(".").await;
            // The socket goes without the farewell that TLS asks for: nobody may take that for the end of the data.
            let (mut socket, _) = client.stream.into_inner();
            socket.shutdown().await.unwrap();
        } else {
            client.expect(&ENVELOPE).await;
            client.expect(&[("DATA", "354 ")]).await;
            client.send(&beginning).await;
            client.send("\r\n.").await;
            if reset {
                socket2::SockRef::from(&client.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            drop(client);
        }
        rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
        rig.wait_until(|rig| rig.spooled().0 == 0).await;
    }
    assert_eq!(rig.accepted().len(), 0);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_room_is_told_at_mail_and_passes() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
    rig.services.acceptor.is_full.store(true, Ordering::SeqCst);
    client.expect(&[(ENVELOPE[0].0, "452 4.3.1 ")]).await;
    rig.services.acceptor.is_full.store(false, Ordering::SeqCst);
    client.expect(&ENVELOPE).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_panics_takes_no_other_with_it() {
    let rig = Rig::start().await;
    let mut other = Client::greeted(rig.inbound).await;
    other.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250")]).await;
    client.expect(&ENVELOPE).await;
    client.expect(&[("DATA", "354 ")]).await;
    client.send(MESSAGE.replace("Subject: x", "Subject: panic") + ".\r\n").await;
    assert_eq!(client.rest().await, "");
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 1).await;
    other.expect(&ENVELOPE).await;
    let mut later = Client::greeted(rig.clear_text).await;
    assert!(later.sign_in("alice@contoso.example", SECRET).await.starts_with("235 "));
    assert_eq!(rig.accepted().len(), 0);
    rig.end().await;
}
