//! Who sends too much outside.

use super::*;
use crate::model::policy::connector::{self, Client, Connector, ConnectorLimits, Scope, Source};
use crate::model::policy::restricted::Submitter;
use crate::store::tally::SentOutside;

const HOUR: Duration = Duration::from_secs(3_600);

impl Scene {
    fn outside(&self, recipients: usize) -> Submission {
        self.submission_to((0..recipients).map(|number| format!("p{number}@fabrikam.example")))
    }

    fn sent(&self, submitter: &Submitter) -> SentOutside {
        self.intake.counters.tally.sent_outside(submitter)
    }

    /// By a device of the account.
    fn by(&self, device: &str, mut submission: Submission) -> Submission {
        submission.envelope = submission.envelope.with_device(Some(device.into()));
        submission
    }

    /// Subjects of the notices in the queue.
    fn notices(&self) -> usize {
        self.intake.queue.count()
    }
}

fn alice() -> Submitter {
    Submitter::Account(ALICE)
}

fn small() -> impl FnOnce(&mut Recipient) {
    limited(|limits| {
        limits.external_recipients_per_hour = Some(Cap::Count(10));
        limits.external_recipients_per_day = Some(Cap::Count(25));
        limits.messages_per_minute = Some(Cap::Unlimited);
    })
}

/// The recipient that is one too many restricts; then nothing is taken any more, to whomever, over kills and time.
#[tokio::test]
async fn who_sends_too_much_outside_within_an_hour_is_restricted_until_released() {
    let mut scene = Scene::new(Profile::ExchangeOnline, small());
    scene.take(scene.outside(9)).await.unwrap();
    scene.accept(40).await.unwrap();
    scene = scene.kill();
    assert_eq!(
        scene.sent(&alice()),
        SentOutside { of_hour: 9, of_day: 9 },
        "inside is not counted, a kill forgets none"
    );
    scene.take(scene.outside(1)).await.unwrap();
    assert_eq!(scene.take(scene.outside(1)).await, Err(Refusal::BadOutboundSender));
    assert_eq!(scene.accept(1).await, Err(Refusal::BadOutboundSender), "inside as well");
    scene.clock.advance(100 * HOUR);
    scene = scene.kill();
    assert_eq!(scene.take(scene.outside(1)).await, Err(Refusal::BadOutboundSender), "time releases nobody");
    let restrictions = Arc::clone(&scene.intake.counters.restrictions);
    assert_eq!(restrictions.all()[0].of_hour, 11);
    restrictions.release(&alice()).unwrap();
    scene.take(scene.outside(10)).await.unwrap();
}

#[tokio::test]
async fn a_day_has_its_own_bound_and_what_is_older_frees_itself() {
    let scene = Scene::new(Profile::ExchangeOnline, small());
    for _ in 0..2 {
        scene.take(scene.outside(10)).await.unwrap();
        // What was sent in an hour counts until ten minutes after its end.
        scene.clock.advance(HOUR + Duration::from_secs(600));
    }
    scene.take(scene.outside(5)).await.unwrap();
    scene.clock.advance(25 * HOUR);
    assert_eq!(scene.sent(&alice()), SentOutside::default());
    for recipients in [10, 10] {
        scene.take(scene.outside(recipients)).await.unwrap();
        scene.clock.advance(2 * HOUR);
    }
    assert_eq!(scene.take(scene.outside(6)).await, Err(Refusal::BadOutboundSender));
}

/// Many sessions at once get no more than one after the other.
#[tokio::test]
async fn what_is_about_to_be_accepted_counts() {
    let scene = Scene::new(Profile::ExchangeOnline, small());
    let (first, second) = (scene.outside(6), scene.outside(6));
    let admitted = scene.intake.admit(&first, 0).await.unwrap();
    assert_eq!(scene.intake.admit(&second, 1).await.err(), Some(Refusal::BadOutboundSender));
    drop(admitted);
    assert_eq!(scene.sent(&alice()), SentOutside::default(), "a message that came to nothing gives them back");
}

#[tokio::test]
async fn an_account_and_its_devices_are_counted_and_restricted_apart() {
    let scene = Scene::new(Profile::ExchangeOnline, small());
    let send = |device: &'static str, recipients| scene.take(scene.by(device, scene.outside(recipients)));
    send("scanner", 10).await.unwrap();
    assert_eq!(send("Scanner", 1).await, Err(Refusal::BadOutboundSender), "letter case aside");
    send("printer", 10).await.unwrap();
    scene.take(scene.outside(10)).await.unwrap();
    assert_eq!(scene.take(scene.outside(1)).await, Err(Refusal::BadOutboundSender));
    send("fax", 1).await.unwrap();
}

#[tokio::test]
async fn who_has_no_bound_is_exempt() {
    let scene = Scene::new(
        Profile::ExchangeOnline,
        limited(|limits| {
            (limits.external_recipients_per_hour, limits.external_recipients_per_day) =
                (Some(Cap::Unlimited), Some(Cap::Unlimited));
        }),
    );
    scene.take(scene.outside(5_000)).await.unwrap();
    scene.take(scene.outside(1)).await.unwrap();
}

/// Once for each restriction, through the queue, over kills.
#[tokio::test]
async fn the_administrators_are_told_once() {
    let mut scene = Scene::new(Profile::ExchangeOnline, small());
    assert_eq!(scene.take(scene.outside(11)).await, Err(Refusal::BadOutboundSender));
    assert_eq!(scene.notices(), 0);
    scene = scene.kill();
    for _ in 0..3 {
        scene.intake.tell_administrators().await;
    }
    scene = scene.kill();
    scene.intake.tell_administrators().await;
    assert_eq!(scene.notices(), 1);
}

/// A release begins anew, also in the files of hours that are over.
#[tokio::test]
async fn what_was_sent_before_a_release_counts_no_more() {
    let mut scene = Scene::new(Profile::ExchangeOnline, small());
    scene.take(scene.outside(10)).await.unwrap();
    // Past the end of the hour, so that it is summed up.
    scene.clock.advance(HOUR + Duration::from_secs(660));
    scene.intake.counters.tally.tend();
    scene.take(scene.outside(5)).await.unwrap();
    scene = scene.kill();
    assert_eq!(scene.sent(&alice()).of_day, 15);
    scene.intake.counters.tally.forget_outside(&alice());
    for _ in 0..2 {
        assert_eq!(scene.sent(&alice()), SentOutside::default());
        scene = scene.kill();
        scene.intake.counters.tally.tend();
    }
    scene.take(scene.outside(10)).await.unwrap();
}

const PRINTERS: &str = "192.168.10.0/24";

/// Behind a connector whose clients may name so many recipients outside in an hour.
fn behind_a_connector(per_hour: Option<u32>) -> Scene {
    let scene = Scene::new(Profile::ExchangeOnline, |_| {});
    let mut settings = Settings::clone(&scene.settings);
    settings.connectors.push(Connector {
        name: "printers".into(),
        source: Source { networks: vec![PRINTERS.parse().unwrap()], certificates: Vec::new() },
        senders: Vec::new(),
        recipients: Scope::Anyone,
        internal: false,
        require_tls: false,
        limits: ConnectorLimits { external_recipients_per_hour: per_hour, ..ConnectorLimits::default() },
    });
    Scene { settings: Arc::new(settings), ..scene }.kill()
}

impl Scene {
    /// A message of a client at this address, who does not sign in.
    fn unsigned(&self, peer: &str, recipients: usize) -> Submission {
        let reverse_path = ReversePath::Mailbox(address("alice@contoso.example"));
        let client = Client { peer: peer.parse().unwrap(), has_tls: false, certificate: None };
        let sender = connector::sender(&self.snapshot, &self.settings, &client, &reverse_path, &mut Unrecorded);
        let recipients = (0..recipients).map(|number| format!("p{number}@fabrikam.example"));
        self.submission_by(&sender.unwrap(), recipients)
    }
}

/// All clients of a connector together, over kills; whoever signs in is somebody else.
#[tokio::test]
async fn the_clients_of_a_connector_are_counted_and_restricted_together() {
    let mut scene = behind_a_connector(Some(10));
    scene.take(scene.unsigned("192.168.10.7", 6)).await.unwrap();
    scene = scene.kill();
    let printers = Submitter::Connector("printers".into());
    assert_eq!(scene.sent(&printers), SentOutside { of_hour: 6, of_day: 6 });
    // Once more, after what nobody else sent in that hour was summed up.
    scene.clock.advance(HOUR + Duration::from_secs(660));
    scene.intake.counters.tally.tend();
    for _ in 0..2 {
        scene = scene.kill();
        assert_eq!(scene.sent(&printers), SentOutside { of_hour: 0, of_day: 6 });
    }
    scene.take(scene.unsigned("192.168.10.7", 6)).await.unwrap();
    let admitted = scene.intake.admit(&scene.unsigned("192.168.10.8", 4), 0).await.unwrap();
    assert_eq!(scene.take(scene.unsigned("192.168.10.9", 1)).await, Err(Refusal::BadOutboundSender));
    drop(admitted);
    assert_eq!(scene.take(scene.unsigned("192.168.10.9", 1)).await, Err(Refusal::BadOutboundSender), "until released");
    scene = scene.kill();
    assert_eq!(scene.take(scene.unsigned("192.168.10.7", 1)).await, Err(Refusal::BadOutboundSender));
    scene.take(scene.outside(20)).await.unwrap();
    scene.intake.tell_administrators().await;
    let restrictions = Arc::clone(&scene.intake.counters.restrictions);
    assert!(restrictions.all()[0].told && restrictions.all().len() == 1);
    restrictions.release(&printers).unwrap();
    scene.intake.counters.tally.forget_outside(&printers);
    scene.take(scene.unsigned("192.168.10.7", 10)).await.unwrap();
}

#[tokio::test]
async fn a_connector_without_a_bound_is_exempt() {
    let scene = behind_a_connector(None);
    scene.take(scene.unsigned("192.168.10.7", 5_000)).await.unwrap();
    scene.take(scene.unsigned("192.168.10.7", 1)).await.unwrap();
}
