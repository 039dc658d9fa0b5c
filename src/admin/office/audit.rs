//! What an auditor asks of the directory, page by page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::{ForwardingAudit, Response};
use super::trace::Moment;
use super::{Office, Progress, identity};
use crate::model::directory::Snapshot;
use crate::model::policy::Settings;
use crate::model::policy::ways_out::{Place, page};
use crate::store::directory::history::{self, Alteration, Selection, Subject};

/// Which changes of the directory to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeQuery {
    /// Only of objects that have, or ever had, this address, login, name or identity (`#17`).
    pub object: Option<String>,
    /// Only by this actor, letter case aside.
    pub actor: Option<String>,
    /// Only at this time or later.
    pub since: Option<Moment>,
    /// Only at this time or earlier.
    pub until: Option<Moment>,
    /// Only the newest so many; 0 means all.
    pub limit: usize,
    /// Where a later part begins, as the one before it said.
    pub from: Option<ChangePlace>,
}

/// Where a part of the history begins, with what was found when the first one was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePlace {
    /// What is looked for.
    pub selection: Selection,
    /// Where.
    pub place: history::Place,
}

/// A part of the history, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAudit {
    /// What was altered.
    pub alterations: Vec<Alteration>,
    /// How many older changes the limit leaves out; known with the first part.
    pub older: u64,
    /// Where the next part begins; none after the last.
    pub next: Option<Box<ChangePlace>>,
}

/// Who changed what and when.
pub(super) fn changes(
    office: &Office,
    query: ChangeQuery,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let Some(history) = office.directory.history() else {
        return Err(Failure::unavailable("This directory keeps no history."));
    };
    let failed = |error: crate::store::directory::OpenError| {
        Failure::unavailable(format!("The history cannot be read: {error}.")).cured_by("franking verify")
    };
    let mut read = |done, total| progress(Progress { what: "reading the change log".to_owned(), done, total });
    let (place, older) = match query.from {
        Some(from) => (from, 0),
        None => {
            let now = office.clock.now();
            let subjects = query.object.as_deref().map(|text| subjects(&snapshot, text, &history, &mut read));
            let selection = Selection {
                subjects: subjects.transpose()?,
                actor: query.actor,
                since: query.since.map(|moment| moment.resolve(now)),
                until: query.until.map(|moment| moment.resolve(now)),
            };
            let (place, older) = history.newest(&selection, query.limit, &mut read).map_err(failed)?;
            (ChangePlace { selection, place }, older)
        }
    };
    let names = |id| snapshot.recipient(id).map(|recipient| recipient.primary().to_string().into());
    let found = history.page(&place.selection, place.place, &names, &mut read).map_err(failed)?;
    let next = found.next.map(|next| Box::new(ChangePlace { selection: place.selection, place: next }));
    Ok(Response::ChangeAudit(ChangeAudit { alterations: found.alterations, older, next }))
}

/// Everything that is, or ever was, called so.
fn subjects(
    snapshot: &Snapshot,
    text: &str,
    history: &history::History,
    read: history::Reading<'_>,
) -> Result<BTreeSet<Subject>, Failure> {
    let found = history.subjects_named(text, read);
    let mut found = found.map_err(|error| Failure::unavailable(format!("The history cannot be read: {error}.")))?;
    // By local part, as people name recipients elsewhere.
    match identity::find(snapshot, text) {
        Ok(recipient) => {
            found.insert(Subject::Recipient(recipient.id));
        }
        Err(failure) if found.is_empty() => return Err(failure),
        Err(_) => {}
    }
    Ok(found)
}

/// One page of the ways by which mail leaves.
pub(super) fn forwarding(snapshot: &Snapshot, settings: &Settings, place: Place) -> Response {
    let found = page(snapshot, settings, place);
    Response::ForwardingAudit(ForwardingAudit {
        auto_forwarding_mode: snapshot.organisation().auto_forwarding_mode,
        ways: found.ways,
        next: found.next,
    })
}
