//! What the message trace answers, as text.

use super::{Page, size, table};
use crate::store::trace::{Entry, History, Line, Page as Found};

/// A subject takes at most so many characters of a line; `--json` has all of it.
const SUBJECT_CHARACTERS_MAX: usize = 60;

fn sender(path: &str) -> String {
    if path.is_empty() { "<>".to_owned() } else { path.to_owned() }
}

/// What was not found, but should have been.
fn incomplete(page: &mut Page, damaged: usize, lost: u64) {
    if damaged > 0 {
        page.line(&format!("note: {damaged} damaged places of the trace were passed over."));
    }
    if lost > 0 {
        page.line(&format!("note: {lost} records of that time are missing, since the disk failed or was full."));
    }
}

/// An answer of a host or of this server.
fn answer(host: Option<&str>, reply: Option<&str>) -> String {
    match (host, reply) {
        (Some(host), Some(reply)) => format!("{host}: {reply}"),
        (None, reply) => reply.unwrap_or_default().to_owned(),
        (Some(host), None) => host.to_owned(),
    }
}

/// The lines of a list.
pub(super) fn list(page: &mut Page, found: &Found) {
    if found.lines.is_empty() {
        page.line("Nothing in the message trace matches.");
    } else {
        let row = |own: &Line| {
            let subject: String = own.subject.chars().take(SUBJECT_CHARACTERS_MAX).collect();
            let answer = answer(own.host.as_deref(), own.reply.as_deref());
            let (from, status) = (sender(&own.from), own.status.to_string());
            vec![own.accepted_at.clone(), own.id.clone(), status, from, own.recipient.clone(), subject, answer]
        };
        let rows: Vec<Vec<String>> = found.lines.iter().map(row).collect();
        page.block(&table(&["ACCEPTED", "ID", "STATUS", "FROM", "RECIPIENT", "SUBJECT", "LAST ANSWER"], &rows));
    }
    if found.more {
        page.line("There is more: narrow the search down, or raise --limit.");
    }
    incomplete(page, found.damaged, found.lost);
}

/// Everything about one message.
pub(super) fn message(page: &mut Page, history: &History) {
    page.line(&format!("message: {}", history.id));
    match &history.accepted_at {
        Some(at) => {
            page.line(&format!("accepted: {at}, {}", size(history.bytes)));
            page.line(&format!("from: {}, by {}", sender(&history.from), history.origin));
            page.line(&format!("to: {}", history.given.join(", ")));
            page.line(&format!("subject: {}", history.subject));
            page.line(&format!("message-id: {}", history.message_id));
            history.session.iter().for_each(|session| page.line(&format!("session: {session}")));
        }
        None => page.line("The trace does not go back to its acceptance."),
    }
    page.line("");
    events(page, &history.events);
    if history.more {
        page.line("There is more: name one of its recipients with --recipient.");
    }
    incomplete(page, history.damaged, history.lost);
}

/// Events in order.
pub(super) fn events(page: &mut Page, events: &[Entry]) {
    let row = |own: &Entry| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let recipient = match &own.given {
            Some(given) => format!("{} (given as {given})", text(&own.recipient)),
            None => text(&own.recipient),
        };
        let answer = answer(own.host.as_deref(), own.reply.as_deref());
        vec![own.at.clone(), own.event.clone(), recipient, text(&own.destination), text(&own.next_attempt), answer]
    };
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    page.block(&table(&["TIME", "EVENT", "RECIPIENT", "DESTINATION", "NEXT ATTEMPT", "ANSWER"], &rows));
}
