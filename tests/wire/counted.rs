//! What is only counted: sessions of one account, and messages that wait for their turn.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::client::Client;
use super::rig::{Rig, SECRET};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const MESSAGE: &str = "From: alice@contoso.example\r\n\r\nHello\r\n.\r\n";

async fn signed_in(rig: &Rig, login: &str) -> Client<TcpStream> {
    let mut client = Client::greeted(rig.clear_text).await;
    assert!(client.sign_in(login, SECRET).await.starts_with("235 "));
    client
}

/// A message of alice's that waits to be admitted.
async fn waiting(rig: &Rig) -> (Client<TcpStream>, Arc<Notify>) {
    let released = Arc::new(Notify::new());
    *rig.services.acceptor.waits.lock().unwrap() = Some(Arc::clone(&released));
    let mut client = signed_in(rig, ALICE).await;
    let to = format!("RCPT TO:<{BOB}>");
    client.expect(&[(&format!("MAIL FROM:<{ALICE}>"), "250 "), (&to, "250 "), ("DATA", "354 ")]).await;
    client.send(MESSAGE).await;
    rig.wait_until(|rig| rig.services.acceptor.admissions.load(Ordering::SeqCst) == 1).await;
    (client, released)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fourth_session_of_an_account_is_refused_at_the_end_of_its_message_until_an_earlier_one_ends() {
    let rig = Rig::start().await;
    let (first, mut second, mut third) =
        (signed_in(&rig, ALICE).await, signed_in(&rig, ALICE).await, signed_in(&rig, ALICE).await);
    let mut fourth = signed_in(&rig, ALICE).await;
    let mut other = signed_in(&rig, BOB).await;
    for client in [&mut second, &mut third] {
        assert!(client.submit(ALICE, BOB, MESSAGE).await.starts_with("250 2.0.0 "));
    }
    let refused = fourth.submit(ALICE, BOB, MESSAGE).await;
    assert!(refused.starts_with("432 4.3.2 Concurrent connections limit exceeded."), "{refused}");
    let own = "From: bob@contoso.example\r\n\r\nHello\r\n.\r\n";
    assert!(other.submit(BOB, ALICE, own).await.starts_with("250 2.0.0 "));
    // Its turn comes when one of the others has gone; the session goes on.
    drop(first);
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 4).await;
    assert!(fourth.submit(ALICE, BOB, MESSAGE).await.starts_with("250 2.0.0 "));
    assert_eq!(rig.accepted().len(), 4);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_to_a_message_that_waits_is_held_back_and_what_was_pipelined_comes_after_it() {
    let rig = Rig::start().await;
    let (mut client, released) = waiting(&rig).await;
    client.send("NOOP\r\nRSET\r\n").await;
    let mut other = signed_in(&rig, BOB).await;
    other.expect(&[("NOOP", "250 ")]).await;
    assert!(rig.accepted().is_empty(), "nothing is made durable before its turn");
    released.notify_one();
    assert!(client.reply().await.starts_with("250 2.0.0 OK <"));
    assert!(client.reply().await.starts_with("250 2.0.0"));
    assert!(client.reply().await.starts_with("250 2.0.0 Resetting"));
    assert_eq!(rig.accepted().len(), 1);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_its_message_waits_was_never_there() {
    let rig = Rig::start().await;
    let (client, released) = waiting(&rig).await;
    drop(client);
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    released.notify_one();
    assert_eq!(rig.services.acceptor.commits.load(Ordering::SeqCst), 0);
    assert_eq!(rig.spooled().0, 0);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_does_not_keep_the_server_from_its_end() {
    let rig = Rig::start().await;
    let (mut client, _released) = waiting(&rig).await;
    rig.ask_to_stop();
    assert!(client.reply().await.starts_with("421 4.3.2 Service not available"));
    assert!(rig.accepted().is_empty());
    assert_eq!(rig.end().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_talks_on_while_its_message_waits_fills_no_memory() {
    let rig = Rig::start().await;
    let (mut client, released) = waiting(&rig).await;
    let flood = "NOOP\r\n".repeat(6_000_000);
    // More than sockets and server hold: the rest cannot be sent before the message has had its turn.
    let sent = tokio::time::timeout(std::time::Duration::from_millis(500), client.try_send(&flood)).await;
    assert!(sent.is_err(), "the server has read it all");
    released.notify_one();
    assert!(client.reply().await.starts_with("250 2.0.0 OK <"));
    drop(client);
    rig.end().await;
}
