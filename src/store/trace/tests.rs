//! The trace on a disk that loses power, decays, and fills up.

use std::sync::Mutex;

use super::*;
use crate::model::directory::{AcceptedDomain, Change, DomainType, Snapshot};
use crate::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use crate::model::policy::{
    DsnRequest, MessageParameters, Origin, Passage, Posting, Route, Sender as From, Settings, Unrecorded, admit,
};
use crate::model::queue::{Addressee, Attempt, Event, Hop, Party, QueueId, State};
use crate::store::intake::locked;
use crate::world::clock::ManualClock;
use crate::world::disk::SimulatedDisk;

mod keeping;
mod law;

const PLACE: &str = "/trace";
const SUBJECT: &str = "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from home\r\nMessage-ID: <1@contoso.example>\r\n\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn party(text: &str) -> Option<Party> {
    Some(text.parse().unwrap())
}

fn snapshot() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap()
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    let (snapshot, settings) = (snapshot(), Settings::default());
    let permit = |to: &&str| {
        let path = ForwardPath::Mailbox(address(to));
        admit(&snapshot, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap()
    };
    let reverse_path = if from.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(address(from)) };
    let permits = to.iter().map(permit).collect();
    Envelope::new(&From::System, reverse_path, MessageParameters::default(), permits).unwrap()
}

fn addressee(to: &str, given: &str) -> Addressee {
    Addressee {
        hop: Hop::Relay { address: address(to), route: Route::Domain },
        address: address(to),
        passage: Arc::new(Passage {
            path: ForwardPath::Mailbox(address(given)),
            reverse_path: ReversePath::Null,
            dsn: DsnRequest::default(),
            resent_from: None,
            automatic_replies: true,
        }),
    }
}

fn attempt(at: Timestamp, code: u16) -> Attempt {
    let class = u8::try_from(code / 100).unwrap();
    let reply = Reply::new(code, EnhancedStatus(class, 1, 1), "said so");
    Attempt { at, host: Some("mx.fabrikam.example".into()), reply }
}

fn start() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

/// A trace by hand and all that it needs.
struct Rig {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    options: TraceOptions,
    trace: Trace,
    sequence: u64,
    last_id: QueueId,
}

impl Rig {
    fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    fn with(seed: u64, change: impl FnOnce(&mut TraceOptions)) -> Self {
        let (disk, clock) = (SimulatedDisk::new(seed), Arc::new(ManualClock::new(start())));
        let mut options = TraceOptions { hands: Hands::Caller, ..TraceOptions::new(7) };
        change(&mut options);
        let trace = open(&disk, &clock, &options);
        trace.settled(0);
        Self { disk, clock, options, trace, sequence: 0, last_id: QueueId(0) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn accept(&mut self, from: &str, to: &[&str], head: &str) -> EntryFacts {
        let envelope = envelope(from, to);
        self.last_id = QueueId::after(self.last_id, self.now());
        let facts = EntryFacts::new(self.last_id, self.now(), &envelope, 1_000);
        let sequence = self.sequence();
        self.trace.committed(sequence, &facts, &envelope, head.as_bytes());
        self.trace.settled(sequence);
        facts
    }

    fn expand(&mut self, facts: &EntryFacts, to: &[(&str, &str)]) {
        let targets: Vec<Target> = to.iter().map(|(to, given)| Target::new(addressee(to, given))).collect();
        let sequence = self.sequence();
        self.trace.expanded(sequence, facts, &targets);
        self.trace.settled(sequence);
    }

    fn step(&mut self, facts: &EntryFacts, place: u32, to: &str, event: Event) {
        let given = if to == BEN { "team@fabrikam.example" } else { to };
        let happened = [Happened { place, addressee: Arc::new(addressee(to, given)), event }];
        let sequence = self.sequence();
        self.trace.moved(sequence, facts, &happened);
        self.trace.settled(sequence);
    }

    fn defer(&mut self, facts: &EntryFacts, place: u32, to: &str) {
        let (attempt, next_attempt) = (attempt(self.now(), 451), self.now().plus(Duration::from_secs(60)));
        self.step(facts, place, to, Event::Deferred { attempt, next_attempt });
    }

    fn relay(&mut self, facts: &EntryFacts, place: u32, to: &str) {
        let attempt = attempt(self.now(), 250);
        self.step(facts, place, to, Event::Relayed { attempt, dsn_passed_on: false });
    }

    /// Stops as a server does and starts again.
    fn restart(self) -> Self {
        let Self { disk, clock, options, trace, sequence, last_id } = self;
        drop(trace);
        Self { trace: open(&disk, &clock, &options), disk, clock, options, sequence, last_id }
    }

    fn everything(&self) -> Query {
        let until = self.now().plus(Duration::from_secs(60));
        Query {
            since: Timestamp::EPOCH,
            until,
            sender: None,
            recipient: None,
            subject: None,
            status: None,
            limit: 10_000,
        }
    }

    fn find(&self, query: &Query) -> Page {
        self.trace.flush();
        search(&self.disk, Path::new(PLACE), query, &mut |_, _| {}).unwrap().0
    }

    fn history(&self, id: QueueId) -> Option<History> {
        self.trace.flush();
        history(&self.disk, Path::new(PLACE), id, None, &mut |_, _| {}).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let names = file::list(&self.disk, Path::new(PLACE)).unwrap();
        names.into_iter().map(|name| name.within(Path::new(PLACE))).collect()
    }
}

fn open(disk: &SimulatedDisk, clock: &Arc<ManualClock>, options: &TraceOptions) -> Trace {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Trace::open(Arc::new(disk.clone()), Path::new(PLACE), options.clone(), clock).unwrap()
}

/// Recipient and status of each line.
fn outcomes(page: &Page) -> Vec<(&str, Status)> {
    page.lines.iter().map(|line| (line.recipient.as_str(), line.status)).collect()
}

const ANN: &str = "ann@fabrikam.example";
const BEN: &str = "ben@fabrikam.example";

/// A message that came a long way: to ann at the second attempt, and to ben not yet.
fn travel(rig: &mut Rig) -> EntryFacts {
    let facts = rig.accept("alice@contoso.example", &[ANN, "team@fabrikam.example"], SUBJECT);
    rig.expand(&facts, &[(ANN, ANN), (BEN, "team@fabrikam.example")]);
    for place in [0, 1] {
        rig.defer(&facts, place, [ANN, BEN][usize::try_from(place).unwrap()]);
    }
    rig.clock.advance(Duration::from_secs(60));
    rig.relay(&facts, 0, ANN);
    rig.step(&facts, 0, ANN, Event::Reported);
    facts
}

#[test]
fn a_message_is_followed_from_acceptance_to_every_end() {
    let mut rig = Rig::new(1);
    let facts = travel(&mut rig);
    let page = rig.find(&rig.everything());
    assert_eq!(outcomes(&page), [(ANN, Status::Relayed), (BEN, Status::Deferred)]);
    let line = &page.lines[1];
    assert_eq!((line.subject.as_str(), line.given.as_deref()), ("Grüße from home", Some("team@fabrikam.example")));
    assert_eq!((line.from.as_str(), line.message_id.as_str()), ("alice@contoso.example", "<1@contoso.example>"));
    assert_eq!((line.host.as_deref(), line.reply.as_deref()), (Some("mx.fabrikam.example"), Some("451 4.1.1 said so")));
    assert_eq!((page.more, page.damaged, page.lost), (false, 0, 0));
    let history = rig.history(facts.id).unwrap();
    let events: Vec<(&str, &str)> = history
        .events
        .iter()
        .map(|entry| (entry.event.as_str(), entry.recipient.as_deref().unwrap_or("-").split('@').next().unwrap()))
        .collect();
    let expected =
        ["accepted -", "expanded ann", "expanded ben", "deferred ann", "deferred ben", "relayed ann", "reported ann"];
    assert_eq!(events.iter().map(|(event, who)| format!("{event} {who}")).collect::<Vec<_>>(), expected);
    assert_eq!(history.events[3].next_attempt.as_deref(), Some("2026-01-05T09:01:00.000Z"));
    assert_eq!((history.origin.as_str(), history.given.len()), ("this server", 2));
    assert_eq!(rig.history(QueueId(7)), None);
}

#[test]
fn everything_that_is_asked_for_must_hold() {
    let mut rig = Rig::new(2);
    travel(&mut rig);
    rig.clock.advance(Duration::from_secs(3_600));
    let second = rig.accept("", &["bob@fabrikam.example"], "Subject: Undeliverable\r\n\r\n");
    let all = rig.everything();
    let count = |change: &dyn Fn(&mut Query)| {
        let mut query = all.clone();
        change(&mut query);
        rig.find(&query).lines.len()
    };
    assert_eq!(count(&|_| {}), 3);
    for (text, expected) in [("alice@CONTOSO.example", 2), ("@contoso.example", 2), ("<>", 1), ("bob@x.example", 0)] {
        assert_eq!(count(&|query| query.sender = party(text)), expected, "{text}");
    }
    // As given, after expansion, and not expanded at all.
    for (text, expected) in
        [("team@fabrikam.example", 1), (BEN, 1), ("bob@fabrikam.example", 1), ("@fabrikam.example", 3)]
    {
        assert_eq!(count(&|query| query.recipient = party(text)), expected, "{text}");
    }
    // Sharp s and its capital, and u with its dots apart.
    for (text, expected) in [("GRÜẞE", 2), ("gru\u{308}ße FROM", 2), ("deliver", 1), ("", 3), ("nothing", 0)] {
        assert_eq!(count(&|query| query.subject = Some(text.to_owned())), expected, "{text}");
    }
    for (status, expected) in [(Status::Relayed, 1), (Status::Deferred, 1), (Status::Accepted, 1), (Status::Failed, 0)]
    {
        assert_eq!(count(&|query| query.status = Some(status)), expected, "{status}");
    }
    assert_eq!(count(&|query| query.since = second.accepted_at), 1);
    assert_eq!(count(&|query| query.until = start()), 2);
    assert_eq!(count(&|query| (query.recipient, query.status) = (party(BEN), Some(Status::Relayed))), 0);
    let newest = rig.find(&Query { limit: 1, ..all });
    assert!(newest.more && newest.lines.len() == 1 && newest.lines[0].id == second.id.to_string(), "{newest:?}");
}

#[test]
fn a_hold_that_an_ending_attempt_leaves_in_force_is_the_status() {
    let mut rig = Rig::new(3);
    let facts = rig.accept("alice@contoso.example", &[ANN], SUBJECT);
    rig.expand(&facts, &[(ANN, ANN)]);
    rig.defer(&facts, 0, ANN);
    rig.step(&facts, 0, ANN, Event::Held);
    rig.defer(&facts, 0, ANN);
    rig.step(&facts, 0, ANN, Event::Noticed);
    assert_eq!(outcomes(&rig.find(&rig.everything())), [(ANN, Status::Held)]);
    rig.step(&facts, 0, ANN, Event::Released);
    assert_eq!(outcomes(&rig.find(&rig.everything())), [(ANN, Status::Due)]);
    rig.step(&facts, 0, ANN, Event::Redirected(Route::NextHost("backup.fabrikam.example".into())));
    rig.defer(&facts, 0, ANN);
    assert_eq!(outcomes(&rig.find(&rig.everything())), [(ANN, Status::Deferred)]);
    let redirected = &rig.history(facts.id).unwrap().events[7];
    assert_eq!(
        (redirected.event.as_str(), redirected.destination.as_deref()),
        ("redirected", Some("host backup.fabrikam.example"))
    );
}

#[test]
fn a_message_that_came_to_nobody_and_a_refused_recipient_are_seen() {
    let mut rig = Rig::new(4);
    let empty = rig.accept("alice@contoso.example", &["empty@fabrikam.example"], SUBJECT);
    rig.expand(&empty, &[]);
    assert_eq!(outcomes(&rig.find(&rig.everything())), [("empty@fabrikam.example", Status::Expanded)]);
    let refused = rig.accept("alice@contoso.example", &[ANN], SUBJECT);
    let target = Target::refused(Addressee { hop: Hop::Nowhere, ..addressee(ANN, ANN) }, attempt(start(), 550));
    let sequence = rig.sequence();
    rig.trace.expanded(sequence, &refused, &[target]);
    let page = rig.find(&rig.everything());
    assert_eq!(outcomes(&page)[0], (ANN, Status::Failed));
    assert_eq!(page.lines[0].reply.as_deref(), Some("550 5.1.1 said so"));
}

#[test]
fn what_is_told_twice_appears_once() {
    let mut rig = Rig::new(5);
    let facts = travel(&mut rig);
    let (page, told) = (rig.find(&rig.everything()), rig.history(facts.id).unwrap());
    let mut rig = rig.restart();
    // All of it again under the same sequences, as after a crash.
    (rig.sequence, rig.last_id) = (0, QueueId(0));
    rig.clock.set(start());
    let seen = rig.trace.seen();
    assert_eq!(seen, 6, "a server that stopped has seen all");
    let envelope = envelope("alice@contoso.example", &[ANN, "team@fabrikam.example"]);
    rig.trace.committed(1, &facts, &envelope, SUBJECT.as_bytes());
    let targets = [Target::new(addressee(ANN, ANN)), Target::new(addressee(BEN, "team@fabrikam.example"))];
    rig.trace.expanded(2, &facts, &targets);
    for (sequence, place) in [(3, 0), (4, 1)] {
        let event = Event::Deferred { attempt: attempt(start(), 451), next_attempt: start() };
        let (to, given) = [(ANN, ANN), (BEN, "team@fabrikam.example")][usize::try_from(place).unwrap()];
        rig.trace.moved(sequence, &facts, &[Happened { place, addressee: Arc::new(addressee(to, given)), event }]);
    }
    rig.clock.advance(Duration::from_secs(60));
    let relayed = Event::Relayed { attempt: attempt(rig.now(), 250), dsn_passed_on: false };
    rig.trace.moved(5, &facts, &[Happened { place: 0, addressee: Arc::new(addressee(ANN, ANN)), event: relayed }]);
    // And once more as written anew: with another sequence, and the state of that moment.
    rig.trace.committed(7, &facts, &envelope, SUBJECT.as_bytes());
    let mut later = targets[1].clone();
    later.state = State::Deferred;
    later.last = Some(Box::new(attempt(start(), 451)));
    let mut ended = targets[0].clone();
    (ended.state, ended.last) = (State::Reported, Some(Box::new(attempt(start(), 250))));
    rig.trace.expanded(8, &facts, &[ended, later]);
    assert_eq!(outcomes(&rig.find(&rig.everything())), outcomes(&page));
    assert_eq!(rig.history(facts.id).unwrap().events, told.events);
    assert_eq!(rig.find(&rig.everything()).lines.len(), 2);
}

#[test]
fn a_group_of_a_hundred_thousand_makes_small_records() {
    let mut rig = Rig::new(6);
    let facts = rig.accept("alice@contoso.example", &["staff@fabrikam.example"], SUBJECT);
    let target =
        |number: u32| Target::new(addressee(&format!("member{number}@fabrikam.example"), "staff@fabrikam.example"));
    let targets: Vec<Target> = (0..100_000).map(target).collect();
    let (largest, count) = (Mutex::new(0), Mutex::new(0));
    record::expanded(2, facts.id, start(), 0, &targets, |item| {
        let mut largest = locked(&largest);
        *largest = (*largest).max(item.payload.len());
        *locked(&count) += 1;
    });
    assert_eq!(*locked(&count), 2_000);
    assert!(*locked(&largest) < 10_000, "{largest:?}");
    let sequence = rig.sequence();
    rig.trace.expanded(sequence, &facts, &targets);
    let one = Query { recipient: party("member77777@fabrikam.example"), ..rig.everything() };
    let (page, scanned) = search(&rig.disk, Path::new(PLACE), &one, &mut |_, _| {}).unwrap();
    assert!(page.lines.is_empty() || scanned.held_max == 1);
    assert_eq!(rig.find(&one).lines.len(), 1);
    let all = rig.find(&Query { limit: 100_000, ..rig.everything() });
    assert_eq!((all.lines.len(), all.lost), (100_000, 0));
    assert_eq!(all.lines[99_999].recipient, "member99999@fabrikam.example");
}

#[test]
fn who_handed_a_message_in_is_named() {
    let mut rig = Rig::with(7, |options| {
        options.account_name = Arc::new(|id| (id == RecipientId(3)).then(|| "alice@contoso.example".into()));
    });
    let head = "Received: from mail.fabrikam.example ([192.0.2.7])\r\n\tby mx.contoso.example with ESMTP id 1;\r\n\r\n";
    let origins = [Origin::Account(RecipientId(3)), Origin::Account(RecipientId(4)), Origin::Anonymous, Origin::System];
    let named = origins.map(|origin| {
        let (envelope, id) = (envelope("alice@contoso.example", &[ANN]), QueueId::after(rig.last_id, rig.now()));
        rig.last_id = id;
        let facts = EntryFacts { origin, ..EntryFacts::new(id, rig.now(), &envelope, 1_000) };
        let sequence = rig.sequence();
        rig.trace.committed(sequence, &facts, &envelope, head.as_bytes());
        rig.history(id).unwrap().origin
    });
    let peer = "peer mail.fabrikam.example ([192.0.2.7])";
    assert_eq!(named, ["account alice@contoso.example", "account recipient 4", peer, "this server"]);
}

#[test]
fn more_recipients_than_a_record_takes_are_all_there() {
    let mut rig = Rig::new(8);
    let given: Vec<String> = (0..120).map(|number| format!("member{number}@fabrikam.example")).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let facts = rig.accept("alice@contoso.example", &given, SUBJECT);
    let page = rig.find(&rig.everything());
    let found: Vec<&str> = page.lines.iter().map(|line| line.recipient.as_str()).collect();
    assert_eq!(found, given);
    assert_eq!(rig.history(facts.id).unwrap().given, given);
}
