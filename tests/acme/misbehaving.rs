//! Authorities and networks that fail, and a server that dies in between: the certificate in use stays, nothing is
//! asked too often, and nothing is lost that an authority gave.

use std::time::Duration;

use franking::model::mail::Timestamp;
use franking::model::transport_security::certificate::Refused;
use franking::server::acme::{Rounded, Urgency};
use franking::world::Clock as _;
use franking::world::acme::Obstacle;

use super::rig::{DAY, Rig, start};
use crate::support::free_port;

const HOST: &str = "mx.contoso.example";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Nothing is asked until the time has come, and then it works.
async fn mended_after(rig: &Rig, least: Duration, most: Duration) {
    let asked = rig.authority.facts().asked.len();
    let due = rig.outlook().next.since(rig.clock.now());
    assert!(due >= least && due <= most, "{due:?}");
    rig.advance(due - Duration::from_secs(1));
    assert!(matches!(rig.round().await, Ok(Rounded::NotDue(_))));
    assert_eq!(rig.authority.facts().asked.len(), asked, "nothing was asked meanwhile");
    rig.advance(Duration::from_secs(1));
    let done = rig.round().await;
    assert!(matches!(done, Ok(Rounded::Renewed(_))), "{done:?}");
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn nonces_that_are_called_bad_are_exchanged() {
    let rig = Rig::new("");
    rig.authority.facts().moods.bad_nonces = 2;
    rig.round().await.unwrap();
    rig.assert_good(&[HOST]);
    // For ever is an error like any other.
    rig.authority.facts().moods.bad_nonces = 100;
    let trouble = rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap_err();
    assert!(trouble.what.contains("badNonce"), "{trouble}");
}

#[tokio::test]
async fn a_limit_of_the_authority_is_waited_for() {
    let rig = Rig::new("");
    rig.authority.facts().moods.rate_limit = Some(2 * 86_400);
    let trouble = rig.round().await.unwrap_err();
    assert!(
        trouble.to_string().contains("too many certificates") && trouble.to_string().contains("staging"),
        "{trouble}"
    );
    assert_eq!(trouble.retry_after, Some(DAY * 2));
    rig.authority.facts().moods.rate_limit = None;
    mended_after(&rig, DAY * 2, DAY * 2 + MINUTE).await;
}

#[tokio::test]
async fn a_limit_without_measure_holds_for_a_week_at_most_also_over_a_restart() {
    let mut rig = Rig::new("");
    rig.authority.facts().moods.rate_limit = Some(u64::MAX);
    rig.round().await.unwrap_err();
    rig.restart();
    rig.authority.facts().moods.rate_limit = None;
    mended_after(&rig, DAY * 6, DAY * 7).await;
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_proof_are_told_in_the_authoritys_words() {
    for kind in ["http-01", "tls-alpn-01"] {
        let rig = Rig::new(&format!("challenge = \"{kind}\""));
        let right = rig.authority.facts().port;
        rig.authority.facts().port = free_port();
        let trouble = rig.round().await.unwrap_err();
        assert!(trouble.to_string().contains("of mx.contoso.example: 127.0.0.1: Fetching"), "{trouble}");
        assert!(trouble.to_string().contains("every firewall"), "{trouble}");
        assert!(rig.files.order().unwrap().is_none(), "such an order is of no use any more");
        rig.authority.facts().port = right;
        mended_after(&rig, MINUTE * 9, MINUTE * 10).await;
        assert_eq!(rig.authority.facts().orders.len(), 2);
    }
}

#[tokio::test]
async fn a_web_server_in_our_place_is_told() {
    let rig = Rig::new("");
    let other = franking::world::network::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    rig.authority.facts().port = other.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = other.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4_096]).await;
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("404 Not Found (unauthorized)") && trouble.contains("another server"), "{trouble}");
}

#[tokio::test]
async fn an_authority_without_our_challenge_is_told() {
    let rig = Rig::new("");
    rig.authority.facts().moods.no_http = true;
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(
        trouble.contains("takes no http-01 for mx.contoso.example") && trouble.contains("`challenge`"),
        "{trouble}"
    );
}

#[tokio::test]
async fn an_authority_that_takes_its_time_is_waited_for() {
    let rig = Rig::new("");
    rig.authority.facts().moods.processing = (4, None);
    rig.round().await.unwrap();
    rig.assert_good(&[HOST]);
    assert!(rig.asked("poll") >= 5);
}

#[tokio::test]
async fn an_authority_that_takes_hours_is_left_alone_and_its_order_goes_on() {
    let mut rig = Rig::new("");
    rig.authority.facts().moods.processing = (1, Some(7_200));
    let trouble = rig.round().await.unwrap_err();
    assert_eq!((trouble.obstacle, trouble.retry_after), (Obstacle::Undecided, Some(HOUR * 2)), "{trouble}");
    rig.restart();
    mended_after(&rig, HOUR * 2, HOUR * 2 + MINUTE).await;
    let facts = rig.authority.facts();
    assert_eq!((facts.orders.len(), facts.given.len()), (1, 1));
}

#[tokio::test]
async fn garbage_is_no_answer_and_the_certificate_in_use_stays() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    let before = rig.shown();
    rig.authority.facts().moods.garbage = 1;
    let trouble = rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap_err();
    assert!(trouble.refused == Refused::Unreachable && trouble.to_string().contains("none of ACME"), "{trouble}");
    assert_eq!(rig.shown(), before);
}

#[tokio::test]
async fn a_slow_authority_is_given_up_after_a_while() {
    let rig = Rig::new("");
    rig.authority.facts().moods.silent_at = Some("order");
    let trouble = rig.round().await.unwrap_err();
    assert!(trouble.refused == Refused::Unreachable && trouble.to_string().contains("no answer in time"), "{trouble}");
    rig.authority.facts().moods.silent_at = None;
    mended_after(&rig, Duration::from_secs(54), MINUTE).await;
}

#[tokio::test]
async fn an_authority_that_hangs_up_costs_a_repetition_of_that_step() {
    for (step, orders, given) in
        [("account", 1, 1), ("order", 2, 1), ("proof", 1, 1), ("finalize", 1, 1), ("certificate", 1, 1)]
    {
        let rig = Rig::new("");
        rig.authority.facts().moods.hangs_up_at = Some(step);
        let trouble = rig.round().await.unwrap_err();
        assert_eq!(trouble.refused, Refused::Unreachable, "{step}: {trouble}");
        rig.authority.facts().moods.hangs_up_at = None;
        mended_after(&rig, Duration::from_secs(54), MINUTE).await;
        let facts = rig.authority.facts();
        assert_eq!((facts.accounts.len(), facts.given.len()), (1, given), "{step}");
        // Where the proof is gone when the authority looks for it, the order has failed.
        assert!(facts.orders.len() == orders || step == "proof" && facts.orders.len() == 2, "{step}");
    }
}

#[tokio::test]
async fn a_server_that_is_killed_between_two_steps_goes_on_where_it_was() {
    for (step, orders) in [("account", 1), ("order", 2), ("proof", 1), ("finalize", 1), ("certificate", 1)] {
        let mut rig = Rig::new("");
        rig.authority.facts().moods.silent_at = Some(step);
        let keeper = std::sync::Arc::clone(&rig.keeper);
        let attempt = tokio::spawn(async move { keeper.round(Urgency::WhenDue, &|_| {}).await });
        rig.authority.reached().await;
        attempt.abort();
        let _ = attempt.await;
        rig.authority.facts().moods.silent_at = None;
        rig.restart();
        mended_after(&rig, Duration::from_secs(54), MINUTE).await;
        let facts = rig.authority.facts();
        assert_eq!((facts.accounts.len(), facts.given.len()), (1, 1), "{step}");
        assert!(facts.orders.len() == orders || step == "proof" && facts.orders.len() == 2, "{step}");
    }
}

#[tokio::test]
async fn a_certificate_that_was_not_ordered_is_not_shown() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    let before = rig.shown();
    rig.authority.facts().moods.wrong_name = Some("mx.fabrikam.example".to_owned());
    let trouble = rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap_err();
    assert!(trouble.to_string().contains("it is not for mx.contoso.example"), "{trouble}");
    assert_eq!(rig.shown(), before);
    assert!(rig.files.order().unwrap().is_none());
    rig.authority.facts().moods.wrong_name = None;
    rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap();
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn a_wrong_clock_keeps_the_order_for_when_it_is_right() {
    let rig = Rig::new("");
    // Somebody set the year wrong; the authority did not.
    rig.clock.set(start().plus(DAY * 365 * 14));
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("here it is 2040") && trouble.contains("set the system clock"), "{trouble}");
    assert!(rig.shown()[0].0.contains(&"localhost".to_owned()));
    rig.clock.set(start());
    // What failed in a future that was none is waited for by nobody.
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
    assert_eq!(rig.authority.facts().given.len(), 1, "what was given is fetched, and not ordered again");
    // Before its first instant nothing is renewed: that is not the certificate's fault.
    rig.clock.set(Timestamp::EPOCH);
    assert!(matches!(rig.round().await, Ok(Rounded::NotDue(_))));
}

#[tokio::test]
async fn failures_are_repeated_ever_later_and_never_in_a_loop() {
    let rig = Rig::new("");
    rig.authority.facts().port = free_port();
    let begin = rig.clock.now();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (waited, done) = rig.until_done(DAY).await;
        assert!(done.is_err());
        waits.push(waited.as_secs() / 60);
    }
    assert_eq!(waits[0], 0);
    // A minute more, since it is looked each minute; up to a tenth less, by chance.
    for (waited, longest) in waits[1..].iter().zip([10, 20, 40, 80, 160, 320, 640, 720]) {
        assert!(*waited <= longest + 1 && waited * 10 >= longest * 9, "{waits:?}");
    }
    // Let's Encrypt bears five failures of a name in an hour, and so many orders in three.
    assert!(rig.clock.now().since(begin) > DAY);
    assert_eq!(rig.outlook().attempts.unwrap().attempts.failures, 9);
}

#[tokio::test]
async fn another_configuration_is_tried_at_once() {
    let mut rig = Rig::new("");
    rig.authority.facts().moods.no_http = true;
    rig.round().await.unwrap_err();
    rig.restart();
    assert!(matches!(rig.round().await, Ok(Rounded::NotDue(_))), "a restart alone changes nothing");
    rig.restart_with("contact = [\"admin@contoso.example\"]");
    rig.authority.facts().moods.no_http = false;
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn an_authority_that_does_not_prove_its_name_is_not_asked() {
    let mut rig = Rig::new("");
    let other = super::authority::Authority::start(start());
    std::fs::write(
        rig.files.certificate_paths().certificate.parent().unwrap().parent().unwrap().join("root.pem"),
        &other.root,
    )
    .unwrap();
    rig.restart();
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("certificate"), "{trouble}");
    let facts = rig.authority.facts();
    assert!(facts.asked.is_empty() && facts.accounts.is_empty());
}
