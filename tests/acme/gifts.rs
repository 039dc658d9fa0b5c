//! What an authority gives when all goes well: the first certificate, renewals in time, names, accounts.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use franking::model::transport_security::certificate::Window;
use franking::server::acme::{Rounded, Urgency};
use franking::world::Clock as _;

use super::rig::{DAY, Rig, start};

const HOST: &str = "mx.contoso.example";

#[tokio::test]
async fn the_first_certificate_takes_the_place_of_the_development_one() {
    for more in ["", "challenge = \"tls-alpn-01\""] {
        let rig = Rig::new(more);
        assert!(rig.shown()[0].0.contains(&"localhost".to_owned()), "a development certificate stands in");
        assert_eq!(rig.outlook().lacking, "there is none");
        let Ok(Rounded::Renewed(until)) = rig.round().await else { panic!("{:?}", rig.outlook()) };
        rig.assert_good(&[HOST]);
        assert_eq!(until.since(start()).as_secs(), 90 * 86_400 - 3_600);
        let mode = std::fs::metadata(rig.files.certificate_paths().key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let Ok(Rounded::NotDue(next)) = rig.round().await else { panic!("once more") };
        let days = next.since(start()).as_secs_f64() / 86_400.0;
        assert!((56.9..60.0).contains(&days), "{days}");
        assert_eq!((rig.asked("order"), rig.asked("account"), rig.asked("certificate")), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_over_and_over_by_the_same_account() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    for renewal in 2..6 {
        let (waited, done) = rig.until_done(DAY * 61).await;
        assert!(matches!(done, Ok(Rounded::Renewed(_))), "{done:?}");
        assert!(waited >= DAY * 56, "{waited:?}");
        rig.assert_good(&[HOST]);
        assert_eq!(rig.authority.facts().given.len(), renewal);
    }
    assert_eq!(rig.authority.facts().accounts.len(), 1);
    assert!(rig.authority.facts().orders.iter().all(|order| order.replaces.is_none()));
}

#[tokio::test]
async fn the_authority_says_when_and_is_told_what_is_replaced() {
    let rig = Rig::new("");
    let window = Window { start: start().plus(DAY * 10), end: start().plus(DAY * 12) };
    rig.authority.facts().moods.window = Some(window);
    rig.round().await.unwrap();
    let (waited, done) = rig.until_done(DAY * 13).await;
    assert!(matches!(done, Ok(Rounded::Renewed(_))), "{done:?}");
    assert!(waited >= DAY * 10 && waited <= DAY * 12, "{waited:?}");
    rig.assert_good(&[HOST]);
    let facts = rig.authority.facts();
    assert!(facts.orders[0].replaces.is_none() && facts.orders[1].replaces.is_some());
    // Asked now and then, not each minute.
    let asked = facts.asked.iter().filter(|asked| **asked == "renewal").count();
    assert!((1..60).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_mass_revocation_is_heard_of_within_a_day() {
    let rig = Rig::new("");
    rig.authority.facts().moods.window = Some(Window { start: start().plus(DAY * 60), end: start().plus(DAY * 61) });
    rig.round().await.unwrap();
    rig.advance(DAY);
    rig.round().await.unwrap();
    rig.authority.facts().moods.window = Some(Window { start: start(), end: start().plus(DAY) });
    rig.advance(DAY);
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn two_names_are_proved_and_a_third_one_is_fetched_at_once() {
    let two = "names = [\"mx.contoso.example\", \"smtp.contoso.example\"]";
    for kind in ["http-01", "tls-alpn-01"] {
        let mut rig = Rig::new(&format!("{two}\nchallenge = \"{kind}\""));
        rig.round().await.unwrap();
        rig.assert_good(&[HOST, "smtp.contoso.example"]);
        assert_eq!(rig.asked("proof"), 2);
        let three = two.replace(']', ", \"autodiscover.contoso.example\"]");
        rig.restart_with(&format!("{three}\nchallenge = \"{kind}\""));
        assert_eq!(rig.outlook().lacking, "it is not for autodiscover.contoso.example");
        assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
        rig.assert_good(&[HOST, "smtp.contoso.example", "autodiscover.contoso.example"]);
        // Fewer names need no new certificate.
        rig.restart_with(&format!("challenge = \"{kind}\""));
        assert!(matches!(rig.round().await, Ok(Rounded::NotDue(_))));
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_replaced_at_once() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    let path = rig.files.certificate_paths().certificate;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("Given by https://", "Given by https://staging.", 1)).unwrap();
    assert_eq!(rig.outlook().lacking, "it comes from another authority");
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn whoever_asks_for_it_gets_a_certificate_now_and_hears_of_each_step() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    let steps = std::sync::Mutex::new(Vec::new());
    let said = |step| steps.lock().unwrap().push(step);
    assert!(matches!(rig.keeper.round(Urgency::Now, &said).await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
    assert_eq!(rig.authority.facts().given.len(), 2);
    let steps = steps.into_inner().unwrap();
    assert!(steps.len() >= 5 && steps.contains(&"showing the proofs of the names"), "{steps:?}");
}

#[tokio::test]
async fn an_account_is_bound_where_the_authority_demands_it() {
    let secret = rand_key();
    let text = base64(&secret);
    let mut rig = Rig::new("");
    rig.authority.facts().moods.bound_to = Some(("kid-1".to_owned(), secret));
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("externalAccountRequired") && trouble.contains("external_account_id"), "{trouble}");
    // The variable of the tests' own environment that every one has is no key of theirs.
    rig.restart_with("external_account_id = \"kid-1\"\nexternal_account_key_file = \"eab\"");
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("eab") && trouble.contains("HMAC key"), "{trouble}");
    let place = rig.files.certificate_paths().certificate.parent().unwrap().parent().unwrap().join("eab");
    std::fs::write(&place, base64(b"another key of theirs")).unwrap();
    rig.advance(DAY);
    let trouble = rig.round().await.unwrap_err().to_string();
    assert!(trouble.contains("the binding's signature"), "{trouble}");
    std::fs::write(&place, format!("{text}\n")).unwrap();
    rig.advance(DAY);
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
    let facts = rig.authority.facts();
    assert_eq!(facts.accounts.last().unwrap().bound.as_deref(), Some("kid-1"));
    assert_eq!(facts.accounts.len(), 1);
}

fn rand_key() -> Vec<u8> {
    (0..32).map(|octet| octet * 7 + 1).collect()
}

fn base64(octets: &[u8]) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

#[tokio::test]
async fn the_authority_knows_whom_to_write_to() {
    let mut rig = Rig::new("contact = [\"admin@contoso.example\"]");
    rig.round().await.unwrap();
    assert_eq!(rig.authority.facts().accounts[0].contact, ["mailto:admin@contoso.example"]);
    rig.restart_with("contact = [\"security@contoso.example\"]");
    rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap();
    assert_eq!(rig.authority.facts().accounts[0].contact, ["mailto:security@contoso.example"]);
    assert_eq!(rig.authority.facts().accounts.len(), 1);
    rig.assert_good(&[HOST]);
}

#[tokio::test]
async fn an_account_that_the_authority_forgot_is_made_again() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    rig.authority.facts().accounts[0].gone = true;
    let trouble = rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap_err();
    assert!(trouble.what.contains("accountDoesNotExist"), "{trouble}");
    rig.advance(Duration::from_secs(3_600));
    rig.keeper.round(Urgency::Now, &|_| {}).await.unwrap();
    rig.assert_good(&[HOST]);
    assert_eq!(rig.authority.facts().accounts.len(), 2);
}

#[tokio::test]
async fn a_file_that_somebody_moved_away_is_missed_within_a_minute() {
    let rig = Rig::new("");
    rig.round().await.unwrap();
    std::fs::remove_file(rig.files.certificate_paths().certificate).unwrap();
    assert!(matches!(rig.round().await, Ok(Rounded::Renewed(_))));
    rig.assert_good(&[HOST]);
    assert_eq!(rig.clock.now(), start());
}
