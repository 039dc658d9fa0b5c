//! A token endpoint that answers what a script says, and a clock that moves when told to.

use std::collections::VecDeque;
use std::path::Path;

use super::*;
use crate::model::mail::Timestamp;
use crate::world::ManualClock;
use crate::world::disk::SimulatedDisk;
use crate::world::https::{FetchError, PostAnswer, Posting};

/// Answers one after the other; the last one stays. Notes what it is asked.
struct Endpoint {
    answers: Mutex<VecDeque<PostAnswer>>,
    asked: Mutex<Vec<String>>,
}

impl Posts for Endpoint {
    fn post<'a>(&'a self, post: &'a Post) -> Posting<'a> {
        Box::pin(async move {
            assert_eq!((post.url.to_string().as_str(), post.content_type), (URL, FORM));
            assert_eq!(post.bearer, None);
            self.asked.lock().unwrap().push(String::from_utf8(post.body.to_vec()).unwrap());
            // Others come meanwhile.
            tokio::task::yield_now().await;
            let mut answers = self.answers.lock().unwrap();
            let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            next.ok_or_else(|| FetchError {
                host: String::new(),
                path: String::new(),
                reason: "no answer in time".to_owned(),
            })
        })
    }
}

impl Endpoint {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

const URL: &str = "https://login.example/tenant/oauth2/v2.0/token";

fn granted(token: &str, seconds: u64) -> PostAnswer {
    let body = format!(r#"{{"token_type":"Bearer","expires_in":{seconds},"access_token":"{token}"}}"#);
    PostAnswer { status: 200, retry_after: None, body: body.into_bytes() }
}

fn exchanged(token: &str, next: &str) -> PostAnswer {
    let body =
        format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}","refresh_token":"{next}"}}"#);
    PostAnswer { status: 200, retry_after: None, body: body.into_bytes() }
}

fn refused(status: u16, retry_after: Option<u64>) -> PostAnswer {
    let body = br#"{"error":"invalid_client","error_description":"AADSTS7000222: hush-hush has expired"}"#.to_vec();
    PostAnswer { status, retry_after: retry_after.map(Duration::from_secs), body }
}

struct Rig {
    endpoint: Arc<Endpoint>,
    clock: Arc<ManualClock>,
    disk: SimulatedDisk,
    place: tempfile::TempDir,
    flow: TokenFlow,
}

impl Rig {
    fn new(answers: impl IntoIterator<Item = PostAnswer>) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("secret"), "hush-hush\n").unwrap();
        let endpoint = Endpoint { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() };
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let (disk, flow) = (SimulatedDisk::new(1), TokenFlow::ClientCredentials);
        Self { endpoint: Arc::new(endpoint), clock, disk, place, flow }
    }

    fn with_refresh_token(mut self, token: &str) -> Self {
        std::fs::write(self.place.path().join("refresh"), token).unwrap();
        self.flow = TokenFlow::RefreshToken(SecretSource::File(self.place.path().join("refresh")));
        self
    }

    fn source(&self) -> Arc<TokenSource> {
        Arc::new(self.source_of("client"))
    }

    fn source_of(&self, client: &str) -> TokenSource {
        let settings = TokenConfig {
            name: "uplink".into(),
            flow: self.flow.clone(),
            url: URL.parse().unwrap(),
            client_id: client.to_owned(),
            scope: Some("mail".to_owned()),
            client_secret: Some(SecretSource::File(self.place.path().join("secret"))),
        };
        let vault = Vault::new(Arc::new(self.disk.clone()), Path::new("/tokens"), "uplink");
        let (posts, clock) = (Arc::<Endpoint>::clone(&self.endpoint), Arc::<ManualClock>::clone(&self.clock));
        TokenSource::new(settings, posts, clock, vault)
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn sixty_four_deliveries_ask_once() {
    let rig = Rig::new([granted("a", 3_600), granted("b", 3_600)]);
    let source = rig.source();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let source = Arc::clone(&source);
        tasks.spawn(async move { source.token().await });
    }
    while let Some(token) = tasks.join_next().await {
        assert_eq!(token.unwrap().unwrap(), "a");
    }
    let asked = rig.endpoint.asked.lock().unwrap().clone();
    assert_eq!(asked, ["grant_type=client_credentials&client_id=client&client_secret=hush-hush&scope=mail"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_serves_meanwhile() {
    let rig = Rig::new([granted("a", 3_600), refused(503, None), granted("b", 60), granted("c", 3_600)]);
    let source = rig.source();
    assert_eq!(source.token().await.unwrap(), "a");
    rig.pass(3_299);
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("a", 1));
    rig.pass(2);
    // The endpoint fails, the token at hand still serves, and the endpoint is left alone.
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("a", 2));
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("a", 2));
    rig.pass(20);
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("b", 3));
    // A short one is renewed at half its life.
    rig.pass(29);
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("b", 3));
    rig.pass(2);
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("c", 4));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_as_long_as_it_wishes() {
    let rig = Rig::new([refused(401, None), refused(401, None), refused(429, Some(100)), granted("a", 3_600)]);
    let source = rig.source();
    let trouble = source.token().await.unwrap_err();
    assert_eq!(
        trouble.to_string(),
        "no access token \"uplink\": https://login.example/tenant/oauth2/v2.0/token: it answered 401, invalid_client: \
         AADSTS7000222: ... has expired"
    );
    for (seconds, asked) in [(0, 1), (14, 1), (2, 2), (29, 2), (2, 3), (98, 3)] {
        rig.pass(seconds);
        assert!(source.token().await.is_err());
        assert_eq!(rig.endpoint.asked(), asked, "after {seconds} seconds");
    }
    rig.pass(3);
    assert_eq!(source.token().await.unwrap(), "a");
    assert!(!format!("{source:?}").contains("hush"));
}

#[tokio::test]
async fn silence_and_a_missing_secret_are_told() {
    let rig = Rig::new([]);
    assert!(rig.source().token().await.unwrap_err().to_string().ends_with("token: no answer in time"));
    std::fs::remove_file(rig.place.path().join("secret")).unwrap();
    let trouble = rig.source().token().await.unwrap_err().to_string();
    assert!(trouble.contains("/secret: "), "{trouble}");
    assert_eq!(rig.endpoint.asked(), 1, "nothing is asked without the secret");
}

#[tokio::test]
async fn a_refused_token_is_exchanged_once_for_all() {
    let rig = Rig::new([granted("a", 3_600), granted("b", 3_600), granted("c", 3_600)]);
    let source = rig.source();
    assert_eq!(source.token().await.unwrap(), "a");
    let (first, second) = tokio::join!(source.renew("a"), source.renew("a"));
    assert_eq!((first.unwrap(), second.unwrap()), (Some("b".to_owned()), Some("b".to_owned())));
    assert_eq!(rig.endpoint.asked(), 2);
    // The new one is refused, too: the endpoint is not at fault.
    assert_eq!(source.renew("b").await.unwrap(), None);
    assert_eq!((source.token().await.unwrap().as_str(), rig.endpoint.asked()), ("b", 2));
    rig.pass(61);
    assert_eq!(source.renew("b").await.unwrap().as_deref(), Some("c"));
}

#[tokio::test]
async fn an_exchanged_refresh_token_survives_a_power_cut() {
    let rig = Rig::new([exchanged("a", "second"), exchanged("b", "third"), granted("c", 3_600)]);
    let rig = rig.with_refresh_token("first");
    assert_eq!(rig.source().token().await.unwrap(), "a");
    rig.disk.crash();
    assert_eq!(rig.source().token().await.unwrap(), "b");
    rig.disk.crash();
    // Nothing new was given: the last one stays.
    assert_eq!(rig.source().token().await.unwrap(), "c");
    assert_eq!(rig.source().token().await.unwrap(), "c");
    let asked = rig.endpoint.asked.lock().unwrap().clone();
    let used: Vec<_> = asked.iter().map(|body| body.split('&').nth(1).unwrap()).collect();
    assert_eq!(used, ["refresh_token=first", "refresh_token=second", "refresh_token=third", "refresh_token=third"]);
}

#[tokio::test]
async fn a_disk_that_fails_costs_no_mail() {
    let rig = Rig::new([exchanged("a", "second"), granted("b", 3_600)]).with_refresh_token("first");
    rig.disk.set_read_only(true);
    assert_eq!(rig.source().token().await.unwrap(), "a");
    assert_eq!(rig.source().token().await.unwrap(), "b");
    assert!(rig.endpoint.asked.lock().unwrap()[1].contains("refresh_token=first"));
}

#[tokio::test]
async fn a_source_in_the_place_of_another_has_its_token_where_no_setting_changed() {
    let rig = Rig::new([granted("a", 3_600), granted("b", 3_600)]);
    let former = rig.source();
    assert_eq!(former.token().await.unwrap(), "a");
    let same = rig.source_of("client").in_place_of(&former);
    assert_eq!(same.token().await.unwrap(), "a");
    let altered = rig.source_of("another").in_place_of(&same);
    assert_eq!(altered.token().await.unwrap(), "b");
    assert_eq!(rig.endpoint.asked(), 2);
    assert_eq!(former.token().await.unwrap(), "a", "what set out with it goes on with it");
}

#[tokio::test]
async fn a_source_in_the_place_of_another_spends_no_refresh_token_that_is_being_exchanged() {
    let rig = Rig::new([exchanged("a", "second"), exchanged("b", "third")]).with_refresh_token("first");
    let former = rig.source();
    let altered = rig.source_of("another").in_place_of(&former);
    // Both want one at once.
    let (one, other) = tokio::join!(former.token(), altered.token());
    assert_eq!((one.unwrap(), other.unwrap()), ("a".to_owned(), "b".to_owned()));
    let asked = rig.endpoint.asked.lock().unwrap().clone();
    assert!(asked[0].contains("refresh_token=first") && asked[1].contains("refresh_token=second"), "{asked:?}");
}
