//! Licences of the organisation: plans, seats, who would lose what, and licences that are about to run out.

use super::failure::Failure;
use super::orders::{LifeView, PlanView};
use super::outlook;
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, change, identity, life, lives};
use crate::model::directory::licence::is_label;
use crate::model::directory::lifecycle::life::Said;
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::{Change, LicenceSeats, Recipient, RecipientType, Snapshot};
use crate::model::policy::quota;

/// The plans that everybody knows, with what they give beside the mailbox (spec section 2.4).
const PLANS: [(&str, &str); 4] = [
    ("ExchangeOnlineKiosk", ""),
    ("ExchangeOnlinePlan1", ""),
    ("ExchangeOnlinePlan2", "100 GB for shared, room and equipment mailboxes, too"),
    ("ExchangeOnlineArchiving", "an add-on: with a Plan 1, 100 GB for shared, room and equipment mailboxes"),
];

/// Refuses what cannot be the label of a licence.
///
/// # Errors
/// `Refused`, with what a label is.
pub(super) fn judge_label(label: &str) -> Result<(), Failure> {
    if is_label(label) {
        return Ok(());
    }
    Err(Failure::refused("A licence is named by 1 to 64 printable characters, such as ExchangeOnlinePlan1."))
}

/// Whether another account may have this licence.
///
/// # Errors
/// `Refused` when all seats are taken.
pub(super) fn seat(snapshot: &Snapshot, label: &str) -> Result<(), Failure> {
    let Some(seats) = snapshot.organisation().seats(label) else { return Ok(()) };
    let taken = taken(snapshot, label);
    if taken < usize::try_from(seats).unwrap_or(usize::MAX) {
        return Ok(());
    }
    let failure = Failure::refused(format!("There is no seat left of {label}: {taken} of {seats} are taken."));
    Err(failure
        .cured_by(format!("take it from somebody: franking licence report --remove {label}"))
        .cured_by(format!("or after buying more: franking licence seats {label} {}", taken.saturating_add(1))))
}

/// The same for all that an object is to have and had not.
///
/// # Errors
/// As [`seat`].
pub(super) fn seats(snapshot: &Snapshot, former: Option<&Recipient>, next: &Recipient) -> Result<(), Failure> {
    let labels = next.account.iter().flat_map(|account| account.licences.iter());
    let mut fresh = labels.filter(|label| !former.is_some_and(|former| has(former, label)));
    fresh.try_for_each(|label| seat(snapshot, label))
}

/// How many seats are taken. Looks at everybody.
fn taken(snapshot: &Snapshot, label: &str) -> usize {
    snapshot.recipients().filter(|recipient| has(recipient, label)).count()
}

fn has(recipient: &Recipient, label: &str) -> bool {
    let account = recipient.account.as_deref();
    account.is_some_and(|account| account.licences.iter().any(|own| own.eq_ignore_ascii_case(label)))
}

pub(super) fn set_seats(office: &Office, actor: &str, label: &str, seats: Option<u32>) -> Result<Response, Failure> {
    judge_label(label)?;
    let (_, notes) = change(office, actor, |snapshot| {
        let mut organisation = snapshot.organisation().clone();
        organisation.licence_seats.retain(|own| !own.label.eq_ignore_ascii_case(label));
        organisation.licence_seats.extend(seats.map(|seats| LicenceSeats { label: label.into(), seats }));
        organisation.licence_seats.sort_by(|left, right| left.label.cmp(&right.label));
        let taken = seats.map(|seats| (seats, taken(snapshot, label)));
        let beyond = taken.filter(|(seats, taken)| *taken > usize::try_from(*seats).unwrap_or(usize::MAX));
        let notes = beyond.map(|(_, taken)| format!("{taken} have it already; nobody loses it."));
        let same = organisation == *snapshot.organisation();
        Ok((if same { Vec::new() } else { vec![Change::PutOrganisation(organisation)] }, notes.into_iter().collect()))
    })?;
    let message = match seats {
        Some(seats) => format!("{label} has {seats} seats."),
        None => format!("{label} has no number of seats: it can be assigned as often as you like."),
    };
    Ok(Response::Done { message, notes, password: None })
}

pub(super) fn plans(snapshot: &Snapshot) -> Response {
    let mut plans: Vec<PlanView> = PLANS.iter().map(|(label, features)| plan(snapshot, label, features)).collect();
    let others = snapshot.organisation().licence_seats.iter().map(|own| &*own.label);
    let others: Vec<&str> =
        others.filter(|label| !PLANS.iter().any(|(own, _)| own.eq_ignore_ascii_case(label))).collect();
    plans.extend(others.into_iter().map(|label| plan(snapshot, label, "")));
    let mut room = 1_000_u32;
    for recipient in snapshot.recipients() {
        for label in recipient.account.iter().flat_map(|account| account.licences.iter()) {
            let known = plans.iter().position(|plan| plan.label.eq_ignore_ascii_case(label));
            match known.and_then(|place| plans.get_mut(place)) {
                Some(plan) => plan.assigned = plan.assigned.saturating_add(1),
                // Labels are free; so many different ones nobody reads.
                None if known.is_none() && room > 0 => {
                    room -= 1;
                    plans.push(PlanView { assigned: 1, ..plan(snapshot, label, "") });
                }
                None => {}
            }
        }
    }
    Response::LicencePlans { plans }
}

fn plan(snapshot: &Snapshot, label: &str, features: &str) -> PlanView {
    PlanView {
        label: label.to_owned(),
        bytes_max: quota::of_licence(label).and_then(|thresholds| thresholds.prohibit_send_receive),
        features: features.to_owned(),
        seats: snapshot.organisation().seats(label),
        assigned: 0,
    }
}

pub(super) fn pending(office: &Office) -> Response {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let around = around(office, &moment, &snapshot);
    let is_pending =
        |recipient: &Recipient| recipient.provisioning.as_deref().is_some_and(|own| own.delicensed.is_some());
    let mut lives: Vec<LifeView> = snapshot
        .recipients()
        .filter(|recipient| is_pending(recipient))
        .map(|recipient| outlook::view(recipient, around))
        .collect();
    lives.sort_by(|left, right| left.address.cmp(&right.address));
    Response::Lives { lives, notes: Vec::new() }
}

pub(super) fn expedite(office: &Office, actor: &str, identity: &str) -> Result<Response, Failure> {
    lives::one(office, actor, identity, |_, former, around| {
        let primary = former.primary();
        if former.provisioning.as_deref().is_none_or(|own| own.delicensed.is_none()) {
            let failure = Failure::refused(format!("No licence of {primary} is about to run out."));
            return Err(failure.cured_by("franking licence pending"));
        }
        let advanced = life::step(former, Trigger::DelicensingDue, around, Said::default())?;
        let notes = life::consequences(former, &advanced, around);
        Ok((advanced.recipient, format!("The licence of {primary} has run out."), notes))
    })
}

/// Who would lose what, were a licence taken from everybody that has it, or from those named.
pub(super) fn report(office: &Office, label: &str, identities: &[String]) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let around = around(office, &moment, &snapshot);
    let named: Vec<_> = match identities {
        [] => snapshot.recipients().collect(),
        some => some.iter().map(|text| identity::find(&snapshot, text)).collect::<Result<_, _>>()?,
    };
    let mut lives = Vec::new();
    for recipient in named.into_iter().filter(|recipient| has(recipient, label)) {
        let (mut after, mut notes) = (Recipient::clone(recipient), Vec::new());
        if let Some(account) = after.account.as_deref_mut() {
            account.licences.retain(|own| !own.eq_ignore_ascii_case(label));
        }
        life::follow(&mut after, around, &mut notes);
        let what = match (notes.is_empty(), after.state()) {
            (false, _) => notes.join(" "),
            (true, State::Active) if recipient.recipient_type != RecipientType::UserMailbox => {
                "its mailbox stays, with 50 GB at most".to_owned()
            }
            (true, _) => "nothing: it has another licence, or no mailbox that needs one".to_owned(),
        };
        lives.push(LifeView { at: None, what: Some(what), ..outlook::view(recipient, around) });
    }
    lives.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(Response::Lives { lives, notes: Vec::new() })
}
