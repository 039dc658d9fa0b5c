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

/// What came out.
#[derive(Clone, Debug)]
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
    /// Processor milliseconds of each message until it is in the mailbox, by round, the least first.
    messages: Vec<f64>,
    /// Calls into the system of each message, where they can be counted.
    calls: Option<f64>,
    /// Wall time of each change, the least first.
    changes: Vec<Duration>,
    /// Processor time of all changes.
    changing: Duration,
}

impl Figures {
    /// The median cost of a message.
    pub(crate) fn each(&self) -> f64 {
        self.messages[self.messages.len() / 2]
    }

    /// System calls of a message beside those of `first`.
    pub(crate) fn calls(&self, first: &Self) -> String {
        let shown = self.calls.zip(first.calls).map(|(own, first)| format!("{own:.1} ({:.2})", own / first));
        shown.unwrap_or_else(|| "-".to_owned())
    }

    /// The same with the extremes.
    pub(crate) fn spread(&self) -> String {
        let (least, most) = (self.messages[0], self.messages[self.messages.len() - 1]);
        format!("{:.3} ({least:.3}-{most:.3})", self.each())
    }

    /// The median wall time of a change and the longest, and processor time each, in milliseconds.
    pub(crate) fn change(&self) -> String {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let (middle, longest) = (self.changes[CHANGES / 2], self.changes[CHANGES - 1]);
        let each = milliseconds(self.changing) / CHANGES as f64;
        format!("{:.2} {:.2} {each:.2}", milliseconds(middle), milliseconds(longest))
    }
}

/// Starts a server, puts `rounds` loads of `messages` on it, to the recipients in turn, and alters them.
pub(crate) fn probe(premises: &Arc<Premises>, recipients: &[String], rounds: usize, messages: usize) -> Figures {
    let begun = Instant::now();
    let subject = Subject::start_in(premises).unwrap();
    let (start, start_processor) = (begun.elapsed(), subject.meter().processor_time());
    let begun = Instant::now();
    load(&subject, &recipients[..1], 1);
    let first = begun.elapsed();
    sleep(REST);
    let resident_bytes = subject.meter().peak_bytes() as f64;
    let kept_bytes = subject.meter().private_bytes() as f64;
    let mut costs: Vec<f64> = (0..rounds).map(|_| cost(&subject, recipients, messages)).collect();
    costs.sort_by(f64::total_cmp);
    let calls = calls(&subject, premises, recipients, messages);
    let (changes, changing) = change(&subject, premises, &recipients[0]);
    Figures { start, start_processor, resident_bytes, kept_bytes, first, messages: costs, calls, changes, changing }
}

/// Processor milliseconds of each message of a load.
fn cost(subject: &Subject, recipients: &[String], messages: usize) -> f64 {
    let begun = subject.meter().processor_time();
    let sent = deliver(subject, recipients, messages);
    let spent = subject.meter().processor_time().saturating_sub(begun);
    spent.as_secs_f64() * 1e3 / sent as f64
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
