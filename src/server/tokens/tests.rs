//! Keys that alter, that cannot be had, and that nobody can make this server ask for too often.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config::Config;
use crate::model::mail::Timestamp;
use crate::world::ManualClock;
use crate::world::https::{Fetch, FetchError, HttpsUrl};
use crate::world::jws::tests::Signer;

/// The issuer's web server; `None` while it is down.
struct Web {
    set: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl Documents for Web {
    fn get<'a>(&'a self, url: &'a HttpsUrl) -> Fetch<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let set = self.set.lock().unwrap().clone();
        let down = FetchError { host: url.authority(), path: url.path().to_owned(), reason: "it is down".to_owned() };
        Box::pin(async move {
            tokio::task::yield_now().await;
            set.map(String::into_bytes).ok_or(down)
        })
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    web: Arc<Web>,
    verifier: TokenVerifier,
}

const NOW: u64 = 1_500;

fn config(keys: &str) -> Vec<IssuerConfig> {
    let text = format!(
        "[[issuer]]\nname = \"entra\"\nissuer = \"https://login.example\"\naudience = [\"franking\"]\n{keys}\n"
    );
    Config::parse(&text, std::path::Path::new("/nowhere/franking.toml")).unwrap().issuers
}

impl Scene {
    fn new(set: Option<String>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_milliseconds(NOW * 1_000)));
        let web = Arc::new(Web { set: Mutex::new(set), asked: AtomicUsize::new(0) });
        let documents: Arc<dyn Documents> = Arc::<Web>::clone(&web);
        let issuers = config("jwks_url = \"https://login.example/keys\"");
        let verifier = TokenVerifier::new(Arc::<ManualClock>::clone(&clock), &issuers, Some(&documents));
        Self { clock, web, verifier }
    }

    async fn check(&self, token: &str) -> Result<String, TokenRefused> {
        let checked = self.verifier.check(token).await.map(|login| login.to_string());
        // What goes on behind it comes to its end.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        checked
    }

    fn asked(&self) -> usize {
        self.web.asked.load(Ordering::SeqCst)
    }
}

fn token(signer: &Signer, end: u64) -> String {
    let claims = r#"{"iss":"https://login.example","aud":"franking","upn":"alice@contoso.example","exp":"#;
    signer.token(&format!("{claims}{end}}}"))
}

#[tokio::test]
async fn a_token_is_verified_with_keys_that_are_fetched_once() {
    let signer = Signer::new("one");
    let scene = Scene::new(Some(signer.set()));
    for _ in 0..3 {
        assert_eq!(scene.check(&token(&signer, 2_000)).await.unwrap(), "alice@contoso.example");
    }
    assert_eq!(scene.asked(), 1);
    let stranger = signer.token(r#"{"iss":"https://other.example"}"#);
    let unknown = Fault::UnknownIssuer("https://other.example".to_owned());
    assert_eq!(scene.check(&stranger).await, Err(TokenRefused::Wrong(unknown)));
}

#[tokio::test]
async fn the_clock_ends_a_token_a_minute_late_and_no_later() {
    let signer = Signer::new("one");
    let scene = Scene::new(Some(signer.set()));
    scene.clock.advance(Duration::from_secs(559));
    assert!(scene.check(&token(&signer, 2_000)).await.is_ok());
    scene.clock.advance(Duration::from_secs(1));
    assert!(matches!(scene.check(&token(&signer, 2_000)).await, Err(TokenRefused::Wrong(Fault::Expired(_)))));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_strangers_cannot_have_more_fetched() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let scene = Scene::new(Some(one.set()));
    assert!(scene.check(&token(&one, 2_000)).await.is_ok());
    *scene.web.set.lock().unwrap() = Some(two.set());
    // Too soon after the first fetch.
    for _ in 0..20 {
        assert!(matches!(scene.check(&token(&two, 2_000)).await, Err(TokenRefused::Wrong(Fault::NoKey(_)))));
    }
    assert_eq!(scene.asked(), 1);
    scene.clock.advance(PAUSE);
    assert!(scene.check(&token(&two, 2_000)).await.is_ok());
    assert_eq!(scene.asked(), 2);
    // The issuer has taken the old one back.
    assert!(matches!(scene.check(&token(&one, 2_000)).await, Err(TokenRefused::Wrong(Fault::NoKey(_)))));
    for number in 0..100 {
        scene.clock.advance(Duration::from_secs(1));
        let _ = scene.check(&token(&Signer::new(&format!("garbage-{number}")), 2_000)).await;
    }
    assert!(scene.asked() <= 2 + 10, "{}", scene.asked());
}

#[tokio::test]
async fn who_comes_while_the_issuer_is_asked_waits_for_the_one_answer() {
    let signer = Signer::new("one");
    let scene = Scene::new(Some(signer.set()));
    let shown = token(&signer, 2_000);
    let (a, b, c) = tokio::join!(scene.check(&shown), scene.check(&shown), scene.check(&shown));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_its_last_keys_serve_and_it_is_asked_ever_more_rarely() {
    let signer = Signer::new("one");
    let scene = Scene::new(None);
    let shown = token(&signer, 1_000_000);
    assert_eq!(scene.check(&shown).await, Err(TokenRefused::Unverifiable("entra".into())));
    assert_eq!(scene.check(&shown).await, Err(TokenRefused::Unverifiable("entra".into())));
    assert_eq!(scene.asked(), 1);
    *scene.web.set.lock().unwrap() = Some(signer.set());
    scene.clock.advance(PAUSE);
    assert!(scene.check(&shown).await.is_ok());
    *scene.web.set.lock().unwrap() = None;
    for _ in 0..24 {
        scene.clock.advance(Duration::from_secs(3_600));
        assert!(scene.check(&shown).await.is_ok());
    }
    assert_eq!(scene.asked(), 2 + 24);
    for _ in 0..600 {
        scene.clock.advance(Duration::from_secs(1));
        assert!(scene.check(&shown).await.is_ok());
    }
    assert!(scene.asked() <= 2 + 24 + 2, "{}", scene.asked());
    // What cannot be read counts as down.
    *scene.web.set.lock().unwrap() = Some("<html>".to_owned());
    scene.verifier.refresh().await;
    assert!(scene.check(&shown).await.is_ok());
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_a_minute_later_and_when_a_token_names_another() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("keys.json");
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let scene = Scene::new(None);
    let issuers = config(&format!("jwks_file = {:?}", path.to_str().unwrap()));
    scene.verifier.reconfigure(&issuers, None);
    assert!(matches!(scene.check(&token(&one, 9_000)).await, Err(TokenRefused::Unverifiable(_))));
    std::fs::write(&path, one.set()).unwrap();
    scene.verifier.refresh().await;
    assert!(scene.check(&token(&one, 9_000)).await.is_ok());
    std::fs::write(&path, two.set()).unwrap();
    scene.clock.advance(PAUSE);
    assert!(scene.check(&token(&two, 9_000)).await.is_ok());
    // Taken out of the file, it is out of use.
    std::fs::write(&path, one.set()).unwrap();
    scene.clock.advance(FILE_AGE_MAX);
    let _ = scene.check(&token(&two, 9_000)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(matches!(scene.check(&token(&two, 9_000)).await, Err(TokenRefused::Wrong(Fault::NoKey(_)))));
    // An issuer that stays keeps its keys over a change of the configuration; one that goes is believed no more.
    scene.verifier.reconfigure(&issuers, None);
    assert!(scene.check(&token(&one, 9_000)).await.is_ok());
    scene.verifier.reconfigure(&[], None);
    assert!(matches!(scene.check(&token(&one, 9_000)).await, Err(TokenRefused::Wrong(Fault::UnknownIssuer(_)))));
}
