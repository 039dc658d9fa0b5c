//! The probe of a server whose data has grown: start, memory, messages, and changes of the directory.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use franking::admin::office::{RecipientEdit, Request, Response};
use franking::admin::socket::{self, SOCKET_NAME};

use crate::support::load::Load;
use crate::support::measure::{Destination, SETTLING};
use crate::support::subject::{Premises, Subject};

/// Kept connections of a load.
const SESSIONS: usize = 4;
const OCTETS: usize = 4 << 10;
/// Changes of the directory, each on its own.
const CHANGES: usize = 50;
/// What a start leaves to do is done by then.
const REST: Duration = Duration::from_secs(3);

/// A running server, and what came out so far.
pub(crate) struct Probe {
    subject: Subject,
    premises: Arc<Premises>,
    recipients: Vec<String>,
    figures: Figures,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Until the server says that it is ready.
    pub(crate) start: Duration,
    /// Processor time until then.
    pub(crate) start_processor: Duration,
    /// The most memory at once until the first message was delivered.
    pub(crate) resident_bytes: f64,
    /// The memory that it keeps then, and shares with nobody.
    pub(crate) kept_bytes: f64,
    /// From a connection at that moment until its message was accepted.
    pub(crate) first: Duration,
    /// Processor milliseconds of each message until it is in the mailbox, by round.
    rounds: Vec<f64>,
    /// Calls into the system of each message, where they can be counted.
    calls: Option<f64>,
    /// Wall time of each change, the least first.
    changes: Vec<Duration>,
    /// Processor time of all changes.
    changing: Duration,
}

/// The median of several figures, and the extremes.
pub(crate) struct Spread {
    pub(crate) middle: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Self { middle: figures[figures.len() / 2], least: figures[0], most: figures[figures.len() - 1] }
    }

    pub(crate) fn words(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}-{:.digits$})", self.middle, self.least, self.most)
    }
}

impl Figures {
    /// The cost of a message.
    pub(crate) fn messages(&self) -> Spread {
        Spread::of(self.rounds.iter().copied())
    }

    /// The same, of that of `first` in the same round.
    pub(crate) fn beside(&self, first: &Self) -> Spread {
        Spread::of(self.rounds.iter().zip(&first.rounds).map(|(own, first)| own / first))
    }

    /// Memory for each of those by which there are `more` than in `first`: the most, and what is kept.
    pub(crate) fn octets_each(&self, first: &Self, more: u64) -> Option<(f64, f64)> {
        let each = |now: f64, then: f64| (now - then) / more as f64;
        let both = (each(self.resident_bytes, first.resident_bytes), each(self.kept_bytes, first.kept_bytes));
        (more > 0).then_some(both)
    }

    /// System calls of a message beside those of `first`.
    pub(crate) fn calls(&self, first: &Self) -> String {
        let shown = self.calls.zip(first.calls).map(|(own, first)| format!("{own:.1} ({:.2})", own / first));
        shown.unwrap_or_else(|| "-".to_owned())
    }

    /// The median wall time of a change, in milliseconds.
    pub(crate) fn change_milliseconds(&self) -> f64 {
        milliseconds(self.changes[CHANGES / 2])
    }

    /// The same, the longest, and processor time each.
    pub(crate) fn change(&self) -> String {
        let longest = milliseconds(self.changes[CHANGES - 1]);
        let each = milliseconds(self.changing) / CHANGES as f64;
        format!("{:.2} {longest:.2} {each:.2}", self.change_milliseconds())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Probe {
    /// Starts a server, which gets one message.
    pub(crate) fn begin(premises: &Arc<Premises>, recipients: Vec<String>) -> Self {
        let begun = Instant::now();
        let subject = Subject::start_in(premises).unwrap();
        let (start, start_processor) = (begun.elapsed(), subject.meter().processor_time());
        let begun = Instant::now();
        load(&subject, &recipients[..1], 1);
        let first = begun.elapsed();
        sleep(REST);
        let resident_bytes = subject.meter().peak_bytes() as f64;
        let kept_bytes = subject.meter().private_bytes() as f64;
        let figures = Figures { start, start_processor, resident_bytes, kept_bytes, first, ..Figures::default() };
        Self { subject, premises: Arc::clone(premises), recipients, figures }
    }

    /// Lets every recipient have had messages before some are measured.
    pub(crate) fn warm_up(&self, messages: usize) {
        deliver(&self.subject, &self.recipients, messages);
    }

    /// Puts a load on it, to the recipients in turn.
    pub(crate) fn load(&mut self, messages: usize) {
        let begun = self.subject.meter().processor_time();
        let sent = deliver(&self.subject, &self.recipients, messages);
        let spent = self.subject.meter().processor_time().saturating_sub(begun);
        self.figures.rounds.push(milliseconds(spent) / sent as f64);
    }

    /// Counts calls in one more load, alters the directory, and stops the server.
    pub(crate) fn finish(self, messages: usize) -> Figures {
        let Self { subject, premises, recipients, figures } = self;
        let calls = calls(&subject, &premises, &recipients, messages);
        let (changes, changing) = change(&subject, &premises, &recipients[0]);
        Figures { calls, changes, changing, ..figures }
    }
}

/// Calls into the system of each message of a load of its own, since counting costs something.
fn calls(subject: &Subject, premises: &Premises, recipients: &[String], messages: usize) -> Option<f64> {
    let mut sent = 0;
    let load = || {
        sent = deliver(subject, recipients, messages);
        Ok(())
    };
    let counted = subject.meter().calls(premises.path(), load).unwrap();
    counted.map(|calls| calls.all / sent as f64)
}

/// Puts a load on the server and waits until all of it is in the mailboxes; says how many messages that were.
fn deliver(subject: &Subject, recipients: &[String], messages: usize) -> usize {
    let mailboxes = Destination::Mailboxes(subject.mailboxes());
    let before = mailboxes.arrived();
    let share = messages / recipients.len();
    recipients.chunks(1).for_each(|recipient| load(subject, recipient, share));
    mailboxes.wait_for(before + share * recipients.len()).unwrap();
    sleep(SETTLING);
    share * recipients.len()
}

fn load(subject: &Subject, recipients: &[String], messages: usize) {
    for recipient in recipients {
        let load = Load {
            recipient: recipient.clone(),
            octets: OCTETS,
            sessions: SESSIONS.min(messages),
            transactions: messages,
            ..Load::inbound(subject.address("inbound"))
        };
        load.open().unwrap().run().unwrap();
    }
}

/// Alters a property of a recipient again and again, as `franking recipient set` does it.
fn change(subject: &Subject, premises: &Premises, recipient: &str) -> (Vec<Duration>, Duration) {
    let socket = premises.data().join(SOCKET_NAME);
    let before = subject.meter().processor_time();
    let alter = |number: usize| {
        let edit = RecipientEdit { display_name: Some(format!("Number {number}")), ..RecipientEdit::default() };
        let request = Request::RecipientSet { identity: recipient.to_owned(), edit: Box::new(edit) };
        let begun = Instant::now();
        let response = socket::ask(&socket, request, &mut |_| {}).unwrap();
        let elapsed = begun.elapsed();
        assert!(!matches!(response, Response::Failed(_)), "{response:?}");
        elapsed
    };
    let mut changes: Vec<Duration> = (0..CHANGES).map(alter).collect();
    changes.sort();
    (changes, subject.meter().processor_time().saturating_sub(before))
}
