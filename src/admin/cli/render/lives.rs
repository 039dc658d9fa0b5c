//! Lives of mailboxes and licences, as text.

use super::Page;
use crate::admin::cli::output::{size, table};
use crate::admin::office::{DoubtView, HoldView, LifeView, PlanView, RecipientView, Response};

/// An answer about lives, holds or licences.
pub(super) fn answer(page: &mut Page, response: &Response) {
    match response {
        Response::Lives { lives, notes, unknown } => {
            list(page, lives);
            unknown.iter().for_each(|name| page.line(&format!("not found: {name}")));
            notes.iter().for_each(|note| page.line(&format!("note: {note}")));
        }
        Response::Doubts { doubts, .. } => self::doubts(page, doubts),
        Response::Holds { about, until, holds } => self::holds(page, about, until, holds),
        Response::LicencePlans { plans } => self::plans(page, plans),
        Response::LifecycleTable { text } => text.lines().for_each(|line| page.line(line)),
        _ => {}
    }
}

/// A table of objects, with the columns that have anything in them.
fn list(page: &mut Page, lives: &[LifeView]) {
    if lives.is_empty() {
        return page.line("There is none.");
    }
    let yes = |value: bool| if value { "True" } else { "False" }.to_owned();
    let cells = |view: &LifeView| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            view.address.clone(),
            text(&view.exchange_guid),
            view.state.clone(),
            yes(view.is_inactive),
            yes(view.is_soft_deleted_by_remove),
            text(&view.since),
            text(&view.at),
            text(&view.what),
            text(&view.error),
        ]
    };
    let heading = [
        "ADDRESS",
        "ExchangeGuid",
        "STATE",
        "IsInactiveMailbox",
        "IsSoftDeletedByRemove",
        "SINCE",
        "WHEN",
        "WHAT HAPPENS",
        "ERROR",
    ];
    let rows: Vec<Vec<String>> = lives.iter().map(cells).collect();
    let told: Vec<usize> = (0..heading.len())
        .filter(|column| {
            rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty() && cell != "False"))
        })
        .collect();
    let heading: Vec<&str> = told.iter().filter_map(|column| heading.get(*column).copied()).collect();
    let pick = |row: &Vec<String>| told.iter().filter_map(|column| row.get(*column).cloned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(pick).collect();
    page.block(&table(&heading, &rows));
}

/// A table of what would happen to many.
fn doubts(page: &mut Page, doubts: &[DoubtView]) {
    let row = |doubt: &DoubtView| {
        let waits = if doubt.waits { "waits" } else { "at once" };
        vec![doubt.cause.name().to_owned(), doubt.objects.to_string(), waits.to_owned()]
    };
    let rows: Vec<Vec<String>> = doubts.iter().map(row).collect();
    page.block(&table(&["WHAT", "OBJECTS", "WHEN"], &rows));
}

/// A table of holds.
fn holds(page: &mut Page, about: &str, until: &str, holds: &[HoldView]) {
    page.line(&format!("{about}: {until}"));
    if holds.is_empty() {
        return;
    }
    let row = |own: &HoldView| {
        let days = match (&own.until, own.days) {
            (Some(end), _) => format!("until {end}"),
            (None, Some(1)) => "1 day".to_owned(),
            (None, Some(days)) => format!("{days} days"),
            (None, None) => "for ever".to_owned(),
        };
        vec![own.kind.clone(), own.name.clone(), days, own.since.clone().unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = holds.iter().map(row).collect();
    page.block(&table(&["HOLD", "NAME", "KEEPS", "SINCE"], &rows));
}

/// A table of licences.
fn plans(page: &mut Page, plans: &[PlanView]) {
    let row = |plan: &PlanView| {
        let seats = plan.seats.map_or_else(|| "unlimited".to_owned(), |seats| seats.to_string());
        let bytes = plan.bytes_max.map_or_else(String::new, size);
        vec![plan.label.clone(), seats, plan.assigned.to_string(), bytes, plan.features.clone()]
    };
    let rows: Vec<Vec<String>> = plans.iter().map(row).collect();
    page.block(&table(&["LICENCE", "SEATS", "ASSIGNED", "MAILBOX", "BESIDES"], &rows));
}

/// The two halves of an object, where there is more to say than that it is in use (spec section 7.1).
pub(super) fn halves(page: &mut Page, view: &RecipientView) {
    let Some(life) = &view.lifecycle else { return };
    let deleted = life.when_user_deleted.as_ref().map(|since| format!("deleted {since}"));
    let telling = [&deleted, &life.error_record, &life.when_soft_deleted, &life.when_delicensed];
    if telling.iter().all(|text| text.is_none()) && !life.compliance_tag_hold_applied {
        return;
    }
    let licences = view.properties.licences.as_deref().unwrap_or_default().join(", ");
    let licences = if licences.is_empty() { "no licence".to_owned() } else { licences };
    page.line(&format!("identity half: user {}, {licences}", deleted.as_deref().unwrap_or("active")));
    let kind = view.properties.recipient_type.map_or_else(String::new, |kind| format!("{kind}, "));
    page.line(&format!("mailbox half: {kind}{}", view.state));
    if let Some(error) = &life.error_record {
        page.line(&format!("  they do not follow each other: {error}"));
        page.line(&format!("  try again: franking lifecycle retry {}", view.properties.address));
    }
    if let Some(since) = &life.when_delicensed {
        page.line(&format!("  its licence was taken {since}, with delay"));
    }
    if life.compliance_tag_hold_applied {
        page.line(&format!("  on hold: franking hold list {}", view.properties.address));
    }
    if let (Some(kind), Some(guid)) = (&life.previous_recipient_type_details, &life.previous_mailbox_guid) {
        let home = life.previous_home.as_deref().unwrap_or_default();
        page.line(&format!("  previous mailbox: {kind}, {guid}, on {home}"));
    }
}
