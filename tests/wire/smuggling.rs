//! A second message in the text of the first, behind everything that some server takes for the end of a message.

use std::time::Duration;

use tokio::time::sleep;

use super::client::Client;
use super::rig::Rig;

/// None of them ends a message here; with each some server has ended one.
const FALSE_ENDS: [&str; 20] = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\r.\n",
    "\n.\r",
    "\n\n.\n\n",
    "\r\r\n.\r\r\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\n.\r\0\n",
    "\0\r\n.\n",
    "\r\n. \r\n",
    "\r\n.\t\r\n",
    "\r\n \r\n.x\r\n",
    "\u{85}.\u{85}",
    "\u{2028}.\u{2028}",
    "\r\n.\u{c}\r\n",
];

const HIDDEN: &str = "MAIL FROM:<admin@contoso.example>\r\nRCPT TO:<bob@contoso.example>\r\nDATA\r\n\
                      From: admin@contoso.example\r\nSubject: smuggled\r\n\r\nForged\r\n.\r\n";

/// A message with a false end, and a probe behind it; the replies to both.
async fn handed_in(client: &mut Client<tokio::net::TcpStream>, pieces: [&[u8]; 2]) -> [String; 2] {
    client
        .expect(&[
            ("MAIL FROM:<eve@fabrikam.example>", "250 "),
            ("RCPT TO:<alice@contoso.example>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    client.send(pieces[0]).await;
    // Long enough for the server to read it by itself, where the system lets it.
    sleep(Duration::from_millis(2)).await;
    client.send(pieces[1]).await;
    let outcome = client.reply().await;
    [outcome, client.say("VRFY probe").await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_behind_a_false_end_is_never_one_of_its_own_however_it_is_cut() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250-")]).await;
    for end in FALSE_ENDS {
        let start = "From: eve@fabrikam.example\r\nSubject: outer\r\n\r\nHello";
        let text = format!("{start}{end}{HIDDEN}");
        for cut in start.len()..=start.len() + end.len() {
            let before = rig.accepted().len();
            let (first, second) = text.as_bytes().split_at(cut);
            let [outcome, probe] = handed_in(&mut client, [first, second]).await;
            // The reply to the probe shows that nothing else was answered.
            assert!(probe.starts_with("252 "), "{end:?}: {outcome} {probe}");
            let accepted = rig.accepted();
            let refused = outcome.starts_with("550 5.6.11 ");
            // Bare line ends and NULs are refused with their message; the others are a part of it.
            let is_plain = !end.replace("\r\n", "").contains(['\r', '\n', '\0']);
            assert_eq!((refused, accepted.len() - before), (!is_plain, usize::from(is_plain)), "{end:?}: {outcome}");
            if let Some(whole) = accepted.last().filter(|_| is_plain) {
                assert!(whole.head.contains("Subject: outer"), "{end:?}");
                assert!(String::from_utf8_lossy(&whole.body).contains("Subject: smuggled"), "{end:?}");
            }
        }
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_true_end_is_found_however_it_is_cut() {
    let rig = Rig::start().await;
    let mut client = Client::greeted(rig.inbound).await;
    client.expect(&[("EHLO mail.fabrikam.example", "250-")]).await;
    for (text, body) in [
        ("From: eve@fabrikam.example\r\n\r\n..\r\n.\r\n", ".\r\n"),
        ("From: eve@fabrikam.example\r\n\r\n.x\r\n...\r\n.\r\n", "x\r\n..\r\n"),
        ("From: eve@fabrikam.example\r\n\r\n.\r\n", ""),
    ] {
        for cut in 1..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let [outcome, probe] = handed_in(&mut client, [first, second]).await;
            assert!(
                outcome.starts_with("250 2.6.0 ") && probe.starts_with("252 "),
                "{text:?} {cut}: {outcome} {probe}"
            );
            assert_eq!(rig.accepted().pop().unwrap().body, body.as_bytes(), "{text:?} {cut}");
        }
    }
    rig.end().await;
}
