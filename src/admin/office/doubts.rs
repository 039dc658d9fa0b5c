//! What would happen to many mailboxes at once, and may be a mistake: told before it happens, and confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Office;
use super::life::days;
use super::orders::{DoubtView, LifeView, Supposed};
use super::response::Response;
use super::steward::brake::{self, Cause};
use super::steward::{self, Moment, around};
use crate::model::directory::lifecycle::life::{Periods, Surroundings};
use crate::model::directory::{Change, Licensing, Lifecycle, Recipient, RecipientId, Snapshot};

/// Carries out what waits.
pub(super) fn confirm(office: &Office, actor: &str, cause: Cause) -> Response {
    let count = steward::confirm(office, actor, cause);
    let (message, notes) = match cause {
        _ if count == 0 => ("Nothing waits for a confirmation.".to_owned(), Vec::new()),
        Cause::Disconnections => {
            let note = format!(
                "Each mailbox is kept for {}, and is back with its licence: franking mailbox list --disconnected",
                days(office.settings().periods.disconnected)
            );
            (format!("{} lost their mailboxes.", counted(count, "user")), vec![note])
        }
        Cause::Deletions => {
            (format!("{} and deleted users are deleted for good.", counted(count, "mailbox")), Vec::new())
        }
    };
    Response::Done { message, notes, password: None }
}

/// Lets time count that nobody has seen pass.
pub(super) fn count_unseen_time(office: &Office, actor: &str) -> Response {
    // What has passed until now is part of it.
    let _ = Moment::of(office);
    let length = office.steward.count_everything();
    tracing::warn!(actor, seconds = length.as_secs(), "time that passed unseen counts from now on");
    let (message, notes) = if length.is_zero() {
        ("No time has passed unseen.".to_owned(), Vec::new())
    } else {
        let note = "What is over by it is deleted now, unless it is so much that it waits: franking lifecycle preview";
        (format!("{} that passed unseen count now.", whole_days(length)), vec![note.to_owned()])
    };
    Response::Done { message, notes, password: None }
}

/// How much time has passed unseen that makes something end later.
pub(super) fn unseen(around: Surroundings<'_>) -> Duration {
    let Periods { disconnected, soft_deleted, deleted_user, delicensing, delay_hold } = around.periods;
    let longest = disconnected.max(soft_deleted).max(deleted_user).max(delicensing).max(delay_hold);
    let recent = around.calendar.gaps().iter().filter(|gap| gap.to.plus(longest) > around.now);
    recent.fold(Duration::ZERO, |sum, gap| sum.saturating_add(gap.length()))
}

/// The same for people; none where there is none.
pub(super) fn unseen_in_words(around: Surroundings<'_>) -> Option<String> {
    let length = unseen(around);
    (!length.is_zero()).then(|| {
        format!(
            "{} passed while the server was off, or its clock was set ahead, and do not count for what is kept, \
             unless you say so: franking lifecycle confirm time",
            whole_days(length)
        )
    })
}

fn whole_days(length: Duration) -> String {
    counted(usize::try_from(length.as_secs() / 86_400).unwrap_or(usize::MAX), "day")
}

/// What would wait, or happen at once, if the settings were as supposed.
pub(super) fn answer(office: &Office, supposed: Option<&Supposed>) -> Response {
    let snapshot = office.directory.snapshot();
    let moment = Moment::of(office);
    let mut around = around(office, &moment, &snapshot);
    if let Some(supposed) = supposed {
        around.licensing = if supposed.licences_count { Licensing::Counts } else { Licensing::Ignored };
        around.periods = supposed.periods;
    }
    let doubts = brake::doubtful(&snapshot, around).into_iter().map(|(cause, ids)| {
        let waits = office.steward.holds_back(cause, ids.len(), &snapshot);
        DoubtView { cause, objects: ids.len(), waits }
    });
    Response::Doubts { doubts: doubts.collect(), unseen_days: unseen(around).as_secs() / 86_400 }
}

/// Those who wait, and for what; empty in the ordinary course of things.
pub(super) fn waiting(
    office: &Office,
    snapshot: &Snapshot,
    around: Surroundings<'_>,
) -> BTreeMap<RecipientId, (Cause, usize)> {
    let doubtful = brake::doubtful(snapshot, around);
    let waits = doubtful.into_iter().filter(|(cause, ids)| office.steward.holds_back(*cause, ids.len(), snapshot));
    waits.flat_map(|(cause, ids)| ids.iter().map(|id| (*id, (cause, ids.len()))).collect::<Vec<_>>()).collect()
}

/// Says of an object in a list that it waits.
pub(super) fn mark(view: &mut LifeView, (cause, count): (Cause, usize)) {
    let what = match cause {
        Cause::Disconnections => "it has no licence, and would be disconnected",
        Cause::Deletions => "its time is over since long, and it would be deleted for good",
    };
    view.at = None;
    view.what = Some(format!("{what}; it waits, as one of {count}, for: franking lifecycle confirm {}", cause.name()));
}

/// What follows from an import for mailboxes that it brings without the licence that they need, or whose time was over
/// long ago.
pub(super) fn warnings(
    office: &Office,
    snapshot: &Snapshot,
    around: Surroundings<'_>,
    changes: &[Change],
) -> Vec<String> {
    let mut brought: BTreeMap<RecipientId, &Recipient> = BTreeMap::new();
    for change in changes {
        if let Change::PutRecipient(recipient) = change {
            brought.insert(recipient.id, recipient);
        }
    }
    let mut found: BTreeMap<Cause, BTreeSet<RecipientId>> = BTreeMap::new();
    for (id, recipient) in brought {
        if let Some(cause) = Cause::of(snapshot, recipient, around) {
            found.entry(cause).or_default().insert(id);
        }
    }
    let told = found.iter().map(|(cause, ids)| {
        let waits = office.steward.holds_back(*cause, ids.len(), snapshot);
        in_words(*cause, ids.len(), waits, around)
    });
    let superseded = superseded(
        snapshot,
        changes.iter().filter_map(|change| match change {
            Change::PutRecipient(recipient) => Some(&**recipient),
            _ => None,
        }),
    );
    told.chain(superseded).collect()
}

/// What follows for removed mailboxes whose place these objects take (spec T24).
pub(super) fn superseded<'a>(snapshot: &Snapshot, brought: impl Iterator<Item = &'a Recipient>) -> Option<String> {
    let removed = |recipient: &&std::sync::Arc<Recipient>| matches!(recipient.lifecycle, Lifecycle::SoftDeleted { .. });
    let newer = brought.filter(|recipient| recipient.supersedes());
    let gone: BTreeSet<RecipientId> = newer
        .flat_map(|own| {
            snapshot.twins(own).filter(removed).filter(|old| old.id < own.id).map(|old| old.id).collect::<Vec<_>>()
        })
        .collect();
    (!gone.is_empty()).then(|| {
        format!(
            "{} with the same ExchangeGuid, which a licensed object has now: deleted for good, unless on hold or so \
             many that it waits: franking lifecycle preview",
            counted(gone.len(), "removed mailbox")
        )
    })
}

/// What so many have before them, with the cure.
fn in_words(cause: Cause, count: usize, waits: bool, around: Surroundings<'_>) -> String {
    let kept = days(around.periods.disconnected);
    match (cause, waits) {
        (Cause::Disconnections, true) => format!(
            "{} without licence cannot be used; so many are not disconnected before somebody confirms that: franking \
             licence assign --unlicensed, or profile = \"exchange-server\", where licences do not count, or franking \
             lifecycle confirm disconnections",
            counted(count, "user mailbox")
        ),
        (Cause::Disconnections, false) => format!(
            "{} without licence: disconnected at once, and deleted for good after {kept}: franking mailbox list \
             --disconnected, then franking licence assign RECIPIENT, or --file FILE for many",
            counted(count, "user mailbox")
        ),
        (Cause::Deletions, true) => format!(
            "the time of {} was over long ago; so many are not deleted for good before somebody confirms that: \
             franking lifecycle preview, then franking lifecycle confirm deletions",
            counted(count, "mailbox")
        ),
        (Cause::Deletions, false) => {
            format!("the time of {} was over long ago: deleted for good at once", counted(count, "mailbox"))
        }
    }
}

/// `1 mailbox`, `2 mailboxes`.
pub(in crate::admin) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ if what.ends_with('x') => format!("{count} {what}es"),
        _ => format!("{count} {what}s"),
    }
}
