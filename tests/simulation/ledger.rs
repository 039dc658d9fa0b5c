//! What was promised and what came of it, kept outside the server and its disk: the oracle judges by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use franking::model::mail::ReversePath;
use franking::model::policy::{Envelope, Origin};
use franking::model::queue::state::transition;
use franking::model::queue::{Addressee, EntryFacts, Event, Hop, QueueId, State, Target, Verdict};
use franking::store::queue::{Happened, Witness};

use super::clock::Chronicle;
use super::scenario::Draft;

/// One recipient of one message.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) addressee: Arc<Addressee>,
    pub(super) state: State,
    /// How it ended, before a report was queued about that.
    pub(super) fate: Option<State>,
    /// The life in which that became durable.
    pub(super) ended_in: u32,
    pub(super) noticed: bool,
    /// Its moderators were asked.
    pub(super) requested: bool,
}

impl Ending {
    fn of(target: &Target, teller: u32) -> Self {
        Self {
            addressee: Arc::clone(&target.addressee),
            state: target.state,
            fate: (!target.state.is_open()).then_some(target.state),
            ended_in: teller,
            noticed: target.noticed && target.addressee.approval().is_none(),
            requested: target.noticed && target.addressee.approval().is_some(),
        }
    }
}

/// What a report of the server says of itself in its header.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The Message-ID of what it is about.
    pub(super) about: String,
    pub(super) kind: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) message_id: String,
}

impl Report {
    /// Whether a mailbox wrote it by itself: an automatic reply.
    pub(super) fn is_answer(&self) -> bool {
        self.kind == "Automatic reply"
    }
}

/// A message that was handed in, or that the server wrote itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) draft: Option<Draft>,
    /// Its sender was told that it is accepted.
    pub(super) acknowledged: bool,
    /// It became durable.
    pub(super) committed: bool,
    pub(super) report: Option<Report>,
    pub(super) endings: Option<Vec<Ending>>,
    /// What administrators did to it, and it obeyed.
    pub(super) commands: BTreeSet<&'static str>,
    /// What was decided about moderated recipients, by place, and answered.
    pub(super) decided: BTreeMap<u32, Verdict>,
}

/// What another host did with a message.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) life: u32,
    pub(super) recipient: String,
    pub(super) reverse_path: String,
    pub(super) content: Vec<u8>,
    /// The host said so, and the answer went out.
    pub(super) answered: bool,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) life: u32,
    /// The queue is being opened: what is told became durable in the life before.
    pub(super) replaying: bool,
    /// Lives that ended without a chance to say goodbye.
    pub(super) broken_off: BTreeSet<u32>,
    pub(super) letters: BTreeMap<QueueId, Letter>,
    /// How many letters were struck out since they were lost and nobody had been told otherwise.
    pub(super) never_were: usize,
    pub(super) receipts: Vec<Receipt>,
    pub(super) violations: Vec<String>,
    /// The disk has lied, and the server or its repair said that something is missing.
    pub(super) damage_known: bool,
    told: BTreeSet<u64>,
    /// Some records are told twice.
    retold: bool,
}

/// The books, shared by everybody in the simulation.
pub(super) struct Ledger {
    books: Mutex<Books>,
    chronicle: Arc<Chronicle>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ledger")
    }
}

impl Ledger {
    pub(super) fn new(chronicle: Arc<Chronicle>) -> Self {
        Self { books: Mutex::default(), chronicle }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Something happened that must not.
    pub(super) fn violation(&self, text: String) {
        self.chronicle.note(&format!("VIOLATION {text}"));
        self.books().violations.push(text);
    }

    /// A session hands a message over; whether it is accepted is not known yet.
    pub(super) fn submitted(&self, id: QueueId, draft: &Draft) {
        self.chronicle.note(&format!("submit {id} token {} to {:?}", draft.token, draft.paths));
        let letter = Letter { draft: Some(draft.clone()), ..Letter::default() };
        let mut books = self.books();
        // Ids grow, whatever the clock does: none can come again, not even of messages that have long gone.
        let greater = books.letters.range(id..).find(|(_, known)| known.committed).map(|(id, _)| *id);
        let former = books.letters.insert(id, letter);
        drop(books);
        if let Some(greater) = greater.or_else(|| former.map(|_| id)) {
            self.violation(format!("{id} was given after {greater}"));
        }
    }

    pub(super) fn acknowledged(&self, id: QueueId) {
        self.chronicle.note(&format!("250 {id}"));
        self.books().letters.entry(id).or_default().acknowledged = true;
    }

    /// Notes what a host took; gives the place at which [`Self::answered`] finds it.
    pub(super) fn received(&self, mut receipt: Receipt) -> usize {
        let mut books = self.books();
        receipt.life = books.life;
        books.receipts.push(receipt);
        books.receipts.len() - 1
    }

    pub(super) fn answered(&self, places: &[usize]) {
        let mut books = self.books();
        for place in places {
            books.receipts[*place].answered = true;
        }
    }
}

impl Books {
    /// Strikes out what was handed over in a former life, accepted by nobody, and is not in the queue now that it was
    /// read: nothing tells of it, so its id may be given once more when the clock was set back.
    pub(super) fn forget_what_never_was(&mut self) {
        let before = self.letters.len();
        self.letters.retain(|_, letter| letter.committed || letter.acknowledged);
        self.never_were += before - self.letters.len();
    }

    /// The life in which what is told now became durable.
    fn teller(&self) -> u32 {
        self.life - u32::from(self.replaying)
    }

    /// Whether this is the first time that a record is told of.
    fn is_new(&mut self, sequence: u64) -> bool {
        self.told.insert(sequence)
    }

    /// What was lost to a damaged medium may be told under numbers that were in use.
    pub(super) fn forget_sequences(&mut self) {
        self.told.clear();
        self.retold = true;
    }

    fn move_on(&mut self, id: QueueId, happened: &Happened) {
        let teller = self.teller();
        let endings = self.letters.get_mut(&id).and_then(|letter| letter.endings.as_mut());
        let place = usize::try_from(happened.place).unwrap();
        let Some(ending) = endings.and_then(|endings| endings.get_mut(place)) else {
            return self.violations.push(format!("{id}: an event for the unknown place {place}"));
        };
        let Ok(next) = transition(ending.state, &happened.event) else { return };
        if ending.state.is_open() && !next.is_open() {
            (ending.fate, ending.ended_in) = (Some(next), teller);
        }
        ending.state = next;
        if let (Event::Redirected(route), Hop::Relay { address, .. }) = (&happened.event, &ending.addressee.hop) {
            let hop = Hop::Relay { address: address.clone(), route: route.clone() };
            ending.addressee = Arc::new(Addressee { hop, ..Addressee::clone(&ending.addressee) });
        }
        if happened.event == Event::Requested {
            if ending.requested && !self.retold {
                self.violations.push(format!("{id}: a second request about place {place}"));
            }
            ending.requested = true;
        }
        if happened.event == Event::Noticed {
            if ending.noticed && !self.retold {
                self.violations.push(format!("{id}: a second notice of delay about place {place}"));
            }
            ending.noticed = true;
        }
    }
}

/// Reads the fields of a report's header.
fn report(head: &[u8]) -> Option<Report> {
    let head = String::from_utf8_lossy(head);
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().trim_matches(['<', '>']).to_owned())
    };
    let subject = field("Subject:")?;
    Some(Report {
        about: field("In-Reply-To:").unwrap_or_default(),
        kind: subject.split(':').next()?.to_owned(),
        from: field("From:")?,
        to: field("To:")?,
        message_id: field("Message-ID:")?,
    })
}

impl Witness for Ledger {
    fn seen(&self) -> u64 {
        0
    }

    fn committed(&self, sequence: u64, facts: &EntryFacts, envelope: &Envelope, head: &[u8]) {
        let mut books = self.books();
        if !books.is_new(sequence) {
            return;
        }
        self.chronicle.note(&format!("durable {} {:?}", facts.id, facts.origin));
        let id = facts.id;
        let Some(letter) = books.letters.get_mut(&id) else {
            let report = report(head).filter(|_| facts.origin == Origin::System);
            if report.is_none() || *envelope.reverse_path() != ReversePath::Null {
                books.violations.push(format!("{id} was never submitted and is no report"));
            }
            books.letters.insert(id, Letter { committed: true, report, ..Letter::default() });
            return;
        };
        letter.committed = true;
        if let Some(draft) = &letter.draft
            && (draft.envelope != *envelope || draft.head != head)
        {
            books.violations.push(format!("{id} has another envelope or header than was submitted"));
        }
    }

    fn expanded(&self, sequence: u64, facts: &EntryFacts, targets: &[Target]) {
        let mut books = self.books();
        if !books.is_new(sequence) {
            return;
        }
        let (id, teller) = (facts.id, books.teller());
        self.chronicle.note(&format!("expanded {id} into {}", targets.len()));
        let ending = |target: &Target| Ending::of(target, teller);
        let Some(letter) = books.letters.get_mut(&id) else {
            return books.violations.push(format!("{id} is expanded and was never durable"));
        };
        match &mut letter.endings {
            None => letter.endings = Some(targets.iter().map(ending).collect()),
            Some(known) => {
                // Written anew: the same recipients, as far as they have come; an administrator may have moved them, and
                // those below an approval may come again after this.
                let who = |addressee: &Arc<Addressee>| (addressee.address.clone(), addressee.path.clone());
                let known = known.iter().map(|known| who(&known.addressee));
                let same = targets.len() <= known.len()
                    && known.zip(targets).all(|(known, told)| known == who(&told.addressee));
                if !same {
                    books.violations.push(format!("{id} has other recipients than before"));
                }
            }
        }
    }

    fn branched(&self, sequence: u64, facts: &EntryFacts, place: u32, first: u32, targets: &[Target]) {
        let mut books = self.books();
        if !books.is_new(sequence) {
            return;
        }
        let (id, teller) = (facts.id, books.teller());
        self.chronicle.note(&format!("{id} {place} leads to {} more", targets.len()));
        let retold = books.retold;
        let known = books.letters.get_mut(&id).and_then(|letter| letter.endings.as_mut());
        let told = |known: &&mut Vec<Ending>| known[usize::try_from(place).unwrap()].fate == Some(State::Branched);
        if retold && known.as_ref().is_some_and(told) {
            // Told before the medium was found to be damaged.
            return;
        }
        let Some(known) = known.filter(|known| known.len() == usize::try_from(first).unwrap()) else {
            return books.violations.push(format!("{id} grows at the wrong place {first}"));
        };
        known.extend(targets.iter().map(|target| Ending::of(target, teller)));
        let addressee = Arc::clone(&known[usize::try_from(place).unwrap()].addressee);
        books.move_on(id, &Happened { place, addressee, event: Event::Branched(Some(first)) });
    }

    fn moved(&self, sequence: u64, facts: &EntryFacts, happened: &[Happened]) {
        let mut books = self.books();
        if !books.is_new(sequence) {
            return;
        }
        for happened in happened {
            self.chronicle.note(&format!("{} {} {}", facts.id, happened.place, word(&happened.event)));
            books.move_on(facts.id, happened);
        }
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::Deferred { attempt, .. } => format!("deferred {}", attempt.reply),
        Event::Delivered(_) => "delivered".to_owned(),
        Event::Relayed { dsn_passed_on, .. } => format!("relayed, reports passed on: {dsn_passed_on}"),
        Event::Failed(attempt) => format!("failed {}", attempt.reply),
        Event::Held => "held".to_owned(),
        Event::Released => "released".to_owned(),
        Event::Removed => "removed".to_owned(),
        Event::Reported => "reported".to_owned(),
        Event::Noticed => "noticed".to_owned(),
        Event::ReplyDue => "a reply is due".to_owned(),
        Event::Replied(reply) => format!("replied {reply:?}"),
        Event::Redirected(route) => format!("redirected to {route:?}"),
        Event::Requested => "requested".to_owned(),
        Event::Approved(decision) => format!("approved by {}", decision.by),
        Event::Rejected(decision) => format!("rejected by {}", decision.by),
        Event::Branched(first) => format!("branched to {first:?}"),
        Event::GivenUp(attempt) => format!("given up {}", attempt.reply),
    }
}
