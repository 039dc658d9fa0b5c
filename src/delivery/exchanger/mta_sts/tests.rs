//! A domain that announces, changes, hides and loses its policy.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::mail::Timestamp;
use crate::world::disk::SimulatedDisk;
use crate::world::https::{Fetch, FetchError};
use crate::world::{FixedResolver, ManualClock};

const DOMAIN: &str = "fabrikam.example";

/// A web server that has this text, or none.
#[derive(Default)]
struct Web {
    text: Mutex<Option<String>>,
    asked: AtomicUsize,
    /// How often a fetch lets others go first.
    slowness: usize,
}

impl Texts for Web {
    fn fetch<'a>(&'a self, host: &'a str, path: &'a str) -> Fetch<'a> {
        assert_eq!((host, path), ("mta-sts.fabrikam.example", "/.well-known/mta-sts.txt"));
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..self.slowness {
                tokio::task::yield_now().await;
            }
            let text = lock(&self.text).clone().map(String::into_bytes);
            text.ok_or_else(|| FetchError { host: host.to_owned(), path: path.to_owned(), reason: "down".to_owned() })
        })
    }
}

struct Rig {
    web: Arc<Web>,
    clock: Arc<ManualClock>,
    disk: SimulatedDisk,
    sts: MtaSts,
}

fn rig_with(web: Web) -> Rig {
    let (web, disk) = (Arc::new(web), SimulatedDisk::new(1));
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_milliseconds(1_767_600_000_000)));
    let sts = started(&web, &clock, &disk);
    Rig { web, clock, disk, sts }
}

fn rig() -> Rig {
    rig_with(Web::default())
}

fn started(web: &Arc<Web>, clock: &Arc<ManualClock>, disk: &SimulatedDisk) -> MtaSts {
    let cache = PolicyCache::open(Arc::new(disk.clone()), Path::new("/data/mta-sts"), clock.now());
    let texts: Arc<dyn Texts> = Arc::clone(web) as _;
    MtaSts::new(texts, cache, Arc::clone(clock) as _)
}

fn announcing(id: &str) -> FixedResolver {
    FixedResolver::new().with_text("_mta-sts.fabrikam.example", &format!("v=STSv1; id={id}"))
}

fn failing() -> FixedResolver {
    FixedResolver::new().with_failure("_mta-sts.fabrikam.example", "timed out")
}

impl Rig {
    fn publish(&self, mode: &str, max_age: u64) {
        let text = format!("version: STSv1\nmode: {mode}\nmx: *.fabrikam.example\nmax_age: {max_age}\n");
        *lock(&self.web.text) = Some(text);
    }

    fn take_down(&self) {
        *lock(&self.web.text) = None;
    }

    async fn mode(&self, resolver: &FixedResolver) -> Option<Mode> {
        self.sts.policy(DOMAIN, resolver).await.map(|policy| policy.mode())
    }

    fn asked(&self) -> usize {
        self.web.asked.load(Ordering::SeqCst)
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_domain_that_announces_nothing_is_not_asked() {
    let rig = rig();
    rig.publish("enforce", 1_000);
    for resolver in
        [FixedResolver::new(), failing(), announcing("a").with_text("_mta-sts.fabrikam.example", "v=STSv1;id=b")]
    {
        assert_eq!(rig.mode(&resolver).await, None);
    }
    assert_eq!(rig.asked(), 0);
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_anew_when_its_id_changes() {
    let rig = rig();
    rig.publish("testing", 1_000);
    for _ in 0..3 {
        assert_eq!(rig.mode(&announcing("a")).await, Some(Mode::Testing));
    }
    assert_eq!(rig.asked(), 1);
    rig.publish("enforce", 1_000);
    assert_eq!(rig.mode(&announcing("b")).await, Some(Mode::Enforce));
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn a_known_policy_outlasts_what_dns_and_web_server_say() {
    let rig = rig();
    rig.publish("enforce", 1_000);
    assert_eq!(rig.mode(&announcing("a")).await, Some(Mode::Enforce));
    rig.take_down();
    rig.pass(400);
    for resolver in [FixedResolver::new(), failing(), announcing("b"), announcing("a")] {
        assert_eq!(rig.mode(&resolver).await, Some(Mode::Enforce));
    }
    // Also after a restart.
    let restarted = started(&rig.web, &rig.clock, &rig.disk);
    assert_eq!(restarted.policy(DOMAIN, &failing()).await.map(|policy| policy.mode()), Some(Mode::Enforce));
    rig.pass(600);
    for resolver in [FixedResolver::new(), failing(), announcing("a")] {
        assert_eq!(rig.mode(&resolver).await, None, "it is over");
    }
}

#[tokio::test]
async fn a_policy_is_refreshed_before_it_ends_even_if_nothing_announces_it() {
    for resolver in [announcing("a"), FixedResolver::new(), failing()] {
        let rig = rig();
        rig.publish("enforce", 1_000);
        rig.mode(&announcing("a")).await;
        rig.pass(499);
        rig.mode(&resolver).await;
        assert_eq!(rig.asked(), 1);
        rig.pass(1);
        rig.mode(&resolver).await;
        assert_eq!(rig.asked(), 2);
        rig.pass(999);
        assert_eq!(rig.mode(&resolver).await, Some(Mode::Enforce));
    }
}

#[tokio::test]
async fn a_web_server_that_fails_has_peace_for_five_minutes_and_holds_up_no_mail() {
    let rig = rig();
    assert_eq!(rig.mode(&announcing("a")).await, None);
    rig.publish("enforce", 100_000);
    rig.pass(299);
    assert_eq!(rig.mode(&announcing("a")).await, None);
    assert_eq!(rig.asked(), 1);
    rig.pass(1);
    assert_eq!(rig.mode(&announcing("a")).await, Some(Mode::Enforce));
    // Another id is worth another attempt at once.
    rig.take_down();
    rig.mode(&announcing("b")).await;
    rig.mode(&announcing("b")).await;
    assert_eq!(rig.asked(), 3);
    rig.publish("none", 100_000);
    assert_eq!(rig.mode(&announcing("c")).await, None);
    assert_eq!(rig.asked(), 4);
}

#[tokio::test]
async fn a_text_that_is_no_policy_changes_nothing() {
    let rig = rig();
    rig.publish("enforce", 1_000);
    rig.mode(&announcing("a")).await;
    *lock(&rig.web.text) = Some("<html>".to_owned());
    assert_eq!(rig.mode(&announcing("b")).await, Some(Mode::Enforce));
}

#[tokio::test]
async fn a_policy_of_none_takes_the_old_one_back_and_is_remembered() {
    let rig = rig();
    rig.publish("enforce", 100_000);
    assert_eq!(rig.mode(&announcing("a")).await, Some(Mode::Enforce));
    rig.publish("none", 1_000);
    assert_eq!(rig.mode(&announcing("b")).await, None);
    assert_eq!(rig.mode(&FixedResolver::new()).await, None);
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn many_messages_at_once_fetch_one_policy() {
    let rig = rig_with(Web { slowness: 20, ..Web::default() });
    rig.publish("enforce", 1_000);
    let resolver = announcing("a");
    let all = tokio::join!(rig.mode(&resolver), rig.mode(&resolver), rig.mode(&resolver), rig.mode(&resolver));
    assert_eq!(all, (Some(Mode::Enforce), Some(Mode::Enforce), Some(Mode::Enforce), Some(Mode::Enforce)));
    assert_eq!(rig.asked(), 1);
    rig.take_down();
    let resolver = announcing("b");
    // Who knows the old policy does not wait for the new one.
    let all = tokio::join!(rig.mode(&resolver), rig.mode(&resolver));
    assert_eq!(all, (Some(Mode::Enforce), Some(Mode::Enforce)));
    assert_eq!(rig.asked(), 2);
    assert!(lock(&rig.sts.fetches).is_empty());
}

#[tokio::test]
async fn a_full_disk_holds_up_nothing() {
    let rig = rig();
    rig.disk.set_room(Some(0));
    rig.publish("enforce", 1_000);
    assert_eq!(rig.mode(&announcing("a")).await, Some(Mode::Enforce));
    assert_eq!(rig.mode(&failing()).await, Some(Mode::Enforce));
}
