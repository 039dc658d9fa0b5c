//! What the log says, and what it never says.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use super::client::{Client, encoded};
use super::rig::{PASSWORD, Rig, SECRET};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps everything that is logged by any test of this program.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new("franking=trace");
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Writer);
        // Another subject of this program may have begun a log of its own; then there is nothing to look at here.
        let _ = log.try_init();
    });
}

pub(super) fn logged() -> String {
    String::from_utf8(LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_a_line_for_connection_sign_in_refusal_and_message_but_no_secret() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.starttls).await.start_tls(rig.directory.path()).await;
    client.expect(&[("EHLO a.example", "250")]).await;
    let guess = "guess-never-to-be-logged";
    let blob = encoded(&format!("\0alice@contoso.example\0{guess}"));
    let refusal = client.say(&format!("AUTH PLAIN {blob}")).await;
    assert!(refusal.starts_with("535 "), "{refusal}");
    assert!(client.sign_in("alice@contoso.example", PASSWORD).await.starts_with("235 "));
    let message = "From: alice@contoso.example\r\nMessage-ID: <logged-1@contoso.example>\r\n\r\nsecret body\r\n.\r\n";
    assert!(client.submit("alice@contoso.example", "bob@contoso.example", message).await.starts_with("250 "));
    client.expect(&[("QUIT", "221 ")]).await;
    client.rest().await;
    // Not the client's port, which another test's client may have had before.
    let session = refusal.trim_end().trim_end_matches(']').rsplit(' ').next().unwrap().to_owned();
    assert_eq!(session.len(), 16, "{refusal}");
    rig.wait_until(|_| logged().lines().any(|line| line.contains(&session) && line.contains("connection closed")))
        .await;
    let log = logged();
    let own = |words: &str| log.lines().filter(|line| line.contains(&session) && line.contains(words)).count();
    assert_eq!((own("credentials checked"), own("refused"), own("message accepted")), (2, 1, 1), "{log}");
    assert!(own("logged-1@contoso.example") == 1 && own("recipients=1") == 1, "{log}");
    let own_blob = encoded(&format!("\0alice@contoso.example\0{PASSWORD}"));
    for secret in [guess, &blob, PASSWORD, &own_blob, "secret body"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_writes_lines_of_its_own_into_the_log() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.clear_text).await;
    client.expect(&[("EHLO a.example", "250")]).await;
    for login in ["evil\u{202e}forged", "evil\u{1b}[2Jforged", "evil\r\n2026-01-01 INFO forged", "evil\u{9b}2Jforged"] {
        let reply = client.say(&format!("AUTH PLAIN {}", encoded(&format!("\0{login}\0{SECRET}")))).await;
        assert!(!reply.is_empty() && !reply.starts_with("235"), "{reply}");
        if !reply.starts_with('5') || reply.starts_with("535") {
            client = Client::greeted(rig.clear_text).await;
            client.expect(&[("EHLO a.example", "250")]).await;
        }
    }
    client.send("evil\u{1b}]0;forged\u{7}\u{202e}\r\n").await;
    client.reply().await;
    drop(client);
    rig.end().await;
    let log = logged();
    assert!(log.contains("evil\\u{202e}forged"), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']), "raw controls in the log");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "a forged line");
}
