//! Licences of the organisation: plans, seats, who would lose what, and licences that are about to run out.

use super::doubts::counted;
use super::failure::Failure;
use super::orders::{LifeView, PlanEdit, PlanView};
use super::outlook;
use super::response::Response;
use super::steward::{Moment, around};
use super::{Office, change, identity, life, lives};
use crate::model::directory::licence::is_label;
use crate::model::directory::lifecycle::life::Said;
use crate::model::directory::lifecycle::machine::{State, Trigger};
use crate::model::directory::{Change, LicencePlan, Recipient, RecipientType, Snapshot};
use crate::model::policy::quota::{self, Thresholds};

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

/// Judges a label that is about to be assigned. Labels are free, since there are more plans than anybody knows; one
/// that nobody has, that nothing is said of, and that is almost one that everybody knows, is a slip. Of any other that
/// is new here, a note is told.
///
/// # Errors
/// `Refused` for a slip, with what was meant.
pub(super) fn judge_new(snapshot: &Snapshot, label: &str) -> Result<Option<String>, Failure> {
    if is_known(snapshot, label) {
        return Ok(None);
    }
    let say = format!("franking licence plan set \"{label}\" --seats COUNT");
    match meant(label) {
        Some(known) => Err(Failure::refused(format!("There is no licence {label} yet."))
            .cured_by(format!("did you mean {known}?"))
            .cured_by(format!("or, where it is a plan of its own: {say}"))),
        None => Ok(Some(format!("{label} is a licence that nobody had yet, and nothing is said of it: {say}"))),
    }
}

fn is_known(snapshot: &Snapshot, label: &str) -> bool {
    let is_usual = PLANS.iter().any(|(own, _)| own.eq_ignore_ascii_case(label)) || quota::is_known_label(label);
    is_usual || snapshot.organisation().plan(label).is_some() || snapshot.licence_count(label) > 0
}

/// The plan that everybody knows and that differs from `label` by two slips at most.
fn meant(label: &str) -> Option<&'static str> {
    PLANS
        .iter()
        .map(|(own, _)| *own)
        .filter_map(|own| Some((identity::slips(label, own, 2)?, own)))
        .min()
        .map(|it| it.1)
}

/// Whether another account may have this licence.
///
/// # Errors
/// `Refused` when all seats are taken.
pub(super) fn seat(snapshot: &Snapshot, label: &str) -> Result<(), Failure> {
    match snapshot.organisation().seats(label) {
        Some(seats) if snapshot.licence_count(label) >= seats => {
            Err(no_seat(label, seats, snapshot.licence_count(label)))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_seat(label: &str, seats: u32, taken: u32) -> Failure {
    let are = if taken == 1 { "is" } else { "are" };
    let failure = Failure::refused(format!("There is no seat left of {label}: {taken} of {seats} {are} taken."));
    failure.cured_by(format!("take it from somebody: franking licence report --remove {label}")).cured_by(format!(
        "or after buying more: franking licence plan set {label} --seats {}",
        taken.saturating_add(1)
    ))
}

/// The same for all that an object is to have and had not.
///
/// # Errors
/// As [`seat`].
pub(super) fn seats(snapshot: &Snapshot, former: Option<&Recipient>, next: &Recipient) -> Result<(), Failure> {
    match snapshot.missing_seat(former, next) {
        Some((label, seats, taken)) => Err(no_seat(label, seats, taken)),
        None => Ok(()),
    }
}

/// [`judge_new`] of all that an object is to have and had not.
///
/// # Errors
/// As there.
pub(super) fn judge_all(
    snapshot: &Snapshot,
    former: Option<&Recipient>,
    next: &Recipient,
) -> Result<Vec<String>, Failure> {
    let labels = next.account.iter().flat_map(|account| account.licences.iter());
    let fresh = labels.filter(|label| !former.is_some_and(|former| former.has_licence(label)));
    let notes: Vec<Option<String>> = fresh.map(|label| judge_new(snapshot, label)).collect::<Result<_, _>>()?;
    Ok(notes.into_iter().flatten().collect())
}

/// Says something of a licence, or nothing any more.
pub(super) fn set_plan(office: &Office, actor: &str, edit: &PlanEdit) -> Result<Response, Failure> {
    let label = edit.label.trim();
    judge_label(label)?;
    let (_, (plan, notes)) = change(office, actor, |snapshot| {
        let mut organisation = snapshot.organisation().clone();
        let own = organisation.plan(label).cloned();
        let mut plan = own.unwrap_or_else(|| LicencePlan { label: label.into(), ..LicencePlan::default() });
        if edit.forget {
            plan = LicencePlan { label: plan.label, ..LicencePlan::default() };
        }
        if let Some(seats) = edit.seats {
            plan.seats = seats.count();
        }
        if let Some(quota) = edit.quota {
            plan.quota = quota.own();
        }
        if let Some(features) = &edit.features {
            plan.features = features.as_str().into();
        }
        organisation.licence_plans.retain(|own| !own.label.eq_ignore_ascii_case(label));
        organisation.licence_plans.extend(Some(plan.clone()).filter(|plan| !plan.is_empty()));
        organisation.licence_plans.sort_by(|left, right| left.label.cmp(&right.label));
        let taken = snapshot.licence_count(label);
        let beyond = plan.seats.is_some_and(|seats| taken > seats) && edit.seats.is_some();
        let notes = beyond.then(|| format!("{taken} have it already; nobody loses it.")).into_iter().collect();
        let same = organisation == *snapshot.organisation();
        let changes = if same { Vec::new() } else { vec![Change::PutOrganisation(organisation)] };
        Ok((changes, (plan, notes)))
    })?;
    let message = match (edit.seats, plan.seats) {
        (Some(_), Some(seats)) => format!("{label} has {}.", counted(seats.try_into().unwrap_or(usize::MAX), "seat")),
        (Some(_), None) => format!("{label} has no number of seats: it can be assigned as often as you like."),
        (None, _) if edit.forget => format!("{label} is what its name says, and can be assigned as often as you like."),
        (None, _) => format!("{label} is set."),
    };
    Ok(Response::Done { message, notes, password: None })
}

pub(super) fn plans(snapshot: &Snapshot) -> Response {
    let mut plans: Vec<PlanView> = PLANS.iter().map(|(label, features)| plan(snapshot, label, features)).collect();
    let others = snapshot.organisation().licence_plans.iter().map(|own| &*own.label);
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
    let own = snapshot.organisation().plan(label);
    let said = own.and_then(|plan| plan.quota).map(Thresholds::of_quota);
    let features = own.map(|plan| &*plan.features).filter(|own| !own.is_empty()).unwrap_or(features);
    PlanView {
        label: label.to_owned(),
        bytes_max: said.or_else(|| quota::of_licence(label)).and_then(|thresholds| thresholds.prohibit_send_receive),
        features: features.to_owned(),
        seats: own.and_then(|plan| plan.seats),
        assigned: 0,
    }
}

/// Objects that one change of the directory alters at most: it holds up every other change.
const BATCH: usize = 500;

/// Assigns a licence to every user whose mailbox is in use without one, as far as there are seats.
pub(super) fn assign_to_all(office: &Office, actor: &str, label: &str) -> Result<Response, Failure> {
    let label = label.trim();
    judge_label(label)?;
    let moment = Moment::of(office);
    let snapshot = office.directory.snapshot();
    let notes: Vec<String> = judge_new(&snapshot, label)?.into_iter().collect();
    let wants = |recipient: &Recipient| {
        recipient.recipient_type == RecipientType::UserMailbox
            && recipient.lifecycle.is_active()
            && recipient.account.is_some()
            && !recipient.is_licensed()
    };
    let found = snapshot.recipients().filter(|recipient| wants(recipient));
    let mut ids: Vec<_> = found.map(|recipient| recipient.id).collect();
    ids.sort_unstable();
    // Refused before anybody has one where not everybody can: which of them would be a matter of chance.
    let (seats, taken) = (snapshot.organisation().seats(label), snapshot.licence_count(label));
    let wanted = taken.saturating_add(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    if let Some(seats) = seats.filter(|seats| wanted > *seats) {
        let failure = Failure::refused(format!(
            "{} have no licence, and there are not so many seats left of {label}: {taken} of {seats} are taken.",
            counted(ids.len(), "user mailbox")
        ));
        return Err(failure.cured_by(format!("franking licence plan set {label} --seats {wanted}")));
    }
    for some in ids.chunks(BATCH) {
        change(office, actor, |snapshot| {
            let mut changes = Vec::new();
            for former in some.iter().filter_map(|id| snapshot.recipient(*id)).filter(|recipient| wants(recipient)) {
                let (mut next, mut notes) = (Recipient::clone(former), Vec::new());
                if let Some(account) = next.account.as_deref_mut() {
                    account.licences.push(label.into());
                }
                life::follow(&mut next, around(office, &moment, snapshot), &mut notes);
                changes.push(Change::PutRecipient(Box::new(next)));
            }
            Ok((changes, ()))
        })?;
    }
    let message = format!("{label} is assigned to {}.", counted(ids.len(), "user mailbox"));
    Ok(Response::Done { message, notes, password: None })
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
        .map(|recipient| outlook::view(&snapshot, recipient, around))
        .collect();
    lives.sort_by(|left, right| left.address.cmp(&right.address));
    Response::Lives { lives, notes: Vec::new(), unknown: Vec::new() }
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
/// Names that nobody has are told with the lines that they stand on, and the others are reported on all the same.
pub(super) fn report(
    office: &Office,
    label: &str,
    identities: &[String],
    lines: &[usize],
) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let around = around(office, &moment, &snapshot);
    let mut unknown = Vec::new();
    let named: Vec<_> = match identities {
        [] => snapshot.recipients().collect(),
        some => {
            let mut found = Vec::with_capacity(some.len());
            for (place, text) in some.iter().enumerate() {
                match (identity::find(&snapshot, text), lines.get(place)) {
                    (Ok(recipient), _) => found.push(recipient),
                    (Err(failure), Some(line)) => unknown.push(format!("line {line}: {}", failure.message)),
                    (Err(failure), None) => unknown.push(failure.message),
                }
            }
            found
        }
    };
    if !is_known(&snapshot, label) {
        let failure = Failure::not_found(format!("There is no licence {label}."));
        let failure =
            meant(label).map(|known| format!("did you mean {known}?")).into_iter().fold(failure, Failure::cured_by);
        return Err(failure.cured_by("franking licence plans"));
    }
    let mut lives = Vec::new();
    for recipient in named.into_iter().filter(|recipient| recipient.has_licence(label)) {
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
        lives.push(LifeView { at: None, what: Some(what), ..outlook::view(&snapshot, recipient, around) });
    }
    lives.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(Response::Lives { lives, notes: Vec::new(), unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::tests::office;
    use crate::admin::office::{LifeOrder, LifeQuestion, Request, handle};

    fn assigned(office: &Office, licence: &str) -> Result<Vec<String>, Failure> {
        let request = Request::Licence { identity: "bob".to_owned(), licence: licence.to_owned(), assign: true };
        match handle(office, "root", request, &mut |_| {}) {
            Response::Done { notes, .. } => Ok(notes),
            Response::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slip_is_no_licence_and_a_plan_of_ones_own_is_one() {
        let office = office();
        let ask = |request| handle(&office, "root", request, &mut |_| {});
        let slip = assigned(&office, "ExchangeOnlinePaln1").unwrap_err();
        assert_eq!(slip.cures[0], "did you mean ExchangeOnlinePlan1?");
        let report =
            |label: &str| LifeQuestion::Report { label: label.to_owned(), identities: Vec::new(), lines: Vec::new() };
        let Response::Failed(unknown) = ask(Request::LifeQuestion(report("ExchangeOnlinePaln1"))) else {
            panic!("nobody has it")
        };
        assert_eq!(unknown.cures[0], "did you mean ExchangeOnlinePlan1?");
        assert!(matches!(ask(Request::LifeQuestion(report("exchangeonlinekiosk"))), Response::Lives { .. }));
        // Whoever means it says so first.
        let edit = PlanEdit { label: "ExchangeOnlinePaln1".to_owned(), seats: "3".parse().ok(), ..PlanEdit::default() };
        ask(Request::Life(LifeOrder::Plan(edit)));
        assert_eq!(assigned(&office, "ExchangeOnlinePaln1"), Ok(Vec::new()));
        let notes = assigned(&office, "Crew").unwrap();
        assert!(notes[0].starts_with("Crew is a licence that nobody had yet"), "{notes:?}");
        assert_eq!(assigned(&office, "EXCHANGEONLINEPLAN2"), Ok(Vec::new()));
    }
}
