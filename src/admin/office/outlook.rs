//! What is kept, what happens by itself and when, and what stands still: answers about lives.

use core::time::Duration;

use super::failure::Failure;
use super::life::is_deleted;
use super::orders::{Kept, LifeQuestion, LifeView};
use super::response::Response;
use super::steward::{Errand, Moment, around, errand_among};
use super::{Office, doubts, holds, licences, life};
use crate::model::directory::lifecycle::document::document;
use crate::model::directory::lifecycle::life::Surroundings;
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::provisioning::Provisioning;
use crate::model::directory::{Lifecycle, Recipient, Snapshot};
use crate::model::mail::{Address, Timestamp};

/// Longer lists are cut: nobody reads them, and one line of the socket has an end.
const LINES_MAX: usize = 100_000;
/// The cures of so many errors are told; those of others are alike.
const CURED_MAX: usize = 5;

pub(super) fn answer(office: &Office, question: &LifeQuestion) -> Result<Response, Failure> {
    match question {
        LifeQuestion::Mailboxes { which } => Ok(list(office, &|recipient, _, _| kept(recipient, *which))),
        LifeQuestion::Pending => Ok(licences::pending(office)),
        LifeQuestion::Preview { days } => {
            let until = office.clock.now().plus(Duration::from_secs(u64::from(*days).saturating_mul(86_400)));
            let snapshot = office.directory.snapshot();
            let soon = |recipient: &Recipient, around: Surroundings<'_>, waits: bool| {
                waits || errand_among(&snapshot, recipient, around).is_some_and(|(at, _)| at <= until)
            };
            Ok(list(office, &soon))
        }
        LifeQuestion::Errors => Ok(errors(office)),
        LifeQuestion::Report { label, identities, lines } => licences::report(office, label, identities, lines),
        LifeQuestion::Holds { identity } => holds::list(office, identity),
        LifeQuestion::Policies => Ok(holds::policies(office)),
        LifeQuestion::Plans => Ok(licences::plans(&office.directory.snapshot())),
        LifeQuestion::Doubts { supposed } => Ok(doubts::answer(office, supposed.as_ref())),
        LifeQuestion::Table => Ok(Response::LifecycleTable { text: document() }),
    }
}

/// What stands still, and what resolves the first of it.
fn errors(office: &Office) -> Response {
    let mut answer = list(office, &|recipient, _, waits| {
        let error = recipient.provisioning.as_deref().is_some_and(|own| own.error.is_some());
        waits || error || matches!(recipient.state(), State::StaleAttributes | State::Purging)
    });
    if let Response::Lives { lives, notes, .. } = &mut answer {
        let snapshot = office.directory.snapshot();
        for view in lives.iter().filter(|view| view.error.is_some()).take(CURED_MAX) {
            let found = Address::parse(&view.address).ok().and_then(|address| snapshot.find_by_address(&address));
            let Some(found) = found else { continue };
            notes.extend(life::cures(found));
        }
    }
    answer
}

fn kept(recipient: &Recipient, which: Kept) -> bool {
    match which {
        Kept::Deleted => is_deleted(recipient.state()),
        Kept::Inactive => recipient.state() == State::Inactive,
        Kept::Disconnected => recipient.state() == State::Disconnected,
    }
}

/// Those that are chosen, in order of time and address.
fn list(office: &Office, choose: &dyn Fn(&Recipient, Surroundings<'_>, bool) -> bool) -> Response {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let around = around(office, &moment, &snapshot);
    let waiting = doubts::waiting(office, &snapshot, around);
    let chosen =
        snapshot.recipients().filter(|recipient| choose(recipient, around, waiting.contains_key(&recipient.id)));
    let seen = chosen.take(LINES_MAX).map(|recipient| {
        let mut view = view(&snapshot, recipient, around);
        if let Some(doubt) = waiting.get(&recipient.id) {
            doubts::mark(&mut view, *doubt);
        }
        view
    });
    let mut lives: Vec<LifeView> = seen.collect();
    lives.sort_by(|left, right| (&left.at, &left.address).cmp(&(&right.at, &right.address)));
    Response::Lives { lives, notes: doubts::unseen_in_words(around).into_iter().collect(), unknown: Vec::new() }
}

/// One object as lists show it.
pub(super) fn view(snapshot: &Snapshot, recipient: &Recipient, around: Surroundings<'_>) -> LifeView {
    let state = recipient.state();
    let next = errand_among(snapshot, recipient, around);
    let own = recipient.provisioning.as_deref();
    LifeView {
        name: recipient.name.to_string(),
        address: recipient.primary().to_string(),
        exchange_guid: is_deleted(state).then(|| recipient.exchange_guid().to_string()),
        state: state.name().to_owned(),
        is_inactive: state == State::Inactive,
        is_soft_deleted_by_remove: is_deleted(state),
        since: since(recipient).map(|since| since.to_string()),
        at: next.map(|(at, _)| at.to_string()),
        what: next.map(|(_, errand)| in_words(errand, state).to_owned()),
        error: own.and_then(Provisioning::error_text),
    }
}

fn since(recipient: &Recipient) -> Option<Timestamp> {
    let own = recipient.provisioning.as_deref();
    match recipient.lifecycle {
        Lifecycle::Disconnected { since }
        | Lifecycle::SoftDeleted { since }
        | Lifecycle::Inactive { since }
        | Lifecycle::Purging { since } => Some(since),
        Lifecycle::Active => own.and_then(|own| own.error.as_ref().map(|error| error.since).or(own.delicensed)),
        Lifecycle::AwaitingMigration | Lifecycle::StaleAttributes => {
            own.and_then(|own| own.error.as_ref()).map(|error| error.since)
        }
        Lifecycle::NoMailbox | Lifecycle::Purged => own.and_then(|own| own.user_deleted),
    }
}

/// What happens, for people.
fn in_words(errand: Errand, state: State) -> &'static str {
    let trigger = match errand {
        Errand::Forget => return "the object is removed",
        Errand::Step(trigger) => trigger,
    };
    match (trigger, state) {
        (Trigger::PeriodOver, _) => "its contents are deleted for good",
        (Trigger::HoldsEnded, State::Inactive) => "the last hold ends; it is kept as a removed mailbox from then on",
        (Trigger::HoldsEnded, _) => "the last hold ends, and it follows its licence",
        (Trigger::DelicensingDue, _) => "its licence runs out, and it is disconnected",
        (Trigger::SameGuidLicensed, _) => "its contents are deleted for good: another object has its ExchangeGuid",
        (Trigger::ContentsGone, _) => "its contents are being deleted",
        (Trigger::LicenceRemoved, _) => "it follows its licence, which was removed",
        (Trigger::LicenceAssigned, _) => "it follows its licence, which was assigned",
        (other, _) => other.name(),
    }
}
