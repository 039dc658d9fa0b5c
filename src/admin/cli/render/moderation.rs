//! Mail that waits for a moderator, as text.

use super::Page;
use crate::admin::cli::output::{size, table};
use crate::admin::office::ModerationView;

fn sender(view: &ModerationView) -> String {
    if view.from.is_empty() { "<>".to_owned() } else { view.from.clone() }
}

pub(super) fn list(page: &mut Page, total: usize, waiting: &[ModerationView]) {
    if total == 0 {
        return page.line("Nothing waits for a moderator.");
    }
    let row = |own: &ModerationView| {
        let texts = [own.until.clone(), size(own.bytes), sender(own), own.recipient.clone(), own.subject.clone()];
        [own.id.clone()].into_iter().chain(texts).chain([own.moderators.join(", ")]).collect()
    };
    let rows: Vec<Vec<String>> = waiting.iter().map(row).collect();
    page.block(&table(&["ID", "UNTIL", "SIZE", "FROM", "TO", "SUBJECT", "MODERATORS"], &rows));
    if waiting.len() < total {
        page.line(&format!("{} of {total} are shown; --limit 0 shows all.", waiting.len()));
    }
}

pub(super) fn one(page: &mut Page, view: &ModerationView) {
    page.line(&format!("{} to {} is {}.", view.id, view.recipient, view.state));
    page.line(&format!("from: {}", sender(view)));
    page.line(&format!("subject: {}", view.subject));
    page.line(&format!("size: {}", size(view.bytes)));
    page.line(&format!("since: {}", view.since));
    page.line(&format!("until: {}", view.until));
    let asked = if view.asked { "asked" } else { "not asked yet" };
    let moderators =
        if view.moderators.is_empty() { "nobody; the postmaster".to_owned() } else { view.moderators.join(", ") };
    page.line(&format!("moderators: {moderators} ({asked})"));
    if let (Some(verdict), Some(by), Some(at)) = (view.verdict, &view.decided_by, &view.decided_at) {
        let entered = view.entered_by.as_deref().unwrap_or_default();
        page.line(&format!("decision: {} by {by} at {at}, entered by {entered}", verdict.participle()));
    }
    if let Some(comment) = &view.comment {
        page.line(&format!("comment: {comment}"));
    }
}
