//! Answers that are held back: they come late, they hold up nobody else, and who leaves is not waited for.
//!
//! The clock of the runtime stands, and is moved by hand; a task that blocks keeps it from moving by itself.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::client::{Client, PATIENCE, encoded};
use super::rig::{Rig, SECRET};

const ALICE: &str = "alice@contoso.example";
/// Nobody's secret, in the form of a device's: nothing else is looked at without TLS.
const GUESS: &str = "k7mq-aaaa-bbbb-cccc-dddd-eeee";

/// Keeps the paused clock where it is as long as it lives; but no longer than a test may take, so that one that fails
/// ends.
struct Still(Sender<()>);

impl Still {
    fn stand() -> Self {
        let (sender, receiver) = channel();
        tokio::task::spawn_blocking(move || receiver.recv_timeout(PATIENCE));
        Self(sender)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Looks again and again, in real time, until it is so.
#[expect(clippy::disallowed_methods, reason = "the runtime's own clock stands")]
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        yield_now().await;
    }
}

/// A session that has guessed wrongly, and whose answer is held back.
async fn guesser(rig: &Rig) -> Client<TcpStream> {
    let mut client = Client::greeted(rig.clear_text).await;
    client.expect(&[("EHLO a.example", "250")]).await;
    let before = rig.services.authenticator.verifications();
    client.send(format!("AUTH PLAIN {}\r\n", encoded(&format!("\0{ALICE}\0{GUESS}")))).await;
    until("the check", || rig.services.authenticator.verifications() > before).await;
    client
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_wrong_password_comes_late_and_holds_up_nobody_else() {
    let (rig, still) = (Rig::start().await, Still::stand());
    let mut guesser = guesser(&rig).await;
    // Others are greeted, sign in with the very same account, and submit, all at the same moment.
    let began = tokio::time::Instant::now();
    let mut alice = Client::greeted(rig.clear_text).await;
    assert!(alice.sign_in(ALICE, SECRET).await.starts_with("235 "));
    let message = format!("From: {ALICE}\r\n\r\nHello\r\n.\r\n");
    assert!(alice.submit(ALICE, "bob@contoso.example", &message).await.starts_with("250 2.0.0 "));
    assert_eq!(began.elapsed(), Duration::ZERO, "no time has passed");
    // What the guesser sends ahead is read after its answer, and not before.
    guesser.send("NOOP\r\n").await;
    assert_eq!(guesser.heard_by_now().await, "");
    tokio::time::advance(Duration::from_millis(900)).await;
    assert_eq!(guesser.heard_by_now().await, "");
    tokio::time::advance(Duration::from_millis(200)).await;
    assert!(guesser.reply().await.starts_with("535 5.7.3 "));
    assert!(guesser.reply().await.starts_with("250 2.0.0 "));
    drop(still);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_its_answer_is_held_back_is_gone_at_once() {
    let (rig, still) = (Rig::start().await, Still::stand());
    let guesser = guesser(&rig).await;
    assert_eq!(rig.services.admission.open_sessions(), 1);
    drop(guesser);
    // Without any time passing.
    until("its place", || rig.services.admission.open_sessions() == 0).await;
    drop(still);
    rig.end().await;
}

/// A stranger's refused recipient is answered late as well, in clear text: what it sends in the meantime is not taken
/// for something said under TLS.
#[tokio::test(start_paused = true)]
async fn what_comes_while_an_answer_is_held_back_is_void_after_starttls() {
    let (rig, still) = (Rig::start().await, Still::stand());
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<eve@fabrikam.example>", "250 ")]).await;
    client.send("RCPT TO:<nobody@contoso.example>\r\nSTARTTLS\r\n").await;
    assert_eq!(client.heard_by_now().await, "");
    client.send("MAIL FROM:<injected@fabrikam.example>\r\n").await;
    assert_eq!(client.heard_by_now().await, "");
    drop(still);
    assert!(client.reply().await.starts_with("550 5.4.1 "));
    assert!(client.reply().await.starts_with("220 "));
    let mut client = client.shake(rig.directory.path()).await;
    // Had it counted, there would be a sender already, or a greeting asked for.
    client.expect(&[("EHLO a.example", "250"), ("RCPT TO:<alice@contoso.example>", "503 5.5.2 Need mail")]).await;
    rig.end().await;
}

/// However many guess at once: passwords are verified by as many at a time as there are processors, on threads of their
/// own, and every other session goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_guesses_keeps_no_other_session_waiting() {
    const GUESSES: u64 = 90;
    let rig = Rig::start_with(|settings| settings.sessions_per_address_max = 500, Duration::from_secs(5)).await;
    let mut alice = Client::greeted(rig.clear_text).await;
    assert!(alice.sign_in(ALICE, SECRET).await.starts_with("235 "));
    let (address, before) = (rig.clear_text, rig.services.authenticator.verifications());
    let guess = |number: u64| async move {
        let mut client = Client::greeted(address).await;
        client.expect(&[("EHLO a.example", "250")]).await;
        let login = format!("\0user{number}@contoso.example\0{GUESS}");
        client.send(format!("AUTH PLAIN {}\r\n", encoded(&login))).await;
        client
    };
    let flood: Vec<_> = (0..GUESSES).map(|number| tokio::spawn(guess(number))).collect();
    let verified = || rig.services.authenticator.verifications() - before;
    until("the first of the guesses", || verified() > 0).await;
    let (mut served, message) = (0, format!("From: {ALICE}\r\n\r\nHello\r\n.\r\n"));
    while verified() < GUESSES {
        assert!(alice.submit(ALICE, "bob@contoso.example", &message).await.starts_with("250 2.0.0 "));
        served += u32::from(verified() < GUESSES);
    }
    assert!(served > 0, "nothing was accepted while passwords were verified");
    for client in flood {
        drop(client.await.unwrap());
    }
    rig.end().await;
}
